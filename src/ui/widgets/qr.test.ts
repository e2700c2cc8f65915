import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { codewords, dataBytes, multiply, qr, sizeOf } from './qr.ts';

/** Value of the polynomial at 2^power: 0 at the first powers is what makes a block readable after damage. */
function syndrome(block: readonly number[], power: number): number {
  let x = 1;
  for (let i = 0; i < power; i++) x = multiply(x, 2);
  return block.reduce((sum, c) => multiply(sum, x) ^ c, 0);
}
const picture = (text: string): string =>
  qr(text)!
    .map((row) => row.map((d) => (d ? '1' : '0')).join(''))
    .join('\n');

describe('a QR code', () => {
  it('has codewords without a remainder, in one block and in none', () => {
    const block = codewords(new TextEncoder().encode('HELLO'), 1);
    expect(block).toHaveLength(26);
    for (let i = 0; i < 7; i++) expect(syndrome(block, i)).toBe(0);
    expect(syndrome([...block.slice(0, 3), block[3]! ^ 1, ...block.slice(4)], 1)).not.toBe(0);
  });
  it('takes the smallest version that fits, and none beyond the last', () => {
    expect(qr('HELLO')).toHaveLength(sizeOf(1));
    expect(qr('x'.repeat(dataBytes(1) - 2))).toHaveLength(sizeOf(1));
    expect(qr('x'.repeat(dataBytes(1) - 1))).toHaveLength(sizeOf(2));
    expect(qr('x'.repeat(2953))).toHaveLength(sizeOf(40)); // the most that 40-L holds (ISO/IEC 18004, table 7)
    expect(qr('x'.repeat(2954))).toBeUndefined();
  });
  it('has its finders, its timing and its dark module', () => {
    const m = qr('http://127.0.0.1/#at=hello.146.19.1.1a2b3c4d')!;
    const n = m.length;
    for (const [x, y] of [
      [0, 0],
      [n - 7, 0],
      [0, n - 7],
    ] as const)
      expect(
        m.slice(y, y + 7).map((r) =>
          r
            .slice(x, x + 7)
            .map(Number)
            .join(''),
        ),
      ).toEqual(['1111111', '1000001', '1011101', '1011101', '1011101', '1000001', '1111111']);
    for (let i = 8; i < n - 8; i++) expect(m[6]![i]).toBe(i % 2 === 0);
    expect(m[n - 8]![8]).toBe(true);
  });
  it('is the picture that a scanner has read', () => {
    // zbarimg read these two back as their texts; any other picture would have to be scanned again.
    const digest = (text: string): string =>
      createHash('sha256').update(picture(text)).digest('hex').slice(0, 16);
    expect([digest('HELLO'), digest(`http://x/#m=${'aB9-_'.repeat(120)}`)]).toEqual([
      'eea957f1f3550546',
      '6e3a7521794e7c1d',
    ]);
  });
});
