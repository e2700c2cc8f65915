// What an inspector may look at: the memory, read only, plus the history up to the cursor and the maps of images.
// Inspectors are pure functions view → model; the same runs on the page, in a worker and in Node on a saved image. No inspector follows
// an unbounded link.

import type { Mmu } from '../../cpu/engine.ts';
import type { Frames } from '../../memory/frames.ts';
import type { Memory } from '../../memory/memory.ts';
import type { TraceRecord } from '../../trace/records.ts';
import type { ImageMap } from '../types.ts';

export interface HistoryView {
  /** Records that have happened at the cursor, oldest first; index 0 is the oldest kept. */
  readonly length: number;
  at(index: number): TraceRecord;
  bySeq(seq: number): TraceRecord | undefined;
}
export interface View {
  readonly m: Memory;
  readonly frames: Frames;
  /** Translation without side effects is inspect/pagewalk's business; this one is the engine's own, for disassembly of code that has run. */
  readonly mmu: Mmu;
  readonly history: HistoryView;
  imageMap(sha256: string): ImageMap | undefined;
}
