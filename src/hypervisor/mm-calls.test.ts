import { describe, expect, it } from 'vitest';
import { VCPU } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { ERRNO } from './abi/errno.ts';
import { destroyDomain } from './domain.ts';
import { copyFromGuest } from './guest-access.ts';
import {
  A,
  D,
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
  bootL3,
  bootTable,
  bootL1,
  fill,
  makeL3,
} from './mm-testing.ts';
import { doMmuextOp, doMmuUpdate, doUpdateVaMapping, doUpdateVaMappingOtherdomain } from './mmu-ops.ts';
import { DOMAIN, PAGE, pageAt, XEN, XEN_AT } from './state.ts';
import { bench, refusals } from './testing.ts';

const { EINVAL, EBUSY, EPERM, ESRCH, EFAULT, EACCES, ENOSYS, EOPNOTSUPP } = ERRNO;

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
      [pte(f[0]!, P), 1, -EPERM, 'pte.reserved-bits'],
      [pte(f[0]!, P), 0x000fffff, -EPERM, 'pte.reserved-bits'],
      [pte(0xfffff, P), 0x000fffff, -EINVAL, 'pte.reserved-bits'],
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
    for (const va of [0xf5800000, 0xffc00000, 0xfffff000]) {
      expect(g.va(va, 0)).toBe(-EINVAL);
      expect(why()).toBe('va.mapped-l1');
    }
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
    // Of the owners without a domain, device memory may be asked for in entries one by one and Xen's frames never.
    expect(g.update([[bootL1(g) * 4096 + 8 * 0x180, 0, 0]], 0x7ff1)).toEqual(OK);
    expect(g.update([[bootL1(g) * 4096 + 8 * 0x180, 0, 0]], 0x7ff2)).toEqual([-EPERM, 0]);
    expect(g.update([], 0x7ff2)[0]).toBe(0);
    expect(g.update([], 0x7ff3)[0]).toBe(-ESRCH);
    for (const owner of [0x7ff1, 0x7ff2]) {
      expect(g.ext([[6, 0, 0]], owner)[0]).toBe(-EPERM);
      expect(g.call(doUpdateVaMappingOtherdomain, VA, 0, 0, 0, owner)).toBe(-EPERM);
    }
    expect(g.call(doUpdateVaMappingOtherdomain, VA, 0, 0, 0, 0x7ff3)).toBe(-ESRCH);
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
    expect(g.update([[bootTable(g, 0) * 4096 + 8 * 200, pte(other.mfn(1032), P), 0]], other.domid)).toEqual([
      -EINVAL,
      0,
    ]);
    expect(refusals(b.records()).at(-1)).toBe('mmu.foreign-middle');
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
    expect(g.ext([[12, 0, 0]])).toEqual([-EACCES, 0]);
    expect(g.ext([[18, 0, 0]])).toEqual([-EINVAL, 0]);
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
