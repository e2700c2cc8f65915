// Translation for everybody who is not an engine: the hypervisor reading its guest's memory, the page-walk panel. It walks each time and
// caches nothing, so it is right whatever happened before.

import type { Frames } from '../memory/frames.ts';
import { type Bus, NO_FRAME } from './bus.ts';
import type { Mmu, Translation } from './engine.ts';
import { EXECUTE, READ, WRITE, Walker } from './walker.ts';

const ACCESS = { r: READ, w: WRITE, x: EXECUTE } as const;

/** A frame number no machine has. */
const BEYOND = 0xffffff;

/**
 * The Mmu over one memory. Machine addresses beyond RAM translate like any other; whoever uses them asks frames.exists. Pages of
 * the bare machine that are no memory lie beyond RAM.
 */
export function createMmu(frames: Frames, bus?: Bus): Mmu {
  const walker = new Walker(frames, bus);
  return {
    translate(v: number, vaddr: number, access: 'r' | 'w' | 'x', user: boolean, out: Translation): boolean {
      out.ok = walker.walk(v, vaddr, ACCESS[access], user, false);
      if (out.ok) {
        out.maddr = (walker.mfn === NO_FRAME ? BEYOND : walker.mfn) * 4096 + (vaddr & 0xfff);
        out.code = 0;
      } else {
        out.maddr = 0;
        out.code = walker.code;
      }
      return out.ok;
    },
  };
}
