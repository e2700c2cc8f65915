// Instructions that run as one case, and flags that are left alone because nobody sees them: at any tick, when jumped into, when
// written over, when the second half faults.

import { describe, expect, it } from 'vitest';
import { SEQUENCES } from './interpreter-frequent.ts';
import type { InterpreterEngine } from './interpreter.ts';
import { differences } from './lockstep.ts';
import { assembleLines, AT, type TestMachine, testMachine } from './testing.ts';
import { EXIT, VCPU } from './vcpu.ts';

/** Runs the program on both engines in slices of every kind until it halts, comparing registers behind each. */
function same(
  lines: readonly string[],
  prepare: (t: TestMachine) => void = () => {},
  budgets = [1, 2, 3, 5, 13, 100_000],
): TestMachine {
  let last: TestMachine | undefined;
  for (const budget of budgets) {
    const machines = (['reference', 'interpreter'] as const).map((engine) => {
      const t = testMachine({ paging: true, engine });
      t.program(...lines);
      prepare(t);
      return t;
    });
    const registers = ({ m, v }: TestMachine) => m.u32.slice(v >>> 2, (v + VCPU.window) >>> 2);
    for (let exit: number = EXIT.budget, n = 0; exit !== EXIT.halt; n++) {
      if (n > 20_000) throw new Error('does not end');
      for (const t of machines) exit = t.run(budget);
      expect(registers(machines[1]!)).toEqual(registers(machines[0]!));
    }
    expect(differences(machines.map(({ frames }) => ({ name: '', frames, advance: () => true })))).toEqual(
      [],
    );
    last = machines[1]!;
  }
  expect((last!.engine as InterpreterEngine).generatedTicks).toBeGreaterThan(0);
  return last!;
}

describe('instructions that run as one', () => {
  it('are of the shapes that the decoder names', () => {
    expect(SEQUENCES.length).toBeGreaterThan(80);
    for (const keys of SEQUENCES) expect(keys.length).toBeLessThanOrEqual(3);
  });
  it('end loops with the right condition and the flags of the compare', () => {
    for (const jump of ['jb', 'jne', 'jbe', 'jl', 'jle'])
      for (const [step, test] of [
        ['inc eax', 'cmp eax, ebp'],
        ['add eax, 3', 'cmp eax, 40'],
        ['add eax, esi', 'cmp eax, ebp'],
      ])
        same(
          [
            'mov esi, 2',
            'mov ebp, 40',
            'mov eax, -9',
            'mov ecx, 30',
            `again: ${step}`,
            test!,
            `${jump} on`,
            'mov eax, -20',
            'on: pushf',
            'pop ebx',
            'add edx, ebx',
            'rol edx, 3',
            'loop again',
            'hlt',
          ],
          undefined,
          [1, 100_000],
        );
  });
  it('may be jumped into', () => {
    same([
      'mov ecx, 40',
      'again: test cl, 1',
      'jnz second',
      'test cl, 2',
      'jnz third',
      'inc eax',
      'second: cmp eax, 7',
      'third: jb again2',
      'xor eax, ecx',
      'again2: adc edx, eax',
      'loop again',
      'hlt',
    ]);
  });
  it('may be written over, the second by the one before the first', () => {
    // ADD EAX, imm8 behind MOV EAX, [mem]: its immediate changes each time; so does the shift behind MOV EBX, EDX.
    same([
      'mov ecx, 60',
      'again: mov [patch+2], cl',
      'mov eax, [0x18000]',
      'patch: add eax, 1',
      'and ecx, 31',
      'mov [shift+2], cl',
      'mov ebx, edx',
      'shift: shl ebx, 3',
      'xor edx, ebx',
      'xor edx, eax',
      'mov [0x18000], edx',
      'inc edi',
      'lea ecx, [edi+edi*2]',
      'cmp edi, 60',
      'jb again',
      'hlt',
    ]);
  });
  it('leave what the first did when the second faults', () => {
    const handler = ['add esp, 4', 'inc ebp', 'add dword [esp], 2', 'iret'];
    const t = same(
      [
        'mov esi, 0x18000',
        'mov edi, 0x31000',
        'mov ecx, 20',
        'again: mov eax, [esi]',
        'mov ebx, [edi]', // two bytes: stepped over
        'mov ebx, ecx',
        'mov eax, [edi]',
        'adc edx, eax',
        'pop eax',
        'pop ebx',
        'sub esp, 8',
        'loop again',
        'hlt',
      ],
      (machine) => {
        machine.frames.write64(AT.l1 + 0x31 * 8, 0, 0);
        machine.write(AT.handlers + 14 * 16, assembleLines(handler, AT.handlers + 14 * 16));
      },
    );
    expect(t.reg('ebp')).toBe(40);
  });
});

describe('flags that nobody sees', () => {
  it('are seen after all where something between looks, faults or ends the run', () => {
    same([
      'mov ecx, 50',
      'again: add eax, ecx', // dead: ADD, SUB behind set all
      'add eax, 77',
      'sub eax, edx',
      'lea esi, [eax+5]',
      'inc esi', // CF lives on through INC
      'adc edx, 3',
      'shl eax, 1', // dead but for what the MOVZX and XOR leave
      'movzx ebx, al',
      'xor ebx, eax',
      'sub edi, ebx', // seen: the store may fault
      'mov [0x18000], edi',
      'and edi, 0xffff',
      'add eax, edi',
      'pushf',
      'add edi, [esp]',
      'pop eax',
      'imul eax, edi, 77', // dead
      'add edx, eax', // seen: the jump ends the run
      'loop again',
      'hlt',
    ]);
  });
  it('are seen by a fault between', () => {
    // The page of the load is not there: the handler sees the flags of the ADD, not older ones.
    const handler = [
      'add esp, 4',
      'mov ebp, [esp+8]',
      'xor edx, ebp',
      'rol edx, 5',
      'add dword [esp], 2',
      'iret',
    ];
    same(
      [
        'mov edi, 0x31000',
        'mov ecx, 40',
        'again: sub eax, ecx',
        'add ebx, eax',
        'mov esi, [edi]',
        'add eax, 0x1234567',
        'cmp eax, [edi]',
        'sub ecx, 1',
        'jnz again',
        'hlt',
      ],
      (machine) => {
        machine.frames.write64(AT.l1 + 0x31 * 8, 0, 0);
        machine.write(AT.handlers + 14 * 16, assembleLines(handler, AT.handlers + 14 * 16));
      },
    );
  });
});
