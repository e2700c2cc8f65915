// HYPERVISOR_iret: the guest kernel returns to where an exception, upcall or system call came from. One call restores EAX, EIP, CS, EFLAGS,
// for ring 2 and 3 also ESP and SS, and the event mask from the frame's IF, atomically.

import { EFLAGS_IF, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM, SEGREG, VCPU } from '../cpu/vcpu.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { crash, ESP, returnTo, setUpcallMask, trapSlot } from './bounce.ts';
import { copyFromGuest, copyToGuest, fields } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { isNull, SEG, segAt } from './selectors.ts';
import { DOMAIN, XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

/** EFLAGS bits a frame may set: arithmetic, TF, DF, NT, RF, AC, ID. IF is always 1, IOPL always 0. */
const FRAME_FLAGS = 0x0025_4dd5;
const VMASST_ARCHITECTURAL_IOPL = 1 << 4;
const VECTOR_GP = 13;
const VM86_WORDS = 9;

/** iret(): returns the EAX of the frame. A frame that cannot be read, or one that leads to ring 0, crashes the domain. */
export const doIret: HypercallHandler = (x, v) => {
  const { m } = x;
  const at = m.r32(v + ESP);
  const inner = copyFromGuest(x, v, at, 16);
  if (!inner) {
    crash(x, v, 'iret.frame-readable', at);
    return 0;
  }
  const f = fields(inner);
  const eax = f.getUint32(0, true),
    eip = f.getUint32(4, true),
    cs = f.getUint16(8, true),
    eflags = f.getUint32(12, true);
  if ((m.r32(x.domainOf(v) + DOMAIN.vmAssist) & VMASST_ARCHITECTURAL_IOPL) !== 0)
    m.w32(xv(v) + XVCPU.iopl, (eflags >>> 12) & 3);
  if ((eflags & EFLAGS_VM) !== 0) return vm86(x, v, at, eax, eflags);
  if ((cs & 3) === 0) {
    crash(x, v, 'iret.ring0', cs);
    return 0;
  }
  let ss = m.r32(segAt(v, SEG.ss) + SEGREG.sel) & 0xffff,
    esp = (at + 16) >>> 0;
  if ((cs & 3) !== 1) {
    const outer = copyFromGuest(x, v, (at + 16) >>> 0, 8);
    if (!outer) {
      crash(x, v, 'iret.frame-readable', (at + 16) >>> 0);
      return 0;
    }
    esp = fields(outer).getUint32(0, true);
    ss = fields(outer).getUint16(4, true);
  }
  setUpcallMask(x, v, (eflags & EFLAGS_IF) !== 0 ? 0 : 1);
  m.w32(xv(v) + XVCPU.nmiMasked, 0);
  m.w32(v + VCPU.gpr, eax);
  x.act('iret.return', [cs, eip, eflags, ss, esp, eax]);
  leave(x, v, cs, eip, ((eflags & FRAME_FLAGS) | EFLAGS_IF | 2) >>> 0, ss, esp);
  return eax | 0;
};

/** Registers of the frame, then the return itself. */
function leave(x: Xen, v: number, cs: number, eip: number, eflags: number, ss: number, esp: number): void {
  const { m } = x;
  m.w32(v + VCPU.eip, eip);
  m.w32(v + VCPU.eflags, eflags);
  m.w32(v + ESP, esp);
  returnTo(x, v, cs, ss);
}

/** A frame with VM set cannot be entered: #GP, its frame looking as if the first instruction in VM86 mode had raised it. */
function vm86(x: Xen, v: number, at: number, eax: number, eflags: number): number {
  const { m } = x;
  const slot = trapSlot(x, v, VECTOR_GP);
  const sp = (m.r32(xv(v) + XVCPU.kernelSp) - VM86_WORDS * 4 - 4) >>> 0;
  const words = copyFromGuest(x, v, (at + 4) >>> 0, VM86_WORDS * 4);
  x.check('iret.vm86', false, sp, eflags);
  if (!words) {
    crash(x, v, 'iret.frame-readable', at);
    return 0;
  }
  const frame = new Uint8Array(VM86_WORDS * 4 + 4); // error code 0, then EIP … GS
  frame.set(words, 4);
  if (isNull(slot.cs)) {
    crash(x, v, 'bounce.no-handler', VECTOR_GP, 0, 0);
    return 0;
  }
  if (!copyToGuest(x, v, sp, frame)) {
    crash(x, v, 'bounce.stack-unwritable', sp, VM86_WORDS + 1);
    return 0;
  }
  const masked = (eflags & EFLAGS_IF) === 0 || (slot.flags & 4) !== 0 ? 1 : 0;
  setUpcallMask(x, v, masked);
  m.w32(xv(v) + XVCPU.nmiMasked, 0);
  m.w32(v + VCPU.gpr, eax);
  x.trace.emit(RT.bounce, PH.act, OUT.served, x.subject(v), VECTOR_GP, [
    0,
    sp,
    VM86_WORDS + 1,
    slot.cs,
    slot.eip,
    masked,
  ]);
  const flags = ((eflags & FRAME_FLAGS & ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF)) | EFLAGS_IF | 2) >>> 0;
  leave(x, v, slot.cs, slot.eip, flags, m.r32(xv(v) + XVCPU.kernelSs), sp);
  x.tick(1);
  return eax | 0;
}
