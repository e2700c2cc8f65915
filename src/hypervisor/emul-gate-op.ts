// Far calls and jumps through call gates. Xen keeps every gate of a guest at DPL 0 and the DPL the guest meant in the RPL of the gate's
// target, so that using one is #GP(selector) and comes here: the hardware must not switch to a stack the guest does not run on.

import { SEG_DPL, SEG_L, SEG_P, SEG_S, SEGREG, VCPU } from '../cpu/vcpu.ts';
import type { Insn, MemOperand, Operand } from '../isa/types.ts';
import { bounceException, ESP } from './bounce.ts';
import { privopRecord } from './emul-priv-op.ts';
import { copyFromGuest, copyToGuest, fields } from './guest-access.ts';
import { fetchInstruction } from './instruction.ts';
import {
  attrOf,
  baseOf,
  checkStack,
  type Descriptor,
  isFault,
  isNull,
  limitOf,
  readDescriptor,
  SEG,
  segAt,
  selectorOf,
  setSegment,
} from './selectors.ts';
import { XVCPU, xv } from './state.ts';
import { OUT, PH } from '../trace/records.ts';
import type { Xen } from './xen.ts';

const CALL_FAR = 'callf',
  JMP_FAR = 'jmpf';
const GATE_TYPE = 0x0c,
  KERNEL_RPL = 1;
/** Type bit of a data segment that grows downwards. */
const EXPAND_DOWN = 4;
const GP = 13,
  NP = 11,
  TS = 10,
  SS_FAULT = 12,
  PF = 14;

interface Gate {
  readonly sel: number;
  readonly offset: number;
  readonly dpl: number;
  readonly present: boolean;
  readonly words: number;
}
interface Raise {
  readonly vector: number;
  readonly code: number;
  readonly cr2?: number;
}
const raise = (vector: number, code: number, cr2 = 0): Raise => ({ vector, code, cr2 });

/** The call gate a selector names, undefined when it names anything else. */
function readGate(x: Xen, v: number, sel: number): Gate | undefined {
  const d = readDescriptor(x, v, sel);
  if (!d) return undefined;
  const attr = attrOf(d);
  // A gate with a DPL of its own has not come through Xen's check.
  if ((attr & (SEG_S | 0xf)) !== GATE_TYPE || (attr & SEG_DPL) !== 0) return undefined;
  const target = d.lo >>> 16;
  return {
    sel: target & 0xfffc,
    offset: ((d.lo & 0xffff) | (d.hi & 0xffff0000)) >>> 0,
    dpl: target & 3,
    present: (attr & SEG_P) !== 0,
    words: d.hi & 0x1f,
  };
}

function effectiveAddress(x: Xen, v: number, mem: MemOperand): number {
  const gpr = (r: number): number => (r < 0 ? 0 : x.m.r32(v + VCPU.gpr + 4 * r));
  const offset = gpr(mem.base) + gpr(mem.index) * (1 << mem.scale) + mem.disp;
  const wrapped = mem.addrSize === 16 ? offset & 0xffff : offset >>> 0;
  return (x.m.r32(segAt(v, mem.seg) + SEGREG.base) + wrapped) >>> 0;
}

/** The selector the instruction's operand holds; a fault when it lies in memory that cannot be read. */
function operandSelector(x: Xen, v: number, insn: Insn, operand: Operand | undefined): number | Raise {
  if (operand?.kind === 'far') return operand.selector;
  if (operand?.kind !== 'mem') return -1;
  const at = (effectiveAddress(x, v, operand) + insn.opSize / 8) >>> 0;
  const bytes = copyFromGuest(x, v, at, 2);
  return bytes ? fields(bytes).getUint16(0, true) : raise(PF, 0, at);
}

/** What the target's descriptor must be. */
function checkTarget(x: Xen, v: number, gate: Gate, cpl: number, jump: boolean): Descriptor | Raise {
  const code = gate.sel & 0xfffc;
  const d = isNull(gate.sel) ? null : readDescriptor(x, v, gate.sel);
  if (!d) return raise(GP, code);
  const attr = attrOf(d),
    dpl = (attr >>> 5) & 3,
    conforming = (attr & 4) !== 0;
  if ((attr & SEG_S) === 0 || (attr & 8) === 0 || (attr & SEG_L) !== 0) return raise(GP, code);
  if (dpl > cpl || (jump && !conforming && dpl !== cpl)) return raise(GP, code);
  if ((attr & SEG_P) === 0) return raise(NP, code);
  return gate.offset > limitOf(d) ? raise(GP, 0) : d;
}

/** Do `bytes` below ESP lie within a stack segment? (Its limit counts from the other side in one that expands down.) */
function stackRoom(attr: number, limit: number, esp: number, bytes: number): boolean {
  const low = (esp - bytes) >>> 0,
    last = (esp - 1) >>> 0;
  if (low >= last) return false;
  return (attr & EXPAND_DOWN) === 0 ? last <= limit : low > limit;
}

/** Pushes words in order (last one lowest) below `top`; the new ESP or a fault. */
function push(x: Xen, v: number, base: number, top: number, words: readonly number[]): number | Raise {
  const esp = (top - 4 * words.length) >>> 0;
  const bytes = new Uint8Array(4 * words.length);
  [...words].reverse().forEach((w, i) => {
    fields(bytes).setUint32(4 * i, w >>> 0, true);
  });
  const at = (base + esp) >>> 0;
  return copyToGuest(x, v, at, bytes) ? esp : raise(PF, 2, at);
}

const isRaise = (r: number | Raise | Descriptor): r is Raise => typeof r === 'object' && 'vector' in r;

/** A call that goes inward: onto the kernel's stack, with the caller's SS, ESP and parameters. */
function callInward(x: Xen, v: number, gate: Gate, ret: number): Raise | undefined {
  const { m } = x;
  const cs = selectorOf(x, v, SEG.cs),
    ss = selectorOf(x, v, SEG.ss),
    esp = m.r32(v + ESP);
  const kernelSs = m.r32(xv(v) + XVCPU.kernelSs);
  const stack = checkStack(x, v, kernelSs, KERNEL_RPL);
  if (isFault(stack)) return raise(stack.vector === SS_FAULT ? SS_FAULT : TS, kernelSs & 0xfffc);
  const top = m.r32(xv(v) + XVCPU.kernelSp);
  if (!stackRoom(attrOf(stack), limitOf(stack), top, 4 * (4 + gate.words)))
    return raise(SS_FAULT, kernelSs & 0xfffc);
  const at = (m.r32(segAt(v, SEG.ss) + SEGREG.base) + esp) >>> 0;
  const parameters = copyFromGuest(x, v, at, 4 * gate.words);
  if (!parameters) return raise(PF, 0, at);
  const words = [ss, esp];
  for (let i = gate.words - 1; i >= 0; i--) words.push(fields(parameters).getUint32(4 * i, true));
  const base = baseOf(stack);
  const sp = push(x, v, base, top, [...words, cs, ret]);
  if (isRaise(sp)) return sp;
  setSegment(x, v, SEG.ss, kernelSs, stack);
  m.w32(v + ESP, sp);
  return undefined;
}

function transfer(x: Xen, v: number, insn: Insn, code: number): Raise | undefined {
  const { m } = x;
  const cpl = selectorOf(x, v, SEG.cs) & 3,
    jump = insn.form.semantics === JMP_FAR;
  const gate = readGate(x, v, code);
  const operand = operandSelector(x, v, insn, insn.operands[0]);
  if (isRaise(operand)) return operand;
  const usable =
    gate !== undefined &&
    gate.dpl >= cpl &&
    (operand & 0xfffc) === (code & 0xfffc) &&
    (operand & 3) <= gate.dpl;
  if (!x.check('gate.usable', usable, code, gate?.dpl ?? 0, cpl) || !gate) return raise(GP, code);
  if (!gate.present) return raise(NP, code);
  const target = checkTarget(x, v, gate, cpl, jump);
  if (isRaise(target)) return target;
  const attr = attrOf(target),
    inward = !jump && (attr & 4) === 0 && ((attr >>> 5) & 3) < cpl;
  const ret = (m.r32(v + VCPU.eip) + insn.length) >>> 0;
  if (inward) {
    if (((attr >>> 5) & 3) !== KERNEL_RPL) return raise(GP, gate.sel);
    const fault = callInward(x, v, gate, ret);
    if (fault) return fault;
  } else if (!jump) {
    const own = segAt(v, SEG.ss);
    if (!stackRoom(m.r32(own + SEGREG.attr), m.r32(own + SEGREG.limit), m.r32(v + ESP), 8))
      return raise(SS_FAULT, 0);
    const sp = push(x, v, m.r32(segAt(v, SEG.ss) + SEGREG.base), m.r32(v + ESP), [
      selectorOf(x, v, SEG.cs),
      ret,
    ]);
    if (isRaise(sp)) return sp;
    m.w32(v + ESP, sp);
  }
  setSegment(x, v, SEG.cs, gate.sel | (inward ? KERNEL_RPL : cpl), target);
  m.w32(v + VCPU.eip, gate.offset);
  return undefined;
}

/** Looks at a #GP with a selector. emulated: control is behind the gate. faulted: an exception was delivered. none: the #GP is the guest's own. */
export function emulateGate(x: Xen, v: number, code: number): 'emulated' | 'faulted' | 'none' {
  if (!readGate(x, v, code)) return 'none';
  const insn = fetchInstruction(x, v);
  if (!insn || (insn.form.semantics !== CALL_FAR && insn.form.semantics !== JMP_FAR)) return 'none';
  privopRecord(x, v, PH.decode, OUT.none, insn.bytes, insn.length);
  const fault = transfer(x, v, insn, code);
  privopRecord(
    x,
    v,
    PH.answer,
    fault ? OUT.refused : OUT.emulated,
    insn.bytes,
    insn.length,
    fault ? 0 : 1,
    code,
  );
  if (!fault) return 'emulated';
  bounceException(x, v, fault.vector, fault.code, fault.cr2);
  return 'faulted';
}
