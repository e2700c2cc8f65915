// SDM vol. 3, chapter 10, and the 82093AA datasheet: priorities, EOI, IPIs, the timer, errors, the base register; edges, levels, masks.

import { beforeEach, describe, expect, it } from 'vitest';
import { VCPU } from '../../cpu/vcpu.ts';
import { BSP } from './board.ts';
import { setIrq } from './interrupts.ts';
import { Bench } from './testing.ts';

const APIC = 0xfee00000,
  IOAPIC = 0xfec00000;
const ID = 0x20,
  VERSION = 0x30,
  TPR = 0x80,
  PPR = 0xa0,
  EOI = 0xb0,
  LDR = 0xd0,
  DFR = 0xe0,
  SVR = 0xf0,
  ISR = 0x100,
  TMR = 0x180,
  IRR = 0x200,
  ESR = 0x280,
  ICR = 0x300,
  ICR2 = 0x310,
  LVTT = 0x320,
  LVT0 = 0x350,
  LVTE = 0x370,
  TMICT = 0x380,
  TMCCT = 0x390,
  TDCR = 0x3e0;
const MASKED = 0x10000;

describe('the local APIC', () => {
  let b: Bench;
  const get = (r: number): number => b.read(APIC + r);
  const set = (r: number, v: number): void => b.write(APIC + r, v);
  const ipi = (vector: number): void => set(ICR, 0x44000 | vector);
  beforeEach(() => {
    b = new Bench();
    b.write(APIC + SVR, 0x1ff);
  });

  it('comes out of reset as the manual says, LINT0 for the 8259s', () => {
    const fresh = new Bench();
    const read = (r: number): number => fresh.read(APIC + r);
    expect([ID, VERSION, TPR, LDR, DFR, SVR, LVTT, LVT0, LVTE, TDCR].map(read)).toEqual([
      0,
      0x50014,
      0,
      0,
      0xffffffff,
      0xff,
      MASKED,
      0x700,
      MASKED,
      0,
    ]);
    expect(fresh.bus.readMsr(0x1b)).toEqual([0xfee00900, 0]);
    fresh.write(APIC + LVTT, 0x31); // software-disabled: the mask stays
    expect(read(LVTT)).toBe(MASKED | 0x31);
  });

  it('delivers the highest class above the processor’s priority, ends the highest in service', () => {
    ipi(0x51);
    ipi(0x62);
    expect(b.take()).toBe(0x62);
    expect([get(ISR + 0x30), get(IRR + 0x20), get(PPR), b.asked]).toEqual([4, 1 << 17, 0x60, 0]);
    ipi(0x68); // the same class must wait
    expect(b.asked).toBe(0);
    ipi(0x70);
    expect(b.take()).toBe(0x70);
    set(EOI, 0);
    expect([b.asked, get(PPR)]).toEqual([0, 0x60]);
    set(EOI, 0);
    expect(b.take()).toBe(0x68);
    set(EOI, 0);
    set(TPR, 0x50);
    expect([b.asked, get(PPR)]).toEqual([0, 0x50]);
    set(TPR, 0x4f);
    expect(b.take()).toBe(0x51);
  });

  it('sends to itself by shorthand, physically, logically; others do not exist', () => {
    const asks = (icr2: number, icr: number): number => {
      set(ICR2, icr2);
      set(ICR, icr);
      const asked = b.asked;
      if (asked & 1) {
        b.take();
        set(EOI, 0);
      }
      return asked;
    };
    expect(asks(0, 0x44031)).toBe(1);
    expect(asks(0, 0x84031)).toBe(1); // all including self
    expect(asks(0, 0xc4031)).toBe(0); // all but self
    expect(asks(0, 0x4031)).toBe(1);
    expect(asks(0x01000000, 0x4031)).toBe(0);
    expect(asks(0xff000000, 0x4031)).toBe(1);
    set(LDR, 0x04000000);
    expect(asks(0x06000000, 0x4831)).toBe(1);
    expect(asks(0x03000000, 0x4831)).toBe(0);
    set(DFR, 0x0fffffff); // clusters
    set(LDR, 0x24000000);
    expect([asks(0x24000000, 0x4831), asks(0x14000000, 0x4831)]).toEqual([1, 0]);
    set(ICR, 0x44400);
    expect(b.asked).toBe(2); // NMI
    expect(get(ICR) & 0x1000).toBe(0);
  });

  it('INIT to itself resets the processor, not its ID', () => {
    set(ID, 0x05000000);
    set(ICR2, 0x05000000);
    set(ICR, 0x4500);
    b.machine.supervisor.schedule();
    expect([b.c.m.r32(BSP + VCPU.eip), get(ID), get(SVR)]).toEqual([0xfff0, 0x05000000, 0xff]);
  });

  it('counts down once or again and again, by its divisor', () => {
    set(TDCR, 0xb);
    set(LVTT, 0x40);
    set(TMICT, 1000);
    b.pass(400);
    expect(get(TMCCT)).toBe(600);
    b.pass(599);
    expect(b.asked).toBe(0);
    b.pass(1);
    expect([b.take(), get(TMCCT)]).toEqual([0x40, 0]);
    set(EOI, 0);
    b.pass(10_000);
    expect(b.asked).toBe(0);
    set(TDCR, 0x1); // by 4
    set(LVTT, 0x20040);
    set(TMICT, 100);
    b.pass(400);
    expect(b.take()).toBe(0x40);
    set(EOI, 0);
    b.pass(200);
    expect(get(TMCCT)).toBe(50);
    b.pass(200);
    expect(b.take()).toBe(0x40);
    set(LVTT, 0x40); // to one-shot: it goes on from where it is
    b.pass(100);
    expect(get(TMCCT)).toBe(75);
    b.pass(300);
    expect(get(TMCCT)).toBe(0);
    set(LVTT, 0x20040);
    expect(get(TMCCT)).toBe(0); // a count that has ended does not begin again
    set(TMICT, 0);
    expect(b.machine.supervisor.nextDeadline()).toBe(Infinity);
  });

  it('notices illegal vectors and registers; ESR shows them after a write', () => {
    set(LVTE, 0x45);
    ipi(0x05);
    expect(b.take()).toBe(0x45);
    set(EOI, 0);
    expect(get(ESR)).toBe(0);
    set(ESR, 0);
    expect(get(ESR)).toBe(0x20);
    get(0x3f0);
    set(ESR, 0);
    expect(get(ESR)).toBe(0x80);
  });

  it('answers spuriously when the request has gone below the priority', () => {
    ipi(0x41);
    set(TPR, 0x80);
    expect(b.asked).toBe(0);
    expect(get(IRR + 0x20)).toBe(2);
  });

  it('moves, goes and comes back by IA32_APIC_BASE; reserved bits are refused', () => {
    expect(b.bus.writeMsr(0x1b, 0xfed40900, 0)).toBe(true);
    expect([b.read(0xfed40030), b.read(APIC + VERSION)]).toEqual([0x50014, 0xffffffff]);
    expect(b.bus.frameOf(0xfed40, false)).toBe(-1);
    expect(b.bus.writeMsr(0x1b, 0x00005900, 0)).toBe(true); // over RAM
    expect([b.bus.frameOf(5, false), b.bus.frameOf(6, false)]).toEqual([-1, 6]);
    expect(b.read(0x5030)).toBe(0x50014);
    for (const [lo, hi] of [
      [0xfee00901, 0],
      [0xfee00d00, 0],
      [0xfee00900, 0x10],
    ] as const)
      expect(b.bus.writeMsr(0x1b, lo, hi)).toBe(false);
    set(ID, 0x05000000);
    b.bus.writeMsr(0x1b, 0xfee00100, 0);
    expect(b.read(APIC + VERSION)).toBe(0xffffffff);
    setIrq(b.c, 0, false);
    b.initPics();
    setIrq(b.c, 3, true);
    expect(b.asked).toBe(1); // without an APIC the 8259s are wired to INTR
    b.bus.writeMsr(0x1b, 0xfee00900, 0);
    expect([get(SVR), get(ID)]).toEqual([0xff, 0]);
  });

  it('passes the 8259s through LINT0 until it is masked', () => {
    b.initPics();
    setIrq(b.c, 3, true);
    expect(b.asked).toBe(1);
    set(LVT0, MASKED | 0x700);
    expect(b.asked).toBe(0);
    set(LVT0, 0x700);
    expect(b.take()).toBe(0x23);
    set(LVT0, 0x400); // NMI mode: the rising INT output is an NMI
    b.out(0x20, 0x20);
    setIrq(b.c, 4, true);
    expect(b.asked).toBe(2);
    set(SVR, 0xff);
    expect(get(LVT0) & MASKED).toBe(MASKED);
  });
});

describe('the I/O APIC', () => {
  let b: Bench;
  const get = (r: number): number => {
    b.write(IOAPIC, r);
    return b.read(IOAPIC + 0x10);
  };
  const set = (r: number, v: number): void => {
    b.write(IOAPIC, r);
    b.write(IOAPIC + 0x10, v);
  };
  const redirect = (n: number, low: number, high = 0): void => {
    set(0x11 + 2 * n, high);
    set(0x10 + 2 * n, low);
  };
  beforeEach(() => {
    b = new Bench();
    b.write(APIC + SVR, 0x1ff);
    b.write(APIC + LVT0, MASKED);
  });

  it('has 24 masked inputs, version 11h', () => {
    expect([get(1), get(0), get(0x10), get(0x3e)]).toEqual([0x00170011, 0, MASKED, MASKED]);
    set(0, 0x0f000000);
    expect([get(0), get(2)]).toEqual([0x0f000000, 0x0f000000]);
    redirect(4, 0xffffffff, 0xffffffff);
    expect([get(0x18), get(0x19)]).toEqual([0x1afff, 0xff000000]);
  });

  it('sends an edge once; an edge at a masked input is lost; the timer is input 2', () => {
    redirect(4, 0x44);
    setIrq(b.c, 4, true);
    expect(b.take()).toBe(0x44);
    b.write(APIC + EOI, 0);
    expect(b.asked).toBe(0);
    redirect(4, MASKED | 0x44);
    setIrq(b.c, 4, false);
    setIrq(b.c, 4, true);
    redirect(4, 0x44);
    expect(b.asked).toBe(0);
    redirect(2, 0x42);
    setIrq(b.c, 0, false);
    setIrq(b.c, 0, true);
    expect(b.take()).toBe(0x42);
  });

  it('holds a level until its EOI and sends again while it is up', () => {
    redirect(5, 0x8055);
    setIrq(b.c, 5, true);
    expect(get(0x1a)).toBe(0xc055);
    expect(b.take()).toBe(0x55);
    expect(b.read(APIC + TMR + 0x20)).toBe(1 << 21);
    b.write(APIC + EOI, 0);
    expect(b.take()).toBe(0x55);
    setIrq(b.c, 5, false);
    b.write(APIC + EOI, 0);
    expect([b.asked, get(0x1a)]).toEqual([0, 0x8055]);
    redirect(5, MASKED | 0x8055);
    setIrq(b.c, 5, true);
    expect(b.asked).toBe(0);
    redirect(5, 0x8055);
    expect(b.asked).toBe(1);
    redirect(5, 0x0055); // to edge: the remote IRR is cleared
    expect(get(0x1a)).toBe(0x55);
  });

  it('sends to whom the entry names, as NMI or for the 8259s too', () => {
    redirect(6, 0x66, 0x01000000);
    setIrq(b.c, 6, true);
    expect(b.asked).toBe(0);
    redirect(7, 0x400);
    setIrq(b.c, 7, true);
    expect(b.asked).toBe(2);
    b.initPics();
    setIrq(b.c, 3, true);
    expect(b.asked & 1).toBe(0);
    redirect(0, 0x700);
    expect(b.asked & 1).toBe(1);
    expect(b.take()).toBe(0x23);
  });
});
