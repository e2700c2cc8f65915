import { describe, expect, it } from 'vitest';
import { checkDescriptor } from './descriptor-check.ts';

const REFUSED = undefined;
/** What the guest gives, what stands in the table afterwards, and why. */
const TABLE = [
  [0x12345678, 0x00007fff, [0x12345678, 0x00007fff], 'not present: anything'],
  [0x0000ffff, 0x00cf9a00, [0x0000ffff, 0x00cfba00], 'code of ring 0 becomes code of ring 1'],
  [0x0000ffff, 0x00cfb200, [0x0000ffff, 0x00cfb200], 'data of ring 1'],
  [0x0000ffff, 0x00cff200, [0x0000ffff, 0x00cff200], 'data of ring 3'],
  [0x0000ffff, 0x00afba00, REFUSED, '64-bit code'],
  [0x000067ff, 0x00cfb200, [0x0000ffff, 0x00cfb200], 'flat up to the hypervisor of old: to the end'],
  [0x000067ff, 0x00c5b200, [0x000067ff, 0x00c5b200], 'flat, but ending below'],
  [0x100067ff, 0x00cfb200, [0x100067ff, 0x00cfb200], 'not flat: base and limit are not looked at'],
  [0x00000000, 0x00008000, [0x00000000, 0x00008000], 'type 0, as the second half of a gate'],
  [0x00081234, 0x5678ec00, [0x000b1234, 0x56788c00], 'a call gate of DPL 3 keeps it in the selector'],
  [0x000b1234, 0x56788c00, [0x00091234, 0x56788c00], 'a call gate of DPL 0 means 1'],
  [0x000c1234, 0x5678ac00, [0x000d1234, 0x56788c00], 'a call gate into the LDT'],
  [0xe0191234, 0x5678ec00, [0xe01b1234, 0x56788c00], "a call gate to Xen's flat code of ring 1"],
  [0xe0181234, 0x5678ec00, REFUSED, 'the same selector of ring 0'],
  [0xe0081234, 0x5678ec00, REFUSED, "a call gate to Xen's own code"],
  [0x00081234, 0x5678ec20, REFUSED, 'a call gate with a reserved bit'],
  [0x00081234, 0x5678ee00, REFUSED, 'an interrupt gate'],
  [0x00081234, 0x5678ef00, REFUSED, 'a trap gate'],
  [0x00081234, 0x0000e500, REFUSED, 'a task gate'],
  [0x00000067, 0x0000e900, REFUSED, 'a TSS'],
  [0x00000067, 0x0000e200, REFUSED, 'an LDT'],
  [0x00081234, 0x5678e400, REFUSED, 'a call gate of 16 bits'],
] as const;

describe('a descriptor', () => {
  it.each(TABLE)('%#: 0x%s 0x%s', (lo, hi, want, why) => {
    expect(checkDescriptor(lo, hi), why).toEqual(want);
  });
});
