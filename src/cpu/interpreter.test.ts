// The interpreter against the reference engine where they could part: ticks, code that changes itself, pages, segments, strings, caches.
// What each instruction computes is tested by the vectors; see vectors.test.ts.

import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { engineCode } from '../cli/engine-code.ts';
import { vcpuAt } from '../memory/map.ts';
import { Memory } from '../memory/memory.ts';
import { createEngine } from './engines.ts';
import { InterpreterEngine } from './interpreter.ts';
import { differences } from './lockstep.ts';
import {
  assembleLines,
  AT,
  runToHandler,
  SEL,
  type TestMachine,
  testMachine,
  type TestOptions,
} from './testing.ts';
import { EXIT, VCPU } from './vcpu.ts';

const generated = (t: TestMachine): number => (t.engine as InterpreterEngine).generatedTicks;

/** The same program on both engines; `prepare` may change each machine before it runs. */
function both(
  lines: readonly string[],
  options: TestOptions = {},
  prepare: (t: TestMachine) => void = () => {},
): readonly [TestMachine, TestMachine] {
  const make = (engine: 'reference' | 'interpreter'): TestMachine => {
    const t = testMachine({ ...options, engine });
    t.program(...lines);
    prepare(t);
    return t;
  };
  return [make('reference'), make('interpreter')];
}
function expectSame([one, other]: readonly [TestMachine, TestMachine]): void {
  const sides = [one, other].map(({ frames }) => ({ name: '', frames, advance: () => true }));
  expect(differences(sides)).toEqual([]);
}

/** Sorts 64 words by exchange, hashing on the way: every kind of jump, calls, flags that live across jumps. */
const SORT = [
  'mov ecx, 64',
  'mov eax, 0x12345678',
  'fill: mov [ecx*4+0x18000], eax',
  'imul eax, eax, 0x10dcd',
  'add eax, 0x3039',
  'rol eax, 7',
  'loop fill',
  'mov edi, 63',
  'pass: xor esi, esi',
  'mov ecx, edi',
  'next: mov eax, [esi*4+0x18004]',
  'cmp eax, [esi*4+0x18008]',
  'jbe ordered',
  'call swap',
  'ordered: inc esi',
  'dec ecx',
  'jnz next',
  'dec edi',
  'jnz pass',
  'hlt',
  'swap: push ebx',
  'mov ebx, [esi*4+0x18008]',
  'mov [esi*4+0x18008], eax',
  'mov [esi*4+0x18004], ebx',
  'adc edx, ebx',
  'pop ebx',
  'ret',
];

describe('the interpreter', () => {
  it('was built from the present sources', () => {
    const tool = new URL('../../tools/build-engine.ts', import.meta.url).pathname;
    const check = () =>
      execFileSync(process.execPath, ['--import', 'tsx', tool, '--check'], { stdio: 'pipe' });
    expect(check, 'run `npm run engine`').not.toThrow();
  });
  it('refuses to be made without its module, or over a memory that WebAssembly does not know', () => {
    const t = testMachine();
    const { m, frames, trace } = t;
    expect(() => createEngine('interpreter', { m, frames, trace })).toThrow(/npm run engine/);
    const plain = new Memory(new ArrayBuffer(24 << 20));
    expect(() => new InterpreterEngine({ m: plain, frames, trace, code: engineCode(false) })).toThrow(
      /allocate/,
    );
  });

  it('is what a module alone asks for', () => {
    const { m, frames, trace } = testMachine();
    expect(createEngine({ code: engineCode(false) }, { m, frames, trace }).engine.name).toBe('interpreter');
  });

  for (const paging of [false, true])
    it(`computes what the reference computes, mostly in generated code (${paging ? 'with' : 'without'} paging)`, () => {
      const machines = both(SORT, { paging });
      for (const t of machines) expect(t.run(1_000_000)).toBe(EXIT.halt);
      expectSame(machines);
      expect(generated(machines[1])).toBeGreaterThan(machines[1].ticks() * 0.98);
    });

  it('stops exactly at the budget, whatever it is, and goes on from there', () => {
    for (const budget of [1, 7, 1000, 99_991]) {
      const machines = both(SORT, { paging: true });
      for (let i = 0; i < 40; i++) {
        for (const t of machines) {
          const before = t.ticks();
          if (t.run(budget) === EXIT.budget) expect(t.ticks() - before).toBe(budget);
        }
      }
      expectSame(machines);
    }
  });

  it('runs what was stored a moment ago, even into the instruction behind the store', () => {
    // The immediate of the MOV behind the store is replaced, 200 times, in the midst of a straight run.
    const machines = both([
      'mov ecx, 200',
      'again: mov eax, ecx',
      'mov [patched+1], eax',
      'patched: mov ebx, 0',
      'add edx, ebx',
      'rol edx, 3',
      'loop again',
      'hlt',
    ]);
    for (const t of machines) t.run(100_000);
    expectSame(machines);
    expect(machines[1].reg('ebx')).toBe(1);
  });

  it('keeps its decoded code when data beside it changes', () => {
    const machines = both([
      'mov ecx, 3000',
      'again: inc dword [data]',
      'xor eax, [data]',
      'loop again',
      'hlt',
      'data: nop',
    ]);
    for (const t of machines) t.run(100_000);
    expectSame(machines);
    expect(generated(machines[1])).toBeGreaterThan(3000);
  });

  it('runs instructions that lie across two pages, and sees either half change', () => {
    const prepare = (t: TestMachine): void => {
      t.code(assembleLines(['mov eax, 0x11223344', 'add ecx, eax', 'ret'], AT.code + 0xffe), AT.code + 0xffe);
      t.program(
        'mov esi, 50',
        `again: mov edx, ${AT.code + 0xffe}`,
        'call edx',
        `inc byte [${AT.code + 0x1001}]`, // second page: a byte of the immediate
        `mov dl, [${AT.code + 0xfff}]`,
        `xor dl, 3`,
        `mov [${AT.code + 0xfff}], dl`, // first page: the lowest byte of it
        'dec esi',
        'jnz again',
        'hlt',
      );
    };
    const machines = both([], { paging: true }, prepare);
    for (const t of machines) t.run(100_000);
    expectSame(machines);
    expect(machines[1].reg('ecx')).not.toBe(0);
  });

  it('loses no tick and no byte when its caches are dropped between any two runs', () => {
    const machines = both(SORT, { paging: true });
    let seed = 7;
    for (let i = 0; i < 200; i++) {
      seed = (seed * 69069 + 1) >>> 0;
      const budget = 1 + (seed >>> 24);
      machines[0].run(budget);
      machines[1].run(budget);
      if (seed & 0x10000) machines[1].engine.dropCaches();
      if (seed & 0x20000) machines[1].frames.dropCaches();
    }
    for (const t of machines) t.run(1_000_000);
    expectSame(machines);
  });

  it('runs two vCPUs that take turns, in one code cache', () => {
    const machines = both(SORT, { paging: true }, ({ m, v }) => {
      m.u8.copyWithin(vcpuAt(1), v, v + VCPU.$size);
      m.w32(vcpuAt(1) + VCPU.gpr + 16, AT.stack1);
    });
    for (let i = 0; i < 60; i++) for (const t of machines) t.engine.run(vcpuAt(i & 1), 101 + i);
    expectSame(machines);
    expect(generated(machines[1])).toBeGreaterThan(5000);
  });
});

describe('strings under REP', () => {
  const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
    'a copy over page bounds': ['mov esi, 0x18123', 'mov edi, 0x1a456', 'mov ecx, 5000', 'rep movsb', 'hlt'],
    'a copy that overlaps upwards': [
      'mov esi, 0x18100',
      'mov edi, 0x18103',
      'mov ecx, 900',
      'rep movsb',
      'hlt',
    ],
    'a copy that overlaps downwards': [
      'mov esi, 0x18103',
      'mov edi, 0x18100',
      'mov ecx, 900',
      'rep movsd',
      'hlt',
    ],
    'a copy backwards': ['std', 'mov esi, 0x19200', 'mov edi, 0x1a300', 'mov ecx, 700', 'rep movsw', 'hlt'],
    'words that straddle pages': [
      'mov edi, 0x18001',
      'mov eax, 0xa1b2c3d4',
      'mov ecx, 3000',
      'rep stosd',
      'hlt',
    ],
    'a fill of bytes': ['mov edi, 0x18777', 'mov al, 0x5a', 'mov ecx, 6000', 'rep stosb', 'hlt'],
    'no iteration at all': ['xor ecx, ecx', 'mov edi, 0x18000', 'rep stosb', 'hlt'],
    'a search': ['mov edi, 0x18000', 'mov al, 0x77', 'mov ecx, 9000', 'repne scasb', 'hlt'],
    'a comparison': ['mov esi, 0x18000', 'mov edi, 0x19000', 'mov ecx, 4000', 'repe cmpsb', 'hlt'],
  };
  const data = (t: TestMachine): void => {
    t.write(
      AT.data,
      Uint8Array.from({ length: 0x3000 }, (_, i) => (i < 0x1800 ? i & 0x3f : (i * 7) & 0x7f)),
    );
  };
  for (const [name, lines] of Object.entries(PROGRAMS)) {
    it(`${name}: the same in one stretch and stopped midway`, () => {
      for (const budgets of [[100_000], [1, 7, 333, 1000, 4096, 20_000]]) {
        const machines = both(lines, { paging: true }, data);
        for (const budget of budgets) {
          for (const t of machines) t.run(budget);
          expectSame(machines);
        }
      }
    });
  }
  it('faults with the registers of the iteration that cannot be done', () => {
    const lines = ['mov esi, 0x18000', 'mov edi, 0x1f0000', 'mov ecx, 0x20000', 'rep movsb', 'hlt'];
    const machines = both(lines, { paging: true }, (t) => t.frames.write64(AT.l1 + 8 * 0x1f8, 0, 0));
    for (const t of machines) expect(runToHandler(t, 200_000).vector).toBe(14);
    expectSame(machines);
    expect(machines[1].reg('edi')).toBe(0x1f8000);
  });
});

describe('segments', () => {
  const LIMITED = 0x0040f300; // data, one page and its first 4 KiB
  const limited = (t: TestMachine): void => {
    t.descriptor(SEL.free, 0x80000fff | 0, LIMITED | 1); // base 0x018000, limit 0xfff
  };
  const run = (access: string): readonly [TestMachine, TestMachine] => {
    const lines = [`mov eax, ${SEL.free}`, 'mov fs, ax', 'mov ds, ax', 'mov ebx, 0xffc', access, 'hlt'];
    return both(lines, {}, limited);
  };
  it('checks each access through a register that is not flat', () => {
    for (const access of ['mov eax, [ebx]', 'add [ebx], eax', 'mov [fs:ebx], ebx', 'push dword [ebx]']) {
      const machines = run(access);
      for (const t of machines) expect(t.run(1000)).toBe(EXIT.halt);
      expectSame(machines);
    }
  });
  it('faults one byte beyond the limit, with nothing done', () => {
    for (const access of [
      'mov eax, [ebx+1]',
      'add [ebx+1], eax',
      'mov [fs:ebx+1], ebx',
      'xchg [ebx+1], eax',
    ]) {
      const machines = run(access);
      for (const t of machines) expect(runToHandler(t).vector).toBe(13);
      expectSame(machines);
      expect(machines[1].reg('eax')).toBe(SEL.free);
    }
  });
});

describe('what generated code leaves alone', () => {
  it('single steps while TF is set', () => {
    const machines = both(['pushfd', 'or dword [esp], 0x100', 'popfd', 'inc eax', 'inc eax', 'hlt']);
    for (const t of machines) expect(runToHandler(t).vector).toBe(1);
    expectSame(machines);
    expect(machines[1].reg('eax')).toBe(1);
  });
  it('reads two pages that want the same place in the TLB', () => {
    const machines = both(['mov esi, 0x18000', 'mov edi, 0x418000', 'mov ecx, 9', 'repe cmpsd', 'hlt']);
    for (const t of machines) {
      expect(t.run(1000)).toBe(EXIT.halt);
      expect(t.ticks()).toBe(3 + 9 + 1);
    }
    expectSame(machines);
  });
  it('faults on a page that is not there, and goes on when it is', () => {
    const lines = ['mov eax, 5', 'mov [0x1f0000], eax', 'add eax, [0x1f0000]', 'hlt'];
    const machines = both(lines, { paging: true }, (t) => t.frames.write64(AT.l1 + 8 * 0x1f0, 0, 0));
    for (const t of machines) {
      const { vector, eip } = runToHandler(t);
      expect(vector).toBe(14);
      t.frames.write64(AT.l1 + 8 * 0x1f0, 0x1f0007, 0);
      t.setReg('esp', AT.stack0);
      t.setReg('eip', eip);
      expect(t.run(100)).toBe(EXIT.halt);
    }
    expectSame(machines);
    expect(machines[1].reg('eax')).toBe(10);
  });
  it('reads the time exactly in the midst of a run', () => {
    const machines = both(['mov ecx, 9', 'again: nop', 'rdtsc', 'add ebx, eax', 'loop again', 'hlt']);
    for (const t of machines) t.run(1000);
    expectSame(machines);
  });
});
