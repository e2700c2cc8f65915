// What each frame that holds a page table translates, so that a store to one entry need drop only one page's translations. Noted by the
// walker whenever it reads a table; good while the frame is watched (FRAME_TABLE), since a store that clears the flag drops all of them.

import { FRAME_TABLE, type Frames } from '../memory/frames.ts';
import { cacheArea } from '../memory/map.ts';

/** A word for each frame: linear address of the first page its table translates, and the kind. */
export const TABLE_FRAMES = cacheArea('tableFrames');
const AT = TABLE_FRAMES >>> 2;

/** Kinds of tables: entries of 4 or of 8 bytes that lead to pages of 4 KiB; anything else, or a table used in several places. */
export const LEAF_4 = 1,
  LEAF_8 = 2,
  OTHER = 3;
const KIND = 3;

/** Notes that the table in a frame was used: as `kind`, its first entry translating the linear address `base`. Call before the flag is set. */
export function noteTable(frames: Frames, mfn: number, kind: number, base: number): void {
  const { i32 } = frames.m;
  const now = base | kind;
  if ((frames.flags(mfn) & FRAME_TABLE) === 0) i32[AT + mfn] = now;
  else if (i32[AT + mfn] !== now) i32[AT + mfn] = OTHER;
}

/** Linear address of the page that the entry at `offset` of the table in a frame translates, -1 when that is not one known page. */
export function pageOfEntry(frames: Frames, mfn: number, offset: number): number {
  const noted = frames.m.u32[AT + mfn]!;
  const kind = noted & KIND;
  if (kind !== LEAF_4 && kind !== LEAF_8) return -1;
  return (noted & ~KIND) + (offset >>> (kind === LEAF_4 ? 2 : 3)) * 4096;
}
