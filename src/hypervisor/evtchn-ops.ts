// event_channel_op and its compat form: structures in, the operation, structures out. Xen's order of errors: -EFAULT for a structure
// that cannot be read, then what the operation finds, then -EFAULT again if the answer cannot be written (what was done stays done).

import { INVALID_MFN } from '../memory/addresses.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { ERRNO } from './abi/errno.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { resolveDomid, visibleDomid } from './domain.ts';
import {
  allocUnbound,
  anyDomain,
  bindInterdomain,
  bindIpi,
  bindVcpu,
  bindVirq,
  closePort,
  domainVcpu,
  resetPorts,
  sendPort,
  unmaskPort,
} from './event-channels.ts';
import { getPort, PORT, PORT_STATE, portExists } from './evtchn-ports.ts';
import { copyFromGuest, copyToGuest, fields, getGuest32 } from './guest-access.ts';
import type { HypercallArgs } from './hypercall-types.ts';
import { getPageAndType, putPageAndType } from './page-info.ts';
import { refuse } from './refuse.ts';
import { DOMAIN, PGT_writable_page } from './state.ts';
import type { Xen } from './xen.ts';

export const EVTCHNOP = {
  bind_interdomain: 0,
  bind_virq: 1,
  bind_pirq: 2,
  close: 3,
  send: 4,
  status: 5,
  alloc_unbound: 6,
  bind_ipi: 7,
  bind_vcpu: 8,
  unmask: 9,
  reset: 10,
  init_control: 11,
  expand_array: 12,
  set_priority: 13,
  reset_cont: 14,
} as const;
export const EVTCHNOPS = [
  'bind_interdomain',
  'bind_virq',
  'bind_pirq',
  'close',
  'send',
  'status',
  'alloc_unbound',
  'bind_ipi',
  'bind_vcpu',
  'unmask',
  'reset',
  'init_control',
  'expand_array',
  'set_priority',
  'reset_cont',
] as const;
/** EVTCHNSTAT_*, by state of the port. */
const STATUS_OF_STATE = [0, 0, 1, 2, 3, 4, 5] as const;
/** PIRQs a domain could name; none belongs to any domain of this machine. */
export const NR_PIRQS = 256;
/** Bytes of a control block of the FIFO interface: a word of flags, one unused, the heads of sixteen queues. */
const CONTROL_BLOCK = 72;

type Run = (x: Xen, v: number, a: DataView) => number;
interface Operation {
  /** Bytes of the structure. */
  readonly size: number;
  readonly run: Run;
  /** Where a positive result (a port) goes; the hypercall then answers 0. */
  readonly portAt?: number;
  /** The structure is written back on success. */
  readonly out?: boolean;
}
const u16 = (a: DataView, at: number): number => a.getUint16(at, true);
const u32 = (a: DataView, at: number): number => a.getUint32(at, true);

const OPERATIONS: Readonly<Record<number, Operation>> = {
  0: { size: 12, portAt: 8, run: (x, v, a) => bindInterdomain(x, x.domainOf(v), u16(a, 0), u32(a, 4)) },
  1: { size: 12, portAt: 8, run: (x, v, a) => bindVirq(x, x.domainOf(v), u32(a, 0), u32(a, 4)) },
  2: { size: 12, run: (x, _v, a) => bindPirq(x, u32(a, 0)) },
  3: { size: 4, run: (x, v, a) => closePort(x, x.domainOf(v), u32(a, 0)) },
  4: { size: 4, run: (x, v, a) => sendPort(x, x.domainOf(v), u32(a, 0)) },
  5: { size: 24, run: status, out: true },
  6: { size: 8, portAt: 4, run: offer },
  7: { size: 8, portAt: 4, run: (x, v, a) => bindIpi(x, x.domainOf(v), u32(a, 0)) },
  8: { size: 8, run: (x, v, a) => bindVcpu(x, x.domainOf(v), u32(a, 0), u32(a, 4)) },
  9: { size: 4, run: unmask },
  10: { size: 2, run: (x, v, a) => reset(x, v, a, false) },
  11: { size: 24, run: initControl },
  12: { size: 8, run: (x) => refuse(x, ERRNO.EOPNOTSUPP, 'event.two-level-only', EVTCHNOP.expand_array) },
  13: { size: 8, run: setPriority },
  14: { size: 2, run: (x, v, a) => reset(x, v, a, true) },
};

/** event_channel_op (32): (cmd, arg*). */
export function doEventChannelOp(x: Xen, v: number, args: HypercallArgs): number {
  return perform(x, v, args[0], args[1]);
}

/** event_channel_op_compat (16): {cmd u32, union +4}; the operations up to unmask. */
export function doEventChannelOpCompat(x: Xen, v: number, args: HypercallArgs): number {
  const cmd = getGuest32(x, v, args[0]);
  if (cmd === undefined || !copyFromGuest(x, v, args[0], 28))
    return refuse(x, ERRNO.EFAULT, 'event.argument-readable', args[0], 28);
  if (cmd > EVTCHNOP.unmask) return refuse(x, ERRNO.ENOSYS, 'event.operation-known', cmd);
  return perform(x, v, cmd, (args[0] + 4) >>> 0);
}

function perform(x: Xen, v: number, cmd: number, at: number): number {
  const op = OPERATIONS[cmd];
  if (!op) return refuse(x, ERRNO.ENOSYS, 'event.operation-known', cmd);
  const bytes = copyFromGuest(x, v, at, op.size);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'event.argument-readable', at, op.size);
  const a = fields(bytes);
  const result = op.run(x, v, a);
  if (result < 0 || (op.portAt === undefined && !op.out)) return result;
  if (op.portAt !== undefined) a.setUint32(op.portAt, result, true);
  if (!copyToGuest(x, v, at, bytes)) return refuse(x, ERRNO.EFAULT, 'event.argument-writable', at, op.size);
  return 0;
}

/** May the caller act on domain d? Its own, or any if it is privileged. */
const mayTarget = (x: Xen, v: number, d: number): boolean =>
  d === x.domainOf(v) || x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;

function offer(x: Xen, v: number, a: DataView): number {
  const domid = u16(a, 0),
    remote = u16(a, 2);
  const d = anyDomain(x, v, domid);
  if (d === 0) return refuse(x, ERRNO.ESRCH, 'event.domain-exists', domid);
  if (!x.check('event.own-domain', mayTarget(x, v, d), x.m.r32(d + DOMAIN.domid), x.domidOf(v)))
    return -ERRNO.EPERM;
  return allocUnbound(x, d, remote === DOMID_SELF ? x.domidOf(v) : resolveDomid(x, remote));
}

function bindPirq(x: Xen, pirq: number): number {
  if (pirq >= NR_PIRQS) return refuse(x, ERRNO.EINVAL, 'event.pirq-exists', pirq, NR_PIRQS);
  return refuse(x, ERRNO.EPERM, 'event.pirq-permitted', pirq);
}

function unmask(x: Xen, v: number, a: DataView): number {
  const d = x.domainOf(v),
    port = u32(a, 0);
  if (!x.check('event.port-exists', portExists(x, d, port), port, x.m.r32(d + DOMAIN.nrPorts)))
    return -ERRNO.EINVAL;
  x.act('event.unmasked', [port]);
  unmaskPort(x, d, port);
  return 0;
}

/** `resuming`: the number under which Xen goes on with a reset that takes long. Here none does, so there is none to go on with. */
function reset(x: Xen, v: number, a: DataView, resuming: boolean): number {
  const d = anyDomain(x, v, u16(a, 0));
  if (d === 0) return refuse(x, ERRNO.ESRCH, 'event.domain-exists', u16(a, 0));
  if (!x.check('event.own-domain', mayTarget(x, v, d), x.m.r32(d + DOMAIN.domid), x.domidOf(v)))
    return -ERRNO.EPERM;
  if (d !== x.domainOf(v)) return refuse(x, ERRNO.EINVAL, 'event.reset-paused', x.m.r32(d + DOMAIN.domid));
  if (!x.check('event.reset-begun', !resuming, x.m.r32(d + DOMAIN.domid))) return -ERRNO.EBUSY;
  x.act('event.reset', [x.m.r32(d + DOMAIN.domid)]);
  resetPorts(x, d);
  return 0;
}

/**
 * {control_gfn u64, offset u32 +8, vcpu u32 +12, link_bits u8 +16}: what is wrong with the control block is found before that there is no
 * FIFO interface to use it.
 */
function initControl(x: Xen, v: number, a: DataView): number {
  const d = x.domainOf(v),
    offset = u32(a, 8),
    vcpu = u32(a, 12);
  if (domainVcpu(x, d, vcpu) === 0) return refuse(x, ERRNO.ENOENT, 'event.vcpu-exists', vcpu);
  const fits = offset <= PAGE_SIZE - CONTROL_BLOCK && offset % 8 === 0;
  if (!x.check('event.control-fits', fits, offset, CONTROL_BLOCK)) return -ERRNO.EINVAL;
  const mfn = u32(a, 4) === 0 ? u32(a, 0) : INVALID_MFN;
  const usable = x.frames.exists(mfn) && getPageAndType(x, mfn, d, PGT_writable_page);
  if (!x.check('event.control-frame', usable, mfn)) return -ERRNO.EINVAL;
  putPageAndType(x, mfn);
  return refuse(x, ERRNO.ENOSYS, 'event.two-level-only', EVTCHNOP.init_control);
}

/** {port u32, priority u32 +4}. */
function setPriority(x: Xen, v: number, a: DataView): number {
  const d = x.domainOf(v),
    port = u32(a, 0);
  if (!x.check('event.port-exists', portExists(x, d, port), port, x.m.r32(d + DOMAIN.nrPorts)))
    return -ERRNO.EINVAL;
  return refuse(x, ERRNO.ENOSYS, 'event.two-level-only', EVTCHNOP.set_priority);
}

function status(x: Xen, v: number, a: DataView): number {
  const domid = u16(a, 0),
    port = u32(a, 4);
  const d = anyDomain(x, v, domid);
  if (d === 0) return refuse(x, ERRNO.ESRCH, 'event.domain-exists', domid);
  if (!x.check('event.port-exists', portExists(x, d, port), port, x.m.r32(d + DOMAIN.nrPorts)))
    return -ERRNO.EINVAL;
  if (!mayTarget(x, v, d))
    return refuse(x, ERRNO.EPERM, 'event.own-domain', x.m.r32(d + DOMAIN.domid), x.domidOf(v));
  const state = getPort(x, d, port, PORT.state);
  a.setUint32(8, STATUS_OF_STATE[state] ?? 0, true);
  a.setUint32(12, getPort(x, d, port, PORT.vcpu), true);
  const remote = visibleDomid(x, getPort(x, d, port, PORT.remoteDomid));
  if (state === PORT_STATE.unbound || state === PORT_STATE.interdomain) a.setUint16(16, remote, true);
  if (state === PORT_STATE.interdomain) a.setUint32(20, getPort(x, d, port, PORT.remotePort), true);
  if (state === PORT_STATE.virq) a.setUint32(16, getPort(x, d, port, PORT.virq), true);
  return 0;
}
