// The interpreter: the default engine. Straight runs of decoded instructions go through one generated WebAssembly function; whatever that
// leaves alone (faults, system instructions, TLB misses, devices, breakpoints) the reference engine, which this class extends,
// does one instruction at a time on the same STATE. So both engines have one meaning of everything that is rare.
//
// Ticks: a run's ticks are taken when it is entered and given back where it is left early, so no handler counts. What remains of the
// budget when it is less than the next run is stepped.

import { CS, DS, ES, type Seg, SS } from '../isa/types.ts';
import { CTL, FRAME_CLEAN, FRAME_CODE, FRAME_TABLE } from '../memory/frames.ts';
import { CONTROL, RAM_BASE } from '../memory/map.ts';
import type { EngineName, Platform } from './engine.ts';
import { CodeCache } from './interpreter-code.ts';
import {
  CODE_FLAT,
  CODE_SMALL,
  CODE_TLB,
  CODE_TLB_SIZE,
  CODE_USER,
  FAST,
  FAST_SEG,
  FAULT_RECORD,
  LEFT,
  MISS_LEVEL,
  RECORD,
} from './interpreter-layout.ts';
import { FAULT, FAULT_CODE, type HandlerTable, STEP, TABLE_SECTION } from './interpreter-names.ts';
import { NO_PAGE } from './reference-memory.ts';
import { ReferenceEngine } from './reference.ts';
import { pageOfEntry } from './table-frames.ts';
import { TLB_EMPTY, TLB_ENTRIES, TLB_GUARDED, tlbSeenAt, tlbTable } from './tlb.ts';
import { EFLAGS_AC, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM, EXIT, SEG_NULL, SEGREG, VCPU } from './vcpu.ts';
import { READ, WRITE } from './walker.ts';

/** Ticks after which generated code comes out at the latest, so that a better compiled version of it is taken up. */
const STRETCH = 1_000_000;
const STATUS = 0x8d5;
const CR0_AM = 0x40000;
/** Bytes a store may have at most. */
const STORE_BYTES = 8;
const VECTOR_PF = 14;
/** Misses of one instruction after which it is stepped: two of its pages may want the same place in the TLB and drive each other out. */
const MISSES = 8;
const DR7_ENABLE = 0xff;

type Run = (rec: number, left: number, fr: number, fx: number, v: number) => void;
const word = (at: number): number => at >>> 2;

interface Handlers {
  readonly handlers: ReadonlyMap<string, number>;
  readonly ending: ReadonlySet<number>;
}
const TABLES = new WeakMap<WebAssembly.Module, Handlers>();
/** The handler numbers of a module, read once. */
function handlersOf(code: WebAssembly.Module): Handlers {
  let table = TABLES.get(code);
  if (table === undefined) {
    const [section] = WebAssembly.Module.customSections(code, TABLE_SECTION);
    if (section === undefined) throw new Error('this WebAssembly module is not the interpreter');
    const { handlers, ending } = JSON.parse(new TextDecoder().decode(section)) as HandlerTable;
    table = { handlers: new Map(Object.entries(handlers)), ending: new Set(ending) };
    TABLES.set(code, table);
  }
  return table;
}

const LEFT_AT = word(FAST.left),
  FR_AT = word(FAST.fr),
  FX_AT = word(FAST.fx),
  REC_AT = word(FAST.rec),
  AGAIN_AT = word(FAST.again);
/** What the code TLB was filled under. */
const MODE_SEEN = word(FAST.mode),
  MOVED = word(FAST.moved),
  GUARDED = word(FAST.guarded),
  CR0_SEEN = word(FAST.cr0),
  CR3_SEEN = word(FAST.cr3),
  CR4_SEEN = word(FAST.cr4),
  TLB_SEEN = word(FAST.tlbEpoch),
  CODE_SEEN = word(FAST.codeEpoch),
  TLB_EPOCH = word(CONTROL + CTL.tlbEpoch),
  CODE_EPOCH = word(CONTROL + CTL.codeEpoch);
const ALL_SEGMENTS = 0x3f;
const CACHE_EPOCH = word(CONTROL + CTL.cacheEpoch);

export class InterpreterEngine extends ReferenceEngine {
  override readonly name: EngineName = 'interpreter';
  /** Ticks that generated code has run, of all. */
  generatedTicks = 0;
  private readonly code: CodeCache;
  private readonly run_: Run;
  private readonly stepHandler: number;
  private readonly faultHandler: number;
  private readonly faultCodeHandler: number;
  /** The last walk for a page ended in a fault, at this address. */
  private notPresent = false;
  private pageFaultAt = 0;
  /** Segment registers (bits) that may have changed since they were last looked at. */
  private segmentsMoved = ALL_SEGMENTS;
  /** Segment registers as the engine's own fields have them. */
  private readonly noted = new Int32Array(24);
  private flatMode = false;
  /** The code about to run is 16-bit code: see suitable. */
  private small = false;
  /** Ticks the stretch under way may use, from what has been counted on. */
  private granted = 0;
  /** Frame of the page table that the next instruction stores to, -1 for none, and where in it. */
  private tableStore = -1;
  private tableOffset = 0;

  /** Throws when the platform has no compiled module, or one for the other kind of memory. */
  constructor(platform: Platform) {
    super(platform);
    const { m, frames, code } = platform;
    if (code === undefined)
      throw new Error(
        'The interpreter needs its compiled module: run `npm run engine`, or use the reference engine.',
      );
    if (m.wasm === undefined)
      throw new Error('The interpreter needs a WebAssembly memory: make the machine with allocate().');
    const { handlers, ending } = handlersOf(code);
    this.code = new CodeCache(m, frames, handlers, ending);
    this.stepHandler = handlers.get(STEP)!;
    this.faultHandler = handlers.get(FAULT)!;
    this.faultCodeHandler = handlers.get(FAULT_CODE)!;
    const { exports } = new WebAssembly.Instance(code, {
      ringside: {
        memory: m.wasm,
        portIn: (port: number, size: number, left: number, rec: number) => {
          this.beforePort(left, rec);
          const value = this.in(port, size);
          this.afterPort();
          return value;
        },
        portOut: (port: number, size: number, value: number, left: number, rec: number) => {
          this.beforePort(left, rec);
          this.out(port, size, value);
          this.afterPort();
        },
      },
    });
    this.run_ = exports['run'] as Run;
  }

  /** For tests: generated code runs whatever the budget and however often the code changes, straight runs being cut after one instruction. */
  insist(): void {
    this.code.runLength = 1;
    this.code.changesAllowed = Number.MAX_SAFE_INTEGER;
    this.dropCaches();
  }

  override dropCaches(): void {
    super.dropCaches();
    this.m?.w32(FAST.ready, 0);
  }

  protected override noteSegment(seg: Seg): void {
    super.noteSegment(seg);
    // A field of a subclass is not there yet when the base class is made.
    if (this.noted === undefined) return;
    for (let i = 0; i < 4; i++) this.noted[4 * seg + i] = this.i32[this.segAt + 4 * seg + i]!;
    this.segmentsMoved |= 1 << seg;
  }

  protected override runLoop(): void {
    let from = 0,
      misses = 0,
      missIp = 0,
      missLeft = -1,
      delivering = false;
    this.tableStore = -1;
    while (this.left > 0 && this.exit === EXIT.budget) {
      let rec = 0;
      if (delivering) {
        this.refresh();
        rec = FAULT_RECORD;
      } else {
        if (this.i32[this.intrAt] !== 0 && this.attend()) return;
        if (this.suitable()) {
          rec = this.recordHere();
          if (from !== 0 && rec !== 0) this.code.patch(from, this.ip, this.csBase, rec);
          from = 0;
        }
      }
      if (
        rec !== 0 &&
        this.m.u16[rec >>> 1] !== this.stepHandler &&
        this.i32[word(rec + RECORD.rest)]! <= this.left
      ) {
        delivering = false;
        const cut = this.stretch(rec);
        if (cut) continue;
        const reason = this.i32[word(FAST.reason)]!;
        if (reason === LEFT.lookup) {
          from = this.i32[REC_AT]!;
          continue;
        }
        if (reason === LEFT.system) continue;
        if (this.left <= 0) return;
        if (reason === LEFT.missRead || reason === LEFT.missWrite) {
          misses = this.ip === missIp && this.left === missLeft ? misses + 1 : 0;
          missIp = this.ip;
          missLeft = this.left;
          const write = reason === LEFT.missWrite;
          delivering = this.i32[REC_AT] === FAULT_RECORD;
          if (misses >= MISSES) this.giveUpPage();
          else if (delivering ? this.enterPageOfDelivery(write) : this.enterPage(write)) continue;
          delivering = !delivering && this.notPresent && this.deliverHere();
          if (delivering) continue;
        }
      }
      this.stepOne();
      this.tableStore = -1;
    }
  }

  /**
   * Whether generated code may run: 32-bit code in a flat CS with a 32-bit stack, or 16-bit code with a 16-bit stack (small mode);
   * nothing that watches single instructions.
   */
  private suitable(): boolean {
    if (this.shadowed !== 0) return false;
    if (this.csD) {
      if (!this.csFlat || this.csBase !== 0 || !this.stackBig) return false;
      this.small = false;
    } else {
      if (this.stackBig) return false;
      this.small = true;
    }
    const flags = this.i32[this.flagsAt]!;
    if ((flags & (EFLAGS_TF | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC)) !== 0) {
      if ((flags & (EFLAGS_TF | EFLAGS_RF)) !== 0) return false;
      if ((flags & EFLAGS_VM) !== 0 && !this.small) return false;
      if (this.user && (this.i32[word(this.v + VCPU.cr0)]! & CR0_AM) !== 0) return false;
    }
    return (this.i32[word(this.v + VCPU.dr + 28)]! & DR7_ENABLE) === 0;
  }

  /** The record of the instruction at EIP, 0 when generated code cannot run it. Throws FAULT when it cannot be fetched. */
  private recordHere(): number {
    this.refresh();
    const lin = (this.csBase + this.ip) | 0;
    const known = this.code.known(lin);
    if (known !== 0) return known;
    const csLimit = this.i32[this.segAt + CS * 4 + 2]!;
    if (this.ip >>> 0 > csLimit >>> 0) return 0;
    const host = this.hostExecute(lin);
    if (host < 0) return 0;
    const mfn = (host - RAM_BASE) >>> 12;
    if (this.code.watch(mfn)) this.validate();
    this.refresh();
    return this.code.find(lin, mfn);
  }

  /** Drops translations of code that were made under other conditions. */
  private refresh(): void {
    const { i32, v } = this;
    if (i32[word(FAST.ready)] === 0 || i32[word(FAST.cacheEpoch)] !== i32[CACHE_EPOCH]) {
      this.code.drop();
      i32[word(FAST.cacheEpoch)] = i32[CACHE_EPOCH]!;
      this.segmentsMoved = ALL_SEGMENTS;
    }
    let stale = false;
    if (i32[word(FAST.v)] !== v) {
      stale = true;
      this.segmentsMoved = ALL_SEGMENTS;
      i32[word(FAST.v)] = v;
      i32[word(FAST.mode)] = -1;
      i32[word(FAST.tlbSeen)] = tlbSeenAt(v);
      i32[word(FAST.systemRead)] = 4 * tlbTable(v, READ, false);
      i32[word(FAST.systemWrite)] = 4 * tlbTable(v, WRITE, false);
      i32[word(FAST.userRead)] = 4 * tlbTable(v, READ, true);
      i32[word(FAST.userWrite)] = 4 * tlbTable(v, WRITE, true);
    }
    if (this.segmentsMoved !== 0) this.noteSegments();
    const mode = this.codeMode;
    if (i32[MODE_SEEN] !== (mode | (this.cpl << 3))) {
      i32[MODE_SEEN] = mode | (this.cpl << 3);
      i32[word(FAST.bigOnBare)] = this.pv || this.small ? 0 : 1;
      i32[word(FAST.cpl)] = this.cpl;
      i32[word(FAST.readTable)] = i32[word(this.user ? FAST.userRead : FAST.systemRead)]!;
      i32[word(FAST.writeTable)] = i32[word(this.user ? FAST.userWrite : FAST.systemWrite)]!;
      i32[word(FAST.codeTable)] = CODE_TLB + mode * CODE_TLB_SIZE;
    }
    const csLimit = i32[this.segAt + CS * 4 + 2]!;
    if (i32[word(FAST.csBase)] !== this.csBase || i32[word(FAST.csLimit)] !== csLimit) {
      i32[word(FAST.csBase)] = this.csBase;
      i32[word(FAST.csLimit)] = csLimit;
      stale = true;
    }
    const at = word(v);
    if (
      i32[CR0_SEEN] !== i32[at + word(VCPU.cr0)] ||
      i32[CR3_SEEN] !== i32[at + word(VCPU.cr3)] ||
      i32[CR4_SEEN] !== i32[at + word(VCPU.cr4)] ||
      i32[TLB_SEEN] !== i32[TLB_EPOCH] ||
      i32[CODE_SEEN] !== i32[CODE_EPOCH]
    ) {
      i32[CR0_SEEN] = i32[at + word(VCPU.cr0)]!;
      i32[CR3_SEEN] = i32[at + word(VCPU.cr3)]!;
      i32[CR4_SEEN] = i32[at + word(VCPU.cr4)]!;
      i32[TLB_SEEN] = i32[TLB_EPOCH]!;
      i32[CODE_SEEN] = i32[CODE_EPOCH]!;
      stale = true;
    }
    if (!stale) return;
    this.code.forgetTranslations();
    const [low, all] = this.plainFrames();
    i32[word(FAST.lowFrames)] = low;
    i32[word(FAST.frames)] = all;
  }

  /** Number of the code TLB to be used, which says what its records take for granted. */
  private get codeMode(): number {
    const user = this.user ? CODE_USER : 0;
    return user | (this.small ? CODE_SMALL : this.flatMode ? CODE_FLAT : 0);
  }
  /** Machine frames that are physical pages of the same number, for reading and for writing: below 1 MiB, and in all. */
  private plainFrames(): readonly [number, number] {
    const { nrFrames } = this.m;
    if (this.pv || this.bus === undefined) return [nrFrames, nrFrames];
    const [low, all] = this.bus.plainFrames?.() ?? [0, 0];
    return [low, Math.min(all, nrFrames)];
  }
  /** Brings the segments of checked accesses up to date, and whether the usual ones are flat. */
  private noteSegments(): void {
    const { i32, segmentsMoved } = this;
    this.segmentsMoved = 0;
    for (let seg = 0; seg < 6; seg++) {
      if ((segmentsMoved & (1 << seg)) === 0) continue;
      const from = this.segAt + (seg * SEGREG.$size) / 4,
        to = word(FAST.seg) + (seg * FAST_SEG.$size) / 4;
      i32[to] = i32[from + 1]!;
      i32[to + 1] = this.accessEnd(seg as Seg, false);
      i32[to + 2] = this.accessEnd(seg as Seg, true);
      i32[to + 3] = this.isFlat(seg as Seg) ? 1 : 0;
    }
    this.flatMode = this.isFlat(DS) && this.isFlat(ES) && this.isFlat(SS);
  }
  private isFlat(seg: Seg): boolean {
    return this.flat[seg] === 3 && this.i32[this.segAt + seg * 4 + 1] === 0;
  }
  /** One more than the last offset that may be accessed, 0 where generated code must not try. */
  private accessEnd(seg: Seg, write: boolean): number {
    const at = this.segAt + seg * 4;
    const limit = this.i32[at + 2]! >>> 0,
      attr = this.i32[at + 3]!;
    const code = (attr & 0x18) === 0x18;
    if ((attr & SEG_NULL) !== 0 || (!code && (attr & 4) !== 0)) return 0;
    if (write ? code || (attr & 2) === 0 : code && (attr & 2) === 0) return 0;
    return limit === 0xffffffff ? -1 : limit + 1;
  }

  /** Privilege, segments or flags of the system may have changed in STATE. */
  private lookAgain(): void {
    const { i32, segAt, noted } = this;
    i32[MOVED] = 0;
    this.tlbEpoch = i32[TLB_SEEN]!;
    this.codeLin = NO_PAGE;
    i32[MODE_SEEN] = -1;
    for (let seg = 0; seg < 6; seg++) {
      const at = segAt + 4 * seg,
        was = 4 * seg;
      if (i32[at + 1] === noted[was + 1] && i32[at + 2] === noted[was + 2] && i32[at + 3] === noted[was + 3])
        continue;
      this.noteSegment(seg as Seg);
    }
    const cpl = this.currentCpl();
    if (cpl !== this.cpl) this.setCpl(cpl);
    this.shadowed = i32[word(FAST.shadow)]!;
    i32[word(FAST.shadow)] = 0;
  }

  /** Gives the TLB the entry that generated code has missed; false where there is more to do than that. */
  private enterPage(write: boolean): boolean {
    const lin = this.i32[word(FAST.target)]!;
    const level = this.i32[word(FAST.missLevel)]!;
    this.i32[word(FAST.missLevel)] = MISS_LEVEL.present;
    const user = level === MISS_LEVEL.present ? this.user : level === MISS_LEVEL.user;
    this.notPresent = false;
    if ((lin & 0xfff) > 0xff8) return false; // may cross into the next page
    const guarded = write ? this.guardedAt(lin, user) : -1;
    if (guarded >= 0) {
      // Its consequences were not simple.
      this.noteTableStore(guarded, lin);
      return false;
    }
    if (!this.walker.walk(this.v, lin, write ? WRITE : READ, user, true)) {
      if (level === MISS_LEVEL.present) this.notePageFault(lin);
      return false;
    }
    const { mfn } = this.walker;
    if (this.epochsMoved()) this.validate();
    if (!this.isMemory(mfn)) return false;
    if (write) {
      // The store follows at once: the frame is as good as written.
      if (this.frames.flags(mfn) === FRAME_CLEAN) this.frames.clearFlag(mfn, FRAME_CLEAN);
      const flags = this.frames.flags(mfn);
      if (flags === FRAME_TABLE || flags === FRAME_CODE) {
        this.enter(lin, WRITE, user, mfn, TLB_GUARDED);
        return true;
      }
      this.noteTableStore(mfn, lin);
      if (flags !== 0) return false;
      // What may be written may be read.
      if (this.walker.readable()) this.enter(lin, READ, user, mfn);
    }
    this.enter(lin, write ? WRITE : READ, user, mfn);
    return true;
  }

  /** The frame behind a guarded entry for a linear address, -1 where there is none. */
  private guardedAt(lin: number, user: boolean): number {
    const at = tlbTable(this.v, WRITE, user) + ((lin >>> 12) & (TLB_ENTRIES - 1)) * 2;
    if (this.i32[at] !== ((lin & ~0xfff) | TLB_GUARDED)) return -1;
    return (this.i32[at + 1]! - RAM_BASE) >>> 12;
  }
  private noteTableStore(mfn: number, lin: number): void {
    if ((this.frames.flags(mfn) & ~FRAME_CLEAN) !== FRAME_TABLE) return;
    this.tableStore = mfn;
    this.tableOffset = lin & 0xfff;
  }
  private giveUpPage(): void {
    this.i32[word(FAST.missLevel)] = MISS_LEVEL.present;
    this.notPresent = false;
  }

  /** The fault that the walk has found, as generated code would name it. */
  private notePageFault(lin: number): void {
    const { i32 } = this;
    this.notPresent = true;
    this.pageFaultAt = lin;
    i32[word(FAST.vector)] = VECTOR_PF;
    i32[word(FAST.hasCode)] = 1;
    i32[word(FAST.code)] = this.walker.code;
  }
  /**
   * Bare machine: makes the delivery of the fault in FAST.vector, which the instruction at EIP would raise, the next thing that
   * generated code does: one tick. Where that is not so simple (a fault on the way, a task gate) it comes back with nothing done,
   * and the reference engine runs the instruction, fault and all.
   */
  private deliverHere(): boolean {
    const { i32 } = this;
    if (this.pv || this.small) return false;
    if (i32[word(FAST.vector)] === VECTOR_PF) i32[word(this.v + VCPU.cr2)] = this.pageFaultAt;
    const rec = word(FAULT_RECORD);
    i32[rec] = i32[word(FAST.hasCode)] !== 0 ? this.faultCodeHandler : this.faultHandler;
    i32[rec + word(RECORD.rest)] = 1;
    i32[rec + word(RECORD.eip)] = this.ip;
    return true;
  }
  /** enterPage for a delivery under way, whose fault is remembered. */
  private enterPageOfDelivery(write: boolean): boolean {
    const { i32 } = this;
    const vector = i32[word(FAST.vector)]!,
      hasCode = i32[word(FAST.hasCode)]!,
      code = i32[word(FAST.code)]!;
    const entered = this.enterPage(write);
    i32[word(FAST.vector)] = vector;
    i32[word(FAST.hasCode)] = hasCode;
    i32[word(FAST.code)] = code;
    return entered;
  }
  /**
   * A store to one entry of a page table of 4 KiB pages drops what that entry translated, and the table stays watched. Everything else
   * that moves an epoch goes the ordinary way.
   */
  protected override validate(): void {
    if (this.tableStore >= 0 && this.oneEntryStored()) return;
    super.validate();
  }
  private oneEntryStored(): boolean {
    const { i32, frames, tableStore: mfn, tableOffset } = this;
    const now = i32[word(CONTROL + CTL.tlbEpoch)]!;
    if (now !== ((this.tlbEpoch + 1) | 0) || i32[word(CONTROL + CTL.writeEpoch)] !== this.writeEpoch)
      return false;
    if ((frames.flags(mfn) & FRAME_TABLE) !== 0) return false;
    const seen = i32[word(FAST.tlbEpoch)] === this.tlbEpoch && i32[word(FAST.v)] === this.v;
    const first = pageOfEntry(frames, mfn, tableOffset),
      last = pageOfEntry(frames, mfn, tableOffset + STORE_BYTES - 1);
    if (first < 0) return false;
    for (let page = first; page <= last; page += 4096) {
      this.dropPage(page | 0);
      if (seen) this.code.forgetPage(page);
    }
    if (seen) i32[word(FAST.tlbEpoch)] = now;
    frames.keepFlag(mfn, FRAME_TABLE);
    this.tableStore = -1;
    return true;
  }

  // Devices read the time: ticks are counted up to the instruction under way.
  private beforePort(left: number, rec: number): void {
    this.count(left);
    this.ip = this.i32[word(rec + RECORD.eip)]!;
  }
  private afterPort(): void {
    const { i32 } = this;
    const moved =
      i32[word(FAST.tlbEpoch)] !== i32[word(CONTROL + CTL.tlbEpoch)] ||
      i32[word(FAST.codeEpoch)] !== i32[word(CONTROL + CTL.codeEpoch)];
    i32[word(FAST.attention)] = moved || i32[this.intrAt] !== 0 || this.exit !== EXIT.budget ? 1 : 0;
  }
  /** Takes over what generated code has used, when `left` ticks are left of the stretch. */
  private count(left: number): void {
    const { i32 } = this;
    const used = this.granted - left;
    this.granted = left;
    this.left -= used;
    this.generatedTicks += used;
    this.ticks += used;
    this.retired += used - i32[AGAIN_AT]!;
    i32[AGAIN_AT] = 0;
  }

  /** A store to a watched frame was not done after all. */
  private closeGuarded(): void {
    const { i32 } = this;
    i32[word(i32[GUARDED]!)] = TLB_EMPTY;
    i32[GUARDED] = 0;
    this.m.u16[i32[word(FAST.guardedRec)]! >>> 1] = i32[word(FAST.guardedHandler)]!;
  }

  /** Runs generated code from `rec`; true if it came out only because it had run long. */
  private stretch(rec: number): boolean {
    const { i32 } = this;
    const budget = Math.min(this.left, STRETCH);
    const flags = i32[this.flagsAt]!;
    const fr = (flags & 0x40) !== 0 ? 0 : 0x100;
    const cf = flags << 31,
      of = (flags << 20) & 0x80000000;
    const fx =
      cf | ((cf ^ of) >>> 1) | ((flags & 0x10) >>> 1) | ((flags & 4) !== 0 ? 0 : 0x100) | ((flags >>> 7) & 1);
    this.granted = budget;
    this.run_(rec, budget - i32[word(rec + RECORD.rest)]!, fr, fx, this.v);
    this.count(i32[LEFT_AT]!);
    if (i32[GUARDED] !== 0) this.closeGuarded();
    i32[this.flagsAt] = (i32[this.flagsAt]! & ~STATUS) | status(i32[FR_AT]!, i32[FX_AT]!);
    const reason = i32[word(FAST.reason)]!;
    if (reason === LEFT.lookup || reason === LEFT.system) {
      this.ip = i32[word(FAST.target)]!;
      if (reason === LEFT.system || i32[MOVED] !== 0) this.lookAgain();
      return false;
    }
    if (i32[MOVED] !== 0) this.lookAgain();
    const at = i32[REC_AT]!;
    this.ip = i32[word(at + RECORD.eip)]!;
    return this.left > 0 && i32[LEFT_AT]! < i32[word(at + RECORD.rest)]!;
  }
}

/** The arithmetic flags that fr and fx stand for; see interpreter-builder.ts. */
function status(fr: number, fx: number): number {
  let low = (fr ^ (fx >>> 8)) & 0xff;
  low ^= low >> 4;
  low ^= low >> 2;
  low ^= low >> 1;
  return (
    (fx >>> 31) |
    ((low & 1) === 0 ? 4 : 0) |
    ((fx & 8) << 1) |
    (fr === 0 ? 0x40 : 0) |
    (((fr ^ (fx << 31)) >>> 24) & 0x80) |
    (((fx ^ (fx << 1)) >>> 20) & 0x800)
  );
}
