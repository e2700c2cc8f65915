// The reference engine's system side: flags and registers of the system, ports, model-specific registers, gates. In an emulation on
// behalf of the hypervisor the same operations ask its environment instead.

import type { GateEntry, SysName } from '../isa/builder.ts';
import { CS, SS } from '../isa/types.ts';
import type { Frames } from '../memory/frames.ts';
import { HEADER, vcpuIndex } from '../memory/map.ts';
import { MACHINE, NOBODY, type Recorder, type Subject } from '../trace/recorder.ts';
import { OUT, PH, RT, TRAP_KIND } from '../trace/records.ts';
import type { Bus } from './bus.ts';
import { cpuidLeaf } from './cpuid.ts';
import { REFUSED, type SystemEnv } from './engine.ts';
import {
  CR0_CD,
  CR0_ET,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR4_DE,
  CR4_PAE,
  CR4_PCE,
  CR4_PGE,
  CR4_PSE,
  CR4_TSD,
  CR4_UMIP,
  EFER_NXE,
  PTE_P,
} from './paging.ts';
import { Double } from './reference-values.ts';
import { FAULT, MemoryAccess } from './reference-memory.ts';
import {
  DOMID_OFFSET,
  EFLAGS_AC,
  EFLAGS_IF,
  EFLAGS_NT,
  EFLAGS_RF,
  EFLAGS_TF,
  EFLAGS_VM,
  EXIT,
  VCPU,
} from './vcpu.ts';

/** Thrown when the hypervisor's environment refuses a step of an emulation. */
export const REFUSAL = { name: 'refusal' };

const VECTOR_UD = 6,
  VECTOR_GP = 13;
const IF_BIT = 9,
  IOPL_SHIFT = 12,
  VM_BIT = 17,
  VIF_BIT = 19,
  VIP_BIT = 20;
/** Bits of CR0 that exist: writes to others are ignored. Bits of CR4 that CPUID announces: others are reserved. */
const CR0_ALLOWED = 0xe005003f,
  CR4_ALLOWED = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_UMIP;
/** Changes that load the PDPTE registers again; writing CR3 always does. SDM vol. 3, 4.4.1. */
const RELOADS = { cr0: CR0_PG | CR0_CD | CR0_NW, cr3: 0, cr4: CR4_PAE | CR4_PGE | CR4_PSE } as const;
const PDPTE_RESERVED_LO = 0x1e6;

/** Bit of leaf 1, EDX. */
const CPUID_APIC = 1 << 9;
/** Bit of leaf 80000001h, EDX. */
const CPUID_NX = 1 << 20;
/** IA32_MISC_ENABLE: bit 22 makes leaf 0 answer 2, bit 34 takes execute-disable away. */
const MSR_MISC_ENABLE = 0x1a0,
  MISC_LIMIT_CPUID = 1 << 22,
  LIMITED_CPUID = 2,
  MISC_XD_DISABLE = 1 << 2;
/** MSRs of the bare processor, and where the vCPU record keeps them. */
const MSR_TSC = 0x10,
  MSR_APIC_BASE = 0x1b,
  MSR_EFER = 0xc0000080;
const MSR_FIELDS: Readonly<Record<number, number>> = {
  372: VCPU.sysenterCs,
  373: VCPU.sysenterEsp,
  374: VCPU.sysenterEip,
};
/** Registers of the family that operating systems touch unasked: platform ID, power-on settings, microcode update and revision. All zero. */
const INERT_MSRS: ReadonlySet<number> = new Set([0x17, 0x2a, 0x79, 0x8b]);
/** Words of the vCPU record behind the names of sys that are plain fields. */
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
const FLAG_FIELDS: Readonly<Record<string, readonly [shift: number, mask: number]>> = {
  if: [IF_BIT, 1],
  iopl: [IOPL_SHIFT, 3],
  vm: [VM_BIT, 1],
  vif: [VIF_BIT, 1],
  vip: [VIP_BIT, 1],
};
const TWO_32 = 4294967296;

export abstract class SystemAccess extends MemoryAccess {
  readonly trace: Recorder;
  protected env: SystemEnv | undefined = undefined;
  /** Why the loop must end; EXIT.budget while it need not. */
  protected exit: number = EXIT.budget;
  protected ip = 0;
  protected next = 0;
  /** An interrupt was entered through a gate since this was cleared. */
  protected gated = false;
  /** 2 while the instruction that asks for a shadow runs, 1 during the one behind it. */
  protected shadowed = 0;
  /** Replaces answers of sys while the description is run for comparison; see silent.ts. */
  protected overlay: ((name: SysName) => number | undefined) | undefined = undefined;
  protected sysWrites: { name: SysName; value: number }[] | undefined = undefined;

  constructor(frames: Frames, trace: Recorder, bus?: Bus) {
    super(frames, bus);
    this.trace = trace;
  }

  /** Brings T in STATE up to the tick under way. */
  protected abstract syncTime(): void;
  protected abstract missingFeature(what: string): void;

  /** Who runs, for records. */
  protected subject(): Subject {
    const { m, v } = this;
    const domain = m.r32(v + VCPU.domain);
    return {
      domid: domain === 0 ? NOBODY.domid : m.r32(domain + DOMID_OFFSET),
      vcpu: vcpuIndex(v),
      cpl: this.cpl,
      cs: this.i32[this.segAt + CS * 4]! & 0xffff,
      eip: this.ip >>> 0,
    };
  }

  // ---- sys --------------------------------------------------------------------------------------------
  sys(name: SysName): number {
    if (this.overlay !== undefined) {
      const answer = this.overlay(name);
      if (answer !== undefined) return answer;
    }
    if (this.env !== undefined && asksEnv(name)) return this.envRead(name);
    const flag = FLAG_FIELDS[name];
    if (flag !== undefined) return (this.i32[this.flagsAt]! >>> flag[0]) & flag[1];
    const field = FIELDS[name];
    if (field !== undefined) return this.i32[(this.v + field) >>> 2]!;
    if (name === 'cpl') return this.cpl;
    if (name === 'cs' || name === 'ss') return this.i32[this.segAt + (name === 'cs' ? CS : SS) * 4]! & 0xffff;
    if (name === 'ts') return (this.m.r32(this.v + VCPU.cr0) >>> 3) & 1;
    return this.i32[(this.v + VCPU.dr + 4 * this.debugRegister(name)) >>> 2]!;
  }

  /** DR4 and DR5 are DR6 and DR7 unless CR4.DE is set; then they do not exist. */
  private debugRegister(name: SysName): number {
    const n = name.charCodeAt(2) - 48;
    if (n !== 4 && n !== 5) return n;
    if ((this.m.r32(this.v + VCPU.cr4) & CR4_DE) !== 0) this.raise(VECTOR_UD, undefined);
    return n + 2;
  }

  setSys(name: SysName, value: number): void {
    if (this.sysWrites !== undefined) {
      this.sysWrites.push({ name, value });
      return;
    }
    if (this.env !== undefined && asksEnv(name)) {
      this.envWrite(name, value >>> 0);
      return;
    }
    const flag = FLAG_FIELDS[name];
    if (flag !== undefined) {
      this.i32[this.flagsAt] =
        (this.i32[this.flagsAt]! & ~(flag[1] << flag[0])) | ((value & flag[1]) << flag[0]);
      if (name === 'vm') this.setCpl(this.currentCpl());
    } else if (name === 'cr0' || name === 'cr3' || name === 'cr4') this.setControl(name, value);
    else if (name === 'ts') this.setControl('cr0', (this.m.r32(this.v + VCPU.cr0) & ~8) | (value << 3));
    else if (name in FIELDS) this.m.w32(this.v + FIELDS[name]!, value);
    else if (name.startsWith('dr')) this.setDebug(this.debugRegister(name), value);
  }

  private setDebug(n: number, value: number): void {
    let fixed = value;
    if (n === 6) fixed = (value & 0xe00f) | 0xffff0ff0;
    if (n === 7) fixed = (value & 0xffff2fff) | 0x400;
    this.m.w32(this.v + VCPU.dr + 4 * n, fixed);
    this.noteDebug();
  }

  private setControl(name: 'cr0' | 'cr3' | 'cr4', value: number): void {
    const { m, v } = this;
    const changed = m.r32(v + VCPU[name]) ^ value;
    m.w32(v + VCPU[name], name === 'cr0' ? (value & CR0_ALLOWED) | CR0_ET : value);
    if (this.usesPdptes() && (changed & RELOADS[name]) !== 0) this.loadPdptes(true);
    else if (name === 'cr3' && this.usesPdptes()) this.loadPdptes(true);
    this.setCpl(this.currentCpl());
    this.noteDebug();
    this.flushTlb();
    this.validate();
  }
  private usesPdptes(): boolean {
    const { m, v } = this;
    const on = (m.r32(v + VCPU.cr0) & CR0_PG) !== 0 && (m.r32(v + VCPU.cr4) & CR4_PAE) !== 0;
    return on && !this.pv;
  }
  /** Reads the four PDPTEs at CR3; reserved bits in a present one are #GP(0). SDM vol. 3, 4.4.1. */
  private loadPdptes(commit: boolean, cr3 = this.m.r32(this.v + VCPU.cr3)): void {
    const base = (cr3 & 0xffffffe0) >>> 0;
    for (let i = 0; i < 4; i++) {
      const lo = this.walker.word(this.v, base + 8 * i),
        hi = this.walker.word(this.v, base + 8 * i + 4);
      if ((lo & PTE_P) !== 0 && ((lo & PDPTE_RESERVED_LO) !== 0 || hi >>> 4 !== 0)) this.raise(VECTOR_GP, 0);
      if (!commit) continue;
      this.m.w32(this.v + VCPU.pdpte + 8 * i, lo);
      this.m.w32(this.v + VCPU.pdpte + 8 * i + 4, hi);
    }
  }

  checkCr(n: 0 | 3 | 4, value: number): void {
    if (this.env !== undefined) return; // the environment judges the value
    const { m, v } = this;
    const paging = (m.r32(v + VCPU.cr0) & CR0_PG) !== 0,
      pae = (m.r32(v + VCPU.cr4) & CR4_PAE) !== 0;
    const changed = m.r32(v + (n === 0 ? VCPU.cr0 : n === 3 ? VCPU.cr3 : VCPU.cr4)) ^ value;
    let bad = false,
      load = false;
    if (n === 0) {
      bad = (value & CR0_PG) !== 0 && (value & CR0_PE) === 0;
      bad ||= (value & CR0_NW) !== 0 && (value & CR0_CD) === 0;
      load = (value & CR0_PG) !== 0 && pae && (changed & RELOADS.cr0) !== 0;
    } else if (n === 4) {
      bad = (value & ~CR4_ALLOWED) !== 0;
      load = paging && (value & CR4_PAE) !== 0 && (changed & RELOADS.cr4) !== 0;
    } else load = paging && pae;
    if (bad) this.raise(VECTOR_GP, 0);
    if (load && !this.pv) this.loadPdptes(false, n === 3 ? value : m.r32(v + VCPU.cr3));
  }

  // ---- requirements -----------------------------------------------------------------------------------
  requireCpl(_n: 0): void {
    if (this.env === undefined && this.sys('cpl') !== 0) this.raise(VECTOR_GP, 0);
  }
  requireIopl(): void {
    if (this.env === undefined && this.sys('cpl') > this.sys('iopl')) this.raise(VECTOR_GP, 0);
  }
  umip(): void {
    if ((this.m.r32(this.v + VCPU.cr4) & CR4_UMIP) !== 0 && this.sys('cpl') !== 0) this.raise(VECTOR_GP, 0);
  }
  tsd(): void {
    if (this.env !== undefined) return;
    if ((this.m.r32(this.v + VCPU.cr4) & CR4_TSD) !== 0 && this.sys('cpl') !== 0) this.raise(VECTOR_GP, 0);
  }
  protectedMode(): void {
    if (!this.protectedNow) this.raise(VECTOR_UD, undefined);
  }
  vm86Iopl(): void {
    if ((this.i32[this.flagsAt]! & EFLAGS_VM) !== 0 && this.sys('iopl') < 3) this.raise(VECTOR_GP, 0);
  }
  isProtected(): number {
    return this.protectedNow ? 1 : 0;
  }
  /** CPL <= IOPL, else every bit of the port's range in the TSS's I/O bitmap must be clear. SDM vol. 1, 19.5.2. */
  requireIo(port: number, size: number): void {
    if (this.env !== undefined || (this.m.r32(this.v + VCPU.cr0) & CR0_PE) === 0) return;
    const vm = (this.i32[this.flagsAt]! & EFLAGS_VM) !== 0;
    if (!vm && this.sys('cpl') <= this.sys('iopl')) return;
    const limit = this.m.r32(this.v + VCPU.tr + 8),
      base = this.m.r32(this.v + VCPU.tr + 4);
    const wide = (this.m.r32(this.v + VCPU.tr + 12) & 8) !== 0;
    if (!wide || limit < 0x67) this.raise(VECTOR_GP, 0);
    const map = this.loadSystem('tss', base + 0x66, 16);
    const at = map + (port >>> 3);
    if (at + 1 > limit) this.raise(VECTOR_GP, 0);
    const bits = this.loadSystem('tss', (base + at) | 0, 16) >>> (port & 7);
    if ((bits & ((1 << (size >> 3)) - 1)) !== 0) this.raise(VECTOR_GP, 0);
  }

  // ---- ports, time, model-specific registers, identity ------------------------------------------------
  in(port: number, size: number): number {
    if (this.env === undefined) return this.busIn(port & 0xffff, size as 8 | 16 | 32);
    const value = this.env.portIn(port & 0xffff, size as 8 | 16 | 32);
    if (value === REFUSED) throw REFUSAL;
    return value | 0;
  }
  out(port: number, size: number, value: number): void {
    const low = size === 32 ? value >>> 0 : value & ((1 << size) - 1);
    if (this.env === undefined) {
      this.busOut(port & 0xffff, size as 8 | 16 | 32, low);
      return;
    }
    if (this.env.portOut(port & 0xffff, size as 8 | 16 | 32, low) === REFUSED) throw REFUSAL;
  }
  /** Without a bus every port reads all-ones, and writes vanish. */
  private busIn(port: number, size: 8 | 16 | 32): number {
    if (this.bus === undefined || this.pv) return size === 32 ? -1 : (1 << size) - 1;
    this.beforeBus();
    const value = this.bus.portIn(port, size) | 0;
    if (this.epochsMoved()) this.validate();
    return value;
  }
  private busOut(port: number, size: 8 | 16 | 32, value: number): void {
    if (this.bus === undefined || this.pv) return;
    this.beforeBus();
    this.bus.portOut(port, size, value);
    if (this.epochsMoved()) this.validate();
  }
  protected override beforeBus(): void {
    this.syncTime();
  }
  tsc(): Double {
    if (this.env !== undefined) return split(this.envNumber('tsc'));
    this.syncTime();
    return split(this.m.r64(HEADER + MACHINE.T) + this.m.r64(this.v + VCPU.tscOffset));
  }
  readMsr(index: number): Double {
    if (this.env !== undefined) return split(this.envNumber(msrName(index)));
    const { m, v } = this;
    if (index === MSR_TSC) return this.tsc();
    if (index === (MSR_EFER | 0)) return new Double(m.r32(v + VCPU.efer), 0);
    if (INERT_MSRS.has(index)) return new Double(0, 0);
    const field = MSR_FIELDS[index];
    if (field !== undefined) return new Double(m.r32(v + field), 0);
    const device = this.pv ? undefined : this.bus?.readMsr(index >>> 0);
    if (device === undefined) this.raise(VECTOR_GP, 0);
    return new Double(device[0], device[1]);
  }
  writeMsr(index: number, value: Double): void {
    if (this.env !== undefined) {
      if (this.env.writeSys(msrName(index), (value.hi >>> 0) * TWO_32 + (value.lo >>> 0)) === REFUSED)
        throw REFUSAL;
      return;
    }
    const { m, v } = this;
    if (index === MSR_TSC) {
      this.syncTime();
      m.w64(v + VCPU.tscOffset, (value.hi >>> 0) * TWO_32 + (value.lo >>> 0) - m.r64(HEADER + MACHINE.T));
    } else if (index === (MSR_EFER | 0)) {
      const allowed = !this.pv && this.xdDisabled() ? 0 : EFER_NXE;
      if ((value.lo & ~allowed) !== 0 || value.hi !== 0) this.raise(VECTOR_GP, 0);
      m.w32(v + VCPU.efer, value.lo);
      this.flushTlb();
    } else {
      const field = MSR_FIELDS[index];
      if (INERT_MSRS.has(index)) return;
      if (field !== undefined) m.w32(v + field, value.lo);
      else if (this.pv || !this.bus?.writeMsr(index >>> 0, value.lo >>> 0, value.hi >>> 0))
        this.raise(VECTOR_GP, 0);
      if (this.epochsMoved()) this.validate();
    }
  }
  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number] {
    const own = this.env?.cpuid?.(leaf >>> 0, subleaf >>> 0);
    const [a, b, c, d] = own ?? cpuidLeaf(this.m.r32(this.v + VCPU.cpuidPolicy), leaf, subleaf);
    if (this.env !== undefined || this.pv) return [a | 0, b | 0, c | 0, d | 0];
    const top = leaf === 0 && (this.switches(0) & MISC_LIMIT_CPUID) !== 0 ? LIMITED_CPUID : a | 0;
    return [top, b | 0, c | 0, d & ~this.hidden(leaf >>> 0)];
  }
  /** Features of a leaf's EDX that are turned off: a disabled local APIC (SDM vol. 3, 10.4.3), execute-disable (vol. 4, IA32_MISC_ENABLE). */
  private hidden(leaf: number): number {
    if (leaf === 1) {
      const base = this.bus?.readMsr(MSR_APIC_BASE);
      return base !== undefined && (base[0] & 0x800) === 0 ? CPUID_APIC : 0;
    }
    return leaf === 0x80000001 && this.xdDisabled() ? CPUID_NX : 0;
  }
  private xdDisabled(): boolean {
    return (this.switches(1) & MISC_XD_DISABLE) !== 0;
  }
  /** A half of IA32_MISC_ENABLE. */
  private switches(half: 0 | 1): number {
    return this.bus?.readMsr(MSR_MISC_ENABLE)?.[half] ?? 0;
  }
  /** Translations are coherent: a store to a table has dropped them already. */
  invalidate(_addr: number): void {}
  halt(): void {
    this.m.w32(this.v + VCPU.halted, 1);
    this.exit = EXIT.halt;
  }
  shadow(): void {
    this.shadowed = 2;
  }
  endNmi(): void {
    if (!this.pv) this.m.w32(this.v + VCPU.nmiBlocked, 0);
  }
  begin(eip: number): void {
    this.ip = eip;
    this.gated = true;
  }
  abstract holdTraps(): void;
  abstract taskTrap(): void;
  abstract checkDr(n: number): void;
  protected abstract noteDebug(): void;
  missing(what: string): void {
    this.missingFeature(what);
  }

  private envNumber(name: string): number {
    const value = this.env!.readSys(name);
    if (value === REFUSED) throw REFUSAL;
    return value;
  }
  private envRead(name: SysName): number {
    return this.envNumber(name) | 0;
  }
  private envWrite(name: SysName, value: number): void {
    if (this.env!.writeSys(name, value) === REFUSED) throw REFUSAL;
  }

  // ---- gates ------------------------------------------------------------------------------------------
  enterGate(entry: GateEntry<number>): void {
    const from = this.cpl,
      to = entry.cs.sel & 3;
    if (this.pv && to === 0) {
      this.leaveToXen(entry);
      return;
    }
    this.setSegment(SS, entry.ss);
    this.i32[this.gprAt + 4] = entry.esp;
    // Real-address mode leaves NT alone and clears AC (SDM vol. 2, INT n).
    const real = (this.m.r32(this.v + VCPU.cr0) & CR0_PE) === 0;
    const off = EFLAGS_TF | EFLAGS_RF | (real ? EFLAGS_AC : EFLAGS_NT | EFLAGS_VM);
    const masked = entry.clearIf !== 0 ? EFLAGS_IF : 0;
    this.i32[this.flagsAt] = this.i32[this.flagsAt]! & ~(off | masked);
    this.setSegment(CS, entry.cs);
    this.next = entry.eip;
    this.gated = true;
    if (to !== from && this.pv) {
      this.syncTime();
      this.trace.emit(RT.ringchange, PH.act, OUT.direct, { ...this.subject(), cpl: from }, entry.vector, [
        from,
        to,
        entry.cs.sel,
        entry.eip >>> 0,
        entry.esp >>> 0,
      ]);
    }
  }

  /** A gate of the real IDT leads to ring 0: the frame is on Xen's stack, the guest's registers stay as they are. */
  private leaveToXen(entry: GateEntry<number>): void {
    const { m, v } = this;
    const fault = entry.kind === 'exception';
    m.w32(v + VCPU.exitVector, entry.vector);
    m.w32(v + VCPU.exitCode, entry.code ?? 0);
    m.w32(v + VCPU.exitHasCode, entry.code === undefined ? 0 : 1);
    m.w32(v + VCPU.exitKind, TRAP_KIND[entry.kind]);
    m.w32(v + VCPU.exitCr2, fault && entry.vector === 14 ? this.faultCr2 : 0);
    m.w32(v + VCPU.exitEip, this.ip);
    this.exit = EXIT.trap;
  }
}

/** Names that an emulation takes from its environment; what only describes the guest's own state stays with the vCPU. */
function asksEnv(name: SysName): boolean {
  return name === 'ts' || name === 'if' || name.startsWith('cr') || name.startsWith('dr');
}
const msrName = (index: number): string => `msr:0x${(index >>> 0).toString(16)}`;
const split = (value: number): Double => new Double(value % TWO_32, Math.floor(value / TWO_32));

export { FAULT };
