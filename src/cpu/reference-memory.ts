// The reference engine's memory: segment checks, TLB look-up, the walk behind it, and faults. A fault is thrown as one preallocated
// object; vector, code and address stand in the engine.

import type { SegmentValue, SystemTable } from '../isa/builder.ts';
import { CS, type Seg, SS } from '../isa/types.ts';
import { CTL, type Frames } from '../memory/frames.ts';
import { CONTROL, RAM_BASE } from '../memory/map.ts';
import { type Bus, NO_FRAME } from './bus.ts';
import { CR0_AM } from './paging.ts';
import { Double, Values } from './reference-values.ts';
import { clearTlb, dropTlbPage, noteFilled, TLB_ENTRIES, tlbTable, validateTlb } from './tlb.ts';
import {
  EFLAGS_AC,
  SEG_DB,
  SEG_NULL,
  SEG_S,
  SEGREG,
  VCPU,
  VCPU_MODE,
  WINDOW_BASE,
  WINDOW_PAGES,
} from './vcpu.ts';
import { EXECUTE, READ, Walker, WRITE } from './walker.ts';

/** Thrown to end an instruction with the fault that stands in the engine's fault… fields. */
export const FAULT = { name: 'fault' };

const VECTOR_SS = 12,
  VECTOR_GP = 13,
  VECTOR_PF = 14;
const TLB_MASK = TLB_ENTRIES - 1;
const INVALID_MFN = 0xffffffff;
const EPOCHS = CONTROL >>> 2;
const TLB_EPOCH = EPOCHS + (CTL.tlbEpoch >>> 2),
  WRITE_EPOCH = EPOCHS + (CTL.writeEpoch >>> 2);
/** No linear page: forgets the page that code is taken from. */
export const NO_PAGE = 1;
/** Bits of `flat`: reads and writes need no check but the addition of the base. */
const FLAT_R = 1,
  FLAT_W = 2;

const CONFORMING = SEG_S | 0xc;
const VECTOR_AC = 17;

export class MemoryAccess extends Values {
  readonly frames: Frames;
  /** What the machine has beside memory. */
  protected readonly bus: Bus | undefined;
  protected readonly view: DataView;
  protected readonly walker: Walker;
  /** The running vCPU. */
  v = 0;
  protected pv = false;
  protected user = false;
  protected cpl = 0;
  protected segAt = 0;
  protected readonly flat = new Uint8Array(6);
  protected stackBig = true;
  protected csBase = 0;
  protected csFlat = true;
  protected csD = true;
  /** Linear page whose decoded instructions are at hand. */
  protected codeLin = NO_PAGE;
  private readTable = 0;
  private writeTable = 0;
  protected tlbEpoch = 0;
  protected writeEpoch = 0;

  faultVector = 0;
  faultCode = 0;
  faultHasCode = false;
  faultCr2 = 0;

  /** Emulation: final stores go here first; true means taken. Probes for writing then only read. */
  protected storeHook: ((lin: number, size: number, lo: number, hi: number) => boolean) | undefined =
    undefined;

  constructor(frames: Frames, bus?: Bus) {
    super(frames.m);
    this.frames = frames;
    this.bus = bus;
    this.view = frames.m.view;
    this.walker = new Walker(frames, bus);
  }

  protected bindMemory(v: number): void {
    this.v = v;
    this.segAt = (v + VCPU.seg) >>> 2;
    this.pv = this.m.r32(v + VCPU.mode) === VCPU_MODE.pv;
    for (let seg = 0; seg < 6; seg++) this.noteSegment(seg as Seg);
    this.setCpl(this.currentCpl());
    this.validate();
  }

  // ---- faults -----------------------------------------------------------------------------------------
  raise(vector: number, code: number | undefined): never {
    this.faultVector = vector;
    this.faultHasCode = code !== undefined;
    this.faultCode = code ?? 0;
    this.faultCr2 = 0;
    throw FAULT;
  }
  protected pageFault(lin: number): never {
    this.faultVector = VECTOR_PF;
    this.faultHasCode = true;
    this.faultCode = this.walker.code;
    this.faultCr2 = lin >>> 0;
    throw FAULT;
  }
  fault(vector: number, code?: number): void {
    this.raise(vector, code);
  }
  faultIf(c: number, vector: number, code?: number): void {
    if (c !== 0) this.raise(vector, code);
  }

  // ---- privilege and segments -------------------------------------------------------------------------
  protected get protectedNow(): boolean {
    return (this.m.r32(this.v + VCPU.cr0) & 1) !== 0 && (this.i32[this.flagsAt]! & 0x20000) === 0;
  }
  protected currentCpl(): number {
    if ((this.m.r32(this.v + VCPU.cr0) & 1) === 0) return 0;
    if ((this.i32[this.flagsAt]! & 0x20000) !== 0) return 3;
    // The level is the DPL of CS, not the RPL one sees: right after PE was set the selector still is a paragraph number.
    const attr = this.i32[this.segAt + CS * 4 + 3]!;
    return (attr & CONFORMING) === CONFORMING ? this.i32[this.segAt + CS * 4]! & 3 : (attr >>> 5) & 3;
  }
  protected setCpl(cpl: number): void {
    this.cpl = cpl;
    this.user = cpl === 3;
    this.readTable = tlbTable(this.v, READ, this.user);
    this.writeTable = tlbTable(this.v, WRITE, this.user);
    this.codeLin = NO_PAGE;
  }
  /** Brings up to date what is kept beside a segment register. */
  protected noteSegment(seg: Seg): void {
    const at = this.segAt + seg * 4;
    const limit = this.i32[at + 2]!,
      attr = this.i32[at + 3]!;
    const whole = limit === -1 && (attr & SEG_NULL) === 0;
    const code = (attr & 0x18) === 0x18;
    let flat = 0;
    if (whole && (code ? (attr & 2) !== 0 : (attr & 4) === 0)) flat |= FLAT_R;
    if (whole && !code && (attr & 6) === 2) flat |= FLAT_W;
    this.flat[seg] = flat;
    if (seg === SS) this.stackBig = (attr & SEG_DB) !== 0;
    if (seg === CS) {
      this.csBase = this.i32[at + 1]!;
      this.csFlat = limit === -1;
      this.csD = (attr & SEG_DB) !== 0;
      this.codeLin = NO_PAGE;
    }
  }

  /** Checks an access of `length` bytes at an offset of a segment; returns the linear address. SDM vol. 3, 5.3-5.4. */
  protected linear(seg: Seg, offset: number, length: number, write: boolean): number {
    const at = this.segAt + seg * 4;
    if ((this.flat[seg]! & (write ? FLAT_W : FLAT_R)) !== 0) return (this.i32[at + 1]! + offset) | 0;
    const attr = this.i32[at + 3]!;
    const first = offset >>> 0,
      last = first + length - 1;
    const limit = this.i32[at + 2]! >>> 0;
    const code = (attr & 0x18) === 0x18;
    let ok = (attr & SEG_NULL) === 0;
    if (this.protectedNow) {
      if (write ? code || (attr & 2) === 0 : code && (attr & 2) === 0) ok = false;
    }
    if (!code && (attr & 4) !== 0) {
      if (first <= limit || last > ((attr & SEG_DB) !== 0 ? 0xffffffff : 0xffff)) ok = false;
    } else if (last > limit && !(limit === 0xffffffff)) ok = false;
    if (!ok) this.raise(seg === SS ? VECTOR_SS : VECTOR_GP, 0);
    return (this.i32[at + 1]! + offset) | 0;
  }

  segment(seg: Seg): SegmentValue<number> {
    const at = this.segAt + seg * 4;
    return { sel: this.i32[at]!, base: this.i32[at + 1]!, limit: this.i32[at + 2]!, attr: this.i32[at + 3]! };
  }
  setSegment(seg: Seg, value: SegmentValue<number>): void {
    const at = this.segAt + seg * 4;
    this.i32[at] = value.sel & 0xffff;
    this.i32[at + 1] = value.base;
    this.i32[at + 2] = value.limit;
    this.i32[at + 3] = value.attr;
    this.noteSegment(seg);
    if (seg === CS) this.setCpl(this.currentCpl());
  }
  selector(seg: Seg): number {
    return this.i32[this.segAt + (seg * SEGREG.$size) / 4]! & 0xffff;
  }

  // ---- translation ------------------------------------------------------------------------------------
  /** Drops what the epochs say is stale; called at the start of a run and after anything that may move them. */
  protected validate(): void {
    validateTlb(this.m, this.v);
    this.tlbEpoch = this.i32[TLB_EPOCH]!;
    this.writeEpoch = this.i32[WRITE_EPOCH]!;
    this.codeLin = NO_PAGE;
  }
  /** Takes note that since the epochs were looked at only the translation of one page has changed. */
  protected dropPage(lin: number): void {
    dropTlbPage(this.m, this.v, lin);
    this.tlbEpoch = this.i32[TLB_EPOCH]!;
    this.codeLin = NO_PAGE;
  }
  protected flushTlb(): void {
    clearTlb(this.m, this.v);
    this.codeLin = NO_PAGE;
  }
  protected epochsMoved(): boolean {
    return this.i32[TLB_EPOCH] !== this.tlbEpoch || this.i32[WRITE_EPOCH] !== this.writeEpoch;
  }

  /** Memory offset of the byte at a linear address for reading, -1 where there is no RAM: then walker.pfn is the physical page. */
  protected hostRead(lin: number): number {
    const at = this.readTable + ((lin >>> 12) & TLB_MASK) * 2;
    if (this.i32[at] === (lin & ~0xfff)) return this.i32[at + 1]! | (lin & 0xfff);
    return this.fill(lin, READ, this.user);
  }
  protected fill(lin: number, access: number, user: boolean): number {
    if (!this.walker.walk(this.v, lin, access, user, true)) this.pageFault(lin);
    const mfn = this.walker.mfn;
    if (this.epochsMoved()) this.validate();
    if (mfn === NO_FRAME || !this.frames.exists(mfn)) return -1;
    this.enter(lin, access, user, mfn);
    return RAM_BASE + mfn * 4096 + (lin & 0xfff);
  }
  protected enter(lin: number, access: number, user: boolean, mfn: number, mark = 0): void {
    const at = tlbTable(this.v, access, user) + ((lin >>> 12) & TLB_MASK) * 2;
    this.i32[at] = (lin & ~0xfff) | mark;
    this.i32[at + 1] = RAM_BASE + mfn * 4096;
    noteFilled(this.m, this.v, access, user, lin);
  }

  /** Memory offset for a store that needs no more than storing, or -1: then writeSlow has to do it. */
  protected hostWrite(lin: number): number {
    const at = this.writeTable + ((lin >>> 12) & TLB_MASK) * 2;
    return this.i32[at] === (lin & ~0xfff) ? this.i32[at + 1]! | (lin & 0xfff) : -1;
  }
  /** All paging checks of a write; walker.mfn and walker.pfn say where it goes. */
  protected translateWrite(lin: number, user: boolean): void {
    if (!this.walker.walk(this.v, lin, WRITE, user, true)) this.pageFault(lin);
    if (this.epochsMoved()) this.validate();
  }
  /** A store within one page through Frames or the bus; afterwards the page may have become plain. */
  private writeSlow(lin: number, size: number, value: number, user: boolean): void {
    this.translateWrite(lin, user);
    const { mfn } = this.walker;
    this.writeBehind(lin, size, value);
    if (this.isMemory(mfn) && this.frames.flags(mfn) === 0) this.enter(lin, WRITE, user, mfn);
  }
  protected isMemory(mfn: number): boolean {
    return mfn !== NO_FRAME && this.frames.exists(mfn);
  }
  /** Stores to the page the walker has just found; the bytes lie within it. */
  private writeBehind(lin: number, size: number, value: number): void {
    const { mfn, pfn } = this.walker;
    if (this.isMemory(mfn)) {
      const maddr = mfn * 4096 + (lin & 0xfff);
      if (size === 32) this.frames.write32(maddr, value);
      else if (size === 16) this.frames.write16(maddr, value);
      else this.frames.write8(maddr, value);
    } else this.writeMmio(pfn * 4096 + (lin & 0xfff), size, value);
    if (this.epochsMoved()) this.validate();
  }
  /** Reads from the page the walker has just found. */
  private readBehind(lin: number, size: number): number {
    const { mfn, pfn } = this.walker;
    if (!this.isMemory(mfn)) return this.readMmio(pfn * 4096 + (lin & 0xfff), size);
    const maddr = mfn * 4096 + (lin & 0xfff);
    if (size === 32) return this.frames.read32(maddr) | 0;
    return size === 16 ? this.frames.read16(maddr) : this.frames.read8(maddr);
  }

  // ---- what is no memory: aligned pieces to the bus, all-ones where there is none ----------------------
  protected readMmio(paddr: number, size: number): number {
    const bus = this.pv ? undefined : this.bus;
    if (bus === undefined) return size === 32 ? -1 : (1 << size) - 1;
    this.beforeBus();
    let value = 0;
    for (let done = 0; done < size; ) {
      const piece = aligned(paddr + (done >> 3), size - done);
      value |= bus.readMmio(paddr + (done >> 3), piece) << done;
      done += piece;
    }
    if (this.epochsMoved()) this.validate();
    return value;
  }
  private writeMmio(paddr: number, size: number, value: number): void {
    const bus = this.pv ? undefined : this.bus;
    if (bus === undefined) return;
    this.beforeBus();
    for (let done = 0; done < size; ) {
      const piece = aligned(paddr + (done >> 3), size - done);
      const part = value >>> done;
      bus.writeMmio(paddr + (done >> 3), piece, piece === 32 ? part : part & ((1 << piece) - 1));
      done += piece;
    }
  }
  /** Called before a device is asked anything: devices read the time. */
  protected beforeBus(): void {}

  // ---- by linear address, rights of the current level -------------------------------------------------
  protected readLin(lin: number, size: number): number {
    const bytes = size >> 3;
    if ((lin & 0xfff) > 4096 - bytes) return this.readCrossing(lin, bytes);
    const host = this.hostRead(lin);
    if (host < 0) return this.readMmio(this.walker.pfn * 4096 + (lin & 0xfff), size);
    if (size === 32) return this.view.getInt32(host, true);
    if (size === 16) return this.view.getUint16(host, true);
    return this.u8[host]!;
  }
  private readCrossing(lin: number, bytes: number): number {
    this.hostRead(lin);
    this.hostRead(((lin & ~0xfff) + 4096) | 0);
    let value = 0;
    for (let i = 0; i < bytes; i++) {
      const host = this.hostRead((lin + i) | 0);
      value |= (host < 0 ? this.readBehind((lin + i) | 0, 8) : this.u8[host]!) << (8 * i);
    }
    return value;
  }
  protected writeLin(lin: number, size: number, value: number): void {
    const bytes = size >> 3;
    if (this.storeHook?.(lin >>> 0, size, value, 0)) return;
    if ((lin & 0xfff) > 4096 - bytes) {
      this.writeCrossing(lin, bytes, value);
      return;
    }
    const host = this.hostWrite(lin);
    if (host < 0) this.writeSlow(lin, size, value, this.user);
    else if (size === 32) this.view.setInt32(host, value, true);
    else if (size === 16) this.view.setUint16(host, value, true);
    else this.u8[host] = value;
  }
  private writeCrossing(lin: number, bytes: number, value: number): void {
    this.probeLin(lin, bytes, true, this.user);
    for (let i = 0; i < bytes; i++) this.writeSlow((lin + i) | 0, 8, (value >>> (8 * i)) & 0xff, this.user);
  }
  /** Paging checks for a range. */
  protected probeLin(lin: number, length: number, write: boolean, user: boolean): void {
    const last = (lin + length - 1) | 0;
    for (let at = lin; ; at = ((at & ~0xfff) + 4096) | 0) {
      this.probePage(at, write && this.storeHook === undefined, user);
      if (((at ^ last) & ~0xfff) === 0) return;
    }
  }
  private probePage(lin: number, write: boolean, user: boolean): void {
    if (user === this.user) {
      if (write ? this.hostWrite(lin) >= 0 : this.hostRead(lin) >= 0) return;
    }
    if (!this.walker.walk(this.v, lin, write ? WRITE : READ, user, true)) this.pageFault(lin);
    if (this.epochsMoved()) this.validate();
  }

  // ---- the description's view -------------------------------------------------------------------------
  load(seg: Seg, offset: number, size: number): number {
    const lin = this.linear(seg, offset, size >> 3, false);
    this.observe(lin, size >> 3, false);
    return this.readLin(lin, size);
  }
  store(seg: Seg, offset: number, size: number, value: number): void {
    const lin = this.linear(seg, offset, size >> 3, true);
    this.observe(lin, size >> 3, true);
    this.writeLin(lin, size, value);
  }
  /** Alignment check (SDM vol. 3, 6.15, interrupt 17) and data breakpoints of an ordinary access. */
  private observe(lin: number, bytes: number, write: boolean): void {
    if ((lin & (bytes - 1)) !== 0 && this.user) this.checkAlignment();
    if (this.watching !== 0) this.noteData(lin, bytes, write);
  }
  private checkAlignment(): void {
    const asked =
      (this.i32[this.flagsAt]! & EFLAGS_AC) !== 0 && (this.m.r32(this.v + VCPU.cr0) & CR0_AM) !== 0;
    if (asked) this.raise(VECTOR_AC, 0);
  }
  /** Data breakpoints that are enabled. */
  protected watching = 0;
  protected noteData(_lin: number, _length: number, _write: boolean): void {}
  /** Reads what will be written back: the checks are those of a write. */
  loadForWrite(seg: Seg, offset: number, size: number): number {
    const lin = this.linear(seg, offset, size >> 3, true);
    this.observe(lin, size >> 3, false);
    if (this.storeHook === undefined && (this.hostWrite(lin) < 0 || (lin & 0xfff) > 4096 - (size >> 3))) {
      this.probeLin(lin, size >> 3, true, this.user);
    }
    return this.readLin(lin, size);
  }
  loadW(seg: Seg, offset: number): Double {
    const lin = this.linear(seg, offset, 8, false);
    this.observe(lin, 8, false);
    this.probeLin(lin, 8, false, this.user);
    return new Double(this.readLin(lin, 32), this.readLin((lin + 4) | 0, 32));
  }
  storeW(seg: Seg, offset: number, value: Double): void {
    const lin = this.linear(seg, offset, 8, true);
    this.observe(lin, 8, true);
    if (this.storeHook?.(lin >>> 0, 64, value.lo, value.hi)) return;
    this.probeLin(lin, 8, true, this.user);
    if ((lin & 7) !== 0) {
      this.writeLin(lin, 32, value.lo);
      this.writeLin((lin + 4) | 0, 32, value.hi);
      return;
    }
    this.translateWrite(lin, this.user);
    const { mfn } = this.walker;
    if (this.isMemory(mfn)) {
      this.frames.write64(mfn * 4096 + (lin & 0xfff), value.lo, value.hi);
      if (this.epochsMoved()) this.validate();
    } else {
      this.writeLin(lin, 32, value.lo);
      this.writeLin((lin + 4) | 0, 32, value.hi);
    }
  }
  probe(seg: Seg, offset: number, length: number, access: 'r' | 'w'): void {
    this.probeLin(this.linear(seg, offset, length, access === 'w'), length, access === 'w', this.user);
  }

  // ---- stacks that are not loaded, tables of the system -----------------------------------------------
  /** Finds the page behind the system window; #PF with the window's address where nothing is mapped. */
  private window(lin: number, write: boolean): void {
    const page = (lin - WINDOW_BASE) >>> 12;
    const mfn = page < WINDOW_PAGES ? this.m.r32(this.v + VCPU.window + 4 * page) : INVALID_MFN;
    if (mfn === INVALID_MFN) {
      this.walker.code = write ? 2 : 0;
      this.pageFault(lin);
    }
    this.walker.mfn = this.walker.pfn = mfn;
  }
  private inWindow(lin: number): boolean {
    return this.pv && lin >>> 0 >= WINDOW_BASE && lin >>> 0 < WINDOW_BASE + WINDOW_PAGES * 4096;
  }
  private systemPage(lin: number, write: boolean): void {
    if (this.inWindow(lin)) this.window(lin, write);
    else if (write) this.translateWrite(lin, false);
    else {
      if (!this.walker.walk(this.v, lin, READ, false, true)) this.pageFault(lin);
      if (this.epochsMoved()) this.validate();
    }
  }
  private systemRead(lin: number, size: number): number {
    const bytes = size >> 3;
    if ((lin & 0xfff) + bytes <= 4096) {
      this.systemPage(lin, false);
      return this.readBehind(lin, size);
    }
    let value = 0;
    for (let i = 0; i < bytes; i++) {
      this.systemPage((lin + i) | 0, false);
      value |= this.readBehind((lin + i) | 0, 8) << (8 * i);
    }
    return value;
  }
  private systemWrite(lin: number, size: number, value: number): void {
    const bytes = size >> 3;
    if ((lin & 0xfff) + bytes <= 4096) {
      this.systemPage(lin, true);
      this.writeBehind(lin, size, value);
      return;
    }
    for (let i = 0; i < bytes; i++) this.systemPage((lin + i) | 0, true);
    for (let i = 0; i < bytes; i++) {
      this.systemPage((lin + i) | 0, true);
      this.writeBehind((lin + i) | 0, 8, (value >>> (8 * i)) & 0xff);
    }
  }
  loadSystem(_table: SystemTable, addr: number, size: number): number {
    return this.systemRead(addr, size);
  }
  storeSystem(_table: SystemTable, addr: number, size: number, value: number): void {
    this.systemWrite(addr, size, value);
  }
  loadLinear(addr: number, size: number, cpl: number): number {
    return (cpl === 3) === this.user ? this.readLin(addr, size) : this.systemRead(addr, size);
  }
  storeLinear(addr: number, size: number, value: number, cpl: number): void {
    const user = cpl === 3;
    if (cpl === 0 && this.inWindow(addr)) this.systemWrite(addr, size, value);
    else if (user === this.user) this.writeLin(addr, size, value);
    else if (cpl === 0) this.systemWrite(addr, size, value);
    else {
      for (let i = 0; i < size >> 3; i++) this.writeSlow((addr + i) | 0, 8, (value >>> (8 * i)) & 0xff, user);
    }
  }
  probeLinear(addr: number, length: number, access: 'r' | 'w', cpl: number): void {
    if (cpl === 0 && this.inWindow(addr)) this.window(addr, access === 'w');
    else this.probeLin(addr, length, access === 'w', cpl === 3);
  }

  // ---- the stack --------------------------------------------------------------------------------------
  sp(): number {
    const esp = this.i32[this.gprAt + 4]!;
    return this.stackBig ? esp : esp & 0xffff;
  }
  setSp(value: number): void {
    const at = this.gprAt + 4;
    this.i32[at] = this.stackBig ? value : (this.i32[at]! & 0xffff0000) | (value & 0xffff);
  }
  moveSp(delta: number): void {
    this.setSp((this.i32[this.gprAt + 4]! + delta) | 0);
  }
  private stackOffset(offset: number): number {
    const at = (this.i32[this.gprAt + 4]! + offset) | 0;
    return this.stackBig ? at : at & 0xffff;
  }
  push(value: number, size: 16 | 32): void {
    const at = this.stackOffset(-(size >> 3));
    this.store(SS, at, size, value);
    this.setSp(at);
  }
  pop(size: 16 | 32): number {
    const at = this.sp();
    const value = this.load(SS, at, size);
    this.setSp((at + (size >> 3)) | 0);
    return value;
  }
  peek(offset: number, size: 16 | 32): number {
    return this.load(SS, this.stackOffset(offset), size);
  }
  poke(offset: number, size: 16 | 32, value: number): void {
    this.store(SS, this.stackOffset(offset), size, value);
  }
  probeStack(offset: number, length: number, access: 'r' | 'w'): void {
    this.probe(SS, this.stackOffset(offset), length, access);
  }

  /** Memory offset of the instruction byte at a linear address, -1 where there is no RAM. */
  protected hostExecute(lin: number): number {
    const at = tlbTable(this.v, EXECUTE, this.user) + ((lin >>> 12) & TLB_MASK) * 2;
    if (this.i32[at] === (lin & ~0xfff)) return this.i32[at + 1]! | (lin & 0xfff);
    return this.fill(lin, EXECUTE, this.user);
  }
}

/** The largest naturally aligned access that begins at `paddr` and has at most `size` bits. */
function aligned(paddr: number, size: number): 8 | 16 | 32 {
  if (size >= 32 && paddr % 4 === 0) return 32;
  return size >= 16 && paddr % 2 === 0 ? 16 : 8;
}
