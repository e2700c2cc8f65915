// A bare machine that runs CPU test vectors: one instruction between an initial and a final state, on any engine. Around it stands
// just enough of a system to catch what the instruction does: flat segments, page tables that map what a vector names, an interrupt
// table whose every gate leads to a HLT of its own, and a ring-0 stack where the frame of an exception is read.
//
// What a vector may count on (mode 'prot32'): CPL 3, flat 4 GiB segments, CS = 0x23, DS = ES = SS = 0x2b, FS = GS = null; a selector
// named in "initial" gets a flat descriptor too. Linear addresses below 16 MiB are memory, and so is every page that a "mem" list of
// the vector names; other pages are not present. Memory not listed is zero. 'prot32-ring0' is the same at CPL 0 (CS = 0x08, others 0x10),
// 'prot16' has 16-bit segments at CPL 3, 'real' is real mode with every interrupt vector pointing to a HLT.

import type { Engine, Platform } from '../cpu/engine.ts';
import { EFLAGS_RF, EXIT, SEG_NULL, SEGREG, VCPU, VCPU_MODE } from '../cpu/vcpu.ts';
import { decode } from '../isa/decode.ts';
import { disassemble } from '../isa/disassemble.ts';
import { HLT_BYTE } from '../isa/encodings.ts';
import { softwareInterrupt } from '../isa/table.ts';
import type { Insn } from '../isa/types.ts';
import { FRAME_CLEAN, Frames } from '../memory/frames.ts';
import { HEADER, PAGE_SHIFT, PAGE_SIZE, vcpuAt } from '../memory/map.ts';
import { allocate, type Memory } from '../memory/memory.ts';
import { MACHINE, Recorder } from '../trace/recorder.ts';

export type VectorMode = 'prot32' | 'prot32-ring0' | 'prot16' | 'real';

/** Registers by name (eax … edi, eip, eflags, es cs ss ds fs gs, cr0 cr2 cr3 cr4) and bytes by linear address. */
export interface VectorState {
  readonly regs?: Readonly<Record<string, number>>;
  readonly mem?: readonly (readonly [address: number, byte: number])[];
}

/** One line of a vector file; `final` lists only what must hold. */
export interface Vector {
  readonly name: string;
  readonly mode: VectorMode;
  readonly initial: VectorState;
  readonly final: VectorState;
  /** EFLAGS bits that are compared; all but RF when absent. */
  readonly flagsMask?: number;
  /** Vector of the exception or interrupt the instruction must raise; `final` is then the interrupted state. */
  readonly exception?: number;
  readonly errorCode?: number;
  /** Run until HLT instead of one instruction. */
  readonly untilHlt?: boolean;
  readonly cpu?: string;
}

/** One thing that is not as the vector says. */
export interface Difference {
  readonly what: string;
  readonly expected: string;
  readonly got: string;
}

const GPR_NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
const SEG_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const CR_FIELDS: Readonly<Record<string, number>> = {
  cr0: VCPU.cr0,
  cr2: VCPU.cr2,
  cr3: VCPU.cr3,
  cr4: VCPU.cr4,
};
const ESP = 4,
  ECX_COUNT_LIMIT = 1_000_000,
  HLT_LIMIT = 10_000_000;

const CR0_PE = 1,
  CR0_MP = 2,
  CR0_ET = 0x10,
  CR0_NE = 0x20,
  CR0_WP = 0x10000,
  CR0_PG = 0x80000000;
const CR4_PAE = 0x20,
  EFER_NXE = 0x800;
const PTE_P = 1,
  PTE_RW = 2,
  PTE_US = 4,
  PTE_PS = 0x80;

const MiB = 1 << 20;
const MEMORY_MIB = 48; // STATE and CACHE, then 32 MiB of RAM
/** RAM below this is what a vector sees at the same linear address; above are the tables and the pages mapped on demand. */
const IDENTITY = 16 * MiB;
const PDPT = IDENTITY,
  PAGE_DIRECTORIES = PDPT + PAGE_SIZE,
  SYSTEM = PAGE_DIRECTORIES + 4 * PAGE_SIZE;
/** The system page tables map these pages at the top of the address space: GDT, IDT, TSS, handlers, stack. */
const SYSTEM_PAGES = 6;
const GDT_AT = 0,
  IDT_AT = PAGE_SIZE,
  TSS_AT = 2 * PAGE_SIZE,
  HANDLERS_AT = 3 * PAGE_SIZE,
  STACK_TOP = 6 * PAGE_SIZE;
const SYSTEM_LINEAR = 0xfffe0000;
const POOL = SYSTEM + SYSTEM_PAGES * PAGE_SIZE;

const KERNEL_CS = 0x08,
  KERNEL_DS = 0x10,
  USER_CS = 0x23,
  USER_DS = 0x2b,
  TSS_SELECTOR = 0x38;
const GDT_ENTRIES = 16,
  TSS_LIMIT = 103;
const CODE32 = 0xc9b,
  DATA32 = 0xc93,
  CODE16 = 0x09b,
  DATA16 = 0x093,
  BUSY_TSS = 0x08b;
const REAL_HANDLERS = 0xff000; // F000:F000
/** Gates ring 3 may use by INT n, as on common systems. */
const OPEN_GATES = [3, 4, 0x80];

const hex = (value: number, digits = 8): string => '0x' + (value >>> 0).toString(16).padStart(digits, '0');

interface Segment {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly attr: number;
}

export type MakeEngine = (platform: Platform) => Engine;

/** The instruction at CS:EIP of a vector's initial state. */
export function firstInsn(vector: Vector): Insn {
  const bytes = new Map((vector.initial.mem ?? []).map(([address, byte]) => [address >>> 0, byte]));
  const regs = vector.initial.regs ?? {};
  const base = vector.mode === 'real' ? (regs['cs'] ?? 0) << 4 : 0;
  const start = base + (regs['eip'] ?? 0);
  return decode((i) => bytes.get((start + i) >>> 0) ?? 0, vector.mode.startsWith('prot32'));
}

export class VectorMachine {
  readonly m: Memory;
  readonly frames: Frames;
  readonly engine: Engine;
  readonly v = vcpuAt(0);
  /** Frames handed out for pages of this vector, by linear page number. */
  readonly pages = new Map<number, number>();
  nextFrame = POOL;
  system = SYSTEM_LINEAR;

  constructor(makeEngine: MakeEngine) {
    this.m = allocate(MEMORY_MIB, false);
    this.frames = new Frames(this.m);
    const trace = new Recorder(this.m);
    trace.reset();
    this.engine = makeEngine({ m: this.m, frames: this.frames, trace });
    this.frames.markAllClean();
  }

  /** Runs one vector and says how the outcome differs from its final state; an empty list is a pass. */
  run(vector: Vector): Difference[] {
    this.reset();
    if (vector.mode === 'real') this.buildRealMode();
    else this.buildProtectedMode(vector);
    this.loadRegisters(vector);
    const start = this.m.r32(this.v + VCPU.eip);
    this.execute(vector, start);
    return this.compare(vector, start);
  }

  /** The instruction a vector starts with, for messages: its bytes and its text. */
  text(vector: Vector): string {
    const insn = firstInsn(vector);
    const code = insn.bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    return `${code}  ${disassemble(insn, vector.initial.regs?.['eip'] ?? 0)}`;
  }

  // ---- before ----

  /** Forgets the last vector: everything it wrote is zero again, every register too. */
  private reset(): void {
    const { frames, m } = this;
    for (let mfn = 0; mfn < m.nrFrames; mfn++) {
      if (!frames.isDirty(mfn)) continue;
      frames.zeroFrame(mfn);
      frames.setFlag(mfn, FRAME_CLEAN);
    }
    for (const field of VCPU.$fields) m.u8.fill(0, this.v + field.offset, this.v + field.offset + field.size);
    this.pages.clear();
    this.nextFrame = POOL;
    m.w32(this.v + VCPU.used, 1);
    m.w32(this.v + VCPU.mode, VCPU_MODE.bare);
    m.w32(HEADER + MACHINE.current, this.v);
    frames.flushTlbs();
  }

  private write64(maddr: number, low: number, high = 0): void {
    this.frames.write64(maddr, low | 0, high | 0);
  }

  /** Puts a linear page on a frame. Directories are identity-mapped with 2 MiB pages below 16 MiB, tables come from the pool. */
  private map(linear: number, maddr: number, flags: number): void {
    const entry = PAGE_DIRECTORIES + (linear >>> 21) * 8;
    let table = this.frames.read32(entry) & ~(PAGE_SIZE - 1);
    if (table === 0) {
      table = this.newFrame();
      this.write64(entry, table | PTE_P | PTE_RW | PTE_US);
    }
    this.write64(table + ((linear >>> PAGE_SHIFT) & 511) * 8, maddr | flags | PTE_P);
  }

  private newFrame(): number {
    const maddr = this.nextFrame;
    this.nextFrame += PAGE_SIZE;
    if (maddr >>> PAGE_SHIFT >= this.m.nrFrames)
      throw new Error('the vector names more pages than the test machine has');
    return maddr;
  }

  private buildPaging(vector: Vector): void {
    for (let i = 0; i < 4; i++) this.write64(PDPT + i * 8, (PAGE_DIRECTORIES + i * PAGE_SIZE) | PTE_P);
    for (let at = 0; at < IDENTITY; at += 2 * MiB) {
      this.write64(PAGE_DIRECTORIES + (at >>> 21) * 8, at | PTE_P | PTE_RW | PTE_US | PTE_PS);
    }
    for (let i = 0; i < SYSTEM_PAGES; i++)
      this.map(SYSTEM_LINEAR + i * PAGE_SIZE, SYSTEM + i * PAGE_SIZE, PTE_RW);
    for (const [address] of [...(vector.initial.mem ?? []), ...(vector.final.mem ?? [])]) {
      const page = (address >>> PAGE_SHIFT) >>> 0;
      if (address >>> 0 < IDENTITY || this.pages.has(page)) continue;
      const frame = this.newFrame();
      this.pages.set(page, frame);
      this.map(page * PAGE_SIZE, frame, PTE_RW | PTE_US);
    }
  }

  /** Machine address behind a linear one, undefined when the vector has no memory there. */
  private machineAddress(linear: number, paging: boolean): number | undefined {
    if (linear < IDENTITY) return linear;
    if (!paging) return undefined;
    const frame = this.pages.get(linear >>> PAGE_SHIFT);
    return frame === undefined ? undefined : frame + (linear & (PAGE_SIZE - 1));
  }

  private writeDescriptor(selector: number, base: number, limit: number, attr: number): void {
    const granular = (attr & 0x800) !== 0;
    const units = granular ? limit >>> 12 : limit;
    const low = ((base & 0xffff) << 16) | (units & 0xffff);
    const flags = ((attr >> 8) & 0xf) << 4;
    const high =
      ((base >>> 24) << 24) |
      ((flags | ((units >>> 16) & 0xf)) << 16) |
      ((attr & 0xff) << 8) |
      ((base >>> 16) & 0xff);
    this.write64(SYSTEM + GDT_AT + (selector & ~7), low, high);
  }

  private buildProtectedMode(vector: Vector): void {
    const { m, v } = this;
    const paging = ((vector.initial.regs?.['cr0'] ?? CR0_PG) & CR0_PG) !== 0;
    this.system = paging ? SYSTEM_LINEAR : SYSTEM;
    this.buildPaging(vector);
    const narrow = vector.mode === 'prot16';
    const ring = vector.mode === 'prot32-ring0' ? 0 : 3;
    const limit = narrow ? 0xffff : 0xffffffff;
    const code = narrow ? CODE16 : CODE32,
      data = narrow ? DATA16 : DATA32;
    this.writeDescriptor(KERNEL_CS, 0, 0xffffffff, CODE32);
    this.writeDescriptor(KERNEL_DS, 0, 0xffffffff, DATA32);
    this.writeDescriptor(USER_CS, 0, limit, code | 0x60);
    this.writeDescriptor(USER_DS, 0, limit, data | 0x60);
    this.writeDescriptor(TSS_SELECTOR, this.system + TSS_AT, TSS_LIMIT, BUSY_TSS);
    SEG_NAMES.forEach((name, n) => {
      const standard =
        name === 'cs' ? (ring === 0 ? KERNEL_CS : USER_CS) : n > 3 ? 0 : ring === 0 ? KERNEL_DS : USER_DS;
      const selector = vector.initial.regs?.[name] ?? standard;
      const usable = (selector & 0xfffc) !== 0;
      const attr = !usable ? SEG_NULL : (name === 'cs' ? code : data) | ((selector & 3) << 5);
      if (
        usable &&
        vector.initial.regs?.[name] !== undefined &&
        selector >>> 3 < GDT_ENTRIES &&
        (selector & 4) === 0
      ) {
        this.writeDescriptor(selector, 0, limit, attr);
      }
      this.setSegment(VCPU.seg + n * SEGREG.$size, { selector, base: 0, limit: usable ? limit : 0, attr });
    });
    this.setSegment(VCPU.tr, {
      selector: TSS_SELECTOR,
      base: this.system + TSS_AT,
      limit: TSS_LIMIT,
      attr: BUSY_TSS,
    });
    this.setSegment(VCPU.ldtr, { selector: 0, base: 0, limit: 0, attr: SEG_NULL });
    this.frames.write32(SYSTEM + TSS_AT + 4, this.system + STACK_TOP);
    this.frames.write32(SYSTEM + TSS_AT + 8, KERNEL_DS);
    this.frames.write32(SYSTEM + TSS_AT + 100, 0xffff0000); // no I/O permission map
    for (let n = 0; n < 256; n++) this.buildGate(n);
    m.w32(v + VCPU.gdtrBase, this.system + GDT_AT);
    m.w32(v + VCPU.gdtrLimit, GDT_ENTRIES * 8 - 1);
    m.w32(v + VCPU.idtrBase, this.system + IDT_AT);
    m.w32(v + VCPU.idtrLimit, 256 * 8 - 1);
    m.w32(v + VCPU.cr0, (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG) >>> 0);
    m.w32(v + VCPU.cr3, PDPT);
    m.w32(v + VCPU.cr4, CR4_PAE);
    m.w32(v + VCPU.efer, EFER_NXE);
    for (let i = 0; i < 8; i++) m.w32(v + VCPU.pdpte + i * 4, this.frames.read32(PDPT + i * 4));
  }

  /** Interrupt gate `n`, leading to a HLT whose address tells n. */
  private buildGate(n: number): void {
    const handler = this.system + HANDLERS_AT + n;
    const dpl = OPEN_GATES.includes(n) ? 3 : 0;
    this.frames.write8(SYSTEM + HANDLERS_AT + n, HLT_BYTE);
    this.write64(
      SYSTEM + IDT_AT + n * 8,
      (KERNEL_CS << 16) | (handler & 0xffff),
      (handler & 0xffff0000) | 0x8e00 | (dpl << 13),
    );
  }

  private buildRealMode(): void {
    const { m, v } = this;
    SEG_NAMES.forEach((_, n) => {
      this.setSegment(VCPU.seg + n * SEGREG.$size, { selector: 0, base: 0, limit: 0xffff, attr: DATA16 });
    });
    for (let n = 0; n < 256; n++) {
      this.frames.write32(n * 4, (0xf000 << 16) | ((REAL_HANDLERS & 0xffff) + n));
      this.frames.write8(REAL_HANDLERS + n, HLT_BYTE);
    }
    m.w32(v + VCPU.idtrLimit, 0x3ff);
    m.w32(v + VCPU.cr0, CR0_ET);
  }

  private setSegment(at: number, { selector, base, limit, attr }: Segment): void {
    const { m, v } = this;
    m.w32(v + at + SEGREG.sel, selector);
    m.w32(v + at + SEGREG.base, base);
    m.w32(v + at + SEGREG.limit, limit);
    m.w32(v + at + SEGREG.attr, attr);
  }

  private loadRegisters(vector: Vector): void {
    const { m, v } = this;
    const paging = vector.mode !== 'real' && ((vector.initial.regs?.['cr0'] ?? CR0_PG) & CR0_PG) !== 0;
    m.w32(v + VCPU.eflags, 2);
    for (const [name, value] of Object.entries(vector.initial.regs ?? {})) {
      const gpr = GPR_NAMES.indexOf(name as (typeof GPR_NAMES)[number]);
      const seg = SEG_NAMES.indexOf(name as (typeof SEG_NAMES)[number]);
      if (gpr >= 0) m.w32(v + VCPU.gpr + gpr * 4, value);
      else if (name === 'eip') m.w32(v + VCPU.eip, value);
      else if (name === 'eflags') m.w32(v + VCPU.eflags, value | 2);
      else if (name in CR_FIELDS) m.w32(v + CR_FIELDS[name]!, value);
      else if (seg < 0) throw new Error(`unknown register '${name}'`);
      else if (vector.mode === 'real') {
        this.setSegment(VCPU.seg + seg * SEGREG.$size, {
          selector: value,
          base: value << 4,
          limit: 0xffff,
          attr: DATA16,
        });
      }
    }
    for (const [address, byte] of vector.initial.mem ?? []) {
      const maddr = this.machineAddress(address >>> 0, paging);
      if (maddr === undefined)
        throw new Error(`there is no memory at ${hex(address)} in mode ${vector.mode}`);
      this.frames.write8(maddr, byte);
    }
  }

  // ---- during ----

  private execute(vector: Vector, start: number): void {
    const { engine, m, v } = this;
    if (vector.untilHlt === true) {
      for (let ticks = 0; ticks < HLT_LIMIT; ticks += 1000) if (engine.run(v, 1000) !== EXIT.budget) return;
      throw new Error(`no HLT within ${HLT_LIMIT} ticks`);
    }
    const repeats = firstInsn(vector).rep !== 'none';
    for (let ticks = 0; ticks < ECX_COUNT_LIMIT; ticks++) {
      if (engine.run(v, 1) !== EXIT.budget) return;
      // A tick of a repeated string instruction is one iteration; EIP stays until the last.
      if (!repeats || m.r32(v + VCPU.eip) !== start) return;
    }
    throw new Error(`the instruction did not end within ${ECX_COUNT_LIMIT} iterations`);
  }

  // ---- after ----

  /** The exception that was delivered: its vector, from the handler EIP stands at. */
  private deliveredVector(vector: Vector): number | undefined {
    const { m, v } = this;
    const base = vector.mode === 'real' ? REAL_HANDLERS - 0xf0000 : this.system + HANDLERS_AT;
    const cs = m.r32(v + VCPU.seg + SEGREG.$size + SEGREG.sel);
    if (cs !== (vector.mode === 'real' ? 0xf000 : KERNEL_CS)) return undefined;
    const halted = m.r32(v + VCPU.exit) === EXIT.halt ? 1 : 0;
    const n = (m.r32(v + VCPU.eip) - base) >>> 0;
    if (n < 256) return n;
    return n - halted < 256 ? n - halted : undefined;
  }

  /** Registers as the vector means them: the interrupted ones when an exception was delivered. */
  private outcome(
    vector: Vector,
    delivered: number | undefined,
  ): { regs: Map<string, number>; errorCode: number | undefined } {
    const { m, v } = this;
    const regs = new Map<string, number>();
    GPR_NAMES.forEach((name, i) => {
      regs.set(name, m.r32(v + VCPU.gpr + i * 4));
    });
    SEG_NAMES.forEach((name, i) => {
      regs.set(name, m.r32(v + VCPU.seg + i * SEGREG.$size + SEGREG.sel) & 0xffff);
    });
    regs.set('eip', m.r32(v + VCPU.eip));
    regs.set('eflags', m.r32(v + VCPU.eflags));
    for (const [name, field] of Object.entries(CR_FIELDS)) regs.set(name, m.r32(v + field));
    if (delivered === undefined) return { regs, errorCode: undefined };
    return { regs, errorCode: this.unwind(vector, delivered, regs) };
  }

  /** Reads the frame the exception left on the stack into `regs`; returns the error code if this vector pushes one. */
  private unwind(vector: Vector, delivered: number, regs: Map<string, number>): number | undefined {
    const { m, v } = this;
    const esp = m.r32(v + VCPU.gpr + ESP * 4);
    const real = vector.mode === 'real';
    const stackBase = real ? m.r32(v + VCPU.seg + 2 * SEGREG.$size + SEGREG.base) : 0;
    const paging = (m.r32(v + VCPU.cr0) & CR0_PG) !== 0;
    const slot = real ? 2 : 4;
    let at = esp;
    const pop = (): number => {
      const linear = (stackBase + at) >>> 0;
      const inSystem = linear - this.system;
      const maddr =
        inSystem >= 0 && inSystem < STACK_TOP ? SYSTEM + inSystem : this.machineAddress(linear, paging);
      at = (at + slot) >>> 0;
      if (maddr === undefined)
        throw new Error(`the exception frame lies at ${hex(linear)}, where no memory is`);
      return real ? this.frames.read16(maddr) : this.frames.read32(maddr);
    };
    const software = delivered === this.softwareVector(vector);
    const errorCode = !real && HAS_ERROR_CODE.has(delivered) && !software ? pop() : undefined;
    regs.set('eip', pop());
    const cs = pop() & 0xffff;
    regs.set('cs', cs);
    regs.set('eflags', pop());
    if (!real && (cs & 3) !== 0) {
      regs.set('esp', pop());
      regs.set('ss', pop() & 0xffff);
    } else {
      regs.set('esp', at);
    }
    return errorCode;
  }

  /** Vector named by an INT n that its gate allows: it pushes no error code whatever n is. */
  private softwareVector(vector: Vector): number | undefined {
    const n = softwareInterrupt(firstInsn(vector));
    if (n === undefined) return undefined;
    const open = vector.mode === 'prot32-ring0' || vector.mode === 'real' || OPEN_GATES.includes(n);
    return open ? n : undefined;
  }

  private compare(vector: Vector, start: number): Difference[] {
    const delivered = this.deliveredVector(vector);
    const wanted = vector.exception;
    const differences: Difference[] = [];
    const name = (n: number | undefined): string => (n === undefined ? 'none' : `vector ${n}`);
    const exit = this.m.r32(this.v + VCPU.exit);
    if (exit === EXIT.shutdown) {
      return [
        {
          what: 'outcome',
          expected: wanted === undefined ? `an instruction at ${hex(start)}` : name(wanted),
          got: 'shutdown',
        },
      ];
    }
    if (delivered !== wanted)
      differences.push({ what: 'exception', expected: name(wanted), got: name(delivered) });
    const { regs, errorCode } = this.outcome(vector, delivered);
    if (vector.errorCode !== undefined && delivered === wanted && errorCode !== vector.errorCode) {
      const got = errorCode === undefined ? 'none' : hex(errorCode, 4);
      differences.push({ what: 'error code', expected: hex(vector.errorCode, 4), got });
    }
    differences.push(...compareRegisters(vector, regs), ...this.compareMemory(vector));
    return differences;
  }

  private compareMemory(vector: Vector): Difference[] {
    const paging = vector.mode !== 'real' && (this.m.r32(this.v + VCPU.cr0) & CR0_PG) !== 0;
    const differences: Difference[] = [];
    const expected = new Map<number, number>();
    for (const [address, byte] of vector.final.mem ?? []) expected.set(address >>> 0, byte);
    for (const [address, byte] of expected) {
      const maddr = this.machineAddress(address, paging);
      const got = maddr === undefined ? undefined : this.frames.read8(maddr);
      if (got === byte) continue;
      differences.push({
        what: `[${hex(address)}]`,
        expected: hex(byte, 2),
        got: got === undefined ? 'no memory' : hex(got, 2),
      });
    }
    return differences;
  }
}

const HAS_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [1, 'CF'],
  [4, 'PF'],
  [0x10, 'AF'],
  [0x40, 'ZF'],
  [0x80, 'SF'],
  [0x100, 'TF'],
  [0x200, 'IF'],
  [0x400, 'DF'],
  [0x800, 'OF'],
  [0x4000, 'NT'],
  [0x20000, 'VM'],
  [0x40000, 'AC'],
  [0x80000, 'VIF'],
  [0x100000, 'VIP'],
  [0x200000, 'ID'],
];

/** The flags by name that differ, as they are in `value`. */
function flagText(value: number, differing: number): string {
  const names = FLAG_NAMES.filter(([bit]) => (differing & bit) !== 0).map(
    ([bit, name]) => `${name}=${value & bit ? 1 : 0}`,
  );
  if (differing & 0x3000) names.push(`IOPL=${(value >> 12) & 3}`);
  return `${hex(value)} (${names.join(' ')})`;
}

function compareRegisters(vector: Vector, regs: ReadonlyMap<string, number>): Difference[] {
  const differences: Difference[] = [];
  for (const [name, value] of Object.entries(vector.final.regs ?? {})) {
    const got = regs.get(name);
    if (got === undefined) throw new Error(`unknown register '${name}'`);
    if (name === 'eflags') {
      const differing = (value ^ got) & (vector.flagsMask ?? ~0) & ~EFLAGS_RF & ~2;
      if (differing !== 0) {
        differences.push({ what: name, expected: flagText(value, differing), got: flagText(got, differing) });
      }
    } else if (got >>> 0 !== value >>> 0) {
      differences.push({ what: name, expected: hex(value), got: hex(got) });
    }
  }
  return differences;
}
