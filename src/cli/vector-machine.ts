// A bare machine that runs CPU test vectors: one instruction between an initial and a final state, on any engine. Around it stands
// just enough of a system to catch what the instruction does: flat segments, page tables that map what a vector names, an interrupt
// table whose every gate leads to a HLT of its own, and a ring-0 stack where the frame of an exception is read.
//
// What a vector may count on (mode 'prot32'): CPL 3, flat 4 GiB segments, CS = 0x23, DS = ES = SS = 0x2b, FS = GS = null; a selector
// named in "initial" gets a flat descriptor of its RPL, unless the vector brings the descriptor ("descriptors", or "gdtr" and memory).
// Linear addresses below 16 MiB are memory, and so is every page that a "mem" list of the vector names; other pages are not present; with
// "pages" in "initial" those pages and the named ones are all there is. Memory not listed is zero. "cr0" without PG, or "cr3", make addresses
// physical. 'prot32-ring0' is the same at CPL 0 (CS = 0x08, others 0x10), 'prot16' has 16-bit segments at CPL 3, 'real' is real mode with
// every interrupt vector that the vector does not set pointing to a HLT, 'vm86' is virtual-8086 mode with IOPL from "eflags".

import type { Engine, Platform } from '../cpu/engine.ts';
import { CR0_AM, CR0_ET, CR0_MP, CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_PAE, EFER_NXE } from '../cpu/paging.ts';
import { EFLAGS_VM, EXIT, SEGREG, VCPU, VCPU_MODE } from '../cpu/vcpu.ts';
import { decode } from '../isa/decode.ts';
import { disassemble } from '../isa/disassemble.ts';
import { softwareInterrupt } from '../isa/table.ts';
import type { Insn } from '../isa/types.ts';
import { HEADER, PAGE_SIZE, vcpuAt } from '../memory/map.ts';
import { allocate, type Memory } from '../memory/memory.ts';
import { MACHINE, Recorder } from '../trace/recorder.ts';
import { compareRegisters, type Difference, expectedMemory, hex } from './vector-compare.ts';
import { GPR_NAMES, PARTS, SEG_NAMES, type Vector } from './vector-format.ts';
import { VectorSpace } from './vector-space.ts';
import { OPEN_GATES, VectorSystem } from './vector-system.ts';

const FIELDS: Readonly<Record<string, number>> = {
  ecx: VCPU.gpr + 4,
  eip: VCPU.eip,
  eflags: VCPU.eflags,
  cr0: VCPU.cr0,
  cr2: VCPU.cr2,
  cr3: VCPU.cr3,
  cr4: VCPU.cr4,
  dr0: VCPU.dr,
  dr1: VCPU.dr + 4,
  dr2: VCPU.dr + 8,
  dr3: VCPU.dr + 12,
  dr6: VCPU.dr + 24,
  dr7: VCPU.dr + 28,
  efer: VCPU.efer,
  gdtrBase: VCPU.gdtrBase,
  gdtrLimit: VCPU.gdtrLimit,
  idtrBase: VCPU.idtrBase,
  idtrLimit: VCPU.idtrLimit,
  ldtr: VCPU.ldtr,
  tr: VCPU.tr,
};
const DR6_RESET = 0xffff0ff0,
  DR7_RESET = 0x400;
const ESP = 4,
  ITERATION_LIMIT = 1_000_000,
  HLT_LIMIT = 10_000_000;
const MEMORY_MIB = 48; // STATE and CACHE, then 32 MiB of RAM
const HAS_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);

export type MakeEngine = (platform: Platform) => Engine;

/** Base of CS and whether its code is 32-bit, as far as the vector itself says. */
function codeSegment(vector: Vector): { base: number; wide: boolean } {
  const cs = vector.initial.regs?.['cs'] ?? 0;
  if (vector.mode === 'real' || vector.mode === 'vm86') return { base: cs << 4, wide: false };
  const given = vector.initial.descriptors?.find(([selector]) => (selector | 3) === (cs | 3));
  if (given === undefined) return { base: 0, wide: vector.mode.startsWith('prot32') };
  const [, low, high] = given;
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
  return { base, wide: (high & 0x400000) !== 0 };
}

/** The instruction at CS:EIP of a vector's initial state. */
export function firstInsn(vector: Vector): Insn {
  const bytes = new Map(vector.initial.mem);
  const { base, wide } = codeSegment(vector);
  const start = base + (vector.initial.regs?.['eip'] ?? 0);
  return decode((i) => bytes.get((start + i) >>> 0) ?? 0, wide);
}

interface Outcome {
  readonly regs: Map<string, number>;
  readonly errorCode: number | undefined;
}

export class VectorMachine {
  readonly m: Memory;
  readonly engine: Engine;
  readonly space: VectorSpace;
  readonly v = vcpuAt(0);
  private readonly system: VectorSystem;
  /** Vector of a gate that was seen to be taken on the way to HLT. */
  private seen: number | undefined = undefined;

  constructor(makeEngine: MakeEngine) {
    this.m = allocate(MEMORY_MIB, false);
    this.space = new VectorSpace(this.m);
    const trace: Recorder = new Recorder(this.m, () => trace.drain(() => {})); // only the end of an instruction is looked at
    trace.reset();
    const { frames, bus } = this.space;
    this.engine = makeEngine({ m: this.m, frames, trace, bus });
    this.system = new VectorSystem(this.space, this.v);
    frames.markAllClean();
  }

  /** Runs one vector and says how the outcome differs from its final state; an empty list is a pass. */
  run(vector: Vector): Difference[] {
    this.reset();
    this.buildMemory(vector);
    this.system.build(vector);
    this.loadRegisters(vector);
    this.writeMemory(vector);
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

  /** CR2 as the last vector left it. */
  cr2(): number {
    return this.field('cr2');
  }

  // ---- before ----

  /** Forgets the last vector: everything it wrote is zero again, every register too. */
  private reset(): void {
    const { m } = this;
    this.space.reset();
    for (const field of VCPU.$fields) m.u8.fill(0, this.v + field.offset, this.v + field.offset + field.size);
    m.w32(this.v + VCPU.used, 1);
    m.w32(this.v + VCPU.mode, VCPU_MODE.bare);
    m.w32(HEADER + MACHINE.current, this.v);
    this.seen = undefined;
  }

  private buildMemory(vector: Vector): void {
    const { space, m, v } = this;
    const regs = vector.initial.regs ?? {};
    const paging = vector.mode !== 'real' && ((regs['cr0'] ?? CR0_PG) & CR0_PG) !== 0;
    const listed = vector.initial.pages !== undefined;
    const ours = paging && regs['cr3'] === undefined;
    if (ours) {
      m.w32(v + VCPU.cr3, space.buildPaging(!listed));
      space.pdptes().forEach((word, i) => {
        m.w32(v + VCPU.pdpte + i * 4, word);
      });
    }
    for (const [address, rights] of vector.initial.pages ?? []) space.addPage(address, rights, ours);
    for (const { mem } of [vector.initial, vector.final])
      for (const [address] of mem ?? []) space.addPage(address, 'rwx', ours && listed);
    this.writeMemory(vector);
  }

  /** Done twice: page tables and descriptors must be there to be read, and what the system put below must not win. */
  private writeMemory(vector: Vector): void {
    const { frames } = this.space;
    for (const [address, byte] of vector.initial.mem ?? [])
      frames.write8(this.space.machineAddress(address)!, byte);
  }

  private loadRegisters(vector: Vector): void {
    const { m, v } = this;
    const regs = vector.initial.regs ?? {};
    const real = vector.mode === 'real';
    const cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    m.w32(v + VCPU.eflags, 2);
    m.w32(v + VCPU.cr0, real ? CR0_ET : cr0 >>> 0);
    if (!real && regs['cr3'] === undefined) {
      m.w32(v + VCPU.cr4, CR4_PAE);
      m.w32(v + VCPU.efer, EFER_NXE);
    }
    m.w32(v + FIELDS['dr6']!, DR6_RESET);
    m.w32(v + FIELDS['dr7']!, DR7_RESET);
    for (const [name, value] of Object.entries(regs)) {
      const part = PARTS.get(name);
      if (part !== undefined) {
        const at = v + VCPU.gpr + part.gpr * 4;
        m.w32(at, (m.r32(at) & ~(part.mask << part.shift)) | ((value & part.mask) << part.shift));
      } else if (name === 'eflags') {
        // Ones where no flag is: the image of a processor that has only the lower ones.
        m.w32(v + VCPU.eflags, (value & ((value & 0xffc00000) !== 0 ? 0x37fd5 : 0x3f7fd5)) | 2);
      } else if (name in FIELDS) {
        if (name !== 'ldtr' && name !== 'tr') m.w32(v + FIELDS[name]!, value);
      } else if (!SEG_NAMES.includes(name as (typeof SEG_NAMES)[number]))
        throw new Error(`unknown register '${name}'`);
    }
    if (vector.mode === 'vm86') m.w32(v + VCPU.eflags, m.r32(v + VCPU.eflags) | EFLAGS_VM);
    if (regs['cr3'] !== undefined && (m.r32(v + VCPU.cr4) & CR4_PAE) !== 0) this.loadPdptes(regs['cr3']);
  }

  /** PAE with page tables of the vector's own: the processor has the four entries from when CR3 was loaded. */
  private loadPdptes(cr3: number): void {
    const { m, v, space } = this;
    const at = space.machineAddress((cr3 & ~31) >>> 0);
    for (let i = 0; at !== undefined && i < 8; i++)
      m.w32(v + VCPU.pdpte + i * 4, space.frames.read32(at + i * 4));
  }

  // ---- during ----

  private execute(vector: Vector, start: number): void {
    const { engine, m, v } = this;
    if (vector.untilHlt === true) {
      const slice = vector.exception === undefined ? 1000 : 1;
      for (let ticks = 0; ticks < HLT_LIMIT; ticks += slice) {
        if (engine.run(v, slice) !== EXIT.budget) return;
        if (slice === 1) this.seen ??= this.gateTaken(vector, vector.exception);
      }
      throw new Error(`no HLT within ${HLT_LIMIT} ticks`);
    }
    const { form, rep, addrSize } = firstInsn(vector);
    const repeats = rep !== 'none' && form.rep !== undefined;
    // All iterations at once where nothing can end them early: no comparison, and the vector expects no exception.
    const count = this.field('ecx') & (addrSize === 16 ? 0xffff : 0x7fffffff);
    const slice = repeats && form.rep === 'rep' && vector.exception === undefined ? Math.max(1, count) : 1;
    for (let ticks = 0; ticks < ITERATION_LIMIT; ticks += slice) {
      if (engine.run(v, Math.min(slice, ITERATION_LIMIT)) !== EXIT.budget) return;
      // A tick of a repeated string instruction is one iteration; EIP stays until the last.
      if (!repeats || m.r32(v + VCPU.eip) !== start) return;
    }
    throw new Error(`the instruction did not end within ${ITERATION_LIMIT} iterations`);
  }

  // ---- after ----

  private field(name: string): number {
    return this.m.r32(this.v + FIELDS[name]!);
  }
  private selectorOf(seg: number): number {
    return this.m.r32(this.v + VCPU.seg + seg * SEGREG.$size + SEGREG.sel) & 0xffff;
  }
  /** Machine address of a linear one, through the current page tables where they are the vector's own. */
  private linearAddress(linear: number): number | undefined {
    return this.system.machineAddress(linear) ?? this.space.machineAddress(linear);
  }

  /** Whether control stands where gate `n` leads. */
  private standsAtGate(n: number): boolean {
    const real = (this.field('cr0') & CR0_PE) === 0;
    const size = real ? 4 : 8;
    if (n * size + size - 1 > this.field('idtrLimit')) return false;
    const at = this.linearAddress((this.field('idtrBase') + n * size) >>> 0);
    if (at === undefined) return false;
    const { frames } = this.space;
    const low = frames.read32(at);
    const offset = real ? low & 0xffff : (low & 0xffff) | (frames.read32(at + 4) & 0xffff0000);
    const halted = this.m.r32(this.v + VCPU.exit) === EXIT.halt ? 1 : 0;
    const eip = this.field('eip');
    if ((low >>> 16) >> (real ? 0 : 2) !== this.selectorOf(1) >> (real ? 0 : 2)) return false;
    return eip === offset >>> 0 || eip - halted === offset >>> 0;
  }

  /** Vector of the gate control stands at: `wanted` if it may be that one. */
  private gateTaken(vector: Vector, wanted: number | undefined): number | undefined {
    if (wanted !== undefined && this.standsAtGate(wanted)) return wanted;
    const own = this.field('eip') - this.system.handlers(vector);
    for (const n of own >= 0 && own <= 256 ? [own, own - 1] : [])
      if (n >= 0 && this.standsAtGate(n)) return n;
    if (wanted === undefined) return undefined;
    for (let n = 0; n < 256; n++) if (this.standsAtGate(n)) return n;
    return undefined;
  }

  /** Registers as they are now. */
  private registers(): Map<string, number> {
    const { m, v } = this;
    const regs = new Map<string, number>();
    GPR_NAMES.forEach((name, i) => {
      regs.set(name, m.r32(v + VCPU.gpr + i * 4));
    });
    SEG_NAMES.forEach((name, i) => {
      regs.set(name, this.selectorOf(i));
    });
    for (const name of Object.keys(FIELDS)) regs.set(name, this.field(name));
    return regs;
  }

  /** Registers of the interrupted program, from the frame the exception left on the stack. */
  private interrupted(vector: Vector, delivered: number): Outcome {
    const { m, v } = this;
    const regs = this.registers();
    const real = vector.mode === 'real';
    const stackBase = m.r32(v + VCPU.seg + 2 * SEGREG.$size + SEGREG.base);
    const wide = (m.r32(v + VCPU.seg + 2 * SEGREG.$size + SEGREG.attr) & 0x400) !== 0;
    const slot = real ? 2 : 4,
      mask = wide ? 0xffffffff : 0xffff;
    let at = m.r32(v + VCPU.gpr + ESP * 4);
    const pop = (): number => {
      const linear = (stackBase + (at & mask)) >>> 0;
      at = ((at & ~mask) | ((at + slot) & mask)) >>> 0;
      const maddr = this.linearAddress(linear);
      if (maddr === undefined)
        throw new Error(`the exception frame lies at ${hex(linear)}, where no memory is`);
      return slot === 2 ? this.space.frames.read16(maddr) : this.space.frames.read32(maddr);
    };
    const coded = !real && HAS_ERROR_CODE.has(delivered) && delivered !== this.softwareVector(vector);
    const errorCode = coded ? pop() : undefined;
    const eip = pop(),
      cs = pop() & 0xffff,
      flags = pop();
    regs.set('eip', eip);
    regs.set('cs', cs);
    regs.set('eflags', real ? (this.field('eflags') & 0xffff0000) | flags : flags);
    if (real || ((cs & 3) === 0 && (flags & EFLAGS_VM) === 0)) regs.set('esp', at);
    else {
      regs.set('esp', pop());
      regs.set('ss', pop() & 0xffff);
      if ((flags & EFLAGS_VM) !== 0)
        for (const name of ['es', 'ds', 'fs', 'gs']) regs.set(name, pop() & 0xffff);
    }
    return { regs, errorCode };
  }

  /** Vector named by an INT n that its gate allows: it pushes no error code whatever n is. */
  private softwareVector(vector: Vector): number | undefined {
    const n = softwareInterrupt(firstInsn(vector));
    if (n === undefined) return undefined;
    const open = vector.mode === 'prot32-ring0' || vector.mode === 'real' || OPEN_GATES.includes(n);
    return open ? n : undefined;
  }

  private compare(vector: Vector, start: number): Difference[] {
    const wanted = vector.exception;
    const name = (n: number | undefined): string => (n === undefined ? 'none' : `vector ${n}`);
    if (this.m.r32(this.v + VCPU.exit) === EXIT.shutdown) {
      const expected = wanted === undefined ? `an instruction at ${hex(start)}` : name(wanted);
      return [{ what: 'outcome', expected, got: 'shutdown' }];
    }
    const delivered = this.seen ?? this.gateTaken(vector, wanted);
    const memory = this.compareMemory(vector);
    const final = vector.final.regs ?? {};
    const bare = compareRegisters(vector, final, this.registers());
    if (delivered === undefined || (wanted === undefined && this.isExpectedHandler(final)))
      return wanted === undefined
        ? [...bare, ...memory]
        : [{ what: 'exception', expected: name(wanted), got: 'none' }, ...bare, ...memory];
    const differences: Difference[] = [];
    if (delivered !== wanted)
      differences.push({ what: 'exception', expected: name(wanted), got: name(delivered) });
    else if (this.seen !== undefined || bare.length === 0) return [...bare, ...memory];
    const { regs, errorCode } = this.interrupted(vector, delivered);
    if (vector.errorCode !== undefined && delivered === wanted && errorCode !== vector.errorCode) {
      const got = errorCode === undefined ? 'none' : hex(errorCode, 4);
      differences.push({ what: 'error code', expected: hex(vector.errorCode, 4), got });
    }
    const inside = compareRegisters(vector, final, regs);
    return [...differences, ...(inside.length <= bare.length ? inside : bare), ...memory];
  }

  /** Whether the final state itself says that control is at this handler. */
  private isExpectedHandler(final: Readonly<Record<string, number>>): boolean {
    const eip = this.field('eip');
    return final['eip'] !== undefined && (final['eip'] === eip || final['eip'] === eip - 1);
  }

  private compareMemory(vector: Vector): Difference[] {
    const differences: Difference[] = [];
    const expected = expectedMemory(vector);
    if (vector.exact === true) this.expectUnchanged(vector, expected);
    for (const [address, [byte, mask]] of expected) {
      const maddr = this.space.machineAddress(address);
      const got = maddr === undefined ? undefined : this.space.frames.read8(maddr);
      if (got !== undefined && ((got ^ byte) & mask) === 0) continue;
      differences.push({
        what: `[${hex(address)}]`,
        expected: hex(byte, 2),
        got: got === undefined ? 'no memory' : hex(got, 2),
      });
    }
    return differences;
  }

  /** Adds the bytes that differ from what they were, of all pages the vector names. */
  private expectUnchanged(vector: Vector, expected: Map<number, readonly [number, number]>): void {
    const { frames, pages } = this.space;
    const before = new Map(vector.initial.mem);
    for (const page of pages.keys()) {
      const start = page * PAGE_SIZE;
      const maddr = this.space.machineAddress(start)!;
      if (!frames.isDirty(maddr / PAGE_SIZE)) continue;
      for (let i = 0; i < PAGE_SIZE; i += 4) {
        if (frames.read32(maddr + i) === 0) continue;
        for (let k = i; k < i + 4; k++) {
          const was = before.get(start + k) ?? 0;
          if (frames.read8(maddr + k) !== was && !expected.has(start + k))
            expected.set(start + k, [was, 0xff]);
        }
      }
    }
    for (const [address, byte] of before) if (!expected.has(address)) expected.set(address, [byte, 0xff]);
  }
}
