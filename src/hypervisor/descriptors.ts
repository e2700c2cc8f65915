// GDT and LDT of a guest: set_gdt, update_descriptor, MMUEXT_SET_LDT. GDT frames take the seg_desc type at once, LDT pages when first used.

import { SEG_NULL, SEGREG, VCPU, WINDOW_LDT } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { ERRNO } from './abi/errno.ts';
import { checkDescriptor } from './descriptor-check.ts';
import { copyFromGuest, fields } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import {
  getPage,
  getPageAndType,
  ownedBy,
  PTE_P,
  putPage,
  putPageAndType,
  putPageType,
  takeType,
} from './page-info.ts';
import { refuse } from './refuse.ts';
import {
  PAGE,
  pageAt,
  PGT_count_mask,
  PGT_seg_desc_page,
  PGT_type_mask,
  PGT_writable_page,
  XEN,
  XEN_AT,
  XVCPU,
  xv,
} from './state.ts';
import type { Xen } from './xen.ts';

const FIRST_RESERVED_GDT_ENTRY = 7168,
  ENTRIES_PER_PAGE = 512,
  SLOT_LDT = 16,
  LDT_PAGES = 16,
  MAX_LDT_ENTRIES = 8192;
const LDT_SELECTOR = 0xe050;

/** Takes the frames of a new GDT and lets go of the old one. 0 or -EINVAL with the old table kept. */
export function setGdt(x: Xen, v: number, mfns: readonly number[], entries: number): number {
  const { m } = x;
  const d = x.domainOf(v),
    p = xv(v);
  for (let i = 0; i < mfns.length; i++) {
    if (
      x.check(
        'gdt.frame',
        getPageAndType(x, mfns[i]!, d, PGT_seg_desc_page),
        mfns[i]!,
        x.frames.exists(mfns[i]!) ? m.r32(pageAt(mfns[i]!) + PAGE.type) : 0,
      )
    )
      continue;
    for (let k = 0; k < i; k++) putPageAndType(x, mfns[k]!);
    return -ERRNO.EINVAL;
  }
  dropGdt(x, v);
  mfns.forEach((mfn, i) => {
    m.w32(p + XVCPU.gdtFrames + 4 * i, mfn);
    m.w32(v + VCPU.window + 4 * i, mfn);
  });
  m.w32(p + XVCPU.gdtEnts, entries);
  x.frames.flushTlbs();
  x.act('gdt.set', [entries, mfns[0] ?? 0]);
  return 0;
}
/** Lets go of every frame of the guest's GDT; its pages show zeroes again. */
export function dropGdt(x: Xen, v: number): void {
  const { m } = x;
  const p = xv(v);
  const pages = Math.ceil(m.r32(p + XVCPU.gdtEnts) / ENTRIES_PER_PAGE);
  for (let i = 0; i < pages; i++) {
    putPageAndType(x, m.r32(p + XVCPU.gdtFrames + 4 * i));
    m.w32(p + XVCPU.gdtFrames + 4 * i, 0);
    m.w32(v + VCPU.window + 4 * i, m.r32(XEN_AT + XEN.zeroMfn));
  }
  m.w32(p + XVCPU.gdtEnts, 0);
  x.frames.flushTlbs();
}

export const doSetGdt: HypercallHandler = (x, v, [list, entries]) => {
  if (!x.check('gdt.entries', entries <= FIRST_RESERVED_GDT_ENTRY, entries)) return -ERRNO.EINVAL;
  const pages = Math.ceil(entries / ENTRIES_PER_PAGE);
  const bytes = copyFromGuest(x, v, list, 4 * pages);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'gdt.list', list);
  const view = fields(bytes);
  return setGdt(
    x,
    v,
    Array.from({ length: pages }, (_, i) => view.getUint32(4 * i, true)),
    entries,
  );
};

export const doUpdateDescriptor: HypercallHandler = (x, v, [maLo, maHi, lo, hi]) => {
  const d = x.domainOf(v);
  const mfn = maLo >>> 12;
  if (!x.check('descriptor.address', (maLo & 7) === 0 && maHi === 0, maLo, maHi)) return -ERRNO.EINVAL;
  const fixed = checkDescriptor(lo, hi);
  if (!fixed) return refuse(x, ERRNO.EINVAL, 'descriptor.allowed', lo, hi, (maLo & 4095) >>> 3);
  if (!x.check('descriptor.owner', getPage(x, mfn, d), mfn)) return -ERRNO.EINVAL;
  const type = x.m.r32(pageAt(mfn) + PAGE.type);
  const inUse = (type & PGT_type_mask) === PGT_seg_desc_page && (type & PGT_count_mask) !== 0;
  const rc = takeType(x, mfn, inUse ? PGT_seg_desc_page : PGT_writable_page, d);
  if (x.check('descriptor.frame-type', rc === 0, mfn, type)) {
    x.frames.write64(maLo, fixed[0], fixed[1]);
    putPageType(x, mfn);
    x.act('descriptor.write', [maLo, fixed[0], fixed[1]]);
  }
  putPage(x, mfn);
  return rc === 0 ? 0 : -ERRNO.EINVAL;
};

/** MMUEXT_SET_LDT: frames are looked at when first used. 0 or -EINVAL. */
export function setLdt(x: Xen, v: number, base: number, entries: number): number {
  const { m } = x;
  if (
    !x.check('ldt.shape', entries <= MAX_LDT_ENTRIES && (entries === 0 || (base & 4095) === 0), base, entries)
  )
    return -ERRNO.EINVAL;
  dropLdtPages(x, v);
  m.w32(xv(v) + XVCPU.ldtBase, entries === 0 ? 0 : base);
  m.w32(xv(v) + XVCPU.ldtEnts, entries);
  const ldtr = v + VCPU.ldtr;
  m.w32(ldtr + SEGREG.sel, entries === 0 ? 0 : LDT_SELECTOR);
  m.w32(ldtr + SEGREG.base, entries === 0 ? 0 : WINDOW_LDT);
  m.w32(ldtr + SEGREG.limit, entries === 0 ? 0 : entries * 8 - 1);
  m.w32(ldtr + SEGREG.attr, entries === 0 ? SEG_NULL : 0x82);
  return 0;
}
/** Forgets the LDT pages mapped so far; they are mapped again at the next use. */
export function dropLdtPages(x: Xen, v: number): void {
  const { m } = x;
  for (let i = 0; i < LDT_PAGES; i++) {
    const slot = v + VCPU.window + 4 * (SLOT_LDT + i);
    const mfn = m.r32(slot);
    if (mfn === INVALID_MFN) continue;
    m.w32(slot, INVALID_MFN);
    putPageAndType(x, mfn);
  }
  x.frames.flushTlbs();
}
/** Maps page `index` of the LDT behind the window from the guest's own tables. False: the guest is to get a page fault. */
export function mapLdtPage(x: Xen, v: number, index: number): boolean {
  const { m } = x;
  const entries = m.r32(xv(v) + XVCPU.ldtEnts);
  if (index < 0 || index >= LDT_PAGES || index * ENTRIES_PER_PAGE >= entries) return false;
  // A page that is there cannot fault for being absent: the guest touched the window itself.
  if (m.r32(v + VCPU.window + 4 * (SLOT_LDT + index)) !== INVALID_MFN) return false;
  const l1e = findL1e(x, v, (m.r32(xv(v) + XVCPU.ldtBase) + index * PAGE_SIZE) >>> 0);
  const lo = l1e === 0 ? 0 : x.frames.read32(l1e);
  const d = x.domainOf(v);
  const mfn = lo >>> 12;
  const usable = (lo & PTE_P) !== 0 && x.frames.exists(mfn) && ownedBy(x, mfn, d);
  if (!x.check('ldt.page', usable && getPageAndType(x, mfn, d, PGT_seg_desc_page), index, mfn)) return false;
  m.w32(v + VCPU.window + 4 * (SLOT_LDT + index), mfn);
  x.frames.flushTlbs();
  x.act('ldt.map', [index, mfn]);
  return true;
}

/** Machine address of the L1 entry of a linear address in v's address space, 0 where an upper level is missing. */
export function findL1e(x: Xen, v: number, vaddr: number): number {
  const { frames } = x;
  const l3e = frames.read32(x.m.r32(xv(v) + XVCPU.guestCr3Mfn) * PAGE_SIZE + 8 * (vaddr >>> 30));
  if ((l3e & PTE_P) === 0) return 0;
  const l2e = frames.read32((l3e >>> 12) * PAGE_SIZE + 8 * ((vaddr >>> 21) & 511));
  if ((l2e & PTE_P) === 0) return 0;
  return (l2e >>> 12) * PAGE_SIZE + 8 * ((vaddr >>> 12) & 511);
}
