// The builder that turns a description into a handler of the interpreter: operands come from the record, registers from the vCPU's
// record in STATE, memory through the TLBs. What it has no way to do is not covered: the reference engine does it.
//
// Leave before the instruction. A handler never raises a fault: where one would come, or the TLB has no entry, or an access crosses a
// page, it goes out with nothing done, and the reference engine runs the one instruction. The order of a description (what may
// fault before what commits) makes that possible; a description that would go out after it has changed a register is refused here.
//
// Flags: see interpreter-flags.ts.

import type { Access, Arg, SegmentValue, SysName } from '../isa/builder.ts';
import {
  type Gpr,
  type Insn,
  type MemOperand,
  type Operand,
  type Seg,
  type Size,
  CS,
  SS,
} from '../isa/types.ts';
import type { Helper, WasmValue } from '../isa/wasm.ts';
import { type FunctionBody, I32, I64, type Opcode } from '../isa/wasm-emit.ts';
import { emitBulk } from './interpreter-bulk.ts';
import { FlagsBuilder, type LastFlags, LEFT_TICKS, NotCoveredError, REC, V } from './interpreter-flags.ts';
import { FAST, FAST_SEG, RECORD } from './interpreter-layout.ts';
import { type Mode, STRINGS } from './interpreter-shapes.ts';
import { TLB_ENTRIES } from './tlb.ts';
import { SEG_DB, VCPU } from './vcpu.ts';

/** The segment number that stands for “the one the record names”. */
export const RECORD_SEG = 4;

/** How a handler ends; an inlined one differs from a function of its own. */
export interface Ends {
  /** Goes out before the instruction whose record lies `offset` bytes behind REC. */
  leave(offset: number): void;
  /** The same if the word on the stack is not zero. */
  leaveIf(offset: number): void;
  /** Goes out before the instruction, which would raise the fault in FAST.vector. */
  fault(offset: number): void;
  /** Goes out if the word on the stack is not zero, because the TLB has no entry for the linear address in a local. */
  missIf(offset: number, lin: number, write: boolean): void;
  /** On to the record `offset` bytes behind REC; `starts`: a new straight run begins there, whose ticks are taken. */
  next(offset: number, starts: boolean): void;
  /** Where the jump leads whose record lies `offset` bytes behind REC: a straight run begins there. */
  follow(offset: number): void;
  /** Behind the instruction, out to the engine: what it keeps of the processor may have changed. The program goes on at the EIP in a local. */
  system(eip: number): void;
  /** To the EIP in a local. */
  lookup(eip: number): void;
}

type Transfer =
  | { readonly kind: 'static'; readonly condition: WasmValue | undefined }
  | { readonly kind: 'dynamic'; readonly eip: WasmValue };

const NEXT_EIP: WasmValue = { local: -2, type: I32 },
  RELATIVE: WasmValue = { local: -3, type: I32 },
  TARGET: WasmValue = { local: -4, type: I32 };
const ESP = 4;

export class InterpreterBuilder extends FlagsBuilder {
  /** Nobody sees the flags that this instruction leaves. */
  deadFlags = false;
  protected readonly ends: Ends;
  protected readonly at: number;
  private readonly codeMode: Mode;
  private transfer: Transfer | undefined = undefined;
  /** All that the stack is read for was probed: no look-up behind it fails. */
  private readsProbed = false;
  private probedHost: { offset: WasmValue; host: WasmValue } | undefined = undefined;
  private stackSlot: { below: number; top: WasmValue; host: WasmValue } | undefined = undefined;
  private prepareArgs: () => void = () => {};

  /** For the instruction whose record lies `at` bytes behind REC. */
  constructor(insn: Insn, f: FunctionBody, ends: Ends, at: number, mode: Mode, before?: LastFlags) {
    super(insn, f);
    this.ends = ends;
    this.at = at;
    this.codeMode = mode;
    this.lastFlags = before;
  }

  protected override call(name: Helper): void {
    throw new NotCoveredError(name);
  }
  protected override get(...values: readonly WasmValue[]): FunctionBody {
    for (const value of values) {
      if (value === NEXT_EIP) this.field(RECORD.imm);
      else if (value === TARGET) this.field(RECORD.target);
      else if (value === RELATIVE) throw new NotCoveredError('relative');
      else super.get(value);
    }
    return this.f;
  }
  /** The same value in a local, where it was a constant or a field. */
  protected copy(value: WasmValue): WasmValue {
    this.get(value);
    return this.keep();
  }
  /** Puts a word of the record on the stack. */
  private field(offset: number, opcode: Opcode = 'i32.load'): FunctionBody {
    return this.f.get(REC).memory(opcode, 0, this.at + offset);
  }
  /** Puts a FAST word on the stack. */
  private fast(address: number): FunctionBody {
    return this.f.const32(0).memory('i32.load', 2, address);
  }
  protected mayGoOut(): void {
    if (this.committed && !this.readsProbed) throw new NotCoveredError('would go out after a commit');
  }
  private leaveIf(): void {
    this.mayGoOut();
    this.ends.leaveIf(this.at);
  }

  // ---- operands ---------------------------------------------------------------------------------------

  /** Arguments for the description. Addresses are computed here, before it runs, as the processor does. */
  args(access: readonly Access[]): Arg<WasmValue>[] {
    const fields = [RECORD.a, RECORD.b, RECORD.link];
    const prepares: (() => void)[] = [];
    const args = this.insn.operands.map((operand, i): Arg<WasmValue> => {
      switch (operand.kind) {
        case 'reg':
          return this.registerArg(operand, operand.size, fields.shift()!, prepares);
        case 'mem':
          return this.memoryArg(operand, access[i] ?? 'r', prepares);
        case 'sreg':
          return this.segmentArg(operand, operand.seg);
        case 'cr':
          return this.constantArg({ ...operand, kind: 'cr' } as Operand, 32);
        case 'imm':
        case 'rel':
          return this.constantArg(operand, operand.size);
        default:
          throw new NotCoveredError(operand.kind);
      }
    });
    this.prepareArgs = () => {
      for (const prepare of prepares) prepare();
    };
    this.prepareArgs();
    return args;
  }
  private registerArg(operand: Operand, size: Size, field: number, prepares: (() => void)[]): Arg<WasmValue> {
    const address = this.f.local(I32);
    prepares.push(() => this.field(field).set(address));
    return {
      operand,
      size,
      ea: () => {
        throw new NotCoveredError('a register has no address');
      },
      get: () => {
        this.f.get(address).memory(LOADS[size], 0, 0);
        return this.keep();
      },
      set: (value) => {
        this.f.get(address);
        this.get(value).memory(STORES[size], 0, 0);
        this.committed = true;
      },
    };
  }
  private segmentArg(operand: Operand, seg: Seg): Arg<WasmValue> {
    const none = (): never => {
      throw new NotCoveredError('a segment register is loaded by microcode');
    };
    const get = (): WasmValue =>
      seg === CS ? this.sys('cs') : seg === SS ? this.sys('ss') : this.selector(seg);
    return { operand, size: 16, get, set: none, ea: none };
  }
  private constantArg(operand: Operand, size: Size): Arg<WasmValue> {
    const none = (): never => {
      throw new NotCoveredError('a constant is only read');
    };
    if (operand.kind === 'rel') return { operand, size, get: () => RELATIVE, set: none, ea: none };
    const immediates = this.insn.operands.filter(({ kind }) => kind === 'imm');
    if (immediates.length > 1) throw new NotCoveredError('two immediates');
    return {
      operand,
      size,
      get: () => {
        this.field(RECORD.imm);
        return this.keep();
      },
      set: none,
      ea: none,
    };
  }
  private memoryArg(operand: MemOperand, access: Access, prepares: (() => void)[]): Arg<WasmValue> {
    const { size, seg } = operand;
    const ea: WasmValue = { local: this.f.local(I32), type: I32 };
    prepares.push(() => {
      if (STRINGS.has(this.insn.form.semantics)) this.get(this.reg(operand.base as Gpr, this.addrSize));
      else {
        this.field(RECORD.base).memory('i32.load', 2, 0);
        if (operand.index >= 0) {
          this.field(RECORD.index).memory('i32.load', 2, 0);
          if (operand.addrSize === 32) this.field(RECORD.scale, 'i32.load16_u').op('i32.shl');
          this.f.op('i32.add');
        }
        this.field(RECORD.disp).op('i32.add');
        if (operand.addrSize === 16) this.f.const32(0xffff).op('i32.and');
      }
      this.f.set(ea.local);
    });
    let host: WasmValue | undefined;
    return {
      operand,
      size,
      ea: () => ea,
      get: () => {
        if (access === 'rw') {
          host = this.lookup(seg, ea, size / 8, true);
          return this.loadHost(host, size);
        }
        return this.load(seg, ea, size);
      },
      set: (value) => {
        if (host === undefined) this.store(seg, ea, size, value);
        else this.storeHost(host, size, value);
      },
    };
  }

  // ---- memory -----------------------------------------------------------------------------------------

  private segmentBlock(seg: Seg, field: number): FunctionBody {
    if (seg === RECORD_SEG)
      return this.field(RECORD.seg, 'i32.load16_u').memory('i32.load', 2, FAST.zero + field);
    return this.fast(FAST.seg + seg * FAST_SEG.$size + field);
  }
  /** Memory offset of `bytes` bytes at an offset of a segment, all checks made; goes out where they are not so easily made. */
  private lookup(seg: Seg, offset: WasmValue, bytes: number, write: boolean): WasmValue {
    let lin = offset.value === undefined ? offset : this.copy(offset);
    if (seg === RECORD_SEG || this.codeMode !== 'flat') {
      const end = write ? FAST_SEG.writeEnd : FAST_SEG.readEnd;
      this.get(offset);
      this.segmentBlock(seg, end).op('i32.ge_u');
      this.get(offset, this.const(bytes - 1)).op('i32.add');
      this.segmentBlock(seg, end).op('i32.ge_u').op('i32.or');
      this.leaveIf();
      this.segmentBlock(seg, FAST_SEG.base);
      this.get(offset).op('i32.add');
      lin = this.keep();
    }
    this.fast(write ? FAST.writeTable : FAST.readTable);
    return this.translated(lin, bytes, write, this.keep());
  }
  /** The same for a linear address, by the TLB at `table`: the one of the present privilege, or of `level` (MISS_LEVEL). */
  protected translated(
    lin: WasmValue,
    bytes: number,
    write: boolean,
    table: WasmValue,
    level?: WasmValue,
  ): WasmValue {
    const { f } = this;
    const entry = f.local(I32);
    this.get(lin).const32(9).op('i32.shr_u');
    f.const32((TLB_ENTRIES - 1) * 8).op('i32.and');
    this.get(table).op('i32.add').set(entry);
    this.get(lin);
    if (bytes > 1) f.const32(bytes - 1).op('i32.add');
    f.const32(-4096).op('i32.and').get(entry).memory('i32.load', 2, 0).op('i32.ne');
    this.mayGoOut();
    if (level !== undefined) {
      const miss = this.keep();
      this.get(miss).begin('if');
      this.f.const32(0);
      this.get(level).memory('i32.store', 2, FAST.missLevel).end();
      this.get(miss);
    }
    this.ends.missIf(this.at, lin.local, write);
    f.get(entry).memory('i32.load', 2, 4);
    this.get(lin).const32(4095).op('i32.and').op('i32.or');
    return this.keep();
  }
  private loadHost(host: WasmValue, size: number): WasmValue {
    this.get(host).memory(LOADS[size as Size], 0, 0);
    return this.keep();
  }
  private storeHost(host: WasmValue, size: number, value: WasmValue): void {
    this.get(host, value).memory(STORES[size as Size], 0, 0);
  }
  /** The place a probe has found for writing, if it was of the same offset. */
  private probed(offset: WasmValue): WasmValue | undefined {
    return this.probedHost?.offset === offset ? this.probedHost.host : undefined;
  }
  override load(seg: Seg, offset: WasmValue, size: number): WasmValue {
    return this.loadHost(this.probed(offset) ?? this.lookup(seg, offset, size / 8, false), size);
  }
  override store(seg: Seg, offset: WasmValue, size: number, value: WasmValue): void {
    this.storeHost(this.probed(offset) ?? this.lookup(seg, offset, size / 8, true), size, value);
  }
  override loadW(seg: Seg, offset: WasmValue): WasmValue {
    this.get(this.probed(offset) ?? this.lookup(seg, offset, 8, false)).memory('i64.load', 0, 0);
    return this.keep(I64);
  }
  override storeW(seg: Seg, offset: WasmValue, value: WasmValue): void {
    this.get(this.probed(offset) ?? this.lookup(seg, offset, 8, true), value).memory('i64.store', 0, 0);
  }
  override probe(seg: Seg, offset: WasmValue, length: number, access: 'r' | 'w'): void {
    const host = this.lookup(seg, offset, length, access === 'w');
    if (access === 'w') this.probedHost = { offset, host };
  }

  // ---- the stack: SS.B is clear in small mode alone -----------------------------------------------------

  override sp(): WasmValue {
    return this.reg(ESP, this.stackSize);
  }
  override setSp(value: WasmValue): void {
    this.setReg(ESP, this.stackSize, value);
  }
  protected override wrapSp(offset: WasmValue): WasmValue {
    return this.stackSize === 16 ? this.zx(offset, 16) : offset;
  }
  private get stackSize(): 16 | 32 {
    return this.codeMode === 'small' ? 16 : 32;
  }
  override probeStack(offset: number, length: number, access: 'r' | 'w'): void {
    const top = this.below(offset);
    const host = this.lookup(SS, top, length, access === 'w');
    this.readsProbed = access === 'r' && offset === 0;
    if (access === 'w' && length === -offset) this.stackSlot = { below: offset, top, host };
  }
  override push(value: WasmValue, size: 16 | 32): void {
    const { stackSlot } = this;
    if (stackSlot === undefined || stackSlot.below !== -size / 8) {
      super.push(value, size);
      return;
    }
    this.storeHost(stackSlot.host, size, value);
    this.setSp(stackSlot.top);
  }
  override segment(seg: Seg): SegmentValue<WasmValue> {
    if (seg !== SS) throw new NotCoveredError('segment');
    const none = RELATIVE; // refused by get
    return { sel: none, base: none, limit: none, attr: this.const(this.stackSize === 32 ? SEG_DB : 0) };
  }

  // ---- registers --------------------------------------------------------------------------------------

  private gpr(n: Gpr, size: Size): number {
    return VCPU.gpr + (size === 8 && n >= 4 ? (n - 4) * 4 + 1 : n * 4);
  }
  override reg(n: Gpr, size: Size): WasmValue {
    this.f.get(V).memory(LOADS[size], 0, this.gpr(n, size));
    return this.keep();
  }
  override setReg(n: Gpr, size: Size, value: WasmValue): void {
    this.f.get(V);
    this.get(value).memory(STORES[size], 0, this.gpr(n, size));
    this.committed = true;
  }

  override add(a: WasmValue, c: WasmValue): WasmValue {
    return a === NEXT_EIP && c === RELATIVE ? TARGET : super.add(a, c);
  }

  override eflags(): WasmValue {
    throw new NotCoveredError('eflags');
  }
  override setEflags(_mask?: number, _value?: WasmValue): void {
    throw new NotCoveredError('setEflags');
  }
  override sys(name: SysName): WasmValue {
    throw new NotCoveredError(name);
  }

  // ---- control ----------------------------------------------------------------------------------------

  override if(c: WasmValue, then: () => void, otherwise?: () => void): void {
    this.flush();
    const { f } = this;
    const start = f.code.length;
    this.get(c).begin('if');
    const inside = f.code.length;
    this.nesting++;
    const before = this.transfer;
    then();
    this.flush();
    const { transfer } = this;
    if (f.code.length === inside && otherwise === undefined && transfer !== before) {
      // Only a jump stands under the condition: it becomes a conditional transfer.
      if (transfer?.kind !== 'static' || this.nesting !== 1)
        throw new NotCoveredError('jump under a condition');
      f.code.length = start;
      f.depth--;
      this.nesting--;
      this.transfer = { kind: 'static', condition: c };
      return;
    }
    if (transfer !== before) throw new NotCoveredError('jump under a condition');
    if (otherwise !== undefined) {
      f.otherwise();
      otherwise();
      this.flush();
    }
    f.end();
    this.nesting--;
    this.lastFlags = undefined;
  }
  override fault(vector: number, code?: WasmValue): void {
    this.mayGoOut();
    const { f } = this;
    f.const32(0).const32(vector).memory('i32.store', 2, FAST.vector);
    f.const32(0)
      .const32(code === undefined ? 0 : 1)
      .memory('i32.store', 2, FAST.hasCode);
    if (code !== undefined) {
      f.const32(0);
      this.get(code).memory('i32.store', 2, FAST.code);
    }
    this.ends.fault(this.at);
  }
  override faultIf(c: WasmValue, vector: number, code?: WasmValue): void {
    this.flush();
    this.get(c).begin('if');
    this.fault(vector, code);
    this.f.end();
  }
  override missing(): void {
    throw new NotCoveredError('missing');
  }
  override loop(): void {
    throw new NotCoveredError('loop');
  }

  /**
   * Under a prefix: as many iterations as the ticks allow. The tick of the first is taken like that of any instruction, each further one
   * takes its own; where none is left the handler goes out before the next.
   */
  override repeat(body: () => void): void {
    const { rep, form, addrSize } = this.insn;
    if (rep === 'none' || form.rep === undefined) {
      body();
      return;
    }
    const { f } = this;
    const ECX: Gpr = 1;
    const done = f.begin('block');
    this.get(this.reg(ECX, addrSize)).op('i32.eqz').branch('br_if', done);
    const again = f.begin('loop');
    const { semantics } = form;
    if (this.codeMode === 'flat' && (semantics === 'movs' || semantics === 'stos')) {
      const element = this.insn.operands.find(({ kind }) => kind === 'mem') as MemOperand;
      const oneMoreTick = (): void => this.oneMoreTick();
      emitBulk({
        f,
        v: V,
        left: LEFT_TICKS,
        kind: semantics,
        bytes: element.size / 8,
        oneMoreTick,
        done,
        again,
      });
    }
    this.prepareArgs();
    this.committed = false;
    body();
    this.flush();
    if (this.writesFlags) this.commitFlags();
    const left = this.zx(this.sub(this.reg(ECX, addrSize), this.const(1)), addrSize);
    this.setReg(ECX, addrSize, left);
    this.get(left).op('i32.eqz').branch('br_if', done);
    if (form.rep === 'repcc') {
      const stop =
        rep === 'rep' ? this.ne(this.result(), this.const(0)) : this.eq(this.result(), this.const(0));
      this.get(stop).branch('br_if', done);
    }
    this.oneMoreTick();
    f.branch('br', again).end().end();
    this.lastFlags = undefined;
  }
  private oneMoreTick(): void {
    const { f } = this;
    f.get(LEFT_TICKS).const32(1).op('i32.sub').set(LEFT_TICKS);
    f.const32(0);
    this.fast(FAST.again).const32(1).op('i32.add').memory('i32.store', 2, FAST.again);
    f.get(LEFT_TICKS).const32(0).op('i32.lt_s');
    this.ends.leaveIf(this.at);
  }

  // ---- where the program goes on ----------------------------------------------------------------------

  override eip(): WasmValue {
    this.field(RECORD.eip);
    return this.keep();
  }
  override nextEip(): WasmValue {
    if (this.insn.operands.some(({ kind }) => kind === 'imm')) throw new NotCoveredError('imm and next EIP');
    return NEXT_EIP;
  }
  override jump(target: WasmValue): void {
    if (target === TARGET) {
      this.transfer = { kind: 'static', condition: undefined };
      return;
    }
    const eip = this.zx(target, this.opSize);
    if (this.codeMode === 'small') {
      this.get(eip);
      this.fast(FAST.csLimit).op('i32.gt_u');
      this.leaveIf();
    }
    this.transfer = { kind: 'dynamic', eip };
  }
  override setEip(_value?: WasmValue): void {
    throw new NotCoveredError('setEip');
  }

  /** Ends the handler; `last`: no other description follows in it. True when the instruction may transfer control. */
  finish(last: boolean): void {
    this.flush();
    if (this.writesFlags && !this.deadFlags) this.commitFlags();
    const { transfer, f } = this;
    if (!last) {
      if (transfer !== undefined) throw new NotCoveredError('a transfer inside a pair');
      return;
    }
    const behind = this.at + RECORD.$size;
    if (transfer === undefined) this.ends.next(behind, false);
    else if (transfer.kind === 'dynamic') {
      const eip = f.local(I32);
      this.get(transfer.eip).set(eip);
      this.ends.lookup(eip);
    } else if (transfer.condition === undefined) this.ends.follow(this.at);
    else {
      this.get(transfer.condition).begin('if');
      this.ends.follow(this.at);
      f.end();
      this.ends.next(behind, true);
    }
  }
}

export const LOADS: Readonly<Record<Size, Opcode>> = { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load' };
export const STORES: Readonly<Record<Size, Opcode>> = { 8: 'i32.store8', 16: 'i32.store16', 32: 'i32.store' };
