// Korean particles depend on the sound that ends the word before them. Texts carry both forms, as in 은(는); after variables are filled
// in, `josa` keeps the right one, after Hangul, Latin letters and digits alike.

const PAIRS: readonly (readonly [both: string, closed: string, open: string])[] = [
  ['은(는)', '은', '는'],
  ['이(가)', '이', '가'],
  ['을(를)', '을', '를'],
  ['과(와)', '과', '와'],
  ['와(과)', '과', '와'],
  ['(으)로', '으로', '로'],
  ['(이)라', '이라', '라'],
  ['(이)나', '이나', '나'],
];
const ANY = /은\(는\)|이\(가\)|을\(를\)|과\(와\)|와\(과\)|\(으\)로|\(이\)라|\(이\)나/g;

/** How a word ends: 'open' in a vowel, 'rieul' in ㄹ, 'closed' in any other consonant. */
export type Ending = 'open' | 'rieul' | 'closed';

/** 영 일 이 삼 사 오 육 칠 팔 구 */
const DIGITS: readonly Ending[] = [
  'closed',
  'rieul',
  'open',
  'closed',
  'open',
  'open',
  'closed',
  'rieul',
  'rieul',
  'open',
];

function latin(word: string): Ending {
  const last = word[word.length - 1]!.toLowerCase();
  const spelled = word === word.toUpperCase() || word.length === 1;
  if (last === 'l') return 'rieul';
  if (last === 'r' && spelled) return 'rieul';
  if (last === 'm' || last === 'n') return 'closed';
  if (/ng$/i.test(word) && !spelled) return 'closed';
  return 'open';
}

/** The ending of the last word of `text`; closing quotes and a trailing parenthesis do not count. */
export function ending(text: string): Ending {
  let s = text.replace(/[\s"'`’”»」』\]]+$/u, '');
  while (/\([^()]*\)$/.test(s)) s = s.replace(/\([^()]*\)$/, '').replace(/[\s"'`’”»]+$/u, '');
  s = s.replace(/[^\p{L}\p{N}]+$/u, '');
  const c = s.codePointAt(s.length - 1);
  if (c === undefined) return 'open';
  if (c >= 0xac00 && c <= 0xd7a3) {
    const final = (c - 0xac00) % 28;
    return final === 0 ? 'open' : final === 8 ? 'rieul' : 'closed';
  }
  if (c >= 0x30 && c <= 0x39) return DIGITS[c - 0x30]!;
  const word = /[A-Za-z]+$/.exec(s)?.[0];
  return word ? latin(word) : 'open';
}

/** Resolves every double particle in a finished sentence. */
export function josa(text: string): string {
  return text.replace(ANY, (both, at: number) => {
    const pair = PAIRS.find((p) => p[0] === both)!;
    const end = ending(text.slice(0, at));
    if (both === '(으)로') return end === 'closed' ? pair[1] : pair[2];
    return end === 'open' ? pair[2] : pair[1];
  });
}
