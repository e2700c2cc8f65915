// Derived classes. The manual's own table is in cpu/traps-table.test.ts; here stands what must hold of the derivation itself.

import { describe, expect, test } from 'vitest';
import { type Describe, type Semantic, semantics } from './builder.ts';
import { classify, classifyInsn, trapsAt } from './classify.ts';
import { reasonText } from './classify-text.ts';
import { decode } from './decode.ts';
import { sampleInsns } from './samples.ts';
import './semantics/index.ts';
import { TABLE } from './table.ts';
import type { Insn } from './types.ts';

const insnOf = (text: string): Insn => {
  const bytes = text.split(' ').map((byte) => Number.parseInt(byte, 16));
  return decode((i) => bytes[i] ?? 0, true);
};
const classOf = (text: string) => classifyInsn(insnOf(text)).class;
const FORMS = TABLE.filter((form) => form.opcode !== '');
const CLASSIFIED = FORMS.map((form) => ({ form, found: classify(form)! }));
const changed = (name: string, access: Semantic['access'], run: Describe): ReadonlyMap<string, Semantic> =>
  new Map([...semantics, [name, { name, access, run }]]);

describe('classes', () => {
  test.each([
    ['CLTS', '0f 06', 'privileged'],
    ['MOV CR3', '0f 22 d8', 'privileged'],
    ['HLT', 'f4', 'privileged'],
    ['CLI', 'fa', 'iopl-privileged'],
    ['IN', 'e4 60', 'iopl-privileged'],
    ['POPF', '9d', 'sensitive-unprivileged'],
    ['SGDT', '0f 01 05 00 10 00 00', 'sensitive-unprivileged'],
    ['MOV r, CS', '8c c8', 'sensitive-unprivileged'],
    ['MOV r, DS', '8c d8', 'innocuous'],
    ['RDTSC', '0f 31', 'mode-conditional'],
    ['ARPL', '63 c0', 'mode-conditional'],
    ['CPUID', '0f a2', 'innocuous'],
    ['ADD', '03 03', 'innocuous'],
    ['UD2', '0f 0b', 'innocuous'],
    ['PUSH', 'ff 33', 'innocuous'],
  ] as const)('%s', (_name, bytes, expected) => {
    expect(classOf(bytes)).toBe(expected);
  });

  test('every form has one, and the ordinary ones are the most', () => {
    const counts = new Map<string, number>();
    for (const { form, found } of CLASSIFIED) {
      expect(found, form.opcode).toBeDefined();
      counts.set(found.class, (counts.get(found.class) ?? 0) + 1);
    }
    expect([...counts.values()].reduce((a, b) => a + b)).toBe(FORMS.length);
    expect(counts.get('innocuous')!).toBeGreaterThan(FORMS.length / 2);
  });

  test('are consistent with the outcomes at every level', () => {
    for (const form of FORMS) {
      for (const insn of sampleInsns(form)) {
        const { class: kind, alwaysFaults } = classifyInsn(insn);
        const at = (cpl: number, iopl = 0) => trapsAt(insn, cpl, { iopl });
        if (alwaysFaults) continue;
        expect(at(0), form.opcode).toBe('right');
        expect(at(3) === 'traps', form.opcode).toBe(kind === 'privileged' || kind === 'iopl-privileged');
        expect(at(3) === 'silent', form.opcode).toBe(kind === 'sensitive-unprivileged');
        expect(at(3, 3) === 'traps', form.opcode).toBe(kind === 'privileged');
        // No instruction of the architecture is refused at ring 1 and served at ring 3.
        if (at(1) === 'traps') expect(at(3), form.opcode).toBe('traps');
      }
    }
  });
});

describe('circumstances', () => {
  test('UMIP makes five silent instructions trap', () => {
    const silent = FORMS.filter((form) => classify(form)!.modes.includes('umip')).map(
      (form) => form.mnemonic,
    );
    expect(silent.sort()).toEqual(['sgdt', 'sidt', 'sldt', 'smsw', 'str']);
    expect(trapsAt(insnOf('0f 01 e0'), 3, { umip: true })).toBe('traps');
    expect(trapsAt(insnOf('0f 01 e0'), 0, { umip: true })).toBe('right');
  });
  test('TSD is about the time-stamp counter alone', () => {
    const guarded = FORMS.filter((form) => classify(form)!.modes.includes('tsd')).map(
      (form) => form.mnemonic,
    );
    expect(guarded).toEqual(['rdtsc']);
  });
  test('IOPL lets CLI and STI through, and then they meet the real interrupt flag', () => {
    for (const bytes of ['fa', 'fb']) {
      expect(trapsAt(insnOf(bytes), 3, { iopl: 3 })).toBe('silent');
      expect(trapsAt(insnOf(bytes), 1, { iopl: 1 })).toBe('silent');
      expect(trapsAt(insnOf(bytes), 3, { iopl: 1 })).toBe('traps');
    }
  });
  test('the I/O permission bitmap opens ports that IOPL closes, in virtual-8086 mode too', () => {
    const inb = insnOf('e4 60');
    expect(trapsAt(inb, 3)).toBe('traps');
    expect(trapsAt(inb, 3, { ioAllowed: true })).toBe('silent');
    expect(trapsAt(inb, 3, { iopl: 3 })).toBe('silent');
    expect(trapsAt(inb, 3, { iopl: 3, vm86: true })).toBe('traps');
  });
  test('POPF: which flags, under which condition', () => {
    const { effects } = classifyInsn(insnOf('9d'));
    const when = (name: string) => effects.find((e) => e.access === 'write' && e.name === name)?.when;
    expect(when('if')).toContain('CPL ≤ IOPL');
    expect(when('iopl')).toContain('CPL = 0');
  });
});

describe('mutation', () => {
  test('HLT without its check is not privileged any more', () => {
    const open = changed('hlt', [], (b) => b.halt());
    expect(classifyInsn(insnOf('f4'), open).class).toBe('sensitive-unprivileged');
  });
  test('a NOP that looks at CR3 is sensitive', () => {
    const peeping = changed('nop', [], (b) => b.setReg(0, 32, b.sys('cr3')));
    expect(classOf('90')).toBe('innocuous');
    expect(classifyInsn(insnOf('90'), peeping).class).toBe('sensitive-unprivileged');
    expect(classifyInsn(insnOf('90'), peeping).effects).toEqual([{ access: 'read', name: 'cr3', when: '' }]);
  });
  test('SGDT without the UMIP check does not depend on it', () => {
    const old = changed('sgdt', ['a'], (b, dst) => b.store(3, dst.ea(), 32, b.sys('gdtr.base')));
    expect(classifyInsn(insnOf('0f 01 05 00 10 00 00'), old).modes).toEqual([]);
  });
  test('a control bit that only decides a fault is a mode, one that is stored is an effect', () => {
    const checks: Describe = (b) => b.faultIf(b.and(b.sys('cr0'), b.const(8)), 7);
    const stores: Describe = (b) => b.setReg(0, 32, b.and(b.sys('cr0'), b.const(8)));
    expect(classifyInsn(insnOf('90'), changed('nop', [], checks)).class).toBe('mode-conditional');
    expect(classifyInsn(insnOf('90'), changed('nop', [], stores)).class).toBe('sensitive-unprivileged');
  });
  test('nothing is known by its mnemonic', () => {
    const popf = insnOf('9d');
    const renamed: Insn = { ...popf, form: { ...popf.form, mnemonic: 'frob' } };
    expect(classifyInsn(renamed)).toEqual(classifyInsn(popf));
  });
});

describe('reasons', () => {
  test('are whole sentences in both languages', () => {
    for (const { form, found } of CLASSIFIED) {
      for (const language of ['en', 'ko'] as const) {
        const text = reasonText(found, language);
        expect(text, form.opcode).toMatch(/^\S.*\.$/);
        expect(text).not.toMatch(/\{\d\}|undefined/);
      }
    }
  });
  test('name what is touched', () => {
    expect(classifyInsn(insnOf('0f 01 0d 00 10 00 00')).reason).toBe(
      'It runs at every level without a trap, unless CR4.UMIP is set and CPL is above 0; yet it reads IDTR.',
    );
  });
});
