// Run-state accounting as guests see it (public/vcpu.h): how long a vCPU has run, waited, slept. 44 bytes on 32 bits.

import { copyToGuest } from './guest-access.ts';
import { XVCPU, xv } from './state.ts';
import { setU64, systemTime } from './time.ts';
import type { Xen } from './xen.ts';

export const RUNSTATE_INFO_SIZE = 44;

/** struct vcpu_runstate_info of v at this moment: state, its entry time, and the time spent in each of the four, in nanoseconds. */
export function runstateInfo(x: Xen, v: number): Uint8Array {
  const { m } = x,
    p = xv(v);
  const bytes = new Uint8Array(RUNSTATE_INFO_SIZE);
  const view = new DataView(bytes.buffer);
  const state = m.r32(p + XVCPU.run),
    entered = m.r64(p + XVCPU.enteredAt);
  view.setUint32(0, state, true);
  setU64(view, 4, systemTime(entered));
  for (let i = 0; i < 4; i++) {
    const now = i === state ? x.T - entered : 0;
    setU64(view, 12 + 8 * i, systemTime(m.r64(p + XVCPU.spent + 8 * i) + now));
  }
  return bytes;
}

/**
 * Refreshes the area the guest registered, if any. Must run with v's page tables in force; a page that has become unwritable is skipped,
 * as in Xen. Readers cannot see a half-written area here, so the update flag of vm_assist 5 never shows.
 */
export function updateRunstateArea(x: Xen, v: number): void {
  const area = x.m.r32(xv(v) + XVCPU.runstateArea);
  if (area !== 0) copyToGuest(x, v, area, runstateInfo(x, v));
}
