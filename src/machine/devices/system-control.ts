// The odd ports of the mainboard: 61h (speaker, gate of counter 2), 92h (A20, fast reset), CF9h (reset), B2h/B3h, the page registers at
// 80h. And what a reset is: the machine ends as rebooted; whoever runs it decides whether to begin again.

import { NOBODY, type Subject } from '../../trace/recorder.ts';
import { OUT, PH, RT } from '../../trace/records.ts';
import { STOP } from '../stop.ts';
import { AT, BOARD, type Chipset } from './board.ts';
import { flushConsole } from './console.ts';
import { pitOutput, setPitGate } from './i8254.ts';

/** Who asked: aux of a reset record. */
export const RESET = { keyboard: 0, port92: 1, cf9: 2, tripleFault: 3, exit: 4 } as const;
/** DRAM refresh: bit 4 of port 61h changes every 15.085 µs. */
const REFRESH_TICKS = 1508;
const B = AT.board;

export function requestReset(c: Chipset, by: number): void {
  end(c, STOP.reboot, by, 0, NOBODY);
}
/** A write to the exit port: the machine ends, the value's low byte is the exit code. */
export function requestExit(c: Chipset, value: number): void {
  end(c, STOP.exit, RESET.exit, value & 0xff, NOBODY);
}
/** The last thing a machine says. `who`: the processor, when it stands between two instructions. */
export function end(c: Chipset, reason: number, by: number, code: number, who: Subject): void {
  flushConsole(c);
  c.trace.emit(RT.reset, PH.none, OUT.none, who, by, [code]);
  c.stop(reason, code);
}

export function read61(c: Chipset): number {
  const stored = c.m.r32(B + BOARD.systemControl) & 0x0f;
  const refresh = Math.floor(c.T / REFRESH_TICKS) & 1;
  return stored | (refresh << 4) | (pitOutput(c, 2) ? 0x20 : 0);
}
export function write61(c: Chipset, value: number): void {
  c.m.w32(B + BOARD.systemControl, value & 0x0f);
  setPitGate(c, 2, (value & 1) !== 0);
}

export const read92 = ({ m }: Chipset): number => m.r32(B + BOARD.a20) << 1;
/** Bit 0 rising resets; A20 is the caller's. */
export function write92(c: Chipset, value: number): void {
  if ((value & 1) !== 0) requestReset(c, RESET.port92);
}

export const readCf9 = ({ m }: Chipset): number => m.r32(B + BOARD.resetControl);
/** Bit 2 going from 0 to 1 resets. */
export function writeCf9(c: Chipset, value: number): void {
  const rises = (value & 4) !== 0 && (c.m.r32(B + BOARD.resetControl) & 4) === 0;
  c.m.w32(B + BOARD.resetControl, value & 0x0a);
  if (rises) requestReset(c, RESET.cf9);
}
