// What the lab's own errors say in Korean. The core speaks English (command line, tests, logs); the page asks here before it shows a message.
// A message that is not listed stays as it is.

import { koreanImageMessage } from './image-messages.ts';
import { josa } from './josa.ts';
import type { Lang } from './text.ts';

/** [pattern of the English message, Korean with $1 … for its groups]. */
const KOREAN: readonly (readonly [RegExp, string])[] = [
  [
    /^This link is damaged.*$/,
    '이 링크는 손상되었습니다. 도중에 잘리거나 바뀌었습니다. 링크를 다시 받거나 실습을 처음부터 여십시오.',
  ],
  [
    /^This link does not describe a moment.*$/,
    '이 링크는 순간을 담고 있지 않습니다. 실습을 처음부터 여십시오.',
  ],
  [
    /^This link was made by machine version (\d+); this is version (\d+).*$/,
    '이 링크는 기계 버전 $1에서 만들어졌고 지금은 버전 $2입니다. 같은 기록이 다른 역사를 낼 수 있으므로 실습을 처음부터 여십시오.',
  ],
  [
    /^The image of “(.+)” \(SHA-256 (\S+)\) is not (?:on this computer|here).*$/,
    '“$1”의 이미지(SHA-256 $2)가 이 컴퓨터에 없습니다. 파일을 페이지에 놓은 뒤 링크를 다시 여십시오.',
  ],
  [
    /^“(.+)” has changed since this link was made.*$/,
    '“$1”은(는) 이 링크가 만들어진 뒤 바뀌었습니다. 실습을 처음부터 여십시오.',
  ],
  [
    /^The machine at this moment is not the one the link was made from \(state (\S+), expected (\S+)\)\.$/,
    '이 순간의 기계는 링크를 만든 기계와 다릅니다(상태 $1, 기대 $2).',
  ],
  [/^The machine worker failed: (.*)$/, '기계 워커가 실패했습니다: $1'],
  [/^(.+): there is no such place yet$/, '$1: 그런 곳이 아직 없습니다.'],
  [/^“(.+)” is nothing a tour can (?:do|ask for)$/, '“$1”은(는) 안내가 할 수 있는 일이 아닙니다.'],
  [/^line (\d+): “(.+)” is no “key: value”$/, '$1번째 줄: “$2”은(는) “이름: 값”이 아닙니다.'],
  [/^line (\d+): the front matter never ends.*$/, '$1번째 줄: 머리말이 끝나지 않습니다. “---”가 없습니다.'],
  [
    /^line (\d+): “(.+)” is no property of a stop; known: (.+)$/,
    '$1번째 줄: “$2”은(는) 정류장의 속성이 아닙니다. 아는 속성: $3.',
  ],
  [
    /^line (\d+): properties of a stop end with a blank line$/,
    '$1번째 줄: 정류장의 속성은 빈 줄로 끝나야 합니다.',
  ],
  [
    /^line (\d+): a question needs two choices and an answer$/,
    '$1번째 줄: 질문에는 선택지 둘과 답이 필요합니다.',
  ],
  [/^line (\d+): text before the first “## ” heading$/, '$1번째 줄: 첫 “## ” 제목 앞에 글이 있습니다.'],
  [
    /^line (\d+): a tour needs at least one “## ” section$/,
    '$1번째 줄: 안내에는 “## ” 단락이 하나 이상 필요합니다.',
  ],
  [/^line (\d+): the front matter must name a lab$/, '$1번째 줄: 머리말에 실습(lab) 이름이 있어야 합니다.'],
  [/^(tours\/\S+|guests\/\S+): (\d+)$/, '$1 파일을 받지 못했습니다(HTTP $2).'],
  [/^no machine is loaded yet$/, '아직 불러온 기계가 없습니다.'],
  [/^No page is mapped at (0x[0-9a-f]+)\.$/, '$1에 매핑된 페이지가 없습니다.'],
];

/** The message in the language of the page. */
export function localise(message: string, lang: Lang): string {
  if (lang === 'en') return message;
  for (const [pattern, korean] of KOREAN)
    if (pattern.test(message)) return josa(message.replace(pattern, korean));
  const image = koreanImageMessage(message);
  return image === undefined ? message : josa(image);
}
