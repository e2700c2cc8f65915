// I/O ports of a guest: who may touch them (virtual IOPL, then the guest's own I/O bitmap) and what an unprivileged domain finds there.
// No port is real for it: unowned ports read as all ones and swallow writes. That goes for the timer's ports 0x42, 0x43 and 0x61 too: the
// virtual PIT of a PV domain is domain 0's alone.

import { copyFromGuest } from './guest-access.ts';
import { inKernel } from './selectors.ts';
import { DOMAIN, XVCPU, xv } from './state.ts';
import { VMASST } from './vm-assist.ts';
import type { Xen } from './xen.ts';

const CMOS_INDEX = 0x70,
  PCI_ADDRESS = 0xcf8;

/** Receives the linear address of an I/O bitmap that is not mapped. */
export interface IoFault {
  cr2: number | undefined;
}

/** The virtual privilege level compared with the virtual IOPL: a kernel is 1, or 0 with the assist; a user 3. */
function virtualCpl(x: Xen, v: number): number {
  if (!inKernel(x, v)) return 3;
  return (x.m.r32(x.domainOf(v) + DOMAIN.vmAssist) >>> VMASST.architecturalIopl) & 1 ? 0 : 1;
}
export const ioplAllows = (x: Xen, v: number): boolean => virtualCpl(x, v) <= x.m.r32(xv(v) + XVCPU.iopl);

/** May v use `size` bits of ports from `port`? Writes the check; an unreadable bitmap is a page fault instead. */
export function portPermitted(x: Xen, v: number, port: number, size: number, fault: IoFault): boolean {
  const bytes = size / 8;
  if (ioplAllows(x, v)) return x.check('io.permitted', true, port, bytes, x.m.r32(xv(v) + XVCPU.iopl));
  if (port + bytes <= x.m.r32(xv(v) + XVCPU.iobmpPorts)) {
    const at = (x.m.r32(xv(v) + XVCPU.iobmp) + (port >>> 3)) >>> 0;
    const word = copyFromGuest(x, v, at, 2);
    if (!word) {
      fault.cr2 = at;
      return false;
    }
    const mask = ((1 << bytes) - 1) << (port & 7);
    if (((word[0]! | (word[1]! << 8)) & mask) === 0)
      return x.check('io.permitted', true, port, bytes, x.m.r32(xv(v) + XVCPU.iopl));
  }
  return x.check('io.permitted', false, port, bytes, x.m.r32(xv(v) + XVCPU.iopl));
}

/** One byte of a port nobody owns: the CMOS index answers, everything else is empty. */
const readByte = (x: Xen, d: number, port: number): number =>
  port === CMOS_INDEX ? x.m.r32(d + DOMAIN.cmosIndex) : 0xff;

/** Reads a port byte by byte, as Xen does; the PCI address latch answers 32-bit accesses only. */
export function readPort(x: Xen, v: number, port: number, size: number): number {
  const d = x.domainOf(v);
  if (port === PCI_ADDRESS && size === 32) return x.m.r32(d + DOMAIN.configLatch);
  let value = 0;
  for (let i = 0; i < size / 8; i++) value |= readByte(x, d, port + i) << (8 * i);
  return value >>> 0;
}

/** Writes a port: only the two latches remember. */
export function writePort(x: Xen, v: number, port: number, size: number, value: number): void {
  const d = x.domainOf(v);
  if (port === PCI_ADDRESS && size === 32) x.m.w32(d + DOMAIN.configLatch, value);
  else {
    const byte = CMOS_INDEX - port;
    if (byte >= 0 && byte < size / 8) x.m.w32(d + DOMAIN.cmosIndex, (value >>> (8 * byte)) & 0x7f);
  }
}
