// Far transfers: JMP and CALL to code segments, call gates and tasks, RETF, and the loading of CS they share.
// SDM vol. 2, CALL, JMP, RET; vol. 3, 5.8.

import { type Builder, GP, NP, TS } from '../builder.ts';
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
import { checkRoom, isBig, narrow, pushed, stackFromTss } from './inner-stack.ts';
import { dropInnerSegments, realSegment, returnable } from './segment-load.ts';
import { fetchTss, switchTask } from './task.ts';

export type FarKind = 'jmp' | 'call';

const ESP = 4;

const TSS_16 = 1,
  CALL_GATE_16 = 4,
  TASK_GATE = 5,
  TSS_32 = 9,
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

/** Through a call gate, or to another task. */
function toSystemDescriptor<V, W>(b: Builder<V, W>, kind: FarKind, sel: V, d: Descriptor<V>): void {
  const zero = b.const(0);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, zero),
    type = b.and(attr, b.const(15)),
    dpl = dplOf(b, d);
  const is = (n: number): V => b.eq(type, b.const(n));
  const gate = b.or(is(CALL_GATE_16), is(CALL_GATE_32));
  const task = b.or(is(TASK_GATE), b.or(is(TSS_16), is(TSS_32)));
  b.faultIf(isZero(b, b.or(gate, task)), GP, code);
  b.faultIf(isZero(b, b.and(b.leU(b.sys('cpl'), dpl), b.leU(rplOf(b, sel), dpl))), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  b.if(
    task,
    () => toTask(b, kind, b.select(is(TASK_GATE), b.shr(d.lo, b.const(16)), sel)),
    () => throughGate(b, kind, d, is(CALL_GATE_32)),
  );
}

function toTask<V, W>(b: Builder<V, W>, kind: FarKind, sel: V): void {
  const ext = b.const(0);
  const d = fetchTss(b, sel, 'available', GP, ext);
  const event = { eip: b.nextEip(), code: undefined, resume: false, ext };
  switchTask(b, kind === 'jmp' ? 'jump' : 'nested', sel, d, event);
}

/** Where a call gate leads. */
interface Target<V> {
  readonly sel: V;
  readonly d: Descriptor<V>;
  readonly offset: V;
}

/** A call gate: JMP keeps the level, CALL may go to an inner one. */
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
  const target = { sel, d, offset };
  if (kind === 'jmp') {
    enterSame(b, target, undefined);
    return;
  }
  const count = b.and(gate.hi, b.const(31));
  const enter = (size: 16 | 32): void =>
    b.if(
      same,
      () => enterSame(b, target, size),
      () => enterInner(b, target, count, size),
    );
  b.if(
    wide,
    () => enter(32),
    () => enter(16),
  );
}

/** The level stays; a call through a gate of `size` pushes its return address in that size. */
function enterSame<V, W>(b: Builder<V, W>, { sel, d, offset }: Target<V>, size: 16 | 32 | undefined): void {
  const cpl = b.sys('cpl');
  if (size !== undefined) probePushes(b, 2, size / 8);
  b.faultIf(b.ltU(limitOf(b, d), offset), GP, b.const(0));
  if (size !== undefined) pushReturn(b, size);
  markAccessed(b, d);
  b.setSegment(CS, segmentValue(b, withCpl(b, sel, cpl), d));
  b.setEip(offset);
}

/** To an inner level: its stack from the TSS gets the old SS:ESP, `count` parameters and the return address. SDM vol. 3, 5.8.5. */
function enterInner<V, W>(b: Builder<V, W>, target: Target<V>, count: V, size: 16 | 32): void {
  const { sel, d, offset } = target,
    bytes = size / 8,
    zero = b.const(0);
  const level = dplOf(b, d);
  const stack = stackFromTss(b, level, zero);
  const ssd = checkStackSegment(b, stack.ss, level, TS, zero);
  const ss = segmentValue(b, stack.ss, ssd);
  const length = b.mul(b.add(count, b.const(4)), b.const(bytes));
  const esp = pushed(b, ss, stack.esp, length);
  const linear = b.add(ss.base, narrow(b, ss, esp));
  checkRoom(b, ss, esp, length, errorCode(b, stack.ss, zero));
  b.probeLinear(linear, length, 'w', level);
  b.faultIf(b.ltU(limitOf(b, d), offset), GP, zero);
  const old = b.segment(SS),
    sp = b.sp();
  const from = (i: V): V => narrow(b, old, b.add(sp, b.mul(i, b.const(bytes))));
  forEach(b, count, (i) => b.probe(SS, from(i), bytes, 'r'));
  markAccessed(b, ssd);
  markAccessed(b, d);
  const put = (at: V, value: V): void => b.storeLinear(b.add(linear, at), size, value, level);
  put(zero, b.nextEip());
  put(b.const(bytes), b.sys('cs'));
  forEach(b, count, (i) => put(b.mul(b.add(i, b.const(2)), b.const(bytes)), b.load(SS, from(i), size)));
  put(b.sub(length, b.const(2 * bytes)), b.reg(4, 32));
  put(b.sub(length, b.const(bytes)), b.sys('ss'));
  b.setSegment(SS, ss);
  b.setReg(4, 32, esp);
  b.setSegment(CS, segmentValue(b, withCpl(b, sel, level), d));
  b.setEip(offset);
}

/** body(0) … body(count - 1). */
function forEach<V, W>(b: Builder<V, W>, count: V, body: (i: V) => void): void {
  const i = b.local(b.const(0));
  b.loop(
    () => b.ltU(i.get(), count),
    () => {
      body(i.get());
      i.set(b.add(i.get(), b.const(1)));
    },
  );
}

/** The checks of a return to code segment `sel`: never inwards. The limit is the last of all checks: checkReturnEip. */
export function checkReturnCode<V, W>(b: Builder<V, W>, sel: V): Descriptor<V> {
  const zero = b.const(0);
  b.faultIf(isNull(b, sel), GP, zero);
  const d = fetchDescriptor(b, sel, GP, zero);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, zero),
    rpl = rplOf(b, sel);
  b.faultIf(b.ltU(rpl, b.sys('cpl')), GP, code);
  b.faultIf(isZero(b, returnable(b, attr, dplOf(b, d), rpl)), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  return d;
}
export function checkReturnEip<V, W>(b: Builder<V, W>, d: Descriptor<V>, eip: V): void {
  b.faultIf(b.ltU(limitOf(b, d), eip), GP, b.const(0));
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
  const d = checkStackSegment(b, stack.sel, rpl, GP, b.const(0));
  checkReturnEip(b, code.d, code.eip);
  markAccessed(b, code.d);
  markAccessed(b, d);
  before();
  // The size of the new stack says how much of ESP is loaded: on one of 16 bits the inner level's upper half stays.
  const ss = segmentValue(b, stack.sel, d),
    esp = b.add(stack.esp, b.const(stack.release));
  const kept = b.or(b.and(b.reg(ESP, 32), b.const(0xffff0000)), b.zx(esp, 16));
  b.setReg(ESP, 32, b.select(isBig(b, ss), esp, kept));
  b.setSegment(CS, segmentValue(b, code.sel, code.d));
  b.setEip(code.eip);
  b.setSegment(SS, ss);
  dropInnerSegments(b, rpl);
}

/** RETF with `release` bytes of arguments. */
export function farReturn<V, W>(b: Builder<V, W>, release: number): void {
  const size = b.opSize,
    bytes = size / 8;
  b.micro('far return', () => {
    const sel = b.peek(bytes, 16),
      eip = b.peek(0, size);
    b.if(
      b.isProtected(),
      () => {
        const d = checkReturnCode(b, sel);
        b.if(
          b.eq(rplOf(b, sel), b.sys('cpl')),
          () => {
            checkReturnEip(b, d, eip);
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
