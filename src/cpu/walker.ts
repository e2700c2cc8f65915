// The page walk: linear address to machine address with permissions, accessed and dirty bits. Nothing is cached here.
//
// On PV the four L3 entries are read from memory each time and only their P bit counts (RW US A D AVL are ignored, as Xen's own
// copy of the L3 makes it), CR0.WP acts as 1 and NX is on. On the bare machine the PDPTEs are registers, loaded with CR3.
// Physical pages of the bare machine become machine frames through its bus, tables' entries included. SDM vol. 3, 4.3-4.7.

import type { Frames } from '../memory/frames.ts';
import { FRAME_TABLE } from '../memory/frames.ts';
import { RAM_BASE } from '../memory/map.ts';
import { type Bus, NO_FRAME } from './bus.ts';
import {
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PSE,
  EFER_NXE,
  PF_ID,
  PF_P,
  PF_RSVD,
  PF_U,
  PF_W,
  PTE_A,
  PTE_D,
  PTE_NX_HI,
  PTE_P,
  PTE_PS,
  PTE_RESERVED_HI,
  PTE_RW,
  PTE_US,
} from './paging.ts';
import { LEAF_4, LEAF_8, noteTable, OTHER } from './table-frames.ts';
import { VCPU, VCPU_MODE } from './vcpu.ts';

/** Kinds of access. */
export const READ = 0,
  WRITE = 1,
  EXECUTE = 2;

export class Walker {
  readonly frames: Frames;
  private readonly view: DataView;
  private readonly bus: Bus | undefined;
  /** The bus of the vCPU that is walked for. */
  private via: Bus | undefined = undefined;
  /** Result of a walk that succeeded: the machine frame, which may lie beyond RAM; NO_FRAME where the bus has no memory. */
  mfn = 0;
  /** The physical page behind it: the same without a bus. */
  pfn = 0;
  /** Result of a walk that failed: the #PF error code. */
  code = 0;

  constructor(frames: Frames, bus?: Bus) {
    this.frames = frames;
    this.view = frames.m.view;
    this.bus = bus;
  }

  /** Machine address of a table entry's physical address, -1 where no memory is. */
  private behind(paddr: number, write: boolean): number {
    const pfn = Math.floor(paddr / 4096);
    const mfn = this.via === undefined ? pfn : this.via.frameOf(pfn, write);
    return mfn !== NO_FRAME && this.frames.exists(mfn) ? mfn * 4096 + (paddr % 4096) : -1;
  }
  private entry(paddr: number): number {
    const maddr = this.behind(paddr, false);
    return maddr < 0 ? 0xffffffff : this.view.getUint32(RAM_BASE + maddr, true);
  }
  /** A word of physical memory for the vCPU's own use (PDPTEs); zero where no memory is. */
  word(v: number, paddr: number): number {
    this.use(v);
    const maddr = this.behind(paddr, false);
    return maddr < 0 ? 0 : this.view.getUint32(RAM_BASE + maddr, true);
  }
  private use(v: number): void {
    this.via = this.frames.m.r32(v + VCPU.mode) === VCPU_MODE.bare ? this.bus : undefined;
  }

  /**
   * Walks for one access; `track` marks the table frames so that writes to them drop TLBs (for whoever caches the result).
   * True: pfn and mfn are set. False: code is set.
   */
  walk(v: number, lin: number, access: number, user: boolean, track: boolean): boolean {
    this.use(v);
    if (!this.translate(v, lin, access, user, track)) return false;
    this.mfn = this.via === undefined ? this.pfn : this.via.frameOf(this.pfn, access === WRITE);
    return true;
  }
  /** Whether what a walk for writing has found is the same frame for reading. */
  readable(): boolean {
    return this.via === undefined || this.via.frameOf(this.pfn, false) === this.mfn;
  }
  private translate(v: number, lin: number, access: number, user: boolean, track: boolean): boolean {
    const m = this.frames.m;
    const cr0 = m.r32(v + VCPU.cr0);
    if ((cr0 & CR0_PG) === 0) {
      this.pfn = lin >>> 12;
      return true;
    }
    const pv = m.r32(v + VCPU.mode) === VCPU_MODE.pv;
    if (!pv && (m.r32(v + VCPU.cr4) & CR4_PAE) === 0) return this.twoLevel(v, lin, access, user, track, cr0);
    return this.pae(v, lin, access, user, track, pv, cr0);
  }

  private fail(access: number, user: boolean, code: number, nx: boolean): false {
    this.code =
      code | (access === WRITE ? PF_W : 0) | (user ? PF_U : 0) | (access === EXECUTE && nx ? PF_ID : 0);
    return false;
  }

  private mark(paddr: number, track: boolean, kind = OTHER, base = 0): void {
    if (!track) return;
    const maddr = this.behind(paddr, false);
    if (maddr < 0) return;
    noteTable(this.frames, maddr >>> 12, kind, base);
    this.frames.setFlag(maddr >>> 12, FRAME_TABLE);
  }

  private pae(
    v: number,
    lin: number,
    access: number,
    user: boolean,
    track: boolean,
    pv: boolean,
    cr0: number,
  ): boolean {
    const m = this.frames.m;
    const nx = pv || (m.r32(v + VCPU.efer) & EFER_NXE) !== 0;
    const slot = lin >>> 30;
    const cr3 = m.r32(v + VCPU.cr3);
    let lo: number, hi: number;
    if (pv) {
      const l3 = ((cr3 >>> 12) | ((cr3 & 0xfff) << 20)) * 4096 + slot * 8;
      this.mark(l3, track);
      lo = this.entry(l3);
      hi = this.entry(l3 + 4);
    } else {
      lo = m.r32(v + VCPU.pdpte + 8 * slot);
      hi = m.r32(v + VCPU.pdpte + 8 * slot + 4);
    }
    if ((lo & PTE_P) === 0) return this.fail(access, user, 0, nx);
    const l2 = frameBase(lo, hi) + ((lin >>> 21) & 511) * 8;
    this.mark(l2, track);
    const lo2 = this.entry(l2),
      hi2 = this.entry(l2 + 4);
    if ((lo2 & PTE_P) === 0) return this.fail(access, user, 0, nx);
    const large = (lo2 & PTE_PS) !== 0;
    if (reserved(hi2, nx) || (large && (lo2 & 0x1fe000) !== 0))
      return this.fail(access, user, PF_P | PF_RSVD, nx);
    let leaf = l2,
      leafLo = lo2,
      rights = lo2,
      noExecute = nx ? hi2 & PTE_NX_HI : 0,
      mfn: number;
    if (large)
      mfn = (((frameBase(lo2, hi2) / 4096) & ~511) + ((lin >>> 12) & 511)) >>> 0; // bit 12 is PAT
    else {
      leaf = frameBase(lo2, hi2) + ((lin >>> 12) & 511) * 8;
      this.mark(leaf, track, LEAF_8, lin & ~0x1fffff);
      leafLo = this.entry(leaf);
      const hi1 = this.entry(leaf + 4);
      if ((leafLo & PTE_P) === 0) return this.fail(access, user, 0, nx);
      if (reserved(hi1, nx)) return this.fail(access, user, PF_P | PF_RSVD, nx);
      rights &= leafLo;
      if (nx) noExecute |= hi1 & PTE_NX_HI;
      mfn = ((leafLo >>> 12) | ((hi1 & 0xf) << 20)) >>> 0;
    }
    if (
      !allowed(rights, access, user, pv || (cr0 & CR0_WP) !== 0) ||
      (access === EXECUTE && noExecute !== 0)
    ) {
      return this.fail(access, user, PF_P, nx);
    }
    if (!large && (lo2 & PTE_A) === 0) this.setBits(l2, PTE_A);
    const wanted = access === WRITE ? PTE_A | PTE_D : PTE_A;
    if ((leafLo & wanted) !== wanted) this.setBits(leaf, wanted);
    this.pfn = mfn;
    return true;
  }

  private twoLevel(
    v: number,
    lin: number,
    access: number,
    user: boolean,
    track: boolean,
    cr0: number,
  ): boolean {
    const m = this.frames.m;
    const directory = ((m.r32(v + VCPU.cr3) & 0xfffff000) >>> 0) + (lin >>> 22) * 4;
    this.mark(directory, track);
    const pde = this.entry(directory);
    if ((pde & PTE_P) === 0) return this.fail(access, user, 0, false);
    const large = (pde & PTE_PS) !== 0 && (m.r32(v + VCPU.cr4) & CR4_PSE) !== 0;
    if (large && (pde & PSE36_RESERVED) !== 0) return this.fail(access, user, PF_P | PF_RSVD, false);
    let leaf = directory,
      entry = pde,
      rights = pde;
    if (!large) {
      leaf = ((pde & 0xfffff000) >>> 0) + ((lin >>> 12) & 1023) * 4;
      this.mark(leaf, track, LEAF_4, lin & ~0x3fffff);
      entry = this.entry(leaf);
      if ((entry & PTE_P) === 0) return this.fail(access, user, 0, false);
      rights &= entry;
    }
    if (!allowed(rights, access, user, (cr0 & CR0_WP) !== 0)) return this.fail(access, user, PF_P, false);
    if (!large && (pde & PTE_A) === 0) this.setBits(directory, PTE_A);
    const wanted = access === WRITE ? PTE_A | PTE_D : PTE_A;
    if ((entry & wanted) !== wanted) this.setBits(leaf, wanted);
    // PSE-36: bits 13-16 of a 4-MiB entry are bits 32-35 of the address.
    const high = (entry & PSE36_BASE) << 7;
    this.pfn = large ? (entry >>> 22) * 1024 + ((lin >>> 12) & 1023) + high : entry >>> 12;
    return true;
  }

  private setBits(paddr: number, bits: number): void {
    const maddr = this.behind(paddr, true);
    if (maddr >= 0) this.frames.setTableBits(maddr, bits);
  }
}

/** Bits of a 4-MiB entry: the base above 4 GiB, and what the width of physical addresses leaves reserved. */
const PSE36_BASE = 0x1e000,
  PSE36_RESERVED = 0x3e0000;

const frameBase = (lo: number, hi: number): number => ((lo & 0xfffff000) >>> 0) + (hi & 0xf) * 4294967296;

const reserved = (hi: number, nx: boolean): boolean =>
  (hi & PTE_RESERVED_HI) !== 0 || (!nx && (hi & PTE_NX_HI) !== 0);

function allowed(rights: number, access: number, user: boolean, writeProtect: boolean): boolean {
  if (user && (rights & PTE_US) === 0) return false;
  return access !== WRITE || (rights & PTE_RW) !== 0 || (!user && !writeProtect);
}
