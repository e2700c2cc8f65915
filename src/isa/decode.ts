// Bytes to Insn. The table's patterns are laid out once in flat arrays (a slot for every opcode, ModRM class and
// size); decoding is prefixes, one slot, then the operands of the form found there. SDM vol. 2, chapter 2.

import { MISSING_ROWS } from './table-missing.ts';
import { type OpcodePattern, opcodePattern, TABLE, UD_FORM } from './table.ts';
import {
  CS,
  DS,
  ES,
  type Form,
  FS,
  type Gpr,
  GS,
  type Insn,
  type MemOperand,
  type Operand,
} from './types.ts';
import { type Seg, type Size, SS } from './types.ts';

/** Longest instruction in bytes (SDM vol. 2, 2.3.11). */
export const MAX_LENGTH = 15;

// ---- Operand specifications, read once -----------------------------------------------------------------

const E = 0,
  G = 1,
  M = 2,
  R = 3,
  I = 4,
  IS = 5,
  J = 6,
  O = 7,
  S = 8,
  C = 9,
  D = 10,
  A = 11;
const X = 12,
  Y = 13,
  BB = 14,
  Z = 15,
  FIXED = 16,
  FIXED_SREG = 17,
  ONE = 18,
  RM_WORD = 19;
type Kind = number;

interface Spec {
  readonly kind: Kind;
  /** SDM size letter: b w v z d q p a s, or '' for none. */
  readonly size: string;
  /** Register number for FIXED and FIXED_SREG. */
  readonly reg: number;
}

const FIXED_SPECS: Readonly<Record<string, Spec>> = {
  AL: { kind: FIXED, size: 'b', reg: 0 },
  CL: { kind: FIXED, size: 'b', reg: 1 },
  AX: { kind: FIXED, size: 'w', reg: 0 },
  DX: { kind: FIXED, size: 'w', reg: 2 },
  eAX: { kind: FIXED, size: 'v', reg: 0 },
  eDX: { kind: FIXED, size: 'v', reg: 2 },
  ES: { kind: FIXED_SREG, size: 'w', reg: ES },
  CS: { kind: FIXED_SREG, size: 'w', reg: CS },
  SS: { kind: FIXED_SREG, size: 'w', reg: SS },
  DS: { kind: FIXED_SREG, size: 'w', reg: DS },
  FS: { kind: FIXED_SREG, size: 'w', reg: FS },
  GS: { kind: FIXED_SREG, size: 'w', reg: GS },
  '1': { kind: ONE, size: 'b', reg: 0 },
  'Rv/Mw': { kind: RM_WORD, size: 'v', reg: 0 },
  BBb: { kind: BB, size: 'b', reg: 0 },
  Ibs: { kind: IS, size: 'v', reg: 0 },
};

const LETTERS: Readonly<Record<string, Kind>> = { E, G, M, R, I, J, O, S, C, D, A, X, Y, Z };

function readSpec(text: string): Spec {
  const kind = LETTERS[text[0]!];
  const spec = FIXED_SPECS[text] ?? (kind === undefined ? undefined : { kind, size: text.slice(1), reg: 0 });
  if (spec === undefined) throw new Error(`operand specification not understood: ${text}`);
  return spec;
}

const SPECS: readonly (readonly Spec[])[] = TABLE.map((form) => form.operands.map(readSpec));

// ---- The slots -----------------------------------------------------------------------------------------

const MAP_SIZE = 512; // 256 one-byte opcodes, 256 after 0f
const SLOT_COUNT = MAP_SIZE * 16 * 4;
const MEMORY_SLOTS = 0,
  REGISTER_SLOTS = 8;

/** Form id by (address 16, operand 16, opcode, mod = 3, reg); 0 where nothing is. */
const SLOTS = new Int16Array(SLOT_COUNT);
/** 1: a ModRM byte follows the opcode. */
const HAS_MODRM = new Uint8Array(MAP_SIZE);
/** 1: some form of this opcode asks for F3 or for one ModRM byte. */
const HAS_SPECIAL = new Uint8Array(MAP_SIZE);
/** Forms with a mandatory F3 or a fixed ModRM byte, by specialKey. */
const SPECIAL = new Map<number, number>();

function slotOf(index: number, opSize: number, addrSize: number): number {
  return ((((addrSize === 16 ? 2 : 0) | (opSize === 16 ? 1 : 0)) * MAP_SIZE + index) << 4) | 0;
}

function specialKey(f3: boolean, index: number, modrm: number): number {
  return (f3 ? 0x20000 : 0) | (index << 8) | modrm;
}

function formHasModrm(pattern: OpcodePattern, specs: readonly Spec[]): boolean {
  if (pattern.digit >= 0 || pattern.modrm >= 0) return true;
  return specs.some(({ kind }) => kind <= R || kind === S || kind === C || kind === D || kind === RM_WORD);
}

function fillSlots(form: Form, pattern: OpcodePattern): void {
  const memoryOnly = SPECS[form.id]!.some((spec) => spec.kind === M);
  const sizes = [16, 32] as const;
  for (let low = 0; low < (pattern.plusReg ? 8 : 1); low++) {
    for (const opSize of sizes) {
      for (const addrSize of sizes) {
        if (pattern.opSize !== 0 && pattern.opSize !== opSize) continue;
        if (pattern.addrSize !== 0 && pattern.addrSize !== addrSize) continue;
        const base = slotOf(pattern.index + low, opSize, addrSize);
        for (let modClass = 0; modClass < 16; modClass++) {
          if (pattern.digit >= 0 && (modClass & 7) !== pattern.digit) continue;
          if (memoryOnly && modClass >= REGISTER_SLOTS) continue;
          if (pattern.registerOnly && modClass < REGISTER_SLOTS) continue;
          SLOTS[base + modClass] = form.id;
        }
      }
    }
  }
}

/** General rows first, so that '90' stands over '90+r' and '0f 18 /0' over '0f 18'. */
function layOut(): void {
  const patterns = TABLE.map((form) => (form === UD_FORM ? undefined : opcodePattern(form.opcode)));
  const rank = (p: OpcodePattern): number => (p.plusReg ? 0 : p.digit < 0 ? 1 : 2);
  for (let pass = 0; pass <= 2; pass++) {
    for (const form of TABLE) {
      const pattern = patterns[form.id];
      if (pattern === undefined || rank(pattern) !== pass) continue;
      if (formHasModrm(pattern, SPECS[form.id]!)) HAS_MODRM[pattern.index] = 1;
      if (pattern.f3 || pattern.modrm >= 0) {
        HAS_SPECIAL[pattern.index] = 1;
        SPECIAL.set(specialKey(pattern.f3, pattern.index, Math.max(pattern.modrm, 0)), form.id);
      } else {
        fillSlots(form, pattern);
      }
    }
  }
}
layOut();

/** 1: an instruction for the floating-point unit. */
const COPROCESSOR = new Uint8Array(MAP_SIZE);
/** Reason by opcode where a row of table-missing.ts speaks of it. */
const MISSING: readonly (string | undefined)[] = (() => {
  const reasons = new Array<string | undefined>(MAP_SIZE).fill(undefined);
  for (const [range, reason, kind] of MISSING_ROWS) {
    const map = range.startsWith('0f ') ? 0x100 : 0;
    const [first, last] = (map ? range.slice(3) : range).split('-');
    for (let op = Number.parseInt(first!, 16); op <= Number.parseInt(last!, 16); op++) {
      reasons[map | op] ??= reason;
      if (kind === 'coprocessor') COPROCESSOR[map | op] = 1;
    }
  }
  return reasons;
})();

// ---- Operands that are the same every time -------------------------------------------------------------

const GPRS: readonly Gpr[] = [0, 1, 2, 3, 4, 5, 6, 7];
const regs = (size: Size): readonly Operand[] => GPRS.map((reg) => Object.freeze({ kind: 'reg', size, reg }));
const REG8 = regs(8),
  REG16 = regs(16),
  REG32 = regs(32);
const SREGS: readonly Operand[] = ([ES, CS, SS, DS, FS, GS] as const).map((seg) =>
  Object.freeze({ kind: 'sreg', seg }),
);
const IMM_ONE: Operand = Object.freeze({ kind: 'imm', size: 8, value: 1 });

// 16-bit addressing: base and index of each rm (SDM vol. 2, table 2-1).
const BASE_16: readonly (Gpr | -1)[] = [3, 3, 5, 5, 6, 7, 5, 3];
const INDEX_16: readonly (Gpr | -1)[] = [6, 7, 6, 7, -1, -1, -1, -1];

const PREFIX = new Uint8Array(256);
const PREFIX_SEG = 1,
  PREFIX_66 = 2,
  PREFIX_67 = 3,
  PREFIX_LOCK = 4,
  PREFIX_F2 = 5,
  PREFIX_F3 = 6;
for (const byte of [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]) PREFIX[byte] = PREFIX_SEG;
PREFIX[0x66] = PREFIX_66;
PREFIX[0x67] = PREFIX_67;
PREFIX[0xf0] = PREFIX_LOCK;
PREFIX[0xf2] = PREFIX_F2;
PREFIX[0xf3] = PREFIX_F3;

const segOfPrefix = (byte: number): Seg =>
  byte >= 0x64 ? (byte === 0x64 ? FS : GS) : (((byte >> 3) & 3) as Seg);

// ---- One instruction -----------------------------------------------------------------------------------

class Decoder {
  readonly fetch: (i: number) => number;
  readonly bytes: number[] = [];
  tooLong = false;
  lock = false;
  rep: 'none' | 'rep' | 'repne' = 'none';
  segOverride: Seg | -1 = -1;
  opSize: 16 | 32;
  addrSize: 16 | 32;
  opcode = 0; // index into both maps
  modrm = 0;
  invalid: string | undefined = undefined;

  constructor(fetch: (i: number) => number, csD: boolean) {
    this.fetch = fetch;
    this.opSize = csD ? 32 : 16;
    this.addrSize = this.opSize;
  }

  byte(): number {
    const i = this.bytes.length;
    if (i >= MAX_LENGTH) {
      this.tooLong = true;
      return 0;
    }
    const value = this.fetch(i) & 0xff;
    this.bytes.push(value);
    return value;
  }
  signedByte(): number {
    return (this.byte() << 24) >> 24;
  }
  word(): number {
    const low = this.byte();
    return low | (this.byte() << 8);
  }
  dword(): number {
    const low = this.word();
    return low | (this.word() << 16);
  }

  /** Reads all prefixes and returns the first byte that is none. */
  prefixes(csD: boolean): number {
    for (;;) {
      const byte = this.byte();
      switch (PREFIX[byte]) {
        case PREFIX_SEG:
          this.segOverride = segOfPrefix(byte);
          break;
        case PREFIX_66:
          this.opSize = csD ? 16 : 32;
          break;
        case PREFIX_67:
          this.addrSize = csD ? 16 : 32;
          break;
        case PREFIX_LOCK:
          this.lock = true;
          break;
        case PREFIX_F2:
          this.rep = 'repne';
          break;
        case PREFIX_F3:
          this.rep = 'rep';
          break;
        default:
          return byte;
      }
      if (this.tooLong) return 0;
    }
  }

  /** Reads opcode and ModRM; returns the id of the form they name, 0 for none. */
  lookUp(first: number): number {
    this.opcode = first === 0x0f ? 0x100 | this.byte() : first;
    const hasModrm = HAS_MODRM[this.opcode] === 1;
    if (hasModrm) this.modrm = this.byte();
    if (HAS_SPECIAL[this.opcode] === 1) {
      if (this.rep === 'rep') {
        const id = SPECIAL.get(specialKey(true, this.opcode, this.modrm));
        if (id !== undefined) return id;
      }
      const id = SPECIAL.get(specialKey(false, this.opcode, this.modrm));
      if (id !== undefined) return id;
    }
    return SLOTS[slotOf(this.opcode, this.opSize, this.addrSize) + this.modClass()]!;
  }

  modClass(): number {
    return (this.modrm >= 0xc0 ? REGISTER_SLOTS : MEMORY_SLOTS) | this.reg();
  }
  reg(): number {
    return (this.modrm >> 3) & 7;
  }

  /** Why lookUp found nothing. */
  reason(): string {
    const missing = MISSING[this.opcode];
    if (missing !== undefined) return missing;
    if (this.modrm >= 0xc0) {
      const id = SLOTS[slotOf(this.opcode, this.opSize, this.addrSize) + this.reg()]!;
      if (id !== 0) return `${TABLE[id]!.mnemonic.toUpperCase()} needs a memory operand`;
    }
    const name = (this.opcode >= 0x100 ? '0f ' : '') + (this.opcode & 0xff).toString(16).padStart(2, '0');
    return HAS_MODRM[this.opcode] === 1
      ? `reserved opcode ${name} /${this.reg()}`
      : `reserved opcode ${name}`;
  }

  bits(letter: string): number {
    switch (letter) {
      case 'b':
        return 8;
      case 'w':
        return 16;
      case 'v':
      case 'z':
        return this.opSize;
      case 'd':
        return 32;
      case 'q':
        return 64;
      case 'p':
        return this.opSize + 16;
      case 'a':
        return this.opSize * 2;
      case 's':
        return 48;
      default:
        return 0;
    }
  }

  register(n: number, bits: number): Operand {
    return (bits === 8 ? REG8 : bits === 16 ? REG16 : REG32)[n]!;
  }

  mem(
    size: number,
    base: Gpr | -1,
    index: Gpr | -1,
    scale: number,
    disp: number,
    seg: Seg,
    override: Seg | -1 = this.segOverride,
  ): MemOperand {
    return {
      kind: 'mem',
      size,
      seg: override === -1 ? seg : override,
      base,
      index,
      scale: scale as 0 | 1 | 2 | 3,
      disp,
      addrSize: this.addrSize,
    };
  }

  /** Reads SIB and displacement of the ModRM byte (tables 2-1 to 2-3). */
  modrmMemory(bits: number): MemOperand {
    const mod = this.modrm >> 6,
      rm = this.modrm & 7;
    if (this.addrSize === 16) {
      const direct = mod === 0 && rm === 6;
      const disp = mod === 1 ? this.signedByte() : mod === 2 || direct ? (this.word() << 16) >> 16 : 0;
      const base = direct ? -1 : BASE_16[rm]!;
      return this.mem(bits, base, INDEX_16[rm]!, 0, disp, base === 5 ? SS : DS);
    }
    let base: Gpr | -1 = rm as Gpr,
      index: Gpr | -1 = -1,
      scale = 0;
    if (rm === 4) {
      const sib = this.byte();
      base = (sib & 7) as Gpr;
      if (((sib >> 3) & 7) !== 4) {
        index = ((sib >> 3) & 7) as Gpr;
        scale = sib >> 6;
      }
    }
    if (mod === 0 && base === 5) base = -1;
    const disp = mod === 1 ? this.signedByte() : mod === 2 || base === -1 ? this.dword() : 0;
    return this.mem(bits, base, index, scale, disp, base === 4 || base === 5 ? SS : DS);
  }

  rm(bits: number): Operand {
    return this.modrm >= 0xc0 ? this.register(this.modrm & 7, bits) : this.modrmMemory(bits);
  }

  immediate(bits: number): Operand {
    if (bits === 8) return { kind: 'imm', size: 8, value: this.byte() };
    if (bits === 16) return { kind: 'imm', size: 16, value: this.word() };
    return { kind: 'imm', size: 32, value: this.dword() };
  }

  signExtended(): Operand {
    const value = this.signedByte();
    return this.opSize === 16
      ? { kind: 'imm', size: 16, value: value & 0xffff }
      : { kind: 'imm', size: 32, value };
  }

  relative(bits: number): Operand {
    if (bits === 8) return { kind: 'rel', size: 8, value: this.signedByte() };
    if (bits === 16) return { kind: 'rel', size: 16, value: (this.word() << 16) >> 16 };
    return { kind: 'rel', size: 32, value: this.dword() };
  }

  far(): Operand {
    const offset = this.opSize === 16 ? this.word() : this.dword();
    return { kind: 'far', size: this.opSize, selector: this.word(), offset };
  }

  offset(bits: number): Operand {
    const disp = this.addrSize === 16 ? (this.word() << 16) >> 16 : this.dword();
    return this.mem(bits, -1, -1, 0, disp, DS);
  }

  segment(): Operand {
    if (this.reg() > GS) this.invalid = `there is no segment register ${this.reg()}`;
    return SREGS[Math.min(this.reg(), GS)]!;
  }

  control(): Operand {
    const n = this.reg();
    if (n === 1 || n > 4) this.invalid = `there is no control register CR${n}`;
    return { kind: 'cr', n };
  }

  operand(spec: Spec): Operand {
    const bits = this.bits(spec.size);
    switch (spec.kind) {
      case E:
        return this.rm(bits);
      case M:
        return this.modrmMemory(bits);
      case RM_WORD:
        return this.rm(this.modrm >= 0xc0 ? this.opSize : 16);
      case G:
        return this.register(this.reg(), bits);
      case R:
        return this.register(this.modrm & 7, bits);
      case Z:
        return this.register(this.opcode & 7, bits);
      case FIXED:
        return this.register(spec.reg, bits);
      case FIXED_SREG:
        return SREGS[spec.reg]!;
      case I:
        return this.immediate(bits);
      case IS:
        return this.signExtended();
      case J:
        return this.relative(bits);
      case O:
        return this.offset(bits);
      case S:
        return this.segment();
      case C:
        return this.control();
      case D:
        return { kind: 'dr', n: this.reg() };
      case A:
        return this.far();
      case X:
        return this.mem(bits, 6, -1, 0, 0, DS);
      case BB:
        return this.mem(bits, 3, -1, 0, 0, DS);
      case Y:
        return this.mem(bits, 7, -1, 0, 0, ES, ES); // no prefix overrides ES:eDI
      default:
        return IMM_ONE;
    }
  }

  finish(form: Form, operands: readonly Operand[]): Insn {
    const { bytes, opSize, addrSize, lock, rep, segOverride } = this;
    return { form, length: bytes.length, bytes, opSize, addrSize, operands, lock, rep, segOverride };
  }

  refuse(invalid: string): Insn {
    return { ...this.finish(UD_FORM, []), invalid, ...(this.tooLong ? { tooLong: true } : {}) };
  }
}

const TOO_LONG = `longer than ${MAX_LENGTH} bytes`;

/** Opcode 0f ae: its forms have no 66, F2 or F3 before them, or are others that are not there. SDM vol. 2, 3.1.1.1 and the pages of the fences. */
const GROUP_15 = 0x1ae;

/** What remains to be refused once the operands are known. */
function misuse(form: Form, operands: readonly Operand[], lock: boolean): string | undefined {
  if (lock) {
    if (form.lock !== true) return `LOCK is not allowed with ${form.mnemonic.toUpperCase()} in this form`;
    if (operands[0]?.kind !== 'mem') return 'LOCK needs a memory destination';
  }
  const first = operands[0];
  if (form.semantics === 'mov_to_sreg' && first?.kind === 'sreg' && first.seg === CS) {
    return 'CS cannot be loaded by MOV';
  }
  return undefined;
}

/**
 * Decodes one instruction. `fetch(i)` gives byte i of it and is called in order, each byte once and never beyond the 15th;
 * what it throws (a fetch fault) passes through. `csD` is the D flag of CS: 32-bit defaults when true.
 * Never fails: what is no instruction comes back as the UD form with `invalid` saying why, and `tooLong` marks the
 * one case that is #GP(0) instead of #UD.
 */
export function decode(fetch: (i: number) => number, csD: boolean): Insn {
  const d = new Decoder(fetch, csD);
  const first = d.prefixes(csD);
  if (d.tooLong) return d.refuse(TOO_LONG);
  const id = d.lookUp(first);
  if (d.tooLong) return d.refuse(TOO_LONG);
  if (id === 0) {
    const insn = d.refuse(d.reason());
    return COPROCESSOR[d.opcode] === 1 ? { ...insn, coprocessor: true } : insn;
  }
  const form = TABLE[id]!;
  if (d.opcode === GROUP_15 && (d.rep !== 'none' || (d.opSize === 32) !== csD))
    return d.refuse(`${form.mnemonic.toUpperCase()} takes no prefix 66, F2 or F3`);
  if (form.size === 16 || form.size === 32) d.opSize = form.size;
  const specs = SPECS[id]!;
  const operands: Operand[] = [];
  // Immediates follow the ModRM operand in the bytes whatever their place in the text; no form has two out of order.
  for (let i = 0; i < specs.length; i++) operands.push(d.operand(specs[i]!));
  if (d.tooLong) return d.refuse(TOO_LONG);
  const invalid = d.invalid ?? misuse(form, operands, d.lock);
  return invalid === undefined ? d.finish(form, operands) : d.refuse(invalid);
}
