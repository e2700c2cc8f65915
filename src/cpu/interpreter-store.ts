// Stores to frames that are watched, in generated code: page tables, and data that lies beside code. Such a frame has no entry in the TLB
// for writing, since every store to it has consequences; what it may have is a *guarded* entry (TLB_GUARDED), which says that paging
// allows the store. One instruction that stores once (RECORD_STORES) then runs with the entry as good as an ordinary one:
//
//   arm      looks whether the consequences are known: a table whose entry translates one page, or bytes no decoded instruction lies near
//            (FRAME_LINES). Then it opens the entry and puts the handler #behind in the record behind the instruction.
//   behind   closes the entry, puts the record right, and drops what the entry of the table translated.
//
// Everything else goes out and is stored by the reference engine. When the instruction leaves midway, the engine closes the entry.

import { FunctionBody, I32 } from '../isa/wasm-emit.ts';
import { CTL, FRAME_CODE, FRAME_LINES, FRAME_TABLE, LINE_BYTES } from '../memory/frames.ts';
import { CONTROL, cacheArea, RAM_BASE } from '../memory/map.ts';
import { CODE_TLB, CODE_TLB_ENTRIES, CODE_TLB_SIZE, CODE_TLBS, FAST, RECORD } from './interpreter-layout.ts';
import { LEAF_4, LEAF_8, TABLE_FRAMES } from './table-frames.ts';
import { TLB_EMPTY, TLB_ENTRIES, TLB_GUARDED, TLB_SEEN, TLB_TABLE_SIZE } from './tlb.ts';

const PAGE = 4096;
/** Bytes a store of such an instruction has at most. */
const STORE_BYTES = 4;
/** Flag of RECORD.scale: the instruction stores once to memory, and goes on behind itself. */
export const RECORD_STORES = 0x100;
/** In FAST.guardedPage: no translation is to be dropped. */
export const NO_DROP = 1;

const REC = 0,
  LIN = 1;

const put = (f: FunctionBody, address: number, value: () => void): void => {
  f.const32(0);
  value();
  f.memory('i32.store', 2, address);
};

/**
 * (record, linear address, number of the handler #behind) → 1 when the instruction is to be tried again. Whatever the reason is, nothing
 * else of the machine has changed.
 */
export function armFunction(): FunctionBody {
  const f = new FunctionBody([I32, I32, I32], [I32]);
  const BEHIND = 2;
  const [entry, mfn, flags, page] = [0, 0, 0, 0].map(() => f.local(I32)) as [number, number, number, number];
  const no = f.begin('block');
  f.get(REC).memory('i32.load16_u', 1, RECORD.scale).const32(RECORD_STORES).op('i32.and').op('i32.eqz');
  f.get(LIN)
    .const32(PAGE - 1)
    .op('i32.and')
    .const32(PAGE - STORE_BYTES)
    .op('i32.gt_u')
    .op('i32.or');
  f.branch('br_if', no);
  f.get(LIN)
    .const32(9)
    .op('i32.shr_u')
    .const32((TLB_ENTRIES - 1) * 8)
    .op('i32.and');
  f.const32(0).memory('i32.load', 2, FAST.writeTable).op('i32.add').set(entry);
  f.get(LIN).const32(-PAGE).op('i32.and').set(page);
  f.get(entry).memory('i32.load', 2, 0).get(page).const32(TLB_GUARDED).op('i32.or').op('i32.ne');
  f.branch('br_if', no);
  f.get(entry).memory('i32.load', 2, 4).const32(RAM_BASE).op('i32.sub').const32(12).op('i32.shr_u').set(mfn);
  f.get(mfn).memory('i32.load8_u', 0, cacheArea('frameFlags')).set(flags);
  const known = f.begin('block');
  f.get(flags).const32(FRAME_TABLE).op('i32.eq').begin('if');
  emitTable(f, { mfn, no });
  f.branch('br', known).end();
  f.get(flags).const32(FRAME_CODE).op('i32.ne').branch('br_if', no);
  emitLines(f, { mfn, no });
  f.end(); // known
  f.get(entry).get(page).memory('i32.store', 2, 0);
  put(f, FAST.guarded, () => f.get(entry));
  put(f, FAST.guardedRec, () => f.get(REC).const32(RECORD.$size).op('i32.add'));
  put(f, FAST.guardedHandler, () => f.get(REC).memory('i32.load16_u', 1, RECORD.$size));
  f.get(REC).get(BEHIND).memory('i32.store16', 1, RECORD.$size);
  f.const32(1).op('return').end();
  f.const32(0);
  return f;
}

/** The page that the entry of a table translates into FAST.guardedPage; branches to `no` where that is not known. */
function emitTable(f: FunctionBody, { mfn, no }: { readonly mfn: number; readonly no: number }): void {
  const noted = f.local(I32),
    log = f.local(I32);
  f.const32(0).memory('i32.load', 2, CONTROL + CTL.tlbEpoch);
  f.const32(0).memory('i32.load', 2, FAST.tlbEpoch).op('i32.ne');
  f.get(LIN).const32(3).op('i32.and').op('i32.or').branch('br_if', no);
  f.get(mfn).const32(2).op('i32.shl').memory('i32.load', 2, TABLE_FRAMES).set(noted);
  // Entries of 4 bytes or of 8.
  f.get(noted).const32(3).op('i32.and').set(log);
  f.get(log).const32(LEAF_4).op('i32.ne').get(log).const32(LEAF_8).op('i32.ne').op('i32.and');
  f.branch('br_if', no);
  f.const32(2).get(log).const32(LEAF_8).op('i32.eq').op('i32.add').set(log);
  put(f, FAST.guardedPage, () => {
    f.get(noted).const32(-4).op('i32.and');
    f.get(LIN)
      .const32(PAGE - 1)
      .op('i32.and')
      .get(log)
      .op('i32.shr_u')
      .const32(12)
      .op('i32.shl')
      .op('i32.add');
  });
}

/** Branches to `no` where the store may touch bytes of a decoded instruction. */
function emitLines(f: FunctionBody, { mfn, no }: { readonly mfn: number; readonly no: number }): void {
  for (const byte of [0, STORE_BYTES - 1]) {
    const line = f.local(I32);
    f.get(LIN)
      .const32(PAGE - 1)
      .op('i32.and')
      .const32(byte)
      .op('i32.add');
    f.const32(Math.log2(LINE_BYTES)).op('i32.shr_u').set(line);
    f.get(mfn)
      .const32(3)
      .op('i32.shl')
      .get(line)
      .const32(5)
      .op('i32.shr_u')
      .const32(2)
      .op('i32.shl')
      .op('i32.add');
    f.memory('i32.load', 2, FRAME_LINES).get(line).op('i32.shr_u').const32(1).op('i32.and');
    f.branch('br_if', no);
  }
  put(f, FAST.guardedPage, () => f.const32(NO_DROP));
}

/**
 * () →: the handler #behind, behind an instruction that has stored through a guarded entry. 1 when the page of the instructions behind has
 * been moved: they are not to be run.
 */
export function behindFunction(): FunctionBody {
  const f = new FunctionBody([], [I32]);
  const entry = f.local(I32),
    page = f.local(I32),
    at = f.local(I32);
  const fast = (address: number): FunctionBody => f.const32(0).memory('i32.load', 2, address);
  fast(FAST.guarded).set(entry);
  f.get(entry)
    .get(entry)
    .memory('i32.load', 2, 0)
    .const32(TLB_GUARDED)
    .op('i32.or')
    .memory('i32.store', 2, 0);
  put(f, FAST.guarded, () => f.const32(0));
  fast(FAST.guardedRec);
  fast(FAST.guardedHandler).memory('i32.store16', 1, 0);
  fast(FAST.guardedPage).set(page);
  f.get(page).const32(NO_DROP).op('i32.eq').begin('if');
  f.const32(0).op('return').end();
  const dropAt = (offset: number, empty: number): void => {
    f.get(at)
      .memory('i32.load', 2, offset)
      .const32(~TLB_GUARDED)
      .op('i32.and')
      .get(page)
      .op('i32.eq')
      .begin('if');
    f.get(at).const32(empty).memory('i32.store', 2, offset).end();
  };
  f.get(page)
    .const32(9)
    .op('i32.shr_u')
    .const32((TLB_ENTRIES - 1) * 8)
    .op('i32.and');
  fast(FAST.systemRead).op('i32.add').set(at);
  for (let table = 0; table < 6; table++) dropAt(table * TLB_TABLE_SIZE, TLB_EMPTY);
  f.get(page)
    .const32(9)
    .op('i32.shr_u')
    .const32((CODE_TLB_ENTRIES - 1) * 8)
    .op('i32.and')
    .set(at);
  for (let table = 0; table < CODE_TLBS; table++) dropAt(CODE_TLB + table * CODE_TLB_SIZE, TLB_EMPTY);
  // Other vCPUs see that a translation has changed; this one has seen it.
  f.const32(0)
    .memory('i32.load', 2, CONTROL + CTL.tlbEpoch)
    .const32(1)
    .op('i32.add')
    .set(at);
  put(f, CONTROL + CTL.tlbEpoch, () => f.get(at));
  put(f, FAST.tlbEpoch, () => f.get(at));
  fast(FAST.tlbSeen).get(at).memory('i32.store', 2, TLB_SEEN.tlbEpoch);
  put(f, FAST.moved, () => f.const32(1));
  fast(FAST.guardedRec).memory('i32.load', 2, RECORD.eip).const32(-PAGE).op('i32.and').get(page).op('i32.eq');
  return f;
}
