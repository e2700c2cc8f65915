// A decoded instruction with everything the reference engine needs to run it again, and the pages of such instructions. All of it is
// cache: an operation is used only while its bytes are known to be in memory unchanged.

import { type Semantic, semantics } from '../isa/builder.ts';
import type { Insn } from '../isa/types.ts';
import { Argument } from './arguments.ts';
import type { SystemAccess } from './reference-system.ts';
import type { Sensitivity } from './silent.ts';

import '../isa/semantics/index.ts';

export interface Operation {
  readonly insn: Insn;
  readonly length: number;
  readonly run: Semantic['run'];
  readonly a: Argument | undefined;
  readonly b: Argument | undefined;
  readonly c: Argument | undefined;
  /** Memory operands, whose addresses are computed before the description runs. */
  readonly m1: Argument | undefined;
  readonly m2: Argument | undefined;
  /** It may answer otherwise than ring 0 of the guest's own machine would, without trapping. */
  readonly sensitive: Sensitivity;
  /** Version of the frame for which the bytes were compared last. */
  version: number;
}

/** Decoded instructions that begin in one machine frame, for one default size. */
export interface CodePage {
  readonly mfn: number;
  readonly ops: (Operation | undefined)[];
}

export function makeOperation(
  e: SystemAccess,
  insn: Insn,
  version: number,
  sensitive: (entry: Semantic, insn: Insn) => Sensitivity,
): Operation {
  const entry = semantics.get(insn.form.semantics);
  if (entry === undefined) throw new Error(`not described: ${insn.form.semantics} (${insn.form.opcode})`);
  const args = insn.operands.map((operand, i) => new Argument(e, operand, entry.access[i] ?? 'r'));
  const memory = args.filter((arg) => arg.operand.kind === 'mem');
  return {
    insn,
    length: insn.length,
    run: entry.run,
    a: args[0],
    b: args[1],
    c: args[2],
    m1: memory[0],
    m2: memory[1],
    sensitive: insn.invalid === undefined ? sensitive(entry, insn) : 0,
    version,
  };
}
