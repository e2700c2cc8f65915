// hvm_op and dm_op as a PV domain meets them: what they could be about does not exist here, but their structures, domains and privileges are
// judged first.

import { ERRNO } from './abi/errno.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { resolveDomid } from './domain.ts';
import { copyFromGuest, copyToGuest, fields } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { refuse } from './refuse.ts';
import { DOMAIN, findDomain } from './state.ts';
import { setU64, systemTime } from './time.ts';
import type { Xen } from './xen.ts';

const HVM_NR_PARAMS = 39;
/** Bytes of a trace event's own, and where its class begins: a guest may name no class. */
const TRACE_EXTRA = 28,
  TRACE_CLASS = 12;

type Operation = (x: Xen, v: number, f: DataView, arg: number) => number;
const notHvm = (x: Xen, cmd: number): number => refuse(x, ERRNO.EINVAL, 'call.hvm-only', cmd);
const named = (x: Xen, domid: number): number => findDomain(x.m, resolveDomid(x, domid));

/** {domid u16, …}: of a domain that is no HVM domain. */
const ofDomain =
  (cmd: number, target: boolean): Operation =>
  (x, v, f) => {
    const domid = f.getUint16(0, true);
    const self = x.domainOf(v);
    const d = domid === DOMID_SELF ? self : named(x, domid);
    if (!x.check('control.domain', d !== 0, domid)) return -ERRNO.ESRCH;
    const may = d === self || x.m.r32(self + DOMAIN.privileged) !== 0;
    if (target && !x.check('control.privilege', may, cmd)) return -ERRNO.EPERM;
    return notHvm(x, cmd);
  };
/** {domid u16, index u32 +4, value u64 +8}. */
const parameter =
  (cmd: number): Operation =>
  (x, v, f, arg) => {
    const index = f.getUint32(4, true);
    return index < HVM_NR_PARAMS ? ofDomain(cmd, false)(x, v, f, arg) : notHvm(x, cmd);
  };
const getTime: Operation = (x, v, f, arg) => {
  setU64(f, 0, systemTime(x.T));
  const written = copyToGuest(x, v, arg, new Uint8Array(f.buffer, f.byteOffset, 8));
  return x.check('control.writable', written, arg) ? 0 : -ERRNO.EFAULT;
};
/** {event u16, extra_bytes u16 +2, extra +4}: a guest's own event, which nobody reads. */
const xentrace: Operation = (x, _v, f) => {
  const good = f.getUint16(2, true) <= TRACE_EXTRA && f.getUint16(0, true) >>> TRACE_CLASS === 0;
  return x.check('call.trace-event', good, f.getUint16(0, true), f.getUint16(2, true)) ? 0 : -ERRNO.EINVAL;
};
/** Nobody monitors this guest, so there is nobody to ask. */
const requestEvent: Operation = (x, _v, _f, arg) => (arg === 0 ? 0 : notHvm(x, arg));

/** By command: bytes of the structure that is read, what to do. */
const OPERATIONS: Readonly<Record<number, readonly [size: number, Operation]>> = {
  0: [16, parameter(0)], // set_param
  1: [16, parameter(1)], // get_param
  5: [0, (x) => notHvm(x, 5)], // flush_tlbs
  9: [12, ofDomain(9, false)], // pagetable_dying
  10: [0, getTime],
  11: [4 + TRACE_EXTRA, xentrace],
  15: [16, ofDomain(15, true)], // get_mem_type
  23: [0, (x) => notHvm(x, 23)], // set_evtchn_upcall_vector
  24: [0, requestEvent], // guest_request_vm_event
  25: [0, (x) => refuse(x, ERRNO.EOPNOTSUPP, 'call.unsupported', 25)], // altp2m
};

/** hvm_op(cmd, arg*). */
export const doHvmOp: HypercallHandler = (x, v, [cmd, arg]) => {
  const entry = OPERATIONS[cmd];
  if (!entry) return refuse(x, ERRNO.ENOSYS, 'control.command', cmd, 34);
  const [size, run] = entry;
  if (size === 0) return run(x, v, new DataView(new ArrayBuffer(8)), arg);
  const bytes = copyFromGuest(x, v, arg, size);
  return bytes ? run(x, v, fields(bytes), arg) : refuse(x, ERRNO.EFAULT, 'control.readable', arg);
};

const MAX_BUFFERS = 2,
  BUFFER = 8;
/** dm_op(domid, nr, bufs*): for another domain only. One that is no HVM domain has nothing that a device model could do, and that is no error. */
export const doDmOp: HypercallHandler = (x, v, [domid, nr, buffers]) => {
  if (!x.check('call.buffers', nr <= MAX_BUFFERS, nr)) return -ERRNO.E2BIG;
  if (!copyFromGuest(x, v, buffers, BUFFER * nr)) return refuse(x, ERRNO.EFAULT, 'control.readable', buffers);
  const d = named(x, domid & 0xffff);
  if (!x.check('control.domain', d !== 0, domid & 0xffff)) return -ERRNO.ESRCH;
  return x.check('memory.other-domain', d !== x.domainOf(v), domid & 0xffff) ? 0 : -ERRNO.EPERM;
};
