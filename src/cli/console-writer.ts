// Guest consoles on stdout: a single guest's bytes as they come; with several guests whole lines, each behind its domain.
// Bytes of the bare machine's POST port are lines on stderr: “post” and two hexadecimal digits.

import { writeSync } from 'node:fs';
import { DOMAIN, DOMAIN_KIND, domains } from '../hypervisor/state.ts';
import type { History } from '../lab/history.ts';
import { CHANNEL } from '../machine/devices/console.ts';
import type { Memory } from '../memory/memory.ts';
import { RT } from '../trace/records.ts';

/** Longest line kept back while waiting for its end. */
const MAX_LINE = 4096;

export class ConsoleWriter {
  private readonly history: History;
  private readonly m: Memory;
  private pending: Uint8Array[] = [];
  private posted: string[] = [];
  private lines = new Map<number, string>();

  constructor(history: History, m: Memory) {
    this.history = history;
    this.m = m;
  }

  record(seq: number): void {
    if (this.history.typeOf(seq) !== RT.console) return;
    const record = this.history.get(seq);
    if (!record?.data) return;
    if (record.aux >= CHANNEL.com1) {
      this.fromBare(record.aux, record.data);
      return;
    }
    if (this.guests() <= 1) {
      this.pending.push(record.data);
      return;
    }
    let line = (this.lines.get(record.domid) ?? '') + Buffer.from(record.data).toString('latin1');
    for (let end = line.indexOf('\n'); end >= 0 || line.length > MAX_LINE; end = line.indexOf('\n')) {
      const cut = end < 0 ? MAX_LINE : end + 1;
      this.pending.push(Buffer.from(`(d${record.domid}) ${line.slice(0, cut)}`, 'latin1'));
      line = line.slice(cut);
    }
    this.lines.set(record.domid, line);
  }

  /** Bytes of a channel of the bare machine. */
  fromBare(channel: number, bytes: Uint8Array): void {
    if (channel !== CHANNEL.post) this.pending.push(bytes);
    else for (const byte of bytes) this.posted.push(`post ${byte.toString(16).padStart(2, '0')}\n`);
  }

  private guests(): number {
    let n = 0;
    for (const d of domains(this.m)) if (this.m.r32(d + DOMAIN.kind) === DOMAIN_KIND.pv) n++;
    return n;
  }

  flush(): void {
    for (const bytes of this.pending) writeAll(bytes);
    this.pending = [];
    if (this.posted.length > 0) writeAll(Buffer.from(this.posted.join('')), 2);
    this.posted = [];
  }
  end(): void {
    for (const [domid, line] of this.lines)
      if (line !== '') this.pending.push(Buffer.from(`(d${domid}) ${line}\n`, 'latin1'));
    this.flush();
  }
}

function writeAll(bytes: Uint8Array, to = 1): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(to, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue; // a full pipe: the reader is slow
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') return; // the reader is gone
      throw error;
    }
  }
}
