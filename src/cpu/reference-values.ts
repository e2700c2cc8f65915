// The reference engine's values: words are JavaScript numbers, i32; double words are pairs of them. Registers and flags live in the
// vCPU record of STATE, so that the machine is materialised at every moment.

import { type FlagName, FLAG_BIT, type FlagsKind, type Local } from '../isa/builder.ts';
import type { Gpr, Size } from '../isa/types.ts';
import type { Memory } from '../memory/memory.ts';
import { VCPU } from './vcpu.ts';

/** 64 bits. */
export class Double {
  readonly lo: number;
  readonly hi: number;
  constructor(lo: number, hi: number) {
    this.lo = lo | 0;
    this.hi = hi | 0;
  }
}

class Variable implements Local<number> {
  private value: number;
  constructor(value: number) {
    this.value = value;
  }
  get(): number {
    return this.value;
  }
  set(value: number): void {
    this.value = value;
  }
}

const CF = 1,
  AF = 0x10,
  ZF = 0x40,
  OF = 0x800;
const STATUS = 0x8d5;
/** PF of each byte. */
const PARITY = Uint8Array.from({ length: 256 }, (_, n) => {
  let bits = 0;
  for (let i = 0; i < 8; i++) bits ^= (n >> i) & 1;
  return bits === 0 ? 4 : 0;
});

const bool = (b: boolean): number => (b ? 1 : 0);
const TWO_32 = 4294967296;

export class Values {
  readonly m: Memory;
  protected readonly i32: Int32Array;
  protected readonly u8: Uint8Array;
  /** Word index of the running vCPU's registers in i32, byte index in u8. */
  protected gprAt = 0;
  protected gprByte = 0;
  protected flagsAt = 0;

  constructor(m: Memory) {
    this.m = m;
    this.i32 = m.i32;
    this.u8 = m.u8;
  }

  protected bindRegisters(v: number): void {
    this.gprByte = v + VCPU.gpr;
    this.gprAt = this.gprByte >>> 2;
    this.flagsAt = (v + VCPU.eflags) >>> 2;
  }

  // ---- words ------------------------------------------------------------------------------------------
  const(n: number): number {
    return n | 0;
  }
  add(a: number, c: number): number {
    return (a + c) | 0;
  }
  sub(a: number, c: number): number {
    return (a - c) | 0;
  }
  mul(a: number, c: number): number {
    return Math.imul(a, c);
  }
  and(a: number, c: number): number {
    return a & c;
  }
  or(a: number, c: number): number {
    return a | c;
  }
  xor(a: number, c: number): number {
    return a ^ c;
  }
  not(a: number): number {
    return ~a;
  }
  shl(a: number, n: number): number {
    return a << n;
  }
  shr(a: number, n: number): number {
    return (a >>> n) | 0;
  }
  sar(a: number, n: number): number {
    return a >> n;
  }
  zx(a: number, size: number): number {
    return size === 32 ? a : size === 16 ? a & 0xffff : a & 0xff;
  }
  sx(a: number, size: number): number {
    return size === 32 ? a : size === 16 ? (a << 16) >> 16 : (a << 24) >> 24;
  }
  ctz(a: number): number {
    return a === 0 ? 32 : 31 - Math.clz32(a & -a);
  }
  clz(a: number): number {
    return Math.clz32(a);
  }
  eq(a: number, c: number): number {
    return bool(a === c);
  }
  ne(a: number, c: number): number {
    return bool(a !== c);
  }
  ltU(a: number, c: number): number {
    return bool(a >>> 0 < c >>> 0);
  }
  leU(a: number, c: number): number {
    return bool(a >>> 0 <= c >>> 0);
  }
  ltS(a: number, c: number): number {
    return bool(a < c);
  }
  leS(a: number, c: number): number {
    return bool(a <= c);
  }
  select(c: number, whenTrue: number, whenFalse: number): number {
    return c !== 0 ? whenTrue : whenFalse;
  }
  local(initial: number): Local<number> {
    return new Variable(initial);
  }

  // ---- double words -----------------------------------------------------------------------------------
  double(lo: number, hi: number): Double {
    return new Double(lo, hi);
  }
  lo(w: Double): number {
    return w.lo;
  }
  hi(w: Double): number {
    return w.hi;
  }
  mulU(a: number, c: number): Double {
    const al = a & 0xffff,
      ah = a >>> 16,
      cl = c & 0xffff,
      ch = c >>> 16;
    const low = al * cl;
    const mid = ah * cl + (low >>> 16); // below 2^33
    const mid2 = al * ch + (mid % 65536);
    return new Double(Math.imul(a, c), ah * ch + Math.floor(mid / 65536) + Math.floor(mid2 / 65536));
  }
  mulS(a: number, c: number): Double {
    const u = this.mulU(a, c);
    return new Double(u.lo, u.hi - (a < 0 ? c : 0) - (c < 0 ? a : 0));
  }
  addW(a: Double, c: Double): Double {
    const lo = (a.lo >>> 0) + (c.lo >>> 0);
    return new Double(lo, a.hi + c.hi + (lo >= TWO_32 ? 1 : 0));
  }
  negW(a: Double): Double {
    return new Double(-a.lo, ~a.hi + (a.lo === 0 ? 1 : 0));
  }
  orW(a: Double, c: Double): Double {
    return new Double(a.lo | c.lo, a.hi | c.hi);
  }
  shlW(a: Double, n: number): Double {
    n &= 63;
    if (n === 0) return a;
    if (n >= 32) return new Double(0, a.lo << (n - 32));
    return new Double(a.lo << n, (a.hi << n) | (a.lo >>> (32 - n)));
  }
  shrW(a: Double, n: number): Double {
    n &= 63;
    if (n === 0) return a;
    if (n >= 32) return new Double(a.hi >>> (n - 32), 0);
    return new Double((a.lo >>> n) | (a.hi << (32 - n)), a.hi >>> n);
  }
  selectW(c: number, whenTrue: Double, whenFalse: Double): Double {
    return c !== 0 ? whenTrue : whenFalse;
  }
  divU(a: Double, d: number): Double {
    const divisor = d >>> 0;
    if (a.hi === 0) return new Double(Math.floor((a.lo >>> 0) / divisor), 0);
    const high = a.hi >>> 0;
    const q = toBig(a) / BigInt(divisor);
    return new Double(Number(q & 0xffffffffn), high < divisor ? 0 : Number(q >> 32n));
  }
  remU(a: Double, d: number): number {
    const divisor = d >>> 0;
    if (a.hi === 0) return ((a.lo >>> 0) % divisor) | 0;
    return Number(toBig(a) % BigInt(divisor)) | 0;
  }

  // ---- control ----------------------------------------------------------------------------------------
  if(c: number, then: () => void, otherwise?: () => void): void {
    if (c !== 0) then();
    else if (otherwise !== undefined) otherwise();
  }
  loop(cond: () => number, body: () => void): void {
    while (cond() !== 0) body();
  }
  micro(_name: string, body: () => void): void {
    body();
  }

  // ---- registers and flags ----------------------------------------------------------------------------
  reg(n: Gpr, size: Size): number {
    if (size === 32) return this.i32[this.gprAt + n]!;
    if (size === 16) return this.i32[this.gprAt + n]! & 0xffff;
    return this.u8[this.gprByte + (n & 3) * 4 + (n >> 2)]!;
  }
  setReg(n: Gpr, size: Size, value: number): void {
    if (size === 32) this.i32[this.gprAt + n] = value;
    else if (size === 16) {
      const at = this.gprAt + n;
      this.i32[at] = (this.i32[at]! & 0xffff0000) | (value & 0xffff);
    } else this.u8[this.gprByte + (n & 3) * 4 + (n >> 2)] = value;
  }
  flag(name: FlagName): number {
    return (this.i32[this.flagsAt]! >>> FLAG_BIT[name]) & 1;
  }
  setFlag(name: FlagName, value: number): void {
    const bit = FLAG_BIT[name];
    this.i32[this.flagsAt] = (this.i32[this.flagsAt]! & ~(1 << bit)) | ((value & 1) << bit);
  }
  flags(kind: FlagsKind, a: number, c: number, r: number, size: number): void {
    const shift = 32 - size;
    const top = r << shift;
    const old = this.i32[this.flagsAt]!;
    let f = (top === 0 ? ZF : 0) | ((top >>> 24) & 0x80) | PARITY[r & 0xff]!;
    switch (kind) {
      case 'add':
        f |= (a ^ c ^ r) & AF;
        f |= (((a & c) | ((a | c) & ~r)) << shift) >>> 31;
        f |= ((((a ^ r) & (c ^ r)) << shift) >>> 31) << 11;
        break;
      case 'sub':
        f |= (a ^ c ^ r) & AF;
        f |= (((~a & c) | ((~a | c) & r)) << shift) >>> 31;
        f |= ((((a ^ c) & (a ^ r)) << shift) >>> 31) << 11;
        break;
      case 'inc':
        f |= ((a ^ c ^ r) & AF) | (old & CF);
        f |= ((((a ^ r) & (c ^ r)) << shift) >>> 31) << 11;
        break;
      case 'dec':
        f |= ((a ^ c ^ r) & AF) | (old & CF);
        f |= ((((a ^ c) & (a ^ r)) << shift) >>> 31) << 11;
        break;
      case 'logic':
        break;
      default:
        f |= old & (CF | AF | OF);
    }
    this.i32[this.flagsAt] = (old & ~STATUS) | f;
  }
  cond(cc: number): number {
    const f = this.i32[this.flagsAt]!;
    let r: number;
    switch (cc >> 1) {
      case 0:
        r = (f >>> 11) & 1;
        break;
      case 1:
        r = f & 1;
        break;
      case 2:
        r = (f >>> 6) & 1;
        break;
      case 3:
        r = (f | (f >>> 6)) & 1;
        break;
      case 4:
        r = (f >>> 7) & 1;
        break;
      case 5:
        r = (f >>> 2) & 1;
        break;
      case 6:
        r = ((f >>> 7) ^ (f >>> 11)) & 1;
        break;
      default:
        r = ((f >>> 6) | ((f >>> 7) ^ (f >>> 11))) & 1;
    }
    return r ^ (cc & 1);
  }
  eflags(): number {
    return (this.i32[this.flagsAt]! & ORDINARY) | 2;
  }
  setEflags(mask: number, value: number): void {
    const usable = mask & ORDINARY;
    this.i32[this.flagsAt] = (this.i32[this.flagsAt]! & ~usable) | (value & usable) | 2;
  }
}

/** Every ordinary flag. */
const ORDINARY = Object.values(FLAG_BIT).reduce((mask, bit) => mask | (1 << bit), 0);

const toBig = (a: Double): bigint => (BigInt(a.hi >>> 0) << 32n) | BigInt(a.lo >>> 0);
