import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_SELF, DOMID_SERVICE } from './abi/domid.ts';
import { ERRNO } from './abi/errno.ts';
import {
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTMAP_contains_pte,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST,
  GNTTABOP,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_writing,
} from './abi/grant.ts';
import { type EventBench, eventBench, type Guest, hc } from './events-testing.ts';
import { ACTIVE, activeAt, nrEntries, sharedAt } from './grant-entries.ts';
import { destroyGrants, doGrantTableOp, seedGrant } from './grant-table.ts';
import { HANDLES_PER_FRAME, handlesInUse } from './maptrack.ts';
import { allocDomainFrame } from './page-alloc.ts';
import { getPage, putPage, putPageFromL1e, takeType } from './page-info.ts';
import {
  DOMAIN,
  PAGE,
  PGC_count_mask,
  PGT_count_mask,
  PGT_l1_page_table,
  PGT_l3_page_table,
  pageAt,
  XVCPU,
  xv,
} from './state.ts';

const TABLES_AT = 0x40000000; // linear addresses of the mapper's one page table: 512 slots
const NX = 0x80000000;

interface Mapper extends Guest {
  readonly l1: number;
  slot(i: number): { lo: number; hi: number };
  va(i: number): number;
}
/** A guest with a valid address space: L3 -> four L2 -> one L1 behind L2 number 1. */
function mapper(b: EventBench): Mapper {
  const g = b.guest(),
    { x } = b;
  const frame = (): number => allocDomainFrame(x, g.d);
  const l3 = frame(),
    l1 = frame(),
    l2 = [frame(), frame(), frame(), frame()];
  for (const [i, mfn] of l2.entries()) x.frames.write64(l3 * PAGE_SIZE + 8 * i, mfn * PAGE_SIZE + 1, 0);
  x.frames.write64(l2[1]! * PAGE_SIZE, l1 * PAGE_SIZE + 7, 0);
  expect(getPage(x, l3, g.d)).toBe(true);
  expect(takeType(x, l3, PGT_l3_page_table, g.d)).toBe(0);
  x.m.w32(xv(g.v) + XVCPU.guestCr3Mfn, l3);
  return {
    ...g,
    l1,
    slot: (i) => ({
      lo: x.frames.read32(l1 * PAGE_SIZE + 8 * i),
      hi: x.frames.read32(l1 * PAGE_SIZE + 8 * i + 4),
    }),
    va: (i) => TABLES_AT + i * PAGE_SIZE,
  };
}
const grant = (b: EventBench, g: Guest, ref: number, flags: number, domid: number, mfn: number): void => {
  const at = sharedAt(b.x, g.d, ref);
  b.x.frames.write16(at + 2, domid);
  b.x.frames.write32(at + 4, mfn);
  b.x.frames.write16(at, flags);
};
const flagsOf = (b: EventBench, g: Guest, ref: number): number => b.x.frames.read16(sharedAt(b.x, g.d, ref));
const pinOf = (b: EventBench, g: Guest, ref: number): number =>
  b.x.frames.read32(activeAt(b.x, g.d, ref) + ACTIVE.pin);
const refs = (b: EventBench, mfn: number): [number, number] => [
  b.x.m.r32(pageAt(mfn) + PAGE.count) & PGC_count_mask,
  b.x.m.r32(pageAt(mfn) + PAGE.type) & PGT_count_mask,
];
const op = (b: EventBench, g: Guest, cmd: number, count: number, ...words: number[]): number =>
  doGrantTableOp(b.x, g.v, hc(cmd, g.arg(...words), count));
const word = (b: EventBench, g: Guest, at: number): number => b.x.frames.read32(g.page * PAGE_SIZE + at);
const s16 = (b: EventBench, g: Guest, at: number): number =>
  (b.x.frames.read16(g.page * PAGE_SIZE + at) << 16) >> 16;

interface MapResult {
  status: number;
  handle: number;
  bus: number;
}
function map(b: EventBench, g: Guest, addr: number, flags: number, ref: number, domid: number): MapResult {
  expect(op(b, g, GNTTABOP.map_grant_ref, 1, addr, 0, flags, ref, domid, 0xffffffff, 0, 0)).toBe(0);
  return { status: s16(b, g, 18), handle: word(b, g, 20), bus: word(b, g, 24) };
}
function unmap(b: EventBench, g: Guest, addr: number, handle: number, bus = 0): number {
  expect(op(b, g, GNTTABOP.unmap_grant_ref, 1, addr, 0, bus, 0, handle, 0)).toBe(0);
  return s16(b, g, 20);
}

describe('map and unmap', () => {
  it('shows the frame with P A D NX RW, marks the entry, holds references; unmapping undoes it all', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other);
    const m = map(b, c, c.va(3), GNTMAP_host_map | (5 << 16), 9, a.domid);
    expect(m).toEqual({ status: 0, handle: 0, bus: a.other * PAGE_SIZE });
    expect(c.slot(3)).toEqual({ lo: a.other * PAGE_SIZE + 0x63 + (5 << 9), hi: NX });
    expect(flagsOf(b, a, 9)).toBe(GTF_permit_access | GTF_reading | GTF_writing);
    expect(refs(b, a.other)).toEqual([before[0] + 2, before[1] + 2]); // the pin and the entry
    expect(unmap(b, c, c.va(3), m.handle)).toBe(0);
    expect([c.slot(3).lo, flagsOf(b, a, 9), pinOf(b, a, 9), refs(b, a.other)]).toEqual([
      0,
      GTF_permit_access,
      0,
      before,
    ]);
    expect(unmap(b, c, c.va(3), m.handle)).toBe(GNTST.bad_handle);
    expect(b.refused()).toEqual(['grant.handle-in-use']);
  });

  it('read-only: no RW, no writing flag, no type reference; a write to it later adds them', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other);
    const ro = map(b, c, c.va(0), GNTMAP_host_map | GNTMAP_readonly, 9, a.domid);
    expect([c.slot(0).lo & 3, flagsOf(b, a, 9)]).toEqual([1, GTF_permit_access | GTF_reading]);
    expect(refs(b, a.other)).toEqual([before[0] + 2, before[1]]);
    const rw = map(b, c, c.va(1), GNTMAP_host_map, 9, a.domid);
    expect(flagsOf(b, a, 9)).toBe(GTF_permit_access | GTF_reading | GTF_writing);
    expect(unmap(b, c, c.va(1), rw.handle)).toBe(0);
    expect(flagsOf(b, a, 9)).toBe(GTF_permit_access | GTF_reading);
    expect(unmap(b, c, c.va(0), ro.handle)).toBe(0);
    expect([flagsOf(b, a, 9), refs(b, a.other)]).toEqual([GTF_permit_access, before]);
  });

  it("answers each mistake with Xen's status and leaves nothing behind", () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      e = b.guest();
    grant(b, a, 8, 0, c.domid, a.other);
    grant(b, a, 9, GTF_permit_access, e.domid, a.other);
    grant(b, a, 10, GTF_permit_access | GTF_readonly, c.domid, a.other);
    grant(b, a, 11, GTF_permit_access, c.domid, c.other);
    grant(b, a, 12, GTF_permit_access | GTF_sub_page, c.domid, a.other);
    grant(b, a, 13, GTF_permit_access, c.domid, 0xfffffff);
    grant(b, a, 14, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other),
      host = GNTMAP_host_map;
    b.records();
    const tries: [number, number, number, number, number, string][] = [
      [c.va(0), 0, 9, a.domid, GNTST.bad_gntref, 'grant.map-kind'],
      [c.va(0), host, 9, 99, GNTST.bad_domain, 'grant.domain-exists'],
      [c.va(0), host, 9, DOMID_SELF, GNTST.bad_domain, 'grant.domain-exists'],
      [c.va(0), host, 512, a.domid, GNTST.bad_gntref, 'grant.reference-exists'],
      [c.va(0), host, 8, a.domid, GNTST.general_error, 'grant.entry-permits'],
      [c.va(0), host, 9, a.domid, GNTST.general_error, 'grant.entry-permits'],
      [c.va(0), host, 10, a.domid, GNTST.general_error, 'grant.entry-writable'],
      [c.va(0), host, 11, a.domid, GNTST.bad_page, 'grant.frame-of-granter'],
      [c.va(0), host, 12, a.domid, GNTST.general_error, 'grant.entry-permits'],
      [c.va(0), host, 13, a.domid, GNTST.bad_page, 'grant.frame-of-granter'],
      [0x80000000, host, 14, a.domid, GNTST.general_error, 'grant.slot-in-l1'],
      [
        c.l1 * PAGE_SIZE + 4,
        host | GNTMAP_contains_pte,
        14,
        a.domid,
        GNTST.general_error,
        'grant.pte-aligned',
      ],
      [c.page * PAGE_SIZE, host | GNTMAP_contains_pte, 14, a.domid, GNTST.general_error, 'grant.slot-in-l1'],
      [a.other * PAGE_SIZE, host | GNTMAP_contains_pte, 14, a.domid, GNTST.general_error, 'grant.slot-in-l1'],
    ];
    for (const [addr, flags, ref, domid, status, rule] of tries) {
      expect(map(b, c, addr, flags, ref, domid).status).toBe(status);
      expect(b.refused()).toEqual([rule]);
    }
    expect([8, 9, 10, 11, 12, 13, 14].map((ref) => flagsOf(b, a, ref) & (GTF_reading | GTF_writing))).toEqual(
      [0, 0, 0, 0, 0, 0, 0],
    );
    expect([refs(b, a.other), [...handlesInUse(b.x, c.d)]]).toEqual([before, []]);
    expect(map(b, c, c.va(0), host, 14, a.domid).handle).toBe(0);
  });

  it('refuses to map a page table of the granter for writing', () => {
    const b = eventBench(),
      a = mapper(b),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.l1);
    const before = refs(b, a.l1);
    expect(map(b, c, c.va(0), GNTMAP_host_map, 9, a.domid).status).toBe(GNTST.general_error);
    expect(b.refused()).toEqual(['grant.frame-writable']);
    expect([refs(b, a.l1), flagsOf(b, a, 9), pinOf(b, a, 9), c.slot(0).lo]).toEqual([
      before,
      GTF_permit_access,
      0,
      0,
    ]);
    expect(map(b, c, c.va(0), GNTMAP_host_map | GNTMAP_readonly, 9, a.domid).status).toBe(0);
  });

  it('a pinned entry serves only the domain that pinned it', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      e = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    map(b, c, c.va(0), GNTMAP_host_map, 9, a.domid);
    grant(b, a, 9, flagsOf(b, a, 9), e.domid, a.other);
    b.records();
    expect(map(b, e, e.va(0), GNTMAP_host_map, 9, a.domid).status).toBe(GNTST.general_error);
    expect(b.refused()).toEqual(['grant.one-user']);
  });

  it('unmapping checks that the slot shows the frame with the same rights (XSA-234)', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other);
    const rw = map(b, c, c.va(0), GNTMAP_host_map, 9, a.domid),
      ro = map(b, c, c.va(1), GNTMAP_host_map | GNTMAP_readonly, 9, a.domid);
    expect([
      unmap(b, c, c.va(1), rw.handle),
      unmap(b, c, c.va(0), ro.handle),
      unmap(b, c, c.va(2), rw.handle),
    ]).toEqual([-1, -1, -1]);
    expect(new Set(b.refused())).toEqual(new Set(['grant.slot-shows-frame']));
    expect([unmap(b, c, c.va(0), rw.handle), unmap(b, c, c.va(1), ro.handle)]).toEqual([0, 0]);
    expect(refs(b, a.other)).toEqual(before);
  });

  it('an entry overwritten by ordinary means drops its own references and keeps the handle', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      { x } = b;
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other);
    const m = map(b, c, c.va(0), GNTMAP_host_map, 9, a.domid);
    putPageFromL1e(x, c.slot(0).lo, c.slot(0).hi, c.d);
    x.frames.write64(c.l1 * PAGE_SIZE, 0, 0);
    expect(unmap(b, c, c.va(0), m.handle)).toBe(GNTST.general_error);
    expect([refs(b, a.other), flagsOf(b, a, 9) & GTF_writing]).toEqual([
      [before[0] + 1, before[1] + 1],
      GTF_writing,
    ]);
    destroyGrants(x, c.d);
    expect([refs(b, a.other), flagsOf(b, a, 9)]).toEqual([before, GTF_permit_access]);
  });

  it('device and host uses are counted apart and end apart', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other);
    const m = map(b, c, c.va(0), GNTMAP_host_map | GNTMAP_device_map, 9, a.domid);
    expect([refs(b, a.other), pinOf(b, a, 9)]).toEqual([[before[0] + 3, before[1] + 3], 0x00010001]);
    expect(unmap(b, c, 0, m.handle, m.bus + PAGE_SIZE)).toBe(GNTST.bad_dev_addr);
    expect(unmap(b, c, 0, m.handle, 0)).toBe(0);
    expect(unmap(b, c, 0, m.handle, m.bus)).toBe(0);
    expect([pinOf(b, a, 9), flagsOf(b, a, 9) & GTF_writing]).toEqual([1, GTF_writing]);
    expect(unmap(b, c, c.va(0), m.handle)).toBe(0);
    expect([refs(b, a.other), flagsOf(b, a, 9), [...handlesInUse(b.x, c.d)]]).toEqual([
      before,
      GTF_permit_access,
      [],
    ]);
  });

  it('by machine address of the entry, replacing what was there', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      { x } = b;
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const own = allocDomainFrame(x, c.d);
    expect([getPage(x, own, c.d), takeType(x, own, 0x70000000, c.d)]).toEqual([true, 0]);
    x.frames.write64(c.l1 * PAGE_SIZE + 8 * 5, own * PAGE_SIZE + 3, 0);
    const m = map(b, c, c.l1 * PAGE_SIZE + 8 * 5, GNTMAP_host_map | GNTMAP_contains_pte, 9, a.domid);
    expect([m.status, c.slot(5).lo & 0xfffff000, refs(b, own)]).toEqual([0, a.other * PAGE_SIZE, [1, 0]]);
    expect(unmap(b, c, c.l1 * PAGE_SIZE + 8 * 5, m.handle)).toBe(0);
  });

  it('unmap_and_replace moves the other entry in', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      { x } = b;
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other),
      own = allocDomainFrame(x, c.d);
    getPage(x, own, c.d);
    takeType(x, own, 0x70000000, c.d);
    x.frames.write64(c.l1 * PAGE_SIZE + 8, own * PAGE_SIZE + 3, 0);
    const m = map(b, c, c.va(0), GNTMAP_host_map, 9, a.domid);
    const replace = (newAddr: number): number => {
      expect(op(b, c, GNTTABOP.unmap_and_replace, 1, c.va(0), 0, newAddr, 0, m.handle, 0)).toBe(0);
      return s16(b, c, 20);
    };
    expect(replace(0x90000000)).toBe(GNTST.general_error);
    expect(replace(c.va(1))).toBe(0);
    expect([c.slot(0).lo, c.slot(1).lo, refs(b, a.other), refs(b, own)]).toEqual([
      own * PAGE_SIZE + 3,
      0,
      before,
      [2, 1],
    ]);
  });

  it('a dead granter leaves mappings that can still be unmapped', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      { x } = b;
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other);
    const m = map(b, c, c.va(0), GNTMAP_host_map, 9, a.domid);
    destroyGrants(x, a.d);
    expect([nrEntries(x, a.d), unmap(b, c, c.va(0), m.handle), refs(b, a.other)]).toEqual([0, 0, before]);
  });

  it("handles end where Xen's memory for the mapper ends: no_space", () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      { x } = b;
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    x.m.w32(c.d + DOMAIN.xenFramesLimit, x.m.r32(c.d + DOMAIN.xenFrames) + 1);
    const statuses = new Map<number, number>();
    for (let i = 0; i < HANDLES_PER_FRAME + 1; i++) {
      const { status } = map(b, c, 0, GNTMAP_device_map | GNTMAP_readonly, 9 + Math.floor(i / 120), a.domid);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (i % 120 === 119) grant(b, a, 9 + (i + 1) / 120, GTF_permit_access, c.domid, a.other);
      b.records();
    }
    expect([...statuses]).toEqual([
      [0, HANDLES_PER_FRAME],
      [GNTST.no_space, 1],
    ]);
  });

  it('pins are counted up to 128 of a kind', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    for (let i = 0; i < 128; i++)
      expect(map(b, c, 0, GNTMAP_device_map | GNTMAP_readonly, 9, a.domid).status).toBe(0);
    b.records();
    expect(map(b, c, 0, GNTMAP_device_map | GNTMAP_readonly, 9, a.domid).status).toBe(GNTST.general_error);
    expect(b.refused()).toEqual(['grant.pin-count']);
  });
});

describe('copy', () => {
  const copy = (
    b: EventBench,
    g: Guest,
    source: [number, number, number],
    dest: [number, number, number],
    length: number,
    flags: number,
  ): number => {
    expect(
      op(
        b,
        g,
        GNTTABOP.copy,
        1,
        source[0],
        source[1] | (source[2] << 16),
        dest[0],
        dest[1] | (dest[2] << 16),
        length | (flags << 16),
        0,
      ),
    ).toBe(0);
    return s16(b, g, 20);
  };
  it('moves bytes between grants and own frames, and lets go of everything', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    x.frames.copyIn(c.other * PAGE_SIZE + 100, Uint8Array.from([1, 2, 3, 4]));
    const before = [refs(b, a.other), refs(b, c.other)];
    expect(copy(b, c, [c.other, DOMID_SELF, 100], [9, a.domid, 4092], 4, GNTCOPY_dest_gref)).toBe(0);
    expect([...x.frames.copyOut(a.other * PAGE_SIZE + 4092, 4)]).toEqual([1, 2, 3, 4]);
    expect(copy(b, c, [9, a.domid, 4092], [c.other, DOMID_SELF, 0], 4, GNTCOPY_source_gref)).toBe(0);
    expect([...x.frames.copyOut(c.other * PAGE_SIZE, 4)]).toEqual([1, 2, 3, 4]);
    expect([flagsOf(b, a, 9), pinOf(b, a, 9), [refs(b, a.other), refs(b, c.other)]]).toEqual([
      GTF_permit_access,
      0,
      before,
    ]);
  });
  it("refuses with Xen's statuses", () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      l = mapper(b);
    grant(b, a, 9, GTF_permit_access | GTF_readonly, c.domid, a.other);
    grant(b, l, 9, GTF_permit_access, c.domid, l.l1);
    const before = [refs(b, a.other), refs(b, c.other), refs(b, l.l1)],
      self: [number, number, number] = [c.other, DOMID_SELF, 0];
    b.records();
    expect([
      copy(b, c, [a.other, a.domid, 0], self, 0, 0), // nothing to copy
      copy(b, c, [a.other, a.domid, 0], self, 4, 0),
      copy(b, c, [9, 99, 0], self, 4, GNTCOPY_source_gref),
      copy(b, c, [600, a.domid, 0], self, 4, GNTCOPY_source_gref),
      copy(b, c, self, [9, a.domid, 0], 4, GNTCOPY_dest_gref),
      copy(b, c, self, [9, l.domid, 0], 4, GNTCOPY_dest_gref),
      copy(b, c, [a.other, DOMID_SELF, 0], self, 4, 0),
      copy(b, c, [9, a.domid, 4093], self, 4, GNTCOPY_source_gref),
    ]).toEqual([0, -8, -2, -3, -1, -1, -9, -10]);
    expect(b.refused()).toEqual([
      'grant.copy-own-frame',
      'grant.domain-exists',
      'grant.reference-exists',
      'grant.entry-writable',
      'grant.frame-writable',
      'grant.frame-of-granter',
      'grant.copy-inside-page',
    ]);
    expect(
      [refs(b, a.other), refs(b, c.other), refs(b, l.l1), flagsOf(b, a, 9), flagsOf(b, l, 9)].slice(0, 3),
    ).toEqual(before);
    expect([flagsOf(b, a, 9), flagsOf(b, l, 9)]).toEqual([
      GTF_permit_access | GTF_readonly,
      GTF_permit_access,
    ]);
  });
});

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

describe('transfer', () => {
  const transfer = (b: EventBench, g: Guest, mfn: number, domid: number, ref: number): number => {
    expect(op(b, g, GNTTABOP.transfer, 1, mfn, domid, ref, 0)).toBe(0);
    return s16(b, g, 12);
  };
  it('gives an unused frame away, contents and all', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    const totals = (): number[] => [a, c].map((g) => x.m.r32(g.d + DOMAIN.totPages));
    x.frames.write32(a.other * PAGE_SIZE, 0xabcd);
    grant(b, c, 9, GTF_accept_transfer, a.domid, 0);
    const [ta, tc] = totals();
    expect(transfer(b, a, a.other, c.domid, 9)).toBe(0);
    expect([
      flagsOf(b, c, 9),
      x.frames.read32(sharedAt(x, c.d, 9) + 4),
      x.m.r16(pageAt(a.other) + PAGE.owner),
      x.frames.read32(a.other * PAGE_SIZE),
    ]).toEqual([GTF_accept_transfer | 4 | 8, a.other, c.domid, 0xabcd]);
    expect(totals()).toEqual([ta! - 1, tc! + 1]);
  });
  it("a frame in use, another's, or no slot for it", () => {
    const b = eventBench(),
      a = mapper(b),
      c = b.guest(),
      { x } = b;
    b.records();
    expect([
      transfer(b, a, a.l1, c.domid, 9),
      transfer(b, a, c.other, c.domid, 9),
      transfer(b, a, 0xfffffff, c.domid, 9),
      transfer(b, a, x.m.r32(a.d + DOMAIN.sharedInfoMfn), c.domid, 9),
    ]).toEqual([-9, -9, -9, -9]);
    expect([
      transfer(b, a, a.other, 99, 9),
      transfer(b, a, allocDomainFrame(x, a.d), c.domid, 9),
      transfer(b, a, allocDomainFrame(x, a.d), c.domid, 700),
    ]).toEqual([-2, -1, -1]);
    expect(b.refused()).toEqual([
      ...new Array(4).fill('grant.transfer-page'),
      'grant.domain-exists',
      'grant.transfer-accepted',
      'grant.reference-exists',
    ]);
  });
});

describe('any sequence of maps, unmaps, copies and revocations', () => {
  const step = fc.record({
    op: fc.integer({ min: 0, max: 4 }),
    ref: fc.integer({ min: 8, max: 11 }),
    slot: fc.integer({ min: 0, max: 3 }),
    handle: fc.integer({ min: 0, max: 5 }),
    flags: fc.integer({ min: 0, max: 7 }),
    e: fc.integer({ min: 0, max: 5 }),
  });
  it('keeps references equal to pins plus page-table entries, and flags equal to pins', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const b = eventBench(),
          a = b.guest(),
          c = mapper(b),
          { x } = b;
        const frames = [a.other, allocDomainFrame(x, a.d)];
        for (const s of steps) {
          if (s.op <= 1) map(b, c, c.va(s.slot), s.flags, s.ref, a.domid);
          if (s.op === 2)
            unmap(b, c, c.va(s.slot), s.handle, (s.flags & 1) !== 0 ? frames[s.e & 1]! * PAGE_SIZE : 0);
          if (s.op === 3 && pinOf(b, a, s.ref) === 0)
            grant(b, a, s.ref, [0, 1, 1, 1 | GTF_readonly, 2, 1][s.e]!, c.domid, frames[s.ref & 1]!);
          if (s.op === 4) op(b, c, GNTTABOP.copy, 1, c.other, DOMID_SELF, s.ref, a.domid, 4 | (2 << 16), 0);
          b.records();
        }
        const general = new Map(frames.map((mfn) => [mfn, 1])),
          types = new Map(frames.map((mfn) => [mfn, 0]));
        for (let i = 0; i < 4; i++) {
          const { lo } = c.slot(i);
          if ((lo & 1) === 0) continue;
          general.set(lo >>> 12, general.get(lo >>> 12)! + 1);
          types.set(lo >>> 12, types.get(lo >>> 12)! + ((lo & 2) !== 0 ? 1 : 0));
        }
        for (let ref = 8; ref < 12; ref++) {
          const pin = pinOf(b, a, ref),
            mfn = x.frames.read32(activeAt(x, a.d, ref) + ACTIVE.mfn);
          const writes = (pin & 0xff) + ((pin >>> 16) & 0xff),
            reads = ((pin >>> 8) & 0xff) + (pin >>> 24);
          if (pin !== 0) {
            general.set(mfn, general.get(mfn)! + writes + reads);
            types.set(mfn, types.get(mfn)! + writes);
          }
          expect(flagsOf(b, a, ref) & (GTF_reading | GTF_writing)).toBe(
            (pin !== 0 ? GTF_reading : 0) | (writes > 0 ? GTF_writing : 0),
          );
        }
        for (const mfn of frames) expect(refs(b, mfn)).toEqual([general.get(mfn), types.get(mfn)]);
        const table = b.x.m.r32(pageAt(c.l1) + PAGE.type);
        expect(table & 0x70000000).toBe(PGT_l1_page_table);
        expect(table & PGT_count_mask).toBe(1);
      }),
      { numRuns: 100 },
    );
  });
});
