// Raw ROM images have no header: what tells one is its last paragraph, where the processor fetches its first instruction (SDM vol. 3, 10.1.4).

const LEAST = 16,
  MOST = 16 << 20,
  GRANULE = 1024;
/** JMP in its forms; nothing else leads out of sixteen bytes. */
const JUMPS: ReadonlySet<number> = new Set([0xea, 0xe9, 0xeb]);
/** NOP, CLI, CLD and the operand-size prefix may stand before it. */
const BEFORE: ReadonlySet<number> = new Set([0x90, 0xfa, 0xfc, 0x66]);

/** Whether a file can be started at the reset vector: whole KiB, at most 16 MiB, a jump in its last paragraph. */
export function isRom(bytes: Uint8Array): boolean {
  if (bytes.length < GRANULE || bytes.length > MOST || bytes.length % GRANULE !== 0) return false;
  let at = bytes.length - LEAST;
  while (BEFORE.has(bytes[at] ?? 0)) at++;
  return JUMPS.has(bytes[at] ?? 0);
}
