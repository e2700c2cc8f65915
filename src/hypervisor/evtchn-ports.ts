// The port table of a domain: what each event channel port is bound to. It grows in Xen frames charged to the domain, one frame of 128
// ports at a time, up to the 1024 ports of the two-level ABI. Port 0 is reserved and never given out.

import { INVALID_MFN } from '../memory/addresses.ts';
import { layout } from '../memory/layout.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { ERRNO } from './abi/errno.ts';
import { allocXenFrame, freeXenFrame } from './page-alloc.ts';
import { DOMAIN, XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

/** One port, 32 bytes. */
export const PORT = layout('PORT', {
  state: 'u32', // PORT_STATE
  vcpu: 'u32', // notify_vcpu: who is told
  remoteDomid: 'u32', // unbound: who may bind; interdomain: the other end
  remotePort: 'u32', // interdomain
  virq: 'u32', // virq
  lastEvent: 'u32', // seq of the event record that set it pending last
  unused: ['u32', 2],
});
export const PORT_STATE = {
  free: 0,
  reserved: 1,
  unbound: 2,
  interdomain: 3,
  pirq: 4,
  virq: 5,
  ipi: 6,
} as const;
export const PORT_STATES = ['free', 'reserved', 'unbound', 'interdomain', 'pirq', 'virq', 'ipi'] as const;

/** Ports of the two-level ABI on 32 bits: 32 words of 32 bits. */
export const MAX_PORTS = 1024;
/** Ports come into being by the frame; EVTCHNOP_status sees this boundary. */
export const PORTS_PER_FRAME = PAGE_SIZE / PORT.$size;

/** True if `port` lies inside the table of domain d, whatever its state. */
export const portExists = (x: Xen, d: number, port: number): boolean =>
  port >>> 0 < x.m.r32(d + DOMAIN.nrPorts);

/** Machine address of the record of a port that exists. */
export const portAt = (x: Xen, d: number, port: number): number =>
  x.m.r32(d + DOMAIN.evtchnFrames + 4 * Math.floor(port / PORTS_PER_FRAME)) * PAGE_SIZE +
  (port % PORTS_PER_FRAME) * PORT.$size;

/** A field of a port that exists: offsets of PORT. */
export const getPort = (x: Xen, d: number, port: number, field: number): number =>
  x.frames.read32(portAt(x, d, port) + field);
export const setPort = (x: Xen, d: number, port: number, field: number, value: number): void =>
  x.frames.write32(portAt(x, d, port) + field, value);

/** State of any port number: free for one that does not exist. */
export const portState = (x: Xen, d: number, port: number): number =>
  portExists(x, d, port) ? getPort(x, d, port, PORT.state) : PORT_STATE.free;

function grow(x: Xen, d: number): boolean {
  const nr = x.m.r32(d + DOMAIN.nrPorts);
  const mfn = allocXenFrame(x, d);
  if (mfn === INVALID_MFN) return false;
  x.m.w32(d + DOMAIN.evtchnFrames + 4 * (nr / PORTS_PER_FRAME), mfn);
  x.m.w32(d + DOMAIN.nrPorts, nr + PORTS_PER_FRAME);
  if (nr === 0) setPort(x, d, 0, PORT.state, PORT_STATE.reserved);
  x.act('event.table-grown', [nr + PORTS_PER_FRAME, mfn]);
  return true;
}

/** The lowest free port of domain d, the table grown if need be: a port number, or -ENOSPC or -ENOMEM. The port stays free. */
export function freePort(x: Xen, d: number): number {
  const nr = x.m.r32(d + DOMAIN.nrPorts);
  for (let port = Math.max(1, x.m.r32(d + DOMAIN.firstPortHint)); port < nr; port++) {
    if (getPort(x, d, port, PORT.state) === PORT_STATE.free) {
      x.m.w32(d + DOMAIN.firstPortHint, port);
      return port;
    }
  }
  if (!x.check('event.port-left', nr < MAX_PORTS, nr)) return -ERRNO.ENOSPC;
  if (!grow(x, d)) {
    x.check('event.table-memory', false, nr);
    return -ERRNO.ENOMEM;
  }
  const port = nr === 0 ? 1 : nr;
  x.m.w32(d + DOMAIN.firstPortHint, port);
  return port;
}

/** Makes a port free again; its peer, its VIRQ slot and its pending bit are the caller's business. */
export function releasePort(x: Xen, d: number, port: number): void {
  const at = portAt(x, d, port);
  for (let i = 0; i < PORT.$size; i += 4) x.frames.write32(at + i, 0);
  if (port < x.m.r32(d + DOMAIN.firstPortHint)) x.m.w32(d + DOMAIN.firstPortHint, port);
}

/** Gives the frames of a port table back. Every port must have been closed. */
export function freePortTable(x: Xen, d: number): void {
  const frames = x.m.r32(d + DOMAIN.nrPorts) / PORTS_PER_FRAME;
  x.m.w32(d + DOMAIN.nrPorts, 0);
  x.m.w32(d + DOMAIN.firstPortHint, 0);
  for (let i = 0; i < frames; i++) {
    freeXenFrame(x, x.m.r32(d + DOMAIN.evtchnFrames + 4 * i), d);
    x.m.w32(d + DOMAIN.evtchnFrames + 4 * i, 0);
  }
}

// The bits that Xen and guest share: evtchn_pending and evtchn_mask in shared_info, the upcall words in each vCPU's vcpu_info.
const SHARED_PENDING = 0x800,
  SHARED_MASK = 0x880;
export const VCPU_INFO = layout('VCPU_INFO', {
  upcallPending: 'u8',
  upcallMask: 'u8',
  pad: 'u16',
  pendingSel: 'u32',
  cr2: 'u32',
  archPad: ['u32', 5],
  time: ['u8', 32],
});

const wordAt = (x: Xen, d: number, array: number, port: number): number =>
  x.m.r32(d + DOMAIN.sharedInfoMfn) * PAGE_SIZE + array + 4 * (port >>> 5);
function testAndSet(x: Xen, maddr: number, bit: number): boolean {
  const old = x.frames.read32(maddr);
  if ((old >>> bit) & 1) return true;
  x.frames.write32(maddr, old | (1 << bit));
  return false;
}
function testAndClear(x: Xen, maddr: number, bit: number): boolean {
  const old = x.frames.read32(maddr);
  if (((old >>> bit) & 1) === 0) return false;
  x.frames.write32(maddr, old & ~(1 << bit));
  return true;
}
export const isPending = (x: Xen, d: number, port: number): boolean =>
  ((x.frames.read32(wordAt(x, d, SHARED_PENDING, port)) >>> (port & 31)) & 1) === 1;
export const isMasked = (x: Xen, d: number, port: number): boolean =>
  ((x.frames.read32(wordAt(x, d, SHARED_MASK, port)) >>> (port & 31)) & 1) === 1;
/** Each returns the bit's value before. */
export const testAndSetPending = (x: Xen, d: number, port: number): boolean =>
  testAndSet(x, wordAt(x, d, SHARED_PENDING, port), port & 31);
export const testAndClearPending = (x: Xen, d: number, port: number): boolean =>
  testAndClear(x, wordAt(x, d, SHARED_PENDING, port), port & 31);
export const testAndClearMask = (x: Xen, d: number, port: number): boolean =>
  testAndClear(x, wordAt(x, d, SHARED_MASK, port), port & 31);
/** Sets bit `word` of v's evtchn_pending_sel. */
export const testAndSetSelector = (x: Xen, v: number, word: number): boolean =>
  testAndSet(x, vcpuInfo(x, v) + VCPU_INFO.pendingSel, word);
/** Machine address of v's struct vcpu_info. */
export const vcpuInfo = (x: Xen, v: number): number => x.m.r32(xv(v) + XVCPU.vcpuInfoMaddr);
