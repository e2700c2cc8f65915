// Keyboard controller at 60h/64h and the keyboard behind it. Intel 8042 as in the IBM PS/2 Technical Reference; there is no mouse.
//
// The keyboard speaks scan code set 2; the controller translates to set 1 when bit 6 of its command byte says so. Answers come at once, keys
// from outside a millisecond apart.

import { layout } from '../../memory/layout.ts';
import { AT, BOARD, type Chipset, NEVER } from './board.ts';
import { IRQ, setIrq } from './interrupts.ts';
import { requestReset, RESET } from './system-control.ts';

const ANSWERS = 32,
  KEYS = 256;
export const KEYBOARD = layout('KEYBOARD', {
  command: 'u8', // command byte
  full: 'u8', // output buffer holds a byte
  data: 'u8',
  lastToData: 'u8', // status bit 3: the last write went to 64h
  waiting: 'u8', // command of the controller that waits for its byte, 0: none
  deviceWaiting: 'u8', // command of the keyboard that waits for its byte
  scanning: 'u8',
  scanSet: 'u8',
  released: 'u8', // F0h has been swallowed by the translation
  lastSent: 'u8',
  answers: 'u8', // bytes in `answer`
  spare: 'u8',
  answer: ['u8', ANSWERS], // from the keyboard or, bit 8 aside, the controller
  raw: ['u8', ANSWERS], // 1: not to be translated
  keyHead: 'u32',
  keyTail: 'u32',
  keys: ['u8', KEYS],
  ram: ['u8', 32],
  nextKeyAt: 'u64', // T before which no key comes
});
const K = AT.keyboard;
const KEY_TICKS = 100_000;
const CB_IRQ1 = 1,
  CB_SYSTEM = 4,
  CB_DISABLE = 0x10,
  CB_TRANSLATE = 0x40;
const STATUS_FULL = 1,
  STATUS_SYSTEM = 4,
  STATUS_COMMAND = 8,
  STATUS_UNLOCKED = 0x10;
const ACK = 0xfa,
  RESEND = 0xfe,
  BAT_OK = 0xaa;

/** Scan code set 2 to set 1, codes 00h … 84h; higher codes stand for themselves. */
const TRANSLATION = [
  0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, 0x65, 0x38,
  0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20,
  0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, 0x69, 0x31, 0x30, 0x23, 0x22, 0x15,
  0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60,
  0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36,
  0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, 0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b,
  0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49,
  0x46, 0x54, 0x80, 0x81, 0x82, 0x41, 0x54,
] as const;
const BREAK = 0xf0;

export function resetKeyboard({ m }: Chipset): void {
  m.u8.fill(0, K, K + KEYBOARD.$size);
  m.w8(K + KEYBOARD.command, CB_TRANSLATE | CB_DISABLE);
  m.w8(K + KEYBOARD.scanSet, 2);
  m.w8(K + KEYBOARD.scanning, 1);
}
/** As firmware leaves it: tested, the keyboard enabled, no interrupts. */
export function initKeyboard({ m }: Chipset): void {
  m.w8(K + KEYBOARD.command, CB_TRANSLATE | CB_SYSTEM);
}

// ---- bytes on their way to the processor ------------------------------------------------------------------
function answer({ m }: Chipset, byte: number, raw: boolean): void {
  const n = m.r8(K + KEYBOARD.answers);
  if (n === ANSWERS) return;
  m.w8(K + KEYBOARD.answer + n, byte);
  m.w8(K + KEYBOARD.raw + n, raw ? 1 : 0);
  m.w8(K + KEYBOARD.answers, n + 1);
}

/** Scan codes of set 2 from outside; what does not fit is lost, as in a keyboard. */
export function queueKeys(c: Chipset, codes: Uint8Array): void {
  const { m } = c;
  for (const code of codes) {
    const head = m.r32(K + KEYBOARD.keyHead);
    if (head - m.r32(K + KEYBOARD.keyTail) >= KEYS) break;
    m.w8(K + KEYBOARD.keys + (head % KEYS), code);
    m.w32(K + KEYBOARD.keyHead, head + 1);
  }
  refill(c);
}
const keyWaits = ({ m }: Chipset): boolean =>
  m.r32(K + KEYBOARD.keyHead) !== m.r32(K + KEYBOARD.keyTail) && m.r8(K + KEYBOARD.scanning) !== 0;
const clocked = ({ m }: Chipset): boolean => (m.r8(K + KEYBOARD.command) & CB_DISABLE) === 0;

/** Fills the empty output buffer with the next byte, and raises the line. */
function refill(c: Chipset): void {
  const { m } = c;
  while (m.r8(K + KEYBOARD.full) === 0) {
    const n = m.r8(K + KEYBOARD.answers);
    let byte: number;
    let raw = false;
    if (n > 0 && (m.r8(K + KEYBOARD.raw) !== 0 || clocked(c))) {
      byte = m.r8(K + KEYBOARD.answer);
      raw = m.r8(K + KEYBOARD.raw) !== 0;
      for (let i = 1; i < n; i++) {
        m.w8(K + KEYBOARD.answer + i - 1, m.r8(K + KEYBOARD.answer + i));
        m.w8(K + KEYBOARD.raw + i - 1, m.r8(K + KEYBOARD.raw + i));
      }
      m.w8(K + KEYBOARD.answers, n - 1);
    } else if (n === 0 && clocked(c) && keyWaits(c) && c.T >= m.r64(K + KEYBOARD.nextKeyAt)) {
      const tail = m.r32(K + KEYBOARD.keyTail);
      byte = m.r8(K + KEYBOARD.keys + (tail % KEYS));
      m.w32(K + KEYBOARD.keyTail, tail + 1);
    } else break;
    if (!raw) m.w8(K + KEYBOARD.lastSent, byte);
    const shown = raw ? byte : translate(c, byte);
    if (shown < 0) continue;
    m.w8(K + KEYBOARD.data, shown);
    m.w8(K + KEYBOARD.full, 1);
  }
  const line = m.r8(K + KEYBOARD.full) !== 0 && (m.r8(K + KEYBOARD.command) & CB_IRQ1) !== 0;
  setIrq(c, IRQ.keyboard, line);
  c.leave();
}

/** -1: swallowed, the next code is a release. */
function translate({ m }: Chipset, byte: number): number {
  if ((m.r8(K + KEYBOARD.command) & CB_TRANSLATE) === 0) return byte;
  if (byte === BREAK) {
    m.w8(K + KEYBOARD.released, 0x80);
    return -1;
  }
  const released = m.r8(K + KEYBOARD.released);
  m.w8(K + KEYBOARD.released, 0);
  return (TRANSLATION[byte] ?? byte) | released;
}

export const keyboardDeadline = (c: Chipset): number =>
  c.m.r8(K + KEYBOARD.full) === 0 && c.m.r8(K + KEYBOARD.answers) === 0 && clocked(c) && keyWaits(c)
    ? c.m.r64(K + KEYBOARD.nextKeyAt)
    : NEVER;
export function keyboardTick(c: Chipset): void {
  if (c.T >= keyboardDeadline(c)) refill(c);
}
/** True if a key would raise the line. */
export const keyboardListens = (c: Chipset): boolean =>
  clocked(c) && (c.m.r8(K + KEYBOARD.command) & CB_IRQ1) !== 0 && c.m.r8(K + KEYBOARD.scanning) !== 0;

// ---- ports ------------------------------------------------------------------------------------------------
export function keyboardStatus({ m }: Chipset): number {
  return (
    (m.r8(K + KEYBOARD.full) !== 0 ? STATUS_FULL : 0) |
    ((m.r8(K + KEYBOARD.command) & CB_SYSTEM) !== 0 ? STATUS_SYSTEM : 0) |
    (m.r8(K + KEYBOARD.lastToData) !== 0 ? STATUS_COMMAND : 0) |
    STATUS_UNLOCKED
  );
}

export function keyboardData(c: Chipset): number {
  const { m } = c;
  const byte = m.r8(K + KEYBOARD.data);
  if (m.r8(K + KEYBOARD.full) === 0) return byte;
  m.w8(K + KEYBOARD.full, 0);
  setIrq(c, IRQ.keyboard, false);
  m.w64(K + KEYBOARD.nextKeyAt, c.T + KEY_TICKS);
  refill(c);
  return byte;
}

/** A write to 64h: a command for the controller. */
export function keyboardCommand(c: Chipset, command: number): void {
  const { m } = c;
  m.w8(K + KEYBOARD.lastToData, 1);
  m.w8(K + KEYBOARD.waiting, 0);
  const byte = m.r8(K + KEYBOARD.command);
  if (command >= 0x20 && command < 0x40)
    answer(c, command === 0x20 ? byte : m.r8(K + KEYBOARD.ram + command - 0x20), true);
  else if (command >= 0xf0) {
    if ((command & 1) === 0) requestReset(c, RESET.keyboard);
  } else if ((command >= 0x60 && command < 0x80) || (command >= 0xd1 && command <= 0xd4))
    m.w8(K + KEYBOARD.waiting, command);
  else simpleCommand(c, command, byte);
  refill(c);
}

function simpleCommand(c: Chipset, command: number, byte: number): void {
  const { m } = c;
  switch (command) {
    case 0xaa: // self-test
      m.w8(K + KEYBOARD.command, byte | CB_SYSTEM | CB_DISABLE);
      answer(c, 0x55, true);
      break;
    case 0xab: // test of the keyboard's lines
      answer(c, 0, true);
      break;
    case 0xa9: // test of the mouse's lines: stuck high, nothing is there
      answer(c, 2, true);
      break;
    case 0xad:
      m.w8(K + KEYBOARD.command, byte | CB_DISABLE);
      break;
    case 0xae:
      m.w8(K + KEYBOARD.command, byte & ~CB_DISABLE);
      break;
    case 0xc0: // input port: keyboard not locked, jumpers open
      answer(c, 0xb0, true);
      break;
    case 0xd0:
      answer(c, outputPort(c), true);
      break;
    case 0xdd:
      setA20(c, false);
      break;
    case 0xdf:
      setA20(c, true);
      break;
    case 0xe0: // test inputs: clock and data high
      answer(c, 3, true);
      break;
  }
}

const outputPort = ({ m }: Chipset): number =>
  0xcd | (m.r32(AT.board + BOARD.a20) << 1) | (m.r8(K + KEYBOARD.full) !== 0 ? 0x10 : 0);

/** A write to 60h: the byte that a command waits for, or a command for the keyboard. */
export function keyboardWrite(c: Chipset, byte: number): void {
  const { m } = c;
  m.w8(K + KEYBOARD.lastToData, 0);
  const waiting = m.r8(K + KEYBOARD.waiting);
  m.w8(K + KEYBOARD.waiting, 0);
  if (waiting === 0) {
    m.w8(K + KEYBOARD.command, m.r8(K + KEYBOARD.command) & ~CB_DISABLE);
    device(c, byte);
  } else if (waiting === 0x60) m.w8(K + KEYBOARD.command, byte);
  else if (waiting < 0x80) m.w8(K + KEYBOARD.ram + waiting - 0x60, byte);
  else if (waiting === 0xd1) {
    setA20(c, (byte & 2) !== 0);
    if ((byte & 1) === 0) requestReset(c, RESET.keyboard);
  } else if (waiting === 0xd2) answer(c, byte, true);
  refill(c);
}

/** The keyboard's own commands. */
function device(c: Chipset, byte: number): void {
  const { m } = c;
  const waiting = m.r8(K + KEYBOARD.deviceWaiting);
  m.w8(K + KEYBOARD.deviceWaiting, 0);
  if (waiting !== 0 && byte < 0x80) {
    answer(c, ACK, false);
    if (waiting === 0xf0) {
      if (byte === 0) answer(c, m.r8(K + KEYBOARD.scanSet), false);
      else if (byte <= 3) m.w8(K + KEYBOARD.scanSet, byte);
    }
    return;
  }
  if (byte === 0xee) {
    answer(c, 0xee, false); // echo
    return;
  }
  if (byte === RESEND) {
    answer(c, m.r8(K + KEYBOARD.lastSent), false);
    return;
  }
  answer(c, byte >= 0xed ? ACK : RESEND, false);
  if (byte === 0xed || byte === 0xf0 || byte === 0xf3) m.w8(K + KEYBOARD.deviceWaiting, byte);
  else if (byte === 0xf2) {
    answer(c, 0xab, false);
    answer(c, 0x83, false);
  } else if (byte === 0xf4) m.w8(K + KEYBOARD.scanning, 1);
  else if (byte === 0xf5) m.w8(K + KEYBOARD.scanning, 0);
  else if (byte === 0xff) {
    m.w8(K + KEYBOARD.scanning, 1);
    m.w8(K + KEYBOARD.scanSet, 2);
    m.w32(K + KEYBOARD.keyTail, m.r32(K + KEYBOARD.keyHead));
    answer(c, BAT_OK, false);
  }
}

/** Address line 20; closed, every address has bit 20 clear. */
export function setA20(c: Chipset, open: boolean): void {
  const { m } = c;
  if ((m.r32(AT.board + BOARD.a20) !== 0) === open) return;
  m.w32(AT.board + BOARD.a20, open ? 1 : 0);
  c.frames.flushTlbs();
  c.leave();
}
