// The bus of the bare machine: who answers at a physical address and at a port. Devices are 8 bits wide unless said otherwise: a wider access is
// several, low byte first, as on ISA.
//
//   00000000  RAM, all of it plain but for the ROM's copy that ends at 00100000 (read-only)
//   FEC00000  I/O APIC          FEE00000  local APIC (IA32_APIC_BASE moves it)
//   …FFFFFFFF the ROM, ending here
//   elsewhere nothing: all-ones

import { type Bus, NO_FRAME } from '../cpu/bus.ts';
import { apicPage, apicRead, apicWrite, readApicBase, writeApicBase } from './devices/apic.ts';
import { AT, BOARD, type Chipset } from './devices/board.ts';
import { CHANNEL, consoleByte } from './devices/console.ts';
import { readItem, selectItem, selector } from './devices/fw-cfg.ts';
import { keyboardCommand, keyboardData, keyboardStatus, keyboardWrite, setA20 } from './devices/i8042.ts';
import { pitOutput, pitRead, pitWrite } from './devices/i8254.ts';
import { elcrRead, elcrWrite, MASTER, picRead, picWrite, SLAVE } from './devices/i8259.ts';
import { IRQ, setIrq, updateIntr } from './devices/interrupts.ts';
import { IOAPIC_PAGE, ioapicEoi, ioapicRead, ioapicWrite } from './devices/ioapic.ts';
import { rtcRead, rtcSelect, rtcWrite } from './devices/mc146818.ts';
import { readMsr, writeMsr } from './devices/msr.ts';
import { configAddress, writeConfigAddress } from './devices/pci.ts';
import {
  read61,
  read92,
  readCf9,
  requestExit,
  write61,
  write92,
  writeCf9,
} from './devices/system-control.ts';
import { uartRead, uartWrite } from './devices/uart16550.ts';
import { vgaRead, vgaWrite } from './devices/vga.ts';

const PAGES_1M = 256;
const TOP = 0x100000; // pages of 4 GiB
const A20_PAGE = 0x100;
const B = AT.board;
const MSR_APIC_BASE = 0x1b;
const COM1 = 0x3f8;
/** What an empty debug port answers: how firmware finds it. */
const DEBUG_READBACK = 0xe9;

const ones = (size: number): number => (size === 32 ? 0xffffffff : (1 << size) - 1);

export class BareBus implements Bus {
  readonly c: Chipset;

  constructor(c: Chipset) {
    this.c = c;
  }

  // ---- memory -----------------------------------------------------------------------------------------
  frameOf(physical: number, write: boolean): number {
    const { c } = this;
    const { m } = c;
    const pfn = m.r32(B + BOARD.a20) !== 0 ? physical : physical & ~A20_PAGE;
    const ram = m.r32(B + BOARD.ramFrames);
    if (pfn === apicPage(c)) return NO_FRAME;
    if (pfn < ram) return pfn;
    const rom = m.r32(B + BOARD.romFrames);
    if (write || pfn >= TOP || pfn < TOP - rom || pfn === IOAPIC_PAGE) return NO_FRAME;
    return ram + pfn - (TOP - rom);
  }
  plainFrames(): readonly [low: number, all: number] {
    const { m } = this.c;
    const ram = m.r32(B + BOARD.ramFrames);
    if (m.r32(B + BOARD.a20) === 0 || apicPage(this.c) < ram) return [0, 0];
    return [PAGES_1M, ram];
  }

  readMmio(paddr: number, size: 8 | 16 | 32): number {
    const { c } = this;
    const page = this.page(paddr);
    if (page === apicPage(c)) return apicRead(c, paddr & 0xfff, size);
    if (page === IOAPIC_PAGE && size === 32) return ioapicRead(c, paddr & 0xfff) >>> 0;
    return ones(size);
  }
  writeMmio(paddr: number, size: 8 | 16 | 32, value: number): void {
    const { c } = this;
    const page = this.page(paddr);
    if (page === apicPage(c))
      apicWrite(c, paddr & 0xfff, size, value >>> 0, (vector) => ioapicEoi(c, vector));
    else if (page === IOAPIC_PAGE && size === 32) ioapicWrite(c, paddr & 0xfff, value >>> 0);
    else return;
    updateIntr(c);
  }
  private page(paddr: number): number {
    const page = paddr >>> 12;
    return this.c.m.r32(B + BOARD.a20) !== 0 ? page : page & ~A20_PAGE;
  }

  readMsr(index: number): readonly [number, number] | undefined {
    return index === MSR_APIC_BASE ? readApicBase(this.c) : readMsr(this.c, index);
  }
  writeMsr(index: number, lo: number, hi: number): boolean {
    if (index !== MSR_APIC_BASE) return writeMsr(this.c, index, lo, hi);
    if (!writeApicBase(this.c, lo, hi)) return false;
    updateIntr(this.c);
    return true;
  }

  // ---- ports ------------------------------------------------------------------------------------------
  portIn(port: number, size: 8 | 16 | 32): number {
    const { c } = this;
    if (port === 0xcf8 && size === 32) return configAddress(c) >>> 0;
    if (port === 0x510 && size === 16) return selector(c);
    let value = 0;
    for (let i = 0; i < size; i += 8) value += this.in8((port + i / 8) & 0xffff) * 2 ** i;
    return value;
  }
  portOut(port: number, size: 8 | 16 | 32, value: number): void {
    const { c } = this;
    if (this.testPort(port, value)) return;
    if (port === 0xcf8 && size === 32) writeConfigAddress(c, value);
    else if (port === 0x510 && size === 16) selectItem(c, value);
    else
      for (let i = 0; i < size; i += 8) {
        const at = (port + i / 8) & 0xffff;
        if (i === 0 || !this.testPort(at, value >>> i)) this.out8(at, (value >>> i) & 0xff);
      }
  }

  /** The ports that options give a meaning. One write is one event, whatever its width; its low byte counts. */
  private testPort(port: number, value: number): boolean {
    const { c } = this;
    const { m } = c;
    const n = port + 1;
    if (n === m.r32(B + BOARD.debugPort)) consoleByte(c, CHANNEL.debug, value & 0xff);
    else if (n === m.r32(B + BOARD.postPort)) consoleByte(c, CHANNEL.post, value & 0xff);
    else if (n === m.r32(B + BOARD.exitPort)) requestExit(c, value);
    else return false;
    return true;
  }

  private in8(port: number): number {
    const { c } = this;
    const { m } = c;
    if (port >= COM1 && port < COM1 + 8) return uartRead(c, port - COM1);
    switch (port) {
      case 0x20:
      case 0x21:
      case 0xa0:
      case 0xa1: {
        const value = picRead(c, port < 0x80 ? MASTER : SLAVE, port & 1);
        updateIntr(c);
        return value;
      }
      case 0x40:
      case 0x41:
      case 0x42:
      case 0x43:
        return pitRead(c, port - 0x40);
      case 0x60:
        return keyboardData(c);
      case 0x61:
        return read61(c);
      case 0x64:
        return keyboardStatus(c);
      case 0x71:
        return rtcRead(c);
      case 0x92:
        return read92(c);
      case 0xb2:
      case 0xb3:
        return m.r8(B + BOARD.apm + port - 0xb2);
      case 0x4d0:
      case 0x4d1:
        return elcrRead(c, port & 1);
      case 0x511:
        return readItem(c);
      case 0xcf9:
        return readCf9(c);
    }
    if (port >= 0x3b4 && port <= 0x3df) return vgaRead(c, port);
    if (port >= 0x80 && port < 0x90) return m.r8(B + BOARD.dmaPage + port - 0x80);
    return port + 1 === m.r32(B + BOARD.debugPort) ? DEBUG_READBACK : 0xff;
  }

  private out8(port: number, value: number): void {
    const { c } = this;
    const { m } = c;
    if (port >= COM1 && port < COM1 + 8) {
      uartWrite(c, port - COM1, value);
      return;
    }
    switch (port) {
      case 0x20:
      case 0x21:
      case 0xa0:
      case 0xa1:
        picWrite(c, port < 0x80 ? MASTER : SLAVE, port & 1, value);
        updateIntr(c);
        return;
      case 0x40:
      case 0x41:
      case 0x42:
      case 0x43:
        if (!pitWrite(c, port - 0x40, value)) return;
        setIrq(c, IRQ.timer, pitOutput(c, 0));
        c.leave();
        return;
      case 0x60:
        keyboardWrite(c, value);
        return;
      case 0x61:
        write61(c, value);
        return;
      case 0x64:
        keyboardCommand(c, value);
        return;
      case 0x70:
        rtcSelect(c, value);
        return;
      case 0x71:
        rtcWrite(c, value);
        return;
      case 0x92:
        setA20(c, (value & 2) !== 0);
        write92(c, value);
        return;
      case 0xb2:
      case 0xb3:
        m.w8(B + BOARD.apm + port - 0xb2, value);
        return;
      case 0x4d0:
      case 0x4d1:
        elcrWrite(c, port & 1, value);
        updateIntr(c);
        return;
      case 0xcf9:
        writeCf9(c, value);
        return;
    }
    if (port >= 0x3b4 && port <= 0x3df) vgaWrite(c, port, value);
    else if (port >= 0x80 && port < 0x90) m.w8(B + BOARD.dmaPage + port - 0x80, value);
  }
}
