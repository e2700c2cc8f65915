import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bsdSymtab } from './elf-bsd-symtab.ts';
import { parseKernel } from './elf.ts';
import { readElf } from './elf-reader.ts';

const guest = new Uint8Array(
  readFileSync(new URL('../../public/guests/test-traps/test-traps.elf', import.meta.url)),
);
const NT_BSD_SYMTAB = 11,
  NT_HYPERCALL_PAGE = 2;

/** What readelf says of the symbols of a file: number, value, size, kind, name. Their sections are not in the small one. */
function symbols(bytes: Uint8Array): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'ringside-symtab-'));
  try {
    writeFileSync(join(dir, 'a'), bytes);
    return execFileSync('readelf', ['-sW', join(dir, 'a')], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .split('\n')
      .filter((line) => /^\s+\d+:/.test(line))
      .map((line) => line.trim().split(/\s+/))
      .map((words) => [...words.slice(0, 4), words.at(-1)].join(' '));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

describe('the symbol table behind a kernel', () => {
  const elf = readElf(guest);
  const table = bsdSymtab(elf, 0xc0005001)!;
  const file = table.bytes.subarray(4);
  const f = new DataView(table.bytes.buffer, 4);
  it('is an ELF file with three sections, in which readelf finds every symbol', () => {
    expect(table.vaddr).toBe(0xc0005004);
    const size = new DataView(table.bytes.buffer).getUint32(0, true);
    expect(Math.ceil(size / 4) * 4).toBe(file.length);
    expect([...file.subarray(0, 5)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 1]);
    expect([
      f.getUint32(28, true),
      f.getUint32(32, true),
      f.getUint16(44, true),
      f.getUint16(48, true),
    ]).toEqual([0, 64, 0, 3]);
    expect(file.subarray(52, 64).every((byte) => byte === 0)).toBe(true); // nothing of ours in the gap
    const names = symbols(file);
    expect(names.length).toBeGreaterThan(50);
    expect(names).toEqual(symbols(guest));
  });
  it('is left out when the symbols do not lie in the file or have no strings', () => {
    const at = elf.sections.find((s) => s.type === 2)!.at;
    for (const [field, value] of [
      [16, 0x7fffffff],
      [20, 0x7fffffff],
      [24, 0],
      [24, 9999],
    ] as const) {
      const damaged = guest.slice();
      new DataView(damaged.buffer).setUint32(at + field, value, true);
      expect(bsdSymtab(readElf(damaged), 0xc0005001)).toBeUndefined();
    }
  });
  it('is loaded when the kernel asks for it with "yes"', () => {
    const asking = guest.slice();
    const view = new DataView(asking.buffer);
    const plain = parseKernel(guest);
    // The note of four bytes becomes another of four bytes.
    let changed = 0;
    for (let at = 0; at + 16 < asking.length; at += 4) {
      if (view.getUint32(at, true) !== 4 || view.getUint32(at + 12, false) !== 0x58656e00) continue;
      if (view.getUint32(at + 8, true) !== NT_HYPERCALL_PAGE || changed++ > 0) continue;
      view.setUint32(at + 8, NT_BSD_SYMTAB, true);
      asking.set([0x79, 0x65, 0x73, 0], at + 16);
    }
    expect(changed).toBeGreaterThan(0);
    const image = parseKernel(asking);
    expect(image.segments).toHaveLength(plain.segments.length + 1);
    expect(image.segments.at(-1)!.vaddr).toBe(Math.ceil(plain.end / 4) * 4);
    expect(image.end).toBe(image.segments.at(-1)!.vaddr + image.segments.at(-1)!.memSize);
  });
});
