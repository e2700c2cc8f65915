// The processor's side of the bus: which physical pages are memory, what goes to devices, and when an interrupt is taken.

import { describe, expect, it } from 'vitest';
import { type Bus, NO_FRAME } from './bus.ts';
import { AT, SEL, testMachine, type TestOptions, type TestMachine } from './testing.ts';
import { EXIT, VCPU, VCPU_INTR } from './vcpu.ts';

const DEVICE = 0x300, // physical pages: a device,
  ROM = 0x301, // memory that cannot be written,
  MOVED = 0x302; // and one whose frame has another number
const MOVED_TO = 0x155,
  ROM_AT = 0x150;

interface Spy extends Bus {
  readonly log: string[];
}

function spy(): Spy {
  const log: string[] = [];
  const hex = (n: number): string => (n >>> 0).toString(16);
  return {
    log,
    frameOf: (pfn, write) => {
      if (pfn === DEVICE) return NO_FRAME;
      if (pfn === ROM) return write ? NO_FRAME : ROM_AT;
      return pfn === MOVED ? MOVED_TO : pfn;
    },
    readMmio: (paddr, size) => {
      log.push(`r${size} ${hex(paddr)}`);
      return size === 8 ? paddr & 0xff : size === 16 ? 0x1234 : 0x12345678;
    },
    writeMmio: (paddr, size, value) => log.push(`w${size} ${hex(paddr)} ${hex(value)}`),
    portIn: (port, size) => {
      log.push(`in${size} ${hex(port)}`);
      return 0x89abcdef;
    },
    portOut: (port, size, value) => log.push(`out${size} ${hex(port)} ${hex(value)}`),
    readMsr: (index) => (index === 0x1b ? [0xfee00900, 1] : undefined),
    writeMsr: (index, lo, hi) => {
      log.push(`msr ${hex(index)} ${hex(hi)}:${hex(lo)}`);
      return index === 0x1b;
    },
  };
}

function machine(options: TestOptions = {}): { readonly t: TestMachine; readonly bus: Spy } {
  const bus = spy();
  return { t: testMachine({ ...options, bus }), bus };
}

describe('the bus', () => {
  it('sees accesses to what is no memory in naturally aligned pieces', () => {
    const { t, bus } = machine();
    t.program(
      'mov eax, [0x300004]',
      'mov bx, [0x300003]',
      'mov [0x300006], eax',
      'mov cl, [0x300009]',
      'hlt',
    );
    t.run(10);
    expect(t.reg('eax')).toBe(0x12345678);
    expect(t.reg('ebx')).toBe(0x0403);
    expect(t.reg('ecx')).toBe(9);
    expect(bus.log).toEqual([
      'r32 300004',
      'r8 300003',
      'r8 300004',
      'w16 300006 5678',
      'w16 300008 1234',
      'r8 300009',
    ]);
  });
  it('splits an access that leaves memory', () => {
    const { t, bus } = machine();
    t.frames.write16(0x2ffffe, 0x2211);
    t.program('mov eax, [0x2ffffe]', 'mov [0x2ffffe], eax');
    t.run(2);
    expect(t.reg('eax')).toBe(0x01002211);
    expect(bus.log).toEqual(['r8 300000', 'r8 300001', 'w8 300000 0', 'w8 300001 1']);
  });
  it('keeps read-only memory: reads and fetches come from the frame, writes go to the bus', () => {
    const { t, bus } = machine();
    t.write(ROM_AT * 4096, [0xb8, 1, 0, 0, 0, 0xa3, 0, 0x10, 0x30, 0, 0xf4]); // mov eax, 1; mov [0x301000], eax; hlt
    t.setReg('eip', ROM * 4096);
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.frames.read8(ROM_AT * 4096)).toBe(0xb8);
    expect(bus.log).toEqual(['w32 301000 1']);
  });
  it('fetches instructions from a device byte by byte', () => {
    const { t, bus } = machine();
    t.setReg('eip', DEVICE * 4096 + 0x90); // the device answers with the address: nop
    t.run(1);
    expect(t.reg('eip')).toBe(DEVICE * 4096 + 0x91);
    expect(bus.log).toEqual(['r8 300090']);
  });
  for (const paging of [false, true]) {
    it(`says which frame a page is${paging ? ', behind page tables as well' : ''}`, () => {
      const { t } = machine({ paging });
      t.program(
        'mov eax, 0x77',
        'mov [0x302010], eax',
        'mov ebx, [0x302010]',
        'push dword [0x302010]',
        'hlt',
      );
      expect(t.run(10)).toBe(EXIT.halt);
      expect(t.frames.read32(MOVED_TO * 4096 + 0x10)).toBe(0x77);
      expect(t.frames.read32(0x302010)).toBe(0);
      expect(t.reg('ebx')).toBe(0x77);
      const out = { ok: false, maddr: 0, code: 0 };
      expect(t.mmu.translate(t.v, 0x302010, 'r', false, out)).toBe(true);
      expect(out.maddr).toBe(MOVED_TO * 4096 + 0x10);
      expect(t.mmu.translate(t.v, 0x300000, 'r', false, out)).toBe(true);
      expect(t.frames.exists(out.maddr / 4096)).toBe(false);
    });
  }
  it('has the tables of the walk too, with their accessed and dirty bits', () => {
    const { t } = machine({ paging: true });
    t.frames.copyFrame(MOVED_TO, AT.l1 / 4096);
    t.frames.write64(AT.l2, MOVED * 4096 + 7, 0);
    t.program('mov [0x18000], eax', 'hlt');
    expect(t.run(5)).toBe(EXIT.halt);
    expect(t.frames.read32(MOVED_TO * 4096 + 8 * 0x18)).toBe(0x18067);
    expect(t.frames.read32(AT.l1 + 8 * 0x18)).toBe(0x18007);
  });
  it('answers ports and the registers of devices', () => {
    const { t, bus } = machine();
    t.program('in al, 0x60', 'out 0x80, ax', 'mov ecx, 0x1b', 'rdmsr', 'wrmsr', 'mov ecx, 0x1c', 'rdmsr');
    t.setReg('eax', 0x11223344);
    t.run(6);
    expect(bus.log).toEqual(['in8 60', 'out16 80 33ef', 'msr 1b 1:fee00900']);
    t.run(1);
    expect(t.reg('eip')).toBe(AT.handlers + 13 * 16);
  });
  it('brings T up to the instruction under way before it asks', () => {
    let seen = -1;
    const bus: Bus = { ...spy(), portIn: () => (seen = t.ticks()) };
    const t = testMachine({ bus });
    t.program('nop', 'nop', 'in al, 0x40', 'hlt');
    t.run(10);
    expect(seen).toBe(2);
  });
});

describe('interrupts from outside', () => {
  const request = (t: TestMachine, bits: number): void => t.m.w32(t.v + VCPU.intr, bits);

  it('end the run between two instructions while IF is set', () => {
    const { t } = machine();
    t.program('nop', 'sti', 'nop', 'nop');
    request(t, VCPU_INTR.line);
    expect(t.run(1)).toBe(EXIT.budget);
    expect(t.run(100)).toBe(EXIT.interrupt);
    expect(t.reg('eip')).toBe(AT.code + 3); // STI holds it back for one instruction (SDM vol. 2, STI)
    expect(t.run(100)).toBe(EXIT.interrupt);
    expect(t.reg('eip')).toBe(AT.code + 3);
    expect(t.ticks()).toBe(3);
  });
  it('wait behind MOV SS (SDM vol. 3, 6.8.3)', () => {
    const { t } = machine();
    t.program('mov ax, ss', 'mov ss, ax', 'nop', 'nop');
    t.setReg('eflags', 0x202);
    t.run(2);
    request(t, VCPU_INTR.line | VCPU_INTR.nmi);
    expect(t.run(10)).toBe(EXIT.interrupt);
    expect(t.reg('eip')).toBe(AT.code + 6);
  });
  it('are delivered through the gate as one tick, with EIP of the next instruction', () => {
    const { t } = machine();
    t.setReg('eflags', 0x202);
    t.m.w32(t.v + VCPU.halted, 1);
    expect(t.engine.interrupt(t.v, 0x20, 'external')).toBe(EXIT.budget);
    expect(t.ticks()).toBe(1);
    expect(t.m.r32(t.v + VCPU.halted)).toBe(0);
    expect(t.reg('eip')).toBe(AT.handlers + 0x200);
    expect(t.frames.read32(t.reg('esp'))).toBe(AT.code);
    expect(t.frames.read32(t.reg('esp') + 8)).toBe(0x202);
    expect(t.reg('eflags')).toBe(2);
  });
  it('of any vector are benign: a fault on the way is delivered in their place (SDM vol. 3, table 6-5)', () => {
    const { t } = machine();
    t.frames.write8(AT.idt + 8 * 0x0d + 5, 0x0e); // the gate of the interrupt's vector is absent
    t.m.w32(t.v + VCPU.cr2, 0x1234);
    t.engine.interrupt(t.v, 13, 'external');
    expect(t.reg('eip')).toBe(AT.handlers + 11 * 16);
    expect(t.frames.read32(t.reg('esp'))).toBe(13 * 8 + 3); // IDT and EXT
    t.engine.interrupt(t.v, 14, 'external');
    expect(t.m.r32(t.v + VCPU.cr2)).toBe(0x1234);
  });
  it('that cannot be delivered at all shut the processor down', () => {
    const { t } = machine();
    t.m.w32(t.v + VCPU.idtrLimit, 0);
    expect(t.engine.interrupt(t.v, 0x20, 'external')).toBe(EXIT.shutdown);
  });
  it('by NMI need no IF and wait for the IRET of the one before (SDM vol. 3, 6.7.1)', () => {
    const { t } = machine();
    request(t, VCPU_INTR.nmi);
    expect(t.run(5)).toBe(EXIT.interrupt);
    t.write(AT.handlers + 32, [0x90, 0xcf]);
    t.engine.interrupt(t.v, 2, 'nmi');
    t.program('nop', 'nop');
    t.setReg('eip', AT.handlers + 32);
    expect(t.run(1)).toBe(EXIT.budget);
    expect(t.run(5)).toBe(EXIT.interrupt);
    expect(t.reg('eip')).toBe(AT.code);
    expect(t.sel('cs')).toBe(SEL.code0);
  });
  it('let the supervisor in at once', () => {
    const { t } = machine();
    t.program('nop', 'nop');
    request(t, VCPU_INTR.leave);
    expect(t.run(5)).toBe(EXIT.budget);
    expect(t.ticks()).toBe(0);
  });
});
