import { describe, expect, it } from 'vitest';
import { decode } from './decode.ts';
import { encode, sampleChoices, shapeOf } from './encodings.ts';
import { MISSING_ROWS } from './table-missing.ts';
import { AF, CF, cc, OF, opcodePattern, PF, SF, TABLE, UD_FORM, undefinedFlags, ZF } from './table.ts';
import type { Form, Insn } from './types.ts';

const insnOf = (...bytes: number[]): Insn => decode((i) => bytes[i]!, true);
const forms = TABLE.slice(1);

describe('the rows', () => {
  it('are numbered by their place', () => {
    TABLE.forEach((form, i) => {
      expect(form.id).toBe(i);
    });
    expect(TABLE[0]).toBe(UD_FORM);
  });

  it('claim every encoding once', () => {
    const seen = new Map<string, Form>();
    for (const form of forms) {
      const shape = shapeOf(form);
      for (const opSize of shape.opSizes) {
        for (const kind of ['memory', 'register', 'neither'] as const) {
          if (kind === 'neither' ? shape.register || shape.memory : !shape[kind]) continue;
          const { addrSize } = opcodePattern(form.opcode);
          const bare = form.opcode.replace(/^o(16|32) |^a(16|32) | reg$/g, '');
          const key = `${bare} ${opcodePattern(form.opcode).opSize === 0 ? 'any' : opSize} ${addrSize} ${kind}`;
          const other = seen.get(key);
          expect(other === undefined || other === form, `${key}: ${form.mnemonic}, ${other?.mnemonic}`).toBe(
            true,
          );
          seen.set(key, form);
        }
      }
    }
    expect(seen.size).toBeGreaterThan(500);
  });

  it('agree whether a ModRM byte follows an opcode', () => {
    const byIndex = new Map<number, boolean>();
    for (const form of forms) {
      const { index } = opcodePattern(form.opcode);
      const { hasModrm } = shapeOf(form);
      expect(byIndex.get(index) ?? hasModrm, form.opcode).toBe(hasModrm);
      byIndex.set(index, hasModrm);
    }
  });

  it('allow LOCK only where the destination can be memory', () => {
    for (const form of forms) if (form.lock === true) expect(form.operands[0]).toMatch(/^[EM]/);
  });

  it('take REP only on string instructions', () => {
    for (const form of forms)
      expect(form.rep !== undefined, form.opcode).toBe(
        /^(movs|cmps|stos|lods|scas|ins|outs)$/.test(form.semantics),
      );
  });

  it('decode back to themselves from every sample', () => {
    let count = 0;
    for (const form of forms) {
      for (const choice of sampleChoices(form)) {
        const bytes = encode(form, choice);
        if (bytes === undefined) continue;
        const insn = insnOf(...bytes);
        expect(insn.length).toBe(bytes.length);
        count++;
        if (insn.invalid !== undefined) expect(form.operands.join()).toMatch(/Sw|Cd/);
        else if (insn.form !== form) expect(['0f 18', '90+r']).toContain(form.opcode); // hints and NOP have rows of their own
      }
    }
    expect(count).toBeGreaterThan(20_000);
  });

  it('refuse opcode notation they do not know', () => {
    expect(() => opcodePattern('o64 98')).toThrow('not understood');
    expect(() => opcodePattern('0f zz')).toThrow('not understood');
  });
});

describe('what the table lacks', () => {
  it('has a reason for every opcode', () => {
    for (let map = 0; map < 2; map++) {
      for (let op = 0; op < 256; op++) {
        for (let modrm = 0; modrm < 256; modrm++) {
          const bytes = [...(map ? [0x0f] : []), op, modrm, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
          const insn = insnOf(...bytes);
          expect(insn.form === UD_FORM).toBe(insn.invalid !== undefined);
          if (insn.form === UD_FORM) expect(insn.invalid!.length).toBeGreaterThan(8);
        }
      }
    }
  });

  it('names ranges in order, without a gap in their notation', () => {
    for (const [range, reason] of MISSING_ROWS) {
      expect(range).toMatch(/^(0f )?[0-9a-f]{2}-[0-9a-f]{2}$/);
      const [first, last] = range.replace(/^0f /, '').split('-');
      expect(Number.parseInt(first!, 16)).toBeLessThanOrEqual(Number.parseInt(last!, 16));
      expect(reason).not.toBe('');
    }
  });
});

describe('conditions', () => {
  it('come from the low nibble of the opcode', () => {
    const conditions = [
      'o',
      'no',
      'b',
      'ae',
      'e',
      'ne',
      'be',
      'a',
      's',
      'ns',
      'p',
      'np',
      'l',
      'ge',
      'le',
      'g',
    ];
    const prefix: Readonly<Record<string, string>> = { jcc: 'j', setcc: 'set', cmovcc: 'cmov' };
    const conditional = forms.filter((form) => form.semantics in prefix);
    expect(conditional).toHaveLength(64);
    for (const form of conditional)
      expect(prefix[form.semantics]! + conditions[cc(form)]).toBe(form.mnemonic);
    expect(cc(insnOf(0x0f, 0x84, 0, 0, 0, 0))).toBe(4);
  });
});

describe('undefined flags', () => {
  it('of shifts depend on the count', () => {
    const shl = insnOf(0xd3, 0xe0); // shl eax, cl
    expect(undefinedFlags(shl)).toBe(OF | AF | CF);
    expect(undefinedFlags(shl, 0)).toBe(0);
    expect(undefinedFlags(shl, 32)).toBe(0);
    expect(undefinedFlags(shl, 1)).toBe(AF);
    expect(undefinedFlags(shl, 5)).toBe(OF | AF);
    expect(undefinedFlags(insnOf(0xd2, 0xe0), 9)).toBe(OF | AF | CF); // shl al, cl
    expect(undefinedFlags(insnOf(0xd2, 0xf8), 9)).toBe(OF | AF); // sar al, cl
    expect(undefinedFlags(insnOf(0xd2, 0xc0), 9)).toBe(OF); // rol al, cl
    expect(undefinedFlags(insnOf(0xc1, 0xe0, 4))).toBe(OF | AF);
    expect(undefinedFlags(insnOf(0xc1, 0xe0, 33))).toBe(AF);
    expect(undefinedFlags(insnOf(0x66, 0x0f, 0xa4, 0xd8, 17))).toBe(OF | SF | ZF | AF | PF | CF);
    expect(undefinedFlags(insnOf(0x0f, 0xa4, 0xd8, 17))).toBe(OF | AF);
  });

  it('are never more than the row says', () => {
    for (const form of forms) {
      for (const choice of sampleChoices(form)) {
        const bytes = encode(form, choice);
        if (bytes === undefined) continue;
        const insn = insnOf(...bytes);
        for (const count of [undefined, 0, 1, 7, 31, 255])
          expect(undefinedFlags(insn, count) & ~insn.form.undefinedFlags).toBe(0);
      }
    }
  });

  it('of the rest are constants', () => {
    expect(undefinedFlags(insnOf(0x21, 0xd8))).toBe(AF); // and
    expect(undefinedFlags(insnOf(0xf7, 0xf3))).toBe(OF | SF | ZF | AF | PF | CF); // div
    expect(undefinedFlags(insnOf(0x0f, 0xaf, 0xc3))).toBe(SF | ZF | AF | PF); // imul
    expect(undefinedFlags(insnOf(0x01, 0xd8))).toBe(0); // add
  });
});
