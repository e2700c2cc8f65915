// The command and the spellings it accepts: real mode in the shape of public single-step suites, VM86, 16-bit protected mode, tables and
// page tables that a vector brings.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { ENGINES } from '../cpu/engine.ts';
import { differencesOf, run, vectorMachine } from './cpu-test.ts';
import { toVector } from './vector-format.ts';

const folder = mkdtempSync(join(tmpdir(), 'ringside-cpu-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (at: number, ...values: number[]): [number, number][] =>
  values.map((byte, i) => [at + i, byte]);
const words = (at: number, ...values: number[]): [number, number][] =>
  values.flatMap((word, i) =>
    [0, 8, 16, 24].map((shift, k): [number, number] => [at + 4 * i + k, (word >>> shift) & 0xff]),
  );

/** What a 386 dumps before any test: ones where it has no flags and no CR0 bits. */
const OLD = { cr0: 0x7ffefff0, cr3: 0, dr6: 0xffff0ff0, dr7: 0 };
const OLD_FLAGS = 0xfffc0002;

const CASES: Readonly<Record<string, unknown>> = {
  'real mode, an addition to memory through BP, ended by HLT': {
    name: 'add',
    mode: 'real',
    initial: {
      regs: {
        ...OLD,
        ...{
          eax: 46917154,
          ebx: 1747202472,
          ecx: 3247246033,
          edx: 4206235108,
          esi: 8323072,
          edi: 4054220768,
        },
        ...{ ebp: 524289, esp: 56811, cs: 7970, ds: 809, es: 17715, fs: 0, gs: 3855, ss: 63468, eip: 29344 },
        eflags: 4294707347,
      },
      ram: [...bytes(156864, 0, 94, 96, 244), [1015585, 11]],
      queue: [],
    },
    final: { regs: { eip: 29348, eflags: 4294705298 }, ram: [[1015585, 179]] },
    untilHlt: true,
    idx: 0,
  },
  'real mode, #DE seen only by its delivery through the vector table': {
    name: 'div cl',
    mode: 'real16',
    initial: {
      regs: { ...OLD, eax: 5, ecx: 0, esp: 0x100, ss: 0x200, cs: 0x300, eip: 0x10, eflags: OLD_FLAGS },
      mem: [...bytes(0, 0x34, 0x12, 0x00, 0x40), ...bytes(0x3010, 0xf6, 0xf1), ...bytes(0x41234, 0xf4)],
    },
    final: {
      regs: { cs: 0x4000, eip: 0x1235, esp: 0xfa },
      mem: bytes(0x20fa, 0x10, 0x00, 0x00, 0x03, 0x02, 0x00),
    },
    untilHlt: true,
  },
  'real mode, #GP at offset ffff with number and place of the flags': {
    name: 'mov ax, [0xffff]',
    mode: 'real',
    initial: {
      regs: { esp: 0x100, ss: 0x200, cs: 0x300, eip: 0, eflags: 0x893, ds: 0x500 },
      mem: [...bytes(52, 0x00, 0x00, 0x00, 0x50), ...bytes(0x3000, 0xa1, 0xff, 0xff), [0x50000, 0xf4]],
    },
    final: {
      regs: { cs: 0x5000, eip: 1, esp: 0xfa },
      mem: bytes(0x20fa, 0x00, 0x00, 0x00, 0x03, 0x92, 0x08),
    },
    flagsMask: 0xfffe,
    exception: { number: 13, flag_address: 0x20fe },
    untilHlt: true,
  },
  'real mode, short names': {
    name: 'inc cx',
    mode: 'real',
    initial: { regs: { cx: 0xffff, al: 1, ah: 2, ip: 0x100, cs: 0, flags: 3 }, mem: [[0x100, 0x41]] },
    final: { regs: { cx: 0, ecx: 0, ax: 0x201, ip: 0x101, flags: 0x57 } },
  },
  'VM86, INT n under IOPL 0': {
    name: 'int 0x21',
    mode: 'vm86',
    initial: {
      regs: { cs: 0x100, ss: 0x200, sp: 0x80, eip: 4, eflags: 0x20202 },
      mem: bytes(0x1004, 0xcd, 0x21),
    },
    final: { regs: { cs: 0x100, eip: 4, esp: 0x80, ss: 0x200, eflags: 0x20202 } },
    exception: 13,
    errorCode: 0,
  },
  '16-bit protected mode': {
    name: 'push ax',
    mode: 'prot16',
    initial: { regs: { eax: 0x1234abcd, esp: 0x2000, eip: 0x1000 }, mem: [[0x1000, 0x50]] },
    final: { regs: { esp: 0x1ffe, eip: 0x1001 }, mem: bytes(0x1ffe, 0xcd, 0xab, 0) },
  },
  'ring 0 by its selectors': {
    name: 'mov eax, cr0',
    mode: 'prot32',
    initial: {
      regs: { cs: 8, ss: 0x10, ds: 0x10, es: 0x10, eip: 0x1000 },
      mem: bytes(0x1000, 0x0f, 0x20, 0xc0),
    },
    final: { regs: { eip: 0x1003, cs: 8 } },
  },
  'a descriptor table of its own': {
    name: 'mov ds, ax',
    mode: 'prot32',
    initial: {
      regs: {
        ...{ cs: 0x08, ss: 0x10, ds: 0, es: 0, eax: 0x18, eip: 0x1000, esp: 0x3000, cr0: 0x11 },
        gdtr: { base: 0x2000, limit: 0x1f },
      },
      mem: [
        ...words(0x2000, 0, 0, 0xffff, 0x00cf9b00, 0xffff, 0x00cf9300, 0x0010ffff, 0x00009212),
        ...bytes(0x1000, 0x8e, 0xd8),
      ],
    },
    final: { regs: { ds: 0x18, eip: 0x1002 }, mem: [[0x201d, 0x93]] },
  },
  'page tables of its own: addresses are physical, the fault is caught': {
    name: 'mov al, [0x400000]',
    mode: 'prot32-ring0',
    initial: {
      regs: { eip: 0x1000, esp: 0x9000, cr0: 0x80010011, cr3: 0x10000, cr4: 0 },
      mem: [
        ...words(0x10000, 0x11003),
        ...words(0x11004, 0x20003),
        ...words(0x11020, 0x8003),
        ...bytes(0x20000, 0xa0, 0, 0, 0x40, 0),
      ],
    },
    final: { regs: { eip: 0x1000, cr2: 0x400000 }, mem: [[0x11004, 0x23]] },
    exception: 14,
    errorCode: 0,
  },
};

for (const engine of ENGINES) {
  describe(`vectors on the ${engine} engine`, () => {
    const machine = vectorMachine(engine);
    it.each(Object.entries(CASES))('%s', (_, json) => {
      expect(differencesOf(machine, toVector(json))).toEqual([]);
    });
    it.each(Object.entries(CASES))('not any: %s', (_, json) => {
      const vector = toVector(json);
      const eip = vector.final.regs!['eip']! + 7;
      const wrong = { ...vector, final: { ...vector.final, regs: { ...vector.final.regs, eip } } };
      expect(differencesOf(machine, wrong).map(({ what }) => what)).toContain('eip');
    });
  });
}

describe('the command', () => {
  const call = async (...argv: string[]): Promise<[code: number, out: string, err: string]> => {
    let out = '',
      err = '';
    const code = await run(
      argv,
      (text) => {
        out += text;
      },
      (text) => {
        err += text;
      },
    );
    return [code, out, err];
  };
  const lines = Object.values(CASES).map((json) => JSON.stringify(json));
  const good = join(folder, 'good.jsonl.gz'),
    bad = join(folder, 'bad.jsonl'),
    odd = join(folder, 'odd.jsonl');
  writeFileSync(good, gzipSync(lines.join('\n')));
  writeFileSync(bad, lines[3]!.replace('"cx":0,', '"cx":1,'));
  writeFileSync(odd, `${lines[3]}\n${lines[3]!.replace('"name"', '"nmae"')}`);

  it('counts, and says the first difference', async () => {
    expect(await call(good)).toEqual([0, `${lines.length} passed, 0 failed\n`, '']);
    const [code, out] = await call(bad, good);
    expect(code).toBe(1);
    expect(out).toContain('cx           expected 0x00000001, got 0x00000000');
    expect(out.endsWith(`${lines.length} passed, 1 failed\n`)).toBe(true);
  });
  it('reads one array of single steps: real mode, the state behind the HLT that follows', async () => {
    const step = (name: string, bytes: number[], final: object): object => ({
      idx: 0,
      name,
      bytes,
      initial: {
        regs: { eax: 5, esp: 0x100, ss: 0x200, cs: 0x100, eip: 0x20, eflags: 0xfffc0002 },
        ram: [
          ...bytes.map((byte, i) => [0x1020 + i, byte]),
          ...[0x34, 0x12, 0, 0].map((byte, i) => [4 * 6 + i, byte]),
        ],
        queue: [],
      },
      final: { ram: [], queue: [], ...final },
      cycles: [],
      hash: '00',
    });
    const steps = [
      step('inc ax', [0x40, 0xf4], { regs: { eax: 6, eip: 0x22, eflags: 0xfffc0006 } }),
      step('jmp to where a HLT was put', [0xeb, 0x10, 0xf4], { regs: { eip: 0x33 } }),
      step('hlt', [0xf4], { regs: { eip: 0x21 } }),
      {
        ...step('lock inc ax', [0xf0, 0x40, 0xf4], {
          regs: { cs: 0, eip: 0x1235, esp: 0xfa },
          ram: [
            [0x20fa, 0x20],
            [0x20fb, 0],
            [0x20fc, 0],
            [0x20fd, 1],
          ],
        }),
        exception: { number: 6, flag_address: 0x20fe },
      },
    ];
    const file = join(folder, 'array.json.gz'),
      wrong = join(folder, 'wrong.json');
    writeFileSync(file, gzipSync(JSON.stringify(steps, undefined, 2)));
    expect(await call(file)).toEqual([0, '4 passed, 0 failed\n', '']);
    expect(await call('--engine', 'reference', file)).toEqual([0, '4 passed, 0 failed\n', '']);
    writeFileSync(wrong, JSON.stringify([step('inc ax', [0x40, 0xf4], { regs: { eip: 0x23 } }), 7]));
    expect((await call(wrong))[2]).toContain(`${wrong}[1]: the test is no object`);
    writeFileSync(wrong, JSON.stringify([step('inc ax', [0x40, 0xf4], { regs: { eip: 0x23 } })]));
    expect((await call(wrong))[1]).toMatch(/wrong\.json\[0\]\)[\s\S]*eip +expected 0x00000023/);
  });
  it('names what it does not know, with file and line', async () => {
    const [code, , err] = await call(odd);
    expect(code).toBe(2);
    expect(err).toContain(`${odd}:2: unknown member "nmae"`);
    expect((await call('--engine', 'none', good))[2]).toContain("unknown engine 'none'");
  });
  it('reads past a byte-order mark, and names a file that is a directory, missing or cut short', async () => {
    const marked = join(folder, 'marked.jsonl'),
      cut = join(folder, 'cut.jsonl.gz');
    writeFileSync(marked, `\ufeff${lines[3]}\n`);
    writeFileSync(cut, gzipSync(lines[3]!).subarray(0, 40));
    expect(await call(marked)).toEqual([0, '1 passed, 0 failed\n', '']);
    for (const file of [folder, join(folder, 'nothing.jsonl'), cut]) {
      const [code, , err] = await call(file);
      expect([code, err.includes(file)]).toEqual([2, true]);
    }
  });
  it.each([
    [{ mode: 'long64' }, 'mode "long64"'],
    [{ initial: { regs: { rax: 1 } } }, "unknown register 'rax'"],
    [{ initial: { mem: [[0, 256]] } }, '"mem"[0] is no [address, byte]'],
    [{ final: { regs: { eax: 1.5 } } }, "register 'eax' is no integer"],
    [{ final: { registers: {} } }, 'unknown member "registers" in "final"'],
    [{ initial: undefined }, 'a vector needs "initial"'],
  ])('refuses %j', (change, message) => {
    const json = { name: 'x', mode: 'prot32', initial: {}, final: {}, ...change };
    expect(() => toVector(json)).toThrow(message);
  });
});
