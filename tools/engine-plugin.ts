// A Vite plugin that builds the interpreter again when its sources have changed since (build-engine.ts compares the stamp), before the page is
// served or bundled. Tests do not: one of them says that the engine is stale, and nobody's run changes it under another's.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BUILD = fileURLToPath(new URL('build-engine.ts', import.meta.url));

export function freshEngine(): { readonly name: string; buildStart(): void } {
  return {
    name: 'ringside-engine',
    buildStart() {
      if (process.env['VITEST'] !== undefined) return;
      execFileSync(process.execPath, ['--import', 'tsx', BUILD], { stdio: 'inherit' });
    },
  };
}
