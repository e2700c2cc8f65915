// physdev_op as an ordinary domain may use it: the virtual IOPL and the I/O bitmap. It owns no interrupt lines and no devices.

import { ERRNO } from './abi/errno.ts';
import { copyFromGuest, fields } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { DOMAIN, XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const PHYSDEVOP = {
  irqStatusQuery: 5,
  setIopl: 6,
  setIobitmap: 7,
  apicRead: 8,
  apicWrite: 9,
  allocIrqVector: 10,
  eoi: 12,
  mapPirq: 13,
  unmapPirq: 14,
  managePciAdd: 15,
  managePciRemove: 16,
  pirqEoiGmfnV1: 17,
  setupGsi: 21,
  getFreePirq: 23,
  pciMmcfgReserved: 24,
  pciDeviceAdd: 25,
  pciDeviceRemove: 26,
  pirqEoiGmfnV2: 28,
} as const;
const PRIVILEGED: readonly number[] = [
  PHYSDEVOP.apicRead,
  PHYSDEVOP.apicWrite,
  PHYSDEVOP.allocIrqVector,
  PHYSDEVOP.managePciAdd,
  PHYSDEVOP.managePciRemove,
  PHYSDEVOP.setupGsi,
  PHYSDEVOP.pciMmcfgReserved,
  PHYSDEVOP.pciDeviceAdd,
  PHYSDEVOP.pciDeviceRemove,
];
const INTERRUPT_LINE: readonly number[] = [
  PHYSDEVOP.irqStatusQuery,
  PHYSDEVOP.eoi,
  PHYSDEVOP.unmapPirq,
  PHYSDEVOP.mapPirq,
];
const MAX_PORTS = 65536;

function read(x: Xen, v: number, arg: number, size: number): DataView | undefined {
  const bytes = copyFromGuest(x, v, arg, size);
  if (!bytes) x.check('physdev.readable', false, arg);
  return bytes ? fields(bytes) : undefined;
}

function setIopl(x: Xen, v: number, arg: number): number {
  const f = read(x, v, arg, 4);
  if (!f) return -ERRNO.EFAULT;
  const iopl = f.getUint32(0, true);
  if (!x.check('physdev.iopl', iopl <= 3, iopl)) return -ERRNO.EINVAL;
  x.m.w32(xv(v) + XVCPU.iopl, iopl);
  x.act('physdev.set-iopl', [iopl]);
  return 0;
}

function setIobitmap(x: Xen, v: number, arg: number): number {
  const f = read(x, v, arg, 8);
  if (!f) return -ERRNO.EFAULT;
  const bitmap = f.getUint32(0, true),
    ports = f.getUint32(4, true);
  if (!x.check('physdev.bitmap-size', ports <= MAX_PORTS, ports)) return -ERRNO.EINVAL;
  x.m.w32(xv(v) + XVCPU.iobmp, bitmap);
  x.m.w32(xv(v) + XVCPU.iobmpPorts, ports);
  x.act('physdev.set-bitmap', [bitmap, ports]);
  return 0;
}

/** physdev_op(cmd, arg*). */
export const doPhysdevOp: HypercallHandler = (x, v, [cmd, arg]) => {
  if (cmd === PHYSDEVOP.setIopl) return setIopl(x, v, arg);
  if (cmd === PHYSDEVOP.setIobitmap) return setIobitmap(x, v, arg);
  if (INTERRUPT_LINE.includes(cmd)) {
    const f = read(x, v, arg, 8);
    if (!f) return -ERRNO.EFAULT;
    x.check('physdev.owns-line', false, f.getUint32(0, true));
    return -ERRNO.EINVAL;
  }
  if (PRIVILEGED.includes(cmd)) {
    const privileged = x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;
    if (!x.check('control.privilege', privileged, 33)) return -ERRNO.EPERM;
  }
  x.check('physdev.command', false, cmd);
  return -ERRNO.ENOSYS;
};

/** physdev_op_compat(op*): the command stands in the structure, its arguments behind it. */
export const doPhysdevOpCompat: HypercallHandler = (x, v, args) => {
  const f = read(x, v, args[0], 4);
  if (!f) return -ERRNO.EFAULT;
  const cmd = f.getUint32(0, true);
  if (!x.check('physdev.command', cmd >= 4 && cmd <= 11, cmd)) return -ERRNO.ENOSYS;
  return doPhysdevOp(x, v, [cmd, (args[0] + 4) >>> 0, 0, 0, 0, 0]);
};
