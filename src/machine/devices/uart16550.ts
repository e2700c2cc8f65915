// COM1 at 3F8h, interrupt 4. National PC16550D datasheet.
//
// Sending takes no time: the transmitter is empty again with the next instruction. Receiving takes one character's time at the
// programmed rate. The other end sends only to a receiver that wants it: one that has enabled its interrupt or polls the line status without
// sending in between, and that has room; so nothing typed ahead is lost to a driver that clears its buffers while it starts.

import { layout } from '../../memory/layout.ts';
import { AT, type Chipset, NEVER, TICKS_PER_SECOND } from './board.ts';
import { consoleByte, CHANNEL, nextInput, peekInput } from './console.ts';
import { IRQ, setIrq } from './interrupts.ts';

const FIFO = 16;
export const UART = layout('UART', {
  ier: 'u8',
  fcr: 'u8',
  lcr: 'u8',
  mcr: 'u8',
  lsr: 'u8',
  msr: 'u8', // the four deltas
  scratch: 'u8',
  divisorLow: 'u8',
  divisorHigh: 'u8',
  thrPending: 'u8', // the transmitter-empty interrupt waits
  timeout: 'u8', // characters stayed in the FIFO
  polled: 'u8', // line status reads since something was sent
  count: 'u8', // received characters
  spare: ['u8', 3],
  data: ['u8', FIFO],
  bad: ['u8', FIFO], // error bits of each
  nextAt: 'u64', // T at which the next character from outside is complete, 0: none on its way
  timeoutAt: 'u64', // T of the character timeout, 0: none
});
const U = AT.uart;
const IER_RX = 1,
  IER_THR = 2,
  IER_LINE = 4,
  IER_MODEM = 8;
const FCR_ENABLE = 1,
  FCR_CLEAR_RX = 2;
const LCR_BREAK = 0x40,
  LCR_DLAB = 0x80;
const MCR_OUT2 = 8,
  MCR_LOOP = 0x10;
const LSR_DR = 1,
  LSR_OE = 2,
  LSR_BI = 0x10,
  LSR_ERRORS = 0x1e,
  LSR_EMPTY = 0x60,
  LSR_FIFO = 0x80;
/** The other end is connected: DCD, DSR, CTS. */
const MSR_CONNECTED = 0xb0;
const TRIGGER = [1, 4, 8, 14] as const;

export function resetUart({ m }: Chipset): void {
  m.u8.fill(0, U, U + UART.$size);
  m.w8(U + UART.divisorLow, 1);
}

/** Ticks of one character: start, data, parity and stop bits at 115200 / divisor. */
function characterTicks({ m }: Chipset): number {
  const divisor = m.r8(U + UART.divisorLow) | (m.r8(U + UART.divisorHigh) << 8) || 1;
  const lcr = m.r8(U + UART.lcr);
  const bits = 1 + 5 + (lcr & 3) + ((lcr & 8) !== 0 ? 1 : 0) + ((lcr & 4) !== 0 ? 2 : 1);
  return Math.ceil((bits * divisor * TICKS_PER_SECOND) / 115_200);
}
const fifoOn = ({ m }: Chipset): boolean => (m.r8(U + UART.fcr) & FCR_ENABLE) !== 0;
const looped = ({ m }: Chipset): boolean => (m.r8(U + UART.mcr) & MCR_LOOP) !== 0;

// ---- interrupts -------------------------------------------------------------------------------------------
/** The interrupt with the highest priority as IIR shows it, 1 for none. */
function pending(c: Chipset): number {
  const { m } = c;
  const ier = m.r8(U + UART.ier);
  if ((ier & IER_LINE) !== 0 && (m.r8(U + UART.lsr) & LSR_ERRORS) !== 0) return 6;
  if ((ier & IER_RX) !== 0) {
    const count = m.r8(U + UART.count);
    if (count >= (fifoOn(c) ? TRIGGER[m.r8(U + UART.fcr) >> 6]! : 1)) return 4;
    if (m.r8(U + UART.timeout) !== 0) return 12;
  }
  if ((ier & IER_THR) !== 0 && m.r8(U + UART.thrPending) !== 0) return 2;
  if ((ier & IER_MODEM) !== 0 && (m.r8(U + UART.msr) & 15) !== 0) return 0;
  return 1;
}
/** OUT2 opens the way to the interrupt controller. */
function update(c: Chipset): void {
  setIrq(c, IRQ.com1, pending(c) !== 1 && (c.m.r8(U + UART.mcr) & MCR_OUT2) !== 0);
}

// ---- receiving --------------------------------------------------------------------------------------------
function receive(c: Chipset, byte: number, errors: number): void {
  const { m } = c;
  const count = m.r8(U + UART.count);
  if (count >= (fifoOn(c) ? FIFO : 1)) {
    m.w8(U + UART.lsr, m.r8(U + UART.lsr) | LSR_OE);
    if (!fifoOn(c)) m.w8(U + UART.data, byte); // the new character overwrites the old one
    return;
  }
  m.w8(U + UART.data + count, byte);
  m.w8(U + UART.bad + count, errors);
  m.w8(U + UART.count, count + 1);
  if (count === 0) showFirst(c);
  if (fifoOn(c)) {
    m.w64(U + UART.timeoutAt, c.T + 4 * characterTicks(c));
    c.leave();
  }
}
/** LSR speaks of the character at the top. */
function showFirst({ m }: Chipset): void {
  const lsr = m.r8(U + UART.lsr) & ~LSR_DR;
  m.w8(U + UART.lsr, m.r8(U + UART.count) === 0 ? lsr : lsr | LSR_DR | m.r8(U + UART.bad));
}

function take(c: Chipset): number {
  const { m } = c;
  const count = m.r8(U + UART.count);
  const byte = m.r8(U + UART.data);
  if (count === 0) return byte;
  for (let i = 1; i < count; i++) {
    m.w8(U + UART.data + i - 1, m.r8(U + UART.data + i));
    m.w8(U + UART.bad + i - 1, m.r8(U + UART.bad + i));
  }
  m.w8(U + UART.count, count - 1);
  m.w8(U + UART.timeout, 0);
  m.w64(U + UART.timeoutAt, count > 1 && fifoOn(c) ? c.T + 4 * characterTicks(c) : 0);
  showFirst(c);
  expect(c);
  c.leave();
  return byte;
}

function clearReceiver(c: Chipset): void {
  const { m } = c;
  m.w8(U + UART.count, 0);
  m.w8(U + UART.timeout, 0);
  m.w64(U + UART.timeoutAt, 0);
  m.w8(U + UART.lsr, 0);
  quiet(c);
}
/** The line is being set up: whoever sends begins anew. */
function quiet({ m }: Chipset): void {
  m.w8(U + UART.polled, 0);
  m.w64(U + UART.nextAt, 0);
}

/** Starts the next character from outside if there is one and the receiver wants it. */
export function expect(c: Chipset): void {
  const { m } = c;
  const wants = (m.r8(U + UART.ier) & IER_RX) !== 0 || m.r8(U + UART.polled) >= 2;
  const room = m.r8(U + UART.count) < (fifoOn(c) ? FIFO : 1);
  if (m.r64(U + UART.nextAt) !== 0 || !wants || !room || looped(c) || !peekInput(c)) return;
  m.w64(U + UART.nextAt, c.T + characterTicks(c));
  c.leave();
}

export function uartDeadline({ m }: Chipset): number {
  const next = m.r64(U + UART.nextAt) || NEVER;
  return m.r8(U + UART.timeout) !== 0 ? next : Math.min(next, m.r64(U + UART.timeoutAt) || NEVER);
}
export function uartTick(c: Chipset): void {
  const { m } = c;
  const next = m.r64(U + UART.nextAt),
    timeout = m.r64(U + UART.timeoutAt);
  if (next !== 0 && c.T >= next) {
    m.w64(U + UART.nextAt, 0);
    if (!looped(c) && peekInput(c)) receive(c, nextInput(c), 0);
    expect(c);
  }
  if (timeout !== 0 && c.T >= timeout && m.r64(U + UART.timeoutAt) === timeout) {
    m.w8(U + UART.timeout, m.r8(U + UART.count) > 0 ? 1 : 0);
    m.w64(U + UART.timeoutAt, 0);
  }
  update(c);
}
/** True if a character from outside would interrupt the processor, were its line open. */
export const uartListens = ({ m }: Chipset): boolean =>
  (m.r8(U + UART.ier) & IER_RX) !== 0 && (m.r8(U + UART.mcr) & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
export const uartOpen = ({ m }: Chipset): boolean =>
  m.r8(U + UART.ier) !== 0 && (m.r8(U + UART.mcr) & MCR_OUT2) !== 0;

// ---- registers --------------------------------------------------------------------------------------------
/** In loopback the modem lines are our own outputs: DTR→DSR, RTS→CTS, OUT1→RI, OUT2→DCD. */
function modemLines(c: Chipset): number {
  if (!looped(c)) return MSR_CONNECTED;
  const mcr = c.m.r8(U + UART.mcr);
  return ((mcr & 1) << 5) | ((mcr & 2) << 3) | ((mcr & 4) << 4) | ((mcr & 8) << 4);
}

export function uartRead(c: Chipset, r: number): number {
  const { m } = c;
  const dlab = (m.r8(U + UART.lcr) & LCR_DLAB) !== 0;
  switch (r) {
    case 0: {
      if (dlab) return m.r8(U + UART.divisorLow);
      const byte = take(c);
      update(c);
      return byte;
    }
    case 1:
      return m.r8(U + (dlab ? UART.divisorHigh : UART.ier));
    case 2: {
      const id = pending(c);
      if (id === 2) m.w8(U + UART.thrPending, 0);
      update(c);
      return id | (fifoOn(c) ? 0xc0 : 0);
    }
    case 3:
      return m.r8(U + UART.lcr);
    case 4:
      return m.r8(U + UART.mcr);
    case 5:
      return readLineStatus(c);
    case 6: {
      const deltas = m.r8(U + UART.msr);
      m.w8(U + UART.msr, 0);
      update(c);
      return modemLines(c) | deltas;
    }
    default:
      return m.r8(U + UART.scratch);
  }
}

function readLineStatus(c: Chipset): number {
  const { m } = c;
  const lsr = m.r8(U + UART.lsr);
  let broken = 0;
  if (fifoOn(c)) for (let i = 0; i < m.r8(U + UART.count); i++) broken |= m.r8(U + UART.bad + i);
  m.w8(U + UART.lsr, lsr & ~LSR_ERRORS);
  if (m.r8(U + UART.count) > 0) m.w8(U + UART.bad, 0);
  if ((lsr & LSR_ERRORS) !== 0) update(c);
  if (m.r8(U + UART.polled) < 2) {
    m.w8(U + UART.polled, m.r8(U + UART.polled) + 1);
    expect(c);
  }
  return lsr | LSR_EMPTY | (broken !== 0 ? LSR_FIFO : 0);
}

export function uartWrite(c: Chipset, r: number, value: number): void {
  const { m } = c;
  if (r === 7) {
    m.w8(U + UART.scratch, value);
    return;
  }
  const dlab = (m.r8(U + UART.lcr) & LCR_DLAB) !== 0;
  if (r === 0 && !dlab) transmit(c, value);
  else if (r === 1 && !dlab) {
    const old = m.r8(U + UART.ier);
    m.w8(U + UART.ier, value & 15);
    if ((old & IER_THR) === 0 && (value & IER_THR) !== 0) m.w8(U + UART.thrPending, 1);
    expect(c);
  } else if (r === 0) m.w8(U + UART.divisorLow, value);
  else if (r === 1) m.w8(U + UART.divisorHigh, value);
  else if (r === 2) writeFifoControl(c, value);
  else if (r === 3) writeLineControl(c, value);
  else if (r === 4) writeModemControl(c, value);
  update(c);
}

function transmit(c: Chipset, byte: number): void {
  const { m } = c;
  m.w8(U + UART.thrPending, 0);
  m.w8(U + UART.polled, 0);
  update(c); // the line falls, so that the next interrupt is an edge
  // The other end takes eight bits: a program that never sets the line up is still read.
  if (looped(c)) receive(c, byte & (0xff >> (3 - (m.r8(U + UART.lcr) & 3))), 0);
  else consoleByte(c, CHANNEL.com1, byte);
  m.w8(U + UART.thrPending, 1);
}

function writeFifoControl(c: Chipset, value: number): void {
  const { m } = c;
  const changed = ((m.r8(U + UART.fcr) ^ value) & FCR_ENABLE) !== 0;
  if (changed || (value & FCR_CLEAR_RX) !== 0) clearReceiver(c);
  m.w8(U + UART.fcr, (value & FCR_ENABLE) !== 0 ? value & 0xc9 : 0);
  c.leave();
}

function writeLineControl(c: Chipset, value: number): void {
  const { m } = c;
  const begins = (value & LCR_BREAK) !== 0 && (m.r8(U + UART.lcr) & LCR_BREAK) === 0;
  m.w8(U + UART.lcr, value);
  quiet(c);
  if (begins && looped(c)) receive(c, 0, LSR_BI);
  expect(c);
  c.leave();
}

function writeModemControl(c: Chipset, value: number): void {
  const { m } = c;
  const before = modemLines(c);
  m.w8(U + UART.mcr, value & 0x1f);
  const after = modemLines(c);
  // Deltas of CTS, DSR and DCD; of RI only the falling edge.
  const changed = ((before ^ after) >> 4) & 0xb,
    rang = (before & ~after & 0x40) >> 4;
  m.w8(U + UART.msr, m.r8(U + UART.msr) | changed | rang);
  if (looped(c)) quiet(c);
  else expect(c);
  c.leave();
}
