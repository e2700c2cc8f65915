// A terminal as the guest's keyboard: with `--input -` and nothing piped in, what is typed goes to the first guest's console as it comes.
// Every batch enters at the one door, the input log, stamped with the T at which it arrived.

import type { LabMachine } from '../lab/inputs.ts';
import type { Timeline } from '../lab/timeline.ts';

/** Ctrl-]: ends the session, as telnet and xl console have it. */
const ESCAPE = 0x1d;

export class LiveInput {
  /** The person has left, or the terminal is gone. */
  closed = false;
  private waiting: number[] = [];
  private wake: () => void = () => {};
  private readonly onData = (bytes: Buffer): void => {
    const end = bytes.indexOf(ESCAPE);
    this.waiting.push(...(end < 0 ? bytes : bytes.subarray(0, end)));
    if (end >= 0) this.closed = true;
    this.wake();
  };
  private readonly onEnd = (): void => {
    this.closed = true;
    this.wake();
  };

  /** Takes the terminal over, key by key. */
  constructor() {
    const { stdin } = process;
    stdin.setRawMode(true);
    stdin.on('data', this.onData);
    stdin.on('end', this.onEnd);
    stdin.resume();
  }
  /** True when `path` asks for standard input and that is a terminal. */
  static wanted(path: string | undefined): boolean {
    return path === '-' && process.stdin.isTTY;
  }

  /** Hands what has been typed to the machine. */
  pass(timeline: Timeline<LabMachine>): void {
    if (this.waiting.length === 0) return;
    timeline.log.append({ kind: 'console', domid: 1, bytes: this.waiting.splice(0) });
  }
  /** Resolves when something has been typed or the session has ended. */
  async more(): Promise<void> {
    if (this.waiting.length > 0 || this.closed) return;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
  }
  /** Gives the terminal back. */
  end(): void {
    const { stdin } = process;
    stdin.off('data', this.onData);
    stdin.off('end', this.onEnd);
    stdin.setRawMode(false);
    stdin.pause();
  }
}
