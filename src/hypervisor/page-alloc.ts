// Machine frames from the free list to an owner and back. The list is threaded through page_info.link, lowest frame first at start and
// last freed first reused after, so that the same requests always give the same frames. A frame is zeroed when its last reference goes: every
// free frame holds zeroes, so what one owner leaves the next never sees.
//
// A domain is charged for a frame from the moment it gets it until the frame is free, not until it gives the reservation up: otherwise frames
// it gave back but still maps would let it hold more than its maximum.

import { INVALID_MFN } from '../memory/addresses.ts';
import { DOMID_INVALID, DOMID_XEN } from './abi/domid.ts';
import {
  DOMAIN,
  findDomain,
  PAGE,
  PAGE_XENHEAP,
  pageAt,
  PGC_allocated,
  PGC_count_mask,
  PGT_writable_page,
  XEN,
  XEN_AT,
} from './state.ts';
import type { Xen } from './xen.ts';

/** Puts every frame but frame 0 on the free list. Memory must be all zero. */
export function initFrames(x: Xen): void {
  const { m } = x;
  const owned = pageAt(0);
  m.w16(owned + PAGE.owner, DOMID_XEN);
  m.w32(owned + PAGE.count, PGC_allocated | 1);
  m.w32(owned + PAGE.link, INVALID_MFN);
  for (let mfn = 1; mfn < m.nrFrames; mfn++) {
    m.w16(pageAt(mfn) + PAGE.owner, DOMID_INVALID);
    m.w32(pageAt(mfn) + PAGE.link, mfn + 1 < m.nrFrames ? mfn + 1 : INVALID_MFN);
  }
  m.w32(XEN_AT + XEN.freeList, 1);
  m.w32(XEN_AT + XEN.freeFrames, m.nrFrames - 1);
}

function take(x: Xen, owner: number): number {
  const { m } = x;
  const mfn = m.r32(XEN_AT + XEN.freeList);
  if (mfn === INVALID_MFN) return INVALID_MFN;
  const page = pageAt(mfn);
  m.w32(XEN_AT + XEN.freeList, m.r32(page + PAGE.link));
  m.w32(XEN_AT + XEN.freeFrames, m.r32(XEN_AT + XEN.freeFrames) - 1);
  m.w16(page + PAGE.owner, owner);
  m.w16(page + PAGE.flags, 0);
  m.w32(page + PAGE.count, (PGC_allocated | 1) >>> 0);
  m.w32(page + PAGE.type, 0);
  m.w32(page + PAGE.link, INVALID_MFN);
  return mfn;
}

/** The last reference of a frame is gone: its owner is no longer charged for it, and it is free. */
export function reclaim(x: Xen, mfn: number): void {
  const { m } = x;
  const d = findDomain(m, m.r16(pageAt(mfn) + PAGE.owner));
  if (d !== 0) m.w32(d + DOMAIN.totPages, m.r32(d + DOMAIN.totPages) - 1);
  freeFrame(x, mfn);
}

/** Gives a frame that nobody refers to and nobody is charged for back to the free list, zeroed. */
export function freeFrame(x: Xen, mfn: number): void {
  const { m } = x;
  const page = pageAt(mfn);
  x.frames.zeroFrame(mfn);
  m.w16(page + PAGE.owner, DOMID_INVALID);
  m.w16(page + PAGE.flags, 0);
  m.w32(page + PAGE.count, 0);
  m.w32(page + PAGE.type, 0);
  m.w32(page + PAGE.link, m.r32(XEN_AT + XEN.freeList));
  m.w32(XEN_AT + XEN.freeList, mfn);
  m.w32(XEN_AT + XEN.freeFrames, m.r32(XEN_AT + XEN.freeFrames) + 1);
}

/** A zeroed frame of domain d's own reservation; INVALID_MFN at its maximum or when memory is used up. */
export function allocDomainFrame(x: Xen, d: number): number {
  const { m } = x;
  if (m.r32(d + DOMAIN.totPages) >= m.r32(d + DOMAIN.maxPages)) return INVALID_MFN;
  const mfn = take(x, m.r32(d + DOMAIN.domid));
  if (mfn !== INVALID_MFN) m.w32(d + DOMAIN.totPages, m.r32(d + DOMAIN.totPages) + 1);
  return mfn;
}

/**
 * `count` frames in a row, all below frame `below`, the first a multiple of `count` (a power of two); INVALID_MFN when there is no such run.
 * Owner and charge as allocDomainFrame.
 */
export function allocDomainRun(x: Xen, d: number, count: number, below: number = x.m.nrFrames): number {
  const { m } = x;
  if (count === 1 && below >= m.nrFrames) return allocDomainFrame(x, d);
  if (m.r32(d + DOMAIN.totPages) + count > m.r32(d + DOMAIN.maxPages)) return INVALID_MFN;
  const first = findRun(x, count, below);
  if (first === INVALID_MFN) return INVALID_MFN;
  unlinkRun(x, first, count);
  for (let mfn = first; mfn < first + count; mfn++) {
    m.w32(pageAt(mfn) + PAGE.link, m.r32(XEN_AT + XEN.freeList));
    m.w32(XEN_AT + XEN.freeList, mfn);
    m.w32(XEN_AT + XEN.freeFrames, m.r32(XEN_AT + XEN.freeFrames) + 1);
    take(x, m.r32(d + DOMAIN.domid));
  }
  m.w32(d + DOMAIN.totPages, m.r32(d + DOMAIN.totPages) + count);
  return first;
}
function findRun(x: Xen, count: number, below: number): number {
  for (let first = count; first + count <= below; first += count) {
    let free = 0;
    while (free < count && x.m.r16(pageAt(first + free) + PAGE.owner) === DOMID_INVALID) free++;
    if (free === count) return first;
  }
  return INVALID_MFN;
}
function unlinkRun(x: Xen, first: number, count: number): void {
  const { m } = x;
  let at = XEN_AT + XEN.freeList;
  let left = count;
  for (let mfn = m.r32(at); left > 0 && mfn !== INVALID_MFN; mfn = m.r32(at)) {
    if (mfn >= first && mfn < first + count) {
      left--;
      m.w32(at, m.r32(pageAt(mfn) + PAGE.link));
      m.w32(XEN_AT + XEN.freeFrames, m.r32(XEN_AT + XEN.freeFrames) - 1);
    } else at = pageAt(mfn) + PAGE.link;
  }
}

/**
 * A zeroed frame of Xen's, charged to domain d (0: to nobody) up to its limit. INVALID_MFN when the limit or the memory is reached. The frame
 * remembers in page_info.link whom it serves: with PAGE_XENHEAP set, that domain may map it.
 */
export function allocXenFrame(x: Xen, d: number): number {
  const { m } = x;
  if (d !== 0 && m.r32(d + DOMAIN.xenFrames) >= m.r32(d + DOMAIN.xenFramesLimit)) return INVALID_MFN;
  const mfn = take(x, DOMID_XEN);
  if (mfn === INVALID_MFN || d === 0) return mfn;
  m.w32(d + DOMAIN.xenFrames, m.r32(d + DOMAIN.xenFrames) + 1);
  m.w32(pageAt(mfn) + PAGE.link, m.r32(d + DOMAIN.domid));
  return mfn;
}

/**
 * Lets the domain that a frame of Xen's serves map it. The frame is writable for good, by a type reference of Xen's own: it must never
 * become a page table or a descriptor table, because Xen writes to it whatever its type.
 */
export function shareXenFrame(x: Xen, mfn: number): void {
  const page = pageAt(mfn);
  x.m.w16(page + PAGE.flags, x.m.r16(page + PAGE.flags) | PAGE_XENHEAP);
  x.m.w32(page + PAGE.type, (PGT_writable_page | 1) >>> 0);
}

/**
 * Drops Xen's own reference on a frame of Xen's; the frame is free when no guest maps it any more. Until then it serves nobody: a later domain
 * of the number it served must not find it its own. d: whom it was charged to, or 0.
 */
export function freeXenFrame(x: Xen, mfn: number, d: number): void {
  const { m } = x;
  if (d !== 0) m.w32(d + DOMAIN.xenFrames, m.r32(d + DOMAIN.xenFrames) - 1);
  const page = pageAt(mfn);
  if ((m.r16(page + PAGE.flags) & PAGE_XENHEAP) !== 0) m.w32(page + PAGE.type, m.r32(page + PAGE.type) - 1);
  m.w32(page + PAGE.link, INVALID_MFN);
  dropAllocation(x, mfn);
}

/** Clears PGC_allocated with its reference. Returns false if it was clear already. */
function dropAllocation(x: Xen, mfn: number): boolean {
  const { m } = x;
  const at = pageAt(mfn) + PAGE.count;
  const count = m.r32(at);
  if ((count & PGC_allocated) === 0) return false;
  const left = (count & ~PGC_allocated) - 1;
  m.w32(at, left);
  if ((left & PGC_count_mask) === 0) reclaim(x, mfn);
  return true;
}

/** Takes a frame of d's out of its reservation: it lives on until its last other reference goes. False if it was out already. */
export function releaseReservation(x: Xen, d: number, mfn: number): boolean {
  return x.m.r16(pageAt(mfn) + PAGE.owner) === x.m.r32(d + DOMAIN.domid) && dropAllocation(x, mfn);
}

/** Frames of Xen that a memory map set by the guest may fill (memory-map.ts). */
const MAP_FRAMES = 5;

/**
 * The end of a domain: its memory map is forgotten, and every frame of its reservation loses the allocation reference. What others still map is left to them and to nobody
 * else: a later domain of the same number must not find frames that it owns and others see.
 */
export function releaseDomainFrames(x: Xen, d: number): void {
  const { m } = x;
  const domid = m.r32(d + DOMAIN.domid);
  for (let i = 0; i < MAP_FRAMES; i++) {
    const mfn = m.r32(d + DOMAIN.memoryMapFrames + 4 * i);
    if (mfn !== 0) freeXenFrame(x, mfn, d);
    m.w32(d + DOMAIN.memoryMapFrames + 4 * i, 0);
  }
  for (let mfn = 1; mfn < m.nrFrames; mfn++) {
    const page = pageAt(mfn);
    if (m.r16(page + PAGE.owner) !== domid) continue;
    releaseReservation(x, d, mfn);
    if (m.r16(page + PAGE.owner) !== domid) continue;
    m.w16(page + PAGE.owner, DOMID_XEN);
    m.w16(page + PAGE.flags, PAGE_XENHEAP);
    m.w32(page + PAGE.link, INVALID_MFN);
  }
}
