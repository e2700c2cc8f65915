// The service domain: xenstored and xenconsoled as a vCPU in the run queue. It holds the other end of every guest's store and console
// channel, runs when one of its ports is pending, takes one port at a time, and its work costs ticks like anybody's.

import { DOMID_SERVICE } from '../hypervisor/abi/domid.ts';
import { createDomainRecord } from '../hypervisor/domain.ts';
import { bindVirq, closePort } from '../hypervisor/event-channels.ts';
import {
  getPort,
  isPending,
  PORT,
  PORT_STATE,
  portState,
  testAndClearPending,
  testAndSetPending,
  VCPU_INFO,
  vcpuInfo,
} from '../hypervisor/evtchn-ports.ts';
import { block, setRunstate } from '../hypervisor/run-queue.ts';
import {
  DOMAIN,
  DOMAIN_STATE,
  domains,
  findDomain,
  RUNSTATE,
  XEN,
  XEN_AT,
  XVCPU,
  xv,
} from '../hypervisor/state.ts';
import { VIRQ_DOM_EXC } from '../hypervisor/virqs.ts';
import type { Xen } from '../hypervisor/xen.ts';
import { SWITCH } from '../trace/records.ts';

/** What answers at the ports. Each does what there is to do for guest d and returns the ticks it took, 0 when nothing was left. */
export interface Daemons {
  readonly console: (x: Xen, d: number) => number;
  readonly store: (x: Xen, d: number) => number;
  /** Told once or more often that domain d has stopped; its console has been drained. */
  readonly stopped?: (x: Xen, d: number) => void;
  /** Told whenever a domain may have been destroyed. */
  readonly vanished?: (x: Xen) => void;
}

/** Creates the service domain, asleep, listening for VIRQ_DOM_EXC. Called once, after Xen's own start. Throws if there is no room. */
export function createServiceDomain(x: Xen): void {
  const { m } = x;
  const d = createDomainRecord(x, {
    name: 'service',
    kind: 'service',
    domid: DOMID_SERVICE,
    privileged: true,
    maxPages: 0,
  });
  if (d === 0) throw new Error('no room for the service domain');
  const v = m.r32(d + DOMAIN.vcpus),
    p = xv(v);
  m.w32(p + XVCPU.initialised, 1);
  m.w32(p + XVCPU.up, 1);
  m.w32(d + DOMAIN.state, DOMAIN_STATE.running);
  m.w32(XEN_AT + XEN.serviceVcpu, v);
  setRunstate(x, v, RUNSTATE.blocked);
  if (bindVirq(x, d, VIRQ_DOM_EXC, 0) < 0) throw new Error('the service domain got no port');
}

/** True while a port of the service domain waits to be served: output of a guest that has stopped may still be on its way. */
export function serviceBusy(x: Xen): boolean {
  const v = x.m.r32(XEN_AT + XEN.serviceVcpu);
  if (v === 0) return false;
  const run = x.m.r32(xv(v) + XVCPU.run);
  return run === RUNSTATE.running || run === RUNSTATE.runnable;
}

/**
 * One unit of work of the service vCPU v: the next pending port is served and the ticks it took are counted. A port that had something to
 * do is looked at once more, so that a daemon may stop half-way; with nothing pending the vCPU sleeps.
 */
export function runService(x: Xen, v: number, daemons: Daemons): void {
  const { m, trace } = x;
  const d = x.domainOf(v),
    info = vcpuInfo(x, v);
  x.frames.write8(info + VCPU_INFO.upcallPending, 0);
  x.frames.write32(info + VCPU_INFO.pendingSel, 0);
  const port = nextPort(x, d);
  if (port === 0) {
    block(x, v, SWITCH.block);
    return;
  }
  m.w32(XEN_AT + XEN.serviceNextPort, port + 1);
  testAndClearPending(x, d, port);
  const before = trace.cause;
  trace.cause = getPort(x, d, port, PORT.lastEvent);
  const ticks = serve(x, d, port, daemons);
  trace.cause = before;
  if (ticks === 0) return;
  x.tick(ticks);
  testAndSetPending(x, d, port);
}

/** The next pending port, beginning where the last search ended so that no guest starves another; 0 when none is pending. */
function nextPort(x: Xen, d: number): number {
  const nr = x.m.r32(d + DOMAIN.nrPorts);
  const from = x.m.r32(XEN_AT + XEN.serviceNextPort);
  for (let i = 0; i < nr; i++) {
    const port = (from + i) % nr;
    if (port !== 0 && isPending(x, d, port)) return port;
  }
  return 0;
}

function serve(x: Xen, d: number, port: number, daemons: Daemons): number {
  const state = portState(x, d, port);
  if (state === PORT_STATE.virq) {
    closeOrphans(x, d);
    for (const guest of domains(x.m))
      if (x.m.r32(guest + DOMAIN.state) >= DOMAIN_STATE.shutDown) lastWords(x, guest, daemons);
    daemons.vanished?.(x);
    return 0;
  }
  if (state !== PORT_STATE.interdomain) return 0;
  const guest = findDomain(x.m, getPort(x, d, port, PORT.remoteDomid));
  if (guest === 0) return 0;
  if (port === x.m.r32(guest + DOMAIN.consoleRemotePort)) return daemons.console(x, guest);
  if (port === x.m.r32(guest + DOMAIN.storeRemotePort)) return daemons.store(x, guest);
  return 0;
}

/** Ports whose other end went with its domain are closed, so that domains may come and go for ever. */
function closeOrphans(x: Xen, d: number): void {
  const nr = x.m.r32(d + DOMAIN.nrPorts);
  for (let port = 1; port < nr; port++) {
    const orphan =
      portState(x, d, port) === PORT_STATE.unbound &&
      findDomain(x.m, getPort(x, d, port, PORT.remoteDomid)) === 0;
    if (orphan) closePort(x, d, port);
  }
}

/** What a stopped guest wrote last is still shown. */
function lastWords(x: Xen, guest: number, daemons: Daemons): void {
  const ticks = daemons.console(x, guest);
  if (ticks > 0) x.tick(ticks);
  daemons.stopped?.(x, guest);
}
