// physdev_op as an ordinary domain may use it: the virtual IOPL and the I/O bitmap. It owns no interrupt lines and no devices, and is told so
// in Xen's order: the structure, then what it says, then the privilege.

import { ERRNO } from './abi/errno.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { resolveDomid } from './domain.ts';
import { NR_PIRQS } from './evtchn-ops.ts';
import { copyFromGuest, fields, nestedHandleOk, putGuest32 } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { refuse } from './refuse.ts';
import { DOMAIN, findDomain, XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const PHYSDEV_OP = 33;
const MAX_PORTS = 65536,
  BITMAP_BYTES = 8192;
/** Lines of interrupt controllers that a GSI may name. */
const NR_GSIS = 24;
const NEEDS_EOI = 1;

type Operation = (x: Xen, v: number, f: DataView, arg: number) => number;
const privileged = (x: Xen, v: number): boolean => x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;

function setIopl(x: Xen, v: number, f: DataView): number {
  const iopl = f.getUint32(0, true);
  if (!x.check('physdev.iopl', iopl <= 3, iopl)) return -ERRNO.EINVAL;
  x.m.w32(xv(v) + XVCPU.iopl, iopl);
  x.act('physdev.set-iopl', [iopl]);
  return 0;
}

function setIobitmap(x: Xen, v: number, f: DataView): number {
  const bitmap = f.getUint32(0, true),
    ports = f.getUint32(4, true);
  if (!x.check('physdev.bitmap-place', nestedHandleOk(bitmap, BITMAP_BYTES), bitmap)) return -ERRNO.EINVAL;
  if (!x.check('physdev.bitmap-size', ports <= MAX_PORTS, ports)) return -ERRNO.EINVAL;
  x.m.w32(xv(v) + XVCPU.iobmp, bitmap);
  x.m.w32(xv(v) + XVCPU.iobmpPorts, ports);
  x.act('physdev.set-bitmap', [bitmap, ports]);
  return 0;
}

/** Whoever asks is told that an interrupt needs an EOI: not to say so is for what Xen knows to be otherwise. */
function irqStatusQuery(x: Xen, v: number, f: DataView, arg: number): number {
  const irq = f.getUint32(0, true);
  if (!x.check('event.pirq-exists', irq < NR_PIRQS, irq, NR_PIRQS)) return -ERRNO.EINVAL;
  return x.check('physdev.writable', putGuest32(x, v, arg + 4, NEEDS_EOI), arg) ? 0 : -ERRNO.EFAULT;
}

/** An interrupt line of the caller's own; it has none. */
const noLine: Operation = (x, _v, f) => refuse(x, ERRNO.EINVAL, 'physdev.owns-line', f.getUint32(0, true));

/** {domid u16, …}: lines are given and taken by those who may give them, not by their owner. */
const pirqOf: Operation = (x, v, f) => {
  const domid = f.getUint16(0, true);
  const d = domid === DOMID_SELF ? x.domainOf(v) : findDomain(x.m, resolveDomid(x, domid));
  if (!x.check('control.domain', d !== 0, domid)) return -ERRNO.ESRCH;
  return forHardware(x, v, f, 0);
};
/** Only the domain that has the hardware; and what it would do with it does not exist. */
const forHardware: Operation = (x, v) => {
  if (!x.check('control.privilege', privileged(x, v), PHYSDEV_OP)) return -ERRNO.EPERM;
  return refuse(x, ERRNO.ENOSYS, 'physdev.command', PHYSDEV_OP);
};
const noDevice: Operation = (x) => refuse(x, ERRNO.ENODEV, 'physdev.device');
const pciAddExt: Operation = (x, v, f) => {
  const sane = f.getUint32(4, true) <= 1 && f.getUint32(8, true) <= 1;
  return sane ? forHardware(x, v, f, 0) : refuse(x, ERRNO.EINVAL, 'physdev.device');
};
const setupGsi: Operation = (x, v, f) => {
  const gsi = f.getUint32(0, true);
  return gsi < NR_GSIS ? forHardware(x, v, f, 0) : refuse(x, ERRNO.EINVAL, 'physdev.owns-line', gsi);
};

/** By command: bytes of the structure, what to do; `first`: the privilege is asked for before the structure is looked at. */
const OPERATIONS: Readonly<Record<number, readonly [size: number, Operation, first?: true]>> = {
  4: [0, () => 0], // IRQ_UNMASK_NOTIFY: unmasks every line the domain has
  5: [8, irqStatusQuery],
  6: [4, setIopl],
  7: [8, setIobitmap],
  8: [12, forHardware], // apic_read
  9: [12, forHardware], // apic_write
  10: [8, forHardware], // alloc_irq_vector
  12: [4, noLine], // eoi
  13: [36, pirqOf], // map_pirq
  14: [8, pirqOf], // unmap_pirq
  15: [2, forHardware], // manage_pci_add
  16: [2, forHardware], // manage_pci_remove
  19: [2, noDevice], // restore_msi
  20: [16, pciAddExt], // manage_pci_add_ext
  21: [8, setupGsi], // setup_gsi
  24: [16, forHardware, true], // pci_mmcfg_reserved
  25: [12, forHardware], // pci_device_add
  26: [4, forHardware], // pci_device_remove
  27: [4, noDevice], // restore_msi_ext
  29: [8, forHardware, true], // dbgp_op
  30: [4, forHardware], // prepare_msix
  31: [4, forHardware], // release_msix
};

/** physdev_op(cmd, arg*). */
export const doPhysdevOp: HypercallHandler = (x, v, [cmd, arg]) => {
  const entry = OPERATIONS[cmd];
  if (!entry) return refuse(x, ERRNO.ENOSYS, 'physdev.command', cmd);
  const [size, run, first] = entry;
  if (first && !x.check('control.privilege', privileged(x, v), PHYSDEV_OP)) return -ERRNO.EPERM;
  const bytes = copyFromGuest(x, v, arg, size);
  return bytes ? run(x, v, fields(bytes), arg) : refuse(x, ERRNO.EFAULT, 'physdev.readable', arg);
};

/** Bytes of the old structure, and the commands that the old call knows. */
const COMPAT_SIZE = 16,
  FIRST_COMPAT = 4,
  LAST_COMPAT = 10;
/** physdev_op_compat(op*): the command stands in the structure, its arguments behind it. */
export const doPhysdevOpCompat: HypercallHandler = (x, v, args) => {
  const bytes = copyFromGuest(x, v, args[0], COMPAT_SIZE);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'physdev.readable', args[0]);
  const cmd = fields(bytes).getUint32(0, true);
  if (!x.check('physdev.command', cmd >= FIRST_COMPAT && cmd <= LAST_COMPAT, cmd)) return -ERRNO.ENOSYS;
  return doPhysdevOp(x, v, [cmd, (args[0] + 4) >>> 0, 0, 0, 0, 0]);
};
