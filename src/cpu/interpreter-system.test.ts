// System calls, faults and returns in generated code: levels, segments and tables change without a look of the engine, at any tick, and
// whatever generated code does not do by itself the engine finds as it was.

import { describe, expect, it } from 'vitest';
import type { InterpreterEngine } from './interpreter.ts';
import { differences } from './lockstep.ts';
import { assembleLines, AT, SEL, type TestMachine, testMachine } from './testing.ts';
import { EXIT, VCPU } from './vcpu.ts';

const HANDLERS = 0x22000;
const ABSENT = 0x31000;

/** Handlers by vector; each is put behind the other, and the IDT told. */
const KERNEL: Readonly<Record<number, { readonly user: boolean; readonly lines: readonly string[] }>> = {
  // A system call: kernel segments in, a checked segment (limit 64 KiB) for a while, the user's segments back.
  128: {
    user: true,
    lines: [
      'push ds',
      'push es',
      `mov ecx, ${SEL.data16}`,
      'mov ds, cx',
      'mov eax, [0x8000]',
      'inc dword [0x8000]',
      `mov ecx, ${SEL.data0}`,
      'mov ds, cx',
      'mov es, cx',
      'add [0x18004], eax',
      'pop es',
      'pop ds',
      'iret',
    ],
  },
  3: { user: true, lines: ['pushf', 'pop ebx', 'sti', 'cli', 'iret'] },
  0: { user: false, lines: ['add dword [esp], 2', 'mov ebp, 7', 'iret'] },
  13: { user: false, lines: ['pop eax', 'inc dword [esp]', 'iret'] },
  // A page fault: the page is mapped for good after the third time.
  14: {
    user: false,
    lines: [
      'add esp, 4',
      'mov edi, cr2',
      'inc dword [0x18008]',
      'cmp dword [0x18008], 3',
      'jb skip',
      `mov dword [${AT.l1 + (ABSENT >>> 12) * 8}], ${ABSENT + 7}`,
      'invlpg [edi]',
      'iret',
      'skip: add dword [esp], 6',
      'iret',
    ],
  },
};
const USER = [
  'mov esi, 60',
  'again: mov eax, esi',
  'int 0x80',
  'xor edx, edx',
  'xor ecx, ecx',
  'int3',
  'div ecx',
  'add edx, ebp',
  'cli',
  'add edx, eax',
  `add [${ABSENT}], edx`,
  'push esi',
  'popf', // IF and IOPL are not the user's to change
  'adc edx, ebx',
  'dec esi',
  'jnz again',
  'hlt', // #GP: stepped over
  'jmp 0x20000',
];

function build(engine: 'reference' | 'interpreter', insist: boolean): TestMachine {
  const t = testMachine({ engine, paging: true, cpl: 3 });
  if (engine === 'interpreter' && insist) (t.engine as InterpreterEngine).insist();
  t.program(...USER);
  let at = HANDLERS;
  for (const [vector, { user, lines }] of Object.entries(KERNEL)) {
    const bytes = assembleLines(lines, at);
    t.write(at, bytes);
    t.frames.write64(
      AT.idt + 8 * Number(vector),
      (SEL.code0 << 16) | (at & 0xffff),
      (at & 0xffff0000) | (user ? 0xee00 : 0x8e00),
    );
    at += bytes.length + 3;
  }
  t.frames.write64(AT.l1 + (ABSENT >>> 12) * 8, 0, 0);
  return t;
}
const registersOf = ({ m, v }: TestMachine) => m.u32.slice(v >>> 2, (v + VCPU.window) >>> 2);
const sidesOf = (machines: readonly TestMachine[]) =>
  machines.map(({ frames }) => ({ name: '', frames, advance: () => true }));

describe('system calls and faults in generated code', () => {
  for (const insist of [false, true])
    it(`stop at any tick and are the reference's there${insist ? ', cut after every instruction' : ''}`, () => {
      for (const budget of [1, 2, 3, 5, 11, 64, 997]) {
        const machines = [build('reference', insist), build('interpreter', insist)];
        for (let i = 0; i < 220; i++) {
          for (const t of machines) expect(t.run(budget)).toBe(EXIT.budget);
          expect(registersOf(machines[1]!)).toEqual(registersOf(machines[0]!));
        }
        expect(differences(sidesOf(machines))).toEqual([]);
        expect(machines[1]!.frames.read32(0x18008)).toBeGreaterThan(0);
      }
    });
  it('need the engine for few ticks', () => {
    const t = build('interpreter', false);
    t.run(5_000);
    const before = (t.engine as InterpreterEngine).generatedTicks;
    t.run(100_000);
    expect((t.engine as InterpreterEngine).generatedTicks - before).toBeGreaterThan(90_000);
  });
  it('stop for an interrupt that POPF or IRET lets in', () => {
    for (const enable of [
      ['push 0x202', 'popf'],
      ['pushf', 'or dword [esp], 0x200', 'push cs', 'push next', 'iret'],
    ]) {
      const ends = (['reference', 'interpreter'] as const).map((engine) => {
        const t = testMachine({ engine });
        t.program('mov ecx, 9', ...enable, 'next: nop', 'inc eax', 'hlt');
        t.m.w32(t.v + VCPU.intr, 1);
        return [t.run(1000), t.reg('eip'), t.ticks()];
      });
      expect(ends[0]![0]).toBe(EXIT.interrupt);
      expect(ends[1]).toEqual(ends[0]);
    }
  });
  it('take a trap flag from the frame of an IRET to the very next instruction', () => {
    const ends = (['reference', 'interpreter'] as const).map((engine) => {
      const t = testMachine({ engine });
      t.program(
        'mov ecx, 3',
        'push 0x102',
        'push cs',
        'push next',
        'iret',
        'next: inc eax',
        'inc eax',
        'hlt',
      );
      return [t.run(1000), t.reg('eip'), t.reg('eax'), t.ticks()];
    });
    expect(ends[0]).toEqual([EXIT.halt, AT.handlers + 16 + 1, 1, expect.any(Number)]);
    expect(ends[1]).toEqual(ends[0]);
  });
  it('come to 16-bit code and back', () => {
    const machines = (['reference', 'interpreter'] as const).map((engine) => {
      const t = testMachine({ engine });
      // IRET to a 16-bit segment; a 32-bit far jump out of it.
      t.write(0x6000, [0x40, 0x66, 0xea, 0x40, 0, 2, 0, SEL.code0, 0]);
      t.write(AT.code + 0x40, assembleLines(['inc ebx', 'cmp ebx, 50', 'jb 0x20000', 'hlt'], AT.code + 0x40));
      t.program('push 2', `push ${SEL.code16}`, 'push 0x6000', 'iret');
      return t;
    });
    for (const t of machines) expect(t.run(10_000)).toBe(EXIT.halt);
    expect(differences(sidesOf(machines))).toEqual([]);
    expect(machines[1]!.reg('ebx')).toBe(50);
  });
});
