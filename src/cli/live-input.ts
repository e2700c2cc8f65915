// Standard input as the guest's keyboard (`--input -`). A pipe that is complete when the machine begins is as good as a file; whatever comes later,
// and what a person types, goes to the first guest's console as it comes. Every batch enters at the one door, the input log, stamped with
// the T at which it arrived.

import { fstatSync } from 'node:fs';
import { waitingInput } from '../hypervisor/console-input.ts';
import { findDomain } from '../hypervisor/state.ts';
import { fileBytes } from './files.ts';
import { isXen, type LabMachine } from '../lab/inputs.ts';
import type { Timeline } from '../lab/timeline.ts';
import { inputRoom } from '../machine/devices/console.ts';
import { HEADER } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';

/** Ctrl-]: ends the session, as telnet and xl console have it. */
const ESCAPE = 0x1d;
/** A pipe that is silent for so many milliseconds, or has brought so much, is not waited for before the machine begins. */
const SILENCE_MS = 100,
  FIRST_BATCH = 1 << 20;
/** Bytes that may wait in the machine before more are taken from the pipe. */
const AHEAD = 0x10000;
/** What waits for input looks up after this many milliseconds: a signal or a limit may end it. */
const LOOK_UP_MS = 20;

/** How many bytes more the console of domain `domid` (of a bare machine: COM1) takes now. */
export function roomFor(machine: LabMachine, domid: number): number {
  if (!isXen(machine)) return inputRoom(machine.chipset);
  const d = findDomain(machine.m, domid);
  return d === 0 ? 0 : AHEAD - waitingInput(machine.x, d);
}

export class LiveInput {
  /** The person has left, or the terminal is gone. */
  left = false;
  /** Nothing more will come. */
  ended = false;
  private waiting: Buffer[] = [];
  private error: Error | undefined;
  private wake: () => void = () => {};
  private readonly terminal = process.stdin.isTTY;
  private readonly onData = (bytes: Buffer): void => {
    const end = this.terminal ? bytes.indexOf(ESCAPE) : -1;
    this.waiting.push(end < 0 ? bytes : bytes.subarray(0, end));
    if (end >= 0) this.left = true;
    if (this.size > AHEAD) process.stdin.pause();
    this.wake();
  };
  private readonly onEnd = (error?: Error): void => {
    this.error = error;
    this.ended = true;
    this.left ||= this.terminal;
    this.wake();
  };

  /** Takes a terminal over, key by key; listens to anything else until it ends or falls silent. Throws when it cannot be read. */
  static async open(): Promise<LiveInput> {
    const live = new LiveInput();
    const { stdin } = process;
    const kind = fstatSync(0);
    if (kind.isFile() || kind.isDirectory()) {
      live.waiting = [Buffer.from(fileBytes('-'))];
      live.ended = true;
      return live;
    }
    if (live.terminal) stdin.setRawMode(true);
    stdin.on('data', live.onData).on('end', live.onEnd).on('error', live.onEnd);
    for (let before = -1; !live.terminal && !live.ended && before < live.size && live.size < FIRST_BATCH; ) {
      before = live.size;
      stdin.resume();
      await live.more(SILENCE_MS);
    }
    if (live.error) throw Object.assign(live.error, { path: 'standard input' });
    stdin.resume();
    return live;
  }

  private get size(): number {
    return this.waiting.reduce((sum, bytes) => sum + bytes.length, 0);
  }
  /** At most `limit` bytes of what has come. */
  take(limit: number): number[] {
    const all = Buffer.concat(this.waiting);
    this.waiting = all.length > limit ? [all.subarray(limit)] : [];
    return [...all.subarray(0, limit)];
  }

  /** Hands what has come to domain `domid` as far as there is room, and then that it was all. */
  pass(timeline: Timeline<LabMachine>, domid: number): void {
    const bytes = this.take(Math.max(0, roomFor(timeline.machine, domid)));
    if (bytes.length > 0) timeline.log.append({ kind: 'console', domid, bytes });
    if (this.size > 0) return;
    if (!this.ended) process.stdin.resume();
    else if (timeline.machine.m.r32(HEADER + MACHINE.inputClosed) === 0)
      timeline.log.append({ kind: 'closeInput' });
  }
  /** Resolves when something has come, the session has ended, or after `ms`. */
  async more(ms = LOOK_UP_MS): Promise<void> {
    if (this.ended || this.left) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = () => {};
  }
  /** Gives the terminal back. */
  end(): void {
    const { stdin } = process;
    stdin.off('data', this.onData).off('end', this.onEnd).off('error', this.onEnd);
    if (this.terminal) stdin.setRawMode(false);
    stdin.pause();
  }
}
