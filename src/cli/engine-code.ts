// The interpreter's compiled module for Node: the command line, its host threads and the tests take it from here.

import { readFileSync } from 'node:fs';
import type { EngineChoice, EngineName } from '../cpu/engine.ts';

const compiled = new Map<boolean, WebAssembly.Module>();

/** The module for a shared or an ordinary memory. Throws an Error that says what to do when the project was not built. */
export function engineCode(shared: boolean): WebAssembly.Module {
  let code = compiled.get(shared);
  if (code === undefined) {
    code = new WebAssembly.Module(read(shared));
    compiled.set(shared, code);
  }
  return code;
}

function read(shared: boolean): Uint8Array<ArrayBuffer> {
  const name = `interpreter-${shared ? 'shared' : 'fixed'}.wasm`;
  try {
    return new Uint8Array(readFileSync(new URL(`../cpu/generated/${name}`, import.meta.url)));
  } catch {
    throw new Error(`${name} has not been built: run \`npm run engine\`, or choose --engine reference.`);
  }
}

/** The engine with what it needs, for a machine whose memory is shared or not. */
export function engineChoice(name: EngineName, shared: boolean): EngineChoice {
  return name === 'reference' ? name : { name, code: engineCode(shared) };
}
