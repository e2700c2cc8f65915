// Xen's own start: the frame table, the M2P, the descriptor page every vCPU shares. Called once on a memory that is all zero.

import { initM2p } from './m2p.ts';
import { initFrames } from './page-alloc.ts';
import { XEN, XEN_AT } from './state.ts';
import { initSystemWindow } from './system-window.ts';
import type { Xen } from './xen.ts';

/** Brings the hypervisor up without any domain. */
export function initXen(x: Xen): void {
  initFrames(x);
  initM2p(x);
  initSystemWindow(x);
  x.m.w32(XEN_AT + XEN.nextDomid, 1);
}
