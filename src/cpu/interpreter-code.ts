// The interpreter's cache of decoded code: pages of records in CACHE, shared by every host that attaches to the memory. A page belongs to a
// machine frame at a linear page, for one vCPU, one base of CS and one mode (CODE_FLAT …), since records name addresses of that vCPU's
// registers and EIPs.
//
// A page is good while its frame has the version it was decoded from and is watched (FRAME_CODE): then no TLB lets anybody write to it.
// A frame that was written is compared with the copy of its bytes; where only data between the instructions changed the
// records stay. A page whose code changes again and again is left to the reference engine.

import { decode } from '../isa/decode.ts';
import type { Insn, Operand } from '../isa/types.ts';
import { FRAME_CODE, type Frames } from '../memory/frames.ts';
import { cacheArea, RAM_BASE } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import {
  CODE_FLAT,
  CODE_PAGE,
  CODE_SMALL,
  CODE_TLB,
  CODE_TLB_ENTRIES,
  CODE_TLB_SIZE,
  CODE_TLBS,
  COPIES,
  FAST,
  FAST_SEG,
  MAP_SIZE,
  MAPS,
  MAX_PAGES,
  MAX_RECORDS,
  PAGE_HASH,
  PAGE_HASH_ENTRIES,
  PAGES,
  RECORD,
  RECORDS,
} from './interpreter-layout.ts';
import { LONGEST_SEQUENCE } from './interpreter-frequent.ts';
import { bareKey, CROSS, GOTO, sequenceKey, STEP } from './interpreter-names.ts';
import { RECORD_STORES } from './interpreter-store.ts';
import { BARRIERS, shapeKey, STRINGS, TRANSFERS } from './interpreter-shapes.ts';
import { VCPU, VCPU_MODE } from './vcpu.ts';

const VERSIONS = cacheArea('frameVersion') >>> 2;
const NO_PAGE = 1;
/** A straight run is cut after so many instructions; behind it the reference engine uses up the ticks that are fewer than a run. */
const MAX_RUN = 48;
/** After so many changes of its code a page is no longer decoded. */
const MAX_CHANGES = 40;
const LONGEST = 15;
/** Instructions whose memory operand is stored once at most, in the end, and that go on behind themselves. */
const ONE_STORE: ReadonlySet<string> = new Set(
  'mov add or adc sbb and sub xor inc dec not neg xchg'.split(' '),
);
/** With registers and constants only: what sets all six flags whatever they were; what goes on without a look at them. */
const KILLS: ReadonlySet<string> = new Set('add sub and or xor cmp test neg'.split(' ')),
  QUIET: ReadonlySet<string> = new Set(
    'mov lea movzx movsx not xchg cbw cwd bswap inc dec shl shr sar rol ror imul2 imul3'.split(' '),
  );

const word = (at: number): number => at >>> 2;
const OPENED = word(FAST.opened);
const pageAt = (page: number): number => PAGES + page * CODE_PAGE.$size;
const mapOf = (page: number): number => MAPS + page * MAP_SIZE;
const copyOf = (page: number): number => COPIES + page * 4096;
const recordAt = (n: number): number => RECORDS + n * RECORD.$size;
/** Word index of the entry for a linear address in the code TLB at `table`. */
const entryOf = (table: number, lin: number): number =>
  word(table) + ((lin >>> 12) & (CODE_TLB_ENTRIES - 1)) * 2;

export class CodeCache {
  /** Instructions of a straight run at most; 1 lets generated code run even where one tick is left. */
  runLength = MAX_RUN;
  /** Changes of its code after which a page is left to the reference engine. */
  changesAllowed = MAX_CHANGES;
  private readonly m: Memory;
  private readonly frames: Frames;
  private readonly i32: Int32Array;
  private readonly u16: Uint16Array;
  private readonly handlers: ReadonlyMap<string, number>;
  private readonly ending: ReadonlySet<number>;
  private readonly step: number;
  private readonly goto: number;
  private readonly cross: number;

  constructor(m: Memory, frames: Frames, handlers: ReadonlyMap<string, number>, ending: ReadonlySet<number>) {
    this.ending = ending;
    this.m = m;
    this.frames = frames;
    this.i32 = m.i32;
    this.u16 = m.u16;
    this.handlers = handlers;
    this.step = handlers.get(STEP)!;
    this.goto = handlers.get(GOTO)!;
    this.cross = handlers.get(CROSS)!;
  }

  /** Forgets everything. */
  drop(): void {
    this.m.w32(FAST.ready, 1);
    this.m.w32(FAST.zero, 0);
    this.m.w32(FAST.again, 0);
    this.m.w32(FAST.records, 1);
    this.m.w32(FAST.pages, 1);
    this.i32.fill(0, word(PAGE_HASH), word(PAGE_HASH) + PAGE_HASH_ENTRIES);
    this.i32[OPENED] = (1 << CODE_TLBS) - 1;
    this.forgetTranslations();
  }
  /** Empties the code TLBs. */
  forgetTranslations(): void {
    const opened = this.i32[OPENED]!;
    for (let n = 0; n < CODE_TLBS; n++) {
      const table = word(CODE_TLB + n * CODE_TLB_SIZE);
      if ((opened & (1 << n)) !== 0) this.i32.fill(NO_PAGE, table, table + 2 * CODE_TLB_ENTRIES);
    }
    this.i32[OPENED] = 0;
  }

  /** Empties the code TLBs' entries for the page at a linear address. */
  forgetPage(lin: number): void {
    for (let n = 0; n < CODE_TLBS; n++) this.i32[entryOf(CODE_TLB + n * CODE_TLB_SIZE, lin)] = NO_PAGE;
  }

  /** Record of the instruction at a linear address if its page is open and it was decoded; else 0. */
  known(lin: number): number {
    const entry = entryOf(this.i32[word(FAST.codeTable)]!, lin);
    if (this.i32[entry] !== (lin & ~0xfff)) return 0;
    const n = this.u16[(this.i32[entry + 1]! >>> 1) + (lin & 0xfff)]!;
    return n === 0 ? 0 : recordAt(n);
  }

  /**
   * Record of the instruction at a linear address, which the frame `mfn` holds, decoded now if need be; 0 for a page that is left to the
   * reference engine. The frame must be watched already, and the FAST words say what the code runs under.
   */
  find(lin: number, mfn: number): number {
    let page = this.page(lin & ~0xfff, mfn);
    if (page === 0) return 0;
    if (this.m.u32[word(FAST.records)]! + MAX_RUN + 2 > MAX_RECORDS) {
      this.drop();
      page = this.page(lin & ~0xfff, mfn);
    }
    this.open(lin, page);
    const n = this.u16[(mapOf(page) >>> 1) + (lin & 0xfff)]!;
    return recordAt(n === 0 ? this.decodeRun(lin, page) : n);
  }
  private open(lin: number, page: number): void {
    const table = this.i32[word(FAST.codeTable)]!;
    const entry = entryOf(table, lin);
    this.i32[entry] = lin & ~0xfff;
    this.i32[entry + 1] = mapOf(page);
    this.i32[OPENED] = this.i32[OPENED]! | (1 << ((table - CODE_TLB) / CODE_TLB_SIZE));
  }

  // ---- pages ------------------------------------------------------------------------------------------
  private page(lin: number, mfn: number): number {
    const { i32 } = this;
    const mode = (i32[word(FAST.codeTable)]! - CODE_TLB) / CODE_TLB_SIZE;
    const key = [mfn, lin, i32[word(FAST.v)]!, mode, i32[word(FAST.csBase)]!, i32[word(FAST.csLimit)]!];
    const bucket = word(PAGE_HASH) + ((mfn ^ (lin >>> 12) ^ (mode << 8)) & (PAGE_HASH_ENTRIES - 1));
    for (let page = i32[bucket]!; page !== 0; ) {
      const at = word(pageAt(page));
      if (key.every((value, n) => i32[at + n] === value)) return this.revalidated(page, mfn);
      page = i32[at + word(CODE_PAGE.next)]!;
    }
    return this.newPage(bucket, key, mfn);
  }
  private newPage(bucket: number, key: readonly number[], mfn: number): number {
    let page = this.i32[word(FAST.pages)]!;
    if (page >= MAX_PAGES) {
      this.drop();
      page = 1;
    }
    this.i32[word(FAST.pages)] = page + 1;
    const values = [...key, this.i32[VERSIONS + mfn]!, 0, this.i32[bucket]!];
    this.i32.set(values, word(pageAt(page)));
    this.i32[bucket] = page;
    this.takeBytes(page, mfn);
    return page;
  }
  /** Empties the map and copies the bytes. */
  private takeBytes(page: number, mfn: number): void {
    this.i32.fill(0, word(mapOf(page)), word(mapOf(page) + MAP_SIZE));
    this.m.u8.copyWithin(copyOf(page), RAM_BASE + mfn * 4096, RAM_BASE + (mfn + 1) * 4096);
  }
  /** The page, its records dropped if the code in the frame has changed; 0 when it changes too often. */
  private revalidated(page: number, mfn: number): number {
    const at = word(pageAt(page));
    const version = this.i32[VERSIONS + mfn]!;
    const changes = at + word(CODE_PAGE.changes);
    if (this.i32[at + word(CODE_PAGE.version)] !== version) {
      this.i32[at + word(CODE_PAGE.version)] = version;
      if (this.codeChanged(page, mfn)) {
        this.i32[changes] = this.i32[changes]! + 1;
        this.takeBytes(page, mfn);
      }
    }
    return this.i32[changes]! > this.changesAllowed ? 0 : page;
  }
  /** Whether bytes differ that a decoded instruction may contain; takes over those that none does. */
  private codeChanged(page: number, mfn: number): boolean {
    const { i32 } = this;
    const now = word(RAM_BASE + mfn * 4096),
      then = word(copyOf(page));
    for (let i = 0; i < 1024; i++) {
      if (i32[now + i] === i32[then + i]) continue;
      const changed = i32[now + i]! ^ i32[then + i]!;
      for (let byte = 0; byte < 4; byte++)
        if ((changed & (0xff << (8 * byte))) !== 0 && this.isCode(page, 4 * i + byte)) return true;
      i32[then + i] = i32[now + i]!;
    }
    return false;
  }
  /** Whether a decoded instruction has a byte at this offset. */
  private isCode(page: number, offset: number): boolean {
    const map = mapOf(page) >>> 1;
    for (let at = Math.max(0, offset - LONGEST + 1); at <= offset; at++) {
      const n = this.u16[map + at]!;
      if (n !== 0 && at + this.u16[(recordAt(n) + RECORD.length) >>> 1]! > offset) return true;
    }
    return false;
  }

  // ---- decoding ---------------------------------------------------------------------------------------
  /** Decodes from a linear address until the program surely goes elsewhere; returns the number of the first record. */
  private decodeRun(lin: number, page: number): number {
    const { i32, u16, handlers } = this;
    const first = i32[word(FAST.records)]!;
    const header = word(pageAt(page));
    const mfn = i32[header + word(CODE_PAGE.mfn)]!,
      csBase = i32[header + word(CODE_PAGE.csBase)]!,
      csLimit = i32[header + word(CODE_PAGE.csLimit)]! >>> 0,
      v = i32[header + word(CODE_PAGE.v)]!,
      mode = i32[header + word(CODE_PAGE.mode)]!;
    const map = mapOf(page) >>> 1;
    let n = first,
      at = lin;
    const ends: boolean[] = [],
      run: Decoded[] = [];
    for (;;) {
      const offset = at & 0xfff;
      const eip = (at - csBase) | 0;
      const elsewhere = ((at ^ lin) & ~0xfff) !== 0;
      if (elsewhere || n - first === this.runLength || (n !== first && u16[map + offset] !== 0)) {
        const known = elsewhere ? 0 : u16[map + offset]!;
        this.pseudo(n, eip, known);
        ends.push(true);
        n++;
        break;
      }
      const insn = decodeAt(this.m.u8, RAM_BASE + mfn * 4096, offset, (mode & CODE_SMALL) === 0);
      const key = insn === undefined ? undefined : keyOf(insn, eip, mode, csLimit);
      const handler = key === undefined ? undefined : (handlers.get(key) ?? this.bareHandler(key, v));
      this.fill(n, insn, eip, handler ?? this.step, v);
      this.note(page, mfn, offset, insn?.length ?? 4096 - offset);
      u16[map + offset] = n;
      run.push({ key: handler === undefined ? undefined : key, insn });
      n++;
      if (insn === undefined) break;
      const { semantics } = insn.form;
      ends.push(handler !== undefined && (TRANSFERS.has(semantics) || this.ending.has(handler)));
      if (BARRIERS.has(semantics) || insn.invalid !== undefined) break;
      at = (at + insn.length) | 0;
    }
    i32[word(FAST.records)] = n;
    this.countRest(first, n, ends);
    this.combine(first, run);
    return first;
  }
  /** Gives each record of a run the handler that does the most at once from there on, and leaves alone flags that nobody sees. */
  private combine(first: number, run: readonly Decoded[]): void {
    const { handlers, u16 } = this;
    const dead = deadFlags(run);
    for (let i = 0; i < run.length; i++) {
      const keys: string[] = [];
      for (let last = i; last < Math.min(i + LONGEST_SEQUENCE, run.length); last++) {
        const { key } = run[last]!;
        if (key === undefined) break;
        keys.push(key);
        const plain = handlers.get(sequenceKey(keys, false));
        const handler = dead[last] ? (handlers.get(sequenceKey(keys, true)) ?? plain) : plain;
        if (handler !== undefined) u16[recordAt(first + i) >>> 1] = handler;
      }
    }
  }
  /** The bytes are an instruction's from here on: the copy holds what it was decoded from, and stores to them are seen. */
  private note(page: number, mfn: number, offset: number, length: number): void {
    const from = RAM_BASE + mfn * 4096 + offset;
    this.m.u8.copyWithin(copyOf(page) + offset, from, from + length);
    this.frames.markCode(mfn, offset, length);
  }
  /** Handlers of the system are for the bare machine alone. */
  private bareHandler(key: string, v: number): number | undefined {
    return this.m.r32(v + VCPU.mode) === VCPU_MODE.bare ? this.handlers.get(bareKey(key)) : undefined;
  }
  /** Ends a run without an instruction: on to a record that is there already, or to an EIP that is looked up. */
  private pseudo(n: number, eip: number, known: number): void {
    const at = word(recordAt(n));
    this.i32.fill(0, at, at + word(RECORD.$size));
    this.i32[at + word(RECORD.handler)] = known !== 0 ? this.goto : this.cross;
    this.i32[at + word(RECORD.eip)] = eip;
    this.i32[at + word(RECORD.target)] = eip;
    this.i32[at + word(RECORD.link)] = known !== 0 ? recordAt(known) : 0;
  }
  /** Ticks from each record to the end of its run. */
  private countRest(first: number, end: number, ends: readonly boolean[]): void {
    let rest = 0;
    for (let n = end - 1; n >= first; n--) {
      const at = word(recordAt(n));
      const handler = this.i32[at + word(RECORD.handler)]!;
      if (handler === this.goto || handler === this.cross) rest = 0;
      else rest = ends[n - first] ? 1 : rest + 1;
      this.i32[at + word(RECORD.rest)] = rest;
    }
  }

  private fill(n: number, insn: Insn | undefined, eip: number, handler: number, v: number): void {
    const { i32 } = this;
    const at = word(recordAt(n));
    i32.fill(0, at, at + word(RECORD.$size));
    i32[at] = handler | ((insn?.length ?? LONGEST) << 16);
    i32[at + word(RECORD.eip)] = eip;
    if (insn === undefined || handler === this.step) return;
    const next = (eip + insn.length) | 0;
    i32[at + word(RECORD.target)] = next; // of jumps: where they lead
    i32[at + word(RECORD.imm)] = next; // overwritten where there is an immediate
    const registers = [RECORD.a, RECORD.b, RECORD.link];
    const strings = STRINGS.has(insn.form.semantics);
    const stores = ONE_STORE.has(insn.form.semantics) ? RECORD_STORES : 0;
    for (const operand of insn.operands) {
      if (operand.kind === 'reg') i32[at + word(registers.shift()!)] = registerAt(v, operand);
      else if (operand.kind === 'imm') i32[at + word(RECORD.imm)] = operand.value;
      else if (operand.kind === 'rel') i32[at + word(RECORD.target)] = leadsTo(insn, next, operand.value);
      else if (operand.kind === 'mem' && !strings) {
        const gpr = v + VCPU.gpr;
        i32[at + word(RECORD.base)] = operand.base < 0 ? FAST.zero : gpr + 4 * operand.base;
        i32[at + word(RECORD.index)] = operand.index < 0 ? FAST.zero : gpr + 4 * operand.index;
        i32[at + word(RECORD.disp)] = operand.disp;
        i32[at + word(RECORD.scale)] =
          operand.scale | stores | ((FAST.seg - FAST.zero + operand.seg * FAST_SEG.$size) << 16);
      }
    }
  }

  /** A jump to the EIP `target` that did not know its record, within one page: now it does. */
  patch(from: number, target: number, csBase: number, to: number): void {
    const at = word(from);
    const { i32 } = this;
    if (i32[at + word(RECORD.target)] !== target) return;
    if ((((i32[at + word(RECORD.eip)]! + csBase) ^ (target + csBase)) & ~0xfff) !== 0) return;
    if (i32[at + word(RECORD.handler)] === this.cross) i32[at + word(RECORD.handler)] = this.goto;
    i32[at + word(RECORD.link)] = to;
  }

  /** Makes sure a store to the frame is seen; true if it was not watched before. */
  watch(mfn: number): boolean {
    if ((this.frames.flags(mfn) & FRAME_CODE) !== 0) return false;
    this.frames.setFlag(mfn, FRAME_CODE);
    return true;
  }
}

interface Decoded {
  readonly insn: Insn | undefined;
  /** Undefined where the reference engine does it. */
  readonly key: string | undefined;
}

/**
 * Which instructions of a run leave flags that nobody can see: those behind them set all six before anything reads one, and none of them
 * touches memory, could fault or end the run, so that there is no moment to look at the flags.
 */
function deadFlags(run: readonly Decoded[]): boolean[] {
  const dead = new Array<boolean>(run.length).fill(false);
  let unseen = false;
  for (let i = run.length - 1; i >= 0; i--) {
    dead[i] = unseen;
    const { insn, key } = run[i]!;
    if (insn === undefined || key === undefined) unseen = false;
    else if (insn.operands.some((o) => o.kind === 'mem' && o.size !== 0)) unseen = false;
    else if (KILLS.has(insn.form.semantics)) unseen = true;
    else unseen &&= QUIET.has(insn.form.semantics);
  }
  return dead;
}

/** The shape of the instruction at an EIP, undefined where the reference engine is to run it. */
function keyOf(insn: Insn, eip: number, mode: number, csLimit: number): string | undefined {
  if ((mode & CODE_SMALL) === 0) return shapeKey(insn, (mode & CODE_FLAT) !== 0 ? 'flat' : 'checked');
  const next = (eip + insn.length) | 0;
  const jump = insn.operands.find((operand) => operand.kind === 'rel');
  const beyond = jump !== undefined && leadsTo(insn, next, jump.value) >>> 0 > csLimit;
  return beyond || (next - 1) >>> 0 > csLimit ? undefined : shapeKey(insn, 'small');
}
function leadsTo(insn: Insn, next: number, by: number): number {
  const to = (next + by) | 0;
  return insn.opSize === 16 ? to & 0xffff : to;
}

function registerAt(v: number, operand: Operand & { kind: 'reg' }): number {
  const { reg, size } = operand;
  return v + VCPU.gpr + (size === 8 && reg >= 4 ? (reg - 4) * 4 + 1 : reg * 4);
}

/** The instruction at an offset of a page; undefined when it reaches beyond the page. */
function decodeAt(u8: Uint8Array, page: number, offset: number, big: boolean): Insn | undefined {
  let beyond = false;
  const insn = decode((i) => {
    if (offset + i < 4096) return u8[page + offset + i]!;
    beyond = true;
    return 0;
  }, big);
  return beyond ? undefined : insn;
}
