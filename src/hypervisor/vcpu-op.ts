// vcpu_op (public/vcpu.h). Guests of this machine have one vCPU, so bringing up others ends at -ENOENT; everything a guest may ask of the
// vCPU it has is here: run state, timers, where its vcpu_info, run-state and time areas lie.

import { INVALID_MFN } from '../memory/addresses.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { SWITCH } from '../trace/records.ts';
import { ERRNO } from './abi/errno.ts';
import { domainVcpu } from './event-channels.ts';
import { VCPU_INFO, vcpuInfo } from './evtchn-ports.ts';
import { copyFromGuest, copyToGuest, fields, nestedHandleOk } from './guest-access.ts';
import type { HypercallArgs } from './hypercall-types.ts';
import { SHUTDOWN, shutdownDomain } from './lifecycle.ts';
import { getPageAndType, putPageAndType } from './page-info.ts';
import { refuse } from './refuse.ts';
import { RUNSTATE_INFO_SIZE, runstateInfo } from './runstate.ts';
import { takeOffline, wake } from './run-queue.ts';
import { DOMAIN, PGT_writable_page, XVCPU, xv } from './state.ts';
import { systemTime, tickOf, updateTimeInfo } from './time.ts';
import { setPeriodic, setSingleshot, stopSingleshot } from './timers.ts';
import type { Xen } from './xen.ts';

export const VCPUOPS = [
  'initialise',
  'up',
  'down',
  'is_up',
  'get_runstate_info',
  'register_runstate_memory_area',
  'set_periodic_timer',
  'stop_periodic_timer',
  'set_singleshot_timer',
  'stop_singleshot_timer',
  'register_vcpu_info',
  'send_nmi',
  'get_physid',
  'register_vcpu_time_memory_area',
] as const;

const CONTEXT_SIZE = 2800;
const MIN_PERIOD_NS = 1_000_000,
  PERIOD_LIMIT_NS = 2 ** 62;
const SSHOTTMR_future = 1;
const TIME_AREA_SIZE = 32;
const TWO_32 = 4294967296;

/** `v` is the vCPU that is spoken of, `caller` the one that speaks. */
type Operation = (x: Xen, v: number, arg: number, caller: number) => number;
const OPERATIONS: readonly Operation[] = [
  initialise,
  up,
  down,
  isUp,
  getRunstateInfo,
  registerRunstateArea,
  setPeriodicTimer,
  stopPeriodicTimer,
  setSingleshotTimer,
  stopSingleshotTimer,
  registerVcpuInfo,
  sendNmi,
  getPhysid,
  registerTimeArea,
];

/** vcpu_op (24): (cmd, vcpuid, arg*). A vCPU that does not exist is -ENOENT before the command is looked at. */
export function doVcpuOp(x: Xen, caller: number, args: HypercallArgs): number {
  const [cmd, vcpuid, arg] = args;
  const v = domainVcpu(x, x.domainOf(caller), vcpuid);
  if (!x.check('event.vcpu-exists', v !== 0, vcpuid)) return -ERRNO.ENOENT;
  const operation = OPERATIONS[cmd];
  if (!operation) return refuse(x, ERRNO.ENOSYS, 'vcpu.operation-known', cmd);
  return operation(x, v, arg, caller);
}

const unreadable = (x: Xen, at: number, size: number): number =>
  refuse(x, ERRNO.EFAULT, 'vcpu.argument-readable', at, size);
const unwritable = (x: Xen, at: number, size: number): number =>
  refuse(x, ERRNO.EFAULT, 'vcpu.argument-writable', at, size);
const u64 = (a: DataView, at: number): number => a.getUint32(at + 4, true) * TWO_32 + a.getUint32(at, true);

/** Every vCPU that exists was initialised when its domain was built. */
function initialise(x: Xen, v: number, arg: number): number {
  if (!copyFromGuest(x, v, arg, CONTEXT_SIZE)) return unreadable(x, arg, CONTEXT_SIZE);
  return refuse(x, ERRNO.EEXIST, 'vcpu.not-initialised-yet', 0);
}

function up(x: Xen, v: number): number {
  if (x.m.r32(xv(v) + XVCPU.initialised) === 0) return refuse(x, ERRNO.EINVAL, 'vcpu.initialised');
  x.m.w32(xv(v) + XVCPU.up, 1);
  wake(x, v);
  return 0;
}

/** The last vCPU that goes down takes its domain with it: power-off. */
function down(x: Xen, v: number): number {
  const d = x.domainOf(v);
  const others = [0, 1, 2, 3].some((id) => {
    const o = domainVcpu(x, d, id);
    return o !== 0 && o !== v && x.m.r32(xv(o) + XVCPU.up) !== 0;
  });
  if (!others) shutdownDomain(x, d, SHUTDOWN.poweroff);
  else {
    x.m.w32(xv(v) + XVCPU.up, 0);
    takeOffline(x, v, SWITCH.block);
  }
  return 0;
}

function isUp(x: Xen, v: number): number {
  return x.m.r32(xv(v) + XVCPU.up) !== 0 ? 1 : 0;
}

function getRunstateInfo(x: Xen, v: number, arg: number, caller: number): number {
  return copyToGuest(x, caller, arg, runstateInfo(x, v)) ? 0 : unwritable(x, arg, RUNSTATE_INFO_SIZE);
}

/** Reads {VA u64}; the area itself only has to lie below the hypervisor's hole. */
function areaAddress(x: Xen, caller: number, arg: number, size: number): number | undefined {
  const bytes = copyFromGuest(x, caller, arg, 8);
  if (!bytes) {
    unreadable(x, arg, 8);
    return undefined;
  }
  const va = fields(bytes).getUint32(0, true);
  return x.check('vcpu.area-in-guest', nestedHandleOk(va, size), va, size) ? va : undefined;
}

function registerRunstateArea(x: Xen, v: number, arg: number, caller: number): number {
  const va = areaAddress(x, caller, arg, RUNSTATE_INFO_SIZE);
  if (va === undefined) return -ERRNO.EFAULT;
  x.m.w32(xv(v) + XVCPU.runstateArea, va);
  x.act('vcpu.runstate-area', [va]);
  if (va !== 0) copyToGuest(x, caller, va, runstateInfo(x, v));
  return 0;
}

function registerTimeArea(x: Xen, v: number, arg: number, caller: number): number {
  const va = areaAddress(x, caller, arg, TIME_AREA_SIZE);
  if (va === undefined) return -ERRNO.EFAULT;
  x.m.w32(xv(v) + XVCPU.timeArea, va);
  x.act('vcpu.time-area', [va]);
  updateTimeInfo(x, v);
  return 0;
}

function setPeriodicTimer(x: Xen, v: number, arg: number, caller: number): number {
  const bytes = copyFromGuest(x, caller, arg, 8);
  if (!bytes) return unreadable(x, arg, 8);
  const ns = u64(fields(bytes), 0);
  if (
    !x.check(
      'timer.period-range',
      ns >= MIN_PERIOD_NS && ns < PERIOD_LIMIT_NS,
      ns >>> 0,
      Math.floor(ns / TWO_32),
    )
  )
    return -ERRNO.EINVAL;
  setPeriodic(x, v, Math.min(2 ** 52, tickOf(ns)));
  x.act('timer.periodic', [ns >>> 0, Math.floor(ns / TWO_32)]);
  return 0;
}

function stopPeriodicTimer(x: Xen, v: number): number {
  setPeriodic(x, v, 0);
  x.act('timer.periodic', [0, 0]);
  return 0;
}

/** Xen 4.17 still honours the flag "future": a moment that has passed is -ETIME and the timer stays as it was. */
function setSingleshotTimer(x: Xen, v: number, arg: number, caller: number): number {
  if (!x.check('timer.own-singleshot', v === caller, x.m.r32(xv(v) + XVCPU.run))) return -ERRNO.EINVAL;
  const bytes = copyFromGuest(x, v, arg, 12);
  if (!bytes) return unreadable(x, arg, 12);
  const a = fields(bytes);
  const ns = u64(a, 0);
  const future = (a.getUint32(8, true) & SSHOTTMR_future) !== 0;
  if (future && ns < systemTime(x.T))
    return refuse(x, ERRNO.ETIME, 'timer.in-future', ns >>> 0, Math.floor(ns / TWO_32));
  setSingleshot(x, v, ns >= 2 ** 63 ? 1 : ns); // a negative time has passed
  return 0;
}

function stopSingleshotTimer(x: Xen, v: number, _arg: number, caller: number): number {
  if (!x.check('timer.own-singleshot', v === caller, x.m.r32(xv(v) + XVCPU.run))) return -ERRNO.EINVAL;
  stopSingleshot(x, v);
  return 0;
}

/**
 * Moves vcpu_info to a frame of the guest, once. The frame keeps a general and a writable reference until the vCPU is destroyed
 * (releaseVcpuInfo). Everything is then marked pending, so that no event is lost in the move. 4.17 answers -EINVAL to every mistake.
 */
function registerVcpuInfo(x: Xen, v: number, arg: number, caller: number): number {
  const { m, frames } = x,
    p = xv(v),
    d = x.domainOf(v);
  const bytes = copyFromGuest(x, caller, arg, 16);
  if (!bytes) return unreadable(x, arg, 16);
  const a = fields(bytes);
  const mfn = a.getUint32(4, true) !== 0 ? INVALID_MFN : a.getUint32(0, true),
    offset = a.getUint32(8, true);
  const fits = offset <= PAGE_SIZE - VCPU_INFO.$size && offset % 4 === 0;
  if (!x.check('vcpu.info-fits', fits, offset, VCPU_INFO.$size)) return -ERRNO.EINVAL;
  if (!x.check('vcpu.info-once', m.r32(p + XVCPU.vcpuInfoMfn) === INVALID_MFN, m.r32(p + XVCPU.vcpuInfoMfn)))
    return -ERRNO.EINVAL;
  if (!frames.exists(mfn) || !getPageAndType(x, mfn, d, PGT_writable_page))
    return refuse(x, ERRNO.EINVAL, 'vcpu.info-frame', mfn);
  const to = mfn * PAGE_SIZE + offset;
  frames.copyIn(to, frames.copyOut(vcpuInfo(x, v), VCPU_INFO.$size));
  m.w32(p + XVCPU.vcpuInfoMaddr, to);
  m.w32(p + XVCPU.vcpuInfoMfn, mfn);
  frames.write8(to + VCPU_INFO.upcallPending, 1);
  frames.write32(to + VCPU_INFO.pendingSel, 0xffffffff);
  x.act('vcpu.info-moved', [mfn, offset, m.r32(d + DOMAIN.domid)]);
  updateTimeInfo(x, v);
  return 0;
}

/** Drops what a registered vcpu_info holds: the vCPU is about to be destroyed. */
export function releaseVcpuInfo(x: Xen, v: number): void {
  const at = xv(v) + XVCPU.vcpuInfoMfn;
  const mfn = x.m.r32(at);
  if (mfn === INVALID_MFN) return;
  x.m.w32(at, INVALID_MFN);
  putPageAndType(x, mfn);
}

function sendNmi(x: Xen, v: number, arg: number): number {
  if (!x.check('vcpu.no-argument', arg === 0, arg)) return -ERRNO.EINVAL;
  x.m.w32(xv(v) + XVCPU.nmiPending, 1);
  wake(x, v);
  return 0;
}

function getPhysid(x: Xen): number {
  return refuse(x, ERRNO.EINVAL, 'vcpu.pinned');
}
