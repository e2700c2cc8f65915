// --trace F: every hashed record as one JSON line.

import { closeSync, openSync, writeSync } from 'node:fs';
import type { History } from '../lab/history.ts';

export class TraceFile {
  private readonly history: History;
  private readonly fd: number;
  private buffer: string[] = [];

  constructor(path: string, history: History) {
    this.history = history;
    this.fd = openSync(path, 'w');
  }
  record(seq: number): void {
    const r = this.history.get(seq);
    if (!r) return;
    const { data, ...rest } = r;
    this.buffer.push(JSON.stringify(data ? { ...rest, data: Buffer.from(data).toString('latin1') } : rest));
    if (this.buffer.length >= 1000) this.flush();
  }
  private flush(): void {
    if (this.buffer.length > 0) writeSync(this.fd, this.buffer.join('\n') + '\n');
    this.buffer = [];
  }
  end(): void {
    this.flush();
    closeSync(this.fd);
  }
}
