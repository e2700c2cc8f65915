// Bitwise logic and single bits. SDM vol. 2: AND OR XOR NOT TEST BT BTS BTR BTC BSF BSR BSWAP.

import { type Arg, type Builder, define } from '../builder.ts';
import type { MemOperand } from '../types.ts';

define('and', 'rw r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get(),
    r = b.and(a, c);
  b.flags('logic', a, c, r, dst.size);
  dst.set(r);
});

define('or', 'rw r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get(),
    r = b.or(a, c);
  b.flags('logic', a, c, r, dst.size);
  dst.set(r);
});

define('xor', 'rw r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get(),
    r = b.xor(a, c);
  b.flags('logic', a, c, r, dst.size);
  dst.set(r);
});

define('test', 'r r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get();
  b.flags('logic', a, c, b.and(a, c), dst.size);
});

define('not', 'rw', (b, dst) => dst.set(b.not(dst.get())));

/**
 * The bit instructions: CF is the bit, `change` makes the new word of old word and single-bit mask. With a register as
 * second operand and memory as first, the offset is signed and reaches beyond the operand.
 */
function bitOperation<V, W>(
  b: Builder<V, W>,
  dst: Arg<V>,
  src: Arg<V>,
  change?: (word: V, mask: V) => V,
): void {
  const size = b.opSize;
  const index = src.get();
  const shift = b.and(index, b.const(size - 1));
  const mask = b.shl(b.const(1), shift);
  const far = dst.operand.kind === 'mem' && src.operand.kind === 'reg';
  if (!far) {
    const word = dst.get();
    if (change) dst.set(change(word, mask));
    b.setFlag('cf', b.and(b.shr(word, shift), b.const(1)));
    return;
  }
  const log = size === 32 ? 5 : 4;
  const bytes = b.shl(b.sar(b.sx(index, size), b.const(log)), b.const(log - 3));
  const seg = (dst.operand as MemOperand).seg;
  const at = b.zx(b.add(dst.ea(), bytes), b.addrSize);
  if (change) b.probe(seg, at, size / 8, 'w');
  const word = b.load(seg, at, size);
  if (change) b.store(seg, at, size, change(word, mask));
  b.setFlag('cf', b.and(b.shr(word, shift), b.const(1)));
}

define('bt', 'r r', (b, dst, src) => bitOperation(b, dst, src));
define('bts', 'rw r', (b, dst, src) => bitOperation(b, dst, src, (word, mask) => b.or(word, mask)));
define('btr', 'rw r', (b, dst, src) => bitOperation(b, dst, src, (word, mask) => b.and(word, b.not(mask))));
define('btc', 'rw r', (b, dst, src) => bitOperation(b, dst, src, (word, mask) => b.xor(word, mask)));

// With a zero source the destination keeps its value on every processor sold, whatever the manual leaves open.
define('bsf', 'rw r', (b, dst, src) => {
  const a = src.get(),
    zero = b.eq(a, b.const(0));
  b.setFlag('zf', zero);
  dst.set(b.select(zero, dst.get(), b.ctz(a)));
});

define('bsr', 'rw r', (b, dst, src) => {
  const a = src.get(),
    zero = b.eq(a, b.const(0));
  b.setFlag('zf', zero);
  dst.set(b.select(zero, dst.get(), b.sub(b.const(31), b.clz(a))));
});

// The manual leaves BSWAP of a 16-bit register undefined; processors give zero.
define('bswap', 'rw', (b, dst) => {
  if (b.opSize === 16) {
    dst.set(b.const(0));
    return;
  }
  const a = dst.get();
  const outer = b.or(b.shl(a, b.const(24)), b.shr(a, b.const(24)));
  const upper = b.and(b.shl(a, b.const(8)), b.const(0xff0000));
  const lower = b.and(b.shr(a, b.const(8)), b.const(0xff00));
  dst.set(b.or(outer, b.or(upper, lower)));
});
