import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_INVALID, DOMID_SELF, DOMID_XEN } from './abi/domid.ts';
import {
  GNTMAP_application_map,
  GNTMAP_contains_pte,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST,
  GNTTABOP,
  GTF_permit_access,
  GTF_reading,
  GTF_sub_page,
  GTF_writing,
} from './abi/grant.ts';
import { destroyDomain } from './domain.ts';
import { type EventBench, eventBench, type Guest } from './events-testing.ts';
import {
  flagsOf,
  grant,
  map,
  type Mapper,
  mapper,
  NX,
  op,
  pinOf,
  refs,
  s16,
  unmap,
} from './grants-testing.ts';
import { handlesInUse } from './maptrack.ts';
import { allocDomainFrame } from './page-alloc.ts';
import { getPage, getPageType, putPage, takeType } from './page-info.ts';
import { DOMAIN, PAGE, PGT_l1_page_table, PGT_writable_page, pageAt, XVCPU, xv } from './state.ts';

const HOST = GNTMAP_host_map,
  DEVICE = GNTMAP_device_map,
  RO = GNTMAP_readonly,
  PTE = GNTMAP_contains_pte;
const REF = 9;

/** A granter a whose reference 9 lets the mapper c in, and everything that a mapping may change. */
function pair() {
  const b = eventBench(),
    a = b.guest(),
    c = mapper(b);
  grant(b, a, REF, GTF_permit_access, c.domid, a.other);
  const world = () => ({
    frame: refs(b, a.other),
    table: refs(b, c.l1),
    pin: pinOf(b, a, REF),
    flags: flagsOf(b, a, REF),
    handles: [...handlesInUse(b.x, c.d)],
    slots: [0, 1, 2, 3].map((i) => c.slot(i).lo),
  });
  b.records();
  return { b, a, c, x: b.x, world };
}
/** Every order of the list. */
const orders = <T>(list: readonly T[]): T[][] =>
  list.length < 2
    ? [[...list]]
    : list.flatMap((first, i) => orders(list.filter((_, k) => k !== i)).map((rest) => [first, ...rest]));

describe('isolation of grants (§14)', () => {
  it("16: an entry named by its machine address is whole, and lies in a level-1 table of the caller's (XSA-227)", () => {
    const { b, a, c, x, world } = pair();
    const other = mapper(b);
    const plain = allocDomainFrame(x, c.d);
    const l3 = x.m.r32(xv(c.v) + XVCPU.guestCr3Mfn);
    const l2 = x.frames.read32(l3 * PAGE_SIZE + 8) >>> 12;
    const idle = allocDomainFrame(x, c.d);
    x.m.w32(pageAt(idle) + PAGE.type, PGT_l1_page_table); // was a table once: nobody uses it
    b.records();
    const before = world();
    const refused = [
      ...[1, 2, 3, 4, 5, 6, 7, 4091, 4093, 4095].map((n) => c.l1 * PAGE_SIZE + n),
      other.l1 * PAGE_SIZE,
      a.other * PAGE_SIZE,
      plain * PAGE_SIZE,
      idle * PAGE_SIZE,
      l2 * PAGE_SIZE,
      l3 * PAGE_SIZE,
      x.m.r32(c.d + DOMAIN.sharedInfoMfn) * PAGE_SIZE,
      x.m.r32(c.d + DOMAIN.grantFrames) * PAGE_SIZE,
      0,
      x.m.nrFrames * PAGE_SIZE,
      0xfffffff8,
    ];
    for (const at of refused)
      expect([at, map(b, c, at, HOST | PTE, REF, a.domid).status]).toEqual([at, GNTST.general_error]);
    const rules = b.refused();
    expect(rules.slice(0, 10)).toEqual(Array(10).fill('grant.pte-aligned'));
    expect(rules.slice(10)).toEqual(Array(refused.length - 10).fill('grant.slot-in-l1'));
    const wide = op(b, c, GNTTABOP.map_grant_ref, 1, c.l1 * PAGE_SIZE, 1, HOST | PTE, REF, a.domid, 0, 0, 0);
    expect([wide, s16(b, c, 18), world()]).toEqual([0, GNTST.general_error, before]);
    const last = c.l1 * PAGE_SIZE + 8 * 511;
    const m = map(b, c, last, HOST | PTE | GNTMAP_application_map | RO | (7 << 16), REF, a.domid);
    expect([m.status, c.slot(511)]).toEqual([0, { lo: a.other * PAGE_SIZE + 0xe65, hi: NX }]);
    expect([unmap(b, c, last + 4, m.handle), unmap(b, c, last, m.handle), world()]).toEqual([-1, 0, before]);
  });

  it('17: unmapping takes away exactly the mapping that the handle made (XSA-234)', () => {
    const { b, a, c, x, world } = pair();
    const elsewhere = allocDomainFrame(x, a.d);
    grant(b, a, REF + 1, GTF_permit_access, c.domid, elsewhere);
    const before = world();
    const rw = map(b, c, c.va(0), HOST, REF, a.domid),
      ro = map(b, c, c.va(1), HOST | RO, REF, a.domid),
      there = map(b, c, c.va(2), HOST, REF + 1, a.domid);
    const mapped = world();
    const wrong: [number, number][] = [
      [c.va(1), rw.handle], // the same frame, but read-only: would drop a writable reference that another holds
      [c.va(0), ro.handle], // and the other way round
      [c.va(2), rw.handle], // another frame
      [c.va(0), there.handle],
      [c.va(3), rw.handle], // an empty entry
      [0x90000000, rw.handle], // no table there
      [c.l1 * PAGE_SIZE, rw.handle], // mapped by linear address, named by machine address
    ];
    for (const [at, handle] of wrong)
      expect([at, handle, unmap(b, c, at, handle)]).toEqual([at, handle, GNTST.general_error]);
    // An entry that is not present any more shows nothing, whatever number stands in it.
    x.frames.write64(c.l1 * PAGE_SIZE, c.slot(0).lo & ~1, NX);
    expect(unmap(b, c, c.va(0), rw.handle)).toBe(GNTST.general_error);
    x.frames.write64(c.l1 * PAGE_SIZE, c.slot(0).lo | 1, NX);
    expect(world()).toEqual(mapped);
    for (const handle of [there.handle + 1, 256, 0xffffffff])
      expect(unmap(b, c, c.va(0), handle)).toBe(GNTST.bad_handle);
    expect(unmap(b, a, c.va(0), rw.handle)).toBe(GNTST.bad_handle); // the handle is another domain's
    expect([
      unmap(b, c, c.va(1), ro.handle),
      unmap(b, c, c.va(0), rw.handle),
      unmap(b, c, c.va(2), there.handle),
    ]).toEqual([0, 0, 0]);
    expect([world(), pinOf(b, a, REF + 1)]).toEqual([before, 0]);
  });

  it.each([0, RO])(
    '18: host and device uses hold and drop a reference each, once (flags %i; XSA-224)',
    (ro) => {
      const { b, a, c, world } = pair();
      const before = world();
      const per = ro === 0 ? 1 : 0;
      const held = (n: number): [number, number] => [before.frame[0] + n, before.frame[1] + per * n];
      const m = map(b, c, c.va(0), HOST | DEVICE | ro, REF, a.domid);
      const bus = a.other * PAGE_SIZE;
      expect([m.bus, world().frame]).toEqual([bus, held(3)]); // the two uses and the entry
      expect(unmap(b, c, 0, m.handle, bus + 8)).toBe(GNTST.bad_dev_addr);
      expect(unmap(b, c, c.va(1), m.handle, bus)).toBe(GNTST.general_error); // all or nothing
      expect(world().frame).toEqual(held(3));
      expect([unmap(b, c, 0, m.handle, bus), world().frame]).toEqual([0, held(2)]);
      expect([unmap(b, c, 0, m.handle, bus), world().frame]).toEqual([0, held(2)]); // has ended already
      expect([unmap(b, c, 0, m.handle, bus + 8), world().frame]).toEqual([0, held(2)]); // so its address is not looked at
      expect([unmap(b, c, c.va(0), m.handle, bus), world()]).toEqual([0, before]);
      expect(unmap(b, c, c.va(0), m.handle, bus)).toBe(GNTST.bad_handle);
      const device = map(b, c, c.va(0), DEVICE | ro, REF, a.domid);
      expect([device.status, world().frame, c.slot(0).lo]).toEqual([0, held(1), 0]); // no entry
      expect([unmap(b, c, c.va(0), device.handle), world().frame]).toEqual([0, held(1)]); // there is no host use to end
      expect([unmap(b, c, 0, device.handle, bus), world()]).toEqual([0, before]);
      const both = map(b, c, c.va(0), HOST | DEVICE | ro, REF, a.domid);
      expect([unmap(b, c, c.va(0), both.handle, bus), world()]).toEqual([0, before]);
      const host = map(b, c, c.va(0), HOST | ro, REF, a.domid);
      expect([unmap(b, c, 0, host.handle, 0xdead000), world().frame]).toEqual([0, held(2)]);
      expect([unmap(b, c, c.va(0), host.handle, 0xdead000), world()]).toEqual([0, before]);
    },
  );

  it('19: a mapping that fails, wherever it fails, leaves neither pin nor reference; a handle ends once (XSA-218, XSA-236)', () => {
    const { b, a, c, x, world } = pair();
    const before = world();
    const fails = (flags: number, status: number, at = c.va(0)): void => {
      const found = map(b, c, at, flags, REF, a.domid);
      expect([found.status, found.handle, world()]).toEqual([status, 0xffffffff, before]);
    };
    fails(0, GNTST.bad_gntref);
    fails(HOST, GNTST.general_error, 0x90000000); // the frame is pinned and referenced before the slot is looked for
    fails(HOST | DEVICE, GNTST.general_error, 0x90000000);
    fails(HOST | RO, GNTST.general_error, 0xf5800000);
    // The granter uses its frame as a table: readable, not writable.
    expect([getPage(x, a.other, a.d), takeType(x, a.other, PGT_l1_page_table, a.d)]).toEqual([true, 0]);
    const asTable = world();
    for (const flags of [HOST, DEVICE, HOST | DEVICE])
      expect([map(b, c, c.va(0), flags, REF, a.domid).status, world()]).toEqual([
        GNTST.general_error,
        asTable,
      ]);
    const ro = map(b, c, c.va(0), HOST | DEVICE | RO, REF, a.domid);
    expect([ro.status, ro.handle]).toEqual([0, 0]); // no handle is lost either
    const shown = world();
    expect([map(b, c, c.va(1), HOST, REF, a.domid).status, world()]).toEqual([GNTST.general_error, shown]);
    expect(unmap(b, c, c.va(0), ro.handle, ro.bus)).toBe(0);
    expect([unmap(b, c, c.va(0), ro.handle, ro.bus), world()]).toEqual([GNTST.bad_handle, asTable]);
    // A frame that is not the granter's, or no frame.
    for (const mfn of [c.other, 0, x.m.nrFrames, 0xffffffff]) {
      grant(b, a, REF, GTF_permit_access, c.domid, mfn);
      expect([map(b, c, c.va(0), HOST, REF, a.domid).status, world()]).toEqual([GNTST.bad_page, asTable]);
    }
    // While it is in use the granter may write what it likes: the use stays with the frame it began with.
    grant(b, a, REF, GTF_permit_access, c.domid, a.page);
    const m = map(b, c, c.va(0), HOST, REF, a.domid);
    const page = refs(b, a.page);
    grant(b, a, REF, 0, 0, c.other);
    const again = map(b, c, c.va(1), HOST, REF, a.domid);
    expect([again.status, again.bus, refs(b, a.page)]).toEqual([0, m.bus, [page[0] + 2, page[1] + 2]]);
    expect([unmap(b, c, c.va(0), m.handle), unmap(b, c, c.va(1), again.handle)]).toEqual([0, 0]);
    expect([refs(b, a.page), pinOf(b, a, REF)]).toEqual([[page[0] - 2, page[1] - 2], 0]);
  });

  it('20: reading and writing go with the last use of their kind, whatever the order (XSA-230)', () => {
    const uses: [flags: number, slot: number][] = [
      [HOST, 0],
      [HOST | RO, 1],
      [DEVICE, 2],
      [DEVICE | RO, 3],
    ];
    const { b, a, c, world } = pair();
    const before = world();
    for (const order of orders([0, 1, 2, 3])) {
      const handles = uses.map(([flags, slot]) => map(b, c, c.va(slot), flags, REF, a.domid));
      const left = new Set([0, 1, 2, 3]);
      for (const i of order) {
        const writing = [0, 2].some((k) => left.has(k)) ? GTF_writing : 0;
        expect(flagsOf(b, a, REF)).toBe(GTF_permit_access | GTF_reading | writing);
        const host = (uses[i]![0] & HOST) !== 0;
        const { handle, bus } = handles[i]!;
        expect(unmap(b, c, host ? c.va(i) : 0, handle, host ? 0 : bus)).toBe(0);
        left.delete(i);
      }
      expect(world()).toEqual(before);
    }
    // A copy pins for as long as it takes and leaves the marks of a mapping alone.
    const m = map(b, c, c.va(0), HOST, REF, a.domid);
    const flags = flagsOf(b, a, REF);
    expect(copyFrom(b, c, REF, a.domid, c.other)).toBe(0);
    expect(flagsOf(b, a, REF)).toBe(flags);
    expect(unmap(b, c, c.va(0), m.handle)).toBe(0);
    expect(copyFrom(b, c, REF, a.domid, c.other)).toBe(0);
    expect(world()).toEqual(before);
  });

  it('21: a handle that has ended is given out again, and never twice at once (XSA-228)', () => {
    const { b, a, c, world } = pair();
    const before = world();
    const live = new Map<number, number>();
    const free = [0, 1, 2, 3];
    for (let i = 0, n = 1; i < 400; i++) {
      n = (Math.imul(n, 1103515245) + 12345) >>> 0;
      const end = [...live.keys()][(n >>> 8) % Math.max(1, live.size)];
      if (free.length > 0 && (end === undefined || (n >>> 16) % 2 === 0)) {
        const slot = free.pop()!;
        const { handle, status } = map(b, c, c.va(slot), HOST, REF, a.domid);
        expect([status, live.has(handle)]).toEqual([0, false]);
        live.set(handle, slot);
      } else if (end !== undefined) {
        expect(unmap(b, c, c.va(live.get(end)!), end)).toBe(0);
        expect(unmap(b, c, c.va(live.get(end)!), end)).toBe(GNTST.bad_handle);
        free.push(live.get(end)!);
        live.delete(end);
      }
      expect(world().handles).toEqual([...live.keys()].sort((p, q) => p - q));
    }
    for (const [handle, slot] of live) expect(unmap(b, c, c.va(slot), handle)).toBe(0);
    expect(world()).toEqual(before);
  });

  it('22: no grant is passed on: of the types of an entry only access permitted counts, for whole pages (XSA-226)', () => {
    const { b, a, c, world } = pair();
    const next = b.guest();
    const before = world();
    for (const type of [0, 2, 3]) {
      grant(b, a, REF, type, c.domid, (next.domid << 16) | REF);
      expect(map(b, c, c.va(0), HOST, REF, a.domid).status).toBe(GNTST.general_error);
      expect(copyFrom(b, c, REF, a.domid, c.other)).toBe(GNTST.general_error);
      expect(flagsOf(b, a, REF)).toBe(type);
    }
    grant(b, a, REF, GTF_permit_access | GTF_sub_page, c.domid, a.other);
    expect(map(b, c, c.va(0), HOST, REF, a.domid).status).toBe(GNTST.general_error);
    grant(b, a, REF, GTF_permit_access, c.domid, a.other);
    expect(world()).toEqual(before);
  });

  it('24: what an element says is not what the call says: a bad one is a negative status, and the others are done (XSA-316, XSA-318)', () => {
    const { b, a, c, x } = pair();
    const side = (number: number, domid: number): number[] => [number, domid];
    const elements = [
      [...side(REF, a.domid), ...side(c.other, DOMID_SELF), 16 | (1 << 16), 0x7fff],
      [...side(REF + 1, a.domid), ...side(c.other, DOMID_SELF), 16 | (1 << 16), 0x7fff],
      [...side(700, a.domid), ...side(c.other, DOMID_SELF), 16 | (1 << 16), 0x7fff],
      [...side(REF, 99), ...side(c.other, DOMID_SELF), 16 | (1 << 16), 0x7fff],
      [...side(c.other, c.domid), ...side(c.other, DOMID_SELF), 16, 0x7fff],
      [...side(REF, a.domid), ...side(c.other, DOMID_SELF), 4097 | (1 << 16), 0x7fff],
      [...side(REF, a.domid), ...side(c.other, DOMID_SELF), 1 << 16, 0x7fff],
    ];
    expect(op(b, c, GNTTABOP.copy, elements.length, ...elements.flat())).toBe(0);
    expect(elements.map((_, i) => s16(b, c, 24 * i + 20))).toEqual([0, -1, -3, -2, -8, -10, 0]);
    expect([pinOf(b, a, REF), flagsOf(b, a, REF), refs(b, c.other)]).toEqual([0, GTF_permit_access, [1, 0]]);
    expect(getPageType(x, c.other, PGT_writable_page)).toBe(true);
  });

  it('25: entries in use are not swapped (XSA-134)', () => {
    const { b, a, c } = pair();
    grant(b, a, REF + 1, GTF_permit_access | 4, 5, 0x123);
    const swap = (one: number, two: number): number => {
      expect(op(b, a, GNTTABOP.swap_grant_ref, 1, one, two, 0)).toBe(0);
      return s16(b, a, 8);
    };
    const m = map(b, c, c.va(0), HOST, REF, a.domid);
    const flags = flagsOf(b, a, REF);
    expect([swap(REF, REF + 1), swap(REF + 1, REF), swap(REF, REF), swap(REF, 512)]).toEqual([
      -12, -12, 0, -3,
    ]);
    expect([flagsOf(b, a, REF), flagsOf(b, a, REF + 1)]).toEqual([flags, GTF_permit_access | 4]);
    expect(unmap(b, c, c.va(0), m.handle)).toBe(0);
    expect([swap(REF, REF + 1), flagsOf(b, a, REF)]).toEqual([0, GTF_permit_access | 4]);
  });

  it("44: a mapper never sees what a frame of the granter's becomes: it stays the granter's while it is mapped", () => {
    const { b, a, c, x } = pair();
    const m = map(b, c, c.va(0), HOST | RO, REF, a.domid);
    putPage(x, a.other); // the reservation's own reference, as decrease_reservation drops it
    x.m.w32(pageAt(a.other) + PAGE.count, x.m.r32(pageAt(a.other) + PAGE.count) & 0x7fffffff);
    const seen = Array.from({ length: 100 }, () => allocDomainFrame(x, c.d));
    expect(seen).not.toContain(a.other);
    expect(x.m.r16(pageAt(a.other) + PAGE.owner)).toBe(a.domid);
    expect(unmap(b, c, c.va(0), m.handle)).toBe(0);
    expect(x.m.r16(pageAt(a.other) + PAGE.owner)).toBe(0x7ff4);
  });
});

it('50: a frame that Xen shared with a dead domain, and that others still map, belongs to no later domain of its number', () => {
  const { b, a, c, x } = pair();
  const shared = [DOMAIN.sharedInfoMfn, DOMAIN.grantFrames].map((field) => x.m.r32(a.d + field));
  for (const [i, mfn] of shared.entries()) {
    grant(b, a, REF + i, GTF_permit_access, c.domid, mfn);
    expect(map(b, c, c.va(i), HOST, REF + i, a.domid).status).toBe(0);
  }
  destroyDomain(x, a.d);
  const again = b.guest({ domid: a.domid });
  for (const [i, mfn] of shared.entries()) {
    expect([c.slot(i).lo >>> 12, x.m.r16(pageAt(mfn) + PAGE.owner)]).toEqual([mfn, DOMID_XEN]);
    expect([getPage(x, mfn, again.d), getPage(x, mfn, c.d)]).toEqual([false, false]);
    expect(unmap(b, c, c.va(i), i)).toBe(0);
    expect(x.m.r16(pageAt(mfn) + PAGE.owner)).toBe(DOMID_INVALID);
  }
});

/** GNTTABOP_copy of 16 bytes from a grant to a frame of one's own; the status. */
function copyFrom(b: EventBench, c: Mapper | Guest, ref: number, domid: number, to: number): number {
  expect(op(b, c, GNTTABOP.copy, 1, ref, domid, to, DOMID_SELF, 16 | (1 << 16), 0)).toBe(0);
  return s16(b, c, 20);
}
