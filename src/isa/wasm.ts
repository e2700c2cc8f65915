// The WebAssembly builder: it runs a description once and emits a function that does what it says, on registers and flags in a
// memory and with helpers for everything that may fault or belongs to the system. The interpreter and compiler to
// come stand on it; today it proves that no entry of the description depends on JavaScript values.
//
// A value is a local of the function, set where it comes to be, so that the order of the description is the order of execution.

import type {
  Builder,
  FlagName,
  FlagsKind,
  GateEntry,
  Local,
  SegmentValue,
  Semantic,
  SysName,
  SystemTable,
} from './builder.ts';
import { FLAG_BIT, semantics } from './builder.ts';
import { DerivedBuilder } from './derived.ts';
import { argsOf } from './operands.ts';
import { NotDescribedError } from './symbolic.ts';
import { FunctionBody, I32, I64, type Opcode, type ValueType, WasmModule } from './wasm-emit.ts';
import type { Gpr, Insn, Seg, Size } from './types.ts';

/** A local of the function under construction. */
export interface WasmValue {
  readonly local: number;
  readonly type: ValueType;
  /** A constant: it has no local and is written where it is used. */
  readonly value?: number;
}

/** Byte offsets of the registers in the imported memory, from the address given to the function. */
export const GPR_OFFSET = 0,
  EIP_OFFSET = 32,
  EFLAGS_OFFSET = 36;

/** What a function returns. */
export const DONE = 0,
  AGAIN = 1;

/** Segments, tables and system registers are handed to helpers as numbers. */
const TABLES: readonly SystemTable[] = ['descriptor', 'idt', 'tss'];
/** Every system register, in the order of the numbers the helpers `sys` and `setSys` are given. */
export const SYS_NAMES: readonly SysName[] = [
  ...(['if', 'iopl', 'vm', 'vif', 'vip', 'cpl', 'cs', 'ss', 'ts', 'cr0', 'cr2', 'cr3', 'cr4'] as const),
  ...(['dr0', 'dr1', 'dr2', 'dr3', 'dr4', 'dr5', 'dr6', 'dr7'] as const),
  ...(['gdtr.base', 'gdtr.limit', 'idtr.base', 'idtr.limit', 'ldtr', 'tr'] as const),
  ...(['ldtr.base', 'ldtr.limit', 'ldtr.attr', 'tr.base', 'tr.limit', 'tr.attr'] as const),
];
const SEGMENT_PARTS = ['sel', 'base', 'limit', 'attr'] as const;
const ENTRY_KINDS: readonly GateEntry<unknown>['kind'][] = ['exception', 'int', 'int3', 'into'];
const ACCESSES = ['r', 'w'] as const;

/**
 * The helpers a module imports from "x86": parameters and results, i for a word and l for a double word. Those that may fault do not
 * return then (they throw); `fault` and `missing` never do.
 */
export const HELPERS = {
  load: 'iii:i', // seg, offset, size in bits
  store: 'iiii:', // seg, offset, size, value
  loadW: 'ii:l',
  storeW: 'iil:',
  probe: 'iiii:', // seg, offset, length, access
  loadLinear: 'iii:i', // address, size, cpl
  storeLinear: 'iiii:', // address, size, value, cpl
  probeLinear: 'iiii:', // address, length, access, cpl
  loadSystem: 'iii:i', // table, address, size
  storeSystem: 'iiii:', // table, address, size, value
  stackMask: ':i', // 0xffff or all ones: the width of the stack pointer
  sys: 'i:i',
  setSys: 'ii:',
  tsc: ':l',
  readMsr: 'i:l',
  writeMsr: 'il:',
  checkCr: 'ii:',
  ioRefused: 'ii:i',
  in: 'ii:i',
  out: 'iii:',
  invalidate: 'i:',
  halt: ':',
  shadow: ':',
  holdTraps: ':',
  endNmi: ':',
  begin: 'i:',
  taskTrap: ':',
  checkDr: 'i:',
  cpuid: 'iii:i', // leaf, subleaf, 0-3 for EAX EBX ECX EDX
  checkJump: 'i:', // within the limit of CS
  segmentPart: 'ii:i', // seg, 0-3 for selector, base, limit, attributes
  setSegment: 'iiiii:',
  enterGate: 'iiiiiiiiiiiiiii:', // vector, kind, has code, code, cs ×4, eip, ss ×4, esp, clearIf
  fault: 'iii:', // vector, has code, code
  missing: ':',
} as const;
export type Helper = keyof typeof HELPERS;

function typesOf(letters: string): ValueType[] {
  return [...letters].map((letter) => (letter === 'l' ? I64 : I32));
}

/** Imports memory and helpers; the same order in every module. */
function importAll(module: WasmModule): Readonly<Record<Helper, number>> {
  module.importMemory('x86', 'memory', 1);
  const indices: Partial<Record<Helper, number>> = {};
  for (const name of Object.keys(HELPERS) as Helper[]) {
    const [params = '', results = ''] = HELPERS[name].split(':');
    indices[name] = module.importFunction('x86', name, typesOf(params), typesOf(results));
  }
  return indices as Record<Helper, number>;
}

const EFLAGS_FIXED = 2;
const ORDINARY_FLAGS = Object.values(FLAG_BIT).reduce((mask, bit) => mask | (1 << bit), 0);
const ESP: Gpr = 4;
const STATE_PARAM = 0;

export class WasmBuilder
  extends DerivedBuilder<WasmValue, WasmValue>
  implements Builder<WasmValue, WasmValue>
{
  readonly insn: Insn;
  readonly opSize: 16 | 32;
  readonly addrSize: 16 | 32;
  protected readonly f: FunctionBody;
  protected readonly helpers: Readonly<Record<Helper, number>>;

  /** Emits into `f`, whose first parameter is the address of the registers and whose second is the EIP of the instruction. */
  constructor(insn: Insn, f: FunctionBody, helpers: Readonly<Record<Helper, number>>) {
    super();
    this.insn = insn;
    this.opSize = insn.opSize;
    this.addrSize = insn.addrSize;
    this.f = f;
    this.helpers = helpers;
  }

  // ---- emitting ---------------------------------------------------------------------------------------

  /** Puts what is on the stack in a fresh local. */
  protected keep(type: ValueType = I32): WasmValue {
    const local = this.f.local(type);
    this.f.set(local);
    return { local, type };
  }
  protected get(...values: readonly WasmValue[]): FunctionBody {
    for (const { local, value } of values) {
      if (value === undefined) this.f.get(local);
      else this.f.const32(value);
    }
    return this.f;
  }
  protected word(opcode: Opcode, ...values: readonly WasmValue[]): WasmValue {
    this.get(...values).op(opcode);
    return this.keep();
  }
  protected wide(opcode: Opcode, ...values: readonly WasmValue[]): WasmValue {
    this.get(...values).op(opcode);
    return this.keep(I64);
  }
  /** Calls a helper; numbers are constants. */
  protected call(name: Helper, ...args: readonly (WasmValue | number)[]): void {
    for (const arg of args) {
      if (typeof arg === 'number') this.f.const32(arg);
      else this.get(arg);
    }
    this.f.call(this.helpers[name]);
  }
  protected ask(name: Helper, ...args: readonly (WasmValue | number)[]): WasmValue {
    this.call(name, ...args);
    return this.keep(HELPERS[name].endsWith('l') ? I64 : I32);
  }
  private loadState(opcode: Opcode, offset: number): WasmValue {
    this.f.get(STATE_PARAM).memory(opcode, 0, offset);
    return this.keep();
  }
  private storeState(opcode: Opcode, offset: number, value: WasmValue): void {
    this.f.get(STATE_PARAM);
    this.get(value).memory(opcode, 0, offset);
  }

  // ---- words ------------------------------------------------------------------------------------------

  override const(n: number): WasmValue {
    return { local: -1, type: I32, value: n | 0 };
  }
  override add(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.add', a, c);
  }
  sub(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.sub', a, c);
  }
  mul(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.mul', a, c);
  }
  override and(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.and', a, c);
  }
  override or(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.or', a, c);
  }
  xor(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.xor', a, c);
  }
  not(a: WasmValue): WasmValue {
    return this.xor(a, this.const(-1));
  }
  shl(a: WasmValue, n: WasmValue): WasmValue {
    return this.word('i32.shl', a, n);
  }
  shr(a: WasmValue, n: WasmValue): WasmValue {
    return this.word('i32.shr_u', a, n);
  }
  sar(a: WasmValue, n: WasmValue): WasmValue {
    return this.word('i32.shr_s', a, n);
  }
  zx(a: WasmValue, size: number): WasmValue {
    return size === 32 ? a : this.and(a, this.const((1 << size) - 1));
  }
  sx(a: WasmValue, size: number): WasmValue {
    return size === 32 ? a : this.word(size === 8 ? 'i32.extend8_s' : 'i32.extend16_s', a);
  }
  ctz(a: WasmValue): WasmValue {
    return this.word('i32.ctz', a);
  }
  clz(a: WasmValue): WasmValue {
    return this.word('i32.clz', a);
  }
  override eq(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.eq', a, c);
  }
  override ne(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.ne', a, c);
  }
  override ltU(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.lt_u', a, c);
  }
  leU(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.le_u', a, c);
  }
  ltS(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.lt_s', a, c);
  }
  leS(a: WasmValue, c: WasmValue): WasmValue {
    return this.word('i32.le_s', a, c);
  }
  select(c: WasmValue, whenTrue: WasmValue, whenFalse: WasmValue): WasmValue {
    return this.word('select', whenTrue, whenFalse, c);
  }
  local(initial: WasmValue): Local<WasmValue> {
    const set = (to: number, value: WasmValue) => this.get(value).set(to);
    const variable = this.f.local(I32);
    set(variable, initial);
    return {
      set: (value) => set(variable, value),
      get: () => {
        this.f.get(variable);
        return this.keep();
      },
    };
  }

  // ---- double words -----------------------------------------------------------------------------------

  protected extend(
    a: WasmValue,
    opcode: 'i64.extend_i32_u' | 'i64.extend_i32_s' = 'i64.extend_i32_u',
  ): WasmValue {
    return this.wide(opcode, a);
  }
  double(lo: WasmValue, hi: WasmValue): WasmValue {
    const upper = this.wide('i64.shl', this.extend(hi), this.extend(this.const(32)));
    return this.wide('i64.or', this.extend(lo), upper);
  }
  lo(w: WasmValue): WasmValue {
    return this.word('i32.wrap_i64', w);
  }
  hi(w: WasmValue): WasmValue {
    return this.lo(this.wide('i64.shr_u', w, this.extend(this.const(32))));
  }
  mulU(a: WasmValue, c: WasmValue): WasmValue {
    return this.wide('i64.mul', this.extend(a), this.extend(c));
  }
  mulS(a: WasmValue, c: WasmValue): WasmValue {
    return this.wide('i64.mul', this.extend(a, 'i64.extend_i32_s'), this.extend(c, 'i64.extend_i32_s'));
  }
  addW(a: WasmValue, c: WasmValue): WasmValue {
    return this.wide('i64.add', a, c);
  }
  negW(a: WasmValue): WasmValue {
    return this.wide('i64.sub', this.extend(this.const(0)), a);
  }
  orW(a: WasmValue, c: WasmValue): WasmValue {
    return this.wide('i64.or', a, c);
  }
  shlW(a: WasmValue, n: WasmValue): WasmValue {
    return this.wide('i64.shl', a, this.extend(n));
  }
  shrW(a: WasmValue, n: WasmValue): WasmValue {
    return this.wide('i64.shr_u', a, this.extend(n));
  }
  selectW(c: WasmValue, whenTrue: WasmValue, whenFalse: WasmValue): WasmValue {
    return this.wide('select', whenTrue, whenFalse, c);
  }
  divU(a: WasmValue, d: WasmValue): WasmValue {
    return this.wide('i64.div_u', a, this.extend(d));
  }
  remU(a: WasmValue, d: WasmValue): WasmValue {
    return this.lo(this.wide('i64.rem_u', a, this.extend(d)));
  }

  // ---- control ----------------------------------------------------------------------------------------

  override if(c: WasmValue, then: () => void, otherwise?: () => void): void {
    this.get(c).begin('if');
    then();
    if (otherwise !== undefined) {
      this.f.otherwise();
      otherwise();
    }
    this.f.end();
  }
  loop(cond: () => WasmValue, body: () => void): void {
    const done = this.f.begin('block');
    const again = this.f.begin('loop');
    this.get(cond()).op('i32.eqz').branch('br_if', done);
    body();
    this.f.branch('br', again).end().end();
  }
  override fault(vector: number, code?: WasmValue): void {
    this.call('fault', vector, code === undefined ? 0 : 1, code ?? 0);
    this.f.op('unreachable');
  }
  missing(_what: string): void {
    this.call('missing');
    this.f.op('unreachable');
  }
  micro(_name: string, body: () => void): void {
    body();
  }
  protected override check(body: () => void): void {
    body();
  }

  /** One turn: returns AGAIN with EIP unmoved when the same instruction comes once more. */
  repeat(body: () => void): void {
    const { rep, form, addrSize } = this.insn;
    if (rep === 'none' || form.rep === undefined) {
      body();
      return;
    }
    const ECX: Gpr = 1;
    this.if(this.ne(this.reg(ECX, addrSize), this.const(0)), () => {
      body();
      const left = this.zx(this.sub(this.reg(ECX, addrSize), this.const(1)), addrSize);
      this.setReg(ECX, addrSize, left);
      let more = this.ne(left, this.const(0));
      if (form.rep === 'repcc') {
        const wanted = this.const(rep === 'rep' ? 1 : 0);
        more = this.and(more, this.eq(this.flag('zf'), wanted));
      }
      this.if(more, () => {
        this.setEip(this.eip());
        this.f.const32(AGAIN).op('return');
      });
    });
  }

  // ---- registers and flags ----------------------------------------------------------------------------

  private regOffset(n: Gpr, size: Size): number {
    return GPR_OFFSET + (size === 8 && n >= 4 ? (n - 4) * 4 + 1 : n * 4);
  }
  reg(n: Gpr, size: Size): WasmValue {
    const opcode = size === 8 ? 'i32.load8_u' : size === 16 ? 'i32.load16_u' : 'i32.load';
    return this.loadState(opcode, this.regOffset(n, size));
  }
  setReg(n: Gpr, size: Size, value: WasmValue): void {
    const opcode = size === 8 ? 'i32.store8' : size === 16 ? 'i32.store16' : 'i32.store';
    this.storeState(opcode, this.regOffset(n, size), value);
  }
  private allFlags(): WasmValue {
    return this.loadState('i32.load', EFLAGS_OFFSET);
  }
  override flag(name: FlagName): WasmValue {
    return this.and(this.shr(this.allFlags(), this.const(FLAG_BIT[name])), this.const(1));
  }
  setFlag(name: FlagName, value: WasmValue): void {
    const bit = this.shl(value, this.const(FLAG_BIT[name]));
    this.setEflags(1 << FLAG_BIT[name], bit);
  }
  eflags(): WasmValue {
    return this.or(this.and(this.allFlags(), this.const(ORDINARY_FLAGS)), this.const(EFLAGS_FIXED));
  }
  setEflags(mask: number, value: WasmValue): void {
    const kept = this.and(this.allFlags(), this.const(~mask));
    this.storeState('i32.store', EFLAGS_OFFSET, this.or(kept, this.and(value, this.const(mask))));
  }
  flags(kind: FlagsKind, a: WasmValue, c: WasmValue, r: WasmValue, size: number): void {
    const zero = this.const(0);
    const top = (value: WasmValue) => this.and(this.shr(value, this.const(size - 1)), this.const(1));
    const cut = this.zx(r, size);
    const adds = kind === 'add' || kind === 'inc';
    if (kind === 'logic') {
      this.setFlag('cf', zero);
      this.setFlag('of', zero);
    } else if (kind !== 'result') {
      const notA = adds ? a : this.not(a);
      const either = adds ? this.and(this.or(a, c), this.not(r)) : this.and(this.or(notA, c), r);
      const carry = top(this.or(this.and(notA, c), either));
      const ar = this.xor(a, r);
      const overflow = top(this.and(ar, adds ? this.xor(c, r) : this.xor(a, c)));
      if (kind === 'add' || kind === 'sub') this.setFlag('cf', carry);
      this.setFlag('of', overflow);
      this.setFlag('af', this.and(this.shr(this.xor(ar, c), this.const(4)), this.const(1)));
    }
    const ones = this.word('i32.popcnt', this.and(cut, this.const(0xff)));
    this.setFlag('pf', this.eq(this.and(ones, this.const(1)), zero));
    this.setFlag('zf', this.eq(cut, zero));
    this.setFlag('sf', top(r));
  }

  // ---- memory and stack -------------------------------------------------------------------------------

  override load(seg: Seg, offset: WasmValue, size: number): WasmValue {
    return this.ask('load', seg, offset, size);
  }
  override store(seg: Seg, offset: WasmValue, size: number, value: WasmValue): void {
    this.call('store', seg, offset, size, this.zx(value, size));
  }
  loadW(seg: Seg, offset: WasmValue): WasmValue {
    return this.ask('loadW', seg, offset);
  }
  storeW(seg: Seg, offset: WasmValue, value: WasmValue): void {
    this.call('storeW', seg, offset, value);
  }
  override probe(seg: Seg, offset: WasmValue, length: number, access: 'r' | 'w'): void {
    this.call('probe', seg, offset, length, ACCESSES.indexOf(access));
  }
  loadLinear(addr: WasmValue, size: number, cpl: WasmValue): WasmValue {
    return this.ask('loadLinear', addr, size, cpl);
  }
  storeLinear(addr: WasmValue, size: number, value: WasmValue, cpl: WasmValue): void {
    this.call('storeLinear', addr, size, this.zx(value, size), cpl);
  }
  probeLinear(addr: WasmValue, length: WasmValue, access: 'r' | 'w', cpl: WasmValue): void {
    this.call('probeLinear', addr, length, ACCESSES.indexOf(access), cpl);
  }
  loadSystem(table: SystemTable, addr: WasmValue, size: number): WasmValue {
    return this.ask('loadSystem', TABLES.indexOf(table), addr, size);
  }
  storeSystem(table: SystemTable, addr: WasmValue, size: number, value: WasmValue): void {
    this.call('storeSystem', TABLES.indexOf(table), addr, size, this.zx(value, size));
  }
  override sp(): WasmValue {
    return this.wrapSp(this.reg(ESP, 32));
  }
  override setSp(value: WasmValue): void {
    // A 16-bit stack leaves the upper half of ESP alone.
    const mask = this.ask('stackMask');
    const kept = this.and(this.reg(ESP, 32), this.not(mask));
    this.setReg(ESP, 32, this.or(kept, this.and(value, mask)));
  }
  protected override wrapSp(offset: WasmValue): WasmValue {
    return this.and(offset, this.ask('stackMask'));
  }

  // ---- the system -------------------------------------------------------------------------------------

  override sys(name: SysName): WasmValue {
    return this.ask('sys', SYS_NAMES.indexOf(name));
  }
  setSys(name: SysName, value: WasmValue): void {
    this.call('setSys', SYS_NAMES.indexOf(name), value);
  }
  tsc(): WasmValue {
    return this.ask('tsc');
  }
  readMsr(index: WasmValue): WasmValue {
    return this.ask('readMsr', index);
  }
  writeMsr(index: WasmValue, value: WasmValue): void {
    this.call('writeMsr', index, value);
  }
  checkCr(n: 0 | 3 | 4, value: WasmValue): void {
    this.call('checkCr', n, value);
  }
  protected override ioRefused(port: WasmValue, size: number): WasmValue {
    return this.ask('ioRefused', port, size);
  }
  in(port: WasmValue, size: number): WasmValue {
    return this.ask('in', port, size);
  }
  out(port: WasmValue, size: number, value: WasmValue): void {
    this.call('out', port, size, this.zx(value, size));
  }
  invalidate(addr: WasmValue): void {
    this.call('invalidate', addr);
  }
  halt(): void {
    this.call('halt');
  }
  shadow(): void {
    this.call('shadow');
  }
  holdTraps(): void {
    this.call('holdTraps');
  }
  endNmi(): void {
    this.call('endNmi');
  }
  begin(eip: WasmValue): void {
    this.call('begin', eip);
  }
  taskTrap(): void {
    this.call('taskTrap');
  }
  checkDr(n: number): void {
    this.call('checkDr', n);
  }
  cpuid(leaf: WasmValue, subleaf: WasmValue): readonly [WasmValue, WasmValue, WasmValue, WasmValue] {
    const part = (n: number) => this.ask('cpuid', leaf, subleaf, n);
    return [part(0), part(1), part(2), part(3)];
  }

  // ---- where the program goes on ----------------------------------------------------------------------

  eip(): WasmValue {
    this.f.get(1);
    return this.keep();
  }
  nextEip(): WasmValue {
    return this.zx(this.add(this.eip(), this.const(this.insn.length)), this.opSize);
  }
  jump(target: WasmValue): void {
    const to = this.zx(target, this.opSize);
    this.call('checkJump', to);
    this.setEip(to);
  }
  setEip(value: WasmValue): void {
    this.storeState('i32.store', EIP_OFFSET, value);
  }
  selector(seg: Seg): WasmValue {
    return this.ask('segmentPart', seg, 0);
  }
  segment(seg: Seg): SegmentValue<WasmValue> {
    const [sel, base, limit, attr] = SEGMENT_PARTS.map((_part, n) => this.ask('segmentPart', seg, n));
    return { sel: sel!, base: base!, limit: limit!, attr: attr! };
  }
  setSegment(seg: Seg, { sel, base, limit, attr }: SegmentValue<WasmValue>): void {
    this.call('setSegment', seg, sel, base, limit, attr);
  }
  enterGate({ vector, kind, code, cs, eip, ss, esp, clearIf }: GateEntry<WasmValue>): void {
    const segment = (s: SegmentValue<WasmValue>) => [s.sel, s.base, s.limit, s.attr];
    const how = [vector, ENTRY_KINDS.indexOf(kind), code === undefined ? 0 : 1, code ?? 0];
    this.call('enterGate', ...how, ...segment(cs), eip, ...segment(ss), esp, clearIf);
  }
}

/** The function of one instruction: (registers' address, EIP of the instruction) → DONE, or AGAIN for a string instruction midway. */
function functionOf(
  insn: Insn,
  helpers: Readonly<Record<Helper, number>>,
  entries: ReadonlyMap<string, Semantic>,
): FunctionBody {
  const entry = entries.get(insn.form.semantics);
  if (entry === undefined)
    throw new NotDescribedError(`${insn.form.mnemonic}: nothing describes “${insn.form.semantics}”`);
  const f = new FunctionBody([I32, I32], [I32]);
  const b = new WasmBuilder(insn, f, helpers);
  // EIP moves on first; a transfer overwrites it, a fault does not come back.
  b.setEip(b.add(b.eip(), b.const(insn.length)));
  entry.run<WasmValue, WasmValue>(b, ...argsOf<WasmValue, WasmValue>(b, insn, entry.access));
  f.const32(DONE);
  return f;
}

/**
 * A module with one exported function for each instruction, named "0", "1", … in order. It imports "x86".memory and every helper of
 * HELPERS. Throws NotDescribedError.
 */
export function emitModule(
  insns: readonly Insn[],
  entries: ReadonlyMap<string, Semantic> = semantics,
): Uint8Array<ArrayBuffer> {
  const module = new WasmModule();
  const helpers = importAll(module);
  insns.forEach((insn, i) => {
    module.define(functionOf(insn, helpers, entries), String(i));
  });
  return module.encode();
}
