// Page-table writes on request: mmu_update, update_va_mapping. Every write of a live entry passes updateEntry.

import { DOMID_IO, DOMID_SELF } from './abi/domid.ts';
import { ERRNO } from './abi/errno.ts';
import { findL1e } from './descriptors.ts';
import { resolveDomid } from './domain.ts';
import { copyFromGuest, fields, HYPERVISOR_VIRT_START, putGuest32 } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { FIRST_XEN_L2_SLOT, setM2p } from './m2p.ts';
import { doMmuextOp } from './mmuext.ts';
import { frameOf, getFromEntry, getPage, PTE_A, PTE_D, PTE_G, PTE_P, PTE_US, putFromEntry, putPage, putPageType, takeType } from './page-info.ts';
import { installBasePtr } from './pagetables.ts';
import {
  DOMAIN, findDomain, PAGE, pageAt, PGT_count_mask, PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table, PGT_pae_xen_l2, PGT_type_mask, PGT_validated, PGT_writable_page,
} from './state.ts';
import type { Xen } from './xen.ts';

export { doMmuextOp };
/** MMUEXT_NEW_BASEPTR for others: MOV to CR3. */
export const newBasePtr = (x: Xen, v: number, mfn: number): number => installBasePtr(x, v, mfn);

/** Flag bits that need no new references: NX and AVAIL above, G D A US AVL below. RW is not among them (XSA-182). */
const FREE_LO = PTE_US | PTE_A | PTE_D | PTE_G | 0xe00, FREE_HI = 0xfff00000;
/** The low bits that a middle-level entry may change freely: no G there. */
const FREE_LO_MIDDLE = FREE_LO & ~PTE_G;

/**
 * Writes an entry of a validated table of domain d; target frames belong to fd. `preserveAd` keeps the accessed and dirty bits that the
 * processor has set meanwhile. 0 or -ERRNO; the caller holds a reference on the table.
 */
export function updateEntry(x: Xen, maddr: number, lo: number, hi: number, d: number, fd: number, preserveAd: boolean): number {
  const { frames } = x;
  const table = maddr >>> 12, slot = (maddr & 4095) >>> 3;
  const type = x.m.r32(pageAt(table) + PAGE.type);
  const kind = type & PGT_type_mask;
  const oldLo = frames.read32(maddr), oldHi = frames.read32(maddr + 4);
  if (kind === PGT_l3_page_table && !x.check('pdpte.slot', slot < 3, slot)) return -ERRNO.EINVAL;
  if (kind === PGT_l2_page_table && (type & PGT_pae_xen_l2) !== 0 && !x.check('pde.xen-slot', slot < FIRST_XEN_L2_SLOT, slot)) return -ERRNO.EPERM;
  if (kind !== PGT_l1_page_table && !x.check('mmu.foreign-middle', fd === d, x.m.r32(fd + DOMAIN.domid))) return -ERRNO.EINVAL;
  if (preserveAd) lo = (lo | (oldLo & (PTE_A | PTE_D))) >>> 0;
  const free = kind === PGT_l1_page_table ? FREE_LO : FREE_LO_MIDDLE;
  const same = (lo & PTE_P) !== 0 && (oldLo & PTE_P) !== 0 && ((lo ^ oldLo) & ~free) === 0 && ((hi ^ oldHi) & ~FREE_HI) === 0;
  if (same && (kind !== PGT_l3_page_table || hi === oldHi)) {
    frames.write64(maddr, lo, hi);
    return 0;
  }
  const rc = getFromEntry(x, kind, lo, hi, fd, slot);
  if (rc !== 0) return rc;
  frames.write64(maddr, lo, hi);
  putFromEntry(x, kind, oldLo, oldHi);
  return 0;
}

const liveTable = (type: number): boolean => {
  const kind = type & PGT_type_mask;
  return kind >= PGT_l1_page_table && kind <= PGT_l3_page_table && (type & PGT_validated) !== 0 && (type & PGT_count_mask) !== 0;
};

/** One MMU_NORMAL_PT_UPDATE or PRESERVE_AD request on a frame of pd. */
function updateFrame(x: Xen, maddr: number, lo: number, hi: number, pd: number, fd: number, preserveAd: boolean): number {
  const mfn = maddr >>> 12;
  if (!x.check('mmu.table-owner', getPage(x, mfn, pd), mfn, x.m.r32(pd + DOMAIN.domid))) return -ERRNO.EINVAL;
  const type = x.m.r32(pageAt(mfn) + PAGE.type);
  let rc: number;
  if (liveTable(type)) rc = updateEntry(x, maddr, lo, hi, pd, fd, preserveAd);
  else {
    rc = takeType(x, mfn, PGT_writable_page, pd);
    if (x.check('mmu.plain-writable', rc === 0, mfn, type)) {
      x.frames.write64(maddr, lo, hi);
      putPageType(x, mfn);
    } else rc = -ERRNO.EINVAL;
  }
  putPage(x, mfn);
  return rc;
}

/** The domain a foreigndom argument means: 0 for none. The caller's own number is refused, only DOMID_SELF means itself (§1.5). */
export function foreignDomain(x: Xen, v: number, domid: number): number {
  if (domid === DOMID_SELF) return x.domainOf(v);
  const d = findDomain(x.m, resolveDomid(x, domid));
  return d === x.domainOf(v) ? 0 : d;
}
export const privileged = (x: Xen, v: number): boolean => x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;

const REQUEST = 16, PREEMPTED = 0x80000000, MAX_REQUESTS = 0x100000;

export const doMmuUpdate: HypercallHandler = (x, v, [list, rawCount, done, foreign]) => {
  let count = rawCount, before = 0;
  if (rawCount >= PREEMPTED) {
    if (rawCount === PREEMPTED && list === 0) return foreign | 0;
    count = rawCount - PREEMPTED;
    const old = done === 0 ? undefined : copyFromGuest(x, v, done, 4);
    if (old) before = fields(old).getUint32(0, true);
  }
  const self = x.domainOf(v);
  if (!x.check('mmu.count', count <= MAX_REQUESTS, count)) return -ERRNO.EINVAL;
  if (count > 0 && !x.check('mmu.list', copyFromGuest(x, v, list, REQUEST) !== null, list, count)) return -ERRNO.EFAULT;
  const pdWanted = foreign >>> 16;
  let pd = self;
  if (pdWanted !== 0) {
    pd = findDomain(x.m, resolveDomid(x, pdWanted - 1));
    if (!x.check('mmu.pt-domain', pd !== 0, pdWanted - 1)) return -ERRNO.ESRCH;
  }
  const fdWanted = foreign & 0xffff;
  const fd = fdWanted === DOMID_IO ? 0 : foreignDomain(x, v, fdWanted);
  if (!x.check('mmu.foreign-domain', fd !== 0, fdWanted)) return -ERRNO.ESRCH;
  if (!x.check('mmu.privilege', (fd === self && pd === self) || privileged(x, v), fdWanted)) return -ERRNO.EPERM;
  let rc = 0, n = 0;
  for (; n < count && rc === 0; n++) {
    const bytes = copyFromGuest(x, v, list + n * REQUEST, REQUEST);
    if (!bytes) rc = x.check('mmu.list', false, list + n * REQUEST, n) ? 0 : -ERRNO.EFAULT;
    else rc = one(x, fields(bytes), pd, fd);
  }
  if (rc !== 0) n--;
  if (n > 0) x.act('mmu.updated', [n]);
  if (done !== 0) putGuest32(x, v, done, before + n);
  return rc;
};

function one(x: Xen, request: DataView, pd: number, fd: number): number {
  const ptrLo = request.getUint32(0, true), ptrHi = request.getUint32(4, true), lo = request.getUint32(8, true), hi = request.getUint32(12, true);
  const command = ptrLo & 7, maddr = (ptrLo & ~7) >>> 0;
  if (!x.check('mmu.command', command <= 3, command)) return -ERRNO.ENOSYS;
  if (!x.check('mmu.address', ptrHi === 0 && x.frames.exists(maddr >>> 12), maddr, ptrHi)) return -ERRNO.EINVAL;
  if (command !== 1) return updateFrame(x, maddr, lo, hi, pd, fd, command === 2);
  const mfn = maddr >>> 12;
  if (!x.check('m2p.owner', getPage(x, mfn, fd), mfn)) return -ERRNO.EINVAL;
  setM2p(x, mfn, lo);
  putPage(x, mfn);
  return 0;
}

function updateVa(x: Xen, v: number, va: number, lo: number, hi: number, flags: number, fd: number): number {
  const d = x.domainOf(v);
  const at = va >= HYPERVISOR_VIRT_START ? 0 : findL1e(x, v, va);
  if (!x.check('va.mapped-l1', at !== 0, va)) return -ERRNO.EINVAL;
  const table = at >>> 12;
  if (!x.check('mmu.table-owner', getPage(x, table, d), table, x.m.r32(d + DOMAIN.domid))) return -ERRNO.EINVAL;
  const rc = updateEntry(x, at, lo, hi, d, fd, false);
  putPage(x, table);
  if (rc === 0) {
    x.act('va.updated', [va, frameOf(lo), lo & 0xfff, hi]);
    if ((flags & 3) !== 0 && (flags & ~3) !== 0 && (flags & ~3) !== 4 && !copyFromGuest(x, v, flags & ~3, 4)) return x.check('va.vcpu-bitmap', false, flags) ? 0 : -ERRNO.EFAULT;
  }
  return rc;
}

export const doUpdateVaMapping: HypercallHandler = (x, v, [va, lo, hi, flags]) => updateVa(x, v, va, lo, hi, flags, x.domainOf(v));

export const doUpdateVaMappingOtherdomain: HypercallHandler = (x, v, [va, lo, hi, flags, domid]) => {
  const fd = foreignDomain(x, v, domid & 0xffff);
  if (!x.check('mmu.foreign-domain', fd !== 0, domid)) return -ERRNO.ESRCH;
  if (!x.check('mmu.privilege', fd === x.domainOf(v) || privileged(x, v), domid)) return -ERRNO.EPERM;
  return updateVa(x, v, va, lo, hi, flags, fd);
};
