// A QR code (ISO/IEC 18004): bytes, error correction level L, the smallest version that fits, the mask with the lowest penalty. Just enough
// for a link; no images, no styles. Every function is a step of clause 7.

/** Clause 7.5.1, table 9, level L: error correction codewords of a block, and blocks, by version 1 … 40. */
const ECC = [
  7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, 30,
  30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
] as const;
const BLOCKS = [
  1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18,
  19, 19, 20, 21, 22, 24, 25,
] as const;
const LEVEL_L = 1;

export type Matrix = readonly (readonly boolean[])[];
export const sizeOf = (version: number): number => 17 + 4 * version;

/** Modules that carry data, in bits (clause 7.1, table 1). */
function rawBits(version: number): number {
  let bits = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const n = Math.floor(version / 7) + 2;
    bits -= (25 * n - 10) * n - 55;
    if (version >= 7) bits -= 36;
  }
  return bits;
}
const rawBytes = (version: number): number => Math.floor(rawBits(version) / 8);
export const dataBytes = (version: number): number =>
  rawBytes(version) - ECC[version - 1]! * BLOCKS[version - 1]!;

// ---- GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1 (clause 7.5.2) ----

export function multiply(a: number, b: number): number {
  let z = 0;
  for (let i = 7; i >= 0; i--) {
    z = (z << 1) ^ ((z >>> 7) * 0x11d);
    z ^= ((b >>> i) & 1) * a;
  }
  return z;
}
/** Coefficients of (x - 1)(x - 2)(x - 4)…, without the leading one. */
function generator(degree: number): number[] {
  const g = new Array<number>(degree).fill(0);
  g[degree - 1] = 1;
  let root = 1;
  for (let i = 0; i < degree; i++) {
    for (let j = 0; j < degree; j++) g[j] = multiply(g[j]!, root) ^ (g[j + 1] ?? 0);
    root = multiply(root, 2);
  }
  return g;
}
function remainder(data: readonly number[], g: readonly number[]): number[] {
  const out = g.map(() => 0);
  for (const b of data) {
    const factor = b ^ out.shift()!;
    out.push(0);
    g.forEach((c, i) => {
      out[i] = out[i]! ^ multiply(c, factor);
    });
  }
  return out;
}

/** Mode 0100 (bytes), count, data, terminator and padding (clause 7.4). */
function dataWords(bytes: Uint8Array, version: number): number[] {
  const bits: number[] = [];
  const put = (value: number, length: number): void => {
    for (let i = length - 1; i >= 0; i--) bits.push((value >>> i) & 1);
  };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const b of bytes) put(b, 8);
  const room = dataBytes(version) * 8;
  put(0, Math.min(4, room - bits.length));
  put(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0xec; bits.length < room; pad ^= 0xec ^ 0x11) put(pad, 8);
  const out: number[] = [];
  for (let i = 0; i < bits.length; i += 8) out.push(bits.slice(i, i + 8).reduce((n, b) => (n << 1) | b, 0));
  return out;
}

/** Blocks with their error correction, interleaved (clauses 7.5, 7.6). */
export function codewords(bytes: Uint8Array, version: number): number[] {
  const data = dataWords(bytes, version);
  const blocks = BLOCKS[version - 1]!,
    ecc = ECC[version - 1]!;
  const total = rawBytes(version);
  const short = Math.floor(total / blocks) - ecc;
  const long = total % blocks;
  const g = generator(ecc);
  const parts: number[][] = [],
    checks: number[][] = [];
  for (let i = 0, at = 0; i < blocks; i++) {
    const length = short + (i < blocks - long ? 0 : 1);
    const part = data.slice(at, at + length);
    at += length;
    parts.push(part);
    checks.push(remainder(part, g));
  }
  const out: number[] = [];
  for (let i = 0; i <= short; i++) for (const p of parts) if (i < p.length) out.push(p[i]!);
  for (let i = 0; i < ecc; i++) for (const c of checks) out.push(c[i]!);
  return out;
}

// ---- placing (clauses 6.3, 7.7) ----

/** Centres of the alignment patterns on either axis (annex E). */
function alignments(version: number): number[] {
  if (version === 1) return [];
  const n = Math.floor(version / 7) + 2;
  const step = version === 32 ? 26 : Math.ceil((version * 4 + 4) / (n * 2 - 2)) * 2;
  const out = [6];
  for (let i = 0, at = sizeOf(version) - 7; i < n - 1; i++, at -= step) out.splice(1, 0, at);
  return out;
}

class Canvas {
  readonly size: number;
  readonly dark: boolean[][];
  /** Modules with a function of their own: no data, no mask. */
  readonly fixed: boolean[][];
  constructor(size: number) {
    this.size = size;
    this.dark = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
    this.fixed = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
  }
  set(x: number, y: number, dark: boolean): void {
    if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
    this.dark[y]![x] = dark;
    this.fixed[y]![x] = true;
  }
}

function patterns(c: Canvas, version: number): void {
  const { size } = c;
  for (let i = 0; i < size; i++) {
    c.set(6, i, i % 2 === 0);
    c.set(i, 6, i % 2 === 0);
  }
  for (const [cx, cy] of [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ] as const)
    for (let dy = -4; dy <= 4; dy++)
      for (let dx = -4; dx <= 4; dx++) {
        const d = Math.max(Math.abs(dx), Math.abs(dy));
        c.set(cx + dx, cy + dy, d !== 2 && d !== 4);
      }
  const centres = alignments(version);
  const last = centres.length - 1;
  centres.forEach((cy, i) => {
    centres.forEach((cx, j) => {
      if ((i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0)) return;
      for (let dy = -2; dy <= 2; dy++)
        for (let dx = -2; dx <= 2; dx++) c.set(cx + dx, cy + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
    });
  });
}

/** Level and mask with their BCH code (clause 7.9), and the version from 7 on (clause 7.10). */
function information(c: Canvas, version: number, mask: number): void {
  const { size } = c;
  const value = (LEVEL_L << 3) | mask;
  let rest = value;
  for (let i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
  const bits = ((value << 10) | rest) ^ 0x5412;
  const bit = (i: number): boolean => ((bits >>> i) & 1) !== 0;
  for (let i = 0; i <= 5; i++) c.set(8, i, bit(i));
  c.set(8, 7, bit(6));
  c.set(8, 8, bit(7));
  c.set(7, 8, bit(8));
  for (let i = 9; i < 15; i++) c.set(14 - i, 8, bit(i));
  for (let i = 0; i < 8; i++) c.set(size - 1 - i, 8, bit(i));
  for (let i = 8; i < 15; i++) c.set(8, size - 15 + i, bit(i));
  c.set(8, size - 8, true);
  if (version < 7) return;
  let code = version;
  for (let i = 0; i < 12; i++) code = (code << 1) ^ ((code >>> 11) * 0x1f25);
  const all = (version << 12) | code;
  for (let i = 0; i < 18; i++) {
    const a = size - 11 + (i % 3),
      b = Math.floor(i / 3);
    c.set(a, b, ((all >>> i) & 1) !== 0);
    c.set(b, a, ((all >>> i) & 1) !== 0);
  }
}

/** Two columns at a time from the right, up and down. */
function place(c: Canvas, words: readonly number[]): void {
  let i = 0;
  for (let right = c.size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5; // the timing column carries nothing
    for (let v = 0; v < c.size; v++)
      for (let j = 0; j < 2; j++) {
        const x = right - j;
        const y = ((right + 1) & 2) === 0 ? c.size - 1 - v : v;
        if (c.fixed[y]![x] || i >= words.length * 8) continue;
        c.dark[y]![x] = ((words[i >>> 3]! >>> (7 - (i & 7))) & 1) !== 0;
        i++;
      }
  }
}

const MASKS: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];
export const maskAt = (mask: number, x: number, y: number): boolean => MASKS[mask]!(x, y);

/** Clause 7.8.3: long runs, blocks of four, finder-like rows, too much of one colour. */
function penalty(dark: Matrix): number {
  const n = dark.length;
  let sum = 0,
    black = 0;
  const lines = [dark, dark.map((_, x) => dark.map((row) => row[x]!))];
  for (const rows of lines)
    for (const row of rows) {
      const text = row.map((d) => (d ? '1' : '0')).join('');
      for (const run of text.match(/0{5,}|1{5,}/g) ?? []) sum += run.length - 2;
      for (let i = 0; i + 11 <= n; i++) {
        const part = text.slice(i, i + 11);
        if (part === '10111010000' || part === '00001011101') sum += 40;
      }
    }
  for (let y = 0; y < n; y++)
    for (let x = 0; x < n; x++) {
      const d = dark[y]![x]!;
      if (d) black++;
      if (
        x + 1 < n &&
        y + 1 < n &&
        dark[y]![x + 1] === d &&
        dark[y + 1]![x] === d &&
        dark[y + 1]![x + 1] === d
      )
        sum += 3;
    }
  return sum + Math.floor(Math.abs(black * 20 - n * n * 10) / (n * n)) * 10;
}

/** The code of a text, true = dark; undefined when it is longer than a QR code can hold. */
export function qr(text: string): Matrix | undefined {
  const bytes = new TextEncoder().encode(text);
  let version = 1;
  while (version <= 40 && dataBytes(version) < bytes.length + (version < 10 ? 2 : 3)) version++;
  if (version > 40) return undefined;
  const words = codewords(bytes, version);
  let best: Canvas | undefined,
    least = Number.POSITIVE_INFINITY;
  for (let mask = 0; mask < 8; mask++) {
    const c = new Canvas(sizeOf(version));
    patterns(c, version);
    information(c, version, mask);
    place(c, words);
    c.dark.forEach((row, y) => {
      row.forEach((d, x) => {
        if (!c.fixed[y]![x]) row[x] = d !== maskAt(mask, x, y);
      });
    });
    const cost = penalty(c.dark);
    if (cost < least) [best, least] = [c, cost];
  }
  return best!.dark;
}
