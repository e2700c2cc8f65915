import { describe, expect, it } from 'vitest';
import type { ShelfEntry } from './image-store.ts';
import { cameTo, ownImage, versions } from './shelf.ts';
import { type LabConfig, MACHINE_VERSION } from './types.ts';

const entry = (name: string, at: number, size = 100): ShelfEntry => ({
  sha256: `${name}${at}`,
  name,
  size,
  at,
  label: '',
});
const config: LabConfig = {
  version: MACHINE_VERSION,
  memoryMiB: 64,
  sliceTicks: 1,
  epochSec: 0,
  domains: [],
};

describe('the shelf', () => {
  it('numbers the versions of a name and puts the newest first', () => {
    const list = versions([entry('k.elf', 10), entry('other', 20), entry('k.elf', 30, 160)]);
    expect(list.map((v) => [v.entry.name, v.version, v.of, v.grown])).toEqual([
      ['k.elf', 2, 2, 60],
      ['other', 1, 1, undefined],
      ['k.elf', 1, 2, undefined],
    ]);
  });
  it('knows whose image is on stage', () => {
    const own = { name: 'k', image: 'aa', memoryMiB: 8, cmdline: '' };
    expect(ownImage({ config: { ...config, domains: [own] } })).toBe('aa');
    expect(ownImage({ config: { ...config, domains: [{ ...own, path: 'guests/x' }] } })).toBeUndefined();
    const bare = { name: 'r', rom: 'bb', memoryMiB: 8, cmdline: '' };
    expect(ownImage({ config: { ...config, bare } })).toBe('bb');
    expect(ownImage({ config: undefined })).toBeUndefined();
  });
  it('remembers the furthest run only', () => {
    const at = (T: number, traps: number) => ({
      counts: { traps, hypercalls: 0, silent: 0, refused: 0 },
      end: { T, seq: T, within: false },
    });
    const first = cameTo(entry('k', 1), { ...at(500, 3), ended: undefined })!;
    expect(first.furthest).toEqual({ traps: 3, ticks: 500 });
    expect(cameTo(first, { ...at(500, 3), ended: undefined })).toBeUndefined();
    expect(cameTo(first, { ...at(0, 0), ended: undefined })).toBeUndefined();
    const ended = { kind: 'end', reason: 'crash', text: '' } as const;
    expect(cameTo(first, { ...at(900, 9), ended })?.furthest).toEqual({ traps: 9, ticks: 900, end: 'crash' });
  });
});
