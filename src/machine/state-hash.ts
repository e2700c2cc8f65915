// The hash of what the machine is: STATE and every machine frame that is not all zero. Engines keep records materialised between
// runs, so nothing host-dependent is left to canonicalise; frames of zeroes count the same whether ever touched or not.

import { PAGE_SIZE, RAM_BASE, STATE_BASE, STATE_SIZE } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { digest, mix, seedLanes } from '../trace/hash.ts';

const WORDS = PAGE_SIZE / 4;

/** Sixteen hexadecimal digits. Reads all of STATE and RAM. */
export function stateHash(m: Memory): string {
  const lanes = new Uint32Array(4);
  seedLanes(lanes, 0);
  const tag = new Uint32Array(4);
  const page = (word: number, number: number): void => {
    const u = m.u32;
    let any = 0;
    for (let i = word, end = word + WORDS; i < end && any === 0; i++) any |= u[i]!;
    if (any === 0) return;
    tag[0] = number + 1;
    mix(lanes, 0, tag, 0, 4);
    mix(lanes, 0, u, word, WORDS);
  };
  for (let i = 0; i < STATE_SIZE / PAGE_SIZE; i++) page((STATE_BASE + i * PAGE_SIZE) >>> 2, 0x10000000 + i);
  for (let mfn = 0; mfn < m.nrFrames; mfn++) page((RAM_BASE + mfn * PAGE_SIZE) >>> 2, mfn);
  return digest(lanes, 0);
}
