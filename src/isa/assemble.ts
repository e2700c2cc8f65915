// One line of NASM syntax to bytes: what disassemble.ts writes, and what a person types into the code panel. Rows of the table
// whose operands fit the text are encoded, decoded again as a check, and the shortest encoding wins.

import { decode } from './decode.ts';
import { type EncodingChoice, encode, shapeOf } from './encodings.ts';
import { opcodePattern, TABLE } from './table.ts';
import type { Form, Gpr, Insn, Operand, Seg } from './types.ts';

/** The text is no instruction of ours; the message names the word at fault. */
export class AssembleError extends Error {}

const named = (names: string, make: (n: number) => Operand): [string, Operand][] =>
  names.split(' ').map((name, n) => [name, make(n)]);
const REGISTERS: ReadonlyMap<string, Operand> = new Map([
  ...named('al cl dl bl ah ch dh bh', (n) => ({ kind: 'reg', size: 8, reg: n as Gpr })),
  ...named('ax cx dx bx sp bp si di', (n) => ({ kind: 'reg', size: 16, reg: n as Gpr })),
  ...named('eax ecx edx ebx esp ebp esi edi', (n) => ({ kind: 'reg', size: 32, reg: n as Gpr })),
  ...named('es cs ss ds fs gs', (n) => ({ kind: 'sreg', seg: n as Seg })),
  ...named('cr0 cr1 cr2 cr3 cr4 cr5 cr6 cr7', (n) => ({ kind: 'cr', n })),
  ...named('dr0 dr1 dr2 dr3 dr4 dr5 dr6 dr7', (n) => ({ kind: 'dr', n })),
]);
const SEGMENT_PREFIX = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const PREFIX_BYTES: Readonly<Record<string, number>> = {
  lock: 0xf0,
  rep: 0xf3,
  repe: 0xf3,
  repz: 0xf3,
  repne: 0xf2,
  repnz: 0xf2,
};
const SIZES: Readonly<Record<string, number>> = { byte: 8, word: 16, dword: 32, qword: 64 };
/** Other names for mnemonics of the table. */
const SYNONYMS: Readonly<Record<string, string>> = {
  jc: 'jb',
  jnae: 'jb',
  jnc: 'jae',
  jnb: 'jae',
  jz: 'je',
  jnz: 'jne',
  jna: 'jbe',
  jnbe: 'ja',
  jpe: 'jp',
  jpo: 'jnp',
  jnge: 'jl',
  jnl: 'jge',
  jng: 'jle',
  jnle: 'jg',
  setc: 'setb',
  setnc: 'setae',
  setz: 'sete',
  setnz: 'setne',
  cmovc: 'cmovb',
  cmovnc: 'cmovae',
  cmovz: 'cmove',
  cmovnz: 'cmovne',
  sal: 'shl',
  loopz: 'loope',
  loopnz: 'loopne',
  fwait: 'wait',
  xlat: 'xlatb',
  pushf: 'pushfd',
  popf: 'popfd',
  pusha: 'pushad',
  popa: 'popad',
  iret: 'iretd',
  repz: 'repe',
};

/** An operand as written: sizes may be missing, addresses are not yet encoded. */
interface Written {
  readonly kind: 'register' | 'memory' | 'number' | 'far';
  readonly text: string;
  /** Size keyword in bits, 0 for none. */
  readonly size: number;
  readonly isFar: boolean;
  readonly register?: Operand;
  readonly value: number;
  readonly selector: number;
  readonly memory?: Address;
}
interface Address {
  readonly segment: number; // -1 for none
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly disp: number;
  readonly addrSize: 16 | 32;
}

/** Value of a name, or undefined. */
export type ValueOf = (name: string) => number | undefined;

/** A sum of numbers and symbols. */
function evaluate(text: string, symbol: ValueOf | undefined): number {
  let sum = 0;
  const terms = text.replace(/\s+/g, '').match(/[+-]?[^+-]+/g);
  if (terms === null) throw new AssembleError(`a number is missing in '${text}'`);
  for (const term of terms) {
    const sign = term.startsWith('-') ? -1 : 1;
    const word = term.replace(/^[+-]/, '');
    const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(word) ? Number(word) : symbol?.(word);
    if (value === undefined) throw new AssembleError(`'${word}' is neither a number nor a known name`);
    sum += sign * value;
  }
  if (sum > 0xffffffff || sum < -0x80000000) throw new AssembleError(`'${text}' does not fit in 32 bits`);
  return sum | 0;
}

function parseAddress(inside: string, symbol: ValueOf | undefined): Address {
  let text = inside.trim(),
    segment = -1,
    explicit = 0;
  const colon = /^([c-gs]s)\s*:(.*)$/i.exec(text);
  if (colon) {
    const register = REGISTERS.get(colon[1]!.toLowerCase());
    segment = register?.kind === 'sreg' ? register.seg : -1;
    text = colon[2]!.trim();
  }
  const size = /^(word|dword)\s+/i.exec(text);
  if (size) {
    explicit = SIZES[size[1]!.toLowerCase()]!;
    text = text.slice(size[0].length);
  }
  text = text.replace(/^nosplit\s+/i, '');
  let base = -1,
    index = -1,
    scale = 0,
    width = 0;
  const rest: string[] = [];
  for (const term of text.replace(/\s+/g, '').match(/[+-]?[^+-]+/g) ?? []) {
    const [, name, factor] = /^\+?([a-z]+)(?:\*([1248]))?$/i.exec(term) ?? [];
    const register = name === undefined ? undefined : REGISTERS.get(name.toLowerCase());
    if (register?.kind !== 'reg' || register.size === 8) {
      rest.push(term);
      continue;
    }
    width = register.size;
    if (factor === undefined && base < 0) base = register.reg;
    else if (index < 0) {
      index = register.reg;
      scale = [1, 2, 4, 8].indexOf(Number(factor ?? 1));
    } else throw new AssembleError(`too many registers in [${inside}]`);
  }
  if (index === 4 && scale === 0 && width === 32) [base, index] = [index, base];
  if (index === 4 && width === 32) throw new AssembleError('ESP cannot be an index');
  const disp = rest.length === 0 ? 0 : evaluate(rest.join(''), symbol);
  const addrSize = (width || explicit) === 16 ? 16 : 32;
  return { segment, base, index, scale, disp: addrSize === 16 ? (disp << 16) >> 16 : disp, addrSize };
}

function parseOperand(text: string, symbol: ValueOf | undefined): Written {
  let rest = text.trim(),
    size = 0,
    isFar = false;
  for (;;) {
    const match = /^(byte|word|dword|qword|far|near|short)\b\s*/i.exec(rest);
    if (!match) break;
    const word = match[1]!.toLowerCase();
    if (word === 'far') isFar = true;
    else size = SIZES[word] ?? size;
    rest = rest.slice(match[0].length);
  }
  const plain = { text, size, isFar, value: 0, selector: 0 };
  const register = REGISTERS.get(rest.toLowerCase());
  if (register !== undefined) return { ...plain, kind: 'register', register };
  const brackets = /^\[(.*)\]$/.exec(rest);
  if (brackets) return { ...plain, kind: 'memory', memory: parseAddress(brackets[1]!, symbol) };
  const far = /^([^:]+):(.+)$/.exec(rest);
  if (far)
    return { ...plain, kind: 'far', selector: evaluate(far[1]!, symbol), value: evaluate(far[2]!, symbol) };
  return { ...plain, kind: 'number', value: evaluate(rest, symbol) };
}

interface Line {
  readonly prefixes: number[];
  readonly opSize: 0 | 16 | 32;
  readonly addrSize: 0 | 16 | 32;
  readonly mnemonic: string;
  readonly operands: readonly Written[];
}

function parseLine(text: string, symbol: ValueOf | undefined): Line {
  let rest = text.replace(/;.*$/, '').trim();
  const prefixes: number[] = [];
  let opSize: 0 | 16 | 32 = 0,
    addrSize: 0 | 16 | 32 = 0;
  for (;;) {
    const [word, next] = rest.split(/\s+/, 2);
    const lower = (word ?? '').toLowerCase();
    const register = REGISTERS.get(lower);
    if (next === undefined) break;
    if (lower === 'o16' || lower === 'o32') opSize = lower === 'o16' ? 16 : 32;
    else if (lower === 'a16' || lower === 'a32') addrSize = lower === 'a16' ? 16 : 32;
    else if (lower in PREFIX_BYTES) prefixes.push(PREFIX_BYTES[lower]!);
    else if (register?.kind === 'sreg') prefixes.push(SEGMENT_PREFIX[register.seg]!);
    else break;
    rest = rest.slice(word!.length).trim();
  }
  const match = /^([a-z0-9]+)\s*(.*)$/i.exec(rest);
  if (!match) throw new AssembleError('there is no instruction in the line');
  const mnemonic = match[1]!.toLowerCase();
  const operands =
    match[2] === '' ? [] : match[2]!.split(',').map((operand) => parseOperand(operand, symbol));
  return { prefixes, opSize, addrSize, mnemonic: SYNONYMS[mnemonic] ?? mnemonic, operands };
}

const SPEC_BITS: Readonly<Record<string, number>> = { b: 8, w: 16, d: 32, q: 64, s: 48 };
const FIXED: Readonly<Record<string, string>> = {
  AL: 'al',
  CL: 'cl',
  AX: 'ax',
  DX: 'dx',
  ES: 'es',
  CS: 'cs',
  SS: 'ss',
  DS: 'ds',
  FS: 'fs',
  GS: 'gs',
};

/** Collects what the operands say about one encoding; undefined as soon as one does not fit the row. */
class Fit {
  readonly form: Form;
  readonly opSize: 16 | 32;
  readonly eip: number;
  choice: EncodingChoice;
  target: number | undefined = undefined;
  /** A memory operand was written without a size and no register gives it. */
  unsized = 0;

  constructor(form: Form, opSize: 16 | 32, line: Line, eip: number) {
    this.form = form;
    this.opSize = opSize;
    this.eip = eip;
    const memory = line.operands.find((operand) => operand.kind === 'memory')?.memory;
    const wanted = opcodePattern(form.opcode).addrSize;
    const addrSize = memory?.addrSize ?? (line.addrSize || wanted || 32);
    const prefixes = [...line.prefixes];
    if (memory !== undefined && memory.segment >= 0) prefixes.push(SEGMENT_PREFIX[memory.segment]!);
    this.choice = { opSize, addrSize, reg: 0, mod: 3, rm: 0, sib: 0, disp: 0, imm: 0, imm2: 0, prefixes };
  }

  bits(spec: string): number {
    const letter = spec.slice(1);
    if (letter === 'v' || letter === 'z') return this.opSize;
    if (letter === 'p') return this.opSize + 16;
    return SPEC_BITS[letter] ?? 0;
  }

  /** Sets the place of an immediate: the first one goes to imm, the next to imm2. */
  immediates = 0;
  immediate(value: number): boolean {
    this.choice = this.immediates++ === 0 ? { ...this.choice, imm: value } : { ...this.choice, imm2: value };
    return true;
  }

  register(spec: string, operand: Written, field: 'reg' | 'rm'): boolean {
    const register = operand.register;
    if (register?.kind !== 'reg' || register.size !== this.bits(spec)) return false;
    this.choice = { ...this.choice, [field]: register.reg };
    return true;
  }

  memory(spec: string, operand: Written): boolean {
    if (operand.memory === undefined) return false;
    const bits = this.bits(spec);
    const farBranch = spec === 'Mp' && this.form.operands.length === 1;
    if (farBranch !== operand.isFar) return false;
    if (operand.size !== 0 && operand.size !== (farBranch ? this.opSize : bits)) return false;
    const isBranch = farBranch || this.form.semantics === 'call' || this.form.semantics === 'jmp';
    if (operand.size === 0 && !isBranch) this.unsized = bits;
    return this.address(operand.memory);
  }

  address({ base, index, scale, disp, addrSize }: Address): boolean {
    if (addrSize === 16) return this.address16(base, index, disp);
    const needsSib = index >= 0 || base === 4;
    const rm = needsSib ? 4 : base < 0 ? 5 : base;
    const sib = (scale << 6) | ((index < 0 ? 4 : index) << 3) | (base < 0 ? 5 : base);
    const mod = base < 0 || (disp === 0 && base !== 5) ? 0 : disp >= -128 && disp <= 127 ? 1 : 2;
    this.choice = { ...this.choice, mod, rm, sib, disp };
    return true;
  }

  address16(base: number, index: number, disp: number): boolean {
    const pairs = ['3,6', '3,7', '5,6', '5,7', '6,-1', '7,-1', '5,-1', '3,-1'];
    const swapped = pairs.indexOf(`${index},${base}`);
    const rm = base < 0 && index < 0 ? 6 : Math.max(pairs.indexOf(`${base},${index}`), swapped);
    if (rm < 0) return false;
    const direct = base < 0 && index < 0;
    const mod = direct || (disp === 0 && rm !== 6) ? 0 : disp >= -128 && disp <= 127 ? 1 : 2;
    this.choice = { ...this.choice, mod, rm, sib: 0, disp };
    return true;
  }

  number(spec: string, operand: Written): boolean {
    if (operand.kind !== 'number') return false;
    const bits = spec === 'Ibs' ? this.opSize : this.bits(spec);
    if (
      operand.size !== 0 &&
      operand.size !== bits &&
      !(this.form.semantics === 'push' && operand.size === this.opSize)
    )
      return false;
    const { value } = operand;
    if (spec === 'Ibs') {
      const extended = this.opSize === 16 ? (value << 16) >> 16 : value;
      return extended >= -128 && extended <= 127 && fits(value, bits) && this.immediate(extended);
    }
    return fits(value, bits) && this.immediate(value);
  }

  operand(spec: string, operand: Written): boolean {
    const fixed = FIXED[spec] ?? (spec === 'eAX' ? (this.opSize === 16 ? 'ax' : 'eax') : undefined);
    if (fixed !== undefined) return operand.text.trim().toLowerCase() === fixed;
    switch (spec[0]) {
      case '1':
        return operand.kind === 'number' && operand.value === 1;
      case 'E':
        return operand.kind === 'memory' ? this.memory(spec, operand) : this.register(spec, operand, 'rm');
      case 'R':
        if (spec === 'Rv/Mw' && operand.kind === 'memory') return this.memory('Mw', operand);
        return this.register(spec.slice(0, 2), operand, 'rm');
      case 'M':
        return this.memory(spec, operand);
      case 'G':
      case 'Z':
        return this.register(spec, operand, 'reg');
      case 'I':
        return this.number(spec, operand);
      case 'S':
      case 'C':
      case 'D':
        return this.systemRegister(spec[0], operand);
      case 'J':
        if (operand.kind !== 'number' || (operand.size !== 0 && operand.size !== this.opSize)) return false;
        this.target = operand.value;
        return true;
      case 'A':
        if (operand.kind !== 'far' || (operand.size !== 0 && operand.size !== this.opSize)) return false;
        this.choice = { ...this.choice, imm: operand.value, imm2: operand.selector };
        return fits(operand.value, this.opSize);
      case 'O': {
        const { memory } = operand;
        if (memory === undefined || memory.base >= 0 || memory.index >= 0) return false;
        this.choice = { ...this.choice, disp: memory.disp };
        return operand.size === 0 || operand.size === this.bits(spec);
      }
      default:
        return false;
    }
  }

  systemRegister(letter: string, { register }: Written): boolean {
    const kind = letter === 'S' ? 'sreg' : letter === 'C' ? 'cr' : 'dr';
    if (register?.kind !== kind) return false;
    this.choice = {
      ...this.choice,
      reg: register.kind === 'sreg' ? register.seg : (register as { n: number }).n,
    };
    return true;
  }

  /** The bytes, with the displacement to a branch target filled in; undefined when it is out of reach. */
  bytes(): number[] | undefined {
    const { form, choice, target } = this;
    const first = encode(form, choice);
    if (first === undefined || target === undefined) return first;
    const short = form.operands.includes('Jb');
    const distance = (target - (this.eip + first.length)) | 0;
    const displacement = this.opSize === 16 ? (distance << 16) >> 16 : distance;
    if (this.opSize === 16 && target >>> 0 > 0xffff) return undefined;
    if (short && (displacement < -128 || displacement > 127)) return undefined;
    return encode(form, { ...choice, imm: displacement });
  }
}

function fits(value: number, bits: number): boolean {
  return bits === 32 || bits === 0 || (value >= -(2 ** (bits - 1)) && value < 2 ** bits);
}

interface Candidate {
  readonly bytes: readonly number[];
  readonly insn: Insn;
  readonly unsized: number;
}

/** All encodings of one row that fit the line. */
function candidatesOf(form: Form, line: Line, eip: number): Candidate[] {
  const written = form.implicit === true ? [] : form.operands;
  if (written.length !== line.operands.length) return [];
  const found: Candidate[] = [];
  const sizes =
    line.opSize !== 0 ? [line.opSize] : form.size !== undefined ? [32 as const] : ([32, 16] as const);
  for (const opSize of sizes) {
    if (!shapeOf(form).opSizes.includes(opSize) && line.opSize === 0) continue;
    const fit = new Fit(form, opSize, line, eip);
    if (!written.every((spec, i) => fit.operand(spec, line.operands[i]!))) continue;
    const bytes = fit.bytes();
    if (bytes === undefined) continue;
    const insn = decode((i) => bytes[i] ?? 0, true);
    const same = insn.form === form || (form.opcode === '90+r' && insn.form.semantics === 'nop');
    if (same && insn.length === bytes.length)
      found.push({ bytes, insn, unsized: givesSize(form) ? 0 : fit.unsized });
  }
  return found;
}

/** Whether a register of the row has the size of its memory operand. */
function givesSize(form: Form): boolean {
  const memory = form.operands.find((spec) => /^[EO]/.test(spec))?.slice(1);
  return form.operands.some(
    (spec) =>
      (spec === 'AL' ? 'b' : spec === 'eAX' ? 'v' : /^[GZ]/.test(spec) ? spec.slice(1) : '-') === memory,
  );
}

/**
 * Assembles one instruction of 32-bit code that is to stand at `eip`. Names are looked up with `symbol`. Throws AssembleError when
 * the text is no instruction, an operand fits no form, or the size of a memory operand is not told.
 */
export function assemble(text: string, eip: number, symbol?: ValueOf): number[] {
  const line = parseLine(text, symbol);
  const forms = TABLE.filter((form) => form.mnemonic === line.mnemonic && form.alias !== true);
  if (forms.length === 0) throw new AssembleError(`there is no instruction '${line.mnemonic}'`);
  const found = forms.flatMap((form) => candidatesOf(form, line, eip));
  if (found.length === 0) throw new AssembleError(`these operands fit no form of '${line.mnemonic}'`);
  const unsized = new Set(found.map((candidate) => candidate.unsized).filter((bits) => bits !== 0));
  if (unsized.size > 1)
    throw new AssembleError('the size of the memory operand is not told: byte, word or dword?');
  // Without a word about it the operand size is the default one, even where 16 bits would be shorter.
  const usual = found.filter(({ insn }) => insn.opSize === 32);
  // The shortest wins; among equals a sign-extended byte does, as with NASM.
  const cost = ({ bytes, insn }: Candidate): number =>
    bytes.length * 2 + (insn.form.operands.includes('Ibs') ? 0 : 1);
  const [best] = (usual.length > 0 ? usual : found).sort((x, y) => cost(x) - cost(y));
  return [...best!.bytes];
}
