import { describe, expect, it } from 'vitest';
import { VCPU } from '../cpu/vcpu.ts';
import { ERRNO } from './abi/errno.ts';
import { doMemoryOp, XENMEM } from './memory-op.ts';
import { mmGuest, P, RW } from './mm-testing.ts';
import { DOMAIN } from './state.ts';
import { bench, domainOf } from './testing.ts';

const SELF = 0x7ff0,
  LIST = 0x380000,
  PAGES = 17,
  EXTENTS = PAGES * 1024;

it('decrease_reservation of a long list that aliases one page is continued where it stopped', () => {
  const b = bench();
  const g = mmGuest(b);
  const { m } = b.x;
  // A frame that is given back but still mapped can be given back again and again, without effect and without end.
  const frame = g.mfn(g.sparePfn),
    page = g.mfn(g.sparePfn + 1);
  expect(g.va(0x3a0000, frame * 4096 + P)).toBe(0);
  for (let i = 0; i < PAGES; i++) expect(g.va(LIST + 4096 * i, page * 4096 + P + RW)).toBe(0);
  g.put(LIST, Array<number>(1024).fill(frame));
  g.put(g.scratch, [LIST, EXTENTS, 0, 0, SELF]);
  expect(g.call(doMemoryOp, XENMEM.decrease_reservation, g.scratch)).toBe(12);
  const again = m.r32(g.v + VCPU.gpr + 12);
  expect(again & 63).toBe(XENMEM.decrease_reservation);
  expect(again >>> 6).toBeGreaterThan(10_000);
  expect(again >>> 6).toBeLessThan(EXTENTS);
  expect(g.call(doMemoryOp, again, g.scratch)).toBe(EXTENTS);
});

describe('commands are refused in Xen’s order', () => {
  const { EPERM, ESRCH, E2BIG, EFAULT, EACCES, EINVAL, EDOM, ENOSYS, EOPNOTSUPP } = ERRNO;
  const NOWHERE = 0xe0000000,
    NOBODY = 0x4321;
  const XEN_DOMID = 0x7ff2;
  /** A guest, another domain, and a call with the structure at the scratch page. */
  function caller(privileged = false) {
    const b = bench();
    const other = domainOf(b, [0x90], { memoryMiB: 4 });
    const g = mmGuest(b);
    if (privileged) b.x.m.w32(g.d + DOMAIN.privileged, 1);
    const call = (cmd: number, words: readonly number[]): number => {
      g.put(g.scratch, words);
      return g.call(doMemoryOp, cmd, g.scratch);
    };
    const bad = (cmd: number): number => g.call(doMemoryOp, cmd, NOWHERE);
    return { b, g, call, bad, other: other.domid, self: g.domid };
  }

  it('structures that cannot be read, before anything else; unknown commands do not look at theirs', () => {
    const { bad } = caller();
    for (const cmd of [3, 4, 5, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 21, 23, 24, 25, 26, 27, 28])
      expect(bad(cmd), `command ${cmd}`).toBe(-EFAULT);
    for (const cmd of [0, 1, 6]) expect(bad(cmd | (5 << 6)), `command ${cmd}`).toBe(5);
    for (const cmd of [8, 18, 19, 20, 22, 29, 40, 63]) expect(bad(cmd), `command ${cmd}`).toBe(-ENOSYS);
  });

  it('a start extent where there is none to have', () => {
    const { bad } = caller();
    for (const cmd of [2, 3, 4, 11, 14, 15, 24, 26, 27])
      expect(bad(cmd | 64), `command ${cmd}`).toBe(-EINVAL);
    for (const cmd of [5, 9, 10, 12, 13, 25]) expect(bad(cmd | 64), `command ${cmd}`).toBe(-ENOSYS);
    for (const cmd of [7, 23]) expect(bad(cmd | (0x10000 << 6)), `command ${cmd}`).toBe(-EDOM);
  });

  it('questions about a domain', () => {
    const { call, other, self, g, b } = caller();
    for (const cmd of [3, 4, 14]) {
      expect(call(cmd, [NOBODY])).toBe(-ESRCH);
      expect(call(cmd, [XEN_DOMID])).toBe(-ESRCH);
      expect(call(cmd, [other])).toBe(-EPERM);
      expect(call(cmd, [self])).toBe(call(cmd, [SELF]));
    }
    expect(call(14, [SELF])).toBe(0);
    // max_pfn is the guest's to say: how many pseudo-physical frames it has.
    b.frames.write32(b.x.m.r32(g.d + DOMAIN.sharedInfoMfn) * 4096 + 2316, 1280);
    expect(call(14, [SELF])).toBe(1279);
    expect(call(2, [])).toBe(b.x.m.nrFrames);
  });

  it('a physical map that a PV domain does not have: -EACCES whoever asks for whomever', () => {
    const { call, other } = caller();
    expect(call(7, [NOBODY, 4])).toBe(-ENOSYS);
    expect(call(7, [NOBODY, 0])).toBe(-ESRCH);
    expect(call(7, [other, 0])).toBe(-EACCES);
    expect(call(7 | (7 << 6), [SELF, 0])).toBe(-EACCES);
    expect(call(15, [NOBODY, 0])).toBe(-ESRCH);
    expect(call(15, [other, 0])).toBe(-EACCES);
    expect(call(23, [NOBODY | (3 << 16), 0])).toBe(-EOPNOTSUPP);
    expect(call(23, [SELF | (2 << 16), 1, NOWHERE, NOWHERE, NOWHERE])).toBe(-EFAULT);
    expect(call(23, [SELF | (2 << 16), 1, 0xffff0000, 0, 0])).toBe(-EFAULT);
    expect(call(23, [NOBODY | (2 << 16), 0, 0, 0, 0])).toBe(-ESRCH);
    expect(call(23, [other | (2 << 16), 0, 0, 0, 0])).toBe(-EACCES);
  });

  it('what is for a toolstack', () => {
    const { call, other, self, g } = caller();
    const pod = (domid: number): number[] => [...Array<number>(8).fill(0), domid];
    for (const cmd of [16, 17])
      expect([call(cmd, pod(NOBODY)), call(cmd, pod(SELF)), call(cmd, pod(other))]).toEqual([
        -ESRCH,
        -EPERM,
        -EPERM,
      ]);
    const access = (domid: number): number => call(21, [domid << 16, 0, 0, 0, 0, 0, 0, 0]);
    expect([access(SELF), access(NOBODY), access(self), access(other)]).toEqual([
      -ESRCH,
      -ESRCH,
      -EPERM,
      -EINVAL,
    ]);
    const claim = (list: number, order: number, flags: number, domid: number): number =>
      call(24, [list, 1, order, flags, domid]);
    expect([claim(4, 0, 0, other), claim(0, 1, 0, other), claim(0, 0, 1, other)]).toEqual([
      -EINVAL,
      -EINVAL,
      -EINVAL,
    ]);
    expect([claim(0, 0, 0, SELF), claim(0, 0, 0, NOBODY), claim(0, 0, 0, self)]).toEqual([
      -EINVAL,
      -EINVAL,
      -EPERM,
    ]);
    const numa = (domid: number, pad = 0): number =>
      call(26, [domid | (pad << 16), ...Array<number>(9).fill(0)]);
    expect([numa(SELF, 1), numa(NOBODY), numa(other), numa(SELF)]).toEqual([
      -EINVAL,
      -ESRCH,
      -EPERM,
      -EOPNOTSUPP,
    ]);
    expect(call(10, [1, g.scratch + 64])).toBe(-EPERM);
  });

  it('resources and reserved device memory', () => {
    const { call, other, self, g } = caller();
    const resource = (domid: number, pad = 0, frame = 0, high = 0, nr = 1): number =>
      call(28, [domid, 0, nr, pad, frame, high, 0]);
    expect([resource(other, 1), resource(other, 0, 0, 1), resource(other, 0, 0xffffffff)]).toEqual([
      -EINVAL,
      -EINVAL,
      -EINVAL,
    ]);
    expect([resource(SELF), resource(NOBODY), resource(self), resource(other)]).toEqual([
      -ESRCH,
      -ESRCH,
      -EPERM,
      -EPERM,
    ]);
    expect(call(27, [0, 1, 0xf57ffffc, 0])).toBe(-EFAULT);
    expect(call(27, [2, 1, 0, 0])).toBe(-EINVAL);
    expect(call(27, [1, 5, 0, 0])).toBe(0);
    expect(g.word(g.scratch + 4)).toBe(0);
  });

  it('a privileged domain gets further', () => {
    const { call, other, g, b } = caller(true);
    expect(call(3, [other])).toBe(1024);
    expect(call(16, [...Array<number>(8).fill(0), other])).toBe(-EINVAL);
    expect(call(10, [4, g.scratch + 64])).toBe(0);
    expect([g.word(g.scratch), g.word(g.scratch + 64 + 8)]).toEqual([1, b.x.m.nrFrames * 4096]);
    expect(call(28, [other, 0, 1, 0, 0, 0, 0])).toBe(-EOPNOTSUPP);
  });

  it('an exchange: its shape, its lists, its orders, its domain', () => {
    const { call, g, other } = caller();
    const at = g.scratch + 256;
    g.put(at, [1, 2, 3, 4]);
    const exchange = (
      [inList, inCount, inOrder, inDomid]: readonly number[],
      [outList, outCount, outOrder, outDomid, flags = 0]: readonly number[],
      done = 0,
    ): number =>
      call(11, [
        inList!,
        inCount!,
        inOrder!,
        0,
        inDomid!,
        outList!,
        outCount!,
        outOrder!,
        flags,
        outDomid!,
        done,
      ]);
    const one = [at, 1, 0, SELF];
    expect(exchange(one, [at, 2, 0, SELF])).toBe(-EINVAL);
    expect(exchange(one, one, 2)).toBe(-EINVAL);
    expect(exchange([at, 4, 0, SELF], [at, 2, 1, SELF], 1)).toBe(-EINVAL);
    expect(exchange([at, 0x80000000, 1, SELF], [at, 0, 0, SELF])).toBe(-EINVAL);
    expect(exchange([at, 1024, 0, SELF], [at, 1, 10, SELF])).toBe(-E2BIG);
    expect(exchange([NOWHERE, 1, 0, NOBODY], [at, 1, 0, NOBODY])).toBe(-EFAULT);
    expect(exchange([0xf57ffffc, 2, 0, SELF], [at, 2, 0, SELF])).toBe(-EFAULT);
    expect(exchange([at, 1, 10, NOBODY], [at, 1, 10, NOBODY])).toBe(-EPERM);
    expect(exchange(one, [at, 1, 0, other])).toBe(-EINVAL);
    expect(exchange([at, 1, 0, NOBODY], [at, 1, 0, NOBODY], 1)).toBe(0);
    expect(exchange([at, 1, 0, NOBODY], [at, 1, 0, NOBODY, 12])).toBe(-EINVAL);
    expect(exchange([at, 1, 0, NOBODY], [at, 1, 0, NOBODY])).toBe(-ESRCH);
    expect(exchange([at, 1, 0, other], [at, 1, 0, other])).toBe(-EPERM);
    expect(exchange(one, one)).toBe(-EINVAL);
  });

  it('new frames lie where the flags want them, or are not there', () => {
    const { call, g, b } = caller();
    b.x.m.w32(g.d + DOMAIN.maxPages, 4000);
    const list = g.scratch + 256;
    const increase = (flags: number, cmd = 0): number => call(cmd, [list, 1, 0, flags, SELF]);
    expect(increase(24)).toBe(1);
    expect(g.word(list)).toBeLessThan(4096);
    expect(increase(13)).toBe(0); // frame 0 is Xen's, and frame 1 has been somebody's since the beginning
    expect(increase(12)).toBe(0);
    expect(increase((1 << 17) | 0x100)).toBe(0);
    expect(increase(0x100)).toBe(1);
    expect(increase(1 << 16, 6)).toBe(0);
    expect(call(0, [0, 1, 10, 0, SELF])).toBe(0);
    expect(call(0, [0, 1, 9, 0, SELF])).toBe(1);
  });
});
