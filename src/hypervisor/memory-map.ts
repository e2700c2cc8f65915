// The E820 map that a domain is told (XENMEM_memory_map): what was set for it, or one range of RAM as large as the builder allowed. Xen only
// keeps it; nothing is decided by it. The entries set lie in frames of Xen that the domain is charged for.

import { INVALID_MFN } from '../memory/addresses.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { ERRNO } from './abi/errno.ts';
import { resolveDomid } from './domain.ts';
import { copyFromGuest, copyToGuest, fields, nestedHandleOk, putGuest32 } from './guest-access.ts';
import { isPrivileged } from './memory-common.ts';
import { allocXenFrame } from './page-alloc.ts';
import { ok } from './page-info.ts';
import { refuse } from './refuse.ts';
import { DOMAIN, findDomain } from './state.ts';
import type { Xen } from './xen.ts';

/** Bytes of an entry: address u64, size u64, type u32; and the most entries a map may have. */
const E820_ENTRY = 20,
  E820_MAX = 1024,
  E820_RAM = 1;

const frameAt = (d: number, i: number): number => d + DOMAIN.memoryMapFrames + 4 * i;

/** A map of `pages` pages of RAM from 0 on. */
function oneRange(pages: number): Uint8Array {
  const entry = new DataView(new ArrayBuffer(E820_ENTRY));
  const size = pages * PAGE_SIZE;
  entry.setUint32(8, size >>> 0, true);
  entry.setUint32(12, Math.floor(size / 0x1_0000_0000), true);
  entry.setUint32(16, E820_RAM, true);
  return new Uint8Array(entry.buffer);
}

/** The map of domain d as bytes, entry after entry. */
function stored(x: Xen, d: number): Uint8Array {
  const { m } = x;
  const entries = m.r32(d + DOMAIN.memoryMapEntries);
  if (entries === 0) return oneRange(m.r32(d + DOMAIN.memoryMapPages) || m.r32(d + DOMAIN.maxPages));
  const bytes = new Uint8Array(entries * E820_ENTRY);
  for (let at = 0; at < bytes.length; at += PAGE_SIZE) {
    const n = Math.min(PAGE_SIZE, bytes.length - at);
    bytes.set(x.frames.copyOut(m.r32(frameAt(d, at / PAGE_SIZE)) * PAGE_SIZE, n), at);
  }
  return bytes;
}

/** XENMEM_memory_map: {nr_entries in and out, buffer*}; as many entries as fit. */
export function getMemoryMap(x: Xen, v: number, arg: number): number {
  const bytes = copyFromGuest(x, v, arg, 8);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
  return tell(x, v, arg, fields(bytes), stored(x, x.domainOf(v)));
}
function tell(x: Xen, v: number, arg: number, f: DataView, map: Uint8Array): number {
  const n = Math.min(f.getUint32(0, true), map.length / E820_ENTRY);
  const buffer = f.getUint32(4, true);
  const written =
    nestedHandleOk(buffer, n * E820_ENTRY) &&
    copyToGuest(x, v, buffer, map.subarray(0, n * E820_ENTRY)) &&
    putGuest32(x, v, arg, n);
  return ok(x, 'memory.list', written, buffer) ? 0 : -ERRNO.EFAULT;
}

/** XENMEM_machine_memory_map, the same of the whole machine: its RAM is one range. */
export function getMachineMemoryMap(x: Xen, v: number, arg: number, cmd: number): number {
  const bytes = copyFromGuest(x, v, arg, 8);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
  if (!x.check('memory.privileged', isPrivileged(x, v), cmd)) return -ERRNO.EPERM;
  return tell(x, v, arg, fields(bytes), oneRange(x.m.nrFrames));
}

/** XENMEM_set_memory_map: {domid u16, nr_entries, buffer*}; a domain may do it for itself. */
export function setMemoryMap(x: Xen, v: number, arg: number): number {
  const { m } = x;
  const bytes = copyFromGuest(x, v, arg, 12);
  if (!bytes) return refuse(x, ERRNO.EFAULT, 'memory.argument', arg);
  const f = fields(bytes);
  const domid = f.getUint16(0, true),
    entries = f.getUint32(4, true),
    buffer = f.getUint32(8, true);
  if (!ok(x, 'memory.map-size', entries <= E820_MAX, entries)) return -ERRNO.EINVAL;
  const self = x.domainOf(v);
  const d = domid === DOMID_SELF ? self : findDomain(m, resolveDomid(x, domid));
  if (!ok(x, 'memory.domain', d !== 0, domid)) return -ERRNO.ESRCH;
  if (!x.check('memory.domain', d === self || m.r32(self + DOMAIN.privileged) !== 0, domid))
    return -ERRNO.EPERM;
  const length = entries * E820_ENTRY;
  const map = nestedHandleOk(buffer, length) ? copyFromGuest(x, v, buffer, length) : null;
  if (!map) return refuse(x, ERRNO.EFAULT, 'memory.list', buffer);
  if (!ok(x, 'memory.xen-frames', reserve(x, d, Math.ceil(length / PAGE_SIZE)), length)) return -ERRNO.ENOMEM;
  for (let at = 0; at < length; at += PAGE_SIZE)
    x.frames.copyIn(m.r32(frameAt(d, at / PAGE_SIZE)) * PAGE_SIZE, map.subarray(at, at + PAGE_SIZE));
  m.w32(d + DOMAIN.memoryMapEntries, entries);
  x.act('memory.map-set', [m.r32(d + DOMAIN.domid), entries]);
  return 0;
}

/** Makes sure of `count` frames for d's map; frames it has already are kept, also when there are no more. */
function reserve(x: Xen, d: number, count: number): boolean {
  for (let i = 0; i < count; i++) {
    if (x.m.r32(frameAt(d, i)) !== 0) continue;
    const mfn = allocXenFrame(x, d);
    if (mfn === INVALID_MFN) return false;
    x.m.w32(frameAt(d, i), mfn);
  }
  return true;
}
