// Which shapes of instructions there are: those of samples of every row of the opcode table, with each kind of address.

import { type Semantic, semantics } from '../isa/builder.ts';
import { shapeOf } from '../isa/encodings.ts';
import { sampleInsns } from '../isa/samples.ts';
import { TABLE } from '../isa/table.ts';
import { DS, FS, type Insn, type MemOperand, type Operand } from '../isa/types.ts';
import { NotCoveredError } from './interpreter-flags.ts';
import { type Mode, MODES, shapeKey } from './interpreter-shapes.ts';

import '../isa/semantics/index.ts';

/** Instructions that one handler runs, with one that stands for them. */
export interface Shape {
  readonly key: string;
  readonly insn: Insn;
  readonly entry: Semantic;
  readonly mode: Mode;
}

/** The kinds of addresses that handlers tell apart; a 16-bit one always has two registers, either of which may be a zero. */
function variants(operand: MemOperand, addrSize: 16 | 32): MemOperand[] {
  const mem = (index: boolean, checked: boolean): MemOperand => ({
    ...operand,
    addrSize,
    base: 3,
    index: index ? 1 : -1,
    seg: checked ? FS : DS,
  });
  if (addrSize === 16) return [mem(true, true)];
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

/** The sample with each kind of address, and each prefix of a string instruction. */
function* insnsLike(sample: Insn, addrSize: 16 | 32): Generator<Insn> {
  const string = sample.form.rep !== undefined;
  const at = sample.operands.findIndex(({ kind }) => kind === 'mem');
  if (at >= 0 && !string) {
    for (const mem of variants(sample.operands[at] as MemOperand, addrSize))
      yield {
        ...sample,
        addrSize,
        operands: sample.operands.map((operand, i) => (i === at ? mem : operand)),
      };
    return;
  }
  const operands = sample.operands.map((o) => (o.kind === 'mem' ? { ...o, addrSize } : o));
  for (const rep of string ? (['none', 'rep', 'repne'] as const) : (['none'] as const))
    yield { ...sample, addrSize, operands, rep };
}

/** Every shape that the samples of the table's rows have, with each kind of address; the description may refuse some. */
export function allShapes(): Shape[] {
  const shapes = new Map<string, Shape>();
  const add = (insn: Insn, mode: Mode): void => {
    // Where nothing is flat every shape has the segment of its record: the one that stands for it is FS.
    if (
      mode !== 'flat' &&
      insn.operands.some(
        (o) => o.kind === 'mem' && o.size !== 0 && o.seg !== FS && insn.form.rep === undefined,
      )
    )
      return;
    const key = shapeKey(insn, mode);
    const entry = semantics.get(insn.form.semantics);
    if (key !== undefined && entry !== undefined && !shapes.has(key))
      shapes.set(key, { key, insn: { ...insn, operands: insn.operands.map(withoutValue) }, entry, mode });
  };
  for (const form of TABLE) {
    // Samples are 32-bit code: where no operand has the operand size they have that of the code.
    const codeSized = form.opcode !== '' && shapeOf(form).opSizes.join() === '32';
    for (const sample of sampleInsns(form)) {
      for (const addrSize of [32, 16] as const) {
        for (const insn of insnsLike(sample, addrSize)) {
          for (const mode of MODES) add(insn, mode);
          if (codeSized) add({ ...insn, opSize: 16 }, 'small');
        }
      }
    }
  }
  return [...shapes.values()];
}
