import { describe, expect, it } from 'vitest';
import { INVALID_MFN } from '../memory/addresses.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_INVALID, DOMID_SELF } from './abi/domid.ts';
import {
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTST,
  GNTTABOP,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_readonly,
} from './abi/grant.ts';
import { type EventBench, eventBench, type Guest } from './events-testing.ts';
import { sharedAt } from './grant-entries.ts';
import { flagsOf, grant, mapper, op, pinOf, refs, s16 } from './grants-testing.ts';
import { getM2p, setM2p } from './m2p.ts';
import { allocDomainFrame } from './page-alloc.ts';
import { getPage } from './page-info.ts';
import { DOMAIN, PAGE, pageAt, XEN, XEN_AT } from './state.ts';

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
    grant(b, c, 9, GTF_accept_transfer, a.domid, 0x123);
    setM2p(x, a.other, 7);
    const [ta, tc] = totals();
    expect(transfer(b, a, a.other, c.domid, 9)).toBe(0);
    expect([
      flagsOf(b, c, 9),
      x.frames.read32(sharedAt(x, c.d, 9) + 4),
      x.m.r16(pageAt(a.other) + PAGE.owner),
      x.frames.read32(a.other * PAGE_SIZE),
    ]).toEqual([GTF_accept_transfer | 4 | 8, a.other, c.domid, 0xabcd]);
    expect([...totals(), getM2p(x, a.other)]).toEqual([ta! - 1, tc! + 1, 0x123]);
  });
  it('what was given can be given on; a frame that nobody takes is free again', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    grant(b, c, 9, GTF_accept_transfer, a.domid, 0);
    grant(b, a, 9, GTF_accept_transfer, c.domid, 0);
    x.m.w32(pageAt(a.other) + PAGE.type, 0x70000000);
    expect(transfer(b, a, a.other, c.domid, 9)).toBe(0);
    expect(x.m.r32(pageAt(a.other) + PAGE.type)).toBe(0);
    expect(transfer(b, c, a.other, a.domid, 9)).toBe(0);
    const free = x.m.r32(XEN_AT + XEN.freeFrames);
    setM2p(x, a.other, 7);
    expect(transfer(b, a, a.other, c.domid, 9)).toBe(GNTST.general_error);
    expect([x.m.r32(XEN_AT + XEN.freeFrames), x.m.r16(pageAt(a.other) + PAGE.owner)]).toEqual([
      free + 1,
      DOMID_INVALID,
    ]);
    expect(getM2p(x, a.other)).toBe(INVALID_MFN);
  });

  it('refuses a receiver without room', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    grant(b, c, 9, GTF_accept_transfer, a.domid, 0);
    x.m.w32(c.d + DOMAIN.maxPages, x.m.r32(c.d + DOMAIN.totPages));
    expect(transfer(b, a, a.other, c.domid, 9)).toBe(GNTST.general_error);
    expect(b.refused()).toEqual(['grant.transfer-room']);
  });

  it("a frame in use, another's, or no slot for it", () => {
    const b = eventBench(),
      a = mapper(b),
      c = b.guest(),
      { x } = b;
    b.records();
    // Mapped read-only somewhere: no type, but one reference more than the reservation's.
    const shown = allocDomainFrame(x, a.d);
    expect(getPage(x, shown, a.d)).toBe(true);
    expect([
      transfer(b, a, shown, c.domid, 9),
      transfer(b, a, a.l1, c.domid, 9),
      transfer(b, a, c.other, c.domid, 9),
      transfer(b, a, 0xfffffff, c.domid, 9),
      transfer(b, a, x.m.r32(a.d + DOMAIN.sharedInfoMfn), c.domid, 9),
    ]).toEqual([-9, -9, -9, -9, -9]);
    expect([
      transfer(b, a, a.other, 99, 9),
      transfer(b, a, allocDomainFrame(x, a.d), c.domid, 9),
      transfer(b, a, allocDomainFrame(x, a.d), c.domid, 700),
    ]).toEqual([-2, -1, -1]);
    expect(b.refused()).toEqual([
      ...new Array(5).fill('grant.transfer-page'),
      'grant.domain-exists',
      'grant.transfer-accepted',
      'grant.reference-exists',
    ]);
  });
});
