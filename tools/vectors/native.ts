// Compiles native.c for this host and runs test cases through it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import { LDT } from './palette.ts';

/** What the processor did with one case; all numbers unsigned. */
export interface Answer {
  /** Vector of the trap that ended it: 1 when the instruction completed. */
  readonly trap: number;
  readonly code: number;
  readonly cr2: number;
  readonly gpr: readonly number[];
  readonly eip: number;
  readonly eflags: number;
  /** ES CS SS DS FS GS. */
  readonly seg: readonly number[];
  /** Bytes that changed, by address. */
  readonly changed: readonly (readonly [address: number, value: number])[];
}

const REQUEST_WORDS = 18,
  ANSWER_WORDS = 20;
const HOW = { step: 0, int3: 1, own: 2 } as const;
const BATCH_TIMEOUT_MS = 60_000;

/** The requests of all cases, one after the other. */
function requestWords(cases: readonly Case[]): Uint32Array {
  const words = new Uint32Array(cases.reduce((sum, one) => sum + REQUEST_WORDS + one.memory.size * 2, 0));
  let at = 0;
  for (const { gpr, eip, eflags, seg, how, memory } of cases) {
    words.set([...gpr, eip, eflags, ...seg, HOW[how], memory.size], at);
    at += REQUEST_WORDS;
    for (const [address, byte] of memory) {
      words[at++] = address;
      words[at++] = byte;
    }
  }
  return words;
}

function parseAnswers(words: Uint32Array, count: number): Answer[] {
  const answers: Answer[] = [];
  let at = 1;
  for (let n = 0; n < count; n++) {
    const head = words.subarray(at, at + ANSWER_WORDS);
    at += ANSWER_WORDS;
    const changed: [number, number][] = [];
    for (let i = 0; i < head[19]!; i++, at += 2) changed.push([words[at]!, words[at + 1]!]);
    const gpr = [...head.subarray(3, 11)],
      seg = [...head.subarray(13, 19)];
    answers.push({
      trap: head[0]!,
      code: head[1]!,
      cr2: head[2]!,
      gpr,
      eip: head[11]!,
      eflags: head[12]!,
      seg,
      changed,
    });
  }
  if (at !== words.length) throw new Error('the native runner answered something else than it was asked');
  return answers;
}

/** The processor's name, family, model and stepping, for the vectors' "cpu" member. */
export function cpuName(): string {
  const info = readFileSync('/proc/cpuinfo', 'utf8');
  const field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1] ?? '?';
  return `${field('model name')} ${field('cpu family')}-${field('model')}-${field('stepping')}`;
}

export class Native {
  readonly folder: string;
  readonly program: string;
  /** Whether the window below 64 KiB could be mapped, which 16-bit addresses need in flat segments. */
  readonly low: boolean;
  /** Batches that ended the runner, and were split until the guilty test stood alone. */
  crashes = 0;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'ringside-vectors-'));
    this.program = join(this.folder, 'native');
    const source = new URL('native.c', import.meta.url).pathname;
    const flags = [
      '-m32',
      '-O1',
      '-static',
      '-fno-pie',
      '-no-pie',
      '-fno-stack-protector',
      '-Wall',
      '-Wextra',
    ];
    const compiled = spawnSync('gcc', [...flags, '-o', this.program, source], { encoding: 'utf8' });
    if (compiled.status !== 0) throw new Error(`gcc -m32 failed:\n${compiled.stderr}`);
    const first = this.words([], 'flat');
    if (typeof first === 'string') throw new Error(`the native runner does not start: ${first}`);
    this.low = first[0] === 1;
  }

  /** Output of the runner for these cases, or how it ended. */
  private words(cases: readonly Case[], world: Case['world']): Uint32Array | string {
    const table = LDT.flatMap(({ selector, base, limit, access }) => [selector, base, limit, access]);
    const result = spawnSync(this.program, world === 'ldt' ? table.map((n) => n.toString(16)) : [], {
      input: Buffer.from(requestWords(cases).buffer),
      maxBuffer: 1 << 30,
      timeout: BATCH_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    if (result.status !== 0)
      return `${result.signal ?? result.error?.message ?? result.status} ${result.stderr?.toString() ?? ''}`;
    const { buffer, byteOffset, length } = result.stdout;
    return new Uint32Array(buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer);
  }

  /** Runs cases of one world; undefined where the test ended the runner. */
  private runWorld(cases: readonly Case[], world: Case['world']): (Answer | undefined)[] {
    if (cases.length === 0) return [];
    const words = this.words(cases, world);
    if (typeof words !== 'string') return parseAnswers(words, cases.length);
    this.crashes++;
    if (cases.length === 1) return [undefined];
    const half = cases.length >> 1;
    return [...this.runWorld(cases.slice(0, half), world), ...this.runWorld(cases.slice(half), world)];
  }

  /** Runs every case and returns the answers in the same order; undefined for one that took the runner with it. */
  run(cases: readonly Case[]): (Answer | undefined)[] {
    const answers = new Map<Case, Answer | undefined>();
    for (const world of ['flat', 'ldt'] as const) {
      const some = cases.filter((one) => one.world === world);
      this.runWorld(some, world).forEach((answer, i) => {
        answers.set(some[i]!, answer);
      });
    }
    return cases.map((one) => answers.get(one));
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
