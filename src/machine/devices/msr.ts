// Model-specific registers of the bare processor that are neither the instruction set's nor the local APIC's: memory types by page attribute
// (there are no caches whose behaviour they could change) and the switches of IA32_MISC_ENABLE. SDM vol. 3, 11.12.4; vol. 4, table 2-2.

import { layout } from '../../memory/layout.ts';
import { AT, type Chipset } from './board.ts';

export const MSRS = layout('MSRS', { patLo: 'u32', patHi: 'u32', miscLo: 'u32', miscHi: 'u32' });
const R = AT.msr;

const IA32_PAT = 0x277,
  IA32_MISC_ENABLE = 0x1a0;
/** Write-back, write-through, UC-, uncached, and the same again. */
const PAT_RESET = 0x00070406;
/** UC, WC, WT, WP, WB, UC-: the types that exist. */
const MEMORY_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7]);
/** Fast strings; performance counters are there; no branch trace store, no precise events. */
const MISC_RESET = 0x1881;
/** Fast strings, thermal control, SpeedStep, MONITOR, limited CPUID, xTPR; above them XD disable. The others are read-only. */
const MISC_WRITABLE_LO = 0x00c50009,
  MISC_WRITABLE_HI = 4;

/** After power-up; INIT leaves these registers alone. */
export function resetMsrs({ m }: Chipset): void {
  m.w32(R + MSRS.patLo, PAT_RESET);
  m.w32(R + MSRS.patHi, PAT_RESET);
  m.w32(R + MSRS.miscLo, MISC_RESET);
  m.w32(R + MSRS.miscHi, 0);
}

/** Undefined: no such register. */
export function readMsr({ m }: Chipset, index: number): readonly [lo: number, hi: number] | undefined {
  if (index === IA32_PAT) return [m.r32(R + MSRS.patLo), m.r32(R + MSRS.patHi)];
  if (index === IA32_MISC_ENABLE) return [m.r32(R + MSRS.miscLo), m.r32(R + MSRS.miscHi)];
  return undefined;
}

/** False: no such register, or a memory type that does not exist; #GP(0). */
export function writeMsr({ m }: Chipset, index: number, lo: number, hi: number): boolean {
  if (index === IA32_PAT) {
    for (const half of [lo, hi])
      for (let shift = 0; shift < 32; shift += 8)
        if (!MEMORY_TYPES.has((half >>> shift) & 0xff)) return false;
    m.w32(R + MSRS.patLo, lo);
    m.w32(R + MSRS.patHi, hi);
    return true;
  }
  if (index !== IA32_MISC_ENABLE) return false;
  const merge = (at: number, value: number, writable: number): void =>
    m.w32(at, (m.r32(at) & ~writable) | (value & writable));
  merge(R + MSRS.miscLo, lo, MISC_WRITABLE_LO);
  merge(R + MSRS.miscHi, hi, MISC_WRITABLE_HI);
  return true;
}
