// The two programmable interrupt controllers: master at 20h/21h, slave at A0h/A1h on the master's IR2, edge/level registers at 4D0h/4D1h.
// Intel 8259A datasheet; ELCR from the 82371 datasheet.
//
// An edge-sensed request is the input itself, armed by a rising edge: if the input falls before the acknowledge, the request is gone and
// an acknowledge that is under way finds the spurious level 7.

import { layout } from '../../memory/layout.ts';
import { AT, type Chipset } from './board.ts';

export const PIC = layout('PIC', {
  irr: 'u8', // armed and high
  isr: 'u8',
  imr: 'u8',
  lines: 'u8', // inputs
  elcr: 'u8', // 1: level-sensed
  base: 'u8', // vector of IR0
  lowest: 'u8', // level with the lowest priority
  icw: 'u8', // next ICW expected, 0: none
  icw1: 'u8',
  icw3: 'u8',
  icw4: 'u8',
  readIsr: 'u8',
  poll: 'u8',
  specialMask: 'u8',
  rotateAuto: 'u8', // rotate in automatic EOI mode
  spare: 'u8',
});
export const MASTER = AT.pic,
  SLAVE = AT.pic + PIC.$size;
const CASCADE = 2;
const ICW1_IC4 = 1,
  ICW1_SNGL = 2,
  ICW1_LTIM = 8,
  ICW1 = 0x10,
  OCW3 = 8;
const ICW4_AEOI = 2,
  ICW4_SFNM = 0x10;
/** Inputs that must stay edge-sensed: timer, keyboard, cascade, clock, coprocessor. */
const ELCR_WRITABLE = [0xf8, 0xde] as const;

/** As after power-on, before any ICW; inputs that idle high (the timer's) are high. */
export function resetPics({ m }: Chipset): void {
  for (const pic of [MASTER, SLAVE]) {
    m.u8.fill(0, pic, pic + PIC.$size);
    m.w8(pic + PIC.lowest, 7);
  }
  m.w8(MASTER + PIC.lines, 1);
}

/** As firmware leaves them for a kernel: vectors 08h and 70h, everything masked. */
export function initPics(c: Chipset): void {
  const words = [
    [MASTER, 0x08, 4],
    [SLAVE, 0x70, 2],
  ] as const;
  for (const [pic, base, icw3] of words) {
    writeCommand(c, pic, 0x11);
    for (const w of [base, icw3, 1]) writeData(c, pic, w);
    c.m.w8(pic + PIC.imr, 0xff);
  }
}

/** Sets an input; `irq` 0 … 15. */
export function setPicLine(c: Chipset, irq: number, level: boolean): void {
  setInput(c, irq < 8 ? MASTER : SLAVE, irq & 7, level);
  cascade(c);
}

/** Level of input `irq`, 0 … 15. */
export const picLine = ({ m }: Chipset, irq: number): boolean =>
  (m.r8((irq < 8 ? MASTER : SLAVE) + PIC.lines) & (1 << (irq & 7))) !== 0;

function setInput({ m }: Chipset, pic: number, n: number, level: boolean): void {
  const bit = 1 << n;
  const lines = m.r8(pic + PIC.lines);
  const irr = m.r8(pic + PIC.irr);
  if (!level) m.w8(pic + PIC.irr, irr & ~bit);
  else if ((lines & bit) === 0 || levelSensed(m.r8(pic + PIC.icw1), m.r8(pic + PIC.elcr), bit))
    m.w8(pic + PIC.irr, irr | bit);
  m.w8(pic + PIC.lines, level ? lines | bit : lines & ~bit);
}
const levelSensed = (icw1: number, elcr: number, bit: number): boolean =>
  (icw1 & ICW1_LTIM) !== 0 || (elcr & bit) !== 0;

/** The slave's INT is the master's IR2. */
function cascade(c: Chipset): void {
  const level = request(c, SLAVE) >= 0;
  if (level !== ((c.m.r8(MASTER + PIC.lines) >> CASCADE) & 1) > 0) setInput(c, MASTER, CASCADE, level);
}

/** Distance of the highest of `bits` from the highest priority, 8 for none. */
function rank(bits: number, lowest: number): number {
  for (let i = 0; i < 8; i++) if ((bits & (1 << ((lowest + 1 + i) & 7))) !== 0) return i;
  return 8;
}

/** The level that asks for an interrupt and may have it, -1 for none. */
function request({ m }: Chipset, pic: number): number {
  const imr = m.r8(pic + PIC.imr);
  const asked = m.r8(pic + PIC.irr) & ~imr;
  if (asked === 0) return -1;
  const lowest = m.r8(pic + PIC.lowest);
  let busy = m.r8(pic + PIC.isr);
  if (m.r8(pic + PIC.specialMask)) busy &= ~imr;
  // Special fully nested: a slave in service does not lock out its own higher levels.
  if (pic === MASTER && (m.r8(pic + PIC.icw4) & ICW4_SFNM) !== 0) busy &= ~(1 << CASCADE);
  const mine = rank(asked, lowest);
  return mine < rank(busy, lowest) ? (lowest + 1 + mine) & 7 : -1;
}

/** Would an input, were it asserted now, make INT high? */
export function picReaches({ m }: Chipset, irq: number): boolean {
  const free = (pic: number, n: number): boolean => {
    const lowest = m.r8(pic + PIC.lowest),
      imr = m.r8(pic + PIC.imr);
    let busy = m.r8(pic + PIC.isr);
    if (m.r8(pic + PIC.specialMask)) busy &= ~imr;
    if (pic === MASTER && (m.r8(pic + PIC.icw4) & ICW4_SFNM) !== 0) busy &= ~(1 << CASCADE);
    return (imr & (1 << n)) === 0 && rank(1 << n, lowest) < rank(busy, lowest);
  };
  return irq < 8 ? free(MASTER, irq) : free(SLAVE, irq - 8) && free(MASTER, CASCADE);
}

/** True while the master's INT output is high. */
export const picInt = (c: Chipset): boolean => request(c, MASTER) >= 0;

/** What INTA finds: level 7 when the request has gone. */
function accept(c: Chipset, pic: number): number {
  const { m } = c;
  const n = request(c, pic);
  if (n < 0) return 7;
  const bit = 1 << n;
  if ((m.r8(pic + PIC.icw4) & ICW4_AEOI) === 0) m.w8(pic + PIC.isr, m.r8(pic + PIC.isr) | bit);
  else if (m.r8(pic + PIC.rotateAuto)) m.w8(pic + PIC.lowest, n);
  if (!levelSensed(m.r8(pic + PIC.icw1), m.r8(pic + PIC.elcr), bit))
    m.w8(pic + PIC.irr, m.r8(pic + PIC.irr) & ~bit);
  return n;
}

/** The two INTA cycles: the vector and the input it stands for (-1: spurious). */
export function acknowledgePic(c: Chipset): { vector: number; irq: number } {
  const { m } = c;
  const real = request(c, MASTER) >= 0;
  const n = accept(c, MASTER);
  if (!real || n !== CASCADE || (m.r8(MASTER + PIC.icw1) & ICW1_SNGL) !== 0)
    return { vector: m.r8(MASTER + PIC.base) | n, irq: real ? n : -1 };
  const inner = request(c, SLAVE) >= 0;
  const s = accept(c, SLAVE);
  cascade(c);
  return { vector: m.r8(SLAVE + PIC.base) | s, irq: inner ? 8 + s : -1 };
}

export function picRead(c: Chipset, pic: number, a0: number): number {
  const { m } = c;
  if (m.r8(pic + PIC.poll)) {
    m.w8(pic + PIC.poll, 0);
    const asked = request(c, pic) >= 0;
    const n = asked ? accept(c, pic) : 0;
    cascade(c);
    return asked ? 0x80 | n : 0;
  }
  if (a0 === 1) return m.r8(pic + PIC.imr);
  return m.r8(pic + (m.r8(pic + PIC.readIsr) ? PIC.isr : PIC.irr));
}

export function picWrite(c: Chipset, pic: number, a0: number, value: number): void {
  if (a0 === 1) writeData(c, pic, value);
  else writeCommand(c, pic, value);
  cascade(c);
}

function writeData({ m }: Chipset, pic: number, value: number): void {
  const icw1 = m.r8(pic + PIC.icw1);
  const after3 = (icw1 & ICW1_IC4) !== 0 ? 4 : 0;
  switch (m.r8(pic + PIC.icw)) {
    case 2:
      m.w8(pic + PIC.base, value & 0xf8);
      m.w8(pic + PIC.icw, (icw1 & ICW1_SNGL) !== 0 ? after3 : 3);
      break;
    case 3:
      m.w8(pic + PIC.icw3, value);
      m.w8(pic + PIC.icw, after3);
      break;
    case 4:
      m.w8(pic + PIC.icw4, value);
      m.w8(pic + PIC.icw, 0);
      break;
    default:
      m.w8(pic + PIC.imr, value);
  }
}

function writeCommand(c: Chipset, pic: number, value: number): void {
  const { m } = c;
  if ((value & ICW1) !== 0) initialise(c, pic, value);
  else if ((value & OCW3) !== 0) {
    if ((value & 0x40) !== 0) m.w8(pic + PIC.specialMask, (value >> 5) & 1);
    if ((value & 4) !== 0) m.w8(pic + PIC.poll, 1);
    else if ((value & 2) !== 0) m.w8(pic + PIC.readIsr, value & 1);
  } else operate(c, pic, value);
}

/** ICW1: edges are forgotten, the mask is cleared, IR7 has the lowest priority, special mask mode off, reads give IRR. */
function initialise({ m }: Chipset, pic: number, icw1: number): void {
  m.w8(pic + PIC.icw1, icw1);
  m.w8(pic + PIC.irr, m.r8(pic + PIC.lines) & ((icw1 & ICW1_LTIM) !== 0 ? 0xff : m.r8(pic + PIC.elcr)));
  for (const field of [PIC.imr, PIC.isr, PIC.specialMask, PIC.readIsr, PIC.poll, PIC.rotateAuto])
    m.w8(pic + field, 0);
  m.w8(pic + PIC.lowest, 7);
  if ((icw1 & ICW1_IC4) === 0) m.w8(pic + PIC.icw4, 0);
  m.w8(pic + PIC.icw, 2);
}

/** OCW2: end of interrupt and rotation. */
function operate({ m }: Chipset, pic: number, value: number): void {
  const command = value >> 5,
    specific = (command & 2) !== 0,
    eoi = (command & 1) !== 0,
    rotate = (command & 4) !== 0;
  const lowest = m.r8(pic + PIC.lowest);
  if (!eoi) {
    if (specific) {
      if (rotate) m.w8(pic + PIC.lowest, value & 7);
    } else m.w8(pic + PIC.rotateAuto, rotate ? 1 : 0);
    return;
  }
  const isr = m.r8(pic + PIC.isr);
  let level = value & 7;
  if (!specific) {
    // In special mask mode a masked level in service is out of reach of the non-specific command.
    const highest = rank(m.r8(pic + PIC.specialMask) ? isr & ~m.r8(pic + PIC.imr) : isr, lowest);
    if (highest === 8) return;
    level = (lowest + 1 + highest) & 7;
  }
  m.w8(pic + PIC.isr, isr & ~(1 << level));
  if (rotate) m.w8(pic + PIC.lowest, level);
}

export const elcrRead = ({ m }: Chipset, n: number): number => m.r8((n ? SLAVE : MASTER) + PIC.elcr);
export function elcrWrite(c: Chipset, n: number, value: number): void {
  const { m } = c;
  const pic = n ? SLAVE : MASTER;
  const elcr = value & ELCR_WRITABLE[n ? 1 : 0];
  m.w8(pic + PIC.elcr, elcr);
  m.w8(pic + PIC.irr, m.r8(pic + PIC.irr) | (m.r8(pic + PIC.lines) & elcr));
  cascade(c);
}
