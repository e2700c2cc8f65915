// The independent checker's second half: event channels, VIRQs, the run queue, timers, handles of grants and what Xen keeps for each domain,
// recomputed from the raw records. Like audit.ts it shares no code with what it checks.

import {
  DOMAIN,
  DOMAIN_STATE,
  domains,
  PAGE,
  pageAt,
  RUNSTATE,
  vcpuSlots,
  XEN,
  XEN_AT,
  XVCPU,
  xv,
} from './state.ts';
import type { Frames } from '../memory/frames.ts';
import { HEADER } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { MACHINE } from '../trace/recorder.ts';
import { VCPU } from '../cpu/vcpu.ts';

const PORT_BYTES = 32,
  PORTS_A_FRAME = 128,
  FREE = 0,
  RESERVED = 1,
  INTERDOMAIN = 3,
  VIRQ = 5,
  IPI = 6;
const NR_VIRQS = 24,
  MAX_VCPUS_A_DOMAIN = 4;
const HANDLE_BYTES = 16,
  HANDLES_A_FRAME = 256;
const OWNER_XEN = 0x7ff2;

interface Port {
  readonly state: number;
  readonly vcpu: number;
  readonly domid: number;
  readonly port: number;
  readonly virq: number;
}
function portOf(m: Memory, frames: Frames, d: number, port: number): Port | undefined {
  if (port >= m.r32(d + DOMAIN.nrPorts)) return undefined;
  const frame = m.r32(d + DOMAIN.evtchnFrames + 4 * Math.floor(port / PORTS_A_FRAME));
  const at = frame * 4096 + (port % PORTS_A_FRAME) * PORT_BYTES;
  const [state, vcpu, domid, other, virq] = [0, 4, 8, 12, 16].map((o) => frames.read32(at + o));
  return { state: state!, vcpu: vcpu!, domid: domid!, port: other!, virq: virq! };
}
const domainBy = (m: Memory, domid: number): number => {
  for (const d of domains(m)) if (m.r32(d + DOMAIN.domid) === domid) return d;
  return 0;
};

/** Differences between what is recorded and what follows from the rest, as sentences. */
export function auditEvents(m: Memory, frames: Frames): string[] {
  const problems: string[] = [];
  for (const d of domains(m)) {
    const say = (text: string): void => {
      problems.push(`domain ${m.r32(d + DOMAIN.domid)}: ${text}`);
    };
    ports(m, frames, d, say);
    handles(m, frames, d, say);
    charge(m, d, say);
  }
  runQueue(m, problems);
  timers(m, problems);
  return problems;
}

type Say = (text: string) => void;

/** Channels have two ends that name each other; a VIRQ has one port, and the port's vCPU knows it. */
function ports(m: Memory, frames: Frames, d: number, say: Say): void {
  const nr = m.r32(d + DOMAIN.nrPorts);
  const virqs = new Map<string, number>();
  for (let port = 0; port < nr; port++) {
    const p = portOf(m, frames, d, port)!;
    if ((port === 0) !== (p.state === RESERVED)) say(`port ${port} has state ${p.state}`);
    if (p.state > IPI) say(`port ${port} has no state that exists`);
    if (p.state === FREE && (p.vcpu | p.domid | p.port | p.virq) !== 0)
      say(`free port ${port} still says something`);
    if (p.state !== FREE && (p.vcpu >= MAX_VCPUS_A_DOMAIN || m.r32(d + DOMAIN.vcpus + 4 * p.vcpu) === 0))
      say(`port ${port} tells vCPU ${p.vcpu}, which does not exist`);
    if (p.state === INTERDOMAIN) {
      const peer = domainBy(m, p.domid);
      const back = peer === 0 ? undefined : portOf(m, frames, peer, p.port);
      const mutual =
        back?.state === INTERDOMAIN && back.port === port && back.domid === m.r32(d + DOMAIN.domid);
      if (!mutual) say(`port ${port} leads to port ${p.port} of domain ${p.domid}, which does not lead back`);
    }
    if (p.state === VIRQ) virqs.set(`${p.virq} ${port}`, port);
    if (port > 0 && p.state === FREE && port < m.r32(d + DOMAIN.firstPortHint))
      say(`port ${port} is free below the hint ${m.r32(d + DOMAIN.firstPortHint)}`);
  }
  for (let id = 0; id < MAX_VCPUS_A_DOMAIN; id++) {
    const v = m.r32(d + DOMAIN.vcpus + 4 * id);
    if (v === 0) continue;
    for (let virq = 0; virq < NR_VIRQS; virq++) {
      const port = m.r32(xv(v) + XVCPU.virqPorts + 4 * virq);
      if (port !== 0 && !virqs.delete(`${virq} ${port}`))
        say(`VIRQ ${virq} of vCPU ${id} goes to port ${port}`);
    }
  }
  for (const port of virqs.values()) say(`VIRQ port ${port} is known to no vCPU`);
}

/** Every handle is in use or on the free list, once. */
function handles(m: Memory, frames: Frames, d: number, say: Say): void {
  const nr = m.r32(d + DOMAIN.nrMaptrackFrames) * HANDLES_A_FRAME;
  const at = (handle: number): number =>
    m.r32(d + DOMAIN.maptrackFrames + 4 * Math.floor(handle / HANDLES_A_FRAME)) * 4096 +
    (handle % HANDLES_A_FRAME) * HANDLE_BYTES;
  const listed = new Set<number>();
  for (let next = m.r32(d + DOMAIN.maptrackFree); next !== 0; next = frames.read32(at(next - 1))) {
    const handle = next - 1;
    if (handle >= nr || listed.has(handle)) return say(`the list of free handles comes to ${handle}`);
    listed.add(handle);
  }
  for (let handle = 0; handle < nr; handle++)
    if ((frames.read16(at(handle) + 6) !== 0) === listed.has(handle))
      say(`handle ${handle} is ${listed.has(handle) ? 'in use and free' : 'neither in use nor free'}`);
}

/** Frames of Xen that serve a domain are those it is charged for. */
function charge(m: Memory, d: number, say: Say): void {
  const domid = m.r32(d + DOMAIN.domid);
  let serving = 0;
  for (let mfn = 1; mfn < m.nrFrames; mfn++) {
    const page = pageAt(mfn);
    if (m.r16(page + PAGE.owner) === OWNER_XEN && m.r32(page + PAGE.link) === domid) serving++;
  }
  if (serving !== m.r32(d + DOMAIN.xenFrames))
    say(`${serving} frames of Xen serve it, ${m.r32(d + DOMAIN.xenFrames)} are charged`);
}

/** In the queue, once, is who may run and does not. */
function runQueue(m: Memory, problems: string[]): void {
  const queue = Array.from({ length: m.r32(XEN_AT + XEN.runQueueLength) }, (_, i) =>
    m.r32(XEN_AT + XEN.runQueue + 4 * i),
  );
  if (new Set(queue).size !== queue.length) problems.push('a vCPU stands in the run queue twice');
  const current = m.r32(HEADER + MACHINE.current);
  for (const v of vcpuSlots()) {
    if (m.r32(v + VCPU.used) === 0) continue;
    const runnable = m.r32(xv(v) + XVCPU.run) === RUNSTATE.runnable;
    const queued = queue.includes(v);
    if (queued !== runnable || queued !== (m.r32(xv(v) + XVCPU.queued) !== 0))
      problems.push(
        `the vCPU at 0x${v.toString(16)} is in state ${m.r32(xv(v) + XVCPU.run)} and ${queued ? '' : 'not '}queued`,
      );
    if (m.r32(xv(v) + XVCPU.run) === RUNSTATE.running && v !== current)
      problems.push(`the vCPU at 0x${v.toString(16)} runs without the pCPU`);
  }
}

/** The one word that the pCPU's loop looks at is the earliest of all timers. */
function timers(m: Memory, problems: string[]): void {
  const due: number[] = [];
  for (const v of vcpuSlots()) {
    const p = xv(v);
    if (m.r32(v + VCPU.used) === 0 || m.r32(p + XVCPU.run) === RUNSTATE.offline) continue;
    due.push(m.r64(p + XVCPU.singleshot));
    if (m.r32(p + XVCPU.polling) !== 0) due.push(m.r64(p + XVCPU.pollDeadline));
  }
  for (const d of domains(m))
    if (m.r32(d + DOMAIN.state) === DOMAIN_STATE.running)
      due.push(m.r64(d + DOMAIN.watchdog), m.r64(d + DOMAIN.watchdog + 8));
  const first = Math.min(...due.filter((T) => T !== 0));
  const kept = m.r64(XEN_AT + XEN.timerDeadline) || Infinity;
  if (kept !== first) problems.push(`the earliest timer is recorded for ${kept}, found ${first}`);
}
