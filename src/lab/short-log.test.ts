import { describe, expect, it } from 'vitest';
import { decodeLog, encodeLog } from './short-log.ts';
import type { InputEntry } from './types.ts';

const LOG: readonly InputEntry[] = [
  { T: 81, seq: 17, kind: 'editMemory', maddr: 0x1f2174, bytes: [0, 104, 255, 10], what: 'first 이름' },
  { T: 81, seq: 18, kind: 'editRegister', vcpu: 3, register: 'eflags', value: 0xffff_f2d5 },
  { T: 5_000_000_000, seq: 90_000, kind: 'console', domid: 1, bytes: [13, 200] },
  { T: 5_000_000_001, seq: 90_010, kind: 'console', domid: 2, bytes: [], hold: true },
  { T: 5_000_000_002, seq: 90_020, kind: 'keys', codes: [0x1c, 0xf0, 0x1c] },
  { T: 5_000_000_003, seq: 90_030, kind: 'closeInput' },
];

describe('a short log', () => {
  it('says everything that the log says, in letters an address leaves alone', () => {
    const text = encodeLog(LOG)!;
    expect(text).toMatch(/^[\w,~-]+$/);
    expect(decodeLog(text)).toEqual(LOG);
    expect(decodeLog(encodeLog([])!)).toEqual([]);
  });
  it('leaves what needs an image to the whole link', () => {
    const domain = { name: 'x', image: 'aa', memoryMiB: 8, cmdline: '' };
    expect(encodeLog([{ T: 1, seq: 1, kind: 'createDomain', domain }])).toBeUndefined();
  });
  it('refuses what it did not write', () => {
    for (const bad of ['x,1,1', 'm,1', 'm,1,1,zz zz,AA,AA', 'r,1,1,0,eax', 'k,1,1,A', '~', 'c,!,1,1,AA'])
      expect(() => decodeLog(bad), bad).toThrow();
  });
});
