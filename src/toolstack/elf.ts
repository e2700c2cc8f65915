// What a PV kernel tells Xen about itself (public/elfnote.h): ELF notes in PT_NOTE segments, else in SHT_NOTE sections, else the legacy
// string in section __xen_guest. GRUB's image announces more bytes for its last note than the file holds, so a note may overrun the
// note area: text is read up to its NUL or the end of the file, and the walk simply ends there.

import type { ImageSegment, KernelImage } from '../hypervisor/image.ts';
import { HYPERVISOR_VIRT_START } from '../hypervisor/guest-access.ts';
import { bsdSymtab } from './elf-bsd-symtab.ts';
import { type Elf, hex, PT_LOAD, PT_NOTE, readElf, refuse, SHT_NOTE, textAt } from './elf-reader.ts';

const NOTE = {
  ENTRY: 1,
  HYPERCALL_PAGE: 2,
  VIRT_BASE: 3,
  PADDR_OFFSET: 4,
  XEN_VERSION: 5,
  GUEST_OS: 6,
  LOADER: 8,
  PAE_MODE: 9,
  FEATURES: 10,
  BSD_SYMTAB: 11,
  HV_START_LOW: 12,
  SUSPEND_CANCEL: 14,
  MOD_START_PFN: 16,
  SUPPORTED_FEATURES: 17,
  PHYS32_ENTRY: 18,
} as const;

/** Feature names a kernel may use in FEATURES (public/features.h); an unknown required one is refused. */
const FEATURES = [
  'writable_page_tables',
  'writable_descriptor_tables',
  'auto_translated_physmap',
  'supervisor_mode_kernel',
  'pae_pgdir_above_4gb',
  'hvm_callback_vector',
  'dom0',
] as const;
/** Features that may be required here: writable_page_tables is met by the assist of that name. */
const OFFERED: readonly string[] = ['writable_page_tables', 'pae_pgdir_above_4gb'];

/** Parameters as found, before defaults. */
interface Found {
  source: KernelImage['source'];
  numbers: Map<number, number>;
  strings: Map<number, string>;
}

/** Walks one note area; returns how many Xen notes it held. */
function walkNotes(bytes: Uint8Array, from: number, size: number, into: Found): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(from + size, bytes.length);
  let seen = 0;
  for (let at = from; at + 12 <= end; ) {
    const nameSize = view.getUint32(at, true),
      descSize = view.getUint32(at + 4, true),
      type = view.getUint32(at + 8, true);
    const name = at + 12,
      desc = name + Math.ceil(nameSize / 4) * 4;
    if (nameSize === 4 && desc <= end && view.getUint32(name, false) === 0x58656e00) {
      seen++;
      keepNote(bytes, view, type, desc, descSize, into);
    }
    at = desc + Math.ceil(descSize / 4) * 4;
  }
  return seen;
}

function keepNote(
  bytes: Uint8Array,
  view: DataView,
  type: number,
  desc: number,
  size: number,
  into: Found,
): void {
  into.strings.set(type, textAt(bytes, desc, Math.min(desc + size, desc + 4096)));
  if (size === 4 || size === 8) {
    if (desc + size > bytes.length) {
      if (
        type === NOTE.XEN_VERSION ||
        type === NOTE.GUEST_OS ||
        type === NOTE.LOADER ||
        type === NOTE.PAE_MODE ||
        type === NOTE.FEATURES
      )
        return;
      refuse({
        what: `The number of Xen note ${type} is cut off by the end of the file`,
        offset: desc,
        expected: `${size} bytes`,
        found: `${bytes.length - desc}`,
        remedy: 'The file is truncated: transfer or build it again.',
      });
    }
    into.numbers.set(type, view.getUint32(desc, true));
  }
}

/** In the legacy string "yes" alone does not allow L3 tables above 4 GiB, which the note's "yes" does. */
const PLAIN_PAE = 'yes, not extended';
const legacyPae = (value: string): string =>
  value === 'yes[extended-cr3]' ? 'yes' : value.startsWith('yes') ? PLAIN_PAE : value;

/** The legacy section: KEY=VALUE,KEY=VALUE… */
function legacySection(text: string, into: Found): void {
  const number: Readonly<Record<string, number>> = {
    VIRT_BASE: NOTE.VIRT_BASE,
    VIRT_ENTRY: NOTE.ENTRY,
    ELF_PADDR_OFFSET: NOTE.PADDR_OFFSET,
    HYPERCALL_PAGE: NOTE.HYPERCALL_PAGE,
  };
  const string: Readonly<Record<string, number>> = {
    LOADER: NOTE.LOADER,
    GUEST_OS: NOTE.GUEST_OS,
    XEN_VER: NOTE.XEN_VERSION,
    FEATURES: NOTE.FEATURES,
  };
  for (const item of text.split(',')) {
    const eq = item.indexOf('=');
    const key = (eq < 0 ? item : item.slice(0, eq)).trim(),
      value = eq < 0 ? '' : item.slice(eq + 1);
    const n = Object.hasOwn(number, key) ? number[key] : undefined,
      s = Object.hasOwn(string, key) ? string[key] : undefined;
    if (n !== undefined) {
      const parsed = Number(value);
      if (!Number.isInteger(parsed) || parsed < 0 || parsed > 0xffffffff) {
        refuse({
          what: `${key} in section __xen_guest is no number`,
          expected: 'a 32-bit number',
          found: value.slice(0, 32),
          remedy: 'Correct the string, or use ELF notes.',
        });
      }
      into.numbers.set(n, parsed);
    }
    if (s !== undefined) into.strings.set(s, value);
    if (key === 'BSD_SYMTAB') into.strings.set(NOTE.BSD_SYMTAB, 'yes');
    if (key === 'PAE') into.strings.set(NOTE.PAE_MODE, legacyPae(value));
  }
  const base = into.numbers.get(NOTE.VIRT_BASE) ?? 0;
  const page = into.numbers.get(NOTE.HYPERCALL_PAGE);
  if (page !== undefined) into.numbers.set(NOTE.HYPERCALL_PAGE, (base + page * 4096) >>> 0);
  if (!into.numbers.has(NOTE.PADDR_OFFSET)) into.numbers.set(NOTE.PADDR_OFFSET, base);
}

function findParameters(elf: Elf): Found {
  const found: Found = { source: 'PT_NOTE', numbers: new Map(), strings: new Map() };
  let seen = 0;
  for (const s of elf.segments)
    if (s.type === PT_NOTE && s.offset !== 0) seen += walkNotes(elf.bytes, s.offset, s.fileSize, found);
  if (seen > 0) return found;
  for (const s of elf.sections)
    if (s.type === SHT_NOTE) seen += walkNotes(elf.bytes, s.offset, s.size, found);
  if (seen > 0) return { ...found, source: 'SHT_NOTE' };
  const section = elf.sections.find((s) => s.name === '__xen_guest');
  if (section && section.offset < elf.bytes.length) {
    found.source = '__xen_guest';
    legacySection(
      textAt(elf.bytes, section.offset, Math.min(section.offset + section.size, section.offset + 4096)),
      found,
    );
    return found;
  }
  return refuse({
    what: 'The kernel has no Xen notes',
    expected: 'a PT_NOTE segment or SHT_NOTE section with notes named "Xen", or a section __xen_guest',
    found: 'none',
    remedy:
      'Add the notes XEN_VERSION "xen-3.0", LOADER "generic", PAE_MODE "yes" and VIRT_BASE, and keep the section when linking or stripping.',
  });
}

function checkKind(f: Found): KernelImage['pae'] {
  const loader = f.strings.get(NOTE.LOADER) ?? '',
    os = f.strings.get(NOTE.GUEST_OS) ?? '',
    version = f.strings.get(NOTE.XEN_VERSION) ?? '';
  if (f.numbers.has(NOTE.PHYS32_ENTRY) && !f.strings.has(NOTE.XEN_VERSION) && !f.strings.has(NOTE.LOADER)) {
    refuse({
      what: 'The kernel starts as a PVH guest only',
      expected: 'the notes of a PV kernel',
      found: 'PHYS32_ENTRY alone',
      remedy: 'Ringside boots PV kernels: build the PV flavour.',
    });
  }
  if (!loader.startsWith('generic') && !os.startsWith('linux')) {
    refuse({
      what: 'The kernel does not say that the generic loader may load it',
      expected: 'note LOADER "generic"',
      found: loader === '' ? 'no such note' : `"${loader.slice(0, 32)}"`,
      remedy: 'Add the note LOADER (8) with "generic".',
    });
  }
  if (!version.startsWith('xen-3.0')) {
    refuse({
      what: 'The kernel asks for another hypervisor interface',
      expected: 'note XEN_VERSION "xen-3.0"',
      found: version === '' ? 'no such note' : `"${version.slice(0, 32)}"`,
      remedy: 'Add the note XEN_VERSION (5) with "xen-3.0".',
    });
  }
  const pae = f.strings.get(NOTE.PAE_MODE) ?? '';
  if (pae === PLAIN_PAE) return 'plain';
  if (pae.includes('bimodal')) return 'bimodal';
  if (pae.startsWith('yes')) return 'yes';
  return refuse({
    what: 'The kernel uses page tables without PAE',
    expected: 'note PAE_MODE "yes"',
    found: pae === '' ? 'no such note' : `"${pae.slice(0, 32)}"`,
    remedy:
      'This interface has PAE tables of 64-bit entries only: build the kernel for PAE and add the note PAE_MODE (9) with "yes".',
  });
}

function splitFeatures(text: string): { features: string[]; required: string[] } {
  const features: string[] = [],
    required: string[] = [];
  for (const item of text.split('|')) {
    const name = item.replace(/^!/, '').trim();
    if (name === '') continue;
    if (item.startsWith('!')) required.push(name);
    else features.push(name);
  }
  for (const name of required) {
    if (OFFERED.includes(name)) continue;
    const known = (FEATURES as readonly string[]).includes(name);
    refuse({
      what: `The kernel requires the feature ${name.slice(0, 40)}`,
      expected: OFFERED.join(', '),
      found: name.slice(0, 40),
      remedy: known
        ? 'A PV domain cannot have it: make it optional in the note FEATURES (remove the "!").'
        : 'This feature is unknown: correct the note FEATURES.',
    });
  }
  return { features, required };
}

/** Segments in virtual addresses, the symbol table behind them if the kernel wants it, and the range [start, end) they span. */
function place(
  elf: Elf,
  offset: number,
  symbols: boolean,
): { segments: ImageSegment[]; start: number; end: number } {
  const loads = elf.segments.filter((s) => s.type === PT_LOAD && s.memSize > 0);
  if (loads.length === 0)
    refuse({
      what: 'The kernel has nothing to load',
      expected: 'a PT_LOAD segment',
      found: 'none',
      remedy: 'Link the kernel as an executable.',
    });
  let start = Number.POSITIVE_INFINITY,
    end = 0;
  const segments = loads.map((s) => {
    const vaddr = s.paddr + offset;
    if (vaddr < 0 || vaddr + s.memSize > HYPERVISOR_VIRT_START) {
      refuse({
        what: 'A segment does not fit below the hypervisor',
        offset: s.at + 12,
        expected: `an address between 0 and ${hex(HYPERVISOR_VIRT_START)}`,
        found: `${vaddr < 0 ? '-' : ''}0x${Math.abs(vaddr).toString(16)} + ${hex(s.memSize)}`,
        remedy: 'Correct VIRT_BASE and PADDR_OFFSET: virtual address = p_paddr + VIRT_BASE - PADDR_OFFSET.',
      });
    }
    start = Math.min(start, vaddr);
    end = Math.max(end, vaddr + s.memSize);
    return { vaddr, bytes: elf.bytes.subarray(s.offset, s.offset + s.fileSize), memSize: s.memSize };
  });
  const table = symbols ? bsdSymtab(elf, end) : undefined;
  if (!table) return { segments, start, end };
  if (table.vaddr + table.memSize > HYPERVISOR_VIRT_START) {
    refuse({
      what: 'The symbol table behind the kernel does not fit below the hypervisor',
      expected: `an end of at most ${hex(HYPERVISOR_VIRT_START)}`,
      found: hex(table.vaddr + table.memSize),
      remedy: 'Strip the kernel, or drop the note BSD_SYMTAB (11).',
    });
  }
  return { segments: [...segments, table], start, end: table.vaddr + table.memSize };
}

function checkRange(virtBase: number, start: number, end: number, entry: number): void {
  if (virtBase > start)
    refuse({
      what: 'The kernel begins below VIRT_BASE',
      expected: `at least ${hex(virtBase)}`,
      found: hex(start),
      remedy: 'Correct VIRT_BASE or PADDR_OFFSET.',
    });
  if (start % 4096 !== 0)
    refuse({
      what: 'The kernel does not begin on a page',
      expected: 'a multiple of 0x1000',
      found: hex(start),
      remedy: 'Align the first segment to 4 KiB (ld without -N, or ALIGN(4096)).',
    });
  if (entry < start || entry > end)
    refuse({
      what: 'The entry point lies outside the kernel',
      expected: `${hex(start)} to ${hex(end)}`,
      found: hex(entry),
      remedy: 'Set the note ENTRY, or -e of the linker.',
    });
}

function checkHypercallPage(page: number | undefined, virtBase: number): void {
  if (page === undefined) return;
  if (page % 4096 !== 0 || page < virtBase || page >= HYPERVISOR_VIRT_START) {
    refuse({
      what: 'The hypercall page is at an impossible place',
      expected: `a page between ${hex(virtBase)} and ${hex(HYPERVISOR_VIRT_START)}`,
      found: hex(page),
      remedy: 'Correct the note HYPERCALL_PAGE (2).',
    });
  }
}

/**
 * Parses a PV kernel for 32-bit x86.
 * @throws ImageError naming what is wrong, where, what was expected and found, and the remedy.
 */
export function parseKernel(bytes: Uint8Array): KernelImage {
  const elf = readElf(bytes);
  const f = findParameters(elf);
  const pae = checkKind(f);
  const virtBase = f.numbers.get(NOTE.VIRT_BASE);
  const paddrOffset = f.numbers.get(NOTE.PADDR_OFFSET) ?? 0;
  if (virtBase === undefined && f.source !== '__xen_guest' && f.numbers.has(NOTE.PADDR_OFFSET)) {
    refuse({
      what: 'The kernel gives PADDR_OFFSET without VIRT_BASE',
      expected: 'both notes',
      found: 'PADDR_OFFSET alone',
      remedy: 'Add the note VIRT_BASE (3).',
    });
  }
  const base = virtBase ?? 0;
  const { segments, start, end } = place(elf, base - paddrOffset, f.strings.get(NOTE.BSD_SYMTAB) === 'yes');
  const entry = f.numbers.get(NOTE.ENTRY) ?? elf.entry;
  checkRange(base, start, end, entry);
  const hypercallPage = f.numbers.get(NOTE.HYPERCALL_PAGE);
  checkHypercallPage(hypercallPage, base);
  const hvStartLow = f.numbers.get(NOTE.HV_START_LOW);
  if (hvStartLow !== undefined && hvStartLow > HYPERVISOR_VIRT_START) {
    refuse({
      what: 'The kernel wants the hypervisor to begin higher',
      expected: `HV_START_LOW of at most ${hex(HYPERVISOR_VIRT_START)}`,
      found: hex(hvStartLow),
      remedy: 'Lower the note HV_START_LOW (12).',
    });
  }
  const { features, required } = splitFeatures(f.strings.get(NOTE.FEATURES) ?? '');
  return {
    segments,
    entry,
    virtBase: base,
    start,
    end,
    hypercallPage,
    pae,
    features,
    requiredFeatures: required,
    supportedFeatures: f.numbers.get(NOTE.SUPPORTED_FEATURES) ?? 0,
    guestOs: f.strings.get(NOTE.GUEST_OS) ?? '',
    loader: f.strings.get(NOTE.LOADER) ?? '',
    xenVersion: f.strings.get(NOTE.XEN_VERSION) ?? '',
    hvStartLow,
    modStartPfn: (f.numbers.get(NOTE.MOD_START_PFN) ?? 0) !== 0,
    suspendCancel: (f.numbers.get(NOTE.SUSPEND_CANCEL) ?? 0) !== 0,
    source: f.source,
  };
}
