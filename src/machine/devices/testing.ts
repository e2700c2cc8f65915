// A bare machine whose time a test moves by hand: ports and memory through the bus, deadlines through the supervisor.

import { VCPU } from '../../cpu/vcpu.ts';
import { HEADER } from '../../memory/map.ts';
import { allocate } from '../../memory/memory.ts';
import { MACHINE } from '../../trace/recorder.ts';
import { type BareMachine, type BareSettings, createBare } from '../bare.ts';
import { BareBus } from '../bus.ts';
import { BSP, type Chipset } from './board.ts';
import { acknowledge } from './interrupts.ts';

export class Bench {
  readonly machine: BareMachine;
  readonly bus: BareBus;
  readonly c: Chipset;

  constructor(settings: Partial<BareSettings> = {}) {
    this.machine = createBare(allocate(32, false), { memoryMiB: 4, epochSec: 1_790_000_000, ...settings });
    this.c = this.machine.chipset;
    this.bus = new BareBus(this.c);
    this.machine.trace.onFull = () => this.machine.trace.drain(() => {});
  }
  get T(): number {
    return this.c.T;
  }
  /** Lets time pass, stopping at every deadline on the way. */
  pass(ticks: number): void {
    const { m } = this.c;
    const end = this.T + ticks;
    for (;;) {
      const due = this.machine.supervisor.nextDeadline();
      if (due > end) break;
      m.w64(HEADER + MACHINE.T, Math.max(due, this.T));
      this.machine.supervisor.onDeadline();
    }
    m.w64(HEADER + MACHINE.T, end);
  }
  out(port: number, ...values: number[]): void {
    for (const v of values) this.bus.portOut(port, 8, v);
  }
  in(port: number): number {
    return this.bus.portIn(port, 8);
  }
  read(paddr: number): number {
    return this.bus.readMmio(paddr, 32) >>> 0;
  }
  write(paddr: number, value: number): void {
    this.bus.writeMmio(paddr, 32, value);
  }
  /** Bits of VCPU.intr: 1 INTR, 2 NMI. */
  get asked(): number {
    return this.c.m.r32(BSP + VCPU.intr) & 3;
  }
  /** INTA: the vector that the processor gets. */
  take(): number {
    return acknowledge(this.c).vector;
  }
  /** ICW1-4 for both 8259s: vectors 20h and 28h, everything unmasked; `icw4` with the bits that are wanted. */
  initPics(icw4 = 1): void {
    this.out(0x20, 0x11);
    this.out(0x21, 0x20, 4, icw4);
    this.out(0xa0, 0x11);
    this.out(0xa1, 0x28, 2, icw4);
  }
}
