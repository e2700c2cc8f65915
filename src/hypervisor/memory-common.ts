// What the memory commands share: their numbers, whom a domid means, who may manage whom, how large an extent may be.

import { INVALID_MFN } from '../memory/addresses.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { resolveDomid } from './domain.ts';
import { setM2p } from './m2p.ts';
import { releaseReservation } from './page-alloc.ts';
import { ok } from './page-info.ts';
import { DOMAIN, findDomain } from './state.ts';
import type { Xen } from './xen.ts';

export const XENMEM = {
  increase_reservation: 0,
  decrease_reservation: 1,
  maximum_ram_page: 2,
  current_reservation: 3,
  maximum_reservation: 4,
  machphys_mfn_list: 5,
  populate_physmap: 6,
  add_to_physmap: 7,
  memory_map: 9,
  machine_memory_map: 10,
  exchange: 11,
  machphys_mapping: 12,
  set_memory_map: 13,
  maximum_gpfn: 14,
  remove_from_physmap: 15,
  set_pod_target: 16,
  get_pod_target: 17,
  access_op: 21,
  add_to_physmap_batch: 23,
  claim_pages: 24,
  machphys_compat_mfn_list: 25,
  get_vnumainfo: 26,
  reserved_device_memory_map: 27,
  acquire_resource: 28,
} as const;
export const MEMORY_OP = 12;
/** Units of work of a frame that changes hands, and of the first look for a run of frames. */
export const FRAME_WORK = 16,
  RUN_WORK = 1 << 14;
export const MAX_EXTENTS = 0x3ffffff;

const MAX_ORDER_DOMU = 9,
  MAX_ORDER_HARDWARE = 12;
export const isPrivileged = (x: Xen, v: number): boolean => x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;
/** log2 of the frames in the largest extent that v's domain may ask for. */
export const maxOrder = (x: Xen, v: number): number =>
  isPrivileged(x, v) ? MAX_ORDER_HARDWARE : MAX_ORDER_DOMU;
/** The domain with a number, 0 for none: DOMID_SELF is nobody's. */
export const namedDomain = (x: Xen, domid: number): number => findDomain(x.m, resolveDomid(x, domid));
/** The domain that a domid means to v, 0 for none. */
export const anyDomain = (x: Xen, v: number, domid: number): number =>
  domid === DOMID_SELF ? x.domainOf(v) : namedDomain(x, domid);
export const mayManage = (x: Xen, v: number, d: number): boolean => d === x.domainOf(v) || isPrivileged(x, v);

/** XENMEMF_*: bits of an address (0 for any), a node + 1, and how serious the node is meant. */
const PAGE_SHIFT = 12,
  NODE = 0xff00,
  EXACT_NODE = 1 << 17,
  VNODE = 1 << 18;
export const POPULATE_ON_DEMAND = 1 << 16;
/** Below which frame the memory flags ask for new ones to lie; undefined for flags that no domain, or not this one, may give. */
export function frameLimit(x: Xen, v: number, flags: number): number | undefined {
  const bits = flags & 0xff;
  const nodes = (flags & NODE) === 0 || (flags & EXACT_NODE) === 0 || (flags & VNODE) !== 0;
  const good = (bits === 0 || bits > PAGE_SHIFT) && (nodes || isPrivileged(x, v));
  if (!ok(x, 'memory.flags', good, flags)) return undefined;
  return bits === 0 ? x.m.nrFrames : Math.min(x.m.nrFrames, 2 ** (bits - PAGE_SHIFT));
}

/** Takes a frame of d's out of its reservation and out of the M2P. False if it was out already. */
export function release(x: Xen, d: number, mfn: number): boolean {
  setM2p(x, mfn, INVALID_MFN);
  return releaseReservation(x, d, mfn);
}
