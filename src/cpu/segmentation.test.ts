// Segmentation and privilege against the rules of SDM vol. 3, chapters 3, 5 and 6.

import { describe, expect, it } from 'vitest';
import { AT, runToHandler, SEL, testMachine } from './testing.ts';
import { EXIT, SEG_NULL, SEGREG, VCPU } from './vcpu.ts';

const GP = 13,
  SS = 12,
  NP = 11,
  TS = 10;

describe('limits', () => {
  it('of a data segment end with the last byte inside', () => {
    const t = testMachine();
    t.descriptor(SEL.free, (AT.data << 16) | 0x00ff, 0x00409300 | (AT.data >>> 16));
    t.setSeg('ds', SEL.free);
    t.program('mov eax, [0xfc]', 'mov al, [0xff]', 'mov eax, [0xfd]', 'hlt');
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0, eip: AT.code + 10, cs: SEL.code0 });
  });
  it('of a stack segment raise #SS', () => {
    const t = testMachine();
    t.descriptor(SEL.free, 0x0000ffff, 0x00419300);
    t.setSeg('ss', SEL.free);
    t.setReg('esp', 0x20000);
    t.program('pop eax', 'mov ebp, 0x1ffff', 'mov eax, [ebp]', 'hlt');
    expect(t.run(1)).toBe(EXIT.budget);
    // Room for the handler's frame: the fault itself is delivered on the same stack.
    t.setReg('esp', AT.stack0);
    expect(runToHandler(t)).toMatchObject({ vector: SS, code: 0 });
  });
  it('are turned round for expand-down segments', () => {
    const t = testMachine({ cpl: 3 });
    t.setSeg('ds', SEL.down); // limit 0xfff: usable from 0x1000 up
    t.program('mov eax, [0x18000]', 'mov eax, [0x1000]', 'mov eax, [0xffe]');
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0, eip: AT.code + 10 });
  });
  it('of CS hold for jumps and for running off the end', () => {
    const t = testMachine();
    t.descriptor(SEL.free, (AT.code << 16) | 0x000f, 0x00409b00 | (AT.code >>> 16));
    t.setSeg('cs', SEL.free);
    t.write(AT.code, [0xeb, 0x0d]); // jmp 0x0f
    t.write(AT.code + 15, [0xeb, 0x00]); // its second byte is beyond
    t.setReg('eip', 0);
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0, eip: 15, cs: SEL.free });
    t.setSeg('cs', SEL.free);
    t.write(AT.code, [0xeb, 0x0e]); // jmp 0x10
    t.setReg('eip', 0);
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0, eip: 0 });
  });
});

describe('types', () => {
  it('forbid writing read-only data and code, and reading execute-only code', () => {
    const t = testMachine();
    t.descriptor(SEL.free, 0xffff, 0x00cf9100);
    t.setSeg('es', SEL.free);
    t.program('mov eax, [es:0x18000]', 'mov [es:0x18000], eax');
    expect(runToHandler(t)).toMatchObject({ vector: GP, eip: AT.code + 6 });
    t.program('mov eax, [cs:0x18000]', 'mov [cs:0x18000], eax');
    expect(runToHandler(t)).toMatchObject({ vector: GP, eip: AT.code + 6 });
    t.descriptor(SEL.free, 0xffff, 0x00cf9900);
    t.program('mov eax, 0x60', 'mov fs, ax');
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: SEL.free });
  });
  it('make a null selector loadable but not usable', () => {
    const t = testMachine({ cpl: 1 });
    t.program('mov eax, 3', 'mov gs, ax', 'mov ebx, gs', 'mov eax, [gs:0]');
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0, eip: AT.code + 9 });
    expect(t.reg('ebx')).toBe(3);
    expect(t.m.r32(t.v + VCPU.seg + 5 * SEGREG.$size + SEGREG.attr)).toBe(SEG_NULL);
  });
});

describe('loading', () => {
  const cases: readonly (readonly [string, 0 | 1 | 3, string, number, number, number])[] = [
    ['SS null', 0, 'ss', 0, GP, 0],
    ['SS of another level', 1, 'ss', SEL.data3, GP, SEL.data3 & ~3],
    ['SS with RPL below CPL', 1, 'ss', SEL.data1 & ~3, GP, SEL.data1 & ~3],
    ['SS a code segment', 0, 'ss', SEL.code0, GP, SEL.code0],
    ['DS of an inner level', 3, 'ds', SEL.data1, GP, SEL.data1 & ~3],
    ['DS with RPL above DPL', 0, 'ds', SEL.data0 | 3, GP, SEL.data0],
    ['ES a TSS', 0, 'es', SEL.tss, GP, SEL.tss],
    ['DS beyond the table', 0, 'ds', 0x80, GP, 0x80],
    ['FS in an absent LDT', 0, 'fs', 0x0c, GP, 0x0c],
  ];
  for (const [name, cpl, seg, sel, vector, code] of cases) {
    it(`${name} faults`, () => {
      const t = testMachine({ cpl });
      t.program(`mov eax, ${sel}`, `mov ${seg}, ax`);
      expect(runToHandler(t)).toMatchObject({ vector, code, eip: AT.code + 5 });
    });
  }
  it('of an absent segment is #NP, of an absent stack #SS', () => {
    const t = testMachine();
    t.descriptor(SEL.free, 0xffff, 0x00cf1300);
    t.program('mov eax, 0x60', 'mov ds, ax');
    expect(runToHandler(t)).toMatchObject({ vector: NP, code: SEL.free });
    t.program('mov eax, 0x60', 'mov ss, ax');
    expect(runToHandler(t)).toMatchObject({ vector: SS, code: SEL.free });
  });
  it('sets the accessed bit in the table', () => {
    const t = testMachine();
    t.descriptor(SEL.free, 0xffff, 0x00cf9200);
    t.program('mov eax, 0x60', 'mov ds, ax', 'hlt');
    t.run(10);
    expect(t.frames.read32(AT.gdt + SEL.free + 4)).toBe(0x00cf9300);
  });
  it('through the LDT', () => {
    const t = testMachine();
    t.frames.write64(AT.ldt + 8, 0x1234ffff, 0x00cf9300);
    t.program('mov eax, 0x40', 'lldt ax', 'mov eax, 0x0c', 'mov es, ax', 'hlt');
    expect(t.run(10)).toBe(EXIT.halt);
    expect(t.m.r32(t.v + VCPU.seg + SEGREG.base)).toBe(0x1234);
  });
});

describe('stacks', () => {
  it('of 16 bits wrap within SP', () => {
    const t = testMachine();
    t.setSeg('ss', SEL.data16);
    t.setReg('esp', 0x12340000);
    t.program('push 0x11223344', 'hlt');
    expect(t.run(10)).toBe(EXIT.halt);
    expect(t.reg('esp')).toBe(0x1234fffc);
    expect(t.frames.read32(0xfffc)).toBe(0x11223344);
  });
  it('change with the level on an interrupt, and back with IRET', () => {
    const t = testMachine({ cpl: 3 });
    t.write(AT.handlers + 0x80 * 16, [0xcf]);
    t.program('int 0x80', 'mov eax, cs', 'ud2');
    t.setReg('eflags', 0x246);
    const got = runToHandler(t);
    expect(got).toMatchObject({ vector: 6, eip: AT.code + 4, cs: SEL.code3 });
    expect(got.eflags & 0x246).toBe(0x246);
    expect(t.reg('eax')).toBe(SEL.code3);
    expect(t.frames.read32(t.reg('esp') + 12)).toBe(AT.stack3);
    expect(t.frames.read32(t.reg('esp') + 16)).toBe(SEL.data3);
  });
  it('out of the TSS must fit, or #TS names them', () => {
    const t = testMachine({ cpl: 3 });
    t.frames.write32(AT.tss + 8, SEL.data3);
    t.m.w32(t.v + VCPU.idtrLimit, 0x7ff);
    t.program('ud2');
    // #UD needs level 0's stack, which is bad: #TS, which needs it too: a double fault, a shutdown.
    expect(t.run(10)).toBe(EXIT.shutdown);
    expect(TS).toBe(10);
  });
});

describe('gates', () => {
  it('refuse INT n above their DPL with the vector in the error code', () => {
    const t = testMachine({ cpl: 3 });
    t.program('int 0x82');
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0x82 * 8 + 2, eip: AT.code });
  });
  it('of exceptions carry EXT when they are bad', () => {
    const t = testMachine({ cpl: 3 });
    t.frames.write64(AT.idt + 6 * 8, 0, 0);
    t.program('ud2');
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: 6 * 8 + 3, eip: AT.code });
  });
  it('take far jumps, calls and returns between levels', () => {
    const t = testMachine({ cpl: 0 });
    t.setReg('esp', AT.stack0);
    // RETF to ring 3, whose stack it takes along; CS of ring 0 is then out of reach.
    t.program(
      `push ${SEL.data3}`,
      `push ${AT.stack3}`,
      `push ${SEL.code3}`,
      'push there',
      'retf',
      'there: mov ecx, ss',
      `call ${SEL.code0}:0x20000`,
    );
    expect(runToHandler(t)).toMatchObject({ vector: GP, code: SEL.code0, cs: SEL.code3 });
    expect(t.reg('ecx')).toBe(SEL.data3);
    expect(t.sel('ds')).toBe(0); // DPL 0 data is dropped on the way out
  });
});

describe('privileged instructions above CPL 0', () => {
  for (const text of [
    'hlt',
    'cli',
    'sti',
    'clts',
    'mov eax, cr0',
    'mov cr3, eax',
    'lgdt [0x18000]',
    'lidt [0x18000]',
    'lldt ax',
    'ltr ax',
    'invlpg [0]',
    'wbinvd',
    'rdmsr',
    'wrmsr',
    'mov dr7, eax',
    'in al, dx',
    'out 0x20, al',
    'lmsw ax',
  ]) {
    it(`${text} is #GP(0)`, () => {
      for (const cpl of [1, 3] as const) {
        const t = testMachine({ cpl });
        t.program(text);
        expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0, eip: AT.code });
      }
    });
  }
});
