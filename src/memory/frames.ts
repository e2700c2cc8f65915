// The only two ways to write a machine frame: an engine's write-TLB entry, or a write method here.
//
// Per-frame flags say what a write must do besides storing:
//   CODE     decoded instructions exist: bump the frame's version, so that every engine decodes again
//   TABLE    a walker read translations out of it: drop every TLB (bump tlbEpoch)
//   CLEAN    unchanged since the last snapshot: the first write marks it dirty by clearing the flag
//   WATCHED  somebody wants to know of every store (shared-ring indices): report it, keep the flag
// A frame with any flag set has no write-TLB entry in any vCPU. Setting a flag bumps writeEpoch; engines compare it
// before they run and after anything of their own that may set a flag, and drop their write entries when it moved.

import { cacheArea, CONTROL, PAGE_SHIFT, PAGE_SIZE, RAM_BASE } from './map.ts';
import { layout } from './layout.ts';
import type { Memory } from './memory.ts';

export const FRAME_CODE = 1;
export const FRAME_TABLE = 2;
export const FRAME_CLEAN = 4;
export const FRAME_WATCHED = 8;

/** The control block at the start of CACHE: host-side words that are no part of the machine. */
export const CTL = layout('CONTROL', {
  baton: 'u32', // host number that may run the pCPU
  wantRead: 'u32', // a reader waits: park at the next slice end
  cacheEpoch: 'u32', // bumped by restore: drop everything cached
  tlbEpoch: 'u32', // bumped when a translation may have changed
  writeEpoch: 'u32', // bumped when a frame flag is set
  stop: 'u32', // a person asked to stop
  stopSeq: 'u32', // throw PhaseStop after the record with this sequence number (0 = never)
  stopSeqOn: 'u32',
  traceHead: 'u32', // records written (free running)
  traceTail: 'u32', // records collected
  sideHead: 'u32', // bytes written to the side ring
  verbose: 'u32', // write verbose records too
  lock: 'u32',
  hosts: 'u32',
  quit: 'u32', // hosts are to end
  reply: 'u32', // how the last hand-off ended: HANDOFF
  replySeq: 'u32',
  untilSeq: 'u32',
  limitSlice: 'u32',
  untilT: 'u64', // limits of the run under way, for every host
  untilTicks: 'u64',
  watchMaddr: ['u32', 16], // watched byte ranges [start, end) in pairs
  hostTicks: ['u64', 8], // ticks run by each host: proof that layouts differ
  codeEpoch: 'u32', // bumped when the version of any frame moves
});

/**
 * Which parts of a frame decoded instructions have come from, a bit for each line: two words a frame. Whoever decodes marks before it
 * runs; nobody clears, since a line too many only costs time. A store beside all of them need not tell anybody.
 */
export const LINE_BYTES = 64;
export const FRAME_LINES = cacheArea('codeLines');

const FLAGS = cacheArea('frameFlags');
const VERSION = cacheArea('frameVersion') >>> 2;

export type WatchHook = (maddr: number, size: number, value: number) => void;

export class Frames {
  readonly m: Memory;
  /** Called after a store into a watched range. Set by whoever builds the machine object; never part of the machine. */
  onWatch: WatchHook = () => {};

  constructor(m: Memory) {
    this.m = m;
  }

  exists(mfn: number): boolean {
    return mfn >>> 0 < this.m.nrFrames;
  }
  flags(mfn: number): number {
    return this.m.u8[FLAGS + mfn]!;
  }
  version(mfn: number): number {
    return this.m.u32[VERSION + mfn]!;
  }

  /** Sets flags; a flag newly set forbids write-TLB entries for the frame, so writeEpoch moves. */
  setFlag(mfn: number, flag: number): void {
    const old = this.m.u8[FLAGS + mfn]!;
    if ((old & flag) === flag) return;
    this.m.u8[FLAGS + mfn] = old | flag;
    this.bump(CTL.writeEpoch);
  }
  /** Sets a flag that the store just done has cleared. Nobody has looked since, so no write-TLB entry was made and no epoch moves. */
  keepFlag(mfn: number, flag: number): void {
    this.m.u8[FLAGS + mfn] = this.m.u8[FLAGS + mfn]! | flag;
  }
  clearFlag(mfn: number, flag: number): void {
    this.m.u8[FLAGS + mfn] = this.m.u8[FLAGS + mfn]! & ~flag;
  }

  /** Notes that an instruction was decoded from `length` bytes at an offset of a frame; they lie within it. */
  markCode(mfn: number, offset: number, length: number): void {
    const { u32 } = this.m;
    for (let line = (offset / LINE_BYTES) | 0; line * LINE_BYTES < offset + length; line++) {
      const at = (FRAME_LINES >>> 2) + 2 * mfn + (line >>> 5);
      u32[at] = u32[at]! | (1 << (line & 31));
    }
  }

  /** Marks every frame clean: what is written from now on is what the next snapshot copies. */
  markAllClean(): void {
    const f = this.m.u8;
    for (let i = FLAGS, end = FLAGS + this.m.nrFrames; i < end; i++) f[i] = f[i]! | FRAME_CLEAN;
    this.bump(CTL.writeEpoch);
  }
  isDirty(mfn: number): boolean {
    return (this.m.u8[FLAGS + mfn]! & FRAME_CLEAN) === 0;
  }

  /** Forgets all caches: after a restore, or at any moment in a test. Dirty tracking (CLEAN) is kept. */
  dropCaches(): void {
    const { u8, u32, nrFrames } = this.m;
    for (let i = 0; i < nrFrames; i++) {
      u8[FLAGS + i] = u8[FLAGS + i]! & (FRAME_CLEAN | FRAME_WATCHED);
      u32[VERSION + i] = u32[VERSION + i]! + 1;
    }
    this.bump(CTL.cacheEpoch);
    this.bump(CTL.tlbEpoch);
    this.bump(CTL.writeEpoch);
  }

  ctl(field: number): number {
    return this.m.u32[(CONTROL + field) >>> 2]!;
  }
  bump(field: number): void {
    this.m.u32[(CONTROL + field) >>> 2] = this.m.u32[(CONTROL + field) >>> 2]! + 1;
  }
  flushTlbs(): void {
    this.bump(CTL.tlbEpoch);
  }

  // Reading: any machine address below nrFrames * 4096; a range must not run past the last frame.
  read8(maddr: number): number {
    return this.m.u8[RAM_BASE + maddr]!;
  }
  read16(maddr: number): number {
    return this.m.view.getUint16(RAM_BASE + maddr, true);
  }
  read32(maddr: number): number {
    return this.m.view.getUint32(RAM_BASE + maddr, true);
  }
  copyOut(maddr: number, length: number): Uint8Array<ArrayBuffer> {
    return this.m.copyOut(RAM_BASE + maddr, length);
  }

  // Writing. Sizes never cross a frame except in copyIn.
  write8(maddr: number, v: number): void {
    if (this.m.u8[FLAGS + (maddr >>> PAGE_SHIFT)] !== 0) this.before(maddr, 1);
    this.m.u8[RAM_BASE + maddr] = v;
    this.after(maddr, 1, v & 0xff);
  }
  write16(maddr: number, v: number): void {
    if (this.m.u8[FLAGS + (maddr >>> PAGE_SHIFT)] !== 0) this.before(maddr, 2);
    this.m.view.setUint16(RAM_BASE + maddr, v, true);
    this.after(maddr, 2, v & 0xffff);
  }
  write32(maddr: number, v: number): void {
    if (this.m.u8[FLAGS + (maddr >>> PAGE_SHIFT)] !== 0) this.before(maddr, 4);
    this.m.view.setUint32(RAM_BASE + maddr, v, true);
    this.after(maddr, 4, v >>> 0);
  }
  /** One 8-byte store (a PAE entry), so that no reader sees half of it. */
  write64(maddr: number, lo: number, hi: number): void {
    if (this.m.u8[FLAGS + (maddr >>> PAGE_SHIFT)] !== 0) this.before(maddr, 8);
    this.m.view.setUint32(RAM_BASE + maddr, lo, true);
    this.m.view.setUint32(RAM_BASE + maddr + 4, hi, true);
    this.after(maddr, 8, lo >>> 0);
  }
  /** Accessed and dirty bits set by the walker itself: translations stay valid, so TABLE is left alone. */
  setTableBits(maddr: number, bits: number): void {
    const mfn = maddr >>> PAGE_SHIFT;
    if ((this.m.u8[FLAGS + mfn]! & FRAME_CLEAN) !== 0) this.clearFlag(mfn, FRAME_CLEAN);
    const at = RAM_BASE + maddr;
    this.m.view.setUint32(at, this.m.view.getUint32(at, true) | bits, true);
  }
  copyIn(maddr: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = maddr + done;
      const n = Math.min(bytes.length - done, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
      if (this.m.u8[FLAGS + (at >>> PAGE_SHIFT)] !== 0) this.before(at, n);
      this.m.u8.set(bytes.subarray(done, done + n), RAM_BASE + at);
      this.after(at, n, 0);
      done += n;
    }
  }
  zeroFrame(mfn: number): void {
    const at = (mfn << PAGE_SHIFT) >>> 0;
    if (this.m.u8[FLAGS + mfn] !== 0) this.before(at, PAGE_SIZE);
    this.m.u8.fill(0, RAM_BASE + at, RAM_BASE + at + PAGE_SIZE);
  }
  copyFrame(to: number, from: number): void {
    const at = to * PAGE_SIZE;
    if (this.m.u8[FLAGS + to] !== 0) this.before(at, PAGE_SIZE);
    this.m.u8.copyWithin(RAM_BASE + at, RAM_BASE + from * PAGE_SIZE, RAM_BASE + (from + 1) * PAGE_SIZE);
  }

  /** Restores a frame's bytes from a snapshot. Only time travel may use it: it is no write of the machine. */
  restoreFrame(mfn: number, bytes: Uint8Array | null): void {
    const at = RAM_BASE + mfn * PAGE_SIZE;
    if (bytes) this.m.u8.set(bytes, at);
    else this.m.u8.fill(0, at, at + PAGE_SIZE);
  }

  /** The slow path: what the flags ask for, then clear those that asked once. */
  private before(maddr: number, _size: number): void {
    const mfn = maddr >>> PAGE_SHIFT;
    const flags = this.m.u8[FLAGS + mfn]!;
    if (flags & FRAME_CODE) {
      this.m.u32[VERSION + mfn] = this.m.u32[VERSION + mfn]! + 1;
      this.bump(CTL.codeEpoch);
    }
    if (flags & FRAME_TABLE) this.bump(CTL.tlbEpoch);
    this.m.u8[FLAGS + mfn] = flags & FRAME_WATCHED;
  }
  private after(maddr: number, size: number, value: number): void {
    if (this.m.u8[FLAGS + (maddr >>> PAGE_SHIFT)]! & FRAME_WATCHED) this.onWatch(maddr, size, value);
  }

  /** Memory offset of a frame for an engine's TLB entry. Engines only. */
  hostOffset(mfn: number): number {
    return RAM_BASE + mfn * PAGE_SIZE;
  }
}
