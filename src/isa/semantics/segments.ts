// Segment registers and far control: MOV, PUSH, POP with segment registers, LDS and its kin, far JMP, CALL, RET, IRET; and the four
// instructions that look at descriptors without loading them (LAR LSL VERR VERW) with ARPL.

import { type Arg, type Builder, define } from '../builder.ts';
import { ESP, movedSp } from './stack.ts';
import {
  attrOf,
  type Descriptor,
  dplOf,
  isConforming,
  isReadable,
  isSegment,
  isWritableData,
  limitOf,
  rplOf,
  withDescriptor,
} from '../microcode/descriptor.ts';
import { farReturn, farTransfer, type FarKind } from '../microcode/far.ts';
import { interruptReturn } from '../microcode/iret.ts';
import { loadSegment } from '../microcode/segment-load.ts';
import { CS, DS, ES, FS, GS, type MemOperand, type Seg, SS } from '../types.ts';

const segOf = <V>(arg: Arg<V>): Seg => (arg.operand.kind === 'sreg' ? arg.operand.seg : DS);

/** The visible selector; in CS and SS it shows the privilege level. */
function selectorValue<V, W>(b: Builder<V, W>, seg: Seg): V {
  return seg === CS ? b.sys('cs') : seg === SS ? b.sys('ss') : b.selector(seg);
}

define('mov_from_sreg', 'w r', (b, dst, src) => dst.set(selectorValue(b, segOf(src))));

define('mov_to_sreg', 'w r', (b, dst, src) => {
  loadSegment(b, segOf(dst), src.get());
  if (segOf(dst) !== SS) return;
  b.shadow();
  b.holdTraps();
});

// With a 32-bit operand size the stack moves by four bytes, but processors of today write and read only the selector (SDM vol. 2, PUSH).
define('push_sreg', 'r', (b, src) => {
  const bytes = b.opSize / 8;
  b.poke(-bytes, 16, selectorValue(b, segOf(src)));
  b.moveSp(b.const(-bytes));
});

define('pop_sreg', 'w', (b, dst) => {
  const sel = b.peek(0, 16),
    seg = segOf(dst);
  if (seg !== SS) {
    loadSegment(b, seg, sel);
    b.moveSp(b.const(b.opSize / 8));
    return;
  }
  // The increment belongs to the stack that was popped, whatever the size of the new one.
  const after = movedSp(b, b.opSize / 8);
  loadSegment(b, seg, sel);
  b.setReg(ESP, 32, after);
  b.shadow();
  b.holdTraps();
});

// A far pointer in memory is two loads, the offset first: where the second part cannot be read, the first may have faulted before.
function loadFarPointer<V, W>(b: Builder<V, W>, seg: Seg, dst: Arg<V>, pointer: Arg<V>): void {
  const from = (pointer.operand as MemOperand).seg,
    at = pointer.ea(),
    bytes = b.opSize / 8;
  const offset = b.load(from, at, b.opSize);
  const sel = b.load(from, b.zx(b.add(at, b.const(bytes)), b.addrSize), 16);
  loadSegment(b, seg, sel);
  dst.set(offset);
}
define('les', 'w a', (b, dst, pointer) => loadFarPointer(b, ES, dst, pointer));
define('lds', 'w a', (b, dst, pointer) => loadFarPointer(b, DS, dst, pointer));
define('lss', 'w a', (b, dst, pointer) => loadFarPointer(b, SS, dst, pointer));
define('lfs', 'w a', (b, dst, pointer) => loadFarPointer(b, FS, dst, pointer));
define('lgs', 'w a', (b, dst, pointer) => loadFarPointer(b, GS, dst, pointer));

function far<V, W>(b: Builder<V, W>, kind: FarKind, to: Arg<V>): void {
  const { operand } = to;
  if (operand.kind === 'far') {
    farTransfer(b, kind, b.const(operand.selector), b.const(operand.offset));
    return;
  }
  const seg = (operand as MemOperand).seg,
    at = to.ea(),
    bytes = b.opSize / 8;
  const offset = b.load(seg, at, b.opSize);
  farTransfer(b, kind, b.load(seg, b.zx(b.add(at, b.const(bytes)), b.addrSize), 16), offset);
}
define('callf', 'a', (b, to) => far(b, 'call', to));
define('jmpf', 'a', (b, to) => far(b, 'jmp', to));
define('retf', 'r', (b, release) =>
  farReturn(b, release?.operand.kind === 'imm' ? release.operand.value : 0),
);
define('iret', '', (b) => interruptReturn(b));

// ---- Looking at descriptors ----------------------------------------------------------------------------

/** CPL and RPL do not exceed the DPL, or the segment conforms. */
function visible<V, W>(b: Builder<V, W>, sel: V, d: Descriptor<V>): V {
  const dpl = dplOf(b, d);
  const allowed = b.and(b.leU(b.sys('cpl'), dpl), b.leU(rplOf(b, sel), dpl));
  return b.or(isConforming(b, attrOf(b, d)), allowed);
}

/** 1 if the system type is in the set of bits `types`. */
function typeIn<V, W>(b: Builder<V, W>, attr: V, types: number): V {
  return b.and(b.shr(b.const(types), b.and(attr, b.const(15))), b.const(1));
}
/** System types LAR accepts: TSS, LDT, call gates, task gate; LSL: those with a limit. */
const LAR_TYPES = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 5) | (1 << 9) | (1 << 11) | (1 << 12);
const LSL_TYPES = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 9) | (1 << 11);

/** ZF tells whether the selector may be looked at; only then `found` happens. */
function examine<V, W>(
  b: Builder<V, W>,
  sel: V,
  admit: (d: Descriptor<V>) => V,
  found: (d: Descriptor<V>) => void,
): void {
  b.protectedMode();
  const ok = b.local(b.const(0));
  withDescriptor(b, sel, (d) => {
    const admitted = admit(d);
    b.if(admitted, () => {
      ok.set(b.const(1));
      found(d);
    });
  });
  b.setFlag('zf', ok.get());
}

const kindAdmitted = <V, W>(b: Builder<V, W>, sel: V, d: Descriptor<V>, types: number): V => {
  const attr = attrOf(b, d);
  return b.and(b.or(isSegment(b, attr), typeIn(b, attr, types)), visible(b, sel, d));
};

define('lar', 'rw r', (b, dst, src) => {
  const sel = b.zx(src.get(), 16);
  examine(
    b,
    sel,
    (d) => kindAdmitted(b, sel, d, LAR_TYPES),
    (d) => dst.set(b.and(d.hi, b.const(0x00ffff00))),
  );
});

define('lsl', 'rw r', (b, dst, src) => {
  const sel = b.zx(src.get(), 16);
  examine(
    b,
    sel,
    (d) => kindAdmitted(b, sel, d, LSL_TYPES),
    (d) => dst.set(limitOf(b, d)),
  );
});

define('verr', 'r', (b, src) => {
  const sel = src.get();
  examine(
    b,
    sel,
    (d) => b.and(isReadable(b, attrOf(b, d)), visible(b, sel, d)),
    () => {},
  );
});

define('verw', 'r', (b, src) => {
  const sel = src.get();
  examine(
    b,
    sel,
    (d) => b.and(isWritableData(b, attrOf(b, d)), visible(b, sel, d)),
    () => {},
  );
});

// The destination is written only when it changes: until then a page that cannot be written does no harm.
define('arpl', 'r r', (b, dst, src) => {
  b.protectedMode();
  const a = dst.get(),
    rpl = rplOf(b, src.get()),
    lower = b.ltU(rplOf(b, a), rpl);
  b.if(lower, () => dst.set(b.or(b.and(a, b.const(0xfffc)), rpl)));
  b.setFlag('zf', lower);
});
