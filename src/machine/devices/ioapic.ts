// The I/O APIC at FEC00000h: 24 inputs, each with a redirection entry. Intel 82093AA datasheet. ISA interrupt n is input n, but the timer
// (0) is input 2; input 0 carries the 8259s' INT.
//
// Polarity is stored and not looked at: every line here is asserted or it is not.

import { layout } from '../../memory/layout.ts';
import { apicMessage, DELIVERY, wouldServe } from './apic.ts';
import { AT, type Chipset } from './board.ts';

export const INPUTS = 24;
/** Input of the timer. */
const TIMER = 2;
export const IOAPIC = layout('IOAPIC', {
  select: 'u32',
  id: 'u32',
  lines: 'u32', // inputs
  low: ['u32', INPUTS],
  high: ['u32', INPUTS],
});
const I = AT.ioapic;
export const IOAPIC_PAGE = 0xfec00;
const VERSION = 0x11 | ((INPUTS - 1) << 16);
const REMOTE_IRR = 1 << 14,
  LEVEL = 1 << 15,
  MASKED = 1 << 16,
  LOGICAL = 1 << 11;
const WRITABLE_LOW = 0x1afff;

export function resetIoapic({ m }: Chipset): void {
  m.u8.fill(0, I, I + IOAPIC.$size);
  for (let n = 0; n < INPUTS; n++) m.w32(I + IOAPIC.low + 4 * n, MASKED);
  m.w32(I + IOAPIC.lines, 1 << TIMER); // its output idles high
}

/** Sends the message of input n. */
function send(c: Chipset, n: number): void {
  const { m } = c;
  const low = m.r32(I + IOAPIC.low + 4 * n);
  const mode = (low >> 8) & 7;
  if (mode === DELIVERY.extint) return; // the 8259s answer themselves
  const level = (low & LEVEL) !== 0 && (mode === DELIVERY.fixed || mode === DELIVERY.lowest);
  const taken = apicMessage(
    c,
    m.r32(I + IOAPIC.high + 4 * n) >>> 24,
    (low & LOGICAL) !== 0,
    mode,
    low & 0xff,
    level,
  );
  if (taken && level) m.w32(I + IOAPIC.low + 4 * n, low | REMOTE_IRR);
}

/** A level-sensed input that is high, not masked and not being served sends its message. */
function service(c: Chipset, n: number): void {
  const low = c.m.r32(I + IOAPIC.low + 4 * n);
  if ((low & (LEVEL | MASKED | REMOTE_IRR)) !== LEVEL) return;
  if ((c.m.r32(I + IOAPIC.lines) & (1 << n)) !== 0) send(c, n);
}

/** Sets an input. An edge at a masked input is lost, as the datasheet says. */
export function setIoapicLine(c: Chipset, n: number, level: boolean): void {
  const { m } = c;
  const lines = m.r32(I + IOAPIC.lines),
    bit = 1 << n;
  if (((lines & bit) !== 0) === level) return;
  m.w32(I + IOAPIC.lines, level ? lines | bit : lines & ~bit);
  if (!level) return;
  const low = m.r32(I + IOAPIC.low + 4 * n);
  if ((low & LEVEL) !== 0) service(c, n);
  else if ((low & MASKED) === 0) send(c, n);
}

/** The processor has ended a level-triggered interrupt. */
export function ioapicEoi(c: Chipset, vector: number): void {
  const { m } = c;
  for (let n = 0; n < INPUTS; n++) {
    const low = m.r32(I + IOAPIC.low + 4 * n);
    if ((low & 0xff) !== vector || (low & LEVEL) === 0) continue;
    m.w32(I + IOAPIC.low + 4 * n, low & ~REMOTE_IRR);
    service(c, n);
  }
}

/** Would input n, were it asserted now, interrupt the processor? */
export function inputReaches(c: Chipset, n: number): boolean {
  const low = c.m.r32(I + IOAPIC.low + 4 * n);
  if ((low & MASKED) !== 0 || ((low & LEVEL) !== 0 && (low & REMOTE_IRR) !== 0)) return false;
  const mode = (low >> 8) & 7;
  return (mode === DELIVERY.fixed || mode === DELIVERY.lowest) && wouldServe(c, low & 0xff);
}
/** Is an input that somebody drives set to deliver an NMI? */
export function nmiRouted({ m }: Chipset): boolean {
  for (let n = 0; n < 16; n++) {
    const low = m.r32(I + IOAPIC.low + 4 * n);
    if ((low & MASKED) === 0 && ((low >> 8) & 7) === DELIVERY.nmi) return true;
  }
  return false;
}
/** Input 0 as ExtINT: a second way for the 8259s' INT. */
export const extintOpen = ({ m }: Chipset): boolean =>
  (m.r32(I + IOAPIC.low) & (MASKED | 0x700)) === DELIVERY.extint << 8;

export function ioapicRead({ m }: Chipset, offset: number): number {
  if (offset === 0) return m.r32(I + IOAPIC.select);
  if (offset !== 0x10) return 0;
  const r = m.r32(I + IOAPIC.select);
  if (r === 0 || r === 2) return m.r32(I + IOAPIC.id);
  if (r === 1) return VERSION;
  const n = (r - 0x10) >> 1;
  if (n < 0 || n >= INPUTS) return 0;
  return m.r32(I + ((r & 1) !== 0 ? IOAPIC.high : IOAPIC.low) + 4 * n);
}

export function ioapicWrite(c: Chipset, offset: number, value: number): void {
  const { m } = c;
  if (offset === 0) m.w32(I + IOAPIC.select, value & 0xff);
  if (offset !== 0x10) return;
  const r = m.r32(I + IOAPIC.select);
  const n = (r - 0x10) >> 1;
  if (r === 0) m.w32(I + IOAPIC.id, value & 0x0f000000);
  else if (n >= 0 && n < INPUTS) {
    if ((r & 1) !== 0) m.w32(I + IOAPIC.high + 4 * n, value & 0xff000000);
    else {
      const kept = (value & LEVEL) !== 0 ? m.r32(I + IOAPIC.low + 4 * n) & REMOTE_IRR : 0;
      m.w32(I + IOAPIC.low + 4 * n, (value & WRITABLE_LOW) | kept);
      service(c, n);
    }
  }
}
