// Which shapes of instructions there are: those of samples of every row of the opcode table, with each kind of address.

import { type Semantic, semantics } from '../isa/builder.ts';
import { sampleInsns } from '../isa/samples.ts';
import { TABLE } from '../isa/table.ts';
import { DS, FS, type Insn, type MemOperand, type Operand } from '../isa/types.ts';
import { NotCoveredError } from './interpreter-flags.ts';
import { shapeKey } from './interpreter-shapes.ts';

import '../isa/semantics/index.ts';

/** Instructions that one handler runs, with one that stands for them. */
export interface Shape {
  readonly key: string;
  readonly insn: Insn;
  readonly entry: Semantic;
  readonly flat: boolean;
}

function variants(operand: Operand, string: boolean): Operand[] {
  if (operand.kind !== 'mem' || string) return [operand];
  const mem = (index: boolean, checked: boolean): MemOperand => ({
    ...operand,
    base: 3,
    index: index ? 1 : -1,
    seg: checked ? FS : DS,
  });
  return [mem(false, false), mem(true, false), mem(false, true), mem(true, true)];
}

/** An operand whose constant no description may look into: each instruction of the shape has its own. */
function withoutValue(operand: Operand): Operand {
  if (operand.kind !== 'imm') return operand;
  const unknown = { kind: 'imm', size: operand.size };
  Object.defineProperty(unknown, 'value', {
    get: () => {
      throw new NotCoveredError('the value of an immediate');
    },
  });
  return unknown as Operand;
}

/** Every shape that the samples of the table's rows have, with each kind of address; the description may refuse some. */
export function allShapes(): Shape[] {
  const shapes = new Map<string, Shape>();
  const add = (insn: Insn, flat: boolean): void => {
    // Where nothing is flat every shape has the segment of its record: the one that stands for it is FS.
    if (
      !flat &&
      insn.operands.some(
        (o) => o.kind === 'mem' && o.size !== 0 && o.seg !== FS && insn.form.rep === undefined,
      )
    )
      return;
    const key = shapeKey(insn, flat);
    const entry = semantics.get(insn.form.semantics);
    if (key !== undefined && entry !== undefined && !shapes.has(key))
      shapes.set(key, { key, insn: { ...insn, operands: insn.operands.map(withoutValue) }, entry, flat });
  };
  for (const form of TABLE) {
    for (const sample of sampleInsns(form)) {
      const string = sample.form.rep !== undefined;
      const memory = sample.operands.findIndex(({ kind }) => kind === 'mem');
      const rows = memory < 0 || string ? [sample.operands] : [];
      if (memory >= 0 && !string) {
        for (const one of variants(sample.operands[memory]!, string))
          rows.push(sample.operands.map((operand, i) => (i === memory ? one : operand)));
      }
      for (const operands of rows) {
        for (const rep of string ? (['none', 'rep', 'repne'] as const) : (['none'] as const)) {
          for (const flat of [true, false]) add({ ...sample, operands, rep }, flat);
        }
      }
    }
  }
  return [...shapes.values()];
}
