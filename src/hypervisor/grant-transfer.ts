// GNTTABOP_transfer: a frame changes owner, into a slot that the receiver prepared. The giver must have it mapped nowhere; what goes wrong
// after it has been taken away costs the giver the frame, as in Xen.

import {
  GNTST,
  type GrantStatus,
  GTF_accept_transfer,
  GTF_transfer_committed,
  GTF_transfer_completed,
} from './abi/grant.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { resolveDomid } from './domain.ts';
import { nrEntries, sharedAt } from './grant-entries.ts';
import { setM2p } from './m2p.ts';
import { freeFrame } from './page-alloc.ts';
import { DOMAIN, DOMAIN_STATE, findDomain, PAGE, PGC_allocated, PGT_count_mask, pageAt } from './state.ts';
import type { Xen } from './xen.ts';

/** One element: {mfn u32, domid u16 +4, ref u32 +8}. */
export function transferGrant(x: Xen, v: number, a: DataView): GrantStatus {
  const mfn = a.getUint32(0, true);
  const domid = a.getUint16(4, true);
  const ref = a.getUint32(8, true);
  const d = x.domainOf(v);
  if (!x.check('grant.transfer-page', steal(x, d, mfn), mfn)) return GNTST.bad_page;
  const rd = findDomain(x.m, resolveDomid(x, domid));
  const status = accept(x, d, rd, domid, ref);
  if (status !== GNTST.okay) {
    freeFrame(x, mfn);
    return status;
  }
  const page = pageAt(mfn);
  x.m.w16(page + PAGE.owner, x.m.r32(rd + DOMAIN.domid));
  x.m.w32(page + PAGE.type, 0);
  x.m.w32(rd + DOMAIN.totPages, x.m.r32(rd + DOMAIN.totPages) + 1);
  // The receiver has said which pseudo-physical frame it will be; it is told the machine frame in the same place.
  const at = sharedAt(x, rd, ref);
  setM2p(x, mfn, x.frames.read32(at + 4));
  x.frames.write32(at + 4, mfn);
  x.frames.write16(at, x.frames.read16(at) | GTF_transfer_completed);
  x.act('grant.transferred', [mfn, x.m.r32(rd + DOMAIN.domid), ref]);
  return GNTST.okay;
}

/** Takes a frame that nothing but d's reservation refers to out of that reservation; it belongs to nobody until it is given on or freed. */
function steal(x: Xen, d: number, mfn: number): boolean {
  const { m } = x;
  if (!x.frames.exists(mfn)) return false;
  const page = pageAt(mfn);
  const unused =
    m.r32(page + PAGE.count) === (PGC_allocated | 1) >>> 0 &&
    (m.r32(page + PAGE.type) & PGT_count_mask) === 0;
  if (m.r16(page + PAGE.owner) !== m.r32(d + DOMAIN.domid) || !unused) return false;
  m.w32(d + DOMAIN.totPages, m.r32(d + DOMAIN.totPages) - 1);
  setM2p(x, mfn, INVALID_MFN);
  x.frames.flushTlbs();
  return true;
}

/** Will domain rd take it? On success its entry is committed. */
function accept(x: Xen, d: number, rd: number, domid: number, ref: number): GrantStatus {
  const { m, frames } = x;
  if (!x.check('grant.domain-exists', rd !== 0, domid)) return GNTST.bad_domain;
  const total = m.r32(rd + DOMAIN.totPages);
  const room = m.r32(rd + DOMAIN.state) !== DOMAIN_STATE.dead && total < m.r32(rd + DOMAIN.maxPages);
  if (!x.check('grant.transfer-room', room, domid, total, m.r32(rd + DOMAIN.maxPages)))
    return GNTST.general_error;
  const inTable = ref < nrEntries(x, rd);
  if (!x.check('grant.reference-exists', inTable, ref, nrEntries(x, rd), domid)) return GNTST.general_error;
  const at = sharedAt(x, rd, ref);
  const flags = frames.read16(at);
  const from = m.r32(d + DOMAIN.domid);
  const ok = flags === GTF_accept_transfer && frames.read16(at + 2) === from;
  if (!x.check('grant.transfer-accepted', ok, ref, domid, flags, from)) return GNTST.general_error;
  frames.write16(at, flags | GTF_transfer_committed);
  return GNTST.okay;
}
