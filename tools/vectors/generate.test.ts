import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Vector } from '../../src/cli/vector-format.ts';
import { firstInsn } from '../../src/cli/vector-machine.ts';
import { TABLE } from '../../src/isa/table.ts';
import { need } from '../need.ts';
import { cells, EXCLUDED } from './cells.ts';
import { coverageOf, coverageReport, missing } from './coverage.ts';
import { isForeign } from './foreign.ts';
import { generate } from './generate.ts';
import { WINDOWS } from './palette.ts';
import { random } from './random.ts';

describe('the coverage table', () => {
  it('has every form but the excluded ones', () => {
    const covered = new Set(cells(TABLE, true).map(({ form }) => form));
    for (const form of TABLE.slice(1))
      expect(covered.has(form), form.mnemonic).toBe(!(form.semantics in EXCLUDED));
  });
  it('names what is missing', () => {
    const nothing = coverageOf([]);
    expect(missing(nothing)).toContain('00 add 32 register');
    expect(missing(nothing)).toContain('00 add 32 memory');
    expect(missing(nothing)).toContain('01 add 16 memory');
    const nop: Vector = {
      name: 'add bl, al',
      mode: 'prot32',
      initial: {
        regs: { eip: 0x20000000 },
        mem: [
          [0x20000000, 0],
          [0x20000001, 0xc3],
        ],
      },
      final: {},
    };
    const one = coverageOf([nop, { ...nop, exception: 13 }]);
    expect(missing(one)).not.toContain('00 add 32 register');
    expect(missing(one)).toContain('00 add 32 memory');
    expect(coverageReport(one)).toContain('| 00 | add | 32 | register | 1, #GP 1 |');
    expect(coverageReport(one)).toContain('| 0f a2 | cpuid | the answer is the host |');
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

describe('bytes that no test may run', () => {
  it.each([
    ['INT 80h', [0xcd, 0x80]],
    ['INT 80h behind prefixes', [0x66, 0xf3, 0xcd, 0x80]],
    ['x87', [0xd9, 0xc0]],
    ['SYSENTER', [0x0f, 0x05]],
    ['VEX', [0xc5, 0xf8, 0x77]],
    ['XBEGIN', [0xc7, 0xf8, 0, 0, 0, 0]],
    ['TZCNT', [0xf3, 0x0f, 0xbc, 0xc0]],
    ['RDRAND', [0x0f, 0xc7, 0xf0]],
  ])('%s', (_, bytes) => {
    expect(isForeign(bytes)).toBe(true);
  });
  it.each([
    ['LDS from memory', [0xc5, 0x00]],
    ['BSF', [0x0f, 0xbc, 0xc0]],
    ['CMPXCHG8B', [0xf0, 0x0f, 0xc7, 0x0e]],
    ['INT 81h', [0xcd, 0x81]],
  ])('but not %s', (_, bytes) => {
    expect(isForeign(bytes)).toBe(false);
  });
});

need('gcc-m32')('vectors from this processor', () => {
  it('are the same for the same seed', () => {
    expect(generate(3, 500).vectors).toEqual(generate(3, 500).vectors);
    expect(generate(4, 500).vectors).not.toEqual(generate(3, 500).vectors);
    expect(generate(3, 300, 'bytes').vectors).toEqual(generate(3, 300, 'bytes').vectors);
  });

  it('meet every cell in three rounds', () => {
    const { missed, cells: total } = generate(5, 15_000);
    expect(total).toBeGreaterThan(2000);
    expect(missed).toEqual([]);
  }, 60_000);

  it('know an addition and its flags', () => {
    const adds = generate(6, 800, 'arithmetic').vectors.filter((one) => {
      const { form, opSize, operands } = firstInsn(one);
      return (
        form.opcode === '01' && opSize === 32 && one.exception === undefined && operands[0]?.kind === 'reg'
      );
    });
    expect(adds.length).toBeGreaterThan(0);
    for (const { initial, final, name } of adds) {
      const [target, source] = name.replace(/^.*add /, '').split(', ') as [string, string];
      const sum = initial.regs![target]! + initial.regs![source]!;
      expect(final.regs![target]).toBe(sum >>> 0);
      expect(final.regs!['eflags']! & 1).toBe(sum > 0xffffffff ? 1 : 0);
    }
  });

  it('contain faults with their codes, and no address of the runner itself', () => {
    const { vectors } = generate(9, 9000);
    const vectorsOf = (n: number): Vector[] => vectors.filter((one) => one.exception === n);
    for (const n of [0, 1, 3, 5, 6, 11, 12, 13, 14, 17])
      expect(vectorsOf(n).length, `vector ${n}`).toBeGreaterThan(0);
    for (const one of vectorsOf(14)) expect(one.errorCode! & 4).toBe(4);
    for (const { initial, final } of vectors) {
      for (const [address] of [...initial.mem!, ...final.mem!]) {
        expect(WINDOWS.some(({ start, size }) => address >= start && address < start + size)).toBe(true);
      }
    }
  }, 60_000);

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
      'FIXED = 0x50000000',
      '{0x1000, 2 * PAGE,',
    ])
      expect(source).toContain(text);
  });
});
