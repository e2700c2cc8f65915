// The interpreter's module in the browser: fetched and compiled once by the machine worker, which hands it to the further hosts.

import type { EngineChoice } from '../cpu/engine.ts';

const SHARED = new URL('../cpu/generated/interpreter-shared.wasm', import.meta.url);
const FIXED = new URL('../cpu/generated/interpreter-fixed.wasm', import.meta.url);

/** The engine of the lab, for a machine whose memory is shared or not. Rejects when the module cannot be had. */
export async function fetchEngine(shared: boolean): Promise<EngineChoice> {
  const url = shared ? SHARED : FIXED;
  const response = await fetch(url);
  if (!response.ok)
    throw new Error(
      `The interpreter (${url.pathname}) is missing: run \`npm run engine\`. HTTP ${response.status}`,
    );
  return { name: 'interpreter', code: await WebAssembly.compile(await response.arrayBuffer()) };
}
