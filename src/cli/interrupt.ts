// Ctrl-C and its like: the run ends between two slices, so that what the guest printed, the trace file and the line of --json are whole.

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
/** Node ignores SIGPIPE: whoever finds the reader of stdout gone says so here. */
const NUMBERS = { ...SIGNALS, SIGPIPE: 13 } as const;
type Signal = keyof typeof NUMBERS;

export class Interrupt {
  /** The first signal that came. */
  signal: Signal | undefined;
  private readonly onSignal = (signal: NodeJS.Signals): void => {
    // A second one ends the process at once, as if nobody listened.
    this.end();
    this.signal = signal as Signal;
  };

  constructor() {
    for (const signal of Object.keys(SIGNALS)) process.on(signal, this.onSignal);
  }
  /** Exit code as shells have it: 128 and the number of the signal. */
  get code(): number {
    return 128 + (this.signal === undefined ? 0 : NUMBERS[this.signal]);
  }
  end(): void {
    for (const signal of Object.keys(SIGNALS)) process.off(signal, this.onSignal);
  }
}
