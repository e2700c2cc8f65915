// What CPUID answers: a modest 32-bit processor of Intel's family 6 that announces exactly what the description has.
// SDM vol. 2, CPUID.

/** Processors by number of VCPU.cpuidPolicy. */
export const CPUID_POLICY = { bare: 0, pv: 1 } as const;

export type CpuidLeaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

const ZERO: CpuidLeaf = [0, 0, 0, 0];

/** Four characters as the little-endian word CPUID returns. */
const word = (text: string, at: number): number =>
  ((text.charCodeAt(at) || 0) |
    ((text.charCodeAt(at + 1) || 0) << 8) |
    ((text.charCodeAt(at + 2) || 0) << 16) |
    ((text.charCodeAt(at + 3) || 0) << 24)) >>>
  0;

const VENDOR = 'GenuineIntel';
const BRAND = 'Ringside 32-bit processor'.padEnd(48, '\0');

/** Family 6, model 11, stepping 1. */
const SIGNATURE = 0x6b1;
const CLFLUSH_QUADWORDS = 8;

// Feature bits of leaf 1, EDX and ECX, and of leaf 80000001h, EDX.
const DE = 1 << 2,
  PSE = 1 << 3,
  TSC = 1 << 4,
  MSR = 1 << 5,
  PAE = 1 << 6,
  CX8 = 1 << 8,
  APIC = 1 << 9,
  SEP = 1 << 11,
  PGE = 1 << 13,
  CMOV = 1 << 15,
  PAT = 1 << 16,
  PSE36 = 1 << 17,
  CLFSH = 1 << 19;
const COMMON = DE | PSE | TSC | MSR | PAE | CX8 | PGE | CMOV | CLFSH;
/** Leaf 7, ECX. */
const UMIP = 1 << 2;
const HYPERVISOR = 1 << 31;
const NX = 1 << 20;
const PHYSICAL_BITS = 36,
  LINEAR_BITS = 32;

const brand = (leaf: number): CpuidLeaf => {
  const at = (leaf & 0xff) * 16 - 32;
  return [word(BRAND, at), word(BRAND, at + 4), word(BRAND, at + 8), word(BRAND, at + 12)];
};

const HIGHEST = 7,
  HIGHEST_EXTENDED = 0x80000008;

/**
 * The answer of CPUID for a leaf (EAX) and subleaf (ECX) under a policy. Beyond the maximum the bare processor answers like its highest basic
 * leaf (SDM vol. 2, CPUID); a guest of Xen reads zeros there.
 */
export function cpuidLeaf(policy: number, leaf: number, subleaf: number): CpuidLeaf {
  const bare = policy !== CPUID_POLICY.pv;
  const known = leaf >>> 0 <= HIGHEST || (leaf >>> 0 >= 0x80000000 && leaf >>> 0 <= HIGHEST_EXTENDED);
  if (bare && !known) return cpuidLeaf(policy, HIGHEST, subleaf);
  switch (leaf >>> 0) {
    case 0:
      return [bare ? HIGHEST : 1, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)];
    case 1:
      return bare
        ? [SIGNATURE, CLFLUSH_QUADWORDS << 8, 0, COMMON | APIC | SEP | PAT | PSE36]
        : [SIGNATURE, CLFLUSH_QUADWORDS << 8, HYPERVISOR >>> 0, COMMON | SEP];
    case 2: // no cache described
      return bare ? [1, 0, 0, 0] : ZERO;
    case 7:
      return bare && subleaf === 0 ? [0, 0, UMIP, 0] : ZERO;
    case 0x80000000:
      return [HIGHEST_EXTENDED, 0, 0, 0];
    case 0x80000001:
      return [0, 0, 0, NX];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      return brand(leaf);
    case 0x80000008:
      return [PHYSICAL_BITS | (LINEAR_BITS << 8), 0, 0, 0];
    default:
      return ZERO;
  }
}
