// What the machine costs, each figure the median of several runs with its spread. Nothing asserts a time.

import { cpus } from 'node:os';
import { ENGINES, type EngineName } from '../../src/cpu/engine.ts';
import { stateHash } from '../../src/machine/state-hash.ts';
import { COUNT_TYPE, NOBODY } from '../../src/trace/recorder.ts';
import { RT } from '../../src/trace/records.ts';
import { labOf, pingPong, start } from '../../src/lab/testing.ts';
import { median, table } from './statistics.ts';

interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly values: number[];
}
const RUNS = 5;
const now = (): number => performance.now();

function measure(name: string, unit: string, once: () => number): Figure {
  const values: number[] = [];
  for (let i = 0; i < RUNS; i++) values.push(once());
  return { name, unit, values: values.sort((a, b) => a - b) };
}
const show = (n: number): string => (n >= 100 ? n.toFixed(0) : n >= 1 ? n.toFixed(2) : n.toFixed(4));

function engine(name: EngineName): Figure {
  return measure(`${name}: ping and pong, idle work of theirs`, 'million ticks/s', () => {
    const { timeline } = start(pingPong(100), { engine: name });
    timeline.run({ untilTicks: 200_000 });
    const t = now();
    timeline.run({ untilTicks: 3_200_000 });
    return (timeline.ticks - 200_000) / 1000 / (now() - t);
  });
}
function recorder(): Figure {
  const { machine } = start(labOf(['hello']));
  const n = 400_000;
  machine.trace.onFull = () => machine.trace.drain(() => {});
  return measure('one trace record, hashed', 'ns', () => {
    const t = now();
    for (let i = 0; i < n; i++) machine.trace.emit(RT.check, 3, 0, NOBODY, 1, [1, i, i, i]);
    return ((now() - t) * 1e6) / n;
  });
}
function hypercall(): Figure {
  return measure('a hypercall of the storm guest, with its records', 'µs', () => {
    const { machine, timeline } = start(labOf([['test-storm', 'count=1500']]));
    const t = now();
    timeline.run({});
    return ((now() - t) * 1000) / (machine.m.u32[COUNT_TYPE + RT.hypercall]! / 2);
  });
}
function snapshots(): Figure[] {
  const { machine, timeline } = start(pingPong(20));
  timeline.run({ untilTicks: 50_000 });
  const take = measure('a snapshot after 10,000 ticks', 'ms', () => {
    timeline.run({ untilTicks: timeline.ticks + 10_000 });
    const t = now();
    timeline.snapshots.take();
    return now() - t;
  });
  const back = measure('one instruction back', 'ms', () => {
    const t = now();
    timeline.back();
    return now() - t;
  });
  const phase = measure('one phase back', 'ms', () => {
    const t = now();
    timeline.goto({ T: timeline.history.TOf(timeline.seq - 1), seq: timeline.seq - 1, within: true });
    return now() - t;
  });
  const hash = measure('state hash of 64 MiB', 'ms', () => {
    const t = now();
    stateHash(machine.m);
    return now() - t;
  });
  return [take, back, phase, hash];
}
function boot(): Figure {
  return measure('hello, from an empty memory to power-off', 'ms', () => {
    const t = now();
    const { timeline } = start(labOf(['hello']));
    timeline.run({});
    return now() - t;
  });
}

/** Measures everything; the table as text. */
export function reportMachine(): string {
  const figures = [...ENGINES.map(engine), recorder(), hypercall(), ...snapshots(), boot()];
  const rows = figures.map((f) => [
    f.name,
    show(median(f.values)),
    f.unit,
    `${show(f.values[0]!)} – ${show(f.values.at(-1)!)}`,
  ]);
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'processor'}`;
  return `${table([['what', 'median', 'unit', 'spread'], ...rows])}\n\n${machine}, Node ${process.version}, ${RUNS} runs each`;
}
