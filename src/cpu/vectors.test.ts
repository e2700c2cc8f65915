// The engine against a real processor: every committed vector, and freshly made ones where this host can make them.

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { need } from '../../tools/need.ts';
import { EXCLUDED } from '../../tools/vectors/cases.ts';
import { generate } from '../../tools/vectors/generate.ts';
import { describeFailure, readVectors, runVectors } from '../cli/cpu-test.ts';
import { firstInsn, type Vector } from '../cli/vector-machine.ts';
import { TABLE } from '../isa/table.ts';
import { ENGINES } from './engine.ts';

const FOLDER = new URL('vectors/', import.meta.url).pathname;
const FILES = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.jsonl.gz'))
  .sort();

/** What a person should read first when many fail. */
const firstFailures = (report: ReturnType<typeof runVectors>): string =>
  report.failures.slice(0, 10).map(describeFailure).join('');

for (const engine of ENGINES) {
  describe(`the ${engine} engine`, () => {
    for (const file of FILES) {
      it(`does what the processor did: ${file}`, () => {
        const vectors = readVectors(FOLDER + file);
        const report = runVectors(vectors, engine);
        expect(firstFailures(report)).toBe('');
        expect(report.passed).toBe(vectors.length);
      });
    }

    it('is told apart from one that is wrong', () => {
      const [entry] = readVectors(`${FOLDER}arithmetic.jsonl.gz`);
      const { vector } = entry!;
      const regs = vector.final.regs!;
      const broken: readonly Vector[] = [
        { ...vector, final: { ...vector.final, regs: { ...regs, ecx: regs['ecx']! ^ 1 } } },
        { ...vector, final: { ...vector.final, regs: { ...regs, eflags: regs['eflags']! ^ 0x40 } } },
        { ...vector, final: { ...vector.final, mem: [[0x10000000, 1]] } },
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
        '[0x10000000]',
        'exception',
      ]);
      expect(runVectors([entry!], engine).failures).toEqual([]);
    });
  });
}

describe('the committed vectors', () => {
  it('are at least ten thousand and meet every form that can be tested', () => {
    const seen = new Set<number>();
    let count = 0;
    for (const file of FILES) {
      for (const { vector } of readVectors(FOLDER + file)) {
        seen.add(firstInsn(vector).form.id);
        count++;
      }
    }
    const missing = TABLE.filter((form) => !seen.has(form.id) && !(form.semantics in EXCLUDED)).map(
      ({ opcode, mnemonic }) => `${opcode} ${mnemonic}`,
    );
    expect(missing).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(10_000);
  });
});

need('gcc-m32')('vectors made now on this processor', () => {
  it('pass as well', () => {
    const { lines } = generate(20_260, 3000);
    const vectors = lines.map((line, i) => ({ vector: JSON.parse(line) as Vector, where: `line ${i + 1}` }));
    const report = runVectors(vectors, ENGINES[0]);
    expect(firstFailures(report)).toBe('');
    expect(report.passed).toBe(3000);
  });
});
