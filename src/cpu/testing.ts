// A tiny machine for tests of engines: flat segments with paging off, or PAE page tables, at CPL 0, 1 or 3, with a GDT, an IDT and a TSS
// in RAM. Bare mode unless a test asks for PV. Used by tests only.

import { engineChoice } from '../cli/engine-code.ts';
import { assemble } from '../isa/assemble.ts';
import { Frames } from '../memory/frames.ts';
import { HEADER, vcpuAt } from '../memory/map.ts';
import { allocate, type Memory } from '../memory/memory.ts';
import { MACHINE, Recorder } from '../trace/recorder.ts';
import { decodeRecord, type TraceRecord } from '../trace/records.ts';
import type { Bus } from './bus.ts';
import type { Engine, EngineName, Mmu } from './engine.ts';
import { createEngine } from './engines.ts';
import { CR0_PE, CR0_PG, CR0_WP, CR4_PAE, EFER_NXE } from './paging.ts';
import { SEG_NULL, SEGREG, VCPU, VCPU_MODE } from './vcpu.ts';

/** Where things lie in the test machine's RAM. */
export const AT = {
  gdt: 0x1000,
  idt: 0x2000,
  tss: 0x3000,
  l3: 0x4000,
  l2: 0x5000, // four of them
  l1: 0x9000, // maps the first 2 MiB
  stack0: 0x10000, // tops of stacks by privilege level
  stack1: 0x11000,
  stack3: 0x13000,
  handlers: 0x14000, // vector n goes to handlers + 16 * n, where a HLT stands
  ldt: 0x16000,
  data: 0x18000,
  code: 0x20000,
} as const;

/** Selectors of the test GDT: flat code and data of each level. */
export const SEL = {
  code0: 0x08,
  data0: 0x10,
  code1: 0x19,
  data1: 0x21,
  code3: 0x2b,
  data3: 0x33,
  tss: 0x38,
  ldt: 0x40,
  code16: 0x48,
  data16: 0x50,
  down: 0x5b,
  free: 0x60,
} as const;

const FLAT_CODE = 0x00cf9b00,
  FLAT_DATA = 0x00cf9300;
const level = (hi: number, dpl: number): number => hi | (dpl << 13);
const SEG_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
export type SegName = (typeof SEG_NAMES)[number];
const REGS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
export type RegName = (typeof REGS)[number];

export interface TestMachine {
  readonly m: Memory;
  readonly frames: Frames;
  readonly trace: Recorder;
  readonly engine: Engine;
  readonly mmu: Mmu;
  readonly v: number;
  reg(name: RegName | 'eip' | 'eflags'): number;
  setReg(name: RegName | 'eip' | 'eflags', value: number): void;
  sel(name: SegName): number;
  /** Loads a segment register from the GDT without checks. */
  setSeg(name: SegName, selector: number): void;
  /** Writes bytes at AT.code (or elsewhere) and points EIP there. */
  code(bytes: readonly number[] | Uint8Array, at?: number): void;
  /** Assembles lines to AT.code and points EIP there. */
  program(...lines: readonly string[]): void;
  write(at: number, bytes: readonly number[] | Uint8Array): void;
  descriptor(selector: number, lo: number, hi: number): void;
  run(ticks: number): number;
  ticks(): number;
  records(): TraceRecord[];
}

export interface TestOptions {
  /** Privilege level to start at. */
  readonly cpl?: 0 | 1 | 3;
  readonly paging?: boolean;
  readonly mib?: number;
  readonly engine?: EngineName;
  /** Devices of the machine; without a bus physical pages are machine frames. */
  readonly bus?: Bus;
}

function writeTables(frames: Frames): void {
  const gdt = (sel: number, lo: number, hi: number): void => {
    frames.write64(AT.gdt + (sel & 0xfff8), lo >>> 0, hi >>> 0);
  };
  for (const dpl of [0, 1, 3]) {
    const code = dpl === 0 ? SEL.code0 : dpl === 1 ? SEL.code1 : SEL.code3;
    gdt(code, 0xffff, level(FLAT_CODE, dpl));
    gdt(code + 8, 0xffff, level(FLAT_DATA, dpl));
  }
  gdt(SEL.tss, (AT.tss << 16) | 0x67, 0x00008b00 | (AT.tss >>> 16));
  gdt(SEL.ldt, ((AT.ldt & 0xffff) << 16) | 0xff, 0x00008200 | (AT.ldt >>> 16));
  gdt(SEL.code16, 0xffff, 0x00009b00);
  gdt(SEL.data16, 0xffff, 0x00009300);
  gdt(SEL.down, 0x0fff, 0x0040f700); // expand-down, usable from 0x1000 up
  for (let n = 0; n < 256; n++) {
    const at = AT.handlers + 16 * n;
    const dpl = n === 3 || n === 4 || n === 0x80 ? 3 : 0;
    frames.write64(
      AT.idt + 8 * n,
      (SEL.code0 << 16) | (at & 0xffff),
      (at & 0xffff0000) | 0x8e00 | (dpl << 13),
    );
    frames.write8(at, 0xf4);
  }
  frames.write32(AT.tss + 4, AT.stack0);
  frames.write32(AT.tss + 8, SEL.data0);
  frames.write32(AT.tss + 12, AT.stack1);
  frames.write32(AT.tss + 16, SEL.data1);
  frames.write32(AT.tss + 100, 0x680000);
}

/** Identity mapping of the first 2 MiB by 4 KiB pages, of the rest of the first GiB by 2 MiB pages; user, writable. */
function writePageTables(frames: Frames): void {
  for (let i = 0; i < 4; i++) frames.write64(AT.l3 + 8 * i, (AT.l2 + 4096 * i) | 1, 0);
  frames.write64(AT.l2, AT.l1 | 7, 0);
  for (let i = 1; i < 512; i++) frames.write64(AT.l2 + 8 * i, (i * 0x200000) | 0x87, 0);
  for (let i = 0; i < 512; i++) frames.write64(AT.l1 + 8 * i, (i * 4096) | 7, 0);
}

function initVcpu(m: Memory, frames: Frames, v: number, options: TestOptions): void {
  m.w32(v + VCPU.used, 1);
  m.w32(v + VCPU.mode, VCPU_MODE.bare);
  m.w32(v + VCPU.eflags, 2);
  m.w32(v + VCPU.gdtrBase, AT.gdt);
  m.w32(v + VCPU.gdtrLimit, 0x7f);
  m.w32(v + VCPU.idtrBase, AT.idt);
  m.w32(v + VCPU.idtrLimit, 0x7ff);
  for (const [at, value] of [
    [VCPU.tr, SEL.tss],
    [VCPU.tr + 4, AT.tss],
    [VCPU.tr + 8, 0x67],
    [VCPU.tr + 12, 0x8b],
    [VCPU.ldtr + 12, SEG_NULL],
    [VCPU.cr0, CR0_PE | 0x30],
  ] as const) {
    m.w32(v + at, value);
  }
  if (!options.paging) return;
  writePageTables(frames);
  m.w32(v + VCPU.cr0, CR0_PE | CR0_PG | CR0_WP | 0x30);
  m.w32(v + VCPU.cr4, CR4_PAE);
  m.w32(v + VCPU.cr3, AT.l3);
  m.w32(v + VCPU.efer, EFER_NXE);
  for (let i = 0; i < 4; i++) m.w32(v + VCPU.pdpte + 8 * i, (AT.l2 + 4096 * i) | 1);
}

/** Builds the machine; registers are zero, ESP at the top of the level's stack, EIP at AT.code. */
export function testMachine(options: TestOptions = {}): TestMachine {
  const m = allocate(options.mib ?? 24, false);
  const frames = new Frames(m);
  const trace = new Recorder(m);
  trace.reset();
  const v = vcpuAt(0);
  writeTables(frames);
  initVcpu(m, frames, v, options);
  const { engine, mmu } = createEngine(engineChoice(options.engine ?? 'reference', false), {
    m,
    frames,
    trace,
    ...(options.bus ? { bus: options.bus } : {}),
  });
  const fieldOf = (name: RegName | 'eip' | 'eflags'): number =>
    v + (name === 'eip' ? VCPU.eip : name === 'eflags' ? VCPU.eflags : VCPU.gpr + 4 * REGS.indexOf(name));
  const machine: TestMachine = {
    m,
    frames,
    trace,
    engine,
    mmu,
    v,
    reg: (name) => m.r32(fieldOf(name)),
    setReg: (name, value) => m.w32(fieldOf(name), value),
    sel: (name) => m.r32(v + VCPU.seg + SEGREG.$size * SEG_NAMES.indexOf(name)),
    setSeg: (name, selector) =>
      loadRaw(m, frames, v + VCPU.seg + SEGREG.$size * SEG_NAMES.indexOf(name), selector),
    code: (bytes, at = AT.code) => {
      machine.write(at, bytes);
      machine.setReg('eip', at);
    },
    program: (...lines) => machine.code(assembleLines(lines)),
    write: (at, bytes) => frames.copyIn(at, Uint8Array.from(bytes)),
    descriptor: (selector, lo, hi) => frames.write64(AT.gdt + (selector & 0xfff8), lo >>> 0, hi >>> 0),
    run: (ticks) => engine.run(v, ticks),
    ticks: () => m.r64(HEADER + MACHINE.T),
    records: () => {
      const list: TraceRecord[] = [];
      trace.drain((words, at, data) => list.push(decodeRecord(words, at, data)));
      return list;
    },
  };
  setLevel(machine, options.cpl ?? 0);
  machine.setReg('eip', AT.code);
  return machine;
}

/** Assembles lines of 32-bit code; 'name:' in front of an instruction (or alone) is a label. Sizes settle in a few passes. */
export function assembleLines(lines: readonly string[], at: number = AT.code): number[] {
  const labels = new Map<string, number>();
  for (let pass = 0; ; pass++) {
    const bytes: number[] = [];
    let moved = false;
    for (const line of lines) {
      const [, label, text] = /^(?:(\w+):)?\s*(.*)$/.exec(line)!;
      if (label !== undefined) {
        moved ||= labels.get(label) !== at + bytes.length;
        labels.set(label, at + bytes.length);
      }
      if (text)
        bytes.push(
          ...assemble(text, at + bytes.length, (name) => labels.get(name) ?? (pass === 0 ? at : undefined)),
        );
    }
    if (!moved) return bytes;
    if (pass > 8) throw new Error('labels do not settle');
  }
}

/** Loads all segment registers flat for a level and puts ESP on its stack. */
export function setLevel(t: TestMachine, cpl: 0 | 1 | 3): void {
  const code = cpl === 0 ? SEL.code0 : cpl === 1 ? SEL.code1 : SEL.code3;
  const data = cpl === 0 ? SEL.data0 : cpl === 1 ? SEL.data1 : SEL.data3;
  t.setSeg('cs', code);
  for (const name of ['ss', 'ds', 'es', 'fs', 'gs'] as const) t.setSeg(name, data);
  t.setReg('esp', cpl === 0 ? AT.stack0 : cpl === 1 ? AT.stack1 : AT.stack3);
}

function loadRaw(m: Memory, frames: Frames, at: number, selector: number): void {
  const entry = AT.gdt + (selector & 0xfff8);
  const lo = frames.read32(entry),
    hi = frames.read32(entry + 4);
  const raw = (lo & 0xffff) | (hi & 0xf0000);
  const values: readonly (readonly [number, number])[] = [
    [SEGREG.sel, selector],
    [SEGREG.base, ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0],
    [SEGREG.limit, (hi & 0x800000 ? (raw << 12) | 0xfff : raw) >>> 0],
    [SEGREG.attr, (hi & 0xfffc) === 0 && lo === 0 ? SEG_NULL : ((hi >>> 8) & 0xff) | ((hi >>> 12) & 0xf00)],
  ];
  for (const [field, value] of values) m.w32(at + field, value);
}

/** The exception or interrupt whose handler the machine has halted in, with the frame on the level-0 stack. */
export interface Delivered {
  readonly vector: number;
  readonly code: number | undefined;
  readonly eip: number;
  readonly cs: number;
  readonly eflags: number;
}
const WITH_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);

/** Runs until a handler's HLT and says what was delivered; throws when the machine did not end in a handler. */
export function runToHandler(t: TestMachine, ticks = 1000): Delivered {
  t.run(ticks);
  const slot = t.reg('eip') - 1 - AT.handlers;
  if (slot < 0 || slot % 16 !== 0) throw new Error(`not in a handler: eip ${t.reg('eip').toString(16)}`);
  const vector = slot / 16;
  const word = (i: number): number => t.frames.read32(t.reg('esp') + 4 * i);
  const from = WITH_CODE.has(vector) ? 1 : 0;
  return {
    vector,
    code: from === 1 ? word(0) : undefined,
    eip: word(from),
    cs: word(from + 1) & 0xffff,
    eflags: word(from + 2),
  };
}
