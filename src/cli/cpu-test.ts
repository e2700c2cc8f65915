// `ringside cpu-test FILE…`: runs CPU test vectors (JSON lines or one JSON array, plain or gzip) on an engine and says what differs.

import { gunzipSync } from 'node:zlib';
import { DEFAULT_ENGINE, ENGINES, type EngineName } from '../cpu/engine.ts';
import { InterpreterEngine } from '../cpu/interpreter.ts';
import { createEngine } from '../cpu/engines.ts';
import { engineCode } from './engine-code.ts';
import { fileBytes, fileTrouble } from './files.ts';
import type { Difference } from './vector-compare.ts';
import { parseVector, parseVectorArray, type Vector } from './vector-format.ts';
import { VectorMachine } from './vector-machine.ts';

export interface LocatedVector {
  readonly vector: Vector;
  /** File and line, or file and index. */
  readonly where: string;
}

export interface Failure {
  readonly vector: Vector;
  /** File and line, or only the line's number. */
  readonly where: string;
  readonly text: string;
  readonly differences: readonly Difference[];
}

export interface Report {
  readonly passed: number;
  readonly failures: readonly Failure[];
}

const USAGE = `usage: ringside cpu-test FILE…|- [--engine ${ENGINES.join('|')}]\n`;
const SHOWN_FAILURES = 20,
  SHOWN_DIFFERENCES = 6;

function unpack(bytes: Uint8Array, name: string): Uint8Array {
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new Error(`${name}: damaged gzip (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** The vectors of a file ('-' is standard input), plain or gzip, with their line numbers; throws an Error that names file and line when one is no vector. */
export function readVectors(path: string): LocatedVector[] {
  const raw = fileBytes(path);
  const name = path === '-' ? 'standard input' : path;
  const text = new TextDecoder().decode(raw[0] === 0x1f && raw[1] === 0x8b ? unpack(raw, name) : raw);
  if (text.trimStart().startsWith('[')) return parseVectorArray(text, name);
  const vectors: LocatedVector[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const where = `${name}:${i + 1}`;
    vectors.push({ vector: parseVector(line, where), where });
  });
  return vectors;
}

/** A machine that runs vectors on the named engine. */
export function vectorMachine(engine: EngineName): VectorMachine {
  const code = engine === 'reference' ? undefined : engineCode(false);
  return new VectorMachine((platform) => {
    const made = createEngine(engine, { ...platform, code }).engine;
    // A vector is one tick: straight runs of one instruction, or generated code would leave it to the reference engine.
    if (made instanceof InterpreterEngine) made.insist();
    return made;
  });
}

/** What differs after one vector; an error of ours is a difference too. */
export function differencesOf(machine: VectorMachine, vector: Vector): Difference[] {
  try {
    return machine.run(vector);
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error);
    return [{ what: 'run', expected: 'an outcome', got }];
  }
}

/** Runs vectors one after the other on one machine. */
export function runVectors(
  vectors: readonly LocatedVector[],
  engine: EngineName,
  machine = vectorMachine(engine),
): Report {
  const failures: Failure[] = [];
  for (const { vector, where } of vectors) {
    const differences = differencesOf(machine, vector);
    if (differences.length > 0) failures.push({ vector, where, text: machine.text(vector), differences });
  }
  return { passed: vectors.length - failures.length, failures };
}

/** A failure as lines for a person: name, place, instruction, then the first differences. */
export function describeFailure({ vector, where, text, differences }: Failure): string {
  const lines = differences
    .slice(0, SHOWN_DIFFERENCES)
    .map(({ what, expected, got }) => `    ${what.padEnd(12)} expected ${expected}, got ${got}`);
  const more =
    differences.length > SHOWN_DIFFERENCES ? [`    … ${differences.length - SHOWN_DIFFERENCES} more`] : [];
  return [`FAIL ${vector.name}  (${where})`, `    ${text}`, ...lines, ...more].join('\n') + '\n';
}

interface Arguments {
  readonly files: readonly string[];
  readonly engine: EngineName;
}

function parseArguments(argv: readonly string[]): Arguments | string {
  const files: string[] = [];
  let engine: EngineName = DEFAULT_ENGINE;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--engine' || word.startsWith('--engine=')) {
      const name = word === '--engine' ? argv[++i] : word.slice('--engine='.length);
      const known = ENGINES.find((candidate) => candidate === name);
      if (known === undefined) return `unknown engine '${name ?? ''}'; there is ${ENGINES.join(', ')}`;
      engine = known;
    } else if (word !== '-' && word.startsWith('-')) return `unknown option '${word}'`;
    else files.push(word);
  }
  return files.length === 0 ? 'no vector file given' : { files, engine };
}

/** The command. Exit code 0 when all passed, 1 on failures, 2 on bad usage or a file that cannot be read. */
export async function run(
  argv: string[],
  out: (text: string) => void,
  err: (text: string) => void,
): Promise<number> {
  const options = parseArguments(argv);
  if (typeof options === 'string') {
    err(`cpu-test: ${options}\n${USAGE}`);
    return 2;
  }
  let passed = 0,
    failed = 0;
  for (const file of options.files) {
    let report: Report;
    try {
      report = runVectors(readVectors(file), options.engine);
    } catch (error) {
      err(`cpu-test: ${fileTrouble(error) ?? (error instanceof Error ? error.message : String(error))}\n`);
      return 2;
    }
    for (const failure of report.failures) if (failed++ < SHOWN_FAILURES) out(describeFailure(failure));
    passed += report.passed;
  }
  if (failed > SHOWN_FAILURES) out(`… ${failed - SHOWN_FAILURES} more failures\n`);
  out(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}
