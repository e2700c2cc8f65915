// Addition, subtraction, comparison and their kin. SDM vol. 2: ADD ADC SUB SBB CMP INC DEC NEG XADD CMPXCHG CMPXCHG8B.

import { define } from '../builder.ts';
import type { MemOperand } from '../types.ts';

define('add', 'rw r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get(),
    r = b.add(a, c);
  b.flags('add', a, c, r, dst.size);
  dst.set(r);
});

define('adc', 'rw r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get(),
    r = b.add(b.add(a, c), b.flag('cf'));
  b.flags('add', a, c, r, dst.size);
  dst.set(r);
});

define('sub', 'rw r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get(),
    r = b.sub(a, c);
  b.flags('sub', a, c, r, dst.size);
  dst.set(r);
});

define('sbb', 'rw r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get(),
    r = b.sub(b.sub(a, c), b.flag('cf'));
  b.flags('sub', a, c, r, dst.size);
  dst.set(r);
});

define('cmp', 'r r', (b, dst, src) => {
  const a = dst.get(),
    c = src.get();
  b.flags('sub', a, c, b.sub(a, c), dst.size);
});

define('inc', 'rw', (b, dst) => {
  const a = dst.get(),
    one = b.const(1),
    r = b.add(a, one);
  b.flags('inc', a, one, r, dst.size);
  dst.set(r);
});

define('dec', 'rw', (b, dst) => {
  const a = dst.get(),
    one = b.const(1),
    r = b.sub(a, one);
  b.flags('dec', a, one, r, dst.size);
  dst.set(r);
});

define('neg', 'rw', (b, dst) => {
  const a = dst.get(),
    zero = b.const(0),
    r = b.sub(zero, a);
  b.flags('sub', zero, a, r, dst.size);
  dst.set(r);
});

define('xadd', 'rw rw', (b, dst, src) => {
  const a = dst.get(),
    c = src.get(),
    r = b.add(a, c);
  b.flags('add', a, c, r, dst.size);
  src.set(a);
  dst.set(r);
});

define('cmpxchg', 'rw r', (b, dst, src) => {
  const size = dst.size as 8 | 16 | 32;
  const a = b.reg(0, size),
    old = dst.get();
  b.flags('sub', a, old, b.sub(a, old), size);
  b.if(
    b.eq(a, old),
    () => dst.set(src.get()),
    () => {
      if (dst.operand.kind === 'mem') dst.set(old); // the processor writes in any case
      b.setReg(0, size, old);
    },
  );
});

define('cmpxchg8b', 'a', (b, dst) => {
  const seg = (dst.operand as MemOperand).seg,
    at = dst.ea();
  b.probe(seg, at, 8, 'w');
  const old = b.loadW(seg, at);
  const same = b.and(b.eq(b.lo(old), b.reg(0, 32)), b.eq(b.hi(old), b.reg(2, 32)));
  b.storeW(seg, at, b.selectW(same, b.double(b.reg(3, 32), b.reg(1, 32)), old));
  b.setFlag('zf', same);
  b.if(b.eq(same, b.const(0)), () => {
    b.setReg(0, 32, b.lo(old));
    b.setReg(2, 32, b.hi(old));
  });
});
