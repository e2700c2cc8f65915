// multicall: a list of calls in one trap. Entries run in order, each result is written back, later ones run even if one fails.
// After an iret the list ends: the guest is no longer in its kernel. An entry that takes long is continued like a call of its own: what is
// left of it goes into its arguments in the guest's list, and the multicall is made again from there.

import { VCPU } from '../cpu/vcpu.ts';
import { ERRNO } from './abi/errno.ts';
import { alive } from './bounce.ts';
import { continueHypercall, exhausted, MULTICALL_STATE, spend, startWork } from './continuation.ts';
import { copyFromGuest, copyToGuest, fields, putGuest32 } from './guest-access.ts';
import type { HypercallArgs, HypercallHandler } from './hypercall-types.ts';
import { ARGUMENT_REGISTERS, perform } from './hypercalls.ts';
import { refuse } from './refuse.ts';
import { runstate } from './run-queue.ts';
import { inKernel } from './selectors.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const ENTRY = 32,
  RESULT = 4,
  ARGS = 8;
const MULTICALL = 13,
  IRET = 23;
/** Entries run before the call is continued, so that deadlines and events get their turn. */
const BATCH = 256;
/** Units of work of the cheapest entry: it writes records. */
const ENTRY_WORK = 64;

/** multicall(calls*, count): 0 even when an entry failed; -EFAULT for a bad list, -EINVAL inside another multicall. */
export const doMulticall: HypercallHandler = (x, v, [list, count]) => {
  const nested = x.m.r32(xv(v) + XVCPU.inMulticall) !== MULTICALL_STATE.none;
  if (!x.check('multicall.not-nested', !nested, count)) return -ERRNO.EINVAL;
  startWork(x, v);
  const state = runstate(x, v);
  for (let i = 0; i < count; i++) {
    const at = (list + i * ENTRY) >>> 0;
    if (i === BATCH || (i > 0 && exhausted(x))) return resume(x, v, at, count - i);
    const bytes = copyFromGuest(x, v, at, ENTRY);
    if (!bytes) {
      x.check('multicall.list-readable', false, at, i);
      return -ERRNO.EFAULT;
    }
    spend(x, ENTRY_WORK);
    const { number, result, left } = element(x, v, fields(bytes));
    if (!alive(x, v)) return 0;
    if (left) {
      if (!copyToGuest(x, v, (at + ARGS) >>> 0, left))
        return refuse(x, ERRNO.EFAULT, 'multicall.arguments-writable', at, i);
      return resume(x, v, at, count - i);
    }
    const stored = putGuest32(x, v, (at + RESULT) >>> 0, result);
    if (number === IRET) return result;
    if (!stored) {
      x.check('multicall.result-writable', false, at, i);
      return -ERRNO.EFAULT;
    }
    // Whoever has given the pCPU up does the rest when it has it again: a vCPU that sleeps cannot yield, nor go to sleep once more.
    if (i + 1 < count && runstate(x, v) !== state) return resume(x, v, (at + ENTRY) >>> 0, count - i - 1);
    if (i + 1 < count && !inKernel(x, v)) return 0;
  }
  return 0;
};

/** Asks for the call to be made again for the `count` entries from `at` on. */
function resume(x: Xen, v: number, at: number, count: number): number {
  x.m.w32(v + VCPU.gpr + 12, at);
  x.m.w32(v + VCPU.gpr + 4, count);
  return continueHypercall(x, v, MULTICALL);
}

interface Outcome {
  readonly number: number;
  readonly result: number;
  /** Six arguments that describe the rest, when the element is to be continued. */
  readonly left?: Uint8Array;
}

/**
 * Makes the call of one entry. A handler that wants to be continued changes the argument registers, so the entry's arguments stand there
 * while it runs; the guest's own come back afterwards.
 */
function element(x: Xen, v: number, entry: DataView): Outcome {
  const { m } = x;
  const number = entry.getUint32(0, true);
  const args = [0, 1, 2, 3, 4, 5].map((n) => entry.getUint32(ARGS + 4 * n, true));
  const registers = ARGUMENT_REGISTERS.map((r) => v + VCPU.gpr + 4 * r);
  const own = registers.map((at) => m.r32(at));
  const state = xv(v) + XVCPU.inMulticall;
  registers.forEach((at, i) => {
    m.w32(at, args[i]!);
  });
  m.w32(state, MULTICALL_STATE.element);
  const result = perform(x, v, number, args as unknown as HypercallArgs);
  const continued = m.r32(state) === MULTICALL_STATE.elementContinued;
  const left = Uint32Array.from(registers, (at) => m.r32(at));
  m.w32(state, MULTICALL_STATE.none);
  registers.forEach((at, i) => {
    m.w32(at, own[i]!);
  });
  return continued ? { number, result, left: new Uint8Array(left.buffer) } : { number, result };
}
