// Moves, exchanges, extensions, addresses. SDM vol. 2: MOV MOVSX MOVZX XCHG LEA CMOVcc SETcc CBW CWD XLAT LAHF SAHF NOP.

import { define } from '../builder.ts';
import { cc } from '../table.ts';
import type { MemOperand } from '../types.ts';

define('mov', 'w r', (_b, dst, src) => dst.set(src.get()));
define('movzx', 'w r', (_b, dst, src) => dst.set(src.get()));
define('movsx', 'w r', (b, dst, src) => dst.set(b.sx(src.get(), src.size)));
define('lea', 'w a', (_b, dst, src) => dst.set(src.ea()));

define('xchg', 'rw rw', (_b, dst, src) => {
  const a = dst.get(),
    c = src.get();
  src.set(a);
  dst.set(c);
});

// The source is read whatever the condition: it may fault.
define('cmovcc', 'rw r', (b, dst, src) => dst.set(b.select(b.cond(cc(b.insn)), src.get(), dst.get())));
define('setcc', 'w', (b, dst) => dst.set(b.cond(cc(b.insn))));

define('cbw', 'rw', (b, dst) => dst.set(b.sx(dst.get(), dst.size / 2)));
define('cwd', 'w r', (b, dst, src) => dst.set(b.sar(b.sx(src.get(), src.size), b.const(31))));

define('xlat', 'a', (b, table) => {
  const at = b.zx(b.add(table.ea(), b.reg(0, 8)), b.addrSize);
  b.setReg(0, 8, b.load((table.operand as MemOperand).seg, at, 8));
});

// SALC, in no manual and in every processor: AL becomes 0 or FF as CF is clear or set.
define('salc', '', (b) => b.setReg(0, 8, b.sub(b.const(0), b.flag('cf'))));

const AH = 4;
const LOW_FLAGS = 0xd5;
define('lahf', '', (b) => b.setReg(AH, 8, b.eflags()));
define('sahf', '', (b) => b.setEflags(LOW_FLAGS, b.reg(AH, 8)));

define('nop', 'a a', () => {});

define('clc', '', (b) => b.setFlag('cf', b.const(0)));
define('stc', '', (b) => b.setFlag('cf', b.const(1)));
define('cmc', '', (b) => b.setFlag('cf', b.xor(b.flag('cf'), b.const(1))));
define('cld', '', (b) => b.setFlag('df', b.const(0)));
define('std', '', (b) => b.setFlag('df', b.const(1)));
