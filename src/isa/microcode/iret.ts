// IRET: back to the same level, to an outer one, into virtual-8086 mode, or to the task before. What it may change of EFLAGS depends on the level it starts
// from: IF only where CPL <= IOPL, IOPL only at level 0. SDM vol. 2, IRET.

import { type Builder, GP } from '../builder.ts';
import { CS, DS, ES, FS, GS, SS } from '../types.ts';
import { has, isZero, markAccessed, rplOf, segmentValue } from './descriptor.ts';
import { checkReturnCode, checkReturnEip, returnOutward } from './far.ts';
import { realSegment } from './segment-load.ts';
import { returnFromTask } from './task.ts';

/** Ordinary flags that IRET restores: with 16 bits, and what 32 bits add (RF, AC, ID). */
const FLAGS_16 = 0x4dd5,
  FLAGS_32 = 0x254dd5;
const NT = 0x4000,
  VM = 0x20000;

/** Restores EFLAGS as level `cpl` may; VIF and VIP only in protected mode. */
function restoreFlags<V, W>(b: Builder<V, W>, image: V, cpl: V, virtual = true): void {
  const iopl = b.sys('iopl');
  b.setEflags(b.opSize === 32 ? FLAGS_32 : FLAGS_16, image);
  b.if(b.leU(cpl, iopl), () => b.setSys('if', b.and(b.shr(image, b.const(9)), b.const(1))));
  b.if(b.eq(cpl, b.const(0)), () => {
    b.setSys('iopl', b.and(b.shr(image, b.const(12)), b.const(3)));
    if (b.opSize === 32 && virtual) {
      b.setSys('vif', b.and(b.shr(image, b.const(19)), b.const(1)));
      b.setSys('vip', b.and(b.shr(image, b.const(20)), b.const(1)));
    }
  });
}

export function interruptReturn<V, W>(b: Builder<V, W>): void {
  b.micro('interrupt return', () => {
    b.endNmi();
    b.vm86Iopl();
    b.if(
      b.isProtected(),
      () => protectedReturn(b),
      () => realReturn(b),
    );
  });
}

function realReturn<V, W>(b: Builder<V, W>): void {
  const size = b.opSize,
    bytes = size / 8;
  const eip = b.peek(0, size),
    sel = b.zx(b.peek(bytes, size), 16),
    image = b.peek(2 * bytes, size);
  b.faultIf(b.ltU(b.segment(CS).limit, eip), GP, b.const(0));
  restoreFlags(b, image, b.sys('cpl'), false);
  b.setSegment(CS, realSegment(b, CS, sel));
  b.setEip(eip);
  b.moveSp(b.const(3 * bytes));
}

function protectedReturn<V, W>(b: Builder<V, W>): void {
  b.if(
    has(b, b.eflags(), NT),
    () => returnFromTask(b),
    () => returnFromFrame(b),
  );
}

function returnFromFrame<V, W>(b: Builder<V, W>): void {
  const size = b.opSize,
    bytes = size / 8,
    cpl = b.sys('cpl');
  // Flags first, as processors do: where the frame reaches a page that is not there, that address is CR2.
  const image = b.peek(2 * bytes, size),
    sel = b.zx(b.peek(bytes, size), 16),
    eip = b.peek(0, size);
  const ordinary = (): void => {
    const d = checkReturnCode(b, sel);
    b.if(
      b.eq(rplOf(b, sel), cpl),
      () => {
        checkReturnEip(b, d, eip);
        markAccessed(b, d);
        restoreFlags(b, image, cpl);
        b.setSegment(CS, segmentValue(b, sel, d));
        b.setEip(eip);
        b.moveSp(b.const(3 * bytes));
      },
      () => {
        const esp = b.peek(3 * bytes, size),
          ss = b.zx(b.peek(4 * bytes, size), 16);
        returnOutward(b, { sel, d, eip }, { sel: ss, esp, release: 0 }, () => restoreFlags(b, image, cpl));
      },
    );
  };
  if (size === 16) {
    ordinary();
    return;
  }
  b.if(b.and(has(b, image, VM), isZero(b, cpl)), () => toVirtual8086(b, eip, sel, image), ordinary);
}

/** Level 0 enters virtual-8086 mode: nine words. */
function toVirtual8086<V, W>(b: Builder<V, W>, eip: V, sel: V, image: V): void {
  const words = [3, 4, 5, 6, 7, 8].map((i) => b.peek(4 * i, 32));
  const [esp, ss, es, ds, fs, gs] = words as [V, V, V, V, V, V];
  b.faultIf(b.ltU(b.const(0xffff), eip), GP, b.const(0));
  restoreFlags(b, image, b.const(0));
  b.setSys('vm', b.const(1));
  b.setSegment(CS, realSegment(b, CS, sel));
  b.setEip(eip);
  const rest = [
    [SS, ss],
    [ES, es],
    [DS, ds],
    [FS, fs],
    [GS, gs],
  ] as const;
  for (const [seg, value] of rest) b.setSegment(seg, realSegment(b, seg, b.zx(value, 16)));
  b.setReg(4, 32, esp);
}
