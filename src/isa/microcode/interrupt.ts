// Delivery of exceptions and software interrupts through the IDT: gate, target code segment, stack of the new level, frame.
// In virtual-8086 mode the frame has the data segments too; in real-address mode the table is one of far pointers. A task gate leads to a task.
// SDM vol. 3, 6.12; vol. 2, INT n.

import { type Builder, type EntryKind, GP, NP, type SegmentValue, TS } from '../builder.ts';
import { CS, DS, ES, FS, GS, SS } from '../types.ts';
import {
  attrOf,
  checkStackSegment,
  type Descriptor,
  dplOf,
  errorCode,
  fetchDescriptor,
  has,
  isCode,
  isConforming,
  isNull,
  isZero,
  lacks,
  limitOf,
  markAccessed,
  SEG_P_BIT,
  segmentValue,
} from './descriptor.ts';
import { probePushes } from './far.ts';
import { flagsImage } from './flags-image.ts';
import { checkRoom, narrow, pushed, stackFromTss } from './inner-stack.ts';
import { nullSegment } from './segment-load.ts';
import { fetchTss, switchTask } from './task.ts';

/** What is delivered. */
export interface Delivery<V> {
  readonly vector: V;
  readonly kind: EntryKind;
  /** Error code to push. */
  readonly code: V | undefined;
  /** EIP the frame returns to. */
  readonly eip: V;
  /** RF in the frame's EFLAGS is set: the event is a fault. */
  readonly resume: boolean;
}

/** INT n, INT3 and INTO. */
export function softwareInterrupt<V, W>(b: Builder<V, W>, vector: V, kind: 'int' | 'int3' | 'into'): void {
  if (kind === 'int') b.vm86Iopl();
  deliver(b, { vector, kind, code: undefined, eip: b.nextEip(), resume: false });
}

/** Delivers an event; a fault on the way is raised with its own vector and the EXT bit where the event is an exception. */
export function deliver<V, W>(b: Builder<V, W>, event: Delivery<V>): void {
  b.micro('deliver', () => {
    b.if(
      has(b, b.sys('cr0'), 1),
      () => throughIdt(b, event),
      () => throughVectorTable(b, event),
    );
  });
}

const GATE_TASK = 5,
  GATE_INTERRUPT_16 = 6,
  GATE_TRAP_16 = 7,
  GATE_INTERRUPT_32 = 14,
  GATE_TRAP_32 = 15;

function throughIdt<V, W>(b: Builder<V, W>, event: Delivery<V>): void {
  const software = event.kind !== 'exception',
    ext = b.const(software ? 0 : 1);
  const offset = b.shl(event.vector, b.const(3));
  const code = b.or(b.add(offset, b.const(2)), ext);
  b.faultIf(b.ltU(b.sys('idtr.limit'), b.add(offset, b.const(7))), GP, code);
  const at = b.add(b.sys('idtr.base'), offset);
  const lo = b.loadSystem('idt', at, 32),
    hi = b.loadSystem('idt', b.add(at, b.const(4)), 32);
  const type = b.and(b.shr(hi, b.const(8)), b.const(31));
  const is = (n: number): V => b.eq(type, b.const(n));
  const wide = b.or(is(GATE_INTERRUPT_32), is(GATE_TRAP_32));
  const known = b.or(b.or(wide, is(GATE_TASK)), b.or(is(GATE_INTERRUPT_16), is(GATE_TRAP_16)));
  b.faultIf(isZero(b, known), GP, code);
  if (software) b.faultIf(b.ltU(b.and(b.shr(hi, b.const(13)), b.const(3)), b.sys('cpl')), GP, code);
  b.faultIf(lacks(b, hi, 0x8000), NP, code);
  const gate = { lo, hi, wide, type };
  b.if(
    is(GATE_TASK),
    () => throughTaskGate(b, event, b.shr(lo, b.const(16)), ext),
    () => throughGate(b, event, gate, ext),
  );
}

/** Words of an interrupt or trap gate. */
interface Gate<V> {
  readonly lo: V;
  readonly hi: V;
  readonly wide: V;
  readonly type: V;
}

function throughGate<V, W>(b: Builder<V, W>, event: Delivery<V>, gate: Gate<V>, ext: V): void {
  const { lo, hi, wide, type } = gate;
  const is = (n: number): V => b.eq(type, b.const(n));
  const target = b.or(b.and(lo, b.const(0xffff)), b.select(wide, b.and(hi, b.const(0xffff0000)), b.const(0)));
  const clearIf = b.or(is(GATE_INTERRUPT_32), is(GATE_INTERRUPT_16));
  b.if(
    wide,
    () => toHandler(b, event, b.shr(lo, b.const(16)), target, 32, clearIf, ext),
    () => toHandler(b, event, b.shr(lo, b.const(16)), target, 16, clearIf, ext),
  );
}

/** The handler is a task: the interrupted one is linked to it. SDM vol. 3, 6.14.3. */
function throughTaskGate<V, W>(b: Builder<V, W>, event: Delivery<V>, sel: V, ext: V): void {
  const d = fetchTss(b, sel, 'available', GP, ext);
  const { eip, code, resume } = event;
  switchTask(b, 'nested', sel, d, { eip, code, resume, ext });
}

/** Checks the gate's code segment and takes the path of an inner or of the same level. */
function toHandler<V, W>(
  b: Builder<V, W>,
  event: Delivery<V>,
  sel: V,
  eip: V,
  size: 16 | 32,
  clearIf: V,
  ext: V,
): void {
  b.faultIf(isNull(b, sel), GP, ext);
  const d = fetchDescriptor(b, sel, GP, ext);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, ext),
    dpl = dplOf(b, d),
    cpl = b.sys('cpl');
  b.faultIf(isZero(b, b.and(isCode(b, attr), b.leU(dpl, cpl))), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  const inner = b.and(b.ltU(dpl, cpl), isZero(b, isConforming(b, attr)));
  const vm = b.sys('vm');
  b.faultIf(b.and(vm, isZero(b, b.and(inner, isZero(b, dpl)))), GP, code);
  const handler = { sel, d, eip, size, clearIf, ext };
  b.if(
    inner,
    () =>
      b.if(
        vm,
        () => toInnerLevel(b, event, handler, dpl, true),
        () => toInnerLevel(b, event, handler, dpl, false),
      ),
    () => toSameLevel(b, event, handler, cpl),
  );
}

interface Handler<V> {
  readonly sel: V;
  readonly d: Descriptor<V>;
  readonly eip: V;
  readonly size: 16 | 32;
  readonly clearIf: V;
  readonly ext: V;
}

/** The words of a frame, the last pushed first. */
function frameWords<V, W>(b: Builder<V, W>, event: Delivery<V>, outer: boolean, vm86: boolean): V[] {
  const words: V[] = event.code === undefined ? [] : [event.code];
  words.push(event.eip, b.sys('cs'), flagsImage(b, event.resume));
  if (outer) words.push(b.reg(4, 32), b.sys('ss'));
  if (vm86) words.push(b.selector(ES), b.selector(DS), b.selector(FS), b.selector(GS));
  return words;
}

function toInnerLevel<V, W>(
  b: Builder<V, W>,
  event: Delivery<V>,
  handler: Handler<V>,
  level: V,
  vm86: boolean,
): void {
  const { size, ext, d } = handler,
    bytes = size / 8;
  const stack = stackFromTss(b, level, ext);
  const ssd = checkStackSegment(b, stack.ss, level, TS, ext);
  const ss = segmentValue(b, stack.ss, ssd);
  const words = frameWords(b, event, true, vm86),
    length = words.length * bytes;
  const esp = pushed(b, ss, stack.esp, b.const(length));
  const linear = b.add(ss.base, narrow(b, ss, esp));
  checkRoom(b, ss, esp, b.const(length), errorCode(b, stack.ss, ext));
  b.probeLinear(linear, b.const(length), 'w', level);
  b.faultIf(b.ltU(limitOf(b, d), handler.eip), GP, ext);
  markAccessed(b, ssd);
  markAccessed(b, d);
  words.forEach((word, i) => {
    b.storeLinear(b.add(linear, b.const(i * bytes)), size, word, level);
  });
  if (vm86) for (const seg of [ES, DS, FS, GS] as const) b.setSegment(seg, nullSegment(b, b.const(0)));
  const cs = segmentValue(b, b.or(b.and(handler.sel, b.const(0xfffc)), level), d);
  enter(b, event, handler, cs, ss, esp);
}

function toSameLevel<V, W>(b: Builder<V, W>, event: Delivery<V>, handler: Handler<V>, cpl: V): void {
  const { size, d } = handler,
    bytes = size / 8;
  const words = frameWords(b, event, false, false),
    length = words.length * bytes;
  if (event.kind === 'exception') {
    // Like the pushes below, but with EXT in the error code.
    const stack: SegmentValue<V> = { ...b.segment(SS), sel: b.sys('ss') };
    for (let i = 1; i <= words.length; i++)
      checkRoom(b, stack, pushed(b, stack, b.reg(4, 32), b.const(i * bytes)), b.const(bytes), handler.ext);
  }
  probePushes(b, words.length, bytes);
  b.faultIf(b.ltU(limitOf(b, d), handler.eip), GP, handler.ext);
  markAccessed(b, d);
  words.forEach((word, i) => {
    b.poke(i * bytes - length, size, word);
  });
  const current = b.segment(SS);
  const ss: SegmentValue<V> = { ...current, sel: b.sys('ss') };
  const cs = segmentValue(b, b.or(b.and(handler.sel, b.const(0xfffc)), cpl), d);
  enter(b, event, handler, cs, ss, pushed(b, ss, b.reg(4, 32), b.const(length)));
}

function enter<V, W>(
  b: Builder<V, W>,
  event: Delivery<V>,
  handler: Handler<V>,
  cs: SegmentValue<V>,
  ss: SegmentValue<V>,
  esp: V,
): void {
  const { vector, kind, code } = event,
    { eip, clearIf } = handler;
  b.enterGate({ vector, kind, code, cs, eip, ss, esp, clearIf });
}

/** Real-address mode: four bytes a vector, three words on the stack. */
function throughVectorTable<V, W>(b: Builder<V, W>, event: Delivery<V>): void {
  const offset = b.shl(event.vector, b.const(2));
  b.faultIf(b.ltU(b.sys('idtr.limit'), b.add(offset, b.const(3))), GP, b.const(0));
  const entry = b.loadSystem('idt', b.add(b.sys('idtr.base'), offset), 32);
  probePushes(b, 3, 2);
  b.poke(-2, 16, flagsImage(b, false));
  b.poke(-4, 16, b.sys('cs'));
  b.poke(-6, 16, event.eip);
  const sel = b.shr(entry, b.const(16));
  const cs = { ...b.segment(CS), sel, base: b.shl(sel, b.const(4)) };
  const ss: SegmentValue<V> = { ...b.segment(SS), sel: b.sys('ss') };
  const { vector, kind } = event;
  b.enterGate({
    vector,
    kind,
    code: undefined,
    cs,
    eip: b.zx(entry, 16),
    ss,
    esp: pushed(b, ss, b.reg(4, 32), b.const(6)),
    clearIf: b.const(1),
  });
}
