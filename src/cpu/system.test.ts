// Control registers, identity, model-specific registers, fast system calls, the missing coprocessor, alignment, and the corners of real-address
// and virtual-8086 mode. Written from the SDM; sections in the titles.

import { describe, expect, it } from 'vitest';
import { AT, runToHandler, SEL, testMachine, type TestMachine } from './testing.ts';
import { EXIT, SEGREG, VCPU } from './vcpu.ts';

const cr = (t: TestMachine, n: 0 | 3 | 4): number => t.m.r32(t.v + VCPU[`cr${n}`]);
const segment = (t: TestMachine, n: number, field: number): number =>
  t.m.r32(t.v + VCPU.seg + n * SEGREG.$size + field);

describe('control registers (SDM vol. 2, MOV CR; vol. 3, 2.5)', () => {
  it('CR0 ignores reserved bits and keeps ET; impossible combinations are #GP(0)', () => {
    const t = testMachine();
    t.program('mov cr0, eax', 'mov cr0, ebx');
    t.setReg('eax', 0x1ffd0001);
    t.run(1);
    expect(cr(t, 0)).toBe(0x00050011);
    for (const value of [0x80000000, 0x20000001]) {
      const u = testMachine();
      u.program('mov cr0, eax');
      u.setReg('eax', value);
      expect(runToHandler(u)).toMatchObject({ vector: 13, code: 0, eip: AT.code });
    }
  });
  it('CR4 refuses what CPUID does not announce', () => {
    for (const [value, allowed] of [
      [0x8bc, true],
      [0x1, false],
      [0x40, false],
      [0x200, false],
      [0x100000, false],
    ] as const) {
      const t = testMachine();
      t.program('mov cr4, eax', 'hlt');
      t.setReg('eax', value);
      if (allowed) {
        expect(t.run(5)).toBe(EXIT.halt);
        expect(cr(t, 4)).toBe(value);
      } else expect(runToHandler(t)).toMatchObject({ vector: 13, code: 0 });
    }
  });
  it('LMSW sets PE, MP, EM, TS and cannot clear PE; CLTS clears TS', () => {
    const t = testMachine();
    t.program('lmsw ax', 'clts', 'smsw ecx', 'hlt');
    t.setReg('eax', 0xfffe);
    t.run(1);
    expect(cr(t, 0)).toBe(0x3f);
    t.run(3);
    expect(t.reg('ecx')).toBe(0x37);
  });
  it('the PDPTEs are registers, loaded with CR3 and when paging begins (SDM vol. 3, 4.4.1)', () => {
    const t = testMachine({ paging: true });
    t.program('mov ebx, [0x18000]', 'mov cr3, eax', 'hlt');
    t.frames.write64(AT.l3, 0x1e7, 0); // reserved bits
    t.setReg('eax', AT.l3);
    t.run(1);
    expect(t.reg('eip')).toBe(AT.code + 6);
    expect(runToHandler(t)).toMatchObject({ vector: 13, code: 0, eip: AT.code + 6 });
  });
});

describe('identity', () => {
  it('announces what is there (SDM vol. 2, CPUID)', () => {
    const leaf = (n: number): readonly number[] => {
      const t = testMachine();
      t.program('cpuid', 'hlt');
      t.setReg('eax', n);
      t.run(3);
      return (['eax', 'ebx', 'ecx', 'edx'] as const).map((reg) => t.reg(reg));
    };
    expect(leaf(0)).toEqual([7, 0x756e6547, 0x6c65746e, 0x49656e69]);
    const [, , ecx, edx] = leaf(1);
    expect(ecx).toBe(0);
    // DE PSE TSC MSR PAE CX8 APIC SEP PGE CMOV PAT PSE-36 CLFSH; no FPU, VME, MCE, MTRR, MMX, SSE
    expect(edx! >>> 0).toBe(0x000bab7c);
    expect(leaf(7)).toEqual([0, 0, 4, 0]);
    expect(leaf(0x80000001)[3]).toBe(0x100000);
    expect(leaf(6)).toEqual([0, 0, 0, 0]);
  });
  it('an unknown MSR is #GP(0), RDPMC and RDTSCP are refused', () => {
    for (const [lines, vector] of [
      [['mov ecx, 0x1234', 'rdmsr'], 13],
      [['rdpmc'], 13],
      [['rdtscp'], 6],
    ] as const) {
      const t = testMachine();
      t.program(...lines);
      expect(runToHandler(t)).toMatchObject({ vector });
    }
  });
  it('RDTSC follows T, WRMSR sets it, CR4.TSD keeps it from level 3 (SDM vol. 3, 17.17)', () => {
    const t = testMachine();
    t.program('mov ecx, 0x10', 'mov eax, 0x1000', 'mov edx, 2', 'wrmsr', 'nop', 'rdtsc', 'hlt');
    t.run(10);
    expect([t.reg('eax'), t.reg('edx')]).toEqual([0x1002, 2]);
    const u = testMachine({ cpl: 3 });
    u.m.w32(u.v + VCPU.cr4, 4);
    u.program('rdtsc');
    expect(runToHandler(u)).toMatchObject({ vector: 13, code: 0 });
  });
  it('UMIP keeps the table registers from level 3 (SDM vol. 3, 2.5)', () => {
    for (const line of ['sgdt [0x18000]', 'sidt [0x18000]', 'sldt ax', 'str ax', 'smsw ax']) {
      const t = testMachine({ cpl: 3 });
      t.m.w32(t.v + VCPU.cr4, 0x800);
      t.program(line);
      expect(runToHandler(t)).toMatchObject({ vector: 13, code: 0, eip: AT.code });
    }
  });
});

describe('SYSENTER and SYSEXIT (SDM vol. 2)', () => {
  it('load flat segments from the MSRs and from EDX:ECX', () => {
    const t = testMachine({ cpl: 3 });
    t.m.w32(t.v + VCPU.sysenterCs, SEL.code0);
    t.m.w32(t.v + VCPU.sysenterEsp, 0xf000);
    t.m.w32(t.v + VCPU.sysenterEip, AT.code + 0x100);
    t.setReg('eflags', 0x202);
    t.program('sysenter');
    t.write(AT.code + 0x100, [0x0f, 0x35]);
    t.run(1);
    expect([t.sel('cs'), t.sel('ss'), t.reg('esp'), t.reg('eip'), t.reg('eflags')]).toEqual([
      SEL.code0,
      SEL.code0 + 8,
      0xf000,
      AT.code + 0x100,
      2,
    ]);
    t.setReg('edx', AT.code + 0x200);
    t.setReg('ecx', AT.stack3);
    t.run(1);
    expect([t.sel('cs'), t.sel('ss'), t.reg('esp'), t.reg('eip')]).toEqual([
      (SEL.code0 + 16) | 3,
      (SEL.code0 + 24) | 3,
      AT.stack3,
      AT.code + 0x200,
    ]);
  });
  it('are #GP(0) while the MSR is null', () => {
    const t = testMachine({ cpl: 3 });
    t.program('sysenter');
    expect(runToHandler(t)).toMatchObject({ vector: 13, code: 0 });
  });
});

describe('what needs a coprocessor', () => {
  it('is #NM with CR0.EM or CR0.TS, else #UD (SDM vol. 3, 2.5 and table 2-2)', () => {
    for (const [bits, vector] of [
      [0, 6],
      [4, 7],
      [8, 7],
    ] as const) {
      const t = testMachine();
      t.m.w32(t.v + VCPU.cr0, 0x31 | bits);
      t.code([0xd8, 0xc0]); // fadd
      expect(runToHandler(t)).toMatchObject({ vector, eip: AT.code });
    }
  });
  it('can be looked for: nothing initialises, and words come back as all-ones', () => {
    const find = [
      'fninit',
      'fnclex',
      `fnstsw word [${AT.data}]`,
      `fnstcw word [${AT.data + 4}]`,
      'fnstsw ax',
    ];
    const t = testMachine();
    t.frames.write32(AT.data, 0x5a5a5a5a);
    t.program(...find, 'hlt');
    t.run(9);
    expect([t.frames.read32(AT.data), t.frames.read32(AT.data + 4) & 0xffff, t.reg('eax') & 0xffff]).toEqual([
      0x5a5affff, 0xffff, 0xffff,
    ]);
    for (const line of find)
      for (const bit of [4, 8]) {
        const trapped = testMachine();
        trapped.m.w32(trapped.v + VCPU.cr0, 0x31 | bit);
        trapped.program(line);
        expect(runToHandler(trapped)).toMatchObject({ vector: 7, eip: AT.code });
      }
  });
  it('WAIT is #NM only with MP and TS', () => {
    for (const [bits, traps] of [
      [8, false],
      [2, false],
      [10, true],
    ] as const) {
      const t = testMachine();
      t.m.w32(t.v + VCPU.cr0, 0x31 | bits);
      t.program('wait', 'hlt');
      t.run(5);
      expect(t.reg('eip') !== AT.code + 2).toBe(traps);
    }
  });
});

describe('alignment checks (SDM vol. 3, 6.15, interrupt 17)', () => {
  const AM = 0x40031;
  it('need CR0.AM, EFLAGS.AC and level 3', () => {
    for (const [cr0, flags, cpl, traps] of [
      [AM, 0x40002, 3, true],
      [0x31, 0x40002, 3, false],
      [AM, 2, 3, false],
      [AM, 0x40002, 0, false],
    ] as const) {
      const t = testMachine({ cpl });
      t.m.w32(t.v + VCPU.cr0, cr0);
      t.setReg('eflags', flags);
      t.program('mov eax, [0x18002]', 'mov ax, [0x18002]');
      t.run(1);
      expect(t.reg('eip') === AT.handlers + 17 * 16).toBe(traps);
      if (traps) expect(t.frames.read32(t.reg('esp'))).toBe(0);
    }
  });
});

describe('undocumented encodings that every processor has', () => {
  it('SALC, the second group 1, TEST and SHL by alias', () => {
    const t = testMachine();
    t.code([0xf9, 0xd6, 0x82, 0xc0, 0x03, 0xf6, 0xc8, 0x02, 0x75, 0x01, 0xf4, 0xd0, 0xf0, 0xf4]);
    t.run(10);
    expect(t.reg('eax')).toBe(4); // FF + 3 = 2, TEST with 2, SHL
    expect(t.reg('eip')).toBe(AT.code + 14);
  });
  it('UD0, UD1 and UD2 are #UD, hints do nothing', () => {
    for (const bytes of [
      [0x0f, 0x0b],
      [0x0f, 0xb9, 0xc0],
      [0x0f, 0xff, 0xc0],
    ]) {
      const t = testMachine();
      t.code([0x0f, 0x1f, 0x00, 0x0f, 0x18, 0x38, 0x0f, 0x18, 0x00, ...bytes]);
      expect(runToHandler(t)).toMatchObject({ vector: 6, eip: AT.code + 9 });
    }
  });
});

/** Real-address mode at 0600:0000, stack at 0:7000, a HLT for every vector at 0000:0600. */
function realMode(bytes: readonly number[]): TestMachine {
  const t = testMachine();
  t.m.w32(t.v + VCPU.cr0, 0x10);
  t.m.w32(t.v + VCPU.idtrBase, 0);
  t.m.w32(t.v + VCPU.idtrLimit, 0x3ff);
  for (let seg = 0; seg < 6; seg++) {
    const at = t.v + VCPU.seg + seg * SEGREG.$size;
    t.m.w32(at + SEGREG.sel, 0);
    t.m.w32(at + SEGREG.base, 0);
    t.m.w32(at + SEGREG.limit, 0xffff);
    t.m.w32(at + SEGREG.attr, 0x93);
  }
  for (let n = 0; n < 32; n++) {
    t.frames.write32(4 * n, 0x600 + n);
    t.frames.write8(0x600 + n, 0xf4);
  }
  t.setReg('esp', 0x7000);
  t.code(bytes, 0x6000);
  return t;
}
const realVector = (t: TestMachine): number => {
  expect(t.run(10)).toBe(EXIT.halt);
  return t.reg('eip') - 0x601;
};

describe('real-address mode (SDM vol. 3, 20.1)', () => {
  it('keeps 64-KiB limits: a word at FFFF is #GP, on the stack #SS', () => {
    expect(realVector(realMode([0xa1, 0xff, 0xff]))).toBe(13);
    expect(realVector(realMode([0x36, 0xa1, 0xff, 0xff]))).toBe(12);
    const u = realMode([0x67, 0x66, 0xa1, 0xfd, 0xff, 0, 0]); // mov eax, [0xfffd]
    expect(realVector(u)).toBe(13);
  });
  it('shuts down at a push with SP = 1: there is no room for the frame either (SDM vol. 2, PUSH)', () => {
    const t = realMode([0x50]);
    t.setReg('esp', 1);
    expect(t.run(5)).toBe(EXIT.shutdown);
  });
  it('wraps SP at 64 KiB, and runs off the end of CS into #GP', () => {
    const t = realMode([0x50, 0xf4]);
    t.setReg('esp', 0);
    t.setReg('eax', 0x1234);
    t.run(5);
    expect([t.reg('esp'), t.frames.read16(0xfffe)]).toEqual([0xfffe, 0x1234]);
    const u = realMode([0x90]);
    u.write(0xffff, [0x90]);
    u.setReg('eip', 0xffff);
    expect(realVector(u)).toBe(13);
  });
  it('big real mode: limits loaded in protected mode stay (SDM vol. 3, 9.9.2)', () => {
    const t = realMode([
      0x0f,
      0x20,
      0xc0,
      0x0c,
      0x01,
      0x0f,
      0x22,
      0xc0, // mov eax,cr0; or al,1; mov cr0,eax
      0xbb,
      0x10,
      0x00,
      0x8e,
      0xdb, // mov bx,10h; mov ds,bx
      0x24,
      0xfe,
      0x0f,
      0x22,
      0xc0,
      0x31,
      0xdb,
      0x8e,
      0xdb, // and al,0feh; mov cr0,eax; xor bx,bx; mov ds,bx
      0x67,
      0x66,
      0xc7,
      0x05,
      0x00,
      0x00,
      0x12,
      0x00,
      0x78,
      0x56,
      0x34,
      0x12,
      0xf4, // mov dword [120000h],12345678h
    ]);
    expect(t.run(20)).toBe(EXIT.halt);
    expect(t.reg('eip')).toBe(0x6023);
    expect(t.frames.read32(0x120000)).toBe(0x12345678);
  });
  it('the level stays 0 when PE is set above a selector with low bits (SDM vol. 3, 9.9.1)', () => {
    const t = realMode([]);
    t.code([0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0x0f, 0x22, 0xc0, 0xf4], 0x6000);
    const cs = t.v + VCPU.seg + SEGREG.$size;
    t.m.w32(cs + SEGREG.sel, 0x603);
    t.m.w32(cs + SEGREG.base, 0x6030);
    t.write(0x6030, [0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0, 0x0f, 0x22, 0xc0, 0xf4]);
    t.setReg('eip', 0);
    expect(t.run(10)).toBe(EXIT.halt);
    expect(t.reg('eip')).toBe(12);
  });
  it('INT clears IF, TF and AC, leaves NT (SDM vol. 2, INT n)', () => {
    const t = realMode([0xcd, 0x05]);
    t.setReg('eflags', 0x44202);
    t.run(1);
    expect(t.reg('eflags')).toBe(0x4002);
    expect(t.frames.read16(0x6ffe)).toBe(0x4202);
  });
  it('a vector beyond the limit of IDTR ends in a shutdown (SDM vol. 3, 20.1.4)', () => {
    const t = realMode([0xcd, 0x05]);
    t.m.w32(t.v + VCPU.idtrLimit, 3);
    expect(t.run(5)).toBe(EXIT.shutdown);
  });
  it('a register that was null can be used again once it is loaded', () => {
    const t = realMode([0x8e, 0xc0, 0x26, 0xa0, 0, 0, 0xf4]); // mov es,ax; mov al,[es:0]; hlt
    t.m.w32(t.v + VCPU.seg + SEGREG.attr, 0x10000);
    t.m.w32(t.v + VCPU.seg + SEGREG.limit, 0);
    t.setReg('eax', 0x1800);
    t.frames.write8(0x18000, 0x5a);
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.reg('eax')).toBe(0x185a);
  });
});

describe('virtual-8086 mode', () => {
  it('its segments have 64 KiB whatever they had before (SDM vol. 3, 20.2.1)', () => {
    const t = testMachine();
    [0x10, 0x2000, 0x20202, 0x8000, 0x1800, 0x1800, 0x1800, 0, 0].forEach((word, i) => {
      t.frames.write32(AT.stack0 - 36 + 4 * i, word);
    });
    t.setReg('esp', AT.stack0 - 36);
    t.write(AT.code + 0x10, [0x67, 0x66, 0xa1, 0, 0, 1, 0]); // mov eax, [0x10000]
    t.program('iretd');
    t.write(AT.code + 0x10, [0x67, 0x66, 0xa1, 0, 0, 1, 0]);
    expect(runToHandler(t)).toMatchObject({ vector: 13, code: 0, eip: 0x10, cs: 0x2000 });
    expect(segment(t, 3, SEGREG.attr) & 0x10000).toBe(0x10000); // DS is null in the handler
  });
});

describe('4-MiB pages (SDM vol. 3, 4.3)', () => {
  function directory(entry: number, cr4: number): TestMachine {
    const t = testMachine({ mib: 24 });
    t.frames.write32(AT.l2, 0x87);
    t.frames.write32(AT.l2 + 8, entry);
    t.m.w32(t.v + VCPU.cr4, cr4);
    t.m.w32(t.v + VCPU.cr3, AT.l2);
    t.m.w32(t.v + VCPU.cr0, 0x80010031);
    return t;
  }
  it('map 4 MiB, with accessed and dirty bits in the directory', () => {
    const t = directory(0x00400083, 0x10);
    t.frames.write32(0x512344, 0x77);
    t.program('mov eax, [0x912344]', 'mov [0x912348], eax', 'hlt');
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.frames.read32(0x512348)).toBe(0x77);
    expect(t.frames.read32(AT.l2 + 8)).toBe(0x004000e3);
  });
  it('have reserved bits below the base: #PF with RSVD', () => {
    const t = directory(0x00600083, 0x10);
    t.program('mov eax, [0x912344]');
    expect(runToHandler(t)).toMatchObject({ vector: 14, code: 9 });
  });
  it('reach above 4 GiB by PSE-36, where there is no memory', () => {
    const t = directory(0x00402083, 0x10);
    t.frames.write32(0x512344, 0x77);
    t.program('mov eax, [0x912344]', 'hlt');
    t.run(5);
    expect(t.reg('eax')).toBe(0xffffffff);
  });
  it('are tables without CR4.PSE', () => {
    const t = directory(AT.l1 | 0x83, 0);
    t.frames.write32(AT.l2, 0x11083);
    for (let i = 0; i < 1024; i++) t.frames.write32(0x11000 + 4 * i, (i << 12) | 3);
    t.frames.write32(AT.l1 + 4 * 0x112, 0x18003);
    t.frames.write32(0x18344, 0x99);
    t.program('mov eax, [0x912344]', 'hlt');
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.reg('eax')).toBe(0x99);
  });
});

describe('2-MiB pages (SDM vol. 3, 4.4)', () => {
  it('have no base bit in bit 12: it selects the memory type', () => {
    const t = testMachine({ paging: true });
    t.frames.write64(AT.l2 + 8, 0x2010e7, 0);
    t.frames.write32(0x212340, 0x77);
    t.program('mov eax, [0x212340]', 'hlt');
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.reg('eax')).toBe(0x77);
  });
});

describe('page faults', () => {
  it('of an access across two pages name the page that is missing, nothing is written (SDM vol. 3, 4.7)', () => {
    const t = testMachine({ paging: true });
    t.frames.write64(AT.l1 + 8 * 0x31, 0, 0);
    t.program('mov [0x30ffe], eax');
    t.setReg('eax', 0xffffffff);
    expect(runToHandler(t)).toMatchObject({ vector: 14, code: 2 });
    expect(t.m.r32(t.v + VCPU.cr2)).toBe(0x31000);
    expect(t.frames.read16(0x30ffe)).toBe(0);
  });
  it('of a fetch across two pages name the second', () => {
    const t = testMachine({ paging: true });
    t.frames.write64(AT.l1 + 8 * 0x31, 0, 0);
    t.code([0xb8], 0x30fff);
    expect(runToHandler(t)).toMatchObject({ vector: 14, eip: 0x30fff });
    expect(t.m.r32(t.v + VCPU.cr2)).toBe(0x31000);
  });
  it('of ARPL ask for writing only when it writes', () => {
    for (const [rpl, faults] of [
      [3, false],
      [0, true],
    ] as const) {
      const t = testMachine({ cpl: 3, paging: true });
      t.frames.write64(AT.l1 + 8 * 0x31, 0x31005, 0);
      t.frames.write16(0x31000, rpl);
      t.program('arpl [0x31000], ax');
      t.setReg('eax', 1);
      if (faults) expect(runToHandler(t)).toMatchObject({ vector: 14, code: 7 });
      else expect([t.run(1), t.reg('eip')]).toEqual([EXIT.budget, AT.code + 6]);
    }
  });
});
