// String instructions: one iteration a tick. b.repeat runs the iteration and, under a prefix, counts eCX down and decides whether the
// same instruction comes again; between two iterations the registers are architectural, so a rep may stop anywhere.
// SDM vol. 2: MOVS CMPS STOS LODS SCAS INS OUTS, REP.

import { type Arg, type Builder, define } from '../builder.ts';
import type { Gpr, MemOperand } from '../types.ts';

/** Moves eSI or eDI (the base of the operand) past one element, up or down as DF says. */
function advance<V, W>(b: Builder<V, W>, element: Arg<V>): void {
  const base = (element.operand as MemOperand).base as Gpr;
  const bytes = element.size / 8;
  const step = b.select(b.flag('df'), b.const(-bytes), b.const(bytes));
  b.setReg(base, b.addrSize, b.add(b.reg(base, b.addrSize), step));
}

define('movs', 'w r', (b, dst, src) =>
  b.repeat(() => {
    dst.set(src.get());
    advance(b, src);
    advance(b, dst);
  }),
);

define('cmps', 'r r', (b, first, second) =>
  b.repeat(() => {
    // ES:EDI is read first, as processors do: where both fault, that fault is the one.
    const c = second.get(),
      a = first.get();
    b.flags('sub', a, c, b.sub(a, c), first.size);
    advance(b, first);
    advance(b, second);
  }),
);

define('stos', 'w r', (b, dst, src) =>
  b.repeat(() => {
    dst.set(src.get());
    advance(b, dst);
  }),
);

define('lods', 'w r', (b, dst, src) =>
  b.repeat(() => {
    dst.set(src.get());
    advance(b, src);
  }),
);

define('scas', 'r r', (b, acc, src) =>
  b.repeat(() => {
    const a = acc.get(),
      c = src.get();
    b.flags('sub', a, c, b.sub(a, c), acc.size);
    advance(b, src);
  }),
);

// Whether the port may be used is asked even when the count is zero.
define('ins', 'w r', (b, dst, port) => {
  b.requireIo(port.get(), dst.size);
  b.repeat(() => {
    b.probe((dst.operand as MemOperand).seg, dst.ea(), dst.size / 8, 'w');
    dst.set(b.in(port.get(), dst.size));
    advance(b, dst);
  });
});

define('outs', 'r r', (b, port, src) => {
  b.requireIo(port.get(), src.size);
  b.repeat(() => {
    b.out(port.get(), src.size, src.get());
    advance(b, src);
  });
});
