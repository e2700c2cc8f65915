// The WebAssembly binary format, as much of it as generated code needs: LEB128, sections, function bodies.
// It knows nothing of x86; wasm.ts, the reader of the description, writes through it.
// WebAssembly Core Specification, chapter 5 (Binary Format).

/** Value types. */
export const I32 = 0x7f,
  I64 = 0x7e;
export type ValueType = typeof I32 | typeof I64;

/** Opcodes, spelled as in the specification's index of instructions. */
export const OP = {
  unreachable: 0x00,
  nop: 0x01,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  br_table: 0x0e,
  return: 0x0f,
  call: 0x10,
  call_indirect: 0x11,
  drop: 0x1a,
  select: 0x1b,
  'local.get': 0x20,
  'local.set': 0x21,
  'local.tee': 0x22,
  'i32.load': 0x28,
  'i64.load': 0x29,
  'i32.load8_u': 0x2d,
  'i32.load16_u': 0x2f,
  'i32.store': 0x36,
  'i64.store': 0x37,
  'i32.store8': 0x3a,
  'i32.store16': 0x3b,
  'i32.const': 0x41,
  'i64.const': 0x42,
  'i32.eqz': 0x45,
  'i32.eq': 0x46,
  'i32.ne': 0x47,
  'i32.lt_s': 0x48,
  'i32.lt_u': 0x49,
  'i32.gt_s': 0x4a,
  'i32.gt_u': 0x4b,
  'i32.le_s': 0x4c,
  'i32.le_u': 0x4d,
  'i32.ge_s': 0x4e,
  'i32.ge_u': 0x4f,
  'i64.eqz': 0x50,
  'i64.ne': 0x52,
  'i64.gt_u': 0x56,
  'i32.clz': 0x67,
  'i32.ctz': 0x68,
  'i32.popcnt': 0x69,
  'i32.add': 0x6a,
  'i32.sub': 0x6b,
  'i32.mul': 0x6c,
  'i32.div_s': 0x6d,
  'i32.div_u': 0x6e,
  'i32.rem_s': 0x6f,
  'i32.rem_u': 0x70,
  'i32.and': 0x71,
  'i32.or': 0x72,
  'i32.xor': 0x73,
  'i32.shl': 0x74,
  'i32.shr_s': 0x75,
  'i32.shr_u': 0x76,
  'i32.rotl': 0x77,
  'i32.rotr': 0x78,
  'i64.add': 0x7c,
  'i64.sub': 0x7d,
  'i64.mul': 0x7e,
  'i64.div_s': 0x7f,
  'i64.div_u': 0x80,
  'i64.rem_s': 0x81,
  'i64.rem_u': 0x82,
  'i64.and': 0x83,
  'i64.or': 0x84,
  'i64.xor': 0x85,
  'i64.shl': 0x86,
  'i64.shr_s': 0x87,
  'i64.shr_u': 0x88,
  'i32.wrap_i64': 0xa7,
  'i64.extend_i32_s': 0xac,
  'i64.extend_i32_u': 0xad,
  'i32.extend8_s': 0xc0,
  'i32.extend16_s': 0xc1,
} as const;
export type Opcode = keyof typeof OP;

const BLOCK_VOID = 0x40;
const FUNCREF = 0x70;
const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  export: 7,
  element: 9,
  code: 10,
} as const;
/** Limits of an imported memory: with a maximum, and shared or not. */
const LIMITS_MAX = 0x01,
  LIMITS_SHARED = 0x03;
export const MAX_PAGES = 65536;

/** Unsigned LEB128 of a value below 2^32. */
export function unsignedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Signed LEB128 of an i32. */
export function signedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

/** Appends without spreading: a function body may be longer than the engine's argument limit. */
function append(to: number[], from: readonly number[]): void {
  for (const byte of from) to.push(byte);
}

function vector(items: readonly (readonly number[])[]): number[] {
  const bytes = unsignedLeb(items.length);
  for (const item of items) append(bytes, item);
  return bytes;
}

function name(text: string): number[] {
  return vector([...new TextEncoder().encode(text)].map((byte) => [byte]));
}

function section(id: number, content: readonly number[]): number[] {
  const bytes = [id, ...unsignedLeb(content.length)];
  append(bytes, content);
  return bytes;
}

/** One function body under construction. Labels are counted by hand: `depth` is the number of open blocks. */
export class FunctionBody {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly locals: ValueType[] = [];
  readonly code: number[] = [];
  /** Open blocks, loops and ifs; the function's own block is not counted. */
  depth = 0;

  constructor(params: readonly ValueType[], results: readonly ValueType[]) {
    this.params = params;
    this.results = results;
  }

  /** A fresh local of `type`; returns its index. */
  local(type: ValueType): number {
    this.locals.push(type);
    return this.params.length + this.locals.length - 1;
  }

  /** An instruction without immediate. */
  op(opcode: Opcode): this {
    this.code.push(OP[opcode]);
    return this;
  }

  const32(value: number): this {
    this.code.push(OP['i32.const']);
    append(this.code, signedLeb(value));
    return this;
  }

  get(local: number): this {
    return this.indexed('local.get', local);
  }

  set(local: number): this {
    return this.indexed('local.set', local);
  }

  call(func: number): this {
    return this.indexed('call', func);
  }

  /** Branch to the block opened when `depth` was `target - 1`, i.e. whose begin() returned `target`. */
  branch(opcode: 'br' | 'br_if', target: number): this {
    return this.indexed(opcode, this.depth - target);
  }

  /** Branches to targets[index], or to `fallback` where the index on the stack is beyond them. */
  branchTable(targets: readonly number[], fallback: number): this {
    this.code.push(OP.br_table);
    append(this.code, unsignedLeb(targets.length));
    for (const target of targets) append(this.code, unsignedLeb(this.depth - target));
    append(this.code, unsignedLeb(this.depth - fallback));
    return this;
  }

  /** Calls entry `index on the stack` of table 0, whose type has number `type`. */
  callIndirect(type: number): this {
    this.indexed('call_indirect', type);
    this.code.push(0);
    return this;
  }

  /** memory.copy (to, from, length on the stack). */
  memoryCopy(): this {
    this.code.push(0xfc, 0x0a, 0, 0);
    return this;
  }

  /** memory.fill (at, byte, length on the stack). */
  memoryFill(): this {
    this.code.push(0xfc, 0x0b, 0);
    return this;
  }

  /** Opens a void block, loop or if and returns its label for branch(). */
  begin(opcode: 'block' | 'loop' | 'if'): number {
    this.code.push(OP[opcode], BLOCK_VOID);
    return ++this.depth;
  }

  otherwise(): this {
    return this.op('else');
  }

  end(): this {
    if (this.depth === 0) throw new Error('end() without an open block');
    this.depth--;
    return this.op('end');
  }

  /** A load or store of the 32-bit memory 0 at the address on the stack plus `offset`. */
  memory(opcode: Opcode, alignLog2: number, offset: number): this {
    this.code.push(OP[opcode]);
    append(this.code, unsignedLeb(alignLog2));
    append(this.code, unsignedLeb(offset));
    return this;
  }

  /** The body as it stands in the code section, with its size in front. */
  encode(): number[] {
    if (this.depth !== 0) throw new Error(`${this.depth} blocks left open`);
    const groups: number[][] = [];
    for (let i = 0; i < this.locals.length; ) {
      let end = i;
      while (end < this.locals.length && this.locals[end] === this.locals[i]) end++;
      groups.push([...unsignedLeb(end - i), this.locals[i]!]);
      i = end;
    }
    const body = vector(groups);
    append(body, this.code);
    body.push(OP.end);
    const bytes = unsignedLeb(body.length);
    append(bytes, body);
    return bytes;
  }

  private indexed(opcode: Opcode, index: number): this {
    this.code.push(OP[opcode]);
    append(this.code, unsignedLeb(index));
    return this;
  }
}

/** A module: imports first, then functions; both share one index space, so every import precedes the first function. */
export class WasmModule {
  private readonly types = new Map<string, number>();
  private readonly typeBytes: number[][] = [];
  private readonly imports: number[][] = [];
  private readonly importedFunctions = new Map<string, number>();
  private readonly functions: FunctionBody[] = [];
  private readonly exports: number[][] = [];
  private readonly elements: number[] = [];
  private readonly custom: number[][] = [];

  /** Imports a memory of at least `minimum` pages (64 KiB each); `kind` says whether it has a maximum, and is shared. */
  importMemory(
    module: string,
    field: string,
    minimum: number,
    kind: 'growing' | 'fixed' | 'shared' = 'growing',
  ): void {
    const limits =
      kind === 'growing'
        ? [0, ...unsignedLeb(minimum)]
        : [
            kind === 'shared' ? LIMITS_SHARED : LIMITS_MAX,
            ...unsignedLeb(minimum),
            ...unsignedLeb(MAX_PAGES),
          ];
    this.imports.push([...name(module), ...name(field), 0x02, ...limits]);
  }

  /** Appends a function to table 0; returns its place there. */
  addToTable(index: number): number {
    this.elements.push(index);
    return this.elements.length - 1;
  }

  /** A section for whoever loads the module (WebAssembly.Module.customSections). */
  addCustom(title: string, content: readonly number[]): void {
    this.custom.push([...name(title), ...content]);
  }

  /** Imports a function once; the same name later gives the same index. Throws after the first function is defined. */
  importFunction(
    module: string,
    field: string,
    params: readonly ValueType[],
    results: readonly ValueType[],
  ): number {
    const key = `${module}.${field}`;
    const known = this.importedFunctions.get(key);
    if (known !== undefined) return known;
    if (this.functions.length > 0) throw new Error(`import ${key} after a function`);
    const index = this.importedFunctions.size;
    this.imports.push([...name(module), ...name(field), 0x00, ...unsignedLeb(this.type(params, results))]);
    this.importedFunctions.set(key, index);
    return index;
  }

  /** Adds a function and, when named, exports it. Returns its index. */
  define(body: FunctionBody, exportAs?: string): number {
    const index = this.importedFunctions.size + this.functions.length;
    this.functions.push(body);
    if (exportAs !== undefined) this.exports.push([...name(exportAs), 0x00, ...unsignedLeb(index)]);
    return index;
  }

  /** The module's bytes. */
  encode(): Uint8Array<ArrayBuffer> {
    const bytes = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
    const functionTypes = this.functions.map((body) => unsignedLeb(this.type(body.params, body.results)));
    append(bytes, section(SECTION.type, vector(this.typeBytes)));
    append(bytes, section(SECTION.import, vector(this.imports)));
    append(bytes, section(SECTION.function, vector(functionTypes)));
    const { length } = this.elements;
    if (length > 0)
      append(
        bytes,
        section(SECTION.table, vector([[FUNCREF, 1, ...unsignedLeb(length), ...unsignedLeb(length)]])),
      );
    append(bytes, section(SECTION.export, vector(this.exports)));
    if (length > 0) {
      const offset = [OP['i32.const'], 0, OP.end];
      append(
        bytes,
        section(SECTION.element, vector([[0, ...offset, ...vector(this.elements.map(unsignedLeb))]])),
      );
    }
    append(bytes, section(SECTION.code, vector(this.functions.map((body) => body.encode()))));
    for (const content of this.custom) append(bytes, section(SECTION.custom, content));
    return Uint8Array.from(bytes);
  }

  /** Number of a function type. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const bytes = [
      0x60,
      ...unsignedLeb(params.length),
      ...params,
      ...unsignedLeb(results.length),
      ...results,
    ];
    const key = bytes.join(' ');
    const known = this.types.get(key);
    if (known !== undefined) return known;
    this.types.set(key, this.typeBytes.length);
    this.typeBytes.push(bytes);
    return this.typeBytes.length - 1;
  }
}
