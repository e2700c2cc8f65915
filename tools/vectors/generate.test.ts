import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { firstInsn, type Vector } from '../../src/cli/vector-machine.ts';
import { TABLE } from '../../src/isa/table.ts';
import { need } from '../need.ts';
import { cells, EXCLUDED, WINDOWS } from './cases.ts';
import { generate } from './generate.ts';
import { random } from './random.ts';

const parse = (lines: readonly string[]): Vector[] => lines.map((line) => JSON.parse(line) as Vector);

describe('the coverage table', () => {
  it('has every form but the excluded ones, and excludes only forms that exist', () => {
    const covered = new Set(cells(TABLE, true).map(({ form }) => form));
    for (const form of TABLE.slice(1))
      expect(covered.has(form), form.mnemonic).toBe(!(form.semantics in EXCLUDED));
    const semantics = new Set(TABLE.map((form) => form.semantics));
    for (const name of Object.keys(EXCLUDED)) expect(semantics.has(name), name).toBe(true);
  });
});

describe('the random numbers', () => {
  it('are those of their seed', () => {
    const a = random(7),
      b = random(7),
      c = random(8);
    const first = Array.from({ length: 5 }, () => a.u32());
    expect(Array.from({ length: 5 }, () => b.u32())).toEqual(first);
    expect(Array.from({ length: 5 }, () => c.u32())).not.toEqual(first);
  });
});

need('gcc-m32')('vectors from this processor', () => {
  it('are the same for the same seed', () => {
    expect(generate(3, 500).lines).toEqual(generate(3, 500).lines);
    expect(generate(4, 500).lines).not.toEqual(generate(3, 500).lines);
  });

  it('meet every cell in two rounds', () => {
    const { missed, cells: total } = generate(5, 4000);
    expect(total).toBeGreaterThan(1000);
    expect(missed).toEqual([]);
  });

  it('know an addition and its flags', () => {
    const adds = parse(generate(6, 300, 'arithmetic').lines).filter((one) => {
      const insn = firstInsn(one);
      return (
        insn.form.opcode === '01' &&
        insn.opSize === 32 &&
        one.exception === undefined &&
        insn.operands[0]?.kind === 'reg'
      );
    });
    expect(adds.length).toBeGreaterThan(0);
    for (const { initial, final, name } of adds) {
      const [target, source] = name.replace('add ', '').split(', ') as [string, string];
      const sum = initial.regs![target]! + initial.regs![source]!;
      expect(final.regs![target]).toBe(sum >>> 0);
      expect(final.regs!['eflags']! & 1).toBe(sum > 0xffffffff ? 1 : 0);
    }
  });

  it('contain faults with their codes, and no address of the runner itself', () => {
    const vectors = parse(generate(9, 3000).lines);
    const vectorsOf = (n: number): Vector[] => vectors.filter((one) => one.exception === n);
    for (const n of [0, 3, 5, 6, 13, 14]) expect(vectorsOf(n).length, `vector ${n}`).toBeGreaterThan(0);
    for (const one of vectorsOf(14)) {
      expect(one.errorCode! & 4).toBe(4);
      expect(one.final.regs!['cr2']).toBeGreaterThanOrEqual(0x1000000);
    }
    for (const { initial, final } of vectors) {
      for (const [address] of [...initial.mem!, ...final.mem!]) {
        expect(WINDOWS.some(({ start, size }) => address >= start && address < start + size)).toBe(true);
      }
    }
  });

  it('refuse a group that does not exist', () => {
    expect(() => generate(1, 10, 'nonsense')).toThrow("'nonsense'");
  });
});

describe('the runner', () => {
  it('and the cases agree on the windows', () => {
    const source = readFileSync(new URL('native.c', import.meta.url), 'utf8');
    for (const text of [
      'DATA = 0x10000000',
      'CODE = 0x20000000',
      'STACK = 0x30000000',
      '{0x1000, 2 * PAGE, 0}',
    ])
      expect(source).toContain(text);
  });
});
