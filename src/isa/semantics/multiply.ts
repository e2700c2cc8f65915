// Multiplication, division and the decimal adjustments. SDM vol. 2: MUL IMUL DIV IDIV AAA AAS AAM AAD DAA DAS.

import { type Arg, type Builder, DE, define } from '../builder.ts';

const EAX = 0,
  EDX = 2,
  AH = 4;

/** Stores a product of two operands of `size` bits in AX, DX:AX or EDX:EAX. */
function setProduct<V, W>(b: Builder<V, W>, size: number, lo: V, hi: V): void {
  if (size === 8) b.setReg(EAX, 16, lo);
  else if (size === 16) {
    b.setReg(EAX, 16, lo);
    b.setReg(EDX, 16, b.shr(lo, b.const(16)));
  } else {
    b.setReg(EAX, 32, lo);
    b.setReg(EDX, 32, hi);
  }
}
function setOverflow<V, W>(b: Builder<V, W>, overflow: V): void {
  b.setFlag('cf', overflow);
  b.setFlag('of', overflow);
}

define('mul', 'r', (b, src) => {
  const size = src.size as 8 | 16 | 32;
  const product = b.mulU(b.reg(EAX, size), src.get());
  const lo = b.lo(product),
    hi = b.hi(product);
  const upper = size === 32 ? hi : b.shr(lo, b.const(size));
  b.flags('result', lo, hi, lo, size);
  setOverflow(b, b.ne(upper, b.const(0)));
  setProduct(b, size, lo, hi);
});

/** Signed product: low word, high word, and whether the low `size` bits fail to hold it. */
function signedProduct<V, W>(
  b: Builder<V, W>,
  size: number,
  a: V,
  c: V,
): readonly [lo: V, hi: V, overflow: V] {
  const product = b.mulS(b.sx(a, size), b.sx(c, size));
  const lo = b.lo(product),
    hi = b.hi(product);
  const overflow = size === 32 ? b.ne(hi, b.sar(lo, b.const(31))) : b.ne(lo, b.sx(lo, size));
  return [lo, hi, overflow];
}

define('imul', 'r', (b, src) => {
  const size = src.size as 8 | 16 | 32;
  const [lo, hi, overflow] = signedProduct(b, size, b.reg(EAX, size), src.get());
  b.flags('result', lo, hi, lo, size);
  setOverflow(b, overflow);
  setProduct(b, size, lo, hi);
});

function imulTo<V, W>(b: Builder<V, W>, dst: Arg<V>, a: V, c: V): void {
  const [lo, hi, overflow] = signedProduct(b, dst.size, a, c);
  b.flags('result', lo, hi, lo, dst.size);
  setOverflow(b, overflow);
  dst.set(lo);
}
define('imul2', 'rw r', (b, dst, src) => imulTo(b, dst, dst.get(), src.get()));
define('imul3', 'w r r', (b, dst, src, by) => imulTo(b, dst, src.get(), by.get()));

/** Stores quotient and remainder. */
function setQuotient<V, W>(b: Builder<V, W>, size: 8 | 16 | 32, quotient: V, remainder: V): void {
  if (size === 8) {
    b.setReg(EAX, 8, quotient);
    b.setReg(AH, 8, remainder);
  } else {
    b.setReg(EAX, size, quotient);
    b.setReg(EDX, size, remainder);
  }
}
const sizeMask = (size: number): number => (size === 32 ? -1 : (1 << size) - 1);

define('div', 'r', (b, src) => {
  const size = src.size as 8 | 16 | 32;
  const d = src.get();
  b.faultIf(b.eq(d, b.const(0)), DE);
  const low =
    size === 8
      ? b.reg(EAX, 16)
      : size === 16
        ? b.or(b.reg(EAX, 16), b.shl(b.reg(EDX, 16), b.const(16)))
        : b.reg(EAX, 32);
  const w = b.double(low, size === 32 ? b.reg(EDX, 32) : b.const(0));
  const quotient = b.divU(w, d);
  b.faultIf(b.ne(b.hi(quotient), b.const(0)), DE);
  b.faultIf(b.ltU(b.const(sizeMask(size)), b.lo(quotient)), DE);
  setQuotient(b, size, b.lo(quotient), b.remU(w, d));
});

// Signed division by magnitudes: the quotient is negative when the signs differ, the remainder has the dividend's sign.
define('idiv', 'r', (b, src) => {
  const size = src.size as 8 | 16 | 32;
  const d = b.sx(src.get(), size);
  b.faultIf(b.eq(d, b.const(0)), DE);
  const low =
    size === 8
      ? b.sx(b.reg(EAX, 16), 16)
      : size === 16
        ? b.or(b.reg(EAX, 16), b.shl(b.reg(EDX, 16), b.const(16)))
        : b.reg(EAX, 32);
  const high = size === 32 ? b.reg(EDX, 32) : b.sar(low, b.const(31));
  const zero = b.const(0);
  const negative = b.ltS(high, zero),
    otherSign = b.xor(negative, b.ltS(d, zero));
  const w = b.double(low, high);
  const magnitude = b.selectW(negative, b.negW(w), w);
  const divisor = b.select(b.ltS(d, zero), b.sub(zero, d), d);
  const q = b.divU(magnitude, divisor);
  const limit = b.add(b.const((1 << (size - 1)) - 1), otherSign);
  b.faultIf(b.ne(b.hi(q), zero), DE);
  b.faultIf(b.ltU(limit, b.lo(q)), DE);
  const rest = b.remU(magnitude, divisor);
  setQuotient(
    b,
    size,
    b.select(otherSign, b.sub(zero, b.lo(q)), b.lo(q)),
    b.select(negative, b.sub(zero, rest), rest),
  );
});

// ---- Decimal adjustments -------------------------------------------------------------------------------

/** DAA and DAS: `sign` 1 adds the corrections, -1 subtracts them. */
function decimalAdjust<V, W>(b: Builder<V, W>, subtract: boolean): void {
  const al = b.reg(EAX, 8),
    cf = b.flag('cf');
  const low = b.or(b.ltU(b.const(9), b.and(al, b.const(15))), b.flag('af'));
  const high = b.or(b.ltU(b.const(0x99), al), cf);
  const correction = b.add(b.select(low, b.const(6), b.const(0)), b.select(high, b.const(0x60), b.const(0)));
  const r = b.zx(subtract ? b.sub(al, correction) : b.add(al, correction), 8);
  // A borrow out of the low correction alone sets CF too, until the high one decides (SDM, DAS).
  const borrow = subtract ? b.and(low, b.ltU(al, b.const(6))) : b.const(0);
  b.setReg(EAX, 8, r);
  b.flags('result', al, correction, r, 8);
  b.setFlag('af', low);
  b.setFlag('cf', b.or(high, borrow));
  b.setFlag('of', b.const(0));
}
define('daa', '', (b) => decimalAdjust(b, false));
define('das', '', (b) => decimalAdjust(b, true));

function asciiAdjust<V, W>(b: Builder<V, W>, subtract: boolean): void {
  const ax = b.reg(EAX, 16);
  const adjust = b.or(b.ltU(b.const(9), b.and(ax, b.const(15))), b.flag('af'));
  const by = b.select(adjust, b.const(0x106), b.const(0));
  const r = b.and(subtract ? b.sub(ax, by) : b.add(ax, by), b.const(0xff0f));
  b.flags('result', ax, by, b.and(r, b.const(0xff)), 8);
  b.setFlag('of', b.const(0));
  b.setFlag('af', adjust);
  b.setFlag('cf', adjust);
  b.setReg(EAX, 16, r);
}
define('aaa', '', (b) => asciiAdjust(b, false));
define('aas', '', (b) => asciiAdjust(b, true));

define('aam', 'r', (b, base) => {
  const al = b.reg(EAX, 8),
    d = base.get();
  b.faultIf(b.eq(d, b.const(0)), DE);
  const w = b.double(al, b.const(0)),
    rest = b.remU(w, d);
  b.setReg(AH, 8, b.lo(b.divU(w, d)));
  b.setReg(EAX, 8, rest);
  b.flags('logic', al, d, rest, 8);
});

define('aad', 'r', (b, base) => {
  const r = b.zx(b.add(b.reg(EAX, 8), b.mul(b.reg(AH, 8), base.get())), 8);
  b.setReg(EAX, 16, r);
  b.flags('logic', r, r, r, 8);
});
