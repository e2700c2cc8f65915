// Values of a recorded tree as text: the expressions of pseudo-code. They are made of symbols and of names as in the manual, so
// they need no translation; words around them are explain.ts's.

import { isTruth } from './evaluate.ts';
import { type Argument, Value } from './tree.ts';

const REG8 = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'];
const REG16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const REG32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const WIDTH: Readonly<Record<number, string>> = { 8: 'byte', 16: 'word', 32: 'dword', 64: 'qword' };

/** Bits of control registers by name (SDM vol. 3, 2.5); other bits are shown as masks. */
const CONTROL_BITS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  cr0: {
    0: 'PE',
    1: 'MP',
    2: 'EM',
    3: 'TS',
    4: 'ET',
    5: 'NE',
    16: 'WP',
    18: 'AM',
    29: 'NW',
    30: 'CD',
    31: 'PG',
  },
  cr4: {
    0: 'VME',
    1: 'PVI',
    2: 'TSD',
    3: 'DE',
    4: 'PSE',
    5: 'PAE',
    6: 'MCE',
    7: 'PGE',
    8: 'PCE',
    9: 'OSFXSR',
    11: 'UMIP',
    18: 'OSXSAVE',
  },
};

/** Names given to values that are not written out where they are used. */
export type Names = ReadonlyMap<Value, string>;
const NO_NAMES: Names = new Map();

/** A number as in assembly: decimal below ten. */
export function numberText(n: number | bigint): string {
  const wide = typeof n === 'bigint' ? n : BigInt(n >>> 0);
  return wide < 10n ? String(wide) : `0x${wide.toString(16)}`;
}

const SHIFTS = new Set(['shl', 'shr', 'sar', 'shlW', 'shrW']);
const UNSIGNED = new Set(['ltU', 'leU']);

/** A constant: small negative numbers keep their sign. */
function constantText(n: number): string {
  const signed = n | 0;
  return signed < 0 && signed > -0x10000 ? `-${numberText(-signed)}` : numberText(signed >>> 0);
}

export const registerName = (n: number, size: number): string =>
  (size === 8 ? REG8 : size === 16 ? REG16 : REG32)[n] ?? '?';
export const segmentName = (n: number): string => SEGMENTS[n] ?? '?';
export const sizeName = (bits: number): string => WIDTH[bits] ?? `${bits} bits`;

/** A system register's name as the manual writes it: CR0, GDTR.base, CPL. */
export function sysName(name: string): string {
  const [register, part] = name.split('.');
  return part === undefined ? register!.toUpperCase() : `${register!.toUpperCase()}.${part}`;
}

const BINARY: Readonly<Record<string, string>> = {
  add: '+',
  sub: '-',
  mul: '×',
  and: '&',
  or: '|',
  xor: '^',
  shl: '<<',
  shr: '>>',
  addW: '+',
  orW: '|',
  shlW: '<<',
  shrW: '>>',
  mulU: '×',
  divU: '/',
  remU: 'mod',
};
const COMPARISON: Readonly<
  Record<string, readonly [holds: string, not: string, flipped: string, flippedNot: string]>
> = {
  eq: ['=', '≠', '=', '≠'],
  ne: ['≠', '=', '≠', '='],
  ltU: ['<', '≥', '>', '≤'],
  leU: ['≤', '>', '≥', '<'],
  ltS: ['<', '≥', '>', '≤'],
  leS: ['≤', '>', '≥', '<'],
};
const SIGNED = new Set(['ltS', 'leS']);
/** Operations that are no infix but read like one. */
const COMPOUND = new Set(['select', 'selectW', 'sar', 'double']);

/** Pseudo-code of memory: size, segment, address. */
export const memoryText = (size: number, seg: number, address: string): string =>
  `${sizeName(size)} ${segmentName(seg)}:[${address}]`;

/** Writes values as text; `names` gives those that have one. */
export class ExpressionWriter {
  readonly names: Names;

  constructor(names: Names = NO_NAMES) {
    this.names = names;
  }

  /** A value where nothing binds tighter around it. */
  text(arg: Argument): string {
    if (typeof arg === 'number') return constantText(arg);
    if (typeof arg === 'string') return arg;
    return this.names.get(arg) ?? this.inside(arg);
  }

  /** What a named value is: its own expression. */
  definition(value: Value): string {
    return this.inside(value);
  }

  /** A value as an operand: in parentheses unless it is one word. */
  operand(arg: Argument): string {
    const text = this.text(arg);
    return arg instanceof Value && !this.names.has(arg) && this.isCompound(arg) ? `(${text})` : text;
  }

  /** A value as a condition, or the opposite of one. */
  condition(value: Value, holds = true): string {
    const name = this.names.get(value);
    if (name !== undefined)
      return isTruth(value) ? `${name} = ${holds ? 1 : 0}` : `${name} ${holds ? '≠' : '='} 0`;
    const bit = this.controlBit(value);
    if (bit !== undefined) return `${bit.name} = ${bit.set === holds ? 1 : 0}`;
    const inner = this.negated(value);
    if (inner !== undefined) return this.condition(inner, !holds);
    const [a, c] = value.args;
    if (COMPARISON[value.op] !== undefined) return this.comparison(value, holds);
    if ((value.op === 'and' || value.op === 'or') && isTruth(value)) {
      const word = (value.op === 'and') === holds ? 'and' : 'or';
      return `${this.joined(a as Value, holds, word)} ${word} ${this.joined(c as Value, holds, word)}`;
    }
    if (isTruth(value) && !this.isCompound(value)) return `${this.text(value)} = ${holds ? 1 : 0}`;
    return `${this.operand(value)} ${holds ? '≠' : '='} 0`;
  }

  private joined(value: Value, holds: boolean, around: string): string {
    const text = this.condition(value, holds);
    const other = around === 'and' ? ' or ' : ' and ';
    return text.includes(other) ? `(${text})` : text;
  }

  private comparison(value: Value, holds: boolean): string {
    const [a, c] = value.args as readonly [Value, Value];
    const [yes, no, flippedYes, flippedNo] = COMPARISON[value.op]!;
    const sign = SIGNED.has(value.op) ? ' (signed)' : '';
    const side = (v: Value) =>
      v.op === 'const' && UNSIGNED.has(value.op) ? numberText(v.args[0] as number) : this.operand(v);
    // Nothing is below zero.
    if (c.op === 'const' && c.args[0] === 0 && value.op === 'leU') return `${side(a)} ${holds ? '=' : '>'} 0`;
    if (a.op === 'const' && a.args[0] === 0 && value.op === 'ltU') return `${side(c)} ${holds ? '>' : '='} 0`;
    if (a.op === 'const' && c.op !== 'const')
      return `${side(c)} ${holds ? flippedYes : flippedNo} ${side(a)}${sign}`;
    return `${side(a)} ${holds ? yes : no} ${side(c)}${sign}`;
  }

  /** x, when the value is `x = 0` or `x ^ 1` of a truth x. */
  private negated(value: Value): Value | undefined {
    const [a, c] = value.args;
    if (!(a instanceof Value) || !(c instanceof Value) || c.op !== 'const' || !isTruth(a)) return undefined;
    const constant = c.args[0];
    return (value.op === 'eq' && constant === 0) || (value.op === 'xor' && constant === 1) ? a : undefined;
  }

  /** CR4.UMIP for `(cr4 & 0x800) ≠ 0` or `= 0x800`; set is false when the comparison asks for a clear bit. */
  private controlBit(value: Value): { readonly name: string; readonly set: boolean } | undefined {
    const [a, c] = value.args;
    if ((value.op !== 'ne' && value.op !== 'eq') || !(a instanceof Value) || !(c instanceof Value))
      return undefined;
    if (c.op !== 'const' || a.op !== 'and' || this.names.has(a)) return undefined;
    const [register, mask] = a.args;
    if (
      !(register instanceof Value) ||
      !(mask instanceof Value) ||
      register.op !== 'sys' ||
      mask.op !== 'const'
    )
      return undefined;
    const bits = (mask.args[0] as number) >>> 0;
    const name = register.args[0] as string;
    const bit = CONTROL_BITS[name]?.[31 - Math.clz32(bits)];
    if (bit === undefined || (bits & (bits - 1)) !== 0) return undefined;
    const other = (c.args[0] as number) >>> 0;
    if (other !== 0 && other !== bits) return undefined;
    return { name: `${sysName(name)}.${bit}`, set: (value.op === 'eq') === (other === bits) };
  }

  private isCompound(value: Value): boolean {
    const { op } = value;
    return BINARY[op] !== undefined || COMPARISON[op] !== undefined || COMPOUND.has(op);
  }

  private call(name: string, ...args: readonly Argument[]): string {
    return `${name}(${args.map((arg) => this.text(arg)).join(', ')})`;
  }

  private inside(value: Value): string {
    const { op, args } = value;
    const symbol = BINARY[op];
    if ((op === 'and' || op === 'or') && isTruth(value)) return this.condition(value);
    if (symbol !== undefined) return this.binary(op, symbol, args);
    if (COMPARISON[op] !== undefined) return this.comparison(value, true);
    return (WRITERS[op] ?? ((w, a) => w.call(op, ...a)))(this, args);
  }

  /** A condition as an operand. */
  choice(value: Value): string {
    const text = this.condition(value);
    return text.includes(' and ') || text.includes(' or ') ? `(${text})` : text;
  }

  private binary(op: string, symbol: string, args: readonly Argument[]): string {
    const [a, c] = args as readonly [Value, Value];
    if (SHIFTS.has(op) && c.op === 'const') return `${this.operand(a)} ${symbol} ${c.args[0]}`;
    // Adding a negative constant reads as subtracting.
    const constant = c.op === 'const' ? (c.args[0] as number) : 0;
    if (symbol === '+' && constant < 0 && constant > -0x10000)
      return `${this.operand(a)} - ${numberText(-constant)}`;
    return `${this.operand(a)} ${symbol} ${this.operand(c)}`;
  }
}

type Write = (w: ExpressionWriter, args: readonly Argument[]) => string;
const PARTS = ['eax', 'ebx', 'ecx', 'edx'];
const shiftCount = (w: ExpressionWriter, n: Argument): string =>
  n instanceof Value && n.op === 'const' ? String(n.args[0]) : w.operand(n);

/** Operations that are neither infix nor a plain call of their own name. */
const WRITERS: Readonly<Record<string, Write>> = {
  const: (_w, [n]) => constantText(n as number),
  not: (w, [a]) => `~${w.operand(a!)}`,
  zx: (w, [a, size]) => `low${size}(${w.text(a!)})`,
  sx: (w, [a, size]) => `signed${size}(${w.text(a!)})`,
  sar: (w, [a, n]) => `signed32(${w.text(a!)}) >> ${shiftCount(w, n!)}`,
  select: (w, [c, a, d]) => `${w.choice(c as Value)} ? ${w.operand(a!)} : ${w.operand(d!)}`,
  selectW: (w, [c, a, d]) => `${w.choice(c as Value)} ? ${w.operand(a!)} : ${w.operand(d!)}`,
  double: (w, [lo, hi]) => `${w.operand(hi!)}:${w.operand(lo!)}`,
  lo: (w, [a]) => `low32(${w.text(a!)})`,
  hi: (w, [a]) => `high32(${w.text(a!)})`,
  mulS: (w, [a, c]) => `signed(${w.operand(a!)} × ${w.operand(c!)})`,
  negW: (w, [a]) => `-${w.operand(a!)}`,
  reg: (_w, [n, size]) => registerName(n as number, size as number),
  flag: (_w, [name]) => (name as string).toUpperCase(),
  eflags: () => 'EFLAGS',
  load: (w, [seg, at, size]) => memoryText(size as number, seg as number, w.text(at!)),
  loadW: (w, [seg, at]) => memoryText(64, seg as number, w.text(at!)),
  loadLinear: (w, [at, size]) => `${sizeName(size as number)} linear[${w.text(at!)}]`,
  loadSystem: (w, [table, at, size]) => `${sizeName(size as number)} ${table}[${w.text(at!)}]`,
  pop: (_w, [size]) => `pop${size}()`,
  peek: (_w, [offset, size]) => `${sizeName(size as number)} ss:[SP${offsetText(offset as number)}]`,
  sp: () => 'SP',
  sys: (_w, [name]) => sysName(name as string),
  tsc: () => 'TSC',
  readMsr: (w, [index]) => `MSR[${w.text(index!)}]`,
  in: (w, [port, size]) => `port${size}[${w.text(port!)}]`,
  ioRefused: (w, [port, size]) => `TSS.io_bitmap[${w.text(port!)}, ${(size as number) / 8}]`,
  cpuid: (w, [leaf, subleaf, part]) =>
    `CPUID(${w.text(leaf!)}, ${w.text(subleaf!)}).${PARTS[part as number]}`,
  eip: () => 'EIP',
  nextEip: () => 'EIP_next',
  selector: (_w, [seg]) => segmentName(seg as number),
  segment: (_w, [seg, part]) => `${segmentName(seg as number).toUpperCase()}.${part}`,
};

/** ` + 4`, ` - 8` or nothing. */
export function offsetText(offset: number): string {
  if (offset === 0) return '';
  return offset < 0 ? ` - ${numberText(-offset)}` : ` + ${numberText(offset)}`;
}

/** A condition of an unnamed tree, or its opposite. */
export function conditionText(value: Value, holds: boolean): string {
  return new ExpressionWriter().condition(value, holds);
}
