// Reference counts and types of machine frames: what keeps a guest from writing a page table it runs on. A frame's references are, and
// nothing else is:
//
//   general (PAGE.count)   1 with PGC_allocated: the reservation (or Xen's own use) · 1 for each present entry of a validated L1, L2 or L3 that
//                          points to it · 1 for each CR3 that holds it · 1 for PGT_pinned · 1 for each GDT frame and mapped LDT window page ·
//                          1 for each pin of an active grant · 1 for a registered vcpu_info
//                          (L1: slots 0-511; L2: 0-511, of the L2 behind L3 slot 3 0-427; L3: 0-3. A table is validated while its type count is
//                          not zero, however many hold it: its entries count once.)
//   type (PAGE.type)       1 with each of these: writable L1 entry (writable) · L2 entry (l1) · L3 entry (l2) · CR3 and pin (its level) ·
//                          GDT, LDT (seg_desc) · writable grant pin, vcpu_info (writable) ·
//                          frame of Xen that a domain may map (writable, for good: it never becomes a table)
//
// Types are exclusive while their count is not zero. The first reference of a page-table or descriptor type validates the contents, taking
// the references of every entry; the last one gives them back. Either everything is taken or nothing is.

import { PAGE_SIZE } from '../memory/map.ts';
import { ERRNO } from './abi/errno.ts';
import { DOMID_IO, DOMID_XEN } from './abi/domid.ts';
import { spend } from './continuation.ts';
import { validateDescriptorPage } from './descriptor-check.ts';
import { fillXenSlots, FIRST_XEN_L2_SLOT } from './m2p.ts';
import { reclaim } from './page-alloc.ts';
import {
  DOMAIN,
  findDomain,
  PAGE,
  PAGE_XENHEAP,
  pageAt,
  PGC_count_mask,
  PGT_count_mask,
  PGT_l1_page_table,
  PGT_l2_page_table,
  PGT_l3_page_table,
  PGT_pae_xen_l2,
  PGT_seg_desc_page,
  PGT_type_mask,
  PGT_validated,
  PGT_writable_page,
} from './state.ts';
import type { Xen } from './xen.ts';

export const PTE_P = 1,
  PTE_RW = 2,
  PTE_US = 4,
  PTE_PWT = 8,
  PTE_PCD = 0x10,
  PTE_A = 0x20,
  PTE_D = 0x40,
  PTE_PSE = 0x80,
  PTE_G = 0x100;
/** Physical address bits of the high word that the machine has not: an entry with one of them is refused. */
const RESERVED_HI = 0x000fffff;
/** The low bits of the frame number that means none: all forty are set. */
const INVALID_LO = 0xfffff;
const MAX_TYPE_COUNT = PGT_count_mask - 1;
const MAX_COUNT = PGC_count_mask - 1;
export const ENTRIES = 512;

export const frameOf = (lo: number): number => lo >>> 12;
const typeOf = (x: Xen, mfn: number): number => x.m.r32(pageAt(mfn) + PAGE.type);
const setType = (x: Xen, mfn: number, type: number): void => x.m.w32(pageAt(mfn) + PAGE.type, type);

/** In place of a DOMAIN record: the owner of device memory, of which this machine has none. */
export const IO_OWNER = 0;
const domidOf = (x: Xen, d: number): number => (d === IO_OWNER ? DOMID_IO : x.m.r32(d + DOMAIN.domid));

/** True if the frame is d's, or one of Xen's that d may map. */
export function ownedBy(x: Xen, mfn: number, d: number): boolean {
  if (d === IO_OWNER) return false;
  const page = pageAt(mfn);
  const owner = x.m.r16(page + PAGE.owner),
    domid = x.m.r32(d + DOMAIN.domid);
  return (
    owner === domid ||
    (owner === DOMID_XEN &&
      (x.m.r16(page + PAGE.flags) & PAGE_XENHEAP) !== 0 &&
      x.m.r32(page + PAGE.link) === domid)
  );
}

/** Takes a general reference on a frame that d owns. False: no such frame, another's, or too many references. */
export function getPage(x: Xen, mfn: number, d: number): boolean {
  if (!x.frames.exists(mfn)) return false;
  const at = pageAt(mfn) + PAGE.count;
  const count = x.m.r32(at) & PGC_count_mask;
  if (count >= MAX_COUNT) x.check('page.count', false, mfn, count);
  if (count === 0 || count >= MAX_COUNT || !ownedBy(x, mfn, d)) return false;
  x.m.w32(at, x.m.r32(at) + 1);
  return true;
}
/** Drops a general reference; the last one frees the frame. */
export function putPage(x: Xen, mfn: number): void {
  const at = pageAt(mfn) + PAGE.count;
  const count = x.m.r32(at) - 1;
  x.m.w32(at, count);
  if ((count & PGC_count_mask) === 0) reclaim(x, mfn);
}

/**
 * Takes a type reference; `xenL2` asks for the flavour behind L3 slot 3. 0, or -ERRNO: -EINVAL for a type in use, the validation's own error.
 */
export function takeType(x: Xen, mfn: number, type: number, d: number, xenL2 = false): number {
  const old = typeOf(x, mfn);
  const count = old & PGT_count_mask;
  if (count >= MAX_TYPE_COUNT) return x.check('page.type-count', false, mfn, count) ? 0 : -ERRNO.EINVAL;
  if (count !== 0) {
    const same =
      (old & PGT_type_mask) === type &&
      (type !== PGT_l2_page_table || (!xenL2 && (old & PGT_pae_xen_l2) === 0));
    if (!same) return -ERRNO.EINVAL;
    setType(x, mfn, old + 1);
    return 0;
  }
  // From writable to anything else: no writable entry is left, and whoever cached one is told before the contents are judged.
  if ((old & PGT_type_mask) === PGT_writable_page && type !== PGT_writable_page) x.frames.flushTlbs();
  setType(x, mfn, (type | (xenL2 ? PGT_pae_xen_l2 : 0) | 1) >>> 0);
  const rc = validate(x, mfn, type, d, xenL2);
  if (rc !== 0) setType(x, mfn, 0);
  else if (type !== PGT_writable_page) setType(x, mfn, (typeOf(x, mfn) | PGT_validated) >>> 0);
  return rc;
}
/** takeType for callers that only want to know whether it worked; a table's entries are judged as its owner's. */
export const getPageType = (x: Xen, mfn: number, type: number): boolean =>
  takeType(x, mfn, type, findDomain(x.m, x.m.r16(pageAt(mfn) + PAGE.owner))) === 0;

/** Drops a type reference; the last one devalidates. */
export function putPageType(x: Xen, mfn: number): void {
  const type = typeOf(x, mfn) - 1;
  setType(x, mfn, type);
  if ((type & PGT_count_mask) !== 0) return;
  if ((type & PGT_validated) !== 0) devalidate(x, mfn, type);
  setType(x, mfn, ((type & PGT_type_mask) === PGT_writable_page ? PGT_writable_page : 0) >>> 0);
}

/** Both references of a frame that d owns; false and nothing taken otherwise. */
export function getPageAndType(x: Xen, mfn: number, d: number, type: number): boolean {
  if (!getPage(x, mfn, d)) return false;
  if (takeType(x, mfn, type, d) === 0) return true;
  putPage(x, mfn);
  return false;
}
export function putPageAndType(x: Xen, mfn: number): void {
  putPageType(x, mfn);
  putPage(x, mfn);
}

// ---- entries: what a present entry must be, and the references it holds ----

/** Takes the references of an L1 entry in a table of domain d that maps frames of `fd`. 0 or -ERRNO (§4.3). */
export function getFromL1e(x: Xen, lo: number, hi: number, fd: number): number {
  if ((lo & PTE_P) === 0) return 0;
  const mfn = frameOf(lo);
  if (!ok(x, 'pte.flags', (lo & (PTE_PWT | PTE_PCD | PTE_PSE)) === 0, lo, hi)) return -ERRNO.EINVAL;
  if (!ok(x, 'pte.reserved-bits', (hi & RESERVED_HI) === 0, lo, hi))
    return mfn === INVALID_LO && (hi & RESERVED_HI) === RESERVED_HI ? -ERRNO.EINVAL : -ERRNO.EPERM;
  if (!ok(x, 'pte.not-ram', x.frames.exists(mfn), mfn, lo)) return -ERRNO.EPERM;
  if (!ok(x, 'pte.not-owner', getPage(x, mfn, fd), mfn, x.m.r16(pageAt(mfn) + PAGE.owner), domidOf(x, fd)))
    return -ERRNO.EBUSY;
  if ((lo & PTE_RW) === 0) return 0;
  if (ok(x, 'pte.writable-of-typed', takeType(x, mfn, PGT_writable_page, fd) === 0, mfn, typeOf(x, mfn), lo))
    return 0;
  putPage(x, mfn);
  return -ERRNO.EBUSY;
}
/** Gives back what an L1 entry holds, whoever owns the frame. */
export function putPageFromL1e(x: Xen, lo: number, _hi: number, _d: number): void {
  if ((lo & PTE_P) === 0 || !x.frames.exists(frameOf(lo))) return;
  if ((lo & PTE_RW) !== 0) putPageType(x, frameOf(lo));
  putPage(x, frameOf(lo));
}

function getFromL2e(x: Xen, lo: number, hi: number, d: number): number {
  if ((lo & PTE_P) === 0) return 0;
  const mfn = frameOf(lo);
  if (!ok(x, 'pde.superpage', (lo & PTE_PSE) === 0, lo, hi)) return -ERRNO.EINVAL;
  if (!ok(x, 'pde.flags', (lo & (PTE_PWT | PTE_PCD | PTE_G)) === 0 && (hi & RESERVED_HI) === 0, lo, hi))
    return -ERRNO.EINVAL;
  if (!ok(x, 'pde.not-owner', getPage(x, mfn, d), mfn, domidOf(x, d))) return -ERRNO.EINVAL;
  const rc = takeType(x, mfn, PGT_l1_page_table, d);
  if (rc === 0) return 0;
  ok(x, 'pde.not-l1', false, mfn, typeOf(x, mfn));
  putPage(x, mfn);
  return rc;
}
function getFromL3e(x: Xen, lo: number, hi: number, d: number, slot: number): number {
  if ((lo & PTE_P) === 0) return 0;
  const mfn = frameOf(lo);
  if (!ok(x, 'pdpte.flags', (lo & (PTE_PWT | PTE_PCD | PTE_PSE | PTE_G)) === 0 && hi === 0, lo, hi))
    return -ERRNO.EINVAL;
  if (!ok(x, 'pdpte.not-owner', getPage(x, mfn, d), mfn, domidOf(x, d))) return -ERRNO.EINVAL;
  const rc = takeType(x, mfn, PGT_l2_page_table, d, slot === 3);
  if (rc === 0) return 0;
  ok(x, 'pdpte.not-l2', false, mfn, typeOf(x, mfn), slot);
  putPage(x, mfn);
  return rc;
}
/** Takes the references of an entry at `slot` of a table of type `type`, whose target frames belong to `fd`. */
export function getFromEntry(x: Xen, type: number, lo: number, hi: number, fd: number, slot: number): number {
  if (type === PGT_l1_page_table) return getFromL1e(x, lo, hi, fd);
  return type === PGT_l2_page_table ? getFromL2e(x, lo, hi, fd) : getFromL3e(x, lo, hi, fd, slot);
}
export function putFromEntry(x: Xen, type: number, lo: number, hi: number): void {
  if (type === PGT_l1_page_table) return putPageFromL1e(x, lo, hi, 0);
  if ((lo & PTE_P) !== 0) putPageAndType(x, frameOf(lo));
}

/** Only the decision that goes wrong is recorded: validation looks at thousands of entries. */
export function ok(x: Xen, rule: Parameters<Xen['check']>[0], good: boolean, ...values: number[]): boolean {
  return good || x.check(rule, false, ...values);
}

// ---- whole tables ----

const entriesOf = (type: number, xenL2: boolean): number =>
  type === PGT_l3_page_table ? 4 : xenL2 ? FIRST_XEN_L2_SLOT : ENTRIES;

function validate(x: Xen, mfn: number, type: number, d: number, xenL2: boolean): number {
  if (type === PGT_writable_page) return 0;
  spend(x, ENTRIES);
  if (type === PGT_seg_desc_page) return validateDescriptorPage(x, mfn) ? 0 : -ERRNO.EINVAL;
  const { frames } = x;
  const base = mfn * PAGE_SIZE;
  if (
    type === PGT_l3_page_table &&
    !ok(x, 'pdpte.slot3-present', (frames.read32(base + 24) & PTE_P) !== 0, mfn)
  )
    return -ERRNO.EINVAL;
  const n = entriesOf(type, xenL2);
  for (let i = 0; i < n; i++) {
    const rc = getFromEntry(x, type, frames.read32(base + 8 * i), frames.read32(base + 8 * i + 4), d, i);
    if (rc === 0) continue;
    for (let k = i - 1; k >= 0; k--)
      putFromEntry(x, type, frames.read32(base + 8 * k), frames.read32(base + 8 * k + 4));
    return rc;
  }
  if (type === PGT_l3_page_table)
    for (let i = 4; i < ENTRIES; i++)
      if (frames.read32(base + 8 * i) !== 0 || frames.read32(base + 8 * i + 4) !== 0)
        frames.write64(base + 8 * i, 0, 0);
  if (xenL2) fillXenSlots(x, mfn);
  return 0;
}

function devalidate(x: Xen, mfn: number, type: number): void {
  const kind = type & PGT_type_mask;
  if (kind === PGT_seg_desc_page) return;
  spend(x, ENTRIES);
  const { frames } = x;
  const base = mfn * PAGE_SIZE;
  const n = entriesOf(kind, (type & PGT_pae_xen_l2) !== 0);
  for (let i = 0; i < n; i++)
    putFromEntry(x, kind, frames.read32(base + 8 * i), frames.read32(base + 8 * i + 4));
}
