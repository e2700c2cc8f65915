// The engines against a real processor: every committed vector, and freshly made ones where this host can make them.

import { readdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { need } from '../../tools/need.ts';
import { coverageOf, missing } from '../../tools/vectors/coverage.ts';
import { generate } from '../../tools/vectors/generate.ts';
import { describeFailure, type Report, readVectors, runVectors } from '../cli/cpu-test.ts';
import type { Vector } from '../cli/vector-format.ts';
import { ENGINES } from './engine.ts';

const FOLDER = new URL('vectors/', import.meta.url).pathname;
const FILES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.jsonl.gz'))
  .sort();
const LIMIT_MS = 120_000;
const committed = new Map(FILES.map((file) => [file, readVectors(FOLDER + file)]));

/** What a person should read first when many fail. */
const firstFailures = (report: Report): string => report.failures.slice(0, 10).map(describeFailure).join('');

for (const engine of ENGINES) {
  describe(`the ${engine} engine`, () => {
    for (const [file, vectors] of committed) {
      it(
        `does what the processor did: ${file}`,
        () => {
          const report = runVectors(vectors, engine);
          expect(firstFailures(report)).toBe('');
          expect(report.passed).toBe(vectors.length);
        },
        LIMIT_MS,
      );
    }

    it('is told apart from one that is wrong', () => {
      const entry = committed
        .get('arithmetic.jsonl.gz')!
        .find(({ vector }) => vector.exception === undefined && vector.exact === true)!;
      const { vector } = entry;
      const regs = vector.final.regs!;
      const broken: readonly Vector[] = [
        { ...vector, final: { ...vector.final, regs: { ...regs, ecx: regs['ecx']! ^ 1 } } },
        { ...vector, final: { ...vector.final, regs: { ...regs, eflags: regs['eflags']! ^ 0x400 } } },
        { ...vector, final: { ...vector.final, mem: [[0x10001fff, 1]] } },
        { ...vector, exception: 6 },
      ];
      const report = runVectors(
        broken.map((one, i) => ({ vector: one, where: `${i}` })),
        engine,
      );
      expect(report.passed).toBe(0);
      expect(report.failures.map(({ differences }) => differences[0]!.what)).toEqual([
        'ecx',
        'eflags',
        '[0x10001fff]',
        'exception',
      ]);
      expect(runVectors([entry], engine).failures).toEqual([]);
    });
  });
}

describe('the committed vectors', () => {
  const all = [...committed.values()].flat().map(({ vector }) => vector);
  it('are fifty thousand, each with its processor, in less than six megabytes', () => {
    expect(all.length).toBeGreaterThanOrEqual(50_000);
    expect(all.filter(({ cpu }) => !/ \d+-\d+-\d+$/.test(cpu ?? ''))).toEqual([]);
    const bytes = FILES.reduce((sum, file) => sum + statSync(FOLDER + file).size, 0);
    expect(bytes).toBeLessThan(6 * 1024 * 1024);
  });
  it('meet every row of the table in every operand size and class that ring 3 can execute', () => {
    expect(missing(coverageOf(all))).toEqual([]);
  });
  it('raise every exception that a program sees', () => {
    const met = new Set(all.map(({ exception }) => exception));
    for (const vector of [0, 1, 3, 4, 5, 6, 11, 12, 13, 14, 17])
      expect(met.has(vector), `${vector}`).toBe(true);
  });
});

need('gcc-m32')('vectors made now on this processor', () => {
  for (const engine of ENGINES) {
    it(
      `pass as well on the ${engine} engine`,
      () => {
        const { vectors } = generate(20_260, 3000);
        const report = runVectors(
          vectors.map((vector, i) => ({ vector, where: `vector ${i + 1}` })),
          engine,
        );
        expect(firstFailures(report)).toBe('');
        expect(report.passed).toBe(3000);
      },
      LIMIT_MS,
    );
  }
});
