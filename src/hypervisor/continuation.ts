// Continuations: a long call returns to the guest with EIP back at INT 0x82 and its registers describing what is left, so that pending
// events and deadlines get their turn. Inside a multicall nothing is continued: the element runs to its end.

import { VCPU } from '../cpu/vcpu.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const INT82_LENGTH = 2;

export const mayContinue = (x: Xen, v: number): boolean => x.m.r32(xv(v) + XVCPU.inMulticall) === 0;

/** Moves EIP back to the INT 0x82. The caller has updated the argument registers; the result is what EAX must hold: the call's number. */
export function continueHypercall(x: Xen, v: number, number: number): number {
  x.m.w32(v + VCPU.eip, (x.m.r32(v + VCPU.eip) - INT82_LENGTH) >>> 0);
  x.act('hypercall.continue', [number]);
  return number;
}
