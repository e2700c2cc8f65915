// Call gates to inner levels, far returns outward, gates of the IDT in every size, double faults. Written from SDM vol. 3, 5.8 and 6.12-6.15;
// vol. 2, CALL, RET, INT n, IRET.

import { describe, expect, it } from 'vitest';
import { AT, SEL, setLevel, testMachine, type TestMachine, type TestOptions } from './testing.ts';
import { EXIT, SEGREG, VCPU } from './vcpu.ts';

const GATE = 0x60,
  CODE16 = 0x68, // 16-bit code of level 0
  STACK16 = 0x70, // a 16-bit stack segment of level 0 at AT.data
  SPARE = 0x78;
const INNER = AT.code + 0x400;

const callGate = (
  t: TestMachine,
  sel: number,
  offset: number,
  options: { wide?: boolean; count?: number; at?: number } = {},
): void =>
  t.descriptor(
    options.at ?? GATE,
    (sel << 16) | (offset & 0xffff),
    (offset & 0xffff0000) | (options.wide === false ? 0xe400 : 0xec00) | (options.count ?? 0),
  );
const call = (sel: number): number[] => [0x9a, 0, 0, 0, 0, sel & 0xff, sel >>> 8];
const words = (t: TestMachine, n: number): number[] =>
  Array.from({ length: n }, (_, i) => t.frames.read32(t.reg('esp') + 4 * i));

function machine(bytes: readonly number[], options: TestOptions = { cpl: 3 }): TestMachine {
  const t = testMachine(options);
  t.code(bytes);
  t.write(INNER, [0x90, 0xf4]);
  return t;
}
/** Vector the machine halted in, and `n` words of its stack. */
function handled(t: TestMachine, n: number): readonly [vector: number, ...stack: number[]] {
  expect(t.run(20)).toBe(EXIT.halt);
  return [(t.reg('eip') - 1 - AT.handlers) / 16, ...words(t, n)];
}

describe('a call gate to an inner level (SDM vol. 3, 5.8.5)', () => {
  it('takes the stack of the TSS and copies parameters', () => {
    const t = machine(call(GATE | 3));
    callGate(t, SEL.code0 | 3, INNER, { count: 3 });
    [0x11, 0x22, 0x33, 0x44].forEach((value, i) => {
      t.frames.write32(AT.stack3 - 16 + 4 * i, value);
    });
    t.setReg('esp', AT.stack3 - 16);
    expect(t.run(1)).toBe(EXIT.budget);
    expect(t.reg('eip')).toBe(INNER);
    expect([t.sel('cs'), t.sel('ss')]).toEqual([SEL.code0, SEL.data0]);
    expect(t.reg('esp')).toBe(AT.stack0 - 28);
    expect(words(t, 7)).toEqual([AT.code + 7, SEL.code3, 0x11, 0x22, 0x33, AT.stack3 - 16, SEL.data3]);
    expect([t.sel('ds'), t.sel('es')]).toEqual([SEL.data3, SEL.data3]); // a call keeps the data segments
  });
  it('of 16 bits pushes and copies words', () => {
    const t = machine(call(GATE | 3));
    callGate(t, CODE16, 0x123, { wide: false, count: 2 });
    t.descriptor(CODE16, 0xffff, 0x00009b00);
    t.frames.write32(AT.stack3 - 8, 0x22221111);
    t.setReg('esp', AT.stack3 - 8);
    t.run(1);
    expect(t.reg('eip')).toBe(0x123);
    expect(t.reg('esp')).toBe(AT.stack0 - 12);
    expect([0, 2, 4, 6, 8, 10].map((i) => t.frames.read16(t.reg('esp') + i))).toEqual([
      (AT.code + 7) & 0xffff,
      SEL.code3,
      0x1111,
      0x2222,
      (AT.stack3 - 8) & 0xffff,
      SEL.data3,
    ]);
  });
  it('finds the stack in a 16-bit TSS too (SDM vol. 3, 7.6)', () => {
    const t = machine(call(GATE | 3));
    callGate(t, SEL.code0, INNER);
    t.m.w32(t.v + VCPU.tr + 12, 0x83);
    t.frames.write16(AT.tss + 2, 0xff00);
    t.frames.write16(AT.tss + 4, SEL.data0);
    t.run(1);
    expect(t.reg('esp')).toBe(0xff00 - 16);
  });
  it('goes from level 1 to level 0, or stays where the target conforms', () => {
    const t = machine(call(GATE | 1), { cpl: 1 });
    callGate(t, SEL.code0, INNER);
    t.run(1);
    expect([t.sel('cs'), t.sel('ss')]).toEqual([SEL.code0, SEL.data0]);
    const u = machine(call(GATE | 3));
    callGate(u, SPARE, INNER);
    u.descriptor(SPARE, 0xffff, 0x00cf9f00);
    u.run(1);
    expect([u.sel('cs'), u.sel('ss')]).toEqual([SPARE | 3, SEL.data3]);
    expect(words(u, 2)).toEqual([AT.code + 7, SEL.code3]);
  });
  it('refuses by #GP(gate), #NP(gate), #GP(target), #TS(stack), #SS(stack)', () => {
    const cases: readonly (readonly [number, number, (t: TestMachine) => void])[] = [
      [13, GATE, (t) => t.descriptor(GATE, SEL.code0 << 16, 0x8c00)], // DPL 0
      [11, GATE, (t) => t.descriptor(GATE, SEL.code0 << 16, 0x6c00)],
      [13, SEL.data0, (t) => callGate(t, SEL.data0, INNER)],
      [13, 0, (t) => callGate(t, 0, INNER)],
      [
        11,
        SPARE,
        (t) => {
          callGate(t, SPARE, INNER);
          t.descriptor(SPARE, 0xffff, 0x00cf1b00);
        },
      ],
      [13, 0, (t) => callGate(t, CODE16, 0x10000)],
    ];
    for (const [vector, code, spoil] of cases) {
      const t = machine(call(GATE | 3));
      t.descriptor(CODE16, 0xffff, 0x00009b00);
      spoil(t);
      expect(handled(t, 3)).toEqual([vector, code, AT.code, SEL.code3]);
    }
  });
  it('finds a wrong stack before anything is pushed', () => {
    // The gate leads to level 1, so that the handler of level 0 still has its stack.
    const cases: readonly (readonly [number, number, (t: TestMachine) => void])[] = [
      [10, SEL.data3 & ~3, (t) => t.frames.write16(AT.tss + 16, SEL.data3)],
      [10, 0, (t) => t.frames.write16(AT.tss + 16, 1)],
      [12, SEL.data1 & ~3, (t) => t.descriptor(SEL.data1, 0xffff, 0x00cf3300)],
      [12, SEL.data1 & ~3, (t) => t.descriptor(SEL.data1, AT.stack1 - 0x1000, 0x0040b300)],
      [10, SEL.tss, (t) => t.m.w32(t.v + VCPU.tr + 8, 0x10)],
    ];
    for (const [vector, code, spoil] of cases) {
      const t = machine(call(GATE | 3));
      callGate(t, SEL.code1, INNER);
      spoil(t);
      expect(handled(t, 3)).toEqual([vector, code, AT.code, SEL.code3]);
      expect(t.frames.read32(AT.stack1 - 4)).toBe(0);
    }
  });
  it('faults on the outer stack before the inner one is written', () => {
    const t = machine(call(GATE | 3), { cpl: 3, paging: true });
    callGate(t, SEL.code1, INNER, { count: 2 });
    t.setReg('esp', 0x30ffc);
    t.frames.write64(AT.l1 + 8 * 0x31, 0, 0);
    expect(handled(t, 2)).toEqual([14, 4, AT.code]);
    expect(t.m.r32(t.v + VCPU.cr2)).toBe(0x31000);
    expect(t.frames.read32(AT.stack1 - 4)).toBe(0);
  });
});

describe('a far return outward (SDM vol. 2, RET)', () => {
  it('releases parameters on both stacks and drops data segments of the inner level', () => {
    const t = machine([0xca, 8, 0], { cpl: 0 }); // retf 8
    t.setReg('esp', AT.stack0 - 24);
    [AT.code + 0x100, SEL.code3, 1, 2, AT.stack3 - 0x40, SEL.data3].forEach((value, i) => {
      t.frames.write32(AT.stack0 - 24 + 4 * i, value);
    });
    t.setSeg('fs', SEL.data3);
    t.run(1);
    expect([t.sel('cs'), t.sel('ss'), t.reg('esp'), t.reg('eip')]).toEqual([
      SEL.code3,
      SEL.data3,
      AT.stack3 - 0x40 + 8,
      AT.code + 0x100,
    ]);
    expect([t.sel('ds'), t.sel('es'), t.sel('fs')]).toEqual([0, 0, SEL.data3]);
  });
  it('never leads inward: #GP(CS)', () => {
    const t = machine([0xcb], { cpl: 3 });
    t.setReg('esp', AT.stack3 - 8);
    t.frames.write32(AT.stack3 - 8, INNER);
    t.frames.write32(AT.stack3 - 4, SEL.code0);
    expect(handled(t, 2)).toEqual([13, SEL.code0, AT.code]);
  });
});

describe('gates of the IDT', () => {
  it('of 16 bits push words, and IRET of 16 bits goes back (SDM vol. 2, INT n)', () => {
    const t = machine([0xcd, 0x30], { cpl: 3 });
    t.descriptor(CODE16, 0xffff, 0x00009b00);
    t.frames.write64(AT.idt + 8 * 0x30, (CODE16 << 16) | 0x400, 0xe600);
    t.write(0x400, [0xcf]);
    t.setReg('eflags', 0x10246);
    t.run(1);
    expect(t.reg('esp')).toBe(AT.stack0 - 10);
    expect(t.frames.read16(AT.stack0 - 6)).toBe(0x0246);
    t.run(1);
    expect([t.reg('eip'), t.reg('esp') & 0xffff, t.sel('ss')]).toEqual([2, AT.stack3 & 0xffff, SEL.data3]);
  });
  it('trap gates leave IF, both kinds clear TF, NT, RF and VM (SDM vol. 3, 6.12.1.3)', () => {
    for (const [type, flags] of [
      [0xee00, 2],
      [0xef00, 0x202],
    ] as const) {
      const t = machine([0xcd, 0x30], { cpl: 3 });
      t.frames.write64(AT.idt + 8 * 0x30, (SEL.code0 << 16) | (INNER & 0xffff), (INNER & 0xffff0000) | type);
      t.setReg('eflags', 0x4302);
      t.run(1);
      expect(t.reg('eflags')).toBe(flags);
      expect(words(t, 3)[2]).toBe(0x4302);
    }
  });
  it('use only SP of a 16-bit stack segment', () => {
    const t = machine([0xcd, 0x30], { cpl: 3 });
    t.frames.write64(AT.idt + 8 * 0x30, (SEL.code0 << 16) | (INNER & 0xffff), (INNER & 0xffff0000) | 0xee00);
    t.descriptor(STACK16, (AT.data << 16) | 0xffff, 0x00009300 | (AT.data >>> 16));
    t.frames.write32(AT.tss + 4, 0x100);
    t.frames.write32(AT.tss + 8, STACK16);
    t.run(1);
    expect(t.reg('esp')).toBe(0x100 - 20);
    expect(t.frames.read32(AT.data + 0x100 - 20)).toBe(AT.code + 2);
  });
  it('INT to an absent gate is #NP, to a DPL below CPL #GP, both with the IDT bit (SDM vol. 3, 6.13)', () => {
    const t = machine([0xcd, 0x30], { cpl: 3 });
    expect(handled(t, 2)).toEqual([13, 0x30 * 8 + 2, AT.code]);
    t.frames.write8(AT.idt + 8 * 0x30 + 5, 0x6e);
    setLevel(t, 3);
    t.setReg('eip', AT.code);
    expect(handled(t, 2)).toEqual([11, 0x30 * 8 + 2, AT.code]);
  });
  it('an exception without room on the stack of its own level is #SS with EXT (SDM vol. 2, INT n)', () => {
    const t = machine([0x0f, 0x0b], { cpl: 0 });
    t.descriptor(STACK16, (AT.data << 16) | 0x0fff, 0x00009300 | (AT.data >>> 16));
    t.setSeg('ss', STACK16);
    t.setReg('esp', 0x2000);
    t.frames.write64(AT.idt + 8 * 12, CODE16 << 16, 0x8500);
    [
      INNER,
      2,
      0,
      0,
      0,
      0,
      AT.stack0,
      0,
      0,
      0,
      SEL.data0,
      SEL.code0,
      SEL.data0,
      SEL.data0,
      0,
      0,
      0,
      0,
    ].forEach((word, i) => {
      t.frames.write32(0x3800 + 0x20 + 4 * i, word);
    });
    t.descriptor(CODE16, (0x3800 << 16) | 0x67, 0x8900); // the handler of #SS is a task
    t.run(1);
    expect(t.reg('eip')).toBe(INNER);
    expect(t.frames.read32(AT.stack0 - 4)).toBe(1);
  });
  it('INT1 looks at no DPL (SDM vol. 2, INT1)', () => {
    const t = machine([0xf1], { cpl: 3 });
    expect(handled(t, 2)).toEqual([1, AT.code + 1, SEL.code3]);
  });
});

describe('double faults (SDM vol. 3, 6.15, table 6-5)', () => {
  const absent = (t: TestMachine, vector: number): void => t.frames.write8(AT.idt + 8 * vector + 5, 0x0e);
  const cases: readonly (readonly [string, readonly number[], readonly number[], number])[] = [
    ['benign, then contributory: the second', [0x0f, 0x0b], [6], 11],
    ['contributory, then contributory: #DF', [0xf7, 0xf0], [0], 8],
    ['page fault, then contributory: #DF', [0xa1, 0, 0, 0x20, 0], [14], 8],
  ];
  for (const [name, bytes, gone, vector] of cases) {
    it(name, () => {
      const t = machine(bytes, { cpl: 0, paging: true });
      t.frames.write64(AT.l2 + 8, 0, 0);
      t.setReg('eax', 0);
      for (const n of gone) absent(t, n);
      expect(handled(t, 2)).toEqual([vector, ...(vector === 8 ? [0, AT.code] : [gone[0]! * 8 + 3, AT.code])]);
    });
  }
  it('contributory, then a page fault: the page fault', () => {
    const t = machine([0xf7, 0xf0], { cpl: 3, paging: true });
    t.setReg('eax', 0);
    t.frames.write32(AT.tss + 12, 0x200000 - 4); // the stack of level 1 lies where nothing is mapped
    t.frames.write64(AT.l1 + 8 * 0x1ff, 0, 0);
    t.frames.write64(AT.idt, (SEL.code1 << 16) | (INNER & 0xffff), (INNER & 0xffff0000) | 0x8e00);
    expect(handled(t, 3)).toEqual([14, 2, AT.code, SEL.code3]);
  });
  it('a third fault shuts the processor down', () => {
    const t = machine([0xf7, 0xf0], { cpl: 0 });
    t.setReg('eax', 0);
    for (const n of [0, 8]) absent(t, n);
    expect(t.run(5)).toBe(EXIT.shutdown);
  });
});

describe('IRET', () => {
  it('to level 3 keeps IF and IOPL from a level that may not set them (SDM vol. 2, IRET)', () => {
    const t = machine([0xcf], { cpl: 1 });
    t.setReg('esp', AT.stack1 - 12);
    [INNER, SEL.code1, 0x3202].forEach((value, i) => {
      t.frames.write32(AT.stack1 - 12 + 4 * i, value);
    });
    t.run(1);
    expect(t.reg('eflags')).toBe(2);
  });
  it('restores RF, which then covers one instruction (SDM vol. 3, 17.3.1.1)', () => {
    const t = machine([0xcf], { cpl: 0 });
    t.setReg('esp', AT.stack0 - 12);
    [INNER, SEL.code0, 0x10002].forEach((value, i) => {
      t.frames.write32(AT.stack0 - 12 + 4 * i, value);
    });
    t.run(1);
    expect(t.reg('eflags')).toBe(0x10002);
    t.run(1);
    expect(t.reg('eflags')).toBe(2);
  });
  it('outward refuses a stack of another level: #GP(SS)', () => {
    const t = machine([0xcf], { cpl: 0 });
    t.setReg('esp', AT.stack0 - 20);
    [INNER, SEL.code3, 2, AT.stack3, SEL.data1].forEach((value, i) => {
      t.frames.write32(AT.stack0 - 20 + 4 * i, value);
    });
    expect(handled(t, 2)).toEqual([13, SEL.data1 & ~3, AT.code]);
  });
});

describe('selectors on the stack', () => {
  it('take two of the four bytes, as on the processors of today (SDM vol. 2, PUSH)', () => {
    const t = machine([0x1e, 0x07], { cpl: 0 }); // push ds; pop es
    t.frames.write32(AT.stack0 - 4, 0xdead_beef);
    t.run(1);
    expect(t.frames.read32(AT.stack0 - 4)).toBe(0xdead0010);
    t.run(1);
    expect([t.sel('es'), t.reg('esp')]).toEqual([SEL.data0, AT.stack0]);
    expect(t.m.r32(t.v + VCPU.seg + SEGREG.base)).toBe(0);
  });
  it('need no more than two bytes at the end of a page', () => {
    const t = machine([0x07], { cpl: 0, paging: true });
    t.frames.write16(0x30ffe, SEL.data3);
    t.frames.write64(AT.l1 + 8 * 0x31, 0, 0);
    t.setReg('esp', 0x30ffe);
    t.run(1);
    expect([t.sel('es'), t.reg('esp')]).toEqual([SEL.data3, 0x31002]);
  });
});
