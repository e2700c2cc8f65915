// Why a machine will never run again. Kept in STATE: a restored image knows that it has ended.

import { HEADER } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { MACHINE } from '../trace/recorder.ts';

export const STOP_REASONS = [
  'none',
  'poweroff',
  'reboot',
  'crash',
  'idle',
  'halted',
  'panic',
  'suspend',
  'exit',
  'triple-fault',
] as const;
export type StopName = (typeof STOP_REASONS)[number];
export const STOP = {
  none: 0,
  poweroff: 1,
  reboot: 2,
  crash: 3,
  idle: 4,
  halted: 5,
  panic: 6,
  suspend: 7,
  exit: 8, // bare: a value was written to the exit port; stopCode is its low byte
  tripleFault: 9, // bare: the processor has shut down; stopCode: the first event, the two of the double fault, the last, a byte each
} as const;

export const stopReason = (m: Memory): StopName => STOP_REASONS[m.r32(HEADER + MACHINE.stopReason)] ?? 'none';

/** Ends the machine; the first reason stays. */
export function stopMachine(m: Memory, reason: number, code = 0): void {
  if (m.r32(HEADER + MACHINE.stopReason) !== 0) return;
  m.w32(HEADER + MACHINE.stopReason, reason);
  m.w32(HEADER + MACHINE.stopCode, code);
}
