// A page walk that changes nothing: what the MMU would find, level by level, on the live machine or on a saved image.
// PAE (SDM vol. 3, 4.4), where on a PV vCPU the upper-level RW and US bits of L3 entries count for nothing; on the bare machine also two levels
// of 32-bit entries (4.3) and no paging at all.

import { CR0_PG, CR4_PAE, CR4_PSE } from '../../cpu/paging.ts';
import { VCPU, VCPU_MODE } from '../../cpu/vcpu.ts';
import { AT, BOARD } from '../../machine/devices/board.ts';
import { PAGE_SIZE } from '../../memory/map.ts';
import type { View } from './view.ts';

export interface WalkLevel {
  readonly level: 3 | 2 | 1;
  /** Frame of the table and index of the entry in it. */
  readonly tableMfn: number;
  readonly index: number;
  readonly entryMaddr: number;
  readonly lo: number;
  readonly hi: number;
  readonly present: boolean;
  readonly flags: string;
}
export interface Walk {
  readonly levels: readonly WalkLevel[];
  /** Machine address, undefined where the walk ends without one. */
  readonly maddr: number | undefined;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
  readonly large: boolean;
}

const P = 1,
  RW = 2,
  US = 4,
  A = 0x20,
  D = 0x40,
  PSE = 0x80,
  G = 0x100,
  NX = 0x80000000;
/** Pages of 4 GiB. */
const TOP = 0x100000;

/** Flag letters, a dash for each bit that is 0: P W U A D S(uper) G X(ecute disabled). */
export function flagLetters(lo: number, hi: number): string {
  const bit = (mask: number, letter: string): string => (lo & mask ? letter : '-');
  return (
    bit(P, 'P') +
    bit(RW, 'W') +
    bit(US, 'U') +
    bit(A, 'A') +
    bit(D, 'D') +
    bit(PSE, 'S') +
    bit(G, 'G') +
    (hi & NX ? 'X' : '-')
  );
}

/** Machine address behind a physical one: the bare machine's ROM, which ends at 4 GiB, lies behind its RAM. undefined: no memory. */
function machineAddress(view: View, v: number, paddr: number): number | undefined {
  const { m, frames } = view;
  const pfn = Math.floor(paddr / PAGE_SIZE);
  if (m.r32(v + VCPU.mode) !== VCPU_MODE.bare) return frames.exists(pfn) ? paddr : undefined;
  const ram = m.r32(AT.board + BOARD.ramFrames),
    rom = m.r32(AT.board + BOARD.romFrames);
  if (pfn < ram) return paddr;
  return pfn >= TOP - rom && pfn < TOP
    ? (ram + pfn - (TOP - rom)) * PAGE_SIZE + (paddr % PAGE_SIZE)
    : undefined;
}

/** Two levels of 32-bit entries: the directory at CR3, 4-MiB pages where CR4.PSE allows them. */
function walkTwoLevels(view: View, v: number, vaddr: number): Walk {
  const { m, frames } = view;
  const levels: WalkLevel[] = [];
  const end = (maddr: number | undefined, large = false): Walk => ({
    levels,
    maddr,
    large,
    writable: maddr !== undefined && levels.every((l) => l.lo & RW),
    user: maddr !== undefined && levels.every((l) => l.lo & US),
    executable: maddr !== undefined,
  });
  let table = (m.r32(v + VCPU.cr3) & ~0xfff) >>> 0;
  for (const level of [2, 1] as const) {
    const index = level === 2 ? vaddr >>> 22 : (vaddr >>> 12) & 1023;
    const entryMaddr = machineAddress(view, v, table + index * 4);
    if (entryMaddr === undefined) return end(undefined);
    const lo = frames.read32(entryMaddr);
    const tableMfn = Math.floor(entryMaddr / PAGE_SIZE);
    levels.push({
      level,
      tableMfn,
      index,
      entryMaddr,
      lo,
      hi: 0,
      present: (lo & P) !== 0,
      flags: flagLetters(lo, 0),
    });
    if (!(lo & P)) return end(undefined);
    if (level === 2 && lo & PSE && m.r32(v + VCPU.cr4) & CR4_PSE)
      return end(machineAddress(view, v, ((lo & 0xffc00000) >>> 0) + (vaddr & 0x3fffff)), true);
    table = (lo & ~0xfff) >>> 0;
  }
  return end(machineAddress(view, v, table + (vaddr & (PAGE_SIZE - 1))));
}

/** Walks the tables of the vCPU record at v. Frames outside the machine end the walk; without paging there is nothing to walk. */
export function walk(view: View, v: number, vaddr: number): Walk {
  const { m, frames } = view;
  const pv = m.r32(v + VCPU.mode) === VCPU_MODE.pv;
  if (!pv && (m.r32(v + VCPU.cr0) & CR0_PG) === 0) {
    const maddr = machineAddress(view, v, vaddr >>> 0);
    const mapped = maddr !== undefined;
    return { levels: [], maddr, large: false, writable: mapped, user: mapped, executable: mapped };
  }
  if (!pv && (m.r32(v + VCPU.cr4) & CR4_PAE) === 0) return walkTwoLevels(view, v, vaddr);
  const levels: WalkLevel[] = [];
  const end = (maddr: number | undefined, large = false): Walk => {
    const strict = levels.filter((l) => l.level !== 3);
    return {
      levels,
      maddr,
      large,
      writable: maddr !== undefined && strict.every((l) => l.lo & RW),
      user: maddr !== undefined && strict.every((l) => l.lo & US),
      executable: maddr !== undefined && levels.every((l) => !(l.hi & NX)),
    };
  };
  const cr3 = m.r32(v + VCPU.cr3);
  let table = pv ? (cr3 >>> 12) * PAGE_SIZE : (cr3 & ~31) >>> 0;
  const indices = [vaddr >>> 30, (vaddr >>> 21) & 511, (vaddr >>> 12) & 511];
  for (let i = 0; i < 3; i++) {
    const entryMaddr = table + indices[i]! * 8;
    if (!frames.exists(Math.floor(entryMaddr / PAGE_SIZE))) return end(undefined);
    const lo = frames.read32(entryMaddr),
      hi = frames.read32(entryMaddr + 4);
    const level = (3 - i) as 3 | 2 | 1;
    levels.push({
      level,
      tableMfn: Math.floor(entryMaddr / PAGE_SIZE),
      index: indices[i]!,
      entryMaddr,
      lo,
      hi,
      present: (lo & P) !== 0,
      flags: flagLetters(lo, hi),
    });
    if (!(lo & P)) return end(undefined);
    const mfn = (lo >>> 12) + (hi & 0xff) * 0x100000;
    if (!frames.exists(mfn)) return end(undefined);
    if (level === 2 && lo & PSE) return end((mfn & ~511) * PAGE_SIZE + (vaddr & 0x1fffff), true);
    table = mfn * PAGE_SIZE;
  }
  return end(table + (vaddr & (PAGE_SIZE - 1)));
}

/** Bytes at a virtual address; undefined for each byte that is not mapped. */
export function readVirtual(view: View, v: number, vaddr: number, length: number): (number | undefined)[] {
  const out: (number | undefined)[] = [];
  for (let done = 0; done < length; ) {
    const at = (vaddr + done) >>> 0;
    const n = Math.min(length - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
    const { maddr } = walk(view, v, at);
    for (let i = 0; i < n; i++) out.push(maddr === undefined ? undefined : view.frames.read8(maddr + i));
    done += n;
  }
  return out;
}
