// What the values of a recorded tree are now, on a given machine: reads go to the machine's view, writes to a little overlay that
// forgets whatever it cannot know. It is how explain.ts writes numbers beside its lines.

import { FLAG_BIT, type FlagName } from './builder.ts';
import { arithmeticFlags, evaluate, type Known } from './evaluate.ts';
import { type Argument, type Statement, Value } from './tree.ts';
import { type Gpr, type Insn, type Seg, SS } from './types.ts';

/** A machine as the explanation sees it: before the instruction. Whatever is not known is undefined. */
export interface MachineView {
  /** A general register, whole. */
  reg(n: Gpr): number | undefined;
  eflags(): number | undefined;
  /** Memory at an offset of a segment; size in bits, 8 to 64. */
  load(seg: Seg, offset: number, size: number): number | bigint | undefined;
  /** System registers by the names of the description: 'cr0', 'cpl', 'if', 'gdtr.base' … */
  sys(name: string): number | undefined;
  /** Selector of a segment register. */
  selector?(seg: Seg): number | undefined;
}

const ESP: Gpr = 4;
const cut = (value: Known, size: number): Known =>
  typeof value === 'number' && size < 32 ? value & ((1 << size) - 1) : value;

export class CurrentValues {
  private readonly view: MachineView | undefined;
  private readonly insn: Insn;
  private readonly start: number;
  private readonly known = new Map<Value, Known>();
  private readonly regs = new Map<number, Known>();
  private readonly locals = new Map<number, Known>();
  private flagsNow: number | undefined;
  private flagsLost = 0;
  private memoryWritten = false;
  private readonly sysWritten = new Set<string>();

  /** Without a view nothing but constants is known. `eip` is where the instruction stands. */
  constructor(insn: Insn, eip: number, view?: MachineView) {
    this.insn = insn;
    this.start = eip;
    this.view = view;
    this.flagsNow = view?.eflags();
  }

  /** A value that has come to be, or a plain argument. */
  of(arg: Argument | undefined): Known {
    if (arg instanceof Value) return this.known.get(arg);
    return typeof arg === 'number' ? arg >>> 0 : undefined;
  }

  word(arg: Argument | undefined): number | undefined {
    const value = this.of(arg);
    return typeof value === 'number' ? value : undefined;
  }

  /** Takes note of a value at the point where the description makes it. */
  define(value: Value): void {
    const read = READS[value.op];
    const args = value.args.map((arg) => this.of(arg));
    this.known.set(value, read === undefined ? evaluate(value, args) : read(this, value.args));
  }

  /** Takes note of an act. */
  act(statement: Statement & { kind: 'do' }): void {
    const write = WRITES[statement.op];
    if (write !== undefined) {
      write(this, statement.args);
      return;
    }
    this.forget(statement.writes);
  }

  /** Whatever these acts would write is not known any more: they may or may not have happened. */
  forget(places: readonly string[]): void {
    for (const place of places) {
      const [kind, name = ''] = place.split(':');
      if (kind === 'reg') this.regs.set(Number(name), undefined);
      else if (kind === 'local') this.locals.set(Number(name), undefined);
      else if (kind === 'flag') this.flagsLost |= name === '' ? -1 : 1 << (FLAG_BIT[name as FlagName] ?? 31);
      else if (kind === 'mem') this.memoryWritten = true;
      else if (kind === 'sys') this.sysWritten.add(name);
    }
  }

  // ---- reads ------------------------------------------------------------------------------------------

  reg32(n: number): number | undefined {
    const known = this.regs.has(n) ? this.regs.get(n) : this.view?.reg(n as Gpr);
    return typeof known === 'number' ? known >>> 0 : undefined;
  }

  reg(n: number, size: number): Known {
    const high = size === 8 && n >= 4;
    const whole = this.reg32(high ? n - 4 : n);
    return whole === undefined ? undefined : cut(high ? whole >>> 8 : whole, size);
  }

  flag(name: FlagName): Known {
    const bit = FLAG_BIT[name];
    if (this.flagsNow === undefined || (this.flagsLost >>> bit) & 1) return undefined;
    return (this.flagsNow >>> bit) & 1;
  }

  eflags(): Known {
    if (this.flagsNow === undefined || this.flagsLost !== 0) return undefined;
    return Object.values(FLAG_BIT).reduce((all, bit) => all | (this.flagsNow! & (1 << bit)), 2) >>> 0;
  }

  load(seg: Seg, offset: number | undefined, size: number): Known {
    if (offset === undefined || this.memoryWritten) return undefined;
    return this.view?.load(seg, offset, size);
  }

  above(offset: number, size: number): Known {
    const sp = this.reg32(ESP);
    return this.load(SS, sp === undefined ? undefined : (sp + offset) >>> 0, size);
  }

  sys(name: string): Known {
    return this.sysWritten.has(name) ? undefined : this.view?.sys(name);
  }

  selector(seg: Seg): Known {
    return this.view?.selector?.(seg);
  }

  eip(): number {
    return this.start >>> 0;
  }

  nextEip(): number {
    const next = (this.start + this.insn.length) >>> 0;
    return this.insn.opSize === 16 ? next & 0xffff : next;
  }

  local(n: number): Known {
    return this.locals.get(n);
  }

  // ---- writes -----------------------------------------------------------------------------------------

  setReg(n: number, size: number, value: Known): void {
    const high = size === 8 && n >= 4;
    const number = high ? n - 4 : n;
    const before = size === 32 ? 0 : this.reg32(number);
    if (typeof value !== 'number' || before === undefined) {
      this.regs.set(number, undefined);
      return;
    }
    const shift = high ? 8 : 0;
    const mask = size === 32 ? -1 : ((1 << size) - 1) << shift;
    this.regs.set(number, ((before & ~mask) | ((value << shift) & mask)) >>> 0);
  }

  setFlags(mask: number, value: Known): void {
    if (typeof value !== 'number' || this.flagsNow === undefined) {
      this.flagsLost |= mask;
      return;
    }
    this.flagsLost &= ~mask;
    this.flagsNow = (this.flagsNow & ~mask) | (value & mask);
  }

  setLocal(n: number, value: Known): void {
    this.locals.set(n, value);
  }

  stored(): void {
    this.memoryWritten = true;
  }

  moveSp(by: number | undefined): void {
    const sp = this.reg32(ESP);
    this.regs.set(ESP, sp === undefined || by === undefined ? undefined : (sp + by) >>> 0);
  }
}

type Args = readonly Argument[];

const READS: Readonly<Record<string, (now: CurrentValues, args: Args) => Known>> = {
  reg: (now, [n, size]) => now.reg(n as number, size as number),
  flag: (now, [name]) => now.flag(name as FlagName),
  eflags: (now) => now.eflags(),
  load: (now, [seg, at, size]) => now.load(seg as Seg, now.word(at), size as number),
  loadW: (now, [seg, at]) => now.load(seg as Seg, now.word(at), 64),
  pop: (now, [size]) => now.above(0, size as number),
  peek: (now, [offset, size]) => now.above(offset as number, size as number),
  sp: (now) => now.reg32(ESP),
  sys: (now, [name]) => now.sys(name as string),
  selector: (now, [seg]) => now.selector(seg as Seg),
  eip: (now) => now.eip(),
  nextEip: (now) => now.nextEip(),
  local: (now, [n]) => now.local(n as number),
};

const WRITES: Readonly<Record<string, (now: CurrentValues, args: Args) => void>> = {
  setReg: (now, [n, size, value]) => now.setReg(n as number, size as number, now.of(value)),
  setFlag: (now, [name, value]) => {
    const bit = FLAG_BIT[name as FlagName];
    const known = now.word(value);
    now.setFlags(1 << bit, known === undefined ? undefined : known << bit);
  },
  flags: (now, [kind, a, c, r, size]) => {
    const numbers = [a, c, r].map((arg) => now.word(arg));
    const [x = 0, y = 0, z = 0] = numbers;
    const { mask, value } = arithmeticFlags(kind as string, x, y, z, size as number);
    now.setFlags(mask, numbers.includes(undefined) ? undefined : value);
  },
  setEflags: (now, [mask, value]) => now.setFlags(mask as number, now.of(value)),
  setLocal: (now, [n, value]) => now.setLocal(n as number, now.of(value)),
  store: (now) => now.stored(),
  storeW: (now) => now.stored(),
  poke: (now) => now.stored(),
  push: (now, [, size]) => {
    now.stored();
    now.moveSp(-(size as number) / 8);
  },
  popped: (now, [size]) => now.moveSp((size as number) / 8),
  moveSp: (now, [delta]) => now.moveSp(now.word(delta)),
  setSp: (now, [value]) => now.setReg(ESP, 32, now.of(value)),
};
