// IBM VGA Technical Reference: the registers that a text-mode driver reads back, their indices and their flip-flop.

import { beforeEach, describe, expect, it } from 'vitest';
import { vga } from '../../lab/inspect/vga.ts';
import type { View } from '../../lab/inspect/view.ts';
import { Bench } from './testing.ts';

describe('the VGA', () => {
  let b: Bench;
  const indexed = (port: number, index: number, value?: number): number => {
    b.out(port, index);
    if (value !== undefined) b.out(port + 1, value);
    return b.in(port + 1);
  };
  beforeEach(() => {
    b = new Bench();
  });

  it('begins in mode 3: 80 columns, colour, blinking', () => {
    expect([indexed(0x3d4, 1), indexed(0x3d4, 9) & 31, indexed(0x3ce, 6), indexed(0x3c4, 2)]).toEqual([
      79, 15, 14, 3,
    ]);
    expect(b.in(0x3cc) & 1).toBe(1);
    b.in(0x3da);
    b.out(0x3c0, 0x30);
    expect(b.in(0x3c1) & 8).toBe(8);
  });

  it('moves the cursor and the start of the screen', () => {
    b.bus.c.frames.write16(0xb8000 + 2 * 80, 0x1f41);
    for (const [index, value] of [
      [0x0c, 0],
      [0x0d, 80],
      [0x0e, 0],
      [0x0f, 165],
    ] as const)
      expect(indexed(0x3d4, index, value)).toBe(value);
    const screen = vga(b.machine as unknown as View)!;
    expect(screen.cursor).toEqual({ column: 5, row: 1 });
    expect(screen.rows[0]![0]).toMatchObject({ text: 'A', ink: 15, paper: 1 });
    indexed(0x3d4, 0x0a, 0x20);
    expect(vga(b.machine as unknown as View)!.cursor).toBeUndefined();
  });

  it('takes index and data of the attribute controller in turn; reading the status begins with the index', () => {
    b.in(0x3da);
    b.out(0x3c0, 0x11, 0x2a, 0x12);
    b.in(0x3da);
    b.out(0x3c0, 0x11);
    expect([b.in(0x3c0), b.in(0x3c1)]).toEqual([0x11, 0x2a]);
    b.out(0x3c0, 0x15); // data
    expect(b.in(0x3c1)).toBe(0x15);
  });

  it('protects the timing registers, but not the bit of the line compare', () => {
    expect(indexed(0x3d4, 0, 0x11)).toBe(0x5f);
    expect(indexed(0x3d4, 7, 0)).toBe(0x0f);
    expect(indexed(0x3d4, 7, 0xff)).toBe(0x1f);
    indexed(0x3d4, 0x11, 0x0e);
    expect(indexed(0x3d4, 0, 0x11)).toBe(0x11);
  });

  it('answers at 3Dx or at 3Bx, as the miscellaneous register says', () => {
    expect(indexed(0x3b4, 0x0e, 0x55)).toBe(0xff);
    expect(b.in(0x3ba)).toBe(0xff);
    b.out(0x3c2, 0x66);
    expect(indexed(0x3b4, 0x0e, 0x55)).toBe(0x55);
    expect([b.in(0x3d4), b.in(0x3da)]).toEqual([0xff, 0xff]);
  });

  it('goes through red, green and blue of the palette, and on to the next entry', () => {
    b.out(0x3c8, 0x10);
    b.out(0x3c9, 1, 2, 0xff, 4);
    b.out(0x3c7, 0x10);
    expect([b.in(0x3c9), b.in(0x3c9), b.in(0x3c9), b.in(0x3c9)]).toEqual([1, 2, 63, 4]);
    b.out(0x3c7, 0x14);
    expect([b.in(0x3c9), b.in(0x3c9), b.in(0x3c9)]).toEqual([42, 21, 0]); // brown
  });

  it('shows the retrace at 70 Hz', () => {
    let edges = 0,
      last = 0;
    for (let t = 0; t < 10_000; t++) {
      b.pass(10_000); // a second in all
      const now = b.in(0x3da) & 8;
      if (now !== 0 && last === 0) edges++;
      last = now;
    }
    expect(edges).toBeGreaterThan(20);
    expect(edges).toBeLessThan(75);
  });
});
