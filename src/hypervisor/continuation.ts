// Continuations: a long call returns to the guest with EIP back at INT 0x82 and its registers describing what is left, so that pending
// events and deadlines get their turn. Inside a multicall the arguments of the element are changed in the same way, and the multicall is
// continued at that element.
//
// How much is too much is counted in units of work, about the cost of looking at one page-table entry: a list of a few requests can mean
// millions of entries to validate, and a list may alias one page a million times.

import { VCPU } from '../cpu/vcpu.ts';
import { XEN, XEN_AT, XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const INT82_LENGTH = 2;
const WORK = XEN_AT + XEN.work;
/** Units of work between two chances for events to be delivered: some milliseconds. */
export const WORK_LIMIT = 1 << 18;

/** XVCPU.inMulticall. */
export const MULTICALL_STATE = { none: 0, element: 1, elementContinued: 2 } as const;
const inMulticall = (x: Xen, v: number): boolean =>
  x.m.r32(xv(v) + XVCPU.inMulticall) !== MULTICALL_STATE.none;

/** A call that may be long begins: counts from zero, or on from what earlier elements of its multicall have cost. */
export function startWork(x: Xen, v: number): void {
  if (!inMulticall(x, v)) x.m.w32(WORK, 0);
}
export function spend(x: Xen, units: number): void {
  x.m.w32(WORK, x.m.r32(WORK) + units);
}
/** True when it is time for a continuation. */
export const exhausted = (x: Xen): boolean => x.m.r32(WORK) >= WORK_LIMIT;

/** Moves EIP back to the INT 0x82. The caller has updated the argument registers; the result is what EAX must hold: the call's number. */
export function continueHypercall(x: Xen, v: number, number: number): number {
  if (inMulticall(x, v)) x.m.w32(xv(v) + XVCPU.inMulticall, MULTICALL_STATE.elementContinued);
  else x.m.w32(v + VCPU.eip, (x.m.r32(v + VCPU.eip) - INT82_LENGTH) >>> 0);
  x.act('hypercall.continue', [number]);
  return number;
}
