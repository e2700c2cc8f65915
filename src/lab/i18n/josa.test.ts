import { describe, expect, it } from 'vitest';
import { ending, josa } from './josa.ts';

describe('josa', () => {
  it.each([
    ['커널은(는)', '커널은'],
    ['하이퍼바이저은(는)', '하이퍼바이저는'],
    ['Xen이(가)', 'Xen이'],
    ['domU을(를)', 'domU를'],
    ['mfn 12을(를)', 'mfn 12를'],
    ['mfn 13을(를)', 'mfn 13을'],
    ['포트 7(으)로', '포트 7로'],
    ['포트 6(으)로', '포트 6으로'],
    ['링 1(으)로', '링 1로'],
    ['트랩(trap)이(가)', '트랩(trap)이'],
    ['start_info와(과)', 'start_info와'],
    ['EIP과(와)', 'EIP와'],
    ['CPL을(를)', 'CPL을'],
    ['`cli`은(는)', '`cli`는'],
    ['kernel은(는)', 'kernel은'],
    ['grant table을(를)', 'grant table를'],
    ['“Xen”은(는)', '“Xen”은'],
    ['서울(으)로', '서울로'],
    ['#GP(13)은(는)', '#GP(13)는'],
  ])('%s', (from, to) => expect(josa(from)).toBe(to));

  it('leaves other text alone', () => expect(josa('값(value)입니다. 0(영)')).toBe('값(value)입니다. 0(영)'));
  it('knows every digit', () =>
    expect([...'0123456789'].map((d) => ending(d))).toEqual([
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
    ]));
});
