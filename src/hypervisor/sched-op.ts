// sched_op and its compat form (public/sched.h): giving the pCPU up, sleeping, stopping. The result is in EAX before the vCPU stops
// running, so a sleeper finds 0 when it wakes.

import { SWITCH } from '../trace/records.ts';
import { ERRNO } from './abi/errno.ts';
import { resolveDomid } from './domain.ts';
import { eventDeliverable } from './event-channels.ts';
import { isPending, portExists, VCPU_INFO, vcpuInfo } from './evtchn-ports.ts';
import { copyFromGuest, fields, getGuest32, nestedHandleOk } from './guest-access.ts';
import type { HypercallArgs } from './hypercall-types.ts';
import { recordShutdownCode, shutdownDomain } from './lifecycle.ts';
import { refuse } from './refuse.ts';
import { releaseInput } from './console-input.ts';
import { block, giveUp } from './run-queue.ts';
import { DOMAIN, findDomain, XVCPU, xv } from './state.ts';
import { NR_WATCHDOGS, refreshDeadline } from './timer-deadline.ts';
import { deadlineOf } from './timers.ts';
import type { Xen } from './xen.ts';

export const SCHEDOP = {
  yield: 0,
  block: 1,
  shutdown: 2,
  poll: 3,
  remote_shutdown: 4,
  shutdown_code: 5,
  watchdog: 6,
  pin_override: 7,
} as const;
export const SCHEDOPS = [
  'yield',
  'block',
  'shutdown',
  'poll',
  'remote_shutdown',
  'shutdown_code',
  'watchdog',
  'pin_override',
] as const;

const MAX_POLL_PORTS = 128;
const NS_PER_SECOND = 1e9;

/** sched_op (29): (cmd, arg*). */
export function doSchedOp(x: Xen, v: number, args: HypercallArgs): number {
  const [cmd, arg] = args;
  switch (cmd) {
    case SCHEDOP.yield:
      return doYield(x, v);
    case SCHEDOP.block:
      return doBlock(x, v);
    case SCHEDOP.shutdown:
      return withReason(x, v, arg, (d, code) => shutdownDomain(x, d, code));
    case SCHEDOP.poll:
      return poll(x, v, arg);
    case SCHEDOP.remote_shutdown:
      return remoteShutdown(x, v, arg);
    case SCHEDOP.shutdown_code:
      return withReason(x, v, arg, (d, code) => recordShutdownCode(x, d, code));
    case SCHEDOP.watchdog:
      return watchdog(x, v, arg);
    case SCHEDOP.pin_override:
      return pinOverride(x, v, arg);
    default:
      return refuse(x, ERRNO.ENOSYS, 'sched.operation-known', cmd);
  }
}

/** sched_op_compat (6): yield, block, and shutdown with the reason in the argument register. */
export function doSchedOpCompat(x: Xen, v: number, args: HypercallArgs): number {
  const [cmd, arg] = args;
  switch (cmd) {
    case SCHEDOP.yield:
      return doYield(x, v);
    case SCHEDOP.block:
      return doBlock(x, v);
    case SCHEDOP.shutdown:
      shutdownDomain(x, x.domainOf(v), arg & 0xff);
      return 0;
    default:
      return refuse(x, ERRNO.ENOSYS, 'sched.operation-known', cmd);
  }
}

function doYield(x: Xen, v: number): number {
  x.act('sched.yield');
  releaseInput(x, x.domainOf(v));
  giveUp(x, v, SWITCH.yield);
  return 0;
}

/** Opens the event mask and sleeps, unless an event is waiting: the check and the sleep are one, so no wake-up is lost. */
function doBlock(x: Xen, v: number): number {
  x.frames.write8(vcpuInfo(x, v) + VCPU_INFO.upcallMask, 0);
  releaseInput(x, x.domainOf(v));
  const pending = eventDeliverable(x, v);
  x.act('sched.block', [pending ? 1 : 0]);
  if (!pending) block(x, v, SWITCH.block);
  return 0;
}

function withReason(x: Xen, v: number, arg: number, act: (d: number, code: number) => void): number {
  const reason = getGuest32(x, v, arg);
  if (reason === undefined) return refuse(x, ERRNO.EFAULT, 'sched.argument-readable', arg, 4);
  act(x.domainOf(v), reason & 0xff);
  return 0;
}

/** Sleeps until one of the ports is pending, masked or not, or the timeout (absolute ns, 0 = none) has passed. */
function poll(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 16);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'sched.argument-readable', arg, 16);
  const a = fields(bytes);
  releaseInput(x, x.domainOf(v));
  const list = a.getUint32(0, true),
    nr = a.getUint32(4, true);
  if (!x.check('sched.poll-count', nr <= MAX_POLL_PORTS, nr, MAX_POLL_PORTS)) return -ERRNO.EINVAL;
  if (!nestedHandleOk(list, nr * 4)) return refuse(x, ERRNO.EFAULT, 'sched.poll-list-readable', list, nr);
  if (eventDeliverable(x, v)) {
    x.act('sched.poll', [nr, 1]);
    return 0;
  }
  const ports: number[] = [];
  for (let i = 0; i < nr; i++) {
    const port = getGuest32(x, v, list + 4 * i);
    if (port === undefined) return refuse(x, ERRNO.EFAULT, 'sched.poll-list-readable', list, nr);
    const d = x.domainOf(v);
    if (!portExists(x, d, port))
      return refuse(x, ERRNO.EINVAL, 'event.port-exists', port, x.m.r32(d + DOMAIN.nrPorts));
    if (isPending(x, d, port)) {
      x.act('sched.poll', [nr, 1]);
      return 0;
    }
    ports.push(port);
  }
  x.act('sched.poll', [nr, 0]);
  sleepPolling(x, v, ports, a.getUint32(8, true), a.getUint32(12, true));
  return 0;
}

function sleepPolling(x: Xen, v: number, ports: readonly number[], lo: number, hi: number): void {
  const { m } = x,
    p = xv(v);
  // A list without ports waits for any event at all, as in Xen.
  const all = ports.length === 0 ? 0xffffffff : 0;
  for (let i = 0; i < 32; i++) m.w32(p + XVCPU.pollPorts + 4 * i, all);
  for (const port of ports) {
    const at = p + XVCPU.pollPorts + 4 * (port >>> 5);
    m.w32(at, m.r32(at) | (1 << (port & 31)));
  }
  m.w32(p + XVCPU.polling, 1);
  const ns = hi >= 0x80000000 ? 1 : hi * 4294967296 + lo; // a negative time has passed
  m.w64(p + XVCPU.pollDeadline, ns === 0 ? 0 : deadlineOf(x, ns));
  block(x, v, SWITCH.poll);
  refreshDeadline(x);
}

function remoteShutdown(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 8);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'sched.argument-readable', arg, 8);
  const a = fields(bytes);
  const domid = a.getUint16(0, true);
  const d = findDomain(x.m, resolveDomid(x, domid));
  if (d === 0) return refuse(x, ERRNO.ESRCH, 'event.domain-exists', domid);
  const privileged = x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;
  if (!x.check('sched.remote-shutdown-privilege', privileged, x.domidOf(v), domid)) return -ERRNO.EPERM;
  shutdownDomain(x, d, a.getUint32(4, true) & 0xff);
  return 0;
}

/** Watchdogs 1 and 2 of a domain: id 0 takes a free one; a timeout of 0 gives one back, any other (seconds) re-arms it. */
function watchdog(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 8);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'sched.argument-readable', arg, 8);
  const a = fields(bytes),
    { m } = x;
  const id = a.getUint32(0, true),
    seconds = a.getUint32(4, true);
  const at = (n: number): number => x.domainOf(v) + DOMAIN.watchdog + 8 * (n - 1);
  const expiry = deadlineOf(x, x.T * 10 + seconds * NS_PER_SECOND);
  if (id === 0) {
    for (let n = 1; n <= NR_WATCHDOGS; n++) {
      if (m.r64(at(n)) !== 0) continue;
      m.w64(at(n), expiry);
      refreshDeadline(x);
      x.act('sched.watchdog', [n, seconds]);
      return n;
    }
    return refuse(x, ERRNO.ENOSPC, 'sched.watchdog-left', NR_WATCHDOGS);
  }
  if (!x.check('sched.watchdog-in-use', id <= NR_WATCHDOGS && m.r64(at(id)) !== 0, id)) return -ERRNO.EINVAL;
  m.w64(at(id), seconds === 0 ? 0 : expiry);
  refreshDeadline(x);
  x.act('sched.watchdog', [id, seconds]);
  return 0;
}

/** Only the hardware domain may pin, and to CPU 0: there is no other. A negative number ends it. */
function pinOverride(x: Xen, v: number, arg: number): number {
  const privileged = x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;
  if (!x.check('sched.pin-privilege', privileged, x.domidOf(v))) return -ERRNO.EPERM;
  const pcpu = getGuest32(x, v, arg);
  if (pcpu === undefined) return refuse(x, ERRNO.EFAULT, 'sched.argument-readable', arg, 4);
  if ((pcpu | 0) > 0) return refuse(x, ERRNO.EINVAL, 'sched.pcpu-exists', pcpu);
  return 0;
}
