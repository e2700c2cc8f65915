// What lies behind the system window of a PV vCPU: the reserved GDT page with Xen's flat descriptors, a real IDT whose gates lead to Xen
// (or, for int 0x80, straight to the guest), a real TSS with Xen's ring-0 stack and the guest kernel's ring-1 stack, and that stack.

import { SEG_NULL, SEGREG, VCPU, WINDOW_GDT, WINDOW_IDT, WINDOW_STACK, WINDOW_TSS } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { allocXenFrame } from './page-alloc.ts';
import {
  CPU_SELECTOR,
  FLAT_RING1_CS,
  FLAT_RING1_DS,
  FLAT_RING3_CS,
  FLAT_RING3_DS,
  GDT_LIMIT,
  LDT_SELECTOR,
  TSS_SELECTOR,
  XEN_CS,
  XEN_DS,
} from './selectors.ts';
import { XEN, XEN_AT, XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

/** The reserved GDT page: selector, low word, high word. */
const FLAT_DESCRIPTORS = [
  [XEN_CS, 0x0000ffff, 0x00af9b00],
  [XEN_DS, 0x0000ffff, 0x00cf9300],
  [FLAT_RING1_CS, 0x0000ffff, 0x00cfbb00],
  [FLAT_RING1_DS, 0x0000ffff, 0x00cfb300],
  [FLAT_RING3_CS, 0x0000ffff, 0x00cffb00],
  [FLAT_RING3_DS, 0x0000ffff, 0x00cff300],
  [
    TSS_SELECTOR,
    ((WINDOW_TSS & 0xffff) << 16) | 0x67,
    (WINDOW_TSS & 0xff000000) | 0x8b00 | ((WINDOW_TSS >>> 16) & 0xff),
  ],
  [LDT_SELECTOR, 0x00000000, 0x00000000],
  [CPU_SELECTOR, 0x00000000, 0x00009100],
] as const;

/** Slots of VCPU.window. */
export const SLOT_GDT = 0,
  SLOT_LDT = 16,
  SLOT_IDT = 32,
  SLOT_TSS = 33,
  SLOT_STACK = 34;
const GUEST_GDT_PAGES = 14;

/** Vectors a guest may raise by software: the gate's DPL. Everything else is DPL 0, so that INT n from a guest is #GP(n*8+2). */
const GATE_DPL: Readonly<Record<number, number>> = { 3: 3, 4: 3, 130: 1 };

/** Where a gate of Xen leads. A symbol only: nothing is ever fetched there, since entering ring 0 is an exit of the engine. */
export const xenEntry = (vector: number): number => (WINDOW_STACK + 0x1000 + vector * 16) >>> 0;

/** Creates the frames every vCPU shares, once per machine. */
export function initSystemWindow(x: Xen): void {
  const { m } = x;
  if (m.r32(XEN_AT + XEN.zeroMfn) === 0) m.w32(XEN_AT + XEN.zeroMfn, allocXenFrame(x, 0));
  if (m.r32(XEN_AT + XEN.flatGdtMfn) === 0) m.w32(XEN_AT + XEN.flatGdtMfn, allocXenFrame(x, 0));
  const page = m.r32(XEN_AT + XEN.flatGdtMfn) * 4096;
  for (const [sel, lo, hi] of FLAT_DESCRIPTORS) x.frames.write64(page + (sel & 0xff8), lo >>> 0, hi >>> 0);
}

function writeGate(x: Xen, idt: number, vector: number, sel: number, offset: number, access: number): void {
  const lo = ((sel << 16) | (offset & 0xffff)) >>> 0,
    hi = ((offset & 0xffff0000) | (access << 8)) >>> 0;
  x.frames.write64(idt * 4096 + vector * 8, lo, hi);
}

/** Gate to Xen: a 32-bit interrupt gate into ring 0. */
export function setXenGate(x: Xen, v: number, vector: number): void {
  writeGate(
    x,
    x.m.r32(xv(v) + XVCPU.idtMfn),
    vector,
    XEN_CS,
    xenEntry(vector),
    0x8e | ((GATE_DPL[vector] ?? 0) << 5),
  );
}
/** Gate straight into the guest's ring 1 for ring 3 (int 0x80): a trap gate, because IF must stay 1. */
export function setGuestGate(x: Xen, v: number, vector: number, cs: number, eip: number): void {
  writeGate(x, x.m.r32(xv(v) + XVCPU.idtMfn), vector, cs, eip, 0x8f | (3 << 5));
}

/** The TSS: Xen's stack for ring 0, the guest kernel's for ring 1, an I/O bitmap beyond the limit (every port traps). */
function writeTss(x: Xen, v: number): void {
  const tss = x.m.r32(xv(v) + XVCPU.tssMfn) * 4096;
  x.frames.write32(tss + 4, (WINDOW_STACK + 0x1000) >>> 0);
  x.frames.write32(tss + 8, XEN_DS);
  x.frames.write32(tss + 100, 0x8000_0000);
  updateTssStack(x, v);
}
/** Copies kernel_ss:kernel_sp into the TSS, for gates that lead straight into ring 1. */
export function updateTssStack(x: Xen, v: number): void {
  const tss = x.m.r32(xv(v) + XVCPU.tssMfn) * 4096;
  if (tss === 0) return;
  x.frames.write32(tss + 12, x.m.r32(xv(v) + XVCPU.kernelSp));
  x.frames.write32(tss + 16, x.m.r32(xv(v) + XVCPU.kernelSs));
}

/** Puts a mfn behind a page of the window and drops translations of it. */
export function setWindow(x: Xen, v: number, slot: number, mfn: number): void {
  x.m.w32(v + VCPU.window + 4 * slot, mfn);
  x.frames.flushTlbs();
}

/** Builds GDT, IDT, TSS and ring-0 stack of a new PV vCPU; false when Xen has no frames left. Frames are charged to domain d. */
export function initVcpuWindow(x: Xen, v: number, d: number): boolean {
  const { m } = x;
  const idt = allocXenFrame(x, d),
    tss = allocXenFrame(x, d),
    stack = allocXenFrame(x, d);
  const p = xv(v);
  m.w32(p + XVCPU.idtMfn, idt === INVALID_MFN ? 0 : idt);
  m.w32(p + XVCPU.tssMfn, tss === INVALID_MFN ? 0 : tss);
  m.w32(p + XVCPU.xenStackMfn, stack === INVALID_MFN ? 0 : stack);
  if (idt === INVALID_MFN || tss === INVALID_MFN || stack === INVALID_MFN) return false;
  for (let i = 0; i < 40; i++) m.w32(v + VCPU.window + 4 * i, INVALID_MFN);
  const zero = m.r32(XEN_AT + XEN.zeroMfn);
  for (let i = 0; i < GUEST_GDT_PAGES; i++) m.w32(v + VCPU.window + 4 * i, zero);
  m.w32(v + VCPU.window + 4 * GUEST_GDT_PAGES, m.r32(XEN_AT + XEN.flatGdtMfn));
  m.w32(v + VCPU.window + 4 * SLOT_IDT, idt);
  m.w32(v + VCPU.window + 4 * SLOT_TSS, tss);
  m.w32(v + VCPU.window + 4 * SLOT_STACK, stack);
  m.w32(v + VCPU.gdtrBase, WINDOW_GDT);
  m.w32(v + VCPU.gdtrLimit, GDT_LIMIT);
  m.w32(v + VCPU.idtrBase, WINDOW_IDT);
  m.w32(v + VCPU.idtrLimit, 256 * 8 - 1);
  writeSystemSegment(x, v + VCPU.tr, TSS_SELECTOR, WINDOW_TSS, 0x67, 0x8b);
  writeSystemSegment(x, v + VCPU.ldtr, 0, 0, 0, SEG_NULL);
  for (let vector = 0; vector < 256; vector++) setXenGate(x, v, vector);
  writeTss(x, v);
  x.frames.flushTlbs();
  return true;
}

function writeSystemSegment(
  x: Xen,
  at: number,
  sel: number,
  base: number,
  limit: number,
  attr: number,
): void {
  x.m.w32(at + SEGREG.sel, sel);
  x.m.w32(at + SEGREG.base, base);
  x.m.w32(at + SEGREG.limit, limit);
  x.m.w32(at + SEGREG.attr, attr);
}
