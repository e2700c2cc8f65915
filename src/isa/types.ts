// The shape of the description: what a row of the opcode table says, what the decoder hands to every reader,
// and what an operand is. Readers (reference engine, disassembler, explain, classify, symbolic, WebAssembly)
// share these types and nothing else.

/** Operand or address size in bits. */
export type Size = 8 | 16 | 32;

/** Register numbers as encoded: EAX ECX EDX EBX ESP EBP ESI EDI. */
export type Gpr = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** Segment register numbers as encoded: ES CS SS DS FS GS. */
export type Seg = 0 | 1 | 2 | 3 | 4 | 5;
export const ES = 0,
  CS = 1,
  SS = 2,
  DS = 3,
  FS = 4,
  GS = 5;

/**
 * Operand specifications of a table row, in the letters of the SDM's opcode maps (vol. 2, appendix A):
 * E r/m, G ModRM.reg, M memory only, R ModRM.rm register only, I immediate, J relative, O moffs, S segment register, C control register,
 * D debug register, A far pointer, X DS:eSI, Y ES:eDI, BB DS:eBX (XLAT; AL is added by the semantics), Z the register in the opcode,
 * and fixed registers (AL, eAX, CL, DX, 1 …); R of control-register moves ignores the mod field;
 * sizes b 8, w 16, v operand size, z 16/32 immediate, d 32, q 64, p far pointer in memory, a BOUND pair, s 6-byte pseudo-descriptor;
 * Ibs is a byte sign-extended to the operand size, 'Rv/Mw' a register of operand size or a word in memory, M alone an address only.
 */
export type OperandSpec = string;

/**
 * One row of the opcode table. `opcode` is hexadecimal text: '00', '0f a2', '0f 01 /2', '80 /0', '0f 01 c1' (fixed ModRM), '50+r' (register
 * in the low bits), '0f ae /5 reg' (register form only); in front of it stand 'o16', 'o32', 'a16', 'a32' where the row is one
 * operand or address size only, or 'f3' for a mandatory prefix.
 */
export interface Form {
  readonly id: number;
  readonly opcode: string;
  readonly mnemonic: string;
  readonly operands: readonly OperandSpec[];
  /** Name of the entry in the semantics table; defaults to the mnemonic. */
  readonly semantics: string;
  /** Flags the manual leaves undefined after this form for at least one operand value (mask of EFLAGS bits); table.undefinedFlags() is exact. */
  readonly undefinedFlags: number;
  /** LOCK allowed when the destination is memory. */
  readonly lock?: boolean;
  /** REP/REPE/REPNE meaning: 'rep' for string moves, 'repcc' for compares. */
  readonly rep?: 'rep' | 'repcc';
  /** Operand size fixed by the encoding regardless of prefixes, when not by operand specs. */
  readonly size?: Size;
  /** Operands are not written in assembly text (string instructions, XLAT, CBW). */
  readonly implicit?: boolean;
  /** A second encoding of another row; an assembler never chooses it. */
  readonly alias?: boolean;
}

/** A memory operand before its address is computed. */
export interface MemOperand {
  readonly kind: 'mem';
  readonly size: number; // bits: 8, 16, 32, 48, 64 …; 0 when only the address is used
  readonly seg: Seg; // after overrides and the eBP/eSP default
  readonly base: Gpr | -1;
  readonly index: Gpr | -1;
  readonly scale: 0 | 1 | 2 | 3; // shift
  readonly disp: number; // sign-extended, i32
  readonly addrSize: 16 | 32;
}
export type Operand =
  | MemOperand
  | { readonly kind: 'reg'; readonly size: Size; readonly reg: Gpr } // size 8: 0-3 AL CL DL BL, 4-7 AH CH DH BH
  | { readonly kind: 'sreg'; readonly seg: Seg }
  | { readonly kind: 'cr'; readonly n: number }
  | { readonly kind: 'dr'; readonly n: number }
  | { readonly kind: 'imm'; readonly size: Size; readonly value: number } // extended as the form says, then cut to `size`: 0..255, 0..65535, or an i32
  | { readonly kind: 'rel'; readonly size: Size; readonly value: number } // displacement, i32
  | { readonly kind: 'far'; readonly size: 16 | 32; readonly selector: number; readonly offset: number };

/** A decoded instruction. Immutable; depends only on its bytes and on CS.D. */
export interface Insn {
  readonly form: Form;
  readonly length: number; // bytes, 1..15
  readonly bytes: readonly number[];
  readonly opSize: 16 | 32; // effective operand size
  readonly addrSize: 16 | 32;
  readonly operands: readonly Operand[];
  readonly lock: boolean;
  readonly rep: 'none' | 'rep' | 'repne';
  readonly segOverride: Seg | -1;
  /** Why the bytes are not an instruction of ours: then form is the UD row and this text names the reason. */
  readonly invalid?: string;
  /** The instruction is longer than 15 bytes: #GP(0), not #UD (SDM vol. 3, 6.15). `invalid` is set too. */
  readonly tooLong?: boolean;
  /** An instruction for the floating-point unit that is not there: CR0.EM and CR0.TS make it #NM. `invalid` is set too. */
  readonly coprocessor?: boolean;
}
