// The WebAssembly builder: every form gives a module that WebAssembly accepts, and the modules do what a real processor did on the
// vectors recorded from one. Flat segments and a sparse memory stand in for the helpers of a machine.

import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import './semantics/index.ts';
import { GP, PF } from './builder.ts';
import { classifyInsn } from './classify.ts';
import { decode } from './decode.ts';
import { sampleInsns } from './samples.ts';
import { TABLE } from './table.ts';
import { CS, type Insn } from './types.ts';
import { AGAIN, EFLAGS_OFFSET, EIP_OFFSET, emitModule, HELPERS, SYS_NAMES } from './wasm.ts';

// ---- Every form ----------------------------------------------------------------------------------------

describe('emitted modules', () => {
  test('every form of the table validates, in every operand size and kind', () => {
    for (const form of TABLE) {
      const samples = sampleInsns(form);
      if (form.opcode !== '') expect(samples.length, form.opcode).toBeGreaterThan(0);
      for (const insn of samples)
        expect(WebAssembly.validate(emitModule([insn])), `${form.opcode} ${form.mnemonic}`).toBe(true);
    }
  });
  test('a string instruction validates under every prefix', () => {
    for (const form of TABLE.filter((f) => f.rep !== undefined)) {
      for (const insn of sampleInsns(form))
        for (const rep of ['rep', 'repne'] as const)
          expect(WebAssembly.validate(emitModule([{ ...insn, rep }])), form.mnemonic).toBe(true);
    }
  });
});

// ---- A machine for vectors -----------------------------------------------------------------------------

const GPR_NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
type Registers = Readonly<Record<string, number>>;
type Bytes = readonly (readonly [address: number, byte: number])[];
type Pages = readonly (readonly [address: number, rights: string])[];
interface Vector {
  readonly name: string;
  readonly mode: string;
  readonly initial: {
    readonly regs: Registers;
    readonly mem: Bytes;
    readonly pages: Pages;
    readonly descriptors?: unknown;
  };
  readonly final: { readonly regs: Registers; readonly mem: Bytes };
  readonly flagsMask?: number;
  readonly exception?: number;
  readonly errorCode?: number;
}

class Fault extends Error {
  readonly vector: number;
  readonly code: number | undefined;
  readonly address: number | undefined;
  constructor(vector: number, code?: number, address?: number) {
    super(`exception ${vector}`);
    this.vector = vector;
    this.code = code;
    this.address = address;
  }
}
/** The vector needs more of a system than this test has. */
class Unsupported extends Error {}

const FLAT_CODE = 0xcfb,
  FLAT_DATA = 0xcf3;
const SELECTORS = [0x2b, 0x23, 0x2b, 0x2b, 0, 0];
const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const STATE_AT = 256;

const pagesOf = (vector: Vector): ReadonlyMap<number, string> =>
  new Map(vector.initial.pages.map(([at, rights]) => [at >>> 12, rights]));

/** Sparse bytes, flat segments, CPL 3. */
class FlatMachine {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  readonly view = new DataView(this.memory.buffer);
  bytes = new Map<number, number>();
  private pages: ReadonlyMap<number, string> = new Map();

  reset(vector: Vector): void {
    this.bytes = new Map(vector.initial.mem);
    this.pages = pagesOf(vector);
    GPR_NAMES.forEach((name, i) => {
      this.view.setUint32(STATE_AT + 4 * i, vector.initial.regs[name]!, true);
    });
    this.view.setUint32(STATE_AT + EIP_OFFSET, vector.initial.regs['eip']!, true);
    this.view.setUint32(STATE_AT + EFLAGS_OFFSET, vector.initial.regs['eflags']!, true);
  }

  reg(name: string): number {
    const i = GPR_NAMES.indexOf(name as 'eax');
    const offset = name === 'eip' ? EIP_OFFSET : name === 'eflags' ? EFLAGS_OFFSET : 4 * i;
    return this.view.getUint32(STATE_AT + offset, true);
  }

  private check(address: number, length: number, write: number): void {
    for (let i = 0; i < length; i++) {
      const at = (address + i) >>> 0;
      const rights = this.pages.get(at >>> 12);
      const present = rights === undefined ? 0 : 1;
      if (present === 0 || (write === 1 && !rights!.includes('w')))
        throw new Fault(PF, 4 | (write << 1) | present, at);
    }
  }
  private read(address: number, length: number): bigint {
    this.check(address, length, 0);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--)
      value = (value << 8n) | BigInt(this.bytes.get((address + i) >>> 0) ?? 0);
    return value;
  }
  private write(address: number, length: number, value: bigint): void {
    this.check(address, length, 1);
    for (let i = 0; i < length; i++)
      this.bytes.set((address + i) >>> 0, Number((value >> BigInt(8 * i)) & 255n));
  }
  /** FS and GS hold null selectors; a code segment is never written. */
  private flat(seg: number, write: number): void {
    if (SELECTORS[seg] === 0 || (seg === CS && write === 1)) throw new Fault(GP, 0);
  }

  imports(): WebAssembly.ModuleImports {
    const unsupported = Object.fromEntries(
      Object.keys(HELPERS).map((name) => [
        name,
        () => {
          throw new Unsupported(name);
        },
      ]),
    );
    const sys: Readonly<Record<string, number>> = {
      cpl: 3,
      iopl: 0,
      vm: 0,
      cr0: 0x80010033,
      cr4: 0x20,
      if: 1,
      cs: 0x23,
      ss: 0x2b,
      vif: 0,
      vip: 0,
    };
    return {
      ...unsupported,
      memory: this.memory,
      load: (seg: number, at: number, size: number) => {
        this.flat(seg, 0);
        return Number(this.read(at, size / 8));
      },
      store: (seg: number, at: number, size: number, value: number) => {
        this.flat(seg, 1);
        this.write(at, size / 8, BigInt(value >>> 0));
      },
      loadW: (seg: number, at: number) => {
        this.flat(seg, 0);
        return BigInt.asIntN(64, this.read(at, 8));
      },
      storeW: (seg: number, at: number, value: bigint) => {
        this.flat(seg, 1);
        this.write(at, 8, BigInt.asUintN(64, value));
      },
      probe: (seg: number, at: number, length: number, write: number) => {
        this.flat(seg, write);
        this.check(at, length, write);
      },
      stackMask: () => -1,
      checkJump: () => {},
      sys: (n: number) => sys[SYS_NAMES[n]!] ?? unsupported['sys']!(),
      setSys: () => {
        throw new Unsupported('setSys');
      },
      segmentPart: (seg: number, part: number) =>
        [SELECTORS[seg]!, 0, -1, seg === 1 ? FLAT_CODE : FLAT_DATA][part]!,
      ioRefused: () => 1,
      fault: (vector: number, has: number, code: number) => {
        throw new Fault(vector, has === 0 ? undefined : code);
      },
    };
  }
}

type Run = (state: number, eip: number) => number;

/** What is different from the vector; nothing when it passes. */
function differences(machine: FlatMachine, vector: Vector, run: Run): string[] {
  machine.reset(vector);
  let raised: Fault | undefined;
  try {
    while (run(STATE_AT, vector.initial.regs['eip']!) === AGAIN);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    raised = error;
    // A fault leaves EIP at the instruction: the caller knows where it was.
    machine.view.setUint32(STATE_AT + EIP_OFFSET, vector.initial.regs['eip']!, true);
  }
  const found: string[] = [];
  const compare = (what: string, expected: number | undefined, got: number | undefined) => {
    if (expected !== got) found.push(`${what}: ${got?.toString(16)} for ${expected?.toString(16)}`);
  };
  compare('exception', vector.exception, raised?.vector);
  if (raised?.code !== undefined) compare('error code', vector.errorCode, raised.code);
  for (const [name, value] of Object.entries(vector.final.regs)) {
    const seg = SEGMENT_NAMES.indexOf(name);
    if (seg >= 0) {
      compare(name, value, SELECTORS[seg]);
      continue;
    }
    if (name === 'cr2') {
      compare(name, value, raised?.address);
      continue;
    }
    const mask = name === 'eflags' ? (vector.flagsMask ?? -1) : -1;
    compare(name, (value & mask) >>> 0, (machine.reg(name) & mask) >>> 0);
  }
  for (const [at, byte] of vector.final.mem)
    compare(`[${at.toString(16)}]`, byte, machine.bytes.get(at) ?? 0);
  return found;
}

function insnOf(vector: Vector): Insn {
  const code = new Map(vector.initial.mem);
  return decode((i) => code.get((vector.initial.regs['eip']! + i) >>> 0) ?? 0, true);
}

/** Whether every byte of the instruction is where the vector has memory: a fetch that faults never reaches the description. */
function isFetched(vector: Vector, insn: Insn): boolean {
  const eip = vector.initial.regs['eip']!;
  const pages = pagesOf(vector);
  return insn.bytes.every((_byte, i) => pages.has(((eip + i) >>> 0) >>> 12));
}

const BATCH = 250;

interface Report {
  passed: number;
  unsupported: number;
  readonly failures: string[];
}

function runVectors(vectors: readonly Vector[]): Report {
  const report: Report = { passed: 0, unsupported: 0, failures: [] };
  const machine = new FlatMachine();
  const imports = { x86: machine.imports() };
  for (let from = 0; from < vectors.length; from += BATCH) {
    const batch = vectors.slice(from, from + BATCH);
    const module = new WebAssembly.Module(emitModule(batch.map(insnOf)));
    const { exports } = new WebAssembly.Instance(module, imports);
    batch.forEach((vector, i) => {
      try {
        const found = differences(machine, vector, exports[String(i)] as Run);
        if (found.length === 0) report.passed++;
        else report.failures.push(`${vector.name}: ${found.join(', ')}`);
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error;
        report.unsupported++;
      }
    });
  }
  return report;
}

const TF = 1 << 8,
  AC = 1 << 18;

/** One instruction that is there, whose own doing the vector shows: not what fetching the next one did, not a trap after it, not a check
 * of alignment; in flat segments. */
function isDescribed(vector: Vector): boolean {
  const { regs, descriptors } = vector.initial;
  if (descriptors !== undefined || (regs['eflags']! & (TF | AC)) !== 0) return false;
  const insn = insnOf(vector);
  const next = vector.exception === PF && vector.final.regs['eip'] !== vector.initial.regs['eip'];
  return insn.invalid === undefined && isFetched(vector, insn) && !next && !readsDescriptors(insn);
}

const DESCRIPTOR_READERS = new Set(
  TABLE.filter((form) =>
    sampleInsns(form).some((insn) => classifyInsn(insn).effects.some(({ name }) => name === 'descriptor')),
  ).map((form) => form.semantics),
);
/** Far transfers and segment loads: this machine has no descriptor tables. */
const readsDescriptors = (insn: Insn): boolean => DESCRIPTOR_READERS.has(insn.form.semantics);

const FOLDER = new URL('../cpu/vectors/', import.meta.url);
const readVectors = (file: string): Vector[] =>
  gunzipSync(readFileSync(new URL(file, FOLDER)))
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Vector)
    .filter((vector) => vector.mode === 'prot32' && isDescribed(vector));

describe('emitted code against a real processor', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl.gz'));
  // POPF writes IF, CPUID asks the policy, SIDT the system: helpers that this machine has not.
  const mayNeedMore = new Set(['system.jsonl.gz', 'control.jsonl.gz', 'move.jsonl.gz']);

  test.each(files)('%s', (file) => {
    const vectors = readVectors(file);
    const { passed, unsupported, failures } = runVectors(vectors);
    expect(failures.slice(0, 10)).toEqual([]);
    if (!mayNeedMore.has(file)) expect(unsupported).toBe(0);
    expect(passed + unsupported).toBe(vectors.length);
    expect(passed).toBeGreaterThan(vectors.length / 3);
  });

  test('a description that subtracts where ADC adds is told apart', () => {
    const vectors = readVectors('arithmetic.jsonl.gz').filter((vector) => vector.name.startsWith('adc '));
    expect(vectors.length).toBeGreaterThan(20);
    const changed = vectors.map((vector) => ({
      ...vector,
      final: { ...vector.final, regs: { ...vector.final.regs, eax: 0x5a5a0001 } },
    }));
    expect(runVectors(vectors).failures).toEqual([]);
    expect(runVectors(changed).passed).toBe(0);
  });
});
