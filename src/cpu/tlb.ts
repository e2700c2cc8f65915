// The TLBs of a vCPU, in CACHE: six tables (read, write, execute, each for supervisor and for user), hashed by page number.
//
//   entry  word 0: linear page (low 12 bits zero), or 1 when empty      word 1: memory offset of the page
//
// Hashed rather than direct (4 MiB each): 6 × 1024 entries cost 48 KiB a vCPU and one compare more. The rest of the 64 KiB holds what
// the tables were filled under, and lists of the entries filled, so that clearing costs what was used: epochs and control registers. Whoever sees them moved clears the tables first.

import { CTL } from '../memory/frames.ts';
import { CACHE_AREAS, CONTROL, cacheArea, vcpuIndex } from '../memory/map.ts';
import { layout } from '../memory/layout.ts';
import type { Memory } from '../memory/memory.ts';
import { VCPU } from './vcpu.ts';

export const TLB_ENTRIES = 1024;
const TABLE_WORDS = TLB_ENTRIES * 2;
export const TLB_EMPTY = 1;
/** Beside the linear page in a table for writing: paging allows the store, but the frame is watched, and no compare finds the entry. */
export const TLB_GUARDED = 2;
export const TLB_TABLE_SIZE = TABLE_WORDS * 4;

const VCPU_TLB_SIZE = 64 * 1024;
const TABLES_WORDS = 6 * TABLE_WORDS;

/** What the tables depend on, behind them. `ready`: 0 in a fresh CACHE, whose zeros are no empty entries. `filled`: bit t set when table t holds anything. */
export const TLB_SEEN = layout('TLB_SEEN', {
  ready: 'u32',
  cacheEpoch: 'u32',
  tlbEpoch: 'u32',
  writeEpoch: 'u32',
  cr0: 'u32',
  cr3: 'u32',
  cr4: 'u32',
  efer: 'u32',
  mode: 'u32',
  filled: 'u32',
});

if (CACHE_AREAS.find((a) => a[0] === 'tlb')![2] % VCPU_TLB_SIZE !== 0)
  throw new Error('TLB area has no whole slots');

const AREA = cacheArea('tlb');
/** Word index of table `access` (READ WRITE EXECUTE) for user or supervisor of vCPU record v. */
export const tlbTable = (v: number, access: number, user: boolean): number =>
  ((AREA + vcpuIndex(v) * VCPU_TLB_SIZE) >>> 2) + (access + (user ? 3 : 0)) * TABLE_WORDS;

/** Entries filled since a table was cleared, behind SEEN: how many, then their numbers; more than fit: the whole table is cleared. */
const LISTED = 100;
const LIST_SIZE = 4 + 2 * LISTED;
const LISTS = 256;
const listAt = (v: number, table: number): number => tlbSeenAt(v) + LISTS + table * LIST_SIZE;
/** The lists for generated code, from tlbSeenAt on. */
export const TLB_LISTS = { at: LISTS, size: LIST_SIZE, most: LISTED } as const;

const WRITE_TABLES = 0b010010,
  ALL_TABLES = 0b111111;

/** Address of TLB_SEEN of vCPU v. */
export const tlbSeenAt = (v: number): number => AREA + vcpuIndex(v) * VCPU_TLB_SIZE + 4 * TABLES_WORDS;

/** Empties the tables of vCPU v named by the bits of `which`. */
function clear(m: Memory, v: number, which: number): void {
  const at = tlbSeenAt(v) + TLB_SEEN.filled;
  const filled = m.r32(at) & which;
  const first = (AREA + vcpuIndex(v) * VCPU_TLB_SIZE) >>> 2;
  for (let t = 0; t < 6; t++) {
    if ((filled & (1 << t)) === 0) continue;
    const table = first + t * TABLE_WORDS,
      list = listAt(v, t);
    const count = m.r32(list);
    if (count > LISTED) m.u32.fill(TLB_EMPTY, table, table + TABLE_WORDS);
    else for (let i = 0; i < count; i++) m.u32[table + 2 * m.r16(list + 4 + 2 * i)] = TLB_EMPTY;
    m.w32(list, 0);
  }
  m.w32(at, m.r32(at) & ~which);
}

export function clearTlb(m: Memory, v: number): void {
  clear(m, v, ALL_TABLES);
}

/** Notes that table `access` gets an entry for a linear address, so that clearing knows. */
export function noteFilled(m: Memory, v: number, access: number, user: boolean, lin: number): void {
  const at = tlbSeenAt(v) + TLB_SEEN.filled;
  const table = access + (user ? 3 : 0);
  m.w32(at, m.r32(at) | (1 << table));
  const list = listAt(v, table);
  const count = m.r32(list);
  if (count > LISTED) return;
  m.w32(list, count + 1);
  if (count < LISTED) m.w16(list + 4 + 2 * count, (lin >>> 12) & (TLB_ENTRIES - 1));
}

/** Empties the entries of one page, and takes the tables to be right again as far as tlbEpoch goes. */
export function dropTlbPage(m: Memory, v: number, lin: number): void {
  const first = ((AREA + vcpuIndex(v) * VCPU_TLB_SIZE) >>> 2) + ((lin >>> 12) & (TLB_ENTRIES - 1)) * 2;
  for (let t = 0; t < 6; t++) {
    const at = first + t * TABLE_WORDS;
    if ((m.i32[at]! & ~TLB_GUARDED) === (lin & ~0xfff)) m.u32[at] = TLB_EMPTY;
  }
  m.w32(tlbSeenAt(v) + TLB_SEEN.tlbEpoch, m.r32(CONTROL + CTL.tlbEpoch));
}

const DEPENDS = [
  [TLB_SEEN.cr0, VCPU.cr0],
  [TLB_SEEN.cr3, VCPU.cr3],
  [TLB_SEEN.cr4, VCPU.cr4],
  [TLB_SEEN.efer, VCPU.efer],
  [TLB_SEEN.mode, VCPU.mode],
] as const;

/** Empties what may be stale since vCPU v last looked. True if translations other than for writing were dropped. */
export function validateTlb(m: Memory, v: number): boolean {
  const seen = tlbSeenAt(v);
  const cache = m.r32(CONTROL + CTL.cacheEpoch),
    tlb = m.r32(CONTROL + CTL.tlbEpoch),
    write = m.r32(CONTROL + CTL.writeEpoch);
  let stale =
    m.r32(seen + TLB_SEEN.ready) === 0 ||
    m.r32(seen + TLB_SEEN.cacheEpoch) !== cache ||
    m.r32(seen + TLB_SEEN.tlbEpoch) !== tlb;
  for (const [at, field] of DEPENDS) {
    const now = m.r32(v + field);
    if (m.r32(seen + at) === now) continue;
    m.w32(seen + at, now);
    stale = true;
  }
  if (stale) {
    if (m.r32(seen + TLB_SEEN.ready) === 0) {
      m.w32(seen + TLB_SEEN.filled, ALL_TABLES);
      for (let t = 0; t < 6; t++) m.w32(listAt(v, t), LISTED + 1);
    }
    m.w32(seen + TLB_SEEN.ready, 1);
    clear(m, v, ALL_TABLES);
  } else if (m.r32(seen + TLB_SEEN.writeEpoch) !== write) clear(m, v, WRITE_TABLES);
  m.w32(seen + TLB_SEEN.cacheEpoch, cache);
  m.w32(seen + TLB_SEEN.tlbEpoch, tlb);
  m.w32(seen + TLB_SEEN.writeEpoch, write);
  return stale;
}
