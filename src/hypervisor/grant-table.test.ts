import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_SELF, DOMID_SERVICE } from './abi/domid.ts';
import { ERRNO } from './abi/errno.ts';
import { GNTMAP_host_map, GNTST, GNTTABOP, GTF_permit_access } from './abi/grant.ts';
import { eventBench, hc } from './events-testing.ts';
import { nrEntries, sharedAt } from './grant-entries.ts';
import { doGrantTableOp, seedGrant } from './grant-table.ts';
import { flagsOf, grant, map, mapper, op, s16, word } from './grants-testing.ts';
import { getPage, putPage } from './page-info.ts';
import { DOMAIN } from './state.ts';

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
    expect(setup(DOMID_SELF, 2, 0xf5800000)[0]).toBe(-ERRNO.EFAULT);
    expect(setup(DOMID_SELF, 2, 8)[0]).toBe(-ERRNO.EFAULT);
    x.m.w32(g.d + DOMAIN.xenFramesLimit, x.m.r32(g.d + DOMAIN.xenFrames) + 4);
    expect([setup(DOMID_SELF, 6), nrEntries(x, g.d)]).toEqual([[0, GNTST.general_error], 4 * 512]);
    expect(x.m.r32(g.d + DOMAIN.xenFrames)).toBe(x.m.r32(g.d + DOMAIN.xenFramesLimit) - 1);
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
    expect([3, 12, 13, 99].map((cmd) => doGrantTableOp(x, g.v, hc(cmd, 0, 1)))).toEqual([-38, -38, -38, -38]);
    expect([2, 6, 9].map((cmd) => doGrantTableOp(x, g.v, hc(cmd, 0, 2)))).toEqual([-22, -22, -22]);
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
    for (let i = 0; i < n; i++) x.frames.write32(at + 12 * i + 4, 0);
    let count = n,
      from = at,
      calls = 0,
      result = 0;
    do {
      x.m.w32(g.v + 16 + 4, 0);
      result = doGrantTableOp(x, g.v, hc(GNTTABOP.swap_grant_ref, from, count));
      calls++;
      if (result === 20) {
        from += 12 * 256;
        count -= 256;
      }
      b.records();
    } while (result === 20 && calls < 9);
    expect([calls, result]).toEqual([2, 0]);
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
    seedGrant(x, g.d, 1, DOMID_SERVICE, 77);
    expect([
      flagsOf(b, g, 1),
      x.frames.read16(sharedAt(x, g.d, 1) + 2),
      x.frames.read32(sharedAt(x, g.d, 1) + 4),
    ]).toEqual([GTF_permit_access, 0, 77]);
  });
});
