// Keyboard controller and keyboard: self-tests, command byte, translation, the reset pulse, A20; and the small devices of the board.

import { beforeEach, describe, expect, it } from 'vitest';
import { HEADER } from '../../memory/map.ts';
import { MACHINE } from '../../trace/recorder.ts';
import { pressKeys } from '../bare.ts';
import { stopReason } from '../stop.ts';
import { AT } from './board.ts';
import { Bench } from './testing.ts';

const SPACE = 0x29,
  BREAK = 0xf0;

describe('the keyboard controller', () => {
  let b: Bench;
  beforeEach(() => {
    b = new Bench();
  });
  /** Everything in the output buffer until it is empty. */
  const answers = (): number[] => {
    const out: number[] = [];
    while (b.in(0x64) & 1) out.push(b.in(0x60));
    return out;
  };
  const press = (...codes: number[]): void => pressKeys(b.c, Uint8Array.from(codes));

  it('tests itself and its lines, and keeps its command byte and memory', () => {
    b.out(0x64, 0xaa);
    expect([b.in(0x64) & 0x1d, answers()]).toEqual([0x1d, [0x55]]);
    b.out(0x64, 0xab);
    expect(answers()).toEqual([0]);
    b.out(0x64, 0xa9);
    expect(answers()).not.toEqual([0]); // no mouse
    b.out(0x64, 0x60);
    b.out(0x60, 0x45);
    b.out(0x64, 0x20);
    expect(answers()).toEqual([0x45]);
    b.out(0x64, 0x72);
    b.out(0x60, 0x99);
    b.out(0x64, 0x32);
    expect(answers()).toEqual([0x99]);
    b.out(0x64, 0xd2);
    b.out(0x60, 0x77);
    expect(answers()).toEqual([0x77]);
  });

  it('passes commands to the keyboard', () => {
    b.out(0x60, 0xff);
    expect(answers()).toEqual([0xfa, 0xaa]);
    b.out(0x60, 0xf2);
    expect(answers()).toEqual([0xfa, 0xab, 0x41]); // 83h, translated
    b.out(0x60, 0xee);
    expect(answers()).toEqual([0xee]);
    b.out(0x60, 0xed, 7);
    expect(answers()).toEqual([0xfa, 0xfa]);
    b.out(0x60, 0xf0, 0);
    expect(answers()).toEqual([0xfa, 0xfa, 0x41]); // set 2, translated
    b.out(0x60, 0x12);
    expect(answers()).toEqual([0xfe]);
  });

  it('turns scan code set 2 into set 1, interrupts for each key, a millisecond apart', () => {
    b.initPics();
    b.out(0x64, 0x60);
    b.out(0x60, 0x45);
    press(SPACE, BREAK, SPACE, 0xe0, 0x75);
    expect(b.take()).toBe(0x21);
    b.out(0x20, 0x20);
    expect(b.in(0x60)).toBe(0x39);
    expect([b.in(0x64) & 1, b.asked]).toEqual([0, 0]);
    b.pass(100_000);
    expect([b.asked, b.in(0x60)]).toEqual([1, 0xb9]);
    const rest = [];
    for (let i = 0; i < 2; i++) {
      b.pass(100_000);
      rest.push(b.in(0x60));
    }
    expect(rest).toEqual([0xe0, 0x48]);
    b.out(0x64, 0x60);
    b.out(0x60, 0x05); // untranslated
    b.pass(100_000);
    press(BREAK, SPACE);
    const raw = [b.in(0x60)];
    b.pass(100_000);
    raw.push(b.in(0x60));
    expect(raw).toEqual([BREAK, SPACE]);
  });

  it('holds keys while the keyboard is disabled', () => {
    b.out(0x64, 0x60);
    b.out(0x60, 0x55);
    press(SPACE);
    expect(b.in(0x64) & 1).toBe(0);
    b.out(0x64, 0xae);
    expect(answers()).toEqual([0x39]);
  });

  it('closes address line 20, also by port 92h', () => {
    const { frames } = b.machine;
    frames.write8(0x100000, 1);
    frames.write8(0, 2);
    const seen = (): number => frames.read8(b.bus.frameOf(0x100, false) * 4096);
    expect(seen()).toBe(1);
    b.out(0x64, 0xd1);
    b.out(0x60, 0xdd);
    expect([seen(), b.in(0x92)]).toEqual([2, 0]);
    b.out(0x92, 2);
    expect(seen()).toBe(1);
    b.out(0x64, 0xdd);
    expect(seen()).toBe(2);
    b.out(0x64, 0xd0);
    expect(answers()[0]! & 2).toBe(0);
  });

  it.each([
    ['the pulse FEh', (x: Bench) => x.out(0x64, 0xfe)],
    [
      'the output port',
      (x: Bench) => {
        x.out(0x64, 0xd1);
        x.out(0x60, 0xfe);
      },
    ],
    ['port 92h', (x: Bench) => x.out(0x92, 1)],
    ['port CF9h', (x: Bench) => x.out(0xcf9, 2, 6)],
  ])('resets the machine by %s', (_, act) => {
    act(b);
    expect(stopReason(b.c.m)).toBe('reboot');
  });
});

describe('the board', () => {
  it('has nothing at unmapped ports, addresses and PCI functions', () => {
    const b = new Bench();
    expect([b.bus.portIn(0x2f8, 8), b.bus.portIn(0x1f0, 16), b.bus.portIn(0xc000, 32)]).toEqual([
      0xff, 0xffff, 0xffffffff,
    ]);
    expect([b.read(0xd0000000), b.bus.frameOf(0x400, false), b.bus.frameOf(0xfffff, false)]).toEqual([
      0xffffffff, -1, -1,
    ]);
    b.bus.portOut(0xcf8, 32, 0x80000804);
    expect(b.bus.portIn(0xcf8, 32)).toBe(0x80000804);
    expect([b.bus.portIn(0xcfc, 32), b.bus.portIn(0xcfe, 16), b.in(0xcfd)]).toEqual([
      0xffffffff, 0xffff, 0xff,
    ]);
  });

  it('tells firmware who it is, how much RAM and how many processors it has', () => {
    const b = new Bench();
    const item = (key: number, n: number): number[] => {
      b.bus.portOut(0x510, 16, key);
      return Array.from({ length: n }, () => b.in(0x511));
    };
    expect(String.fromCharCode(...item(0, 4))).toBe('QEMU');
    expect(item(1, 4)).toEqual([1, 0, 0, 0]);
    expect(item(3, 9)).toEqual([0, 0, 0x40, 0, 0, 0, 0, 0, 0]);
    expect([item(5, 2), item(0xf, 2)]).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect([item(0x19, 4), item(0x8000, 2)]).toEqual([
      [0, 0, 0, 0],
      [0, 0],
    ]);
  });

  it('toggles the refresh bit and reads the speaker bits back', () => {
    const b = new Bench();
    b.out(0x61, 3);
    const first = b.in(0x61) & 0x10;
    b.pass(1510);
    expect([b.in(0x61) & 0x10, b.in(0x61) & 3]).toEqual([first ^ 0x10, 3]);
  });

  it('gives the exit port the low byte as code', () => {
    const b = new Bench({ exitPort: 0xf4 });
    b.bus.portOut(0xf4, 32, 0x12345607);
    expect([stopReason(b.c.m), b.c.m.r32(HEADER + MACHINE.stopCode)]).toEqual(['exit', 7]);
  });

  it('keeps VGA registers; the status port shows retraces and turns 3C0h back', () => {
    const b = new Bench();
    b.out(0x3d4, 14);
    b.out(0x3d5, 3);
    expect(b.in(0x3d5)).toBe(3);
    b.in(0x3da);
    b.out(0x3c0, 0x10, 0x0c);
    b.in(0x3da);
    b.out(0x3c0, 0x10);
    expect(b.in(0x3c1)).toBe(0x0c);
    b.out(0x3c8, 5);
    b.out(0x3c9, 1, 2, 63);
    b.out(0x3c7, 5);
    expect([b.in(0x3c9), b.in(0x3c9), b.in(0x3c9)]).toEqual([1, 2, 63]);
    const seen = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      b.pass(1000);
      seen.add(b.in(0x3da) & 9);
    }
    expect([...seen].sort()).toEqual([0, 1, 9]);
  });

  it('keeps the records of its devices apart', () => {
    const places = Object.values(AT).sort((x, y) => x - y);
    expect(new Set(places).size).toBe(places.length);
    expect(places[0]).toBe(AT.board);
  });
});
