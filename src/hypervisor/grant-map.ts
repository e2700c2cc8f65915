// Mapping granted frames and letting go of them. A mapping is one or two uses of a grant (by the CPU: host, by devices: device), each with
// a general reference on the frame and, if it may write, a writable type reference, until it is unmapped; the page-table entry has its own.
// What was taken is put back in reverse on any failure.

import { DOMID_INVALID } from './abi/domid.ts';
import { GNTMAP_device_map, GNTMAP_host_map, GNTMAP_readonly, GNTST, type GrantStatus } from './abi/grant.ts';
import { resolveDomid } from './domain.ts';
import { nrEntries, pinEntry, pinUnit, unpinEntry } from './grant-entries.ts';
import { type Address, installPte, isZero, NO_ADDRESS, removePte } from './grant-pte.ts';
import { handleAt, handlesInUse, MAPTRACK, nrHandles, releaseHandle, takeHandle } from './maptrack.ts';
import { getPage, getPageType, putPage, putPageType } from './page-info.ts';
import { DOMAIN, domains, findDomain, PGT_writable_page } from './state.ts';
import type { Xen } from './xen.ts';

const address = (a: DataView, at: number): Address => ({
  lo: a.getUint32(at, true),
  hi: a.getUint32(at + 4, true),
});
const HOST_AND_DEVICE = GNTMAP_host_map | GNTMAP_device_map;

interface Request {
  readonly hostAddr: Address;
  readonly flags: number;
  readonly ref: number;
  readonly domid: number;
}

/** GNTTABOP_map_grant_ref on a structure read from the guest; fills in handle and dev_bus_addr on success. */
export function mapGrantRef(x: Xen, v: number, a: DataView): GrantStatus {
  const request: Request = {
    hostAddr: address(a, 0),
    flags: a.getUint32(8, true),
    ref: a.getUint32(12, true),
    domid: a.getUint16(16, true),
  };
  const ld = x.domainOf(v);
  if (!x.check('grant.map-kind', (request.flags & HOST_AND_DEVICE) !== 0, request.flags))
    return GNTST.bad_gntref;
  const rd = findDomain(x.m, resolveDomid(x, request.domid));
  if (!x.check('grant.domain-exists', rd !== 0, request.domid)) return GNTST.bad_domain;
  const handle = takeHandle(x, ld);
  if (handle < 0) {
    x.check('grant.handle-left', false, nrHandles(x, ld));
    return GNTST.no_space;
  }
  const result = map(x, v, rd, request);
  if (result.status !== GNTST.okay) {
    releaseHandle(x, ld, handle);
    return result.status;
  }
  const { mfn } = result;
  const at = handleAt(x, ld, handle);
  x.frames.write32(at + MAPTRACK.ref, request.ref);
  x.frames.write16(at + MAPTRACK.domid, x.m.r32(rd + DOMAIN.domid));
  x.frames.write32(at + MAPTRACK.mfn, mfn);
  x.frames.write16(at + MAPTRACK.flags, request.flags & 0xffff);
  x.frames.write32(at + MAPTRACK.guestFlags, request.flags);
  a.setUint32(20, handle, true);
  a.setUint32(24, (mfn << 12) >>> 0, true);
  a.setUint32(28, mfn >>> 20, true);
  x.act('grant.mapped', [
    request.ref,
    x.m.r32(rd + DOMAIN.domid),
    mfn,
    handle,
    request.hostAddr.lo,
    (request.flags & GNTMAP_readonly) !== 0 ? 1 : 0,
  ]);
  return GNTST.okay;
}

function map(
  x: Xen,
  v: number,
  rd: number,
  r: Request,
): { readonly status: GrantStatus; readonly mfn: number } {
  const readonly = (r.flags & GNTMAP_readonly) !== 0;
  const host = (r.flags & GNTMAP_host_map) !== 0,
    device = (r.flags & GNTMAP_device_map) !== 0;
  const unit = (host ? pinUnit('host', readonly) : 0) + (device ? pinUnit('device', readonly) : 0);
  const { status, mfn } = pinEntry(x, rd, r.ref, x.domidOf(v), unit, readonly, true);
  if (status !== GNTST.okay) return { status, mfn };
  let pages = 1,
    types = 0;
  const uses = (host ? 1 : 0) + (device ? 1 : 0);
  let ok = true;
  for (; ok && pages < uses; pages += ok ? 1 : 0) ok = getPage(x, mfn, rd);
  for (; ok && !readonly && types < uses; types += ok ? 1 : 0) ok = getPageType(x, mfn, PGT_writable_page);
  let result: GrantStatus = GNTST.general_error;
  if (x.check('grant.frame-writable', ok, mfn, readonly ? 1 : 0))
    result = host ? installPte(x, v, rd, r.hostAddr, mfn, r.flags) : GNTST.okay;
  if (result === GNTST.okay) return { status: result, mfn };
  while (types-- > 0) putPageType(x, mfn);
  while (pages-- > 0) putPage(x, mfn);
  unpinEntry(x, rd, r.ref, unit);
  return { status: result, mfn };
}

/** GNTTABOP_unmap_grant_ref: {host_addr, dev_bus_addr, handle}. */
export function unmapGrantRef(x: Xen, v: number, a: DataView): GrantStatus {
  return unmap(x, v, a.getUint32(16, true), address(a, 0), address(a, 8), NO_ADDRESS);
}
/** GNTTABOP_unmap_and_replace: {host_addr, new_addr, handle}; the entry at new_addr moves to host_addr. */
export function unmapAndReplace(x: Xen, v: number, a: DataView): GrantStatus {
  return unmap(x, v, a.getUint32(16, true), address(a, 0), NO_ADDRESS, address(a, 8));
}

function unmap(
  x: Xen,
  v: number,
  handle: number,
  hostAddr: Address,
  deviceAddr: Address,
  other: Address,
): GrantStatus {
  const { frames } = x;
  const ld = x.domainOf(v);
  const inTable = handle < nrHandles(x, ld);
  const at = inTable ? handleAt(x, ld, handle) : 0;
  const flags = inTable ? frames.read16(at + MAPTRACK.flags) : 0;
  if (!x.check('grant.handle-in-use', flags !== 0, handle, nrHandles(x, ld))) return GNTST.bad_handle;
  const mfn = frames.read32(at + MAPTRACK.mfn);
  const device = !isZero(deviceAddr) && (flags & GNTMAP_device_map) !== 0;
  const matches = !device || (deviceAddr.lo === (mfn << 12) >>> 0 && deviceAddr.hi === mfn >>> 20);
  if (!matches) {
    x.check('grant.device-address', false, deviceAddr.lo, (mfn << 12) >>> 0);
    return GNTST.bad_dev_addr;
  }
  let done = 0;
  if (!isZero(hostAddr) && (flags & GNTMAP_host_map) !== 0) {
    const status = removePte(x, v, hostAddr, mfn, frames.read32(at + MAPTRACK.guestFlags), other);
    if (status !== GNTST.okay) return status;
    done |= GNTMAP_host_map;
  }
  if (device) done |= GNTMAP_device_map;
  finish(x, ld, handle, done);
  return GNTST.okay;
}

/** Puts back what the uses in `done` held; a handle without uses becomes free. */
function finish(x: Xen, ld: number, handle: number, done: number): void {
  const { frames } = x;
  const at = handleAt(x, ld, handle);
  const flags = frames.read16(at + MAPTRACK.flags),
    mfn = frames.read32(at + MAPTRACK.mfn),
    ref = frames.read32(at + MAPTRACK.ref);
  const readonly = (flags & GNTMAP_readonly) !== 0;
  const domid = frames.read16(at + MAPTRACK.domid);
  const rd = domid === DOMID_INVALID ? 0 : findDomain(x.m, domid);
  for (const [bit, kind] of [
    [GNTMAP_device_map, 'device'],
    [GNTMAP_host_map, 'host'],
  ] as const) {
    if ((done & bit) === 0) continue;
    if (!readonly) putPageType(x, mfn);
    putPage(x, mfn);
    if (rd !== 0 && ref < nrEntries(x, rd)) unpinEntry(x, rd, ref, pinUnit(kind, readonly));
  }
  if (done === 0) return;
  const left = flags & ~done;
  if ((left & HOST_AND_DEVICE) === 0) releaseHandle(x, ld, handle);
  else frames.write16(at + MAPTRACK.flags, left);
  x.act('grant.unmapped', [ref, domid, mfn, handle]);
}

/** A dying domain lets go of everything it has mapped. What its page tables still show goes with them. */
export function releaseMappings(x: Xen, d: number): void {
  for (const handle of handlesInUse(x, d)) {
    finish(x, d, handle, x.frames.read16(handleAt(x, d, handle) + MAPTRACK.flags) & HOST_AND_DEVICE);
  }
}

/** The granting domain d is gone: mappings of its frames stay until unmapped, but there is no table left to account them in. */
export function orphanMappings(x: Xen, d: number): void {
  const domid = x.m.r32(d + DOMAIN.domid);
  for (const other of domains(x.m)) {
    for (const handle of handlesInUse(x, other)) {
      const at = handleAt(x, other, handle) + MAPTRACK.domid;
      if (x.frames.read16(at) === domid) x.frames.write16(at, DOMID_INVALID);
    }
  }
}
