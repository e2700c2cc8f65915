// What the lab's own errors say in Korean. The core speaks English (command line, tests, logs); the page asks here before it shows a message.
// A message that is not listed stays as it is.

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
  [/^no machine is loaded yet$/, '아직 불러온 기계가 없습니다.'],
  [/^No page is mapped at (0x[0-9a-f]+)\.$/, '$1에 매핑된 페이지가 없습니다.'],
  [
    /^The kernel is a 64-bit ELF.*$/,
    '64비트 ELF 커널입니다. Ringside는 32비트를 실행합니다: -m32로 빌드하십시오.',
  ],
  [
    /^The file is no ELF executable at offset (\S+): expected (.+), found (.+?)\. .*$/,
    'ELF 실행 파일이 아닙니다. 오프셋 $1: 기대 $2, 실제 $3. 커널을 ELF 실행 파일로 링크하십시오(ld -m elf_i386).',
  ],
  [
    /^The file is too short to be an ELF executable at offset (\S+).*$/,
    'ELF 실행 파일로 보기에는 너무 짧습니다($1). 파일 전체가 옮겨졌는지 확인하십시오.',
  ],
];

/** The message in the language of the page. */
export function localise(message: string, lang: Lang): string {
  if (lang === 'en') return message;
  for (const [pattern, korean] of KOREAN) if (pattern.test(message)) return message.replace(pattern, korean);
  return message;
}
