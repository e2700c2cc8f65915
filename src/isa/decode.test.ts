import fc from 'fast-check';
import iced from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { decode, MAX_LENGTH } from './decode.ts';
import { UD_FORM } from './table.ts';
import { CS, DS, ES, FS, GS, type Insn, SS } from './types.ts';

const from = (bytes: readonly number[], csD = true): Insn =>
  decode((i) => {
    if (i >= bytes.length) throw new Error(`byte ${i} was not there to fetch`);
    return bytes[i]!;
  }, csD);
const hex = (text: string, csD = true): Insn =>
  from(
    text.split(' ').map((byte) => Number.parseInt(byte, 16)),
    csD,
  );

describe('prefixes', () => {
  it('change sizes against the default of CS', () => {
    expect(hex('89 d8')).toMatchObject({ opSize: 32, addrSize: 32 });
    expect(hex('66 89 d8')).toMatchObject({ opSize: 16, addrSize: 32, length: 3 });
    expect(hex('89 d8', false)).toMatchObject({ opSize: 16, addrSize: 16 });
    expect(hex('66 67 8b 03', false)).toMatchObject({ opSize: 32, addrSize: 32 });
    expect(hex('66 66 89 d8')).toMatchObject({ opSize: 16 });
  });

  it('override the segment, the last one winning, but never ES:eDI', () => {
    expect(hex('8b 03').operands[1]).toMatchObject({ seg: DS });
    expect(hex('8b 45 00').operands[1]).toMatchObject({ seg: SS });
    expect(hex('8b 04 24').operands[1]).toMatchObject({ seg: SS });
    expect(hex('3e 8b 45 00').operands[1]).toMatchObject({ seg: DS });
    expect(hex('65 64 8b 03').operands[1]).toMatchObject({ seg: FS });
    for (const [byte, seg] of [
      ['26', ES],
      ['2e', CS],
      ['36', SS],
      ['3e', DS],
      ['64', FS],
      ['65', GS],
    ] as const) {
      expect(hex(`${byte} 8b 03`)).toMatchObject({ segOverride: seg });
    }
    expect(hex('64 a4').operands).toMatchObject([
      { seg: ES, base: 7 },
      { seg: FS, base: 6 },
    ]);
  });

  it('repeat: the last of F2 and F3 wins', () => {
    expect(hex('f2 f3 a6').rep).toBe('rep');
    expect(hex('f3 f2 a6').rep).toBe('repne');
    expect(hex('f3 90').form.mnemonic).toBe('pause');
    expect(hex('f2 90').form.mnemonic).toBe('nop');
    expect(hex('f3 0f 1e fb').form.mnemonic).toBe('endbr32');
    expect(hex('0f 1e fb').form.mnemonic).toBe('nop');
  });

  it('66, F2 and F3 are no prefixes of the fences and of CLFLUSH', () => {
    for (const tail of ['0f ae e8', '0f ae f0', '0f ae f8', '0f ae 3b'])
      for (const csD of [true, false]) {
        expect(hex(tail, csD).invalid).toBeUndefined();
        expect(hex(`67 2e ${tail} 00`, csD).invalid).toBeUndefined();
        for (const prefix of ['66', 'f2', 'f3'])
          expect(hex(`${prefix} ${tail}`, csD).invalid).toContain('no prefix');
      }
  });

  it('LOCK only what the table allows, with memory as destination', () => {
    expect(hex('f0 01 03')).toMatchObject({ lock: true, form: { mnemonic: 'add' } });
    expect(hex('f0 0f c7 0b')).toMatchObject({ form: { mnemonic: 'cmpxchg8b' } });
    expect(hex('f0 01 c3').invalid).toBe('LOCK needs a memory destination');
    expect(hex('f0 03 03').invalid).toContain('LOCK is not allowed with ADD');
    expect(hex('f0 90').invalid).toContain('LOCK is not allowed with NOP');
    expect(hex('f0 01 c3').form).toBe(UD_FORM);
  });
});

describe('length', () => {
  const padded = (n: number, rest: string): Insn => hex(`${'66 '.repeat(n)}${rest}`);
  it('of 15 bytes is allowed', () => {
    expect(padded(13, '89 d8')).toMatchObject({ length: MAX_LENGTH, form: { mnemonic: 'mov' } });
  });
  it('beyond 15 bytes is marked, and byte 15 is never fetched', () => {
    for (const insn of [padded(14, '89'), padded(15, ''), padded(14, 'b8'), padded(14, '0f')]) {
      expect(insn).toMatchObject({ tooLong: true, length: MAX_LENGTH });
      expect(insn.invalid).toContain('15 bytes');
    }
  });
  it('fetches each byte once, in order, and no more than the instruction has', () => {
    const asked: number[] = [];
    const bytes = [0x66, 0x81, 0x84, 0x8d, 1, 2, 3, 4, 5, 6];
    const insn = decode((i) => {
      asked.push(i);
      return bytes[i]!;
    }, true);
    expect(asked).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(insn.bytes).toEqual(bytes);
  });
  it('lets a fetch fault through', () => {
    expect(() => hex('81 c0 01')).toThrow('byte 3 was not there');
  });
});

describe('operands', () => {
  it('are addresses of every shape', () => {
    const mem = (text: string): unknown => hex(text).operands[1];
    expect(mem('8b 84 8d 04 03 02 01')).toEqual({
      kind: 'mem',
      size: 32,
      seg: SS,
      base: 5,
      index: 1,
      scale: 2,
      disp: 0x01020304,
      addrSize: 32,
    });
    expect(mem('8b 04 8d 04 03 02 01')).toMatchObject({
      seg: DS,
      base: -1,
      index: 1,
      scale: 2,
      disp: 0x01020304,
    });
    expect(mem('8b 04 65 00 00 00 80')).toMatchObject({ base: -1, index: -1, disp: -0x80000000 });
    expect(mem('8b 44 24 fc')).toMatchObject({ seg: SS, base: 4, index: -1, disp: -4 });
    expect(mem('8b 05 44 33 22 11')).toMatchObject({ seg: DS, base: -1, index: -1, disp: 0x11223344 });
    expect(mem('67 8b 40 ff')).toMatchObject({ seg: DS, base: 3, index: 6, disp: -1, addrSize: 16 });
    expect(mem('67 8b 02')).toMatchObject({ seg: SS, base: 5, index: 6 });
    expect(mem('67 8b 06 00 90')).toMatchObject({ seg: DS, base: -1, index: -1, disp: -0x7000 });
    expect(mem('67 8b 46 00')).toMatchObject({ seg: SS, base: 5, index: -1, disp: 0 });
  });

  it('are immediates extended as the form says', () => {
    expect(hex('83 c0 ff').operands[1]).toEqual({ kind: 'imm', size: 32, value: -1 });
    expect(hex('66 83 c0 ff').operands[1]).toEqual({ kind: 'imm', size: 16, value: 0xffff });
    expect(hex('04 ff').operands[1]).toEqual({ kind: 'imm', size: 8, value: 0xff });
    expect(hex('66 05 00 80').operands[1]).toEqual({ kind: 'imm', size: 16, value: 0x8000 });
    expect(hex('c1 e0 ff').operands[1]).toEqual({ kind: 'imm', size: 8, value: 0xff });
    expect(hex('d1 e0').operands[1]).toEqual({ kind: 'imm', size: 8, value: 1 });
    expect(hex('c8 34 12 03').operands).toMatchObject([
      { size: 16, value: 0x1234 },
      { size: 8, value: 3 },
    ]);
    expect(hex('69 c3 00 00 00 80').operands[2]).toEqual({ kind: 'imm', size: 32, value: -0x80000000 });
  });

  it('are branches, far pointers and offsets', () => {
    expect(hex('eb fe').operands[0]).toEqual({ kind: 'rel', size: 8, value: -2 });
    expect(hex('66 e9 fe ff').operands[0]).toEqual({ kind: 'rel', size: 16, value: -2 });
    expect(hex('9a 04 03 02 01 1b 00').operands[0]).toEqual({
      kind: 'far',
      size: 32,
      selector: 0x1b,
      offset: 0x01020304,
    });
    expect(hex('66 ea 04 03 1b 00').operands[0]).toEqual({
      kind: 'far',
      size: 16,
      selector: 0x1b,
      offset: 0x0304,
    });
    expect(hex('a1 04 03 02 81').operands[1]).toMatchObject({ base: -1, disp: 0x81020304 | 0, size: 32 });
    expect(hex('ff 28').operands[0]).toMatchObject({ kind: 'mem', size: 48 });
    expect(hex('66 62 00').operands[1]).toMatchObject({ kind: 'mem', size: 32 });
    expect(hex('8d 00').operands[1]).toMatchObject({ kind: 'mem', size: 0 });
  });

  it('are registers of the system, when there are such', () => {
    expect(hex('0f 20 18').operands).toMatchObject([
      { kind: 'reg', reg: 0 },
      { kind: 'cr', n: 3 },
    ]); // mod is ignored
    expect(hex('66 0f 22 d8')).toMatchObject({ opSize: 32 });
    expect(hex('0f 20 c8').invalid).toBe('there is no control register CR1');
    expect(hex('0f 22 e8').invalid).toBe('there is no control register CR5');
    expect(hex('8e f0').invalid).toBe('there is no segment register 6');
    expect(hex('8e c8').invalid).toBe('CS cannot be loaded by MOV');
    expect(hex('8c c8').operands).toMatchObject([
      { kind: 'reg', size: 32, reg: 0 },
      { kind: 'sreg', seg: CS },
    ]);
    expect(hex('8c 08').operands[0]).toMatchObject({ kind: 'mem', size: 16 });
  });

  it('must be memory where a register means nothing', () => {
    expect(hex('8d c0').invalid).toBe('LEA needs a memory operand');
    expect(hex('0f b2 c0').invalid).toBe('LSS needs a memory operand');
    expect(hex('ff d8').invalid).toBe('CALL needs a memory operand');
    expect(hex('c4 c0').invalid).toContain('VEX');
    expect(hex('62 c0').invalid).toContain('EVEX');
    expect(hex('0f c7 c8').invalid).toContain('CMPXCHG8B with a memory operand');
  });
});

describe('any bytes at all', () => {
  const anyBytes = fc.uint8Array({ minLength: 15, maxLength: 15 });
  it('decode without an exception, within 15 bytes', () => {
    fc.assert(
      fc.property(anyBytes, fc.boolean(), (bytes, csD) => {
        const insn = from([...bytes], csD);
        expect(insn.length).toBeGreaterThan(0);
        expect(insn.length).toBeLessThanOrEqual(MAX_LENGTH);
        expect(insn.bytes).toEqual([...bytes].slice(0, insn.length));
        expect(insn.operands.length).toBe(insn.form.operands.length);
      }),
      { numRuns: 3000, seed: 1 },
    );
  });

  it('have the length iced gives them, in 16- and 32-bit code', () => {
    let compared = 0;
    fc.assert(
      fc.property(anyBytes, fc.boolean(), (bytes, csD) => {
        const insn = from([...bytes], csD);
        if (insn.invalid !== undefined) return;
        const decoder = new iced.Decoder(csD ? 32 : 16, bytes, iced.DecoderOptions.None);
        const theirs = decoder.decode();
        const answer = { valid: theirs.code !== iced.Code.INVALID, length: theirs.length };
        theirs.free();
        decoder.free();
        expect(answer).toEqual({ valid: true, length: insn.length });
        compared++;
      }),
      { numRuns: 20_000, seed: 2 },
    );
    expect(compared).toBeGreaterThan(10_000);
  });
});
