// A domain's record from birth to death, and the numbers under which domains are known to guests: without a domain 0 the service domain
// answers to the number 0, because guests look for their back-ends there.

import { VCPU, VCPU_MODE } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { domainAt, MAX_DOMAINS, MAX_VCPUS, PAGE_SIZE, vcpuAt } from '../memory/map.ts';
import { NOBODY } from '../trace/recorder.ts';
import { DOMAIN_OP, OUT, PH, RT } from '../trace/records.ts';
import { DOMID_FIRST_RESERVED, DOMID_SERVICE } from './abi/domid.ts';
import { dropGdt } from './descriptors.ts';
import { dropConsoleInput } from './console-input.ts';
import { closeAllPorts } from './event-channels.ts';
import { destroyGrants, initGrantTable } from './grant-table.ts';
import { setM2p } from './m2p.ts';
import { allocXenFrame, freeXenFrame, releaseDomainFrames, shareXenFrame } from './page-alloc.ts';
import { dropBasePtr, unpinAll } from './pagetables.ts';
import { tellToolstack } from './lifecycle.ts';
import { retireVcpu } from './run-queue.ts';
import { wake } from './schedule.ts';
import {
  DOMAIN,
  DOMAIN_KIND,
  DOMAIN_STATE,
  findDomain,
  PAGE,
  pageAt,
  RUNSTATE,
  XEN,
  XEN_AT,
  XVCPU,
  xv,
} from './state.ts';
import { updateTimeInfo, updateWallclock } from './time.ts';
import { releaseVcpuInfo } from './vcpu-op.ts';
import type { Xen } from './xen.ts';

/** Xen frames a guest may cause to be used on its behalf: event ports, grant table, maptrack, window, shared_info. */
export const DEFAULT_XEN_FRAMES = 512;
const VCPU_INFO_SIZE = 64,
  LEGACY_VCPUS = 32;
const SHARED_INFO_ARCH_P2M_LIST = 2320;

export interface DomainParameters {
  readonly name: string;
  readonly kind: 'pv' | 'service';
  readonly domid: number;
  readonly privileged?: boolean;
  readonly maxPages: number;
  readonly vcpus?: number;
  readonly imageHash?: Uint8Array | undefined;
}

/** How guests know a domain: the service domain is "0" when no domain 0 exists. */
export const visibleDomid = (x: Xen, domid: number): number =>
  domid === DOMID_SERVICE && findDomain(x.m, 0) === 0 ? 0 : domid;
/** Which domain a guest means: "0" is the service domain when no domain 0 exists. */
export const resolveDomid = (x: Xen, domid: number): number =>
  domid === 0 && findDomain(x.m, 0) === 0 && findDomain(x.m, DOMID_SERVICE) !== 0 ? DOMID_SERVICE : domid;

/** The next free ordinary domain number. */
export function nextDomid(x: Xen): number {
  const { m } = x;
  let domid = Math.max(1, m.r32(XEN_AT + XEN.nextDomid));
  while (findDomain(m, domid) !== 0 || domid >= DOMID_SERVICE)
    domid = domid + 1 >= DOMID_SERVICE ? 1 : domid + 1;
  m.w32(XEN_AT + XEN.nextDomid, domid + 1 >= DOMID_FIRST_RESERVED - 1 ? 1 : domid + 1);
  return domid;
}

function zero(x: Xen, at: number, size: number): void {
  x.m.u8.fill(0, at, at + size);
}
function freeSlot(x: Xen, count: number, at: (i: number) => number, used: number): number {
  for (let i = 0; i < count; i++) if (x.m.r32(at(i) + used) === 0) return at(i);
  return 0;
}

/** Takes a vCPU slot for vCPU `id` of domain d; 0 when all are taken. */
export function createVcpu(x: Xen, d: number, id: number, mode: number): number {
  const { m } = x;
  const v = freeSlot(x, MAX_VCPUS, vcpuAt, VCPU.used);
  if (v === 0) return 0;
  zero(x, v, 8192);
  m.w32(v + VCPU.used, 1);
  m.w32(v + VCPU.mode, mode);
  m.w32(v + VCPU.domain, d);
  m.w32(v + VCPU.id, id);
  for (let i = 0; i < 40; i++) m.w32(v + VCPU.window + 4 * i, INVALID_MFN);
  m.w32(xv(v) + XVCPU.run, RUNSTATE.offline);
  m.w64(xv(v) + XVCPU.enteredAt, x.T);
  m.w32(xv(v) + XVCPU.vcpuInfoMfn, INVALID_MFN);
  m.w32(d + DOMAIN.vcpus + 4 * id, v);
  const shared = m.r32(d + DOMAIN.sharedInfoMfn);
  m.w32(xv(v) + XVCPU.vcpuInfoMaddr, shared * PAGE_SIZE + id * VCPU_INFO_SIZE);
  return v;
}

/**
 * Creates a paused domain with its shared_info, grant table and vCPU slots, but no memory of its own.
 * @returns the DOMAIN record, or 0 when slots or frames are exhausted (nothing is left behind).
 */
export function createDomainRecord(x: Xen, p: DomainParameters): number {
  const { m } = x;
  const d = freeSlot(x, MAX_DOMAINS, domainAt, DOMAIN.used);
  if (d === 0) return 0;
  zero(x, d, 8192);
  m.w32(d + DOMAIN.used, 1);
  m.w32(d + DOMAIN.domid, p.domid);
  m.w32(d + DOMAIN.kind, DOMAIN_KIND[p.kind]);
  m.w32(d + DOMAIN.state, DOMAIN_STATE.paused);
  m.w32(d + DOMAIN.privileged, p.privileged ? 1 : 0);
  m.w32(d + DOMAIN.maxPages, p.maxPages);
  m.w32(d + DOMAIN.pageList, INVALID_MFN);
  m.w32(d + DOMAIN.xenFramesLimit, DEFAULT_XEN_FRAMES);
  for (let i = 0; i < p.name.length && i < 31; i++) m.w8(d + DOMAIN.name + i, p.name.charCodeAt(i) & 0x7f);
  for (let i = 0; i < 16; i++)
    m.w8(d + DOMAIN.handle + i, i < 14 ? 0x52 ^ (i * 17) : p.domid >>> (8 * (15 - i)));
  if (p.imageHash) m.u8.set(p.imageHash.subarray(0, 32), d + DOMAIN.imageHash);
  const shared = allocXenFrame(x, d);
  m.w32(d + DOMAIN.sharedInfoMfn, shared === INVALID_MFN ? 0 : shared);
  const vcpus = p.vcpus ?? 1;
  let ok = shared !== INVALID_MFN;
  if (ok) initSharedInfo(x, shared);
  for (let id = 0; id < vcpus && ok; id++)
    ok = createVcpu(x, d, id, p.kind === 'pv' ? VCPU_MODE.pv : VCPU_MODE.service) !== 0;
  if (ok) initGrantTable(x, d);
  if (!ok) {
    destroyDomain(x, d);
    return 0;
  }
  updateWallclock(x, d);
  for (let id = 0; id < vcpus; id++) updateTimeInfo(x, m.r32(d + DOMAIN.vcpus + 4 * id));
  x.trace.emit(
    RT.domain,
    PH.none,
    OUT.none,
    NOBODY,
    DOMAIN_OP.created,
    [p.domid, p.maxPages, vcpus, 0, 0, 0],
    m.copyOut(d + DOMAIN.name, 32),
  );
  return d;
}

/** Zeroes it, masks events in all 32 vcpu_info slots, and lets the guest map it. */
function initSharedInfo(x: Xen, mfn: number): void {
  x.frames.zeroFrame(mfn);
  for (let i = 0; i < LEGACY_VCPUS; i++) x.frames.write8(mfn * PAGE_SIZE + i * VCPU_INFO_SIZE + 1, 1);
  x.frames.write32(mfn * PAGE_SIZE + SHARED_INFO_ARCH_P2M_LIST, 0);
  shareXenFrame(x, mfn);
}

/** Lets a paused domain run: its first vCPU joins the run queue. */
export function unpauseDomain(x: Xen, d: number): void {
  const { m } = x;
  if (m.r32(d + DOMAIN.state) !== DOMAIN_STATE.paused) return;
  m.w32(d + DOMAIN.state, DOMAIN_STATE.running);
  for (let id = 0; id < 4; id++) {
    const v = m.r32(d + DOMAIN.vcpus + 4 * id);
    if (v !== 0 && m.r32(xv(v) + XVCPU.up) !== 0) wake(x, v);
  }
}

/** Takes a domain apart: ports, grants, address spaces, memory, Xen's frames, records. Frames others still map live until they let go. */
export function destroyDomain(x: Xen, d: number): void {
  const { m } = x;
  const domid = m.r32(d + DOMAIN.domid);
  m.w32(d + DOMAIN.state, DOMAIN_STATE.dead);
  const built = m.r32(d + DOMAIN.sharedInfoMfn) !== 0;
  if (built) {
    closeAllPorts(x, d);
    destroyGrants(x, d);
  }
  for (let id = 0; id < 4; id++) {
    const v = m.r32(d + DOMAIN.vcpus + 4 * id);
    if (v !== 0) destroyVcpu(x, v);
  }
  dropConsoleInput(x, d);
  unpinAll(x, domid);
  forgetM2p(x, domid);
  releaseDomainFrames(x, d);
  if (built) freeXenFrame(x, m.r32(d + DOMAIN.sharedInfoMfn), d);
  x.trace.emit(RT.domain, PH.none, OUT.none, NOBODY, DOMAIN_OP.destroyed, [domid]);
  m.w32(d + DOMAIN.used, 0);
  tellToolstack(x, d);
}

/** Frames of a domain that ends lose their pseudo-physical numbers. */
function forgetM2p(x: Xen, domid: number): void {
  for (let mfn = 1; mfn < x.m.nrFrames; mfn++) {
    if (x.m.r16(pageAt(mfn) + PAGE.owner) === domid) setM2p(x, mfn, INVALID_MFN);
  }
}

function destroyVcpu(x: Xen, v: number): void {
  const { m } = x;
  retireVcpu(x, v);
  dropGdt(x, v);
  releaseVcpuInfo(x, v);
  dropBasePtr(x, v);
  for (const field of [XVCPU.idtMfn, XVCPU.tssMfn, XVCPU.xenStackMfn]) {
    const mfn = m.r32(xv(v) + field);
    if (mfn !== 0) freeXenFrame(x, mfn, x.domainOf(v));
  }
  m.w32(v + VCPU.used, 0);
}
