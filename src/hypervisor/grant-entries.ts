// The two halves of a grant table: the shared entries, which the guest writes and Xen reads with suspicion, and the active entries, which
// say who uses a grant and how often. Pinning joins them: the flags reading and writing in the shared entry tell the guest that its page
// is in use, and stay until the last use of that kind has gone.

import { INVALID_MFN } from '../memory/addresses.ts';
import { layout } from '../memory/layout.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import {
  GNTST,
  GRANT_ENTRY_SIZE,
  type GrantStatus,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_type_mask,
  GTF_writing,
} from './abi/grant.ts';
import { allocXenFrame, freeXenFrame, shareXenFrame } from './page-alloc.ts';
import { getPage } from './page-info.ts';
import { DOMAIN } from './state.ts';
import type { Xen } from './xen.ts';

export const ENTRIES_PER_FRAME = PAGE_SIZE / GRANT_ENTRY_SIZE;
export const MAX_GRANT_FRAMES = 64;
/** An active entry: pin counts by kind of use, the frame and the user while pinned. 256 a frame. */
export const ACTIVE = layout('ACTIVE', { pin: 'u32', mfn: 'u32', domid: 'u32', unused: 'u32' });
const ACTIVE_PER_FRAME = PAGE_SIZE / ACTIVE.$size;
const ACTIVE_FRAMES = ENTRIES_PER_FRAME / ACTIVE_PER_FRAME;

/** Units of the four pin counts, eight bits each: host writable, host read-only, device writable, device read-only. */
export const PIN = { hostWrite: 1, hostRead: 1 << 8, deviceWrite: 1 << 16, deviceRead: 1 << 24 } as const;
const PIN_WRITE_MASK = 0x00ff00ff,
  PIN_NEARLY_FULL = 0x80808080;

export const nrEntries = (x: Xen, d: number): number => x.m.r32(d + DOMAIN.nrGrantFrames) * ENTRIES_PER_FRAME;
/** Machine address of a shared entry that exists. */
export const sharedAt = (x: Xen, d: number, ref: number): number =>
  x.m.r32(d + DOMAIN.grantFrames + 4 * Math.floor(ref / ENTRIES_PER_FRAME)) * PAGE_SIZE +
  (ref % ENTRIES_PER_FRAME) * GRANT_ENTRY_SIZE;
/** Machine address of an active entry that exists. */
export const activeAt = (x: Xen, d: number, ref: number): number =>
  x.m.r32(d + DOMAIN.grantActive + 4 * Math.floor(ref / ACTIVE_PER_FRAME)) * PAGE_SIZE +
  (ref % ACTIVE_PER_FRAME) * ACTIVE.$size;

/** Grows the table of d to `frames` shared frames. False when Xen's memory for this domain is used up: then nothing has changed. */
export function growTable(x: Xen, d: number, frames: number): boolean {
  const { m } = x;
  for (let i = m.r32(d + DOMAIN.nrGrantFrames); i < frames; i++) {
    const got: number[] = [];
    for (let n = 0; n <= ACTIVE_FRAMES; n++) {
      const mfn = allocXenFrame(x, d);
      if (mfn !== INVALID_MFN) got.push(mfn);
    }
    if (got.length <= ACTIVE_FRAMES) {
      for (const mfn of got) freeXenFrame(x, mfn, d);
      return false;
    }
    const [shared, ...active] = got;
    m.w32(d + DOMAIN.grantFrames + 4 * i, shared!);
    active.forEach((mfn, n) => {
      m.w32(d + DOMAIN.grantActive + 4 * (i * ACTIVE_FRAMES + n), mfn);
    });
    shareXenFrame(x, shared!);
    m.w32(d + DOMAIN.nrGrantFrames, i + 1);
  }
  return true;
}

/** Gives the frames of the table back; nothing of it may be pinned. */
export function freeTable(x: Xen, d: number): void {
  const { m } = x;
  const nr = m.r32(d + DOMAIN.nrGrantFrames);
  m.w32(d + DOMAIN.nrGrantFrames, 0);
  const release = (slot: number): void => {
    freeXenFrame(x, m.r32(slot), d);
    m.w32(slot, 0);
  };
  for (let i = 0; i < nr; i++) release(d + DOMAIN.grantFrames + 4 * i);
  for (let i = 0; i < nr * ACTIVE_FRAMES; i++) release(d + DOMAIN.grantActive + 4 * i);
}

/** Unit of the pin count for a use. */
export const pinUnit = (kind: 'host' | 'device', readonly: boolean): number =>
  kind === 'host' ? (readonly ? PIN.hostRead : PIN.hostWrite) : readonly ? PIN.deviceRead : PIN.deviceWrite;

/** What a user of a grant holds: one general reference on the frame and `unit` in the pin counts. */
export interface Pinned {
  readonly status: GrantStatus;
  readonly mfn: number;
}
const refused = (status: GrantStatus): Pinned => ({ status, mfn: INVALID_MFN });

/**
 * Pins entry `ref` of domain rd for `domid`: checks the entry, tells the guest by reading/writing, resolves the frame and takes a general
 * reference on it. `mapping`: sub-page grants are no good. Statuses: bad_gntref, general_error, bad_page, in Xen's order.
 */
export function pinEntry(
  x: Xen,
  rd: number,
  ref: number,
  domid: number,
  unit: number,
  readonly: boolean,
  mapping: boolean,
): Pinned {
  if (
    !x.check(
      'grant.reference-exists',
      ref < nrEntries(x, rd),
      ref,
      nrEntries(x, rd),
      x.m.r32(rd + DOMAIN.domid),
    )
  )
    return refused(GNTST.bad_gntref);
  const { frames } = x;
  const act = activeAt(x, rd, ref);
  const pin = frames.read32(act + ACTIVE.pin);
  if (pin !== 0 && !mayPinAgain(x, act, pin, ref, domid)) return refused(GNTST.general_error);
  if (pin === 0 || (!readonly && (pin & PIN_WRITE_MASK) === 0)) {
    if (!markInUse(x, rd, ref, domid, pin, readonly, mapping)) return refused(GNTST.general_error);
  }
  const mfn = pin === 0 ? frames.read32(sharedAt(x, rd, ref) + 4) : frames.read32(act + ACTIVE.mfn);
  if (
    !x.check(
      'grant.frame-of-granter',
      frames.exists(mfn) && getPage(x, mfn, rd),
      mfn,
      x.m.r32(rd + DOMAIN.domid),
    )
  ) {
    clearInUse(x, rd, ref, pin);
    return refused(pin === 0 ? GNTST.bad_page : GNTST.general_error);
  }
  frames.write32(act + ACTIVE.pin, pin + unit);
  frames.write32(act + ACTIVE.mfn, mfn);
  frames.write32(act + ACTIVE.domid, domid);
  return { status: GNTST.okay, mfn };
}

function mayPinAgain(x: Xen, act: number, pin: number, ref: number, domid: number): boolean {
  const user = x.frames.read32(act + ACTIVE.domid);
  if (user !== domid) return x.check('grant.one-user', false, ref, user, domid);
  if ((pin & PIN_NEARLY_FULL) !== 0) return x.check('grant.pin-count', false, ref, pin);
  return true;
}

/** Checks a shared entry and sets reading, and writing unless read-only, in its flags. */
function markInUse(
  x: Xen,
  rd: number,
  ref: number,
  domid: number,
  pin: number,
  readonly: boolean,
  mapping: boolean,
): boolean {
  const { frames } = x;
  const at = sharedAt(x, rd, ref);
  const flags = frames.read16(at),
    to = frames.read16(at + 2);
  const mask = GTF_type_mask | (mapping ? GTF_sub_page : 0);
  const permits = pin !== 0 || ((flags & mask) === GTF_permit_access && to === domid);
  if (!x.check('grant.entry-permits', permits, ref, flags, to, domid)) return false;
  if (!readonly && (flags & GTF_readonly) !== 0) return x.check('grant.entry-writable', false, ref, flags);
  frames.write16(at, flags | GTF_reading | (readonly ? 0 : GTF_writing));
  return true;
}

/** Takes `unit` off the pin counts and lets go of the flags that no other use needs. The general reference is the caller's to drop. */
export function unpinEntry(x: Xen, rd: number, ref: number, unit: number): void {
  const act = activeAt(x, rd, ref);
  const pin = x.frames.read32(act + ACTIVE.pin) - unit;
  x.frames.write32(act + ACTIVE.pin, pin);
  clearInUse(x, rd, ref, pin);
}

function clearInUse(x: Xen, rd: number, ref: number, pin: number): void {
  const at = sharedAt(x, rd, ref);
  const gone = ((pin & PIN_WRITE_MASK) === 0 ? GTF_writing : 0) | (pin === 0 ? GTF_reading : 0);
  const flags = x.frames.read16(at);
  if ((flags & gone) !== 0) x.frames.write16(at, flags & ~gone);
}
