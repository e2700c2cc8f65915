// Reads the parts of a linked 32-bit ELF file that a map is made of: sections and symbols.

const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHF_ALLOC = 2;
const SHN_LORESERVE = 0xff00;
const STT_FUNC = 2;
const STT_SECTION = 3;
const STT_FILE = 4;

const cString = (bytes, at) => bytes.toString('latin1', at, bytes.indexOf(0, at));

/** Sections in file order: name, type, flags, address, size, link, bytes (empty for NOBITS). */
export function readSections(file) {
  const table = file.readUInt32LE(32);
  const entrySize = file.readUInt16LE(46);
  const count = file.readUInt16LE(48);
  const raw = Array.from({ length: count }, (_, i) => {
    const at = table + i * entrySize;
    const [nameAt, type, flags, address, offset, size, link] = [0, 4, 8, 12, 16, 20, 24].map((o) =>
      file.readUInt32LE(at + o),
    );
    return {
      nameAt,
      type,
      flags,
      address,
      size,
      link,
      bytes: file.subarray(offset, type === SHT_NOBITS ? offset : offset + size),
    };
  });
  const names = raw[file.readUInt16LE(50)].bytes;
  return raw.map((section) => ({ ...section, name: cString(names, section.nameAt) }));
}

/** The symbol table as it stands: a name, where, what kind, in which section, and the source file before it. */
function readSymbolTable(sections) {
  const table = sections.find((section) => section.type === SHT_SYMTAB);
  const names = sections[table.link].bytes;
  const symbols = [];
  let source = '';
  for (let at = 16; at < table.bytes.length; at += 16) {
    const [nameAt, address, size] = [0, 4, 8].map((o) => table.bytes.readUInt32LE(at + o));
    const type = table.bytes[at + 12] & 15;
    const local = table.bytes[at + 12] >> 4 === 0;
    const name = cString(names, nameAt);
    if (type === STT_FILE) source = name;
    symbols.push({
      name,
      address,
      size,
      type,
      section: table.bytes.readUInt16LE(at + 14),
      source: local ? source : '',
    });
  }
  return symbols;
}

const isPlace = (sections, { type, section, name }) =>
  type !== STT_SECTION &&
  type !== STT_FILE &&
  section !== 0 &&
  section < SHN_LORESERVE &&
  (sections[section].flags & SHF_ALLOC) !== 0 &&
  !name.startsWith('..@') &&
  !/^(__bss_start|_edata|_end)$/.test(name);

/**
 * Symbols that name a place in memory, as [address, name, size], in order of address.
 *
 * The assembler gives a label no size, or that of its first item. Such a label reaches to the next
 * one: a function to the next function, whatever is named inside it; a sub-label (a.b) ends nothing.
 */
export function readSymbols(sections) {
  const symbols = readSymbolTable(sections).filter((symbol) => isPlace(sections, symbol));
  symbols.sort((a, b) => a.address - b.address || (a.name < b.name ? -1 : 1));
  return symbols.map((symbol) => {
    const { name, address, size, type, section, source } = symbol;
    if (size !== 0 && !source.endsWith('.asm')) return [address, name, size];
    const next = symbols.find(
      (other) =>
        other.section === section &&
        other.address > address &&
        !other.name.includes('.') &&
        (type !== STT_FUNC || other.type === STT_FUNC),
    );
    const end = next?.address ?? sections[section].address + sections[section].size;
    return [address, name, end - address];
  });
}

export const entryPoint = (file) => file.readUInt32LE(24);
