import { describe, expect, it } from 'vitest';
import { INVALID_MFN } from '../memory/addresses.ts';
import { ERRNO } from './abi/errno.ts';
import { doUpdateDescriptor } from './descriptors.ts';
import { destroyDomain } from './domain.ts';
import { getM2p } from './m2p.ts';
import { doMemoryOp } from './memory-op.ts';
import {
  A,
  D,
  dirtyFreeFrames,
  G,
  mmGuest,
  NX,
  P,
  PCD,
  PSE,
  PWT,
  recount,
  RW,
  US,
  OK,
  pte,
  VA,
  start,
  bootTable,
  bootL1,
  bump,
  fill,
} from './mm-testing.ts';
import { doMmuextOp, doMmuUpdate } from './mmu-ops.ts';
import { allocXenFrame, freeXenFrame } from './page-alloc.ts';
import { getPage, putPage } from './page-info.ts';
import { DOMAIN, PAGE, pageAt, XEN, XEN_AT } from './state.ts';
import { bench } from './testing.ts';

const { EINVAL, EBUSY, EPERM, EFAULT, ENOMEM } = ERRNO;

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
      expect(g.call(doMemoryOp, 11, s)).toBe(order > 9 ? -EPERM : count === 0x4000000 ? -EINVAL : -EFAULT);
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
