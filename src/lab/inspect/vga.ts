// The bare machine's screen: the text that a VGA in text mode would show, read out of memory and registers. IBM VGA Technical Reference.

import { AT, BOARD } from '../../machine/devices/board.ts';
import { VGA } from '../../machine/devices/vga.ts';
import { MODE_BARE } from '../../machine/bare.ts';
import { HEADER, PAGE_SIZE } from '../../memory/map.ts';
import { MACHINE } from '../../trace/recorder.ts';
import type { View } from './view.ts';

/** Neighbours in a line that look the same; colours 0 … 15. */
export interface VgaRun {
  readonly text: string;
  readonly ink: number;
  readonly paper: number;
}
export interface VgaModel {
  readonly columns: number;
  readonly rows: readonly (readonly VgaRun[])[];
  readonly cursor: { readonly column: number; readonly row: number } | undefined;
}

const COLOUR = 0xb8000,
  MONO = 0xb0000,
  WINDOW = 0x8000;
const MAX_COLUMNS = 132,
  MAX_ROWS = 60;
/** CRT controller registers. */
const END_HORIZONTAL = 1,
  OVERFLOW = 7,
  MAX_SCAN = 9,
  CURSOR_START = 10,
  START_HIGH = 12,
  CURSOR_HIGH = 14,
  END_VERTICAL = 18;
const CURSOR_OFF = 0x20;

/** Code page 437: what the character generator draws for the codes 0 … 31 and 127 … 255. */
const LOW = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼';
const HIGH =
  '⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ';
const glyph = (code: number): string =>
  code < 32 ? LOW[code]! : code < 127 ? String.fromCharCode(code) : HIGH[code - 127]!;

/** The screen; null on a machine that has none. */
export function vga(view: View): VgaModel | null {
  const { m, frames } = view;
  if (m.r32(HEADER + MACHINE.mode) !== MODE_BARE) return null;
  const crtc = (r: number): number => m.r8(AT.vga + VGA.crtc + r);
  const base = (m.r8(AT.vga + VGA.misc) & 1) !== 0 ? COLOUR : MONO;
  if (m.r32(AT.board + BOARD.ramFrames) * PAGE_SIZE < base + WINDOW) return null;
  const columns = Math.min(MAX_COLUMNS, crtc(END_HORIZONTAL) + 1);
  const lines = 1 + (crtc(END_VERTICAL) | ((crtc(OVERFLOW) & 2) << 7) | ((crtc(OVERFLOW) & 0x40) << 3));
  const height = Math.min(MAX_ROWS, Math.floor(lines / ((crtc(MAX_SCAN) & 31) + 1)));
  const start = (crtc(START_HIGH) << 8) | crtc(START_HIGH + 1);
  const rows: VgaRun[][] = [];
  for (let row = 0; row < height; row++) {
    const runs: VgaRun[] = [];
    for (let column = 0; column < columns; column++) {
      const at = base + (((start + row * columns + column) * 2) % WINDOW);
      const attribute = frames.read8(at + 1);
      const text = glyph(frames.read8(at)),
        ink = attribute & 15,
        paper = (attribute >> 4) & 7;
      const last = runs[runs.length - 1];
      if (last && last.ink === ink && last.paper === paper)
        runs[runs.length - 1] = { ...last, text: last.text + text };
      else runs.push({ text, ink, paper });
    }
    rows.push(runs);
  }
  const place = ((crtc(CURSOR_HIGH) << 8) | crtc(CURSOR_HIGH + 1)) - start;
  const shown = (crtc(CURSOR_START) & CURSOR_OFF) === 0 && place >= 0 && place < columns * height;
  return {
    columns,
    rows,
    cursor: shown ? { column: place % columns, row: Math.floor(place / columns) } : undefined,
  };
}
