// Motorola MC146818A datasheet: time in its formats, setting, the three interrupts, UIP.

import { beforeEach, describe, expect, it } from 'vitest';
import { dateOf, daysOf } from './mc146818.ts';
import { Bench } from './testing.ts';

const SECOND = 100_000_000;

describe('the clock', () => {
  let b: Bench;
  beforeEach(() => {
    b = new Bench(); // 2026-09-21 14:13:20 UTC, a Monday
  });
  const get = (r: number): number => {
    b.out(0x70, r);
    return b.in(0x71);
  };
  const set = (r: number, v: number): void => {
    b.out(0x70, r);
    b.out(0x71, v);
  };
  const time = (): number[] => [get(9), get(8), get(7), get(4), get(2), get(0)];

  it('tells the machine’s epoch and T, BCD and binary, 24 and 12 hours', () => {
    expect(time()).toEqual([0x26, 0x09, 0x21, 0x14, 0x13, 0x20]);
    expect([get(6), get(0x32)]).toEqual([2, 0x20]);
    b.pass(41 * SECOND);
    expect([get(2), get(0)]).toEqual([0x14, 0x01]);
    set(11, 0x04);
    expect(time()).toEqual([26, 9, 21, 0x82, 14, 1]);
  });

  it('can be set with SET, and keeps counting from there', () => {
    set(11, 0x82);
    for (const [r, v] of [
      [9, 0x99],
      [0x32, 0x19],
      [8, 0x12],
      [7, 0x31],
      [4, 0x23],
      [2, 0x59],
      [0, 0x58],
    ] as const)
      set(r, v);
    b.pass(10 * SECOND);
    expect(get(0)).toBe(0x58);
    set(11, 0x02);
    b.pass(1.4 * SECOND);
    expect(get(0)).toBe(0x59);
    set(0x32, 0x19);
    b.pass(1 * SECOND);
    expect(time().slice(0, 4)).toEqual([0x00, 0x01, 0x01, 0x00]);
    expect(get(6)).toBe(7); // 2000-01-01 was a Saturday
  });

  it('knows the calendar', () => {
    for (const [y, m, d] of [
      [1970, 1, 1],
      [2000, 2, 29],
      [2024, 12, 31],
      [2100, 3, 1],
    ] as const)
      expect(dateOf(daysOf(y, m, d))).toEqual([y, m, d]);
    expect(daysOf(2026, 9, 21)).toBe(Math.floor(1_790_000_000 / 86_400));
  });

  it('interrupts periodically, at updates and at the alarm; reading C ends it', () => {
    b.initPics();
    set(10, 0x26); // 1024 Hz
    set(11, 0x42);
    b.pass(Math.ceil(SECOND / 1024));
    expect(b.take()).toBe(0x28);
    b.out(0xa0, 0x20);
    b.out(0x20, 0x20);
    b.pass(SECOND / 512);
    expect(b.asked).toBe(0); // the line stays up until C is read
    expect(get(12) & 0xc0).toBe(0xc0);
    expect(get(12)).toBe(0);
    b.pass(Math.ceil(SECOND / 1024));
    expect(b.asked).toBe(1);
    b.take();
    b.out(0xa0, 0x20);
    b.out(0x20, 0x20);
    get(12);
    set(11, 0x22);
    set(1, 0x22);
    set(3, 0x13);
    set(5, 0xc0); // any hour
    b.pass(1.5 * SECOND);
    expect(b.asked).toBe(0);
    b.pass(SECOND / 2);
    expect(b.asked).toBe(1);
    expect(get(12) & 0xa0).toBe(0xa0);
    set(11, 0x12);
    b.take();
    b.out(0xa0, 0x20);
    b.out(0x20, 0x20);
    b.pass(SECOND);
    expect(get(12) & 0x90).toBe(0x90);
  });

  it('has fifteen periodic rates, and none while the divider is held', () => {
    const rates = [0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2];
    for (const [rs, hertz] of rates.entries()) {
      const clock = new Bench();
      for (const [r, v] of [
        [10, 0x20 | rs],
        [11, 0x42],
      ] as const) {
        clock.out(0x70, r);
        clock.out(0x71, v);
      }
      let count = 0;
      for (let i = 0; i < 16384; i++) {
        clock.pass(Math.ceil(SECOND / 16384));
        clock.out(0x70, 12);
        if ((clock.in(0x71) & 0x40) !== 0) count++;
      }
      expect([rs, count]).toEqual([rs, hertz]);
    }
    set(10, 0x66);
    set(11, 0x42);
    b.pass(SECOND);
    expect(get(12) & 0x40).toBe(0);
  });

  it('says UIP before the second changes, and never while it is set', () => {
    const until = SECOND - (b.T % SECOND);
    b.pass(until - 250_000);
    expect(get(10) & 0x80).toBe(0);
    b.pass(100_000);
    expect(get(10) & 0x80).toBe(0x80);
    const before = get(0);
    b.pass(150_001);
    expect([get(10) & 0x80, get(0)]).toEqual([0, before + 1]);
    set(11, 0x82);
    b.pass(SECOND - 100_000);
    expect(get(10) & 0x80).toBe(0);
  });

  it('holds memory: sizes of RAM and plain bytes', () => {
    expect(get(0x30) | (get(0x31) << 8)).toBe(3 * 1024);
    expect(get(0x15) | (get(0x16) << 8)).toBe(640);
    set(0x40, 0xab);
    expect(get(0x40)).toBe(0xab);
    expect(get(13)).toBe(0x80);
  });
});
