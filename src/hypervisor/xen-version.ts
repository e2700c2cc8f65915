// xen_version: who the hypervisor is. Every output buffer is zero before anything is written into it. The commands with buffers of variable
// length (11 to 14) came after 4.17.

import { ERRNO } from './abi/errno.ts';
import { copyFromGuest, copyToGuest, fields, HYPERVISOR_VIRT_START } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { DOMAIN } from './state.ts';
import { VMASST } from './vm-assist.ts';
import type { Xen } from './xen.ts';

export const XEN_MAJOR = 4,
  XEN_MINOR = 17;
export const EXTRAVERSION = '.0-ringside',
  CAPABILITIES = 'xen-3.0-x86_32p ',
  CHANGESET = 'unavailable';
const COMPILER = 'Ringside',
  COMMANDLINE = '',
  DENIED = '<denied>';

const CMD = {
  version: 0,
  extraversion: 1,
  compileInfo: 2,
  capabilities: 3,
  changeset: 4,
  platformParameters: 5,
  getFeatures: 6,
  pagesize: 7,
  guestHandle: 8,
  commandline: 9,
  buildId: 10,
} as const;

/** XENFEAT_* bits of submap 0 for a PV guest of 4.17. */
const XENFEAT = {
  paePgdirAbove4gb: 4,
  mmuPtUpdatePreserveAd: 5,
  highmemAssist: 6,
  gnttabMapAvailBits: 7,
  dom0: 11,
  memoryOpVnodeSupported: 13,
  directMapped: 17,
} as const;

const put = (x: Xen, v: number, arg: number, bytes: Uint8Array): number =>
  x.check('version.writable', copyToGuest(x, v, arg, bytes), arg, bytes.length) ? 0 : -ERRNO.EFAULT;

function ascii(text: string, size: number, at = 0, into = new Uint8Array(size)): Uint8Array {
  for (let i = 0; i < text.length && at + i < into.length - 1; i++) into[at + i] = text.charCodeAt(i);
  return into;
}

function features(x: Xen, v: number): number {
  const d = x.domainOf(v);
  let bits =
    (1 << XENFEAT.mmuPtUpdatePreserveAd) |
    (1 << XENFEAT.highmemAssist) |
    (1 << XENFEAT.gnttabMapAvailBits) |
    (1 << XENFEAT.memoryOpVnodeSupported) |
    (1 << XENFEAT.directMapped);
  if ((x.m.r32(d + DOMAIN.vmAssist) >>> VMASST.paeExtendedCr3) & 1) bits |= 1 << XENFEAT.paePgdirAbove4gb;
  if (x.m.r32(d + DOMAIN.domid) === 0) bits |= 1 << XENFEAT.dom0;
  return bits;
}

function getFeatures(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 8);
  if (!x.check('version.readable', bytes !== null, arg) || !bytes) return -ERRNO.EFAULT;
  const f = fields(bytes);
  const index = f.getUint32(0, true);
  if (!x.check('version.submap', index === 0, index)) return -ERRNO.EINVAL;
  f.setUint32(4, features(x, v), true);
  return put(x, v, arg, bytes);
}

function compileInfo(): Uint8Array {
  const out = new Uint8Array(144);
  ascii(COMPILER, 0, 0, out);
  return out;
}

/** xen_version(cmd, arg*). */
export const doXenVersion: HypercallHandler = (x, v, [cmd, arg]) => {
  const d = x.domainOf(v);
  const privileged = x.m.r32(d + DOMAIN.privileged) !== 0;
  switch (cmd) {
    case CMD.version:
      return (XEN_MAJOR << 16) | XEN_MINOR;
    case CMD.extraversion:
      return put(x, v, arg, ascii(EXTRAVERSION, 16));
    case CMD.compileInfo:
      return put(x, v, arg, compileInfo());
    case CMD.capabilities:
      return put(x, v, arg, ascii(CAPABILITIES, 1024));
    case CMD.changeset:
      return put(x, v, arg, ascii(CHANGESET, 64));
    case CMD.platformParameters: {
      const bytes = new Uint8Array(4);
      fields(bytes).setUint32(0, HYPERVISOR_VIRT_START, true);
      return put(x, v, arg, bytes);
    }
    case CMD.getFeatures:
      return getFeatures(x, v, arg);
    case CMD.pagesize:
      return x.check('version.no-argument', arg === 0, arg) ? 4096 : -ERRNO.EINVAL;
    case CMD.guestHandle:
      return put(x, v, arg, x.m.copyOut(d + DOMAIN.handle, 16));
    case CMD.commandline:
      return put(x, v, arg, ascii(privileged ? COMMANDLINE : DENIED, 1024));
    case CMD.buildId:
      if (!x.check('version.privilege', privileged, cmd)) return -ERRNO.EPERM;
      x.check('version.build-id', false);
      return -ERRNO.ENODATA;
    default:
      x.check('version.command', false, cmd);
      return -ERRNO.ENOSYS;
  }
};
