// Task switches: JMP, CALL, IRET, interrupts and exceptions; 32- and 16-bit TSSs; what is checked before and after the switch.
// Written from SDM vol. 3, chapter 7; table numbers are those of the 2023 edition.

import { describe, expect, it } from 'vitest';
import { AT, SEL, setLevel, testMachine, type TestMachine } from './testing.ts';
import { EXIT, SEGREG, VCPU } from './vcpu.ts';

const TSS_B = AT.data + 0x800,
  TSS_C = AT.data + 0xa00; // a 16-bit one
const B = 0x60,
  C = 0x68,
  GATE = 0x70;
const CODE_B = AT.code + 0x800,
  STACK_B = AT.data + 0x700;

const REGS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;

interface Fields {
  readonly eip?: number;
  readonly eflags?: number;
  readonly esp?: number;
  readonly cs?: number;
  readonly ss?: number;
  readonly ds?: number;
  readonly es?: number;
  readonly fs?: number;
  readonly gs?: number;
  readonly ldt?: number;
  readonly cr3?: number;
  readonly trap?: boolean;
  readonly link?: number;
}

/** A descriptor of type `type` for a TSS. */
function tss(t: TestMachine, sel: number, base: number, limit: number, type: number): void {
  t.descriptor(sel, (base << 16) | limit, (type << 8) | 0x8000 | ((base >>> 16) & 0xff));
}

/** Task B with a 32-bit TSS: it begins at CODE_B with EAX … EDI = 0xb0 … 0xb7. */
function taskB(t: TestMachine, fields: Fields = {}): void {
  const put = (at: number, value: number): void => t.frames.write32(TSS_B + at, value);
  tss(t, B, TSS_B, 0x67, 9);
  put(0, fields.link ?? 0);
  put(4, AT.stack0 - 0x100);
  put(8, SEL.data0);
  put(0x1c, fields.cr3 ?? 0);
  put(0x20, fields.eip ?? CODE_B);
  put(0x24, fields.eflags ?? 2);
  for (let n = 0; n < 8; n++) put(0x28 + 4 * n, 0xb0 + n);
  put(0x38, fields.esp ?? STACK_B);
  const { es, cs, ss, ds, fs, gs } = fields;
  [es ?? SEL.data0, cs ?? SEL.code0, ss ?? SEL.data0, ds ?? SEL.data0, fs ?? 0, gs ?? 0].forEach((sel, i) => {
    put(0x48 + 4 * i, sel);
  });
  put(0x60, fields.ldt ?? 0);
  put(0x64, fields.trap === true ? 1 : 0);
  t.write(CODE_B, [0x90, 0xf4]);
}

/** Task C with a 16-bit TSS. */
function taskC(t: TestMachine): void {
  tss(t, C, TSS_C, 0x2b, 1);
  const words = [0, 0, 0, 0, 0, 0, 0, 0x400, 2, 1, 2, 3, 4, 0x700, 6, 7, 8];
  const selectors = [SEL.data16, SEL.code16, SEL.data16, SEL.data16, 0];
  for (const [i, word] of [...words, ...selectors].entries()) t.frames.write16(TSS_C + 2 * i, word);
  t.frames.copyIn(0x400, Uint8Array.from([0x90, 0xf4]));
}

const busy = (t: TestMachine, sel: number): boolean => ((t.frames.read32(AT.gdt + sel + 4) >>> 9) & 1) === 1;
const tr = (t: TestMachine): number => t.m.r32(t.v + VCPU.tr);
const old = (t: TestMachine, at: number): number => t.frames.read32(AT.tss + at);

/** A machine whose next instruction is far JMP or CALL to `sel`, or what `bytes` say. */
function machine(bytes: readonly number[], fields: Fields = {}): TestMachine {
  const t = testMachine();
  taskB(t, fields);
  taskC(t);
  t.code(bytes);
  return t;
}
const jmp = (sel: number): number[] => [0xea, 0x11, 0x22, 0x33, 0x44, sel & 0xff, sel >>> 8];
const call = (sel: number): number[] => [0x9a, 0x11, 0x22, 0x33, 0x44, sel & 0xff, sel >>> 8];

/** Vector of the handler the machine halted in, and the words on its stack. */
function handled(t: TestMachine, words = 2): { readonly vector: number; readonly stack: readonly number[] } {
  expect(t.run(20)).toBe(EXIT.halt);
  const at = t.reg('eip') - 1 - AT.handlers;
  const stack = [0, 1, 2, 3].slice(0, words).map((i) => t.frames.read32(t.reg('esp') + 4 * i));
  return { vector: at % 16 === 0 ? at / 16 : -1, stack };
}

describe('a task switch', () => {
  it('by JMP saves the old task, loads the new one and moves the busy bit (SDM vol. 3, 7.3)', () => {
    const t = machine(jmp(B), { fs: SEL.data3, gs: SEL.data1 });
    for (const [n, reg] of REGS.entries()) t.setReg(reg, reg === 'esp' ? AT.stack0 : 0xa0 + n);
    t.setReg('eflags', 0x8d7);
    expect(t.run(1)).toBe(EXIT.budget);
    expect(t.reg('eip')).toBe(CODE_B);
    expect(REGS.map((reg) => t.reg(reg))).toEqual([0xb0, 0xb1, 0xb2, 0xb3, STACK_B, 0xb5, 0xb6, 0xb7]);
    expect(t.sel('fs')).toBe(SEL.data3);
    expect(t.reg('eflags')).toBe(2);
    expect(tr(t)).toBe(B);
    expect([busy(t, SEL.tss), busy(t, B)]).toEqual([false, true]);
    expect(old(t, 0x20)).toBe(AT.code + 7);
    expect(old(t, 0x24)).toBe(0x8d7);
    expect(REGS.map((_reg, n) => old(t, 0x28 + 4 * n))).toEqual([
      0xa0,
      0xa1,
      0xa2,
      0xa3,
      AT.stack0,
      0xa5,
      0xa6,
      0xa7,
    ]);
    expect([0x48, 0x4c, 0x50].map((at) => old(t, at))).toEqual([SEL.data0, SEL.code0, SEL.data0]);
    expect(t.frames.read16(TSS_B)).toBe(0);
  });
  it('sets CR0.TS and clears the local breakpoints of DR7 (SDM vol. 3, 7.3 and 17.2.4)', () => {
    const t = machine(jmp(B));
    t.m.w32(t.v + VCPU.dr + 28, 0x755 | 0xaa);
    t.run(1);
    expect(t.m.r32(t.v + VCPU.cr0) & 8).toBe(8);
    expect(t.m.r32(t.v + VCPU.dr + 28)).toBe(0x6aa);
  });
  it('by CALL links the tasks, leaves the old one busy and sets NT (SDM vol. 3, 7.4)', () => {
    const t = machine(call(B));
    t.run(1);
    expect(t.reg('eflags')).toBe(0x4002);
    expect(t.frames.read16(TSS_B)).toBe(SEL.tss);
    expect([busy(t, SEL.tss), busy(t, B)]).toEqual([true, true]);
    expect(t.reg('esp')).toBe(STACK_B); // no return address is pushed
  });
  it('by IRET with NT goes back and clears NT in the task left (SDM vol. 3, 7.4)', () => {
    const t = machine(call(B));
    t.write(CODE_B, [0xcf]);
    t.write(AT.code + 7, [0xf4]);
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.reg('eip')).toBe(AT.code + 8);
    expect(tr(t)).toBe(SEL.tss);
    expect([busy(t, SEL.tss), busy(t, B)]).toEqual([true, false]);
    expect(t.frames.read32(TSS_B + 0x24)).toBe(2);
    expect(t.frames.read32(TSS_B + 0x20)).toBe(CODE_B + 1);
    expect(t.reg('eflags')).toBe(2);
  });
  it('through a task gate, whose DPL alone matters (SDM vol. 3, 7.2.5)', () => {
    const t = machine(jmp(GATE | 3));
    t.descriptor(GATE, B << 16, 0xe500);
    setLevel(t, 3);
    t.run(1);
    expect(tr(t)).toBe(B);
    expect(t.sel('cs')).toBe(SEL.code0);
  });
  it('to a 16-bit TSS and back (SDM vol. 3, 7.6)', () => {
    const t = machine(call(C));
    t.setReg('eax', 0x12345678);
    t.write(0x400, [0x90, 0xcf]);
    t.run(1);
    expect(t.reg('eip')).toBe(0x400);
    expect(t.reg('esp') & 0xffff).toBe(0x700);
    expect(t.reg('eax') & 0xffff).toBe(1);
    expect(t.sel('cs')).toBe(SEL.code16);
    expect([t.sel('fs'), t.sel('gs')]).toEqual([0, 0]);
    t.run(2);
    expect(t.reg('eip')).toBe(AT.code + 7);
    expect(t.reg('eax')).toBe(0x12345678);
    expect(t.frames.read16(TSS_C + 14)).toBe(0x402);
    expect(t.frames.read16(TSS_C + 16)).toBe(2);
    expect(busy(t, C)).toBe(false);
  });
  it('loads CR3 while paging is on (SDM vol. 3, 7.3)', () => {
    const t = testMachine({ paging: true });
    taskB(t, { cr3: 0x15000 });
    t.frames.copyFrame(0x15, AT.l3 / 4096);
    t.code(jmp(B));
    t.run(1);
    expect(t.m.r32(t.v + VCPU.cr3)).toBe(0x15000);
    expect(t.reg('eip')).toBe(CODE_B);
  });
  it('loads LDTR, and segments out of the new LDT (SDM vol. 3, 7.3)', () => {
    const t = machine(jmp(B), { ldt: SEL.ldt, ds: 4 | 0 });
    t.frames.write64(AT.ldt, 0x5000_ffff, 0x00cf9300);
    t.run(1);
    expect(t.m.r32(t.v + VCPU.ldtr)).toBe(SEL.ldt);
    expect(t.m.r32(t.v + VCPU.seg + 3 * SEGREG.$size + SEGREG.base)).toBe(0x5000);
  });
  it('enters virtual-8086 mode by EFLAGS.VM in the TSS (SDM vol. 3, 20.2.3)', () => {
    const t = machine(jmp(B), {
      eflags: 0x20002,
      cs: 0x2080,
      ss: 0x1800,
      ds: 0x1801,
      es: 0x1802,
      eip: 0,
      esp: 0x200,
    });
    t.run(1);
    expect(t.reg('eflags')).toBe(0x20002);
    expect(t.m.r32(t.v + VCPU.seg + 3 * SEGREG.$size + SEGREG.base)).toBe(0x18010);
    expect(handled(t)).toMatchObject({ vector: 13 }); // HLT at CPL 3
    expect(t.frames.read32(t.reg('esp') + 8)).toBe(0x2080);
  });
  it('raises #DB before the first instruction when the T flag is set (SDM vol. 3, 17.3.1.5)', () => {
    const t = machine(jmp(B), { trap: true });
    expect(handled(t, 4)).toEqual({ vector: 1, stack: [CODE_B, SEL.code0, 2, 0] });
    expect(t.m.r32(t.v + VCPU.dr + 24) & 0xe00f).toBe(0x8000);
  });
  it('is no moment for a single step: TF of the old task ends with it', () => {
    const t = machine(jmp(B));
    t.setReg('eflags', 0x102);
    t.run(1);
    expect(t.reg('eip')).toBe(CODE_B);
  });
});

describe('interrupts through task gates (SDM vol. 3, 6.14.3)', () => {
  const gate = (t: TestMachine, vector: number, dpl = 0): void =>
    t.frames.write64(AT.idt + 8 * vector, B << 16, 0x8500 | (dpl << 13));
  it('nest the handler and save where to go on', () => {
    const t = machine([0xcd, 0x30]);
    gate(t, 0x30);
    t.write(CODE_B, [0xcf]);
    t.run(1);
    expect(t.reg('eflags')).toBe(0x4002);
    expect(t.frames.read16(TSS_B)).toBe(SEL.tss);
    t.run(1);
    expect(t.reg('eip')).toBe(AT.code + 2);
  });
  it('push the error code on the stack of the new task', () => {
    const t = machine([0x8e, 0xd8]); // mov ds, ax
    t.setReg('eax', 0x100);
    gate(t, 13);
    t.run(1);
    expect(t.reg('eip')).toBe(CODE_B);
    expect(t.reg('esp')).toBe(STACK_B - 4);
    expect(t.frames.read32(STACK_B - 4)).toBe(0x100);
    expect(old(t, 0x20)).toBe(AT.code);
    expect(old(t, 0x24)).toBe(0x10002); // RF: the fault will be repeated
  });
  it('from outside save the next instruction', () => {
    const t = machine([0x90]);
    gate(t, 0x21);
    expect(t.engine.interrupt(t.v, 0x21, 'external')).toBe(EXIT.budget);
    expect(t.reg('eip')).toBe(CODE_B);
    expect(old(t, 0x20)).toBe(AT.code);
    expect(t.reg('esp')).toBe(STACK_B);
  });
  it('are #GP(TSS) when the task is busy, with EXT where the event came from outside the program', () => {
    const t = machine([0xcd, 0x30]);
    gate(t, 0x30);
    tss(t, B, TSS_B, 0x67, 11);
    expect(handled(t)).toMatchObject({ vector: 13, stack: [B, AT.code] });
    const u = machine([0x90]);
    gate(u, 0x21);
    tss(u, B, TSS_B, 0x67, 11);
    u.engine.interrupt(u.v, 0x21, 'external');
    expect(u.frames.read32(u.reg('esp'))).toBe(B | 1);
  });
});

describe('checks before the switch leave everything with the old task (SDM vol. 3, table 7-1)', () => {
  const cases: readonly (readonly [string, (t: TestMachine) => void, number, number])[] = [
    ['a busy TSS is #GP(TSS)', (t) => tss(t, B, TSS_B, 0x67, 11), 13, B],
    ['an absent TSS is #NP(TSS)', (t) => t.descriptor(B, (TSS_B << 16) | 0x67, 0x0901), 11, B],
    ['a short TSS is #TS(TSS)', (t) => tss(t, B, TSS_B, 0x66, 9), 10, B],
    ['a short 16-bit TSS is #TS(TSS)', (t) => tss(t, B, TSS_B, 0x2a, 1), 10, B],
  ];
  for (const [name, spoil, vector, code] of cases) {
    it(name, () => {
      const t = machine(jmp(B));
      spoil(t);
      expect(handled(t, 3)).toMatchObject({ vector, stack: [code, AT.code, SEL.code0] });
      expect(tr(t)).toBe(SEL.tss);
      expect(busy(t, SEL.tss)).toBe(true);
      expect(old(t, 0x20)).toBe(0);
    });
  }
  it('privilege: CPL and RPL may not exceed the DPL of the TSS (SDM vol. 2, JMP)', () => {
    const t = machine(jmp(B));
    setLevel(t, 3);
    expect(handled(t)).toMatchObject({ vector: 13, stack: [B, AT.code] });
    const u = machine(jmp(B | 3));
    expect(handled(u)).toMatchObject({ vector: 13, stack: [B, AT.code] });
  });
  it('a selector in the LDT is #GP(selector) through a task gate', () => {
    const t = machine(jmp(GATE));
    t.descriptor(GATE, (B | 4) << 16, 0x8500);
    expect(handled(t)).toMatchObject({ vector: 13, stack: [B | 4, AT.code] });
  });
  it('IRET to a task that is not busy is #TS(link)', () => {
    const t = machine([0xcf]);
    t.setReg('eflags', 0x4002);
    t.frames.write16(AT.tss, B);
    expect(handled(t)).toMatchObject({ vector: 10, stack: [B, AT.code] });
  });
  it('a page of the old TSS that cannot be written is #PF in the old task', () => {
    const t = testMachine({ paging: true });
    taskB(t, { cr3: AT.l3 });
    t.code(jmp(B));
    t.frames.write64(AT.l1 + 8 * (AT.tss >>> 12), AT.tss | 5, 0);
    expect(handled(t)).toMatchObject({ vector: 14, stack: [3, AT.code] });
    expect(tr(t)).toBe(SEL.tss);
  });
});

describe('checks after the switch raise in the new task, before its first instruction (SDM vol. 3, table 7-1)', () => {
  const cases: readonly (readonly [string, Fields, number, number])[] = [
    ['LDT selector in the LDT: #TS(LDT)', { ldt: SEL.ldt | 4 }, 10, SEL.ldt | 4],
    ['LDT selector of something else: #TS(LDT)', { ldt: SEL.data0 }, 10, SEL.data0],
    ['DS beyond the GDT: #TS(DS)', { ds: 0x1000 }, 10, 0x1000],
    ['ES of a system segment: #TS(ES)', { es: SEL.tss }, 10, SEL.tss],
    ['FS with an RPL above its DPL: #TS(FS)', { fs: SEL.data0 | 3 }, 10, SEL.data0],
    ['EIP beyond CS: #GP(0)', { cs: SEL.code16, eip: 0x10000 }, 13, 0],
  ];
  for (const [name, fields, vector, code] of cases) {
    it(name, () => {
      const t = machine(jmp(B), { ss: SEL.data0, ...fields });
      const got = handled(t);
      expect(got.vector).toBe(vector);
      expect(got.stack[0]).toBe(code);
      expect(got.stack[1]).toBe(fields.eip ?? CODE_B);
      expect(tr(t)).toBe(B);
      expect(t.reg('ebx')).toBe(0xb3);
    });
  }
  it('DS not present: #NP(DS)', () => {
    const t = machine(jmp(B), { ds: GATE });
    t.descriptor(GATE, 0xffff, 0x00cf1300);
    expect(handled(t)).toMatchObject({ vector: 11, stack: [GATE, CODE_B] });
  });
  it('CS of data: #TS(CS); a stack of the wrong level: #TS(SS); both with a task gate as handler', () => {
    for (const [fields, code] of [
      [{ cs: SEL.data0 }, SEL.data0],
      [{ ss: SEL.data3 }, SEL.data3 & ~3],
      [{ ss: 0 }, 0],
    ] as const) {
      const t = machine(jmp(B), fields);
      t.frames.write64(AT.idt + 80, C << 16, 0x8500);
      t.run(1);
      expect(t.run(1)).toBe(EXIT.budget);
      expect(tr(t)).toBe(C);
      expect(t.frames.read16(TSS_C)).toBe(B);
      expect(t.frames.read16(0x700 - 2)).toBe(code);
    }
  });
  it('a fault before SS is loaded finds its stack in the new TSS', () => {
    const t = machine(jmp(B), { ss: 0 });
    expect(handled(t, 3)).toMatchObject({ vector: 10, stack: [0, CODE_B, SEL.code0] });
    expect(t.reg('esp')).toBe(AT.stack0 - 0x100 - 24);
  });
});
