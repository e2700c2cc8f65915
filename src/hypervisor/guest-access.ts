// Copies between the hypervisor and a guest's address space, honouring the guest's page tables as a supervisor (ring 1 counts as one)
// and CR0.WP = 1. Pointers are linear addresses; a range that wraps past 4 GiB fails. A failed copy is -EFAULT for the caller, never a fault
// of the guest, and nothing is written unless the whole range can be.

import type { Translation } from '../cpu/engine.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import type { Xen } from './xen.ts';

/** Machine pieces of [vaddr, vaddr+length): pairs of address and length, or null when some page refuses the access. */
function pieces(x: Xen, v: number, vaddr: number, length: number, access: 'r' | 'w'): number[] | null {
  vaddr >>>= 0;
  if (length < 0 || vaddr + length > 0x1_0000_0000) return null;
  const out: number[] = [];
  const t: Translation = { ok: false, maddr: 0, code: 0 };
  for (let done = 0; done < length; ) {
    const at = vaddr + done;
    const n = Math.min(length - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
    if (!x.mmu.translate(v, at >>> 0, access, false, t)) return null;
    out.push(t.maddr, n);
    done += n;
  }
  return out;
}

/** Reads `length` bytes at `vaddr` of vCPU v's address space; null = -EFAULT. */
export function copyFromGuest(x: Xen, v: number, vaddr: number, length: number): Uint8Array | null {
  const list = pieces(x, v, vaddr, length, 'r');
  if (!list) return null;
  const out = new Uint8Array(length);
  for (let i = 0, at = 0; i < list.length; i += 2) {
    out.set(x.frames.copyOut(list[i]!, list[i + 1]!), at);
    at += list[i + 1]!;
  }
  return out;
}

/** Writes `bytes` at `vaddr`; false = -EFAULT and nothing was written. */
export function copyToGuest(x: Xen, v: number, vaddr: number, bytes: Uint8Array): boolean {
  const list = pieces(x, v, vaddr, bytes.length, 'w');
  if (!list) return false;
  for (let i = 0, at = 0; i < list.length; i += 2) {
    x.frames.copyIn(list[i]!, bytes.subarray(at, at + list[i + 1]!));
    at += list[i + 1]!;
  }
  return true;
}

/** Reads one u32; undefined = -EFAULT. */
export function getGuest32(x: Xen, v: number, vaddr: number): number | undefined {
  const b = copyFromGuest(x, v, vaddr, 4);
  return b ? new DataView(b.buffer).getUint32(0, true) : undefined;
}
export function putGuest32(x: Xen, v: number, vaddr: number, value: number): boolean {
  const b = new Uint8Array(4);
  new DataView(b.buffer).setUint32(0, value >>> 0, true);
  return copyToGuest(x, v, vaddr, b);
}
/** Little-endian view of a structure copied from a guest. */
export const fields = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** Lowest address of the hypervisor hole; nested 32-bit handles may not reach it (C64). */
export const HYPERVISOR_VIRT_START = 0xf5800000;
/** C64's check of a nested handle: the whole range lies below the hole. */
export const nestedHandleOk = (vaddr: number, length: number): boolean =>
  (vaddr >>> 0) + length <= HYPERVISOR_VIRT_START;
