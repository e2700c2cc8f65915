// Breakpoints by debug register, as functions of DR7 and DR0-DR3: which of them an instruction, a data access or a port meets.
// SDM vol. 3, 17.2.

/** DR6: breakpoints met, access to a guarded register, single step, task switch. */
export const DR6_B = 0xf,
  DR6_BD = 0x2000,
  DR6_BS = 0x4000,
  DR6_BT = 0x8000;
/** DR7: any breakpoint enabled, general detect. */
export const DR7_ENABLED = 0xff,
  DR7_GD = 0x2000;

/** DR7.R/W: what a breakpoint waits for. */
export const BREAK_EXECUTE = 0,
  BREAK_WRITE = 1,
  BREAK_IO = 2,
  BREAK_ACCESS = 3;

/** Bytes by DR7.LEN; 2 is eight bytes on processors that have it. */
const LENGTHS = [1, 2, 8, 4] as const;

/** Linear address (or port) of breakpoint n. */
export type AddressOf = (n: number) => number;

/** Bits of the enabled breakpoints of the kinds in the set `kinds` (bit k: DR7.R/W is k). */
export function enabledOf(dr7: number, kinds: number): number {
  let found = 0;
  for (let n = 0; n < 4; n++) {
    const enabled = (dr7 >>> (2 * n)) & 3,
      kind = (dr7 >>> (16 + 4 * n)) & 3;
    if (enabled !== 0 && ((kinds >>> kind) & 1) !== 0) found |= 1 << n;
  }
  return found;
}

/** Those of `candidates` whose range meets `length` bytes at `at`: ranges are aligned to their length. */
export function meeting(
  dr7: number,
  candidates: number,
  addressOf: AddressOf,
  at: number,
  length: number,
): number {
  let met = 0;
  for (let n = 0; n < 4; n++) {
    if (((candidates >>> n) & 1) === 0) continue;
    const size = LENGTHS[(dr7 >>> (18 + 4 * n)) & 3]!;
    const first = (addressOf(n) & ~(size - 1)) >>> 0;
    const from = at >>> 0;
    if (from < first + size && first < from + length) met |= 1 << n;
  }
  return met;
}
