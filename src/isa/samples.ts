// One instruction, or a few, for a row of the table: what a reader looks at when it is asked about a form and not about bytes.

import { decode } from './decode.ts';
import { type EncodingChoice, encode, shapeOf } from './encodings.ts';
import type { Form, Insn } from './types.ts';

const CHOICE: EncodingChoice = {
  opSize: 32,
  addrSize: 32,
  reg: 0,
  mod: 0,
  rm: 3,
  sib: 0,
  disp: 0x1000,
  imm: 0x80,
  imm2: 0x18,
  prefixes: [],
};

/** Segment, control and debug registers differ in what they are; general registers do not. */
const isSystemRegister = (spec: string): boolean => /^[SCD][a-z]$/.test(spec);

/**
 * Valid instructions of `form` in 32-bit code: both operand sizes, memory and register, every segment, control or debug
 * register where the form names one. Empty only for the form that stands for undefined opcodes.
 */
export function sampleInsns(form: Form): Insn[] {
  if (form.opcode === '') return [];
  const shape = shapeOf(form);
  const named = form.operands.some(isSystemRegister);
  const regs = named ? [0, 1, 2, 3, 4, 5, 6, 7] : [shape.plusReg ? 3 : 0];
  const either = [...(shape.memory ? [0] : []), ...(shape.register ? [3] : [])];
  const mods = either.length > 0 ? either : [0];
  const samples: Insn[] = [];
  for (const opSize of shape.opSizes) {
    for (const mod of mods) {
      for (const reg of regs) {
        const [addrSize] = shape.addrSizes;
        const bytes = encode(form, { ...CHOICE, opSize, addrSize: addrSize ?? 32, reg, mod });
        if (bytes === undefined) continue;
        const insn = decode((i) => bytes[i] ?? 0, true);
        if (insn.invalid === undefined && insn.form === form) samples.push(insn);
      }
    }
  }
  return samples;
}
