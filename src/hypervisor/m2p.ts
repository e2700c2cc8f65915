// The machine-to-physical table: one u32 a frame, in frames of Xen, mapped read-only for rings 1 and 3 at 0xF5800000 of every PV address
// space through one L1 that all of them share.

import { INVALID_MFN } from '../memory/addresses.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { allocXenFrame } from './page-alloc.ts';
import { XEN, XEN_AT } from './state.ts';
import type { Xen } from './xen.ts';

/** Slots of the pae_xen_l2: from here on they are Xen's. */
export const FIRST_XEN_L2_SLOT = 428;
const PTE_P = 1,
  PTE_US = 4,
  PTE_A = 0x20;
const NX_HI = 0x80000000;

/** Builds table and L1. Frames are handed out in order at this moment, so the table is contiguous. */
export function initM2p(x: Xen): void {
  const { m, frames } = x;
  const pages = Math.ceil((m.nrFrames * 4) / PAGE_SIZE);
  const first = allocXenFrame(x, 0);
  for (let i = 1; i < pages; i++) allocXenFrame(x, 0);
  const l1 = allocXenFrame(x, 0);
  m.w32(XEN_AT + XEN.m2pMfn, first);
  m.w32(XEN_AT + XEN.m2pFrames, pages);
  m.w32(XEN_AT + XEN.m2pL1Mfn, l1);
  for (let mfn = 0; mfn < pages * (PAGE_SIZE / 4); mfn++)
    frames.write32(first * PAGE_SIZE + 4 * mfn, INVALID_MFN);
  for (let i = 0; i < pages; i++)
    frames.write64(l1 * PAGE_SIZE + 8 * i, ((first + i) * PAGE_SIZE) | PTE_P | PTE_US | PTE_A, NX_HI);
}
export function setM2p(x: Xen, mfn: number, pfn: number): void {
  x.frames.write32(x.m.r32(XEN_AT + XEN.m2pMfn) * PAGE_SIZE + 4 * mfn, pfn);
}
/** INVALID_MFN when the frame has no pseudo-physical number. */
export const getM2p = (x: Xen, mfn: number): number =>
  x.frames.read32(x.m.r32(XEN_AT + XEN.m2pMfn) * PAGE_SIZE + 4 * mfn);

/** Fills Xen's slots of the L2 behind L3 slot 3: the M2P and nothing else. */
export function fillXenSlots(x: Xen, l2: number): void {
  const { frames } = x;
  for (let i = FIRST_XEN_L2_SLOT; i < 512; i++) {
    const first = i === FIRST_XEN_L2_SLOT;
    frames.write64(
      l2 * PAGE_SIZE + 8 * i,
      first ? (x.m.r32(XEN_AT + XEN.m2pL1Mfn) * PAGE_SIZE) | PTE_P | PTE_US | PTE_A : 0,
      0,
    );
  }
}
