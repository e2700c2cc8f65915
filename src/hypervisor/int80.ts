// INT 0x80, the system call of user programs, can go straight from ring 3 to the guest's kernel: the gate in the real IDT is then the
// guest's own and Xen sees nothing. That is right only if the guest's slot exists, lets ring 3 in, and does not ask for events to be
// masked, since the CPU cannot write the mask. In every other case the gate leads to Xen, which applies the rule of INT n.

import { setGuestGate, setXenGate } from './system-window.ts';
import { trapSlot } from './bounce.ts';
import { isNull } from './selectors.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const VECTOR = 0x80;

/** Rewrites gate 0x80 after the trap table changed. */
export function updateInt80(x: Xen, v: number): void {
  const { flags, cs, eip } = trapSlot(x, v, VECTOR);
  const direct = !isNull(cs) && (flags & 3) === 3 && (flags & 4) === 0;
  const was = x.m.r32(xv(v) + XVCPU.int80Direct) !== 0;
  x.m.w32(xv(v) + XVCPU.int80Direct, direct ? 1 : 0);
  if (direct) {
    setGuestGate(x, v, VECTOR, cs, eip);
    if (!was) x.act('int80.direct', [cs, eip]);
  } else {
    setXenGate(x, v, VECTOR);
    if (was) x.act('int80.through-xen', [cs, eip]);
  }
}
