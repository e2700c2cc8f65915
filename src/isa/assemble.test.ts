// The assembler against the disassembler (every form there and back) and against NASM (the same bytes for the same line).

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { need } from '../../tools/need.ts';
import { AssembleError, assemble } from './assemble.ts';
import { decode } from './decode.ts';
import { disassemble } from './disassemble.ts';
import { encode, sampleChoices } from './encodings.ts';
import { TABLE } from './table.ts';
import type { Insn } from './types.ts';

const EIP = 0x1000;
const decodeBytes = (bytes: readonly number[]): Insn => decode((i) => bytes[i] ?? 0x90, true);
const hex = (bytes: readonly number[]): string => Buffer.from(bytes).toString('hex');
const line = (text: string, names?: Record<string, number>): string =>
  hex(assemble(text, EIP, (name) => names?.[name]));

/** Freed from the choice of encoding; NOP and XCHG EAX, EAX are the same. */
function meaning(insn: Insn): string {
  const operands = insn.operands.map((operand) =>
    operand.kind === 'rel'
      ? ((EIP + insn.length + operand.value) & (insn.opSize === 16 ? 0xffff : -1)) >>> 0
      : operand,
  );
  const { semantics } = insn.form;
  const [a, b] = insn.operands;
  const exchangesItself = a?.kind === 'reg' && b?.kind === 'reg' && a.reg === 0 && b.reg === 0;
  if (semantics === 'xchg' && exchangesItself) return 'nop';
  if (semantics === 'nop' && operands.length === 0) return 'nop';
  return JSON.stringify([semantics, operands, insn.opSize, insn.addrSize, insn.segOverride]);
}

describe('every form', () => {
  it('assembles from its text to the same instruction, never longer', () => {
    const wrong: string[] = [];
    let count = 0;
    for (const form of TABLE.slice(1)) {
      for (const choice of sampleChoices(form)) {
        const bytes = encode(form, choice);
        if (bytes === undefined) continue;
        const insn = decodeBytes(bytes);
        if (insn.invalid !== undefined) continue;
        const text = disassemble(insn, EIP);
        const again = decodeBytes(assemble(text, EIP));
        if (meaning(again) !== meaning(insn) || again.length > insn.length)
          wrong.push(`${text} => ${disassemble(again, EIP)}`);
        count++;
      }
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(20_000);
  });
});

/** Lines a person would write, each one way only. */
const LINES = [
  'mov eax, [ebp-8]',
  'mov dword [esp+4], 0x1234',
  'add esp, 16',
  'sub eax, 0x1000',
  'lea esi, [ebx+ecx*4+0x20]',
  'push 5',
  'push 0x12345',
  'push dword [eax]',
  'pop dword [eax+4]',
  'inc byte [edi]',
  'shl eax, 4',
  'shl eax, 1',
  'sar dword [ebx], cl',
  'imul eax, ebx, 10',
  'imul ecx, [ebx]',
  'test al, 1',
  'cmp byte [esi], 0',
  'rep movsd',
  'repne scasb',
  'lock cmpxchg [ebx], ecx',
  'cmpxchg8b [esi]',
  'mov cr3, eax',
  'mov eax, cr0',
  'mov ds, ax',
  'mov ax, ds',
  'int 0x82',
  'iretd',
  'hlt',
  'cli',
  'sidt [0x1000]',
  'lgdt [ebx]',
  'out dx, al',
  'in eax, 0x60',
  'jmp short 0x1010',
  'je near 0x2000',
  'call 0x1000',
  'call [eax]',
  'jmp far [ebx]',
  'jmp 0x1b:0x2000',
  'mov [fs:0x14], eax',
  'movzx eax, byte [ecx]',
  'bt [ebx], eax',
  'xadd [ebx], eax',
  'enter 16, 0',
  'ret',
  'ret 8',
  'retf',
  'setz al',
  'cmovnz eax, [ebx]',
  'mov ax, [bx+si]',
  'mov [bp+2], cl',
  'bswap edx',
  'and ax, -2',
  'mov eax, [0x1234]',
] as const;

need('nasm')('the same line', () => {
  it('becomes the bytes NASM makes of it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringside-assemble-'));
    try {
      for (const text of LINES) {
        writeFileSync(join(folder, 'a.asm'), `bits 32\norg ${EIP}\n${text}\n`);
        execFileSync('nasm', ['-f', 'bin', '-o', 'a.bin', 'a.asm'], { cwd: folder });
        expect(`${text}: ${line(text)}`).toBe(
          `${text}: ${readFileSync(join(folder, 'a.bin')).toString('hex')}`,
        );
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('names', () => {
  it('stand for numbers in branches, addresses and immediates', () => {
    const names = { main: 0x1010, counter: 0x3000 };
    expect(line('jmp main', names)).toBe(line('jmp 0x1010'));
    expect(line('mov eax, [counter+4]', names)).toBe(line('mov eax, [0x3004]'));
    expect(line('mov eax, [ebx+counter]', names)).toBe(line('mov eax, [ebx+0x3000]'));
    expect(line('push main+0x7', names)).toBe(line('push 0x1017'));
  });
});

describe('what is no instruction', () => {
  it.each([
    ['', 'no instruction'],
    ['frob eax', "no instruction 'frob'"],
    ['mov eax', "fit no form of 'mov'"],
    ['mov eax, bx', "fit no form of 'mov'"],
    ['mov al, 0x100', "fit no form of 'mov'"],
    ['inc [eax]', 'size of the memory operand'],
    ['mov eax, [esp*2]', 'ESP cannot be an index'],
    ['mov eax, [eax+ebx+ecx]', 'too many registers'],
    ['mov eax, somewhere', "'somewhere' is neither"],
    ['mov eax, 0x123456789', 'does not fit in 32 bits'],
    ['lea eax, ebx', "fit no form of 'lea'"],
    ['mov cs, ax', "fit no form of 'mov'"],
    ['lock inc eax', "fit no form of 'inc'"],
  ])('%s', (text, message) => {
    expect(() => assemble(text, EIP)).toThrow(AssembleError);
    expect(() => assemble(text, EIP)).toThrow(message);
  });
});
