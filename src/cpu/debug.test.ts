// Debug exceptions: breakpoints by register, single step, guarded registers, and how MOV SS, RF and string instructions bear on them.
// Written from SDM vol. 3, 17.2-17.3 and 6.8.3.

import { describe, expect, it } from 'vitest';
import type { Bus } from './bus.ts';
import { AT, SEL, testMachine, type TestMachine, type TestOptions } from './testing.ts';
import { EXIT, VCPU } from './vcpu.ts';

const EXECUTE = 0,
  WRITE = 1,
  PORT = 2,
  ACCESS = 3;
const dr = (t: TestMachine, n: number): number => t.m.r32(t.v + VCPU.dr + 4 * n);
const dr6 = (t: TestMachine): number => dr(t, 6) & 0xe00f;

/** Breakpoint n: kind, length in bytes (1, 2, 4), address; locally enabled. */
function breakpoint(t: TestMachine, n: number, kind: number, length: number, at: number): void {
  t.m.w32(t.v + VCPU.dr + 4 * n, at);
  const bits = (1 << (2 * n)) | ((kind | ((length - 1) << 2)) << (16 + 4 * n));
  t.m.w32(t.v + VCPU.dr + 28, (dr(t, 7) | bits) >>> 0);
}
function machine(lines: readonly string[], options: TestOptions = {}): TestMachine {
  const t = testMachine(options);
  t.m.w32(t.v + VCPU.dr + 24, 0xffff0ff0);
  t.m.w32(t.v + VCPU.dr + 28, 0x400);
  t.program(...lines);
  return t;
}
/** Runs to the handler of #DB (or of `vector`); EIP and EFLAGS of the frame. */
function trapped(t: TestMachine, vector = 1): { readonly eip: number; readonly flags: number } {
  expect(t.run(50)).toBe(EXIT.halt);
  expect((t.reg('eip') - 1 - AT.handlers) / 16).toBe(vector);
  const frame = t.reg('esp') + (vector === 13 ? 4 : 0);
  return { eip: t.frames.read32(frame), flags: t.frames.read32(frame + 8) };
}

describe('instruction breakpoints (SDM vol. 3, 17.3.1.1)', () => {
  it('are faults before the instruction, with RF clear in the frame', () => {
    const t = machine(['nop', 'inc eax']);
    breakpoint(t, 2, EXECUTE, 1, AT.code + 1);
    expect(trapped(t)).toEqual({ eip: AT.code + 1, flags: 2 });
    expect(dr6(t)).toBe(4);
    expect(t.reg('eax')).toBe(0);
  });
  it('wait for one instruction when RF is set', () => {
    const t = machine(['nop']);
    t.setReg('eflags', 0x10002);
    breakpoint(t, 0, EXECUTE, 1, AT.code);
    t.write(AT.code + 1, [0xeb, 0xfd]); // jmp back
    expect(trapped(t)).toEqual({ eip: AT.code, flags: 2 });
    expect(t.ticks()).toBe(4); // nop, jmp, the exception, hlt
  });
  it('come before the fetch, and are quiet while disabled', () => {
    const t = machine(['nop'], { paging: true });
    t.setReg('eip', 0x31000);
    t.frames.write64(AT.l1 + 8 * 0x31, 0, 0);
    breakpoint(t, 0, EXECUTE, 1, 0x31000);
    expect(trapped(t).eip).toBe(0x31000);
    const u = machine(['nop', 'hlt']);
    u.m.w32(u.v + VCPU.dr, AT.code);
    expect(u.run(5)).toBe(EXIT.halt);
    expect(u.reg('eip')).toBe(AT.code + 2);
  });
  it('on a repeated string instruction come once', () => {
    const t = machine(['rep movsb', 'hlt']);
    for (const [reg, value] of [
      ['ecx', 3],
      ['esi', AT.data],
      ['edi', AT.data + 64],
    ] as const)
      t.setReg(reg, value);
    t.setReg('eflags', 0x10002);
    breakpoint(t, 0, EXECUTE, 1, AT.code);
    expect(t.run(10)).toBe(EXIT.halt);
    expect(t.reg('eip')).toBe(AT.code + 3);
  });
});

describe('data breakpoints (SDM vol. 3, 17.2.5 and 17.3.1.2)', () => {
  it('are traps behind the instruction', () => {
    const t = machine(['mov [0x18004], eax', 'nop']);
    t.setReg('eax', 7);
    breakpoint(t, 1, WRITE, 4, 0x18004);
    expect(trapped(t)).toEqual({ eip: AT.code + 5, flags: 2 });
    expect(dr6(t)).toBe(2);
    expect(t.frames.read32(0x18004)).toBe(7);
  });
  it('for writing are not met by reading; for access by both', () => {
    const t = machine(['mov eax, [0x18004]', 'hlt']);
    breakpoint(t, 0, WRITE, 4, 0x18004);
    t.run(5);
    expect(t.reg('eip')).toBe(AT.code + 6);
    const u = machine(['mov eax, [0x18004]', 'hlt']);
    breakpoint(u, 3, ACCESS, 4, 0x18004);
    expect(trapped(u).eip).toBe(AT.code + 5);
    expect(dr6(u)).toBe(8);
  });
  it('meet an access that overlaps their aligned range', () => {
    const meets = (length: number, at: number, touched: number): boolean => {
      const t = machine([`mov word [${touched}], 1`, 'hlt']);
      breakpoint(t, 0, WRITE, length, at);
      t.run(5);
      return dr6(t) !== 0;
    };
    expect(meets(1, 0x18003, 0x18002)).toBe(true);
    expect(meets(1, 0x18004, 0x18002)).toBe(false);
    expect(meets(4, 0x18007, 0x18004)).toBe(true);
    expect(meets(4, 0x18007, 0x18002)).toBe(false);
    expect(meets(2, 0x18000, 0x18001)).toBe(true);
  });
  it('are met by the stack and by read-modify-write, and not when the instruction faults', () => {
    const t = machine(['push eax', 'hlt']);
    breakpoint(t, 0, WRITE, 4, AT.stack0 - 4);
    expect(trapped(t).eip).toBe(AT.code + 1);
    const u = machine(['movsb', 'hlt'], { paging: true });
    u.setReg('esi', AT.data);
    u.setReg('edi', 0x31000);
    u.frames.write64(AT.l1 + 8 * 0x31, 0, 0);
    breakpoint(u, 0, ACCESS, 1, AT.data);
    expect(u.run(5)).toBe(EXIT.halt);
    expect((u.reg('eip') - 1 - AT.handlers) / 16).toBe(14);
    expect(dr6(u)).toBe(0);
  });
  it('of a repeated string instruction come after the iteration that met them', () => {
    const t = machine(['rep stosb', 'hlt']);
    for (const [reg, value] of [
      ['ecx', 5],
      ['edi', AT.data],
    ] as const)
      t.setReg(reg, value);
    breakpoint(t, 0, WRITE, 1, AT.data + 2);
    expect(trapped(t)).toEqual({ eip: AT.code, flags: 0x10002 });
    expect(t.reg('ecx')).toBe(2);
  });
  it('clear B0-B3 of an earlier one, nothing else of DR6 (SDM vol. 3, 17.2.3)', () => {
    const t = machine(['mov [0x18004], eax']);
    t.m.w32(t.v + VCPU.dr + 24, 0xffff4ff8);
    breakpoint(t, 1, WRITE, 4, 0x18004);
    trapped(t);
    expect(dr6(t)).toBe(0x4002);
  });
});

describe('I/O breakpoints (SDM vol. 3, 17.2.4)', () => {
  const bus: Bus = {
    frameOf: (pfn) => pfn,
    readMmio: () => 0,
    writeMmio: () => {},
    portIn: () => 0x55,
    portOut: () => {},
    readMsr: () => undefined,
    writeMsr: () => false,
  };
  it('need CR4.DE', () => {
    for (const de of [false, true]) {
      const t = machine(['in al, 0x61', 'hlt'], { bus });
      if (de) t.m.w32(t.v + VCPU.cr4, 8);
      breakpoint(t, 0, PORT, 2, 0x60);
      expect(t.run(5)).toBe(EXIT.halt);
      expect(dr6(t)).toBe(de ? 1 : 0);
      expect(t.reg('eax')).toBe(0x55);
    }
  });
});

describe('single step (SDM vol. 3, 17.3.1.4)', () => {
  it('traps behind the instruction that follows the one that set TF', () => {
    const t = machine(['popfd', 'nop', 'nop']);
    t.setReg('esp', AT.stack0 - 4);
    t.frames.write32(AT.stack0 - 4, 0x102);
    expect(trapped(t)).toEqual({ eip: AT.code + 2, flags: 0x102 });
    expect(dr6(t)).toBe(0x4000);
    expect(t.reg('eflags')).toBe(2);
  });
  it('traps once more behind the instruction that clears TF', () => {
    const t = machine(['popfd', 'nop']);
    t.setReg('esp', AT.stack0 - 4);
    t.frames.write32(AT.stack0 - 4, 2);
    t.setReg('eflags', 0x102);
    expect(trapped(t)).toEqual({ eip: AT.code + 1, flags: 2 });
  });
  it('skips MOV SS but not STI (SDM vol. 3, 6.8.3)', () => {
    const t = machine(['mov ss, ax', 'nop', 'nop']);
    t.setReg('eax', SEL.data0);
    t.setReg('eflags', 0x102);
    expect(trapped(t).eip).toBe(AT.code + 3);
    const u = machine(['sti', 'nop', 'nop']);
    u.setReg('eflags', 0x102);
    expect(trapped(u).eip).toBe(AT.code + 1);
  });
  it('does not trap behind INT n, whose handler runs without TF', () => {
    const t = machine(['int 0x80', 'nop']);
    t.setReg('eflags', 0x102);
    t.write(AT.handlers + 16 * 0x80, [0xcf]);
    expect(trapped(t)).toEqual({ eip: AT.code + 3, flags: 0x102 });
  });
  it('traps behind every iteration of a repeated string instruction', () => {
    const t = machine(['rep lodsb']);
    t.setReg('ecx', 3);
    t.setReg('esi', AT.data);
    t.setReg('eflags', 0x102);
    expect(trapped(t).eip).toBe(AT.code);
    expect(t.reg('ecx')).toBe(2);
  });
  it('a fault shows TF in its frame and no trap', () => {
    const t = machine(['mov ds, ax']);
    t.setReg('eax', 0x1000);
    t.setReg('eflags', 0x102);
    expect(trapped(t, 13)).toEqual({ eip: AT.code, flags: 0x10102 });
    expect(dr6(t)).toBe(0);
  });
  it('ends the halt of HLT', () => {
    const t = machine(['hlt', 'nop']);
    t.setReg('eflags', 0x102);
    expect(trapped(t).eip).toBe(AT.code + 1);
  });
});

describe('MOV SS and POP SS (SDM vol. 3, 6.8.3)', () => {
  it('let a data breakpoint of their own wait for the next instruction', () => {
    const t = machine(['mov ss, [0x18000]', 'nop', 'nop']);
    t.frames.write16(0x18000, SEL.data0);
    breakpoint(t, 0, ACCESS, 2, 0x18000);
    t.run(1); // across the end of a run
    expect(trapped(t).eip).toBe(AT.code + 7);
    expect(dr6(t)).toBe(1);
    expect(t.m.r32(t.v + VCPU.pendingDebug)).toBe(0);
  });
  it('merge what waits into INT1, and hand it to the handler of INT n before its first instruction', () => {
    for (const [bytes, depth] of [
      [[0xf1], 1],
      [[0xcd, 1], 2],
    ] as const) {
      const t = machine([]);
      t.code([0x8e, 0x15, 0, 0x80, 1, 0, ...bytes]); // mov ss, [0x18000]
      t.frames.write16(0x18000, SEL.data0);
      breakpoint(t, 0, ACCESS, 2, 0x18000);
      expect(t.run(10)).toBe(EXIT.halt);
      expect(t.reg('esp')).toBe(AT.stack0 - 12 * depth);
      expect(t.frames.read32(AT.stack0 - 12)).toBe(AT.code + 6 + bytes.length);
      expect(dr6(t)).toBe(1);
    }
  });
  it('suppress an instruction breakpoint on the next instruction', () => {
    const t = machine(['mov ss, ax', 'nop', 'hlt']);
    t.setReg('eax', SEL.data0);
    breakpoint(t, 0, EXECUTE, 1, AT.code + 2);
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.reg('eip')).toBe(AT.code + 4);
  });
});

describe('debug registers', () => {
  it('under DR7.GD are #DB before the access, which clears GD (SDM vol. 3, 17.2.4)', () => {
    const t = machine(['mov eax, dr0']);
    t.m.w32(t.v + VCPU.dr + 28, 0x2400);
    expect(trapped(t).eip).toBe(AT.code);
    expect(dr6(t)).toBe(0x2000);
    expect(dr(t, 7)).toBe(0x400);
  });
  it('above level 0 are #GP(0), whatever GD says', () => {
    const t = machine(['mov eax, dr0'], { cpl: 3 });
    t.m.w32(t.v + VCPU.dr + 28, 0x2400);
    expect(trapped(t, 13).eip).toBe(AT.code);
  });
  it('DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE (SDM vol. 3, 17.2.2)', () => {
    const t = machine(['mov eax, dr5', 'hlt']);
    t.run(5);
    expect(t.reg('eax')).toBe(0x400);
    const u = machine(['mov eax, dr4']);
    u.m.w32(u.v + VCPU.cr4, 8);
    expect(trapped(u, 6).eip).toBe(AT.code);
  });
  it('have fixed bits (SDM vol. 3, figure 17-1)', () => {
    const t = machine(['mov dr6, eax', 'mov dr7, ebx', 'mov ecx, dr6', 'mov edx, dr7', 'hlt']);
    t.setReg('eax', 0);
    t.setReg('ebx', 0xffffdf00);
    t.run(10);
    expect(t.reg('ecx')).toBe(0xffff0ff0);
    expect(t.reg('edx')).toBe(0xffff0f00);
  });
  it('in effect from the instruction behind MOV DR7 on', () => {
    const t = machine(['mov dr7, eax', 'mov dr0, ecx', 'mov dr7, eax', 'nop']);
    t.setReg('eax', 0x402);
    t.setReg('ecx', AT.code + 9);
    expect(trapped(t).eip).toBe(AT.code + 9);
  });
});
