// What an outcome is held against: registers, flags by name, memory. Everything here is pure.

import { GPR_NAMES, PARTS, type Registers, type Vector } from './vector-format.ts';

/** One thing that is not as the vector says. */
export interface Difference {
  readonly what: string;
  readonly expected: string;
  readonly got: string;
}

export const hex = (value: number, digits = 8): string =>
  '0x' + (value >>> 0).toString(16).padStart(digits, '0');

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [1, 'CF'],
  [4, 'PF'],
  [0x10, 'AF'],
  [0x40, 'ZF'],
  [0x80, 'SF'],
  [0x100, 'TF'],
  [0x200, 'IF'],
  [0x400, 'DF'],
  [0x800, 'OF'],
  [0x4000, 'NT'],
  [0x20000, 'VM'],
  [0x40000, 'AC'],
  [0x80000, 'VIF'],
  [0x100000, 'VIP'],
  [0x200000, 'ID'],
];
/** EFLAGS bits that exist, RF excepted: it is the trap's. */
const REAL_FLAGS = 0x003e7fd5;
/** A processor without CPUID shows ones here; then it has none of AC, VIF, VIP and ID either. */
const OLD_ONES = 0xffc00000;
const OLD_FLAGS = 0x00007fd5;
/** CR0 bits that exist; older processors show ones elsewhere. */
const REAL_CR0 = 0xe005003f;

/** The flags by name that differ, as they are in `value`. */
function flagText(value: number, differing: number): string {
  const names = FLAG_NAMES.filter(([bit]) => (differing & bit) !== 0).map(
    ([bit, name]) => `${name}=${value & bit ? 1 : 0}`,
  );
  if (differing & 0x3000) names.push(`IOPL=${(value >> 12) & 3}`);
  return `${hex(value)} (${names.join(' ')})`;
}

/** EFLAGS bits that are compared for an expected image. */
export function comparedFlags(vector: Vector, image: number): number {
  const existing = (image & OLD_ONES) !== 0 ? OLD_FLAGS | 0x20000 : REAL_FLAGS;
  return existing & (vector.flagsMask ?? ~0);
}

/** One register of the outcome by any of its names; undefined when there is no such register. */
function registerValue(regs: ReadonlyMap<string, number>, name: string): number | undefined {
  const part = PARTS.get(name);
  if (part === undefined) return regs.get(name);
  return (regs.get(GPR_NAMES[part.gpr]!)! >>> part.shift) & part.mask;
}

/** EIP after HLT is behind it; a vector may as well name the HLT itself. */
const atHlt = (vector: Vector, name: string, got: number, wanted: number): boolean =>
  name === 'eip' &&
  ((vector.untilHlt === true && got - 1 === wanted) || (vector.behindHlt === true && got + 1 === wanted));

/** Differences of registers. Throws for a register that does not exist. */
export function compareRegisters(
  vector: Vector,
  wanted: Registers,
  regs: ReadonlyMap<string, number>,
): Difference[] {
  const differences: Difference[] = [];
  for (const [name, value] of Object.entries(wanted)) {
    const got = registerValue(regs, name);
    if (got === undefined) throw new Error(`unknown register '${name}'`);
    if (name === 'eflags') {
      const differing = (value ^ got) & comparedFlags(vector, value);
      if (differing !== 0)
        differences.push({ what: name, expected: flagText(value, differing), got: flagText(got, differing) });
      continue;
    }
    const mask = name === 'cr0' ? REAL_CR0 : 0xffffffff;
    if (((got ^ value) & mask) === 0 || atHlt(vector, name, got, value)) continue;
    differences.push({ what: name, expected: hex(value), got: hex(got) });
  }
  return differences;
}

/** The memory that must hold, by address, with the bits of each byte that are compared. */
export function expectedMemory(vector: Vector): Map<number, readonly [byte: number, mask: number]> {
  const expected = new Map<number, readonly [number, number]>();
  const flags = vector.flagsMask ?? ~0;
  for (const [address, byte] of vector.final.mem ?? []) {
    const nth = vector.flagAddress === undefined ? -1 : address - vector.flagAddress;
    expected.set(address >>> 0, [byte, nth >= 0 && nth < 4 ? (flags >>> (8 * nth)) & 0xff : 0xff]);
  }
  return expected;
}
