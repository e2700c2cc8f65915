// Event channels, two-level ABI (public/event_channel.h): binding, closing and signalling ports. A port is a wire; setPending is what
// happens when it is pulled, in the order that guests rely on: pending bit, selector bit, upcall flag, then whoever polls.

import { ERRNO } from './abi/errno.ts';
import { DOMID_SELF, DOMID_XEN } from './abi/domid.ts';
import { NOBODY } from '../trace/recorder.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { resolveDomid } from './domain.ts';
import {
  freePort,
  freePortTable,
  getPort,
  isMasked,
  isPending,
  PORT,
  PORT_STATE,
  portExists,
  portState,
  releasePort,
  setPort,
  testAndClearMask,
  testAndClearPending,
  testAndSetPending,
  testAndSetSelector,
  VCPU_INFO,
  vcpuInfo,
} from './evtchn-ports.ts';
import { refuse } from './refuse.ts';
import { wake, wakePollers } from './run-queue.ts';
import { DOMAIN, findDomain, XVCPU, xv } from './state.ts';
import { isPerVcpu, NR_VIRQS } from './virqs.ts';
import type { Xen } from './xen.ts';

export { doEventChannelOp, doEventChannelOpCompat } from './evtchn-ops.ts';

const MAX_DOMAIN_VCPUS = 4;
/** The vCPU record of vCPU `id` of domain d, 0 if it does not exist. */
export const domainVcpu = (x: Xen, d: number, id: number): number =>
  id >>> 0 < MAX_DOMAIN_VCPUS ? x.m.r32(d + DOMAIN.vcpus + 4 * id) : 0;

/** The domain a guest names, DOMID_SELF included (rcu_lock_domain_by_any_id); 0 if there is none. */
export const anyDomain = (x: Xen, v: number, domid: number): number =>
  domid === DOMID_SELF ? x.domainOf(v) : findDomain(x.m, resolveDomid(x, domid));

/** True if an upcall is due and the vCPU's event mask lets it through. */
export function eventDeliverable(x: Xen, v: number): boolean {
  const info = vcpuInfo(x, v);
  return (
    x.frames.read8(info + VCPU_INFO.upcallPending) !== 0 && x.frames.read8(info + VCPU_INFO.upcallMask) === 0
  );
}

/** Results of an event record. */
export const EVENT_RESULT = { alreadyPending: 0, masked: 1, selector: 2, upcall: 3 } as const;

/**
 * Signals a port of domain d that exists (5.3 of the facts). `fromDomid` and `fromPort` say in the record who pulled the wire.
 * A bit that is pending already changes nothing; a masked port becomes pending and wakes pollers only.
 */
export function setPending(
  x: Xen,
  d: number,
  port: number,
  fromDomid: number = DOMID_XEN,
  fromPort: number = port,
): void {
  const v = domainVcpu(x, d, getPort(x, d, port, PORT.vcpu));
  const already = testAndSetPending(x, d, port);
  let result: number = EVENT_RESULT.alreadyPending;
  if (!already) result = isMasked(x, d, port) ? EVENT_RESULT.masked : select(x, v, port);
  const seq = eventRecord(x, d, port, result, fromDomid, fromPort);
  if (already) return;
  setPort(x, d, port, PORT.lastEvent, seq);
  if (result === EVENT_RESULT.upcall) kick(x, v, seq);
  wakePollers(x, d, port);
}

/** Step 2: selector bit, upcall flag. */
function select(x: Xen, v: number, port: number): number {
  if (testAndSetSelector(x, v, port >>> 5)) return EVENT_RESULT.selector;
  const info = vcpuInfo(x, v);
  if (x.frames.read8(info + VCPU_INFO.upcallPending) !== 0) return EVENT_RESULT.selector;
  x.frames.write8(info + VCPU_INFO.upcallPending, 1);
  return EVENT_RESULT.upcall;
}

function kick(x: Xen, v: number, seq: number): void {
  x.m.w32(xv(v) + XVCPU.pendingCause, seq);
  wake(x, v);
}

function eventRecord(
  x: Xen,
  d: number,
  port: number,
  result: number,
  fromDomid: number,
  fromPort: number,
): number {
  const who = fromDomid === DOMID_XEN ? NOBODY : x.subject();
  return x.trace.emit(RT.event, PH.none, OUT.none, who, fromPort, [
    x.m.r32(d + DOMAIN.domid),
    port,
    result,
    fromDomid,
  ]);
}

/** EVTCHNOP_unmask on a port that exists: an edge lost while masked is made up for. Nothing happens to a port that nobody has bound. */
export function unmaskPort(x: Xen, d: number, port: number): void {
  if (getPort(x, d, port, PORT.state) <= PORT_STATE.reserved) return;
  if (!testAndClearMask(x, d, port) || !isPending(x, d, port)) return;
  const v = domainVcpu(x, d, getPort(x, d, port, PORT.vcpu));
  const result = select(x, v, port);
  const seq = eventRecord(x, d, port, result, DOMID_XEN, port);
  if (result === EVENT_RESULT.upcall) kick(x, v, seq);
}

/**
 * Allocates a port of d that `remoteDomid` may bind. @returns the port, -ENOSPC or -ENOMEM.
 * The remote domain need not exist.
 */
export function allocUnbound(x: Xen, d: number, remoteDomid: number): number {
  const port = freePort(x, d);
  if (port < 0) return port;
  setPort(x, d, port, PORT.state, PORT_STATE.unbound);
  setPort(x, d, port, PORT.remoteDomid, remoteDomid);
  x.act('event.offered', [x.m.r32(d + DOMAIN.domid), port, remoteDomid]);
  return port;
}

/**
 * Binds a new port of d to a port that `remoteDomid` offers to it; the new port is set pending, in case a notification was lost.
 * @returns the local port, or -ESRCH, -ENOSPC, -ENOMEM, -EINVAL (no such port, or not unbound for d).
 */
export function bindInterdomain(x: Xen, d: number, remoteDomid: number, remotePort: number): number {
  const rd = remoteDomid === DOMID_SELF ? d : findDomain(x.m, resolveDomid(x, remoteDomid));
  if (rd === 0) return refuse(x, ERRNO.ESRCH, 'event.domain-exists', remoteDomid);
  const domid = x.m.r32(d + DOMAIN.domid);
  const port = freePort(x, d);
  if (port < 0) return port;
  if (!portExists(x, rd, remotePort))
    return refuse(x, ERRNO.EINVAL, 'event.port-exists', remotePort, x.m.r32(rd + DOMAIN.nrPorts));
  const offered =
    getPort(x, rd, remotePort, PORT.state) === PORT_STATE.unbound &&
    getPort(x, rd, remotePort, PORT.remoteDomid) === domid;
  if (!x.check('event.offered-to-caller', offered, remotePort, x.m.r32(rd + DOMAIN.domid), domid))
    return -ERRNO.EINVAL;
  connect(x, d, port, rd, remotePort);
  connect(x, rd, remotePort, d, port);
  x.act('event.connected', [domid, port, x.m.r32(rd + DOMAIN.domid), remotePort]);
  setPending(x, d, port);
  return port;
}

function connect(x: Xen, d: number, port: number, rd: number, remotePort: number): void {
  setPort(x, d, port, PORT.state, PORT_STATE.interdomain);
  setPort(x, d, port, PORT.remoteDomid, x.m.r32(rd + DOMAIN.domid));
  setPort(x, d, port, PORT.remotePort, remotePort);
}

/** Binds a VIRQ of the domain's vCPU. @returns the port, -EINVAL, -ENOENT, -EEXIST, -ENOSPC or -ENOMEM, checked in this order. */
export function bindVirq(x: Xen, d: number, virq: number, vcpu: number): number {
  if (virq >>> 0 >= NR_VIRQS) return refuse(x, ERRNO.EINVAL, 'event.virq-exists', virq, NR_VIRQS);
  if (!isPerVcpu(virq) && vcpu !== 0)
    return refuse(x, ERRNO.EINVAL, 'event.global-virq-on-vcpu0', virq, vcpu);
  const v = domainVcpu(x, d, vcpu);
  if (v === 0) return refuse(x, ERRNO.ENOENT, 'event.vcpu-exists', vcpu);
  const slot = xv(v) + XVCPU.virqPorts + 4 * virq;
  if (!x.check('event.virq-unbound', x.m.r32(slot) === 0, virq, x.m.r32(slot))) return -ERRNO.EEXIST;
  const port = freePort(x, d);
  if (port < 0) return port;
  setPort(x, d, port, PORT.state, PORT_STATE.virq);
  setPort(x, d, port, PORT.vcpu, vcpu);
  setPort(x, d, port, PORT.virq, virq);
  x.m.w32(slot, port);
  x.act('event.virq-bound', [virq, vcpu, port]);
  return port;
}

/** Binds a port that the domain signals to itself. @returns the port, -ENOENT, -ENOSPC or -ENOMEM. */
export function bindIpi(x: Xen, d: number, vcpu: number): number {
  if (domainVcpu(x, d, vcpu) === 0) return refuse(x, ERRNO.ENOENT, 'event.vcpu-exists', vcpu);
  const port = freePort(x, d);
  if (port < 0) return port;
  setPort(x, d, port, PORT.state, PORT_STATE.ipi);
  setPort(x, d, port, PORT.vcpu, vcpu);
  x.act('event.ipi-bound', [vcpu, port]);
  return port;
}

/**
 * Closes a port: the other end of a channel becomes unbound for this domain again and is not notified; the pending bit is cleared, the
 * mask bit is left alone. @returns 0 or -EINVAL for a port that is free, reserved or not there.
 */
export function closePort(x: Xen, d: number, port: number): number {
  const state = portState(x, d, port);
  if (!x.check('event.port-in-use', state !== PORT_STATE.free && state !== PORT_STATE.reserved, port))
    return -ERRNO.EINVAL;
  shutPort(x, d, port, state);
  x.act('event.closed', [x.m.r32(d + DOMAIN.domid), port, state]);
  return 0;
}

function shutPort(x: Xen, d: number, port: number, state: number): void {
  if (state === PORT_STATE.interdomain) unbindPeer(x, d, port);
  if (state === PORT_STATE.virq) clearVirq(x, d, port);
  testAndClearPending(x, d, port);
  releasePort(x, d, port);
}

function unbindPeer(x: Xen, d: number, port: number): void {
  const rd = findDomain(x.m, getPort(x, d, port, PORT.remoteDomid));
  if (rd === 0) throw new Error(`port ${port} is bound to a domain that is gone`);
  const peer = getPort(x, d, port, PORT.remotePort);
  setPort(x, rd, peer, PORT.state, PORT_STATE.unbound);
  setPort(x, rd, peer, PORT.remoteDomid, x.m.r32(d + DOMAIN.domid));
  setPort(x, rd, peer, PORT.remotePort, 0);
}

function clearVirq(x: Xen, d: number, port: number): void {
  const virq = getPort(x, d, port, PORT.virq);
  for (let id = 0; id < MAX_DOMAIN_VCPUS; id++) {
    const v = domainVcpu(x, d, id);
    if (v !== 0 && x.m.r32(xv(v) + XVCPU.virqPorts + 4 * virq) === port)
      x.m.w32(xv(v) + XVCPU.virqPorts + 4 * virq, 0);
  }
}

/** EVTCHNOP_reset: closes every port, the store's and the console's too. The table keeps its size. */
export function resetPorts(x: Xen, d: number): void {
  const nr = x.m.r32(d + DOMAIN.nrPorts);
  for (let port = 1; port < nr; port++) {
    const state = portState(x, d, port);
    if (state !== PORT_STATE.free) shutPort(x, d, port, state);
  }
}

/** A dying domain: closes every port and gives the table's frames back. */
export function closeAllPorts(x: Xen, d: number): void {
  resetPorts(x, d);
  freePortTable(x, d);
}

/** Raises a VIRQ of vCPU v; without a binding nothing happens. */
export function raiseVirq(x: Xen, v: number, virq: number): void {
  const port = x.m.r32(xv(v) + XVCPU.virqPorts + 4 * virq);
  if (port !== 0) setPending(x, x.domainOf(v), port);
}

/** EVTCHNOP_send on behalf of domain d. @returns 0, or -EINVAL for a port that cannot be sent on. A channel without a peer drops the signal. */
export function sendPort(x: Xen, d: number, port: number): number {
  const domid = x.m.r32(d + DOMAIN.domid);
  const state = portState(x, d, port);
  const ok = state === PORT_STATE.interdomain || state === PORT_STATE.ipi || state === PORT_STATE.unbound;
  if (!x.check('event.sendable', ok, port, state)) return -ERRNO.EINVAL;
  if (state === PORT_STATE.ipi) setPending(x, d, port, domid);
  if (state === PORT_STATE.unbound) x.act('event.dropped', [port, getPort(x, d, port, PORT.remoteDomid)]);
  if (state === PORT_STATE.interdomain) {
    const rd = findDomain(x.m, getPort(x, d, port, PORT.remoteDomid));
    setPending(x, rd, getPort(x, d, port, PORT.remotePort), domid, port);
  }
  return 0;
}

/** Moves a port's notifications to another vCPU of the domain. @returns 0, -ENOENT, or -EINVAL where Xen does not allow it. */
export function bindVcpu(x: Xen, d: number, port: number, vcpu: number): number {
  if (domainVcpu(x, d, vcpu) === 0) return refuse(x, ERRNO.ENOENT, 'event.vcpu-exists', vcpu);
  const state = portState(x, d, port);
  const movable =
    state === PORT_STATE.unbound ||
    state === PORT_STATE.interdomain ||
    (state === PORT_STATE.virq && !isPerVcpu(getPort(x, d, port, PORT.virq)));
  if (!x.check('event.movable', movable, port, state)) return -ERRNO.EINVAL;
  setPort(x, d, port, PORT.vcpu, vcpu);
  x.act('event.moved', [port, vcpu]);
  return 0;
}
