// What an engine may not let show: how many ticks it was given at a time, what it had cached, where a rep was interrupted.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stateArea, stateAreaSize } from '../memory/map.ts';
import { AT, runToHandler, type TestMachine, testMachine } from './testing.ts';
import { EXIT, VCPU } from './vcpu.ts';

const PROGRAM = [
  'mov ecx, 40',
  'mov ebx, 0x18000',
  'again: add eax, ecx',
  'imul edx, eax, 77',
  'mov [ebx+ecx*4], edx',
  'push edx',
  'call twist',
  'pop edx',
  'loop again',
  'mov ecx, 100',
  'mov esi, 0x18000',
  'mov edi, 0x18800',
  'rep movsb',
  'inc byte [patch]', // the immediate of the instruction at patch - 1
  'mov al, 1',
  'jmp 0x20000',
  'twist: xor eax, [esp+4]',
  'rol eax, 5',
  'int 0x80',
  'ret',
];

function build(): TestMachine {
  const t = testMachine({ paging: true, cpl: 3 });
  // The handler of int 0x80 returns at once.
  t.write(AT.handlers + 0x80 * 16, [0xcf]);
  t.program(...PROGRAM.map((line) => line.replace('[patch]', `[${AT.code + 1}]`)));
  return t;
}

/** Everything that is the machine: STATE and RAM. */
function image(t: TestMachine): string {
  const bytes = t.m.u8;
  let h = 0;
  const mix = (from: number, length: number): void => {
    for (let i = from; i < from + length; i++) h = (Math.imul(h, 31) + bytes[i]!) | 0;
  };
  mix(stateArea('header'), stateAreaSize('header'));
  mix(stateArea('vcpus'), stateAreaSize('vcpus'));
  mix(16 * 1024 * 1024, 4 * 1024 * 1024);
  return `${h} T=${t.ticks()} eip=${t.reg('eip').toString(16)} eax=${t.reg('eax').toString(16)}`;
}

describe('budgets', () => {
  it('run(1) a thousand times is run(1000), byte for byte', () => {
    const whole = build(),
      single = build();
    whole.run(3000);
    for (let i = 0; i < 3000; i++) expect(single.run(1)).toBe(EXIT.budget);
    expect(single.ticks()).toBe(3000);
    expect(image(single)).toBe(image(whole));
  });
  it('any slices, with caches dropped between them, give the same machine', () => {
    const expected = build();
    expected.run(2500);
    const want = image(expected);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 97 }), fc.integer({ min: 0, max: 3 })), { minLength: 5 }),
        (slices) => {
          const t = build();
          let left = 2500;
          for (const [length, drop] of slices) {
            const n = Math.min(length, left);
            if (n === 0) break;
            if (drop === 1) t.engine.dropCaches();
            if (drop === 2) t.frames.dropCaches();
            if (drop === 3) t.frames.markAllClean();
            t.run(n);
            left -= n;
          }
          if (left > 0) t.run(left);
          expect(image(t)).toBe(want);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('self-modifying code', () => {
  it('counts for the next instruction', () => {
    const t = testMachine();
    // The second instruction overwrites the immediate of the third.
    t.program('mov eax, 0x99', `mov [${AT.code + 11}], al`, 'mov ebx, 1', 'hlt');
    expect(t.run(1)).toBe(EXIT.budget);
    expect(t.run(10)).toBe(EXIT.halt);
    expect(t.reg('ebx')).toBe(0x99);
  });
  it('counts when it has run before, from another page and across a page end', () => {
    const t = testMachine({ paging: true });
    const at = 0x2fffd; // mov ecx, imm32 over the end of the page
    t.write(at, [0xb9, 1, 0, 0, 0, 0xc3]);
    t.program('call 0x2fffd', 'mov edx, ecx', 'mov byte [0x30000], 7', 'call 0x2fffd', 'hlt');
    expect(t.run(20)).toBe(EXIT.halt);
    expect(t.reg('edx')).toBe(1);
    expect(t.reg('ecx')).toBe(0x070001);
  });
});

describe('rep', () => {
  it('stops at a page fault with architectural registers and goes on from there', () => {
    const t = testMachine({ paging: true, cpl: 3 });
    t.frames.write64(AT.l1 + 0x31 * 8, 0, 0);
    t.program('mov eax, 0x5a', 'mov ecx, 32', 'mov edi, 0x30ff0', 'rep stosb', 'int 0x80');
    expect(runToHandler(t)).toMatchObject({ vector: 14, code: 6, eip: AT.code + 15 });
    expect(t.reg('ecx')).toBe(16);
    expect(t.reg('edi')).toBe(0x31000);
    expect(t.ticks()).toBe(3 + 16 + 1 + 1); // the handler's HLT is a tick too
    t.frames.write64(AT.l1 + 0x31 * 8, 0x31007, 0);
    const back = testFrame(t);
    t.code([0xcf], AT.handlers + 14 * 16 + 8); // IRET
    t.setReg('esp', back);
    t.run(18);
    expect(t.reg('ecx')).toBe(0);
    expect(t.frames.read8(0x3100f)).toBe(0x5a);
    expect(t.frames.read8(0x31010)).toBe(0);
  });
  it('stops anywhere between two iterations', () => {
    const t = testMachine();
    t.program('mov ecx, 10', 'mov edi, 0x18000', 'rep stosd', 'hlt');
    t.run(2 + 4);
    expect(t.reg('ecx')).toBe(6);
    expect(t.reg('edi')).toBe(0x18010);
    expect(t.reg('eip')).toBe(AT.code + 10);
    t.run(6);
    expect(t.reg('eip')).toBe(AT.code + 12);
    expect(t.run(1)).toBe(EXIT.halt);
    expect(t.ticks()).toBe(13);
  });
  it('compares until the condition fails', () => {
    const t = testMachine();
    t.write(0x18000, [1, 2, 3, 4]);
    t.write(0x18010, [1, 2, 9, 4]);
    t.program('mov ecx, 4', 'mov esi, 0x18000', 'mov edi, 0x18010', 'repe cmpsb', 'hlt');
    t.run(100);
    expect(t.reg('ecx')).toBe(1);
    expect(t.reg('eflags') & 0x41).toBe(1);
  });
  it('with a count of zero is one tick and touches nothing', () => {
    const t = testMachine({ paging: true, cpl: 3 });
    t.program('mov edi, 0xf0000000', 'rep stosb', 'int 0x80');
    t.run(2);
    expect(t.reg('eip')).toBe(AT.code + 7);
    expect(t.ticks()).toBe(2);
  });
});

/** ESP of the frame without its error code. */
const testFrame = (t: TestMachine): number => t.reg('esp') + 4;

describe('traps', () => {
  it('single step comes after the instruction, with EIP behind it', () => {
    const t = testMachine({ cpl: 3 });
    t.setReg('eflags', 0x102);
    t.program('inc eax', 'inc ebx');
    const got = runToHandler(t);
    expect(got).toMatchObject({ vector: 1, eip: AT.code + 1 });
    expect(got.eflags & 0x100).toBe(0x100);
    expect(t.m.r32(t.v + VCPU.dr + 24) & 0x4000).toBe(0x4000);
    expect(t.reg('ebx')).toBe(0);
  });
  it('MOV SS holds it back for one instruction', () => {
    const t = testMachine();
    t.setReg('eflags', 0x102);
    t.code([0x8e, 0xd0, 0x43, 0x41]); // mov ss, eax; inc ebx; inc ecx
    t.setReg('eax', 0x10);
    expect(runToHandler(t)).toMatchObject({ vector: 1, eip: AT.code + 3 });
    expect([t.reg('ebx'), t.reg('ecx')]).toEqual([1, 0]);
  });
  it('a fault is a tick of the bare machine and does not retire', () => {
    const t = testMachine();
    t.program('ud2');
    t.run(1);
    expect(t.reg('eip')).toBe(AT.handlers + 6 * 16);
    expect(t.ticks()).toBe(1);
  });
  it('bytes that are no instruction are named', () => {
    const t = testMachine();
    t.code([0x0f, 0x04, 0x11]);
    expect(runToHandler(t)).toMatchObject({ vector: 6, eip: AT.code });
    expect(t.records().find((r) => r.type === 'ud')).toMatchObject({ aux: 2, eip: AT.code });
  });
  it('RDTSC is T', () => {
    const t = testMachine();
    t.program('nop', 'nop', 'rdtsc', 'hlt');
    t.run(10);
    expect(t.reg('eax')).toBe(2);
  });
});
