// Near transfers and loops. SDM vol. 2: JMP Jcc CALL RET LOOPcc JECXZ BOUND INT n INT3 INTO UD.

import { type Arg, type Builder, BR, DB, define, UD } from '../builder.ts';
import { deliver, softwareInterrupt } from '../microcode/interrupt.ts';
import { cc } from '../table.ts';
import type { MemOperand } from '../types.ts';

const ECX = 1;

/** Where a near transfer leads: relative to the next instruction, or what the operand holds. */
function target<V, W>(b: Builder<V, W>, to: Arg<V>): V {
  return to.operand.kind === 'rel' ? b.add(b.nextEip(), to.get()) : to.get();
}

define('jmp', 'r', (b, to) => b.jump(target(b, to)));
define('jcc', 'r', (b, to) => b.if(b.cond(cc(b.insn)), () => b.jump(target(b, to))));

define('call', 'r', (b, to) => {
  const where = target(b, to),
    bytes = b.opSize / 8;
  b.probeStack(-bytes, bytes, 'w');
  b.jump(where);
  b.push(b.nextEip(), b.opSize);
});

define('ret', 'r', (b, release) => {
  const extra = release?.operand.kind === 'imm' ? release.operand.value : 0;
  b.jump(b.peek(0, b.opSize));
  b.moveSp(b.const(b.opSize / 8 + extra));
});

/** LOOP and its conditional forms: count down without flags, jump while the count and the condition hold. */
function loop<V, W>(b: Builder<V, W>, to: Arg<V>, condition: V | undefined): void {
  const left = b.zx(b.sub(b.reg(ECX, b.addrSize), b.const(1)), b.addrSize);
  const more = b.ne(left, b.const(0));
  b.if(condition === undefined ? more : b.and(more, condition), () => b.jump(target(b, to)));
  b.setReg(ECX, b.addrSize, left);
}
define('loop', 'r', (b, to) => loop(b, to, undefined));
define('loope', 'r', (b, to) => loop(b, to, b.flag('zf')));
define('loopne', 'r', (b, to) => loop(b, to, b.xor(b.flag('zf'), b.const(1))));
define('jecxz', 'r', (b, to) => b.if(b.eq(b.reg(ECX, b.addrSize), b.const(0)), () => b.jump(target(b, to))));

define('bound', 'r a', (b, index, pair) => {
  const seg = (pair.operand as MemOperand).seg,
    size = b.opSize,
    at = pair.ea();
  const i = b.sx(index.get(), size);
  // The lower bound refuses before the upper one is read.
  const lower = b.sx(b.load(seg, at, size), size);
  b.faultIf(b.ltS(i, lower), BR);
  const upper = b.sx(b.load(seg, b.add(at, b.const(size / 8)), size), size);
  b.faultIf(b.ltS(upper, i), BR);
});

define('int', 'r', (b, vector) => softwareInterrupt(b, vector.get(), 'int'));
define('int3', '', (b) => softwareInterrupt(b, b.const(3), 'int3'));
define('into', '', (b) => b.if(b.flag('of'), () => softwareInterrupt(b, b.const(4), 'into')));

// ICEBP looks at no DPL and no IOPL, and a fault on its way has EXT set: like a #DB from inside (SDM vol. 2, INT1).
define('int1', '', (b) =>
  deliver(b, { vector: b.const(DB), kind: 'exception', code: undefined, eip: b.nextEip(), resume: false }),
);

define('ud', 'a a', (b) => b.fault(UD));
