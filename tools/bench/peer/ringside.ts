// Our own engines on the bare machine: built, loaded and run as the command line does, without history and snapshots.

import { readFileSync } from 'node:fs';
import { engineChoice } from '../../../src/cli/engine-code.ts';
import { createBare } from '../../../src/machine/bare.ts';
import { CHANNEL } from '../../../src/machine/devices/console.ts';
import { runMachine } from '../../../src/machine/run.ts';
import { stopReason } from '../../../src/machine/stop.ts';
import { allocate } from '../../../src/memory/memory.ts';
import { loadMultiboot } from '../../../src/toolstack/multiboot.ts';
import { RT } from '../../../src/trace/records.ts';
import { type Job, type Run, Stopwatch } from './run.ts';

const MEMORY_MIB = 128;
const GUEST_MIB = 64;
const EXIT_PORT = 0xf4;
const EPOCH = 1_790_000_000;
/** Ticks between two looks around: the engine's advice is one to two million. */
const HOST_SLICE = 1_000_000;

/** Runs the job to its end. Throws if the machine ends without a result. */
export function runRingside(job: Job): Run {
  if (job.peer === 'v86') throw new Error('v86 is no engine of ours');
  const m = allocate(MEMORY_MIB, false);
  const image = new Uint8Array(readFileSync(job.image));
  const started = performance.now();
  const engine = engineChoice(job.peer, false);
  const machine = createBare(m, { memoryMiB: GUEST_MIB, epochSec: EPOCH, exitPort: EXIT_PORT }, engine);
  const startMs = performance.now() - started;
  const cmdline = `repeat=${job.repeat} warm=${job.warm}`;
  loadMultiboot(machine, { image, name: 'bench', cmdline });

  // A console record leaves with the newline: its time is the line's, to the instruction.
  const { trace, chipset } = machine;
  const watch = new Stopwatch(startMs, () => chipset.T);
  let run: Run | undefined;
  const emit = trace.emit.bind(trace);
  trace.emit = (type, phase, outcome, who, aux, p, data) => {
    if (type === RT.console && aux === CHANNEL.com1) for (const byte of data ?? []) run ??= watch.byte(byte);
    return emit(type, phase, outcome, who, aux, p, data);
  };
  trace.onFull = () => trace.drain(() => {});
  const unlimited = { untilT: Infinity, untilSeq: 0, untilTicks: Number.MAX_SAFE_INTEGER };
  const limits = { ...unlimited, hostSlice: HOST_SLICE, host: 0, hosts: 1, pause: () => run !== undefined };
  runMachine(machine, limits);
  if (!run) throw new Error(`the machine ended without a result: ${stopReason(m)}`);
  return run;
}
