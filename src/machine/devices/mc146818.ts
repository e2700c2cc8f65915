// Clock and CMOS memory behind ports 70h/71h. Motorola MC146818A datasheet; the places of memory sizes are those of the PC/AT's firmware.
//
// The time of day is the machine's epoch plus T. Flags of register C are gathered when somebody looks, or when an enabled one falls due.

import { HEADER } from '../../memory/map.ts';
import { layout } from '../../memory/layout.ts';
import { MACHINE } from '../../trace/recorder.ts';
import { AT, BOARD, type Chipset, cycles, NEVER, TICKS_PER_SECOND, tickOf } from './board.ts';
import { IRQ, setIrq } from './interrupts.ts';

export const RTC = layout('RTC', {
  ram: ['u8', 128], // 0 … 9 hold time and alarm while they are set or the clock stands
  index: 'u8',
  nmiOff: 'u8',
  spare: 'u16',
  seconds: 'u64', // Unix seconds when the present count began
  anchor: 'u64', // T at which that second began
  synced: 'u64', // flags are known up to this T
});
const R = AT.rtc;
const A = 10,
  B = 11,
  C = 12,
  D = 13;
const B_SET = 0x80,
  B_PIE = 0x40,
  B_AIE = 0x20,
  B_UIE = 0x10,
  B_BINARY = 4,
  B_24H = 2;
const C_IRQF = 0x80,
  C_PF = 0x40,
  C_AF = 0x20,
  C_UF = 0x10;
/** 244 µs of warning and 1984 µs of update. */
const UPDATE_TICKS = 222_800;
/** Bits 6-4 of register A: the crystal is one of 32768 Hz and the divider runs. */
const DIVIDER_32768 = 2;
/** 32768 Hz against 100 MHz. */
const HZ = 256,
  PER = 781_250;
const DAY = 86_400;
const CENTURY = 0x32;

const bcd = (v: number): number => ((v / 10) << 4) | (v % 10);
const unbcd = (v: number): number => (v >> 4) * 10 + (v & 15);

/** Days since 1970-01-01 of a date of the Gregorian calendar, and back; month 1 … 12. */
export function daysOf(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const era = Math.floor(y / 400),
    ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
}
export function dateOf(days: number): readonly [year: number, month: number, day: number] {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097),
    ofEra = z - era * 146_097;
  const y = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * y + Math.floor(y / 4) - Math.floor(y / 100));
  const m = Math.floor((5 * ofYear + 2) / 153);
  const month = m < 10 ? m + 3 : m - 9;
  return [era * 400 + y + (month <= 2 ? 1 : 0), month, ofYear - Math.floor((153 * m + 2) / 5) + 1];
}

export function resetRtc(c: Chipset): void {
  const { m } = c;
  m.u8.fill(0, R, R + RTC.$size);
  m.w8(R + A, 0x26);
  m.w8(R + B, B_24H);
  m.w8(R + D, 0x80);
  m.w64(R + RTC.seconds, m.r32(HEADER + MACHINE.epochSec));
  fillMemorySizes(c);
  const [year] = dateOf(Math.floor(m.r32(HEADER + MACHINE.epochSec) / DAY));
  m.w8(R + CENTURY, bcd(Math.floor(year / 100)));
}

/** Where firmware looks for how much memory there is. */
function fillMemorySizes({ m }: Chipset): void {
  const kib = m.r32(AT.board + BOARD.ramFrames) * 4;
  const word = (at: number, v: number): void => {
    m.w8(R + at, v & 0xff);
    m.w8(R + at + 1, v >> 8);
  };
  const extended = Math.min(Math.max(0, kib - 1024), 0xffff);
  word(0x15, 640);
  word(0x17, extended);
  word(0x30, extended);
  word(0x34, Math.min(Math.max(0, (kib - 16 * 1024) >> 6), 0xffff));
  let sum = 0;
  for (let i = 0x10; i <= 0x2d; i++) sum += m.r8(R + i);
  m.w8(R + 0x2e, sum >> 8);
  m.w8(R + 0x2f, sum & 0xff);
}

/** The divider runs and nobody sets the clock. */
const running = ({ m }: Chipset): boolean =>
  (m.r8(R + B) & B_SET) === 0 && ((m.r8(R + A) >> 4) & 7) === DIVIDER_32768;

/** Unix seconds at T. */
const secondsAt = (c: Chipset, T: number): number =>
  c.m.r64(R + RTC.seconds) + Math.floor((T - c.m.r64(R + RTC.anchor)) / TICKS_PER_SECOND);

/** Registers 0, 2, 4, 6 … 9 in the format of register B. */
function fields({ m }: Chipset, seconds: number): Readonly<Record<number, number>> {
  const b = m.r8(R + B);
  const show = (b & B_BINARY) !== 0 ? (v: number): number => v : bcd;
  const days = Math.floor(seconds / DAY),
    of = seconds - days * DAY;
  const [year, month, day] = dateOf(days);
  const hour = Math.floor(of / 3600);
  const hour12 = show(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0);
  return {
    0: show(of % 60),
    2: show(Math.floor(of / 60) % 60),
    4: (b & B_24H) !== 0 ? show(hour) : hour12,
    6: show(((days + 4) % 7) + 1),
    7: show(day),
    8: show(month),
    9: show(year % 100),
  };
}
const isTime = (r: number): boolean => r <= 9 && r !== 1 && r !== 3 && r !== 5;

/** Stops the clock's count: the time stays in the registers. */
function freeze(c: Chipset): void {
  for (const [r, v] of Object.entries(fields(c, secondsAt(c, c.T)))) c.m.w8(R + Number(r), v);
}
/** Takes the time from the registers. The phase of the second is kept, or begins `into` ticks before now. */
function thaw(c: Chipset, into: number): void {
  const { m } = c;
  const b = m.r8(R + B);
  const read = (r: number): number => {
    const v = m.r8(R + r);
    return (b & B_BINARY) !== 0 ? v : unbcd(v);
  };
  let hour = read(4);
  if ((b & B_24H) === 0) {
    const raw = m.r8(R + 4) & 0x7f;
    hour = (((b & B_BINARY) !== 0 ? raw : unbcd(raw)) % 12) + ((m.r8(R + 4) & 0x80) !== 0 ? 12 : 0);
  }
  const century = unbcd(m.r8(R + CENTURY));
  const days = daysOf(century * 100 + read(9), Math.min(12, Math.max(1, read(8))), Math.max(1, read(7)));
  m.w64(R + RTC.seconds, Math.max(0, days * DAY + hour * 3600 + read(2) * 60 + read(0)));
  m.w64(R + RTC.anchor, Math.max(0, c.T - into));
}

// ---- flags ------------------------------------------------------------------------------------------------
/** Clocks of 32768 Hz between periodic interrupts, 0 for none; rates 1 and 2 are those of 8 and 9 (table 5). */
function period({ m }: Chipset): number {
  const a = m.r8(R + A),
    rs = a & 15;
  const divided = ((a >> 4) & 7) === DIVIDER_32768;
  return rs === 0 || !divided ? 0 : 1 << (rs < 3 ? rs + 6 : rs - 1);
}
const clockOf = (T: number): number => cycles(T, HZ, PER);

/** Does the alarm match this second? A byte with both top bits set matches anything. */
function alarm(c: Chipset, seconds: number): boolean {
  const f = fields(c, seconds);
  return [0, 2, 4].every((r) => {
    const want = c.m.r8(R + r + 1);
    return (want & 0xc0) === 0xc0 || want === f[r];
  });
}

/** Sets the flags of everything that has happened since the last look, and the line. */
export function syncRtc(c: Chipset): void {
  const { m } = c;
  const from = m.r64(R + RTC.synced),
    T = c.T;
  m.w64(R + RTC.synced, T);
  let flags = m.r8(R + C);
  const p = period(c);
  if (p !== 0 && Math.floor(clockOf(T) / p) > Math.floor(clockOf(from) / p)) flags |= C_PF;
  if (running(c)) {
    const now = secondsAt(c, T),
      before = Math.max(secondsAt(c, from), now - DAY);
    if (now > before) flags |= C_UF;
    if ((flags & C_AF) === 0)
      for (let s = before + 1; s <= now; s++)
        if (alarm(c, s)) {
          flags |= C_AF;
          break;
        }
  }
  const asked = flags & m.r8(R + B) & (B_PIE | B_AIE | B_UIE);
  m.w8(R + C, asked !== 0 ? flags | C_IRQF : flags & ~C_IRQF);
  setIrq(c, IRQ.clock, asked !== 0);
}

/** T at which an enabled flag falls due. While the line is up nothing more can happen. */
export function rtcDeadline(c: Chipset): number {
  const { m } = c;
  const b = m.r8(R + B);
  if ((m.r8(R + C) & C_IRQF) !== 0 || (b & (B_PIE | B_AIE | B_UIE)) === 0) return NEVER;
  let due = NEVER;
  const p = period(c);
  if ((b & B_PIE) !== 0 && p !== 0)
    due = tickOf((Math.floor(clockOf(m.r64(R + RTC.synced)) / p) + 1) * p, HZ, PER);
  if ((b & (B_AIE | B_UIE)) !== 0 && running(c)) {
    const anchor = m.r64(R + RTC.anchor);
    const second = Math.floor((m.r64(R + RTC.synced) - anchor) / TICKS_PER_SECOND) + 1;
    due = Math.min(due, anchor + second * TICKS_PER_SECOND);
  }
  return due;
}

// ---- ports ------------------------------------------------------------------------------------------------
export function rtcSelect({ m }: Chipset, value: number): void {
  m.w8(R + RTC.index, value & 0x7f);
  m.w8(R + RTC.nmiOff, value >> 7);
}

export function rtcRead(c: Chipset): number {
  const { m } = c;
  const r = m.r8(R + RTC.index);
  if (isTime(r) && running(c)) return fields(c, secondsAt(c, c.T))[r]!;
  if (r === A) {
    const into = (c.T - m.r64(R + RTC.anchor)) % TICKS_PER_SECOND;
    const updating = running(c) && into >= TICKS_PER_SECOND - UPDATE_TICKS;
    return (m.r8(R + A) & 0x7f) | (updating ? 0x80 : 0);
  }
  if (r === C) {
    syncRtc(c);
    const flags = m.r8(R + C);
    m.w8(R + C, 0);
    setIrq(c, IRQ.clock, false);
    c.leave();
    return flags;
  }
  return m.r8(R + r);
}

export function rtcWrite(c: Chipset, value: number): void {
  const { m } = c;
  const r = m.r8(R + RTC.index);
  if (r === C || r === D) return;
  if (r > D) {
    m.w8(R + r, value);
    return;
  }
  syncRtc(c);
  const was = running(c);
  const into = was ? (c.T - m.r64(R + RTC.anchor)) % TICKS_PER_SECOND : TICKS_PER_SECOND / 2;
  if (isTime(r)) {
    if (was) freeze(c);
    m.w8(R + r, value);
    if (was) thaw(c, into);
  } else if (r === A || r === B) {
    const b = r === B && (value & B_SET) !== 0 ? value & ~B_UIE : value;
    if (was && (r === A ? ((value >> 4) & 7) !== DIVIDER_32768 : (value & B_SET) !== 0)) freeze(c);
    m.w8(R + r, r === A ? value & 0x7f : b);
    if (!running(c)) m.w64(R + RTC.anchor, c.T);
    else if (!was) thaw(c, into);
  } else m.w8(R + r, value);
  syncRtc(c);
  c.leave();
}
