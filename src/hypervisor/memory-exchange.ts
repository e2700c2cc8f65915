// XENMEM_exchange (§4.8): frames nobody refers to, given for new ones; one chunk at a time, never half. A 32-bit caller's structure passes the
// translation of a 64-bit Xen first, so its shape and its lists are judged before the order, the domain and the privilege.

import { INVALID_MFN } from '../memory/addresses.ts';
import { ERRNO } from './abi/errno.ts';
import { continueHypercall, exhausted, spend, startWork } from './continuation.ts';
import {
  copyFromGuest,
  copyToGuest,
  fields,
  getGuest32,
  nestedHandleOk,
  putGuest32,
} from './guest-access.ts';
import { setM2p } from './m2p.ts';
import {
  anyDomain,
  frameLimit,
  FRAME_WORK,
  maxOrder,
  mayManage,
  MEMORY_OP,
  release,
  RUN_WORK,
} from './memory-common.ts';
import { allocDomainRun } from './page-alloc.ts';
import { ok } from './page-info.ts';
import { refuse } from './refuse.ts';
import { DOMAIN, PAGE, pageAt, PGC_allocated, PGC_count_mask, PGT_pinned } from './state.ts';
import type { Xen } from './xen.ts';

const SIZE = 44,
  NR_EXCHANGED = 40;
/** Orders that differ by more do not fit the area in which the lists are translated, nor do more entries at a time. */
const MAX_DELTA = 9,
  TRANSLATED = 500;

/** struct xen_memory_reservation, as half of an exchange. */
interface Side {
  readonly list: number;
  readonly count: number;
  readonly order: number;
  readonly flags: number;
  readonly domid: number;
}
const side = (f: DataView, at: number): Side => ({
  list: f.getUint32(at, true),
  count: f.getUint32(at + 4, true),
  order: f.getUint32(at + 8, true),
  flags: f.getUint32(at + 12, true),
  domid: f.getUint16(at + 16, true),
});

/** Is the list whole from entry `from` on, as far as it is translated at a time? */
function listReadable(x: Xen, v: number, s: Side, from: number): boolean {
  const n = Math.min(s.count - from, TRANSLATED);
  return nestedHandleOk(s.list, 4 * s.count) && copyFromGuest(x, v, s.list + 4 * from, 4 * n) !== null;
}

/** What the translation finds wrong: 0 or -ERRNO. The shifts wrap as those of a processor do. */
function translate(x: Xen, v: number, from: Side, to: Side, done: number): number {
  const delta = to.order - from.order;
  const whole = delta <= 0 || (done & ((1 << delta) - 1)) === 0;
  const sizes =
    from.count <= 0xffffffff >>> from.order &&
    to.count <= 0xffffffff >>> to.order &&
    (from.count << from.order) >>> 0 === (to.count << to.order) >>> 0;
  if (!ok(x, 'memory.exchange-shape', done <= from.count && whole && sizes, from.count, to.count))
    return -ERRNO.EINVAL;
  if (!ok(x, 'memory.exchange-orders', Math.abs(delta) <= MAX_DELTA, from.order, to.order))
    return -ERRNO.E2BIG;
  const outDone = delta > 0 ? done >>> delta : done << -delta;
  const lists = listReadable(x, v, from, done) && listReadable(x, v, to, outDone);
  return ok(x, 'memory.list', lists, from.list) ? 0 : -ERRNO.EFAULT;
}

/** memory_op(exchange): 0, or the error of the first chunk that could not be exchanged; nr_exchanged says what was done. */
export function exchange(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, SIZE);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
  const f = fields(bytes);
  const from = side(f, 0),
    to = side(f, 20),
    done = f.getUint32(NR_EXCHANGED, true);
  const rc = translate(x, v, from, to, done);
  if (rc !== 0) return rc;
  const order = Math.max(from.order, to.order);
  if (!ok(x, 'memory.order', order <= maxOrder(x, v), order, maxOrder(x, v))) return -ERRNO.EPERM;
  if (!ok(x, 'memory.exchange-shape', from.domid === to.domid, from.count, to.count)) return -ERRNO.EINVAL;
  if (done === from.count) return 0;
  const below = frameLimit(x, v, to.flags);
  if (below === undefined) return -ERRNO.EINVAL;
  const d = anyDomain(x, v, from.domid);
  if (!ok(x, 'memory.domain', d !== 0, from.domid)) return -ERRNO.ESRCH;
  if (!x.check('memory.domain', mayManage(x, v, d), from.domid)) return -ERRNO.EPERM;
  return exchangeChunks(x, v, arg, d, from, to, done, below);
}

function exchangeChunks(
  x: Xen,
  v: number,
  arg: number,
  d: number,
  from: Side,
  to: Side,
  done: number,
  below: number,
): number {
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
      below,
    );
  }
  // What is done already is told before anything else can be decided by it.
  if (!putGuest32(x, v, arg + NR_EXCHANGED, c * inPerChunk))
    return refuse(x, ERRNO.EFAULT, 'memory.argument', arg + NR_EXCHANGED);
  return rc === 0 && c < chunks ? continueHypercall(x, v, MEMORY_OP) : rc;
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
  below: number,
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
  for (let i = 0; i < outCount; i++) got.push(allocDomainRun(x, d, 1 << outOrder, below));
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
