// The mainboard: records that do not overlap, the odd ports, the firmware configuration device, and what is not there.

import { describe, expect, it } from 'vitest';
import { HEADER } from '../../memory/map.ts';
import { MACHINE } from '../../trace/recorder.ts';
import { stopReason } from '../stop.ts';
import { APIC } from './apic.ts';
import { AT, BOARD } from './board.ts';
import { CONSOLE } from './console.ts';
import { FW_CFG } from './fw-cfg.ts';
import { KEYBOARD } from './i8042.ts';
import { COUNTER } from './i8254.ts';
import { PIC } from './i8259.ts';
import { IOAPIC } from './ioapic.ts';
import { RTC } from './mc146818.ts';
import { MSRS } from './msr.ts';
import { Bench } from './testing.ts';
import { UART } from './uart16550.ts';
import { VGA } from './vga.ts';

describe('the records of the devices', () => {
  it('do not overlap', () => {
    const ends = [
      [AT.board, BOARD.$size],
      [AT.console, CONSOLE.$size],
      [AT.pic, 2 * PIC.$size],
      [AT.pit, 2 * 0x40 + COUNTER.$size],
      [AT.rtc, RTC.$size],
      [AT.keyboard, KEYBOARD.$size],
      [AT.uart, UART.$size],
      [AT.apic, APIC.$size],
      [AT.ioapic, IOAPIC.$size],
      [AT.fwcfg, FW_CFG.$size],
      [AT.msr, MSRS.$size],
      [AT.vga, VGA.$size],
    ] as const;
    expect(ends.map(([at]) => at)).toEqual(Object.values(AT));
    for (let i = 1; i < ends.length; i++)
      expect(ends[i - 1]![0] + ends[i - 1]![1]).toBeLessThanOrEqual(ends[i]![0]);
  });
});

describe('the firmware configuration device (QEMU, docs/specs/fw_cfg)', () => {
  const item = (b: Bench, key: number, length: number): number[] => {
    b.bus.portOut(0x510, 16, key);
    return Array.from({ length }, () => b.in(0x511));
  };
  it('has a signature, the size of RAM, one processor, an empty directory, and zeros behind every end', () => {
    const b = new Bench({ memoryMiB: 3 });
    expect(String.fromCharCode(...item(b, 0, 4))).toBe('QEMU');
    expect(item(b, 1, 4)).toEqual([1, 0, 0, 0]);
    expect(item(b, 3, 9)).toEqual([0, 0, 0x30, 0, 0, 0, 0, 0, 0]);
    expect(item(b, 5, 3)).toEqual([1, 0, 0]);
    expect(item(b, 0x0f, 2)).toEqual([1, 0]);
    expect(item(b, 0x19, 4)).toEqual([0, 0, 0, 0]);
    expect(item(b, 0x4003, 3)).toEqual([0, 0, 0x30]);
    expect(b.bus.portIn(0x510, 16)).toBe(0x4003);
  });
});

describe('model-specific registers of the processor', () => {
  it('hold the memory types of pages, and no type that does not exist (SDM vol. 3, 11.12.4)', () => {
    const b = new Bench();
    expect(b.bus.readMsr(0x277)).toEqual([0x00070406, 0x00070406]);
    expect(b.bus.writeMsr(0x277, 0x07070707, 0x01040500)).toBe(true);
    for (const bad of [2, 3, 8, 0x86])
      for (const [lo, hi] of [
        [bad << 16, 0],
        [0, bad << 8],
      ] as const)
        expect(b.bus.writeMsr(0x277, lo, hi)).toBe(false);
    expect(b.bus.readMsr(0x277)).toEqual([0x07070707, 0x01040500]);
  });
  it('keep the switches of IA32_MISC_ENABLE and their read-only neighbours (SDM vol. 4, table 2-2)', () => {
    const b = new Bench();
    expect(b.bus.readMsr(0x1a0)).toEqual([0x1881, 0]);
    expect(b.bus.writeMsr(0x1a0, 0x00c50009, 4)).toBe(true);
    expect(b.bus.readMsr(0x1a0)).toEqual([0x00c51889, 4]);
    expect([b.bus.readMsr(0x1a1), b.bus.writeMsr(0x1a1, 0, 0)]).toEqual([undefined, false]);
  });
});

describe('the PCI bus', () => {
  it('keeps the address, written and read as a double word only, and is empty', () => {
    const b = new Bench();
    b.bus.portOut(0xcf8, 32, 0x8000f8ff);
    expect(b.bus.portIn(0xcf8, 32)).toBe(0x8000f8fc);
    b.out(0xcf8, 0);
    expect(b.bus.portIn(0xcf8, 32)).toBe(0x8000f8fc);
    for (const size of [8, 16, 32] as const)
      expect(b.bus.portIn(0xcfc, size)).toBe(size === 32 ? 0xffffffff : 2 ** size - 1);
  });
});

describe('the odd ports', () => {
  it('61h opens the gate of counter 2, shows its output and the refresh', () => {
    const b = new Bench();
    b.out(0x43, 0xb0); // counter 2, mode 0
    b.out(0x42, 100, 0);
    b.out(0x61, 0);
    expect(b.in(0x61) & 0x2f).toBe(0);
    b.pass(100_000);
    expect(b.in(0x61) & 0x20).toBe(0); // the gate is closed
    b.out(0x61, 3);
    expect(b.in(0x61) & 0x2f).toBe(3);
    b.pass(100_000);
    expect(b.in(0x61) & 0x2f).toBe(0x23);
    const refresh = b.in(0x61) & 0x10;
    b.pass(1508);
    expect(b.in(0x61) & 0x10).not.toBe(refresh);
  });
  it('92h and CF9h reset on their bits; 92h moves A20', () => {
    for (const [port, harmless, resets] of [
      [0x92, [2, 0], 1],
      [0xcf9, [2], 6],
    ] as const) {
      const b = new Bench();
      b.out(port, ...harmless);
      expect(stopReason(b.c.m)).toBe('none');
      b.out(port, resets);
      expect(stopReason(b.c.m)).toBe('reboot');
    }
    const b = new Bench();
    b.out(0x92, 0);
    expect([b.bus.frameOf(0x100, false), b.in(0x92)]).toEqual([0, 0]);
    b.out(0x92, 2);
    expect([b.bus.frameOf(0x100, false), b.in(0x92)]).toEqual([0x100, 2]);
  });
  it('the exit port ends with the low byte, whatever the width; without one the port is nothing', () => {
    for (const [size, value] of [
      [8, 0x2a],
      [16, 0x12a],
      [32, 0x7700002a],
    ] as const) {
      const b = new Bench({ exitPort: 0xf4 });
      b.bus.portOut(0xf4, size, value);
      expect([stopReason(b.c.m), b.c.m.r32(HEADER + MACHINE.stopCode)]).toEqual(['exit', 0x2a]);
    }
    const b = new Bench();
    b.out(0xf4, 1);
    expect([stopReason(b.c.m), b.in(0xf4)]).toEqual(['none', 0xff]);
  });
});

describe('what is not there', () => {
  it('reads all-ones in every width, ports and memory', () => {
    const b = new Bench();
    for (const size of [8, 16, 32] as const) {
      const ones = size === 32 ? 0xffffffff : 2 ** size - 1;
      for (const port of [0xe0, 0x300, 0x2f8, 0xffff]) {
        b.bus.portOut(port, size, 0);
        expect(b.bus.portIn(port, size)).toBe(ones);
      }
      for (const paddr of [0x8000_0000, 0xfed0_0000, 0xfffe_0000]) {
        b.bus.writeMmio(paddr, size, 0);
        expect(b.bus.readMmio(paddr, size) >>> 0).toBe(ones);
      }
    }
  });
});
