// Encodings that mean something to the host and nothing to our processor (floating point, vectors, later extensions), or that reach the host's
// kernel: no test may run them. Told by opcode and not by asking our decoder, so that the decoder is tested too.

/** ModRM of the one instruction behind F3 0F 1E that is ours. */
const ENDBR32 = 0xfb;
export const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
const REPEATS = new Set([0xf2, 0xf3]);
const within = (n: number, ranges: readonly (readonly [number, number])[]): boolean =>
  ranges.some(([from, to]) => n >= from && n <= to);

/** Second bytes of the 0f map that mean floating point, vectors or a later extension on some host. */
const FOREIGN_0F: readonly (readonly [number, number])[] = [
  [0x05, 0x05],
  [0x07, 0x07],
  [0x0e, 0x0f],
  [0x10, 0x17],
  [0x28, 0x2f],
  [0x37, 0x3a],
  [0x50, 0x7f],
  [0xa6, 0xa7],
  [0xb8, 0xb8],
  [0xc2, 0xc6],
  [0xd0, 0xfe],
];

function foreignTwoByte(prefixes: readonly number[], opcode: number, modrm: number): boolean {
  if (within(opcode, FOREIGN_0F)) return true;
  const register = modrm >= 0xc0,
    digit = (modrm >> 3) & 7;
  const changed = prefixes.some((byte) => REPEATS.has(byte) || byte === 0x66);
  switch (opcode) {
    case 0x00: // LKGS
    case 0x1a: // bounds and shadow stacks
    case 0x1b:
    case 0x1c:
    case 0x1e:
      return opcode === 0
        ? changed && digit === 6
        : modrm !== ENDBR32 && prefixes.some((byte) => REPEATS.has(byte));
    case 0x01:
      return (register && digit !== 6) || (changed && digit === 5);
    case 0x09:
      return changed; // WBNOINVD
    case 0x0d:
      return register || digit > 1;
    case 0xae:
      return changed || (register ? digit < 5 : digit !== 7);
    case 0xbc:
    case 0xbd:
      return prefixes.includes(0xf3);
    case 0xc7:
      return register || digit !== 1;
    default:
      return false;
  }
}

/** Whether the host may make of these bytes something that our processor does not have, or that reaches its kernel. */
export function isForeign(bytes: readonly number[]): boolean {
  let at = 0;
  while (PREFIXES.has(bytes[at] ?? -1)) at++;
  const prefixes = bytes.slice(0, at);
  const opcode = bytes[at] ?? 0,
    next = bytes[at + 1] ?? 0;
  if (opcode === 0x0f) return foreignTwoByte(prefixes, next, bytes[at + 2] ?? 0);
  if (opcode >= 0xd8 && opcode <= 0xdf) return true;
  if (opcode === 0xc4 || opcode === 0xc5 || opcode === 0x62) return next >= 0xc0; // VEX, EVEX
  if (opcode === 0xc6 || opcode === 0xc7) return next === 0xf8; // transactions
  if (opcode === 0x8f) return ((next >> 3) & 7) !== 0; // XOP
  return opcode === 0xcd && next === 0x80;
}
