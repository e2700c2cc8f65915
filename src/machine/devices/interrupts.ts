// How an interrupt reaches the processor: a device's line goes to the 8259s and to the I/O APIC; the 8259s' INT through LINT0 (or input 0 of the
// I/O APIC), the I/O APIC's messages into the local APIC. What comes out of it all is VCPU.intr.

import { VCPU, VCPU_INTR } from '../../cpu/vcpu.ts';
import { acknowledgeApic, apicRequest, lint0Edge, lint0Open } from './apic.ts';
import { BSP, type Chipset } from './board.ts';
import { extintOpen, inputReaches, setIoapicLine } from './ioapic.ts';
import { acknowledgePic, picInt, picLine, picReaches, setPicLine } from './i8259.ts';

export const IRQ = { timer: 0, keyboard: 1, com1: 4, clock: 8 } as const;
/** Inputs of the I/O APIC by ISA interrupt: the timer sits at 2. */
export const ioapicInput = (irq: number): number => (irq === IRQ.timer ? 2 : irq);

/** A device drives its line; both controllers see the same level. */
export function setIrq(c: Chipset, irq: number, level: boolean): void {
  if (picLine(c, irq) === level) return;
  const before = picInt(c);
  setPicLine(c, irq, level);
  setIoapicLine(c, ioapicInput(irq), level);
  if (!before && picInt(c) && !lint0Open(c)) lint0Edge(c);
  updateIntr(c);
}

const extint = (c: Chipset): boolean => picInt(c) && (lint0Open(c) || extintOpen(c));

/** Brings the processor's INTR line up to date; called after anything that may change who asks. */
export function updateIntr(c: Chipset): void {
  const { m } = c;
  const intr = m.r32(BSP + VCPU.intr);
  const line = apicRequest(c) >= 0 || extint(c);
  m.w32(BSP + VCPU.intr, line ? intr | VCPU_INTR.line : intr & ~VCPU_INTR.line);
}

export interface Acknowledged {
  readonly vector: number;
  /** 'apic', or 'pic' with the input it came from; irq -1: spurious. */
  readonly source: 'apic' | 'pic';
  readonly irq: number;
}

/** The processor takes the interrupt that INTR asks for. */
export function acknowledge(c: Chipset): Acknowledged {
  const result: Acknowledged =
    apicRequest(c) >= 0
      ? { vector: acknowledgeApic(c), source: 'apic', irq: -1 }
      : { ...acknowledgePic(c), source: 'pic' };
  updateIntr(c);
  return result;
}

/** Could this line, were it asserted now, interrupt a processor that takes interrupts? */
export function irqReaches(c: Chipset, irq: number): boolean {
  if (inputReaches(c, ioapicInput(irq))) return true;
  return (lint0Open(c) || extintOpen(c)) && picReaches(c, irq);
}
