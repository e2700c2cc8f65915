// Model-specific registers as a 32-bit PV guest sees them. Values are u64 as JavaScript numbers or pairs; what is not listed faults.

import { VCPU } from '../cpu/vcpu.ts';
import { fillHypercallPage } from './hypercall-page.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

const MSR = {
  TSC: 0x10,
  PLATFORM_ID: 0x17,
  APIC_BASE: 0x1b,
  MICROCODE: 0x8b,
  PLATFORM_INFO: 0xce,
  MISC_FEATURES: 0x140,
  MISC_ENABLE: 0x1a0,
  PAT: 0x277,
  EFER: 0xc0000080,
  HYPERCALL: 0x40000000,
} as const;
const APIC_BASE_BSP = 0xfee00900,
  APIC_BASE_AP = 0xfee00800;
const EFER_NX = 0x800,
  /** Fast strings; no branch trace, no precise events, no xTPR messages for a guest. */
  MISC_ENABLE_PV = 0x801801;
/** The reset value of the memory-type table in low and high word. */
const PAT_LO = 0x00070406,
  PAT_HI = 0x00000501;
const TWO_32 = 4294967296;
const VECTOR_GP = 13;
/** Not even the value they have can be written. */
const READ_ONLY: ReadonlySet<number> = new Set([MSR.TSC, MSR.PLATFORM_ID, MSR.PLATFORM_INFO]);
/** Registers the processor has and a PV guest has not: SYSENTER's, and the power-on settings. */
const HARDWARE: ReadonlySet<number> = new Set([0x2a, 0x174, 0x175, 0x176]);

/** Value of an MSR (low + high * 2^32), undefined when reading it is #GP. */
export function readMsr(x: Xen, v: number, index: number): number | undefined {
  switch (index >>> 0) {
    case MSR.TSC:
      return x.T + x.m.r64(v + VCPU.tscOffset);
    case MSR.APIC_BASE:
      return x.m.r32(v + VCPU.id) === 0 ? APIC_BASE_BSP : APIC_BASE_AP;
    case MSR.MISC_ENABLE:
      return MISC_ENABLE_PV;
    case MSR.PLATFORM_ID:
    case MSR.MICROCODE:
    case MSR.PLATFORM_INFO: // no CPUID faulting
    case MSR.MISC_FEATURES:
      return 0;
    case MSR.PAT:
      return PAT_LO + PAT_HI * TWO_32;
    case MSR.EFER:
      return EFER_NX;
    case MSR.HYPERCALL:
      return 0;
    default:
      if (!x.check('msr.readable', false, index) && HARDWARE.has(index >>> 0) && early(x, v, index)) return 0;
      return undefined;
  }
}

/** Kernels without a handler for #GP yet would die of reading a register that the processor has and Xen keeps: they read 0. */
const early = (x: Xen, v: number, index: number): boolean =>
  x.m.r32(xv(v) + XVCPU.traps + VECTOR_GP * 8 + 4) === 0 && x.check('msr.early', true, index);

/** Writes an MSR; false when that is #GP. A write that changes nothing is allowed; the hypercall page is filled on request. */
export function writeMsr(x: Xen, v: number, index: number, value: number): boolean {
  if (index >>> 0 === MSR.HYPERCALL) return writeHypercallPage(x, v, value);
  if (READ_ONLY.has(index >>> 0)) return x.check('msr.writable', false, index);
  const old = readMsr(x, v, index);
  return old !== undefined && x.check('msr.writable', old === value, index);
}

/** The MSR takes a guest frame: for a PV guest a machine frame of its own. */
function writeHypercallPage(x: Xen, v: number, value: number): boolean {
  const mfn = Math.floor(value / 4096);
  const page = value % 4096;
  return x.check('msr.hypercall-page', page === 0 && fillHypercallPage(x, x.domainOf(v), mfn), mfn);
}
