// Real-address and virtual-8086 mode as far as the bare machine has them, the I/O permission bitmap, and streams of random bytes in every
// mode: whatever is executed, the engine answers as a processor and never with an exception of its own.

import { describe, expect, it } from 'vitest';
import { AT, runToHandler, SEL, setLevel, type TestMachine, testMachine } from './testing.ts';
import { EXIT, SEGREG, VCPU } from './vcpu.ts';

function realMode(): TestMachine {
  const t = testMachine();
  t.m.w32(t.v + VCPU.cr0, 0x10);
  t.m.w32(t.v + VCPU.idtrBase, 0);
  t.m.w32(t.v + VCPU.idtrLimit, 0x3ff);
  for (let seg = 0; seg < 6; seg++) {
    const at = t.v + VCPU.seg + seg * SEGREG.$size;
    t.m.w32(at + SEGREG.sel, 0);
    t.m.w32(at + SEGREG.base, 0);
    t.m.w32(at + SEGREG.limit, 0xffff);
    t.m.w32(at + SEGREG.attr, seg === 1 ? 0x9b : 0x93);
  }
  t.setReg('esp', 0x7000);
  return t;
}

describe('real-address mode', () => {
  it('segments are selectors times 16, interrupts go through the vector table', () => {
    const t = realMode();
    t.frames.write32(0x21 * 4, 0x05000010); // 0500:0010
    t.write(0x5010, [0xb8, 0x34, 0x12, 0xcf]); // mov ax, 0x1234; iret
    t.code([0xb8, 0x00, 0x18, 0x8e, 0xd8, 0xcd, 0x21, 0xa3, 0x08, 0x00, 0xf4], 0x6000); // mov ax,0x1800; mov ds,ax; int 0x21; mov [8],ax; hlt
    t.setReg('eflags', 0x202);
    expect(t.run(50)).toBe(EXIT.halt);
    expect(t.frames.read16(0x18008)).toBe(0x1234);
    expect(t.reg('esp')).toBe(0x7000);
    expect(t.reg('eflags')).toBe(0x202);
    expect(t.frames.read16(0x6ffe)).toBe(0x202);
  });
  it('has no LLDT and no LAR', () => {
    for (const bytes of [
      [0x0f, 0x00, 0xd0],
      [0x0f, 0x02, 0xc0],
    ]) {
      const t = realMode();
      t.frames.write32(6 * 4, 0x0600); // the handler of #UD, where a HLT stands
      t.write(0x600, [0xf4]);
      t.code(bytes, 0x6000);
      expect(t.run(5)).toBe(EXIT.halt);
      expect(t.frames.read16(0x6ffa)).toBe(0x6000);
    }
  });
});

/** Level 0 enters virtual-8086 mode at 1000:0000 by IRET, with the IOPL given. */
function virtual8086(bytes: readonly number[], iopl: number): TestMachine {
  const t = testMachine();
  t.write(0x10000 + 0x400, bytes); // 1000:0400; the stack of level 0 ends where this segment begins
  const flags = 0x20202 | (iopl << 12);
  [0x400, 0x1000, flags, 0x8000, 0x1800, 0x1801, 0x1802, 0x1803, 0x1804].forEach((word, i) => {
    t.frames.write32(AT.stack0 - 36 + 4 * i, word);
  });
  t.setReg('esp', AT.stack0 - 36);
  t.program('iretd');
  expect(t.run(1)).toBe(EXIT.budget);
  return t;
}

describe('virtual-8086 mode', () => {
  it('is entered by IRET and left by an exception, with nine words on the stack', () => {
    const t = virtual8086([0x8c, 0xd8, 0x8e, 0xc0, 0x26, 0xa3, 0x04, 0x00, 0xf4], 0); // mov ax,ds; mov es,ax; mov [es:4],ax; hlt
    expect(t.reg('eflags')).toBe(0x20202);
    expect(t.sel('gs')).toBe(0x1804);
    const got = runToHandler(t);
    expect(got).toMatchObject({ vector: 13, code: 0, eip: 0x408, cs: 0x1000 });
    expect(t.frames.read16(0x18024)).toBe(0x1802);
    const frame = [4, 5, 6, 7, 8, 9].map((i) => t.frames.read32(t.reg('esp') + 4 * i));
    expect(frame).toEqual([0x8000, 0x1800, 0x1802, 0x1802, 0x1803, 0x1804]);
    expect(t.sel('ds')).toBe(0);
    expect(t.reg('eflags') & 0x20000).toBe(0);
  });
  it('INT, PUSHF and CLI need IOPL 3', () => {
    for (const bytes of [[0xcd, 0x80], [0x9c], [0xfa], [0xcf]]) {
      expect(runToHandler(virtual8086(bytes, 0))).toMatchObject({ vector: 13, code: 0, eip: 0x400 });
    }
    expect(runToHandler(virtual8086([0xcd, 0x80], 3))).toMatchObject({ vector: 0x80, eip: 0x402 });
    const t = virtual8086([0xfa, 0x90], 3);
    t.run(2);
    expect(t.reg('eflags')).toBe(0x23002);
  });
});

describe('the I/O permission bitmap', () => {
  it('allows single ports above IOPL', () => {
    const t = testMachine({ cpl: 3 });
    t.m.w32(t.v + VCPU.tr + 8, 0x68 + 0x20);
    for (let i = 0; i < 0x21; i++) t.frames.write8(AT.tss + 0x68 + i, 0xff);
    t.frames.write8(AT.tss + 0x68 + 0x0c, 0xfe); // port 0x60
    t.program('in al, 0x60', 'in al, 0x61');
    expect(runToHandler(t)).toMatchObject({ vector: 13, code: 0, eip: AT.code + 2 });
    t.program('in ax, 0x60');
    setLevel(t, 3);
    expect(runToHandler(t)).toMatchObject({ vector: 13, eip: AT.code });
  });
  it('is not there when its offset is beyond the limit', () => {
    const t = testMachine({ cpl: 3 });
    t.program('out 0x80, al');
    expect(runToHandler(t)).toMatchObject({ vector: 13, code: 0, cs: SEL.code3 });
  });
});

describe('random bytes', () => {
  /** A small generator, so that a failure can be repeated. */
  const random = (seed: number) => (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    return seed >>> 8;
  };
  for (const cpl of [0, 1, 3] as const) {
    for (const paging of [false, true]) {
      it(`at CPL ${cpl}${paging ? ' with paging' : ''} never break the engine`, () => {
        const next = random(cpl * 2 + (paging ? 1 : 0) + 1);
        let t = testMachine({ cpl, paging });
        for (let round = 0; round < 1500; round++) {
          if (round % 100 === 0) t = testMachine({ cpl, paging });
          setLevel(t, cpl);
          t.setReg('eflags', 2);
          for (const reg of ['eax', 'ecx', 'edx', 'ebx', 'ebp', 'esi', 'edi'] as const)
            t.setReg(reg, AT.data + (next() & 0x3ff));
          t.code(
            Array.from({ length: 24 }, () => next() & 0xff),
            AT.code + (next() & 0xfff),
          );
          expect([EXIT.budget, EXIT.halt, EXIT.shutdown]).toContain(t.run(20));
          t.records();
        }
      });
    }
  }
});
