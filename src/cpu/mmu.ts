// Translation for everybody who is not an engine: the hypervisor reading its guest's memory, the page-walk panel. It walks each time and
// caches nothing, so it is right whatever happened before.

import type { Frames } from '../memory/frames.ts';
import type { Mmu, Translation } from './engine.ts';
import { EXECUTE, READ, WRITE, Walker } from './walker.ts';

const ACCESS = { r: READ, w: WRITE, x: EXECUTE } as const;

/** The Mmu over one memory. Machine addresses beyond RAM translate like any other; whoever uses them asks frames.exists. */
export function createMmu(frames: Frames): Mmu {
  const walker = new Walker(frames);
  return {
    translate(v: number, vaddr: number, access: 'r' | 'w' | 'x', user: boolean, out: Translation): boolean {
      out.ok = walker.walk(v, vaddr, ACCESS[access], user, false);
      if (out.ok) {
        out.maddr = walker.mfn * 4096 + (vaddr & 0xfff);
        out.code = 0;
      } else {
        out.maddr = 0;
        out.code = walker.code;
      }
      return out.ok;
    },
  };
}
