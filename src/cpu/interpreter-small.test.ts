// 16-bit code in generated code: real-address mode, 16-bit segments at level 0 and at level 3, virtual-8086 mode. Every row of the
// opcode table, with each size of operand and address, at random registers and offsets — wrap-arounds at 64 KiB among them — runs on
// both engines, and everything that is the machine must be the same; then a program, in slices of every size.

import { describe, expect, it } from 'vitest';
import { encode, sampleChoices } from '../isa/encodings.ts';
import { TABLE } from '../isa/table.ts';
import { RAM_BASE } from '../memory/map.ts';
import type { InterpreterEngine } from './interpreter.ts';
import { AT, SEL, type TestMachine, testMachine } from './testing.ts';
import { EXIT, SEG_DB, SEGREG, VCPU } from './vcpu.ts';

/** The part of RAM that cases may touch, and that is put back for each. */
const SPAN = 0x60000;
const CODE_BASE = 0x30120,
  IVT_HANDLERS = 0x600;
const WHERE = ['real', 'ring 0', 'ring 3', 'virtual-8086'] as const;
type Where = (typeof WHERE)[number];

const random = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return (seed >>> 8) ^ (seed << 13);
};

function machine(engine: 'reference' | 'interpreter'): TestMachine {
  const t = testMachine({ engine, paging: false });
  if (engine === 'interpreter') (t.engine as InterpreterEngine).insist();
  return t;
}

const FAR_BASE = 0x30000,
  DATA_BASE = 0x18010;
/** At CS:0100; f and g are near, the immediate of `patch` changes, STOSB goes around 64 KiB. */
// biome-ignore format: an instruction a line
const PROGRAM = [
  0xb9, 0x2c, 0x01, // mov cx,300
  0x51, // l: push cx
  0xe8, 0x3c, 0x00, // call f
  0x9a, 0x00, 0x10, 0x00, 0x30, // call FAR_BASE:1000h
  0x59, // pop cx
  0x31, 0xca, // xor dx,cx
  0x65, 0xfe, 0x06, 0x16, 0x01, // inc byte [gs:patch+2]
  0x83, 0xc3, 0x01, // patch: add bx,1
  0x51, // push cx
  0xb9, 0x05, 0x00, // mov cx,5
  0xbf, 0xfd, 0xff, // mov di,0fffdh
  0x88, 0xd0, // mov al,dl
  0xf3, 0xaa, // rep stosb
  0x59, // pop cx
  0x80, 0x3e, 0x00, 0x02, 0x07, // cmp byte [200h],7
  0x75, 0x09, // jne n
  0x66, 0x67, 0x8b, 0x84, 0x4b, 0x00, 0x01, 0x00, 0x00, // mov eax,[ebx+ecx*2+100h]
  0xf6, 0xc2, 0x03, // n: test dl,3
  0x74, 0x02, // jz k
  0x11, 0xee, // adc si,bp
  0x66, 0xe8, 0x12, 0x00, 0x00, 0x00, // k: call dword g
  0xe2, 0xc1, // loop l
  0xf4, // hlt
  0x55, // f: push bp
  0x89, 0xe5, // mov bp,sp
  0x8b, 0x46, 0x04, // mov ax,[bp+4]
  0x01, 0x06, 0x10, 0x00, // add [10h],ax
  0x2b, 0x41, 0x20, // sub ax,[bx+di+20h]
  0xc9, // leave
  0xc3, // ret
  0x1e, // g: push ds
  0x16, // push ss
  0x1f, // pop ds
  0x89, 0x9c, 0x00, 0x40, // mov [si+4000h],bx
  0x1f, // pop ds
  0x66, 0xc3, // o32 ret
];
const HLT_AT = PROGRAM.indexOf(0xf4);
/** At FAR_BASE:1000. */
// biome-ignore format: an instruction a line
const FAR = [
  0xc1, 0xc2, 0x03, // rol dx,3
  0xff, 0x06, 0x12, 0x00, // inc word [12h]
  0x26, 0xa1, 0x12, 0x00, // mov ax,[es:12h]
  0xcb, // retf
];

interface Segment {
  readonly base: number;
  readonly limit: number;
  /** SEG_DB or 0. */
  readonly big?: number;
}
/** Puts the processor into 16-bit code: CS at CODE_BASE, data and stack where the numbers say. */
function enter(t: TestMachine, where: Where, data: Segment, stack: Segment, limit = 0xffff): void {
  const { m, v } = t;
  const dpl = where === 'ring 3' || where === 'virtual-8086' ? 3 : 0;
  const inSegments = where === 'ring 0' || where === 'ring 3';
  const segment = (n: number, { base, limit, big = 0 }: Segment, type: number): void => {
    const at = v + VCPU.seg + n * SEGREG.$size;
    const selector = inSegments ? (n === 1 ? SEL.code16 : SEL.data16) | dpl : base >>> 4;
    const values = [selector, base, limit, type | (dpl << 5) | big];
    for (const [i, value] of values.entries()) m.w32(at + 4 * i, value);
  };
  const code = where === 'virtual-8086' ? 0x93 : 0x9b;
  for (const n of [0, 3, 4, 5]) segment(n, data, 0x93);
  segment(1, { base: CODE_BASE, limit }, code);
  segment(2, stack, 0x93);
  m.w32(v + VCPU.cr0, where === 'real' ? 0x10 : 0x11);
  m.w32(v + VCPU.idtrBase, where === 'real' ? 0 : AT.idt);
  m.w32(v + VCPU.idtrLimit, where === 'real' ? 0x3ff : 0x7ff);
  m.w32(v + VCPU.halted, 0);
}

function program(engine: 'reference' | 'interpreter', where: Where, memory: Uint8Array): TestMachine {
  const t = testMachine({ engine, paging: false });
  t.frames.copyIn(0, memory);
  enter(t, where, { base: DATA_BASE, limit: 0xffff }, { base: 0x10000, limit: 0xffff });
  const describe16 = (selector: number, base: number, access: number): void =>
    t.descriptor(selector, (base << 16) | 0xffff, access | (base >>> 16));
  describe16(SEL.free, FAR_BASE, 0x9b00);
  describe16(SEL.code16, CODE_BASE, 0x9b00);
  describe16(SEL.data16, DATA_BASE, 0x9300);
  t.frames.copyIn(CODE_BASE + 0x100, Uint8Array.from(PROGRAM));
  t.frames.copyIn(FAR_BASE + 0x1000, Uint8Array.from(FAR));
  t.frames.write16(CODE_BASE + 0x10a, where === 'real' ? FAR_BASE >>> 4 : SEL.free);
  t.m.w32(t.v + VCPU.seg + 5 * SEGREG.$size + SEGREG.base, CODE_BASE);
  t.setReg('esp', 0x8000);
  t.setReg('eip', 0x100);
  return t;
}

/** The RAM of a case before it runs: tables, an interrupt vector table whose handlers halt, data that is not all zero. */
function template(): Uint8Array<ArrayBuffer> {
  const t = machine('reference');
  for (let n = 0; n < 256; n++) t.frames.write32(4 * n, IVT_HANDLERS);
  t.write(IVT_HANDLERS, [0xf4]);
  for (let n = AT.data; n < SPAN; n += 4) t.frames.write32(n, Math.imul(n, 0x9e3779b1));
  return t.m.u8.slice(RAM_BASE, RAM_BASE + SPAN);
}

/** What a case leaves behind: registers up to the window, and RAM. */
const registers = ({ m, v }: TestMachine): string => m.u32.slice(v >>> 2, (v + VCPU.window) >>> 2).join();
const ram = ({ m }: TestMachine): Buffer => Buffer.from(m.u8.buffer, RAM_BASE, SPAN);

/** Bytes for 16-bit code: what the encodings of 32-bit code say with the size prefixes turned around. */
function for16(bytes: readonly number[], opSize: number, addrSize: number): number[] {
  let i = 0;
  while (bytes[i] === 0x66 || bytes[i] === 0x67) i++;
  return [...(opSize === 32 ? [0x66] : []), ...(addrSize === 32 ? [0x67] : []), ...bytes.slice(i)];
}
function encodings(): number[][] {
  const list: number[][] = [];
  for (const form of TABLE) {
    if (form.opcode === '') continue;
    for (const choice of sampleChoices(form)) {
      const bytes = encode(form, choice);
      if (bytes === undefined) continue;
      const made = for16(bytes, choice.opSize, choice.addrSize);
      list.push(made);
      if (form.rep !== undefined) list.push([0xf3, ...made], [0xf2, ...made], [0x26, 0xf3, ...made]);
      else if (choice.mod === 0) list.push([0x26, ...made]);
    }
  }
  return list;
}

describe('16-bit code', () => {
  const list = encodings(),
    fresh = template();
  for (const [nth, where] of WHERE.entries())
    it(`is the reference's in generated code: every form, ${where}`, () => {
      const next = random(nth + 1);
      const pick = <T>(values: readonly T[]): T => values[(next() >>> 0) % values.length]!;
      const value = (): number =>
        pick([next(), next() & 0xffff, next() & 0xff, 0, 0xffff, 0x8000, 0x10000, -1]);
      const machines = [machine('reference'), machine('interpreter')] as const;
      list.forEach((bytes, n) => {
        // The bits of a moment: the same for both.
        const data = { base: (next() & 0xffff) + 0x18000, limit: pick([0xffff, 0xffff, 0xfff]) };
        const stack = { base: (next() & 0xfff) + 0x10000, limit: 0xffff, big: pick([0, 0, 0, SEG_DB]) };
        const limit = pick([0xffff, 0xffff, 0xffff, 0x2346]);
        const gprs = Array.from({ length: 8 }, value);
        if (next() & 1) gprs[4] = (next() & 0xfffe) | 0x50000;
        const flags = (next() & 0xcd5) | 2 | (where === 'virtual-8086' ? 0x20000 : 0) | pick([0, 0x3000]);
        const eip = pick([0x100, 0x0ff0, 0x2346, 0x10000 - bytes.length, 0x10001 - bytes.length, 0xfed0]);
        const ticks = pick([1, 1, 3]);
        const exits = machines.map((t) => {
          t.frames.copyIn(0, fresh);
          enter(t, where, data, stack, limit);
          gprs.forEach((to, i) => {
            t.m.w32(t.v + VCPU.gpr + 4 * i, to);
          });
          t.setReg('eflags', flags & ~0x100);
          t.frames.copyIn(CODE_BASE + eip, Uint8Array.from([...bytes, 0x40, 0x49, 0x90]));
          t.setReg('eip', eip);
          const exit = t.run(ticks);
          t.records();
          return exit;
        });
        const name = `${n}: ${bytes.map((b) => b.toString(16)).join(' ')}`;
        expect([name, exits[1], registers(machines[1])]).toEqual([name, exits[0], registers(machines[0])]);
        if (ram(machines[0]).compare(ram(machines[1])) !== 0) throw new Error(`RAM differs after ${name}`);
      });
      const engine = machines[1].engine as InterpreterEngine;
      expect(engine.generatedTicks / list.length).toBeGreaterThan(0.2);
    }, 120_000);

  for (const where of ['real', 'ring 0'] as const)
    it(`links, calls far, writes over itself and wraps around like the reference, ${where}`, () => {
      for (const slice of [1, 2, 3, 7, 50, 100_000]) {
        const machines = (['reference', 'interpreter'] as const).map((engine) =>
          program(engine, where, fresh),
        );
        for (let exit: number = EXIT.budget, n = 0; exit !== EXIT.halt; n++) {
          if (n > 20_000) throw new Error('does not end');
          for (const t of machines) exit = t.run(slice);
          expect(registers(machines[1]!)).toBe(registers(machines[0]!));
        }
        expect(ram(machines[0]!).compare(ram(machines[1]!))).toBe(0);
        expect(machines[1]!.reg('ecx')).toBe(0);
        expect(machines[1]!.reg('eip')).toBe(0x100 + HLT_AT + 1);
      }
    });
});
