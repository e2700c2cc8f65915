// Every way from a guest into Xen: an engine has left because a gate of the real IDT leads to ring 0. What happened is told in records
// joined by `cause`: enter, decode, check, act, answer, return. Deliverable events follow in deliverPending, before the guest runs on.

import { EFLAGS_RF, EFLAGS_TF, EXIT, SEGREG, VCPU, WINDOW_LDT } from '../cpu/vcpu.ts';
import { HEADER } from '../memory/map.ts';
import { COUNT_VECTOR, MACHINE } from '../trace/recorder.ts';
import { OUT, PH, RT, TRAP_KIND } from '../trace/records.ts';
import { alive, bounceException, bounceSoftware, enterSysenter, ESP, trapSlot } from './bounce.ts';
import { mapLdtPage } from './descriptors.ts';
import { emulateGate } from './emul-gate-op.ts';
import { emulateForcedPrefix } from './emul-inv-op.ts';
import { emulatePrivileged } from './emul-priv-op.ts';
import { hypercall } from './hypercalls.ts';
import { fetchInstruction } from './instruction.ts';
import { tryWritablePageTable } from './ptwr.ts';
import { inKernel, SEG, segAt } from './selectors.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const VECTOR_DB = 1,
  VECTOR_UD = 6,
  VECTOR_GP = 13,
  VECTOR_PF = 14,
  VECTOR_HYPERCALL = 0x82;
const DR6_BS = 1 << 14;
/** Vectors that are no faults: #DB (here a trap), NMI, INT3, INTO. For the others the CPU saves EFLAGS with RF set. */
const NO_FAULT: readonly number[] = [1, 2, 3, 4];
const LDT_WINDOW_SIZE = 0x10000;
const INT_N = 'int',
  SYSENTER = 'sysenter';

interface Trap {
  readonly vector: number;
  readonly code: number;
  readonly cr2: number;
  readonly kind: number;
}

/** Handles one exit of an engine for vCPU v. Anything but a trap of a PV guest is none of Xen's business. */
export function onExit(x: Xen, v: number, exit: number): void {
  if (exit !== EXIT.trap) return;
  const { m, trace } = x;
  const t: Trap = {
    vector: m.r32(v + VCPU.exitVector),
    code: m.r32(v + VCPU.exitCode),
    cr2: m.r32(v + VCPU.exitCr2),
    kind: m.r32(v + VCPU.exitKind),
  };
  m.u32[COUNT_VECTOR + (t.vector & 0xff)] = m.u32[COUNT_VECTOR + (t.vector & 0xff)]! + 1;
  if (t.kind === TRAP_KIND.exception && !NO_FAULT.includes(t.vector)) setRf(x, v, true);
  const before = trace.cause;
  trace.cause = 0;
  const seq = trapRecord(x, v, t, PH.enter, m.r32(v + VCPU.exitEip));
  trace.cause = seq;
  m.w32(xv(v) + XVCPU.lastTrapSeq, seq);
  m.w32(v + VCPU.shadow, 0);
  dispatch(x, v, t);
  if (alive(x, v)) trapRecord(x, v, t, PH.return, m.r32(v + VCPU.eip));
  trace.cause = before;
}

function trapRecord(x: Xen, v: number, t: Trap, phase: number, eip: number): number {
  const { m } = x;
  const kind = t.vector === VECTOR_HYPERCALL && t.kind !== TRAP_KIND.exception ? TRAP_KIND.hypercall : t.kind;
  return x.trace.emit(RT.trap, phase, OUT.none, { ...x.subject(v), eip }, t.vector, [
    t.code,
    t.cr2,
    kind,
    m.r32(v + ESP),
    m.r32(segAt(v, SEG.ss) + SEGREG.sel),
    m.r32(v + VCPU.eflags),
  ]);
}

function dispatch(x: Xen, v: number, t: Trap): void {
  if (t.kind !== TRAP_KIND.exception) {
    if (t.vector === VECTOR_HYPERCALL) hypercall(x, v);
    else bounceSoftware(x, v, t.vector);
    return;
  }
  if (t.vector === VECTOR_GP) protectionFault(x, v, t);
  else if (t.vector === VECTOR_PF) pageFault(x, v, t);
  else if (t.vector === VECTOR_UD) invalidOpcode(x, v);
  else bounceException(x, v, t.vector, t.code, t.cr2);
}

/** #GP: INT n through a gate the guest may not use, a privileged instruction, a call gate, or the guest's own mistake. */
function protectionFault(x: Xen, v: number, t: Trap): void {
  if ((t.code & 2) !== 0 && softwareInterrupt(x, v, t.code >>> 3)) return;
  if (t.code === 0) {
    if (sysenter(x, v)) return;
    const result = emulatePrivileged(x, v);
    if (result === 'emulated' || result === 'breakpoint') retire(x, v, result === 'breakpoint');
    if (result !== 'none') return;
  } else if ((t.code & 3) === 0) {
    const result = emulateGate(x, v, t.code);
    if (result === 'emulated') retire(x, v);
    if (result !== 'none') return;
  }
  bounceException(x, v, VECTOR_GP, t.code);
}

/**
 * SYSENTER: on a processor run by Xen its MSRs lead to Xen's own entry point. Here they are empty, so that the instruction is #GP(0) and the
 * visit begins in the same place as every other.
 */
function sysenter(x: Xen, v: number): boolean {
  if (fetchInstruction(x, v)?.form.semantics !== SYSENTER) return false;
  countInstruction(x);
  setRf(x, v, false);
  enterSysenter(x, v);
  return true;
}

/** INT n: the guest's slot decides. False when the #GP is to be delivered instead. */
function softwareInterrupt(x: Xen, v: number, vector: number): boolean {
  const insn = fetchInstruction(x, v);
  if (!insn || insn.form.semantics !== INT_N) return false;
  const slot = trapSlot(x, v, vector);
  const ring = inKernel(x, v) ? 1 : 3;
  if (!x.check('int.slot-dpl', (slot.flags & 3) >= ring, vector, slot.flags & 3, ring)) return false;
  x.m.w32(v + VCPU.eip, (x.m.r32(v + VCPU.eip) + insn.length) >>> 0);
  countInstruction(x);
  bounceSoftware(x, v, vector);
  return true;
}

/** #PF: a lazily mapped LDT page, a direct write to a page table, or the guest's own. */
function pageFault(x: Xen, v: number, t: Trap): void {
  const page = (t.cr2 - WINDOW_LDT) >>> 0;
  if (page < LDT_WINDOW_SIZE) {
    if (mapLdtPage(x, v, page >>> 12)) {
      setRf(x, v, false);
      return;
    }
    bounceException(x, v, VECTOR_PF, t.code, (x.m.r32(xv(v) + XVCPU.ldtBase) + page) >>> 0);
    return;
  }
  if ((t.code & 0x1b) === 3 && inKernel(x, v) && tryWritablePageTable(x, v, t.cr2, t.code)) {
    retire(x, v);
    return;
  }
  bounceException(x, v, VECTOR_PF, t.code, t.cr2);
}

function invalidOpcode(x: Xen, v: number): void {
  const result = emulateForcedPrefix(x, v);
  if (result === 'emulated') retire(x, v);
  else if (result === 'none') bounceException(x, v, VECTOR_UD);
}

/** EFLAGS.RF: set while a fault is handled, so that frames show what the CPU saved. */
function setRf(x: Xen, v: number, on: boolean): void {
  const flags = x.m.r32(v + VCPU.eflags);
  x.m.w32(v + VCPU.eflags, on ? flags | EFLAGS_RF : flags & ~EFLAGS_RF);
}

function countInstruction(x: Xen): void {
  x.tick(1);
  x.m.w64(HEADER + MACHINE.instructions, x.m.r64(HEADER + MACHINE.instructions) + 1);
}

/** An emulated instruction retires: one tick, and a debug trap if it met a breakpoint or the guest single-steps. */
function retire(x: Xen, v: number, breakpoint = false): void {
  countInstruction(x);
  setRf(x, v, false);
  const step = (x.m.r32(v + VCPU.eflags) & EFLAGS_TF) !== 0;
  if (step) x.m.w32(v + VCPU.dr + 24, x.m.r32(v + VCPU.dr + 24) | DR6_BS);
  if (step || breakpoint) bounceException(x, v, VECTOR_DB);
}
