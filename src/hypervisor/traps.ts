// The guest's virtual IDT and kernel stack: set_trap_table and stack_switch.

import { VCPU } from '../cpu/vcpu.ts';
import { ERRNO } from './abi/errno.ts';
import { copyFromGuest, fields } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { updateInt80 } from './int80.ts';
import { continueHypercall } from './continuation.ts';
import { fixRpl } from './selectors.ts';
import { updateTssStack } from './system-window.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const TRAP_INFO = 8;
/** Entries handled before the call is continued, so that no list keeps the machine busy for ever. */
const BATCH = 1024;

/** Stores one trap_info; a code selector of ring 0 is silently raised to ring 1. */
export function setTrapSlot(x: Xen, v: number, vector: number, flags: number, cs: number, eip: number): void {
  const at = xv(v) + XVCPU.traps + vector * 8;
  x.m.w8(at, vector);
  x.m.w8(at + 1, flags);
  x.m.w16(at + 2, fixRpl(cs));
  x.m.w32(at + 4, eip);
}

/** Erases the whole table: vector numbers stay in place for readers. */
export function clearTrapTable(x: Xen, v: number): void {
  for (let vector = 0; vector < 256; vector++) {
    const at = xv(v) + XVCPU.traps + vector * 8;
    x.m.w32(at, vector);
    x.m.w32(at + 4, 0);
  }
}

/** set_trap_table(list*): 0, or -EFAULT with the entries before the unreadable one installed. */
export const doSetTrapTable: HypercallHandler = (x, v, [list]) => {
  if (list === 0) {
    clearTrapTable(x, v);
    x.act('traps.erase');
    updateInt80(x, v);
    return 0;
  }
  let at = list,
    result = 0,
    n = 0,
    first = 0,
    last = 0;
  for (; ; n++) {
    if (n === BATCH) {
      x.m.w32(v + VCPU.gpr + 12, at);
      result = continueHypercall(x, v, 0);
      break;
    }
    const bytes = copyFromGuest(x, v, at, TRAP_INFO);
    if (!bytes) {
      x.check('traps.list-readable', false, at, n);
      result = -ERRNO.EFAULT;
      break;
    }
    const f = fields(bytes);
    if (f.getUint32(4, true) === 0) break;
    setTrapSlot(x, v, f.getUint8(0), f.getUint8(1), f.getUint16(2, true), f.getUint32(4, true));
    last = f.getUint8(0);
    if (n === 0) first = last;
    at = (at + TRAP_INFO) >>> 0;
  }
  if (n > 0) x.act('traps.install', [n, first, last]);
  updateInt80(x, v);
  return result;
};

/** stack_switch(ss, esp): where ring 3 enters ring 1. Always 0. */
export const doStackSwitch: HypercallHandler = (x, v, [ss, esp]) => {
  x.m.w32(xv(v) + XVCPU.kernelSs, fixRpl(ss));
  x.m.w32(xv(v) + XVCPU.kernelSp, esp);
  updateTssStack(x, v);
  x.act('stack.switch', [fixRpl(ss), esp]);
  return 0;
};
