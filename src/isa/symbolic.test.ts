// Every form of the table passes through a builder whose values refuse to be looked into, and one that looks is caught.

import { describe, expect, test } from 'vitest';
import { type Builder, type Describe, type Semantic, semantics } from './builder.ts';
import { decode } from './decode.ts';
import { sampleInsns } from './samples.ts';
import './semantics/index.ts';
import { NotDescribedError, record, SymbolicBuilder } from './symbolic.ts';
import { TABLE } from './table.ts';
import { OpaqueValueError, statements, usedBy, Value } from './tree.ts';
import type { Insn } from './types.ts';

const insnOf = (...bytes: number[]): Insn => decode((i) => bytes[i] ?? 0, true);
const ADD = insnOf(0x01, 0xd8);

/** The description of ADD's entry replaced. */
function changed(run: Describe): ReadonlyMap<string, Semantic> {
  return new Map([...semantics, ['add', { name: 'add', access: ['rw', 'r'], run }]]);
}

describe('every form', () => {
  test('is described, and its description looks into no value', () => {
    const forms = TABLE.filter((form) => form.opcode !== '');
    expect(forms.length).toBeGreaterThan(400);
    for (const form of forms) {
      const samples = sampleInsns(form);
      expect(samples.length, form.opcode).toBeGreaterThan(0);
      for (const insn of samples) expect(() => record(insn), `${form.opcode} ${form.mnemonic}`).not.toThrow();
    }
  });
  test('passes under every string prefix and with LOCK', () => {
    for (const form of TABLE) {
      for (const insn of sampleInsns(form)) {
        if (form.rep !== undefined) for (const rep of ['rep', 'repne'] as const) record({ ...insn, rep });
        if (form.lock === true) record({ ...insn, lock: true });
      }
    }
  });
  test('leaves a tree in which every value comes to be before it is used', () => {
    for (const form of TABLE) {
      for (const insn of sampleInsns(form)) {
        const defined = new Set<Value>();
        for (const statement of statements(record(insn))) {
          // A loop's condition is made in its head, which is visited after the loop itself.
          if (statement.kind !== 'loop')
            for (const value of usedBy(statement)) expect(defined.has(value), form.opcode).toBe(true);
          if (statement.kind === 'define') defined.add(statement.value);
        }
      }
    }
  });
  test('that nothing describes is named', () => {
    expect(() => record(ADD, new Map())).toThrow(NotDescribedError);
  });
});

describe('a description that looks into a value is caught', () => {
  type Any = Builder<never, never>;
  const cases: readonly (readonly [string, (b: Any, v: never) => unknown])[] = [
    ['arithmetic', (_b, v) => (v as number) + 1],
    ['comparison', (_b, v) => (v as number) < 3],
    // biome-ignore lint/suspicious/noDoubleEquals: coercion is what is tested
    ['loose equality', (_b, v) => (v as unknown) == 3],
    ['text', (_b, v) => `${v as string}`],
    ['an index', (_b, v) => [1, 2][v as number]],
    ['JSON', (_b, v) => JSON.stringify({ v })],
    ['a number for a constant', (b, v) => b.const(v)],
  ];
  test.each(cases)('%s', (_name, look) => {
    const run: Describe = (b, dst) => {
      look(b as unknown as Any, dst.get() as never);
    };
    expect(() => record(ADD, changed(run))).toThrow(TypeError);
  });
  test('the error names the operation', () => {
    const run: Describe = (b, dst, src) => void (Number(b.add(dst.get(), src.get())) + 1);
    expect(() => record(ADD, changed(run))).toThrow(OpaqueValueError);
    expect(() => record(ADD, changed(run))).toThrow('add');
  });
  test('a value that is no value of the builder', () => {
    const run: Describe = (b, dst) => dst.set(b.add(dst.get(), 1 as never));
    expect(() => record(ADD, changed(run))).toThrow(TypeError);
    const b = new SymbolicBuilder(ADD);
    expect(() => b.add(b.const(1), { local: 3 } as never)).toThrow(TypeError);
    expect(() => b.if(true as never, () => {})).toThrow(TypeError);
  });
});

describe('what is recorded', () => {
  test('both arms of a condition', () => {
    const run: Describe = (b, dst, src) =>
      b.if(
        b.eq(dst.get(), src.get()),
        () => dst.set(b.const(1)),
        () => src.set(b.const(2)),
      );
    const acts = [...statements(record(ADD, changed(run)))].filter((s) => s.kind === 'do');
    expect(acts.map((s) => s.writes)).toEqual([['reg:0'], ['reg:3']]);
  });
  test('constants are computed, and nothing that adds nothing is kept', () => {
    const run: Describe = (b, dst) => dst.set(b.or(b.and(b.const(0x1f), b.const(0x83)), b.const(0)));
    const [act] = [...statements(record(ADD, changed(run)))].filter((s) => s.kind === 'do');
    const value = act?.kind === 'do' ? act.args[2] : undefined;
    expect(value).toBeInstanceOf(Value);
    expect((value as Value).op).toBe('const');
    expect((value as Value).args).toEqual([3]);
  });
});
