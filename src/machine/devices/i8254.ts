// The programmable interval timer at 40h … 43h: three 16-bit counters at 1.193182 MHz. Intel 8254 datasheet.
//
// A counter is no state that is stepped: what it shows and what its output is follow from the clocks since it was loaded. Only output 0
// has a line to the interrupt controllers, so only its edges are deadlines. Counter 2's gate and output are bits of port 61h.

import { layout } from '../../memory/layout.ts';
import { AT, type Chipset, cycles, NEVER, TICKS_PER_SECOND, tickOf } from './board.ts';

export const COUNTER = layout('COUNTER', {
  mode: 'u8',
  rw: 'u8', // 1 low byte, 2 high byte, 3 low then high
  bcd: 'u8',
  gate: 'u8',
  loaded: 'u8', // a count has been written since the control word
  triggered: 'u8', // modes 1 and 5: the gate has risen since
  writeHigh: 'u8', // rw 3: the high byte comes next
  low: 'u8', // rw 3: the low byte that waits for the high one
  readHigh: 'u8',
  latched: 'u8', // a count is latched
  statusLatched: 'u8',
  status: 'u8',
  latch: 'u16',
  spare: 'u16',
  count: 'u32', // initial count, 1 … 65536
  nextCount: 'u32', // modes 2 and 3: takes over at nextAt; 0 none
  frozen: 'u32', // clocks counted when the gate fell
  start: 'u64', // clock at which counting began
  nextAt: 'u64',
  nextStart: 'u64', // `start` from then on
});
const at = (n: number): number => AT.pit + n * 0x40;
if (COUNTER.$size > 0x40) throw new Error('a counter outgrew its place');

/** 1193182 Hz against 100 MHz, in lowest terms. */
const HZ = 596_591,
  PER = TICKS_PER_SECOND / 2;
const clockOf = (T: number): number => cycles(T, HZ, PER);
const timeOf = (clock: number): number => tickOf(clock, HZ, PER);

export function resetPit({ m }: Chipset): void {
  for (let n = 0; n < 3; n++) {
    m.u8.fill(0, at(n), at(n) + COUNTER.$size);
    m.w8(at(n) + COUNTER.gate, n === 2 ? 0 : 1);
    m.w8(at(n) + COUNTER.rw, 3);
    m.w8(at(n) + COUNTER.mode, 2); // output high, not counting
    m.w32(at(n) + COUNTER.count, 65536);
  }
}

const modulus = (c: Chipset, k: number): number => (c.m.r8(k + COUNTER.bcd) ? 10000 : 65536);

/** Makes a count that waited for the end of the period the present one, if that end has passed. */
function takeOver({ m }: Chipset, k: number, clock: number): void {
  const next = m.r32(k + COUNTER.nextCount);
  if (next === 0 || clock < m.r64(k + COUNTER.nextAt)) return;
  m.w64(k + COUNTER.start, m.r64(k + COUNTER.nextStart));
  m.w32(k + COUNTER.count, next);
  m.w32(k + COUNTER.nextCount, 0);
}

/** Clocks since the count was loaded; negative before the clock that loads it. */
function elapsed({ m }: Chipset, k: number, clock: number): number {
  const mode = m.r8(k + COUNTER.mode);
  if (m.r8(k + COUNTER.gate) === 0 && mode !== 1 && mode !== 5) return m.r32(k + COUNTER.frozen);
  return clock - m.r64(k + COUNTER.start);
}
const counting = ({ m }: Chipset, k: number): boolean => {
  const mode = m.r8(k + COUNTER.mode);
  return m.r8(k + COUNTER.loaded) !== 0 && ((mode !== 1 && mode !== 5) || m.r8(k + COUNTER.triggered) !== 0);
};

/** The output of counter record k at a clock. */
function output(c: Chipset, k: number, clock: number): boolean {
  const { m } = c;
  const mode = m.r8(k + COUNTER.mode);
  if (!counting(c, k)) return mode !== 0;
  const d = elapsed(c, k, clock),
    n = m.r32(k + COUNTER.count);
  if ((mode === 2 || mode === 3) && (m.r8(k + COUNTER.gate) === 0 || d < 0)) return true;
  switch (mode) {
    case 0:
      return d >= n;
    case 1:
      return d < 0 || d >= n;
    case 2:
      return d % n !== n - 1;
    case 3:
      return d % n < Math.ceil(n / 2);
    default:
      return d !== n;
  }
}

/** The counting element. */
function value(c: Chipset, k: number, clock: number): number {
  const { m } = c;
  const n = m.r32(k + COUNTER.count),
    mod = modulus(c, k);
  const d = counting(c, k) ? Math.max(0, elapsed(c, k, clock)) : 0;
  switch (m.r8(k + COUNTER.mode)) {
    case 2:
      return (n - (d % n)) % mod;
    case 3: {
      const high = Math.ceil(n / 2),
        phase = d % n;
      const into = phase < high ? phase : phase - high;
      return ((n % 2 === 0 ? n : n - 1) - 2 * into) % mod;
    }
    default:
      return (((n - d) % mod) + mod) % mod;
  }
}

/** The clock of the next change of the output after `clock`, Infinity for none. */
function nextEdge(c: Chipset, k: number, clock: number): number {
  const { m } = c;
  if (!counting(c, k) || (m.r8(k + COUNTER.gate) === 0 && m.r8(k + COUNTER.mode) !== 1)) return NEVER;
  const start = m.r64(k + COUNTER.start),
    n = m.r32(k + COUNTER.count);
  const d = clock - start;
  const period = (turn: number): number => {
    if (d < 0) return start + turn;
    const phase = d % n;
    return clock - phase + (phase < turn ? turn : n);
  };
  switch (m.r8(k + COUNTER.mode)) {
    case 0:
      return d < n ? start + n : NEVER;
    case 1:
      return d < 0 ? start : d < n ? start + n : NEVER;
    case 2:
      return period(n - 1);
    case 3:
      return period(Math.ceil(n / 2));
    default:
      return d < n ? start + n : d === n ? start + n + 1 : NEVER;
  }
}

const bcdOf = (v: number): number =>
  (v % 10) |
  ((Math.floor(v / 10) % 10) << 4) |
  ((Math.floor(v / 100) % 10) << 8) |
  ((Math.floor(v / 1000) % 10) << 12);
const fromBcd = (v: number): number =>
  (v & 15) + ((v >> 4) & 15) * 10 + ((v >> 8) & 15) * 100 + ((v >> 12) & 15) * 1000;
const shown = (c: Chipset, k: number, clock: number): number => {
  const v = value(c, k, clock);
  return c.m.r8(k + COUNTER.bcd) ? bcdOf(v) : v;
};

/** Output of counter n now. */
export function pitOutput(c: Chipset, n: number): boolean {
  const clock = clockOf(c.T);
  takeOver(c, at(n), clock);
  return output(c, at(n), clock);
}
/** T at which output 0 changes next. */
export function pitDeadline(c: Chipset): number {
  const clock = clockOf(c.T);
  takeOver(c, at(0), clock);
  let edge = nextEdge(c, at(0), clock);
  if (c.m.r32(at(0) + COUNTER.nextCount) !== 0 && c.m.r8(at(0) + COUNTER.triggered) === 0)
    edge = Math.min(edge, c.m.r64(at(0) + COUNTER.nextAt));
  return edge === NEVER ? NEVER : timeOf(edge);
}

/** The gate of counter 2 is bit 0 of port 61h; those of 0 and 1 are tied high. */
export function setPitGate(c: Chipset, n: number, level: boolean): void {
  const { m } = c;
  const k = at(n),
    clock = clockOf(c.T);
  const old = m.r8(k + COUNTER.gate) !== 0;
  if (old === level) return;
  const mode = m.r8(k + COUNTER.mode);
  takeOver(c, k, clock);
  if (!level) {
    if (mode !== 1 && mode !== 5)
      m.w32(k + COUNTER.frozen, counting(c, k) ? Math.max(0, elapsed(c, k, clock)) : 0);
  } else if (mode === 0 || mode === 4) m.w64(k + COUNTER.start, clock - m.r32(k + COUNTER.frozen));
  else {
    if (m.r32(k + COUNTER.nextCount) !== 0) m.w32(k + COUNTER.count, m.r32(k + COUNTER.nextCount));
    m.w32(k + COUNTER.nextCount, 0);
    m.w64(k + COUNTER.start, clock + 1);
    m.w8(k + COUNTER.triggered, 1);
  }
  m.w8(k + COUNTER.gate, level ? 1 : 0);
}

export function pitRead(c: Chipset, port: number): number {
  const { m } = c;
  if (port === 3) return 0xff;
  const k = at(port);
  if (m.r8(k + COUNTER.statusLatched)) {
    m.w8(k + COUNTER.statusLatched, 0);
    return m.r8(k + COUNTER.status);
  }
  const clock = clockOf(c.T);
  takeOver(c, k, clock);
  const rw = m.r8(k + COUNTER.rw);
  const word = m.r8(k + COUNTER.latched) ? m.r16(k + COUNTER.latch) : shown(c, k, clock);
  const high = rw === 2 || (rw === 3 && m.r8(k + COUNTER.readHigh) !== 0);
  if (rw === 3) m.w8(k + COUNTER.readHigh, high ? 0 : 1);
  if (rw !== 3 || high) m.w8(k + COUNTER.latched, 0);
  return high ? word >> 8 : word & 0xff;
}

/** True if the write may have changed counter 0's output or its next edge. */
export function pitWrite(c: Chipset, port: number, byte: number): boolean {
  if (port === 3) {
    control(c, byte);
    return byte >> 6 === 0 && (byte & 0x30) !== 0;
  }
  writeCount(c, at(port), byte);
  return port === 0;
}

function control(c: Chipset, byte: number): void {
  const { m } = c;
  const select = byte >> 6,
    rw = (byte >> 4) & 3;
  if (select === 3) {
    for (let n = 0; n < 3; n++) {
      if ((byte & (2 << n)) === 0) continue;
      if ((byte & 0x10) === 0) latchStatus(c, at(n));
      if ((byte & 0x20) === 0) latchCount(c, at(n));
    }
    return;
  }
  const k = at(select);
  if (rw === 0) {
    latchCount(c, k);
    return;
  }
  const mode = (byte >> 1) & 7;
  m.w8(k + COUNTER.mode, mode > 5 ? mode - 4 : mode);
  m.w8(k + COUNTER.rw, rw);
  m.w8(k + COUNTER.bcd, byte & 1);
  for (const field of ['loaded', 'triggered', 'writeHigh', 'readHigh', 'latched', 'statusLatched'] as const)
    m.w8(k + COUNTER[field], 0);
  m.w32(k + COUNTER.nextCount, 0);
  m.w32(k + COUNTER.frozen, 0);
}

/** The first latch stays until it has been read. */
function latchCount(c: Chipset, k: number): void {
  const { m } = c;
  if (m.r8(k + COUNTER.latched)) return;
  const clock = clockOf(c.T);
  takeOver(c, k, clock);
  m.w16(k + COUNTER.latch, shown(c, k, clock));
  m.w8(k + COUNTER.latched, 1);
}
function latchStatus(c: Chipset, k: number): void {
  const { m } = c;
  if (m.r8(k + COUNTER.statusLatched)) return;
  const clock = clockOf(c.T);
  takeOver(c, k, clock);
  const none =
    !m.r8(k + COUNTER.loaded) || m.r32(k + COUNTER.nextCount) !== 0 || clock < m.r64(k + COUNTER.start);
  m.w8(
    k + COUNTER.status,
    (output(c, k, clock) ? 0x80 : 0) |
      (none ? 0x40 : 0) |
      (m.r8(k + COUNTER.rw) << 4) |
      (m.r8(k + COUNTER.mode) << 1) |
      m.r8(k + COUNTER.bcd),
  );
  m.w8(k + COUNTER.statusLatched, 1);
}

function writeCount(c: Chipset, k: number, byte: number): void {
  const { m } = c;
  const rw = m.r8(k + COUNTER.rw);
  let word = rw === 2 ? byte << 8 : byte;
  if (rw === 3) {
    if (m.r8(k + COUNTER.writeHigh) === 0) {
      m.w8(k + COUNTER.low, byte);
      m.w8(k + COUNTER.writeHigh, 1);
      if (m.r8(k + COUNTER.mode) === 0) m.w8(k + COUNTER.loaded, 0); // the first byte stops mode 0
      return;
    }
    m.w8(k + COUNTER.writeHigh, 0);
    word = m.r8(k + COUNTER.low) | (byte << 8);
  }
  const count = (m.r8(k + COUNTER.bcd) ? fromBcd(word) : word) || modulus(c, k);
  load(c, k, count);
}

function load(c: Chipset, k: number, written: number): void {
  const { m } = c;
  const clock = clockOf(c.T);
  const mode = m.r8(k + COUNTER.mode);
  takeOver(c, k, clock);
  const periodic = mode === 2 || mode === 3;
  const count = periodic && written === 1 ? 2 : written; // 1 is illegal there
  if (periodic && counting(c, k) && m.r8(k + COUNTER.gate) !== 0 && clock >= m.r64(k + COUNTER.start)) {
    // The present period, in mode 3 the present half, ends as it is.
    const n = m.r32(k + COUNTER.count),
      phase = (clock - m.r64(k + COUNTER.start)) % n,
      begin = clock - phase,
      half = mode === 3 && phase < Math.ceil(n / 2);
    m.w32(k + COUNTER.nextCount, count);
    m.w64(k + COUNTER.nextAt, begin + (half ? Math.ceil(n / 2) : n));
    m.w64(k + COUNTER.nextStart, half ? begin + Math.ceil(n / 2) - Math.ceil(count / 2) : begin + n);
    return;
  }
  if (m.r8(k + COUNTER.triggered) !== 0) {
    m.w32(k + COUNTER.nextCount, count); // modes 1 and 5: from the next trigger on
    m.w64(k + COUNTER.nextAt, Number.MAX_SAFE_INTEGER);
    return;
  }
  m.w32(k + COUNTER.count, count);
  m.w8(k + COUNTER.loaded, 1);
  m.w32(k + COUNTER.frozen, 0);
  m.w64(k + COUNTER.start, clock + 1);
}
