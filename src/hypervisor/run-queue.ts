// Run states and the run queue. A vCPU is in the queue exactly when it is runnable and not on the pCPU; whoever wakes joins at the tail.
// Time spent in each state is kept in ticks and shown to guests in nanoseconds.

import { VCPU } from '../cpu/vcpu.ts';
import { HEADER } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { SWITCH } from '../trace/records.ts';
import { DOMAIN, DOMAIN_STATE, RUNSTATE, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { refreshDeadline } from './timer-deadline.ts';
import { startTimers } from './timers.ts';
import type { Xen } from './xen.ts';

const LENGTH = XEN_AT + XEN.runQueueLength,
  QUEUE = XEN_AT + XEN.runQueue;

export const runstate = (x: Xen, v: number): number => x.m.r32(xv(v) + XVCPU.run);

/** Changes the run state and books the time spent in the old one. */
export function setRunstate(x: Xen, v: number, state: number): void {
  const { m } = x,
    p = xv(v);
  const spent = p + XVCPU.spent + 8 * m.r32(p + XVCPU.run);
  const T = x.T;
  m.w64(spent, m.r64(spent) + T - m.r64(p + XVCPU.enteredAt));
  m.w64(p + XVCPU.enteredAt, T);
  m.w32(p + XVCPU.run, state);
}

export const queueLength = (x: Xen): number => x.m.r32(LENGTH);

/** Puts a runnable vCPU at the tail. Without effect on one that is queued already. */
export function enqueue(x: Xen, v: number): void {
  const { m } = x;
  if (m.r32(xv(v) + XVCPU.queued) !== 0) return;
  const n = m.r32(LENGTH);
  m.w32(QUEUE + 4 * n, v);
  m.w32(LENGTH, n + 1);
  m.w32(xv(v) + XVCPU.queued, 1);
}

/** Takes a vCPU out of the queue, wherever it stands. */
export function dequeue(x: Xen, v: number): void {
  const { m } = x;
  if (m.r32(xv(v) + XVCPU.queued) === 0) return;
  const n = m.r32(LENGTH);
  let to = 0;
  for (let i = 0; i < n; i++) {
    const at = m.r32(QUEUE + 4 * i);
    if (at !== v) m.w32(QUEUE + 4 * to++, at);
  }
  m.w32(QUEUE + 4 * to, 0);
  m.w32(LENGTH, to);
  m.w32(xv(v) + XVCPU.queued, 0);
}

/** The vCPU that has waited longest, taken out of the queue; 0 when it is empty. */
export function takeHead(x: Xen): number {
  if (queueLength(x) === 0) return 0;
  const v = x.m.r32(QUEUE);
  dequeue(x, v);
  return v;
}

const domainRuns = (x: Xen, v: number): boolean =>
  x.m.r32(x.domainOf(v) + DOMAIN.state) === DOMAIN_STATE.running;

/**
 * Makes a vCPU runnable: one that blocks or polls, or one that is up in a domain that has just been unpaused.
 * Without effect on any other.
 */
export function wake(x: Xen, v: number): void {
  const { m } = x,
    p = xv(v);
  const state = m.r32(p + XVCPU.run);
  if (state === RUNSTATE.running || state === RUNSTATE.runnable || !domainRuns(x, v)) return;
  if (state === RUNSTATE.offline) {
    if (m.r32(p + XVCPU.up) === 0) return;
    startTimers(x, v);
  }
  const timed = state === RUNSTATE.offline || m.r64(p + XVCPU.pollDeadline) !== 0;
  m.w32(p + XVCPU.polling, 0);
  m.w64(p + XVCPU.pollDeadline, 0);
  if (x.current === 0 && queueLength(x) === 0) {
    m.w32(HEADER + MACHINE.lastSwitch, state === RUNSTATE.offline ? SWITCH.start : SWITCH.wake);
  }
  setRunstate(x, v, RUNSTATE.runnable);
  enqueue(x, v);
  if (timed) refreshDeadline(x);
}

/** Lets the vCPU sleep until it is woken. `reason` is what the switch record will say (SWITCH). */
export function block(x: Xen, v: number, reason: number): void {
  leave(x, v, RUNSTATE.blocked, reason);
}
/** Gives the pCPU up and joins the queue at its tail. */
export function giveUp(x: Xen, v: number, reason: number): void {
  leave(x, v, RUNSTATE.runnable, reason);
  enqueue(x, v);
}
/** Takes the vCPU off the machine: shut down, crashed, or down. */
export function takeOffline(x: Xen, v: number, reason: number): void {
  leave(x, v, RUNSTATE.offline, reason);
  refreshDeadline(x);
}
/** Takes a vCPU that is about to be destroyed off the machine for good; its slot may be used anew afterwards. */
export function retireVcpu(x: Xen, v: number): void {
  takeOffline(x, v, SWITCH.shutdown);
  if (v === x.current) x.m.w32(HEADER + MACHINE.current, 0);
}
function leave(x: Xen, v: number, state: number, reason: number): void {
  dequeue(x, v);
  if (runstate(x, v) !== state) setRunstate(x, v, state);
  if (v === x.current) x.m.w32(HEADER + MACHINE.lastSwitch, reason);
}

/** Wakes the vCPUs of domain d that poll `port`, masked or not. */
export function wakePollers(x: Xen, d: number, port: number): void {
  for (let id = 0; id < 4; id++) {
    const v = x.m.r32(d + DOMAIN.vcpus + 4 * id);
    if (v === 0 || x.m.r32(v + VCPU.used) === 0) continue;
    const p = xv(v);
    if (x.m.r32(p + XVCPU.polling) !== 0 && polls(x, v, port)) wake(x, v);
  }
}
const polls = (x: Xen, v: number, port: number): boolean =>
  ((x.m.r32(xv(v) + XVCPU.pollPorts + 4 * (port >>> 5)) >>> (port & 31)) & 1) === 1;
