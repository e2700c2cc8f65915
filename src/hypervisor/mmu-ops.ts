// Page-table writes on request: mmu_update, update_va_mapping. Every write of a live entry passes updateEntry.

import { VCPU } from '../cpu/vcpu.ts';
import { DOMID_IO, DOMID_SELF, DOMID_XEN } from './abi/domid.ts';
import { ERRNO } from './abi/errno.ts';
import { continueHypercall, exhausted, spend, startWork } from './continuation.ts';
import { findL1e } from './descriptors.ts';
import { resolveDomid } from './domain.ts';
import { copyFromGuest, fields, HYPERVISOR_VIRT_START, nestedHandleOk, putGuest32 } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { FIRST_XEN_L2_SLOT, setM2p } from './m2p.ts';
import { doMmuextOp } from './mmuext.ts';
import {
  frameOf,
  getFromEntry,
  getPage,
  IO_OWNER,
  ok,
  PTE_A,
  PTE_D,
  PTE_G,
  PTE_P,
  PTE_US,
  putFromEntry,
  putPage,
  putPageType,
  takeType,
} from './page-info.ts';
import { refuse } from './refuse.ts';
import {
  DOMAIN,
  findDomain,
  PAGE,
  pageAt,
  PGT_count_mask,
  PGT_l1_page_table,
  PGT_l2_page_table,
  PGT_l3_page_table,
  PGT_pae_xen_l2,
  PGT_type_mask,
  PGT_validated,
  PGT_writable_page,
} from './state.ts';
import type { Xen } from './xen.ts';

export { doMmuextOp };

/** Flag bits that need no new references: NX and AVAIL above, G D A US AVL below. RW is not among them (XSA-182). */
const FREE_LO = PTE_US | PTE_A | PTE_D | PTE_G | 0xe00,
  FREE_HI = 0xfff00000;
/** The low bits that a middle-level entry may change freely: no G there. */
const FREE_LO_MIDDLE = FREE_LO & ~PTE_G;

/**
 * Writes an entry of a validated table of domain d; target frames belong to fd. `preserveAd` keeps the accessed and dirty bits that the
 * processor has set meanwhile. 0 or -ERRNO; the caller holds a reference on the table.
 */
export function updateEntry(
  x: Xen,
  maddr: number,
  lo: number,
  hi: number,
  d: number,
  fd: number,
  preserveAd: boolean,
): number {
  const { frames } = x;
  const table = maddr >>> 12,
    slot = (maddr & 4095) >>> 3;
  const type = x.m.r32(pageAt(table) + PAGE.type);
  const kind = type & PGT_type_mask;
  const oldLo = frames.read32(maddr),
    oldHi = frames.read32(maddr + 4);
  if (kind === PGT_l3_page_table && !x.check('pdpte.slot', slot < 3, slot)) return -ERRNO.EINVAL;
  if (
    kind === PGT_l2_page_table &&
    (type & PGT_pae_xen_l2) !== 0 &&
    !x.check('pde.xen-slot', slot < FIRST_XEN_L2_SLOT, slot)
  )
    return -ERRNO.EPERM;
  if (kind !== PGT_l1_page_table && !ok(x, 'mmu.foreign-middle', fd === d, kind >>> 28)) return -ERRNO.EINVAL;
  if (preserveAd) lo = (lo | (oldLo & (PTE_A | PTE_D))) >>> 0;
  const free = kind === PGT_l1_page_table ? FREE_LO : FREE_LO_MIDDLE;
  const same =
    (lo & PTE_P) !== 0 &&
    (oldLo & PTE_P) !== 0 &&
    ((lo ^ oldLo) & ~free) === 0 &&
    ((hi ^ oldHi) & ~FREE_HI) === 0;
  if (same && (kind !== PGT_l3_page_table || hi === oldHi)) {
    frames.write64(maddr, lo, hi);
    return 0;
  }
  const rc = getFromEntry(x, kind, lo, hi, fd, slot);
  if (rc !== 0) return rc;
  frames.write64(maddr, lo, hi);
  // Upper levels may be cached in ways a guest cannot ask to flush (XSA-286).
  if (kind !== PGT_l1_page_table) frames.flushTlbs();
  putFromEntry(x, kind, oldLo, oldHi);
  return 0;
}

const liveTable = (type: number): boolean => {
  const kind = type & PGT_type_mask;
  return (
    kind >= PGT_l1_page_table &&
    kind <= PGT_l3_page_table &&
    (type & PGT_validated) !== 0 &&
    (type & PGT_count_mask) !== 0
  );
};

/** One MMU_NORMAL_PT_UPDATE or PRESERVE_AD request on a frame of pd. */
function updateFrame(
  x: Xen,
  maddr: number,
  lo: number,
  hi: number,
  pd: number,
  fd: number,
  preserveAd: boolean,
): number {
  const mfn = maddr >>> 12;
  if (!ok(x, 'mmu.table-owner', getPage(x, mfn, pd), mfn, x.m.r32(pd + DOMAIN.domid))) return -ERRNO.EINVAL;
  const type = x.m.r32(pageAt(mfn) + PAGE.type);
  let rc: number;
  if (liveTable(type)) rc = updateEntry(x, maddr, lo, hi, pd, fd, preserveAd);
  else {
    rc = takeType(x, mfn, PGT_writable_page, pd);
    if (ok(x, 'mmu.plain-writable', rc === 0, mfn, type)) {
      x.frames.write64(maddr, lo, hi);
      putPageType(x, mfn);
    } else rc = -ERRNO.EINVAL;
  }
  putPage(x, mfn);
  return rc;
}

/**
 * The domain a foreigndom argument means: -1 for none. The caller's own number is refused, only DOMID_SELF means itself (§1.5). Device memory,
 * of which there is none, and Xen's own have owners without a record: nothing is theirs to be mapped.
 */
export function foreignDomain(x: Xen, v: number, domid: number): number {
  if (domid === DOMID_SELF) return x.domainOf(v);
  if (domid === DOMID_IO || domid === DOMID_XEN) return IO_OWNER;
  const d = findDomain(x.m, resolveDomid(x, domid));
  return d === 0 || d === x.domainOf(v) ? -1 : d;
}
export const privileged = (x: Xen, v: number): boolean => x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;
/** May v's domain write entries for frames of `fd`, which it called `domid`? Its own, and device memory: yes. */
const mayTouch = (x: Xen, v: number, fd: number, domid: number): boolean =>
  fd === x.domainOf(v) || domid === DOMID_IO || privileged(x, v);

/** Bit 31 of a count: the call goes on after a continuation and `done` holds what was done before. A guest may set it too. */
const PREEMPTED = 0x80000000;
/** Requests between two chances for events to be delivered, however little work they are. */
const BATCH = 16384;

/** What mmu_update and mmuext_op have in common: a list, its length, where to count, and how long one element is. */
export interface Batch {
  readonly number: number;
  readonly size: number;
  readonly list: number;
  readonly rawCount: number;
  readonly done: number;
}
/** The requests to do; a result instead when the call is over before it begins. */
export function batchCount(x: Xen, b: Batch): number {
  const count = b.rawCount >= PREEMPTED ? b.rawCount - PREEMPTED : b.rawCount;
  if (!x.check('mmu.list', nestedHandleOk(b.list, count * b.size), b.list, count)) return -ERRNO.EFAULT;
  return count;
}
/**
 * Runs `one` on each element until one fails, counts in `done`, and goes on later when the list is long. A list that cannot be read further
 * is -EFAULT.
 */
export function runBatch(
  x: Xen,
  v: number,
  b: Batch,
  count: number,
  one: (element: DataView) => number,
): number {
  let before = 0;
  const old = b.rawCount >= PREEMPTED && b.done !== 0 ? copyFromGuest(x, v, b.done, 4) : null;
  if (old) before = fields(old).getUint32(0, true);
  const end = Math.min(count, BATCH);
  let rc = 0,
    n = 0;
  startWork(x, v);
  for (; n < end && (n === 0 || !exhausted(x)); n++) {
    spend(x, 1);
    const bytes = copyFromGuest(x, v, b.list + n * b.size, b.size);
    rc = bytes ? one(fields(bytes)) : refuse(x, ERRNO.EFAULT, 'mmu.list', b.list + n * b.size, count - n);
    if (rc !== 0) break;
  }
  if (b.done !== 0) putGuest32(x, v, b.done, before + n);
  if (rc !== 0 || n === count) return rc;
  const [ebx, ecx] = [v + VCPU.gpr + 4 * 3, v + VCPU.gpr + 4];
  x.m.w32(ebx, b.list + n * b.size);
  x.m.w32(ecx, (PREEMPTED | (count - n)) >>> 0);
  return continueHypercall(x, v, b.number);
}

/** How many entries of one call are shown one by one. */
const SHOWN = 4;

export const doMmuUpdate: HypercallHandler = (x, v, [list, rawCount, done, foreign]) => {
  if (rawCount === PREEMPTED && list === 0) return foreign | 0;
  const batch: Batch = { number: 1, size: 16, list, rawCount, done };
  const count = batchCount(x, batch);
  if (count < 0) return count;
  const self = x.domainOf(v);
  const pdWanted = foreign >>> 16;
  const pd = pdWanted === 0 ? self : findDomain(x.m, resolveDomid(x, pdWanted - 1));
  if (!ok(x, 'mmu.pt-domain', pd !== 0, pdWanted - 1)) return -ERRNO.ESRCH;
  const fd = foreignDomain(x, v, foreign & 0xffff);
  if (!x.check('mmu.foreign-domain', fd >= 0, foreign & 0xffff)) return -ERRNO.ESRCH;
  let n = 0;
  const rc = runBatch(x, v, batch, count, (request) => {
    const result = updateOne(x, v, request, pd, fd, foreign & 0xffff, count <= SHOWN);
    if (result === 0) n++;
    return result;
  });
  if (n > 0) x.act('mmu.updated', [n]);
  return rc;
};

function updateOne(
  x: Xen,
  v: number,
  request: DataView,
  pd: number,
  fd: number,
  domid: number,
  shown: boolean,
): number {
  const ptrLo = request.getUint32(0, true),
    ptrHi = request.getUint32(4, true),
    lo = request.getUint32(8, true),
    hi = request.getUint32(12, true);
  const command = ptrLo & 7,
    maddr = (ptrLo & ~7) >>> 0,
    mfn = maddr >>> 12;
  if (!ok(x, 'mmu.command', command <= 3, command)) return -ERRNO.ENOSYS;
  const own = pd === x.domainOf(v);
  const may = command === 1 ? own : own || privileged(x, v);
  if (!ok(x, 'mmu.pt-privilege', may, x.m.r32(pd + DOMAIN.domid))) return -ERRNO.EPERM;
  if (!ok(x, 'mmu.privilege', mayTouch(x, v, fd, domid), domid)) return -ERRNO.EPERM;
  if (!ok(x, 'mmu.address', ptrHi === 0 && x.frames.exists(mfn), maddr, ptrHi)) return -ERRNO.EINVAL;
  if (command !== 1) {
    const rc = updateFrame(x, maddr, lo, hi, pd, fd, command === 2);
    if (rc === 0 && shown) x.act('mmu.entry', [maddr, lo, hi, x.m.r32(pageAt(mfn) + PAGE.type)]);
    return rc;
  }
  if (!ok(x, 'm2p.owner', getPage(x, mfn, fd), mfn)) return -ERRNO.EINVAL;
  setM2p(x, mfn, lo);
  putPage(x, mfn);
  if (shown) x.act('m2p.set', [mfn, lo]);
  return 0;
}

/** Bits 1:0 of the flags of update_va_mapping; the rest is 0 (this CPU), 4 (all), or where a bitmap of vCPUs lies. */
const UVMF_FLUSH_MASK = 3,
  UVMF_ALL = 4;

function updateVa(x: Xen, v: number, va: number, lo: number, hi: number, flags: number, fd: number): number {
  const d = x.domainOf(v);
  const at = va >= HYPERVISOR_VIRT_START ? 0 : findL1e(x, v, va);
  if (!x.check('va.mapped-l1', at !== 0, va)) return -ERRNO.EINVAL;
  const table = at >>> 12;
  if (!ok(x, 'mmu.table-owner', getPage(x, table, d), table, x.m.r32(d + DOMAIN.domid))) return -ERRNO.EINVAL;
  const rc = updateEntry(x, at, lo, hi, d, fd, false);
  putPage(x, table);
  if (rc !== 0) return rc;
  x.act('va.updated', [va, frameOf(lo), lo & 0xfff, hi]);
  const bitmap = (flags & ~UVMF_FLUSH_MASK) >>> 0;
  if ((flags & UVMF_FLUSH_MASK) === 0 || bitmap === 0 || bitmap === UVMF_ALL) return 0;
  return ok(x, 'va.vcpu-bitmap', copyFromGuest(x, v, bitmap, 4) !== null, bitmap) ? 0 : -ERRNO.EFAULT;
}

export const doUpdateVaMapping: HypercallHandler = (x, v, [va, lo, hi, flags]) =>
  updateVa(x, v, va, lo, hi, flags, x.domainOf(v));

export const doUpdateVaMappingOtherdomain: HypercallHandler = (x, v, [va, lo, hi, flags, domid]) => {
  const fd = foreignDomain(x, v, domid & 0xffff);
  if (!x.check('mmu.foreign-domain', fd >= 0, domid & 0xffff)) return -ERRNO.ESRCH;
  const may = fd === x.domainOf(v) || privileged(x, v);
  if (!ok(x, 'mmu.privilege', may, domid & 0xffff)) return -ERRNO.EPERM;
  return updateVa(x, v, va, lo, hi, flags, fd);
};
