// The mainboard: where each device of the bare machine keeps its registers in STATE, and what all devices share. A Chipset holds references
// only; any number of them may look at the same memory.

import { VCPU, VCPU_INTR } from '../../cpu/vcpu.ts';
import type { Frames } from '../../memory/frames.ts';
import { layout } from '../../memory/layout.ts';
import { HEADER, stateArea, vcpuAt } from '../../memory/map.ts';
import type { Memory } from '../../memory/memory.ts';
import { MACHINE, type Recorder, type Subject } from '../../trace/recorder.ts';
import { stopMachine } from '../stop.ts';

const DEVICES = stateArea('devices');
/** Records of the devices, by their place in STATE. board.test.ts holds them apart. */
export const AT = {
  board: DEVICES,
  console: DEVICES + 0x200,
  pic: DEVICES + 0x400,
  pit: DEVICES + 0x500,
  rtc: DEVICES + 0x600,
  keyboard: DEVICES + 0x800,
  uart: DEVICES + 0xc00,
  apic: DEVICES + 0x1000,
  ioapic: DEVICES + 0x1400,
  fwcfg: DEVICES + 0x1600,
  msr: DEVICES + 0x1700,
  vga: DEVICES + 0x2000,
} as const;

export const BOARD = layout('BOARD', {
  ramFrames: 'u32', // machine frames 0 … ramFrames-1 are the RAM, physical = machine
  romFrames: 'u32', // the ROM lies in the frames behind the RAM
  romLowPages: 'u32', // how many pages below 1 MiB begin as a copy of the ROM's end
  queueMfn: 'u32', // frames behind the ROM: bytes on their way to COM1
  queueFrames: 'u32',
  a20: 'u32', // 1: address line 20 passes
  initPending: 'u32', // an INIT is to reset the processor before it goes on
  debugPort: 'u32', // number + 1; 0: none
  postPort: 'u32',
  exitPort: 'u32',
  refreshBase: 'u32',
  systemControl: 'u32', // port 61h, the bits that are stored
  configAddress: 'u32', // CF8h
  resetControl: 'u32', // CF9h
  apm: ['u8', 4], // B2h, B3h
  dmaPage: ['u8', 16], // 80h … 8Fh
});

/** The only processor. */
export const BSP = vcpuAt(0);
/** Ticks in a second: one tick is 10 ns. */
export const TICKS_PER_SECOND = 100_000_000;
export const NEVER = Infinity;

const T_AT = HEADER + MACHINE.T,
  INTR = BSP + VCPU.intr;

export class Chipset {
  readonly m: Memory;
  readonly frames: Frames;
  readonly trace: Recorder;

  constructor(frames: Frames, trace: Recorder) {
    this.m = frames.m;
    this.frames = frames;
    this.trace = trace;
  }

  get T(): number {
    return this.m.r64(T_AT);
  }

  /** A deadline moved, or the machine ends: the engine comes back before its next instruction. */
  leave(): void {
    this.m.w32(INTR, this.m.r32(INTR) | VCPU_INTR.leave);
  }

  /** Ends the machine with the instruction under way. */
  stop(reason: number, code = 0): void {
    stopMachine(this.m, reason, code);
    this.leave();
  }

  /**
   * The processor, for records. Only while no engine runs: inside an instruction its registers need not be in STATE, and a device that has
   * something to say speaks for nobody.
   */
  subject(): Subject {
    const { m } = this;
    const cs = m.r32(BSP + VCPU.seg + 16) & 0xffff;
    const real = (m.r32(BSP + VCPU.cr0) & 1) === 0;
    return {
      domid: BARE_DOMID,
      vcpu: 0,
      cpl: real ? 0 : (m.r32(BSP + VCPU.eflags) & 0x20000) !== 0 ? 3 : cs & 3,
      cs,
      eip: m.r32(BSP + VCPU.eip),
    };
  }
}

/** Records of the bare machine name no domain. */
export const BARE_DOMID = 0x7fff;

/** Exact whole numbers of a clock of `num / den` cycles a tick, for T below 2^53; num · den must stay below 2^53. */
export const cycles = (T: number, num: number, den: number): number => {
  const whole = Math.floor(T / den);
  return whole * num + Math.floor(((T - whole * den) * num) / den);
};
/** The first T at which `n` cycles have passed. */
export const tickOf = (n: number, num: number, den: number): number => {
  const whole = Math.floor(n / num);
  return whole * den + Math.ceil(((n - whole * num) * den) / num);
};
