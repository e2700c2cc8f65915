// What traps and what lies: the table of the manual, written from the protection columns and operation sections of the Intel
// SDM, volume 2, not from our code. It lives only here; the classes derived from the description and the reference engine
// both have to agree with it.
//
// Conditions: IOPL 0; CR4.UMIP, TSD, VME, PVI and PCE clear; SYSENTER_CS set up; an I/O permission bitmap that allows nothing.
//   traps   the instruction raises #GP or #UD because of the privilege level or the mode, whatever its operands are
//   silent  it runs, and what it answers or does depends on the privileged state of the real machine
//   right   it runs, and does what a kernel that believes itself alone expects

import { describe, expect, test } from 'vitest';
import { type Circumstances, touchedAt, trapsAt } from '../isa/classify.ts';
import { decode } from '../isa/decode.ts';
import '../isa/semantics/index.ts';
import { sampleInsns } from '../isa/samples.ts';
import { record } from '../isa/symbolic.ts';
import { TABLE } from '../isa/table.ts';
import { statements } from '../isa/tree.ts';
import type { Insn } from '../isa/types.ts';
import { AT, SEL, setLevel, type TestMachine, testMachine } from './testing.ts';
import { EFLAGS_OF, EFLAGS_VM, SEGREG, VCPU } from './vcpu.ts';

type Outcome = 'traps' | 'silent' | 'right';
type TrapRow = readonly [
  name: string,
  bytes: string,
  cpl0: Outcome,
  cpl1: Outcome,
  cpl3: Outcome,
  v86: Outcome,
];

// Memory operands are [ebx].
// biome-ignore format: one row a line, columns aligned
const TRAPS: readonly TrapRow[] = [
  // Robin and Irvine's first group: sensitive registers
  ['SGDT m',       '0f 01 03',                'right', 'silent', 'silent', 'silent'],
  ['SIDT m',       '0f 01 0b',                'right', 'silent', 'silent', 'silent'],
  ['SLDT r',       '0f 00 c0',                'right', 'silent', 'silent', 'traps'],
  ['SLDT m',       '0f 00 03',                'right', 'silent', 'silent', 'traps'],
  ['SMSW r',       '0f 01 e0',                'right', 'silent', 'silent', 'silent'],
  ['SMSW m',       '0f 01 23',                'right', 'silent', 'silent', 'silent'],
  ['PUSHF',        '66 9c',                   'right', 'silent', 'silent', 'traps'],
  ['PUSHFD',       '9c',                      'right', 'silent', 'silent', 'traps'],
  ['POPF',         '66 9d',                   'right', 'silent', 'silent', 'traps'],
  ['POPFD',        '9d',                      'right', 'silent', 'silent', 'traps'],

  // The second group: the protection system
  ['LAR',          '0f 02 c3',                'right', 'silent', 'silent', 'traps'],
  ['LSL',          '0f 03 c3',                'right', 'silent', 'silent', 'traps'],
  ['VERR',         '0f 00 e3',                'right', 'silent', 'silent', 'traps'],
  ['VERW',         '0f 00 eb',                'right', 'silent', 'silent', 'traps'],
  ['STR r',        '0f 00 c8',                'right', 'silent', 'silent', 'traps'],
  ['STR m',        '0f 00 0b',                'right', 'silent', 'silent', 'traps'],
  // Only CS and SS carry the privilege level in their RPL; in virtual-8086 mode a selector is a paragraph number.
  ['PUSH CS',      '0e',                      'right', 'silent', 'silent', 'right'],
  ['PUSH SS',      '16',                      'right', 'silent', 'silent', 'right'],
  ['PUSH DS',      '1e',                      'right', 'right',  'right',  'right'],
  ['PUSH ES',      '06',                      'right', 'right',  'right',  'right'],
  ['PUSH FS',      '0f a0',                   'right', 'right',  'right',  'right'],
  ['PUSH GS',      '0f a8',                   'right', 'right',  'right',  'right'],
  ['POP DS',       '1f',                      'right', 'silent', 'silent', 'right'],
  ['POP ES',       '07',                      'right', 'silent', 'silent', 'right'],
  ['POP SS',       '17',                      'right', 'silent', 'silent', 'right'],
  ['POP FS',       '0f a1',                   'right', 'silent', 'silent', 'right'],
  ['POP GS',       '0f a9',                   'right', 'silent', 'silent', 'right'],
  ['MOV r, CS',    '8c c8',                   'right', 'silent', 'silent', 'right'],
  ['MOV r, SS',    '8c d0',                   'right', 'silent', 'silent', 'right'],
  ['MOV r, DS',    '8c d8',                   'right', 'right',  'right',  'right'],
  ['MOV DS, r',    '8e d8',                   'right', 'silent', 'silent', 'right'],
  ['MOV SS, r',    '8e d0',                   'right', 'silent', 'silent', 'right'],
  ['MOV FS, r',    '8e e0',                   'right', 'silent', 'silent', 'right'],
  ['CALL far',     '9a 00 02 02 00 08 00',    'right', 'silent', 'silent', 'right'],
  ['CALL far m',   'ff 1b',                   'right', 'silent', 'silent', 'right'],
  ['JMP far',      'ea 00 02 02 00 08 00',    'right', 'silent', 'silent', 'right'],
  ['JMP far m',    'ff 2b',                   'right', 'silent', 'silent', 'right'],
  ['RET far',      'cb',                      'right', 'silent', 'silent', 'right'],
  ['RET far n',    'ca 08 00',                'right', 'silent', 'silent', 'right'],
  // INT n alone looks at IOPL in virtual-8086 mode; INT3 and INTO never do.
  ['INT n',        'cd 80',                   'right', 'silent', 'silent', 'traps'],
  ['INT3',         'cc',                      'right', 'silent', 'silent', 'silent'],
  ['INTO',         'ce',                      'right', 'silent', 'silent', 'silent'],
  ['IRET',         'cf',                      'right', 'silent', 'silent', 'traps'],
  ['SYSENTER',     '0f 34',                   'right', 'silent', 'silent', 'silent'],

  // Contrast: these trap
  ['CLI',          'fa',                      'right', 'traps',  'traps',  'traps'],
  ['STI',          'fb',                      'right', 'traps',  'traps',  'traps'],
  ['IN AL, n',     'e4 60',                   'right', 'traps',  'traps',  'traps'],
  ['IN eAX, DX',   'ed',                      'right', 'traps',  'traps',  'traps'],
  ['OUT n, AL',    'e6 60',                   'right', 'traps',  'traps',  'traps'],
  ['OUT DX, eAX',  'ef',                      'right', 'traps',  'traps',  'traps'],
  ['LGDT',         '0f 01 13',                'right', 'traps',  'traps',  'traps'],
  ['LIDT',         '0f 01 1b',                'right', 'traps',  'traps',  'traps'],
  ['LLDT',         '0f 00 d0',                'right', 'traps',  'traps',  'traps'],
  ['LTR',          '0f 00 d8',                'right', 'traps',  'traps',  'traps'],
  ['LMSW',         '0f 01 f0',                'right', 'traps',  'traps',  'traps'],
  ['CLTS',         '0f 06',                   'right', 'traps',  'traps',  'traps'],
  ['MOV r, CR0',   '0f 20 c0',                'right', 'traps',  'traps',  'traps'],
  ['MOV r, CR2',   '0f 20 d0',                'right', 'traps',  'traps',  'traps'],
  ['MOV r, CR3',   '0f 20 d8',                'right', 'traps',  'traps',  'traps'],
  ['MOV r, CR4',   '0f 20 e0',                'right', 'traps',  'traps',  'traps'],
  ['MOV CR0, r',   '0f 22 c0',                'right', 'traps',  'traps',  'traps'],
  ['MOV CR3, r',   '0f 22 d8',                'right', 'traps',  'traps',  'traps'],
  ['MOV CR4, r',   '0f 22 e0',                'right', 'traps',  'traps',  'traps'],
  ['MOV r, DR0',   '0f 21 c0',                'right', 'traps',  'traps',  'traps'],
  ['MOV r, DR7',   '0f 21 f8',                'right', 'traps',  'traps',  'traps'],
  ['MOV DR0, r',   '0f 23 c0',                'right', 'traps',  'traps',  'traps'],
  ['MOV DR7, r',   '0f 23 f8',                'right', 'traps',  'traps',  'traps'],
  ['HLT',          'f4',                      'right', 'traps',  'traps',  'traps'],
  ['INVLPG',       '0f 01 3b',                'right', 'traps',  'traps',  'traps'],
  ['WBINVD',       '0f 09',                   'right', 'traps',  'traps',  'traps'],
  ['RDMSR',        '0f 32',                   'right', 'traps',  'traps',  'traps'],
  ['WRMSR',        '0f 30',                   'right', 'traps',  'traps',  'traps'],

  // Neighbours that a hypervisor also thinks about: the manual lets them run at every level
  ['RDTSC',        '0f 31',                   'right', 'right',  'right',  'right'],
  ['CPUID',        '0f a2',                   'right', 'right',  'right',  'right'],
  ['NOP',          '90',                      'right', 'right',  'right',  'right'],
  ['ADD',          '01 d8',                   'right', 'right',  'right',  'right'],
  ['RET near',     'c3',                      'right', 'right',  'right',  'right'],
];

const bytesOf = (text: string): number[] => text.split(' ').map((byte) => Number.parseInt(byte, 16));
const insnOf = (bytes: readonly number[]): Insn => decode((i) => bytes[i] ?? 0, true);

// ---- The derived classes -------------------------------------------------------------------------------

describe('the derived classes agree with the manual', () => {
  test.each(TRAPS)('%s', (_name, text, cpl0, cpl1, cpl3, v86) => {
    const insn = insnOf(bytesOf(text));
    expect(insn.invalid).toBeUndefined();
    expect(insn.length).toBe(bytesOf(text).length);
    const derived = [trapsAt(insn, 0), trapsAt(insn, 1), trapsAt(insn, 3), trapsAt(insn, 3, { vm86: true })];
    expect(derived).toEqual([cpl0, cpl1, cpl3, v86]);
  });
});

// ---- What the engine touches ---------------------------------------------------------------------------

interface Touched {
  readonly reads: Set<string>;
  readonly writes: Set<string>;
}
type Method = (this: unknown, ...args: never[]) => unknown;

/** Operations that only check; what they look at is no effect. */
const CHECKS = [
  'requireCpl',
  'requireIopl',
  'requireIo',
  'umip',
  'tsd',
  'protectedMode',
  'vm86Iopl',
  'isProtected',
];
/** What an operation of the builder touches, from its arguments. */
const TOUCHES: Readonly<
  Record<string, (args: readonly unknown[]) => readonly [read: string[], write: string[]]>
> = {
  sys: ([name]) => [[name as string], []],
  setSys: ([name]) => [[], [name as string]],
  loadSystem: ([table]) => [[table as string], []],
  storeSystem: ([table]) => [[], [table as string]],
  setSegment: ([seg]) => [[], seg === 1 ? ['cs', 'cpl'] : seg === 2 ? ['ss'] : []],
  readMsr: () => [['msr'], []],
  writeMsr: () => [[], ['msr']],
  tsc: () => [['tsc'], []],
  in: () => [['port'], []],
  out: () => [[], ['port']],
  invalidate: () => [[], ['tlb']],
  halt: () => [[], ['halt']],
  enterGate: () => [[], ['cs', 'ss', 'cpl', 'if', 'vm']],
};

/** Watches the reference engine: what the description of each instruction reads and writes, its exceptions' delivery left out. */
function watch(t: TestMachine): Touched {
  const touched: Touched = { reads: new Set(), writes: new Set() };
  const engine = t.engine as unknown as Record<string, Method>;
  let running = false,
    checking = 0;
  const wrap = (name: string, around: (call: () => unknown, args: readonly unknown[]) => unknown) => {
    const original = engine[name];
    if (typeof original !== 'function') throw new Error(`the engine has no ${name}`);
    engine[name] = (...args: never[]) => around(() => original.apply(engine, args), args);
  };
  for (const name of CHECKS) {
    wrap(name, (call) => {
      checking++;
      try {
        return call();
      } finally {
        checking--;
      }
    });
  }
  for (const [name, touches] of Object.entries(TOUCHES)) {
    wrap(name, (call, args) => {
      if (running && checking === 0) {
        const [reads, writes] = touches(args);
        for (const read of reads) touched.reads.add(read);
        for (const write of writes) touched.writes.add(write);
      }
      return call();
    });
  }
  wrap('execute', (call) => {
    running = true;
    try {
      return call();
    } finally {
      running = false;
    }
  });
  return touched;
}

type Level = 0 | 1 | 3;
const CODE_SELECTOR = { 0: SEL.code0, 1: SEL.code1, 3: SEL.code3 };
const DATA_SELECTOR = { 0: SEL.data0, 1: SEL.data1, 3: SEL.data3 };
const TARGET = AT.code + 0x200;
const AVAILABLE_TSS = 0x8900;

/** Operands that are in order at a level, so that only the level can be refused. */
function prepare(t: TestMachine, name: string, insn: Insn, cpl: Level, selector: number): void {
  const { m, v } = t;
  const control = insn.operands.find((operand) => operand.kind === 'cr');
  const data = DATA_SELECTOR[cpl];
  const special: Readonly<Record<string, number>> = { LLDT: SEL.ldt, LTR: SEL.free, LMSW: 0x31 };
  const crs: Readonly<Record<number, number>> = { 0: VCPU.cr0, 2: VCPU.cr2, 3: VCPU.cr3, 4: VCPU.cr4 };
  t.descriptor(SEL.free, (AT.tss << 16) | 0x67, AVAILABLE_TSS | (AT.tss >>> 16));
  t.setReg('eax', special[name] ?? (control?.kind === 'cr' ? m.r32(v + crs[control.n]!) : data));
  t.setReg('ebx', insn.operands.some((operand) => operand.kind === 'mem') ? AT.data : data);
  t.setReg('ecx', 0x174);
  t.setReg('edx', 0x60);
  m.w32(v + VCPU.sysenterCs, SEL.code0);
  m.w32(v + VCPU.sysenterEip, TARGET);
  m.w32(v + VCPU.sysenterEsp, AT.stack0);
  // A pointer and a pseudo-descriptor that can be loaded.
  const far = name.includes('far');
  t.write(AT.data, words(far ? [TARGET, selector] : [0xffff, AT.gdt >>> 16]));
  if (name === 'LGDT') t.write(AT.data, [0x7f, 0, ...words([AT.gdt])]);
  // The stack: a selector to pop, a frame to return to.
  const esp = t.reg('esp') - 64;
  t.setReg('esp', esp);
  t.write(
    esp,
    words(name.startsWith('POP ') ? [data] : name.startsWith('POPF') ? [2] : [TARGET, selector, 2]),
  );
  t.setReg('eflags', t.reg('eflags') | (name === 'INTO' ? EFLAGS_OF : 0));
}

function words(values: readonly number[]): number[] {
  return values.flatMap((value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff));
}

/** The vectors that software interrupts go through: control arrives there although nothing is refused. */
const SOFTWARE_VECTORS: Readonly<Record<string, number>> = { 'INT n': 0x80, INT3: 3, INTO: 4 };
const UD = 6,
  GP = 13;

/** Runs one instruction and says whether #GP or #UD refused it. Any other exception means that the operands were not in order. */
function runOne(t: TestMachine, name: string): boolean {
  t.run(1);
  const vector = (t.reg('eip') - AT.handlers) / 16;
  if (vector < 0 || vector > 255) return false;
  if (vector !== SOFTWARE_VECTORS[name]) expect([UD, GP], `exception ${vector}`).toContain(vector);
  return vector === UD || vector === GP;
}

/** The instruction with a selector of the level in its pointer. */
function withSelector(bytes: readonly number[], insn: Insn, selector: number): number[] {
  if (!insn.operands.some((operand) => operand.kind === 'far')) return [...bytes];
  return [...bytes.slice(0, -2), selector & 0xff, selector >>> 8];
}

const LEVELS: readonly Level[] = [0, 1, 3];
const IOPLS = [0, 3];
const SAME_AT_EVERY_LEVEL = new Set(['tsc']);

describe('the engine agrees with the manual and touches what is derived', () => {
  const cases = TRAPS.flatMap((row) =>
    LEVELS.flatMap((cpl) => IOPLS.map((iopl) => [row[0], cpl, iopl, row] as const)),
  );

  test.each(cases)('%s at CPL %i, IOPL %i', (name, cpl, iopl, row) => {
    const insn = insnOf(bytesOf(row[1]));
    const t = testMachine({ paging: true, cpl });
    t.setReg('eflags', t.reg('eflags') | (iopl << 12));
    prepare(t, name, insn, cpl, CODE_SELECTOR[cpl]);
    t.code(withSelector(bytesOf(row[1]), insn, CODE_SELECTOR[cpl]));
    const touched = watch(t);
    const refused = runOne(t, name);
    const effects = [...touched.reads, ...touched.writes].filter((place) => !SAME_AT_EVERY_LEVEL.has(place));
    const seen: Outcome = refused ? 'traps' : cpl > 0 && effects.length > 0 ? 'silent' : 'right';
    expect(seen).toBe(trapsAt(insn, cpl, { iopl }));
    if (iopl === 0) expect(seen).toBe(row[2 + LEVELS.indexOf(cpl)]);

    const derived = touchedAt(record(insn), cpl, { iopl });
    const modes = modeReads(insn, derived.reads);
    for (const read of touched.reads)
      expect(derived.reads.has(read) || modes.has(read), `reads ${read}`).toBe(true);
    for (const write of touched.writes) expect([...derived.writes], `writes ${write}`).toContain(write);
    if (!refused && isStraight(insn)) {
      expect(touched.reads).toEqual(
        new Set([...derived.reads, ...[...touched.reads].filter((read) => modes.has(read))]),
      );
      expect(touched.writes).toEqual(derived.writes);
    }
  });
});

/** Control registers that the description reads only to check a mode. */
function modeReads(insn: Insn, effects: ReadonlySet<string>): Set<string> {
  const modes = new Set<string>();
  for (const s of statements(record(insn)))
    if (s.kind === 'define' && s.value.op === 'sys' && !effects.has(s.value.args[0] as string))
      if (s.value.args[0] === 'cr0' || s.value.args[0] === 'cr4') modes.add(s.value.args[0]);
  return modes;
}

/** Whether the description has no branch but those to a fault: then everything derived must be seen. */
function isStraight(insn: Insn): boolean {
  return [...statements(record(insn))].every(
    (s) =>
      s.kind !== 'loop' &&
      (s.kind !== 'if' || (s.otherwise.length === 0 && s.whenTrue.at(-1)?.kind === 'fault')),
  );
}

describe('on every form the engine touches no more than is derived', () => {
  const levels = LEVELS.flatMap((cpl) => IOPLS.map((iopl) => [cpl, iopl] as const));

  test.each(levels)('CPL %i, IOPL %i', (cpl, iopl) => {
    const t = testMachine({ paging: true, cpl });
    t.setReg('eflags', t.reg('eflags') | (iopl << 12));
    t.setReg('ebx', AT.data);
    t.setReg('ecx', 1);
    const initial = t.m.u32.slice(t.v >>> 2, (t.v + VCPU.$size) >>> 2);
    const touched = watch(t);
    const surprises: string[] = [];
    const seen = new Set<string>();
    for (const form of TABLE) {
      for (const insn of sampleInsns(form)) {
        t.m.u32.set(initial, t.v >>> 2);
        touched.reads.clear();
        touched.writes.clear();
        t.code(insn.bytes);
        t.run(1);
        const derived = touchedAt(record(insn), cpl, { iopl });
        const modes = modeReads(insn, derived.reads);
        for (const read of touched.reads)
          if (!derived.reads.has(read) && !modes.has(read)) surprises.push(`${form.mnemonic} reads ${read}`);
        for (const write of touched.writes)
          if (!derived.writes.has(write)) surprises.push(`${form.mnemonic} writes ${write}`);
        for (const place of [...touched.reads, ...touched.writes]) seen.add(place);
      }
    }
    expect(surprises).toEqual([]);
    // The instructions did run: descriptors were read at every level, control registers written where that is allowed.
    expect(seen).toContain('descriptor');
    expect(seen.has('cr3')).toBe(cpl === 0);
    expect(seen.has('if')).toBe(true);
  });
});

describe('bits of CR4 make silent instructions trap, on the engine as derived', () => {
  const CR4_TSD = 0x4,
    CR4_UMIP = 0x800;
  const guarded = [
    ...['SGDT m', 'SIDT m', 'SLDT r', 'STR r', 'SMSW r'].map(
      (name) => [name, CR4_UMIP, { umip: true }] as const,
    ),
    ['RDTSC', CR4_TSD, { tsd: true }] as const,
  ];
  test.each(guarded)('%s', (name, bit, circumstances) => {
    const row = TRAPS.find(([rowName]) => rowName === name)!;
    const insn = insnOf(bytesOf(row[1]));
    for (const cpl of LEVELS) {
      const t = testMachine({ paging: true, cpl });
      t.m.w32(t.v + VCPU.cr4, t.m.r32(t.v + VCPU.cr4) | bit);
      prepare(t, name, insn, cpl, CODE_SELECTOR[cpl]);
      t.code(bytesOf(row[1]));
      expect(runOne(t, name)).toBe(cpl > 0);
      expect(trapsAt(insn, cpl, circumstances)).toBe(cpl > 0 ? 'traps' : 'right');
    }
  });
  test('an engine without the check is told apart', () => {
    const t = testMachine({ paging: true, cpl: 3 });
    t.code(bytesOf('0f 06'));
    (t.engine as unknown as { requireCpl: () => void }).requireCpl = () => {};
    expect(runOne(t, 'CLTS')).toBe(false);
  });
});

// ---- Virtual-8086 mode ---------------------------------------------------------------------------------

const PARAGRAPH_CODE = AT.code >>> 4;
const PARAGRAPH_DATA = 0; // so that offsets are linear addresses
const V86_ATTR = 0xf3;

/** Turns a machine at CPL 3 into virtual-8086 mode: paragraphs for selectors, 64 KiB limits. */
function enterV86(t: TestMachine): void {
  setLevel(t, 3);
  t.setReg('eflags', t.reg('eflags') | EFLAGS_VM);
  [PARAGRAPH_DATA, PARAGRAPH_CODE, PARAGRAPH_DATA, PARAGRAPH_DATA, PARAGRAPH_DATA, PARAGRAPH_DATA].forEach(
    (sel, seg) => {
      const at = t.v + VCPU.seg + SEGREG.$size * seg;
      t.m.w32(at + SEGREG.sel, sel);
      t.m.w32(at + SEGREG.base, sel << 4);
      t.m.w32(at + SEGREG.limit, 0xffff);
      t.m.w32(at + SEGREG.attr, V86_ATTR);
    },
  );
  t.setReg('esp', 0x7000);
}

describe('virtual-8086 mode on the engine', () => {
  test.each(TRAPS)('%s', (name, text, _cpl0, _cpl1, _cpl3, v86) => {
    const insn = insnOf(bytesOf(text));
    const t = testMachine({ paging: true, cpl: 3 });
    enterV86(t);
    prepare(t, name, insn, 3, PARAGRAPH_CODE);
    // Offsets are 16 bits wide: data and targets within the first 64 KiB of their segment.
    const data = 0x8000;
    if (insn.operands.some((operand) => operand.kind === 'mem')) t.setReg('ebx', data);
    t.write(data, words([0x200, PARAGRAPH_CODE]));
    const frame = name.startsWith('POP ')
      ? [PARAGRAPH_DATA]
      : name.startsWith('POPF')
        ? [2]
        : [0x200, PARAGRAPH_CODE, 2];
    t.write(t.reg('esp'), words(frame));
    // 66 67: the bytes mean in 16-bit code what they mean in 32-bit code.
    const bytes = withSelector(bytesOf(text), insn, PARAGRAPH_CODE);
    const short = insn.operands.some((operand) => operand.kind === 'far')
      ? [bytes[0]!, 0, 2, 0, 0, ...bytes.slice(5)]
      : bytes;
    t.write(AT.code, [0x66, 0x67, ...short]);
    t.setReg('eip', 0);
    const touched = watch(t);
    const refused = runOne(t, name);
    const circumstances: Circumstances = { vm86: true };
    const derived = touchedAt(record(insn), 3, circumstances);
    const effects = [...touched.reads, ...touched.writes].filter(
      (place) => !SAME_AT_EVERY_LEVEL.has(place) && (derived.reads.has(place) || derived.writes.has(place)),
    );
    expect(refused ? 'traps' : effects.length > 0 ? 'silent' : 'right').toBe(v86);
  });
});
