// Writable page tables (VMASST_TYPE_writable_pagetables): a ring-1 store to an L1 table that is mapped read-only is taken for what it means.
// The instruction runs through the description with its final store handed to us; the whole new entry is validated like an mmu_update.

import { REFUSED, type SystemEnv, type Translation } from '../cpu/engine.ts';
import { updateEntry } from './mmu-ops.ts';
import { getFromL1e, getPage, PTE_P, putPage, putPageFromL1e } from './page-info.ts';
import {
  DOMAIN,
  PAGE,
  pageAt,
  PGT_count_mask,
  PGT_l1_page_table,
  PGT_type_mask,
  PGT_validated,
} from './state.ts';
import type { Xen } from './xen.ts';

const VMASST_writable_pagetables = 1 << 2;

/** Tries the store behind a write fault at `vaddr`. False: the fault is the guest's to handle. On true EIP is past the instruction. */
export function tryWritablePageTable(x: Xen, v: number, vaddr: number, _code: number): boolean {
  const d = x.domainOf(v);
  if ((x.m.r32(d + DOMAIN.vmAssist) & VMASST_writable_pagetables) === 0) return false;
  const t: Translation = { ok: false, maddr: 0, code: 0 };
  if (!x.mmu.translate(v, vaddr, 'r', false, t)) return false;
  const table = t.maddr >>> 12;
  if (!isL1(x, table) || !getPage(x, table, d)) return false;
  const result = x.engine.emulate(v, storeEnv(x, v, vaddr, t.maddr, d));
  putPage(x, table);
  return result.kind === 'done';
}
function isL1(x: Xen, mfn: number): boolean {
  const type = x.m.r32(pageAt(mfn) + PAGE.type);
  return (
    (type & PGT_type_mask) === PGT_l1_page_table &&
    (type & PGT_validated) !== 0 &&
    (type & PGT_count_mask) !== 0
  );
}

/** Everything as the processor does it, but the store that faulted. */
function storeEnv(x: Xen, _v: number, vaddr: number, maddr: number, d: number): SystemEnv {
  return {
    allows: () => true,
    readSys: () => REFUSED,
    writeSys: () => REFUSED,
    portIn: () => REFUSED,
    portOut: () => REFUSED,
    store: (at, size, lo, hi) => {
      if ((at & ~4095) !== (vaddr & ~4095)) return false;
      const bytes = size / 8;
      if (!x.check('ptwr.aligned', at % bytes === 0, at, bytes)) return REFUSED;
      return storeEntry(x, (maddr & ~4095) + (at & 4095), bytes, lo, hi, d) ? true : REFUSED;
    },
  };
}

/** Merges a store of 1, 2, 4 or 8 bytes into its 8-byte entry and writes that. */
function storeEntry(x: Xen, maddr: number, bytes: number, lo: number, hi: number, d: number): boolean {
  const entry = (maddr & ~7) >>> 0;
  let newLo = x.frames.read32(entry),
    newHi = x.frames.read32(entry + 4);
  if (bytes === 8) [newLo, newHi] = [lo >>> 0, hi >>> 0];
  else {
    const shift = (maddr & 3) * 8;
    const mask = bytes === 4 ? 0xffffffff : ((1 << (bytes * 8)) - 1) << shift;
    const merge = (old: number): number => ((old & ~mask) | ((lo << shift) & mask)) >>> 0;
    if ((maddr & 4) === 0) newLo = merge(newLo);
    else newHi = merge(newHi);
  }
  // The upper half of an entry whose lower half is still the old one: not valid yet, so it waits without its present bit.
  if (bytes === 4 && (maddr & 4) !== 0 && (newLo & PTE_P) !== 0) {
    if (getFromL1e(x, newLo, newHi, d) !== 0) newLo = (newLo & ~PTE_P) >>> 0;
    else putPageFromL1e(x, newLo, newHi, d);
  }
  const rc = updateEntry(x, entry, newLo, newHi, d, d, false);
  if (rc === 0) x.act('ptwr.written', [entry, newLo, newHi]);
  return rc === 0;
}
