// memory_op commands that tell something, and those that another kind of guest or a toolstack uses: a PV domain without privilege is refused
// each of them in Xen's own order of checks.

import { PAGE_SIZE } from '../memory/map.ts';
import { ERRNO } from './abi/errno.ts';
import {
  copyFromGuest,
  copyToGuest,
  fields,
  HYPERVISOR_VIRT_START,
  nestedHandleOk,
  putGuest32,
} from './guest-access.ts';
import { anyDomain, isPrivileged, mayManage, namedDomain, XENMEM } from './memory-common.ts';
import { refuse } from './refuse.ts';
import { DOMAIN, XEN, XEN_AT } from './state.ts';
import type { Xen } from './xen.ts';

const MACHPHYS_END = 0xffe00000;
/** max_pfn of struct arch_shared_info. */
const SHARED_INFO_MAX_PFN = 2316;

const unreadable = (x: Xen, arg: number): number => refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
function argument(x: Xen, v: number, arg: number, size: number): DataView | undefined {
  const bytes = copyFromGuest(x, v, arg, size);
  return bytes ? fields(bytes) : undefined;
}
/** The domain named, or why not: -ESRCH for none, -EPERM for one that the caller may not manage. */
function managed(x: Xen, v: number, domid: number): { readonly d: number; readonly rc: number } {
  const d = anyDomain(x, v, domid);
  if (!x.check('memory.domain', d !== 0, domid)) return { d, rc: -ERRNO.ESRCH };
  return x.check('memory.domain', mayManage(x, v, d), domid) ? { d, rc: 0 } : { d, rc: -ERRNO.EPERM };
}

/** Commands whose argument is {domid u16} and whose answer is a number of the domain's. */
export function domainNumber(x: Xen, v: number, arg: number, cmd: number): number {
  const f = argument(x, v, arg, 2);
  if (!f) return unreadable(x, arg);
  const { d, rc } = managed(x, v, f.getUint16(0, true));
  if (rc !== 0) return rc;
  if (cmd === XENMEM.current_reservation) return x.m.r32(d + DOMAIN.totPages);
  if (cmd === XENMEM.maximum_reservation) return x.m.r32(d + DOMAIN.maxPages);
  // A PV domain says itself, in shared_info, how many pseudo-physical frames it has.
  const most = x.frames.read32(x.m.r32(d + DOMAIN.sharedInfoMfn) * PAGE_SIZE + SHARED_INFO_MAX_PFN);
  return ((most === 0 ? 1 : most) - 1) | 0;
}

/** machphys_mfn_list: the frames of the M2P, one for each 2 MiB. */
export function machphysList(x: Xen, v: number, arg: number): number {
  const f = argument(x, v, arg, 12);
  if (!f) return unreadable(x, arg);
  const list = f.getUint32(4, true);
  const chunks = Math.ceil((x.m.nrFrames * 4) / 0x200000);
  const n = Math.min(f.getUint32(0, true), chunks);
  for (let i = 0; i < n; i++)
    if (
      !nestedHandleOk(list, 4 * (i + 1)) ||
      !putGuest32(x, v, list + 4 * i, x.m.r32(XEN_AT + XEN.m2pMfn) + 512 * i)
    )
      return refuse(x, ERRNO.EFAULT, 'memory.list', list + 4 * i);
  return x.check('memory.argument', putGuest32(x, v, arg + 8, n), arg + 8) ? 0 : -ERRNO.EFAULT;
}

/** machphys_mapping: where the M2P lies. */
export function machphysMapping(x: Xen, v: number, arg: number): number {
  const out = new Uint32Array([
    HYPERVISOR_VIRT_START,
    MACHPHYS_END,
    (MACHPHYS_END - HYPERVISOR_VIRT_START) / 4 - 1,
  ]);
  const written = copyToGuest(x, v, arg, new Uint8Array(out.buffer));
  return x.check('memory.argument', written, arg) ? 0 : -ERRNO.EFAULT;
}

const XENMAPSPACE_gmfn_range = 3,
  XENMAPSPACE_gmfn_foreign = 4;
/** The most extents that fit the 16 bits in which add_to_physmap counts them. */
const MAX_START = 0xffff;

/** add_to_physmap, add_to_physmap_batch, remove_from_physmap: a PV domain keeps its own map, whoever asks. */
export function physmap(x: Xen, v: number, arg: number, cmd: number, start: number): number {
  const remove = cmd === XENMEM.remove_from_physmap;
  const most = remove ? 0 : MAX_START;
  if (!x.check('memory.no-start', start <= most, cmd, start)) return remove ? -ERRNO.EINVAL : -ERRNO.EDOM;
  const batch = cmd === XENMEM.add_to_physmap_batch;
  const f = argument(x, v, arg, remove ? 8 : batch ? 20 : 16);
  if (!f) return unreadable(x, arg);
  if (batch && !batchReadable(x, v, f, start)) return -ERRNO.EFAULT;
  const space = batch ? f.getUint16(2, true) : remove ? 0 : f.getUint32(4, true);
  if (batch && space === XENMAPSPACE_gmfn_range) return refuse(x, ERRNO.EOPNOTSUPP, 'memory.command', cmd);
  if (!batch && space === XENMAPSPACE_gmfn_foreign) return refuse(x, ERRNO.ENOSYS, 'memory.command', cmd);
  const domid = f.getUint16(0, true);
  if (!x.check('memory.domain', anyDomain(x, v, domid) !== 0, domid)) return -ERRNO.ESRCH;
  return refuse(x, ERRNO.EACCES, 'memory.translated-only', cmd);
}
function batchReadable(x: Xen, v: number, f: DataView, start: number): boolean {
  const size = f.getUint16(4, true);
  const lists = [8, 12, 16].map((at) => f.getUint32(at, true));
  const read = (list: number): boolean =>
    size <= start || copyFromGuest(x, v, list + 4 * start, 4 * (size - start)) !== null;
  const good = lists.every((list) => nestedHandleOk(list, 4 * size)) && read(lists[0]!) && read(lists[1]!);
  return x.check('memory.list', good, lists[0]!);
}

/** {…, domid} of set_pod_target and get_pod_target: populate-on-demand is for HVM domains, and for a toolstack to ask. */
export function podTarget(x: Xen, v: number, arg: number, cmd: number): number {
  const f = argument(x, v, arg, 36);
  if (!f) return unreadable(x, arg);
  const domid = f.getUint16(32, true);
  if (!x.check('memory.domain', anyDomain(x, v, domid) !== 0, domid)) return -ERRNO.ESRCH;
  if (!x.check('memory.privileged', isPrivileged(x, v), cmd)) return -ERRNO.EPERM;
  return refuse(x, ERRNO.EINVAL, 'memory.translated-only', cmd);
}

/** Why a call that only makes sense for another domain may not name this one: 0 if it may. */
function remote(x: Xen, v: number, domid: number): number {
  const d = namedDomain(x, domid);
  if (!x.check('memory.domain', d !== 0, domid)) return -ERRNO.ESRCH;
  return x.check('memory.other-domain', d !== x.domainOf(v), domid) ? 0 : -ERRNO.EPERM;
}
/** access_op: what of an HVM domain's memory to watch. */
export function accessOp(x: Xen, v: number, arg: number): number {
  const f = argument(x, v, arg, 32);
  if (!f) return unreadable(x, arg);
  const rc = remote(x, v, f.getUint16(2, true));
  return rc !== 0 ? rc : refuse(x, ERRNO.EINVAL, 'memory.translated-only', XENMEM.access_op);
}

/** claim_pages: sets memory aside for a domain before it is populated. Every mistake in the structure is -EINVAL, an unknown domain too. */
export function claimPages(x: Xen, v: number, arg: number): number {
  const f = argument(x, v, arg, 20);
  if (!f) return unreadable(x, arg);
  const empty = f.getUint32(0, true) === 0 && f.getUint32(8, true) === 0 && f.getUint32(12, true) === 0;
  const domid = f.getUint16(16, true);
  if (!x.check('memory.claim-shape', empty && namedDomain(x, domid) !== 0, domid)) return -ERRNO.EINVAL;
  if (!x.check('memory.privileged', isPrivileged(x, v), XENMEM.claim_pages)) return -ERRNO.EPERM;
  return refuse(x, ERRNO.ENOSYS, 'memory.command', XENMEM.claim_pages);
}

/** get_vnumainfo: no domain here has virtual NUMA nodes. */
export function vnumaInfo(x: Xen, v: number, arg: number): number {
  const f = argument(x, v, arg, 40);
  if (!f) return unreadable(x, arg);
  if (!x.check('memory.padding', f.getUint16(2, true) === 0, f.getUint16(2, true))) return -ERRNO.EINVAL;
  const { rc } = managed(x, v, f.getUint16(0, true));
  return rc !== 0 ? rc : refuse(x, ERRNO.EOPNOTSUPP, 'memory.command', XENMEM.get_vnumainfo);
}

const RDM_ALL = 1;
/** reserved_device_memory_map: {flags, nr_entries in and out, buffer*, device}: there is no IOMMU, so nothing is reserved. */
export function reservedDeviceMemory(x: Xen, v: number, arg: number): number {
  const f = argument(x, v, arg, 16);
  if (!f) return unreadable(x, arg);
  const buffer = f.getUint32(8, true);
  if (!x.check('memory.list', nestedHandleOk(buffer, 8 * f.getUint32(4, true)), buffer)) return -ERRNO.EFAULT;
  const flags = f.getUint32(0, true);
  if (!x.check('memory.flags', (flags & ~RDM_ALL) === 0, flags)) return -ERRNO.EINVAL;
  return x.check('memory.argument', putGuest32(x, v, arg + 4, 0), arg + 4) ? 0 : -ERRNO.EFAULT;
}

/** acquire_resource: frames that Xen keeps for another domain. */
export function acquireResource(x: Xen, v: number, arg: number): number {
  const f = argument(x, v, arg, 28);
  if (!f) return unreadable(x, arg);
  const pad = f.getUint32(12, true);
  if (!x.check('memory.padding', pad === 0, pad)) return -ERRNO.EINVAL;
  const first = f.getUint32(16, true),
    nr = f.getUint32(8, true);
  const fits = f.getUint32(20, true) === 0 && first + nr <= 0xffffffff;
  if (!x.check('memory.resource-range', fits, first, nr)) return -ERRNO.EINVAL;
  const rc = remote(x, v, f.getUint16(0, true));
  if (rc !== 0) return rc;
  if (!x.check('memory.privileged', isPrivileged(x, v), XENMEM.acquire_resource)) return -ERRNO.EPERM;
  return refuse(x, ERRNO.EOPNOTSUPP, 'memory.command', XENMEM.acquire_resource);
}
