// The stack: PUSH POP PUSHA POPA ENTER LEAVE PUSHF POPF. SP or ESP as the stack segment says; the builder knows which.

import { type Arg, type Builder, define, GP } from '../builder.ts';
import { SEG_DB_BIT } from '../microcode/descriptor.ts';
import { probePushes } from '../microcode/far.ts';
import { type Gpr, SS } from '../types.ts';

export const ESP = 4;
const EBP = 5;

define('push', 'r', (b, src) => b.push(src.get(), b.opSize));

define('pop', 'w', (b, dst) => {
  const size = b.opSize,
    operand = dst.operand;
  if (operand.kind !== 'mem') {
    const value = b.pop(size);
    dst.set(value);
    return;
  }
  const value = b.peek(0, size);
  // An address based on ESP uses the value after the increment.
  const at = operand.base === ESP ? b.add(dst.ea(), b.const(size / 8)) : dst.ea();
  b.store(operand.seg, at, size, value);
  b.moveSp(b.const(size / 8));
});

// Outside protected mode an odd stack pointer that eight pushes would carry across the end of the segment is #GP, not #SS; with 1, 3 and 5 no
// frame has room either (SDM vol. 2, PUSHA).
define('pusha', '', (b) => {
  const size = b.opSize,
    bytes = size / 8;
  b.if(b.eq(b.isProtected(), b.const(0)), () => {
    const sp = b.sp();
    const across = b.and(b.and(sp, b.const(1)), b.leU(b.sub(sp, b.const(7)), b.const(8)));
    b.faultIf(across, GP, b.const(0));
  });
  probePushes(b, 8, bytes);
  for (let i = 0; i < 8; i++) b.poke(-(i + 1) * bytes, size, b.reg(i as Gpr, size));
  b.moveSp(b.const(-8 * bytes));
});

define('popa', '', (b) => {
  const size = b.opSize,
    bytes = size / 8;
  // All are read, in order, before a register changes; what was pushed of ESP is read and left.
  const values = Array.from({ length: 8 }, (_, i) => b.peek(i * bytes, size));
  for (let i = 7; i >= 0; i--) if (i !== ESP) b.setReg(i as Gpr, size, values[7 - i]!);
  b.moveSp(b.const(8 * bytes));
});

/** A value cut to the width of the stack pointer. */
function stackWidth<V, W>(b: Builder<V, W>, value: V): V {
  return b.select(b.ne(b.and(b.segment(SS).attr, b.const(SEG_DB_BIT)), b.const(0)), value, b.zx(value, 16));
}

/** ESP moved by a constant as the stack's size says: a 16-bit stack leaves the upper half alone. */
export function movedSp<V, W>(b: Builder<V, W>, by: number): V {
  const esp = b.reg(ESP, 32),
    to = b.add(esp, b.const(by));
  const narrow = b.or(b.and(esp, b.const(-0x10000)), b.zx(to, 16));
  return b.select(b.ne(b.and(b.segment(SS).attr, b.const(SEG_DB_BIT)), b.const(0)), to, narrow);
}

define('leave', '', (b) => {
  const size = b.opSize;
  const frame = stackWidth(b, b.reg(EBP, 32));
  const value = b.load(SS, frame, size);
  b.setSp(b.add(frame, b.const(size / 8)));
  b.setReg(EBP, size, value);
});

define('enter', 'r r', <V, W>(b: Builder<V, W>, room: Arg<V>, depth: Arg<V>) => {
  const size = b.opSize,
    bytes = size / 8;
  const level = depth.operand.kind === 'imm' ? depth.operand.value & 31 : 0;
  const words = level === 0 ? 1 : level + 1;
  const frame = b.reg(EBP, 32);
  const locals = room.operand.kind === 'imm' ? room.operand.value : 0;
  const outerAt = (i: number): V => stackWidth(b, b.sub(frame, b.const(i * bytes)));
  // Checks and faults come in the order of the work: a push, the next outer frame, its push … (SDM vol. 2, ENTER).
  b.probeStack(-bytes, bytes, 'w');
  for (let i = 1; i < level; i++) {
    b.probe(SS, outerAt(i), bytes, 'r');
    b.probeStack(-(i + 1) * bytes, bytes, 'w');
  }
  if (level > 0) b.probeStack(-words * bytes, bytes, 'w');
  b.probeStack(-(words * bytes + locals), bytes, 'w'); // the new top must be writable; nothing is stored
  const top = movedSp(b, -bytes);
  // Each is pushed before the next one is read: where the frames overlap, that is seen.
  b.poke(-bytes, size, frame);
  for (let i = 1; i < level; i++) b.poke(-(i + 1) * bytes, size, b.load(SS, outerAt(i), size));
  if (level > 0) b.poke(-words * bytes, size, top);
  b.setReg(EBP, size, top);
  b.moveSp(b.sub(b.const(-words * bytes), room.get()));
});

/** Flags POPF may change at any level: TF DF OF SF ZF AF PF CF NT, with 32 bits also AC and ID. */
const POPF_16 = 0x4dd5,
  POPF_32 = 0x244dd5;
const RF = 0x10000;

define('pushf', '', (b) => {
  b.vm86Iopl();
  let image = b.and(b.eflags(), b.const(~RF));
  image = b.or(image, b.shl(b.sys('if'), b.const(9)));
  image = b.or(image, b.shl(b.sys('iopl'), b.const(12)));
  if (b.opSize === 32) {
    image = b.or(image, b.shl(b.sys('vif'), b.const(19)));
    image = b.or(image, b.shl(b.sys('vip'), b.const(20)));
  }
  b.push(image, b.opSize);
});

// IF changes only where CPL <= IOPL, IOPL only at CPL 0; elsewhere they keep their values and nobody is told. VM, VIF and VIP stay as they are.
define('popf', '', (b) => {
  b.vm86Iopl();
  const value = b.pop(b.opSize);
  const cpl = b.sys('cpl');
  b.setEflags(b.opSize === 16 ? POPF_16 : POPF_32, value);
  b.if(b.leU(cpl, b.sys('iopl')), () => b.setSys('if', b.and(b.shr(value, b.const(9)), b.const(1))));
  b.if(b.eq(cpl, b.const(0)), () => {
    b.setSys('iopl', b.and(b.shr(value, b.const(12)), b.const(3)));
  });
});
