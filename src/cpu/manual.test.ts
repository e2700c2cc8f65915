// Corners of the manual's instruction pages, on both engines: what is refused where, in which order, and with which error code. Each title names
// the page or section it was written from.

import { describe, expect, it } from 'vitest';
import { ENGINES, type EngineName } from './engine.ts';
import { AT, runToHandler, SEL, testMachine, type TestMachine, type TestOptions } from './testing.ts';
import { EXIT, SEGREG, VCPU } from './vcpu.ts';

const UD = 6,
  GP = 13;
const CR2 = VCPU.cr2,
  DR6 = VCPU.dr + 24,
  DR7 = VCPU.dr + 28;
const RF = 0x10000;
const VIRTUAL_CODE = 0x1000;

for (const engine of ENGINES) describe(`the ${engine} engine`, () => suite(engine));

function suite(engine: EngineName): void {
  const machine = (lines: readonly string[] | readonly number[], options: TestOptions = {}): TestMachine => {
    const t = testMachine({ ...options, engine });
    if (typeof lines[0] === 'number') t.code(lines as readonly number[]);
    else t.program(...(lines as readonly string[]));
    return t;
  };
  /** Real-address mode at 0600:0000, stack at 0000:7000, a HLT for vector n at 0000:0800 + 4n. */
  const real = (bytes: readonly number[], sp = 0x7000): TestMachine => {
    const t = testMachine({ engine });
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
    for (let n = 0; n < 32; n++) {
      t.frames.write32(4 * n, 0x800 + 4 * n);
      t.frames.write8(0x800 + 4 * n, 0xf4);
    }
    t.setReg('esp', sp);
    t.code(bytes, 0x6000);
    return t;
  };
  /** Vector whose HLT a real-mode machine has come to; -1 for a HLT of its own. */
  const realVector = (t: TestMachine): number => {
    expect(t.run(20)).toBe(EXIT.halt);
    const at = t.reg('eip') - 0x801;
    return at >= 0 && at < 128 && at % 4 === 0 ? at / 4 : -1;
  };
  /** Virtual-8086 mode at 1000:1000 by IRET from level 0. */
  const virtual8086 = (bytes: readonly number[], iopl: number): TestMachine => {
    const t = testMachine({ engine });
    t.write(0x11000, bytes);
    const frame = [VIRTUAL_CODE, 0x1000, 0x20002 | (iopl << 12), 0x800, 0x1800, 0x1800, 0x1800, 0, 0];
    frame.forEach((word, i) => {
      t.frames.write32(AT.stack0 - 36 + 4 * i, word);
    });
    t.setReg('esp', AT.stack0 - 36);
    t.code([0xcf]);
    t.run(1);
    expect(t.reg('eflags') & 0x20000).toBe(0x20000);
    return t;
  };

  describe('real-address mode', () => {
    it.each([
      ['sldt ax', [0x0f, 0x00, 0xc0]],
      ['str ax', [0x0f, 0x00, 0xc8]],
      ['lldt ax', [0x0f, 0x00, 0xd0]],
      ['ltr ax', [0x0f, 0x00, 0xd8]],
      ['verr ax', [0x0f, 0x00, 0xe0]],
      ['verw ax', [0x0f, 0x00, 0xe8]],
      ['lar ax, ax', [0x0f, 0x02, 0xc0]],
      ['lsl ax, ax', [0x0f, 0x03, 0xc0]],
      ['arpl ax, ax', [0x63, 0xc0]],
    ] as const)('%s is #UD (its page: “not recognized in real-address mode”)', (_, bytes) => {
      const t = real([...bytes, 0xf4]);
      expect(realVector(t)).toBe(UD);
      expect(t.frames.read16(0x6ffa)).toBe(0x6000);
    });
    it.each([
      ['sysenter', [0x0f, 0x34]],
      ['sysexit', [0x0f, 0x35]],
    ] as const)('%s is #GP (SDM vol. 2, SYSENTER, SYSEXIT)', (_, bytes) => {
      const t = real([...bytes, 0xf4]);
      t.m.w32(t.v + VCPU.sysenterCs, 8);
      expect(realVector(t)).toBe(GP);
    });
    it('needs no privilege for what level 0 may do', () => {
      // clts; invlpg [0]; wbinvd; mov eax, cr0; mov cr2, eax; mov eax, dr7; lmsw with 0; rdtsc; hlt
      const lines = [0x0f, 0x06, 0x0f, 0x01, 0x3e, 0, 0, 0x0f, 0x09, 0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xd0];
      const t = real([...lines, 0x0f, 0x21, 0xf8, 0x31, 0xc0, 0x0f, 0x01, 0xf0, 0x0f, 0x31, 0xf4]);
      expect(realVector(t)).toBe(-1);
      expect(t.m.r32(t.v + CR2)).toBe(0x10);
    });
    it.each([
      [7, GP],
      [9, GP],
      [15, GP],
      [17, -1],
      [16, -1],
    ])('PUSHA with SP = %i (SDM vol. 2, PUSHA)', (sp, vector) => {
      expect(realVector(real([0x60, 0xf4], sp))).toBe(vector);
    });
    it('PUSHA with SP = 1, 3 or 5 ends in a shutdown: nothing can be delivered (SDM vol. 2, PUSHA)', () => {
      for (const sp of [1, 3, 5]) expect(real([0x60, 0xf4], sp).run(20)).toBe(EXIT.shutdown);
    });
    it('PUSHA wraps around where no push lies across the end', () => {
      const t = real([0x60, 0xf4], 4);
      t.setReg('edi', 0x1234);
      expect(realVector(t)).toBe(-1);
      expect([t.reg('esp'), t.frames.read16(0xfff4)]).toEqual([0xfff4, 0x1234]);
    });
    it.each([
      ['mov ax, [ffffh]', [0xa1, 0xff, 0xff], 13],
      ['mov al, [ffffh]', [0xa0, 0xff, 0xff], -1],
      ['mov eax, [fffdh]', [0x66, 0xa1, 0xfd, 0xff], 13],
      ['mov eax, [fffch]', [0x66, 0xa1, 0xfc, 0xff], -1],
      ['mov ax, ss:[ffffh]', [0x36, 0xa1, 0xff, 0xff], 12],
      ['mov eax, [10000h] by 67', [0x67, 0xa0, 0, 0, 1, 0], 13],
      ['jmp near to 10000h by 66', [0x66, 0xe9, 0xfa, 0x9f, 0, 0], 13],
      ['jmp far to 0:10000h by 66', [0x66, 0xea, 0, 0, 1, 0, 0, 0], 13],
      ['call far to 0:10000h by 66', [0x66, 0x9a, 0, 0, 1, 0, 0, 0], 13],
    ] as const)('%s keeps to the 64 KiB of its segment (SDM vol. 3, 20.1.1)', (_, bytes, vector) => {
      expect(realVector(real([...bytes, 0xf4]))).toBe(vector);
    });
    it('an error code is never pushed (SDM vol. 3, 20.1.4)', () => {
      const t = real([0xa1, 0xff, 0xff]);
      expect(realVector(t)).toBe(13);
      expect([t.reg('esp'), t.frames.read16(0x6ffa), t.frames.read16(0x6ffe)]).toEqual([0x6ffa, 0x6000, 2]);
    });
    it('IRET of 32 bits keeps VM, VIF and VIP (SDM vol. 2, IRET)', () => {
      const t = real([0x66, 0xcf], 0x6f00);
      [0x6010, 0, 0x3ffcd5].forEach((word, i) => {
        t.frames.write32(0x6f00 + 4 * i, word);
      });
      t.frames.write8(0x6010, 0xf4);
      t.run(1);
      expect(t.reg('eflags')).toBe(0x257cd7);
    });
  });

  describe('virtual-8086 mode', () => {
    it.each([
      ['sldt ax', [0x0f, 0x00, 0xc0]],
      ['str ax', [0x0f, 0x00, 0xc8]],
      ['lldt ax', [0x0f, 0x00, 0xd0]],
      ['ltr ax', [0x0f, 0x00, 0xd8]],
      ['verr ax', [0x0f, 0x00, 0xe0]],
      ['verw ax', [0x0f, 0x00, 0xe8]],
      ['lar ax, ax', [0x0f, 0x02, 0xc0]],
      ['lsl ax, ax', [0x0f, 0x03, 0xc0]],
      ['arpl ax, ax', [0x63, 0xc0]],
    ] as const)('%s is #UD', (_, bytes) => {
      expect(runToHandler(virtual8086(bytes, 3))).toMatchObject({
        vector: UD,
        eip: VIRTUAL_CODE,
        cs: 0x1000,
      });
    });
    it.each([
      ['hlt', [0xf4]],
      ['clts', [0x0f, 0x06]],
      ['lmsw ax', [0x0f, 0x01, 0xf0]],
      ['lgdt [0]', [0x0f, 0x01, 0x16, 0, 0]],
      ['lidt [0]', [0x0f, 0x01, 0x1e, 0, 0]],
      ['invlpg [0]', [0x0f, 0x01, 0x3e, 0, 0]],
      ['invd', [0x0f, 0x08]],
      ['wbinvd', [0x0f, 0x09]],
      ['mov eax, cr0', [0x0f, 0x20, 0xc0]],
      ['mov cr3, eax', [0x0f, 0x22, 0xd8]],
      ['mov eax, dr7', [0x0f, 0x21, 0xf8]],
      ['mov dr7, eax', [0x0f, 0x23, 0xf8]],
      ['rdmsr', [0x0f, 0x32]],
      ['wrmsr', [0x0f, 0x30]],
      ['sysexit', [0x0f, 0x35]],
    ] as const)('%s is #GP(0) whatever IOPL is (SDM vol. 3, 20.2.7)', (_, bytes) => {
      for (const iopl of [0, 3]) {
        const t = virtual8086(bytes, iopl);
        t.m.w32(t.v + VCPU.sysenterCs, 8);
        expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0, eip: VIRTUAL_CODE });
      }
    });
    it.each([
      ['cli', [0xfa]],
      ['sti', [0xfb]],
      ['pushf', [0x9c]],
      ['pushfd', [0x66, 0x9c]],
      ['popf', [0x9d]],
      ['popfd', [0x66, 0x9d]],
      ['iret', [0xcf]],
      ['int 80h', [0xcd, 0x80]],
    ] as const)('%s is #GP(0) below IOPL 3 (SDM vol. 3, 20.2.8.1)', (_, bytes) => {
      for (const iopl of [0, 1, 2])
        expect(runToHandler(virtual8086(bytes, iopl))).toMatchObject({
          vector: GP,
          code: 0,
          eip: VIRTUAL_CODE,
        });
    });
    it('INT3, INTO and INT1 do not ask for IOPL (SDM vol. 3, 20.2.8.1)', () => {
      expect(runToHandler(virtual8086([0xcc], 0))).toMatchObject({ vector: 3, eip: VIRTUAL_CODE + 1 });
      expect(runToHandler(virtual8086([0xb0, 0x7f, 0x04, 0x01, 0xce], 0))).toMatchObject({
        vector: 4,
        eip: VIRTUAL_CODE + 5,
      });
      expect(runToHandler(virtual8086([0xf1], 0))).toMatchObject({ vector: 1, eip: VIRTUAL_CODE + 1 });
    });
    it('a gate below level 3 is #GP(vector * 8 + 2) even with IOPL 3 (SDM vol. 2, INT n)', () => {
      expect(runToHandler(virtual8086([0xcd, 0x21], 3))).toMatchObject({ vector: GP, code: 0x21 * 8 + 2 });
    });
    it('a handler that is not at level 0, or conforms, is #GP(CS) (SDM vol. 3, 20.3.1)', () => {
      for (const hi of [0x00cfbb00, 0x00cf9f00]) {
        const t = virtual8086([0xcd, 0x80], 3);
        t.descriptor(SEL.free, 0xffff, hi);
        t.frames.write32(AT.idt + 8 * 0x80, (SEL.free << 16) | ((AT.handlers + 0x800) & 0xffff));
        expect(runToHandler(t)).toMatchObject({ vector: GP, code: SEL.free });
      }
    });
    it('POPFD with IOPL 3 changes IF, not VM, IOPL, VIF or VIP (SDM vol. 2, POPF)', () => {
      const t = virtual8086([0x66, 0x9d], 3);
      t.frames.write32(0x18000 + 0x7fc, 0x001dced5);
      t.setReg('esp', 0x7fc);
      t.run(1);
      expect(t.reg('eflags')).toBe(0x67ed7);
    });
  });

  describe('flags', () => {
    it('POPFD at level 0 leaves VIF, VIP and VM as they are and RF clear (SDM vol. 2, POPF)', () => {
      const t = machine(['popfd', 'pushfd', 'pop eax', 'hlt']);
      t.setReg('eflags', 0x180002);
      t.frames.write32(AT.stack0 - 4, 0x0027_7ad7);
      t.setReg('esp', AT.stack0 - 4);
      expect(t.run(9)).toBe(EXIT.halt);
      expect(t.reg('eax')).toBe(0x3c7ad7);
    });
    it('PUSHFD shows neither RF nor VM (SDM vol. 2, PUSHF)', () => {
      const t = machine(['pushfd', 'pop eax', 'hlt']);
      t.setReg('eflags', RF | 2);
      t.run(5);
      expect(t.reg('eax')).toBe(2);
    });
    it('CLI and STI with CPL above IOPL are #GP(0), POPF keeps IF silently (SDM vol. 2)', () => {
      for (const line of ['cli', 'sti']) {
        const t = machine([line], { cpl: 3 });
        t.setReg('eflags', 0x2002);
        expect(runToHandler(t)).toMatchObject({ vector: GP, code: 0 });
      }
      const t = machine(['push 0x3200', 'popfd', 'nop'], { cpl: 3 });
      t.run(2);
      expect(t.reg('eflags')).toBe(2);
    });
  });

  describe('returns to an outer level', () => {
    /** IRETD or RETF at level 0 to level 3 at AT.code + 0x100, with SS and ESP as given. */
    const outward = (line: 'iretd' | 'retf', ss: number, esp: number, eip = AT.code + 0x100): TestMachine => {
      const t = machine([line]);
      t.m.w32(t.v + VCPU.gdtrLimit, 0x1ff);
      t.descriptor(0x80, 0xffff, 0x0000f300); // 16-bit data of level 3
      t.descriptor(0x88, 0xffff, 0x0040fb00 | 0x20000); // code of level 3 with a limit of 2ffff
      const frame = line === 'iretd' ? [eip, 0x8b, 2, esp, ss] : [eip, 0x8b, esp, ss];
      frame.forEach((word, i) => {
        t.frames.write32(AT.stack0 - 32 + 4 * i, word);
      });
      t.setReg('esp', AT.stack0 - 32);
      return t;
    };
    it.each(['iretd', 'retf'] as const)(
      '%s loads only SP of a 16-bit stack (SDM vol. 3, 5.8.6; vol. 2)',
      (line) => {
        const t = outward(line, 0x83, 0x12345678);
        t.setReg('esp', 0x10000 - 32);
        t.run(1);
        expect([t.reg('eip'), t.sel('ss'), t.reg('esp')]).toEqual([AT.code + 0x100, 0x83, 0x5678]);
        const u = outward(line, SEL.data3, 0x12345678);
        u.run(1);
        expect(u.reg('esp')).toBe(0x12345678);
      },
    );
    it.each(['iretd', 'retf'] as const)(
      '%s looks at the stack before the limit of CS (SDM vol. 2, RET)',
      (line) => {
        expect(runToHandler(outward(line, SEL.data0, 0, 0x30000))).toMatchObject({
          vector: GP,
          code: SEL.data0,
        });
        expect(runToHandler(outward(line, SEL.data3, 0, 0x30000))).toMatchObject({ vector: GP, code: 0 });
      },
    );
  });

  describe('debug exceptions', () => {
    it('a guarded register is a fault, so RF is set in its frame (SDM vol. 3, 17.3.1.1)', () => {
      const t = machine(['mov eax, dr0']);
      t.m.w32(t.v + DR7, 0x2400);
      const { vector, eip, eflags } = runToHandler(t);
      expect([vector, eip, eflags & RF]).toEqual([1, AT.code, RF]);
      expect(t.m.r32(t.v + DR6)).toBe(0x2000);
    });
    it('an instruction breakpoint after it has RF clear again', () => {
      const t = machine(['mov eax, dr0']);
      t.m.w32(t.v + DR7, 0x2400);
      runToHandler(t);
      t.code([0x90]);
      t.m.w32(t.v + VCPU.dr, AT.code);
      t.m.w32(t.v + DR7, 0x402);
      const { vector, eip, eflags } = runToHandler(t);
      expect([vector, eip, eflags & RF]).toEqual([1, AT.code, 0]);
    });
  });

  describe('CR2', () => {
    it('names the page that was missing last, when delivery makes a double fault (SDM vol. 3, 6.15)', () => {
      const t = machine(['mov eax, [0x400000]'], { paging: true });
      t.frames.write64(AT.l2 + 16, 0, 0);
      // The stack is not there either: the frame of the first fault cannot be pushed, nor that of the double fault.
      t.setReg('esp', 0x600010);
      t.frames.write64(AT.l2 + 24, 0, 0);
      expect(t.run(3)).toBe(EXIT.shutdown);
      expect(t.m.r32(t.v + CR2)).toBe(0x60000c);
    });
  });

  describe('identity', () => {
    const leaf = (n: number, subleaf = 0): number[] => {
      const t = machine(['cpuid', 'hlt']);
      t.setReg('eax', n);
      t.setReg('ecx', subleaf);
      t.run(3);
      return (['eax', 'ebx', 'ecx', 'edx'] as const).map((reg) => t.reg(reg));
    };
    it('a leaf beyond the maximum is answered like the highest basic one (SDM vol. 2, CPUID)', () => {
      for (const beyond of [8, 0xd, 0x1000, 0x40000000, 0x7fffffff, 0x80000009, 0x8fffffff, 0xffffffff])
        expect(leaf(beyond)).toEqual(leaf(7));
      expect(leaf(0x20, 1)).toEqual([0, 0, 0, 0]);
    });
  });

  describe('the I/O permission bitmap (SDM vol. 1, 19.5.2)', () => {
    /** Level 3 with a bitmap of `length` bytes behind the TSS, all ports free. */
    const ports = (line: string, limit: number, map = 0x68): TestMachine => {
      const t = machine([line, 'nop'], { cpl: 3 });
      t.frames.write16(AT.tss + 0x66, map);
      for (let i = 0; i < 0x40; i++) t.frames.write8(AT.tss + 0x68 + i, 0);
      t.m.w32(t.v + VCPU.tr + 8, limit);
      return t;
    };
    const allowed = (t: TestMachine): boolean => {
      t.run(1);
      return t.reg('eip') < AT.code + 16 && t.reg('eip') > AT.code;
    };
    it('reads two bytes: the one behind the port’s must lie within the limit too', () => {
      expect(allowed(ports('in al, 0x7', 0x69))).toBe(true);
      expect(allowed(ports('in al, 0x7', 0x68))).toBe(false);
      expect(allowed(ports('in al, 0x8', 0x69))).toBe(false);
    });
    it('asks for every byte of a wide access, across a byte of the map', () => {
      for (const [bit, free] of [
        [0x0e, false],
        [0x0f, false],
        [0x10, false],
        [0x11, false],
        [0x0d, true],
        [0x12, true],
      ] as const) {
        const t = ports('in eax, 0xe', 0x80);
        t.frames.write8(AT.tss + 0x68 + (bit >> 3), 1 << (bit & 7));
        expect(allowed(t)).toBe(free);
      }
    });
    it('may lie anywhere in the segment, and is not there in a 16-bit TSS', () => {
      expect(allowed(ports('in al, 0x0', 0x100, 0xf0))).toBe(true);
      expect(allowed(ports('in al, 0x0', 0xf0, 0xf0))).toBe(false);
      const t = ports('in al, 0x0', 0x100);
      t.m.w32(t.v + VCPU.tr + 12, 0x83);
      expect(allowed(t)).toBe(false);
    });
  });

  describe('looking at descriptors', () => {
    const TYPES_LAR = [1, 2, 3, 4, 5, 9, 11, 12],
      TYPES_LSL = [1, 2, 3, 9, 11];
    it.each([
      ['lar ebx, ax', TYPES_LAR],
      ['lsl ebx, ax', TYPES_LSL],
      ['verr ax', []],
      ['verw ax', []],
    ] as const)('%s accepts these system types only (SDM vol. 2, tables of LAR and LSL)', (line, types) => {
      const found = [];
      for (let type = 0; type < 16; type++) {
        const t = machine([line, 'hlt']);
        t.descriptor(SEL.free, 0x1234, 0x8000 | (type << 8));
        t.setReg('eax', SEL.free);
        t.run(3);
        if ((t.reg('eflags') & 0x40) !== 0) found.push(type);
      }
      expect(found).toEqual(types);
    });
    it('an absent segment can be looked at, and nothing is marked accessed (SDM vol. 2, LAR, VERR)', () => {
      const t = machine(['lar ebx, ax', 'verr ax', 'setz cl', 'verw ax', 'setz ch', 'hlt']);
      t.descriptor(SEL.free, 0xffff, 0x00cf1200);
      t.setReg('eax', SEL.free);
      t.run(9);
      expect([t.reg('ebx') & 0xf0ff00, t.reg('ecx')]).toEqual([0xc01200, 0x101]);
      expect(t.frames.read32(AT.gdt + SEL.free + 4)).toBe(0x00cf1200);
    });
    it('a selector with a higher RPL than the DPL is not visible, unless the code conforms', () => {
      for (const [hi, zf] of [
        [0x00cf9300, 0],
        [0x00cf9b00, 0],
        [0x00cf9f00, 1],
        [0x00cff300, 1],
      ] as const) {
        const t = machine(['lsl ebx, ax', 'hlt']);
        t.descriptor(SEL.free, 0xffff, hi);
        t.setReg('eax', SEL.free | 3);
        t.run(3);
        expect((t.reg('eflags') >> 6) & 1).toBe(zf);
      }
    });
  });
}
