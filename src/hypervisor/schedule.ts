// The scheduler: one pCPU, round robin. It decides from STATE alone; a running vCPU keeps the pCPU until it yields, blocks, stops, or has
// used its slice while somebody else waits. Also the home of the names that the rest of the hypervisor imports for scheduling.

import { VCPU, VCPU_MODE } from '../cpu/vcpu.ts';
import { HEADER, vcpuIndex } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { OUT, PH, RT, SWITCH } from '../trace/records.ts';
import { DOMID_IDLE } from './abi/domid.ts';
import { updateRunstateArea } from './runstate.ts';
import { runstate, setRunstate, takeHead } from './run-queue.ts';
import { RUNSTATE, XVCPU, xv } from './state.ts';
import { updateTimeInfo } from './time.ts';
import { periodicTick } from './timers.ts';
import type { Xen } from './xen.ts';

export { nextDeadline, onDeadline } from './deadlines.ts';
export { crashDomain, shutdownDomain } from './lifecycle.ts';
export { block, enqueue, wake } from './run-queue.ts';
export { doSchedOp, doSchedOpCompat } from './sched-op.ts';

/**
 * The vCPU that is to run now, 0 when none can. Asking again without anything having happened changes nothing.
 * A change of hands writes a switch record, starts a new slice and brings the newcomer's time and run-state areas up to date.
 */
export function schedule(x: Xen): number {
  const { m } = x;
  const prev = x.current;
  if (prev !== 0 && runstate(x, prev) === RUNSTATE.running) return prev;
  const next = takeHead(x);
  if (next === 0 && prev === 0) return 0;
  if (next !== prev) switchRecord(x, prev, next);
  m.w32(HEADER + MACHINE.lastSwitch, SWITCH.none);
  m.w32(HEADER + MACHINE.current, next);
  if (next === 0) return 0;
  setRunstate(x, next, RUNSTATE.running);
  m.w64(HEADER + MACHINE.sliceEnd, x.T + m.r32(HEADER + MACHINE.sliceLength));
  m.w32(HEADER + MACHINE.deliver, 1);
  if (m.r32(next + VCPU.mode) === VCPU_MODE.pv) switchedIn(x, next);
  return next;
}

function switchedIn(x: Xen, v: number): void {
  updateTimeInfo(x, v);
  updateRunstateArea(x, v);
  periodicTick(x, v);
}

/** Who gave the pCPU to whom, and why. Its cause is the trap in which the old vCPU gave up, or the event that woke the new one. */
function switchRecord(x: Xen, prev: number, next: number): void {
  const { m, trace } = x;
  const before = trace.cause;
  const reason = m.r32(HEADER + MACHINE.lastSwitch);
  if (prev === 0) trace.cause = m.r32(xv(next) + XVCPU.pendingCause);
  else trace.cause = reason === SWITCH.slice ? 0 : m.r32(xv(prev) + XVCPU.lastTrapSeq);
  const who = x.subject(next || prev);
  const name = (v: number): [number, number] => (v === 0 ? [DOMID_IDLE, 0] : [x.domidOf(v), vcpuIndex(v)]);
  trace.emit(RT.switch, PH.none, OUT.none, who, reason, [...name(prev), ...name(next)]);
  trace.cause = before;
}
