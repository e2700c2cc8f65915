// Can a halted processor ever go on? If no timer that runs and no key that may come reaches it, the machine has ended.

import { EFLAGS_IF, VCPU } from '../../cpu/vcpu.ts';
import { apicTimerWakes, lint0Mode, DELIVERY } from './apic.ts';
import { BSP, type Chipset, NEVER } from './board.ts';
import { keyboardDeadline, keyboardListens } from './i8042.ts';
import { pitDeadline } from './i8254.ts';
import { IRQ, irqReaches } from './interrupts.ts';
import { nmiRouted } from './ioapic.ts';
import { rtcDeadline } from './mc146818.ts';
import { uartDeadline, uartListens, uartOpen } from './uart16550.ts';

/** timer: some deadline may wake it. input: only a key or a byte from outside. */
export type Wake = 'timer' | 'input' | 'never';

export function canWake(c: Chipset, inputOpen: boolean): Wake {
  const { m } = c;
  const nmi = m.r32(BSP + VCPU.nmiBlocked) === 0 && (nmiRouted(c) || lint0Mode(c) === DELIVERY.nmi);
  if ((m.r32(BSP + VCPU.eflags) & EFLAGS_IF) === 0 && !nmi) return 'never';
  if (apicTimerWakes(c)) return 'timer';
  const reaches = (irq: number): boolean => nmi || irqReaches(c, irq);
  if (pitDeadline(c) !== NEVER && reaches(IRQ.timer)) return 'timer';
  if (rtcDeadline(c) !== NEVER && reaches(IRQ.clock)) return 'timer';
  if (uartOpen(c) && uartDeadline(c) !== NEVER && reaches(IRQ.com1)) return 'timer';
  if (keyboardListens(c) && keyboardDeadline(c) !== NEVER && reaches(IRQ.keyboard)) return 'timer';
  if (!inputOpen) return 'never';
  if (uartListens(c) && reaches(IRQ.com1)) return 'input';
  return keyboardListens(c) && reaches(IRQ.keyboard) ? 'input' : 'never';
}
