// Segment descriptors as the processor reads them: where they lie, what their fields say, and the checks that loads of segment registers
// share. SDM vol. 3, 3.4.5 (descriptors), 5.5-5.8 (privilege checks).

import { type Builder, GP, NP, type SegmentValue, SF } from '../builder.ts';

/** Bits of a descriptor's attributes (access byte | flags nibble << 8), as in the vCPU record. */
export const SEG_TYPE_CODE = 8,
  SEG_TYPE_CONFORMING = 4,
  SEG_TYPE_EXPAND_DOWN = 4,
  SEG_TYPE_RW = 2,
  SEG_S_BIT = 0x10,
  SEG_P_BIT = 0x80,
  SEG_DB_BIT = 0x400,
  SEG_NULL_BIT = 0x10000;

const ACCESSED_HI = 0x100;

/** A descriptor in its table. */
export interface Descriptor<V> {
  readonly sel: V;
  /** Linear address of the entry. */
  readonly at: V;
  readonly lo: V;
  readonly hi: V;
}

/** value & mask, all of it set: 0 or 1. */
export function has<V, W>(b: Builder<V, W>, value: V, mask: number): V {
  return b.eq(b.and(value, b.const(mask)), b.const(mask));
}
/** No bit of mask set: 0 or 1. */
export function lacks<V, W>(b: Builder<V, W>, value: V, mask: number): V {
  return b.eq(b.and(value, b.const(mask)), b.const(0));
}
export function isZero<V, W>(b: Builder<V, W>, value: V): V {
  return b.eq(value, b.const(0));
}

export const rplOf = <V, W>(b: Builder<V, W>, sel: V): V => b.and(sel, b.const(3));
/** 1 for the selectors 0…3. */
export const isNull = <V, W>(b: Builder<V, W>, sel: V): V => lacks(b, sel, 0xfffc);
/** Error code that names a selector; `ext` is 1 while an event is being delivered. */
export const errorCode = <V, W>(b: Builder<V, W>, sel: V, ext: V): V =>
  b.or(b.and(sel, b.const(0xfffc)), ext);

export const attrOf = <V, W>(b: Builder<V, W>, d: Descriptor<V>): V =>
  b.or(b.and(b.shr(d.hi, b.const(8)), b.const(0xff)), b.and(b.shr(d.hi, b.const(12)), b.const(0xf00)));
export const dplOf = <V, W>(b: Builder<V, W>, d: Descriptor<V>): V =>
  b.and(b.shr(d.hi, b.const(13)), b.const(3));
export const baseOf = <V, W>(b: Builder<V, W>, d: Descriptor<V>): V =>
  b.or(
    b.shr(d.lo, b.const(16)),
    b.or(b.shl(b.and(d.hi, b.const(0xff)), b.const(16)), b.and(d.hi, b.const(0xff000000))),
  );
/** Limit in bytes, inclusive, granularity applied. */
export function limitOf<V, W>(b: Builder<V, W>, d: Descriptor<V>): V {
  const raw = b.or(b.and(d.lo, b.const(0xffff)), b.and(d.hi, b.const(0xf0000)));
  return b.select(has(b, d.hi, 0x800000), b.or(b.shl(raw, b.const(12)), b.const(0xfff)), raw);
}
/** What a segment register holds after loading `d` under selector `sel`; the accessed bit counts as set. */
export function segmentValue<V, W>(b: Builder<V, W>, sel: V, d: Descriptor<V>): SegmentValue<V> {
  return { sel, base: baseOf(b, d), limit: limitOf(b, d), attr: b.or(attrOf(b, d), b.const(1)) };
}

/** Linear address of the entry, and whether the table has it (0 or 1). */
function locate<V, W>(b: Builder<V, W>, sel: V): { readonly at: V; readonly inside: V } {
  const local = has(b, sel, 4);
  const offset = b.and(sel, b.const(0xfff8));
  const limit = b.select(local, b.sys('ldtr.limit'), b.sys('gdtr.limit'));
  const usable = b.or(isZero(b, local), lacks(b, b.sys('ldtr.attr'), SEG_NULL_BIT));
  const fits = b.leU(b.add(offset, b.const(7)), limit);
  return {
    at: b.add(b.select(local, b.sys('ldtr.base'), b.sys('gdtr.base')), offset),
    inside: b.and(usable, fits),
  };
}
function readAt<V, W>(b: Builder<V, W>, sel: V, at: V): Descriptor<V> {
  return {
    sel,
    at,
    lo: b.loadSystem('descriptor', at, 32),
    hi: b.loadSystem('descriptor', b.add(at, b.const(4)), 32),
  };
}

/** The descriptor of a selector; `vector` with the selector as error code when it lies beyond its table. */
export function fetchDescriptor<V, W>(b: Builder<V, W>, sel: V, vector: number, ext: V): Descriptor<V> {
  const { at, inside } = locate(b, sel);
  b.faultIf(isZero(b, inside), vector, errorCode(b, sel, ext));
  return readAt(b, sel, at);
}

/** For LAR and their like: runs `body` only if the selector is not null and its descriptor exists. */
export function withDescriptor<V, W>(b: Builder<V, W>, sel: V, body: (d: Descriptor<V>) => void): void {
  const { at, inside } = locate(b, sel);
  b.if(b.and(inside, isZero(b, isNull(b, sel))), () => body(readAt(b, sel, at)));
}

/** Sets the accessed bit in the table if it is clear. */
export function markAccessed<V, W>(b: Builder<V, W>, d: Descriptor<V>): void {
  b.if(lacks(b, d.hi, ACCESSED_HI), () =>
    b.storeSystem('descriptor', b.add(d.at, b.const(4)), 32, b.or(d.hi, b.const(ACCESSED_HI))),
  );
}

export const isSegment = <V, W>(b: Builder<V, W>, attr: V): V => has(b, attr, SEG_S_BIT);
export const isCode = <V, W>(b: Builder<V, W>, attr: V): V => has(b, attr, SEG_S_BIT | SEG_TYPE_CODE);
export const isConforming = <V, W>(b: Builder<V, W>, attr: V): V =>
  has(b, attr, SEG_S_BIT | SEG_TYPE_CODE | SEG_TYPE_CONFORMING);
export const isWritableData = <V, W>(b: Builder<V, W>, attr: V): V =>
  b.and(has(b, attr, SEG_S_BIT | SEG_TYPE_RW), lacks(b, attr, SEG_TYPE_CODE));
export const isReadable = <V, W>(b: Builder<V, W>, attr: V): V =>
  b.and(isSegment(b, attr), b.or(lacks(b, attr, SEG_TYPE_CODE), has(b, attr, SEG_TYPE_RW)));

/**
 * Checks of a stack segment for privilege level `cpl`: selector not null, RPL and DPL equal cpl, writable data, present. `vector` is #GP for
 * a load by a program, #TS for a stack out of the TSS; absence is #SS in either case.
 */
export function checkStackSegment<V, W>(
  b: Builder<V, W>,
  sel: V,
  cpl: V,
  vector: number,
  ext: V,
): Descriptor<V> {
  b.faultIf(isNull(b, sel), vector, ext);
  const d = fetchDescriptor(b, sel, vector, ext);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, ext);
  const levels = b.and(b.eq(rplOf(b, sel), cpl), b.eq(dplOf(b, d), cpl));
  b.faultIf(isZero(b, b.and(levels, isWritableData(b, attr))), vector, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), SF, code);
  return d;
}

/** Checks of DS, ES, FS or GS with a selector that is not null. */
export function checkDataSegment<V, W>(b: Builder<V, W>, sel: V): Descriptor<V> {
  const zero = b.const(0);
  const d = fetchDescriptor(b, sel, GP, zero);
  const attr = attrOf(b, d),
    code = errorCode(b, sel, zero);
  b.faultIf(isZero(b, isReadable(b, attr)), GP, code);
  const cpl = b.sys('cpl'),
    rpl = rplOf(b, sel),
    dpl = dplOf(b, d);
  const allowed = b.and(b.leU(cpl, dpl), b.leU(rpl, dpl));
  b.faultIf(isZero(b, b.or(isConforming(b, attr), allowed)), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  return d;
}
