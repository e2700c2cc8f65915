// Everything that falls on an exact tick: one-shot timers, poll timeouts, the periodic tick of the vCPU that runs, watchdogs, the end of
// a slice that somebody else waits for. Both functions read STATE alone and in a fixed order.

import { HEADER } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { SWITCH } from '../trace/records.ts';
import { releaseInput } from './console-input.ts';
import { raiseVirq } from './event-channels.ts';
import { shutdownDomain, SHUTDOWN } from './lifecycle.ts';
import { giveUp, queueLength, runstate, wake } from './run-queue.ts';
import { DOMAIN, domains, RUNSTATE, vcpuSlots, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { domainRuns, NR_WATCHDOGS, refreshDeadline, sooner, ticking } from './timer-deadline.ts';
import { periodicTick, TIMER_KIND, timerRecord } from './timers.ts';
import { VIRQ_TIMER } from './virqs.ts';
import type { Xen } from './xen.ts';

/** T of the earliest deadline, Infinity when there is none. Asked twice for every exit: it looks at four words. */
export function nextDeadline(x: Xen): number {
  const { m } = x;
  let T = sooner(Infinity, m.r64(XEN_AT + XEN.timerDeadline));
  const current = x.current;
  if (current !== 0 && runstate(x, current) === RUNSTATE.running) {
    if (m.r64(xv(current) + XVCPU.periodic) !== 0) T = sooner(T, m.r64(xv(current) + XVCPU.periodicNext));
    if (sliceEnds(x, current)) T = sooner(T, m.r64(HEADER + MACHINE.sliceEnd));
  }
  return T;
}

/** Does everything whose deadline T has reached. */
export function onDeadline(x: Xen): void {
  const { m, trace } = x;
  const T = x.T;
  const due = (at: number): boolean => m.r64(at) !== 0 && m.r64(at) <= T;
  const before = trace.cause;
  for (const v of vcpuSlots()) {
    if (!ticking(x, v)) continue;
    const p = xv(v);
    if (due(p + XVCPU.singleshot)) singleshot(x, v);
    if (m.r32(p + XVCPU.polling) !== 0 && due(p + XVCPU.pollDeadline)) pollTimeout(x, v);
  }
  for (const d of domains(m)) {
    for (let i = 0; i < NR_WATCHDOGS; i++)
      if (domainRuns(x, d) && due(d + DOMAIN.watchdog + 8 * i)) watchdog(x, d, i);
  }
  const current = x.current;
  if (current !== 0 && runstate(x, current) === RUNSTATE.running) {
    trace.cause = 0;
    periodicTick(x, current);
    if (sliceEnds(x, current) && due(HEADER + MACHINE.sliceEnd)) {
      releaseInput(x, x.domainOf(current));
      if (queueLength(x) !== 0) giveUp(x, current, SWITCH.slice);
    }
  }
  refreshDeadline(x);
  trace.cause = before;
}

/** Somebody waits for the pCPU, or input waits for a guest that may spin on its ring for ever. */
const sliceEnds = (x: Xen, current: number): boolean =>
  queueLength(x) !== 0 || x.m.r32(x.domainOf(current) + DOMAIN.consoleHeld) !== 0;

function singleshot(x: Xen, v: number): void {
  const at = xv(v) + XVCPU.singleshot;
  timerRecord(x, v, TIMER_KIND.singleshot, x.m.r64(at));
  x.m.w64(at, 0);
  raiseVirq(x, v, VIRQ_TIMER);
}

function pollTimeout(x: Xen, v: number): void {
  timerRecord(x, v, TIMER_KIND.poll, x.m.r64(xv(v) + XVCPU.pollDeadline));
  wake(x, v);
}

function watchdog(x: Xen, d: number, i: number): void {
  const at = d + DOMAIN.watchdog + 8 * i;
  timerRecord(x, 0, TIMER_KIND.watchdog, x.m.r64(at));
  x.m.w64(at, 0);
  shutdownDomain(x, d, SHUTDOWN.watchdog);
}
