// The processor of the bare machine as it begins: after RESET or INIT (SDM vol. 3, table 9-1), or as a multiboot loader hands it over.

import { CPUID_POLICY, cpuidLeaf } from '../cpu/cpuid.ts';
import { SEGREG, VCPU, VCPU_MODE } from '../cpu/vcpu.ts';
import type { Memory } from '../memory/memory.ts';
import { BSP } from './devices/board.ts';

const CS = 1;
const DATA_RW = 0x93,
  CODE_FLAT = 0xc9b,
  DATA_FLAT = 0xc93,
  LDT_PRESENT = 0x82,
  TSS_BUSY = 0x8b;
/** CD, NW and ET. */
const CR0_RESET = 0x60000010,
  CR0_PE_ET = 0x11;
const DR6_RESET = 0xffff0ff0,
  DR7_RESET = 0x400;
const EDX = 2,
  EAX = 0,
  EBX = 3;

function segment(m: Memory, at: number, sel: number, base: number, limit: number, attr: number): void {
  m.w32(at + SEGREG.sel, sel);
  m.w32(at + SEGREG.base, base);
  m.w32(at + SEGREG.limit, limit);
  m.w32(at + SEGREG.attr, attr);
}
const seg = (n: number): number => BSP + VCPU.seg + n * SEGREG.$size;

/** RESET (power) or INIT: execution begins at FFFFFFF0h. INIT leaves the x87 state and MSRs alone. */
export function resetProcessor(m: Memory, power: boolean): void {
  const msrs = [VCPU.sysenterCs, VCPU.sysenterEsp, VCPU.sysenterEip, VCPU.tscOffset, VCPU.tscOffset + 4];
  const kept = msrs.map((at) => m.r32(BSP + at));
  const fpu = m.copyOut(BSP + VCPU.fpu, 512);
  m.u8.fill(0, BSP, BSP + VCPU.$size);
  m.w32(BSP + VCPU.used, 1);
  m.w32(BSP + VCPU.mode, VCPU_MODE.bare);
  m.w32(BSP + VCPU.cpuidPolicy, CPUID_POLICY.bare);
  m.w32(BSP + VCPU.eip, 0xfff0);
  m.w32(BSP + VCPU.eflags, 2);
  m.w32(BSP + VCPU.cr0, CR0_RESET);
  m.w32(BSP + VCPU.gpr + 4 * EDX, cpuidLeaf(CPUID_POLICY.bare, 1, 0)[0]);
  for (let n = 0; n < 6; n++) segment(m, seg(n), 0, 0, 0xffff, DATA_RW);
  segment(m, seg(CS), 0xf000, 0xffff0000, 0xffff, DATA_RW);
  segment(m, BSP + VCPU.ldtr, 0, 0, 0xffff, LDT_PRESENT);
  segment(m, BSP + VCPU.tr, 0, 0, 0xffff, TSS_BUSY);
  m.w32(BSP + VCPU.gdtrLimit, 0xffff);
  m.w32(BSP + VCPU.idtrLimit, 0xffff);
  m.w32(BSP + VCPU.dr + 24, DR6_RESET);
  m.w32(BSP + VCPU.dr + 28, DR7_RESET);
  if (power) return;
  for (const [i, at] of msrs.entries()) m.w32(BSP + at, kept[i]!);
  m.u8.set(fpu, BSP + VCPU.fpu);
}

const MULTIBOOT_MAGIC = 0x2badb002,
  REAL_MODE_VECTORS = 256;

/**
 * Multiboot 0.6.96, 3.2: protected mode, flat segments whose descriptors are nowhere, interrupts off. IDTR still describes the table of real
 * mode, as firmware leaves it: a kernel that goes back there finds its 256 vectors.
 */
export function multibootProcessor(m: Memory, entry: number, info: number): void {
  resetProcessor(m, true);
  m.w32(BSP + VCPU.gpr + 4 * EDX, 0);
  m.w32(BSP + VCPU.gpr + 4 * EAX, MULTIBOOT_MAGIC);
  m.w32(BSP + VCPU.gpr + 4 * EBX, info);
  m.w32(BSP + VCPU.eip, entry);
  m.w32(BSP + VCPU.cr0, CR0_PE_ET);
  for (let n = 0; n < 6; n++) segment(m, seg(n), 0x10, 0, 0xffffffff, DATA_FLAT);
  segment(m, seg(CS), 0x08, 0, 0xffffffff, CODE_FLAT);
  m.w32(BSP + VCPU.gdtrLimit, 0);
  m.w32(BSP + VCPU.idtrLimit, REAL_MODE_VECTORS * 4 - 1);
}
