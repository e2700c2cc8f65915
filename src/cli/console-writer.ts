// Guest consoles on stdout, and nothing else there: a single guest's bytes as they come; several guests' in whole lines, so that they can be told
// apart, and on a terminal each behind its domain. A line that does not end leaves after PATIENCE, whoever else speaks.
// Bytes of the bare machine's POST port are lines on stderr: “post” and two hexadecimal digits.

import { writeSync } from 'node:fs';
import { DOMAIN, DOMAIN_KIND, domains } from '../hypervisor/state.ts';
import type { History } from '../lab/history.ts';
import { CHANNEL } from '../machine/devices/console.ts';
import type { Memory } from '../memory/memory.ts';
import { RT } from '../trace/records.ts';

/** Ticks that an unfinished line waits for its end. Of the machine's time, so that what leaves does not depend on the host's. */
const PATIENCE = 20_000;
const STDOUT = 1,
  STDERR = 2;
const NEWLINE = 10;
const NOBODY = -1;

/** Writes bytes from `done` on; returns how many it took. */
type Put = (to: number, bytes: Uint8Array, done: number) => number;

interface Line {
  bytes: Uint8Array;
  /** T at which it leaves even if it has not ended. */
  readonly due: number;
}

export class ConsoleWriter {
  /** The reader of stdout has left. */
  gone = false;
  private readonly history: Pick<History, 'get' | 'typeOf'>;
  private readonly m: Memory;
  private readonly labelled: boolean;
  private readonly put: Put;
  /** Lines that have not ended and have not left, by domain, oldest first. */
  private readonly lines = new Map<number, Line>();
  /** The domain whose unfinished line stands on stdout. */
  private open = NOBODY;

  constructor(history: Pick<History, 'get' | 'typeOf'>, m: Memory, labelled: boolean, put: Put = writeSync) {
    this.history = history;
    this.m = m;
    this.labelled = labelled;
    this.put = put;
  }

  record(seq: number): void {
    if (this.history.typeOf(seq) !== RT.console) return;
    const record = this.history.get(seq);
    if (!record?.data) return;
    if (record.aux >= CHANNEL.com1) this.fromBare(record.aux, record.data);
    else if (this.guests() <= 1) this.write(STDOUT, record.data);
    else this.fromOneOfMany(record.domid, record.data, record.T);
  }

  /** Bytes of a channel of the bare machine. */
  fromBare(channel: number, bytes: Uint8Array): void {
    if (channel !== CHANNEL.post) this.write(STDOUT, bytes);
    else
      for (const byte of bytes)
        this.write(STDERR, Buffer.from(`post ${byte.toString(16).padStart(2, '0')}\n`));
  }

  private fromOneOfMany(domid: number, bytes: Uint8Array, T: number): void {
    this.passed(T);
    const line = this.lines.get(domid);
    const text = Buffer.concat([line?.bytes ?? new Uint8Array(0), bytes]);
    const end = this.open === domid ? text.length : text.lastIndexOf(NEWLINE) + 1;
    this.say(domid, text.subarray(0, end));
    if (end > 0) this.lines.delete(domid);
    const rest = text.subarray(end);
    if (rest.length > 0)
      this.lines.set(domid, { bytes: rest, due: (end === 0 && line?.due) || T + PATIENCE });
  }

  /** The machine has got to T: lines that have waited long enough leave unfinished. */
  passed(T: number): void {
    for (const [domid, { bytes, due }] of this.lines) {
      if (due > T) continue;
      this.lines.delete(domid);
      this.say(domid, bytes);
    }
  }

  /** Writes what a domain said; its bytes go on the line that it left open, or begin one. */
  private say(domid: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const label = this.labelled ? `(d${domid}) ` : '';
    const text = Buffer.from(bytes)
      .toString('latin1')
      .replace(/\n(?!$)/g, `\n${label}`);
    const before = this.open === domid ? '' : `${this.open === NOBODY ? '' : '\n'}${label}`;
    this.write(STDOUT, Buffer.from(before + text, 'latin1'));
    this.open = bytes[bytes.length - 1] === NEWLINE ? NOBODY : domid;
  }

  private guests(): number {
    let n = 0;
    for (const d of domains(this.m)) if (this.m.r32(d + DOMAIN.kind) === DOMAIN_KIND.pv) n++;
    return n;
  }

  private write(to: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length && !(this.gone && to === STDOUT); ) {
      try {
        done += this.put(to, bytes, done);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN')
          breathe(); // a full pipe: the reader is slow
        else if (code !== 'EPIPE') throw error;
        else if (to === STDOUT) this.gone = true;
        else return;
      }
    }
  }
}

/** Lets a slow reader have the processor for a millisecond. */
function breathe(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}
