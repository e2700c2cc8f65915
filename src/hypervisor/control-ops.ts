// The control interfaces of a toolstack (sysctl, domctl, platform_op) as a domain meets them, in Xen's order of refusals: the structure must
// be readable, carry this release's interface version, name a domain that exists, and come from a privileged domain.

import { ERRNO } from './abi/errno.ts';
import { DOMID_INVALID, DOMID_IO } from './abi/domid.ts';
import { resolveDomid } from './domain.ts';
import { copyFromGuest, copyToGuest, fields } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { DOMAIN, findDomain } from './state.ts';
import type { Xen } from './xen.ts';

/** Interface versions of Xen 4.17. */
const SYSCTL_VERSION = 0x15,
  DOMCTL_VERSION = 0x15,
  PLATFORM_VERSION = 0x03000000;
const SYSCTL_SIZE = 136,
  DOMCTL_SIZE = 144,
  PLATFORM_SIZE = 136;
const SYSCTL_physinfo = 3,
  SYSCTL_sched_id = 4;

const privileged = (x: Xen, v: number): boolean => x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;

/** Reads the structure and checks its version; a negative errno, or the bytes. */
function open(x: Xen, v: number, arg: number, size: number, version: number): Uint8Array | number {
  const bytes = copyFromGuest(x, v, arg, size);
  if (!bytes) {
    x.check('control.readable', false, arg);
    return -ERRNO.EFAULT;
  }
  const found = fields(bytes).getUint32(4, true);
  return x.check('control.version', found === version, found, version) ? bytes : -ERRNO.EACCES;
}

/** sysctl(op*): of the commands only physinfo and sched_id exist here. */
export const doSysctl: HypercallHandler = (x, v, [arg]) => {
  const bytes = open(x, v, arg, SYSCTL_SIZE, SYSCTL_VERSION);
  if (typeof bytes === 'number') return bytes;
  if (!x.check('control.privilege', privileged(x, v), 35)) return -ERRNO.EPERM;
  const f = fields(bytes);
  const cmd = f.getUint32(0, true);
  if (cmd === SYSCTL_physinfo) {
    bytes.fill(0, 8);
    for (const [at, value] of [
      [0, 1],
      [4, 1],
      [8, 1],
      [12, 0],
      [16, 1],
      [24, 100_000],
      [28, 2],
    ] as const)
      f.setUint32(8 + at, value, true);
    f.setUint32(8 + 40, x.m.nrFrames, true);
    return x.check('control.writable', copyToGuest(x, v, arg, bytes), arg) ? 0 : -ERRNO.EFAULT;
  }
  if (cmd === SYSCTL_sched_id) {
    f.setUint32(8, 5, true);
    return x.check('control.writable', copyToGuest(x, v, arg, bytes), arg) ? 0 : -ERRNO.EFAULT;
  }
  x.check('control.command', false, cmd, 35);
  return -ERRNO.ENOSYS;
};

/** Commands that make a domain, or look for one themselves: the number in the structure need not be one that exists. */
const WITHOUT_DOMAIN: readonly number[] = [1, 5, 1000];
/** Commands that may be about no domain (DOMID_INVALID), and those that may be about the owner of devices (DOMID_IO). */
const DOMCTL_vm_event_op = 56,
  DOMCTL_test_assign_device = 45,
  DOMCTL_assign_device = 37,
  DOMCTL_deassign_device = 47;
function domctlDomain(x: Xen, cmd: number, domid: number): boolean {
  if (WITHOUT_DOMAIN.includes(cmd)) return true;
  const device = cmd === DOMCTL_assign_device || cmd === DOMCTL_deassign_device;
  if (domid === DOMID_IO && device) return true;
  const open = cmd === DOMCTL_vm_event_op || cmd === DOMCTL_test_assign_device;
  return (domid === DOMID_INVALID && open) || findDomain(x.m, resolveDomid(x, domid)) !== 0;
}

/** domctl(op*): domains are made from outside the machine, so no command exists. Whether the domain does is asked before the privilege. */
export const doDomctl: HypercallHandler = (x, v, [arg]) => {
  const bytes = open(x, v, arg, DOMCTL_SIZE, DOMCTL_VERSION);
  if (typeof bytes === 'number') return bytes;
  const f = fields(bytes);
  const cmd = f.getUint32(0, true),
    domid = f.getUint16(8, true);
  if (!x.check('control.domain', domctlDomain(x, cmd, domid), domid)) return -ERRNO.ESRCH;
  if (!x.check('control.privilege', privileged(x, v), 36)) return -ERRNO.EPERM;
  x.check('control.command', false, cmd, 36);
  return -ERRNO.ENOSYS;
};

/** platform_op(op*). */
export const doPlatformOp: HypercallHandler = (x, v, [arg]) => {
  const bytes = open(x, v, arg, PLATFORM_SIZE, PLATFORM_VERSION);
  if (typeof bytes === 'number') return bytes;
  if (!x.check('control.privilege', privileged(x, v), 7)) return -ERRNO.EPERM;
  x.check('control.command', false, fields(bytes).getUint32(0, true), 7);
  return -ERRNO.ENOSYS;
};

/** Calls for the privileged or for things this machine does not have. */
export const doPrivilegedOnly: HypercallHandler = (x, v, [cmd]) => {
  if (!x.check('control.privilege', privileged(x, v), cmd)) return -ERRNO.EPERM;
  x.check('call.absent', false, cmd);
  return -ERRNO.ENOSYS;
};
export const doAbsent: HypercallHandler = (x, _v, [cmd]) => {
  x.check('call.absent', false, cmd);
  return -ERRNO.ENOSYS;
};
export const doUnsupported: HypercallHandler = (x, _v, [cmd]) => {
  x.check('call.unsupported', false, cmd);
  return -ERRNO.EOPNOTSUPP;
};
