// The earliest of all timers, kept in one word so that the pCPU's loop need not look through every vCPU and domain before each run.

import { VCPU } from '../cpu/vcpu.ts';
import { DOMAIN, DOMAIN_STATE, domains, RUNSTATE, vcpuSlots, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

export const NR_WATCHDOGS = 2;
export const domainRuns = (x: Xen, d: number): boolean => x.m.r32(d + DOMAIN.state) === DOMAIN_STATE.running;
/** Timers of a vCPU that is offline stand still. */
export const ticking = (x: Xen, v: number): boolean =>
  x.m.r32(v + VCPU.used) !== 0 && x.m.r32(xv(v) + XVCPU.run) !== RUNSTATE.offline;
/** The sooner of two deadlines; 0 is none. */
export const sooner = (T: number, other: number): number => (other !== 0 && other < T ? other : T);

/** T of the earliest one-shot timer, poll timeout or watchdog, Infinity when there is none: by looking at all of them. */
export function earliestTimer(x: Xen): number {
  const { m } = x;
  let T = Infinity;
  for (const v of vcpuSlots()) {
    if (!ticking(x, v)) continue;
    T = sooner(T, m.r64(xv(v) + XVCPU.singleshot));
    if (m.r32(xv(v) + XVCPU.polling) !== 0) T = sooner(T, m.r64(xv(v) + XVCPU.pollDeadline));
  }
  for (const d of domains(m)) {
    if (!domainRuns(x, d)) continue;
    for (let i = 0; i < NR_WATCHDOGS; i++) T = sooner(T, m.r64(d + DOMAIN.watchdog + 8 * i));
  }
  return T;
}

/** Called by whoever arms or stops a timer, or brings a vCPU with timers on or off the machine. */
export function refreshDeadline(x: Xen): void {
  const T = earliestTimer(x);
  x.m.w64(XEN_AT + XEN.timerDeadline, T === Infinity ? 0 : T);
}
