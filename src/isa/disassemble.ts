// Insn to text in NASM's syntax, complete enough that NASM assembles it back to the same instruction: prefixes that
// the operands do not show are written out (o16, a16, rep, segment names).

import { opcodePattern, TABLE } from './table.ts';
import type { Form, Insn, MemOperand, Operand } from './types.ts';

const REG8 = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'];
const REG16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const REG32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const SREG = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const SIZE_WORD: Readonly<Record<number, string>> = { 8: 'byte ', 16: 'word ', 32: 'dword ', 64: 'qword ' };

/** Name of an address, or undefined to have it written as a number. */
export type SymbolOf = (address: number) => string | undefined;

/** Number as text: decimal below ten, hexadecimal from there, with a sign when negative. */
function number(value: number): string {
  const magnitude = Math.abs(value);
  const text = magnitude < 10 ? String(magnitude) : '0x' + magnitude.toString(16);
  return value < 0 ? '-' + text : text;
}

const hex = (value: number): string => '0x' + value.toString(16);

/** What about a form's text can be known from its row alone. */
interface Style {
  readonly mandatoryF3: boolean;
  /** The mnemonic or an operand shows the operand size, whatever the operands are. */
  readonly showsOpSize: boolean;
  /** Operands that show it when they are in memory, or in a register. */
  readonly memoryShowsOpSize: readonly boolean[];
  readonly registerShowsOpSize: readonly boolean[];
  readonly mnemonicShowsAddrSize: boolean;
  /** A register chosen by the row has the size of the memory operand, which then needs no keyword. */
  readonly registerGivesSize: boolean;
  readonly isPush: boolean;
  readonly isConditionalJump: boolean;
  readonly hasNearForm: boolean;
  readonly signedImmediate: boolean;
}

const REGISTER_SIZE: Readonly<Record<string, string>> = { AL: 'b', eAX: 'v' };

function styleOf(form: Form): Style {
  const pattern = form.opcode === '' ? undefined : opcodePattern(form.opcode);
  const specs = form.operands;
  const written = form.implicit !== true;
  const isPush = form.semantics === 'push';
  const memorySize = specs.find((spec) => /^[EO]/.test(spec))?.slice(1);
  const registerSizes = specs.map((spec) => REGISTER_SIZE[spec] ?? (/^[GZ]/.test(spec) ? spec.slice(1) : ''));
  return {
    mandatoryF3: pattern?.f3 === true,
    showsOpSize:
      (pattern?.opSize ?? 0) !== 0 ||
      form.size !== undefined ||
      specs.some((spec) => spec === 'Ap' || spec === 'Jz' || (isPush && spec.startsWith('I'))),
    memoryShowsOpSize: specs.map((spec) => written && /^[EO]v$|^M[pa]$/.test(spec)),
    registerShowsOpSize: specs.map((spec) => written && /^[EGZ]v$|^eAX$|^Rv/.test(spec)),
    mnemonicShowsAddrSize: (pattern?.addrSize ?? 0) !== 0,
    registerGivesSize: memorySize !== undefined && registerSizes.includes(memorySize),
    isPush,
    isConditionalJump: form.semantics === 'jcc',
    hasNearForm: form.semantics === 'jcc' || form.semantics === 'jmp',
    signedImmediate: specs.includes('Ibs'),
  };
}

const STYLES: readonly Style[] = TABLE.map(styleOf);

function registerName(size: number, reg: number): string {
  return (size === 8 ? REG8 : size === 16 ? REG16 : REG32)[reg]!;
}

/** The part of a memory operand between the brackets, segment override excluded. */
function addressText(mem: MemOperand, symbol: SymbolOf | undefined, explicitSize: boolean): string {
  const names = mem.addrSize === 16 ? REG16 : REG32;
  const parts: string[] = [];
  if (mem.base >= 0) parts.push(names[mem.base]!);
  if (mem.index >= 0) {
    // Without a base the factor stays even when it is 1, and NASM is told not to make a base of the register.
    const factor = mem.scale > 0 || (mem.base < 0 && mem.addrSize === 32) ? `*${1 << mem.scale}` : '';
    parts.push((mem.base < 0 && mem.scale <= 1 ? 'nosplit ' : '') + names[mem.index]! + factor);
  }
  if (parts.length === 0) {
    const address = mem.addrSize === 16 ? mem.disp & 0xffff : mem.disp >>> 0;
    const size = explicitSize ? (mem.addrSize === 16 ? 'word ' : 'dword ') : '';
    return size + (symbol?.(address) ?? hex(address));
  }
  const registers = parts.join('+');
  if (mem.disp === 0) return registers;
  const name = mem.disp >>> 0 > 0xffff ? symbol?.(mem.disp >>> 0) : undefined;
  if (name !== undefined) return `${registers}+${name}`;
  return registers + (mem.disp < 0 ? '' : '+') + number(mem.disp);
}

interface Prefixes {
  readonly operandSize: boolean;
  readonly addressSize: boolean;
}

function prefixesOf(insn: Insn): Prefixes {
  let operandSize = false,
    addressSize = false;
  for (const byte of insn.bytes) {
    if (byte === 0x66) operandSize = true;
    else if (byte === 0x67) addressSize = true;
    else if (![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf2, 0xf3].includes(byte)) break;
  }
  return { operandSize, addressSize };
}

function memoryText(
  insn: Insn,
  mem: MemOperand,
  spec: string,
  prefixes: Prefixes,
  symbol?: SymbolOf,
): string {
  const style = STYLES[insn.form.id]!;
  let size = style.registerGivesSize ? '' : (SIZE_WORD[mem.size] ?? '');
  if (spec === 'Mp')
    size = insn.form.operands.length > 1 ? '' : `${prefixes.operandSize ? SIZE_WORD[insn.opSize] : ''}far `;
  if (spec === 'Ma') size = '';
  const segment = insn.segOverride >= 0 ? `${SREG[insn.segOverride]}:` : '';
  const explicit = prefixes.addressSize && mem.base < 0 && mem.index < 0;
  return `${size}[${segment}${addressText(mem, symbol, explicit)}]`;
}

function immediateText(insn: Insn, value: number, size: number, prefixes: Prefixes): string {
  const style = STYLES[insn.form.id]!;
  const keyword = style.isPush && prefixes.operandSize ? SIZE_WORD[insn.opSize]! : '';
  if (style.signedImmediate) return keyword + number(size === 16 ? (value << 16) >> 16 : value);
  return keyword + number(size === 32 ? value >>> 0 : value);
}

/** Address a relative branch leads to: EIP wraps at the operand size (SDM vol. 2, JMP). */
function branchTarget(insn: Insn, eip: number, displacement: number): number {
  const target = (eip + insn.length + displacement) >>> 0;
  return insn.opSize === 16 ? target & 0xffff : target;
}

/** Words in front of a target; only an operand-size prefix makes them necessary. */
function branchKeyword(insn: Insn, size: number, prefixes: Prefixes): string {
  const { isConditionalJump, hasNearForm } = STYLES[insn.form.id]!;
  if (!prefixes.operandSize) return '';
  if (size === 8) return hasNearForm ? 'short ' : '';
  return (isConditionalJump ? 'near ' : '') + SIZE_WORD[insn.opSize]!;
}

function operandText(insn: Insn, i: number, eip: number, prefixes: Prefixes, symbol?: SymbolOf): string {
  const operand: Operand = insn.operands[i]!;
  switch (operand.kind) {
    case 'reg':
      return registerName(operand.size, operand.reg);
    case 'mem':
      return memoryText(insn, operand, insn.form.operands[i]!, prefixes, symbol);
    case 'sreg':
      return SREG[operand.seg]!;
    case 'cr':
      return `cr${operand.n}`;
    case 'dr':
      return `dr${operand.n}`;
    case 'imm':
      return immediateText(insn, operand.value, operand.size, prefixes);
    case 'rel': {
      const target = branchTarget(insn, eip, operand.value);
      return branchKeyword(insn, operand.size, prefixes) + (symbol?.(target) ?? hex(target));
    }
    case 'far':
      return `${prefixes.operandSize ? SIZE_WORD[operand.size] : ''}${hex(operand.selector)}:${hex(operand.offset >>> 0)}`;
  }
}

/** Whether the text already tells the operand size without an o16 or o32 in front. */
function showsOpSize(insn: Insn, style: Style): boolean {
  if (style.showsOpSize) return true;
  return insn.operands.some(
    (operand, i) =>
      (operand.kind === 'mem' && style.memoryShowsOpSize[i]!) ||
      (operand.kind === 'reg' && style.registerShowsOpSize[i]!),
  );
}

function prefixText(insn: Insn, prefixes: Prefixes): string {
  const style = STYLES[insn.form.id]!;
  const words: string[] = [];
  const explicitMemory = insn.form.implicit !== true && insn.operands.some((o) => o.kind === 'mem');
  if (prefixes.addressSize && !explicitMemory && !style.mnemonicShowsAddrSize)
    words.push(`a${insn.addrSize}`);
  if (prefixes.operandSize && !showsOpSize(insn, style)) words.push(`o${insn.opSize}`);
  if (insn.lock) words.push('lock');
  if (insn.rep === 'rep' && !style.mandatoryF3) words.push(insn.form.rep === 'repcc' ? 'repe' : 'rep');
  if (insn.rep === 'repne') words.push('repne');
  if (insn.segOverride >= 0 && !explicitMemory) words.push(SREG[insn.segOverride]!);
  return words.map((word) => word + ' ').join('');
}

/**
 * The instruction in NASM syntax, as it stands at `eip` (needed for branch targets). Targets and absolute addresses for which
 * `symbol` knows a name are written by it. An invalid instruction becomes a `db` line with the reason as its comment.
 */
export function disassemble(insn: Insn, eip: number, symbol?: SymbolOf): string {
  if (insn.invalid !== undefined) {
    const bytes = insn.bytes.map((byte) => '0x' + byte.toString(16).padStart(2, '0'));
    return `db ${bytes.join(', ')} ; ${insn.invalid}`;
  }
  const prefixes = prefixesOf(insn);
  const head = prefixText(insn, prefixes) + insn.form.mnemonic;
  if (insn.form.implicit === true || insn.operands.length === 0) return head;
  return `${head} ${insn.operands.map((_, i) => operandText(insn, i, eip, prefixes, symbol)).join(', ')}`;
}
