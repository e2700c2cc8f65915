// mmuext_op: pins, CR3, LDT, page clearing and copying, and the flushes. Translations are always coherent here, so flushes check their
// arguments and have nothing left to do.

import { ERRNO } from './abi/errno.ts';
import { spend } from './continuation.ts';
import { setLdt } from './descriptors.ts';
import { copyFromGuest } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { type Batch, batchCount, foreignDomain, privileged, runBatch } from './mmu-ops.ts';
import { getPage, getPageAndType, IO_OWNER, ok, putPage, putPageAndType } from './page-info.ts';
import { installBasePtr, pinTable, unpinTable } from './pagetables.ts';
import { refuse } from './refuse.ts';
import { DOMAIN, DOMAIN_KIND, PGT_writable_page } from './state.ts';
import type { Xen } from './xen.ts';

export const MMUEXT = {
  PIN_L1_TABLE: 0,
  PIN_L2_TABLE: 1,
  PIN_L3_TABLE: 2,
  PIN_L4_TABLE: 3,
  UNPIN_TABLE: 4,
  NEW_BASEPTR: 5,
  TLB_FLUSH_LOCAL: 6,
  INVLPG_LOCAL: 7,
  TLB_FLUSH_MULTI: 8,
  INVLPG_MULTI: 9,
  TLB_FLUSH_ALL: 10,
  INVLPG_ALL: 11,
  FLUSH_CACHE: 12,
  SET_LDT: 13,
  NEW_USER_BASEPTR: 15,
  CLEAR_PAGE: 16,
  COPY_PAGE: 17,
  FLUSH_CACHE_GLOBAL: 18,
  MARK_SUPER: 19,
  UNMARK_SUPER: 20,
} as const;

interface Operation {
  readonly cmd: number;
  readonly arg1: number;
  readonly arg2: number;
  /** Owner of the frames named. */
  readonly fd: number;
}
type Handler = (x: Xen, v: number, o: Operation) => number;

/** Units of work to clear or copy a page. */
const PAGE_WORK = 32;

const nothing: Handler = () => 0;
const pin =
  (level: 1 | 2 | 3): Handler =>
  (x, _v, o) =>
    pinTable(x, o.fd, o.arg1, level);
const needsMask =
  (of: (o: Operation) => number): Handler =>
  (x, v, o) =>
    ok(x, 'mmuext.vcpumask', copyFromGuest(x, v, of(o), 4) !== null, of(o)) ? 0 : -ERRNO.EINVAL;

function clearPage(x: Xen, o: Operation): number {
  if (!x.check('mmuext.page-writable', getPageAndType(x, o.arg1, o.fd, PGT_writable_page), o.arg1))
    return -ERRNO.EINVAL;
  spend(x, PAGE_WORK);
  x.frames.zeroFrame(o.arg1);
  putPageAndType(x, o.arg1);
  return 0;
}
function copyPage(x: Xen, o: Operation): number {
  if (!x.check('mmuext.source', getPage(x, o.arg2, o.fd), o.arg2)) return -ERRNO.EINVAL;
  const ok = x.check('mmuext.page-writable', getPageAndType(x, o.arg1, o.fd, PGT_writable_page), o.arg1);
  if (ok) {
    spend(x, PAGE_WORK);
    x.frames.copyFrame(o.arg1, o.arg2);
    putPageAndType(x, o.arg1);
  }
  putPage(x, o.arg2);
  return ok ? 0 : -ERRNO.EINVAL;
}

/** [handler, may concern another domain]. */
const OPERATIONS: Readonly<Record<number, readonly [Handler, boolean]>> = {
  [MMUEXT.PIN_L1_TABLE]: [pin(1), true],
  [MMUEXT.PIN_L2_TABLE]: [pin(2), true],
  [MMUEXT.PIN_L3_TABLE]: [pin(3), true],
  [MMUEXT.PIN_L4_TABLE]: [nothing, true],
  [MMUEXT.UNPIN_TABLE]: [(x, _v, o) => unpinTable(x, o.fd, o.arg1), true],
  [MMUEXT.NEW_BASEPTR]: [(x, v, o) => installBasePtr(x, v, o.arg1), false],
  [MMUEXT.TLB_FLUSH_LOCAL]: [nothing, false],
  [MMUEXT.INVLPG_LOCAL]: [nothing, false],
  [MMUEXT.TLB_FLUSH_MULTI]: [needsMask((o) => o.arg2), false],
  [MMUEXT.INVLPG_MULTI]: [needsMask((o) => o.arg2), false],
  [MMUEXT.TLB_FLUSH_ALL]: [nothing, false],
  [MMUEXT.INVLPG_ALL]: [nothing, false],
  [MMUEXT.FLUSH_CACHE]: [(x, _v, o) => refuse(x, ERRNO.EACCES, 'mmuext.cache', o.cmd), false],
  [MMUEXT.SET_LDT]: [(x, v, o) => setLdt(x, v, o.arg1, o.arg2), false],
  [MMUEXT.NEW_USER_BASEPTR]: [(x, _v, o) => refuse(x, ERRNO.EINVAL, 'mmuext.64bit', o.cmd), false],
  [MMUEXT.CLEAR_PAGE]: [(x, _v, o) => clearPage(x, o), true],
  [MMUEXT.COPY_PAGE]: [(x, _v, o) => copyPage(x, o), true],
  [MMUEXT.FLUSH_CACHE_GLOBAL]: [(x, _v, o) => refuse(x, ERRNO.EINVAL, 'mmuext.cache', o.cmd), false],
  [MMUEXT.MARK_SUPER]: [(x, _v, o) => refuse(x, ERRNO.EOPNOTSUPP, 'mmuext.superpage', o.cmd), true],
  [MMUEXT.UNMARK_SUPER]: [(x, _v, o) => refuse(x, ERRNO.EOPNOTSUPP, 'mmuext.superpage', o.cmd), true],
};

export const doMmuextOp: HypercallHandler = (x, v, [list, rawCount, done, foreign]) => {
  if (rawCount === 0x80000000 && list === 0) return foreign | 0;
  const batch: Batch = { number: 26, size: 12, list, rawCount, done };
  const count = batchCount(x, batch);
  if (count < 0) return count;
  const fd = foreignDomain(x, v, foreign & 0xffff);
  if (!x.check('mmu.foreign-domain', fd >= 0, foreign & 0xffff)) return -ERRNO.ESRCH;
  const pv = fd === IO_OWNER || x.m.r32(fd + DOMAIN.kind) === DOMAIN_KIND.pv;
  if (!ok(x, 'mmuext.pv-domain', pv, foreign & 0xffff)) return -ERRNO.EINVAL;
  const self = x.domainOf(v);
  if (!ok(x, 'mmu.privilege', fd === self || privileged(x, v), foreign & 0xffff)) return -ERRNO.EPERM;
  return runBatch(x, v, batch, count, (f) => {
    const o: Operation = {
      cmd: f.getUint32(0, true),
      arg1: f.getUint32(4, true),
      arg2: f.getUint32(8, true),
      fd,
    };
    const entry = OPERATIONS[o.cmd];
    if (!entry) return refuse(x, ERRNO.ENOSYS, 'mmuext.command', o.cmd);
    if (!ok(x, 'mmuext.own-only', entry[1] || fd === self, o.cmd)) return -ERRNO.EPERM;
    return entry[0](x, v, o);
  });
};
