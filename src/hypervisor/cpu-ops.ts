// fpu_taskswitch and the debug registers: processor state a guest may not touch directly but may ask for.

import { VCPU } from '../cpu/vcpu.ts';
import { ERRNO } from './abi/errno.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const CR0_TS = 8,
  CR4_DE = 8;
const DR6_FORCED = 0xffff0ff0,
  DR6_WRITABLE = 0x0000e00f;
const DR7_FORCED = 0x400,
  DR7_RESERVED = 0x0000_d800,
  DR7_GD = 0x2000,
  DR7_ENABLE = 0xff;
const DR7_RW_IO = 2;

/** Sets or clears the virtual and the real CR0.TS. */
export function setVirtualTs(x: Xen, v: number, ts: boolean): void {
  x.m.w32(xv(v) + XVCPU.vCr0Ts, ts ? 1 : 0);
  const cr0 = x.m.r32(v + VCPU.cr0);
  x.m.w32(v + VCPU.cr0, (ts ? cr0 | CR0_TS : cr0 & ~CR0_TS) >>> 0);
}

/** fpu_taskswitch(set): always 0. */
export const doFpuTaskswitch: HypercallHandler = (x, v, [set]) => {
  setVirtualTs(x, v, set !== 0);
  x.act('fpu.taskswitch', [set !== 0 ? 1 : 0]);
  return 0;
};

/** Number of the register meant: 4 and 5 are 6 and 7 unless CR4.DE; -1 when there is none. */
function debugRegister(x: Xen, v: number, reg: number): number {
  if (reg === 4 || reg === 5) return (x.m.r32(v + VCPU.cr4) & CR4_DE) !== 0 ? -1 : reg + 2;
  return reg <= 7 ? reg : -1;
}

/** Stores a debug register by Xen's rules; 0, -ENODEV, -EPERM. Also for MOV to DR and vcpu_op(initialise). */
export function setDebugreg(x: Xen, v: number, reg: number, value: number): number {
  const n = debugRegister(x, v, reg);
  if (!x.check('debugreg.exists', n >= 0, reg)) return -ERRNO.ENODEV;
  if (n === 6) value = ((value & DR6_WRITABLE) | DR6_FORCED) >>> 0;
  if (n === 7) {
    if (!x.check('debugreg.general-detect', (value & DR7_GD) === 0, value)) return -ERRNO.EPERM;
    value = ((value & ~DR7_RESERVED) | DR7_FORCED) >>> 0;
    if ((value & DR7_ENABLE) !== 0 && (x.m.r32(v + VCPU.cr4) & CR4_DE) === 0) {
      for (let i = 0; i < 4; i++) {
        // Whether this breakpoint is enabled does not matter as soon as any is.
        const io = ((value >>> (16 + 4 * i)) & 3) === DR7_RW_IO;
        if (io && !x.check('debugreg.io-breakpoint', false, value, i)) return -ERRNO.EPERM;
      }
    }
  }
  x.m.w32(v + VCPU.dr + 4 * n, value);
  x.act('debugreg.set', [n, value]);
  return 0;
}

export const doSetDebugreg: HypercallHandler = (x, v, [reg, value]) => setDebugreg(x, v, reg, value);

/** The value of a debug register, undefined when there is none. */
export function getDebugreg(x: Xen, v: number, reg: number): number | undefined {
  const n = debugRegister(x, v, reg);
  return n < 0 ? undefined : x.m.r32(v + VCPU.dr + 4 * n);
}
/** get_debugreg(reg): the value, or -ENODEV. */
export const doGetDebugreg: HypercallHandler = (x, v, [reg]) => {
  const value = getDebugreg(x, v, reg);
  if (!x.check('debugreg.exists', value !== undefined, reg)) return -ERRNO.ENODEV;
  return value! | 0;
};
