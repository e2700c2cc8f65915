// The disassembler (and with it the decoder and the table) against three programs we did not write: NASM assembles our text,
// ndisasm and objdump measure our bytes, iced decodes them operand by operand.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import iced from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { need } from '../../tools/need.ts';
import { decode } from './decode.ts';
import { disassemble } from './disassemble.ts';
import { encode, sampleChoices } from './encodings.ts';
import { TABLE } from './table.ts';
import type { Insn, Operand } from './types.ts';

/** Every sample stands alone in a slot, filled up with NOPs, so that addresses are known and a wrong length is local. */
const SLOT = 32;

interface Sample {
  readonly bytes: readonly number[];
  readonly insn: Insn;
  readonly eip: number;
  readonly text: string;
}

const decodeBytes = (bytes: ArrayLike<number>, from = 0, csD = true): Insn =>
  decode((i) => bytes[from + i] ?? 0x90, csD);

function collect(): Sample[] {
  const samples: Sample[] = [];
  for (const form of TABLE.slice(1)) {
    for (const choice of sampleChoices(form)) {
      const bytes = encode(form, choice);
      if (bytes === undefined) continue;
      const insn = decodeBytes(bytes);
      if (insn.invalid !== undefined) continue; // CR1, a seventh segment register: decode.test.ts
      const eip = samples.length * SLOT;
      samples.push({ bytes: insn.bytes, insn, eip, text: disassemble(insn, eip) });
    }
  }
  return samples;
}

const SAMPLES = collect();

function image(samples: readonly Sample[]): Uint8Array {
  const bytes = new Uint8Array(samples.length * SLOT).fill(0x90);
  samples.forEach((sample, i) => {
    bytes.set(sample.bytes, i * SLOT);
  });
  return bytes;
}

function inTemporary<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-disassemble-'));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What an instruction does, freed from the choice of encoding. */
function meaning(insn: Insn, eip: number): unknown {
  const operands: unknown[] = insn.operands.map((operand) =>
    operand.kind === 'rel'
      ? { target: ((eip + insn.length + operand.value) & (insn.opSize === 16 ? 0xffff : -1)) >>> 0 }
      : operand,
  );
  // The two operands of XCHG may stand in either order.
  if (insn.form.semantics === 'xchg')
    operands.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const { opSize, addrSize, lock, rep, segOverride } = insn;
  return { semantics: insn.form.semantics, operands, opSize, addrSize, lock, rep, segOverride };
}

/** Encodings NASM has no text for: BSWAP of a 16-bit register, prefixes of WAIT, MOVZX and MOVSX from 16 to 16 bits. */
function unknownToNasm({ insn }: Sample): boolean {
  if (insn.form.semantics === 'fwait') return insn.length > 1; // WAIT is itself a prefix to NASM
  if (insn.invalid !== undefined) return true;
  if (insn.opSize !== 16) return false;
  const { semantics } = insn.form;
  const source = insn.operands[1];
  const narrow = source !== undefined && 'size' in source && source.size === 16;
  return semantics === 'bswap' || ((semantics === 'movzx' || semantics === 'movsx') && narrow);
}

/** What each tool does not know, by opcode of the row; each line was looked at and is the tool's gap, not ours. */
const NDISASM_GAPS: readonly string[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((digit) => `82 /${digit}`), // the second group 1
  ...['c0 /6', 'c1 /6', 'd0 /6', 'd1 /6', 'd2 /6', 'd3 /6', 'f6 /1', 'f7 /1'], // alias encodings of SHL and TEST
  '9b', // listed as a prefix of what follows
  ...['0f ae /5 reg', '0f ae /6 reg', '0f ae /7 reg'], // fences with rm other than 0
  ...['0f b7', '0f bf', '0f c8+r'], // with an operand size of 16
  '0f ff', // UD0 as an opcode without ModRM
];
const OBJDUMP_GAPS: readonly string[] = [
  ...['0f 1a', '0f 1b'], // BNDLDX and BNDSTX, which do not exist with 16-bit addresses
  ...['0f ae /6 reg', '0f ae /7 reg'], // fences with rm other than 0
];

/** XCHG EAX, EAX is NOP, and NASM writes it so. */
const isNopExchange = ({ insn }: Sample): boolean => {
  const [a, b] = insn.operands;
  return (
    insn.form.semantics === 'xchg' && a?.kind === 'reg' && b?.kind === 'reg' && a.reg === 0 && b.reg === 0
  );
};

/** What NASM makes of the samples' texts, one in each slot. */
function assembled(samples: readonly Sample[], bits: 16 | 32): Uint8Array {
  return inTemporary((folder) => {
    const lines = samples.map(({ text }, i) => `L${i}: ${text}\ntimes ${i * SLOT}+${SLOT}-($-$$) db 0x90`);
    writeFileSync(join(folder, 'a.asm'), [`bits ${bits}`, ...lines].join('\n') + '\n');
    const options = ['-w-all', '-f', 'bin', '-o', 'a.bin', 'a.asm'];
    const { stderr } = spawnSync('nasm', options, { cwd: folder, encoding: 'utf8' });
    expect(stderr).toBe('');
    return readFileSync(join(folder, 'a.bin'));
  });
}

/** Samples that came back as another instruction. */
function changedByNasm(samples: readonly Sample[], bits: 16 | 32): string[] {
  const binary = assembled(samples, bits);
  return samples.flatMap((sample, i) => {
    const again = decodeBytes(binary, i * SLOT, bits === 32);
    const same =
      JSON.stringify(meaning(again, i * SLOT)) === JSON.stringify(meaning(sample.insn, sample.eip));
    return same || isNopExchange(sample) ? [] : [`${sample.text}  =>  ${disassemble(again, i * SLOT)}`];
  });
}

need('nasm')('text assembled by NASM', () => {
  it('is the same instruction again, for every form', () => {
    expect(
      changedByNasm(
        SAMPLES.filter((sample) => !unknownToNasm(sample)),
        32,
      ),
    ).toEqual([]);
  });

  it('is so in 16-bit code too', () => {
    const perSegment = 0x10000 / SLOT / 2;
    const samples = SAMPLES.filter((_, i) => i % 3 === 0).map(({ bytes }, i) => {
      const insn = decodeBytes(bytes, 0, false);
      const eip = (i % perSegment) * SLOT;
      return { bytes: insn.bytes, insn, eip, text: disassemble(insn, eip) };
    });
    for (let i = 0; i < samples.length; i += perSegment) {
      const part = samples
        .slice(i, i + perSegment)
        .map((sample) => (unknownToNasm(sample) ? { ...sample, text: 'nop' } : sample));
      const changed = changedByNasm(part, 16).filter((line) => !line.startsWith('nop  =>'));
      expect(changed).toEqual([]);
    }
  });
});

need('ndisasm')('lengths by ndisasm', () => {
  it('agree on every form', () => {
    const starts = inTemporary((folder) => {
      writeFileSync(join(folder, 'a.bin'), image(SAMPLES));
      const text = execFileSync('ndisasm', ['-b', '32', 'a.bin'], {
        cwd: folder,
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      });
      return addresses(text, /^([0-9A-F]{8}) {2}/gm);
    });
    expect(wrongLengths(starts, NDISASM_GAPS)).toEqual([]);
  });
});

need('objdump')('lengths by objdump', () => {
  it('agree on every form', () => {
    const starts = inTemporary((folder) => {
      writeFileSync(join(folder, 'a.bin'), image(SAMPLES));
      const options = [
        '-D',
        '-b',
        'binary',
        '-m',
        'i386',
        '-M',
        'intel',
        '-w',
        '-z',
        '--insn-width=16',
        'a.bin',
      ];
      const text = execFileSync('objdump', options, { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 });
      return addresses(text, /^\s*([0-9a-f]+):\t/gm);
    });
    expect(wrongLengths(starts, OBJDUMP_GAPS)).toEqual([]);
  });
});

function addresses(listing: string, pattern: RegExp): Set<number> {
  const found = new Set<number>();
  for (const match of listing.matchAll(pattern)) found.add(Number.parseInt(match[1]!, 16));
  return found;
}

/** Samples whose first and following instruction do not start where we say. */
function wrongLengths(starts: ReadonlySet<number>, gaps: readonly string[]): string[] {
  return SAMPLES.filter(({ insn, eip }) => {
    if (gaps.includes(insn.form.opcode)) return false;
    if (!starts.has(eip) || !starts.has(eip + insn.length)) return true;
    for (let at = eip + 1; at < eip + insn.length; at++) if (starts.has(at)) return true;
    return false;
  }).map(({ text, bytes }) => `${Buffer.from(bytes).toString('hex')} ${text}`);
}

const registerName = (n: number): string => (iced.Register[n] ?? '?').toLowerCase();
const NAMES: Readonly<Record<number, readonly string[]>> = {
  8: ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'],
  16: ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'],
  32: ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'],
};
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

/** One operand of ours in the words of icedOperand. */
function ourOperand(operand: Operand, insn: Insn, eip: number): string {
  switch (operand.kind) {
    case 'reg':
      return NAMES[operand.size]![operand.reg]!;
    case 'sreg':
      return SEGMENTS[operand.seg]!;
    case 'cr':
    case 'dr':
      return operand.kind + operand.n;
    case 'imm':
      return `imm ${operand.value >>> 0}`;
    case 'rel':
      return `to ${((eip + insn.length + operand.value) & (insn.opSize === 16 ? 0xffff : -1)) >>> 0}`;
    case 'far':
      return `far ${operand.selector}:${operand.offset >>> 0}`;
    case 'mem': {
      const names = NAMES[operand.addrSize]!;
      const base = operand.base < 0 ? 'none' : names[operand.base]!;
      const index = operand.index < 0 ? 'none' : names[operand.index]!;
      const disp = operand.addrSize === 16 ? operand.disp & 0xffff : operand.disp >>> 0;
      return `${SEGMENTS[operand.seg]}:${base}+${index}*${1 << operand.scale}+${disp}`;
    }
  }
}

function icedOperand(instruction: iced.Instruction, i: number): string {
  const { OpKind } = iced;
  switch (instruction.opKind(i)) {
    case OpKind.Register:
      return registerName(instruction.opRegister(i));
    case OpKind.NearBranch16:
    case OpKind.NearBranch32:
      return `to ${Number(instruction.nearBranchTarget)}`;
    case OpKind.FarBranch16:
      return `far ${instruction.farBranchSelector}:${instruction.farBranch16}`;
    case OpKind.FarBranch32:
      return `far ${instruction.farBranchSelector}:${instruction.farBranch32}`;
    case OpKind.Memory: {
      const base = registerName(instruction.memoryBase),
        index = registerName(instruction.memoryIndex);
      const disp = Number(instruction.memoryDisplacement & 0xffffffffn);
      const segment = registerName(instruction.memorySegment);
      const scale = index === 'none' ? 1 : instruction.memoryIndexScale;
      return `${segment}:${base}+${index}*${scale}+${disp}`;
    }
    default: {
      const mask = instruction.opKind(i) === OpKind.Immediate8 ? 0xffn : 0xffffffffn;
      const wide = instruction.immediate(i) & mask;
      return `imm ${Number(instruction.opKind(i) === OpKind.Immediate8to16 ? wide & 0xffffn : wide)}`;
    }
  }
}

/** iced's names where they differ from ours: the forms whose operand size it shows by an o16 instead, and SAL. */
const ICED_NAMES: Readonly<Record<string, string>> = {
  pushad: 'pusha',
  pushaw: 'pusha',
  popad: 'popa',
  popaw: 'popa',
  pushfd: 'pushf',
  pushfw: 'pushf',
  popfd: 'popf',
  popfw: 'popf',
  iretd: 'iret',
  iretw: 'iret',
  sal: 'shl',
  cldemote: 'nop', // a hint of newer processors
};
const commonName = (mnemonic: string): string => ICED_NAMES[mnemonic] ?? mnemonic;

/** A selector in a register: iced calls it by the 32-bit register, and only its low word is read either way. */
function selectorName(word: string, spec: string): string {
  return /^[EG]w$/.test(spec) && NAMES[32]!.includes(word) ? word.slice(1) : word;
}

function differenceToIced(sample: Sample, formatter: iced.Formatter): string | undefined {
  const { insn, eip, text } = sample;
  const decoder = new iced.Decoder(32, Uint8Array.from(sample.bytes), iced.DecoderOptions.None);
  decoder.ip = BigInt(eip);
  const theirs = decoder.decode();
  const mnemonic = commonName(formatter.formatMnemonicOptions(theirs, iced.FormatMnemonicOptions.NoPrefixes));
  const implicit = insn.form.implicit === true;
  // Hint NOPs have an unused register operand in iced's table.
  const count = insn.form.semantics === 'nop' ? insn.operands.length : theirs.opCount;
  const words = implicit ? [] : insn.operands.map((operand) => ourOperand(operand, insn, eip));
  const icedWords = Array.from({ length: implicit ? 0 : count }, (_, i) =>
    selectorName(icedOperand(theirs, i), insn.form.operands[i] ?? ''),
  );
  const ours = `${insn.length} ${commonName(insn.form.mnemonic)} ${words.join(', ')}`;
  const iceds = `${theirs.length} ${mnemonic} ${icedWords.join(', ')}`;
  theirs.free();
  decoder.free();
  return ours === iceds
    ? undefined
    : `${Buffer.from(sample.bytes).toString('hex')} ${text}: ${ours} | ${iceds}`;
}

describe('operands as iced decodes them', () => {
  it('are equal for every form', () => {
    const formatter = new iced.Formatter(iced.FormatterSyntax.Nasm);
    const differences = SAMPLES.map((sample) => differenceToIced(sample, formatter)).filter(
      (d) => d !== undefined,
    );
    // 66 90 is XCHG AX, AX to iced and a NOP with a prefix to us.
    expect(differences.filter((line) => !/^66(67)?90 /.test(line))).toEqual([]);
  });
});

describe('text', () => {
  const say = (bytes: number[], eip = 0x1000, symbol?: (address: number) => string | undefined): string =>
    disassemble(decodeBytes(bytes), eip, symbol);
  const names = (address: number): string | undefined => (address === 0xc0001007 ? 'main+0x7' : undefined);

  it('shows sizes only where nothing else does', () => {
    expect(say([0x89, 0x44, 0x24, 0x08])).toBe('mov [esp+8], eax');
    expect(say([0xff, 0x44, 0x24, 0x10])).toBe('inc dword [esp+0x10]');
    expect(say([0x0f, 0xb6, 0x03])).toBe('movzx eax, byte [ebx]');
    expect(say([0xd3, 0x23])).toBe('shl dword [ebx], cl');
    expect(say([0x83, 0xc4, 0xf0])).toBe('add esp, -0x10');
  });
  it('shows prefixes that change something', () => {
    expect(say([0xf3, 0xa5])).toBe('rep movsd');
    expect(say([0xf2, 0xae])).toBe('repne scasb');
    expect(say([0xf3, 0xa6])).toBe('repe cmpsb');
    expect(say([0xf0, 0x0f, 0xb1, 0x0b])).toBe('lock cmpxchg [ebx], ecx');
    expect(say([0x64, 0xa1, 0x14, 0, 0, 0])).toBe('mov eax, [fs:0x14]');
    expect(say([0x2e, 0xac])).toBe('cs lodsb');
    expect(say([0x66, 0xc3])).toBe('o16 ret');
  });
  it('names targets by their symbols', () => {
    expect(say([0xe8, 0x02, 0, 0, 0], 0xc0001000)).toBe('call 0xc0001007');
    expect(say([0xe8, 0x02, 0, 0, 0], 0xc0001000, names)).toBe('call main+0x7');
    expect(say([0xa1, 0x07, 0x10, 0, 0xc0], 0, names)).toBe('mov eax, [main+0x7]');
    expect(say([0xeb, 0xfe], 0xfffffffe)).toBe('jmp 0xfffffffe');
  });
  it('says why bytes are no instruction', () => {
    expect(say([0xd8, 0xc0])).toBe('db 0xd8 ; x87 floating point is not implemented');
    expect(say([0xf0, 0x89, 0x03])).toBe('db 0xf0, 0x89, 0x03 ; LOCK is not allowed with MOV in this form');
  });
});
