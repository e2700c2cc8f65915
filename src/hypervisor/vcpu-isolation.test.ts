import { describe, expect, it } from 'vitest';
import { EXIT, VCPU } from '../cpu/vcpu.ts';
import { HEADER } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { TRAP_KIND } from '../trace/records.ts';
import { mmGuest, NX, P, pte, RW, VA } from './mm-testing.ts';
import { readDescriptor } from './selectors.ts';
import { DOMAIN, XVCPU, xv } from './state.ts';
import { onExit } from './supervisor.ts';
import { type Bench, bench, domainOf } from './testing.ts';

/** INT 0x82 of a vCPU. */
function call(b: Bench, v: number, number: number, ...args: number[]): number {
  const { m } = b.x;
  m.w32(HEADER + MACHINE.current, v);
  m.w32(v + VCPU.gpr, number);
  [12, 4, 8, 24, 28, 20].forEach((r, i) => {
    m.w32(v + VCPU.gpr + r, (args[i] ?? 0) >>> 0);
  });
  m.w32(v + VCPU.exitVector, 0x82);
  m.w32(v + VCPU.exitKind, TRAP_KIND.int);
  onExit(b.x, v, EXIT.trap);
  return m.r32(v + VCPU.gpr) | 0;
}

describe('isolation of vCPUs (§14)', () => {
  it('32: software reads descriptors within the limits of their tables only (XSA-298)', () => {
    const b = bench();
    const g = mmGuest(b);
    const table = g.mfn(g.sparePfn),
      local = g.mfn(g.sparePfn + 1);
    const CODE: readonly [number, number] = [0x0000ffff, 0x00cfba00];
    for (const mfn of [table, local])
      for (let i = 0; i < 512; i++) b.x.frames.write64(mfn * 4096 + 8 * i, CODE[0], CODE[1]);
    g.put(g.scratch, [table]);
    expect(call(b, g.v, 2, g.scratch, 5)).toBe(0);
    const found = (sel: number): boolean => {
      const d = readDescriptor(b.x, g.v, sel);
      return d !== null && d.lo === CODE[0];
    };
    const LDT = 4;
    // Guest entries end at 5 of a page that holds 512; the rest of the fourteen pages is zero, and Xen's own begins behind them.
    expect([1, 4].map((i) => found(8 * i))).toEqual([true, true]);
    expect([13, 512, 7167].map((i) => found(8 * i))).toEqual([true, false, false]); // the frame is mapped whole, as in Xen
    expect(readDescriptor(b.x, g.v, 0xf008)).toBe(null);
    expect(found(8 | LDT)).toBe(false); // no LDT at all
    expect(g.va(VA, pte(local, P), NX)).toBe(0);
    expect(call(b, g.v, 26, arg(g, [13, VA, 5]), 1, 0, 0x7ff0)).toBe(0);
    expect([0, 4].map((i) => found((8 * i) | LDT))).toEqual([true, true]);
    expect([5, 511, 512, 8191].map((i) => found((8 * i) | LDT))).toEqual([false, false, false, false]);
    expect(call(b, g.v, 26, arg(g, [13, 0, 0]), 1, 0, 0x7ff0)).toBe(0);
    expect(found(LDT)).toBe(false);
  });

  it('43: a vCPU that runs is not initialised again, whatever the context says (XSA-296)', () => {
    const b = bench();
    const g = mmGuest(b);
    const state = (): number[] => [...b.x.m.copyOut(xv(g.v), XVCPU.$size)];
    const before = state();
    const context = Array.from({ length: 700 }, (_, i) => (i * 0x9e3779b1) >>> 0);
    expect(g.va(0x3d1000, pte(g.mfn(0x3d1), P | RW))).toBe(0);
    g.put(0x3d0000, context);
    expect(call(b, g.v, 24, 0, 0, 0x3d0000)).toBe(-17);
    for (const id of [1, 2, 3, 4, 31, 32, 0x7fffffff, 0xffffffff])
      expect([id, call(b, g.v, 24, 0, id, 0x3d0000)]).toEqual([id, -2]);
    const after = state();
    for (const field of [XVCPU.run, XVCPU.lastTrapSeq])
      for (let i = 0; i < 4; i++) after[field + i] = before[field + i]!;
    expect(after).toEqual(before);
  });

  it('52: what one vCPU has set for itself no other finds (XSA-172, XSA-220)', () => {
    const b = bench();
    const one = domainOf(b),
      two = domainOf(b);
    const { m } = b.x;
    const seen = (v: number): number[] => [
      ...[0, 1, 2, 3, 6, 7].map((r) => call(b, v, 9, r) >>> 0),
      m.r32(xv(v) + XVCPU.iopl),
      m.r32(xv(v) + XVCPU.iobmpPorts),
      m.r32(xv(v) + XVCPU.vCr0Ts),
      m.r32(xv(v) + XVCPU.kernelSp),
      m.r32(b.x.domainOf(v) + DOMAIN.vmAssist),
    ];
    const before = seen(two.v);
    expect([0, 1, 2, 3].map((r) => call(b, one.v, 8, r, 0x1000 * (r + 1)))).toEqual([0, 0, 0, 0]);
    expect(call(b, one.v, 8, 7, 0x401)).toBe(0);
    expect(call(b, one.v, 5, 1)).toBe(0);
    expect(call(b, one.v, 3, 0xe021, 0xc0002000)).toBe(0);
    expect(call(b, one.v, 21, 0, 2)).toBe(0);
    const own = seen(one.v);
    expect(own.slice(0, 6)).toEqual([0x1000, 0x2000, 0x3000, 0x4000, 0xffff0ff0, 0x401]);
    expect(own.slice(8)).toEqual([1, 0xc0002000, expect.any(Number)]);
    expect(seen(two.v)).toEqual(before);
  });
});

function arg(g: ReturnType<typeof mmGuest>, words: readonly number[]): number {
  g.put(g.scratch, words);
  return g.scratch;
}
