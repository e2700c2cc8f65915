// Bytes that are no code, as an assembler would take them: text in quotes, zeros counted, everything else byte by byte. Without this the
// constants behind a kernel's last instruction would be read as instructions that nobody wrote.

import type { ImageMap } from '../types.ts';
import { lastAtMost } from './common.ts';

/** Text shorter than this is more likely chance than text. */
const MIN_TEXT = 4;
const MAX_TEXT = 40;
const MAX_BYTES = 8;
const MIN_ZEROS = 4;
/** Bytes read at first; more only while they are zeros, up to the last. */
export const LOOK_AHEAD = 64;
export const MAX_ZEROS = 65536;

const isText = (b: number | undefined): boolean => b !== undefined && b >= 32 && b < 127 && b !== 0x22;
const hexByte = (b: number): string => `0x${b.toString(16).padStart(2, '0')}`;

/**
 * True where the line table of the image says that no source line made instructions. An image without a line table says nothing about any
 * address, and what lies below its first line (headers, stubs that the hypervisor writes) is not known to be data either.
 */
export function isData(map: ImageMap | undefined, address: number): boolean {
  if (!map || map.lines.length === 0) return false;
  const entry = map.lines[lastAtMost(map.lines, (l) => l[0], address)];
  return entry !== undefined && entry[2] === 0;
}

/** Address of the first symbol or line behind an address: a row of data ends there at the latest. */
export function nextMark(map: ImageMap, address: number): number {
  const symbol = map.symbols[lastAtMost(map.symbols, (s) => s[0], address) + 1]?.[0];
  const line = map.lines[lastAtMost(map.lines, (l) => l[0], address) + 1]?.[0];
  return Math.min(symbol ?? Number.POSITIVE_INFINITY, line ?? Number.POSITIVE_INFINITY);
}

/** One row: how many bytes it takes and its text. `bytes` begins at the row and must not be empty; undefined is a byte that is not mapped. */
export function dataRow(bytes: readonly (number | undefined)[]): {
  readonly length: number;
  readonly text: string;
} {
  const run = (test: (b: number | undefined) => boolean, from: number, limit: number): number => {
    let n = from;
    while (n < bytes.length && n - from < limit && test(bytes[n])) n++;
    return n - from;
  };
  const zeros = run((b) => b === 0, 0, MAX_ZEROS);
  if (zeros >= MIN_ZEROS) return { length: zeros, text: `times ${zeros} db 0` };
  const letters = run(isText, 0, MAX_TEXT);
  if (letters >= MIN_TEXT) {
    const text = String.fromCharCode(...(bytes.slice(0, letters) as number[]));
    // A newline and the NUL that ends a text belong to its row.
    const tail = run((b) => b === 10 || b === 13, letters, 2);
    const nul = bytes[letters + tail] === 0 ? 1 : 0;
    const rest = bytes.slice(letters, letters + tail + nul).map((b) => `, ${b}`);
    return { length: letters + tail + nul, text: `db "${text}"${rest.join('')}` };
  }
  let n = 0;
  while (
    n < MAX_BYTES &&
    bytes[n] !== undefined &&
    (n === 0 || (run(isText, n, MIN_TEXT) < MIN_TEXT && run((b) => b === 0, n, MIN_ZEROS) < MIN_ZEROS))
  )
    n++;
  const shown = bytes.slice(0, Math.max(1, n)) as number[];
  return { length: shown.length, text: `db ${shown.map(hexByte).join(', ')}` };
}
