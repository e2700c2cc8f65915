// The builder for shapes that touch the system on the bare machine: gates, returns, segment loads, ports, flags of the system. What is
// kept beside STATE (privilege, segments) they bring up to date themselves; where that is not enough (IF with an interrupt waiting, TF,
// 16-bit segments) the stretch ends and the engine looks again. An arm of a description that is not covered (task switches,
// virtual-8086 mode) goes out before the instruction.
//
// A paravirtualised vCPU has none of these: there the reference engine compares what such instructions answer.

import type { FlagName, GateEntry, SegmentValue, SysName, SystemTable } from '../isa/builder.ts';
import { FLAG_BIT } from '../isa/builder.ts';
import { CS, type Gpr, type Insn, type Seg, SS } from '../isa/types.ts';
import type { WasmValue } from '../isa/wasm.ts';
import { type FunctionBody, I32 } from '../isa/wasm-emit.ts';
import { type Ends, InterpreterBuilder, LOADS, STORES } from './interpreter-builder.ts';
import { LEFT_TICKS, NotCoveredError, REC, V } from './interpreter-flags.ts';
import { FAST, MISS_LEVEL, RECORD } from './interpreter-layout.ts';
import type { Mode } from './interpreter-shapes.ts';
import { EFLAGS_AC, EFLAGS_IF, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM, SEGREG, VCPU } from './vcpu.ts';

const ESP: Gpr = 4;
const CR0_PE = 1;
const STATUS_FLAGS: readonly FlagName[] = ['cf', 'pf', 'af', 'zf', 'sf', 'of'];
const STATUS = STATUS_FLAGS.reduce((mask, name) => mask | (1 << FLAG_BIT[name]), 0);
const ORDINARY = Object.values(FLAG_BIT).reduce((mask, bit) => mask | (1 << bit), 0);
/** Flags of the system in EFLAGS: shift and mask. */
const SYSTEM_FLAGS: Readonly<Record<string, readonly [shift: number, mask: number]>> = {
  if: [9, 1],
  iopl: [12, 3],
  vm: [17, 1],
  vif: [19, 1],
  vip: [20, 1],
};
/** Words of the vCPU's record behind names of sys. */
const FIELDS: Readonly<Record<string, number>> = {
  cr0: VCPU.cr0,
  cr2: VCPU.cr2,
  cr3: VCPU.cr3,
  cr4: VCPU.cr4,
  'gdtr.base': VCPU.gdtrBase,
  'gdtr.limit': VCPU.gdtrLimit,
  'idtr.base': VCPU.idtrBase,
  'idtr.limit': VCPU.idtrLimit,
  ldtr: VCPU.ldtr,
  'ldtr.base': VCPU.ldtr + 4,
  'ldtr.limit': VCPU.ldtr + 8,
  'ldtr.attr': VCPU.ldtr + 12,
  tr: VCPU.tr,
  'tr.base': VCPU.tr + 4,
  'tr.limit': VCPU.tr + 8,
  'tr.attr': VCPU.tr + 12,
};
/** Descriptions worth a function of their own: what programs and kernels do all the time. */
export const SYSTEM_SEMANTICS: ReadonlySet<string> = new Set(
  'int int3 iret push_sreg pop_sreg mov_to_sreg mov_from_sreg pushf popf cli sti in out invlpg mov_from_cr sahf lahf'.split(
    ' ',
  ),
);
/** Only these may be written here; the rest has consequences beyond STATE. */
const WRITABLE: ReadonlySet<string> = new Set(['if', 'iopl', 'vif', 'vip']);

/** Functions that system instructions call: those that the engine gives the module, and those of interpreter-settle.ts. */
export interface SystemFunctions {
  readonly portIn: number;
  readonly portOut: number;
  readonly noteSegment: number;
  readonly settle: number;
}

export class SystemBuilder extends InterpreterBuilder {
  private readonly functions: SystemFunctions;
  /** It asked for something of the system. */
  touches = false;
  private ends_ = false;
  private attends = false;
  private eipOut = -1;

  constructor(insn: Insn, f: FunctionBody, ends: Ends, mode: Mode, functions: SystemFunctions) {
    super(insn, f, ends, 0, mode);
    this.functions = functions;
  }

  private state(offset: number): WasmValue {
    this.f.get(V).memory('i32.load', 2, offset);
    return this.keep();
  }
  private setState(offset: number, value: WasmValue): void {
    this.f.get(V);
    this.get(value).memory('i32.store', 2, offset);
    this.committed = true;
  }
  /** A FAST word. */
  fastWord(address: number): WasmValue {
    this.f.const32(0).memory('i32.load', 2, address);
    return this.keep();
  }
  private notice(): void {
    this.touches = true;
  }
  /** The stretch ends behind this instruction. */
  private endStretch(): void {
    this.touches = true;
    this.ends_ = true;
    if (this.eipOut < 0) this.eipOut = this.f.local(I32);
  }

  // ---- flags ------------------------------------------------------------------------------------------

  override eflags(): WasmValue {
    this.notice();
    let image = this.or(this.and(this.state(VCPU.eflags), this.const(ORDINARY & ~STATUS)), this.const(2));
    for (const name of STATUS_FLAGS)
      image = this.or(image, this.shl(this.flag(name), this.const(FLAG_BIT[name])));
    return image;
  }
  override setEflags(mask: number, value?: WasmValue): void {
    if (value === undefined) throw new NotCoveredError('setEflags');
    this.notice();
    for (const name of STATUS_FLAGS)
      if ((mask & (1 << FLAG_BIT[name])) !== 0)
        this.setFlag(name, this.and(this.shr(value, this.const(FLAG_BIT[name])), this.const(1)));
    const rest = mask & ORDINARY & ~STATUS;
    if (rest === 0) return;
    this.endStretch();
    const kept = this.and(this.state(VCPU.eflags), this.const(~rest));
    this.setState(VCPU.eflags, this.or(this.or(kept, this.and(value, this.const(rest))), this.const(2)));
  }

  // ---- sys --------------------------------------------------------------------------------------------

  override sys(name: SysName): WasmValue {
    this.notice();
    const flag = SYSTEM_FLAGS[name];
    if (flag !== undefined)
      return this.and(this.shr(this.state(VCPU.eflags), this.const(flag[0])), this.const(flag[1]));
    const field = FIELDS[name];
    if (field !== undefined) return this.state(field);
    if (name === 'cpl') {
      this.f.const32(0).memory('i32.load', 2, FAST.cpl);
      return this.keep();
    }
    if (name === 'cs' || name === 'ss') return this.selectorOf(name === 'cs' ? CS : SS);
    if (name === 'ts') return this.and(this.shr(this.state(VCPU.cr0), this.const(3)), this.const(1));
    throw new NotCoveredError(name);
  }
  override setSys(name: SysName, value: WasmValue): void {
    if (!WRITABLE.has(name)) throw new NotCoveredError(`set ${name}`);
    this.endStretch();
    const [shift, mask] = SYSTEM_FLAGS[name]!;
    const kept = this.and(this.state(VCPU.eflags), this.const(~(mask << shift)));
    const bits = this.shl(this.and(value, this.const(mask)), this.const(shift));
    this.setState(VCPU.eflags, this.or(kept, bits));
  }
  override shadow(): void {
    this.endStretch();
    this.f.const32(0).const32(1).memory('i32.store', 2, FAST.shadow);
    this.committed = true;
  }
  /** Also done when the instruction then faults: doing it here and again there is the same. */
  override endNmi(): void {
    this.notice();
    this.f.get(V).const32(0).memory('i32.store', 2, VCPU.nmiBlocked);
  }
  override invalidate(): void {
    this.notice(); // translations are coherent
  }

  // ---- segments and gates -----------------------------------------------------------------------------

  private selectorOf(seg: Seg): WasmValue {
    return this.and(this.state(VCPU.seg + seg * SEGREG.$size), this.const(0xffff));
  }
  override selector(seg: Seg): WasmValue {
    this.notice();
    return this.selectorOf(seg);
  }
  override segment(seg: Seg): SegmentValue<WasmValue> {
    const at = VCPU.seg + seg * SEGREG.$size;
    return {
      sel: this.state(at),
      base: this.state(at + SEGREG.base),
      limit: this.state(at + SEGREG.limit),
      attr: this.state(at + SEGREG.attr),
    };
  }
  override setSegment(seg: Seg, { sel, base, limit, attr }: SegmentValue<WasmValue>): void {
    this.endStretch();
    const at = VCPU.seg + seg * SEGREG.$size;
    this.setState(at, this.and(sel, this.const(0xffff)));
    this.setState(at + SEGREG.base, base);
    this.setState(at + SEGREG.limit, limit);
    this.setState(at + SEGREG.attr, attr);
    this.f.get(V).const32(seg).call(this.functions.noteSegment);
  }
  override setEip(value?: WasmValue): void {
    if (value === undefined) throw new NotCoveredError('setEip');
    this.endStretch();
    this.get(value).set(this.eipOut);
  }
  /** The record of an instruction that is no jump has it as its target. */
  override nextEip(): WasmValue {
    this.f.get(REC).memory('i32.load', 2, this.at + RECORD.target);
    return this.keep();
  }
  override enterGate(entry: GateEntry<WasmValue>): void {
    this.setSegment(SS, entry.ss);
    this.setReg(ESP, 32, entry.esp);
    const real = this.eq(this.and(this.state(VCPU.cr0), this.const(CR0_PE)), this.const(0));
    const off = this.select(real, this.const(EFLAGS_AC), this.const(EFLAGS_NT | EFLAGS_VM));
    const masked = this.select(entry.clearIf, this.const(EFLAGS_IF), this.const(0));
    const all = this.or(this.or(off, masked), this.const(EFLAGS_TF | EFLAGS_RF));
    this.setState(VCPU.eflags, this.and(this.state(VCPU.eflags), this.not(all)));
    this.setSegment(CS, entry.cs);
    this.setEip(entry.eip);
  }

  // ---- tables and stacks that are not loaded ----------------------------------------------------------

  /** Addresses of the TLB for reading or writing at a level: those of level 3 are the user's. */
  private tables(user: WasmValue | undefined, write: boolean): WasmValue {
    const { f } = this;
    const system = write ? FAST.systemWrite : FAST.systemRead,
      users = write ? FAST.userWrite : FAST.userRead;
    if (user === undefined) f.const32(0).memory('i32.load', 2, system);
    else {
      f.const32(0).memory('i32.load', 2, users).const32(0).memory('i32.load', 2, system);
      this.get(user).op('select');
    }
    return this.keep();
  }
  private hostAt(lin: WasmValue, bytes: number, write: boolean, user?: WasmValue): WasmValue {
    this.notice();
    const level = user === undefined ? this.const(MISS_LEVEL.system) : this.add(user, this.const(1));
    return this.translated(this.copy(lin), bytes, write, this.tables(user, write), level);
  }
  override loadSystem(_table: SystemTable, addr: WasmValue, size: number): WasmValue {
    this.get(this.hostAt(addr, size / 8, false)).memory(LOADS[size as 32], 0, 0);
    return this.keep();
  }
  override storeSystem(_table: SystemTable, addr: WasmValue, size: number, value: WasmValue): void {
    this.get(this.hostAt(addr, size / 8, true), value).memory(STORES[size as 32], 0, 0);
  }
  private isUser(cpl: WasmValue): WasmValue {
    return this.eq(cpl, this.const(3));
  }
  override loadLinear(addr: WasmValue, size: number, cpl: WasmValue): WasmValue {
    this.get(this.hostAt(addr, size / 8, false, this.isUser(cpl))).memory(LOADS[size as 32], 0, 0);
    return this.keep();
  }
  override storeLinear(addr: WasmValue, size: number, value: WasmValue, cpl: WasmValue): void {
    this.get(this.hostAt(addr, size / 8, true, this.isUser(cpl)), value).memory(STORES[size as 32], 0, 0);
  }
  override probeLinear(addr: WasmValue, length: WasmValue, access: 'r' | 'w', cpl: WasmValue): void {
    if (length.value === undefined) throw new NotCoveredError('a probe of unknown length');
    this.hostAt(addr, length.value, access === 'w', this.isUser(cpl));
  }

  // ---- ports ------------------------------------------------------------------------------------------

  protected override ioRefused(): WasmValue {
    this.mayGoOut();
    this.ends.leave(this.at);
    return this.const(0);
  }
  private port(index: number, ...args: readonly WasmValue[]): void {
    this.notice();
    this.attends = true;
    this.get(...args);
    // The ticks left before this instruction.
    this.f
      .get(LEFT_TICKS)
      .get(REC)
      .memory('i32.load', 2, this.at + RECORD.rest)
      .op('i32.add');
    this.f.get(REC).call(index);
  }
  override in(port: WasmValue, size: number): WasmValue {
    this.mayGoOut();
    this.port(this.functions.portIn, port, this.const(size));
    return this.keep();
  }
  override out(port: WasmValue, size: number, value: WasmValue): void {
    this.mayGoOut();
    this.port(this.functions.portOut, port, this.const(size), value);
    this.committed = true;
  }

  // ---- control ----------------------------------------------------------------------------------------

  /** An arm that is not covered goes out; it must then come before everything that commits. */
  override if(c: WasmValue, then: () => void, otherwise?: () => void): void {
    this.flush();
    const { f } = this;
    const before = this.committed;
    const arm = (body: () => void): boolean => {
      const start = f.code.length,
        { depth } = f;
      this.committed = before;
      try {
        body();
        this.flush();
      } catch (error) {
        if (!(error instanceof NotCoveredError) || before) throw error;
        f.code.length = start;
        f.depth = depth;
        this.ends.leave(this.at);
        this.committed = before;
      }
      return this.committed;
    };
    this.get(c).begin('if');
    this.nesting++;
    let after = arm(then);
    if (otherwise !== undefined) {
      f.otherwise();
      after = arm(otherwise) || after;
    }
    f.end();
    this.nesting--;
    this.committed = after || before;
    this.lastFlags = undefined;
  }

  /** True when the stretch may end here. */
  override finish(last: boolean): void {
    if (!last) throw new NotCoveredError('a system instruction inside a pair');
    if (!this.ends_ && !this.attends) {
      super.finish(true);
      return;
    }
    this.flush();
    if (this.writesFlags) this.commitFlags();
    const { f } = this;
    if (this.ends_) {
      f.get(V).call(this.functions.settle).begin('if');
      this.ends.lookup(this.eipOut);
      f.end();
      this.ends.system(this.eipOut);
      return;
    }
    f.const32(0).memory('i32.load', 2, FAST.attention).begin('if');
    const eip = f.local(I32);
    f.get(REC)
      .memory('i32.load', 2, this.at + RECORD.target)
      .set(eip);
    this.ends.system(eip);
    f.end();
    this.ends.next(this.at + RECORD.$size, true);
  }
  /** Where the program goes on unless the description says otherwise. */
  prepareEip(): void {
    this.eipOut = this.f.local(I32);
    this.f
      .get(REC)
      .memory('i32.load', 2, this.at + RECORD.target)
      .set(this.eipOut);
  }
  /** The straight run ends with this shape. */
  get endsRun(): boolean {
    return this.ends_ || this.attends;
  }
}
