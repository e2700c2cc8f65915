// Stores to watched frames and page walks in generated code, against the reference engine, at any tick: page tables, code, data beside code.

import { describe, expect, it } from 'vitest';
import type { InterpreterEngine } from './interpreter.ts';
import { differences } from './lockstep.ts';
import { CR4_PAE, CR4_PSE } from './paging.ts';
import { assembleLines, AT, type TestMachine, testMachine, type TestOptions } from './testing.ts';
import { EXIT, VCPU } from './vcpu.ts';

const WINDOW = 0x40000; // the page that is mapped here and there
const LEAF = AT.l1 + (WINDOW >>> 12) * 8;
const FRAMES = 0x50000; // the frames it is mapped to
const DIRECTORY = 0x60000,
  TABLE = 0x61000;

type Prepare = (t: TestMachine) => void;

/** Runs the program on both engines in slices of every kind until it halts; returns the interpreter's machine. */
function same(lines: readonly string[], options: TestOptions = {}, prepare: Prepare = () => {}): TestMachine {
  let last: TestMachine | undefined;
  for (const budget of [1, 2, 7, 100_000]) {
    const machines = (['reference', 'interpreter'] as const).map((engine) => {
      const t = testMachine({ paging: true, ...options, engine });
      t.program(...lines);
      prepare(t);
      for (let n = 0; t.run(budget) !== EXIT.halt; n++) if (n > 50_000) throw new Error('does not end');
      return t;
    });
    expect(differences(machines.map(({ frames }) => ({ name: '', frames, advance: () => true })))).toEqual(
      [],
    );
    last = machines[1]!;
  }
  return last!;
}
/** What part of its ticks the machine ran in generated code. */
const generated = (t: TestMachine): number => (t.engine as InterpreterEngine).generatedTicks / t.ticks();

/** Two-level tables: the first 4 MiB by pages, the next by one large page. */
const twoLevels: Prepare = (t) => {
  for (let i = 0; i < 1024; i++) t.frames.write32(TABLE + 4 * i, (i * 4096) | 7);
  t.frames.write32(DIRECTORY, TABLE | 7);
  t.frames.write32(DIRECTORY + 4, 0x400087);
  t.m.w32(t.v + VCPU.cr4, CR4_PSE);
  t.m.w32(t.v + VCPU.cr3, DIRECTORY);
};
const numbered: Prepare = (t) => {
  for (let n = 0; n < 8; n++) t.frames.write32(FRAMES + 4096 * n, 0x100 + n);
};

const remap = (leaf: number): readonly string[] => [
  'mov ecx, 400',
  'again: mov eax, ecx',
  'and eax, 7',
  'shl eax, 12',
  `add eax, ${FRAMES + 7}`,
  `mov [${leaf}], eax`,
  `add edx, [${WINDOW}]`,
  `add [${WINDOW + 8}], edx`,
  `mov ebx, [${leaf}]`, // accessed and dirty
  'xor esi, ebx',
  'rol esi, 1',
  'loop again',
  'hlt',
];

describe('stores to page tables in generated code', () => {
  it('count for the very next access, with entries of 8 bytes', () => {
    const t = same(remap(LEAF), {}, numbered);
    expect(generated(t)).toBeGreaterThan(0.98);
  });
  it('and of 4 bytes', () => {
    const t = same(remap(TABLE + (WINDOW >>> 12) * 4), {}, (machine) => {
      twoLevels(machine);
      numbered(machine);
    });
    expect(t.m.r32(t.v + VCPU.cr4) & CR4_PAE).toBe(0);
    expect(generated(t)).toBeGreaterThan(0.98);
  });
  it('may move the page the program runs in', () => {
    // Behind the store the same addresses hold other code: it counts EBX down instead of up.
    const at = 0x30000;
    const body = (op: string): number[] =>
      assembleLines([`xor dword [${AT.l1 + (at >>> 12) * 8}], ${at ^ FRAMES}`, `${op} ebx`, 'ret'], at);
    const t = same(
      ['mov ecx, 100', 'again: call 0x30000', 'loop again', 'call 0x30000', 'hlt'],
      {},
      (machine) => {
        machine.write(at, body('inc'));
        machine.write(FRAMES, body('dec'));
        machine.setReg('ebx', 1000);
      },
    );
    expect(t.reg('ebx')).toBe(999);
  });
  it('of several entries at once, or across two, drop them all', () => {
    const next = LEAF + 8;
    same(
      [
        'mov ecx, 50',
        `again: mov eax, [${WINDOW}]`,
        `mov ebx, [${WINDOW + 4096}]`,
        'add edx, eax',
        'rol edx, 5',
        'xor edx, ebx',
        `mov word [${LEAF + 7}], 0x700`, // the upper byte of one entry and the lowest of the next
        `add byte [${next + 1}], 0x10`,
        'push ecx',
        `mov edi, ${LEAF}`,
        'mov ecx, 4',
        'mov eax, 0x50007',
        'test dl, 1',
        'jz even',
        'mov eax, 0x51007',
        'even: stosd',
        'mov eax, 0',
        'stosd',
        'mov eax, 0x52007',
        'rep stosd',
        `mov dword [${LEAF + 12}], 0`,
        `mov dword [${LEAF + 20}], 0`,
        'pop ecx',
        'loop again',
        'hlt',
      ],
      {},
      numbered,
    );
  });
  it('leave a page that faults to its fault', () => {
    // The page loses its write permission, and then its presence; each handler puts it right.
    const handler = ['add esp, 4', 'inc ebp', `mov dword [${LEAF}], ${WINDOW + 7}`, 'iret'];
    const t = same(
      [
        'mov ecx, 60',
        `again: mov dword [${LEAF}], ${WINDOW + 5}`,
        `inc dword [${WINDOW}]`,
        `mov dword [${LEAF}], 0`,
        `add eax, [${WINDOW}]`,
        `and dword [${LEAF}], -3`,
        `xchg [${WINDOW + 4}], eax`,
        'loop again',
        'hlt',
      ],
      {},
      (machine) => machine.write(AT.handlers + 14 * 16, assembleLines(handler, AT.handlers + 14 * 16)),
    );
    expect(t.reg('ebp')).toBe(180);
  });
});

describe('stores beside code in generated code', () => {
  it('keep what is decoded, and are seen by what is decoded later', () => {
    // The counter lies 64 bytes behind the code, and some code of its own behind that, which is written and then called.
    const data = AT.code + 0x180;
    const t = same([
      'mov ecx, 300',
      `again: inc dword [${data}]`,
      `mov eax, [${data}]`,
      'shl eax, 8',
      'mov al, 0xb8', // mov eax, imm32
      `mov [${data + 0x80}], eax`,
      `mov dword [${data + 0x84}], 0xc300`,
      `call ${data + 0x80}`,
      'add edx, eax',
      `xor [${data + 0x40}], edx`,
      'loop again',
      'hlt',
    ]);
    expect(t.frames.read32(data)).toBe(300);
    const quiet = same([
      'mov ecx, 3000',
      `again: inc dword [${data}]`,
      `add [${data + 4}], ecx`,
      'loop again',
      'hlt',
    ]);
    expect(generated(quiet)).toBeGreaterThan(0.99);
  });
  it('change the next instruction, in the same line and in the line behind', () => {
    same([
      'mov ecx, 120',
      'again: mov eax, ecx',
      'mov [patched+1], eax',
      'patched: mov ebx, 0',
      'add edx, ebx',
      'mov [far+1], eax',
      ...Array.from({ length: 70 }, () => 'inc esi'),
      'far: mov ebx, 0',
      'xor edx, ebx',
      'rol edx, 1',
      'loop again',
      'hlt',
    ]);
  });
  it('to bytes that were code before another code was there count too', () => {
    // One instruction is written over by another and back: what was decoded from the first is not taken for the second.
    same([
      'mov ecx, 200',
      'again: mov eax, 0xc390c340', // inc eax; ret
      'test cl, 3',
      'jz put',
      'mov eax, 0xc390c348', // dec eax; ret
      `put: mov [${AT.code + 0x200}], eax`,
      'mov eax, edx',
      `call ${AT.code + 0x200}`,
      'mov edx, eax',
      `inc dword [${AT.code + 0x280}]`,
      'loop again',
      'hlt',
    ]);
  });
});

describe('walks in generated code', () => {
  for (const [kind, prepare] of [
    ['three levels', () => {}],
    ['two levels', twoLevels],
  ] as const)
    it(`fill the TLB as the engine does, with ${kind}`, () => {
      // More pages than the TLB has entries: each walk drives another page out. Accessed and dirty bits are compared with the rest.
      const t = same(
        [
          'mov edi, 3',
          'round: xor esi, esi',
          'mov ecx, 1200',
          'again: add eax, [esi+0x100000]',
          'mov [esi+0x100004], eax',
          'add esi, 0x1000',
          'loop again',
          'dec edi',
          'jnz round',
          'hlt',
        ],
        { mib: 24 },
        prepare,
      );
      expect(generated(t)).toBeGreaterThan(0.95);
    });
  it('do not go on for ever where two pages want one place', () => {
    // Both pages of CMPSD have the same place among the 1024 of the TLB.
    same(
      [
        'mov esi, 0x70000',
        'mov edi, 0x470000',
        'mov ecx, 40',
        'again: cmpsd',
        'adc eax, ecx',
        'loop again',
        'hlt',
      ],
      { mib: 24 },
    );
  });
});
