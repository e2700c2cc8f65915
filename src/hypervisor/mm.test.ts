import { describe, expect, it } from 'vitest';
import { REFUSED, type SystemEnv } from '../cpu/engine.ts';
import { VCPU } from '../cpu/vcpu.ts';
import { CTL } from '../memory/frames.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { ERRNO } from './abi/errno.ts';
import { doSetGdt, doUpdateDescriptor, mapLdtPage } from './descriptors.ts';
import { destroyDomain } from './domain.ts';
import { copyFromGuest } from './guest-access.ts';
import { getM2p } from './m2p.ts';
import { doMemoryOp } from './memory-op.ts';
import {
  A,
  D,
  dirtyFreeFrames,
  G,
  type MmGuest,
  mmGuest,
  NX,
  P,
  PCD,
  PSE,
  PWT,
  recount,
  RW,
  US,
} from './mm-testing.ts';
import { doMmuextOp, doMmuUpdate, doUpdateVaMapping, doUpdateVaMappingOtherdomain } from './mmu-ops.ts';
import { allocXenFrame, freeXenFrame } from './page-alloc.ts';
import { getPage, putPage } from './page-info.ts';
import { tryWritablePageTable } from './ptwr.ts';
import { DOMAIN, PAGE, pageAt, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { type Bench, bench, refusals } from './testing.ts';

const { EINVAL, EBUSY, EPERM, ESRCH, EFAULT, EACCES, ENOSYS, EOPNOTSUPP, ENOMEM } = ERRNO;
const OK = [0, 1] as const;
const pte = (mfn: number, low: number): number => ((mfn * 4096) | low) >>> 0;
const VA = 0x380000;

/** A guest, n spare frames, and the rule that refused last. */
function start(n = 4): { b: Bench; g: MmGuest; f: number[]; why: () => string | undefined } {
  const b = bench();
  const g = mmGuest(b);
  const f = Array.from({ length: n }, (_, i) => g.mfn(g.sparePfn + i));
  return { b, g, f, why: () => refusals(b.records()).at(-1) };
}
const bootL3 = (g: MmGuest): number => g.x.m.r32(g.v + VCPU.cr3) >>> 12;
const bootTable = (g: MmGuest, l3Slot: number): number =>
  g.x.frames.read32(bootL3(g) * 4096 + 8 * l3Slot) >>> 12;
const bootL1 = (g: MmGuest): number => g.x.frames.read32(bootTable(g, 0) * 4096) >>> 12;
const bump = (g: MmGuest): number => g.x.frames.ctl(CTL.tlbEpoch);

/** Writes the words of a table that nobody uses yet: through mmu_update, as a guest does. */
function fill(
  g: MmGuest,
  mfn: number,
  entries: readonly (readonly [slot: number, lo: number, hi?: number])[],
): void {
  expect(g.update(entries.map(([s, lo, hi]) => [mfn * 4096 + 8 * s, lo, hi ?? 0]))).toEqual([
    0,
    entries.length,
  ]);
}
/** An L3 of f[0] whose slot 3 is f[1] and whose slot 0 is the boot L2, so that one can run on it. */
function makeL3(g: MmGuest, l3: number, l2: number): void {
  fill(g, l3, [
    [0, pte(bootTable(g, 0), P)],
    [3, pte(l2, P)],
  ]);
}

describe('the frame allocator', () => {
  it('hands out the same frames for the same requests, and a freed frame before a fresh one', () => {
    const [a, c] = [start(), start()];
    expect(a.f).toEqual(c.f);
    const { x, d } = a.g;
    const first = allocXenFrame(x, d);
    freeXenFrame(x, first, d);
    expect(allocXenFrame(x, d)).toBe(first);
  });

  it("charges Xen's frames to the domain they serve, up to its limit, and gives the charge back", () => {
    const { g } = start();
    const { x, d } = g;
    x.m.w32(d + DOMAIN.xenFramesLimit, x.m.r32(d + DOMAIN.xenFrames) + 1);
    const mfn = allocXenFrame(x, d);
    expect(mfn).not.toBe(INVALID_MFN);
    expect(allocXenFrame(x, d)).toBe(INVALID_MFN);
    freeXenFrame(x, mfn, d);
    expect(allocXenFrame(x, d)).toBe(mfn);
    expect(recount(x)).toEqual([]);
  });

  it('says no when memory is used up', () => {
    const { g } = start();
    const { x } = g;
    let n = x.m.r32(XEN_AT + XEN.freeFrames);
    while (n-- > 0) expect(allocXenFrame(x, 0)).not.toBe(INVALID_MFN);
    expect(allocXenFrame(x, 0)).toBe(INVALID_MFN);
    expect(g.reserve(6, [5000])[0]).toBe(0);
  });
});

describe('isolation (§14)', () => {
  it('1: a read-only entry does not become writable through the way for flags (XSA-182)', () => {
    const { g, why } = start();
    const table = bootL1(g);
    expect(g.va(VA, pte(table, P))).toBe(0);
    expect(g.va(VA, pte(table, P | US | A | D | G), NX)).toBe(0);
    expect(g.va(VA, pte(table, P | RW))).toBe(-EBUSY);
    expect(why()).toBe('pte.writable-of-typed');
    expect(g.va(VA, pte(table, P | RW | A | D), NX)).toBe(-EBUSY);
    expect(g.va(VA, pte(table, P | PCD))).toBe(-EINVAL);
    expect(g.va(VA, pte(table, P | PSE))).toBe(-EINVAL);
    expect(recount(g.x)).toEqual([]);
  });

  it('2: no superpage, neither at validation nor by an update nor by changing flags (XSA-148)', () => {
    const { g, f, why } = start();
    fill(g, f[0]!, [[3, pte(f[1]!, P | RW | US | PSE)]]);
    expect(g.ext([[1, f[0]!, 0]])).toEqual([-EINVAL, 0]);
    g.update([[f[0]! * 4096 + 24, pte(f[1]!, P | RW | US), 0]]);
    expect(g.ext([[1, f[0]!, 0]])).toEqual(OK);
    expect(g.update([[f[0]! * 4096 + 24, pte(f[1]!, P | RW | US | PSE), 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('pde.superpage');
    expect(g.update([[f[0]! * 4096 + 32, pte(f[2]!, P | PSE), 0]])).toEqual([-EINVAL, 0]);
    expect(recount(g.x)).toEqual([]);
  });

  it('3 and 4: no table maps itself or one of its level (XSA-185, XSA-240)', () => {
    const { g, f, why } = start();
    fill(g, f[0]!, [[0, pte(f[0]!, P)]]);
    expect(g.ext([[1, f[0]!, 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('pin.type');
    fill(g, f[1]!, [
      [1, pte(f[1]!, P)],
      [3, pte(f[2]!, P)],
    ]);
    expect(g.ext([[2, f[1]!, 0]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[1, f[2]!, 0]])).toEqual(OK);
    fill(g, f[3]!, [[0, pte(f[2]!, P)]]);
    expect(g.ext([[1, f[3]!, 0]])).toEqual([-EINVAL, 0]);
    expect(recount(g.x)).toEqual([]);
    // an L1 may show itself, read-only only
    fill(g, f[0]!, [[0, pte(f[0]!, P | RW)]]);
    expect(g.ext([[0, f[0]!, 0]])).toEqual([-EBUSY, 0]);
    fill(g, f[0]!, [[0, pte(f[0]!, P)]]);
    expect(g.ext([[0, f[0]!, 0]])).toEqual(OK);
    expect(g.count(f[0]!)).toBe(3);
    expect(g.ext([[4, f[0]!, 0]])).toEqual(OK);
    expect(g.count(f[0]!)).toBe(1);
  });

  it('5 and 6: what a failed validation took is all given back, at every level (XSA-242, XSA-299)', () => {
    const { g, f } = start(8);
    const before = f.map((mfn) => [g.count(mfn), g.uses(mfn)]);
    fill(g, f[4]!, [
      [0, pte(f[5]!, P | RW)],
      [7, pte(f[5]!, P | RW)],
      [500, pte(f[6]!, P)],
    ]);
    fill(g, f[3]!, [
      [9, pte(f[5]!, P | RW)],
      [511, pte(bootL1(g), P | RW)],
    ]);
    fill(g, f[2]!, [
      [0, pte(f[4]!, P)],
      [1, pte(f[4]!, P)],
      [2, pte(f[3]!, P)],
    ]);
    fill(g, f[0]!, [
      [1, pte(f[2]!, P)],
      [3, pte(f[1]!, P)],
    ]);
    expect(g.ext([[2, f[0]!, 0]])[0]).toBe(-EBUSY);
    expect(f.map((mfn) => [g.count(mfn), g.uses(mfn)])).toEqual(before);
    expect(recount(g.x)).toEqual([]);
    g.update([[f[3]! * 4096 + 8 * 511, 0, 0]]);
    expect(g.ext([[2, f[0]!, 0]])).toEqual(OK);
    expect([
      g.type(f[0]!),
      g.type(f[2]!),
      g.type(f[4]!),
      g.uses(f[4]!),
      g.uses(f[5]!),
      g.count(f[6]!),
    ]).toEqual(['l3', 'l2', 'l1', 2, 3, 2]);
    expect(g.ext([[4, f[0]!, 0]])).toEqual(OK);
    expect(f.map((mfn) => [g.count(mfn), g.uses(mfn)])).toEqual(before);
    expect(recount(g.x)).toEqual([]);
  });

  it('7 and 8: translations are dropped before a frame that was writable becomes a table, and after upper levels change (XSA-401, XSA-286)', () => {
    const { g, f } = start();
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(0);
    expect(g.ext([[0, f[0]!, 0]])).toEqual([-EINVAL, 0]);
    expect(g.va(VA, 0)).toBe(0);
    let epoch = bump(g);
    expect(g.ext([[0, f[0]!, 0]])).toEqual(OK);
    expect(bump(g)).toBeGreaterThan(epoch);
    epoch = bump(g);
    expect(g.update([[bootTable(g, 0) * 4096 + 8 * 100, pte(f[0]!, P | RW | US), 0]])).toEqual(OK);
    expect(bump(g)).toBeGreaterThan(epoch);
    epoch = bump(g);
    expect(g.update([[bootTable(g, 0) * 4096 + 8 * 100, 0, 0]])).toEqual(OK);
    expect(bump(g)).toBeGreaterThan(epoch);
  });

  it('9: cache attributes are refused (XSA-402)', () => {
    const { g, f, why } = start();
    for (const bit of [PWT, PCD, PSE, PWT | PCD]) {
      expect(g.va(VA, pte(f[0]!, P | bit))).toBe(-EINVAL);
      expect(why()).toBe('pte.flags');
    }
    fill(g, f[1]!, [[0, pte(f[0]!, P | PCD)]]);
    expect(g.ext([[1, f[1]!, 0]])).toEqual([-EINVAL, 0]);
    expect(recount(g.x)).toEqual([]);
  });

  it('10: a frame that anything refers to is not exchanged (XSA-214, XSA-287)', () => {
    const { g, f, why } = start();
    const { scratch: s } = g;
    const exchange = (mfn: number): number => {
      g.put(s, [s + 64, 1, 0, 0, 0x7ff0, s + 80, 1, 0, 0, 0x7ff0, 0]);
      g.put(s + 64, [mfn]);
      g.put(s + 80, [1024]);
      return g.call(doMemoryOp, 11, s);
    };
    expect(g.va(VA, pte(f[0]!, P))).toBe(0);
    expect(exchange(f[0]!)).toBe(-EINVAL);
    expect(why()).toBe('memory.exchange-free');
    expect(g.va(VA, 0)).toBe(0);
    expect(g.ext([[0, f[0]!, 0]])).toEqual(OK);
    expect(exchange(f[0]!)).toBe(-EINVAL);
    expect(g.ext([[4, f[0]!, 0]])).toEqual(OK);
    expect(exchange(g.x.m.r32(g.d + DOMAIN.sharedInfoMfn))).toBe(-EINVAL);
    expect(exchange(0)).toBe(-EINVAL);
    expect(exchange(0xfffffff0)).toBe(-EINVAL);
    expect(exchange(f[0]!)).toBe(0);
    expect(g.word(s + 40)).toBe(1);
    const got = g.word(s + 80);
    expect(got).not.toBe(f[0]);
    expect(getM2p(g.x, got)).toBe(1024);
    expect(getM2p(g.x, f[0]!)).toBe(INVALID_MFN);
    expect(recount(g.x)).toEqual([]);
  });

  it('11: giving a pinned table back does not unpin it, and it stays a table (XSA-252)', () => {
    const { g, f } = start();
    fill(g, f[0]!, [[0, pte(f[1]!, P | RW)]]);
    expect(g.ext([[0, f[0]!, 0]])).toEqual(OK);
    expect(g.reserve(1, [f[0]!])[0]).toBe(1);
    expect([g.type(f[0]!), g.uses(f[0]!), g.count(f[0]!), g.uses(f[1]!)]).toEqual(['l1', 1, 1, 1]);
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(-EBUSY);
    expect(recount(g.x)).toEqual([]);
    expect(g.ext([[4, f[0]!, 0]])).toEqual(OK);
    expect(g.x.m.r16(pageAt(f[0]!) + PAGE.owner)).toBe(0x7ff4);
    expect(g.uses(f[1]!)).toBe(0);
    expect(recount(g.x)).toEqual([]);
  });

  it('12: lists are checked where they are used, not only where they begin (XSA-29, XSA-212)', () => {
    const { g, f, why } = start();
    const { scratch: s } = g;
    const hole = 0xf5800000;
    const exchange = (inList: number, outList: number, count: number, done: number): number => {
      g.put(s, [inList, count, 0, 0, 0x7ff0, outList, count, 0, 0, 0x7ff0, done]);
      return g.call(doMemoryOp, 11, s);
    };
    expect(exchange(s + 64, hole - 4, 2, 1)).toBe(-EFAULT);
    expect(exchange(hole, s + 64, 1, 0)).toBe(-EFAULT);
    expect(exchange(s + 64, s + 80, 1, 2)).toBe(-EINVAL);
    g.put(s, [s + 64, 4, 0, 0, 0x7ff0]);
    expect(g.call(doMemoryOp, 1 | (5 << 6), s)).toBe(5);
    expect(why()).toBe('memory.extents');
    g.put(s, [hole - 8, 4, 0, 0, 0x7ff0]);
    expect(g.call(doMemoryOp, 1 | (3 << 6), s)).toBe(3);
    expect(g.call(doMmuUpdate, hole, 1, 0, 0x7ff0)).toBe(-EFAULT);
    expect(g.call(doMmuUpdate, hole - 16, 2, 0, 0x7ff0)).toBe(-EFAULT);
    expect(g.call(doMmuextOp, hole - 12, 0x7fffffff, 0, 0x7ff0)).toBe(-EFAULT);
    expect(g.call(doMmuUpdate, 0x7fffffff, 0x0fffffff, 0, 0x7ff0)).toBe(-EFAULT);
    // a start that a continuation could have left is honoured
    g.put(s, [s + 64, 2, 0, 0, 0x7ff0]);
    g.put(s + 64, [0, f[0]!]);
    expect(g.call(doMemoryOp, 1 | (1 << 6), s)).toBe(2);
    expect(recount(g.x)).toEqual([]);
  });

  it('13: an exchange that cannot finish leaves every frame with one owner (XSA-159)', () => {
    const { g, f, why } = start();
    const { scratch: s } = g;
    const { x } = g;
    const exchange = (out: number, order: number): number => {
      g.put(s, [s + 64, 1 << order, 0, 0, 0x7ff0, out, 1, order, 0, 0x7ff0, 0]);
      g.put(s + 64, f.slice(0, 1 << order));
      return g.call(doMemoryOp, 11, s);
    };
    const owned = x.m.r32(g.d + DOMAIN.totPages);
    expect(g.va(VA, pte(f[3]!, P))).toBe(0);
    expect(exchange(VA, 0)).toBe(-EFAULT);
    expect(exchange(0x500000, 0)).toBe(-EFAULT);
    expect(x.m.r32(pageAt(f[0]!) + PAGE.count)).toBe(0x80000001);
    g.put(s + 64, [f[0]!, f[0]!]);
    g.put(s, [s + 64, 2, 0, 0, 0x7ff0, s + 80, 1, 1, 0, 0x7ff0, 0]);
    expect(g.call(doMemoryOp, 11, s)).toBe(-EINVAL);
    while (x.m.r32(XEN_AT + XEN.freeFrames) > 0) allocXenFrame(x, 0);
    expect(exchange(s + 80, 1)).toBe(-ENOMEM);
    expect(why()).toBe('memory.available');
    expect(x.m.r32(g.d + DOMAIN.totPages)).toBe(owned);
    expect(recount(x)).toEqual([]);
  });

  it('14: orders and counts beyond the bounds are refused (XSA-31, XSA-231)', () => {
    const { g, f, why } = start();
    const { scratch: s } = g;
    for (const [order, count] of [
      [10, 1],
      [32, 1],
      [0xffffffff, 1],
      [0, 0x4000000],
      [0, 0xffffffff],
    ] as const) {
      for (const cmd of [0, 1, 6]) {
        g.put(s, [s + 64, count, order, 0, 0x7ff0]);
        g.put(s + 64, [f[0]!]);
        expect(g.call(doMemoryOp, cmd, s)).toBe(0);
        expect(why()).toMatch(/memory\.(order|extents)/);
      }
      g.put(s, [s + 64, count, order, 0, 0x7ff0, s + 80, count, order, 0, 0x7ff0, 0]);
      expect(g.call(doMemoryOp, 11, s)).toBe(order > 9 ? -EPERM : -EINVAL);
    }
    expect(recount(g.x)).toEqual([]);
  });

  it('14: neither counter of a frame overflows', () => {
    const { g, f, why } = start();
    const { x } = g;
    const at = pageAt(f[0]!);
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(0);
    const [count, type] = [x.m.r32(at + PAGE.count), x.m.r32(at + PAGE.type)];
    x.m.w32(at + PAGE.type, (type & ~0xffff) | 0xfffe);
    expect(g.va(VA + 4096, pte(f[0]!, P | RW))).toBe(-EBUSY);
    x.m.w32(at + PAGE.type, type);
    x.m.w32(at + PAGE.count, (0x80000000 | 0x03fffffe) >>> 0);
    expect(getPage(x, f[0]!, g.d)).toBe(false);
    expect(why()).toBe('page.count');
    x.m.w32(at + PAGE.count, count);
    expect(recount(x)).toEqual([]);
  });

  it('15: an M2P update keeps no reference and is for the owner alone (XSA-113)', () => {
    const { g, f, why } = start();
    expect(g.update([[f[0]! * 4096 + 1, 4711, 0]])).toEqual(OK);
    expect([getM2p(g.x, f[0]!), g.count(f[0]!)]).toEqual([4711, 1]);
    const other = g.x.m.r32(XEN_AT + XEN.m2pMfn);
    expect(g.update([[other * 4096 + 1, 0, 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('m2p.owner');
    expect(g.update([[0x7ffff001, 0, 0]])).toEqual([-EINVAL, 0]);
    expect(recount(g.x)).toEqual([]);
  });

  it("31: no descriptor leads to ring 0, to Xen's selectors, or to long mode; repairs are visible", () => {
    const { g, f, why } = start();
    const at = f[0]! * 4096;
    const write = (lo: number, hi: number): number => g.call(doUpdateDescriptor, at + 8, 0, lo, hi);
    for (const [lo, hi] of [
      [0x0000ffff, 0x00af9a00], // L bit
      [0xe0080000, 0x0000ec00], // call gate to Xen's code
      [0x00080000, 0x0000ee00], // interrupt gate
      [0x00080000, 0x0000ef00], // trap gate
      [0x00080000, 0x0000e500], // task gate
      [0x00000067, 0x00008900], // TSS
      [0x00000067, 0x00008200], // LDT
      [0x00080000, 0x0000ec20], // call gate with a reserved bit
    ] as const) {
      expect(write(lo, hi)).toBe(-EINVAL);
      expect(why()).toBe('descriptor.allowed');
    }
    const stored = (): number[] => [g.x.frames.read32(at + 8), g.x.frames.read32(at + 12)];
    expect(write(0x0000ffff, 0x00cf9a00)).toBe(0);
    expect(stored()).toEqual([0x0000ffff, 0x00cfba00]);
    expect(write(0x0000ffff, 0x00cffa00)).toBe(0);
    expect(stored()).toEqual([0x0000ffff, 0x00cffa00]);
    expect(write(0x00080000, 0x0000ec00)).toBe(0);
    expect(stored()).toEqual([0x000b0000, 0x00008c00]);
    expect(write(0xe0190000, 0x0000ec00)).toBe(0);
    expect(write(0x12345678, 0x00000000)).toBe(0);
    expect(g.call(doUpdateDescriptor, at + 4, 0, 0, 0)).toBe(-EINVAL);
    expect(g.call(doUpdateDescriptor, at, 1, 0, 0)).toBe(-EINVAL);
    expect(g.call(doUpdateDescriptor, bootL1(g) * 4096, 0, 0, 0)).toBe(-EINVAL);
    expect(g.call(doUpdateDescriptor, g.x.m.r32(XEN_AT + XEN.flatGdtMfn) * 4096, 0, 0, 0)).toBe(-EINVAL);
  });

  it('44: a frame that changes hands is all zero', () => {
    const { g, f } = start();
    const { x } = g;
    x.frames.write32(f[0]! * 4096 + 100, 0xdeadbeef);
    expect(g.reserve(1, [f[0]!])[0]).toBe(1);
    expect(dirtyFreeFrames(x)).toEqual([]);
    const [done, [mfn]] = g.reserve(6, [1024]);
    expect([done, mfn]).toEqual([1, f[0]]);
    expect(x.frames.read32(f[0]! * 4096 + 100)).toBe(0);
    destroyDomain(x, g.d);
    expect(dirtyFreeFrames(x)).toEqual([]);
    expect(recount(x)).toEqual([]);
  });

  it('45: a frame given back while mapped is neither free nor forgotten in the account until the mapping goes (XSA-222)', () => {
    const { g, f } = start();
    const { x } = g;
    const total = x.m.r32(g.d + DOMAIN.totPages);
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(0);
    expect(g.reserve(1, [f[0]!])[0]).toBe(1);
    expect(x.m.r16(pageAt(f[0]!) + PAGE.owner)).toBe(g.domid);
    expect(x.m.r32(g.d + DOMAIN.totPages)).toBe(total);
    expect(getM2p(x, f[0]!)).toBe(INVALID_MFN);
    expect(g.va(VA, 0)).toBe(0);
    expect(x.m.r16(pageAt(f[0]!) + PAGE.owner)).toBe(0x7ff4);
    expect(x.m.r32(g.d + DOMAIN.totPages)).toBe(total - 1);
    expect(recount(x)).toEqual([]);
  });

  it('45: a domain cannot hold more than its maximum by keeping what it gave back', () => {
    const { g, f } = start();
    const { x } = g;
    const max = x.m.r32(g.d + DOMAIN.maxPages);
    while (g.reserve(6, [3000])[0] === 1);
    expect(x.m.r32(g.d + DOMAIN.totPages)).toBe(max);
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(0);
    expect(g.reserve(1, [f[0]!])[0]).toBe(1);
    expect(g.reserve(6, [3000])[0]).toBe(0);
    expect(g.va(VA, 0)).toBe(0);
    expect(g.reserve(6, [3000])[0]).toBe(1);
  });

  it('50: what others still map of a dead domain belongs to no later domain of its number', () => {
    const b = bench();
    const g = mmGuest(b);
    const { x } = g;
    const mfn = g.mfn(1030);
    expect(getPage(x, mfn, g.d)).toBe(true);
    destroyDomain(x, g.d);
    x.m.w32(XEN_AT + XEN.nextDomid, g.domid);
    const next = mmGuest(b);
    expect(next.domid).toBe(g.domid);
    expect(next.va(VA, pte(mfn, P))).toBe(-EBUSY);
    expect(getPage(x, mfn, next.d)).toBe(false);
    putPage(x, mfn);
    expect(x.m.r16(pageAt(mfn) + PAGE.owner)).toBe(0x7ff4);
    expect(recount(x)).toEqual([]);
  });
});

describe('entries', () => {
  it('show only frames of the caller, and answer as Xen does', () => {
    const { b, g, f, why } = start();
    const stranger = mmGuest(b);
    b.x.m.w32(pageAt(0) + PAGE.link, INVALID_MFN);
    const cases: [number, number, number, string][] = [
      [pte(stranger.mfn(5), P), 0, -EBUSY, 'pte.not-owner'],
      [pte(b.x.m.r32(XEN_AT + XEN.m2pMfn), P), 0, -EBUSY, 'pte.not-owner'],
      [pte(0, P), 0, -EBUSY, 'pte.not-owner'],
      [pte(b.x.m.r32(XEN_AT + XEN.freeList), P), 0, -EBUSY, 'pte.not-owner'],
      [pte(0xfee00, P), 0, -EPERM, 'pte.not-ram'],
      [pte(f[0]!, P), 1, -EINVAL, 'pte.reserved-bits'],
      [pte(f[0]!, P), 0x000fffff, -EINVAL, 'pte.reserved-bits'],
    ];
    for (const [lo, hi, rc, rule] of cases) {
      expect(g.va(VA, lo, hi)).toBe(rc);
      expect(why()).toBe(rule);
    }
    expect(g.va(VA, pte(0xfee00, 0), 0xffffffff)).toBe(0);
    expect(g.va(VA, pte(g.x.m.r32(g.d + DOMAIN.sharedInfoMfn), P | RW))).toBe(0);
    expect(recount(b.x)).toEqual([]);
  });

  it('of an L3 below slot 3 may change while it is in use; slot 3 and beyond may not', () => {
    const { g, f, why } = start();
    const l3 = bootL3(g) * 4096;
    expect(g.update([[l3 + 24, g.x.frames.read32(l3 + 24), 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('pdpte.slot');
    expect(g.update([[l3 + 8 * 100, 0, 0]])).toEqual([-EINVAL, 0]);
    expect(g.update([[l3 + 8, pte(f[0]!, P), 0]])).toEqual(OK);
    expect(g.type(f[0]!)).toBe('l2');
    expect(g.update([[l3 + 8, pte(f[0]!, P | A), NX]])).toEqual([-EINVAL, 0]);
    expect(g.update([[l3 + 8, pte(f[0]!, P | PWT), 0]])).toEqual([-EINVAL, 0]);
    expect(g.update([[l3 + 8, pte(f[1]!, P | PSE), 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('pdpte.flags');
    expect(g.update([[l3 + 8, 0, 0]])).toEqual(OK);
    expect(recount(g.x)).toEqual([]);
  });

  it("of the L2 behind slot 3 from 428 on are Xen's: the M2P and nothing else, readable by all and writable by none", () => {
    const { g, f, why } = start();
    const l2 = bootTable(g, 3) * 4096;
    for (const slot of [428, 429, 511]) {
      expect(g.update([[l2 + 8 * slot, 0, 0]])).toEqual([-EPERM, 0]);
      expect(why()).toBe('pde.xen-slot');
    }
    expect(g.update([[l2 + 8 * 427, pte(f[0]!, P), 0]])).toEqual(OK);
    for (let slot = 429; slot < 512; slot++) expect(g.x.frames.read32(l2 + 8 * slot)).toBe(0);
    expect(g.word(0xf5800000 + 4 * f[2]!)).toBe(g.sparePfn + 2);
    const t = { ok: false, maddr: 0, code: 0 };
    expect(g.x.mmu.translate(g.v, 0xf5800000, 'r', true, t)).toBe(true);
    expect(g.x.mmu.translate(g.v, 0xf5800000, 'w', false, t)).toBe(false);
    expect(copyFromGuest(g.x, g.v, 0xf5a00000, 4)).toBeNull();
    for (const va of [0xf5800000, 0xffc00000, 0xfffff000]) expect(g.va(va, 0)).toBe(-EINVAL);
  });

  it('what a table of slot 3 held in those places is overwritten at validation', () => {
    const { g, f } = start();
    fill(g, f[1]!, [
      [428, 0x12345003],
      [470, pte(bootL1(g), P | RW | US)],
    ]);
    makeL3(g, f[0]!, f[1]!);
    fill(g, f[0]!, [[4, 0xabcdef01, 5]]);
    expect(g.ext([[2, f[0]!, 0]])).toEqual(OK);
    expect(g.x.frames.read32(f[1]! * 4096 + 8 * 470)).toBe(0);
    expect(g.x.frames.read32(f[1]! * 4096 + 8 * 428) >>> 12).toBe(g.x.m.r32(XEN_AT + XEN.m2pL1Mfn));
    expect(g.x.frames.read32(f[0]! * 4096 + 32)).toBe(0);
    expect(recount(g.x)).toEqual([]);
  });

  it('an L2 of slot 3 is in one L3 only, and not pinned', () => {
    const { g, f, why } = start(6);
    const l2 = bootTable(g, 3);
    fill(g, f[0]!, [[3, pte(l2, P)]]);
    expect(g.ext([[2, f[0]!, 0]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[1, l2, 0]])).toEqual([-EINVAL, 0]);
    expect(g.update([[bootL3(g) * 4096 + 8, pte(l2, P), 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('pdpte.not-l2');
    expect(g.ext([[1, f[2]!, 0]])).toEqual(OK);
    fill(g, f[1]!, [[3, pte(f[2]!, P)]]);
    expect(g.ext([[2, f[1]!, 0]])).toEqual([-EINVAL, 0]);
    fill(g, f[3]!, [[0, pte(f[4]!, P)]]);
    expect(g.ext([[2, f[3]!, 0]])).toEqual([-EINVAL, 0]);
    expect(recount(g.x)).toEqual([]);
  });
});

describe('mmu_update', () => {
  it('stops at the first failure and counts what was done', () => {
    const { g, f } = start();
    const l1 = bootL1(g) * 4096;
    const slot = (n: number): number => l1 + 8 * (0x180 + n);
    expect(
      g.update([
        [slot(0), pte(f[0]!, P), 0],
        [slot(1), pte(f[1]!, P), 0],
        [slot(2), pte(f[2]!, P | PCD), 0],
        [slot(3), pte(f[3]!, P), 0],
      ]),
    ).toEqual([-EINVAL, 2]);
    expect([g.count(f[1]!), g.count(f[3]!)]).toEqual([2, 1]);
    expect(g.update([])).toEqual([0, 0]);
  });

  it('keeps accessed and dirty bits when asked to, and only then', () => {
    const { g, f } = start();
    const at = bootL1(g) * 4096 + 8 * 0x180;
    expect(g.update([[at, pte(f[0]!, P | RW | A | D), 0]])).toEqual(OK);
    expect(g.update([[at + 2, pte(f[0]!, P | RW), 0]])).toEqual(OK);
    expect(g.x.frames.read32(at)).toBe(pte(f[0]!, P | RW | A | D));
    expect(g.update([[at + 3, pte(f[0]!, P | RW), 0]])).toEqual(OK);
    expect(g.x.frames.read32(at)).toBe(pte(f[0]!, P | RW));
  });

  it('refuses commands, places and domains in the order Xen does', () => {
    const { b, g, f, why } = start();
    const stranger = mmGuest(b);
    for (const c of [4, 5, 6, 7]) expect(g.update([[f[0]! * 4096 + c, 0, 0]])).toEqual([-ENOSYS, 0]);
    expect(why()).toBe('mmu.command');
    expect(g.update([[stranger.mfn(5) * 4096, 0, 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('mmu.table-owner');
    expect(g.update([[f[0]! * 4096, 0, 0]], 999)[0]).toBe(-ESRCH);
    expect(g.update([[f[0]! * 4096, 0, 0]], g.domid)[0]).toBe(-ESRCH);
    expect(g.update([[f[0]! * 4096, 0, 0]], (1000 << 16) | 0x7ff0)[0]).toBe(-ESRCH);
    expect(g.update([[f[0]! * 4096, 0, 0]], stranger.domid)).toEqual([-EPERM, 0]);
    expect(g.update([[f[0]! * 4096, 0, 0]], ((stranger.domid + 1) << 16) | 0x7ff0)).toEqual([-EPERM, 0]);
    expect(why()).toBe('mmu.pt-privilege');
    expect(g.update([], stranger.domid)[0]).toBe(0);
    expect(g.update([[bootL1(g) * 4096 + 8 * 0x180, pte(f[0]!, P), 0]], 0x7ff1)).toEqual([-EBUSY, 0]);
    expect(g.update([[bootL1(g) * 4096 + 8 * 0x180, pte(0xfee00, P), 0]], 0x7ff1)).toEqual([-EPERM, 0]);
    expect(g.call(doMmuUpdate, 0x500000, 1, 0, 0x7ff0)).toBe(-EFAULT);
    expect(g.call(doMmuUpdate, 0x500000, 1, 0, 999)).toBe(-ESRCH);
    expect(recount(b.x)).toEqual([]);
  });

  it('lets a privileged domain map frames of another, in L1 entries only', () => {
    const b = bench();
    const other = mmGuest(b),
      g = mmGuest(b, 8, true);
    const theirs = other.mfn(1030);
    const at = bootL1(g) * 4096 + 8 * 0x180;
    expect(g.update([[at, pte(theirs, P | RW), 0]])).toEqual([-EBUSY, 0]);
    expect(g.update([[at, pte(theirs, P | RW), 0]], other.domid)).toEqual(OK);
    expect([g.count(theirs), g.uses(theirs)]).toEqual([2, 1]);
    expect(g.update([[bootTable(g, 0) * 4096 + 8 * 200, pte(theirs, P), 0]], other.domid)).toEqual([
      -EINVAL,
      0,
    ]);
    expect(g.call(doUpdateVaMappingOtherdomain, VA, pte(other.mfn(1031), P), 0, 0, other.domid)).toBe(0);
    destroyDomain(b.x, other.d);
    expect(g.update([[at, 0, 0]])).toEqual(OK);
    expect(b.x.m.r16(pageAt(theirs) + PAGE.owner)).toBe(0x7ff4);
    expect(recount(b.x)).toEqual([]);
  });

  it('honours the marks of a continuation and never trusts them', () => {
    const { g, f } = start();
    const { scratch: s } = g;
    g.put(s, [f[0]! * 4096, 0, 7, 0]);
    g.put(s + 64, [40]);
    expect(g.call(doMmuUpdate, s, 0x80000001, s + 64, 0x7ff0)).toBe(0);
    expect(g.word(s + 64)).toBe(41);
    expect(g.call(doMmuUpdate, 0, 0x80000000, 0, 0xffffffea)).toBe(-22);
    expect(g.call(doMmuextOp, 0, 0x80000000, 0, 5)).toBe(5);
    expect(g.call(doMmuUpdate, s, 0x80000000, s + 64, 0x7ff0)).toBe(0);
  });

  it('goes on after a long list in a second call, which the registers describe', () => {
    const { g, f } = start();
    const { x, v } = g;
    // 4096 requests a MiB: the list is one page of 256 no-ops seen through 80 pages
    const page = Array.from({ length: 1024 }, (_, i) => (i % 4 === 0 ? f[0]! * 4096 + 8 : 0));
    g.put(0x2ff000, page);
    const mfn = g.mfn(0x2ff);
    for (let i = 0; i < 80; i++) expect(g.va(0x300000 + i * 4096, pte(mfn, P))).toBe(0);
    x.m.w32(v + VCPU.eip, 0x1002);
    g.put(g.scratch, [0]);
    const args = [0x300000, 80 * 256, g.scratch, 0x7ff0];
    expect(g.call(doMmuUpdate, ...args)).toBe(1);
    expect(x.m.r32(v + VCPU.eip)).toBe(0x1000);
    expect(g.word(g.scratch)).toBe(16384);
    const [ebx, ecx] = [x.m.r32(v + VCPU.gpr + 12), x.m.r32(v + VCPU.gpr + 4)];
    expect([ebx, ecx]).toEqual([0x300000 + 16384 * 16, (0x80000000 + 80 * 256 - 16384) >>> 0]);
    expect(g.call(doMmuUpdate, ebx, ecx, g.scratch, 0x7ff0)).toBe(0);
    expect(g.word(g.scratch)).toBe(80 * 256);
    x.m.w32(xv(v) + XVCPU.inMulticall, 1);
    expect(g.call(doMmuUpdate, ...args)).toBe(0);
    expect(g.word(g.scratch)).toBe(80 * 256);
    expect(g.call(doMmuUpdate, 0x300000, 0x200000, 0, 0x7ff0)).toBe(-EINVAL);
  });
});

describe('mmuext_op', () => {
  it('pins, runs on and unpins as a boot loader does in one call', () => {
    const { g, f } = start();
    const old = bootL3(g);
    const l3 = f[0]!;
    makeL3(g, l3, f[1]!);
    expect(
      g.ext([
        [2, l3, 0],
        [5, l3, 0],
        [4, old, 0],
      ]),
    ).toEqual([0, 3]);
    expect(bootL3(g)).toBe(l3);
    expect([g.type(l3), g.uses(l3), g.type(old), g.uses(old)]).toEqual(['l3', 2, 'none', 0]);
    expect(g.va(VA, pte(old, P | RW))).toBe(0);
    expect(recount(g.x)).toEqual([]);
    expect(g.ext([[4, l3, 0]])).toEqual(OK);
    expect([g.type(l3), g.uses(l3)]).toEqual(['l3', 1]);
    expect(g.ext([[5, l3, 0]])).toEqual(OK);
    expect(recount(g.x)).toEqual([]);
  });

  it('refuses pins twice, of others, of the wrong content; unpins what is pinned', () => {
    const { b, g, f, why } = start();
    const stranger = mmGuest(b);
    expect(g.ext([[0, f[0]!, 0]])).toEqual(OK);
    expect(g.ext([[0, f[0]!, 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('pin.once');
    expect(g.ext([[1, f[0]!, 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('pin.type');
    expect(g.ext([[0, stranger.mfn(1030), 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('pin.owner');
    expect(g.ext([[0, 0x7ffffff, 0]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[3, 0x7ffffff, 0]])).toEqual(OK);
    expect(g.ext([[4, f[1]!, 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('unpin.pinned');
    fill(g, f[2]!, [[3, 0]]);
    expect(g.ext([[2, f[2]!, 0]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[5, f[2]!, 0]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[5, stranger.mfn(1030), 0]])).toEqual([-EINVAL, 0]);
    expect(why()).toBe('cr3.owner');
    fill(g, f[3]!, [[0, pte(stranger.mfn(4), P)]]);
    expect(g.ext([[0, f[3]!, 0]])).toEqual([-EBUSY, 0]);
    fill(g, f[3]!, [[0, pte(0xfee00, P)]]);
    expect(g.ext([[0, f[3]!, 0]])).toEqual([-EPERM, 0]);
    expect(recount(b.x)).toEqual([]);
  });

  it('answers every operation, and each only to whom it concerns', () => {
    const b = bench();
    const other = mmGuest(b),
      g = mmGuest(b, 8, true);
    for (const cmd of [6, 7, 10, 11]) expect(g.ext([[cmd, 0x1234, 0]])).toEqual(OK);
    for (const cmd of [8, 9]) {
      expect(g.ext([[cmd, 0, g.scratch]])).toEqual(OK);
      expect(g.ext([[cmd, 0, 0x500000]])).toEqual([-EINVAL, 0]);
    }
    for (const cmd of [12, 18]) expect(g.ext([[cmd, 0, 0]])).toEqual([-EACCES, 0]);
    expect(g.ext([[15, 0, 0]])).toEqual([-EINVAL, 0]);
    for (const cmd of [19, 20]) expect(g.ext([[cmd, 0, 0]])).toEqual([-EOPNOTSUPP, 0]);
    for (const cmd of [14, 21, 0xffffffff]) expect(g.ext([[cmd, 0, 0]])).toEqual([-ENOSYS, 0]);
    for (const cmd of [5, 6, 7, 8, 9, 10, 11, 12, 13, 18])
      expect(g.ext([[cmd, g.scratch, g.scratch]], other.domid)).toEqual([-EPERM, 0]);
    const theirs = other.mfn(1030);
    expect(g.ext([[0, theirs, 0]], other.domid)).toEqual(OK);
    expect(g.ext([[4, theirs, 0]], other.domid)).toEqual(OK);
    expect(g.ext([[0, theirs, 0]], 999)[0]).toBe(-ESRCH);
    expect(g.ext([[0, theirs, 0]], 0x7ff1)[0]).toBe(-EINVAL);
    expect(other.ext([[0, g.mfn(1030), 0]], g.domid)[0]).toBe(-EPERM);
    expect(recount(b.x)).toEqual([]);
  });

  it('clears and copies only what may be written', () => {
    const { b, g, f } = start();
    const stranger = mmGuest(b);
    g.x.frames.write32(f[0]! * 4096 + 8, 77);
    expect(g.ext([[17, f[1]!, f[0]!]])).toEqual(OK);
    expect(g.x.frames.read32(f[1]! * 4096 + 8)).toBe(77);
    expect(g.ext([[16, f[1]!, 0]])).toEqual(OK);
    expect(g.x.frames.read32(f[1]! * 4096 + 8)).toBe(0);
    for (const mfn of [bootL1(g), bootL3(g), stranger.mfn(9), 0, 0x7ffffff, g.x.m.r32(XEN_AT + XEN.m2pMfn)]) {
      expect(g.ext([[16, mfn, 0]])).toEqual([-EINVAL, 0]);
      expect(g.ext([[17, mfn, f[0]!]])).toEqual([-EINVAL, 0]);
    }
    expect(g.ext([[17, f[0]!, stranger.mfn(9)]])).toEqual([-EINVAL, 0]);
    expect(recount(b.x)).toEqual([]);
  });
});

describe('update_va_mapping', () => {
  it('finds the entry through present levels only and ignores the low bits of the address', () => {
    const { g, f, why } = start();
    expect(g.va(VA + 0xabc, pte(f[0]!, P | RW))).toBe(0);
    g.put(VA + 8, [5]);
    expect(g.x.frames.read32(f[0]! * 4096 + 8)).toBe(5);
    expect(g.va(0x40000000, pte(f[1]!, P))).toBe(-EINVAL);
    expect(why()).toBe('va.mapped-l1');
    expect(g.va(VA, 0)).toBe(0);
    expect(g.count(f[0]!)).toBe(1);
  });
  it('reads the bitmap of a flush only when there is one', () => {
    const { g, f } = start();
    for (const flags of [0, 1, 2, 4, 5, 6, g.scratch | 1, 0x500000])
      expect(g.va(VA, pte(f[0]!, P), 0, flags)).toBe(0);
    expect(g.va(VA, pte(f[0]!, P), 0, 0x500000 | 2)).toBe(-EFAULT);
  });
  it('of another domain needs privilege', () => {
    const { b, g, f } = start();
    const stranger = mmGuest(b);
    expect(g.call(doUpdateVaMappingOtherdomain, VA, pte(f[0]!, P), 0, 0, 999)).toBe(-ESRCH);
    expect(g.call(doUpdateVaMappingOtherdomain, VA, pte(f[0]!, P), 0, 0, stranger.domid)).toBe(-EPERM);
    expect(g.call(doUpdateVaMappingOtherdomain, VA, pte(f[0]!, P), 0, 0, 0x7ff0)).toBe(0);
    expect(g.call(doUpdateVaMapping, VA, 0, 0, 0)).toBe(0);
  });
});

describe('descriptor tables', () => {
  it('of a GDT become seg_desc while it is set, keep the old one when refused, and are let go', () => {
    const { g, f, why } = start();
    const { x, v } = g;
    const set = (list: readonly number[], entries: number): number => {
      g.put(g.scratch, [...list, 0]);
      return g.call(doSetGdt, g.scratch, entries);
    };
    expect(set([f[0]!, f[1]!], 600)).toBe(0);
    expect([g.type(f[0]!), g.uses(f[1]!), x.m.r32(v + VCPU.window + 4)]).toEqual(['seg_desc', 1, f[1]]);
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(-EBUSY);
    expect(g.va(VA, pte(f[0]!, P))).toBe(0);
    expect(set([f[2]!, bootL1(g)], 600)).toBe(-EINVAL);
    expect(why()).toBe('gdt.frame');
    expect([x.m.r32(v + VCPU.window), g.uses(f[2]!)]).toEqual([f[0], 0]);
    expect(set([], 7169)).toBe(-EINVAL);
    expect(g.call(doSetGdt, 0x500000, 1)).toBe(-EFAULT);
    expect(g.call(doSetGdt, 0x500000, 7169)).toBe(-EINVAL);
    expect(set([f[0]!], 1)).toBe(0);
    expect([g.uses(f[0]!), g.uses(f[1]!), x.m.r32(v + VCPU.window + 4)]).toEqual([
      1,
      0,
      x.m.r32(XEN_AT + XEN.zeroMfn),
    ]);
    expect(x.m.r32(v + VCPU.window + 4 * 14)).toBe(x.m.r32(XEN_AT + XEN.flatGdtMfn));
    expect(set([], 0)).toBe(0);
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(0);
    expect(recount(x)).toEqual([]);
  });

  it('of an LDT are mapped when first used, once, and dropped with the next table or CR3', () => {
    const { g, f, why } = start();
    const { x, v } = g;
    expect(g.va(VA, pte(f[0]!, P))).toBe(0);
    expect(g.ext([[13, VA, 8193]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[13, VA + 8, 1]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[13, VA, 513]])).toEqual(OK);
    expect(g.uses(f[0]!)).toBe(0);
    expect(mapLdtPage(x, v, 0)).toBe(true);
    expect([g.type(f[0]!), g.uses(f[0]!), x.m.r32(v + VCPU.window + 64)]).toEqual(['seg_desc', 1, f[0]]);
    // the guest touching the window itself must not take another reference, nor be told to try again
    expect(mapLdtPage(x, v, 0)).toBe(false);
    expect(g.uses(f[0]!)).toBe(1);
    expect(mapLdtPage(x, v, 2)).toBe(false);
    expect(g.va(VA + 4096, pte(f[1]!, P | RW))).toBe(0);
    expect(mapLdtPage(x, v, 1)).toBe(false);
    expect(why()).toBe('ldt.page');
    expect(recount(x)).toEqual([]);
    expect(g.ext([[5, bootL3(g), 0]])).toEqual(OK);
    expect(g.uses(f[0]!)).toBe(0);
    expect(mapLdtPage(x, v, 0)).toBe(true);
    expect(g.ext([[13, 0xdead, 0]])).toEqual(OK);
    expect([g.uses(f[0]!), x.m.r32(v + VCPU.window + 64)]).toEqual([0, INVALID_MFN]);
    expect(mapLdtPage(x, v, 0)).toBe(false);
    expect(recount(x)).toEqual([]);
  });
});

describe('memory_op', () => {
  it('grows and shrinks the reservation, in runs too, and keeps the M2P', () => {
    const { g } = start();
    const { x } = g;
    const total = x.m.r32(g.d + DOMAIN.totPages);
    const [done, [run]] = g.reserve(6, [9000], 3);
    expect(done).toBe(1);
    expect(run! % 8).toBe(0);
    for (let i = 0; i < 8; i++) expect(getM2p(x, run! + i)).toBe(9000 + i);
    expect(x.m.r32(g.d + DOMAIN.totPages)).toBe(total + 8);
    expect(g.reserve(1, [run!], 3)[0]).toBe(1);
    expect(g.reserve(1, [run!], 3)[0]).toBe(0);
    expect(x.m.r32(g.d + DOMAIN.totPages)).toBe(total);
    expect(recount(x)).toEqual([]);
  });

  it('answers with extents done, never an error, for commands 0, 1 and 6', () => {
    const { b, g } = start();
    const stranger = mmGuest(b);
    for (const cmd of [0, 1, 6]) {
      expect(g.call(doMemoryOp, cmd, 0x500000)).toBe(0);
      expect(g.reserve(cmd, [1], 0, 999)[0]).toBe(0);
      expect(g.reserve(cmd, [1], 0, stranger.domid)[0]).toBe(0);
    }
    expect(g.reserve(1, [g.mfn(1030), stranger.mfn(7), g.mfn(1031)])[0]).toBe(1);
    expect(recount(b.x)).toEqual([]);
  });

  it('stops at the maximum', () => {
    const { g } = start();
    const { x } = g;
    x.m.w32(g.d + DOMAIN.maxPages, x.m.r32(g.d + DOMAIN.totPages) + 2);
    expect(g.reserve(6, [3000, 3001, 3002])[0]).toBe(2);
    expect(g.reserve(0, [0])[0]).toBe(0);
  });

  it('tells numbers and refuses what a guest may not ask', () => {
    const { b, g } = start();
    const stranger = mmGuest(b);
    const { scratch: s, x } = g;
    const of = (cmd: number, domid: number): number => {
      g.put(s, [domid]);
      return g.call(doMemoryOp, cmd, s);
    };
    expect(g.call(doMemoryOp, 2, 0)).toBe(x.m.nrFrames);
    expect(of(3, 0x7ff0)).toBe(2048);
    expect(of(4, g.domid)).toBe(x.m.r32(g.d + DOMAIN.maxPages));
    expect(of(14, 0x7ff0)).toBe(2047);
    expect([of(3, 999), of(4, stranger.domid)]).toEqual([-ESRCH, -EPERM]);
    expect(g.call(doMemoryOp, 3, 0x500000)).toBe(-EFAULT);
    expect(g.call(doMemoryOp, 12, s)).toBe(0);
    expect([g.word(s), g.word(s + 4), g.word(s + 8)]).toEqual([
      0xf5800000,
      0xffe00000,
      (0xa600000 >>> 2) - 1,
    ]);
    g.put(s, [8, s + 64, 0]);
    expect(g.call(doMemoryOp, 5, s)).toBe(0);
    expect([g.word(s + 8), g.word(s + 64)]).toEqual([1, x.m.r32(XEN_AT + XEN.m2pMfn)]);
    g.put(s, [4, s + 64]);
    expect(g.call(doMemoryOp, 9, s)).toBe(0);
    expect([g.word(s), g.word(s + 64), g.word(s + 80)]).toEqual([1, 0, 1]);
    expect(g.word(s + 72)).toBeGreaterThanOrEqual(8 << 20);
    for (const cmd of [7, 15]) expect(g.call(doMemoryOp, cmd, s)).toBe(-EACCES);
    expect(g.call(doMemoryOp, 10, s)).toBe(-EPERM);
    expect(g.call(doMemoryOp, 26, s)).toBe(-EOPNOTSUPP);
    for (const cmd of [8, 29, 63]) expect(g.call(doMemoryOp, cmd, s)).toBe(-ENOSYS);
  });
});

describe('writable page tables', () => {
  const P2M_WRITE = 3;
  /** The guest sees boot L1 read-only at VA; the stub processor stores there what the test says. */
  function assisted(
    store: (env: SystemEnv, at: number) => unknown,
    offset = 8 * 0x181,
  ): ReturnType<typeof start> & {
    entry: number;
    tried: () => boolean;
  } {
    const s = start();
    const { g, b } = s;
    g.x.m.w32(g.d + DOMAIN.vmAssist, 1 << 2);
    expect(g.va(VA, pte(bootL1(g), P))).toBe(0);
    b.emulate = (_v, env) => (store(env, VA + offset) === REFUSED ? 'unhandled' : 'done');
    const tried = (): boolean => tryWritablePageTable(g.x, g.v, VA + offset, P2M_WRITE);
    return { ...s, entry: bootL1(g) * 4096 + offset, tried };
  }

  it('judge the whole entry whatever the width of the store', () => {
    let value: [8 | 16 | 32 | 64, number, number] = [64, 0, 0];
    const { g, f, entry, tried, why } = assisted((env, at) => env.store!(at, ...value));
    value = [64, pte(f[0]!, P | RW), 0];
    expect(tried()).toBe(true);
    expect([g.x.frames.read32(entry), g.uses(f[0]!)]).toEqual([pte(f[0]!, P | RW), 1]);
    value = [8, P, 0];
    expect(tried()).toBe(true);
    expect(g.x.frames.read32(entry)).toBe(pte(f[0]!, P));
    value = [16, pte(f[0]!, P | RW) & 0xffff, 0];
    expect(tried()).toBe(true);
    value = [32, pte(bootL1(g), P | RW), 0];
    expect(tried()).toBe(false);
    expect(why()).toBe('pte.writable-of-typed');
    value = [64, 0, 0];
    expect(tried()).toBe(true);
    expect(g.uses(f[0]!)).toBe(0);
    expect(recount(g.x)).toEqual([]);
  });

  it('drop the present bit when the upper half comes first and makes no sense yet', () => {
    let half = 0;
    const s = assisted((env) => env.store!(VA + 8 * 0x181 + 4, 32, half, 0));
    expect(s.g.update([[s.entry, pte(s.f[0]!, P | RW), 0]])).toEqual(OK);
    half = 1;
    expect(s.tried()).toBe(true);
    expect([s.g.x.frames.read32(s.entry), s.g.x.frames.read32(s.entry + 4)]).toEqual([pte(s.f[0]!, RW), 1]);
    expect(s.g.uses(s.f[0]!)).toBe(0);
    half = NX;
    expect(s.tried()).toBe(true);
    expect(recount(s.g.x)).toEqual([]);
  });

  it('are for L1 tables of the guest, with the assist on, and aligned stores', () => {
    const s = assisted((env, at) => env.store!(at + 1, 32, 0, 0));
    expect(s.tried()).toBe(false);
    expect(s.why()).toBe('ptwr.aligned');
    s.g.x.m.w32(s.g.d + DOMAIN.vmAssist, 0);
    s.b.env = undefined;
    expect(s.tried()).toBe(false);
    expect(s.b.env).toBeUndefined();
    s.g.x.m.w32(s.g.d + DOMAIN.vmAssist, 1 << 2);
    expect(s.g.va(VA, pte(bootTable(s.g, 0), P))).toBe(0);
    expect(s.tried()).toBe(false);
    expect(s.b.env).toBeUndefined();
  });
});
