// EFLAGS as a whole: the image that a frame or a TSS holds.

import type { Builder } from '../builder.ts';

const RF = 0x10000;

/** Everything in EFLAGS. `resume`: RF is set in the image, as a fault leaves it. */
export function flagsImage<V, W>(b: Builder<V, W>, resume: boolean): V {
  let image = b.or(b.eflags(), b.shl(b.sys('if'), b.const(9)));
  image = b.or(image, b.shl(b.sys('iopl'), b.const(12)));
  image = b.or(image, b.shl(b.sys('vm'), b.const(17)));
  image = b.or(image, b.shl(b.sys('vif'), b.const(19)));
  image = b.or(image, b.shl(b.sys('vip'), b.const(20)));
  return resume ? b.or(image, b.const(RF)) : image;
}

/** Ordinary flags, all of them. */
const ORDINARY = 0x254dd5;

/** Takes EFLAGS from an image whole, as a task switch does. */
export function setWholeFlags<V, W>(b: Builder<V, W>, image: V): void {
  const bits = (shift: number, mask: number): V => b.and(b.shr(image, b.const(shift)), b.const(mask));
  b.setEflags(ORDINARY, image);
  b.setSys('if', bits(9, 1));
  b.setSys('iopl', bits(12, 3));
  b.setSys('vm', bits(17, 1));
  b.setSys('vif', bits(19, 1));
  b.setSys('vip', bits(20, 1));
}
