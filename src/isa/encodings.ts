// From a row of the table to bytes: every way a form can be encoded, chosen by the caller. Tests and the vector
// generator walk the table with it; it is the inverse of decode.ts and shares only the table with it.

import { opcodePattern } from './table.ts';
import type { Form } from './types.ts';

/** The one-byte HLT: what a test machine puts where control must not go on. */
export const HLT_BYTE = 0xf4;

/** Which of a form's encodings is wanted. Whatever the form has no room for is ignored. */
export interface EncodingChoice {
  readonly opSize: 16 | 32;
  readonly addrSize: 16 | 32;
  /** Register number for ModRM.reg (unless the row fixes it) and for '+r'. */
  readonly reg: number;
  readonly mod: number;
  readonly rm: number;
  readonly sib: number;
  readonly disp: number;
  /** First and second immediate, relative displacement, offset or selector: cut to the size the form takes. */
  readonly imm: number;
  readonly imm2: number;
  /** Bytes in front: LOCK, REP, segment overrides. Operand and address size prefixes are added as needed. */
  readonly prefixes: readonly number[];
}

/** Register and memory classes of a form: which values of ModRM.mod make sense. */
export interface EncodingShape {
  readonly hasModrm: boolean;
  readonly register: boolean;
  readonly memory: boolean;
  readonly plusReg: boolean;
  /** Whether ModRM.reg is free (an operand). */
  readonly freeReg: boolean;
  readonly hasImmediate: boolean;
  readonly hasMemoryOperand: boolean;
  readonly opSizes: readonly (16 | 32)[];
  readonly addrSizes: readonly (16 | 32)[];
}

const MODRM_LETTERS = 'EGMRSCD';
const OPERAND_SIZED = /^(?:E|G|I|J|O|X|Y|Z|A|M|R)(?:v|z|p|a)|^Jb$|^eAX$|^eDX$|^Ibs$|^[CDEFGS]S$|^Sw$/;

/** What the row leaves to choose. */
export function shapeOf(form: Form): EncodingShape {
  const pattern = opcodePattern(form.opcode);
  const modrmSpecs = form.operands.filter((spec) => isModrmSpec(spec));
  const hasModrm = pattern.digit >= 0 || pattern.modrm >= 0 || modrmSpecs.length > 0;
  const fixed = pattern.modrm >= 0;
  const ignoresMod = form.operands.includes('Rd');
  const memoryOnly = form.operands.some((spec) => /^M[a-z]?$/.test(spec));
  const sized = form.operands.some((spec) => OPERAND_SIZED.test(spec)) || form.semantics === 'xlat';
  return {
    hasModrm,
    register: hasModrm && !fixed && !memoryOnly,
    memory: hasModrm && !fixed && !pattern.registerOnly && !ignoresMod,
    plusReg: pattern.plusReg,
    freeReg: form.operands.some((spec) => /^[GSCD][a-z]$/.test(spec)),
    hasImmediate: form.operands.some((spec) => /^[IJAO]/.test(spec)),
    hasMemoryOperand: form.operands.some((spec) => /^[EMOXYB]|Mw/.test(spec)) && !pattern.registerOnly,
    opSizes: pattern.opSize !== 0 ? [pattern.opSize] : sized ? [32, 16] : [32],
    addrSizes: pattern.addrSize !== 0 ? [pattern.addrSize] : [32, 16],
  };
}

function isModrmSpec(spec: string): boolean {
  return (
    spec === 'Rv/Mw' || (/^[A-Z][a-z]?$/.test(spec) && MODRM_LETTERS.includes(spec[0]!) && spec !== 'ES')
  );
}

function little(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 0xff);
}

function modrmBytes(choice: EncodingChoice, reg: number): number[] {
  const { mod, rm, addrSize } = choice;
  const bytes = [(mod << 6) | (reg << 3) | rm];
  if (mod === 3) return bytes;
  if (addrSize === 16) {
    const length = mod === 1 ? 1 : mod === 2 || rm === 6 ? 2 : 0;
    return [...bytes, ...little(choice.disp, length)];
  }
  if (rm === 4) bytes.push(choice.sib & 0xff);
  const noBase = mod === 0 && (rm === 5 || (rm === 4 && (choice.sib & 7) === 5));
  return [...bytes, ...little(choice.disp, mod === 1 ? 1 : mod === 2 || noBase ? 4 : 0)];
}

/** Bytes of an immediate-like operand, or nothing for the other letters. */
function immediateBytes(spec: string, choice: EncodingChoice, value: number): number[] | undefined {
  const wide = choice.opSize / 8;
  switch (spec) {
    case 'Ib':
    case 'Ibs':
    case 'Jb':
      return little(value, 1);
    case 'Iw':
      return little(value, 2);
    case 'Iz':
    case 'Iv':
    case 'Jz':
      return little(value, wide);
    case 'Ob':
    case 'Ov':
      return little(choice.disp, choice.addrSize / 8);
    case 'Ap':
      return [...little(value, wide), ...little(choice.imm2, 2)];
    default:
      return undefined;
  }
}

/** The bytes of `form` under `choice`, for 32-bit code; undefined when the row does not exist for these sizes. */
export function encode(form: Form, choice: EncodingChoice): number[] | undefined {
  const pattern = opcodePattern(form.opcode);
  if (pattern.opSize !== 0 && pattern.opSize !== choice.opSize) return undefined;
  if (pattern.addrSize !== 0 && pattern.addrSize !== choice.addrSize) return undefined;
  const bytes = [...choice.prefixes];
  if (choice.opSize === 16) bytes.push(0x66);
  if (choice.addrSize === 16) bytes.push(0x67);
  if (pattern.f3) bytes.push(0xf3);
  if (pattern.index >= 0x100) bytes.push(0x0f);
  bytes.push((pattern.index & 0xff) | (pattern.plusReg ? choice.reg : 0));
  if (pattern.modrm >= 0) bytes.push(pattern.modrm);
  else if (shapeOf(form).hasModrm)
    bytes.push(...modrmBytes(choice, pattern.digit >= 0 ? pattern.digit : choice.reg));
  let value = choice.imm;
  for (const spec of form.operands) {
    const immediate = immediateBytes(spec, choice, value);
    if (immediate === undefined) continue;
    bytes.push(...immediate);
    value = choice.imm2;
  }
  return bytes;
}

type Address = Pick<EncodingChoice, 'mod' | 'rm' | 'sib' | 'disp'>;

// Every shape of address: [ebx], [disp32], [ebp+d8], [esi+d32], and through SIB base + index, base only, index only,
// EBP as base and as index, no base under mod 0, ESP as base.
const ADDRESSES_32: readonly Address[] = [
  { mod: 0, rm: 3, sib: 0, disp: 0 },
  { mod: 0, rm: 5, sib: 0, disp: 0x1234 },
  { mod: 1, rm: 5, sib: 0, disp: -4 },
  { mod: 2, rm: 6, sib: 0, disp: 0x12345 },
  { mod: 0, rm: 4, sib: 0x88, disp: 0 },
  { mod: 0, rm: 4, sib: 0x24, disp: 0 },
  { mod: 0, rm: 4, sib: 0xcd, disp: 0x777 },
  { mod: 1, rm: 4, sib: 0x6d, disp: 0x10 },
  { mod: 0, rm: 4, sib: 0x0d, disp: 0x100 },
  { mod: 0, rm: 4, sib: 0x2d, disp: 0x100 },
  { mod: 0, rm: 4, sib: 0x28, disp: 0 },
  { mod: 0, rm: 4, sib: 0x65, disp: -0x80000000 },
];
const ADDRESSES_16: readonly Address[] = [
  { mod: 0, rm: 0, sib: 0, disp: 0 },
  { mod: 1, rm: 3, sib: 0, disp: -2 },
  { mod: 0, rm: 6, sib: 0, disp: 0x1234 },
  { mod: 2, rm: 7, sib: 0, disp: 0x8000 },
  { mod: 1, rm: 6, sib: 0, disp: 0 },
];
const REGISTERS: readonly Address[] = [
  { mod: 3, rm: 0, sib: 0, disp: 0 },
  { mod: 3, rm: 5, sib: 0, disp: 0 },
];
const NO_MODRM: readonly Address[] = [{ mod: 0, rm: 0, sib: 0, disp: 0x1234 }];

/** A systematic set of encodings: every size, every shape of address, several registers and immediates of every row. */
export function* sampleChoices(form: Form): Generator<EncodingChoice> {
  const shape = shapeOf(form);
  const registers = shape.freeReg || shape.plusReg ? [0, 2, 3, 4] : [0];
  const immediates = shape.hasImmediate ? [5, 0x80, -123, 0x1234] : [0];
  for (const opSize of shape.opSizes) {
    for (const addrSize of shape.addrSizes) {
      const memory = shape.memory ? (addrSize === 32 ? ADDRESSES_32 : ADDRESSES_16) : [];
      const addresses = shape.hasModrm ? [...memory, ...(shape.register ? REGISTERS : [])] : NO_MODRM;
      for (const address of addresses.length > 0 ? addresses : NO_MODRM) {
        for (const reg of registers) {
          for (const imm of immediates) {
            yield { opSize, addrSize, reg, ...address, imm, imm2: 0x18, prefixes: [] };
          }
        }
      }
    }
  }
}
