// The leaves Xen adds to CPUID from 0x40000000 on (public/arch-x86/cpuid.h). A PV guest sees them behind the forced-emulation prefix.

import { NS_PER_TICK, TSC_SHIFT, TSC_TO_SYSTEM_MUL } from './time.ts';

export const XEN_CPUID_FIRST_LEAF = 0x40000000;
const LAST = XEN_CPUID_FIRST_LEAF + 5;
const XEN_VERSION = (4 << 16) | 17;
const HYPERCALL_MSR = 0x40000000,
  HYPERCALL_PAGES = 1;
const FEATURE_MMU_PT_UPDATE_PRESERVE_AD = 1;
const TSC_KHZ = 1_000_000 / NS_PER_TICK;
const TSC_RELIABLE = 2,
  MACHINE_ADDRESS_BITS = 36;
/** "XenVMMXenVMM" in EBX, ECX, EDX. */
const SIGNATURE = [0x566e6558, 0x65584d4d, 0x4d4d566e] as const;

type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

/** The answer for one of Xen's leaves; undefined for every other, which the processor answers. */
export function xenLeaf(leaf: number, subleaf: number): Leaf | undefined {
  if (leaf < XEN_CPUID_FIRST_LEAF || leaf > XEN_CPUID_FIRST_LEAF + 0xff) return undefined;
  switch (leaf - XEN_CPUID_FIRST_LEAF) {
    case 0:
      return [LAST, ...SIGNATURE];
    case 1:
      return [XEN_VERSION, 0, 0, 0];
    case 2:
      return [HYPERCALL_PAGES, HYPERCALL_MSR, FEATURE_MMU_PT_UPDATE_PRESERVE_AD, 0];
    case 3:
      if (subleaf === 0) return [TSC_RELIABLE, 0, TSC_KHZ, 0];
      if (subleaf === 1) return [0, 0, TSC_TO_SYSTEM_MUL, TSC_SHIFT >>> 0];
      return subleaf === 2 ? [TSC_KHZ, 0, 0, 0] : [0, 0, 0, 0];
    case 5:
      return subleaf === 0 ? [0, MACHINE_ADDRESS_BITS, 0, 0] : [0, 0, 0, 0];
    default:
      return [0, 0, 0, 0];
  }
}
