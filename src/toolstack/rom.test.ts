// A ROM is told from any other file by its reset vector alone.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isRom } from './rom.ts';

const rom = (size: number, ...first: number[]): Uint8Array => {
  const bytes = new Uint8Array(size).fill(0xff);
  bytes.set(first, size - 16);
  return bytes;
};

describe('a ROM', () => {
  it('jumps out of its last sixteen bytes', () => {
    expect(isRom(rom(0x10000, 0xea, 0x5b, 0xe0, 0x00, 0xf0))).toBe(true);
    expect(isRom(rom(0x400, 0xfa, 0xfc, 0x66, 0xe9))).toBe(true);
    expect(isRom(rom(0x400, 0xeb, 0xf0))).toBe(true);
    expect(isRom(rom(0x10000))).toBe(false);
    expect(isRom(rom(0x10000, 0x90, 0x90, 0xc3))).toBe(false);
  });
  it('has whole KiB, sixteen MiB at most', () => {
    expect(isRom(rom(0x10001, 0xea))).toBe(false);
    expect(isRom(new Uint8Array(0))).toBe(false);
    expect(isRom(rom((16 << 20) + 1024, 0xea))).toBe(false);
  });
  it('is what ships as one, and a kernel is not', () => {
    const guest = (name: string) => readFileSync(new URL(`../../public/guests/${name}`, import.meta.url));
    expect(isRom(guest('bare/modes.rom'))).toBe(true);
    expect(isRom(guest('bare/modes.elf'))).toBe(false);
    expect(isRom(guest('hello/hello.elf'))).toBe(false);
  });
});
