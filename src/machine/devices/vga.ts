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

export function resetVga({ m }: Chipset): void {
  m.u8.fill(0, V, V + VGA.$size);
  m.w8(V + VGA.misc, 0x67);
  m.w8(V + VGA.dacMask, 0xff);
  m.w8(V + VGA.attributeIndex, 0x20);
  m.u8.set(CRTC_MODE_3, V + VGA.crtc);
}

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
      m.w8(V + VGA.crtc + m.r8(V + VGA.crtcIndex), value);
      break;
    case 0x3ba:
    case 0x3da:
      m.w8(V + VGA.feature, value);
      break;
  }
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
