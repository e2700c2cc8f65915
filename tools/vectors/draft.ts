// The test under construction: random choices of an encoding, registers, segments and memory, with the means to make an
// operand lie where it shall.

import { type EncodingChoice, encode } from '../../src/isa/encodings.ts';
import { decode } from '../../src/isa/decode.ts';
import { CS, type Insn, type MemOperand, type Seg } from '../../src/isa/types.ts';
import type { Cell } from './cells.ts';
import {
  CODE,
  DATA,
  FIXED,
  INITIAL,
  isWide,
  isWritable,
  LOW,
  NOTHING,
  PAGE,
  segmentOf,
  selectorsFor,
  STACK,
} from './palette.ts';
import type { Random } from './random.ts';

export const EAX = 0,
  ECX = 1,
  EDX = 2,
  EBX = 3,
  ESP = 4,
  EBP = 5,
  ESI = 6,
  EDI = 7;

const VALUES = [
  0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe,
  0xffffffff,
];
const PREFIX_LOCK = 0xf0;
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const MAX_LENGTH = 15;

export function value(rng: Random): number {
  return rng.oneIn(2) ? rng.pick(VALUES) : rng.u32();
}

/** A selector of any kind the world knows. */
export const anySelector = (draft: Draft): number => draft.rng.pick(selectorsFor(draft.cell.world));

/** Offset of a memory operand: what the address size makes of base, index and displacement. */
export function effectiveAddress(mem: MemOperand, gpr: readonly number[]): number {
  const base = mem.base < 0 ? 0 : gpr[mem.base]!;
  const index = mem.index < 0 ? 0 : gpr[mem.index]! << mem.scale;
  const sum = (base + index + mem.disp) >>> 0;
  return mem.addrSize === 16 ? sum & 0xffff : sum;
}

/** The bytes of a form for 32-bit or 16-bit code: size prefixes are the other way round there. */
function encodeFor(cell: Cell, choice: EncodingChoice, wide: boolean): number[] | undefined {
  const bytes = encode(cell.form, choice);
  if (bytes === undefined || wide) return bytes;
  const sizes = (choice.opSize === 16 ? 1 : 0) + (choice.addrSize === 16 ? 1 : 0);
  const front = choice.prefixes.length;
  const instead = [...(choice.opSize === 32 ? [0x66] : []), ...(choice.addrSize === 32 ? [0x67] : [])];
  return [...bytes.slice(0, front), ...instead, ...bytes.slice(front + sizes)];
}

export class Draft {
  readonly cell: Cell;
  readonly rng: Random;
  readonly gpr: number[] = [0x11111111, 0x22222222, 0x33333333, 0x44444444, 0, 0, DATA + 0x600, DATA + 0xa00];
  /** ES CS SS DS FS GS. */
  readonly seg: number[];
  readonly memory = new Map<number, number>();
  choice: EncodingChoice;

  constructor(cell: Cell, rng: Random) {
    this.cell = cell;
    this.rng = rng;
    this.seg = INITIAL[cell.world].map((choices) => rng.pick(choices));
    const register = cell.kind === 'register';
    this.choice = {
      opSize: cell.opSize,
      addrSize: cell.addrSize,
      reg: rng.below(cell.form.operands.includes('Sw') && !rng.oneIn(30) ? 6 : 8),
      mod: register ? 3 : cell.kind === 'memory' ? rng.below(3) : 0,
      rm: rng.below(8),
      sib: rng.below(256),
      disp: rng.below(256) - 128,
      imm: this.immediate(),
      imm2: cell.form.operands.includes('Ap') ? anySelector(this) : rng.below(4),
      prefixes: this.prefixes(),
    };
    this.gpr[ESP] = this.onStack(0x800);
    this.gpr[EBP] = this.onStack(0xc00);
  }

  get wide(): boolean {
    return isWide(this.seg[CS]!);
  }

  encode(): number[] | undefined {
    return encodeFor(this.cell, this.choice, this.wide);
  }
  decode(bytes: readonly number[]): Insn {
    return decode((i) => bytes[i] ?? 0, this.wide);
  }

  /** An offset in SS of the byte `at` of the stack page; what a 16-bit stack does not look at is noise. */
  onStack(at: number): number {
    const { base, access, selector } = segmentOf(this.seg[2]!);
    const offset = STACK + at - base;
    if (selector === this.seg[2] && (access & 0x400000) === 0)
      return ((this.rng.u32() & 0xffff0000) | offset) >>> 0;
    return offset >>> 0;
  }

  private immediate(): number {
    const { form } = this.cell;
    const { rng } = this;
    if (form.semantics === 'int') return rng.oneIn(4) ? rng.pick([3, 4]) : rng.below(0x80);
    if (form.operands.includes('Jz')) return (rng.oneIn(2) ? rng.below(0x200) - 0x100 : rng.u32()) >>> 0;
    if (/^(ret|retf|enter)$/.test(form.semantics)) return rng.oneIn(20) ? rng.u32() : rng.below(0x40);
    if (/^(aam|aad)$/.test(form.semantics) && rng.oneIn(2)) return 10;
    if (form.operands.includes('Ap')) return this.codeOffset();
    return value(rng);
  }

  /** Where a far transfer might go: an offset good in the flat segment, or in those of the table, or nowhere. */
  codeOffset(): number {
    const { rng, cell } = this;
    return cell.world === 'ldt' && rng.oneIn(2)
      ? rng.below(rng.oneIn(2) ? 0x100 : 0x3000)
      : CODE + rng.below(0x1000);
  }

  private prefixes(): number[] {
    const { cell, rng } = this;
    const { form } = cell;
    const prefixes: number[] = [];
    if (form.lock === true && cell.kind === 'memory' && rng.oneIn(6)) prefixes.push(PREFIX_LOCK);
    else if (rng.oneIn(60)) prefixes.push(PREFIX_LOCK); // refused
    if (cell.kind === 'memory' || form.operands.some((spec) => /^[XOB]/.test(spec))) {
      if (rng.oneIn(6)) prefixes.push(rng.pick(SEGMENT_PREFIXES));
    }
    if (form.rep !== undefined ? !rng.oneIn(3) : rng.oneIn(80)) prefixes.push(rng.pick([0xf2, 0xf3]));
    if (rng.oneIn(100)) {
      const room = MAX_LENGTH - 2 - rng.below(8);
      while (prefixes.length < room) prefixes.push(rng.pick(SEGMENT_PREFIXES));
    }
    return prefixes;
  }

  base(seg: Seg | number): number {
    return segmentOf(this.seg[seg]!).base;
  }

  /** A linear address that offsets of `size` bits can name in the segment. */
  spot(seg: number): readonly [start: number, size: number] {
    const { base, spot } = segmentOf(this.seg[seg]!);
    return this.cell.addrSize === 16 && base === 0 ? [LOW, 2 * PAGE] : spot;
  }

  /** Decides where the ModRM operand shall lie. */
  target(seg: Seg): number {
    const { rng } = this;
    const [start, size] = this.spot(seg);
    const narrow = this.cell.addrSize === 16;
    const { base, limit, access } = segmentOf(this.seg[seg]!);
    if (base !== 0 && rng.oneIn(12)) {
      const pages = (access & 0x800000) !== 0;
      if (!pages) return base + limit - 7 + rng.below(12); // around the limit
    }
    if (narrow && base === 0) return start + 0x40 + rng.below(size - 0x100);
    if (base === 0 && rng.oneIn(40)) return NOTHING + rng.below(PAGE); // #PF
    if (base === 0 && rng.oneIn(40)) return FIXED + rng.below(PAGE - 16); // may be read
    if (rng.oneIn(40)) return start + size - 1 - rng.below(7); // half of it #PF, or beyond the limit
    if (size > PAGE && rng.oneIn(12)) return start + PAGE - 1 - rng.below(7); // across two pages
    return start + 0x40 + ((rng.below(PAGE) * 4) % (size - 0x80));
  }

  /** Sets a register or the displacement so that the operand's linear address becomes the target (nearly, for [eax+eax*2]). */
  aim(mem: MemOperand, linear: number): void {
    const { gpr } = this;
    const wanted = (linear - this.base(mem.seg)) >>> 0;
    const indexed = mem.index < 0 ? 0 : gpr[mem.index]! << mem.scale;
    if (mem.addrSize === 16) {
      if (mem.base < 0) this.choice = { ...this.choice, disp: wanted };
      else {
        const low = (wanted - mem.disp - (mem.index < 0 ? 0 : gpr[mem.index]!)) & 0xffff;
        gpr[mem.base] = ((gpr[mem.base]! & 0xffff0000) | low) >>> 0;
      }
    } else if (mem.base < 0) {
      this.choice = { ...this.choice, disp: (wanted - indexed) | 0 };
    } else if (mem.base === mem.index) {
      const factor = 1 + (1 << mem.scale);
      gpr[mem.base] = Math.floor(((wanted - mem.disp) >>> 0) / factor);
    } else {
      gpr[mem.base] = (wanted - mem.disp - indexed) >>> 0;
    }
  }

  /** Points a register of a string instruction at a linear address. */
  point(n: number, seg: Seg, linear: number): void {
    const offset = (linear - this.base(seg)) >>> 0;
    this.gpr[n] =
      this.cell.addrSize === 16 ? ((this.gpr[n]! & 0xffff0000) | (offset & 0xffff)) >>> 0 : offset;
  }

  /** Puts bytes at a linear address, as far as it is in a window. */
  put(linear: number, size: number, content: number): void {
    for (let i = 0; i < size; i++) {
      const at = (linear + i) >>> 0;
      if (isWritable(at)) this.memory.set(at, i < 4 ? (content >>> (8 * i)) & 0xff : this.rng.below(256));
    }
  }

  /** Linear address of the n-th slot of the stack. */
  stackAt(offset: number): number {
    const { access, selector, base } = segmentOf(this.seg[2]!);
    const wide = selector !== this.seg[2] || (access & 0x400000) !== 0;
    const at = this.gpr[ESP]! + offset;
    return (base + (wide ? at : at & 0xffff)) >>> 0;
  }
}
