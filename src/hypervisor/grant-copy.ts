// GNTTABOP_copy: bytes from one frame to another, each named by a grant or, for the caller's own, by its number. Both sides are held
// while the bytes move, exactly as for a mapping.

import { DOMID_SELF } from './abi/domid.ts';
import { GNTCOPY_dest_gref, GNTCOPY_source_gref, GNTST, type GrantStatus } from './abi/grant.ts';
import { resolveDomid } from './domain.ts';
import { PIN, pinEntry, unpinEntry } from './grant-entries.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { getPage, getPageType, putPage, putPageType } from './page-info.ts';
import { DOMAIN, findDomain, PGT_writable_page } from './state.ts';
import type { Xen } from './xen.ts';

interface Side {
  readonly d: number;
  /** Grant reference, or frame number. */
  readonly number: number;
  readonly granted: boolean;
  readonly offset: number;
  readonly writable: boolean;
}

/** One element: source {ref/gmfn u32, domid u16, offset u16}, the same for dest at +8, len u16 +16, flags u16 +18. */
export function copyGrant(x: Xen, v: number, a: DataView): GrantStatus {
  const length = a.getUint16(16, true),
    flags = a.getUint16(18, true);
  if (length === 0) return GNTST.okay;
  const source = side(x, v, a, 0, (flags & GNTCOPY_source_gref) !== 0, false);
  if (typeof source === 'number') return source;
  const dest = side(x, v, a, 8, (flags & GNTCOPY_dest_gref) !== 0, true);
  if (typeof dest === 'number') return dest;
  const from = hold(x, v, source);
  if (from.status !== GNTST.okay) return from.status;
  const to = hold(x, v, dest);
  const status = to.status === GNTST.okay ? move(x, source, from.mfn, dest, to.mfn, length) : to.status;
  if (to.status === GNTST.okay) drop(x, dest, to.mfn);
  drop(x, source, from.mfn);
  return status;
}

function side(
  x: Xen,
  v: number,
  a: DataView,
  at: number,
  granted: boolean,
  writable: boolean,
): Side | GrantStatus {
  const domid = a.getUint16(at + 4, true);
  if (!granted && domid !== DOMID_SELF) {
    x.check('grant.copy-own-frame', false, domid);
    return GNTST.permission_denied;
  }
  const d = domid === DOMID_SELF ? x.domainOf(v) : findDomain(x.m, resolveDomid(x, domid));
  if (d === 0) {
    x.check('grant.domain-exists', false, domid);
    return GNTST.bad_domain;
  }
  return { d, number: a.getUint32(at, true), granted, offset: a.getUint16(at + 6, true), writable };
}

/** Pins a grant or references a frame; a side to be written is held as writable too. */
function hold(x: Xen, v: number, s: Side): { readonly status: GrantStatus; readonly mfn: number } {
  let mfn = s.number;
  if (s.granted) {
    const pinned = pinEntry(
      x,
      s.d,
      s.number,
      x.domidOf(v),
      s.writable ? PIN.hostWrite : PIN.hostRead,
      !s.writable,
      false,
    );
    if (pinned.status !== GNTST.okay) return pinned;
    mfn = pinned.mfn;
  } else if (
    !x.check(
      'grant.frame-of-granter',
      x.frames.exists(mfn) && getPage(x, mfn, s.d),
      mfn,
      x.m.r32(s.d + DOMAIN.domid),
    )
  ) {
    return { status: GNTST.bad_page, mfn };
  }
  if (!s.writable || x.check('grant.frame-writable', getPageType(x, mfn, PGT_writable_page), mfn, 0))
    return { status: GNTST.okay, mfn };
  release(x, s, mfn);
  return { status: GNTST.general_error, mfn };
}

function drop(x: Xen, s: Side, mfn: number): void {
  if (s.writable) putPageType(x, mfn);
  release(x, s, mfn);
}
function release(x: Xen, s: Side, mfn: number): void {
  putPage(x, mfn);
  if (s.granted) unpinEntry(x, s.d, s.number, s.writable ? PIN.hostWrite : PIN.hostRead);
}

function move(x: Xen, source: Side, from: number, dest: Side, to: number, length: number): GrantStatus {
  const inside = source.offset + length <= PAGE_SIZE && dest.offset + length <= PAGE_SIZE;
  if (!x.check('grant.copy-inside-page', inside, source.offset, dest.offset, length))
    return GNTST.bad_copy_arg;
  x.frames.copyIn(to * PAGE_SIZE + dest.offset, x.frames.copyOut(from * PAGE_SIZE + source.offset, length));
  x.act('grant.copied', [x.m.r32(source.d + DOMAIN.domid), from, x.m.r32(dest.d + DOMAIN.domid), to, length]);
  return GNTST.okay;
}
