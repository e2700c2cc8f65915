// Functions and data by name, from an ELF's symbol table: for backtraces and for images that bring no map of their own.

import { readElf, textAt } from './elf-reader.ts';

const SYM_SIZE = 16,
  STT_FUNC = 2,
  STT_OBJECT = 1,
  STT_NOTYPE = 0,
  SHN_UNDEF = 0,
  SHN_ABS = 0xfff1;
const MAX_SYMBOLS = 50_000;

/** [address, name, size] sorted by address; empty when the file has no table. Throws ImageError for a file that is no ELF. */
export function elfSymbols(bytes: Uint8Array): (readonly [address: number, name: string, size: number])[] {
  const elf = readElf(bytes);
  const table = elf.sections.find((s) => s.name === '.symtab');
  const strings = elf.sections.find((s) => s.name === '.strtab');
  if (!table || !strings) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: (readonly [number, string, number])[] = [];
  for (
    let at = table.offset, end = Math.min(table.offset + table.size, bytes.length) - SYM_SIZE;
    at <= end && out.length < MAX_SYMBOLS;
    at += SYM_SIZE
  ) {
    const kind = bytes[at + 12]! & 15;
    const section = view.getUint16(at + 14, true);
    if (
      section === SHN_UNDEF ||
      section === SHN_ABS ||
      (kind !== STT_FUNC && kind !== STT_OBJECT && kind !== STT_NOTYPE)
    )
      continue;
    const nameAt = strings.offset + view.getUint32(at, true);
    const name = textAt(bytes, nameAt, strings.offset + strings.size);
    if (name !== '') out.push([view.getUint32(at + 4, true), name, view.getUint32(at + 8, true)]);
  }
  return out.sort((a, b) => a[0] - b[0]);
}
