// Two 64-bit hashes, written as four 32-bit lanes mixed with the multipliers of the xxHash family (public-domain constants).
// The running lanes of the trace hash live in STATE, so that a cold restore goes on where it stopped.

const P1 = 0x9e3779b1 | 0,
  P2 = 0x85ebca77 | 0,
  P3 = 0xc2b2ae3d | 0,
  P4 = 0x27d4eb2f | 0;

const rotl = (x: number, r: number): number => (x << r) | (x >>> (32 - r));

/** Mixes `count` words (a multiple of 4) of `src` from `from` into four lanes at `lanes[at…at+3]`. */
export function mix(lanes: Uint32Array, at: number, src: Uint32Array, from: number, count: number): void {
  let a = lanes[at]! | 0,
    b = lanes[at + 1]! | 0,
    c = lanes[at + 2]! | 0,
    d = lanes[at + 3]! | 0;
  for (let i = from, end = from + count; i < end; i += 4) {
    a = Math.imul(rotl((a + Math.imul(src[i]!, P2)) | 0, 13), P1);
    b = Math.imul(rotl((b + Math.imul(src[i + 1]!, P2)) | 0, 13), P1);
    c = Math.imul(rotl((c + Math.imul(src[i + 2]!, P2)) | 0, 13), P1);
    d = Math.imul(rotl((d + Math.imul(src[i + 3]!, P2)) | 0, 13), P1);
  }
  lanes[at] = a;
  lanes[at + 1] = b;
  lanes[at + 2] = c;
  lanes[at + 3] = d;
}

const avalanche = (h: number): number => {
  h = Math.imul(h ^ (h >>> 15), P2);
  h = Math.imul(h ^ (h >>> 13), P3);
  return (h ^ (h >>> 16)) >>> 0;
};

/** Sixteen hexadecimal digits of four lanes. */
export function digest(lanes: Uint32Array, at: number): string {
  const a = lanes[at]! | 0,
    b = lanes[at + 1]! | 0,
    c = lanes[at + 2]! | 0,
    d = lanes[at + 3]! | 0;
  const lo = avalanche((rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)) | 0);
  const hi = avalanche(
    (Math.imul(a, P3) ^ Math.imul(rotl(b, 11), P4) ^ Math.imul(rotl(c, 19), P1) ^ rotl(d, 27)) | 0,
  );
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0');
}

/** Starting values of the lanes. */
export function seedLanes(lanes: Uint32Array, at: number): void {
  lanes[at] = (P1 + P2) | 0;
  lanes[at + 1] = P2;
  lanes[at + 2] = 0x5269_6e67;
  lanes[at + 3] = -P1;
}
