// Shifts and rotates. The count is taken modulo 32; a count of zero leaves every flag alone. OF is defined by the manual
// for a count of one only; the formulas here are those of one step applied to the whole shift.
// SDM vol. 2: SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD.

import { type Arg, type Builder, define } from '../builder.ts';

const bit = <V, W>(b: Builder<V, W>, a: V, n: number): V => b.and(b.shr(a, b.const(n)), b.const(1));
const count = <V, W>(b: Builder<V, W>, src: Arg<V>): V => b.and(src.get(), b.const(31));

define('shl', 'rw r', (b, dst, src) => {
  const size = dst.size,
    a = dst.get(),
    n = count(b, src),
    r = b.shl(a, n);
  b.if(b.ne(n, b.const(0)), () => {
    const cf = size === 32 ? b.and(b.shr(a, b.sub(b.const(32), n)), b.const(1)) : bit(b, r, size);
    b.flags('result', a, n, r, size);
    b.setFlag('cf', cf);
    b.setFlag('of', b.xor(bit(b, r, size - 1), cf));
  });
  dst.set(r);
});

define('shr', 'rw r', (b, dst, src) => {
  const size = dst.size,
    a = dst.get(),
    n = count(b, src),
    r = b.shr(a, n);
  b.if(b.ne(n, b.const(0)), () => {
    b.flags('result', a, n, r, size);
    b.setFlag('cf', b.and(b.shr(a, b.sub(n, b.const(1))), b.const(1)));
    b.setFlag('of', bit(b, a, size - 1));
  });
  dst.set(r);
});

define('sar', 'rw r', (b, dst, src) => {
  const size = dst.size,
    a = b.sx(dst.get(), size),
    n = count(b, src),
    r = b.sar(a, n);
  b.if(b.ne(n, b.const(0)), () => {
    b.flags('result', a, n, r, size);
    b.setFlag('cf', b.and(b.sar(a, b.sub(n, b.const(1))), b.const(1)));
    b.setFlag('of', b.const(0));
  });
  dst.set(r);
});

define('rol', 'rw r', (b, dst, src) => {
  const size = dst.size,
    a = dst.get(),
    n = count(b, src),
    m = b.and(n, b.const(size - 1)),
    r = b.or(b.shl(a, m), b.shr(a, b.and(b.sub(b.const(size), m), b.const(31))));
  b.if(b.ne(n, b.const(0)), () => {
    const cf = b.and(r, b.const(1));
    b.setFlag('cf', cf);
    b.setFlag('of', b.xor(bit(b, r, size - 1), cf));
  });
  dst.set(r);
});

define('ror', 'rw r', (b, dst, src) => {
  const size = dst.size,
    a = dst.get(),
    n = count(b, src),
    m = b.and(n, b.const(size - 1)),
    r = b.or(b.shr(a, m), b.shl(a, b.and(b.sub(b.const(size), m), b.const(31))));
  b.if(b.ne(n, b.const(0)), () => {
    const cf = bit(b, r, size - 1);
    b.setFlag('cf', cf);
    b.setFlag('of', b.xor(cf, bit(b, r, size - 2)));
  });
  dst.set(r);
});

/** CF and the operand as one number of size + 1 bits, CF on top. */
function withCarry<V, W>(b: Builder<V, W>, a: V, size: number): W {
  const cf = b.flag('cf');
  return size === 32 ? b.double(a, cf) : b.double(b.or(a, b.shl(cf, b.const(size))), b.const(0));
}
/** The count modulo size + 1. */
function ringCount<V, W>(b: Builder<V, W>, n: V, size: number): V {
  return size === 32 ? n : b.remU(b.double(n, b.const(0)), b.const(size + 1));
}

define('rcl', 'rw r', (b, dst, src) => {
  const size = dst.size,
    a = dst.get(),
    n = count(b, src),
    m = ringCount(b, n, size),
    w = withCarry(b, a, size),
    turned = b.orW(b.shlW(w, m), b.shrW(w, b.sub(b.const(size + 1), m))),
    r = b.lo(turned);
  b.if(b.ne(n, b.const(0)), () => {
    const cf = size === 32 ? b.and(b.hi(turned), b.const(1)) : bit(b, r, size);
    b.setFlag('cf', cf);
    b.setFlag('of', b.xor(bit(b, r, size - 1), cf));
  });
  dst.set(r);
});

define('rcr', 'rw r', (b, dst, src) => {
  const size = dst.size,
    a = dst.get(),
    n = count(b, src),
    m = ringCount(b, n, size),
    w = withCarry(b, a, size),
    turned = b.orW(b.shrW(w, m), b.shlW(w, b.sub(b.const(size + 1), m))),
    r = b.lo(turned);
  b.if(b.ne(n, b.const(0)), () => {
    b.setFlag('cf', size === 32 ? b.and(b.hi(turned), b.const(1)) : bit(b, r, size));
    b.setFlag('of', b.xor(bit(b, r, size - 1), bit(b, r, size - 2)));
  });
  dst.set(r);
});

// Double shifts. A 16-bit operand shifted by more than 16 is undefined; processors shift destination:source:destination.
define('shld', 'rw r r', (b, dst, src, by) => {
  const size = dst.size,
    a = dst.get(),
    c = src.get(),
    n = count(b, by);
  const w = size === 32 ? b.double(c, a) : b.double(b.or(b.shl(c, b.const(16)), a), a);
  const shifted = b.hi(b.shlW(w, n));
  b.if(b.ne(n, b.const(0)), () => {
    b.flags('result', a, c, shifted, size);
    b.setFlag('cf', size === 32 ? b.and(b.shr(a, b.sub(b.const(32), n)), b.const(1)) : bit(b, shifted, 16));
    b.setFlag('of', bit(b, b.xor(shifted, a), size - 1));
  });
  dst.set(shifted);
});

define('shrd', 'rw r r', (b, dst, src, by) => {
  const size = dst.size,
    a = dst.get(),
    c = src.get(),
    n = count(b, by);
  const w = size === 32 ? b.double(a, c) : b.double(b.or(a, b.shl(c, b.const(16))), a);
  const shifted = b.lo(b.shrW(w, n));
  b.if(b.ne(n, b.const(0)), () => {
    b.flags('result', a, c, shifted, size);
    b.setFlag('cf', b.and(b.lo(b.shrW(w, b.sub(n, b.const(1)))), b.const(1)));
    b.setFlag('of', bit(b, b.xor(shifted, a), size - 1));
  });
  dst.set(shifted);
});
