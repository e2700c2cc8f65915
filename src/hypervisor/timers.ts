// A vCPU's timers: the one-shot timer that set_timer_op and VCPUOP_set_singleshot_timer share, and the periodic tick, which reaches a
// vCPU only while it runs: ticks missed meanwhile are one tick when it is scheduled in again.

import { VCPU, VCPU_MODE } from '../cpu/vcpu.ts';
import { NOBODY } from '../trace/recorder.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { raiseVirq } from './event-channels.ts';
import type { HypercallArgs } from './hypercall-types.ts';
import { XVCPU, xv } from './state.ts';
import { systemTime, tickOf } from './time.ts';
import { refreshDeadline } from './timer-deadline.ts';
import { VIRQ_TIMER } from './virqs.ts';
import type { Xen } from './xen.ts';

/** Kinds of a timer record. */
export const TIMER_KINDS = ['singleshot', 'periodic', 'poll', 'watchdog'] as const;
export const TIMER_KIND = { singleshot: 0, periodic: 1, poll: 2, watchdog: 3 } as const;

/** 100 Hz, in ticks: what a PV vCPU gets until it says otherwise. */
export const DEFAULT_PERIOD = 1_000_000;
const TWO_32 = 4294967296;
/** A timeout this far ahead (13 days) is a wrapped number of an old guest: it fires in 100 ms. */
const FAR_AHEAD_NS = 2 ** 50;
const WRAPPED_NS = 100_000_000;
/** Later than any machine will run, and exact in a double. */
const NEVER = 2 ** 52;

/** Writes the timer record; what follows names it as its cause. v = 0: a timer of the domain. */
export function timerRecord(x: Xen, v: number, kind: number, deadline: number): void {
  x.trace.cause = 0;
  const who = v === 0 ? NOBODY : x.subject(v);
  x.trace.cause = x.trace.emit(RT.timer, PH.none, OUT.none, who, kind, [
    deadline >>> 0,
    Math.floor(deadline / TWO_32),
  ]);
}

/** T at which an absolute system time falls, now or later, as a deadline field wants it: never 0. */
export function deadlineOf(x: Xen, ns: number): number {
  return Math.min(NEVER, Math.max(1, x.T, tickOf(ns)));
}

/** Gives a PV vCPU that has never run its default tick. */
export function startTimers(x: Xen, v: number): void {
  const { m } = x,
    p = xv(v);
  if (m.r32(v + VCPU.mode) !== VCPU_MODE.pv || m.r64(p + XVCPU.periodicNext) !== 0) return;
  m.w64(p + XVCPU.periodic, DEFAULT_PERIOD);
  m.w64(p + XVCPU.periodicNext, x.T + DEFAULT_PERIOD);
}

/** Sends the tick that is due to the vCPU on the pCPU, one however many were missed. */
export function periodicTick(x: Xen, v: number): void {
  const { m } = x,
    p = xv(v);
  const period = m.r64(p + XVCPU.periodic),
    next = m.r64(p + XVCPU.periodicNext);
  if (period === 0 || x.T < next) return;
  m.w64(p + XVCPU.periodicNext, x.T + period);
  if (m.r32(p + XVCPU.virqPorts + 4 * VIRQ_TIMER) === 0) return;
  const before = x.trace.cause;
  timerRecord(x, v, TIMER_KIND.periodic, next);
  raiseVirq(x, v, VIRQ_TIMER);
  x.trace.cause = before;
}

/** Changes the period (ticks, 0 = off); the time since the last tick counts towards the next one. */
export function setPeriodic(x: Xen, v: number, period: number): void {
  const { m } = x,
    p = xv(v);
  const last = m.r64(p + XVCPU.periodicNext) - m.r64(p + XVCPU.periodic);
  m.w64(p + XVCPU.periodic, period);
  m.w64(p + XVCPU.periodicNext, Math.max(1, last + period));
}

/** Arms the one-shot timer for an absolute system time; the past fires at once. */
export function setSingleshot(x: Xen, v: number, ns: number): void {
  const at = deadlineOf(x, ns);
  x.m.w64(xv(v) + XVCPU.singleshot, at);
  refreshDeadline(x);
  x.act('timer.armed', [at >>> 0, Math.floor(at / TWO_32)]);
}
export function stopSingleshot(x: Xen, v: number): void {
  x.m.w64(xv(v) + XVCPU.singleshot, 0);
  refreshDeadline(x);
  x.act('timer.stopped');
}

/** set_timer_op (15): (timeout_lo, timeout_hi), absolute ns; 0 stops the timer. Always 0. */
export function doSetTimerOp(x: Xen, v: number, args: HypercallArgs): number {
  const [lo, hi] = args;
  const ns = hi * TWO_32 + lo;
  const now = systemTime(x.T);
  if (ns === 0) stopSingleshot(x, v);
  else if (hi >= 0x80000000 || ns - now >= FAR_AHEAD_NS) setSingleshot(x, v, now + WRAPPED_NS);
  else setSingleshot(x, v, ns);
  return 0;
}
