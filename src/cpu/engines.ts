// Engines by name. Whoever builds a machine gets engine and Mmu here; both hold caches only.

import type { Engine, EngineName, Mmu, Platform } from './engine.ts';
import { createMmu } from './mmu.ts';
import { ReferenceEngine } from './reference.ts';

/** Creates the named engine over a platform. Throws for a name that is not in ENGINES. */
export function createEngine(
  name: EngineName,
  platform: Platform,
): { readonly engine: Engine; readonly mmu: Mmu } {
  if (name !== 'reference') throw new Error(`no such engine: ${String(name)}`);
  return { engine: new ReferenceEngine(platform), mmu: createMmu(platform.frames, platform.bus) };
}
