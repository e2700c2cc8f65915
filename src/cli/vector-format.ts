// The lines of a CPU test file: what members and registers there are, in which spellings they are accepted, and errors that name what is not.
//
//   {"name", "mode", "initial": {"regs", "mem"}, "final": {…only what must hold}, "flagsMask"?, "exception"?, "errorCode"?, "untilHlt"?, "cpu"?}
//
// Modes: prot32 (CPL 3, or that of "cs"), prot32-ring0, prot16, real, vm86. Registers: eax … edi and their parts, eip, eflags, es cs ss ds fs gs,
// cr0 cr2 cr3 cr4, dr0-dr3 dr6 dr7, efer, ldtr, tr, and gdtr and idtr as {"base","limit"}, a pair, or a base alone. "mem" lists [address, byte]:
// linear addresses, or physical ones when there is no paging or "cr3" is given. "ram" is "mem", "ip" is "eip", "flags" is "eflags".
//
// A file may also be one JSON array, as the single-step suites of old processors are published: there "mode" may be missing (real), and
// where "bytes" end with HLT the final state is the one behind that HLT, or behind one at the place control went to.

export type VectorMode = 'prot32' | 'prot32-ring0' | 'prot16' | 'real' | 'vm86';

export interface TableRegister {
  readonly base: number;
  readonly limit: number;
}
/** Registers by name; gdtr and idtr as two numbers in gdtrBase … idtrLimit. */
export type Registers = Readonly<Record<string, number>>;

export interface VectorState {
  readonly regs?: Registers;
  readonly mem?: readonly (readonly [address: number, byte: number])[];
  /** When given: these pages, with rights out of 'rwx', and those that "mem" names are all the memory there is. */
  readonly pages?: readonly (readonly [address: number, rights: string])[];
  /** Descriptors by selector, as two words: in the GDT, or in the LDT where the selector says so. */
  readonly descriptors?: readonly (readonly [selector: number, low: number, high: number])[];
}

/** One line of a vector file; `final` lists only what must hold. */
export interface Vector {
  readonly name: string;
  readonly mode: VectorMode;
  readonly initial: VectorState;
  readonly final: VectorState;
  /** EFLAGS bits that are compared; all but RF when absent. */
  readonly flagsMask?: number;
  /** Vector of the exception or interrupt the instruction must raise; `final` is then the interrupted state, or that at the handler. */
  readonly exception?: number;
  readonly errorCode?: number;
  /** Address of the FLAGS image an exception pushed: "flagsMask" holds for it too. */
  readonly flagAddress?: number;
  /** Run until HLT instead of one instruction. */
  readonly untilHlt?: boolean;
  /** EIP of "final" may be one further: behind a HLT at the place where the instruction led. */
  readonly behindHlt?: boolean;
  /** Memory that "final" does not list must be as it was. */
  readonly exact?: boolean;
  readonly cpu?: string;
}

export const GPR_NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
export const SEG_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** A part of a register: its number, the lowest bit and the width. */
export interface RegisterPart {
  readonly gpr: number;
  readonly shift: number;
  readonly mask: number;
}
const part = (gpr: number, shift: number, mask: number): RegisterPart => ({ gpr, shift, mask });
/** General registers and their parts by name. */
export const PARTS: ReadonlyMap<string, RegisterPart> = new Map([
  ...GPR_NAMES.map((name, n) => [name, part(n, 0, 0xffffffff)] as const),
  ...GPR_NAMES.map((name, n) => [name.slice(1), part(n, 0, 0xffff)] as const),
  ...['al', 'cl', 'dl', 'bl'].map((name, n) => [name, part(n, 0, 0xff)] as const),
  ...['ah', 'ch', 'dh', 'bh'].map((name, n) => [name, part(n, 8, 0xff)] as const),
]);

const MODES: Readonly<Record<string, VectorMode>> = {
  prot32: 'prot32',
  'prot32-ring0': 'prot32-ring0',
  prot16: 'prot16',
  real: 'real',
  real16: 'real',
  vm86: 'vm86',
  v86: 'vm86',
};
const REGISTER_ALIASES: Readonly<Record<string, string>> = {
  ip: 'eip',
  flags: 'eflags',
  gdtr_base: 'gdtrBase',
  gdtr_limit: 'gdtrLimit',
  idtr_base: 'idtrBase',
  idtr_limit: 'idtrLimit',
};
const OTHER_REGISTERS = new Set([
  'eip',
  'eflags',
  'cr0',
  'cr2',
  'cr3',
  'cr4',
  'dr0',
  'dr1',
  'dr2',
  'dr3',
  'dr6',
  'dr7',
  'efer',
  'ldtr',
  'tr',
  'gdtrBase',
  'gdtrLimit',
  'idtrBase',
  'idtrLimit',
  ...SEG_NAMES,
]);
const MEMBERS = new Set([
  ...['name', 'mode', 'initial', 'final', 'flagsMask', 'exception', 'errorCode', 'flagAddress', 'untilHlt'],
  ...['exact', 'cpu', 'idx', 'hash', 'test_hash', 'bytes', 'cycles', 'comment'],
]);
const STATE_MEMBERS = new Set(['regs', 'mem', 'ram', 'pages', 'descriptors', 'ea', 'queue']);
const DEFAULT_TABLE_LIMIT = 0xffff;

type Json = Readonly<Record<string, unknown>>;

function integer(value: unknown, what: string): number {
  const number = typeof value === 'string' && /^-?(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number)) throw new Error(`${what} is no integer`);
  if (number < -0x80000000 || number > 0xffffffff) throw new Error(`${what} does not fit in 32 bits`);
  return number;
}

function object(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what} is no object`);
  return value as Json;
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is no list`);
  return value as readonly unknown[];
}

function known(of: Json, members: ReadonlySet<string>, what: string): void {
  for (const name of Object.keys(of))
    if (!members.has(name)) throw new Error(`unknown member "${name}"${what}`);
}

/** gdtr and idtr: an object, a pair, or a base alone. */
function tableRegister(value: unknown, what: string): [base: number, limit: number] {
  if (Array.isArray(value)) return [integer(value[0], what), integer(value[1], what)];
  if (typeof value !== 'object' || value === null) return [integer(value, what), DEFAULT_TABLE_LIMIT];
  const { base, limit, ...rest } = value as Json;
  known(rest, new Set(), ` in ${what}`);
  return [integer(base, `${what}.base`), integer(limit ?? DEFAULT_TABLE_LIMIT, `${what}.limit`)];
}

function parseRegisters(value: unknown): Registers {
  const regs: Record<string, number> = {};
  for (const [spelled, content] of Object.entries(object(value, '"regs"'))) {
    const lower = spelled.toLowerCase();
    const name = REGISTER_ALIASES[lower] ?? (lower.includes('tr') ? spelled : lower);
    if (name === 'gdtr' || name === 'idtr') {
      [regs[`${name}Base`], regs[`${name}Limit`]] = tableRegister(content, name);
    } else if (PARTS.has(name) || OTHER_REGISTERS.has(name)) {
      regs[name] = integer(content, `register '${name}'`) >>> 0;
    } else throw new Error(`unknown register '${spelled}'`);
  }
  return regs;
}

function parseMemory(value: unknown): (readonly [number, number])[] {
  return list(value, '"mem"').map((pair, i) => {
    const [address, byte, more] = list(pair, `"mem"[${i}]`);
    const content = integer(byte, `"mem"[${i}][1]`);
    if (more !== undefined || content < 0 || content > 255)
      throw new Error(`"mem"[${i}] is no [address, byte]`);
    return [integer(address, `"mem"[${i}][0]`) >>> 0, content];
  });
}

function parsePages(value: unknown): (readonly [number, string])[] {
  return list(value, '"pages"').map((pair, i) => {
    const [address, rights] = list(pair, `"pages"[${i}]`);
    if (typeof rights !== 'string' || !/^rw?x?$/.test(rights))
      throw new Error(`"pages"[${i}] has no rights out of r, rw, rx, rwx`);
    return [integer(address, `"pages"[${i}][0]`) >>> 0, rights];
  });
}

function parseDescriptors(value: unknown): (readonly [number, number, number])[] {
  return list(value, '"descriptors"').map((entry, i) => {
    const words = list(entry, `"descriptors"[${i}]`).map(
      (word) => integer(word, `"descriptors"[${i}]`) >>> 0,
    );
    if (words.length !== 3) throw new Error(`"descriptors"[${i}] is no [selector, low, high]`);
    return words as unknown as readonly [number, number, number];
  });
}

function parseState(value: unknown, what: string): VectorState {
  const state = object(value, `"${what}"`);
  known(state, STATE_MEMBERS, ` in "${what}"`);
  const mem = state['mem'] ?? state['ram'];
  return {
    ...(state['regs'] === undefined ? {} : { regs: parseRegisters(state['regs']) }),
    ...(mem === undefined ? {} : { mem: parseMemory(mem) }),
    ...(state['pages'] === undefined ? {} : { pages: parsePages(state['pages']) }),
    ...(state['descriptors'] === undefined ? {} : { descriptors: parseDescriptors(state['descriptors']) }),
  };
}

/** "exception": a vector, or {"number", "flag_address"}. */
function parseException(value: unknown): { exception?: number; flagAddress?: number } {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object') return { exception: integer(value, '"exception"') };
  const { number, flag_address: address, ...rest } = value as Json;
  known(rest, new Set(['error_code']), ' in "exception"');
  return {
    exception: integer(number, '"exception".number'),
    ...(address === undefined ? {} : { flagAddress: integer(address, '"exception".flag_address') >>> 0 }),
  };
}

const optional = (raw: Json, name: string): Record<string, number> =>
  raw[name] === undefined || raw[name] === null ? {} : { [name]: integer(raw[name], `"${name}"`) };

/** A vector from its JSON. Throws an Error that names what is missing, unknown or malformed. */
export function toVector(json: unknown): Vector {
  const raw = object(json, 'the line');
  known(raw, MEMBERS, '');
  const missing = ['name', 'mode', 'initial', 'final'].find((member) => raw[member] === undefined);
  if (missing !== undefined) throw new Error(`a vector needs "${missing}"`);
  const mode = MODES[String(raw['mode'])];
  if (mode === undefined)
    throw new Error(`mode "${String(raw['mode'])}" is none of ${Object.keys(MODES).join(', ')}`);
  return {
    name: String(raw['name']),
    mode,
    initial: parseState(raw['initial'], 'initial'),
    final: parseState(raw['final'], 'final'),
    ...parseException(raw['exception']),
    ...optional(raw, 'flagsMask'),
    ...optional(raw, 'errorCode'),
    ...optional(raw, 'flagAddress'),
    ...(raw['untilHlt'] === true ? { untilHlt: true } : {}),
    ...(raw['exact'] === true ? { exact: true } : {}),
    ...(raw['cpu'] === undefined ? {} : { cpu: String(raw['cpu']) }),
  };
}

const HLT = 0xf4;

/** A member of an array of single steps. Throws like toVector. */
export function toSingleStep(json: unknown): Vector {
  const raw = object(json, 'the test');
  const vector = toVector({ mode: 'real', ...raw });
  const bytes = raw['bytes'] === undefined ? [] : list(raw['bytes'], '"bytes"');
  return bytes[bytes.length - 1] === HLT && vector.untilHlt !== true
    ? { ...vector, behindHlt: true }
    : vector;
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${where}: not JSON (${said(error)})`);
  }
}
function located<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new Error(`${where}: ${said(error)}`);
  }
}

/** The vector of one line of a file; `where` stands in front of the error. */
export function parseVector(line: string, where: string): Vector {
  const json = parseJson(line, where);
  return located(where, () => toVector(json));
}

/** The vectors of a file that is one array; the place of each is its index. */
export function parseVectorArray(text: string, name: string): { vector: Vector; where: string }[] {
  return list(parseJson(text, name), name).map((json, i) => {
    const where = `${name}[${i}]`;
    return { vector: located(where, () => toSingleStep(json)), where };
  });
}
