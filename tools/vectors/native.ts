// Compiles native.c for this host and runs test cases through it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Case } from './cases.ts';

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

const ANSWER_WORDS = 20;

function requestWords({ gpr, eip, eflags, how, memory }: Case): number[] {
  const cells = [...memory].flat();
  return [...gpr, eip, eflags, how === 'step' ? 0 : 1, memory.size, ...cells];
}

/** The processor's name and signature, for the vectors' "cpu" member. */
export function cpuName(): string {
  const info = readFileSync('/proc/cpuinfo', 'utf8');
  const field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1] ?? '?';
  return `${field('model name')} ${field('cpu family')}-${field('model')}-${field('stepping')}`;
}

export class Native {
  readonly folder: string;
  readonly program: string;
  /** Whether the window below 64 KiB could be mapped, which 16-bit addresses need. */
  readonly low: boolean;

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
    this.low = this.words([])[0] === 1;
  }

  words(request: readonly number[]): Uint32Array {
    const input = Buffer.from(Uint32Array.from(request).buffer);
    const result = spawnSync(this.program, [], { input, maxBuffer: 1 << 30 });
    if (result.status !== 0) {
      throw new Error(
        `the native runner ended with ${result.signal ?? result.status}: ${result.stderr.toString()}`,
      );
    }
    return new Uint32Array(
      result.stdout.buffer.slice(result.stdout.byteOffset, result.stdout.byteOffset + result.stdout.length),
    );
  }

  /** Runs every case and returns the answers in the same order. */
  run(cases: readonly Case[]): Answer[] {
    const request: number[] = [];
    for (const one of cases) request.push(...requestWords(one));
    const words = this.words(request);
    const answers: Answer[] = [];
    let at = 1;
    for (let n = 0; n < cases.length; n++) {
      const head = words.subarray(at, at + ANSWER_WORDS);
      at += ANSWER_WORDS;
      const changed: [number, number][] = [];
      for (let i = 0; i < head[19]!; i++, at += 2) changed.push([words[at]!, words[at + 1]!]);
      const [trap, code, cr2] = head as unknown as [number, number, number];
      const gpr = [...head.subarray(3, 11)],
        seg = [...head.subarray(13, 19)];
      answers.push({ trap, code, cr2, gpr, eip: head[11]!, eflags: head[12]!, seg, changed });
    }
    if (at !== words.length) throw new Error('the native runner answered something else than it was asked');
    return answers;
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
