import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_SELF } from './abi/domid.ts';
import {
  GNTMAP_contains_pte,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST,
  GNTTABOP,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_writing,
} from './abi/grant.ts';
import { eventBench } from './events-testing.ts';
import { ACTIVE, activeAt, nrEntries } from './grant-entries.ts';
import { destroyGrants } from './grant-table.ts';
import { flagsOf, grant, map, mapper, NX, op, pinOf, refs, s16, unmap } from './grants-testing.ts';
import { HANDLES_PER_FRAME, handlesInUse } from './maptrack.ts';
import { allocDomainFrame } from './page-alloc.ts';
import { getPage, putPageFromL1e, takeType } from './page-info.ts';
import { DOMAIN, PAGE, PGT_count_mask, PGT_l1_page_table, pageAt, XEN, XEN_AT } from './state.ts';

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

  it('leaves the references of the page table as they were, and hands freed handles out again, each once', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const table = refs(b, c.l1);
    for (let round = 0; round < 2; round++) {
      const handles = [0, 1, 2].map((i) => map(b, c, c.va(i), GNTMAP_host_map, 9, a.domid).handle);
      expect([...handles].sort()).toEqual([0, 1, 2]);
      expect(refs(b, c.l1)).toEqual(table);
      expect(unmap(b, c, c.va(1), handles[0]!)).toBe(0); // any handle of the same frame and rights will do
      expect([unmap(b, c, c.va(0), handles[1]!), unmap(b, c, c.va(2), handles[2]!)]).toEqual([0, 0]);
      expect(refs(b, c.l1)).toEqual(table);
    }
  });

  it('refuses an address beyond 32 bits', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b);
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    expect(op(b, c, GNTTABOP.map_grant_ref, 1, c.va(0), 1, GNTMAP_host_map, 9, a.domid, 0, 0, 0)).toBe(0);
    expect(s16(b, c, 18)).toBe(GNTST.general_error);
    expect(b.refused()).toEqual(['grant.address-32']);
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
    const table = refs(b, c.l1);
    expect(replace(0x90000000)).toBe(GNTST.general_error);
    expect(replace(c.va(1))).toBe(0);
    expect([c.slot(0).lo, c.slot(1).lo, refs(b, a.other), refs(b, own)]).toEqual([
      own * PAGE_SIZE + 3,
      0,
      before,
      [2, 1],
    ]);
    expect(refs(b, c.l1)).toEqual(table);
  });

  it('unmap_and_replace that fails late loses the other entry, references and all; an entry named by address cannot be replaced', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      { x } = b;
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const own = allocDomainFrame(x, c.d);
    getPage(x, own, c.d);
    x.frames.write64(c.l1 * PAGE_SIZE + 8, own * PAGE_SIZE + 1, 0);
    const byLine = map(b, c, c.va(0), GNTMAP_host_map, 9, a.domid);
    const byEntry = map(b, c, c.l1 * PAGE_SIZE + 16, GNTMAP_host_map | GNTMAP_contains_pte, 9, a.domid);
    const table = refs(b, c.l1);
    const replace = (addr: number, handle: number): number => {
      expect(op(b, c, GNTTABOP.unmap_and_replace, 1, addr, 0, c.va(1), 0, handle, 0)).toBe(0);
      return s16(b, c, 20);
    };
    b.records();
    expect([replace(c.l1 * PAGE_SIZE + 16, byEntry.handle), refs(b, own)]).toEqual([
      GNTST.general_error,
      [2, 0],
    ]);
    expect([replace(c.va(5), byLine.handle), refs(b, own), c.slot(1).lo]).toEqual([
      GNTST.general_error,
      [1, 0],
      0,
    ]);
    expect(b.refused()).toEqual(['grant.replace-by-address', 'grant.slot-shows-frame']);
    expect(refs(b, c.l1)).toEqual(table);
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

  it('a dying domain gives back its table, its handles and what they held', () => {
    const b = eventBench(),
      a = b.guest(),
      c = mapper(b),
      { x } = b;
    const charged = (): number => x.m.r32(c.d + DOMAIN.xenFrames);
    const free = x.m.r32(XEN_AT + XEN.freeFrames);
    const first = charged();
    grant(b, a, 9, GTF_permit_access, c.domid, a.other);
    const before = refs(b, a.other);
    for (let i = 0; i < 3; i++) map(b, c, 0, GNTMAP_device_map, 9, a.domid);
    expect(charged()).toBe(first + 1);
    destroyGrants(x, c.d);
    expect([charged(), x.m.r32(XEN_AT + XEN.freeFrames)]).toEqual([first - 3, free + 3]);
    expect([refs(b, a.other), flagsOf(b, a, 9), nrEntries(x, c.d)]).toEqual([before, GTF_permit_access, 0]);
    const slots = [DOMAIN.grantFrames, DOMAIN.grantActive, DOMAIN.maptrackFrames, DOMAIN.maptrackFree];
    expect(slots.map((slot) => x.m.r32(c.d + slot))).toEqual([0, 0, 0, 0]);
    expect(unmap(b, c, 0, 0, a.other * PAGE_SIZE)).toBe(GNTST.bad_handle);
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
