// Page-table entries as the manual lays them out. SDM vol. 3, 4.3 (32-bit), 4.4 (PAE).

export const PTE_P = 1,
  PTE_RW = 2,
  PTE_US = 4,
  PTE_A = 0x20,
  PTE_D = 0x40,
  PTE_PS = 0x80;
/** Bit 63 of a PAE entry, in its high half. */
export const PTE_NX_HI = 0x80000000;
/** Physical address width that CPUID announces: 36 bits. Address bits above are reserved. */
export const PTE_RESERVED_HI = 0x7ffffff0;

/** #PF error code bits. */
export const PF_P = 1,
  PF_W = 2,
  PF_U = 4,
  PF_RSVD = 8,
  PF_ID = 16;

export const CR0_PE = 1,
  CR0_MP = 2,
  CR0_EM = 4,
  CR0_TS = 8,
  CR0_ET = 0x10,
  CR0_NE = 0x20,
  CR0_WP = 0x10000,
  CR0_AM = 0x40000,
  CR0_NW = 0x20000000,
  CR0_CD = 0x40000000,
  CR0_PG = 0x80000000;
export const CR4_VME = 1,
  CR4_PVI = 2,
  CR4_TSD = 4,
  CR4_DE = 8,
  CR4_PSE = 0x10,
  CR4_PAE = 0x20,
  CR4_MCE = 0x40,
  CR4_PGE = 0x80,
  CR4_PCE = 0x100,
  CR4_OSFXSR = 0x200,
  CR4_OSXMMEXCPT = 0x400,
  CR4_UMIP = 0x800;
export const EFER_NXE = 0x800;
