// Multiboot 1 images on the bare machine: header, segments (ELF or the header's own addresses), information structure, one module.
// Multiboot Specification 0.6.96, chapter 3.

import { ImageError } from '../hypervisor/image.ts';
import { initKeyboard } from '../machine/devices/i8042.ts';
import { initPics } from '../machine/devices/i8259.ts';
import { AT, BOARD } from '../machine/devices/board.ts';
import type { BareMachine } from '../machine/bare.ts';
import { multibootProcessor } from '../machine/processor.ts';
import { layout } from '../memory/layout.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { hex, PT_LOAD, readElf, refuse } from './elf-reader.ts';

const HEADER_MAGIC = 0x1badb002;
/** The header lies whole within the first 8192 bytes. */
const HEADER_WITHIN = 8192;
const FLAG_ALIGN = 1,
  FLAG_MEMORY = 2,
  FLAG_VIDEO = 4,
  FLAG_ADDRESSES = 0x10000;
const FLAGS_REQUIRED = 0xffff;

export interface MultibootSegment {
  readonly paddr: number;
  readonly bytes: Uint8Array;
  /** Size in memory; what exceeds the bytes is zero. */
  readonly memSize: number;
}
export interface MultibootImage {
  readonly segments: readonly MultibootSegment[];
  readonly entry: number;
}

/** Offset of the header in the file, -1 if there is none. */
function findHeader(view: DataView): number {
  const last = Math.min(view.byteLength, HEADER_WITHIN) - 12;
  for (let at = 0; at <= last; at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const sum = HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum % 0x1_0000_0000 === 0) return at;
  }
  return -1;
}

/**
 * Parses a multiboot image.
 * @throws ImageError when there is no valid header, it asks for what is not there, or something lies outside the file.
 */
export function parseMultiboot(bytes: Uint8Array): MultibootImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = findHeader(view);
  if (at < 0)
    refuse({
      what: 'The file has no multiboot header',
      expected: `1badb002, flags and a checksum that make zero, on a multiple of 4 within the first ${HEADER_WITHIN} bytes`,
      found: bytes.length < 12 ? `a file of ${bytes.length} bytes` : 'none',
      remedy: 'Link the header into the first section, or give a raw ROM image with --rom.',
    });
  const flags = view.getUint32(at + 4, true);
  const unknown = flags & FLAGS_REQUIRED & ~(FLAG_ALIGN | FLAG_MEMORY | FLAG_VIDEO);
  if (unknown !== 0)
    refuse({
      what: 'The multiboot header requires features that this loader does not have',
      offset: at + 4,
      expected: 'no required flags but 0, 1 and 2',
      found: hex(flags),
      remedy: 'Clear the other flags below bit 16.',
    });
  return (flags & FLAG_ADDRESSES) !== 0 ? byAddresses(bytes, view, at) : byElf(bytes);
}

/** True if the bytes are an image that can be loaded. */
export function isMultiboot(bytes: Uint8Array): boolean {
  try {
    parseMultiboot(bytes);
    return true;
  } catch (error) {
    if (error instanceof ImageError) return false;
    throw error;
  }
}

/** ELF: loadable segments at their physical addresses; an entry point given as a virtual address is translated. */
function byElf(bytes: Uint8Array): MultibootImage {
  const elf = readElf(bytes);
  const loads = elf.segments.filter((s) => s.type === PT_LOAD && s.memSize > 0);
  if (loads.length === 0)
    refuse({
      what: 'The ELF has no loadable segment',
      offset: 44,
      expected: 'a program header of type 1 (PT_LOAD)',
      found: 'none',
      remedy: 'Link it as an executable.',
    });
  const inside = (a: number, from: number, size: number): boolean => a >= from && a < from + size;
  let entry = elf.entry;
  if (!loads.some((s) => inside(entry, s.paddr, s.memSize))) {
    const virtual = loads.find((s) => inside(entry, s.vaddr, s.memSize));
    if (virtual === undefined)
      refuse({
        what: 'The entry point lies in no loadable segment',
        offset: 24,
        expected: 'an address inside a segment',
        found: hex(entry),
        remedy: 'Name the entry symbol to the linker (-e).',
      });
    entry = entry - virtual.vaddr + virtual.paddr;
  }
  const segments = loads.map((s) => ({
    paddr: s.paddr,
    bytes: bytes.subarray(s.offset, s.offset + s.fileSize),
    memSize: s.memSize,
  }));
  return { segments, entry };
}

/** The header's address fields: header_addr load_addr load_end_addr bss_end_addr entry_addr. */
function byAddresses(bytes: Uint8Array, view: DataView, at: number): MultibootImage {
  if (at + 32 > bytes.length)
    refuse({
      what: 'The address fields of the multiboot header run past the end of the file',
      offset: at,
      expected: `32 bytes`,
      found: `${bytes.length - at}`,
      remedy: 'The file is truncated: transfer or build it again.',
    });
  const field = (n: number): number => view.getUint32(at + 12 + 4 * n, true);
  const [header, load, loadEnd, bssEnd, entry] = [0, 1, 2, 3, 4].map(field) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const bad = (name: string, n: number, expected: string): never =>
    refuse({
      what: `The multiboot header’s ${name} makes no sense`,
      offset: at + 12 + 4 * n,
      expected,
      found: hex(field(n)),
      remedy: 'Check the addresses that the header is assembled with.',
    });
  if (load > header || header - load > at)
    bad('load_addr', 1, `at most header_addr ${hex(header)}, and no further before it than the file reaches`);
  const from = at - (header - load);
  const length = loadEnd === 0 ? bytes.length - from : loadEnd - load;
  if (length <= 0 || from + length > bytes.length)
    bad(
      'load_end_addr',
      2,
      `zero, or between load_addr and ${hex(load + bytes.length - from)}, the end of the file`,
    );
  if (bssEnd !== 0 && bssEnd < load + length)
    bad('bss_end_addr', 3, `zero or at least ${hex(load + length)}`);
  const memSize = bssEnd === 0 ? length : bssEnd - load;
  if (entry < load || entry >= load + memSize) bad('entry_addr', 4, 'an address inside what is loaded');
  return { segments: [{ paddr: load, bytes: bytes.subarray(from, from + length), memSize }], entry };
}

// ---- loading ----------------------------------------------------------------------------------------------
const INFO = layout('MULTIBOOT_INFO', {
  flags: 'u32',
  memLower: 'u32', // KiB from 0
  memUpper: 'u32', // KiB from 1 MiB
  bootDevice: 'u32',
  cmdline: 'u32',
  modsCount: 'u32',
  modsAddr: 'u32',
  syms: ['u32', 4],
  mmapLength: 'u32',
  mmapAddr: 'u32',
  drivesLength: 'u32',
  drivesAddr: 'u32',
  configTable: 'u32',
  bootLoaderName: 'u32',
});
const INFO_MEMORY = 1,
  INFO_CMDLINE = 4,
  INFO_MODULES = 8,
  INFO_MMAP = 0x40,
  INFO_LOADER = 0x200;
const LOADER = 'Ringside';
const KIB = 1024;
/** Conventional memory ends here: the last KiB below 640 KiB is firmware's by custom. */
const LOW_END = 0x9fc00,
  HIGH = 0x100000,
  ROM_AREA = 0xe0000;
const AVAILABLE = 1,
  RESERVED = 2;

export interface MultibootBoot {
  readonly image: Uint8Array;
  /** First word of the command line. */
  readonly name: string;
  readonly cmdline: string;
  readonly module?: { readonly bytes: Uint8Array; readonly name: string };
}

interface Range {
  readonly start: number;
  readonly end: number;
}
const overlap = (a: Range, b: Range): boolean => a.start < b.end && b.start < a.end;

/** Loads an image into a fresh bare machine and puts the processor at its entry. Throws ImageError. */
export function loadMultiboot(machine: BareMachine, boot: MultibootBoot): void {
  const { m, frames, chipset } = machine;
  const image = parseMultiboot(boot.image);
  const ram = m.r32(AT.board + BOARD.ramFrames) * PAGE_SIZE;
  const rom: Range = { start: HIGH - m.r32(AT.board + BOARD.romLowPages) * PAGE_SIZE, end: HIGH };
  const taken: Range[] = [];
  for (const s of image.segments) {
    const range = { start: s.paddr, end: s.paddr + s.memSize };
    if (range.end > ram) noRoom('segment', range, `RAM, which ends at ${hex(ram)}`, 'Give more --memory.');
    if (overlap(range, rom))
      noRoom('segment', range, `memory outside the ROM at ${hex(rom.start)}`, 'Link it elsewhere.');
    frames.copyIn(s.paddr, s.bytes);
    taken.push(range);
  }
  let module: Range | undefined;
  if (boot.module !== undefined) {
    const after = Math.max(HIGH, ...taken.map((r) => r.end));
    const start = Math.ceil(after / PAGE_SIZE) * PAGE_SIZE;
    module = { start, end: start + boot.module.bytes.length };
    if (module.end > ram) noRoom('module', module, `RAM, which ends at ${hex(ram)}`, 'Give more --memory.');
    frames.copyIn(start, boot.module.bytes);
    taken.push(module);
  }
  const info = placeInfo(machine, boot, ram, module, taken);
  initPics(chipset);
  initKeyboard(chipset);
  multibootProcessor(m, image.entry, info);
}

function noRoom(what: string, range: Range, expected: string, remedy: string): never {
  throw new ImageError({
    what: `A ${what} of the multiboot image does not fit`,
    expected,
    found: `${hex(range.start)} to ${hex(range.end)}`,
    remedy,
  });
}

/** Builds the information structure and what it points to in one piece of low memory that nothing else uses. */
function placeInfo(
  { frames }: BareMachine,
  boot: MultibootBoot,
  ram: number,
  module: Range | undefined,
  taken: readonly Range[],
): number {
  const text = new TextEncoder();
  const strings = {
    cmdline: text.encode(`${boot.name}${boot.cmdline === '' ? '' : ` ${boot.cmdline}`}\0`),
    loader: text.encode(`${LOADER}\0`),
    module: text.encode(`${boot.module?.name ?? ''}\0`),
  };
  const map = memoryMap(ram);
  const at = { mmap: INFO.$size, modules: 0, cmdline: 0, loader: 0, module: 0, end: 0 };
  at.modules = at.mmap + map.length * 24;
  at.cmdline = at.modules + 16;
  at.loader = at.cmdline + strings.cmdline.length;
  at.module = at.loader + strings.loader.length;
  at.end = at.module + strings.module.length;
  const base = findRoom(at.end, taken, ram);
  const bytes = new Uint8Array(at.end);
  const view = new DataView(bytes.buffer);
  const put = (field: number, value: number): void => view.setUint32(field, value, true);
  put(
    INFO.flags,
    INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER | (module === undefined ? 0 : INFO_MODULES),
  );
  put(INFO.memLower, LOW_END / KIB);
  put(INFO.memUpper, Math.max(0, ram - HIGH) / KIB);
  put(INFO.cmdline, base + at.cmdline);
  put(INFO.mmapLength, map.length * 24);
  put(INFO.mmapAddr, base + at.mmap);
  put(INFO.bootLoaderName, base + at.loader);
  map.forEach(([start, end, type], i) => {
    const e = at.mmap + i * 24;
    put(e, 20); // size of the rest of the entry
    put(e + 4, start);
    put(e + 12, end - start);
    put(e + 20, type);
  });
  if (module !== undefined) {
    put(INFO.modsCount, 1);
    put(INFO.modsAddr, base + at.modules);
    put(at.modules, module.start);
    put(at.modules + 4, module.end);
    put(at.modules + 8, base + at.module);
  }
  bytes.set(strings.cmdline, at.cmdline);
  bytes.set(strings.loader, at.loader);
  bytes.set(strings.module, at.module);
  frames.copyIn(base, bytes);
  return base;
}

function memoryMap(ram: number): readonly (readonly [start: number, end: number, type: number])[] {
  const low = [
    [0, LOW_END, AVAILABLE],
    [LOW_END, 0xa0000, RESERVED],
    [ROM_AREA, HIGH, RESERVED],
  ] as const;
  return ram > HIGH ? [...low, [HIGH, ram, AVAILABLE]] : low;
}

/** The highest page below 640 KiB from which `size` bytes are free. */
function findRoom(size: number, taken: readonly Range[], ram: number): number {
  const pages = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
  for (let start = (LOW_END & ~(PAGE_SIZE - 1)) - pages; start >= PAGE_SIZE; start -= PAGE_SIZE)
    if (!taken.some((r) => overlap(r, { start, end: start + pages }))) return start;
  const after = Math.ceil(Math.max(HIGH, ...taken.map((r) => r.end)) / PAGE_SIZE) * PAGE_SIZE;
  if (after + pages > ram)
    noRoom('information structure', { start: after, end: after + pages }, 'free RAM', 'Give more --memory.');
  return after;
}
