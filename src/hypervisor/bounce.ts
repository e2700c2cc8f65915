// Entering the guest's kernel: frames for exceptions, software interrupts, NMI, the failsafe callback and event upcalls, built on the
// guest's own stack exactly as Xen builds them. The frame is written whole or not at all; if it cannot be, the domain has crashed.

import {
  BELIEF,
  EFLAGS_IF,
  EFLAGS_NT,
  EFLAGS_RF,
  EFLAGS_TF,
  EFLAGS_VM,
  SEGREG,
  VCPU,
  VCPU_MODE,
} from '../cpu/vcpu.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { copyToGuest } from './guest-access.ts';
import { eventDeliverable } from './event-channels.ts';
import type { RuleName } from './rules.ts';
import { crashDomain } from './schedule.ts';
import {
  baseOf,
  checkCode,
  checkData,
  checkStack,
  dropInnerSegments,
  FLAT_RING1_CS,
  FLAT_RING1_DS,
  FLAT_RING3_DS,
  inKernel,
  isFault,
  isNull,
  loadData,
  SEG,
  segAt,
  type SegmentFault,
  selectorOf,
  setNull,
  setSegment,
} from './selectors.ts';
import { DOMAIN, DOMAIN_STATE, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { onExit } from './supervisor.ts';
import type { Xen } from './xen.ts';

export const ESP = VCPU.gpr + 16;
const TI_MASKS_EVENTS = 4;
const VMASST_ARCHITECTURAL_IOPL = 1 << 4;
const VECTOR_NMI = 2,
  VECTOR_NM = 7,
  VECTOR_GP = 13,
  VECTOR_PF = 14;
const FOUR_GIB = 0x1_0000_0000;
const CR0_TS = 8;
/** How often a handler's own selector may fail before Xen gives up on the domain. */
const MAX_NESTED_FAULTS = 4;

/** Vectors whose frame carries an error code. */
export const hasErrorCode = (vector: number): boolean =>
  vector === 8 || (vector >= 10 && vector <= 14) || vector === 17 || vector === 21;

/** Ends a domain because of its own doing: the rule says why. */
export function crash(x: Xen, v: number, rule: RuleName, ...values: readonly number[]): void {
  x.check(rule, false, ...values);
  crashDomain(x, v, rule);
}

/** True while the domain of v may still run. */
export function alive(x: Xen, v: number): boolean {
  if (x.m.r32(v + VCPU.used) === 0) return false;
  const state = x.m.r32(x.domainOf(v) + DOMAIN.state);
  return state === DOMAIN_STATE.running || state === DOMAIN_STATE.paused;
}

/** evtchn_upcall_mask of the vCPU's active vcpu_info. */
export const upcallMask = (x: Xen, v: number): number =>
  x.frames.read8(x.m.r32(xv(v) + XVCPU.vcpuInfoMaddr) + 1);
/** The mask and the byte behind it, which is padding: both travel in the upper half of a frame's CS word. */
const maskWord = (x: Xen, v: number): number =>
  upcallMask(x, v) | (x.frames.read8(x.m.r32(xv(v) + XVCPU.vcpuInfoMaddr) + 2) << 8);
/** Entering a handler masks events: bit 0 is set, whatever else the guest keeps in the byte stays. */
const maskEvents = (x: Xen, v: number): void => setUpcallMask(x, v, upcallMask(x, v) | 1);
export const setUpcallMask = (x: Xen, v: number, mask: number): void =>
  x.frames.write8(x.m.r32(xv(v) + XVCPU.vcpuInfoMaddr) + 1, mask);

/** A slot of the guest's trap table. */
export function trapSlot(x: Xen, v: number, vector: number): { flags: number; cs: number; eip: number } {
  const at = xv(v) + XVCPU.traps + vector * 8;
  return { flags: x.m.r8(at + 1), cs: x.m.r16(at + 2), eip: x.m.r32(at + 4) };
}

/** EFLAGS as a frame shows them: IF is the inverse of the mask, IOPL 0 or the virtual one. */
function frameFlags(x: Xen, v: number, mask: number): number {
  const architectural = (x.m.r32(x.domainOf(v) + DOMAIN.vmAssist) & VMASST_ARCHITECTURAL_IOPL) !== 0;
  const flags = x.m.r32(v + VCPU.eflags) & ~(EFLAGS_IF | 0x3000);
  return (
    (flags | (mask === 0 ? EFLAGS_IF : 0) | (architectural ? x.m.r32(xv(v) + XVCPU.iopl) << 12 : 0)) >>> 0
  );
}

interface Frame {
  readonly sp: number;
  readonly words: number;
  readonly mask: number;
  /** The stack segment the handler will run on. */
  readonly ss: number;
}

/**
 * Pushes [code], EIP, CS|mask, EFLAGS and, from ring 2 or 3, ESP and SS. Xen loads the stack's selector into FS at CPL 0 and stores through
 * that: base and presence count, limit and access rights do not. Whether the handler can run on it shows when Xen returns there. Undefined
 * after crashing the domain.
 */
function pushFrame(x: Xen, v: number, code: number | undefined): Frame | undefined {
  const { m } = x;
  const cs = selectorOf(x, v, SEG.cs);
  const outer = (cs & 2) !== 0;
  const mask = upcallMask(x, v);
  const words = [
    ...(code === undefined ? [] : [code]),
    m.r32(v + VCPU.eip),
    cs | (maskWord(x, v) << 16),
    frameFlags(x, v, mask),
  ];
  let ss = selectorOf(x, v, SEG.ss),
    top = m.r32(v + ESP);
  if (outer) {
    words.push(top, ss);
    ss = m.r32(xv(v) + XVCPU.kernelSs);
    top = m.r32(xv(v) + XVCPU.kernelSp);
  }
  const d = checkData(x, v, ss, 0);
  if (d !== null && isFault(d)) {
    crash(x, v, 'bounce.stack-selector', ss, d.vector, d.code);
    return undefined;
  }
  const sp = (top - words.length * 4) >>> 0;
  const at = (d === null ? 0 : baseOf(d)) + sp;
  if (!storeWords(x, v, at, words)) return undefined;
  return { sp, words: words.length, mask, ss };
}

/** Writes a frame whole, or crashes the domain. The address is linear; one beyond 4 GiB is nobody's. */
function storeWords(x: Xen, v: number, at: number, words: readonly number[]): boolean {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((w, i) => {
    view.setUint32(i * 4, w >>> 0, true);
  });
  if (at + bytes.length <= FOUR_GIB && copyToGuest(x, v, at, bytes)) return true;
  crash(x, v, 'bounce.stack-unwritable', at >>> 0, words.length);
  return false;
}

/** Moves the vCPU to a handler. A selector or address the CPU refuses becomes an exception raised in the handler's context. */
function enterHandler(
  x: Xen,
  v: number,
  cs: number,
  eip: number,
  frame: Frame,
  masks: boolean,
  depth: number,
): void {
  const { m } = x;
  if (masks) maskEvents(x, v);
  m.w32(v + ESP, frame.sp);
  m.w32(v + VCPU.eip, eip);
  m.w32(
    v + VCPU.eflags,
    (m.r32(v + VCPU.eflags) & ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM)) | EFLAGS_IF | 2,
  );
  m.w32(v + VCPU.shadow, 0);
  returnTo(x, v, cs, frame.ss, depth);
  x.tick(1);
}

/**
 * The IRET that ends every visit to Xen: CS and SS are loaded from the descriptor tables as they are now, EIP must lie in the segment, and
 * data segments the new level may not use become null. What the CPU refuses is raised in the context that was to be entered (§3.6).
 */
export function returnTo(x: Xen, v: number, cs: number, ss: number, depth = 0): void {
  const { m } = x;
  const code = checkCode(x, v, cs);
  const stack = isFault(code) ? code : checkStack(x, v, ss, cs & 3);
  if (isFault(code) || isFault(stack)) {
    const fault = isFault(code) ? code : (stack as SegmentFault);
    m.w32(segAt(v, SEG.cs) + SEGREG.sel, cs & 0xffff);
    m.w32(segAt(v, SEG.ss) + SEGREG.sel, ss & 0xffff);
    returnFault(x, v, fault, depth);
    return;
  }
  setSegment(x, v, SEG.cs, cs, code);
  setSegment(x, v, SEG.ss, ss, stack);
  if (m.r32(v + VCPU.eip) > m.r32(segAt(v, SEG.cs) + SEGREG.limit)) {
    returnFault(x, v, { vector: VECTOR_GP, code: 0 }, depth);
    return;
  }
  dropInnerSegments(x, v, cs & 3);
}

/** The return instruction itself faulted: an ordinary exception in the target's context. */
function returnFault(x: Xen, v: number, { vector, code, cr2 }: SegmentFault, depth: number): void {
  if (depth >= MAX_NESTED_FAULTS) {
    crash(x, v, 'bounce.handler-unreachable', selectorOf(x, v, SEG.cs), x.m.r32(v + VCPU.eip));
    return;
  }
  x.check('return.loadable', false, selectorOf(x, v, SEG.cs), x.m.r32(v + VCPU.eip), vector, code);
  bounceException(x, v, vector, code, cr2 ?? 0, depth + 1);
}

/**
 * Delivers an exception or software interrupt to the guest's trap table. `code` is used only for vectors that have one;
 * `cr2` only for #PF. One tick. A missing handler or an unwritable stack crashes the domain.
 */
export function bounceException(x: Xen, v: number, vector: number, code = 0, cr2 = 0, depth = 0): void {
  const slot = trapSlot(x, v, vector);
  if (vector === VECTOR_PF) {
    x.m.w32(xv(v) + XVCPU.vCr2, cr2);
    x.m.w32(v + VCPU.cr2, cr2);
    x.frames.write32(x.m.r32(xv(v) + XVCPU.vcpuInfoMaddr) + 8, cr2);
    code = (code & ~4) | (inKernel(x, v) ? 0 : 4);
  }
  if (vector === VECTOR_NM) {
    x.m.w32(xv(v) + XVCPU.vCr0Ts, 0);
    x.m.w32(v + VCPU.cr0, x.m.r32(v + VCPU.cr0) & ~CR0_TS);
  }
  if (isNull(slot.cs)) {
    crash(x, v, 'bounce.no-handler', vector, code, cr2);
    return;
  }
  const frame = pushFrame(x, v, hasErrorCode(vector) ? code : undefined);
  if (!frame) return;
  x.trace.emit(RT.bounce, PH.act, OUT.served, x.subject(v), vector, [
    code,
    frame.sp,
    frame.words,
    slot.cs,
    slot.eip,
    frame.mask,
  ]);
  enterHandler(x, v, slot.cs, slot.eip, frame, (slot.flags & TI_MASKS_EVENTS) !== 0, depth);
}

/** Delivers a software interrupt: no error code whatever the vector. EIP is already past the instruction. */
export function bounceSoftware(x: Xen, v: number, vector: number): void {
  const slot = trapSlot(x, v, vector);
  if (isNull(slot.cs)) {
    crash(x, v, 'bounce.no-handler', vector, 0, 0);
    return;
  }
  const frame = pushFrame(x, v, undefined);
  if (!frame) return;
  x.trace.emit(RT.bounce, PH.act, OUT.served, x.subject(v), vector, [
    0,
    frame.sp,
    frame.words,
    slot.cs,
    slot.eip,
    frame.mask,
  ]);
  enterHandler(x, v, slot.cs, slot.eip, frame, (slot.flags & TI_MASKS_EVENTS) !== 0, 0);
}

/** An NMI without a handler is lost. The handler runs with events masked if its slot says so, as those of nmi_op always do. */
function deliverNmi(x: Xen, v: number): boolean {
  const p = xv(v);
  if (x.m.r32(p + XVCPU.nmiPending) === 0 || x.m.r32(p + XVCPU.nmiMasked) !== 0) return false;
  x.m.w32(p + XVCPU.nmiPending, 0);
  const slot = trapSlot(x, v, VECTOR_NMI);
  if (!x.check('nmi.handler', !isNull(slot.cs))) return false;
  x.m.w32(p + XVCPU.nmiMasked, 1);
  const frame = pushFrame(x, v, undefined);
  if (!frame) return true;
  x.trace.emit(RT.bounce, PH.act, OUT.served, x.subject(v), VECTOR_NMI, [
    0,
    frame.sp,
    frame.words,
    slot.cs,
    slot.eip,
    frame.mask,
  ]);
  enterHandler(x, v, slot.cs, slot.eip, frame, (slot.flags & TI_MASKS_EVENTS) !== 0, 0);
  return true;
}

function deliverUpcall(x: Xen, v: number): void {
  const p = xv(v);
  const before = x.trace.cause,
    cause = x.m.r32(p + XVCPU.pendingCause);
  const cs = x.m.r32(p + XVCPU.eventCs),
    eip = x.m.r32(p + XVCPU.eventEip);
  if (cause !== 0) x.trace.cause = cause;
  if (isNull(cs)) {
    crash(x, v, 'upcall.no-callback');
  } else {
    const frame = pushFrame(x, v, undefined);
    if (frame) {
      const pendingSel = x.frames.read32(x.m.r32(p + XVCPU.vcpuInfoMaddr) + 4);
      x.trace.emit(RT.upcall, PH.act, OUT.served, x.subject(v), 0, [
        pendingSel,
        frame.sp,
        frame.words,
        cs,
        eip,
        frame.mask,
      ]);
      enterHandler(x, v, cs, eip, frame, true, 0);
    }
  }
  x.m.w32(p + XVCPU.pendingCause, 0);
  x.trace.cause = before;
}

/**
 * An event may not come between MOV SS and the instruction after it: that one runs first. It is a tick of the guest like any other.
 */
function leaveShadow(x: Xen, v: number): void {
  while (x.m.r32(v + VCPU.shadow) !== 0 && alive(x, v) && eventDeliverable(x, v)) {
    onExit(x, v, x.engine.run(v, 1));
  }
}

/**
 * What must reach the guest before it runs on: NMI, then an event upcall. Called when v is about to run after anything that may
 * have changed deliverability. Also brings up to date what the guest believes of its flags.
 */
export function deliverPending(x: Xen, v: number): void {
  const switched = x.m.r32(XEN_AT + XEN.loadedVcpu) !== v;
  x.m.w32(XEN_AT + XEN.loadedVcpu, v);
  if (x.m.r32(v + VCPU.mode) !== VCPU_MODE.pv || !alive(x, v)) return;
  if (switched) reloadSegments(x, v);
  leaveShadow(x, v);
  deliverNmi(x, v);
  if (alive(x, v) && eventDeliverable(x, v)) deliverUpcall(x, v);
  if (alive(x, v)) returnTo(x, v, selectorOf(x, v, SEG.cs), selectorOf(x, v, SEG.ss));
  if (alive(x, v)) updateBeliefs(x, v);
}

/** What ring 0 of the guest's own machine would answer to PUSHF, SIDT, SGDT and their like. */
export function updateBeliefs(x: Xen, v: number): void {
  const at = v + VCPU.beliefs;
  x.m.w32(at + 4 * BELIEF.eflagsIf, upcallMask(x, v) === 0 ? 1 : 0);
  x.m.w32(at + 4 * BELIEF.iopl, x.m.r32(xv(v) + XVCPU.iopl));
  x.m.w32(at + 4 * BELIEF.idtrBase, 0);
  x.m.w32(at + 4 * BELIEF.gdtrBase, 0);
}

/**
 * Another vCPU ran in between: DS, ES, FS and GS are loaded again from the descriptor tables as they are now. A selector that is refused
 * becomes null and the failsafe callback is entered; its handler finds the old selectors on its stack.
 */
function reloadSegments(x: Xen, v: number): void {
  const sels = [SEG.ds, SEG.es, SEG.fs, SEG.gs].map((which) => selectorOf(x, v, which));
  let failed = false;
  for (const [i, which] of [SEG.ds, SEG.es, SEG.fs, SEG.gs].entries()) {
    if (loadData(x, v, which, sels[i]!, 0) === undefined) continue;
    setNull(x, v, which);
    failed = true;
  }
  if (failed) enterFailsafe(x, v, sels);
}

/**
 * The failsafe callback: frame DS, ES, FS, GS (as they were), EIP, CS|mask, EFLAGS [, ESP, SS]. Written at linear addresses, on the current
 * stack if the interrupted CS has RPL 1, else on the kernel's; entered on Xen's flat ring-1 selectors whatever was registered.
 */
function enterFailsafe(x: Xen, v: number, sels: readonly number[]): void {
  const { m } = x;
  const p = xv(v);
  const eip = m.r32(p + XVCPU.failsafeEip);
  if (!x.check('failsafe.registered', eip !== 0, ...sels)) {
    crashDomain(x, v, 'failsafe.registered');
    return;
  }
  const mask = upcallMask(x, v);
  const words = [
    ...sels,
    m.r32(v + VCPU.eip),
    selectorOf(x, v, SEG.cs) | (mask << 16),
    frameFlags(x, v, mask),
  ];
  let top = m.r32(v + ESP);
  if (!inKernel(x, v)) {
    words.push(top, selectorOf(x, v, SEG.ss));
    top = m.r32(p + XVCPU.kernelSp);
  }
  const sp = (top - words.length * 4) >>> 0;
  if (!storeWords(x, v, sp, words)) return;
  x.act('failsafe.enter', [eip, sp, ...sels]);
  const frame: Frame = { sp, words: words.length, mask, ss: FLAT_RING1_DS };
  enterHandler(x, v, FLAT_RING1_CS, eip, frame, m.r32(p + XVCPU.failsafeMasks) !== 0, 0);
}

/**
 * SYSENTER. Xen's entry point saves what the processor leaves it: a null CS of ring 3, EIP and ESP 0, the flat SS of user code; where to
 * go back to is a matter between the kernel and its user code. Without a registered callback the guest gets #GP(0) in that same context.
 */
export function enterSysenter(x: Xen, v: number): void {
  const { m } = x;
  const p = xv(v);
  m.w32(segAt(v, SEG.cs) + SEGREG.sel, 3);
  m.w32(segAt(v, SEG.ss) + SEGREG.sel, FLAT_RING3_DS);
  m.w32(v + VCPU.eip, 0);
  m.w32(v + ESP, 0);
  const eip = m.r32(p + XVCPU.sysenterEip);
  if (!x.check('sysenter.registered', eip !== 0)) {
    bounceException(x, v, VECTOR_GP, 0);
    return;
  }
  const registered = m.r32(p + XVCPU.sysenterCs);
  const cs = isNull(registered) ? trapSlot(x, v, VECTOR_GP).cs : registered;
  if (isNull(cs)) {
    crash(x, v, 'bounce.no-handler', VECTOR_GP, 0, 0);
    return;
  }
  const frame = pushFrame(x, v, undefined);
  if (!frame) return;
  x.act('sysenter.enter', [cs, eip, frame.sp]);
  enterHandler(x, v, cs, eip, frame, m.r32(p + XVCPU.sysenterMasks) !== 0, 0);
}
