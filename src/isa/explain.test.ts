// Explanations: true line by line. The strongest check runs the pseudo-code: with a machine at hand, what the last line of each
// destination says must be what the processor of the recorded vectors has afterwards.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type Describe, type Semantic, semantics } from './builder.ts';
import { decode } from './decode.ts';
import { explain, type MachineView, renderLine } from './explain.ts';
import { sampleInsns } from './samples.ts';
import './semantics/index.ts';
import { TABLE } from './table.ts';
import type { Insn } from './types.ts';

const insnOf = (text: string): Insn => {
  const bytes = text.split(' ').map((byte) => Number.parseInt(byte, 16));
  return decode((i) => bytes[i] ?? 0, true);
};
const code = (text: string, view?: MachineView): string[] =>
  explain(insnOf(text), 0x1000, view).lines.map((line) => '  '.repeat(line.depth) + line.text);

describe('pseudo-code', () => {
  test('names what is read before it is overwritten: XCHG', () => {
    expect(code('87 d8')).toEqual(['let old_ebx = ebx', 'ebx ← eax', 'eax ← old_ebx']);
  });
  test('names memory that is read once and used twice: XADD', () => {
    expect(code('0f c1 0b')).toEqual([
      'check that 4 bytes at ds:[ebx] can be written',
      'let value = dword ds:[ebx]',
      'let result = value + ecx',
      'CF PF AF ZF SF OF ← flags of value + ecx, giving result (32 bits)',
      'ecx ← value',
      'dword ds:[ebx] ← result',
    ]);
  });
  test('RET reads its target before the stack pointer moves', () => {
    const lines = code('c3');
    const read = lines.findIndex((line) => line.includes('ss:[SP]') || line.includes('popped'));
    const moved = lines.findIndex((line) => line.startsWith('SP ←'));
    expect(read).toBeGreaterThanOrEqual(0);
    expect(read).toBeLessThan(moved);
    expect(lines.some((line) => line.startsWith('go on at'))).toBe(true);
  });
  test('a load into the register that was its address needs no name, an exchange with the accumulator does', () => {
    expect(code('8b 1b')).toEqual(['ebx ← dword ds:[ebx]']);
    expect(code('93')).toEqual(
      ['let old_ebx = ebx', 'ebx ← eax', 'eax ← old_ebx'].map((line) => swapped(line)),
    );
  });
  test('system instructions say who may', () => {
    expect(code('0f 01 0d 00 10 00 00')).toEqual([
      'if CR4.UMIP = 1 and CPL > 0: raise #GP(0)',
      'check that 6 bytes at ds:[0x1000] can be written',
      'word ds:[0x1000] ← IDTR.limit',
      'dword ds:[0x1002] ← IDTR.base',
    ]);
    expect(code('fa')).toEqual(['if IOPL < CPL: raise #GP(0)', 'IF ← 0']);
    expect(code('90')).toEqual(['nothing changes but EIP']);
  });
  test('every form can be explained in both languages, and no place in a sentence stays empty', () => {
    for (const form of TABLE) {
      for (const insn of sampleInsns(form)) {
        const { lines, summary } = explain(insn, 0x1000);
        expect(lines.length, form.opcode).toBeGreaterThan(0);
        expect(summary).not.toBe('');
        for (const line of lines) {
          const both = [line.text, renderLine(line, 'ko')];
          for (const text of both) {
            expect(text, form.opcode).not.toMatch(/\{\d\}|undefined|NaN|\[object/);
            expect(text).not.toBe('');
          }
          // An act that the renderer does not know would be written as a call of the builder.
          expect(line.kind, `${form.opcode} ${line.text}`).not.toBe('other');
        }
      }
    }
  });
});

/** XCHG with the accumulator is described with the operands the other way round. */
function swapped(line: string): string {
  const names: Readonly<Record<string, string>> = { eax: 'ebx', ebx: 'eax', old_ebx: 'old_eax' };
  return line.replace(/old_ebx|eax|ebx/g, (name) => names[name]!);
}

describe('mutation', () => {
  /** ADC that subtracts. */
  const subtract: Describe = (b, dst, src) => {
    const a = dst.get(),
      c = src.get(),
      r = b.sub(b.sub(a, c), b.flag('cf'));
    b.flags('sub', a, c, r, dst.size);
    dst.set(r);
  };
  const mutated: ReadonlyMap<string, Semantic> = new Map([
    ...semantics,
    ['adc', { name: 'adc', access: ['rw', 'r'], run: subtract }],
  ]);

  test('a changed description changes the explanation', () => {
    const adc = insnOf('11 d8');
    const before = explain(adc, 0).lines.map((line) => line.text);
    const after = explain(adc, 0, undefined, 'en', mutated).lines.map((line) => line.text);
    expect(before).toContain('let result = (eax + ebx) + CF');
    expect(after).toContain('let result = (eax - ebx) - CF');
    expect(after).not.toEqual(before);
    expect(before.some((line) => line.includes('flags of eax + ebx'))).toBe(true);
    expect(after.some((line) => line.includes('flags of eax - ebx'))).toBe(true);
  });
  test('nothing is known by its mnemonic: a form renamed is explained the same', () => {
    const adc = insnOf('11 d8');
    const renamed: Insn = { ...adc, form: { ...adc.form, mnemonic: 'frob' } };
    expect(explain(renamed, 0)).toEqual(explain(adc, 0));
  });
});

// ---- Current values ------------------------------------------------------------------------------------

const view = (eflags: number, cpl = 3): MachineView => ({
  reg: (n) => [7, 2, 0, 5, 0x2000, 0, 0, 0][n],
  eflags: () => eflags,
  load: (_seg, offset, size) => (size === 32 ? 0x11110000 + offset : 0x80),
  sys: (name) => ({ cpl, iopl: 0, if: 1, vm: 0, cr4: 0, cr0: 0x80000011 })[name],
});
const values = (text: string, machine: MachineView) =>
  explain(insnOf(text), 0x1000, machine).lines.map(({ value, taken }) =>
    taken === false ? 'not taken' : value,
  );

describe('current values', () => {
  test('ADC with and without carry', () => {
    expect(values('11 d8', view(0x202))).toEqual(['0xc', undefined, '0xc']);
    expect(values('11 d8', view(0x203))).toEqual(['0xd', undefined, '0xd']);
  });
  test('XCHG shows each value where it goes', () => {
    expect(values('87 d8', view(2))).toEqual(['5', '7', '5']);
  });
  test('the branch not taken is marked, at each level', () => {
    const popf = (cpl: number) =>
      explain(insnOf('9d'), 0x1000, view(2, cpl)).lines.map(
        (l) => `${l.text} ${l.taken === false ? '-' : '+'}`,
      );
    expect(popf(3)).toContain('IF ← (popped >> 9) & 1 -');
    expect(popf(0)).toContain('IF ← (popped >> 9) & 1 +');
    expect(popf(0)).toContain('IOPL ← (popped >> 12) & 3 +');
  });
  test('a fault that will happen ends it', () => {
    const lines = explain(insnOf('fa'), 0x1000, view(2, 3)).lines;
    expect(lines.map(({ value, taken }) => [value, taken])).toEqual([
      ['yes', undefined],
      [undefined, false],
    ]);
    expect(explain(insnOf('fa'), 0x1000, view(2, 3), 'ko').lines[0]!.value).toBe('예');
  });
  test('a jump tells where it leads', () => {
    const [line] = explain(insnOf('eb fe'), 0x1000, view(2)).lines;
    expect(line!.value).toBe('0x1000');
  });
  test('without a machine there are no values', () => {
    expect(explain(insnOf('11 d8'), 0).lines.every((line) => line.value === undefined)).toBe(true);
  });
});

describe('what the lines say is what a processor did', () => {
  type Regs = Readonly<Record<string, number>>;
  interface Vector {
    readonly mode: string;
    readonly initial: {
      readonly regs: Regs;
      readonly mem: readonly (readonly [number, number])[];
      readonly descriptors?: unknown;
    };
    readonly final: { readonly regs: Regs };
    readonly exception?: number;
  }
  const NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];

  /** Registers after the lines: the last value assigned to each whole register. */
  function lastAssigned(vector: Vector, insn: Insn): Map<string, number> {
    const bytes = new Map(vector.initial.mem);
    const machine: MachineView = {
      reg: (n) => vector.initial.regs[NAMES[n]!],
      eflags: () => vector.initial.regs['eflags'],
      load: (_seg, offset, size) => {
        let value = 0n;
        for (let i = size / 8 - 1; i >= 0; i--)
          value = (value << 8n) | BigInt(bytes.get((offset + i) >>> 0) ?? 0);
        return size === 64 ? value : Number(value);
      },
      sys: (name) => ({ cpl: 3, iopl: 0, if: 1, vm: 0, cr0: 0x80010033, cr4: 0x20 })[name],
    };
    const assigned = new Map<string, number>();
    for (const line of explain(insn, vector.initial.regs['eip']!, machine).lines) {
      const target = line.args[0] ?? '';
      if (
        line.kind === 'assign' &&
        NAMES.includes(target) &&
        line.taken !== false &&
        line.value !== undefined
      )
        assigned.set(target, Number(line.value));
    }
    return assigned;
  }

  test.each(['arithmetic', 'logic', 'shift', 'bits'])('%s', (file) => {
    const path = new URL(`../cpu/vectors/${file}.jsonl.gz`, import.meta.url);
    const vectors = gunzipSync(readFileSync(path))
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Vector)
      // Flat segments only: the machine here has no descriptor tables.
      .filter(
        ({ mode, exception, initial }) =>
          mode === 'prot32' && exception === undefined && initial.descriptors === undefined,
      );
    let compared = 0;
    for (const vector of vectors) {
      const code = new Map(vector.initial.mem);
      const eip = vector.initial.regs['eip']!;
      const insn = decode((i) => code.get((eip + i) >>> 0) ?? 0, true);
      for (const [name, value] of lastAssigned(vector, insn)) {
        expect(value, `${insn.form.mnemonic} ${name}`).toBe(vector.final.regs[name]! >>> 0);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(50);
  });
});
