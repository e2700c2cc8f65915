// Bytes of a domain's address space or of the machine.

import { PAGE_SIZE } from '../../memory/map.ts';
import { vcpuOf } from './common.ts';
import type { View } from './view.ts';
import { walk } from './walk.ts';

export interface MemoryModel {
  readonly space: 'virtual' | 'machine';
  readonly address: number;
  /** undefined for a byte that is not there. */
  readonly bytes: readonly (number | undefined)[];
  /** Machine address of each 16-byte row, undefined where nothing is mapped: what an edit writes to. */
  readonly rows: readonly (number | undefined)[];
}
/** Bytes read at most in one call. */
const MAX = 16384;

export function memory(
  view: View,
  args: { space: 'virtual' | 'machine'; domid?: number; address: number; length: number },
): MemoryModel | null {
  const { frames } = view;
  const length = Math.min(args.length, MAX);
  const v = args.space === 'virtual' ? vcpuOf(view, args.domid) : 0;
  if (args.space === 'virtual' && v === 0) return null;
  const bytes: (number | undefined)[] = [],
    rows: (number | undefined)[] = [];
  let page = -1,
    base: number | undefined;
  for (let i = 0; i < length; i++) {
    const at = (args.address + i) >>> 0;
    const p = Math.floor(at / PAGE_SIZE);
    if (p !== page) {
      page = p;
      if (args.space === 'machine') base = frames.exists(p) ? p * PAGE_SIZE : undefined;
      else {
        const { maddr } = walk(view, v, p * PAGE_SIZE);
        base = maddr;
      }
    }
    const maddr = base === undefined ? undefined : base + (at & (PAGE_SIZE - 1));
    bytes.push(maddr === undefined ? undefined : frames.read8(maddr));
    if (i % 16 === 0) rows.push(maddr);
  }
  return { space: args.space, address: args.address >>> 0, bytes, rows };
}
