// What the machine says and what it is told. Bytes to COM1, the debug port and the POST port are gathered into console records, a line or a
// few hundred bytes each; bytes from outside wait in frames that the machine cannot address until COM1 takes them.

import { layout } from '../../memory/layout.ts';
import { PAGE_SIZE } from '../../memory/map.ts';
import { NOBODY } from '../../trace/recorder.ts';
import { OUT, PH, RT } from '../../trace/records.ts';
import { AT, BOARD, type Chipset, NEVER } from './board.ts';

/** Channels of console records of the bare machine; 0 and 1 are Xen's. */
export const CHANNEL = { com1: 2, debug: 3, post: 4 } as const;

const BUFFER = 240;
/** A line that does not end leaves after this many ticks. */
const PATIENCE = 20_000;
export const CONSOLE = layout('CONSOLE', {
  channel: 'u32',
  length: 'u32',
  flushAt: 'u64', // T at which the buffer leaves
  head: 'u32', // bytes put into the queue
  tail: 'u32', // bytes taken out
  bytes: ['u8', BUFFER],
});
const C = AT.console;
const NEWLINE = 10;

export function consoleByte(c: Chipset, channel: number, byte: number): void {
  const { m } = c;
  if (m.r32(C + CONSOLE.channel) !== channel) flushConsole(c);
  const length = m.r32(C + CONSOLE.length);
  if (length === 0) {
    m.w32(C + CONSOLE.channel, channel);
    m.w64(C + CONSOLE.flushAt, c.T + PATIENCE);
    c.leave();
  }
  m.w8(C + CONSOLE.bytes + length, byte);
  m.w32(C + CONSOLE.length, length + 1);
  if (length + 1 === BUFFER || (byte === NEWLINE && channel !== CHANNEL.post)) flushConsole(c);
}

/** Writes the record of what was gathered. */
export function flushConsole(c: Chipset): void {
  const { m } = c;
  const length = m.r32(C + CONSOLE.length);
  if (length === 0) return;
  const bytes = m.copyOut(C + CONSOLE.bytes, length);
  m.u8.fill(0, C + CONSOLE.bytes, C + CONSOLE.bytes + length);
  m.w32(C + CONSOLE.length, 0);
  m.w64(C + CONSOLE.flushAt, 0);
  c.trace.emit(RT.console, PH.none, OUT.none, NOBODY, m.r32(C + CONSOLE.channel), [length], bytes);
}
/** What has been said and stands in no record yet: for whoever stops looking in the middle of a line. */
export function unsaid({ m }: Chipset): { readonly channel: number; readonly bytes: Uint8Array } {
  const length = m.r32(C + CONSOLE.length);
  return { channel: m.r32(C + CONSOLE.channel), bytes: m.copyOut(C + CONSOLE.bytes, length) };
}
export const consoleDeadline = ({ m }: Chipset): number => m.r64(C + CONSOLE.flushAt) || NEVER;
export function consoleTick(c: Chipset): void {
  if (c.T >= consoleDeadline(c)) flushConsole(c);
}

// ---- bytes from outside -----------------------------------------------------------------------------------
const capacity = ({ m }: Chipset): number => m.r32(AT.board + BOARD.queueFrames) * PAGE_SIZE;
const place = (c: Chipset, n: number): number =>
  c.m.r32(AT.board + BOARD.queueMfn) * PAGE_SIZE + (n % capacity(c));

/** How many more bytes the queue in front of COM1 holds. */
export const inputRoom = (c: Chipset): number =>
  capacity(c) - (c.m.r32(C + CONSOLE.head) - c.m.r32(C + CONSOLE.tail));

/** Queues bytes for COM1; returns how many fit. */
export function queueInput(c: Chipset, bytes: Uint8Array): number {
  const { m } = c;
  const head = m.r32(C + CONSOLE.head);
  const n = Math.min(inputRoom(c), bytes.length);
  for (let i = 0; i < n; i++) c.frames.write8(place(c, head + i), bytes[i]!);
  m.w32(C + CONSOLE.head, head + n);
  return n;
}
export const peekInput = ({ m }: Chipset): boolean => m.r32(C + CONSOLE.head) !== m.r32(C + CONSOLE.tail);
export function nextInput(c: Chipset): number {
  const tail = c.m.r32(C + CONSOLE.tail);
  c.m.w32(C + CONSOLE.tail, tail + 1);
  return c.frames.read8(place(c, tail));
}
