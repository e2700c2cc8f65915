// Which cells of the opcode table a set of vectors meets: per row, operand size, operand class and outcome. The report says it to a person,
// the test of the committed vectors says it to the build.

import { firstInsn } from '../../src/cli/vector-machine.ts';
import type { Vector } from '../../src/cli/vector-format.ts';
import { shapeOf } from '../../src/isa/encodings.ts';
import { TABLE } from '../../src/isa/table.ts';
import type { Form, Insn } from '../../src/isa/types.ts';
import { excluded, type OperandClass } from './cells.ts';

/** Vectors of one row, operand size and operand class by outcome: '-' for none, or the vector of the exception. */
export type Outcomes = Map<string, number>;
export type Coverage = ReadonlyMap<string, Outcomes>;

const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: '#DE',
  1: '#DB',
  3: '#BP',
  4: '#OF',
  5: '#BR',
  6: '#UD',
  7: '#NM',
  11: '#NP',
  12: '#SS',
  13: '#GP',
  14: '#PF',
  17: '#AC',
};

const keyOf = (form: Form, opSize: number, kind: OperandClass): string => `${form.id} ${opSize} ${kind}`;

function classOf(insn: Insn): OperandClass {
  const shape = shapeOf(insn.form);
  if (!shape.hasModrm || !(shape.register || shape.memory)) return 'plain';
  return insn.operands.some((operand) => operand.kind === 'mem') ? 'memory' : 'register';
}

/** Counts vectors by what they start with. */
export function coverageOf(vectors: Iterable<Vector>): Coverage {
  const coverage = new Map<string, Outcomes>();
  for (const vector of vectors) {
    const insn = firstInsn(vector);
    const shape = shapeOf(insn.form.opcode === '' ? TABLE[1]! : insn.form);
    const opSize = shape.opSizes.includes(insn.opSize) ? insn.opSize : shape.opSizes[0]!;
    const key = insn.form.opcode === '' ? 'undefined' : keyOf(insn.form, opSize, classOf(insn));
    const outcomes = coverage.get(key) ?? new Map<string, number>();
    const outcome =
      vector.exception === undefined ? '-' : (EXCEPTIONS[vector.exception] ?? `${vector.exception}`);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    coverage.set(key, outcomes);
  }
  return coverage;
}

/** Every row, operand size and operand class that ring 3 can execute, with its key. */
export function* coverable(): Generator<{ form: Form; opSize: 16 | 32; kind: OperandClass; key: string }> {
  for (const form of TABLE) {
    if (form.opcode === '' || excluded(form) !== undefined) continue;
    const shape = shapeOf(form);
    const kinds: OperandClass[] = shape.hasModrm
      ? [...(shape.register ? (['register'] as const) : []), ...(shape.memory ? (['memory'] as const) : [])]
      : [];
    for (const opSize of shape.opSizes) {
      if (opSize === 16 && form.semantics === 'bswap') continue; // undefined by the manual
      for (const kind of kinds.length === 0 ? (['plain'] as const) : kinds)
        yield { form, opSize, kind, key: keyOf(form, opSize, kind) };
    }
  }
}

/** Cells without a single vector. */
export function missing(coverage: Coverage): string[] {
  return [...coverable()]
    .filter(({ key }) => !coverage.has(key))
    .map(({ form, opSize, kind }) => `${form.opcode} ${form.mnemonic} ${opSize} ${kind}`);
}

function counts(outcomes: Outcomes | undefined): string {
  const order = ['-', ...Object.values(EXCEPTIONS)];
  return [...(outcomes ?? [])]
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([outcome, n]) => (outcome === '-' ? `${n}` : `${outcome} ${n}`))
    .join(', ');
}

/** The report, in Markdown. */
export function coverageReport(coverage: Coverage): string {
  const total = [...coverage.values()].reduce(
    (sum, of) => sum + [...of.values()].reduce((a, b) => a + b, 0),
    0,
  );
  const lines = [
    '# What the committed vectors cover',
    '',
    `${total} vectors. A row for each opcode, operand size and operand class; the first number counts instructions that completed, the others exceptions.`,
    `Written by \`tools/vectors/generate.ts --committed\`.`,
    '',
    '| opcode | mnemonic | size | operand | vectors |',
    '|---|---|---|---|---|',
  ];
  for (const { form, opSize, kind, key } of coverable())
    lines.push(`| ${form.opcode} | ${form.mnemonic} | ${opSize} | ${kind} | ${counts(coverage.get(key))} |`);
  lines.push(`| | (no instruction of ours) | | | ${counts(coverage.get('undefined'))} |`);
  lines.push(
    '',
    '## What ring 3 of the host cannot show',
    '',
    '| opcode | mnemonic | why |',
    '|---|---|---|',
  );
  for (const form of TABLE) {
    const reason = excluded(form);
    if (form.opcode !== '' && reason !== undefined)
      lines.push(`| ${form.opcode} | ${form.mnemonic} | ${reason} |`);
  }
  return lines.join('\n') + '\n';
}
