// Maptrack: what a domain has mapped of others' grants. The handle a guest gets is the number of its entry here. Entries live in Xen
// frames charged to the mapping domain, 256 a frame.

import { INVALID_MFN } from '../memory/addresses.ts';
import { layout } from '../memory/layout.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { allocXenFrame, freeXenFrame } from './page-alloc.ts';
import { DOMAIN } from './state.ts';
import type { Xen } from './xen.ts';

export const MAPTRACK = layout('MAPTRACK', {
  ref: 'u32', // in use: the grant reference; free: next free handle + 1
  domid: 'u16', // the granting domain; DOMID_INVALID once it is gone
  flags: 'u16', // GNTMAP_* of the uses that are left; 0 = free
  mfn: 'u32',
  guestFlags: 'u32', // GNTMAP_* as asked for, the guest's AVL bits included
});
export const HANDLES_PER_FRAME = PAGE_SIZE / MAPTRACK.$size;
export const MAX_MAPTRACK_FRAMES = 64;

export const nrHandles = (x: Xen, d: number): number =>
  x.m.r32(d + DOMAIN.nrMaptrackFrames) * HANDLES_PER_FRAME;
/** Machine address of the entry of a handle that exists. */
export const handleAt = (x: Xen, d: number, handle: number): number =>
  x.m.r32(d + DOMAIN.maptrackFrames + 4 * Math.floor(handle / HANDLES_PER_FRAME)) * PAGE_SIZE +
  (handle % HANDLES_PER_FRAME) * MAPTRACK.$size;

function grow(x: Xen, d: number): boolean {
  const { m, frames } = x;
  const nr = m.r32(d + DOMAIN.nrMaptrackFrames);
  if (nr >= MAX_MAPTRACK_FRAMES) return false;
  const mfn = allocXenFrame(x, d);
  if (mfn === INVALID_MFN) return false;
  m.w32(d + DOMAIN.maptrackFrames + 4 * nr, mfn);
  m.w32(d + DOMAIN.nrMaptrackFrames, nr + 1);
  const first = nr * HANDLES_PER_FRAME;
  for (let i = 0; i < HANDLES_PER_FRAME; i++) {
    frames.write32(
      mfn * PAGE_SIZE + i * MAPTRACK.$size + MAPTRACK.ref,
      i + 1 < HANDLES_PER_FRAME ? first + i + 2 : 0,
    );
  }
  m.w32(d + DOMAIN.maptrackFree, first + 1);
  return true;
}

/** A free handle, taken off the free list; -1 when there is none and the table cannot grow. Its flags are still 0. */
export function takeHandle(x: Xen, d: number): number {
  const { m } = x;
  if (m.r32(d + DOMAIN.maptrackFree) === 0 && !grow(x, d)) return -1;
  const handle = m.r32(d + DOMAIN.maptrackFree) - 1;
  m.w32(d + DOMAIN.maptrackFree, x.frames.read32(handleAt(x, d, handle) + MAPTRACK.ref));
  return handle;
}

/** Puts a handle back on the free list. */
export function releaseHandle(x: Xen, d: number, handle: number): void {
  const at = handleAt(x, d, handle);
  x.frames.write16(at + MAPTRACK.flags, 0);
  x.frames.write32(at + MAPTRACK.ref, x.m.r32(d + DOMAIN.maptrackFree));
  x.m.w32(d + DOMAIN.maptrackFree, handle + 1);
}

/** Handles in use. */
export function* handlesInUse(x: Xen, d: number): Generator<number> {
  for (let handle = 0, nr = nrHandles(x, d); handle < nr; handle++) {
    if (x.frames.read16(handleAt(x, d, handle) + MAPTRACK.flags) !== 0) yield handle;
  }
}

/** Gives the frames back; no handle may be in use. */
export function freeMaptrack(x: Xen, d: number): void {
  const nr = x.m.r32(d + DOMAIN.nrMaptrackFrames);
  x.m.w32(d + DOMAIN.nrMaptrackFrames, 0);
  x.m.w32(d + DOMAIN.maptrackFree, 0);
  for (let i = 0; i < nr; i++) {
    freeXenFrame(x, x.m.r32(d + DOMAIN.maptrackFrames + 4 * i), d);
    x.m.w32(d + DOMAIN.maptrackFrames + 4 * i, 0);
  }
}
