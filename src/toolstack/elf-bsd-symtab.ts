// The symbol table behind a kernel that asks for it with the note BSD_SYMTAB: a word with the size of what follows, then a small ELF file
// of its own - header, three section headers (undefined, symbols, strings) and the two sections. Nothing of the file but these bytes gets
// into the guest, and every gap is zero.

import type { ImageSegment } from '../hypervisor/image.ts';
import { type Elf, SHDR_SIZE, SHT_STRTAB, SHT_SYMTAB } from './elf-reader.ts';

const EHDR_SIZE = 52;
/** Where the section headers begin in the small file: room for the larger header of 64-bit files stays free. */
const SECTIONS_AT = 64;
const NR_SECTIONS = 3,
  SYMTAB = 1,
  STRTAB = 2;
/** Fields of the ELF header and of a section header (ELF specification, figures 1-3 and 1-8). */
const E_VERSION = 20,
  E_PHOFF = 28,
  E_SHOFF = 32,
  E_EHSIZE = 40,
  E_PHENTSIZE = 42,
  E_PHNUM = 44,
  E_SHENTSIZE = 46,
  E_SHNUM = 48,
  E_SHSTRNDX = 50;
const SH_OFFSET = 16,
  SH_LINK = 24;

const align = (n: number): number => Math.ceil(n / 4) * 4;

/**
 * The segment that follows a kernel ending at `end`; undefined when the file has no symbol table, or one that does not lie in the file.
 */
export function bsdSymtab(elf: Elf, end: number): ImageSegment | undefined {
  const symbols = elf.sections.find((s) => s.type === SHT_SYMTAB);
  const strings = symbols === undefined ? undefined : elf.sections[symbols.link];
  if (symbols === undefined || strings?.type !== SHT_STRTAB) return undefined;
  for (const s of [symbols, strings]) if (s.offset + s.size > elf.bytes.length) return undefined;
  const symbolsAt = SECTIONS_AT + NR_SECTIONS * SHDR_SIZE,
    stringsAt = align(symbolsAt + symbols.size),
    size = stringsAt + strings.size;
  const bytes = new Uint8Array(align(4 + size));
  const file = bytes.subarray(4);
  const f = new DataView(bytes.buffer, 4);
  new DataView(bytes.buffer).setUint32(0, size, true);
  file.set(elf.bytes.subarray(0, EHDR_SIZE));
  f.setUint32(E_VERSION, 1, true);
  f.setUint32(E_PHOFF, 0, true);
  f.setUint32(E_SHOFF, SECTIONS_AT, true);
  for (const [at, value] of [
    [E_EHSIZE, EHDR_SIZE],
    [E_PHENTSIZE, 0],
    [E_PHNUM, 0],
    [E_SHENTSIZE, SHDR_SIZE],
    [E_SHNUM, NR_SECTIONS],
    [E_SHSTRNDX, 0],
  ] as const)
    f.setUint16(at, value, true);
  const header = (index: number, from: number, offset: number): void => {
    const at = SECTIONS_AT + index * SHDR_SIZE;
    file.set(elf.bytes.subarray(from, from + SHDR_SIZE), at);
    f.setUint32(at + SH_OFFSET, offset, true);
  };
  header(SYMTAB, symbols.at, symbolsAt);
  f.setUint32(SECTIONS_AT + SYMTAB * SHDR_SIZE + SH_LINK, STRTAB, true);
  header(STRTAB, strings.at, stringsAt);
  file.set(elf.bytes.subarray(symbols.offset, symbols.offset + symbols.size), symbolsAt);
  file.set(elf.bytes.subarray(strings.offset, strings.offset + strings.size), stringsAt);
  return { vaddr: align(end), bytes, memSize: bytes.length };
}
