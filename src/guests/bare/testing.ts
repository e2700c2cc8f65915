// Runs an image on the bare machine, headless and without history, and says what came out of COM1 and how it ended.

import { readFileSync } from 'node:fs';
import { engineChoice } from '../../cli/engine-code.ts';
import type { EngineName } from '../../cpu/engine.ts';
import { createBare } from '../../machine/bare.ts';
import { CHANNEL } from '../../machine/devices/console.ts';
import { runMachine } from '../../machine/run.ts';
import { stopReason } from '../../machine/stop.ts';
import { HEADER } from '../../memory/map.ts';
import { allocate } from '../../memory/memory.ts';
import { loadMultiboot } from '../../toolstack/multiboot.ts';
import { MACHINE } from '../../trace/recorder.ts';
import { RT } from '../../trace/records.ts';

export interface BareRun {
  readonly engine: EngineName;
  /** A multiboot kernel or a ROM: path under public/guests/bare. */
  readonly kernel?: string;
  readonly rom?: string;
  readonly cmdline?: string;
  readonly module?: Uint8Array;
  readonly maxTicks?: number;
}
export interface BareEnd {
  readonly text: string;
  /** What went to the exit port, undefined if the machine ended otherwise; reason says how. */
  readonly status: number | undefined;
  readonly reason: string;
  readonly ticks: number;
}

const EXIT_PORT = 0xf4;
const guest = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../public/guests/bare/${path}`, import.meta.url)));

export function runBare(run: BareRun): BareEnd {
  const m = allocate(64, false);
  const rom = run.rom === undefined ? {} : { rom: guest(run.rom) };
  const settings = { memoryMiB: 32, epochSec: 1_790_000_000, exitPort: EXIT_PORT, ...rom };
  const machine = createBare(m, settings, engineChoice(run.engine, false));
  if (run.kernel !== undefined)
    loadMultiboot(machine, {
      image: guest(run.kernel),
      name: run.kernel,
      cmdline: run.cmdline ?? '',
      ...(run.module === undefined ? {} : { module: { bytes: run.module, name: 'module' } }),
    });
  const { trace } = machine;
  const said: Uint8Array[] = [];
  const emit = trace.emit.bind(trace);
  trace.emit = (type, phase, outcome, who, aux, p, data) => {
    if (type === RT.console && aux === CHANNEL.com1 && data) said.push(data);
    return emit(type, phase, outcome, who, aux, p, data);
  };
  trace.onFull = () => trace.drain(() => {});
  const unlimited = { untilT: Infinity, untilSeq: 0, hostSlice: 1_000_000, host: 0, hosts: 1 };
  runMachine(machine, { ...unlimited, untilTicks: run.maxTicks ?? 200e6, pause: () => false });
  const reason = stopReason(m);
  return {
    text: Buffer.concat(said).toString('latin1'),
    status: reason === 'exit' ? m.r32(HEADER + MACHINE.stopCode) : undefined,
    reason,
    ticks: m.r64(HEADER + MACHINE.ticks),
  };
}
