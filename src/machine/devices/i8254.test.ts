// Intel 8254 datasheet: what each mode's output and count do, by the clock; latches, read-back, BCD, gates.

import { beforeEach, describe, expect, it } from 'vitest';
import { tickOf } from './board.ts';
import { pitOutput } from './i8254.ts';
import { Bench } from './testing.ts';

/** Ticks at which clock n has passed. */
const at = (n: number): number => tickOf(n, 596_591, 50_000_000);

describe('the 8254', () => {
  let b: Bench;
  beforeEach(() => {
    b = new Bench();
  });
  const clock = (n: number): void => b.pass(at(n) - b.T);
  const read = (port: number): number => b.in(port) | (b.in(port) << 8);
  const count = (n: number): number => {
    b.out(0x43, n << 6);
    return read(0x40 + n);
  };
  const load = (n: number, control: number, value: number): void => {
    b.out(0x43, (n << 6) | control);
    b.out(0x40 + n, value & 0xff, value >> 8);
  };

  it('counts 1193182 clocks a second', () => {
    load(0, 0x34, 0);
    b.pass(100_000_000);
    const clocks = 1_193_182 - 1;
    expect(count(0)).toBe(65536 - (clocks % 65536));
  });

  it('mode 0: low from the control word, high N+1 clocks after the count, then counts on', () => {
    load(0, 0x30, 5);
    expect(pitOutput(b.c, 0)).toBe(false);
    clock(5);
    expect([count(0), pitOutput(b.c, 0)]).toEqual([1, false]);
    clock(6);
    expect([count(0), pitOutput(b.c, 0)]).toEqual([0, true]);
    clock(8);
    expect([count(0), pitOutput(b.c, 0)]).toEqual([0xfffe, true]);
    b.out(0x40, 9);
    b.out(0x40, 0);
    expect(pitOutput(b.c, 0)).toBe(false);
  });

  it('mode 2: low for the last clock of N; a new count waits for the end of the period', () => {
    load(0, 0x34, 4);
    const seen = [];
    for (let n = 1; n <= 9; n++) {
      clock(n);
      seen.push([count(0), pitOutput(b.c, 0)]);
    }
    expect(seen).toEqual([4, 3, 2, 1, 4, 3, 2, 1, 4].map((c) => [c, c !== 1]));
    b.out(0x40, 6);
    b.out(0x40, 0);
    const after = [];
    for (let n = 10; n <= 15; n++) {
      clock(n);
      after.push(count(0));
    }
    expect(after).toEqual([3, 2, 1, 6, 5, 4]);
  });

  it('mode 3: high for (N+1)/2 clocks, low for the rest, counting by two', () => {
    load(0, 0x36, 5);
    const seen = [];
    for (let n = 1; n <= 6; n++) {
      clock(n);
      seen.push([count(0), pitOutput(b.c, 0)]);
    }
    expect(seen).toEqual([
      [4, true],
      [2, true],
      [0, true],
      [4, false],
      [2, false],
      [4, true],
    ]);
  });

  it('mode 4: one low clock when the count is out', () => {
    load(0, 0x38, 3);
    const seen = [];
    for (let n = 1; n <= 6; n++) {
      clock(n);
      seen.push(pitOutput(b.c, 0));
    }
    expect(seen).toEqual([true, true, true, false, true, true]);
  });

  it('modes 1 and 5 wait for the gate of counter 2 to rise, and again', () => {
    load(2, 0x32, 3);
    clock(10);
    expect(pitOutput(b.c, 2)).toBe(true);
    b.out(0x61, 1);
    const seen = [];
    for (let n = 11; n <= 15; n++) {
      clock(n);
      seen.push((b.in(0x61) & 0x20) !== 0);
    }
    expect(seen).toEqual([false, false, false, true, true]);
    b.out(0x61, 0);
    b.out(0x61, 1);
    clock(16);
    expect(pitOutput(b.c, 2)).toBe(false);
    load(2, 0x3a, 2);
    b.out(0x61, 0);
    b.out(0x61, 1);
    const strobe = [];
    for (let n = 17; n <= 20; n++) {
      clock(n);
      strobe.push(pitOutput(b.c, 2));
    }
    expect(strobe).toEqual([true, true, false, true]);
  });

  it('a low gate holds the count of mode 0 and stops mode 2 with its output high', () => {
    b.out(0x61, 1);
    load(2, 0x30, 100);
    clock(11);
    expect(count(2)).toBe(90);
    b.out(0x61, 0);
    clock(50);
    expect(count(2)).toBe(90);
    b.out(0x61, 1);
    clock(60);
    expect(count(2)).toBe(80);
    load(2, 0x34, 10);
    clock(70);
    b.out(0x61, 0);
    expect(pitOutput(b.c, 2)).toBe(true);
    clock(200);
    b.out(0x61, 1);
    clock(201);
    expect(count(2)).toBe(10); // a rising gate begins anew
  });

  it('latches a count until it is read, and the first latch stays', () => {
    load(0, 0x34, 1000);
    clock(101);
    b.out(0x43, 0x00);
    clock(301);
    b.out(0x43, 0x00);
    expect(read(0x40)).toBe(900);
    expect(count(0)).toBe(700);
  });

  it('reads back status and counts of several counters', () => {
    load(0, 0x34, 1000);
    b.out(0x61, 1);
    load(2, 0x31, 0x0050); // BCD 50
    clock(11);
    b.out(0x43, 0xca); // counters 0 and 2, status and count
    expect([b.in(0x40), read(0x40)]).toEqual([0xb4, 990]);
    expect([b.in(0x42), read(0x42)]).toEqual([0x31, 0x40]);
    b.out(0x43, 0x34);
    b.out(0x43, 0xe2); // status alone: nothing has been loaded
    expect(b.in(0x40)).toBe(0xf4);
  });

  it('counts in decimal when told, zero meaning 10000', () => {
    load(0, 0x31, 0);
    clock(2);
    expect(count(0)).toBe(0x9999);
  });

  it('gives single bytes in the byte modes', () => {
    b.out(0x43, 0x14);
    b.out(0x40, 20);
    clock(5);
    expect([b.in(0x40), b.in(0x40)]).toEqual([16, 16]);
    b.out(0x43, 0x24);
    b.out(0x40, 2);
    clock(7);
    expect(b.in(0x40)).toBe(1);
  });

  it('interrupts at every rising edge of output 0', () => {
    b.initPics();
    load(0, 0x34, 1193);
    let taken = 0;
    for (let i = 0; i < 100_000; i++) {
      b.pass(1000);
      if (!b.asked) continue;
      expect(b.take()).toBe(0x20);
      b.out(0x20, 0x20);
      taken++;
    }
    expect(taken).toBe(Math.floor((1_193_182 - 2) / 1193));
  });
});
