// The language in which every instruction is described once. A description is a small function over a Builder; each reader of the
// description (the engines, explain, classify, the symbolic one, the WebAssembly one) is a Builder of its own.
//
// Values are opaque: V is a word of 32 bits, W a double word of 64 bits. A description never looks inside one; all control flow that
// depends on a value goes through b.if, b.loop, b.select, b.fault. An ordinary JavaScript condition may test only what the decoder
// knows: b.insn, its operand kinds and sizes.
//
// Order inside a description: everything that can fault comes before everything that commits. b.get/b.load/b.peek/b.probe may fault; b.set,
// b.store, b.poke and b.push may fault too unless the same bytes were probed or read with 'rw' before; registers, flags and
// sys never fault. Accessed and dirty bits may persist after a fault, nothing else.

import type { Gpr, Insn, Operand, Seg, Size } from './types.ts';

/** Flags that are no sys: readable and writable at every privilege level. */
export type FlagName = 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of' | 'df' | 'tf' | 'nt' | 'rf' | 'ac' | 'id';

/** Bit of each ordinary flag in EFLAGS. */
export const FLAG_BIT: Readonly<Record<FlagName, number>> = {
  cf: 0,
  pf: 2,
  af: 4,
  zf: 6,
  sf: 7,
  tf: 8,
  df: 10,
  of: 11,
  nt: 14,
  rf: 16,
  ac: 18,
  id: 21,
};

/**
 * What belongs to the system rather than to a program. 'if' 'vm' 'vif' 'vip' 'ts' are 0 or 1, 'iopl' and 'cpl' 0…3. 'cs' and 'ss' are the
 * visible selectors (their RPL is the privilege level); selectors of ES DS FS GS are ordinary and read by b.selector. 'ldtr' and
 * 'tr' are selectors; with .base .limit .attr their hidden parts (attr as in cpu/vcpu.ts: access byte | flags nibble << 8).
 * 'tsc' and MSRs are wider than a word and have operations of their own.
 */
export type SysName =
  | 'if'
  | 'iopl'
  | 'vm'
  | 'vif'
  | 'vip'
  | 'cpl'
  | 'cs'
  | 'ss'
  | 'ts'
  | `cr${0 | 2 | 3 | 4}`
  | `dr${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}`
  | `${'gdtr' | 'idtr'}.${'base' | 'limit'}`
  | 'ldtr'
  | 'tr'
  | `${'ldtr' | 'tr'}.${'base' | 'limit' | 'attr'}`;

/** Tables and segments that the processor itself reads and writes, always as supervisor. Reading one is a sys read of that name. */
export type SystemTable = 'descriptor' | 'idt' | 'tss';

/**
 * How b.flags computes; a, c are the operands, r the result, all seen through `size`.
 * add, sub: CF PF AF ZF SF OF, right also when r took in a carry or borrow (adc, sbb). inc, dec: the same without CF (c is 1).
 * logic: CF = OF = AF = 0, PF ZF SF of r. result: PF ZF SF of r only.
 */
export type FlagsKind = 'add' | 'sub' | 'inc' | 'dec' | 'logic' | 'result';

/** Vectors of faults a description may raise. */
export const DE = 0,
  DB = 1,
  NMI = 2,
  BP = 3,
  OF = 4,
  BR = 5,
  UD = 6,
  NM = 7,
  DF = 8,
  TS = 10,
  NP = 11,
  SF = 12,
  GP = 13,
  PF = 14;

/** A variable of a description: for values that change in a loop or in one branch. */
export interface Local<V> {
  get(): V;
  set(value: V): void;
}

/** One operand of the instruction. Effective addresses are computed once, at the first get, set or ea. */
export interface Arg<V> {
  /** What the decoder knows of it; may be tested. */
  readonly operand: Operand;
  /** Bits: 8, 16, 32; memory operands also 0 (address only), 48, 64. */
  readonly size: number;
  /** The value, zero-extended to a word. Not for memory operands wider than a word. */
  get(): V;
  /** Stores the low `size` bits. */
  set(value: V): void;
  /** Effective address (offset within the segment) of a memory operand, cut to the address size. */
  ea(): V;
}

/** A segment register's content: selector and hidden part (base, limit in bytes inclusive, attr as in cpu/vcpu.ts). */
export interface SegmentValue<V> {
  readonly sel: V;
  readonly base: V;
  readonly limit: V;
  readonly attr: V;
}

/** How control came to a gate: TRAP_KINDS of trace/records.ts. */
export type EntryKind = 'exception' | 'int' | 'int3' | 'into';

/** The last step of a delivery through a gate: what the processor loads once the frame is on the stack. */
export interface GateEntry<V> {
  readonly vector: V;
  readonly kind: EntryKind;
  /** Error code pushed, if any. */
  readonly code: V | undefined;
  readonly cs: SegmentValue<V>;
  readonly eip: V;
  /** Stack segment and pointer after the frame. */
  readonly ss: SegmentValue<V>;
  readonly esp: V;
  /** 1: an interrupt gate, IF is cleared. */
  readonly clearIf: V;
}

export interface Builder<V, W> {
  // ---- what the decoder knows -------------------------------------------------------------------------
  readonly insn: Insn;
  readonly opSize: 16 | 32;
  readonly addrSize: 16 | 32;

  // ---- words ------------------------------------------------------------------------------------------
  const(n: number): V;
  add(a: V, c: V): V;
  sub(a: V, c: V): V;
  /** Low word of the product. */
  mul(a: V, c: V): V;
  and(a: V, c: V): V;
  or(a: V, c: V): V;
  xor(a: V, c: V): V;
  not(a: V): V;
  /** Shifts take their count modulo 32. */
  shl(a: V, n: V): V;
  shr(a: V, n: V): V;
  sar(a: V, n: V): V;
  /** Zero- or sign-extends the low `size` bits to a word. */
  zx(a: V, size: number): V;
  sx(a: V, size: number): V;
  /** Count of trailing or leading zero bits; 32 for zero. */
  ctz(a: V): V;
  clz(a: V): V;
  /** Comparisons give 0 or 1; U compares as unsigned, S as signed. */
  eq(a: V, c: V): V;
  ne(a: V, c: V): V;
  ltU(a: V, c: V): V;
  leU(a: V, c: V): V;
  ltS(a: V, c: V): V;
  leS(a: V, c: V): V;
  /** c is 0 or 1. Both values are computed. */
  select(c: V, whenTrue: V, whenFalse: V): V;
  local(initial: V): Local<V>;

  // ---- double words -----------------------------------------------------------------------------------
  double(lo: V, hi: V): W;
  lo(w: W): V;
  hi(w: W): V;
  mulU(a: V, c: V): W;
  mulS(a: V, c: V): W;
  addW(a: W, c: W): W;
  negW(a: W): W;
  orW(a: W, c: W): W;
  /** Shifts take their count modulo 64. */
  shlW(a: W, n: V): W;
  shrW(a: W, n: V): W;
  selectW(c: V, whenTrue: W, whenFalse: W): W;
  /** Unsigned division of 64 bits by a word, which must not be zero; the quotient has 64 bits. */
  divU(a: W, d: V): W;
  remU(a: W, d: V): V;

  // ---- control ----------------------------------------------------------------------------------------
  if(c: V, then: () => void, otherwise?: () => void): void;
  /** while (cond()) body(). */
  loop(cond: () => V, body: () => void): void;
  /** Ends the instruction with a fault: nothing it did so far may have been a commit. `code` is the error code. */
  fault(vector: number, code?: V): void;
  faultIf(c: V, vector: number, code?: V): void;
  /** A named routine of microcode: readers may name it instead of showing its inside; an engine just runs it. */
  micro(name: string, body: () => void): void;

  // ---- registers and flags ----------------------------------------------------------------------------
  /** General register by number; size 8 numbers AL CL DL BL AH CH DH BH. Zero-extended. */
  reg(n: Gpr, size: Size): V;
  setReg(n: Gpr, size: Size, value: V): void;
  flag(name: FlagName): V;
  /** value is 0 or 1. */
  setFlag(name: FlagName, value: V): void;
  /** Arithmetic flags of an operation: see FlagsKind. */
  flags(kind: FlagsKind, a: V, c: V, r: V, size: number): void;
  /** Condition code 0…15 (SDM vol. 2, appendix B, tttn): 0 or 1. */
  cond(cc: number): V;
  /** All ordinary flags at their places in EFLAGS, bit 1 set, the sys flags zero. */
  eflags(): V;
  /** Sets those ordinary flags that are in `mask` (a constant of EFLAGS bits) from `value`. */
  setEflags(mask: number, value: V): void;

  // ---- memory -----------------------------------------------------------------------------------------
  /** Offset in a segment; size 8, 16 or 32; zero-extended. Checks segment, paging, privilege. */
  load(seg: Seg, offset: V, size: number): V;
  store(seg: Seg, offset: V, size: number, value: V): void;
  /** Eight bytes in one access. */
  loadW(seg: Seg, offset: V): W;
  storeW(seg: Seg, offset: V, value: W): void;
  /** All checks of an access to `length` bytes, without the access. */
  probe(seg: Seg, offset: V, length: number, access: 'r' | 'w'): void;
  /** By linear address with the paging rights of `cpl` (3 is user, less is supervisor): stacks that are not loaded yet. */
  loadLinear(addr: V, size: number, cpl: V): V;
  storeLinear(addr: V, size: number, value: V, cpl: V): void;
  probeLinear(addr: V, length: V, access: 'r' | 'w', cpl: V): void;
  /** By linear address, always as supervisor, of a table of the system. */
  loadSystem(table: SystemTable, addr: V, size: number): V;
  storeSystem(table: SystemTable, addr: V, size: number, value: V): void;

  // ---- the stack: SS, with SP or ESP as SS.B says -----------------------------------------------------
  push(value: V, size: 16 | 32): void;
  pop(size: 16 | 32): V;
  /** Reads or writes `offset` bytes above the stack pointer (negative: below) without moving it. */
  peek(offset: number, size: 16 | 32): V;
  poke(offset: number, size: 16 | 32, value: V): void;
  probeStack(offset: number, length: number, access: 'r' | 'w'): void;
  /** Adds to SP or ESP. */
  moveSp(delta: V): void;
  /** SP or ESP, zero-extended. */
  sp(): V;
  setSp(value: V): void;

  // ---- the system -------------------------------------------------------------------------------------
  sys(name: SysName): V;
  setSys(name: SysName, value: V): void;
  /** Time-stamp counter. */
  tsc(): W;
  /** Model-specific register; an unknown one is #GP(0). */
  readMsr(index: V): W;
  writeMsr(index: V, value: W): void;
  /** Checks a new value before anything is written: reserved bits and impossible combinations are #GP(0). */
  checkCr(n: 0 | 3 | 4, value: V): void;
  /** May debug register n be accessed? DR4 and DR5 are #UD under CR4.DE; all of them are #DB under DR7.GD. */
  checkDr(n: number): void;
  /** #GP(0) unless CPL <= n. */
  requireCpl(n: 0): void;
  /** #GP(0) unless CPL <= IOPL (in virtual-8086 mode: unless IOPL is 3). */
  requireIopl(): void;
  /** CPL <= IOPL or the I/O bitmap of the TSS allows `size` bits at `port`; else #GP(0). */
  requireIo(port: V, size: number): void;
  /** CR4.UMIP set and CPL > 0: #GP(0). */
  umip(): void;
  /** CR4.TSD set and CPL > 0: #GP(0). */
  tsd(): void;
  /** #UD outside protected mode (real-address and virtual-8086 mode). */
  protectedMode(): void;
  /** In virtual-8086 mode with IOPL < 3: #GP(0). */
  vm86Iopl(): void;
  /** 1 in protected mode, 0 in real-address and virtual-8086 mode. */
  isProtected(): V;
  in(port: V, size: number): V;
  out(port: V, size: number, value: V): void;
  /** Drops translations of the page at a linear address. */
  invalidate(addr: V): void;
  halt(): void;
  /** No interrupt or event before the next instruction has retired (MOV SS, POP SS, STI). */
  shadow(): void;
  /** Beside shadow(): debug exceptions wait as well, so that SS and ESP can be loaded together (MOV SS, POP SS). */
  holdTraps(): void;
  /** NMIs are accepted again (IRET), whatever becomes of this instruction. */
  endNmi(): void;
  /**
   * A task switch is complete but for what the new task's segments may raise: from here on faults are the new task's, and the
   * instruction they happen at is the one at `eip`.
   */
  begin(eip: V): void;
  /** The new task asked for a debug exception before its first instruction (the T flag of its TSS). */
  taskTrap(): void;
  cpuid(leaf: V, subleaf: V): readonly [eax: V, ebx: V, ecx: V, edx: V];

  // ---- where the program goes on ----------------------------------------------------------------------
  /** EIP of this instruction, and of the one behind it. */
  eip(): V;
  nextEip(): V;
  /** Near transfer within CS: cut to the operand size, checked against the limit of CS (#GP(0)). */
  jump(target: V): void;
  /** Repeats a string operation as the prefix says: each call of the instruction does at most one iteration; see semantics/strings.ts. */
  repeat(body: () => void): void;
  /** Selector of ES, DS, FS or GS (those of CS and SS are sys). */
  selector(seg: Seg): V;
  /** Hidden part of a segment register. */
  segment(seg: Seg): SegmentValue<V>;
  /** Loads a segment register whole, checks done. Loading CS sets CPL from the selector's RPL in protected mode. */
  setSegment(seg: Seg, value: SegmentValue<V>): void;
  /** Sets EIP without a check; only beside setSegment(CS, …). */
  setEip(value: V): void;
  /** Last step of an interrupt or exception. */
  enterGate(entry: GateEntry<V>): void;
  /** A feature of the architecture that is not described yet: ends the instruction with a named record and #GP(0). */
  missing(what: string): void;
}

/** How a description uses each operand: read, written, read and written, address only. */
export type Access = 'r' | 'w' | 'rw' | 'a';

export type Describe = <V, W>(b: Builder<V, W>, ...args: Arg<V>[]) => void;

export interface Semantic {
  readonly name: string;
  /** One per operand of the instruction; an instruction with fewer operands uses the first ones. */
  readonly access: readonly Access[];
  readonly run: Describe;
}

const ENTRIES = new Map<string, Semantic>();

/** Registers the description of the table's entry `name`. `signature` is the access of each operand: 'rw r'. */
export function define(name: string, signature: string, run: Describe): void {
  if (ENTRIES.has(name)) throw new Error(`described twice: ${name}`);
  ENTRIES.set(name, { name, access: signature === '' ? [] : (signature.split(' ') as Access[]), run });
}

/** All descriptions by name. Complete once semantics/index.ts is loaded. */
export const semantics: ReadonlyMap<string, Semantic> = ENTRIES;
