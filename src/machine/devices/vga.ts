// As much of a VGA as text needs: memory at A0000h-BFFFFh is plain, registers keep what is written, the status port shows retraces at
// 70 Hz. A panel reads the text and the cursor. IBM VGA Technical Reference.

import { layout } from '../../memory/layout.ts';
import { AT, type Chipset } from './board.ts';

export const VGA = layout('VGA', {
  misc: 'u8',
  feature: 'u8',
  attributeIndex: 'u8',
  attributeData: 'u8', // the flip-flop: 1, the next write to 3C0h is data
  sequencerIndex: 'u8',
  graphicsIndex: 'u8',
  crtcIndex: 'u8',
  dacMask: 'u8',
  dacRead: 'u8',
  dacWrite: 'u8',
  dacStep: 'u8',
  dacReading: 'u8',
  attribute: ['u8', 32],
  sequencer: ['u8', 8],
  graphics: ['u8', 16],
  crtc: ['u8', 64],
  dac: ['u8', 768],
});
const V = AT.vga;
/** Ticks of a frame at 70.08 Hz, of a line, and the lines that are shown. */
const FRAME_TICKS = 1_426_900,
  LINE_TICKS = 3178,
  SHOWN_LINES = 400;

/** Mode 3 as firmware sets it: 80 × 25, colour addresses, cursor in the last two lines. */
const CRTC_MODE_3 = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28,
  0x1f, 0x96, 0xb9, 0xa3, 0xff,
] as const;

const SEQUENCER_MODE_3 = [3, 0, 3, 0, 2] as const;
const GRAPHICS_MODE_3 = [0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff] as const;
/** Palette, then mode control (text, blinking), overscan, plane enable, panning. */
const ATTRIBUTE_MODE_3 = [
  0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 0x0f, 8, 0,
] as const;

export function resetVga({ m }: Chipset): void {
  m.u8.fill(0, V, V + VGA.$size);
  m.w8(V + VGA.misc, 0x67);
  m.w8(V + VGA.dacMask, 0xff);
  m.w8(V + VGA.attributeIndex, 0x20);
  m.u8.set(CRTC_MODE_3, V + VGA.crtc);
  m.u8.set(SEQUENCER_MODE_3, V + VGA.sequencer);
  m.u8.set(GRAPHICS_MODE_3, V + VGA.graphics);
  m.u8.set(ATTRIBUTE_MODE_3, V + VGA.attribute);
  // 64 colours of two bits each: the low three bits of the number are the bright part of red, green and blue, the next three the dark part.
  for (let n = 0; n < 64; n++)
    for (let part = 0; part < 3; part++) {
      const bright = (n >> (2 - part)) & 1,
        dark = (n >> (5 - part)) & 1;
      m.w8(V + VGA.dac + n * 3 + part, 42 * bright + 21 * dark);
    }
}

/** Registers of the CRT controller and the status port lie at 3Dx, on a monochrome adapter at 3Bx; the other three answer nothing. */
const elsewhere = ({ m }: Chipset, port: number): boolean => {
  const low = port & 15;
  if (low !== 4 && low !== 5 && low !== 10) return false;
  const row = port & 0x3f0;
  return row === ((m.r8(V + VGA.misc) & 1) !== 0 ? 0x3b0 : 0x3d0);
};

/** Bit 0 while nothing is drawn, bit 3 during the vertical retrace. Reading turns 3C0h back to its index. */
function status(c: Chipset): number {
  c.m.w8(V + VGA.attributeData, 0);
  const into = c.T % FRAME_TICKS;
  const line = Math.floor(into / LINE_TICKS);
  if (line >= SHOWN_LINES) return line >= SHOWN_LINES + 12 && line < SHOWN_LINES + 14 ? 9 : 1;
  return into % LINE_TICKS > (LINE_TICKS * 4) / 5 ? 1 : 0;
}

/** Ports 3B0h … 3DFh. */
export function vgaRead(c: Chipset, port: number): number {
  const { m } = c;
  if (elsewhere(c, port)) return 0xff;
  switch (port) {
    case 0x3c0:
      return m.r8(V + VGA.attributeIndex);
    case 0x3c1:
      return m.r8(V + VGA.attribute + (m.r8(V + VGA.attributeIndex) & 31));
    case 0x3c2:
      return 0x10;
    case 0x3c4:
      return m.r8(V + VGA.sequencerIndex);
    case 0x3c5:
      return m.r8(V + VGA.sequencer + m.r8(V + VGA.sequencerIndex));
    case 0x3c6:
      return m.r8(V + VGA.dacMask);
    case 0x3c7:
      return m.r8(V + VGA.dacReading) !== 0 ? 3 : 0;
    case 0x3c8:
      return m.r8(V + VGA.dacWrite);
    case 0x3c9:
      return readDac(c);
    case 0x3ca:
      return m.r8(V + VGA.feature);
    case 0x3cc:
      return m.r8(V + VGA.misc);
    case 0x3ce:
      return m.r8(V + VGA.graphicsIndex);
    case 0x3cf:
      return m.r8(V + VGA.graphics + m.r8(V + VGA.graphicsIndex));
    case 0x3b4:
    case 0x3d4:
      return m.r8(V + VGA.crtcIndex);
    case 0x3b5:
    case 0x3d5:
      return m.r8(V + VGA.crtc + m.r8(V + VGA.crtcIndex));
    case 0x3ba:
    case 0x3da:
      return status(c);
    default:
      return 0xff;
  }
}

export function vgaWrite(c: Chipset, port: number, value: number): void {
  const { m } = c;
  if (elsewhere(c, port)) return;
  switch (port) {
    case 0x3c0:
      writeAttribute(c, value);
      break;
    case 0x3c2:
      m.w8(V + VGA.misc, value);
      break;
    case 0x3c4:
      m.w8(V + VGA.sequencerIndex, value & 7);
      break;
    case 0x3c5:
      m.w8(V + VGA.sequencer + m.r8(V + VGA.sequencerIndex), value);
      break;
    case 0x3c6:
      m.w8(V + VGA.dacMask, value);
      break;
    case 0x3c7:
    case 0x3c8:
      m.w8(V + (port === 0x3c7 ? VGA.dacRead : VGA.dacWrite), value);
      m.w8(V + VGA.dacReading, port === 0x3c7 ? 1 : 0);
      m.w8(V + VGA.dacStep, 0);
      break;
    case 0x3c9:
      writeDac(c, value);
      break;
    case 0x3ce:
      m.w8(V + VGA.graphicsIndex, value & 15);
      break;
    case 0x3cf:
      m.w8(V + VGA.graphics + m.r8(V + VGA.graphicsIndex), value);
      break;
    case 0x3b4:
    case 0x3d4:
      m.w8(V + VGA.crtcIndex, value & 63);
      break;
    case 0x3b5:
    case 0x3d5:
      writeCrtc(c, m.r8(V + VGA.crtcIndex), value);
      break;
    case 0x3ba:
    case 0x3da:
      m.w8(V + VGA.feature, value);
      break;
  }
}

/** Bit 7 of register 11h protects registers 0 to 7, but for bit 4 of 7, the line compare's. */
function writeCrtc({ m }: Chipset, index: number, value: number): void {
  const at = V + VGA.crtc + index;
  if ((m.r8(V + VGA.crtc + 0x11) & 0x80) === 0 || index > 7) m.w8(at, value);
  else if (index === 7) m.w8(at, (m.r8(at) & ~0x10) | (value & 0x10));
}

function writeAttribute({ m }: Chipset, value: number): void {
  const data = m.r8(V + VGA.attributeData);
  if (data !== 0) m.w8(V + VGA.attribute + (m.r8(V + VGA.attributeIndex) & 31), value);
  else m.w8(V + VGA.attributeIndex, value & 63);
  m.w8(V + VGA.attributeData, data ^ 1);
}

function readDac({ m }: Chipset): number {
  const index = m.r8(V + VGA.dacRead),
    step = m.r8(V + VGA.dacStep);
  m.w8(V + VGA.dacStep, step === 2 ? 0 : step + 1);
  if (step === 2) m.w8(V + VGA.dacRead, index + 1);
  return m.r8(V + VGA.dac + index * 3 + step);
}
function writeDac({ m }: Chipset, value: number): void {
  const index = m.r8(V + VGA.dacWrite),
    step = m.r8(V + VGA.dacStep);
  m.w8(V + VGA.dac + index * 3 + step, value & 63);
  m.w8(V + VGA.dacStep, step === 2 ? 0 : step + 1);
  if (step === 2) m.w8(V + VGA.dacWrite, index + 1);
}
