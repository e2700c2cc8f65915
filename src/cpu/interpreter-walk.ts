// The page walk in generated code: gives the TLB the entry that was missed where nothing but that is to be done. It says no, with at most
// accessed and dirty bits set that the next walk would set too, when the walk would fault, or meets what only the engine's own walk
// (walker.ts) deals with: a table frame that is not watched yet or is clean since the last snapshot, memory that is no plain frame, bits of
// an address beyond 4 GiB. The two must mean the same; paging.test.ts and the lockstep runner hold them together.

import { FunctionBody, I32 } from '../isa/wasm-emit.ts';
import { FRAME_CLEAN, FRAME_CODE, FRAME_TABLE } from '../memory/frames.ts';
import { cacheArea, RAM_BASE } from '../memory/map.ts';
import { FAST, MISS_LEVEL } from './interpreter-layout.ts';
import {
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PSE,
  EFER_NXE,
  PTE_A,
  PTE_D,
  PTE_NX_HI,
  PTE_P,
  PTE_PS,
  PTE_RW,
  PTE_US,
} from './paging.ts';
import { LEAF_4, LEAF_8, OTHER, TABLE_FRAMES } from './table-frames.ts';
import { TLB_ENTRIES, TLB_GUARDED, TLB_LISTS, TLB_SEEN } from './tlb.ts';
import { VCPU, VCPU_MODE } from './vcpu.ts';

const FRAME_FLAGS = cacheArea('frameFlags');
const FRAME = -4096;
const PAGES_1M = 256;
/** Walks for one instruction after which the engine is asked: two of its pages may want the same place in the TLB. */
const WALKS = 4;
/** An access that begins behind this offset may reach into the next page. */
const LAST_OFFSET = 0xff8;
/** Bits 13-21 of a 4-MiB entry: base above 4 GiB, and reserved. Of a 2-MiB entry: reserved. */
const LARGE_4M = 0x3fe000,
  LARGE_2M = 0x1fe000;

const REC = 0,
  LEFT = 1,
  LIN = 2,
  V = 3,
  WRITES = 4;

class WalkBody extends FunctionBody {
  readonly no: number;
  readonly user: number;
  readonly pfn: number;
  private readonly leafAt: number;
  private readonly leaf: number;
  private readonly rights: number;
  private readonly large: number;

  constructor() {
    super([I32, I32, I32, I32, I32], [I32]);
    this.user = this.local(I32);
    this.pfn = this.local(I32);
    this.leafAt = this.local(I32);
    this.leaf = this.local(I32);
    this.rights = this.local(I32);
    this.large = this.local(I32);
    this.no = this.begin('block');
  }
  private load(offset: number): this {
    return this.memory('i32.load', 2, offset);
  }
  fast(address: number): this {
    return this.const32(0).load(address);
  }
  put(address: number, value: () => void): void {
    this.const32(0);
    value();
    this.memory('i32.store', 2, address);
  }
  state(offset: number): this {
    return this.get(V).load(offset);
  }
  bits(mask: number): this {
    return this.const32(mask).op('i32.and');
  }
  noIf(): this {
    return this.branch('br_if', this.no);
  }
  noUnless(): this {
    return this.op('i32.eqz').noIf();
  }

  /** Says no where the frame in a local is not the machine's frame of the same number. */
  plain(frame: number): void {
    this.get(frame).fast(FAST.frames).op('i32.ge_u').noIf();
    this.get(frame).fast(FAST.lowFrames).op('i32.ge_u');
    this.get(frame).const32(PAGES_1M).op('i32.lt_u').op('i32.and').noIf();
  }
  private flagsOf(frame: number): this {
    return this.get(frame).memory('i32.load8_u', 0, FRAME_FLAGS);
  }
  /** Leaves in a local the offset in memory of the entry at byte `offset` (on the stack) of the table whose address is in `base`. */
  private tableEntry(base: number, offset: () => void, note: () => void): number {
    const frame = this.local(I32),
      at = this.local(I32),
      noted = this.local(I32);
    this.get(base).const32(12).op('i32.shr_u').set(frame);
    this.plain(frame);
    this.flagsOf(frame).bits(FRAME_TABLE).noUnless();
    this.get(frame).const32(2).op('i32.shl').load(TABLE_FRAMES).set(noted);
    this.get(noted).const32(OTHER).op('i32.ne').get(noted);
    note();
    this.op('i32.ne').op('i32.and').noIf();
    this.get(base).bits(FRAME);
    offset();
    this.op('i32.add').const32(RAM_BASE).op('i32.add').set(at);
    return at;
  }
  private index(shift: number, mask: number): void {
    this.get(LIN).const32(shift).op('i32.shr_u').bits(mask);
  }
  private setBits(at: number, entry: number, wanted: () => void): void {
    const missing = this.local(I32),
      frame = this.local(I32);
    wanted();
    this.get(entry).const32(-1).op('i32.xor').op('i32.and').set(missing);
    this.get(missing).begin('if');
    this.get(at).const32(RAM_BASE).op('i32.sub').const32(12).op('i32.shr_u').set(frame);
    this.flagsOf(frame).bits(FRAME_CLEAN).noIf();
    this.get(at).get(entry).get(missing).op('i32.or').memory('i32.store', 2, 0);
    this.end();
  }
  private present(entry: number): void {
    this.get(entry).bits(PTE_P).noUnless();
  }
  /** Permissions, and the accessed and dirty bits. `always`: supervisors may not write read-only pages either, whatever CR0.WP. */
  private finish(directoryAt: number, directory: number, always: boolean): void {
    this.get(this.user).get(this.rights).bits(PTE_US).op('i32.eqz').op('i32.and').noIf();
    this.get(WRITES).get(this.rights).bits(PTE_RW).op('i32.eqz').op('i32.and');
    this.get(this.user).state(VCPU.cr0).bits(CR0_WP).op('i32.or');
    if (always) this.state(VCPU.mode).const32(VCPU_MODE.pv).op('i32.eq').op('i32.or');
    this.const32(0).op('i32.ne').op('i32.and').noIf();
    this.get(this.large).op('i32.eqz').begin('if');
    this.setBits(directoryAt, directory, () => this.const32(PTE_A));
    // The directory may be the table too (a table that maps itself): its entry is read again.
    this.get(this.leafAt).load(0).set(this.leaf);
    this.end();
    this.setBits(this.leafAt, this.leaf, () => {
      this.const32(PTE_A | PTE_D)
        .const32(PTE_A)
        .get(WRITES)
        .op('select');
    });
  }

  /** Two levels, entries of 4 bytes. SDM vol. 3, 4.3. */
  twoLevel(): void {
    const cr3 = this.local(I32),
      pde = this.local(I32);
    this.state(VCPU.cr3).set(cr3);
    const at = this.tableEntry(
      cr3,
      () => this.get(LIN).const32(22).op('i32.shr_u').const32(2).op('i32.shl'),
      () => this.const32(OTHER),
    );
    this.get(at).load(0).set(pde);
    this.present(pde);
    this.get(pde).set(this.rights);
    this.get(pde).bits(PTE_PS).op('i32.eqz').state(VCPU.cr4).bits(CR4_PSE).op('i32.eqz').op('i32.or');
    this.op('i32.eqz').set(this.large);
    this.get(this.large).begin('if');
    this.get(pde).bits(LARGE_4M).noIf();
    this.get(at).set(this.leafAt).get(pde).set(this.leaf);
    this.get(pde).const32(12).op('i32.shr_u').bits(-1024);
    this.index(12, 1023);
    this.op('i32.add').set(this.pfn);
    this.otherwise();
    const leafAt = this.tableEntry(
      pde,
      () => {
        this.index(12, 1023);
        this.const32(2).op('i32.shl');
      },
      () => this.get(LIN).bits(~0x3fffff).const32(LEAF_4).op('i32.or'),
    );
    this.get(leafAt).set(this.leafAt).get(leafAt).load(0).set(this.leaf);
    this.present(this.leaf);
    this.get(this.leaf).get(this.rights).op('i32.and').set(this.rights);
    this.get(this.leaf).const32(12).op('i32.shr_u').set(this.pfn);
    this.end();
    this.finish(at, pde, false);
  }

  /** Three levels, entries of 8 bytes; the first level is registers, or of a paravirtualised vCPU a table. SDM vol. 3, 4.4. */
  pae(): void {
    const lo = this.local(I32),
      hi = this.local(I32),
      high = this.local(I32),
      root = this.local(I32);
    const beyond = (half: number): FunctionBody => this.get(half).get(high).op('i32.and').noIf();
    // Bits of the upper half that have to be clear: all but NX, where there is such a bit.
    this.const32(~PTE_NX_HI).const32(-1);
    this.state(VCPU.efer).bits(EFER_NXE).state(VCPU.mode).const32(VCPU_MODE.pv).op('i32.eq').op('i32.or');
    this.op('select').set(high);
    this.state(VCPU.mode).const32(VCPU_MODE.pv).op('i32.eq').begin('if');
    this.state(VCPU.cr3).bits(0xfff).noIf();
    this.state(VCPU.cr3).set(root);
    const third = this.tableEntry(
      root,
      () => this.get(LIN).const32(30).op('i32.shr_u').const32(3).op('i32.shl'),
      () => this.const32(OTHER),
    );
    this.get(third).load(0).set(lo).get(third).load(4).set(hi);
    this.otherwise();
    this.get(LIN).const32(30).op('i32.shr_u').const32(3).op('i32.shl').get(V).op('i32.add').set(root);
    this.get(root)
      .load(VCPU.pdpte)
      .set(lo)
      .get(root)
      .load(VCPU.pdpte + 4)
      .set(hi);
    this.end();
    this.present(lo);
    this.get(hi).noIf();
    const at = this.tableEntry(
      lo,
      () => {
        this.index(21, 511);
        this.const32(3).op('i32.shl');
      },
      () => this.const32(OTHER),
    );
    this.get(at).load(0).set(lo).get(at).load(4).set(hi);
    this.present(lo);
    beyond(hi);
    this.get(lo).set(this.rights);
    this.get(lo).bits(PTE_PS).set(this.large);
    this.get(this.large).begin('if');
    this.get(lo).bits(LARGE_2M).noIf();
    this.get(at).set(this.leafAt).get(lo).set(this.leaf);
    this.get(lo).const32(12).op('i32.shr_u').bits(-512);
    this.index(12, 511);
    this.op('i32.add').set(this.pfn);
    this.otherwise();
    const leafAt = this.tableEntry(
      lo,
      () => {
        this.index(12, 511);
        this.const32(3).op('i32.shl');
      },
      () => this.get(LIN).bits(~0x1fffff).const32(LEAF_8).op('i32.or'),
    );
    this.get(leafAt).set(this.leafAt).get(leafAt).load(0).set(this.leaf);
    this.get(leafAt).load(4).set(hi);
    this.present(this.leaf);
    beyond(hi);
    this.get(this.leaf).get(this.rights).op('i32.and').set(this.rights);
    this.get(this.leaf).const32(12).op('i32.shr_u').set(this.pfn);
    this.end();
    this.finish(at, lo, true);
  }

  /** Puts the entry into the TLB, guarded where every store to the frame has consequences; says no where those are not known. */
  enter(): void {
    const mark = this.local(I32),
      entry = this.local(I32),
      list = this.local(I32),
      table = this.local(I32),
      count = this.local(I32);
    this.plain(this.pfn);
    this.get(WRITES).begin('if');
    this.flagsOf(this.pfn).set(mark);
    this.get(mark).begin('if');
    this.get(mark).const32(FRAME_TABLE).op('i32.ne').get(mark).const32(FRAME_CODE).op('i32.ne').op('i32.and');
    this.noIf();
    this.const32(TLB_GUARDED).set(mark);
    this.end().end();
    this.fast(FAST.userWrite).fast(FAST.userRead).get(WRITES).op('select');
    this.fast(FAST.systemWrite).fast(FAST.systemRead).get(WRITES).op('select');
    this.get(this.user).op('select');
    this.get(LIN)
      .const32(9)
      .op('i32.shr_u')
      .bits((TLB_ENTRIES - 1) * 8)
      .op('i32.add')
      .set(entry);
    // A guarded entry that is there already did not help.
    this.get(entry).load(0).get(LIN).bits(FRAME).const32(TLB_GUARDED).op('i32.or').op('i32.eq');
    this.get(mark).const32(0).op('i32.ne').op('i32.and').noIf();
    this.get(entry).get(LIN).bits(FRAME).get(mark).op('i32.or').memory('i32.store', 2, 0);
    this.get(entry).get(this.pfn).const32(12).op('i32.shl').const32(RAM_BASE).op('i32.add');
    this.memory('i32.store', 2, 4);
    // What noteFilled does: the number of the table is 3 for the user's and 1 for writing.
    this.get(this.user).const32(3).op('i32.mul').get(WRITES).op('i32.add').set(table);
    const seen = (): this => this.fast(FAST.tlbSeen);
    seen();
    seen().load(TLB_SEEN.filled).const32(1).get(table).op('i32.shl').op('i32.or');
    this.memory('i32.store', 2, TLB_SEEN.filled);
    seen().get(table).const32(TLB_LISTS.size).op('i32.mul').op('i32.add').set(list);
    this.get(list).load(TLB_LISTS.at).set(count);
    this.get(count).const32(TLB_LISTS.most).op('i32.le_u').begin('if');
    this.get(list).get(count).const32(1).op('i32.add').memory('i32.store', 2, TLB_LISTS.at);
    this.get(count).const32(TLB_LISTS.most).op('i32.lt_u').begin('if');
    this.get(count).const32(1).op('i32.shl').get(list).op('i32.add');
    this.get(LIN)
      .const32(12)
      .op('i32.shr_u')
      .bits(TLB_ENTRIES - 1);
    this.memory('i32.store16', 1, TLB_LISTS.at + 4);
    this.end().end();
  }

  /** Says no after too many walks for the instruction at REC with LEFT ticks left. */
  countWalks(): void {
    this.get(REC).fast(FAST.walkRec).op('i32.eq').get(LEFT).fast(FAST.walkLeft).op('i32.eq').op('i32.and');
    this.begin('if');
    this.fast(FAST.walks).const32(WALKS).op('i32.ge_u').noIf();
    this.put(FAST.walks, () => this.fast(FAST.walks).const32(1).op('i32.add'));
    this.otherwise();
    this.put(FAST.walkRec, () => this.get(REC));
    this.put(FAST.walkLeft, () => this.get(LEFT));
    this.put(FAST.walks, () => this.const32(1));
    this.end();
  }
}

/** (record, ticks left, linear address, vCPU, 1 for writing) → 1 when the instruction is to be tried again. */
export function walkFunction(): FunctionBody {
  const f = new WalkBody();
  f.countWalks();
  f.get(LIN).bits(0xfff).const32(LAST_OFFSET).op('i32.gt_u').noIf();
  f.fast(FAST.cpl).const32(3).op('i32.eq').fast(FAST.missLevel).const32(MISS_LEVEL.user).op('i32.eq');
  f.fast(FAST.missLevel).const32(MISS_LEVEL.present).op('i32.eq').op('select').set(f.user);
  f.state(VCPU.cr0).bits(CR0_PG).op('i32.eqz').begin('if');
  f.get(LIN).const32(12).op('i32.shr_u').set(f.pfn);
  f.otherwise();
  f.state(VCPU.mode).const32(VCPU_MODE.pv).op('i32.ne').state(VCPU.cr4).bits(CR4_PAE).op('i32.eqz');
  f.op('i32.and').begin('if');
  f.twoLevel();
  f.otherwise();
  f.pae();
  f.end().end();
  f.enter();
  f.put(FAST.missLevel, () => f.const32(MISS_LEVEL.present));
  f.const32(1).op('return').end();
  f.const32(0);
  return f;
}
