// The physical world of a CPU test vector: which pages are memory, and where the test machine hides its own tables.
//
// Physical addresses below 16 MiB are RAM frames of the same number. Frames above are handed out: to pages the vector names, and to
// the machine's own page tables, descriptor tables and stack, which appear at a physical place of their own. Everything else is empty bus.

import { type Bus, NO_FRAME } from '../cpu/bus.ts';
import { FRAME_CLEAN, Frames } from '../memory/frames.ts';
import { cacheArea, PAGE_SHIFT, PAGE_SIZE } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';

const MiB = 1 << 20;
/** RAM below this is what a vector sees at the same physical address. */
export const IDENTITY = 16 * MiB;
/** Physical address of the first frame above IDENTITY. */
const RESERVED = 0xf0000000;
const RESERVED_PFN = RESERVED >>> PAGE_SHIFT,
  FIRST_FRAME = IDENTITY >>> PAGE_SHIFT;
/** FRAME_CLEAN of four frames. */
const ALL_CLEAN = 0x01010101 * FRAME_CLEAN;
const OFFSET_MASK = PAGE_SIZE - 1;

const PTE_P = 1,
  PTE_RW = 2,
  PTE_US = 4,
  PTE_PS = 0x80,
  PTE_NX_HIGH = 0x80000000;
const LARGE_PAGE = 2 * MiB;

export class VectorSpace {
  readonly m: Memory;
  readonly frames: Frames;
  readonly bus: Bus;
  /** Frames of pages above 16 MiB that the vector names, by page number: linear, or physical when the vector has no linear ones. */
  readonly pages = new Map<number, number>();
  /** Whether `pages` and memory lists speak of linear addresses that our page tables map. */
  linear = false;
  private nextFrame = FIRST_FRAME;
  /** The flags of four frames a word. */
  private readonly flags: Uint32Array;
  private directories = 0;
  private root = 0;

  constructor(m: Memory) {
    this.m = m;
    this.frames = new Frames(m);
    this.flags = m.u32.subarray(cacheArea('frameFlags') >>> 2);
    const allOnes = (size: 8 | 16 | 32): number => (size === 32 ? -1 : (1 << size) - 1);
    this.bus = {
      frameOf: (pfn) => this.frameOf(pfn),
      readMmio: (_, size) => allOnes(size),
      writeMmio: () => {},
      portIn: (_, size) => allOnes(size),
      portOut: () => {},
      readMsr: () => undefined,
      writeMsr: () => false,
    };
  }

  private frameOf(pfn: number): number {
    if (pfn < FIRST_FRAME) return pfn;
    const own = pfn - RESERVED_PFN + FIRST_FRAME;
    if (own >= FIRST_FRAME && own < this.nextFrame) return own;
    return this.linear ? NO_FRAME : (this.pages.get(pfn) ?? NO_FRAME);
  }

  /** Forgets the last vector: every frame it wrote is zero again. */
  reset(): void {
    const { frames, flags } = this;
    const words = (this.nextFrame + 3) >>> 2;
    for (let word = 0; word < words; word++) {
      if ((flags[word]! & ALL_CLEAN) === ALL_CLEAN) continue;
      for (let mfn = word * 4; mfn < word * 4 + 4; mfn++) {
        if (!frames.isDirty(mfn)) continue;
        frames.zeroFrame(mfn);
        frames.setFlag(mfn, FRAME_CLEAN);
      }
    }
    this.pages.clear();
    this.nextFrame = FIRST_FRAME;
    this.linear = false;
    frames.flushTlbs();
  }

  /** A frame that is nobody's: its machine address. */
  newFrame(): number {
    if (this.nextFrame >= this.m.nrFrames)
      throw new Error('the vector names more pages than the test machine has');
    return this.nextFrame++ * PAGE_SIZE;
  }
  /** Where the processor sees a frame from newFrame(). */
  physical(maddr: number): number {
    return maddr - IDENTITY + RESERVED;
  }
  private machine(physical: number): number {
    return physical - RESERVED + IDENTITY;
  }

  write64(maddr: number, low: number, high: number): void {
    this.frames.write64(maddr, low | 0, high | 0);
  }

  // ---- page tables of our own: PAE, so that pages can refuse to be executed ----

  /** Empty page tables; with `identity` everything below 16 MiB is mapped by large pages. Returns CR3. */
  buildPaging(identity: boolean): number {
    this.linear = true;
    this.root = this.newFrame();
    this.directories = this.newFrame();
    for (let i = 1; i < 4; i++) this.newFrame();
    for (let i = 0; i < 4; i++)
      this.write64(this.root + i * 8, this.physical(this.directories + i * PAGE_SIZE) | PTE_P, 0);
    for (let at = 0; identity && at < IDENTITY; at += LARGE_PAGE)
      this.write64(this.directories + (at >>> 21) * 8, at | PTE_P | PTE_RW | PTE_US | PTE_PS, 0);
    return this.physical(this.root);
  }
  /** The four entries of the page-directory-pointer table as words. */
  pdptes(): number[] {
    return Array.from({ length: 8 }, (_, i) => this.frames.read32(this.root + i * 4));
  }
  /** Maps a linear page to a physical one. */
  map(linear: number, physical: number, rights: string, user: boolean): void {
    const entry = this.directories + (linear >>> 21) * 8;
    let table = this.frames.read32(entry) & ~OFFSET_MASK;
    if (table === 0) {
      const fresh = this.newFrame();
      table = this.physical(fresh);
      this.write64(entry, table | PTE_P | PTE_RW | PTE_US, 0);
    }
    const low = physical | PTE_P | (rights.includes('w') ? PTE_RW : 0) | (user ? PTE_US : 0);
    const at = this.machine(table >>> 0) + ((linear >>> PAGE_SHIFT) & 511) * 8;
    this.write64(at, low, rights.includes('x') ? 0 : PTE_NX_HIGH);
  }

  /** Gives the page of an address memory, unless it has, and maps it with the rights. `listed`: what is not named is not there, even below 16 MiB. */
  addPage(address: number, rights: string, listed: boolean): void {
    const page = address >>> PAGE_SHIFT;
    if (this.pages.has(page)) return;
    if (address >>> 0 < IDENTITY) {
      if (!listed) return;
      this.pages.set(page, page * PAGE_SIZE);
      this.map(page * PAGE_SIZE, page * PAGE_SIZE, rights, true);
      return;
    }
    const maddr = this.newFrame();
    this.pages.set(page, this.linear ? maddr : maddr >>> PAGE_SHIFT);
    if (this.linear) this.map(page * PAGE_SIZE, this.physical(maddr), rights, true);
  }

  /** Machine address behind an address of the vector, undefined when it has no memory there. */
  machineAddress(address: number): number | undefined {
    const page = address >>> PAGE_SHIFT;
    const known = this.pages.get(page);
    const offset = address & OFFSET_MASK;
    if (known !== undefined) return (this.linear ? known : known * PAGE_SIZE) + offset;
    return address >>> 0 < IDENTITY ? address : undefined;
  }
}
