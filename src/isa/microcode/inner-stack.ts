// The stack of an inner level: where the TSS keeps it, how a stack pointer moves on it, and whether it has room.
// SDM vol. 3, 5.8.5; 7.2.1.

import { type Builder, type SegmentValue, SF, TS } from '../builder.ts';
import { errorCode, has, isZero, SEG_DB_BIT, SEG_TYPE_EXPAND_DOWN } from './descriptor.ts';

/** SS:ESP of privilege level `level` from the TSS. */
export function stackFromTss<V, W>(b: Builder<V, W>, level: V, ext: V): { readonly ss: V; readonly esp: V } {
  const wide = has(b, b.sys('tr.attr'), 8);
  const base = b.sys('tr.base'),
    limit = b.sys('tr.limit');
  const slot = b.select(
    wide,
    b.add(b.shl(level, b.const(3)), b.const(4)),
    b.add(b.shl(level, b.const(2)), b.const(2)),
  );
  const last = b.add(slot, b.select(wide, b.const(5), b.const(3)));
  b.faultIf(b.ltU(limit, last), TS, errorCode(b, b.sys('tr'), ext));
  const at = b.add(base, slot);
  const esp = b.local(b.const(0)),
    ss = b.local(b.const(0));
  b.if(
    wide,
    () => {
      esp.set(b.loadSystem('tss', at, 32));
      ss.set(b.loadSystem('tss', b.add(at, b.const(4)), 16));
    },
    () => {
      esp.set(b.loadSystem('tss', at, 16));
      ss.set(b.loadSystem('tss', b.add(at, b.const(2)), 16));
    },
  );
  return { ss: ss.get(), esp: esp.get() };
}

export const isBig = <V, W>(b: Builder<V, W>, ss: SegmentValue<V>): V => has(b, ss.attr, SEG_DB_BIT);
/** A stack pointer as an offset: SP alone on a 16-bit stack. */
export const narrow = <V, W>(b: Builder<V, W>, ss: SegmentValue<V>, esp: V): V =>
  b.select(isBig(b, ss), esp, b.zx(esp, 16));
/** ESP after pushing `length` bytes: only SP moves on a 16-bit stack. */
export function pushed<V, W>(b: Builder<V, W>, ss: SegmentValue<V>, esp: V, length: V): V {
  const lower = b.sub(esp, length);
  const kept = b.or(b.and(esp, b.const(0xffff0000)), b.zx(lower, 16));
  return b.select(isBig(b, ss), lower, kept);
}
/** #SS unless `length` bytes at esp lie within the segment's limit (above it when it expands down). */
export function checkRoom<V, W>(b: Builder<V, W>, ss: SegmentValue<V>, esp: V, length: V, code: V): void {
  const first = narrow(b, ss, esp),
    last = b.add(first, b.sub(length, b.const(1)));
  const top = b.select(isBig(b, ss), b.const(-1), b.const(0xffff));
  const inOrder = b.leU(first, last);
  // A segment of 4 GiB has room everywhere: pushes wrap around.
  const up = b.or(b.and(inOrder, b.leU(last, ss.limit)), b.eq(ss.limit, b.const(-1)));
  const down = b.and(inOrder, b.and(b.ltU(ss.limit, first), b.leU(last, top)));
  b.faultIf(isZero(b, b.select(has(b, ss.attr, SEG_TYPE_EXPAND_DOWN), down, up)), SF, code);
}
