// The local APIC: a page of registers at the address that IA32_APIC_BASE holds. SDM vol. 3, chapter 10. No x2APIC, no TSC-deadline mode.
// Its clock is the machine's: the timer counts down once in (divisor) ticks.
//
// One thing is as firmware leaves it and not as the manual's reset: LINT0 is ExtINT and unmasked while the APIC has never been
// enabled, so that the 8259s reach a program that knows nothing of an APIC.

import { VCPU, VCPU_INTR } from '../../cpu/vcpu.ts';
import { layout } from '../../memory/layout.ts';
import { AT, BOARD, BSP, type Chipset, NEVER } from './board.ts';

export const APIC = layout('APIC', {
  baseLo: 'u32', // IA32_APIC_BASE
  baseHi: 'u32',
  id: 'u32',
  tpr: 'u32',
  ldr: 'u32',
  dfr: 'u32',
  svr: 'u32',
  isr: ['u32', 8],
  tmr: ['u32', 8],
  irr: ['u32', 8],
  esr: 'u32', // what reads give
  errors: 'u32', // gathered since the last write
  icrLo: 'u32',
  icrHi: 'u32',
  lvt: ['u32', 6], // timer, thermal, performance, LINT0, LINT1, error
  initial: 'u32',
  divide: 'u32',
  started: 'u64', // T at which the count began
  armed: 'u32', // a count is under way
});
const A = AT.apic;
const VERSION = 0x0005_0014;
const BASE_BSP = 0x100,
  BASE_ENABLE = 0x800;
/** Physical addresses have 36 bits. */
const BASE_RESERVED_LO = 0x6ff,
  BASE_RESERVED_HI = 0xfffffff0;
export const APIC_DEFAULT_BASE = 0xfee00000;
const SVR_ENABLE = 0x100;
const LVT_MASKED = 0x10000,
  LVT_PERIODIC = 0x20000;
const LVT = { timer: 0, thermal: 1, performance: 2, lint0: 3, lint1: 4, error: 5 } as const;
/** Bits of each LVT entry that can be written. */
const LVT_WRITABLE = [0x300ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff] as const;
export const DELIVERY = { fixed: 0, lowest: 1, smi: 2, nmi: 4, init: 5, startup: 6, extint: 7 } as const;
const ERROR_SEND_VECTOR = 0x20,
  ERROR_RECEIVE_VECTOR = 0x40,
  ERROR_REGISTER = 0x80;

const REG = {
  id: 0x20,
  version: 0x30,
  tpr: 0x80,
  apr: 0x90,
  ppr: 0xa0,
  eoi: 0xb0,
  rrd: 0xc0,
  ldr: 0xd0,
  dfr: 0xe0,
  svr: 0xf0,
  isr: 0x100,
  tmr: 0x180,
  irr: 0x200,
  esr: 0x280,
  icrLo: 0x300,
  icrHi: 0x310,
  lvt: 0x320,
  initial: 0x380,
  current: 0x390,
  divide: 0x3e0,
} as const;

/** State after RESET, SDM vol. 3 table 10-1 and 10.4.7.1; `power` also gives the base address its default. */
export function resetApic(c: Chipset, power: boolean): void {
  const { m } = c;
  const lo = m.r32(A + APIC.baseLo),
    hi = m.r32(A + APIC.baseHi),
    id = m.r32(A + APIC.id);
  m.u8.fill(0, A, A + APIC.$size);
  m.w32(A + APIC.baseLo, power ? APIC_DEFAULT_BASE | BASE_ENABLE | BASE_BSP : lo);
  m.w32(A + APIC.baseHi, power ? 0 : hi);
  m.w32(A + APIC.id, power ? 0 : id);
  m.w32(A + APIC.dfr, 0xffffffff);
  m.w32(A + APIC.svr, 0xff);
  for (let i = 0; i < 6; i++) m.w32(A + APIC.lvt + 4 * i, LVT_MASKED);
  m.w32(A + APIC.lvt + 4 * LVT.lint0, DELIVERY.extint << 8);
}

export const apicOn = ({ m }: Chipset): boolean => (m.r32(A + APIC.baseLo) & BASE_ENABLE) !== 0;
const software = ({ m }: Chipset): boolean => (m.r32(A + APIC.svr) & SVR_ENABLE) !== 0;
/** Physical page of the registers, -1 while the APIC is off or out of reach of 32-bit addresses. */
export const apicPage = (c: Chipset): number =>
  apicOn(c) && c.m.r32(A + APIC.baseHi) === 0 ? c.m.r32(A + APIC.baseLo) >>> 12 : -1;

export const readApicBase = ({ m }: Chipset): readonly [number, number] => [
  m.r32(A + APIC.baseLo),
  m.r32(A + APIC.baseHi),
];
/** False: reserved bits, #GP(0). Going off and coming back begins from the state after power-up, the ID included. SDM vol. 3, 10.4.3. */
export function writeApicBase(c: Chipset, lo: number, hi: number): boolean {
  const { m } = c;
  if ((lo & BASE_RESERVED_LO) !== 0 || (hi & BASE_RESERVED_HI) !== 0) return false;
  const was = apicOn(c);
  m.w32(A + APIC.baseLo, lo);
  m.w32(A + APIC.baseHi, hi);
  if (was !== apicOn(c)) {
    resetApic(c, false);
    m.w32(A + APIC.id, 0);
  }
  c.frames.flushTlbs();
  c.leave();
  return true;
}

// ---- who waits, who is served -----------------------------------------------------------------------------
const highest = ({ m }: Chipset, field: number): number => {
  for (let i = 7; i >= 0; i--) {
    const word = m.r32(A + field + 4 * i);
    if (word !== 0) return i * 32 + 31 - Math.clz32(word);
  }
  return -1;
};
const setBit = ({ m }: Chipset, field: number, n: number, on: boolean): void => {
  const at = A + field + 4 * (n >>> 5),
    bit = 1 << (n & 31);
  m.w32(at, on ? m.r32(at) | bit : m.r32(at) & ~bit);
};
const getBit = ({ m }: Chipset, field: number, n: number): boolean =>
  (m.r32(A + field + 4 * (n >>> 5)) & (1 << (n & 31))) !== 0;

function ppr(c: Chipset): number {
  const tpr = c.m.r32(A + APIC.tpr),
    served = Math.max(0, highest(c, APIC.isr));
  return (tpr & 0xf0) >= (served & 0xf0) ? tpr : served & 0xf0;
}

/** The vector that may interrupt now, -1 for none. */
export function apicRequest(c: Chipset): number {
  if (!apicOn(c) || !software(c)) return -1;
  const vector = highest(c, APIC.irr);
  return vector >= 0 && (vector & 0xf0) > (ppr(c) & 0xf0) ? vector : -1;
}
/** Moves the requested vector into service. */
export function acknowledgeApic(c: Chipset): number {
  const vector = apicRequest(c);
  if (vector < 0) return c.m.r32(A + APIC.svr) & 0xff;
  setBit(c, APIC.irr, vector, false);
  setBit(c, APIC.isr, vector, true);
  return vector;
}
/** Does the 8259s' INT reach the processor? */
export function lint0Open(c: Chipset): boolean {
  if (!apicOn(c)) return true;
  const lvt = c.m.r32(A + APIC.lvt + 4 * LVT.lint0);
  return (lvt & LVT_MASKED) === 0 && ((lvt >> 8) & 7) === DELIVERY.extint;
}
/** Delivery mode of LINT0, -1 while it is masked. */
export function lint0Mode({ m }: Chipset): number {
  const lvt = m.r32(A + APIC.lvt + 4 * LVT.lint0);
  return (lvt & LVT_MASKED) !== 0 ? -1 : (lvt >> 8) & 7;
}
/** LINT0 in another mode than ExtINT: the INT output is an ordinary interrupt input of the local APIC. */
export function lint0Edge(c: Chipset): void {
  if (apicOn(c)) deliverLvt(c, LVT.lint0);
}

// ---- messages ---------------------------------------------------------------------------------------------
function error(c: Chipset, bit: number): void {
  const { m } = c;
  m.w32(A + APIC.errors, m.r32(A + APIC.errors) | bit);
  deliverLvt(c, LVT.error);
}

/** A message for this processor. `level`: its EOI is to reach the I/O APIC. */
function receive(c: Chipset, mode: number, vector: number, level: boolean): void {
  const { m } = c;
  if (mode === DELIVERY.nmi) m.w32(BSP + VCPU.intr, m.r32(BSP + VCPU.intr) | VCPU_INTR.nmi);
  else if (mode === DELIVERY.init) {
    m.w32(AT.board + BOARD.initPending, 1);
    c.leave();
  } else if (mode === DELIVERY.fixed || mode === DELIVERY.lowest) {
    if (!software(c)) return;
    if (vector < 16) {
      error(c, ERROR_RECEIVE_VECTOR);
      return;
    }
    setBit(c, APIC.irr, vector, true);
    setBit(c, APIC.tmr, vector, level);
  }
}

/** Does a destination mean this processor? SDM vol. 3, 10.6.2. */
function addressed({ m }: Chipset, destination: number, logical: boolean): boolean {
  if (destination === 0xff) return true;
  if (!logical) return destination === m.r32(A + APIC.id) >>> 24;
  const ldr = m.r32(A + APIC.ldr) >>> 24;
  if (m.r32(A + APIC.dfr) >>> 28 === 0xf) return (ldr & destination) !== 0;
  return ldr >>> 4 === destination >>> 4 && (ldr & destination & 0xf) !== 0;
}

/** A message on the APIC bus from the I/O APIC. True if the processor took it. */
export function apicMessage(
  c: Chipset,
  destination: number,
  logical: boolean,
  mode: number,
  vector: number,
  level: boolean,
): boolean {
  if (!apicOn(c) || !addressed(c, destination, logical)) return false;
  receive(c, mode, vector, level);
  return true;
}

function deliverLvt(c: Chipset, which: number): void {
  const lvt = c.m.r32(A + APIC.lvt + 4 * which);
  if ((lvt & LVT_MASKED) !== 0) return;
  const mode = which === LVT.timer || which === LVT.error ? DELIVERY.fixed : (lvt >> 8) & 7;
  receive(c, mode, lvt & 0xff, false);
}

/** The interrupt command: only this processor exists, messages to others go nowhere. */
function command(c: Chipset, lo: number): void {
  const { m } = c;
  const mode = (lo >> 8) & 7,
    shorthand = (lo >> 18) & 3;
  const destination = m.r32(A + APIC.icrHi) >>> 24;
  if (mode === DELIVERY.init && (lo & 0xc000) === 0x8000) return; // INIT level de-assert
  if ((mode === DELIVERY.fixed || mode === DELIVERY.lowest) && (lo & 0xff) < 16) {
    error(c, ERROR_SEND_VECTOR);
    return;
  }
  const us = shorthand === 0 ? addressed(c, destination, (lo & 0x800) !== 0) : shorthand !== 3;
  if (us) receive(c, mode, lo & 0xff, false);
}

// ---- the timer --------------------------------------------------------------------------------------------
const divisor = ({ m }: Chipset): number => {
  const d = m.r32(A + APIC.divide);
  return 1 << (((((d >> 1) & 4) | (d & 3)) + 1) & 7);
};
const periodic = ({ m }: Chipset): boolean => (m.r32(A + APIC.lvt) & LVT_PERIODIC) !== 0;

/** The count now. */
function current(c: Chipset): number {
  const { m } = c;
  if (m.r32(A + APIC.armed) === 0) return 0;
  const left = m.r32(A + APIC.initial) - Math.floor((c.T - m.r64(A + APIC.started)) / divisor(c));
  return Math.max(0, left);
}
export function apicDeadline(c: Chipset): number {
  const { m } = c;
  if (m.r32(A + APIC.armed) === 0) return NEVER;
  return m.r64(A + APIC.started) + m.r32(A + APIC.initial) * divisor(c);
}
export function apicTick(c: Chipset): void {
  const { m } = c;
  const due = apicDeadline(c);
  if (c.T < due) return;
  deliverLvt(c, LVT.timer);
  if (periodic(c)) m.w64(A + APIC.started, due);
  else m.w32(A + APIC.armed, 0);
}
/** Would a vector, were it requested now, interrupt a processor that takes interrupts? */
export const wouldServe = (c: Chipset, vector: number): boolean =>
  apicOn(c) && software(c) && vector >= 16 && (vector & 0xf0) > (ppr(c) & 0xf0);
/** True if the timer runs and would interrupt. */
export const apicTimerWakes = (c: Chipset): boolean =>
  c.m.r32(A + APIC.armed) !== 0 &&
  (c.m.r32(A + APIC.lvt) & LVT_MASKED) === 0 &&
  wouldServe(c, c.m.r32(A + APIC.lvt) & 0xff);

// ---- registers --------------------------------------------------------------------------------------------
/** A read at an offset of the page. Registers are 32 bits at multiples of 16; the bytes between read zero. */
export function apicRead(c: Chipset, offset: number, size: number): number {
  const at = offset & 0xff0,
    byte = offset & 15;
  if (byte > 3) return 0;
  const value = readRegister(c, at) >>> (8 * byte);
  return size === 32 ? value >>> 0 : value & ((1 << size) - 1);
}

function readRegister(c: Chipset, at: number): number {
  const { m } = c;
  if (at >= REG.isr && at < REG.isr + 0x80) return m.r32(A + APIC.isr + ((at & 0x70) >> 2));
  if (at >= REG.tmr && at < REG.tmr + 0x80) return m.r32(A + APIC.tmr + ((at & 0x70) >> 2));
  if (at >= REG.irr && at < REG.irr + 0x80) return m.r32(A + APIC.irr + ((at & 0x70) >> 2));
  if (at >= REG.lvt && at < REG.lvt + 0x60) return m.r32(A + APIC.lvt + ((at - REG.lvt) >> 2));
  switch (at) {
    case REG.id:
      return m.r32(A + APIC.id);
    case REG.version:
      return VERSION;
    case REG.tpr:
      return m.r32(A + APIC.tpr);
    case REG.apr:
    case REG.rrd:
    case REG.eoi:
      return 0;
    case REG.ppr:
      return ppr(c);
    case REG.ldr:
      return m.r32(A + APIC.ldr);
    case REG.dfr:
      return m.r32(A + APIC.dfr);
    case REG.svr:
      return m.r32(A + APIC.svr);
    case REG.esr:
      return m.r32(A + APIC.esr);
    case REG.icrLo:
      return m.r32(A + APIC.icrLo);
    case REG.icrHi:
      return m.r32(A + APIC.icrHi);
    case REG.initial:
      return m.r32(A + APIC.initial);
    case REG.current:
      return current(c);
    case REG.divide:
      return m.r32(A + APIC.divide);
    default:
      error(c, ERROR_REGISTER);
      return 0;
  }
}

/** A write; `eoi` is called with the vector of a level-triggered interrupt that has ended. Only whole registers can be written. */
export function apicWrite(
  c: Chipset,
  offset: number,
  size: number,
  value: number,
  eoi: (vector: number) => void,
): void {
  if (size !== 32 || (offset & 15) !== 0) return;
  const { m } = c;
  if (offset >= REG.lvt && offset < REG.lvt + 0x60) {
    writeLvt(c, (offset - REG.lvt) >> 4, value);
    return;
  }
  switch (offset) {
    case REG.id:
      m.w32(A + APIC.id, value & 0xff000000);
      break;
    case REG.tpr:
      m.w32(A + APIC.tpr, value & 0xff);
      break;
    case REG.eoi: {
      const vector = highest(c, APIC.isr);
      if (vector < 0) break;
      setBit(c, APIC.isr, vector, false);
      if (getBit(c, APIC.tmr, vector)) eoi(vector);
      break;
    }
    case REG.ldr:
      m.w32(A + APIC.ldr, value & 0xff000000);
      break;
    case REG.dfr:
      m.w32(A + APIC.dfr, value | 0x0fffffff);
      break;
    case REG.svr:
      writeSvr(c, value);
      break;
    case REG.esr:
      m.w32(A + APIC.esr, m.r32(A + APIC.errors));
      m.w32(A + APIC.errors, 0);
      break;
    case REG.icrLo:
      m.w32(A + APIC.icrLo, value & 0xccfff);
      command(c, value);
      break;
    case REG.icrHi:
      m.w32(A + APIC.icrHi, value & 0xff000000);
      break;
    default:
      writeTimer(c, offset, value);
  }
}

function writeTimer(c: Chipset, offset: number, value: number): void {
  const { m } = c;
  if (offset === REG.initial) {
    m.w32(A + APIC.initial, value);
    m.w64(A + APIC.started, c.T);
    m.w32(A + APIC.armed, value === 0 ? 0 : 1);
  } else if (offset === REG.divide) {
    // The count goes on from where it is, at the new rate.
    const done = m.r32(A + APIC.initial) - current(c);
    m.w32(A + APIC.divide, value & 0xb);
    m.w64(A + APIC.started, Math.max(0, c.T - done * divisor(c)));
  } else {
    const readOnly =
      offset === REG.version ||
      offset === REG.apr ||
      offset === REG.ppr ||
      offset === REG.rrd ||
      offset === REG.current ||
      (offset >= REG.isr && offset < REG.esr);
    if (!readOnly) error(c, ERROR_REGISTER);
    return;
  }
  c.leave();
}

function writeLvt(c: Chipset, which: number, value: number): void {
  const { m } = c;
  const masked = software(c) ? 0 : LVT_MASKED;
  m.w32(A + APIC.lvt + 4 * which, (value & LVT_WRITABLE[which]!) | masked);
  if (which === LVT.timer) c.leave();
}

/** Turning the APIC off by software masks every local interrupt. */
function writeSvr(c: Chipset, value: number): void {
  const { m } = c;
  const was = software(c);
  m.w32(A + APIC.svr, value & 0x3ff);
  if (!was || software(c)) return;
  for (let i = 0; i < 6; i++) m.w32(A + APIC.lvt + 4 * i, m.r32(A + APIC.lvt + 4 * i) | LVT_MASKED);
}
