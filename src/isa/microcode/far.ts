// Far transfers: JMP and CALL to code segments and call gates, RETF, and the loading of CS they share.
// SDM vol. 2, CALL, JMP, RET; vol. 3, 5.8.

import { type Builder, GP, NP } from '../builder.ts';
import { CS, SS } from '../types.ts';
import {
  attrOf,
  checkStackSegment,
  type Descriptor,
  dplOf,
  errorCode,
  fetchDescriptor,
  isCode,
  isConforming,
  isNull,
  isSegment,
  isZero,
  lacks,
  limitOf,
  markAccessed,
  rplOf,
  SEG_P_BIT,
  segmentValue,
} from './descriptor.ts';
import { dropInnerSegments, realSegment, returnable } from './segment-load.ts';

export type FarKind = 'jmp' | 'call';

const CALL_GATE_16 = 4,
  TASK_GATE = 5,
  CALL_GATE_32 = 12;

/** The selector CS gets: the new one with RPL = CPL. */
const withCpl = <V, W>(b: Builder<V, W>, sel: V, cpl: V): V => b.or(b.and(sel, b.const(0xfffc)), cpl);

/** Checks `count` pushes of `bytes` bytes in the order they will happen, so that a fault names the first of them. */
export function probePushes<V, W>(b: Builder<V, W>, count: number, bytes: number): void {
  for (let i = 1; i <= count; i++) b.probeStack(-i * bytes, bytes, 'w');
}

/** Pushes the far return address of a CALL; the bytes were probed. */
function pushReturn<V, W>(b: Builder<V, W>, size: 16 | 32): void {
  const cs = b.sys('cs');
  b.push(cs, size);
  b.push(b.nextEip(), size);
}

/** JMP or CALL to selector:offset. */
export function farTransfer<V, W>(b: Builder<V, W>, kind: FarKind, sel: V, offset: V): void {
  const bytes = b.opSize / 8;
  b.micro(`far ${kind}`, () => {
    b.if(
      b.isProtected(),
      () => protectedTransfer(b, kind, sel, offset),
      () => {
        if (kind === 'call') probePushes(b, 2, bytes);
        b.faultIf(b.ltU(b.segment(CS).limit, offset), GP, b.const(0));
        if (kind === 'call') pushReturn(b, b.opSize);
        b.setSegment(CS, realSegment(b, CS, sel));
        b.setEip(offset);
      },
    );
  });
}

function protectedTransfer<V, W>(b: Builder<V, W>, kind: FarKind, sel: V, offset: V): void {
  const zero = b.const(0);
  b.faultIf(isNull(b, sel), GP, zero);
  const d = fetchDescriptor(b, sel, GP, zero);
  b.if(
    isSegment(b, attrOf(b, d)),
    () => toCodeSegment(b, kind, sel, d, offset),
    () => toSystemDescriptor(b, kind, sel, d),
  );
}

/** A direct transfer: the privilege level stays. */
function toCodeSegment<V, W>(b: Builder<V, W>, kind: FarKind, sel: V, d: Descriptor<V>, offset: V): void {
  const bytes = b.opSize / 8,
    zero = b.const(0);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, zero),
    cpl = b.sys('cpl'),
    dpl = dplOf(b, d);
  const nonconforming = b.and(b.leU(rplOf(b, sel), cpl), b.eq(dpl, cpl));
  const allowed = b.select(isConforming(b, attr), b.leU(dpl, cpl), nonconforming);
  b.faultIf(isZero(b, b.and(isCode(b, attr), allowed)), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  if (kind === 'call') probePushes(b, 2, bytes);
  b.faultIf(b.ltU(limitOf(b, d), offset), GP, zero);
  if (kind === 'call') pushReturn(b, b.opSize);
  markAccessed(b, d);
  b.setSegment(CS, segmentValue(b, withCpl(b, sel, cpl), d));
  b.setEip(offset);
}

/** Through a call gate, or a task switch. */
function toSystemDescriptor<V, W>(b: Builder<V, W>, kind: FarKind, sel: V, d: Descriptor<V>): void {
  const zero = b.const(0);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, zero),
    type = b.and(attr, b.const(15)),
    dpl = dplOf(b, d);
  const is = (n: number): V => b.eq(type, b.const(n));
  const gate = b.or(is(CALL_GATE_16), is(CALL_GATE_32));
  const task = b.or(is(TASK_GATE), b.or(is(1), is(9)));
  b.faultIf(isZero(b, b.or(gate, task)), GP, code);
  b.faultIf(isZero(b, b.and(b.leU(b.sys('cpl'), dpl), b.leU(rplOf(b, sel), dpl))), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  b.if(task, () => b.missing('task switch'));
  throughGate(b, kind, d, is(CALL_GATE_32));
}

/** A call gate whose target has this privilege level; entering an inner level waits for the bare machine. */
function throughGate<V, W>(b: Builder<V, W>, kind: FarKind, gate: Descriptor<V>, wide: V): void {
  const zero = b.const(0);
  const sel = b.shr(gate.lo, b.const(16));
  const high = b.and(gate.hi, b.const(0xffff0000));
  const offset = b.or(b.and(gate.lo, b.const(0xffff)), b.select(wide, high, zero));
  b.faultIf(isNull(b, sel), GP, zero);
  const d = fetchDescriptor(b, sel, GP, zero);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, zero),
    cpl = b.sys('cpl'),
    dpl = dplOf(b, d);
  const same = b.or(isConforming(b, attr), b.eq(dpl, cpl));
  const allowed = kind === 'call' ? b.leU(dpl, cpl) : b.and(same, b.leU(dpl, cpl));
  b.faultIf(isZero(b, b.and(isCode(b, attr), allowed)), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  b.if(isZero(b, same), () => b.missing('call gate to an inner level'));
  const enter = (size: 16 | 32): void => {
    if (kind === 'call') probePushes(b, 2, size / 8);
    b.faultIf(b.ltU(limitOf(b, d), offset), GP, zero);
    if (kind === 'call') pushReturn(b, size);
  };
  b.if(
    wide,
    () => enter(32),
    () => enter(16),
  );
  markAccessed(b, d);
  b.setSegment(CS, segmentValue(b, withCpl(b, sel, cpl), d));
  b.setEip(offset);
}

/** The checks of a return to code segment `sel`: never inwards. */
export function checkReturnCode<V, W>(b: Builder<V, W>, sel: V, eip: V): Descriptor<V> {
  const zero = b.const(0);
  b.faultIf(isNull(b, sel), GP, zero);
  const d = fetchDescriptor(b, sel, GP, zero);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, zero),
    rpl = rplOf(b, sel);
  b.faultIf(b.ltU(rpl, b.sys('cpl')), GP, code);
  b.faultIf(isZero(b, returnable(b, attr, dplOf(b, d), rpl)), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  b.faultIf(b.ltU(limitOf(b, d), eip), GP, zero);
  return d;
}

/**
 * Leaves to an outer level: CS and SS:ESP at once, then the data segments the level may not keep. `before` commits what lies between
 * the last fault and the loads (flags of IRET); `release` is added to the new stack pointer.
 */
export function returnOutward<V, W>(
  b: Builder<V, W>,
  code: { readonly sel: V; readonly d: Descriptor<V>; readonly eip: V },
  stack: { readonly sel: V; readonly esp: V; readonly release: number },
  before: () => void,
): void {
  const rpl = rplOf(b, code.sel);
  const ss = checkStackSegment(b, stack.sel, rpl, GP, b.const(0));
  markAccessed(b, code.d);
  markAccessed(b, ss);
  before();
  b.setSegment(CS, segmentValue(b, code.sel, code.d));
  b.setEip(code.eip);
  b.setSegment(SS, segmentValue(b, stack.sel, ss));
  b.setSp(b.add(stack.esp, b.const(stack.release)));
  dropInnerSegments(b, rpl);
}

/** RETF with `release` bytes of arguments. */
export function farReturn<V, W>(b: Builder<V, W>, release: number): void {
  const size = b.opSize,
    bytes = size / 8;
  b.micro('far return', () => {
    const sel = b.zx(b.peek(bytes, size), 16),
      eip = b.peek(0, size);
    b.if(
      b.isProtected(),
      () => {
        const d = checkReturnCode(b, sel, eip);
        b.if(
          b.eq(rplOf(b, sel), b.sys('cpl')),
          () => {
            markAccessed(b, d);
            b.setSegment(CS, segmentValue(b, sel, d));
            b.setEip(eip);
            b.moveSp(b.const(2 * bytes + release));
          },
          () => {
            const esp = b.peek(2 * bytes + release, size),
              ss = b.zx(b.peek(3 * bytes + release, size), 16);
            returnOutward(b, { sel, d, eip }, { sel: ss, esp, release }, () => {});
          },
        );
      },
      () => {
        b.faultIf(b.ltU(b.segment(CS).limit, eip), GP, b.const(0));
        b.setSegment(CS, realSegment(b, CS, sel));
        b.setEip(eip);
        b.moveSp(b.const(2 * bytes + release));
      },
    );
  });
}
