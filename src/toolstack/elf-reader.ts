// The ELF container: headers, segments and sections of a 32-bit i386 executable, every offset checked against the file before it is used.

import { ImageError, type ImageProblem } from '../hypervisor/image.ts';

export interface ElfSegment {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly paddr: number;
  readonly fileSize: number;
  readonly memSize: number;
  /** Offset of its program header in the file. */
  readonly at: number;
}
export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  /** Number of the section it refers to: of a symbol table, its strings. */
  readonly link: number;
  /** Offset of its section header in the file. */
  readonly at: number;
}
export interface Elf {
  readonly bytes: Uint8Array;
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
}

export const PT_LOAD = 1,
  PT_NOTE = 4,
  SHT_SYMTAB = 2,
  SHT_STRTAB = 3,
  SHT_NOTE = 7,
  SHT_NOBITS = 8;
/** Size of a section header. */
export const SHDR_SIZE = 40;
const EHDR_SIZE = 52,
  PHDR_SIZE = 32;
const EM_386 = 3,
  EM_X86_64 = 62;

/** Throws an ImageError. */
export function refuse(problem: ImageProblem): never {
  throw new ImageError(problem);
}
export const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

/** The bytes from `at` up to a NUL, `limit` or the end of the file, as Latin-1 text. */
export function textAt(bytes: Uint8Array, at: number, limit: number): string {
  let out = '';
  for (let i = at, end = Math.min(limit, bytes.length); i < end && bytes[i] !== 0; i++)
    out += String.fromCharCode(bytes[i]!);
  return out;
}

function checkIdentity(bytes: Uint8Array, view: DataView): void {
  if (bytes.length < EHDR_SIZE) {
    refuse({
      what: 'The file is too short to be an ELF executable',
      offset: bytes.length,
      expected: `at least ${EHDR_SIZE} bytes`,
      found: `${bytes.length}`,
      remedy: 'Check that the whole file was transferred.',
    });
  }
  if (view.getUint32(0, false) !== 0x7f454c46) {
    const gzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    refuse({
      what: 'The file is no ELF executable',
      offset: 0,
      expected: '7f 45 4c 46',
      found: Array.from(bytes.subarray(0, 4), (b) => b.toString(16).padStart(2, '0')).join(' '),
      remedy: gzip
        ? 'It is gzip-compressed: unpack it first.'
        : 'Link the kernel as an ELF executable (ld -m elf_i386).',
    });
  }
  const machine = view.getUint16(18, true);
  if (bytes[4] === 2 || machine === EM_X86_64) {
    refuse({
      what: 'The kernel is a 64-bit ELF',
      offset: 4,
      expected: 'class 1 (32-bit), machine 3 (i386)',
      found: `class ${bytes[4]}, machine ${machine}`,
      remedy: 'Ringside runs 32-bit: build with -m32.',
    });
  }
  if (bytes[4] !== 1)
    refuse({
      what: 'Unknown ELF class',
      offset: 4,
      expected: '1 (32-bit)',
      found: `${bytes[4]}`,
      remedy: 'Build with -m32.',
    });
  if (bytes[5] !== 1)
    refuse({
      what: 'The ELF is not little-endian',
      offset: 5,
      expected: '1',
      found: `${bytes[5]}`,
      remedy: 'Build for i386.',
    });
  if (machine !== EM_386)
    refuse({
      what: 'The kernel is for another processor',
      offset: 18,
      expected: '3 (i386)',
      found: `${machine}`,
      remedy: 'Build for i386 with -m32.',
    });
  const type = view.getUint16(16, true);
  if (type !== 2 && type !== 3)
    refuse({
      what: 'The ELF is not linked',
      offset: 16,
      expected: '2 (executable) or 3 (shared object)',
      found: `${type}`,
      remedy: 'Link the object file with ld -m elf_i386.',
    });
}

function table(
  bytes: Uint8Array,
  what: string,
  at: number,
  count: number,
  size: number,
  least: number,
  field: number,
): void {
  if (count === 0) return;
  if (size < least)
    refuse({
      what: `The entries of the ${what} are too small`,
      offset: field,
      expected: `at least ${least} bytes`,
      found: `${size}`,
      remedy: 'The file is damaged: build it again.',
    });
  if (at + count * size > bytes.length) {
    refuse({
      what: `The ${what} runs past the end of the file`,
      offset: at,
      expected: `at most ${hex(bytes.length)}`,
      found: hex(at + count * size),
      remedy: 'The file is truncated or damaged: transfer or build it again.',
    });
  }
}

function readSegments(bytes: Uint8Array, view: DataView): ElfSegment[] {
  const at = view.getUint32(28, true),
    size = view.getUint16(42, true),
    count = view.getUint16(44, true);
  table(bytes, 'program header table', at, count, size, PHDR_SIZE, 28);
  const out: ElfSegment[] = [];
  for (let i = 0; i < count; i++) {
    const p = at + i * size;
    const u = (o: number) => view.getUint32(p + o, true);
    const s = { type: u(0), offset: u(4), vaddr: u(8), paddr: u(12), fileSize: u(16), memSize: u(20), at: p };
    if (s.type === PT_LOAD) checkLoad(bytes, s);
    out.push(s);
  }
  return out;
}

function checkLoad(bytes: Uint8Array, s: ElfSegment): void {
  if (s.fileSize > 0 && s.offset + s.fileSize > bytes.length) {
    refuse({
      what: 'A loadable segment runs past the end of the file',
      offset: s.at,
      expected: `an end of at most ${hex(bytes.length)}`,
      found: hex(s.offset + s.fileSize),
      remedy: 'The file is truncated: transfer or build it again.',
    });
  }
  if (s.memSize < s.fileSize) {
    refuse({
      what: 'A loadable segment is smaller in memory than in the file',
      offset: s.at + 20,
      expected: `at least ${hex(s.fileSize)}`,
      found: hex(s.memSize),
      remedy: 'The file is damaged: build it again.',
    });
  }
  if (s.paddr + s.memSize > 0x1_0000_0000) {
    refuse({
      what: 'A loadable segment ends above 4 GiB',
      offset: s.at + 12,
      expected: 'an end of at most 0x100000000',
      found: `0x${(s.paddr + s.memSize).toString(16)}`,
      remedy: 'Check the addresses given to the linker.',
    });
  }
}

/** Sections are optional: a table that is out of bounds counts as none, because a kernel boots without it. */
function readSections(bytes: Uint8Array, view: DataView): ElfSection[] {
  const at = view.getUint32(32, true),
    size = view.getUint16(46, true),
    count = view.getUint16(48, true),
    names = view.getUint16(50, true);
  if (at === 0 || count === 0 || size < SHDR_SIZE || at + count * size > bytes.length) return [];
  const field = (i: number, o: number): number => view.getUint32(at + i * size + o, true);
  const strings = names < count ? field(names, 16) : bytes.length;
  const stringsEnd = names < count ? strings + field(names, 20) : bytes.length;
  const out: ElfSection[] = [];
  for (let i = 0; i < count; i++) {
    const name = textAt(bytes, strings + field(i, 0), Math.min(stringsEnd, strings + field(i, 0) + 64));
    out.push({
      name,
      type: field(i, 4),
      offset: field(i, 16),
      size: field(i, 20),
      link: field(i, 24),
      at: at + i * size,
    });
  }
  return out;
}

/**
 * Reads the container.
 * @throws ImageError when it is no 32-bit i386 ELF, or a header or loadable segment lies outside the file.
 */
export function readElf(bytes: Uint8Array): Elf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkIdentity(bytes, view);
  return {
    bytes,
    entry: view.getUint32(24, true),
    segments: readSegments(bytes, view),
    sections: readSections(bytes, view),
  };
}
