// What may stand in a guest's descriptor tables (§3.11, C64). The check repairs what it can: a DPL of 0 becomes 1, call gates lose their
// DPL, a flat segment keeps its full limit. Whatever could lead into ring 0 is refused.

import { HYPERVISOR_VIRT_START } from './guest-access.ts';
import type { Xen } from './xen.ts';

const P = 0x8000,
  S = 0x1000,
  L = 0x200000,
  G = 0x800000,
  DPL = 0x6000,
  TYPE = 0x0f00;
const FLAT_RING1_CS = 0xe019,
  LAST_GUEST_GDT_INDEX = 7168;

/** A descriptor as two words; undefined when it is refused. */
export function checkDescriptor(lo: number, hi: number): readonly [lo: number, hi: number] | undefined {
  if ((hi & P) === 0) return [lo, hi];
  if ((hi & S) !== 0) {
    if ((hi & L) !== 0) return undefined;
    const base = ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0;
    const raised = (hi & DPL) === 0 ? hi | 0x2000 : hi;
    const limit = (lo & 0xffff) | (hi & 0xf0000);
    const bytes = (hi & G) !== 0 ? limit * 4096 + 4095 : limit;
    if (base === 0 && bytes >= HYPERVISOR_VIRT_START && (hi & G) !== 0)
      return [(lo | 0xffff) >>> 0, (raised | 0xf0000) >>> 0];
    return [lo, raised >>> 0];
  }
  if ((hi & TYPE) === 0) return [lo, hi];
  if ((hi & TYPE) !== 0x0c00 || (hi & 0xe0) !== 0) return undefined;
  const selector = lo >>> 16;
  const known = (selector & 4) !== 0 || selector >>> 3 < LAST_GUEST_GDT_INDEX || selector === FLAT_RING1_CS;
  if (!known) return undefined;
  // The gate keeps the DPL it asked for in its selector's RPL; the processor sees DPL 0, so that using it is #GP and Xen's business.
  const dpl = (hi & DPL) >>> 13;
  return [((lo & ~0x30000) | (Math.max(dpl, 1) << 16)) >>> 0, (hi & ~DPL) >>> 0];
}

/** Checks and repairs all 512 descriptors of a frame. False at the first that is refused; repairs made so far stay, as in Xen. */
export function validateDescriptorPage(x: Xen, mfn: number): boolean {
  const { frames } = x;
  for (let at = mfn * 4096, end = at + 4096; at < end; at += 8) {
    const lo = frames.read32(at),
      hi = frames.read32(at + 4);
    const fixed = checkDescriptor(lo, hi);
    if (!fixed) return x.check('descriptor.allowed', false, lo, hi, (at & 4095) >>> 3);
    if (fixed[0] !== lo || fixed[1] !== hi) frames.write64(at, fixed[0], fixed[1]);
  }
  return true;
}
