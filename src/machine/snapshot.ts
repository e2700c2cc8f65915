// Snapshots: STATE and the frames written since the snapshot before, each sharing what did not change with its parent.
// The tree of snapshots starts at memory that is all zero; restoring copies only frames that can differ.

import type { Frames } from '../memory/frames.ts';
import { HEADER, PAGE_SIZE, STATE_BASE, STATE_SIZE } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';

export interface Snapshot {
  readonly parent: Snapshot | undefined;
  readonly depth: number;
  readonly T: number;
  readonly seq: number;
  readonly ticks: number;
  /** Pages of STATE; identical ones are shared with the parent. */
  readonly state: readonly Uint8Array[];
  /** Frames written since the parent. */
  readonly frames: ReadonlyMap<number, Uint8Array>;
}

const STATE_PAGES = STATE_SIZE / PAGE_SIZE;

export class Snapshots {
  readonly frames: Frames;
  /** The snapshot that memory differs from only by dirty frames and STATE. */
  base: Snapshot | undefined;

  constructor(frames: Frames) {
    this.frames = frames;
  }

  /** Copies what changed since `base`; the result is the new base. */
  take(): Snapshot {
    const { frames, base } = this;
    const { m } = frames;
    const state: Uint8Array[] = [];
    for (let i = 0; i < STATE_PAGES; i++) {
      const at = STATE_BASE + i * PAGE_SIZE;
      const old = base?.state[i];
      state.push(old && same(m.u32, at >>> 2, old) ? old : m.copyOut(at, PAGE_SIZE));
    }
    const changed = new Map<number, Uint8Array>();
    for (let mfn = 0; mfn < m.nrFrames; mfn++) {
      if (frames.isDirty(mfn)) changed.set(mfn, frames.copyOut(mfn * PAGE_SIZE, PAGE_SIZE));
    }
    frames.markAllClean();
    this.base = {
      parent: base,
      depth: (base?.depth ?? -1) + 1,
      T: m.r64(HEADER + MACHINE.T),
      seq: m.r32(HEADER + MACHINE.seq),
      ticks: m.r64(HEADER + MACHINE.ticks),
      state,
      frames: changed,
    };
    return this.base;
  }

  /** Makes memory what it was when `target` was taken, drops every cache. */
  restore(target: Snapshot): void {
    const { frames } = this;
    const { m } = frames;
    const touched = new Set<number>();
    for (let mfn = 0; mfn < m.nrFrames; mfn++) if (frames.isDirty(mfn)) touched.add(mfn);
    let a: Snapshot | undefined = this.base,
      b: Snapshot | undefined = target;
    while (a !== b) {
      if (a && (!b || a.depth >= b.depth)) {
        for (const mfn of a.frames.keys()) touched.add(mfn);
        a = a.parent;
      } else if (b) {
        for (const mfn of b.frames.keys()) touched.add(mfn);
        b = b.parent;
      }
    }
    for (const mfn of touched) frames.restoreFrame(mfn, lookup(target, mfn));
    for (const [i, page] of target.state.entries()) m.u8.set(page, STATE_BASE + i * PAGE_SIZE);
    this.base = target;
    frames.dropCaches();
    frames.markAllClean();
  }
}

function lookup(s: Snapshot | undefined, mfn: number): Uint8Array | null {
  for (; s; s = s.parent) {
    const page = s.frames.get(mfn);
    if (page) return page;
  }
  return null;
}

function same(words: Uint32Array, at: number, page: Uint8Array): boolean {
  const other = new Uint32Array(page.buffer, page.byteOffset, PAGE_SIZE / 4);
  for (let i = 0; i < other.length; i++) if (words[at + i] !== other[i]) return false;
  return true;
}
