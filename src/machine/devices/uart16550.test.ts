// PC16550D datasheet: registers, loopback, FIFO and trigger levels, interrupt priorities, and what the other end of the line sees.

import { beforeEach, describe, expect, it } from 'vitest';
import { typeAtCom1 } from '../bare.ts';
import { RT } from '../../trace/records.ts';
import { Bench } from './testing.ts';

const COM1 = 0x3f8;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('COM1', () => {
  let b: Bench;
  beforeEach(() => {
    b = new Bench();
    b.initPics();
  });
  const get = (r: number): number => b.in(COM1 + r);
  const set = (r: number, v: number): void => b.out(COM1 + r, v);
  /** Everything said so far on a console channel. */
  const said = (channel: number): string => {
    let out = '';
    b.machine.trace.drain((words, at, data) => {
      if ((words[at + 4]! & 0xff) === RT.console && words[at + 6]! >>> 16 === channel)
        out += String.fromCharCode(...(data ?? []));
    });
    return out;
  };

  it('keeps divisor, line control, scratch; unused bits read zero', () => {
    set(3, 0x83);
    set(0, 0x0c);
    set(1, 0x01);
    expect([get(0), get(1)]).toEqual([0x0c, 1]);
    set(3, 0x03);
    set(1, 0xff);
    set(4, 0xff);
    set(7, 0x5a);
    expect([get(1), get(3), get(4), get(7)]).toEqual([0x0f, 3, 0x1f, 0x5a]);
    expect(get(5)).toBe(0x60);
    expect(get(6) & 0xf0).toBe(0xf0);
  });

  it('sends a line at its end, and what has no end after 200 µs', () => {
    for (const ch of bytes('one\ntwo')) set(0, ch);
    expect(said(2)).toBe('one\n');
    b.pass(30_000);
    expect(said(2)).toBe('two');
  });

  it('interrupts for an empty transmitter, which reading IIR or writing ends', () => {
    set(4, 8);
    set(1, 2);
    expect(b.asked).toBe(1);
    expect(b.take()).toBe(0x24);
    b.out(0x20, 0x20);
    expect(get(2)).toBe(2);
    expect(get(2)).toBe(1);
    expect(b.asked).toBe(0);
    set(0, 65);
    expect(b.asked).toBe(1); // sent at once: a new edge
    set(4, 0);
    expect(b.asked).toBe(0); // OUT2 closed
  });

  it('loops back data in the width of the line, modem outputs into inputs, with deltas', () => {
    set(3, 0x02); // seven bits
    set(4, 0x10);
    get(6);
    set(0, 0xc1);
    expect(get(5) & 1).toBe(1);
    expect(get(0)).toBe(0x41);
    expect(get(5) & 1).toBe(0);
    set(4, 0x10 | 0x0a);
    expect(get(6)).toBe(0x90 | 0x09); // RTS→CTS, OUT2→DCD, both changed
    set(4, 0x14);
    get(6);
    set(4, 0x10);
    expect(get(6)).toBe(0x04); // the ring indicator has fallen
    expect(said(2)).toBe('');
  });

  it('overruns without a FIFO, keeps sixteen with one', () => {
    set(4, 0x10);
    set(0, 1);
    set(0, 2);
    expect([get(5) & 3, get(0)]).toEqual([3, 2]);
    expect(get(5) & 2).toBe(0);
    set(3, 3);
    set(2, 0x07);
    expect(get(2) & 0xc0).toBe(0xc0);
    for (let i = 0; i < 17; i++) set(0, 100 + i);
    expect(get(5) & 2).toBe(2);
    expect(Array.from({ length: 16 }, () => get(0))).toEqual(Array.from({ length: 16 }, (_, i) => 100 + i));
    expect(get(5) & 1).toBe(0);
  });

  it('interrupts at the trigger level, below it after four characters’ time, line errors first', () => {
    set(3, 0x83);
    set(0, 1);
    set(1, 0);
    set(3, 3);
    set(2, 0x81); // trigger at 8
    set(4, 0x18);
    set(1, 5);
    for (let i = 0; i < 7; i++) set(0, i);
    expect(get(2) & 15).toBe(1);
    b.pass(4 * 8681);
    expect(get(2) & 15).toBe(12);
    set(0, 7);
    expect(get(2) & 15).toBe(4);
    set(3, 0x43); // break
    expect(get(2) & 15).toBe(4);
    for (let i = 0; i < 8; i++) get(0);
    expect(get(2) & 15).toBe(6); // the broken character is at the top
    expect(get(5) & 0x91).toBe(0x91);
    expect(get(2) & 15).not.toBe(6);
  });

  it('receives typed bytes one character’s time apart once the receiver listens, and none are lost', () => {
    typeAtCom1(b.c, bytes('hello'));
    b.pass(1_000_000);
    expect(get(0)).toBe(0); // nobody listened
    set(3, 0x83);
    set(0, 1);
    set(1, 0);
    set(3, 3);
    set(2, 7);
    set(4, 8);
    set(1, 1);
    b.pass(8680);
    expect(b.asked).toBe(0);
    b.pass(1);
    expect(b.take()).toBe(0x24);
    b.out(0x20, 0x20);
    b.pass(100_000);
    let out = '';
    while (get(5) & 1) out += String.fromCharCode(get(0));
    expect(out).toBe('hello');
  });

  it('feeds a program that only polls', () => {
    typeAtCom1(b.c, bytes('ab'));
    let out = '';
    for (let i = 0; i < 100 && out.length < 2; i++) {
      if (get(5) & 1) out += String.fromCharCode(get(0));
      b.pass(1000);
    }
    expect(out).toBe('ab');
  });
});
