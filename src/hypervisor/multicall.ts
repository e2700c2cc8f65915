// multicall: a list of calls in one trap. Entries run in order, each result is written back, later ones run even if one fails.
// After an iret the list ends: the guest is no longer in its kernel.

import { VCPU } from '../cpu/vcpu.ts';
import { ERRNO } from './abi/errno.ts';
import { alive } from './bounce.ts';
import { continueHypercall } from './continuation.ts';
import { copyFromGuest, fields, putGuest32 } from './guest-access.ts';
import type { HypercallArgs, HypercallHandler } from './hypercall-types.ts';
import { perform } from './hypercalls.ts';
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

/** multicall(calls*, count): 0 even when an entry failed; -EFAULT for a bad list, -EINVAL inside another multicall. */
export const doMulticall: HypercallHandler = (x, v, [list, count]) => {
  const p = xv(v);
  if (!x.check('multicall.not-nested', x.m.r32(p + XVCPU.inMulticall) === 0, count)) return -ERRNO.EINVAL;
  x.m.w32(p + XVCPU.inMulticall, 1);
  const result = run(x, v, list, count);
  x.m.w32(p + XVCPU.inMulticall, 0);
  return result;
};

/** Advances the caller's registers to entry i and asks for the call to be made again. */
function resume(x: Xen, v: number, list: number, count: number, i: number): number {
  x.m.w32(v + VCPU.gpr + 12, (list + i * ENTRY) >>> 0);
  x.m.w32(v + VCPU.gpr + 4, count - i);
  return continueHypercall(x, v, MULTICALL);
}

function run(x: Xen, v: number, list: number, count: number): number {
  const state = runstate(x, v);
  for (let i = 0; i < count; i++) {
    if (i === BATCH) return resume(x, v, list, count, i);
    const at = (list + i * ENTRY) >>> 0;
    const bytes = copyFromGuest(x, v, at, ENTRY);
    if (!bytes) {
      x.check('multicall.list-readable', false, at, i);
      return -ERRNO.EFAULT;
    }
    const f = fields(bytes);
    const number = f.getUint32(0, true);
    const args = [0, 1, 2, 3, 4, 5].map((n) => f.getUint32(ARGS + 4 * n, true)) as unknown as HypercallArgs;
    const result = perform(x, v, number, args);
    if (!alive(x, v)) return 0;
    const stored = putGuest32(x, v, (at + RESULT) >>> 0, result);
    if (number === IRET) return result;
    if (!stored) {
      x.check('multicall.result-writable', false, at, i);
      return -ERRNO.EFAULT;
    }
    // Whoever has given the pCPU up does the rest when it has it again: a vCPU that sleeps cannot yield, nor go to sleep once more.
    if (i + 1 < count && runstate(x, v) !== state) return resume(x, v, list, count, i + 1);
    if (i + 1 < count && !inKernel(x, v)) return 0;
  }
  return 0;
}
