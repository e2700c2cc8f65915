// What one run of a workload in one emulator is, and how the text of its serial line is read. bench.h of the guests says what is printed.

export const PEERS = ['reference', 'interpreter', 'v86'] as const;
export type Peer = (typeof PEERS)[number];

export interface Job {
  readonly peer: Peer;
  /** Path of the image. */
  readonly image: string;
  readonly repeat: number;
  readonly warm: number;
}

export interface Run {
  readonly iterations: number;
  readonly checksum: string;
  /** Host time between the line feed after BEGIN and the one after END, ms. */
  readonly ms: number;
  /** Host time until the emulator could have run its first instruction, ms. */
  readonly startMs: number;
  /** Ticks between BEGIN and END, where the emulator counts exactly. */
  readonly ticks?: number;
}

export interface Mark {
  readonly kind: 'begin' | 'end';
  readonly iterations: number;
  readonly checksum: string;
}

/** Reads the serial line a byte at a time; throws when the workload says that its iterations differ. */
export class SerialReader {
  private line = '';

  /** The mark that this byte completes, if it does. */
  byte(value: number): Mark | undefined {
    if (value !== 10) {
      if (value !== 13) this.line += String.fromCharCode(value);
      return undefined;
    }
    const line = this.line;
    this.line = '';
    const begin = /BEGIN \S+ (\d+)$/.exec(line);
    if (begin) return { kind: 'begin', iterations: Number(begin[1]), checksum: '' };
    const end = /^END ([0-9a-f]{8})$/.exec(line);
    if (end) return { kind: 'end', iterations: 0, checksum: end[1]! };
    if (line.startsWith('DIFFERS')) throw new Error(`iterations of one run differ: ${line}`);
    return undefined;
  }
}

/** Puts the two marks of a run together with the times at which they came. */
export class Stopwatch {
  private readonly reader = new SerialReader();
  private begun: { at: number; iterations: number; ticks: number } | undefined;
  private readonly startMs: number;
  private readonly ticks: () => number;

  constructor(startMs: number, ticks: () => number = () => 0) {
    this.startMs = startMs;
    this.ticks = ticks;
  }

  byte(value: number): Run | undefined {
    const mark = this.reader.byte(value);
    if (!mark) return undefined;
    const at = performance.now(),
      ticks = this.ticks();
    if (mark.kind === 'begin') {
      this.begun = { at, iterations: mark.iterations, ticks };
      return undefined;
    }
    if (!this.begun) throw new Error('END without BEGIN');
    const { iterations } = this.begun;
    const run = { iterations, checksum: mark.checksum, ms: at - this.begun.at, startMs: this.startMs };
    return ticks > 0 ? { ...run, ticks: ticks - this.begun.ticks } : run;
  }
}
