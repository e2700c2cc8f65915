// The processor of a PV guest: the system window, exits to Xen, the direct gate of int 0x80, silent moments, emulation for the hypervisor.

import { describe, expect, it } from 'vitest';
import { INVALID_MFN } from '../memory/addresses.ts';
import { TRAP_KIND } from '../trace/records.ts';
import { REFUSED, type SystemEnv } from './engine.ts';
import { AT, SEL, type TestMachine, testMachine } from './testing.ts';
import {
  BELIEF,
  EXIT,
  VCPU,
  VCPU_MODE,
  WINDOW_GDT,
  WINDOW_IDT,
  WINDOW_LDT,
  WINDOW_STACK,
  WINDOW_TSS,
} from './vcpu.ts';

const XEN_ENTRY = 0xffc23000;

/** A PV machine on the test tables: GDT, IDT and TSS behind the window, every gate into ring 0 but the one of int 0x80. */
function pvMachine(cpl: 1 | 3): TestMachine {
  const t = testMachine({ paging: true, cpl });
  const { m, v, frames } = t;
  m.w32(v + VCPU.mode, VCPU_MODE.pv);
  for (let i = 0; i < 40; i++) m.w32(v + VCPU.window + 4 * i, INVALID_MFN);
  const map = (slot: number, maddr: number): void => m.w32(v + VCPU.window + 4 * slot, maddr >>> 12);
  map(0, AT.gdt);
  map(32, AT.idt);
  map(33, AT.tss);
  map(34, 0x17000);
  const set = (field: number, value: number): void => m.w32(v + field, value);
  set(VCPU.gdtrBase, WINDOW_GDT);
  set(VCPU.idtrBase, WINDOW_IDT);
  set(VCPU.tr + 4, WINDOW_TSS);
  set(VCPU.eflags, 0x202);
  for (let n = 0; n < 256; n++) {
    const dpl = n === 3 || n === 4 ? 3 : n === 0x82 ? 1 : 0;
    const entry = XEN_ENTRY + 16 * n;
    frames.write64(
      AT.idt + 8 * n,
      (SEL.code0 << 16) | (entry & 0xffff),
      (entry & 0xffff0000) | 0x8e00 | (dpl << 13),
    );
  }
  frames.write64(AT.idt + 8 * 0x80, (SEL.code1 << 16) | 0x4000, 0x00010000 | 0xef00);
  frames.write32(AT.tss + 4, WINDOW_STACK + 0x1000);
  return t;
}
const exitOf = (t: TestMachine): Record<string, number> => {
  const read = (field: number): number => t.m.r32(t.v + field);
  return {
    vector: read(VCPU.exitVector),
    code: read(VCPU.exitCode),
    hasCode: read(VCPU.exitHasCode),
    kind: read(VCPU.exitKind),
    cr2: read(VCPU.exitCr2),
    eip: read(VCPU.exitEip),
  };
};

describe('exits to Xen', () => {
  it('a software interrupt leaves EIP behind the instruction, and counts its tick', () => {
    const t = pvMachine(1);
    t.program('mov eax, 17', 'int 0x82', 'nop');
    expect(t.run(100)).toBe(EXIT.trap);
    expect(exitOf(t)).toEqual({
      vector: 0x82,
      code: 0,
      hasCode: 0,
      kind: TRAP_KIND.int,
      cr2: 0,
      eip: AT.code + 5,
    });
    expect(t.reg('eip')).toBe(AT.code + 7);
    expect(t.ticks()).toBe(2);
    expect([t.sel('cs'), t.sel('ss'), t.reg('esp'), t.reg('eflags')]).toEqual([
      SEL.code1,
      SEL.data1,
      AT.stack1,
      0x202,
    ]);
    // What the processor pushed lies at the top of Xen's stack page.
    const frame = [0, 1, 2, 3, 4].map((i) => t.frames.read32(0x18000 - 20 + 4 * i));
    expect(frame).toEqual([AT.code + 7, SEL.code1, 0x202, AT.stack1, SEL.data1]);
  });
  it('a fault leaves EIP at the instruction, without a tick', () => {
    const t = pvMachine(3);
    t.program('nop', 'mov eax, [0x40000123]');
    t.frames.write64(AT.l3 + 8, 0, 0);
    expect(t.run(100)).toBe(EXIT.trap);
    expect(exitOf(t)).toEqual({
      vector: 14,
      code: 4,
      hasCode: 1,
      kind: TRAP_KIND.exception,
      cr2: 0x40000123,
      eip: AT.code + 1,
    });
    expect(t.reg('eip')).toBe(AT.code + 1);
    expect(t.ticks()).toBe(1);
    expect(t.frames.read32(0x18000 - 24)).toBe(4);
  });
  it('ring 3 may not use the hypercall gate', () => {
    const t = pvMachine(3);
    t.program('int 0x82');
    expect(t.run(1)).toBe(EXIT.trap);
    expect(exitOf(t)).toMatchObject({ vector: 13, code: 0x412, eip: AT.code });
  });
  it('INT3 and INTO have their kinds', () => {
    const t = pvMachine(3);
    t.program('int3');
    t.run(1);
    expect(exitOf(t)).toMatchObject({ vector: 3, kind: TRAP_KIND.int3 });
    t.setReg('eflags', 0xa02);
    t.program('into');
    t.run(1);
    expect(exitOf(t)).toMatchObject({ vector: 4, kind: TRAP_KIND.into });
  });
  it('privileged instructions are #GP(0)', () => {
    const t = pvMachine(1);
    t.program('mov eax, cr3');
    expect(t.run(1)).toBe(EXIT.trap);
    expect(exitOf(t)).toMatchObject({ vector: 13, code: 0, hasCode: 1 });
  });
});

describe('int 0x80 through a gate of ring 1', () => {
  it('enters the kernel without Xen, with a record', () => {
    const t = pvMachine(3);
    t.program('int 0x80');
    t.setReg('eflags', 0x4302); // NT, TF, IF
    expect(t.run(1)).toBe(EXIT.budget);
    expect([t.sel('cs'), t.sel('ss'), t.reg('eip'), t.reg('esp')]).toEqual([
      SEL.code1,
      SEL.data1,
      0x14000,
      AT.stack1 - 20,
    ]);
    expect(t.reg('eflags')).toBe(0x202);
    expect([0, 1, 2, 3, 4].map((i) => t.frames.read32(AT.stack1 - 20 + 4 * i))).toEqual([
      AT.code + 2,
      SEL.code3,
      0x4302,
      AT.stack3,
      SEL.data3,
    ]);
    expect(t.ticks()).toBe(1);
    expect(t.records().find((r) => r.type === 'ringchange')).toMatchObject({
      aux: 0x80,
      cpl: 3,
      outcome: 'direct',
      p: [3, 1, SEL.code1, 0x14000, AT.stack1 - 20, 0, 0, 0],
    });
  });
  it('IRET with NT at ring 1 asks for a task of 32 bits: the link of the TSS is no task', () => {
    const t = pvMachine(1);
    t.m.w32(t.v + VCPU.eflags, 0x4202);
    t.program('iretd');
    expect(t.run(1)).toBe(EXIT.trap);
    expect(exitOf(t)).toMatchObject({ vector: 10, hasCode: 1, code: 0, eip: AT.code });
  });
  it('IRET goes back, and cannot clear IF', () => {
    const t = pvMachine(1);
    t.setReg('esp', AT.stack1 - 20);
    [AT.code + 0x100, SEL.code3, 0x3046, AT.stack3, SEL.data3].forEach((word, i) => {
      t.frames.write32(AT.stack1 - 20 + 4 * i, word);
    });
    t.program('iretd');
    expect(t.run(1)).toBe(EXIT.budget);
    expect([t.sel('cs'), t.sel('ss'), t.reg('eip'), t.reg('esp')]).toEqual([
      SEL.code3,
      SEL.data3,
      AT.code + 0x100,
      AT.stack3,
    ]);
    expect(t.reg('eflags')).toBe(0x246);
    expect(t.sel('ds')).toBe(0);
    const silent = t.records().filter((r) => r.type === 'silent');
    expect(silent.map((r) => r.p.slice(0, 4))).toEqual([[0x046, 0x246, 0x046, 0x200]]);
  });
  it('a bad kernel stack is an exception of the INT', () => {
    const t = pvMachine(3);
    t.frames.write32(AT.tss + 16, SEL.data3);
    t.program('int 0x80');
    expect(t.run(1)).toBe(EXIT.trap);
    expect(exitOf(t)).toMatchObject({ vector: 10, code: SEL.data3 & ~3, eip: AT.code });
  });
});

describe('the system window', () => {
  it('is for implicit accesses only', () => {
    for (const cpl of [1, 3] as const) {
      const t = pvMachine(cpl);
      t.frames.write64(AT.l3 + 24, 0, 0);
      t.program(`mov eax, [${WINDOW_GDT + 8}]`);
      expect(t.run(1)).toBe(EXIT.trap);
      expect(exitOf(t)).toMatchObject({ vector: 14, cr2: WINDOW_GDT + 8 });
    }
  });
  it('serves segment loads, and asks for an LDT page that is not there', () => {
    const t = pvMachine(1);
    t.m.w32(t.v + VCPU.ldtr, SEL.ldt);
    t.m.w32(t.v + VCPU.ldtr + 4, WINDOW_LDT);
    t.m.w32(t.v + VCPU.ldtr + 8, 0xffff);
    t.m.w32(t.v + VCPU.ldtr + 12, 0x82);
    t.frames.write64(AT.ldt + 8, 0xffff, 0x00cfb300);
    t.program('mov eax, 0xd', 'mov es, ax', 'nop');
    expect(t.run(5)).toBe(EXIT.trap);
    expect(exitOf(t)).toMatchObject({ vector: 14, code: 0, cr2: WINDOW_LDT + 8, eip: AT.code + 5 });
    t.m.w32(t.v + VCPU.window + 4 * 16, AT.ldt >>> 12);
    expect(t.run(1)).toBe(EXIT.budget);
    expect(t.sel('es')).toBe(0xd);
  });
});

describe('silent moments', () => {
  const silent = (t: TestMachine): readonly (readonly number[])[] =>
    t
      .records()
      .filter((r) => r.type === 'silent')
      .map((r) => r.p.slice(0, 4));
  it('POPF does not clear IF, and nobody is told', () => {
    const t = pvMachine(1);
    t.m.w32(t.v + VCPU.beliefs + 4 * BELIEF.eflagsIf, 1);
    t.program('push 2', 'popfd', 'push 0x202', 'popfd', 'nop');
    t.run(5);
    expect(t.reg('eflags')).toBe(0x202);
    expect(silent(t)).toEqual([[0x002, 0x202, 0x002, 0x200]]);
  });
  it('answers that show the wrong machine', () => {
    const t = pvMachine(1);
    t.m.w32(t.v + VCPU.beliefs + 4 * BELIEF.eflagsIf, 0);
    t.program(
      'mov eax, cs',
      'pushfd',
      'sidt [0x18000]',
      'push ds',
      'str eax',
      `mov ecx, ${SEL.code1}`,
      'lar edx, cx',
      'mov ecx, cs',
      'nop',
    );
    t.run(20);
    expect(silent(t)).toEqual([
      [0, SEL.code1, SEL.code1 & ~3, 1],
      [0, 0x202, 0x002, 0x200],
      [0, WINDOW_IDT, 0, WINDOW_IDT],
      [0, SEL.tss, 0, SEL.tss],
      [0, 0xcfbb00, 0xcf9b00, 0x2000],
      [0, SEL.code1, SEL.code1 & ~3, 1],
    ]);
  });
  it('do not happen where the answer is the same', () => {
    const t = pvMachine(1);
    t.m.w32(t.v + VCPU.beliefs + 4 * BELIEF.eflagsIf, 1);
    t.program(
      'pushfd',
      'popfd',
      'push es',
      'pop es',
      `mov ecx, ${SEL.data3}`,
      'verw cx',
      'mov eax, ds',
      'nop',
    );
    t.run(8);
    expect(t.sel('es')).toBe(SEL.data1);
    expect(silent(t)).toEqual([]);
  });
});

describe('emulate', () => {
  const environment = (over: Partial<SystemEnv>): SystemEnv => ({
    allows: () => true,
    readSys: () => REFUSED,
    writeSys: () => REFUSED,
    portIn: () => REFUSED,
    portOut: () => REFUSED,
    ...over,
  });
  it('takes sys from the environment and moves on, without a tick', () => {
    const t = pvMachine(1);
    t.program('mov eax, cr3');
    const asked: string[] = [];
    const result = t.engine.emulate(t.v, environment({ readSys: (name) => asked.push(name) && 0x1234000 }));
    expect(result).toMatchObject({ kind: 'done', mnemonic: 'mov' });
    expect(asked).toEqual(['cr3']);
    expect([t.reg('eax'), t.reg('eip'), t.ticks()]).toEqual([0x1234000, AT.code + 3, 0]);
  });
  it('what is refused changes nothing', () => {
    const t = pvMachine(1);
    t.program('in eax, dx');
    t.setReg('eax', 77);
    expect(t.engine.emulate(t.v, environment({})).kind).toBe('unhandled');
    expect([t.reg('eax'), t.reg('eip')]).toEqual([77, AT.code]);
  });
  it('serves MSRs, ports and TS', () => {
    const t = pvMachine(1);
    const seen: unknown[] = [];
    t.setReg('ecx', 0xc0000080);
    t.program('rdmsr');
    t.engine.emulate(t.v, environment({ readSys: (name) => seen.push(name) && 0x500000800 }));
    expect([t.reg('eax'), t.reg('edx')]).toEqual([0x800, 5]);
    t.setReg('edx', 0x60);
    t.program('out dx, al');
    t.engine.emulate(t.v, environment({ portOut: (...a) => void seen.push(a) }));
    t.program('clts');
    t.engine.emulate(t.v, environment({ writeSys: (...a) => void seen.push(a) }));
    expect(seen).toEqual(['msr:0xc0000080', [0x60, 8, 0], ['ts', 0]]);
  });
  it('hands the final store over, and reads before it as usual', () => {
    const t = pvMachine(1);
    t.frames.write64(AT.l1 + 0x30 * 8, 0x30005, 0); // read-only
    t.frames.write32(0x30010, 0x100);
    t.program('lock or dword [0x30010], 0x63');
    const stores: number[][] = [];
    const result = t.engine.emulate(t.v, environment({ store: (...a) => stores.push(a) > 0 }));
    expect(result.kind).toBe('done');
    expect(stores).toEqual([[0x30010, 32, 0x163, 0]]);
    expect(t.frames.read32(0x30010)).toBe(0x100);
  });
  it('reports a fault of its own accesses', () => {
    const t = pvMachine(1);
    t.program('outsb');
    t.setReg('esi', 0x40000000);
    t.frames.write64(AT.l3 + 8, 0, 0);
    expect(t.engine.emulate(t.v, environment({}))).toMatchObject({
      kind: 'fault',
      vector: 14,
      code: 0,
      cr2: 0x40000000,
    });
    expect(t.reg('esi')).toBe(0x40000000);
  });
});
