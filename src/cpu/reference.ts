// The reference engine: the oracle the others are compared with. The description runs directly over numbers, one instruction after the
// other, out of a cache of decoded instructions. Simple before fast.

import type { Builder } from '../isa/builder.ts';
import { decode } from '../isa/decode.ts';
import { deliver } from '../isa/microcode/interrupt.ts';
import { CS, type Insn } from '../isa/types.ts';
import { CTL, FRAME_CODE } from '../memory/frames.ts';
import { cacheArea, CONTROL, HEADER, RAM_BASE } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import {
  type EmulateResult,
  type Engine,
  type EngineName,
  type Platform,
  REFUSED,
  type SystemEnv,
} from './engine.ts';
import { CR0_EM, CR0_TS } from './paging.ts';
import { DR6_BS } from './debug.ts';
import { type CodePage, makeOperation, type Operation } from './operation.ts';
import { NO_PAGE } from './reference-memory.ts';
import { FAULT, REFUSAL } from './reference-system.ts';
import type { Double } from './reference-values.ts';
import { sensitivity, WatchedAccess } from './silent.ts';
import { EFLAGS_IF, EFLAGS_RF, EFLAGS_TF, EXIT, type ExitReason, VCPU, VCPU_INTR } from './vcpu.ts';

const VECTOR_DB = 1,
  VECTOR_NM = 7,
  VECTOR_DF = 8,
  VECTOR_GP = 13,
  VECTOR_PF = 14;
const VERSIONS = cacheArea('frameVersion') >>> 2;
const CACHE_EPOCH = (CONTROL + CTL.cacheEpoch) >>> 2;
const T_AT = HEADER + MACHINE.T,
  TICKS_AT = HEADER + MACHINE.ticks,
  INSTRUCTIONS_AT = HEADER + MACHINE.instructions;
/** What a second fault makes of a first one. SDM vol. 3, table 6-5. */
const BENIGN = 0,
  CONTRIBUTORY = 1,
  PAGE_FAULT = 2,
  DOUBLE_FAULT = 3;
function severityOf(vector: number): number {
  if (vector === VECTOR_PF) return PAGE_FAULT;
  if (vector === VECTOR_DF) return DOUBLE_FAULT;
  return vector === 0 || (vector >= 10 && vector <= 13) ? CONTRIBUTORY : BENIGN;
}

export class ReferenceEngine extends WatchedAccess implements Engine, Builder<number, Double> {
  readonly name: EngineName = 'reference';
  insn!: Insn;
  opSize: 16 | 32 = 32;
  addrSize: 16 | 32 = 32;
  private readonly pages = new Map<number, CodePage>();
  private cacheEpoch = -1;
  private codePage: CodePage | undefined = undefined;
  /** Ticks left of this run, ticks and instructions not yet added to STATE. */
  protected left = 0;
  protected ticks = 0;
  protected retired = 0;
  private again = false;
  /** RF was set when the instruction under way began. */
  private resuming = false;
  /** Word index of VCPU.intr. */
  protected intrAt = 0;

  constructor({ frames, trace, bus }: Platform) {
    super(frames, trace, bus);
  }

  dropCaches(): void {
    this.pages.clear();
    this.codePage = undefined;
    this.codeLin = NO_PAGE;
  }

  // ---- running ----------------------------------------------------------------------------------------
  run(v: number, budget: number): ExitReason {
    this.enterVcpu(v);
    this.left = budget;
    try {
      while (this.left > 0 && this.exit === EXIT.budget) {
        try {
          this.runLoop();
        } catch (thrown) {
          if (thrown !== FAULT) throw thrown;
          this.deliverFault();
        }
      }
    } finally {
      this.leaveVcpu();
    }
    return this.exit;
  }

  private enterVcpu(v: number): void {
    const { m } = this;
    if (this.cacheEpoch !== this.i32[CACHE_EPOCH]) {
      this.dropCaches();
      this.cacheEpoch = this.i32[CACHE_EPOCH]!;
    }
    this.bindRegisters(v);
    this.bindMemory(v);
    this.resuming = false;
    this.noteDebug();
    this.intrAt = (v + VCPU.intr) >>> 2;
    this.exit = EXIT.budget;
    this.ip = m.r32(v + VCPU.eip) | 0;
    this.shadowed = m.r32(v + VCPU.shadow) !== 0 ? 1 : 0;
    this.ticks = 0;
    this.retired = 0;
  }
  private leaveVcpu(): void {
    const { m, v } = this;
    this.syncTime();
    m.w32(v + VCPU.eip, this.ip);
    m.w32(v + VCPU.shadow, this.shadowed !== 0 ? 1 : 0);
    m.w32(v + VCPU.exit, this.exit);
  }
  protected syncTime(): void {
    const { m } = this;
    m.w64(T_AT, m.r64(T_AT) + this.ticks);
    m.w64(TICKS_AT, m.r64(TICKS_AT) + this.ticks);
    m.w64(INSTRUCTIONS_AT, m.r64(INSTRUCTIONS_AT) + this.retired);
    this.ticks = 0;
    this.retired = 0;
  }

  protected runLoop(): void {
    while (this.left > 0 && this.exit === EXIT.budget) {
      if (this.i32[this.intrAt] !== 0 && this.attend()) return;
      this.stepOne();
    }
  }

  /** Runs the instruction at CS:EIP, or throws FAULT. */
  protected stepOne(): void {
    const lin = (this.csBase + this.ip) | 0;
    if (this.armed !== 0) this.checkCode(lin);
    let op: Operation | undefined;
    if ((lin & ~0xfff) === this.codeLin) {
      op = this.codePage!.ops[lin & 0xfff];
      if (op === undefined || op.version !== this.i32[VERSIONS + this.codePage!.mfn]) op = this.fetch(lin);
    } else op = this.fetch(lin);
    this.step(op);
  }

  /** A device wants the engine to leave, or asks for an interrupt that nothing holds back (SDM vol. 3, 6.8): true ends the run. */
  protected attend(): boolean {
    if ((this.i32[this.intrAt]! & VCPU_INTR.leave) !== 0) {
      this.left = 0;
      return true;
    }
    if (!this.mayInterrupt()) return false;
    this.exit = EXIT.interrupt;
    return true;
  }
  private mayInterrupt(): boolean {
    if (this.shadowed !== 0 || this.pv) return false;
    const asked = this.i32[this.intrAt]!;
    if ((asked & VCPU_INTR.nmi) !== 0 && this.m.r32(this.v + VCPU.nmiBlocked) === 0) return true;
    return (asked & VCPU_INTR.line) !== 0 && (this.i32[this.flagsAt]! & EFLAGS_IF) !== 0;
  }

  /** Runs one instruction to its end: it retires, counts its tick, and what it met of debug conditions is delivered. */
  private step(op: Operation): void {
    const traced = this.i32[this.flagsAt]! & (EFLAGS_TF | EFLAGS_RF);
    const close = traced | this.armed;
    if (close !== 0) this.beforeTraced(traced);
    if (op.sensitive !== 0 && this.pv && this.cpl !== 0) this.compareBefore(op);
    this.execute(op);
    this.ip = this.next;
    this.left--;
    this.ticks++;
    const again = this.again;
    if (again) this.again = false;
    else this.retired++;
    if (this.native !== undefined) this.compareAfter(op);
    if ((close | this.armed) !== 0) this.afterTraced(traced, again);
    if (this.shadowed !== 0) this.shadowed--;
  }

  /** Runs the description of `op` once at this.ip. */
  execute(op: Operation): void {
    const { insn } = op;
    this.insn = insn;
    this.opSize = insn.opSize;
    this.addrSize = insn.addrSize;
    this.next = (this.ip + op.length) | 0;
    if (op.m1 !== undefined) {
      op.m1.prepare();
      if (op.m2 !== undefined) op.m2.prepare();
    }
    if (insn.invalid !== undefined) this.refuseBytes(insn);
    op.run<number, Double>(this, op.a!, op.b!, op.c!);
  }

  /** RF counts for one instruction; what a fault leaves behind has it set again. */
  private beforeTraced(traced: number): void {
    this.gated = false;
    this.held = false;
    this.hits = 0;
    this.resuming = (traced & EFLAGS_RF) !== 0;
    if (this.resuming) this.i32[this.flagsAt] = this.i32[this.flagsAt]! & ~EFLAGS_RF;
  }
  /**
   * Debug traps behind an instruction: breakpoints it met, single step if TF was set before it, the T flag of a new task. `again`: it is a
   * string instruction midway. A software interrupt clears TF on its way in: the trap waits for the return (SDM vol. 3, 17.3.1.4).
   */
  private afterTraced(traced: number, again: boolean): void {
    if (this.resuming && again) this.i32[this.flagsAt] = this.i32[this.flagsAt]! | EFLAGS_RF;
    this.resuming = false;
    let bits = this.hits | this.takeWaiting();
    this.hits = 0;
    if (this.held) {
      this.letWait(bits);
      return;
    }
    if ((traced & EFLAGS_TF) !== 0 && !this.gated) bits |= DR6_BS;
    bits |= this.takeTaskTrap();
    if (bits === 0 || !this.awake()) return;
    this.tellDebug(bits);
    this.faultVector = VECTOR_DB;
    this.faultHasCode = false;
    this.deliverEvent(again);
  }
  /** A debug trap ends the halt of its own HLT; any other end of the run stands. */
  private awake(): boolean {
    if (this.exit === EXIT.halt) {
      this.m.w32(this.v + VCPU.halted, 0);
      this.exit = EXIT.budget;
    }
    return this.exit === EXIT.budget;
  }

  // ---- exceptions -------------------------------------------------------------------------------------
  private deliverFault(): void {
    this.native = undefined;
    this.again = false;
    if (this.resuming) this.i32[this.flagsAt] = this.i32[this.flagsAt]! | EFLAGS_RF;
    this.resuming = false;
    // Of all faults only an instruction breakpoint leaves RF to its handler (SDM vol. 3, 17.3.1.1).
    this.deliverEvent(this.faultVector !== VECTOR_DB || this.guarded);
  }

  interrupt(v: number, vector: number, kind: 'external' | 'nmi'): ExitReason {
    this.enterVcpu(v);
    this.left = 1;
    if (kind === 'nmi') this.m.w32(v + VCPU.nmiBlocked, 1);
    this.m.w32(v + VCPU.halted, 0);
    this.faultVector = vector;
    this.faultHasCode = false;
    this.deliverEvent(false, true);
    this.leaveVcpu();
    return this.exit;
  }

  /**
   * Delivers the event in the fault… fields: an exception, or an interrupt from outside. Faults on the way are delivered in its place, or
   * make it a double fault; one more on the way of that is a shutdown. SDM vol. 3, 6.15 (table 6-5).
   */
  private deliverEvent(resume: boolean, external = false): void {
    let severity = external ? BENIGN : severityOf(this.faultVector),
      fault = resume,
      story = this.faultVector; // how it came to a shutdown: see tripleFault
    for (;;) {
      const vector = this.faultVector;
      try {
        if (severity === PAGE_FAULT && !this.pv) this.m.w32(this.v + VCPU.cr2, this.faultCr2);
        const code = this.faultHasCode ? this.faultCode : undefined;
        deliver<number, Double>(this, { vector, kind: 'exception', code, eip: this.ip, resume: fault });
        if (this.exit === EXIT.budget) {
          this.ip = this.next;
          this.left--;
          this.ticks++;
          this.shadowed = 0;
        }
        if (this.armed !== 0) this.takeWaiting();
        const trap = this.takeTaskTrap();
        if (trap === 0) return;
        this.tellDebug(trap);
        this.faultVector = VECTOR_DB;
        this.faultHasCode = false;
        severity = BENIGN;
        fault = false;
        continue;
      } catch (thrown) {
        if (thrown !== FAULT) throw thrown;
      }
      if (severity === DOUBLE_FAULT) {
        this.tripleFault(vector, story | (this.faultVector << 24));
        return;
      }
      const second = severityOf(this.faultVector);
      const double =
        severity !== BENIGN && second !== BENIGN && !(severity === CONTRIBUTORY && second === PAGE_FAULT);
      severity = double ? DOUBLE_FAULT : second;
      fault = true;
      if (!double) continue;
      story = (story & 0xff) | (vector << 8) | (this.faultVector << 16);
      // A page that was missing on the way is in CR2 whatever becomes of the fault (SDM vol. 3, 6.15, interrupt 14).
      if (second === PAGE_FAULT && !this.pv) this.m.w32(this.v + VCPU.cr2, this.faultCr2);
      this.faultVector = VECTOR_DF;
      this.faultCode = 0;
      this.faultHasCode = true;
    }
  }
  /** `story`, a byte each: the first event, the two that made a double fault, and what happened on the way of that. */
  private tripleFault(vector: number, story: number): void {
    if (this.pv) {
      const where = this.faultCr2.toString(16);
      throw new Error(`triple fault on the way to Xen: vector ${vector}, address ${where}`);
    }
    this.m.w32(HEADER + MACHINE.stopCode, story);
    this.exit = EXIT.shutdown;
  }

  /** Bytes that are no instruction: named in a record, then #UD, or #GP(0) when there are too many. */
  private refuseBytes(insn: Insn): never {
    // Without a floating-point unit EM and TS still decide first (SDM vol. 3, 2.5).
    if (insn.coprocessor && (this.m.r32(this.v + VCPU.cr0) & (CR0_EM | CR0_TS)) !== 0)
      this.raise(VECTOR_NM, undefined);
    this.nameBytes(insn);
    this.raise(insn.tooLong ? VECTOR_GP : 6, insn.tooLong ? 0 : undefined);
  }
  private nameBytes(insn: Insn): void {
    this.syncTime();
    const word = (at: number): number => {
      let value = 0;
      for (let i = 0; i < 4; i++) value |= (insn.bytes[at + i] ?? 0) << (8 * i);
      return value >>> 0;
    };
    this.trace.emit(RT.ud, PH.none, OUT.none, this.subject(), insn.length, [word(0), word(4), word(8)]);
  }
  protected missingFeature(_what: string): void {
    this.nameBytes(this.insn);
    this.raise(VECTOR_GP, 0);
  }

  // ---- decoding ---------------------------------------------------------------------------------------
  /** The operation at a linear address, decoded or found unchanged in the cache. */
  private fetch(lin: number): Operation {
    if (!this.csFlat) this.checkLimit(1); // before the page is looked at
    const host = this.hostExecute(lin);
    if (host < 0) return this.decodeUncached(lin);
    const mfn = (host - RAM_BASE) >>> 12;
    let page = this.pages.get(mfn * 2 + (this.csD ? 1 : 0));
    if (page === undefined) {
      page = { mfn, ops: new Array<Operation | undefined>(4096).fill(undefined) };
      this.pages.set(mfn * 2 + (this.csD ? 1 : 0), page);
    }
    this.watchCode(mfn);
    const version = this.i32[VERSIONS + mfn]!;
    let op = page.ops[lin & 0xfff];
    if (op !== undefined && op.version !== version) {
      if (this.unchanged(op, host)) op.version = version;
      else op = undefined;
    }
    if (op === undefined) {
      op = this.decodeUncached(lin);
      op.version = version;
      if ((lin & 0xfff) + op.length > 4096) return op; // reaches into another frame
      page.ops[lin & 0xfff] = op;
      this.frames.markCode(mfn, lin & 0xfff, op.length);
    } else if (!this.csFlat) this.checkLimit(op.length);
    if (this.csFlat) {
      this.codeLin = lin & ~0xfff;
      this.codePage = page;
    }
    return op;
  }
  /** From here on a store to the frame is seen. */
  private watchCode(mfn: number): void {
    if ((this.frames.flags(mfn) & FRAME_CODE) !== 0) return;
    this.frames.setFlag(mfn, FRAME_CODE);
    this.validate();
  }
  private unchanged(op: Operation, host: number): boolean {
    const { bytes } = op.insn;
    for (let i = 0; i < bytes.length; i++) if (this.u8[host + i] !== bytes[i]) return false;
    return true;
  }
  private checkLimit(length: number): void {
    if (this.csFlat) return; // 4 GiB: fetching wraps around
    const last = (this.ip >>> 0) + length - 1;
    if (last > this.m.r32((this.segAt + CS * 4 + 2) * 4)) this.raise(VECTOR_GP, 0);
  }
  private decodeUncached(lin: number): Operation {
    const insn = decode((i) => {
      this.checkLimit(i + 1);
      const host = this.hostExecute((lin + i) | 0);
      return host < 0 ? this.readMmio(this.walker.pfn * 4096 + ((lin + i) & 0xfff), 8) : this.u8[host]!;
    }, this.csD);
    return makeOperation(this, insn, 0, sensitivity);
  }

  // ---- where the program goes on ----------------------------------------------------------------------
  eip(): number {
    return this.ip;
  }
  nextEip(): number {
    return (this.ip + this.insn.length) | 0;
  }
  jump(target: number): void {
    const to = this.opSize === 16 ? target & 0xffff : target;
    if (!this.csFlat && to >>> 0 > this.m.r32((this.segAt + CS * 4 + 2) * 4)) this.raise(VECTOR_GP, 0);
    this.next = to;
  }
  setEip(value: number): void {
    this.next = value;
  }
  repeat(body: () => void): void {
    const { rep, form } = this.insn;
    if (rep === 'none' || form.rep === undefined) {
      body();
      return;
    }
    const count = this.reg(1, this.addrSize);
    if (count === 0) return;
    body();
    const left = (count - 1) | 0;
    this.setReg(1, this.addrSize, left);
    let more = left !== 0;
    if (form.rep === 'repcc') more &&= this.flag('zf') === (rep === 'rep' ? 1 : 0);
    if (more) {
      this.next = this.ip;
      this.again = true;
    }
  }

  // ---- on behalf of the hypervisor --------------------------------------------------------------------
  emulate(v: number, env: SystemEnv): EmulateResult {
    this.enterVcpu(v);
    const saved = this.m.u32.slice(v >>> 2, (v + VCPU.ldtr) >>> 2);
    let bytes = new Uint8Array(0),
      mnemonic = '';
    const rest = (result: EmulateResult): EmulateResult => {
      this.env = undefined;
      this.storeHook = undefined;
      this.again = false;
      return result;
    };
    try {
      const op = this.decodeUncached((this.csBase + this.ip) | 0);
      bytes = Uint8Array.from(op.insn.bytes);
      mnemonic = op.insn.form.mnemonic;
      if (op.insn.invalid !== undefined || !env.allows(mnemonic, this.cpl))
        return rest({ kind: 'unhandled', mnemonic, bytes });
      this.env = env;
      if (env.store !== undefined) this.storeHook = hookOf(env);
      this.execute(op);
      this.m.w32(v + VCPU.eip, this.next);
      return rest({ kind: 'done', mnemonic, bytes });
    } catch (thrown) {
      if (thrown !== FAULT && thrown !== REFUSAL) {
        rest({ kind: 'unhandled', mnemonic, bytes });
        throw thrown;
      }
      this.m.u32.set(saved, v >>> 2);
      if (thrown === REFUSAL) return rest({ kind: 'unhandled', mnemonic, bytes });
      const { faultVector: vector, faultCr2: cr2 } = this;
      return rest({
        kind: 'fault',
        vector,
        code: this.faultHasCode ? this.faultCode : undefined,
        cr2,
        bytes,
      });
    }
  }
}

function hookOf(env: SystemEnv): (lin: number, size: number, lo: number, hi: number) => boolean {
  return (lin, size, lo, hi) => {
    const taken = env.store!(lin, size as 8 | 16 | 32 | 64, lo >>> 0, hi >>> 0);
    if (taken === REFUSED) throw REFUSAL;
    return taken;
  };
}
