// The same value is the same thing wherever it stands: an address, a frame, a grant, a port. Hovering lights it up in every panel;
// focus and Enter pins it until Esc.

import { create } from 'zustand';

export type ValueKind = 'vaddr' | 'maddr' | 'mfn' | 'pfn' | 'gref' | 'port' | 'domid' | 'seq' | 'index';
export interface Lit {
  readonly kind: ValueKind;
  readonly value: number;
  /** For what means something in one domain only (vaddr, pfn, gref, port); undefined matches every domain. */
  readonly domid?: number | undefined;
}
interface HighlightStore {
  readonly hover: Lit | undefined;
  readonly pinned: Lit | undefined;
  setHover(lit: Lit | undefined): void;
  setPinned(lit: Lit | undefined): void;
}
export const useHighlight = create<HighlightStore>()((set) => ({
  hover: undefined,
  pinned: undefined,
  setHover: (hover) => set({ hover }),
  setPinned: (pinned) => set({ pinned }),
}));

const page = (n: number): number => Math.floor(n / 4096);

/** An address lights the frame it lies in, and a frame every address inside it. */
export function matches(lit: Lit | undefined, kind: ValueKind, value: number, domid?: number): boolean {
  if (!lit) return false;
  if (lit.domid !== undefined && domid !== undefined && lit.domid !== domid) return false;
  if (lit.kind === kind) return lit.value === value;
  if (lit.kind === 'maddr' && kind === 'mfn') return page(lit.value) === value;
  if (lit.kind === 'mfn' && kind === 'maddr') return page(value) === lit.value;
  return false;
}
export const useLit = (kind: ValueKind, value: number, domid?: number): boolean =>
  useHighlight((s) => matches(s.pinned ?? s.hover, kind, value, domid));
