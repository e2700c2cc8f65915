// A growing byte space in machine frames that belong to Xen: what a service must remember for its guests (XenStore's nodes, watches,
// transactions, half-received messages). Handles are logical addresses; objects may cross frames; the root frame says everything,
// so an arena is found again from one mfn after any restore.

import type { Frames } from './frames.ts';
import { PAGE_SIZE } from './map.ts';
import { layout } from './layout.ts';

const ROOT = layout('ARENA', {
  magic: 'u32',
  frames: 'u32', // frames in the space
  brk: 'u32', // first logical address never given out
  used: 'u32', // bytes in live objects, class sizes
  free: ['u32', 16], // free list of each size class: 16 << i
  user: ['u32', 32], // for whoever owns the arena
  tables: ['u32', 4], // frames of 1024 mfns each
});
const MAGIC = 0x41524e41;
const TABLE_ENTRIES = PAGE_SIZE / 4;
const MAX_FRAMES = 4 * TABLE_ENTRIES;
const INVALID = 0xffffffff;
const CLASSES = 16;

export class Arena {
  private readonly frames: Frames;
  private readonly root: number;
  private readonly allocFrame: () => number;

  /** `rootMfn` is a frame made by Arena.create; `allocFrame` gives a zeroed frame or 0xffffffff. */
  constructor(frames: Frames, rootMfn: number, allocFrame: () => number) {
    this.frames = frames;
    this.root = rootMfn * PAGE_SIZE;
    this.allocFrame = allocFrame;
  }

  /** Prepares a zeroed frame as the root of an empty arena. Handle 0 is never given out. */
  static create(frames: Frames, rootMfn: number): void {
    frames.write32(rootMfn * PAGE_SIZE + ROOT.magic, MAGIC);
    frames.write32(rootMfn * PAGE_SIZE + ROOT.brk, 16);
  }

  get used(): number {
    return this.frames.read32(this.root + ROOT.used);
  }
  /** Word i (0 … 31) that belongs to the arena's owner. */
  user(i: number): number {
    return this.frames.read32(this.root + ROOT.user + 4 * i);
  }
  setUser(i: number, value: number): void {
    this.frames.write32(this.root + ROOT.user + 4 * i, value);
  }

  private static classOf(size: number): number {
    let c = 0;
    while (16 << c < size) c++;
    return c;
  }
  /** Bytes that an object of this size really takes. */
  static cost(size: number): number {
    return 16 << Arena.classOf(size);
  }

  /** A handle to `size` bytes of undefined content, 0 when memory is used up. size <= 512 KiB. */
  alloc(size: number): number {
    const c = Arena.classOf(size);
    if (c >= CLASSES) return 0;
    const list = this.root + ROOT.free + 4 * c;
    const head = this.frames.read32(list);
    let handle = head;
    if (head !== 0) this.frames.write32(list, this.r32(head));
    else {
      handle = this.frames.read32(this.root + ROOT.brk);
      const end = handle + (16 << c);
      if (!this.grow(end)) return 0;
      this.frames.write32(this.root + ROOT.brk, end);
    }
    this.frames.write32(this.root + ROOT.used, this.used + (16 << c));
    return handle;
  }
  /** Gives back an object of `size` bytes. */
  free(handle: number, size: number): void {
    const c = Arena.classOf(size);
    const list = this.root + ROOT.free + 4 * c;
    this.w32(handle, this.frames.read32(list));
    this.frames.write32(list, handle);
    this.frames.write32(this.root + ROOT.used, this.used - (16 << c));
  }

  private grow(end: number): boolean {
    for (let n = this.frames.read32(this.root + ROOT.frames); n * PAGE_SIZE < end; n++) {
      if (n >= MAX_FRAMES) return false;
      const slot = this.root + ROOT.tables + 4 * ((n / TABLE_ENTRIES) | 0);
      if (this.frames.read32(slot) === 0) {
        const table = this.allocFrame();
        if (table === INVALID) return false;
        this.frames.write32(slot, table);
      }
      const mfn = this.allocFrame();
      if (mfn === INVALID) return false;
      this.frames.write32(this.frames.read32(slot) * PAGE_SIZE + 4 * (n % TABLE_ENTRIES), mfn);
      this.frames.write32(this.root + ROOT.frames, n + 1);
    }
    return true;
  }

  /** Machine address of a logical address. */
  private maddr(handle: number): number {
    const n = (handle / PAGE_SIZE) | 0;
    const table = this.frames.read32(this.root + ROOT.tables + 4 * ((n / TABLE_ENTRIES) | 0));
    return (
      this.frames.read32(table * PAGE_SIZE + 4 * (n % TABLE_ENTRIES)) * PAGE_SIZE + (handle & (PAGE_SIZE - 1))
    );
  }
  /** Words must be 4-aligned. */
  r32(handle: number): number {
    return this.frames.read32(this.maddr(handle));
  }
  w32(handle: number, value: number): void {
    this.frames.write32(this.maddr(handle), value >>> 0);
  }
  read(handle: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const n = Math.min(length - done, PAGE_SIZE - ((handle + done) & (PAGE_SIZE - 1)));
      out.set(this.frames.copyOut(this.maddr(handle + done), n), done);
      done += n;
    }
    return out;
  }
  write(handle: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const n = Math.min(bytes.length - done, PAGE_SIZE - ((handle + done) & (PAGE_SIZE - 1)));
      this.frames.copyIn(this.maddr(handle + done), bytes.subarray(done, done + n));
      done += n;
    }
  }
  /** A new object holding `bytes`, its length in front; 0 when memory is used up. */
  put(bytes: Uint8Array): number {
    const handle = this.alloc(bytes.length + 4);
    if (handle === 0) return 0;
    this.w32(handle, bytes.length);
    this.write(handle + 4, bytes);
    return handle;
  }
  get(handle: number): Uint8Array {
    return this.read(handle + 4, this.r32(handle));
  }
  drop(handle: number): void {
    this.free(handle, this.r32(handle) + 4);
  }
}
