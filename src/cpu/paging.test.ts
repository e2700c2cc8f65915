// PAE paging against SDM vol. 3, chapter 4: rights, error codes, accessed and dirty bits, large pages, coherence.

import { describe, expect, it } from 'vitest';
import { PTE_A, PTE_D, PTE_NX_HI } from './paging.ts';
import { AT, runToHandler, SEL, type TestMachine, testMachine } from './testing.ts';
import { EXIT, VCPU, VCPU_MODE } from './vcpu.ts';

const PF = 14;
const P = 1,
  RW = 2,
  US = 4;
const PAGE = 0x30000;

/** Sets the L1 entry of a page below 2 MiB. */
const pte = (t: TestMachine, page: number, lo: number, hi = 0): void => {
  t.frames.write64(AT.l1 + (page >>> 12) * 8, lo >>> 0, hi >>> 0);
};
const pteLo = (t: TestMachine, page: number): number => t.frames.read32(AT.l1 + (page >>> 12) * 8);
const machine = (cpl: 0 | 1 | 3, lo: number, hi = 0): TestMachine => {
  const t = testMachine({ paging: true, cpl });
  pte(t, PAGE, lo, hi);
  return t;
};
const READ = 'mov eax, [0x30010]',
  WRITE = 'mov [0x30010], eax',
  MODIFY = 'add [0x30010], eax';

describe('error codes', () => {
  const cases: readonly (readonly [string, 0 | 1 | 3, string, number, number, number])[] = [
    ['read of an absent page by ring 3', 3, READ, 0, 0, 4],
    ['read of an absent page by ring 1', 1, READ, 0, 0, 0],
    ['write to an absent page by ring 3', 3, WRITE, 0, 0, 6],
    ['read-modify-write of an absent page', 3, MODIFY, 0, 0, 6],
    ['read of a supervisor page by ring 3', 3, READ, PAGE | P | RW, 0, 5],
    ['write to a read-only page by ring 3', 3, WRITE, PAGE | P | US, 0, 7],
    ['write to a read-only page by ring 1 under WP', 1, WRITE, PAGE | P | US, 0, 3],
    ['a reserved bit', 0, READ, PAGE | P | RW, 0x10, 9],
    ['jump into a page that may not execute', 3, 'jmp 0x30000', PAGE | P | RW | US, PTE_NX_HI, 0x15],
  ];
  for (const [name, cpl, text, lo, hi, code] of cases) {
    it(name, () => {
      const t = machine(cpl, lo, hi);
      t.program(text);
      const got = runToHandler(t);
      expect(got).toMatchObject({ vector: PF, code });
      expect(t.m.r32(t.v + VCPU.cr2)).toBe(text.startsWith('jmp') ? PAGE : 0x30010);
    });
  }
  it('rights are those of all levels together', () => {
    const t = testMachine({ paging: true, cpl: 3 });
    t.frames.write64(PAGE, 0x200000 | P | RW | US, 0); // a table for the second 2 MiB, behind a read-only directory entry
    t.frames.write64(AT.l2 + 8, PAGE | P | US, 0);
    t.program('mov eax, [0x200010]', 'mov [0x200010], eax');
    expect(runToHandler(t)).toMatchObject({ vector: PF, code: 7 });
  });
  it('supervisor writes pass read-only pages when WP is clear', () => {
    const t = machine(0, PAGE | P);
    t.m.w32(t.v + VCPU.cr0, t.m.r32(t.v + VCPU.cr0) & ~0x10000);
    t.program('mov eax, 7', WRITE, 'hlt');
    expect(t.run(10)).toBe(EXIT.halt);
    expect(t.frames.read32(PAGE + 0x10)).toBe(7);
  });
  it('without NXE bit 63 is reserved', () => {
    const t = machine(0, PAGE | P | RW, PTE_NX_HI);
    t.m.w32(t.v + VCPU.efer, 0);
    t.program(READ);
    expect(runToHandler(t)).toMatchObject({ vector: PF, code: 9 });
  });
  it('an access across two pages names the first byte of the page that is missing, and stores nothing', () => {
    const t = machine(3, 0);
    t.frames.write32(PAGE - 4, 0x55555555);
    t.program('mov [0x2fffe], eax');
    expect(runToHandler(t)).toMatchObject({ vector: PF, code: 6 });
    expect(t.m.r32(t.v + VCPU.cr2)).toBe(PAGE);
    expect(t.frames.read32(PAGE - 4)).toBe(0x55555555);
  });
});

describe('accessed and dirty bits', () => {
  it('reads set A at every level, writes set D in the last', () => {
    const t = machine(3, PAGE | P | RW | US);
    t.program(READ, WRITE, 'int 0x80');
    t.run(1);
    expect(pteLo(t, PAGE) & (PTE_A | PTE_D)).toBe(PTE_A);
    expect(t.frames.read32(AT.l2) & PTE_A).toBe(PTE_A);
    t.run(1);
    expect(pteLo(t, PAGE) & (PTE_A | PTE_D)).toBe(PTE_A | PTE_D);
  });
  it('a refused access sets nothing', () => {
    const t = machine(3, PAGE | P | US);
    t.program(WRITE);
    runToHandler(t);
    expect(pteLo(t, PAGE) & (PTE_A | PTE_D)).toBe(0);
  });
  it('a 2 MiB page has them in its directory entry', () => {
    const t = testMachine({ paging: true, cpl: 3 });
    t.program('mov [0x200020], eax', 'int 0x80');
    t.run(1);
    expect(t.frames.read32(AT.l2 + 8) & (PTE_A | PTE_D)).toBe(PTE_A | PTE_D);
  });
});

describe('large pages', () => {
  it('map 2 MiB, and reserve the low address bits', () => {
    const t = testMachine({ paging: true, cpl: 0 });
    t.frames.write32(0x200000 + 0x123454, 0xcafe);
    t.program('mov eax, [0x323454]', 'mov ebx, [0x412345]');
    t.frames.write64(AT.l2 + 16, 0x402083, 0);
    t.run(1);
    expect(t.reg('eax')).toBe(0xcafe);
    expect(runToHandler(t)).toMatchObject({ vector: PF, code: 9 });
  });
});

describe('coherence', () => {
  it('a store to a page-table entry counts for the next instruction', () => {
    const t = machine(0, PAGE | P | RW);
    t.frames.write32(PAGE + 0x10, 0x1111);
    t.frames.write32(0x31010, 0x2222);
    const entry = AT.l1 + 0x30 * 8;
    t.program(
      READ,
      `mov dword [${entry}], 0x31003`,
      'mov ebx, [0x30010]',
      `mov dword [${entry}], 0`,
      'mov ecx, [0x30010]',
    );
    const got = runToHandler(t);
    expect(t.reg('eax')).toBe(0x1111);
    expect(t.reg('ebx')).toBe(0x2222);
    expect(got).toMatchObject({ vector: PF, code: 0 });
  });
  it('PDPTEs of the bare machine are registers: only a load of CR3 reads them', () => {
    const t = testMachine({ paging: true, cpl: 0 });
    // The entry vanishes from memory, the register stays; with CR3 loaded the next fetch has no page, nor has any handler.
    t.program(`mov dword [${AT.l3}], 0`, 'mov eax, [0x18000]', 'mov ebx, cr3', 'mov cr3, ebx', 'nop');
    expect(t.run(4)).toBe(EXIT.budget);
    expect(t.run(4)).toBe(EXIT.shutdown);
  });
  it('reserved bits in a PDPTE make the load #GP', () => {
    const t = testMachine({ paging: true, cpl: 0 });
    t.frames.write64(AT.l3, AT.l2 | 7, 0);
    t.program(`mov eax, ${AT.l3}`, 'mov cr3, eax');
    expect(runToHandler(t)).toMatchObject({ vector: 13, code: 0, cs: SEL.code0 });
  });
});

describe('a PV guest', () => {
  it('may have RW, US, A, D and AVL in its L3 entries, and CR0.WP acts as 1', () => {
    const t = machine(1, PAGE | P | US);
    t.m.w32(t.v + VCPU.mode, VCPU_MODE.pv);
    t.m.w32(t.v + VCPU.cr0, t.m.r32(t.v + VCPU.cr0) & ~0x10000);
    t.frames.write64(AT.l3, AT.l2 | 0xe67, 0);
    const out = { ok: false, maddr: 0, code: 0 };
    expect(t.mmu.translate(t.v, 0x30010, 'r', true, out)).toBe(true);
    expect(out.maddr).toBe(0x30010);
    expect(t.mmu.translate(t.v, 0x30010, 'w', false, out)).toBe(false);
    expect(out.code).toBe(3);
  });
});

describe('beyond RAM', () => {
  it('reads give ones and writes are lost on the bare machine', () => {
    const t = machine(0, 0xfff00000 | P | RW);
    t.program('mov ebx, 5', 'mov [0x30010], ebx', READ, 'hlt');
    expect(t.run(10)).toBe(EXIT.halt);
    expect(t.reg('eax')).toBe(0xffffffff);
  });
});

describe('paging off', () => {
  it('linear addresses are machine addresses', () => {
    const t = testMachine();
    t.frames.write32(0x123456, 0xabcdef);
    t.program('mov eax, [0x123456]', 'hlt');
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.reg('eax')).toBe(0xabcdef);
  });
});
