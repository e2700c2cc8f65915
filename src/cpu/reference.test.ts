// The reference engine against the manual: flags, faults, translation, exact budgets.

import { describe, expect, it } from 'vitest';
import { AT, testMachine } from './testing.ts';
import { EXIT, VCPU } from './vcpu.ts';

describe('first steps', () => {
  it('adds, moves and halts', () => {
    const t = testMachine();
    // mov eax, 5; add eax, 7; push eax; pop ebx; hlt
    t.code([0xb8, 5, 0, 0, 0, 0x83, 0xc0, 7, 0x50, 0x5b, 0xf4]);
    expect(t.run(100)).toBe(EXIT.halt);
    expect(t.reg('eax')).toBe(12);
    expect(t.reg('ebx')).toBe(12);
    expect(t.ticks()).toBe(5);
    expect(t.reg('esp')).toBe(AT.stack0);
    expect(t.reg('eflags')).toBe(0x6);
  });
  it('counts down a loop', () => {
    const t = testMachine({ paging: true, cpl: 3 });
    // mov ecx, 1000; l: dec ecx; jnz l; int 0x80
    t.code([0xb9, 0xe8, 3, 0, 0, 0x49, 0x75, 0xfd, 0xcd, 0x80]);
    expect(t.run(1e6)).toBe(EXIT.halt);
    expect(t.ticks()).toBe(1 + 2000 + 1 + 1);
    expect(t.reg('eip')).toBe(AT.handlers + 0x80 * 16 + 1);
    expect(t.m.r32(t.v + VCPU.gpr + 16)).toBe(AT.stack0 - 20);
  });
});
