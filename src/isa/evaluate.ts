// The arithmetic of the builder's operations on known numbers, with "not known" passed through: explain.ts puts current values
// beside its lines with it, classify.ts follows conditions on CPL, IOPL and modes. Not an engine: nothing here
// writes to a machine.

import type { Value } from './tree.ts';

/** What is known of a value: a word as u32, a double word as u64, or nothing. */
export type Known = number | bigint | undefined;

const u32 = (n: number): number => n >>> 0;
const U64 = (1n << 64n) - 1n;
const truth = (b: boolean): number => (b ? 1 : 0);
const shiftIn = (size: number) => 32 - size;

/** Operations on words alone. */
const WORD: Readonly<Record<string, (a: number, c: number, d: number) => number>> = {
  add: (a, c) => u32(a + c),
  sub: (a, c) => u32(a - c),
  mul: (a, c) => u32(Math.imul(a, c)),
  and: (a, c) => u32(a & c),
  or: (a, c) => u32(a | c),
  xor: (a, c) => u32(a ^ c),
  not: (a) => u32(~a),
  shl: (a, n) => u32(a << n),
  shr: (a, n) => a >>> n,
  sar: (a, n) => u32(a >> n),
  zx: (a, size) => u32(a << shiftIn(size)) >>> shiftIn(size),
  sx: (a, size) => u32((a << shiftIn(size)) >> shiftIn(size)),
  ctz: (a) => (a === 0 ? 32 : 31 - Math.clz32(a & -a)),
  clz: (a) => Math.clz32(a),
  eq: (a, c) => truth(a === c),
  ne: (a, c) => truth(a !== c),
  ltU: (a, c) => truth(a < c),
  leU: (a, c) => truth(a <= c),
  ltS: (a, c) => truth((a | 0) < (c | 0)),
  leS: (a, c) => truth((a | 0) <= (c | 0)),
};

const signed = (n: number): bigint => BigInt(n | 0);

/** Operations in which a double word takes part. */
const DOUBLE: Readonly<Record<string, (a: bigint, c: bigint) => number | bigint>> = {
  double: (lo, hi) => (hi << 32n) | lo,
  lo: (w) => Number(w & 0xffffffffn),
  hi: (w) => Number(w >> 32n),
  mulU: (a, c) => a * c,
  mulS: (a, c) => (signed(Number(a)) * signed(Number(c))) & U64,
  addW: (a, c) => (a + c) & U64,
  negW: (a) => -a & U64,
  orW: (a, c) => a | c,
  shlW: (a, n) => (a << (n & 63n)) & U64,
  shrW: (a, n) => a >> (n & 63n),
  divU: (a, d) => (d === 0n ? 0n : a / d),
  remU: (a, d) => (d === 0n ? 0 : Number(a % d)),
};

/** An operand that fixes the result whatever the other is: 0 of a conjunction or product, all ones of a disjunction. */
function absorbing(op: string, args: readonly Known[]): Known {
  if ((op === 'and' || op === 'mul') && args.includes(0)) return 0;
  if (op === 'or' && args.includes(0xffffffff)) return 0xffffffff;
  return undefined;
}

/** The result of a pure operation, given what is known of its arguments; undefined when that is not enough or the operation reads something. */
export function evaluate(value: Value, args: readonly Known[]): Known {
  const { op } = value;
  if (op === 'const') return u32(value.args[0] as number);
  if (op === 'select' || op === 'selectW') {
    if (args[0] === undefined) return args[1] === args[2] ? args[1] : undefined;
    return args[0] !== 0 ? args[1] : args[2];
  }
  const word = WORD[op];
  const double = DOUBLE[op];
  if (word === undefined && double === undefined) return undefined;
  if (args.includes(undefined)) return absorbing(op, args);
  if (word !== undefined) return word(Number(args[0]), Number(args[1] ?? 0), Number(args[2] ?? 0));
  return double!(BigInt(args[0]!), BigInt(args[1] ?? 0));
}

/** Operations whose result is 0 or 1. */
const TRUTHS = new Set(['eq', 'ne', 'ltU', 'leU', 'ltS', 'leS', 'flag', 'ioRefused']);

/** Whether a value is always 0 or 1, so that `and`, `or` and `xor` of it are those of logic. */
export function isTruth(value: Value): boolean {
  if (TRUTHS.has(value.op)) return true;
  if (value.op === 'sys') return ['if', 'vm', 'vif', 'vip', 'ts'].includes(value.args[0] as string);
  if (value.op === 'select')
    return value.args.slice(1).every((arg) => typeof arg === 'object' && isTruth(arg));
  if (value.op === 'and' || value.op === 'or' || value.op === 'xor')
    return value.args.every((arg) => typeof arg === 'object' && isTruth(arg));
  return value.op === 'const' && ((value.args[0] as number) & ~1) === 0;
}

const PF = 0x4,
  AF = 0x10,
  ZF = 0x40,
  SF = 0x80,
  OF = 0x800;

function parity(r: number): number {
  let x = r & 0xff;
  x ^= x >> 4;
  x ^= x >> 2;
  x ^= x >> 1;
  return (x & 1) === 0 ? PF : 0;
}

/** What a FlagsKind writes, as (mask, value) in EFLAGS. Operands as in Builder.flags. */
export function arithmeticFlags(
  kind: string,
  a: number,
  c: number,
  r: number,
  size: number,
): { readonly mask: number; readonly value: number } {
  const top = (n: number) => (n >>> (size - 1)) & 1;
  const cut = size === 32 ? r >>> 0 : r & ((1 << size) - 1);
  const result = parity(cut) | (cut === 0 ? ZF : 0) | (top(r) ? SF : 0);
  if (kind === 'result') return { mask: PF | ZF | SF, value: result };
  if (kind === 'logic') return { mask: 1 | PF | ZF | SF | OF, value: result };
  const adds = kind === 'add' || kind === 'inc';
  const carry = adds ? top((a & c) | ((a | c) & ~r)) : top((~a & c) | ((~a | c) & r));
  const overflow = adds ? top((a ^ r) & (c ^ r)) : top((a ^ c) & (a ^ r));
  const all = result | ((a ^ c ^ r) & AF) | (overflow ? OF : 0);
  const mask = PF | AF | ZF | SF | OF;
  return kind === 'inc' || kind === 'dec' ? { mask, value: all } : { mask: mask | 1, value: all | carry };
}
