// Page-table entries for granted frames. They are written here and not by the ordinary checked write, because the frame they show belongs
// to somebody else. Such an entry holds references of its own like any other, besides those of the grant's pin: a guest that overwrites it
// by ordinary means drops them with it, keeps a handle that will not unmap, and harms nobody.

import { PAGE_SIZE } from '../memory/map.ts';
import {
  GNTMAP_application_map,
  GNTMAP_contains_pte,
  GNTMAP_guest_avail_shift,
  GNTMAP_readonly,
  GNTST,
  type GrantStatus,
} from './abi/grant.ts';
import { getPage, getPageAndType, putPage, putPageFromL1e } from './page-info.ts';
import {
  PAGE,
  PGT_count_mask,
  PGT_l1_page_table,
  PGT_type_mask,
  PGT_validated,
  PGT_writable_page,
  pageAt,
  XVCPU,
  xv,
} from './state.ts';
import type { Xen } from './xen.ts';

const PTE_P = 1,
  PTE_RW = 2,
  PTE_US = 4,
  PTE_A = 0x20,
  PTE_D = 0x40,
  PTE_PSE = 0x80,
  PTE_AVAIL_SHIFT = 9;
const PTE_NX_HI = 0x80000000;
const FRAME_LO = 0xfffff000,
  FRAME_HI = 0x000fffff;
const mfnOf = (lo: number, hi: number): number => ((lo & FRAME_LO) >>> 12) + (hi & FRAME_HI) * 0x100000;

/** A 64-bit address argument. */
export interface Address {
  readonly lo: number;
  readonly hi: number;
}
export const NO_ADDRESS: Address = { lo: 0, hi: 0 };
export const isZero = (a: Address): boolean => a.lo === 0 && a.hi === 0;

const pteLow = (mfn: number, flags: number): number =>
  ((mfn << 12) |
    PTE_P |
    PTE_A |
    PTE_D |
    ((flags & GNTMAP_application_map) !== 0 ? PTE_US : 0) |
    ((flags & GNTMAP_readonly) !== 0 ? 0 : PTE_RW) |
    (((flags >>> GNTMAP_guest_avail_shift) & 7) << PTE_AVAIL_SHIFT)) >>>
  0;

/** Machine address of the L1 slot of `vaddr` in v's address space; 0 when an upper level is missing. */
function walk(x: Xen, v: number, vaddr: number): number {
  const { frames } = x;
  const entry = (table: number, index: number): number => {
    const lo = frames.read32(table * PAGE_SIZE + index * 8),
      hi = frames.read32(table * PAGE_SIZE + index * 8 + 4);
    return (lo & PTE_P) !== 0 && frames.exists(mfnOf(lo, hi)) ? lo : 0;
  };
  const l3e = entry(x.m.r32(xv(v) + XVCPU.guestCr3Mfn), vaddr >>> 30);
  if (l3e === 0) return 0;
  const l2e = entry(l3e >>> 12, (vaddr >>> 21) & 511);
  if (l2e === 0 || (l2e & PTE_PSE) !== 0) return 0;
  return (l2e >>> 12) * PAGE_SIZE + ((vaddr >>> 12) & 511) * 8;
}

/**
 * The slot a caller means: by linear address, or with contains_pte by the machine address of the entry. It must lie in a validated L1 table
 * of the caller. On success the table's frame holds one more general reference, which the caller of this function drops. 0 = refused.
 */
function slot(x: Xen, v: number, addr: Address, containsPte: boolean): number {
  let at = 0;
  if (containsPte) {
    if (!x.check('grant.pte-aligned', addr.hi === 0 && addr.lo % 8 === 0, addr.lo)) return 0;
    at = addr.lo;
  } else {
    if (!x.check('grant.address-32', addr.hi === 0, addr.lo, addr.hi)) return 0;
    at = walk(x, v, addr.lo);
  }
  const table = at >>> 12;
  const own = at !== 0 && x.frames.exists(table) && getPage(x, table, x.domainOf(v));
  if (own && isLiveL1(x.m.r32(pageAt(table) + PAGE.type))) return at;
  if (own) putPage(x, table);
  x.check('grant.slot-in-l1', false, addr.lo, table);
  return 0;
}

/** Type l1, validated, and in use by somebody who will let go of what its entries hold. */
const isLiveL1 = (type: number): boolean =>
  (type & PGT_type_mask) === PGT_l1_page_table &&
  (type & PGT_validated) !== 0 &&
  (type & PGT_count_mask) !== 0;

/**
 * Installs the entry for a frame granted by domain rd and drops what the slot held before. @returns okay, or general_error with nothing
 * changed.
 */
export function installPte(
  x: Xen,
  v: number,
  rd: number,
  addr: Address,
  mfn: number,
  flags: number,
): GrantStatus {
  const at = slot(x, v, addr, (flags & GNTMAP_contains_pte) !== 0);
  if (at === 0) return GNTST.general_error;
  const held =
    (flags & GNTMAP_readonly) !== 0 ? getPage(x, mfn, rd) : getPageAndType(x, mfn, rd, PGT_writable_page);
  if (x.check('grant.reference-count', held, mfn)) {
    const oldLo = x.frames.read32(at),
      oldHi = x.frames.read32(at + 4);
    x.frames.write64(at, pteLow(mfn, flags), PTE_NX_HI);
    putPageFromL1e(x, oldLo, oldHi, x.domainOf(v));
  }
  putPage(x, at >>> 12);
  return held ? GNTST.okay : GNTST.general_error;
}

/**
 * Takes the entry for a granted frame away, or puts the entry found at `other` in its place (which is emptied). The slot must really show
 * that frame with the rights of the mapping. @returns okay or general_error.
 */
export function removePte(
  x: Xen,
  v: number,
  addr: Address,
  mfn: number,
  flags: number,
  other: Address,
): GrantStatus {
  let lo = 0,
    hi = 0;
  if (!isZero(other)) {
    if (!x.check('grant.replace-by-address', (flags & GNTMAP_contains_pte) === 0, addr.lo))
      return GNTST.general_error;
    const from = slot(x, v, other, false);
    if (from === 0) return GNTST.general_error;
    lo = x.frames.read32(from);
    hi = x.frames.read32(from + 4);
    x.frames.write64(from, 0, 0);
    putPage(x, from >>> 12);
  }
  const status = replace(x, v, addr, mfn, flags, lo, hi);
  if (status !== GNTST.okay) putPageFromL1e(x, lo, hi, x.domainOf(v));
  return status;
}

function replace(
  x: Xen,
  v: number,
  addr: Address,
  mfn: number,
  flags: number,
  lo: number,
  hi: number,
): GrantStatus {
  const at = slot(x, v, addr, (flags & GNTMAP_contains_pte) !== 0);
  if (at === 0) return GNTST.general_error;
  const oldLo = x.frames.read32(at),
    oldHi = x.frames.read32(at + 4);
  const wanted = pteLow(mfn, flags);
  const shows = mfnOf(oldLo, oldHi) === mfn && ((oldLo ^ wanted) & (PTE_P | PTE_RW)) === 0;
  if (
    x.check(
      'grant.slot-shows-frame',
      shows,
      addr.lo,
      mfnOf(oldLo, oldHi),
      mfn,
      oldLo & (PTE_P | PTE_RW),
      wanted & (PTE_P | PTE_RW),
    )
  ) {
    x.frames.write64(at, lo, hi);
    putPageFromL1e(x, oldLo, oldHi, x.domainOf(v));
  }
  putPage(x, at >>> 12);
  return shows ? GNTST.okay : GNTST.general_error;
}
