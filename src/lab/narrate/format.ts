// How numbers look: hexadecimal in groups of four with thin spaces, the same width everywhere; bytes as text when they are text.

/** 'c000 1234': eight digits, a thin space in the middle. */
export const hex32 = (n: number): string => {
  const s = (n >>> 0).toString(16).padStart(8, '0');
  return `${s.slice(0, 4)}\u2009${s.slice(4)}`;
};
/** '0x82': as short as it can be. */
export const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;
export const signed = (n: number): number => n | 0;

/** Printable text of bytes; anything else as a middle dot. */
export function printable(bytes: Uint8Array, limit = 48): string {
  let s = '';
  for (const b of bytes.subarray(0, limit))
    s += b === 10 ? '⏎' : b >= 32 && b < 127 ? String.fromCharCode(b) : '·';
  return bytes.length > limit ? `${s}…` : s;
}
/** Little-endian bytes of the first words of a payload. */
export function bytesOf(words: readonly number[], length: number): Uint8Array {
  const out = new Uint8Array(Math.min(length, words.length * 4));
  for (let i = 0; i < out.length; i++) out[i] = (words[i >> 2]! >>> ((i & 3) * 8)) & 0xff;
  return out;
}
export const hexBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ');
