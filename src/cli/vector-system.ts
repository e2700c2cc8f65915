// The system around a CPU test vector: descriptor tables, an interrupt table whose every gate leads to a HLT of its own, a task state
// segment, a ring-0 stack — as far as the vector does not bring its own. Protected and virtual-8086 mode; real mode needs an interrupt table only.

import { CR0_PG, CR4_PAE, CR4_PSE } from '../cpu/paging.ts';
import { SEG_NULL, SEGREG, VCPU } from '../cpu/vcpu.ts';
import { HLT_BYTE } from '../isa/encodings.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { type Registers, SEG_NAMES, type Vector } from './vector-format.ts';
import type { VectorSpace } from './vector-space.ts';

/** Pages of the system area: GDT, IDT, TSS, handlers, LDT, two of stack. */
const SYSTEM_PAGES = 7;
const GDT_AT = 0,
  IDT_AT = PAGE_SIZE,
  TSS_AT = 2 * PAGE_SIZE,
  HANDLERS_AT = 3 * PAGE_SIZE,
  LDT_AT = 4 * PAGE_SIZE,
  STACK_TOP = 7 * PAGE_SIZE;
/** Where our page tables map it. */
const SYSTEM_LINEAR = 0xfffd0000;

export const KERNEL_CS = 0x08;
const KERNEL_DS = 0x10,
  USER_CS = 0x23,
  USER_DS = 0x2b,
  TSS_SELECTOR = 0x38;
const GDT_LIMIT = 16 * 8 - 1,
  TSS_LIMIT = 103,
  NO_PORTS = 0xffff0000;
const CODE32 = 0xc9b,
  DATA32 = 0xc93,
  CODE16 = 0x09b,
  DATA16 = 0x093,
  BUSY_TSS = 0x08b,
  LDT_ATTR = 0x082;
const DPL3 = 0x60;
const REAL_LIMIT = 0xffff,
  IVT_LIMIT = 0x3ff;
const REAL_HANDLERS = 0xff000; // F000:F000
export const REAL_HANDLER_CS = 0xf000;
/** Gates ring 3 may use by INT n, as on common systems. */
export const OPEN_GATES: readonly number[] = [3, 4, 0x80];

interface Segment {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly attr: number;
}

function decodeDescriptor(selector: number, low: number, high: number): Segment {
  const units = (low & 0xffff) | (high & 0xf0000);
  const attr = ((high >>> 8) & 0xff) | (((high >>> 20) & 0xf) << 8);
  return {
    selector,
    base: ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0,
    limit: ((attr & 0x800) !== 0 ? (units << 12) | 0xfff : units) >>> 0,
    attr,
  };
}

export class VectorSystem {
  readonly space: VectorSpace;
  readonly v: number;
  /** Linear address of the system area, and its machine address. */
  base = 0;
  private at = 0;

  constructor(space: VectorSpace, v: number) {
    this.space = space;
    this.v = v;
  }

  /** Handlers of our own interrupt table: linear address of that of vector 0, or its offset in real mode. */
  handlers(vector: Vector): number {
    return vector.mode === 'real' ? REAL_HANDLERS & 0xffff : this.base + HANDLERS_AT;
  }
  /** Machine address of a linear address in the system area. */
  machineAddress(linear: number): number | undefined {
    const offset = linear - this.base;
    return this.at !== 0 && offset >= 0 && offset < STACK_TOP ? this.at + offset : undefined;
  }

  /** Sets up segments, tables and control registers of a vector whose memory is already there. */
  build(vector: Vector): void {
    const { m } = this.space;
    const regs = vector.initial.regs ?? {};
    this.at = 0;
    if (vector.mode === 'real') this.buildRealMode();
    else {
      this.base = this.placeSystem(regs);
      this.buildTables();
      this.loadTables(vector, regs);
    }
    this.loadSegments(vector, regs);
    for (const name of ['gdtr', 'idtr'] as const) {
      const base = regs[`${name}Base`];
      if (base === undefined) continue;
      m.w32(this.v + VCPU[`${name}Base`], base);
      m.w32(this.v + VCPU[`${name}Limit`], regs[`${name}Limit`] ?? REAL_LIMIT);
    }
    if (vector.mode !== 'real') this.lendGates(regs);
  }

  private buildRealMode(): void {
    const { frames, m } = this.space;
    for (let n = 0; n < 256; n++) {
      frames.write32(n * 4, (REAL_HANDLER_CS << 16) | ((REAL_HANDLERS & 0xffff) + n));
      frames.write8(REAL_HANDLERS + n, HLT_BYTE);
    }
    m.w32(this.v + VCPU.idtrLimit, IVT_LIMIT);
  }

  /** Makes the system area visible to the processor and says at which linear address. */
  private placeSystem(regs: Registers): number {
    const { space } = this;
    this.at = space.newFrame();
    for (let i = 1; i < SYSTEM_PAGES; i++) space.newFrame();
    const physical = space.physical(this.at);
    if (space.linear) {
      for (let i = 0; i < SYSTEM_PAGES; i++)
        space.map(SYSTEM_LINEAR + i * PAGE_SIZE, physical + i * PAGE_SIZE, 'rwx', false);
      return SYSTEM_LINEAR;
    }
    if (((regs['cr0'] ?? 0) & CR0_PG) === 0) return physical;
    return this.graft(regs, physical);
  }

  /** Into page tables that the vector brings: the highest directory entry that is free leads to a table of ours. */
  private graft(regs: Registers, physical: number): number {
    const { space } = this;
    const pae = ((regs['cr4'] ?? 0) & CR4_PAE) !== 0;
    const width = pae ? 8 : 4,
      entries = PAGE_SIZE / width;
    const root = (regs['cr3'] ?? 0) & ~(pae ? 31 : PAGE_SIZE - 1);
    for (let i = pae ? 3 : 0; i >= 0; i--) {
      const directory = pae ? this.read32(root + i * 8) : root | 1;
      if ((directory & 1) === 0) continue;
      for (let n = entries - 1; n >= 0; n--) {
        const at = space.machineAddress(((directory & ~(PAGE_SIZE - 1)) >>> 0) + n * width);
        if (at === undefined || (space.frames.read32(at) & 1) !== 0) continue;
        const table = space.newFrame();
        space.frames.write32(at, space.physical(table) | 3);
        for (let p = 0; p < SYSTEM_PAGES; p++)
          space.frames.write32(table + p * width, (physical + p * PAGE_SIZE) | 3);
        return ((i * entries + n) * entries * PAGE_SIZE) >>> 0;
      }
    }
    return physical;
  }
  private read32(physical: number): number {
    const at = this.space.machineAddress(physical >>> 0);
    return at === undefined ? 0 : this.space.frames.read32(at);
  }

  private buildTables(): void {
    const { space, at, base } = this;
    const { frames } = space;
    for (let n = 0; n < 256; n++) {
      frames.write8(at + HANDLERS_AT + n, HLT_BYTE);
      this.writeGate(n, KERNEL_CS);
    }
    frames.write32(at + TSS_AT + 4, base + STACK_TOP);
    frames.write32(at + TSS_AT + 8, KERNEL_DS);
    frames.write32(at + TSS_AT + 100, NO_PORTS);
    this.writeDescriptor(KERNEL_CS, 0, 0xffffffff, CODE32);
    this.writeDescriptor(KERNEL_DS, 0, 0xffffffff, DATA32);
    this.writeDescriptor(TSS_SELECTOR, base + TSS_AT, TSS_LIMIT, BUSY_TSS);
  }
  /** Interrupt gate `n`, leading to a HLT whose address tells n. */
  private writeGate(n: number, selector: number): void {
    const handler = this.base + HANDLERS_AT + n;
    const dpl = OPEN_GATES.includes(n) ? 3 : 0;
    const high = (handler & 0xffff0000) | 0x8e00 | (dpl << 13);
    this.space.write64(this.at + IDT_AT + n * 8, (selector << 16) | (handler & 0xffff), high);
  }
  private writeDescriptor(selector: number, base: number, limit: number, attr: number): void {
    const units = (attr & 0x800) !== 0 ? limit >>> 12 : limit;
    const low = ((base & 0xffff) << 16) | (units & 0xffff);
    const flags = (((attr >> 8) & 0xf) << 4) | ((units >>> 16) & 0xf);
    const high = (base & 0xff000000) | (flags << 16) | ((attr & 0xff) << 8) | ((base >>> 16) & 0xff);
    this.space.write64(this.at + GDT_AT + (selector & ~7), low, high);
  }

  /** GDTR, IDTR, TR and LDTR as the vector wants them, or ours. */
  private loadTables(vector: Vector, regs: Registers): void {
    const { base, v } = this;
    const { m } = this.space;
    const narrow = vector.mode === 'prot16';
    const limit = narrow ? 0xffff : 0xffffffff;
    this.writeDescriptor(USER_CS, 0, limit, (narrow ? CODE16 : CODE32) | DPL3);
    this.writeDescriptor(USER_DS, 0, limit, (narrow ? DATA16 : DATA32) | DPL3);
    m.w32(v + VCPU.gdtrBase, base + GDT_AT);
    m.w32(v + VCPU.gdtrLimit, GDT_LIMIT);
    m.w32(v + VCPU.idtrBase, base + IDT_AT);
    m.w32(v + VCPU.idtrLimit, 256 * 8 - 1);
    this.set(VCPU.tr, { selector: TSS_SELECTOR, base: base + TSS_AT, limit: TSS_LIMIT, attr: BUSY_TSS });
    this.set(VCPU.ldtr, { selector: 0, base: 0, limit: 0, attr: SEG_NULL });
    let local = -1;
    for (const [selector, low, high] of vector.initial.descriptors ?? []) {
      const inLdt = (selector & 4) !== 0;
      if ((selector & ~7) >= (inLdt ? PAGE_SIZE : GDT_LIMIT))
        throw new Error(`no room for a descriptor ${selector}`);
      this.space.write64(this.at + (inLdt ? LDT_AT : GDT_AT) + (selector & ~7), low, high);
      if (inLdt) local = Math.max(local, selector | 7);
    }
    if (local >= 0)
      this.set(VCPU.ldtr, { selector: 0x50, base: base + LDT_AT, limit: local, attr: LDT_ATTR });
    for (const name of ['ldtr', 'tr'] as const) {
      const selector = regs[name];
      if (selector === undefined) continue;
      const segment = this.descriptor(selector, regs);
      const absent = { selector, base: 0, limit: 0, attr: SEG_NULL };
      this.set(VCPU[name], segment ?? absent);
    }
  }

  /** The descriptor behind a selector in the tables the vector brings; undefined when there is none, or none that is present. */
  private descriptor(selector: number, regs: Registers): Segment | undefined {
    const { space, v } = this;
    const { m } = space;
    const local = (selector & 4) !== 0;
    const own = local || regs['gdtrBase'] === undefined;
    const table = local ? m.r32(v + VCPU.ldtr + SEGREG.base) : (regs['gdtrBase'] ?? m.r32(v + VCPU.gdtrBase));
    const limit = local
      ? m.r32(v + VCPU.ldtr + SEGREG.limit)
      : (regs['gdtrLimit'] ?? m.r32(v + VCPU.gdtrLimit));
    if ((selector & 0xfffc) === 0 || (selector | 7) >>> 0 > limit) return undefined;
    const linear = (table + (selector & ~7)) >>> 0;
    const at = (own ? this.machineAddress(linear) : undefined) ?? this.translate(linear, regs);
    if (at === undefined) return undefined;
    const segment = decodeDescriptor(selector, space.frames.read32(at), space.frames.read32(at + 4));
    return (segment.attr & 0x80) !== 0 ? segment : undefined;
  }

  /** Machine address behind a linear one through the vector's own page tables, or directly without any. */
  private translate(linear: number, regs: Registers): number | undefined {
    const { space } = this;
    if (space.linear || ((regs['cr0'] ?? 0) & CR0_PG) === 0) return space.machineAddress(linear);
    const cr4 = regs['cr4'] ?? 0,
      cr3 = regs['cr3'] ?? 0;
    const pae = (cr4 & CR4_PAE) !== 0;
    const directory = pae ? this.read32((cr3 & ~31) + (linear >>> 30) * 8) & ~0xfff : cr3 & ~0xfff;
    const entry = this.read32(directory + (pae ? ((linear >>> 21) & 511) * 8 : (linear >>> 22) * 4));
    if ((entry & 1) === 0) return undefined;
    if ((entry & 0x80) !== 0 && (pae || (cr4 & CR4_PSE) !== 0)) {
      const mask = pae ? 0x1fffff : 0x3fffff;
      return space.machineAddress(((entry & ~mask) | (linear & mask)) >>> 0);
    }
    const last = this.read32((entry & ~0xfff) + ((linear >>> 12) & (pae ? 511 : 1023)) * (pae ? 8 : 4));
    return (last & 1) === 0 ? undefined : space.machineAddress(((last & ~0xfff) | (linear & 0xfff)) >>> 0);
  }

  private loadSegments(vector: Vector, regs: Registers): void {
    const { mode } = vector;
    const real = mode === 'real' || mode === 'vm86';
    const ring = mode === 'prot32-ring0' ? 0 : (regs['cs'] ?? USER_CS) & 3;
    SEG_NAMES.forEach((name, n) => {
      const standard =
        name === 'cs' ? (ring === 0 ? KERNEL_CS : USER_CS) : n > 3 ? 0 : ring === 0 ? KERNEL_DS : USER_DS;
      const selector = (regs[name] ?? (real ? 0 : standard)) & 0xffff;
      const at = VCPU.seg + n * SEGREG.$size;
      if (real) {
        const attr = mode === 'vm86' ? DATA16 | DPL3 : DATA16;
        this.set(at, { selector, base: selector << 4, limit: REAL_LIMIT, attr });
      } else this.set(at, this.segment(vector, name, selector, regs));
    });
  }

  /** What a segment register holds: the descriptor the vector has for the selector, or a flat segment of that privilege. */
  private segment(vector: Vector, name: string, selector: number, regs: Registers): Segment {
    if ((selector & 0xfffc) === 0) return { selector, base: 0, limit: 0, attr: SEG_NULL };
    const given = (vector.initial.descriptors ?? []).some(([other]) => (other | 3) === (selector | 3));
    if (given || regs['gdtrBase'] !== undefined) {
      const found = this.descriptor(selector, regs);
      if (found !== undefined && (found.attr & 0x10) !== 0) return found;
    }
    const narrow = vector.mode === 'prot16';
    const limit = narrow ? 0xffff : 0xffffffff;
    const code = name === 'cs';
    const attr = (code ? (narrow ? CODE16 : CODE32) : narrow ? DATA16 : DATA32) | ((selector & 3) << 5);
    const standard = (selector & ~3) === (code ? USER_CS & ~3 : USER_DS & ~3);
    if (regs['gdtrBase'] === undefined && selector < GDT_LIMIT && (selector & 4) === 0 && !standard)
      this.writeDescriptor(selector, 0, limit, attr);
    return { selector, base: 0, limit, attr };
  }

  /** Our interrupt table over the vector's descriptors: gates and ring-0 stack must name flat ring-0 segments of theirs. */
  private lendGates(regs: Registers): void {
    if (regs['gdtrBase'] === undefined || regs['idtrBase'] !== undefined) return;
    const limit = Math.min(regs['gdtrLimit'] ?? REAL_LIMIT, REAL_LIMIT);
    let code = 0,
      data = 0;
    for (let selector = 8; selector + 7 <= limit; selector += 8) {
      const found = this.descriptor(selector, regs);
      if (found === undefined || found.base !== 0 || (found.attr & 0x70) !== 0x10) continue;
      if ((found.attr & 0x408) === 0x408) code ||= selector;
      if ((found.attr & 0x40a) === 0x402) data ||= selector;
    }
    if (code !== 0) for (let n = 0; n < 256; n++) this.writeGate(n, code);
    if (data !== 0) this.space.frames.write32(this.at + TSS_AT + 8, data);
  }

  private set(at: number, { selector, base, limit, attr }: Segment): void {
    const { m } = this.space;
    m.w32(this.v + at + SEGREG.sel, selector);
    m.w32(this.v + at + SEGREG.base, base);
    m.w32(this.v + at + SEGREG.limit, limit);
    m.w32(this.v + at + SEGREG.attr, attr);
  }
}
