import { describe, expect, it } from 'vitest';
import { VCPU } from '../cpu/vcpu.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_SELF, DOMID_SERVICE, DOMID_XEN } from './abi/domid.ts';
import { ERRNO } from './abi/errno.ts';
import { GNTMAP_host_map, GNTST, GNTTABOP, GTF_permit_access } from './abi/grant.ts';
import { eventBench, hc } from './events-testing.ts';
import { activeAt, nrEntries, sharedAt } from './grant-entries.ts';
import { doGrantTableOp, seedGrant } from './grant-table.ts';
import { flagsOf, grant, map, mapper, op, s16, word } from './grants-testing.ts';
import { getPage, putPage } from './page-info.ts';
import { DOMAIN, PAGE, pageAt } from './state.ts';

describe('the table', () => {
  it('setup grows it, never shrinks it, and tells the frames; the guest may map them', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const list = g.page * PAGE_SIZE + 256;
    const setup = (domid: number, nr: number, at = list): [number, number] => [
      op(b, g, GNTTABOP.setup_table, 1, domid, nr, 0x7fff, at),
      s16(b, g, 8),
    ];
    expect(setup(DOMID_SELF, 3)).toEqual([0, 0]);
    expect(nrEntries(x, g.d)).toBe(3 * 512);
    for (let i = 0; i < 3; i++) {
      const mfn = x.frames.read32(list + 4 * i);
      expect(mfn).toBe(x.m.r32(g.d + DOMAIN.grantFrames + 4 * i));
      expect(getPage(x, mfn, g.d)).toBe(true);
      putPage(x, mfn);
    }
    expect([setup(DOMID_SELF, 1), nrEntries(x, g.d)]).toEqual([[0, 0], 3 * 512]);
    expect(setup(DOMID_SELF, 65)).toEqual([0, GNTST.general_error]);
    expect(setup(99, 1)).toEqual([0, GNTST.bad_domain]);
    const other = b.guest();
    expect(setup(other.domid, 1)).toEqual([0, GNTST.permission_denied]);
    expect([setup(DOMID_SELF, 4, 0xf5800000)[0], nrEntries(x, g.d)]).toEqual([-ERRNO.EFAULT, 3 * 512]);
    b.records();
    expect(setup(DOMID_SELF, 2, 8)).toEqual([0, GNTST.bad_virt_addr]);
    expect(b.refused()).toEqual(['grant.list-writable']);
    x.m.w32(g.d + DOMAIN.xenFramesLimit, x.m.r32(g.d + DOMAIN.xenFrames) + 4);
    expect([setup(DOMID_SELF, 6), nrEntries(x, g.d)]).toEqual([[0, GNTST.general_error], 4 * 512]);
    expect(x.m.r32(g.d + DOMAIN.xenFrames)).toBe(x.m.r32(g.d + DOMAIN.xenFramesLimit) - 1);
  });

  it('has an active entry of its own for each reference of each domain', () => {
    const b = eventBench(),
      guests = [b.guest(), b.guest()],
      { x } = b;
    const seen = new Set<number>();
    for (const g of guests) {
      expect(op(b, g, GNTTABOP.setup_table, 1, DOMID_SELF, 2, 0, g.page * PAGE_SIZE + 256)).toBe(0);
      for (let ref = 0; ref < 1024; ref++) {
        for (const at of [activeAt(x, g.d, ref), sharedAt(x, g.d, ref)]) {
          seen.add(at);
          expect(at).toBeGreaterThanOrEqual(PAGE_SIZE);
        }
        expect(x.m.r16(pageAt(activeAt(x, g.d, ref) >>> 12) + PAGE.owner)).toBe(DOMID_XEN);
      }
    }
    expect(seen.size).toBe(4096);
  });

  it('is one version only', () => {
    const b = eventBench(),
      g = b.guest();
    const set = (n: number): [number, number] => [op(b, g, GNTTABOP.set_version, 1, n), word(b, g, 0)];
    expect([set(1), set(2), set(3), set(0)]).toEqual([
      [0, 1],
      [-ERRNO.ENOSYS, 1],
      [-ERRNO.EINVAL, 1],
      [-ERRNO.EINVAL, 1],
    ]);
    expect([op(b, g, GNTTABOP.get_version, 1, DOMID_SELF, 9), word(b, g, 4)]).toEqual([0, 1]);
    const other = b.guest();
    expect([op(b, g, GNTTABOP.get_version, 1, 99), op(b, g, GNTTABOP.get_version, 1, other.domid)]).toEqual([
      -ERRNO.ESRCH,
      -ERRNO.EPERM,
    ]);
    expect([op(b, g, GNTTABOP.get_status_frames, 1, 1, DOMID_SELF, 0), s16(b, g, 6)]).toEqual([
      0,
      GNTST.general_error,
    ]);
  });

  it('query_size tells frames and maximum', () => {
    const b = eventBench(),
      g = b.guest();
    expect(op(b, g, GNTTABOP.query_size, 1, DOMID_SELF, 9, 9, 9)).toBe(0);
    expect([word(b, g, 4), word(b, g, 8), s16(b, g, 12)]).toEqual([1, 64, 0]);
    expect([op(b, g, GNTTABOP.query_size, 1, 77, 9, 9, 9), s16(b, g, 12)]).toEqual([0, GNTST.bad_domain]);
  });

  it('refuses impossible calls in order', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    expect(doGrantTableOp(x, g.v, hc(99, 0, 0x80000000))).toBe(-ERRNO.EINVAL);
    expect(doGrantTableOp(x, g.v, hc(0x1000, 0, 1))).toBe(-ERRNO.EINVAL);
    b.records();
    expect([3, 12, 13, 99].map((cmd) => doGrantTableOp(x, g.v, hc(cmd, 0, 1)))).toEqual([-38, -38, -38, -38]);
    expect(b.refused()).toEqual([
      'grant.operation-known',
      'grant.caches-coherent',
      'grant.operation-known',
      'grant.operation-known',
    ]);
    expect([2, 6, 9].map((cmd) => doGrantTableOp(x, g.v, hc(cmd, 0, 2)))).toEqual([-22, -22, -22]);
    // What is translated for a 32-bit guest has nothing to translate; the other one counts.
    expect([2, 6, 9].map((cmd) => doGrantTableOp(x, g.v, hc(cmd, 0, 0)))).toEqual([0, -22, 0]);
    expect([0, 1, 4, 5, 7, 11].map((cmd) => doGrantTableOp(x, g.v, hc(cmd, 0xffffff00, 0)))).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
    expect([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11].map((cmd) => doGrantTableOp(x, g.v, hc(cmd, 8, 1)))).toEqual(
      new Array(11).fill(-ERRNO.EFAULT),
    );
  });

  it('a long array goes on where it stopped', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const at = g.other * PAGE_SIZE,
      n = 341;
    for (let i = 0; i < n; i++) x.frames.write32(at + 12 * i + 8, 0x7777);
    const { m } = x;
    const [ecx, edx] = [g.v + VCPU.gpr + 4, g.v + VCPU.gpr + 8];
    m.w32(ecx, at);
    m.w32(edx, n);
    m.w32(g.v + VCPU.eip, 0x1002);
    const again = (): number => doGrantTableOp(x, g.v, hc(GNTTABOP.swap_grant_ref, m.r32(ecx), m.r32(edx)));
    expect([again(), m.r32(ecx), m.r32(edx), m.r32(g.v + VCPU.eip)]).toEqual([
      20,
      at + 12 * 256,
      n - 256,
      0x1000,
    ]);
    expect([again(), m.r32(ecx)]).toEqual([0, at + 12 * 256]);
    for (const i of [0, 255, 256, n - 1]) expect(x.frames.read16(at + 12 * i + 8)).toBe(0);
  });

  it('swaps two entries that are not in use', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const swap = (r: number, s: number): number => {
      expect(op(b, a, GNTTABOP.swap_grant_ref, 1, r, s, 0)).toBe(0);
      return s16(b, a, 8);
    };
    expect([
      swap(9, 20),
      flagsOf(b, a, 9),
      flagsOf(b, a, 20),
      swap(9, 512),
      swap(512, 512),
      swap(7, 7),
    ]).toEqual([0, 0, GTF_permit_access, -3, -3, 0]);
    map(b, c, c.va(0), GNTMAP_host_map, 20, a.domid);
    expect([swap(20, 9), swap(9, 20)]).toEqual([GNTST.eagain, GNTST.eagain]);
  });

  it('seeds reserved entries under the number guests know', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    seedGrant(x, g.d, 0, 5, 78);
    expect(x.frames.read16(sharedAt(x, g.d, 0) + 2)).toBe(5);
    x.frames.write16(sharedAt(x, g.d, 1) + 2, 9);
    seedGrant(x, g.d, 1, DOMID_SERVICE, 77);
    expect([
      flagsOf(b, g, 1),
      x.frames.read16(sharedAt(x, g.d, 1) + 2),
      x.frames.read32(sharedAt(x, g.d, 1) + 4),
    ]).toEqual([GTF_permit_access, 0, 77]);
  });
});
