// Whole address spaces: the CR3 a vCPU holds, and pinned tables.

import { VCPU } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { ERRNO } from './abi/errno.ts';
import { dropLdtPages } from './descriptors.ts';
import { getPage, ok, putPage, putPageAndType, takeType } from './page-info.ts';
import {
  DOMAIN,
  PAGE,
  pageAt,
  PGT_l1_page_table,
  PGT_l2_page_table,
  PGT_l3_page_table,
  PGT_pinned,
  XVCPU,
  xv,
} from './state.ts';
import type { Xen } from './xen.ts';

const LEVELS = [0, PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table] as const;

/** CR3 as a PAE guest sees it: frame bits above 4 GiB folded into the low twelve. */
export const foldCr3 = (mfn: number): number => ((mfn << 12) | (mfn >>> 20)) >>> 0;
export const unfoldCr3 = (cr3: number): number => ((cr3 >>> 12) | (cr3 << 20)) >>> 0;

/** Runs vCPU v on the tables of L3 frame `mfn`: takes a reference on it, then drops the one on the tables before. 0 or -ERRNO. */
export function installBasePtr(x: Xen, v: number, mfn: number): number {
  const { m } = x;
  const at = xv(v) + XVCPU.guestCr3Mfn;
  const old = m.r32(v + VCPU.cr3) === 0 ? INVALID_MFN : m.r32(at);
  if (old !== mfn) {
    const d = x.domainOf(v);
    if (!ok(x, 'cr3.owner', getPage(x, mfn, d), mfn, m.r32(d + DOMAIN.domid))) return -ERRNO.EINVAL;
    const rc = takeType(x, mfn, PGT_l3_page_table, d);
    if (!x.check('cr3.l3', rc === 0, mfn, m.r32(pageAt(mfn) + PAGE.type))) {
      putPage(x, mfn);
      return rc;
    }
    m.w32(at, mfn);
    m.w32(v + VCPU.cr3, mfn * 4096);
    if (old !== INVALID_MFN) putPageAndType(x, old);
    x.act('cr3.load', [mfn]);
  }
  dropLdtPages(x, v);
  x.frames.flushTlbs();
  return 0;
}
/** Lets go of a vCPU's tables: it must not run any more. */
export function dropBasePtr(x: Xen, v: number): void {
  const { m } = x;
  if (m.r32(v + VCPU.cr3) === 0) return;
  dropLdtPages(x, v);
  putPageAndType(x, m.r32(xv(v) + XVCPU.guestCr3Mfn));
  m.w32(v + VCPU.cr3, 0);
  m.w32(xv(v) + XVCPU.guestCr3Mfn, 0);
  x.frames.flushTlbs();
}

/** Pins a table of domain d at level 1, 2 or 3. 0 or -ERRNO. */
export function pinTable(x: Xen, d: number, mfn: number, level: 1 | 2 | 3): number {
  if (!x.check('pin.owner', getPage(x, mfn, d), mfn, level)) return -ERRNO.EINVAL;
  const rc = takeType(x, mfn, LEVELS[level], d);
  if (rc !== 0) {
    x.check('pin.type', false, mfn, level, x.m.r32(pageAt(mfn) + PAGE.type));
    putPage(x, mfn);
    return rc;
  }
  const at = pageAt(mfn) + PAGE.type;
  if (!x.check('pin.once', (x.m.r32(at) & PGT_pinned) === 0, mfn)) {
    putPageAndType(x, mfn);
    return -ERRNO.EINVAL;
  }
  x.m.w32(at, (x.m.r32(at) | PGT_pinned) >>> 0);
  x.act('page.pin', [mfn, level]);
  return 0;
}
/** Takes the pin away with its references. 0 or -EINVAL. */
export function unpinTable(x: Xen, d: number, mfn: number): number {
  const { m } = x;
  if (!x.check('pin.owner', getPage(x, mfn, d), mfn, 0)) return -ERRNO.EINVAL;
  const at = pageAt(mfn) + PAGE.type;
  const pinned = x.check('unpin.pinned', (m.r32(at) & PGT_pinned) !== 0, mfn);
  if (pinned) {
    m.w32(at, (m.r32(at) & ~PGT_pinned) >>> 0);
    putPageAndType(x, mfn);
    x.act('page.unpin', [mfn]);
    x.frames.flushTlbs();
  }
  putPage(x, mfn);
  return pinned ? 0 : -ERRNO.EINVAL;
}
/** The end of a domain: every pin of it goes. */
export function unpinAll(x: Xen, domid: number): void {
  const { m } = x;
  for (let mfn = 1; mfn < m.nrFrames; mfn++) {
    const at = pageAt(mfn) + PAGE.type;
    if (m.r16(pageAt(mfn) + PAGE.owner) !== domid || (m.r32(at) & PGT_pinned) === 0) continue;
    m.w32(at, (m.r32(at) & ~PGT_pinned) >>> 0);
    putPageAndType(x, mfn);
  }
}
