// Loading segment registers: MOV and POP to a segment register, LDS and its kin, and the registers a return to an outer level must drop.
// SDM vol. 2, MOV; vol. 3, 5.6 and 5.7.

import { type Builder, GP, type SegmentValue } from '../builder.ts';
import { DS, ES, FS, GS, type Seg, SS } from '../types.ts';
import {
  checkDataSegment,
  checkStackSegment,
  isCode,
  isConforming,
  isNull,
  isZero,
  lacks,
  markAccessed,
  SEG_NULL_BIT,
  SEG_S_BIT,
  segmentValue,
} from './descriptor.ts';

/** Attributes of every segment in virtual-8086 mode: present, DPL 3, writable data, 16 bits. */
const VM86_ATTR = 0xf3;

/** What a register that was null gets in real-address mode: it can be used again. */
const REAL_ATTR = 0x93;

/**
 * A segment in real-address or virtual-8086 mode: base is the selector times 16. In real mode limit and attributes stay, as they were
 * loaded in protected mode.
 */
export function realSegment<V, W>(b: Builder<V, W>, seg: Seg, sel: V): SegmentValue<V> {
  const old = b.segment(seg),
    vm = b.sys('vm'),
    unusable = isZero(b, lacks(b, old.attr, SEG_NULL_BIT));
  return {
    sel,
    base: b.shl(sel, b.const(4)),
    limit: b.select(b.or(vm, unusable), b.const(0xffff), old.limit),
    attr: b.select(vm, b.const(VM86_ATTR), b.select(unusable, b.const(REAL_ATTR), old.attr)),
  };
}

export function nullSegment<V, W>(b: Builder<V, W>, sel: V): SegmentValue<V> {
  return { sel, base: b.const(0), limit: b.const(0), attr: b.const(SEG_NULL_BIT) };
}

/** Loads ES, SS, DS, FS or GS with all checks; nothing but the accessed bit is committed before the last fault. */
export function loadSegment<V, W>(b: Builder<V, W>, seg: Seg, sel: V): void {
  b.micro(`load ${SEGMENT_NAMES[seg]}`, () => {
    b.if(
      b.isProtected(),
      () => {
        if (seg === SS) loadStack(b, sel);
        else loadData(b, seg, sel);
      },
      () => b.setSegment(seg, realSegment(b, seg, sel)),
    );
  });
}

export const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const;

function loadStack<V, W>(b: Builder<V, W>, sel: V): void {
  const d = checkStackSegment(b, sel, b.sys('cpl'), GP, b.const(0));
  markAccessed(b, d);
  b.setSegment(SS, segmentValue(b, sel, d));
}

function loadData<V, W>(b: Builder<V, W>, seg: Seg, sel: V): void {
  b.if(
    isNull(b, sel),
    () => b.setSegment(seg, nullSegment(b, sel)),
    () => {
      const d = checkDataSegment(b, sel);
      markAccessed(b, d);
      b.setSegment(seg, segmentValue(b, sel, d));
    },
  );
}

/** After a return to the outer level `cpl`: data segments and nonconforming code segments with a lower DPL become null. */
export function dropInnerSegments<V, W>(b: Builder<V, W>, cpl: V): void {
  for (const seg of [ES, DS, FS, GS] as const) {
    const { attr } = b.segment(seg);
    const dpl = b.and(b.shr(attr, b.const(5)), b.const(3));
    const inner = b.and(b.ltU(dpl, cpl), isZero(b, isConforming(b, attr)));
    const held = b.and(lacks(b, attr, SEG_NULL_BIT), isZero(b, lacks(b, attr, SEG_S_BIT)));
    b.if(b.and(inner, held), () => b.setSegment(seg, nullSegment(b, b.const(0))));
  }
}

/** Whether a code descriptor's DPL admits a return to level `rpl`. */
export function returnable<V, W>(b: Builder<V, W>, attr: V, dpl: V, rpl: V): V {
  return b.and(isCode(b, attr), b.select(isConforming(b, attr), b.leU(dpl, rpl), b.eq(dpl, rpl)));
}
