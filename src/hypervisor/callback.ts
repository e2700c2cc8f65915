// Where Xen may enter the guest on its own account: event upcalls, the failsafe callback, NMI and the fast system calls.
// set_callbacks is the old call, callback_op the new one; nmi_op registers what callback_op type nmi does.

import { ERRNO } from './abi/errno.ts';
import { copyFromGuest, fields } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { FLAT_RING1_CS, fixRpl } from './selectors.ts';
import { XVCPU, xv } from './state.ts';
import { setTrapSlot } from './traps.ts';
import type { Xen } from './xen.ts';

/** Types a 32-bit guest may register (2 is for 64-bit guests, 3 was dropped). */
const CALLBACK = { event: 0, failsafe: 1, nmi: 4, sysenter: 5, syscall32: 7 } as const;
const CALLBACKOP_register = 0,
  CALLBACKOP_unregister = 1;
const CALLBACKF_mask_events = 1;
const NMI_VECTOR = 2,
  TI_MASKS_EVENTS = 4;

function store(
  x: Xen,
  v: number,
  cs: number,
  eip: number,
  masks: number,
  place: readonly [number, number, number?],
): void {
  const p = xv(v);
  x.m.w32(p + place[0], fixRpl(cs));
  x.m.w32(p + place[1], eip);
  if (place[2] !== undefined) x.m.w32(p + place[2], masks);
}

const EVENT = [XVCPU.eventCs, XVCPU.eventEip] as const;
const FAILSAFE = [XVCPU.failsafeCs, XVCPU.failsafeEip, XVCPU.failsafeMasks] as const;
const SYSENTER = [XVCPU.sysenterCs, XVCPU.sysenterEip, XVCPU.sysenterMasks] as const;
const SYSCALL32 = [XVCPU.syscall32Cs, XVCPU.syscall32Eip, XVCPU.syscall32Masks] as const;

/** The NMI handler lives in slot 2 of the trap table: always masking, always on the flat ring-1 code selector. */
function registerNmi(x: Xen, v: number, eip: number): void {
  x.m.w32(xv(v) + XVCPU.nmiAddress, eip);
  setTrapSlot(x, v, NMI_VECTOR, TI_MASKS_EVENTS, FLAT_RING1_CS, eip);
}
function unregisterNmi(x: Xen, v: number): void {
  const at = xv(v) + XVCPU.traps + NMI_VECTOR * 8;
  x.m.w32(xv(v) + XVCPU.nmiAddress, 0);
  x.m.w32(at, NMI_VECTOR);
  x.m.w32(at + 4, 0);
}

/** set_callbacks(event_cs, event_eip, failsafe_cs, failsafe_eip): always 0; zeros are legal. */
export const doSetCallbacks: HypercallHandler = (x, v, [eventCs, eventEip, failsafeCs, failsafeEip]) => {
  store(x, v, eventCs, eventEip, 0, EVENT);
  store(x, v, failsafeCs, failsafeEip, 0, FAILSAFE);
  x.act('callbacks.set', [fixRpl(eventCs), eventEip, fixRpl(failsafeCs), failsafeEip]);
  return 0;
};

/** callback_op(cmd, arg*). Unknown commands are -EINVAL for 32-bit guests; a bad pointer comes before the type. */
export const doCallbackOp: HypercallHandler = (x, v, [cmd, arg]) => {
  if (cmd === CALLBACKOP_register) return register(x, v, arg);
  if (cmd === CALLBACKOP_unregister) return unregister(x, v, arg);
  x.check('callback.command', false, cmd);
  return -ERRNO.EINVAL;
};

function register(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 12);
  if (!bytes) {
    x.check('callback.readable', false, arg);
    return -ERRNO.EFAULT;
  }
  const f = fields(bytes);
  const type = f.getUint16(0, true),
    masks = f.getUint16(2, true) & CALLBACKF_mask_events,
    cs = f.getUint32(4, true) & 0xffff,
    eip = f.getUint32(8, true);
  if (type === CALLBACK.event) store(x, v, cs, eip, 1, EVENT);
  else if (type === CALLBACK.failsafe) store(x, v, cs, eip, masks, FAILSAFE);
  else if (type === CALLBACK.sysenter) store(x, v, cs, eip, masks, SYSENTER);
  else if (type === CALLBACK.syscall32) store(x, v, cs, eip, masks, SYSCALL32);
  else if (type === CALLBACK.nmi) registerNmi(x, v, eip);
  else {
    x.check('callback.type', false, type);
    return -ERRNO.ENOSYS;
  }
  x.act('callback.register', [type, fixRpl(cs), eip, masks]);
  return 0;
}

function unregister(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 4);
  if (!bytes) {
    x.check('callback.readable', false, arg);
    return -ERRNO.EFAULT;
  }
  const type = fields(bytes).getUint16(0, true);
  if (type === CALLBACK.nmi) {
    unregisterNmi(x, v);
    x.act('callback.unregister', [type]);
    return 0;
  }
  const known =
    type === CALLBACK.event ||
    type === CALLBACK.failsafe ||
    type === CALLBACK.sysenter ||
    type === CALLBACK.syscall32;
  if (!x.check('callback.type', known, type)) return -ERRNO.ENOSYS;
  x.check('callback.removable', false, type);
  return -ERRNO.EINVAL;
}

const XENNMI_register = 0,
  XENNMI_unregister = 1;

/** nmi_op(cmd, arg*). */
export const doNmiOp: HypercallHandler = (x, v, [cmd, arg]) => {
  if (cmd === XENNMI_register) {
    const bytes = copyFromGuest(x, v, arg, 8);
    if (!bytes) {
      x.check('callback.readable', false, arg);
      return -ERRNO.EFAULT;
    }
    const eip = fields(bytes).getUint32(0, true);
    registerNmi(x, v, eip);
    x.act('callback.register', [CALLBACK.nmi, FLAT_RING1_CS, eip, 1]);
    return 0;
  }
  if (!x.check('nmi.command', cmd === XENNMI_unregister, cmd)) return -ERRNO.ENOSYS;
  unregisterNmi(x, v);
  x.act('callback.unregister', [CALLBACK.nmi]);
  return 0;
};
