// Every form of the table passes through a builder whose values refuse to be looked into, and one that looks is caught.

import { setFlagsFromString } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { type Builder, type Describe, type Semantic, semantics } from './builder.ts';
import { decode } from './decode.ts';
import { sampleInsns } from './samples.ts';
import './semantics/index.ts';
import { NotDescribedError, record, SymbolicBuilder } from './symbolic.ts';
import { TABLE } from './table.ts';
import { argsOf } from './operands.ts';
import {
  type Argument,
  OpaqueValueError,
  type Statement,
  statements,
  usedBy,
  Value,
  valuesOf,
} from './tree.ts';
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

// A condition of JavaScript on a value throws nothing: objects are simply true. V8 has objects that are false (they exist for
// document.all). A description run with true values and with false ones must record the same tree.

setFlagsFromString('--allow-natives-syntax');
const falseObject = new Function('return %GetUndetectable()') as () => object;

/** Hands `inner` on to a description with every value replaced by an object that JavaScript takes for false. */
function withFalseValues(inner: SymbolicBuilder): Builder<Value, Value> {
  const values = new Map<unknown, Value>(),
    tokens = new Map<Value, object>();
  const out = (x: unknown): unknown => {
    if (x instanceof Value) {
      const token = tokens.get(x) ?? falseObject();
      tokens.set(x, token);
      values.set(token, x);
      return token;
    }
    if (typeof x === 'function')
      return (...args: unknown[]) => out((x as (...a: unknown[]) => unknown)(...args.map(back)));
    if (Array.isArray(x)) return x.map(out);
    return typeof x === 'object' && x !== null ? mapped(x, out) : x;
  };
  const back = (x: unknown): unknown => {
    if (values.has(x)) return values.get(x);
    if (typeof x === 'function')
      return (...args: unknown[]) => back((x as (...a: unknown[]) => unknown)(...args.map(out)));
    return typeof x === 'object' && x !== null ? mapped(x, back) : x;
  };
  const mapped = (x: object, change: (part: unknown) => unknown) =>
    Object.fromEntries(Object.entries(x).map(([name, part]) => [name, change(part)]));
  return new Proxy(inner, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => out(member.apply(target, args.map(back)));
    },
  }) as unknown as Builder<Value, Value>;
}

function recordFalse(insn: Insn, { access, run }: Semantic): readonly Statement[] {
  const inner = new SymbolicBuilder(insn);
  const b = withFalseValues(inner);
  run<Value, Value>(b, ...argsOf<Value, Value>(b, insn, access));
  return inner.list;
}

/** A tree as text, values by number. */
function shapeOf(tree: readonly Statement[]): string[] {
  const name = (arg: Argument | undefined) => (arg instanceof Value ? `#${arg.id}` : String(arg));
  return [...statements(tree)].map((s) => {
    if (s.kind === 'define') return `${name(s.value)} ${s.value.op} ${s.value.args.map(name).join(' ')}`;
    if (s.kind === 'do') return `${s.op} ${s.args.map(name).join(' ')}`;
    return `${s.kind} ${valuesOf(usedBy(s)).map(name).join(' ')}`;
  });
}

describe('no condition of JavaScript depends on a value', () => {
  test('in any form', () => {
    for (const form of TABLE) {
      const entry = semantics.get(form.semantics)!;
      for (const insn of sampleInsns(form))
        expect(shapeOf(recordFalse(insn, entry)), `${form.opcode} ${form.mnemonic}`).toEqual(
          shapeOf(record(insn)),
        );
    }
  });
  test.each<readonly [string, Describe]>([
    [
      'if',
      (b, dst) => {
        if (b.flag('cf')) dst.set(b.const(1));
      },
    ],
    ['a choice', (b, dst) => dst.set(b.flag('cf') ? b.const(1) : b.const(2))],
    [
      'a negation',
      (b, dst) => {
        if (!b.eq(dst.get(), b.const(0))) dst.set(b.const(1));
      },
    ],
    ['a disjunction', (b, dst) => dst.set(b.flag('cf') || b.const(1))],
  ])('%s is caught', (_name, run) => {
    const entry: Semantic = { name: 'add', access: ['rw', 'r'], run };
    expect(shapeOf(recordFalse(ADD, entry))).not.toEqual(shapeOf(record(ADD, changed(run))));
  });
});
