// The architectural record of a vCPU in STATE: everything the processor knows, materialised whenever no engine runs.
// Xen's own part of the slot begins at XVCPU_OFFSET and belongs to hypervisor/.

import { layout } from '../memory/layout.ts';

/** One segment register with its hidden part. limit is in bytes (inclusive, G applied); attr = access byte | flags nibble << 8 (G D L AVL). */
export const SEGREG = layout('SEGREG', { sel: 'u32', base: 'u32', limit: 'u32', attr: 'u32' });
export const SEG_TYPE = 0x0f,
  SEG_S = 0x10,
  SEG_DPL = 0x60,
  SEG_P = 0x80;
export const SEG_AVL = 0x100,
  SEG_L = 0x200,
  SEG_DB = 0x400,
  SEG_G = 0x800;
/** Set in attr when the register holds a null selector: unusable. */
export const SEG_NULL = 0x10000;

export const VCPU = layout('VCPU', {
  used: 'u32', // 0 free, 1 in use
  mode: 'u32', // VCPU_MODE
  domain: 'u32', // DOMAIN record offset
  id: 'u32', // vcpu number within the domain
  gpr: ['u32', 8], // EAX ECX EDX EBX ESP EBP ESI EDI
  eip: 'u32',
  eflags: 'u32',
  seg: ['u32', 24], // ES CS SS DS FS GS, SEGREG each
  ldtr: ['u32', 4],
  tr: ['u32', 4],
  gdtrBase: 'u32',
  gdtrLimit: 'u32',
  idtrBase: 'u32',
  idtrLimit: 'u32',
  cr0: 'u32',
  cr2: 'u32',
  cr3: 'u32',
  cr4: 'u32',
  dr: ['u32', 8],
  efer: 'u32',
  shadow: 'u32', // 1: the instruction after MOV SS/POP SS/STI; interrupts and events wait
  pdpte: ['u32', 8], // bare machine in PAE mode: the four PDPTE registers
  sysenterCs: 'u32',
  sysenterEsp: 'u32',
  sysenterEip: 'u32',
  tscOffset: 'u64',
  // How the last run ended.
  exit: 'u32', // EXIT
  exitVector: 'u32',
  exitCode: 'u32', // error code
  exitHasCode: 'u32',
  exitCr2: 'u32',
  exitKind: 'u32', // TRAP_KIND of trace/records.ts
  exitEip: 'u32', // EIP of the instruction that trapped (v.eip may already be past it)
  halted: 'u32',
  // PV: machine frames behind the system window (window.ts), INVALID_MFN where nothing is mapped.
  window: ['u32', 40],
  // What this guest believes of its own machine; answers of sensitive instructions are compared with it (silent moments).
  beliefs: ['u32', 8], // BELIEF
  fpu: ['u8', 512],
  cpuidPolicy: 'u32',
  intr: 'u32', // bare: VCPU_INTR, what devices ask of the processor
  nmiBlocked: 'u32', // bare: an NMI is being handled, until the next IRET
  pendingDebug: 'u32', // bare: breakpoints met at MOV SS or POP SS, reported after the next instruction; see reference-debug.ts
});

/** Where a DOMAIN record keeps its domid: all that a processor knows of domains, for the records it writes. */
export const DOMID_OFFSET = 4;

export const VCPU_MODE = { bare: 0, pv: 1, service: 2 } as const;

/**
 * Bits of VCPU.intr. leave: a device moved a deadline, reset or ended the machine: the engine returns EXIT.budget before the next instruction
 * (or iteration of a string instruction), whatever its budget. Only the supervisor clears it.
 */
export const VCPU_INTR = { line: 1, nmi: 2, leave: 4 } as const;

/** Indices into `beliefs`: what ring 0 of the guest's own machine would have answered. */
export const BELIEF = { eflagsIf: 0, iopl: 1, idtrBase: 2, gdtrBase: 3, ldtr: 4, tr: 5, cr0: 6 } as const;

/** Why an engine's run returned. */
export const EXIT = {
  budget: 0, // all ticks asked for are used
  trap: 1, // PV: a gate led to ring 0, i.e. to Xen; exitVector, exitCode, exitKind say which
  halt: 2, // bare: HLT executed
  shutdown: 3, // bare: triple fault
  stop: 4, // an engine-level stop (breakpoint); nothing of the machine changed
  interrupt: 5, // bare: VCPU.intr asks and the processor may take it now (IF, no shadow; NMI not blocked); nothing was delivered
} as const;
export type ExitReason = number;

/**
 * The system window of a PV vCPU at the top of the address space: usable by implicit system accesses only.
 * Slots of `window`: 0-15 GDT pages, 16-31 LDT pages, 32 IDT, 33 TSS, 34 Xen's stack for this vCPU.
 */
export const WINDOW_BASE = 0xffc00000;
export const WINDOW_GDT = 0xffc00000,
  WINDOW_LDT = 0xffc10000,
  WINDOW_IDT = 0xffc20000,
  WINDOW_TSS = 0xffc21000,
  WINDOW_STACK = 0xffc22000;
export const WINDOW_PAGES = 35;

export const EFLAGS_CF = 1,
  EFLAGS_PF = 4,
  EFLAGS_AF = 0x10,
  EFLAGS_ZF = 0x40,
  EFLAGS_SF = 0x80,
  EFLAGS_TF = 0x100,
  EFLAGS_IF = 0x200,
  EFLAGS_DF = 0x400,
  EFLAGS_OF = 0x800,
  EFLAGS_IOPL = 0x3000,
  EFLAGS_NT = 0x4000,
  EFLAGS_RF = 0x10000,
  EFLAGS_VM = 0x20000,
  EFLAGS_AC = 0x40000,
  EFLAGS_VIF = 0x80000,
  EFLAGS_VIP = 0x100000,
  EFLAGS_ID = 0x200000;
