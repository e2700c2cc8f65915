// The opcode table: the literal rows of both maps made into Forms, and the questions every reader asks of a form.
// Rows are the truth; nothing about an instruction's encoding, operands or flags is written anywhere else.

import { ONE_BYTE_ROWS, type Row } from './table-one-byte.ts';
import { TWO_BYTE_ROWS } from './table-two-byte.ts';
import type { Form, Insn } from './types.ts';

/** Arithmetic flags of EFLAGS (SDM vol. 1, 3.4.3.1). */
export const CF = 0x001,
  PF = 0x004,
  AF = 0x010,
  ZF = 0x040,
  SF = 0x080,
  OF = 0x800;

const FLAG_LETTERS: Readonly<Record<string, number>> = { o: OF, s: SF, z: ZF, a: AF, p: PF, c: CF };

function flagMask(letters: string): number {
  let mask = 0;
  for (const letter of letters) mask |= FLAG_LETTERS[letter] ?? 0;
  return mask;
}

function toForm(row: Row, id: number): Form {
  const [opcode, mnemonic, operands, semantics, undefinedFlags, attributes = ''] = row;
  const has = new Set(attributes.split(' '));
  return {
    id,
    opcode,
    mnemonic,
    operands: operands === '' ? [] : operands.split(' '),
    semantics,
    undefinedFlags: flagMask(undefinedFlags),
    ...(has.has('lock') ? { lock: true } : {}),
    ...(has.has('rep') ? { rep: 'rep' as const } : {}),
    ...(has.has('repcc') ? { rep: 'repcc' as const } : {}),
    ...(has.has('implicit') ? { implicit: true } : {}),
    ...(has.has('alias') ? { alias: true } : {}),
    ...(has.has('size32') ? { size: 32 as const } : {}),
  };
}

/** The row that stands for every byte sequence which is not an instruction of ours (#UD with Insn.invalid as reason). */
export const UD_FORM: Form = {
  id: 0,
  opcode: '',
  mnemonic: '(bad)',
  operands: [],
  semantics: 'ud',
  undefinedFlags: 0,
};

/** Every form; `TABLE[n].id === n`, and number 0 is {@link UD_FORM}. */
export const TABLE: readonly Form[] = [
  UD_FORM,
  ...[...ONE_BYTE_ROWS, ...TWO_BYTE_ROWS].map((row, i) => toForm(row, i + 1)),
];

/** The parts of Form.opcode. */
export interface OpcodePattern {
  /** Index into both maps: 0x000-0x0ff one byte, 0x100-0x1ff after 0f. */
  readonly index: number;
  /** '+r': the low three bits of the opcode name a register. */
  readonly plusReg: boolean;
  /** '/n' or -1. */
  readonly digit: number;
  /** A fixed ModRM byte or -1. */
  readonly modrm: number;
  /** 'reg': only the register form of ModRM. */
  readonly registerOnly: boolean;
  /** 'o16', 'o32', 'a16', 'a32': only with this operand or address size; 0 for any. */
  readonly opSize: 0 | 16 | 32;
  readonly addrSize: 0 | 16 | 32;
  /** 'f3' mandatory prefix. */
  readonly f3: boolean;
}

/** Reads the notation of Form.opcode: `[o16|o32|a16|a32|f3] [0f] xx[+r] [xx | /n [reg]]`. Throws on anything else. */
export function opcodePattern(opcode: string): OpcodePattern {
  const words = opcode.split(' ');
  let opSize: 0 | 16 | 32 = 0,
    addrSize: 0 | 16 | 32 = 0,
    f3 = false;
  if (words[0] === 'o16' || words[0] === 'o32') opSize = words.shift() === 'o16' ? 16 : 32;
  else if (words[0] === 'a16' || words[0] === 'a32') addrSize = words.shift() === 'a16' ? 16 : 32;
  else if (words[0] === 'f3') f3 = words.shift() === 'f3';
  let map = 0;
  if (words[0] === '0f') map = words.shift() === '0f' ? 0x100 : 0;
  const byte = words.shift() ?? '';
  const plusReg = byte.endsWith('+r');
  const last = words.shift() ?? '';
  const digit = last.startsWith('/') ? Number.parseInt(last.slice(1), 8) : -1;
  const modrm = last !== '' && digit < 0 ? Number.parseInt(last, 16) : -1;
  const registerOnly = words[0] === 'reg';
  const index = map | Number.parseInt(byte, 16);
  if (!/^[0-9a-f]{2}(\+r)?$/.test(byte) || Number.isNaN(digit + modrm))
    throw new Error(`opcode notation not understood: ${opcode}`);
  return { index, plusReg, digit, modrm, registerOnly, opSize, addrSize, f3 };
}

const OPCODE_LOW: Uint8Array = Uint8Array.from(TABLE, (form) =>
  form.opcode === '' ? 0 : opcodePattern(form.opcode).index & 15,
);

/**
 * The condition code of a Jcc, SETcc or CMOVcc (SDM vol. 2, appendix B, tttn): 0 O, 1 NO, 2 B, 3 AE, 4 E, 5 NE, 6 BE, 7 A,
 * 8 S, 9 NS, 10 P, 11 NP, 12 L, 13 GE, 14 LE, 15 G. For any other form the value means nothing.
 */
export function cc(of: Form | Insn): number {
  return OPCODE_LOW[('form' in of ? of.form : of).id]!;
}

/** How flags depend on the count, by semantics. */
const SHIFTS: Readonly<Record<string, 'logical' | 'arithmetic' | 'rotate' | 'double'>> = {
  shl: 'logical',
  shr: 'logical',
  sar: 'arithmetic',
  rol: 'rotate',
  ror: 'rotate',
  rcl: 'rotate',
  rcr: 'rotate',
  shld: 'double',
  shrd: 'double',
};

/**
 * Flags left undefined by one execution of `insn`. Form.undefinedFlags is the mask for the worst operand value (outside it every flag
 * is defined whatever the values); for shifts and rotates the answer depends on the count, which is the immediate when
 * there is one and otherwise `count` (the whole CL; masked here). Without a count the form's mask is returned.
 */
export function undefinedFlags(insn: Insn, count?: number): number {
  const kind = SHIFTS[insn.form.semantics];
  if (kind === undefined) return insn.form.undefinedFlags;
  const last = insn.operands[insn.operands.length - 1];
  const raw = last?.kind === 'imm' ? last.value : count;
  if (raw === undefined) return insn.form.undefinedFlags;
  const n = raw & 31;
  if (n === 0) return 0;
  const overflow = n === 1 ? 0 : OF;
  if (kind === 'rotate') return overflow;
  const first = insn.operands[0]!;
  const bits = 'size' in first ? first.size : 32;
  if (kind === 'double' && n > bits) return OF | SF | ZF | AF | PF | CF;
  return overflow | AF | (kind === 'logical' && n >= bits ? CF : 0);
}

/** The interrupt vector an INT n names; undefined for any other instruction (INT3 and INTO have forms of their own). */
export function softwareInterrupt(insn: Insn): number | undefined {
  const [operand] = insn.operands;
  return insn.form.semantics === 'int' && operand?.kind === 'imm' ? operand.value : undefined;
}
