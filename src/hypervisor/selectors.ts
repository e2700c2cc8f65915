// Segment registers as the hypervisor loads them into a vCPU: descriptors read through the system window, the checks of a return to an
// outer privilege level, and Xen's flat selectors. Errors are what the CPU would raise: a vector and an error code.

import { SEG_DB, SEG_DPL, SEG_L, SEG_NULL, SEG_P, SEG_S, SEGREG, VCPU } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { mapLdtPage } from './descriptors.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

/** Positions of segment registers in VCPU.seg. */
export const SEG = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;

/** Selectors of the reserved GDT page (public/arch-x86/xen-x86_32.h). */
export const XEN_CS = 0xe008,
  XEN_DS = 0xe010,
  FLAT_RING1_CS = 0xe019,
  FLAT_RING1_DS = 0xe021,
  FLAT_RING3_CS = 0xe02b,
  FLAT_RING3_DS = 0xe033,
  TSS_SELECTOR = 0xe040,
  LDT_SELECTOR = 0xe050,
  CPU_SELECTOR = 0xe060;
/** Last byte of the reserved GDT page: the limit of every GDT. */
export const GDT_LIMIT = 0xefff;

export interface Descriptor {
  readonly lo: number;
  readonly hi: number;
}
/** What the CPU raises when a selector cannot be loaded. */
export interface SegmentFault {
  readonly vector: number;
  readonly code: number;
  /** Of a page fault: where. */
  readonly cr2?: number;
}
const GP = 13,
  NP = 11,
  SS = 12,
  PF = 14;
/** The accessed bit in the high word of a code or data descriptor. */
const ACCESSED = 0x100;

export const segAt = (v: number, which: number): number => v + VCPU.seg + which * SEGREG.$size;
export const selectorOf = (x: Xen, v: number, which: number): number =>
  x.m.r32(segAt(v, which) + SEGREG.sel) & 0xffff;
export const cplOf = (x: Xen, v: number): number => selectorOf(x, v, SEG.cs) & 3;
/** Guest kernel mode: CS.RPL is 1. */
export const inKernel = (x: Xen, v: number): boolean => cplOf(x, v) === 1;
/** RPL raised to at least 1. */
export const fixRpl = (sel: number): number => ((sel & 3) === 0 ? (sel & 0xffff) | 1 : sel & 0xffff);
export const isNull = (sel: number): boolean => (sel & 0xfffc) === 0;

/** Is the descriptor of `sel` within its table's limit? */
function insideTable(x: Xen, v: number, sel: number): boolean {
  const local = (sel & 4) !== 0;
  if (local && (x.m.r32(v + VCPU.ldtr + SEGREG.attr) & SEG_NULL) !== 0) return false;
  return (sel & 0xfff8) + 7 <= x.m.r32(v + (local ? VCPU.ldtr + SEGREG.limit : VCPU.gdtrLimit));
}

/** What a return raises for a selector without a descriptor: a page fault at the guest's own LDT if only its page is missing. */
function missing(x: Xen, v: number, sel: number): SegmentFault {
  if ((sel & 4) !== 0 && insideTable(x, v, sel))
    return { vector: PF, code: 0, cr2: (x.m.r32(xv(v) + XVCPU.ldtBase) + (sel & 0xfff8)) >>> 0 };
  return { vector: GP, code: sel & 0xfffc };
}

/** Machine address of a selector's descriptor behind the system window; -1 when it lies beyond its table or nothing is mapped there. */
function descriptorAt(x: Xen, v: number, sel: number): number {
  const { m } = x;
  const offset = sel & 0xfff8;
  const local = (sel & 4) !== 0;
  if (!insideTable(x, v, sel)) return -1;
  const slot = (offset >>> 12) + (local ? 16 : 0);
  let mfn = m.r32(v + VCPU.window + 4 * slot);
  if (mfn === INVALID_MFN && local && mapLdtPage(x, v, slot - 16)) mfn = m.r32(v + VCPU.window + 4 * slot);
  return mfn === INVALID_MFN ? -1 : mfn * 4096 + (offset & 0xfff);
}

/** Reads the descriptor of a selector; null when there is none. */
export function readDescriptor(x: Xen, v: number, sel: number): Descriptor | null {
  const at = descriptorAt(x, v, sel);
  if (at < 0) return null;
  return { lo: x.frames.read32(at), hi: x.frames.read32(at + 4) };
}

export const attrOf = (d: Descriptor): number => ((d.hi >>> 8) & 0xff) | (((d.hi >>> 20) & 0xf) << 8);
export const baseOf = (d: Descriptor): number =>
  (((d.lo >>> 16) & 0xffff) | ((d.hi & 0xff) << 16) | (d.hi & 0xff000000)) >>> 0;
export const limitOf = (d: Descriptor): number => {
  const raw = (d.lo & 0xffff) | (d.hi & 0xf0000);
  return d.hi & 0x800000 ? ((raw << 12) | 0xfff) >>> 0 : raw;
};

/** Stores a selector with its hidden part, and marks the descriptor in its table as accessed, as the CPU does. */
export function setSegment(x: Xen, v: number, which: number, sel: number, d: Descriptor): void {
  const at = segAt(v, which);
  if ((d.hi & ACCESSED) === 0) {
    const entry = descriptorAt(x, v, sel);
    if (entry >= 0) x.frames.write32(entry + 4, (d.hi | ACCESSED) >>> 0);
  }
  x.m.w32(at + SEGREG.sel, sel & 0xffff);
  x.m.w32(at + SEGREG.base, baseOf(d));
  x.m.w32(at + SEGREG.limit, limitOf(d));
  x.m.w32(at + SEGREG.attr, attrOf(d) | 1);
}
/** Loads a null selector: the register becomes unusable. */
export function setNull(x: Xen, v: number, which: number, sel = 0): void {
  const at = segAt(v, which);
  x.m.w32(at + SEGREG.sel, sel & 3);
  x.m.w32(at + SEGREG.base, 0);
  x.m.w32(at + SEGREG.limit, 0);
  x.m.w32(at + SEGREG.attr, SEG_NULL);
}

/** The checks IRET makes of a code selector. Returns the descriptor or the fault. */
export function checkCode(x: Xen, v: number, sel: number): Descriptor | SegmentFault {
  if (isNull(sel)) return { vector: GP, code: 0 };
  const d = readDescriptor(x, v, sel);
  const code = sel & 0xfffc,
    rpl = sel & 3;
  if (!d) return missing(x, v, sel);
  const attr = attrOf(d),
    dpl = (attr & SEG_DPL) >> 5;
  if ((attr & SEG_S) === 0 || (attr & 8) === 0 || (attr & SEG_L) !== 0) return { vector: GP, code };
  if ((attr & 4) === 0 ? dpl !== rpl : dpl > rpl) return { vector: GP, code };
  if ((attr & SEG_P) === 0) return { vector: NP, code };
  return d;
}

/** The checks IRET makes of a stack selector for privilege level `cpl`. */
export function checkStack(x: Xen, v: number, sel: number, cpl: number): Descriptor | SegmentFault {
  if (isNull(sel)) return { vector: GP, code: 0 };
  const d = readDescriptor(x, v, sel);
  const code = sel & 0xfffc;
  if (!d) return missing(x, v, sel);
  const attr = attrOf(d);
  if ((sel & 3) !== cpl || (attr & SEG_S) === 0 || (attr & 0xa) !== 2 || (attr & SEG_DPL) >> 5 !== cpl)
    return { vector: GP, code };
  if ((attr & SEG_P) === 0) return { vector: SS, code };
  return d;
}

/** The checks of MOV to DS, ES, FS or GS at `cpl`; null selectors are fine. */
export function checkData(x: Xen, v: number, sel: number, cpl: number): Descriptor | SegmentFault | null {
  if (isNull(sel)) return null;
  const d = readDescriptor(x, v, sel);
  const code = sel & 0xfffc;
  if (!d) return { vector: GP, code };
  const attr = attrOf(d);
  const isCode = (attr & 8) !== 0;
  if ((attr & SEG_S) === 0 || (isCode && (attr & 2) === 0)) return { vector: GP, code };
  if (!(isCode && attr & 4) && Math.max(cpl, sel & 3) > (attr & SEG_DPL) >> 5) return { vector: GP, code };
  if ((attr & SEG_P) === 0) return { vector: NP, code };
  return d;
}

export const isFault = (r: Descriptor | SegmentFault): r is SegmentFault => 'vector' in r;

/** Loads a data segment register as the CPU would; undefined on success. */
export function loadData(
  x: Xen,
  v: number,
  which: number,
  sel: number,
  cpl: number,
): SegmentFault | undefined {
  const r = checkData(x, v, sel, cpl);
  if (r === null) setNull(x, v, which, sel);
  else if (isFault(r)) return r;
  else setSegment(x, v, which, sel, r);
  return undefined;
}

/** After a return to `cpl`: DS, ES, FS and GS that the new level may not use become null. */
export function dropInnerSegments(x: Xen, v: number, cpl: number): void {
  for (const which of [SEG.es, SEG.ds, SEG.fs, SEG.gs]) {
    const attr = x.m.r32(segAt(v, which) + SEGREG.attr);
    if ((attr & SEG_NULL) !== 0) continue;
    const conforming = (attr & 0xc) === 0xc;
    if (!conforming && (attr & SEG_DPL) >> 5 < cpl) setNull(x, v, which);
  }
}

/** One of Xen's flat selectors, without looking at any table: they are the same in every GDT. */
export function loadFlat(x: Xen, v: number, which: number, sel: number): void {
  const code = which === SEG.cs;
  const attr = SEG_P | ((sel & 3) << 5) | SEG_S | (code ? 0xb : 0x3) | SEG_DB | 0x800;
  const at = segAt(v, which);
  x.m.w32(at + SEGREG.sel, sel);
  x.m.w32(at + SEGREG.base, 0);
  x.m.w32(at + SEGREG.limit, 0xffffffff);
  x.m.w32(at + SEGREG.attr, attr);
}
