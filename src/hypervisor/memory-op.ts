// memory_op: what a domain may do with its own reservation (§4.8). Commands 0, 1, 6 answer with the number of extents done, never with an
// error; the start extent that a continuation would carry in the upper bits of the command is honoured and bounded, never trusted.

import { VCPU } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { ERRNO } from './abi/errno.ts';
import { continueHypercall, exhausted, spend, startWork } from './continuation.ts';
import { resolveDomid } from './domain.ts';
import {
  copyFromGuest,
  copyToGuest,
  fields,
  getGuest32,
  HYPERVISOR_VIRT_START,
  nestedHandleOk,
  putGuest32,
} from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { setM2p } from './m2p.ts';
import { allocDomainRun, releaseReservation } from './page-alloc.ts';
import { getMemoryMap, setMemoryMap } from './memory-map.ts';
import { getPage, ok, putPage } from './page-info.ts';
import { refuse } from './refuse.ts';
import {
  DOMAIN,
  findDomain,
  PAGE,
  pageAt,
  PGC_allocated,
  PGC_count_mask,
  PGT_pinned,
  XEN,
  XEN_AT,
} from './state.ts';
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
  machphys_compat_mfn_list: 25,
  get_vnumainfo: 26,
} as const;
const HYPERCALL_NUMBER = 12;
/** Where the start extent lies in the command. */
const EXTENT_SHIFT = 6;
const RESERVATION = 20,
  MAX_ORDER_DOMU = 9,
  MAX_EXTENTS = 0x3ffffff;
/** Extents handled before events get their turn, however little work they are: the list may alias one page. */
const BATCH = 16384;
/** Units of work of a frame that changes hands, and of the first look for a run of frames. */
const FRAME_WORK = 16,
  RUN_WORK = 1 << 14;
const MACHPHYS_END = 0xffe00000;

interface Reservation {
  readonly list: number;
  readonly count: number;
  readonly order: number;
  readonly start: number;
  /** 0: no such domain, or one the caller may not touch. */
  readonly d: number;
}
const isPrivileged = (x: Xen, v: number): boolean => x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;
const anyDomain = (x: Xen, v: number, domid: number): number =>
  domid === DOMID_SELF ? x.domainOf(v) : findDomain(x.m, resolveDomid(x, domid));

function reservation(x: Xen, v: number, arg: number, start: number): Reservation | undefined {
  const bytes = copyFromGuest(x, v, arg, RESERVATION);
  if (!bytes) {
    x.check('memory.argument', false, arg);
    return undefined;
  }
  const f = fields(bytes);
  const r = { list: f.getUint32(0, true), count: f.getUint32(4, true), order: f.getUint32(8, true), start };
  const domid = f.getUint16(16, true);
  const d = anyDomain(x, v, domid);
  if (!x.check('memory.domain', d !== 0 && (d === x.domainOf(v) || isPrivileged(x, v)), domid))
    return undefined;
  if (!x.check('memory.extents', r.count <= MAX_EXTENTS && start <= r.count, r.count, start))
    return undefined;
  if (!x.check('memory.order', r.order <= MAX_ORDER_DOMU, r.order)) return undefined;
  if (
    r.list !== 0 &&
    !x.check('memory.list', nestedHandleOk(r.list, Math.min(r.count, 0x10000000) * 4), r.list)
  )
    return undefined;
  return { ...r, d };
}

/** increase_reservation and populate_physmap: new frames, their numbers written back. */
function populate(x: Xen, v: number, r: Reservation, byPfn: boolean): number {
  let i = r.start;
  startWork(x, v);
  for (; i < r.count; i++) {
    if (i > r.start && exhausted(x)) {
      told(x, r, i);
      return goOn(x, v, byPfn ? XENMEM.populate_physmap : XENMEM.increase_reservation, i);
    }
    spend(x, FRAME_WORK * 2 ** r.order + (r.order > 0 ? RUN_WORK : 0));
    const at = r.list + 4 * i;
    const pfn = byPfn ? getGuest32(x, v, at) : 0;
    if (
      !ok(
        x,
        'memory.list',
        (!byPfn || pfn !== undefined) && (r.list === 0 ? !byPfn : copyFromGuest(x, v, at, 4) !== null),
        at,
      )
    )
      break;
    const mfn = allocDomainRun(x, r.d, 1 << r.order);
    if (
      !ok(
        x,
        'memory.available',
        mfn !== INVALID_MFN,
        x.m.r32(r.d + DOMAIN.totPages),
        x.m.r32(r.d + DOMAIN.maxPages),
      )
    )
      break;
    if (byPfn) for (let k = 0; k < 1 << r.order; k++) setM2p(x, mfn + k, (pfn ?? 0) + k);
    if (r.list !== 0 && !putGuest32(x, v, at, mfn)) {
      for (let k = 0; k < 1 << r.order; k++) release(x, r.d, mfn + k);
      x.check('memory.list', false, at);
      break;
    }
  }
  told(x, r, i);
  return i;
}
function told(x: Xen, r: Reservation, i: number): void {
  if (i > r.start) x.act('memory.populated', [i - r.start, r.order, x.m.r32(r.d + DOMAIN.totPages)]);
}
/** Asks for the call to be made again, from extent `i` on. */
function goOn(x: Xen, v: number, cmd: number, i: number): number {
  x.m.w32(v + VCPU.gpr + 4 * 3, (cmd | (i << EXTENT_SHIFT)) >>> 0);
  return continueHypercall(x, v, HYPERCALL_NUMBER);
}
function release(x: Xen, d: number, mfn: number): boolean {
  setM2p(x, mfn, INVALID_MFN);
  return releaseReservation(x, d, mfn);
}

/** decrease_reservation: a frame that is still mapped lives until its last reference goes; pins stay (XSA-252). */
function decrease(x: Xen, v: number, r: Reservation): number {
  const end = Math.min(r.count, r.start + BATCH);
  let i = r.start,
    good = true;
  startWork(x, v);
  for (; good && i < end && (i === r.start || !exhausted(x)); i += good ? 1 : 0)
    good = giveExtent(x, v, r, r.list + 4 * i);
  if (i > r.start) x.act('memory.decreased', [i - r.start, r.order, x.m.r32(r.d + DOMAIN.totPages)]);
  return good && i < r.count ? goOn(x, v, XENMEM.decrease_reservation, i) : i;
}
/** Gives back the extent whose first frame stands at `at`. False at the first frame that is not the domain's: those before it are gone. */
function giveExtent(x: Xen, v: number, r: Reservation, at: number): boolean {
  spend(x, 1);
  const mfn = getGuest32(x, v, at);
  if (!ok(x, 'memory.list', mfn !== undefined, at) || mfn === undefined) return false;
  for (let frame = mfn; frame < mfn + 2 ** r.order; frame++) {
    spend(x, FRAME_WORK);
    const own = x.frames.exists(frame) && x.m.r16(pageAt(frame) + PAGE.owner) === x.m.r32(r.d + DOMAIN.domid);
    if (!ok(x, 'memory.owner', own && getPage(x, frame, r.d), frame)) return false;
    release(x, r.d, frame);
    putPage(x, frame);
  }
  return true;
}

/** XENMEM_exchange: frames nobody refers to, given for new ones; one chunk at a time, never half. */
function exchange(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 44);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
  const f = fields(bytes);
  const side = (o: number) => ({
    list: f.getUint32(o, true),
    count: f.getUint32(o + 4, true),
    order: f.getUint32(o + 8, true),
    domid: f.getUint16(o + 16, true),
  });
  const from = side(0),
    to = side(20);
  const done = f.getUint32(40, true);
  if (
    !ok(
      x,
      'memory.order',
      from.order <= MAX_ORDER_DOMU && to.order <= MAX_ORDER_DOMU,
      Math.max(from.order, to.order),
    )
  )
    return -ERRNO.EPERM;
  const sane =
    from.domid === to.domid &&
    done <= from.count &&
    from.count <= MAX_EXTENTS >>> from.order &&
    to.count <= MAX_EXTENTS >>> to.order &&
    from.count * 2 ** from.order === to.count * 2 ** to.order;
  if (!ok(x, 'memory.exchange-shape', sane, from.count, to.count)) return -ERRNO.EINVAL;
  if (
    !ok(
      x,
      'memory.list',
      nestedHandleOk(from.list, 4 * from.count) && nestedHandleOk(to.list, 4 * to.count),
      from.list,
    )
  )
    return -ERRNO.EFAULT;
  const d = anyDomain(x, v, from.domid);
  if (!ok(x, 'memory.domain', d !== 0, from.domid)) return -ERRNO.ESRCH;
  if (!x.check('memory.domain', d === x.domainOf(v) || isPrivileged(x, v), from.domid)) return -ERRNO.EPERM;
  const inPerChunk = from.order >= to.order ? 1 : 1 << (to.order - from.order),
    outPerChunk = from.order >= to.order ? 1 << (from.order - to.order) : 1;
  const chunks = Math.floor(from.count / inPerChunk);
  const first = Math.floor(done / inPerChunk);
  let rc = 0,
    c = first;
  startWork(x, v);
  for (; c < chunks && rc === 0 && (c === first || !exhausted(x)); c += rc === 0 ? 1 : 0) {
    spend(x, inPerChunk * 2 ** from.order * FRAME_WORK + (to.order > 0 ? outPerChunk * RUN_WORK : 0));
    rc = exchangeChunk(
      x,
      v,
      d,
      from.list + 4 * c * inPerChunk,
      inPerChunk,
      from.order,
      to.list + 4 * c * outPerChunk,
      outPerChunk,
      to.order,
    );
  }
  // What is done already is told before anything else can be decided by it.
  if (!putGuest32(x, v, arg + 40, c * inPerChunk))
    return refuse(x, ERRNO.EFAULT, 'memory.argument', arg + 40);
  return rc === 0 && c < chunks ? continueHypercall(x, v, HYPERCALL_NUMBER) : rc;
}
function exchangeChunk(
  x: Xen,
  v: number,
  d: number,
  inList: number,
  inCount: number,
  inOrder: number,
  outList: number,
  outCount: number,
  outOrder: number,
): number {
  const { m } = x;
  if (
    !ok(
      x,
      'memory.list',
      nestedHandleOk(inList, 4 * inCount) && nestedHandleOk(outList, 4 * outCount),
      inList,
      outList,
    )
  )
    return -ERRNO.EFAULT;
  const given: number[] = [];
  for (let i = 0; i < inCount; i++) {
    const mfn = getGuest32(x, v, inList + 4 * i);
    if (mfn === undefined) return refuse(x, ERRNO.EFAULT, 'memory.list', inList + 4 * i);
    for (let k = 0; k < 1 << inOrder; k++) given.push(mfn + k);
  }
  const free = (mfn: number): boolean =>
    mfn < m.nrFrames &&
    m.r16(pageAt(mfn) + PAGE.owner) === m.r32(d + DOMAIN.domid) &&
    m.r32(pageAt(mfn) + PAGE.count) === (PGC_allocated | 1) >>> 0 &&
    (m.r32(pageAt(mfn) + PAGE.type) & PGT_pinned) === 0;
  for (const mfn of given)
    if (
      !ok(
        x,
        'memory.exchange-free',
        free(mfn),
        mfn,
        mfn < m.nrFrames ? m.r32(pageAt(mfn) + PAGE.count) & PGC_count_mask : 0,
      )
    )
      return -ERRNO.EINVAL;
  if (new Set(given).size !== given.length)
    return refuse(x, ERRNO.EINVAL, 'memory.exchange-free', given[0] ?? 0, 0);
  const pfns: number[] = [];
  for (let i = 0; i < outCount; i++) {
    const pfn = getGuest32(x, v, outList + 4 * i);
    if (
      pfn === undefined ||
      !copyToGuest(x, v, outList + 4 * i, new Uint8Array(new Uint32Array([pfn]).buffer))
    )
      return refuse(x, ERRNO.EFAULT, 'memory.list', outList + 4 * i);
    pfns.push(pfn);
  }
  // The new frames come first: the old ones go only when every new one is there.
  const limit = m.r32(d + DOMAIN.maxPages);
  m.w32(d + DOMAIN.maxPages, limit + given.length);
  const got: number[] = [];
  for (let i = 0; i < outCount; i++) got.push(allocDomainRun(x, d, 1 << outOrder));
  m.w32(d + DOMAIN.maxPages, limit);
  if (!ok(x, 'memory.available', !got.includes(INVALID_MFN), m.r32(d + DOMAIN.totPages), limit)) {
    for (const mfn of got)
      if (mfn !== INVALID_MFN) for (let k = 0; k < 1 << outOrder; k++) release(x, d, mfn + k);
    return -ERRNO.ENOMEM;
  }
  for (const mfn of given) release(x, d, mfn);
  got.forEach((mfn, i) => {
    for (let k = 0; k < 1 << outOrder; k++) setM2p(x, mfn + k, pfns[i]! + k);
    putGuest32(x, v, outList + 4 * i, mfn);
  });
  x.act('memory.exchanged', [given[0] ?? 0, got[0] ?? 0, given.length]);
  return 0;
}

/** Commands whose argument is {domid u16} and whose answer is a number of the domain's. */
function numberOf(x: Xen, v: number, arg: number, of: (d: number) => number): number {
  const bytes = copyFromGuest(x, v, arg, 2);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
  const domid = fields(bytes).getUint16(0, true);
  const d = anyDomain(x, v, domid);
  if (!x.check('memory.domain', d !== 0, domid)) return -ERRNO.ESRCH;
  if (!x.check('memory.domain', d === x.domainOf(v) || isPrivileged(x, v), domid)) return -ERRNO.EPERM;
  return of(d);
}

const XENMAPSPACE_gmfn_foreign = 4;
/** Commands on a domain's pseudo-physical map ({domid u16, size u16, space u32, …}): a PV domain keeps its own. Refused in Xen's order. */
function physmap(x: Xen, v: number, arg: number, cmd: number, size: number): number {
  const bytes = copyFromGuest(x, v, arg, size);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
  const f = fields(bytes);
  const foreign = cmd === XENMEM.add_to_physmap && f.getUint32(4, true) === XENMAPSPACE_gmfn_foreign;
  if (foreign) return refuse(x, ERRNO.ENOSYS, 'memory.command', cmd);
  const domid = f.getUint16(0, true);
  const d = anyDomain(x, v, domid);
  if (!x.check('memory.domain', d !== 0, domid)) return -ERRNO.ESRCH;
  if (!x.check('memory.domain', d === x.domainOf(v) || isPrivileged(x, v), domid)) return -ERRNO.EPERM;
  return refuse(x, ERRNO.EACCES, 'memory.translated-only', cmd);
}

function machphysList(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 12);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
  const f = fields(bytes);
  const list = f.getUint32(4, true);
  const chunks = Math.ceil((x.m.nrFrames * 4) / 0x200000);
  const n = Math.min(f.getUint32(0, true), chunks);
  for (let i = 0; i < n; i++)
    if (!putGuest32(x, v, list + 4 * i, x.m.r32(XEN_AT + XEN.m2pMfn) + 512 * i))
      return refuse(x, ERRNO.EFAULT, 'memory.list', list + 4 * i);
  return x.check('memory.argument', putGuest32(x, v, arg + 8, n), arg + 8) ? 0 : -ERRNO.EFAULT;
}

export const doMemoryOp: HypercallHandler = (x, v, [rawCmd, arg]) => {
  const cmd = rawCmd & 63,
    start = rawCmd >>> EXTENT_SHIFT;
  switch (cmd) {
    case XENMEM.increase_reservation:
    case XENMEM.populate_physmap: {
      const r = reservation(x, v, arg, start);
      return r ? populate(x, v, r, cmd === XENMEM.populate_physmap) : start;
    }
    case XENMEM.decrease_reservation: {
      const r = reservation(x, v, arg, start);
      return r ? decrease(x, v, r) : start;
    }
    case XENMEM.maximum_ram_page:
      return x.m.nrFrames;
    case XENMEM.current_reservation:
      return numberOf(x, v, arg, (d) => x.m.r32(d + DOMAIN.totPages));
    case XENMEM.maximum_reservation:
      return numberOf(x, v, arg, (d) => x.m.r32(d + DOMAIN.maxPages));
    case XENMEM.maximum_gpfn:
      return numberOf(x, v, arg, (d) => Math.max(0, x.m.r32(d + DOMAIN.nrPages) - 1));
    case XENMEM.machphys_mfn_list:
    case XENMEM.machphys_compat_mfn_list:
      return machphysList(x, v, arg);
    case XENMEM.machphys_mapping: {
      const out = new Uint32Array([
        HYPERVISOR_VIRT_START,
        MACHPHYS_END,
        (MACHPHYS_END - HYPERVISOR_VIRT_START) / 4 - 1,
      ]);
      return x.check('memory.argument', copyToGuest(x, v, arg, new Uint8Array(out.buffer)), arg)
        ? 0
        : -ERRNO.EFAULT;
    }
    case XENMEM.memory_map:
      return getMemoryMap(x, v, arg);
    case XENMEM.exchange:
      return exchange(x, v, arg);
    case XENMEM.add_to_physmap:
      return physmap(x, v, arg, cmd, 16);
    case XENMEM.remove_from_physmap:
      return physmap(x, v, arg, cmd, 8);
    case XENMEM.machine_memory_map:
      return x.check('memory.privileged', isPrivileged(x, v), cmd) ? -ERRNO.ENOSYS : -ERRNO.EPERM;
    case XENMEM.set_memory_map:
      return setMemoryMap(x, v, arg);
    case XENMEM.get_vnumainfo:
      return refuse(x, ERRNO.EOPNOTSUPP, 'memory.command', cmd);
    default:
      return refuse(x, ERRNO.ENOSYS, 'memory.command', cmd);
  }
};
