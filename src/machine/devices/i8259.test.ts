// Intel 8259A datasheet: initialisation, priorities, rotation, special mask, poll, the spurious level, edges and levels.

import { beforeEach, describe, expect, it } from 'vitest';
import { setIrq } from './interrupts.ts';
import { Bench } from './testing.ts';

describe('the 8259s', () => {
  let b: Bench;
  beforeEach(() => {
    b = new Bench();
    b.initPics();
  });
  const irq = (n: number, level = true): void => setIrq(b.c, n, level);
  const isr = (port: number): number => {
    b.out(port, 0x0b);
    return b.in(port);
  };
  const irr = (port: number): number => {
    b.out(port, 0x0a);
    return b.in(port);
  };

  it('give vectors of both chips, the slave through IR2', () => {
    irq(1);
    expect(b.asked).toBe(1);
    expect(b.take()).toBe(0x21);
    expect([isr(0x20), b.asked]).toEqual([2, 0]);
    b.out(0x20, 0x20);
    irq(8);
    expect(b.take()).toBe(0x28);
    expect([isr(0x20), isr(0xa0)]).toEqual([4, 1]);
  });

  it('serve the highest level first and nothing lower until its EOI', () => {
    irq(4);
    irq(3);
    expect(b.take()).toBe(0x23);
    expect(b.asked).toBe(0);
    irq(1);
    expect(b.take()).toBe(0x21);
    b.out(0x20, 0x20); // the non-specific EOI ends the highest level in service
    expect(isr(0x20)).toBe(8);
    expect(b.asked).toBe(0);
    b.out(0x20, 0x63); // specific EOI of level 3
    expect(b.take()).toBe(0x24);
  });

  it('need a new edge after the acknowledge, but a level asks again', () => {
    irq(5);
    b.take();
    b.out(0x20, 0x20);
    expect([irr(0x20) & 0x20, b.asked]).toEqual([0, 0]);
    b.out(0x4d0, 0x20);
    expect(b.asked).toBe(1);
    b.take();
    b.out(0x20, 0x20);
    expect(b.asked).toBe(1);
    irq(5, false);
    expect(b.asked).toBe(0);
    expect(b.in(0x4d0)).toBe(0x20);
    b.out(0x4d0, 0xff);
    b.out(0x4d1, 0xff);
    expect([b.in(0x4d0), b.in(0x4d1)]).toEqual([0xf8, 0xde]);
  });

  it('answer with level 7 and no bit in service when the request has gone', () => {
    irq(3);
    irq(3, false);
    expect(b.asked).toBe(0);
    expect(b.take()).toBe(0x27);
    expect(isr(0x20)).toBe(0);
    irq(9);
    b.out(0xa1, 0xff); // masked between request and acknowledge: the master's IR2 has gone too
    expect(b.take()).toBe(0x27);
  });

  it('mask with OCW1 and keep the request', () => {
    b.out(0x21, 0x02);
    irq(1);
    expect([b.asked, irr(0x20) & 2, b.in(0x21)]).toEqual([0, 2, 2]);
    b.out(0x21, 0);
    expect(b.take()).toBe(0x21);
  });

  it('rotate: on a non-specific EOI, on a specific one, by command', () => {
    irq(4);
    b.take();
    b.out(0x20, 0xa0); // rotate on non-specific EOI: level 4 is now the lowest, 5 the highest
    irq(4, false);
    for (const n of [0, 4, 5]) irq(n, n !== 0);
    irq(0);
    expect(b.take()).toBe(0x25);
    b.out(0x20, 0x20);
    expect(b.take()).toBe(0x20);
    b.out(0x20, 0x20);
    expect(b.take()).toBe(0x24);
    b.out(0x20, 0xc0 | 6, 0x20); // set priority: 6 the lowest, then EOI
    irq(6);
    irq(7);
    expect(b.take()).toBe(0x27);
  });

  it('end by themselves in AEOI mode, and rotate there when told', () => {
    b.initPics(3);
    b.out(0x20, 0x80); // rotate in automatic EOI
    irq(1);
    irq(3);
    expect(b.take()).toBe(0x21);
    expect([isr(0x20), b.asked]).toEqual([0, 1]);
    irq(1, false);
    irq(1);
    expect(b.take()).toBe(0x23); // 1 has become the lowest
  });

  it('let masked levels in service out of the way in special mask mode', () => {
    irq(1);
    b.take();
    irq(6);
    expect(b.asked).toBe(0);
    b.out(0x21, 0x02);
    b.out(0x20, 0x68);
    expect(b.take()).toBe(0x26);
    b.out(0x20, 0x20); // cannot reach the masked level 1
    expect(isr(0x20)).toBe(2);
    b.out(0x20, 0x48);
    b.out(0x20, 0x20);
    expect(isr(0x20)).toBe(0);
  });

  it('are read by poll: the level with bit 7, which acknowledges', () => {
    irq(6);
    b.out(0x20, 0x0c);
    expect(b.in(0x20)).toBe(0x86);
    expect([isr(0x20), b.asked]).toEqual([0x40, 0]);
    b.out(0x20, 0x0c);
    expect(b.in(0x20)).toBe(0);
  });

  it('let the slave interrupt itself with a higher level in special fully nested mode', () => {
    b.initPics(0x11);
    irq(12);
    expect(b.take()).toBe(0x2c);
    irq(9);
    expect(b.asked).toBe(1);
    expect(b.take()).toBe(0x29);
    b.initPics(1);
    irq(12, false);
    irq(9, false);
    irq(12);
    b.take();
    irq(9);
    expect(b.asked).toBe(0);
  });

  it('forget edges, mask, service and rotation at ICW1', () => {
    irq(1);
    irq(4);
    b.take();
    b.out(0x21, 0x55);
    b.initPics();
    expect([irr(0x20), isr(0x20), b.in(0x21), b.asked]).toEqual([0, 0, 0, 0]);
    irq(0, false);
    irq(0);
    expect(b.take()).toBe(0x20);
  });
});
