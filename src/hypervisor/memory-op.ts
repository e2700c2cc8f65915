// memory_op: what a domain may do with its own reservation (§4.8). Commands 0, 1, 6 answer with the number of extents done, never with an
// error; the start extent that a continuation would carry in the upper bits of the command is honoured and bounded, never trusted.

import { VCPU } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { ERRNO } from './abi/errno.ts';
import { continueHypercall, exhausted, spend, startWork } from './continuation.ts';
import { copyFromGuest, fields, getGuest32, nestedHandleOk, putGuest32 } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { setM2p } from './m2p.ts';
import {
  anyDomain,
  frameLimit,
  FRAME_WORK,
  MAX_EXTENTS,
  maxOrder,
  mayManage,
  MEMORY_OP,
  POPULATE_ON_DEMAND,
  release,
  RUN_WORK,
  XENMEM,
} from './memory-common.ts';
import { exchange } from './memory-exchange.ts';
import { getMachineMemoryMap, getMemoryMap, setMemoryMap } from './memory-map.ts';
import {
  accessOp,
  acquireResource,
  claimPages,
  domainNumber,
  machphysList,
  machphysMapping,
  physmap,
  podTarget,
  reservedDeviceMemory,
  vnumaInfo,
} from './memory-queries.ts';
import { allocDomainRun } from './page-alloc.ts';
import { getPage, ok, putPage } from './page-info.ts';
import { refuse } from './refuse.ts';
import { DOMAIN, PAGE, pageAt } from './state.ts';
import type { Xen } from './xen.ts';

export { XENMEM };

/** Where the start extent lies in the command. */
const EXTENT_SHIFT = 6;
const RESERVATION = 20;
/** Extents handled before events get their turn, however little work they are: the list may alias one page. */
const BATCH = 16384;

interface Reservation {
  readonly list: number;
  readonly count: number;
  readonly order: number;
  readonly start: number;
  readonly d: number;
  /** The frame below which new ones are to lie. */
  readonly below: number;
  readonly populateOnDemand: boolean;
}

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
  if (!x.check('memory.domain', d !== 0 && mayManage(x, v, d), domid)) return undefined;
  if (!x.check('memory.extents', r.count <= MAX_EXTENTS && start <= r.count, r.count, start))
    return undefined;
  if (!x.check('memory.order', r.order <= maxOrder(x, v), r.order, maxOrder(x, v))) return undefined;
  if (
    r.list !== 0 &&
    !x.check('memory.list', nestedHandleOk(r.list, Math.min(r.count, 0x10000000) * 4), r.list)
  )
    return undefined;
  const flags = f.getUint32(12, true);
  const below = frameLimit(x, v, flags);
  if (below === undefined) return undefined;
  return { ...r, d, below, populateOnDemand: (flags & POPULATE_ON_DEMAND) !== 0 };
}

/** increase_reservation and populate_physmap: new frames, their numbers written back. */
function populate(x: Xen, v: number, r: Reservation, byPfn: boolean): number {
  let i = r.start;
  if (!ok(x, 'memory.on-demand', !byPfn || !r.populateOnDemand, r.start)) return i;
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
    const mfn = allocDomainRun(x, r.d, 1 << r.order, r.below);
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
  return continueHypercall(x, v, MEMORY_OP);
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

type Command = (x: Xen, v: number, arg: number, cmd: number, start: number) => number;

function changeReservation(x: Xen, v: number, arg: number, cmd: number, start: number): number {
  const r = reservation(x, v, arg, start);
  if (!r) return start;
  return cmd === XENMEM.decrease_reservation
    ? decrease(x, v, r)
    : populate(x, v, r, cmd === XENMEM.populate_physmap);
}

/** Every command, and what the bits of a start extent mean to it: 'count', nothing it may have (-EINVAL), or no command at all (-ENOSYS). */
const COMMANDS: Readonly<Record<number, readonly [Command, 'count' | 'EINVAL' | 'ENOSYS']>> = {
  [XENMEM.increase_reservation]: [changeReservation, 'count'],
  [XENMEM.decrease_reservation]: [changeReservation, 'count'],
  [XENMEM.populate_physmap]: [changeReservation, 'count'],
  [XENMEM.maximum_ram_page]: [(x) => x.m.nrFrames, 'EINVAL'],
  [XENMEM.current_reservation]: [domainNumber, 'EINVAL'],
  [XENMEM.maximum_reservation]: [domainNumber, 'EINVAL'],
  [XENMEM.maximum_gpfn]: [domainNumber, 'EINVAL'],
  [XENMEM.exchange]: [exchange, 'EINVAL'],
  [XENMEM.add_to_physmap]: [physmap, 'count'],
  [XENMEM.add_to_physmap_batch]: [physmap, 'count'],
  [XENMEM.remove_from_physmap]: [physmap, 'count'],
  [XENMEM.machphys_mfn_list]: [machphysList, 'ENOSYS'],
  [XENMEM.machphys_compat_mfn_list]: [machphysList, 'ENOSYS'],
  [XENMEM.machphys_mapping]: [machphysMapping, 'ENOSYS'],
  [XENMEM.memory_map]: [getMemoryMap, 'ENOSYS'],
  [XENMEM.machine_memory_map]: [getMachineMemoryMap, 'ENOSYS'],
  [XENMEM.set_memory_map]: [setMemoryMap, 'ENOSYS'],
  [XENMEM.set_pod_target]: [podTarget, 'ENOSYS'],
  [XENMEM.get_pod_target]: [podTarget, 'ENOSYS'],
  [XENMEM.access_op]: [accessOp, 'count'],
  [XENMEM.claim_pages]: [claimPages, 'EINVAL'],
  [XENMEM.get_vnumainfo]: [vnumaInfo, 'EINVAL'],
  [XENMEM.reserved_device_memory_map]: [reservedDeviceMemory, 'EINVAL'],
  [XENMEM.acquire_resource]: [acquireResource, 'count'],
};

/** memory_op (12): (cmd | start extent << 6, arg*). */
export const doMemoryOp: HypercallHandler = (x, v, [rawCmd, arg]) => {
  const cmd = rawCmd & 63,
    start = rawCmd >>> EXTENT_SHIFT;
  const entry = COMMANDS[cmd];
  if (!entry) return refuse(x, ERRNO.ENOSYS, 'memory.command', cmd);
  const [command, starts] = entry;
  if (!ok(x, 'memory.no-start', start === 0 || starts === 'count', cmd, start))
    return starts === 'ENOSYS' ? -ERRNO.ENOSYS : -ERRNO.EINVAL;
  return command(x, v, arg, cmd, start);
};
