// Engines by name. Whoever builds a machine gets engine and Mmu here; both hold caches only.

import {
  DEFAULT_ENGINE,
  type Engine,
  type EngineChoice,
  ENGINES,
  type Mmu,
  type Platform,
} from './engine.ts';
import { createMmu } from './mmu.ts';
import { InterpreterEngine } from './interpreter.ts';
import { ReferenceEngine } from './reference.ts';

/** Creates the named engine over a platform. Throws for a name that is not in ENGINES. */
export function createEngine(
  choice: EngineChoice,
  { code, ...rest }: Platform,
): { readonly engine: Engine; readonly mmu: Mmu } {
  const name = typeof choice === 'string' ? choice : (choice.name ?? DEFAULT_ENGINE);
  const platform = { ...rest, code: typeof choice === 'string' ? code : choice.code };
  if (!ENGINES.includes(name)) throw new Error(`no such engine: ${String(name)}`);
  const engine = name === 'interpreter' ? new InterpreterEngine(platform) : new ReferenceEngine(platform);
  return { engine, mmu: createMmu(platform.frames, platform.bus) };
}
