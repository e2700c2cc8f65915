// New test vectors without end: made on this host's processor, run on our engines, every difference shown in its smallest form and kept.
//
//   npm run fuzz -- --seconds N [--seed S] [--engine reference|interpreter|both] [--out FILE]
//
// Half of the tests come from the opcode table, cell by cell, half are random bytes. Failing vectors are appended to FILE (fuzz-failures.jsonl)
// in the form `ringside cpu-test` reads. Last line: N passed, N failed. Exit code 0, 1 with differences, 2 for bad usage.

import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeFailure, differencesOf, vectorMachine } from '../src/cli/cpu-test.ts';
import type { Difference } from '../src/cli/vector-compare.ts';
import type { Vector } from '../src/cli/vector-format.ts';
import type { VectorMachine } from '../src/cli/vector-machine.ts';
import { ENGINES, type EngineName } from '../src/cpu/engine.ts';
import { TABLE } from '../src/isa/table.ts';
import type { Case } from './vectors/cases.ts';
import { cells } from './vectors/cells.ts';
import { drawCase } from './vectors/generate.ts';
import { cpuName, Native } from './vectors/native.ts';
import { HOST_ONLY_SELECTORS, isPrivate } from './vectors/palette.ts';
import { type Random, random } from './vectors/random.ts';
import { randomCase } from './vectors/random-bytes.ts';
import { dependsOnHost, toVector } from './vectors/vector.ts';

const BATCH = 2000;
const SHOWN = 40;
const REPORT_EVERY_MS = 60_000;
/** What may stand there: data or code of ring 3. */
const HOST_ONLY_DESCRIPTORS = [
  [0xffff, 0x00cff300],
  [0xffff, 0x00cffb00],
] as const;

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly engines: readonly EngineName[];
  readonly out: string;
}

const USAGE = `usage: npm run fuzz -- --seconds N [--seed S] [--engine ${ENGINES.join('|')}|both] [--out FILE]\n`;

/** Options from the command line, or what is wrong with them. */
export function parseOptions(argv: readonly string[]): FuzzOptions | string {
  let values: { seconds?: string; seed?: string; engine?: string; out?: string };
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        seconds: { type: 'string' },
        seed: { type: 'string' },
        engine: { type: 'string' },
        out: { type: 'string' },
      },
    }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const seconds = Number(values.seconds ?? 60),
    seed = Number(values.seed ?? Date.now() % 0x7fffffff);
  if (!(seconds > 0)) return `'${values.seconds}' is no number of seconds`;
  if (!Number.isInteger(seed)) return `'${values.seed}' is no seed`;
  const wanted = values.engine ?? 'both';
  const engines = ENGINES.filter((name) => wanted === 'both' || wanted === name);
  if (engines.length === 0) return `unknown engine '${wanted}'; there is ${ENGINES.join(', ')}, both`;
  return { seconds, seed, engines, out: values.out ?? 'fuzz-failures.jsonl' };
}

/** Engines and processor side by side. */
export class Bench {
  readonly native = new Native();
  readonly cpu = cpuName();
  readonly machines: ReadonlyMap<EngineName, VectorMachine>;
  private readonly cells = cells(TABLE, this.native.low);
  private turn = 0;

  constructor(engines: readonly EngineName[]) {
    this.machines = new Map(engines.map((name) => [name, vectorMachine(name)]));
  }

  draw(rng: Random): Case[] {
    const cases: Case[] = [];
    while (cases.length < BATCH) {
      const cell = this.cells[this.turn++ % this.cells.length]!;
      for (const one of [drawCase(cell, rng), randomCase(rng, this.native.low)])
        if (one !== undefined) cases.push(one);
    }
    return cases;
  }

  /** Vectors of what the processor did, where that is anybody's affair. */
  answers(cases: readonly Case[]): { one: Case; vector: Vector }[] {
    return this.native.run(cases).flatMap((answer, i) => {
      const one = cases[i]!;
      if (dependsOnHost(one, answer)) return [];
      const vector = toVector(one, answer, this.cpu, this.native.low);
      return rewritesItself(one, vector) ? [] : [{ one, vector }];
    });
  }

  /** Differences of a vector on an engine; none when they come from what only this host has. */
  differences(engine: EngineName, vector: Vector): Difference[] {
    const machine = this.machines.get(engine)!;
    const found = differencesOf(machine, vector);
    if (found.length === 0) return found;
    return reachesRunner(machine, found) || seesHostTables(machine, vector, found) ? [] : found;
  }
}

/** A page fault of ours where the runner has its own memory. */
function reachesRunner(machine: VectorMachine, found: readonly Difference[]): boolean {
  return (
    found.some(({ what, got }) => what === 'exception' && got === 'vector 14') && isPrivate(machine.cr2(), 0)
  );
}

/** Whether the outcome changes with descriptors that the host has and the test machine has not. */
function seesHostTables(machine: VectorMachine, vector: Vector, found: readonly Difference[]): boolean {
  return HOST_ONLY_DESCRIPTORS.some((descriptor) => {
    const extra = HOST_ONLY_SELECTORS.map((selector) => [selector, ...descriptor] as const);
    const descriptors = [...(vector.initial.descriptors ?? []), ...extra];
    const other = differencesOf(machine, { ...vector, initial: { ...vector.initial, descriptors } });
    return JSON.stringify(other) !== JSON.stringify(found);
  });
}

/** Simpler tests than this one, the boldest first. */
function simpler(one: Case): Case[] {
  const code = new Set(Array.from({ length: 20 }, (_, i) => i));
  const isCode = (address: number): boolean => code.has(address - codeStart(one));
  const cellsOf = [...one.memory.keys()].filter((address) => !isCode(address));
  const without = (drop: ReadonlySet<number>): Case => ({
    ...one,
    memory: new Map([...one.memory].filter(([address]) => !drop.has(address))),
  });
  const tries: Case[] = [];
  if (cellsOf.length > 0) tries.push(without(new Set(cellsOf)));
  for (let size = cellsOf.length >> 1; size >= 4; size >>= 1)
    for (let at = 0; at < cellsOf.length; at += size)
      tries.push(without(new Set(cellsOf.slice(at, at + size))));
  for (let n = 0; n < 8; n++)
    if (n !== 4 && one.gpr[n] !== 0)
      tries.push({ ...one, gpr: one.gpr.map((value, i) => (i === n ? 0 : value)) });
  const quiet = one.eflags & (one.how === 'own' ? 0x302 : 0x202);
  if (quiet !== one.eflags) tries.push({ ...one, eflags: quiet });
  return tries.slice(0, 40);
}
const codeStart = (one: Case): number => {
  const bytes = one.insn.bytes;
  for (const address of one.memory.keys())
    if ((address & 0xfff) === (one.eip & 0xfff) && one.memory.get(address) === bytes[0]) return address;
  return one.eip;
};

/** A string that overwrites its own instruction goes on as another one: no vector of one instruction. */
const rewritesItself = (one: Case, { final }: Vector): boolean => {
  const start = codeStart(one);
  return (final.mem ?? []).some(([address]) => address >= start && address < start + one.insn.bytes.length);
};

/** The smallest test found that still differs. */
function minimise(bench: Bench, engine: EngineName, start: { one: Case; vector: Vector }): Vector {
  let best = start;
  for (let round = 0; round < 4; round++) {
    const better = bench
      .answers(simpler(best.one))
      .find(({ vector }) => bench.differences(engine, vector).length > 0);
    if (better === undefined) break;
    best = better;
  }
  return best.vector;
}

/** One failing vector for a person: what ran, from where to where. */
function story(bench: Bench, engine: EngineName, vector: Vector): string {
  const machine = bench.machines.get(engine)!;
  const differences = bench.differences(engine, vector);
  const list = (of: Vector['initial']): string =>
    Object.entries(of.regs ?? {})
      .map(([name, value]) => `${name}=${value.toString(16)}`)
      .join(' ');
  const text = describeFailure({ vector, where: engine, text: machine.text(vector), differences });
  const end = vector.exception === undefined ? '' : `  exception ${vector.exception}`;
  return `${text}    before  ${list(vector.initial)}\n    after   ${list(vector.final)}${end}\n`;
}

/** Runs for the time asked; returns how many comparisons passed and failed. */
export function fuzz(options: FuzzOptions, say: (text: string) => void): { passed: number; failed: number } {
  const { seconds, seed, engines, out } = options;
  const bench = new Bench(engines);
  const start = Date.now(),
    until = start + seconds * 1000;
  let passed = 0,
    failed = 0,
    reported = start;
  say(`seed ${seed}, ${engines.join(' and ')}, ${bench.cpu}\n`);
  const shown = new Set<string>();
  const fail = (
    engine: EngineName,
    found: { one: Case; vector: Vector },
    differences: Difference[],
  ): void => {
    failed++;
    const kind = `${engine} ${found.one.insn.form.opcode} ${differences[0]!.what} ${found.vector.exception ?? ''}`;
    if (shown.has(kind) || shown.size >= SHOWN) {
      appendFileSync(out, JSON.stringify(found.vector) + '\n');
      return;
    }
    shown.add(kind);
    const smallest = minimise(bench, engine, found);
    appendFileSync(out, JSON.stringify(smallest) + '\n');
    say(story(bench, engine, smallest));
  };
  try {
    for (let batch = 0; Date.now() < until; batch++) {
      for (const found of bench.answers(bench.draw(random(seed + batch * 0x9e3779b1)))) {
        for (const engine of engines) {
          const differences = bench.differences(engine, found.vector);
          if (differences.length === 0) passed++;
          else fail(engine, found, differences);
        }
      }
      if (Date.now() - reported < REPORT_EVERY_MS) continue;
      reported = Date.now();
      say(`${Math.round((reported - start) / 1000)} s: ${passed} passed, ${failed} failed\n`);
    }
    if (bench.native.crashes > 0) say(`${bench.native.crashes} times the runner had to be started again\n`);
    return { passed, failed };
  } finally {
    bench.native.dispose();
  }
}

function main(): void {
  const options = parseOptions(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stderr.write(`fuzz: ${options}\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const { passed, failed } = fuzz(options, (text) => process.stdout.write(text));
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

if (process.argv[1]?.endsWith('fuzz.ts')) main();
