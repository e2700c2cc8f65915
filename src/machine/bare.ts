// The bare machine: one processor, RAM, a ROM if there is one, and the devices of a PC. Its supervisor is the chipset: it says when a device falls
// due, and hands interrupts to the processor. Everything is in STATE and RAM, as on the machine of Xen.

import type { Engine, EngineChoice, Mmu } from '../cpu/engine.ts';
import { createEngine } from '../cpu/engines.ts';
import { EFLAGS_IF, EXIT, VCPU, VCPU_INTR } from '../cpu/vcpu.ts';
import { Frames } from '../memory/frames.ts';
import { HEADER, PAGE_SIZE } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { COUNT_VECTOR, MACHINE, Recorder } from '../trace/recorder.ts';
import { INTERRUPT_SOURCE, OUT, PH, RT } from '../trace/records.ts';
import { BareBus } from './bus.ts';
import { apicDeadline, apicTick, resetApic } from './devices/apic.ts';
import { AT, BOARD, BSP, Chipset, NEVER } from './devices/board.ts';
import { consoleDeadline, consoleTick, flushConsole, queueInput } from './devices/console.ts';
import { keyboardDeadline, keyboardTick, queueKeys, resetKeyboard } from './devices/i8042.ts';
import { pitDeadline, pitOutput, resetPit } from './devices/i8254.ts';
import { picLine, resetPics } from './devices/i8259.ts';
import { acknowledge, IRQ, setIrq, updateIntr } from './devices/interrupts.ts';
import { resetIoapic } from './devices/ioapic.ts';
import { resetRtc, rtcDeadline, syncRtc } from './devices/mc146818.ts';
import { resetMsrs } from './devices/msr.ts';
import { end, RESET } from './devices/system-control.ts';
import { expect, resetUart, uartDeadline, uartTick } from './devices/uart16550.ts';
import { resetVga } from './devices/vga.ts';
import { canWake, type Wake } from './devices/wake.ts';
import { resetProcessor } from './processor.ts';
import type { MachineParts, Supervisor } from './run.ts';
import { STOP, stopMachine } from './stop.ts';

export interface BareMachine extends MachineParts {
  readonly frames: Frames;
  readonly engine: Engine;
  readonly mmu: Mmu;
  readonly chipset: Chipset;
}

export interface BareSettings {
  readonly memoryMiB: number;
  /** Wall clock at T = 0, Unix seconds. */
  readonly epochSec: number;
  /** Mapped so that it ends at 4 GiB; its last 256 KiB are also copied below 1 MiB, into RAM, for there is no bridge that could unlock it. */
  readonly rom?: Uint8Array;
  readonly debugPort?: number;
  readonly postPort?: number;
  readonly exitPort?: number;
}

/** HEADER.mode of a bare machine. */
export const MODE_BARE = 2;
export const MAX_ROM = 16 << 20;
const LOW_ROM = 256 << 10;
const MIB_FRAMES = 256;
/** Frames that hold bytes on their way to COM1, at most. */
const QUEUE_FRAMES = 4096;

/** Attaches to whatever is in `m`; writes nothing. */
export function attachBare(m: Memory, choice: EngineChoice = 'reference'): BareMachine {
  const frames = new Frames(m);
  const trace = new Recorder(m);
  const chipset = new Chipset(frames, trace);
  const { engine, mmu } = createEngine(choice, { m, frames, trace, bus: new BareBus(chipset) });
  return { m, frames, trace, engine, mmu, chipset, supervisor: supervise(chipset, engine) };
}

/** Largest --memory for this much ROM. */
export const maxMemoryMiB = (m: Memory, romBytes: number): number =>
  Math.floor((m.nrFrames - Math.ceil(romBytes / PAGE_SIZE) - 16) / MIB_FRAMES);

/** A new machine in a memory that is all zero, at its reset vector. Throws RangeError when RAM or ROM do not fit. */
export function createBare(
  m: Memory,
  settings: BareSettings,
  choice: EngineChoice = 'reference',
): BareMachine {
  const machine = attachBare(m, choice);
  const { frames, trace, chipset } = machine;
  const rom = settings.rom ?? new Uint8Array(0);
  if (settings.rom?.length === 0) throw new RangeError('the ROM is empty');
  if (rom.length > MAX_ROM) throw new RangeError(`a ROM has at most 16 MiB, not ${rom.length} bytes`);
  const most = maxMemoryMiB(m, rom.length);
  if (settings.memoryMiB < 1 || settings.memoryMiB > most)
    throw new RangeError(`this machine holds 1 to ${most} MiB of RAM, not ${settings.memoryMiB}`);
  frames.markAllClean();
  trace.reset();
  m.w32(HEADER + MACHINE.epochSec, settings.epochSec);
  m.w32(HEADER + MACHINE.mode, MODE_BARE);
  const board = (field: number, value: number): void => m.w32(AT.board + field, value);
  const ram = settings.memoryMiB * MIB_FRAMES,
    romFrames = Math.ceil(rom.length / PAGE_SIZE);
  board(BOARD.ramFrames, ram);
  board(BOARD.romFrames, romFrames);
  board(BOARD.queueMfn, ram + romFrames);
  board(BOARD.queueFrames, Math.min(QUEUE_FRAMES, m.nrFrames - ram - romFrames));
  board(BOARD.a20, 1);
  const port = (n: number | undefined): number => (n === undefined ? 0 : n + 1);
  board(BOARD.debugPort, port(settings.debugPort));
  board(BOARD.postPort, port(settings.postPort));
  board(BOARD.exitPort, port(settings.exitPort));
  mapRom(frames, rom, ram, romFrames);
  resetDevices(chipset);
  resetProcessor(m, true);
  return machine;
}

/** The ROM's bytes end with its last frame; before its beginning all-ones. Its end is copied below 1 MiB. */
function mapRom(frames: Frames, rom: Uint8Array, ram: number, romFrames: number): void {
  if (rom.length === 0) return;
  const whole = new Uint8Array(romFrames * PAGE_SIZE).fill(0xff);
  whole.set(rom, whole.length - rom.length);
  frames.copyIn(ram * PAGE_SIZE, whole);
  const low = whole.subarray(Math.max(0, whole.length - LOW_ROM));
  frames.copyIn((1 << 20) - low.length, low);
  frames.m.w32(AT.board + BOARD.romLowPages, low.length / PAGE_SIZE);
}

function resetDevices(c: Chipset): void {
  resetPics(c);
  resetPit(c);
  resetRtc(c);
  resetKeyboard(c);
  resetUart(c);
  resetApic(c, true);
  resetIoapic(c);
  resetVga(c);
  resetMsrs(c);
}

// ---- the one door -----------------------------------------------------------------------------------------
/** Bytes typed at the other end of COM1. */
export function typeAtCom1(c: Chipset, bytes: Uint8Array): void {
  queueInput(c, bytes);
  expect(c);
}
/** Keys of the machine's own keyboard, scan code set 2. */
export function pressKeys(c: Chipset, codes: Uint8Array): void {
  queueKeys(c, codes);
}

// ---- the supervisor ---------------------------------------------------------------------------------------
function supervise(c: Chipset, engine: Engine): Supervisor {
  return {
    schedule: () => schedule(c),
    nextDeadline: () => nextDeadline(c),
    onDeadline: () => onDeadline(c),
    onExit: (v, exit) => onExit(c, v, exit),
    deliver: (v) => deliver(c, engine, v),
    isService: () => false,
    runService: () => {},
    settle: () => {},
  };
}

const halted = ({ m }: Chipset): boolean => m.r32(BSP + VCPU.halted) !== 0;

/** What the processor would take now. */
function takes({ m }: Chipset): 'nmi' | 'external' | undefined {
  const intr = m.r32(BSP + VCPU.intr);
  if (intr === 0 || m.r32(BSP + VCPU.shadow) !== 0) return undefined;
  if ((intr & VCPU_INTR.nmi) !== 0 && m.r32(BSP + VCPU.nmiBlocked) === 0) return 'nmi';
  const on = (m.r32(BSP + VCPU.eflags) & EFLAGS_IF) !== 0;
  return on && (intr & VCPU_INTR.line) !== 0 ? 'external' : undefined;
}

function schedule(c: Chipset): number {
  const { m } = c;
  const intr = m.r32(BSP + VCPU.intr);
  if ((intr & VCPU_INTR.leave) !== 0) m.w32(BSP + VCPU.intr, intr & ~VCPU_INTR.leave);
  if (m.r32(AT.board + BOARD.initPending) !== 0) {
    m.w32(AT.board + BOARD.initPending, 0);
    resetProcessor(m, false);
    resetApic(c, false);
    updateIntr(c);
  }
  if (!halted(c)) return BSP;
  if (takes(c) !== undefined) {
    m.w32(HEADER + MACHINE.deliver, 1);
    return BSP;
  }
  if (wake(c) === 'never') stopMachine(m, STOP.halted);
  return 0;
}

const wake = (c: Chipset): Wake => canWake(c, c.m.r32(HEADER + MACHINE.inputClosed) === 0);

/** While the processor is halted and only input can wake it, no timer matters: time stands still. */
function nextDeadline(c: Chipset): number {
  if (halted(c) && takes(c) === undefined && wake(c) !== 'timer') return NEVER;
  // The timer's deadlines are the edges to come: one that falls on this very tick is due as long as the line has not followed.
  if (picLine(c, IRQ.timer) !== pitOutput(c, 0)) return c.T;
  return Math.min(
    pitDeadline(c),
    rtcDeadline(c),
    apicDeadline(c),
    uartDeadline(c),
    keyboardDeadline(c),
    consoleDeadline(c),
  );
}

function onDeadline(c: Chipset): void {
  const { T } = c;
  setIrq(c, IRQ.timer, pitOutput(c, 0));
  if (T >= rtcDeadline(c)) syncRtc(c);
  apicTick(c);
  if (T >= uartDeadline(c)) uartTick(c);
  keyboardTick(c);
  consoleTick(c);
  updateIntr(c);
}

function onExit(c: Chipset, _v: number, exit: number): void {
  if (exit === EXIT.shutdown)
    end(c, STOP.tripleFault, RESET.tripleFault, c.m.r32(HEADER + MACHINE.stopCode), c.subject());
  if (exit !== EXIT.halt) return;
  flushConsole(c);
  const on = (c.m.r32(BSP + VCPU.eflags) & EFLAGS_IF) !== 0;
  c.trace.emit(RT.halt, PH.none, OUT.none, c.subject(), 0, [on ? 1 : 0]);
}

/** Lets the processor take what it may take: an NMI before an external interrupt. */
function deliver(c: Chipset, engine: Engine, v: number): void {
  const { m, trace } = c;
  const kind = takes(c);
  if (kind === undefined) return;
  const who = c.subject();
  let vector = 2;
  if (kind === 'nmi') {
    m.w32(BSP + VCPU.intr, m.r32(BSP + VCPU.intr) & ~VCPU_INTR.nmi);
    trace.emit(RT.interrupt, PH.enter, OUT.direct, who, vector, [INTERRUPT_SOURCE.nmi, 0xffffffff]);
  } else {
    const taken = acknowledge(c);
    vector = taken.vector;
    trace.emit(RT.interrupt, PH.enter, OUT.direct, who, vector, [
      INTERRUPT_SOURCE[taken.source],
      taken.irq >>> 0,
    ]);
  }
  m.u32[COUNT_VECTOR + vector] = m.u32[COUNT_VECTOR + vector]! + 1;
  onExit(c, v, engine.interrupt(v, vector, kind));
}
