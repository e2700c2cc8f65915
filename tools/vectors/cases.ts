// One random test of one form: an encoding, registers and memory such that every access of the instruction falls into the
// windows of native.c, or into a region where nothing is mapped on purpose.

import { decode } from '../../src/isa/decode.ts';
import { type EncodingChoice, type EncodingShape, encode, shapeOf } from '../../src/isa/encodings.ts';
import { disassemble } from '../../src/isa/disassemble.ts';
import type { Form, Gpr, Insn, MemOperand } from '../../src/isa/types.ts';
import type { Random } from './random.ts';

export const PAGE = 4096;
export const DATA = 0x10000000,
  CODE = 0x20000000,
  STACK = 0x30000000,
  NOTHING = 0x40000000,
  LOW = 0x1000;
/** Start and size of what native.c maps; LOW only where the host allows it. */
export const WINDOWS = [
  { start: LOW, size: 2 * PAGE },
  { start: DATA, size: 2 * PAGE },
  { start: CODE, size: 2 * PAGE },
  { start: STACK, size: PAGE },
] as const;

/** Selectors of the host's flat ring-3 segments; cpu-test sets up the same. */
export const USER_CS = 0x23,
  USER_DS = 0x2b;

const EAX = 0,
  ECX = 1,
  EDX = 2,
  EBX = 3,
  ESP = 4,
  EBP = 5,
  ESI = 6,
  EDI = 7;
const EFLAGS_DF = 0x400;

export interface Case {
  readonly form: Form;
  readonly insn: Insn;
  readonly name: string;
  readonly gpr: number[];
  readonly eip: number;
  readonly eflags: number;
  /** How the runner regains control: trap flag, or an INT3 behind the instruction. */
  readonly how: 'step' | 'int3';
  readonly memory: ReadonlyMap<number, number>;
}

/** Size and class to be tested: one cell of the coverage table. */
export interface Cell {
  readonly form: Form;
  readonly opSize: 16 | 32;
  readonly addrSize: 16 | 32;
  readonly kind: 'register' | 'memory' | 'plain';
}

/** Forms no vector is made of, by semantics, and why. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  rdtsc: 'the answer is time',
  rdtscp: 'the answer is time',
  rdpmc: 'depends on CR4.PCE of the host',
  cpuid: 'the answer is the host',
  xgetbv: 'the answer is the host',
  xsetbv: 'depends on CR4.OSXSAVE of the host',
  sgdt: 'the answer is the host, or UMIP',
  sidt: 'the answer is the host, or UMIP',
  sldt: 'the answer is the host, or UMIP',
  str: 'the answer is the host, or UMIP',
  smsw: 'the answer is the host, or UMIP',
  sysenter: 'enters the host kernel',
  vmcall: 'enters the host hypervisor',
  vmmcall: 'enters the host hypervisor',
};

/** Every (form, operand size, address size, register or memory) there is to cover. */
export function cells(table: readonly Form[], low: boolean): Cell[] {
  const found: Cell[] = [];
  for (const form of table) {
    if (form.opcode === '' || form.semantics in EXCLUDED) continue;
    const shape = shapeOf(form);
    for (const opSize of shape.opSizes) {
      if (opSize === 16 && form.semantics === 'bswap') continue; // undefined by the manual
      for (const addrSize of shape.addrSizes) {
        if (addrSize === 16 && !usesAddress(form, shape, low)) continue;
        const kinds =
          shape.hasModrm && (shape.register || shape.memory)
            ? ([...(shape.register ? ['register'] : []), ...(shape.memory ? ['memory'] : [])] as const)
            : (['plain'] as const);
        for (const kind of kinds) {
          if (addrSize === 16 && kind === 'register') continue;
          found.push({ form, opSize, addrSize, kind: kind as Cell['kind'] });
        }
      }
    }
  }
  return found;
}

/** How many draws a cell gets in every round: more where one form has many outcomes. */
export function weight({ form }: Cell): number {
  return /^(iret|retf|ret|popf|pop_sreg|div|idiv|enter|leave|bound|cmpxchg8b|movs|cmps|scas|stos|lods|daa|das|aaa|aas|aam|aad)$/.test(
    form.semantics,
  )
    ? 4
    : 1;
}

function usesAddress(form: Form, shape: EncodingShape, low: boolean): boolean {
  if (/^(loop|loope|loopne|jecxz)$/.test(form.semantics)) return true;
  return low && shape.hasMemoryOperand;
}

const VALUES = [
  0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe,
  0xffffffff,
];
const SELECTORS = [USER_CS, USER_DS, USER_CS, USER_DS, 0x20, 0x28, 0, 3, 7, 0xfff8, 0xffff];
/** Registers an instruction uses without naming them as operands. */
const IMPLIED: Readonly<Record<string, readonly number[]>> = {
  mul: [EAX, EDX],
  imul: [EAX, EDX],
  div: [EAX, EDX],
  idiv: [EAX, EDX],
  cmpxchg: [EAX],
  cmpxchg8b: [EAX, ECX, EDX, EBX],
  cbw: [EAX],
  cwd: [EAX, EDX],
  sahf: [EAX],
  lahf: [EAX],
  daa: [EAX],
  das: [EAX],
  aaa: [EAX],
  aas: [EAX],
  aam: [EAX],
  aad: [EAX],
  xlat: [EAX],
  loop: [ECX],
  loope: [ECX],
  loopne: [ECX],
  jecxz: [ECX],
};
/** EFLAGS bits a popped image may carry: no TF, VM, RF, AC, VIF or VIP. */
const POPPED_FLAGS = 0x00207ed5;

function value(rng: Random): number {
  return rng.oneIn(2) ? rng.pick(VALUES) : rng.u32();
}

/** The test under construction. */
class Draft {
  readonly cell: Cell;
  readonly rng: Random;
  readonly gpr: number[] = [
    0x11111111,
    0x22222222,
    0x33333333,
    0x44444444,
    STACK + 0x800,
    STACK + 0xc00,
    DATA + 0x600,
    DATA + 0xa00,
  ];
  readonly memory = new Map<number, number>();
  choice: EncodingChoice;

  constructor(cell: Cell, rng: Random) {
    this.cell = cell;
    this.rng = rng;
    const register = cell.kind === 'register';
    this.choice = {
      opSize: cell.opSize,
      addrSize: cell.addrSize,
      reg: rng.below(cell.form.operands.includes('Sw') ? 6 : 8),
      mod: register ? 3 : cell.kind === 'memory' ? rng.below(3) : 0,
      rm: rng.below(8),
      sib: rng.below(256),
      disp: rng.below(256) - 128,
      imm: this.immediate(),
      imm2: cell.form.operands.includes('Ap') ? rng.pick(SELECTORS) : rng.below(4),
      prefixes: this.prefixes(),
    };
  }

  immediate(): number {
    const { form } = this.cell;
    const { rng } = this;
    if (form.semantics === 'int') return rng.oneIn(4) ? rng.pick([3, 4]) : rng.below(0x80);
    if (form.operands.includes('Jz')) return (rng.oneIn(2) ? rng.below(0x200) - 0x100 : rng.u32()) >>> 0;
    if (/^(ret|retf|enter)$/.test(form.semantics)) return rng.below(0x40);
    if (/^(aam|aad)$/.test(form.semantics) && rng.oneIn(2)) return 10;
    if (form.operands.includes('Ap')) return CODE + rng.below(0x1000);
    return value(rng);
  }

  prefixes(): number[] {
    const { cell, rng } = this;
    const { form } = cell;
    const prefixes: number[] = [];
    if (form.lock === true && cell.kind === 'memory' && rng.oneIn(6)) prefixes.push(0xf0);
    else if (rng.oneIn(60)) prefixes.push(0xf0); // refused
    if (cell.kind === 'memory' || form.operands.some((spec) => /^[XOB]/.test(spec))) {
      if (rng.oneIn(6)) prefixes.push(rng.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
    }
    if (form.rep !== undefined && !rng.oneIn(3)) prefixes.push(rng.pick([0xf2, 0xf3]));
    return prefixes;
  }

  /** Decides where the ModRM operand shall lie, or undefined where it does not matter. */
  target(): number {
    const { rng } = this;
    if (this.cell.addrSize === 16) return LOW + 0x40 + rng.below(2 * PAGE - 0x100);
    if (rng.oneIn(40)) return NOTHING + rng.below(PAGE); // #PF
    if (rng.oneIn(40)) return DATA + 2 * PAGE - 1 - rng.below(7); // half of it #PF
    if (rng.oneIn(12)) return DATA + PAGE - 1 - rng.below(7); // across two pages
    return DATA + 0x100 + ((rng.below(PAGE) * 4) % (2 * PAGE - 0x400));
  }

  /** Sets a register or the displacement so that the operand's address becomes the target (nearly, for [eax+eax*2]). */
  aim(mem: MemOperand, wanted: number): void {
    const { gpr } = this;
    const indexed = mem.index < 0 ? 0 : gpr[mem.index]! << mem.scale;
    if (mem.addrSize === 16) {
      if (mem.base < 0) this.choice = { ...this.choice, disp: wanted };
      else {
        const low = (wanted - mem.disp - (mem.index < 0 ? 0 : gpr[mem.index]!)) & 0xffff;
        gpr[mem.base] = ((gpr[mem.base]! & 0xffff0000) | low) >>> 0;
      }
    } else if (mem.base < 0) {
      this.choice = { ...this.choice, disp: (wanted - indexed) | 0 };
    } else if (mem.base === mem.index) {
      const factor = 1 + (1 << mem.scale);
      gpr[mem.base] = Math.floor(((wanted - mem.disp) >>> 0) / factor);
    } else {
      gpr[mem.base] = (wanted - mem.disp - indexed) >>> 0;
    }
  }

  put(address: number, size: number, content: number): void {
    for (let i = 0; i < size; i++) {
      const at = (address + i) >>> 0;
      if (isMapped(at)) this.memory.set(at, i < 4 ? (content >>> (8 * i)) & 0xff : this.rng.below(256));
    }
  }
}

function isMapped(address: number): boolean {
  return WINDOWS.some(({ start, size }) => start !== CODE && address >= start && address < start + size);
}

/** Offset of a memory operand: what the address size makes of base, index and displacement. */
export function effectiveAddress(mem: MemOperand, gpr: readonly number[]): number {
  const base = mem.base < 0 ? 0 : gpr[mem.base]!;
  const index = mem.index < 0 ? 0 : gpr[mem.index]! << mem.scale;
  const sum = (base + index + mem.disp) >>> 0;
  return mem.addrSize === 16 ? sum & 0xffff : sum;
}

const tryDecode = (bytes: readonly number[]): Insn => decode((i) => bytes[i] ?? 0xcc, true);

function randomiseRegisters(draft: Draft, insn: Insn): void {
  const { gpr, rng, cell } = draft;
  for (const n of IMPLIED[cell.form.semantics] ?? []) gpr[n] = value(rng);
  for (const operand of insn.operands) {
    if (operand.kind === 'reg') {
      const n = operand.size === 8 ? operand.reg & 3 : operand.reg;
      if (n === ESP) gpr[n] = STACK + 4 * rng.below(0x300) + 0x100 + (rng.oneIn(8) ? 1 : 0);
      else gpr[n] = value(rng);
    } else if (operand.kind === 'mem' && cell.form.implicit !== true && operand.index >= 0) {
      gpr[operand.index] = rng.oneIn(2) ? rng.below(64) : value(rng);
    }
  }
  if (/^(loop|loope|loopne|jecxz)$/.test(cell.form.semantics))
    gpr[ECX] = rng.pick([0, 1, 2, 0x10000, 0x10001, 0xffff, 0xffffffff]);
}

/** Selectors, quotients and equal operands: values that random numbers would hardly ever hit. */
function shapeValues(draft: Draft, insn: Insn): void {
  const { gpr, rng, cell } = draft;
  const source = insn.operands[insn.operands.length - 1];
  switch (cell.form.semantics) {
    case 'mov_to_sreg':
    case 'lar':
    case 'lsl':
    case 'verr':
    case 'verw':
      if (source?.kind === 'reg') gpr[source.reg] = rng.pick(SELECTORS);
      break;
    case 'div':
    case 'idiv':
      if (!rng.oneIn(4)) gpr[EDX] = cell.form.semantics === 'div' ? rng.below(3) : (gpr[EAX]! >> 31) >>> 0;
      if (source?.kind === 'reg' && source.size === 8) gpr[EAX] = rng.below(0x400);
      break;
    case 'bt':
    case 'bts':
    case 'btr':
    case 'btc':
      if (source?.kind === 'reg' && cell.kind === 'memory') gpr[source.reg] = (rng.below(512) - 256) >>> 0;
      break;
    case 'shl':
    case 'shr':
    case 'sar':
    case 'rol':
    case 'ror':
    case 'rcl':
    case 'rcr':
    case 'shld':
    case 'shrd':
      if (source?.kind === 'reg')
        gpr[ECX] = ((gpr[ECX]! & 0xffffff00) | (rng.oneIn(4) ? rng.below(256) : rng.below(34))) >>> 0;
      break;
    case 'enter':
      gpr[EBP] = STACK + 0xc00 + (rng.oneIn(4) ? rng.below(64) : 0);
      break;
  }
}

const STRING_BYTES = [0, 1, 0x7f, 0x80, 0xff];

/** Pointers and counts of string instructions and XLAT. */
function aimImplicit(draft: Draft): void {
  const { gpr, rng, cell, memory } = draft;
  const narrow = cell.addrSize === 16;
  const window = narrow ? LOW : DATA;
  const keep = narrow ? 0xffff0000 : 0;
  const point = (n: number, to: number): void => {
    gpr[n] = ((gpr[n]! & keep) | to) >>> 0;
  };
  if (cell.form.semantics === 'xlat') {
    point(EBX, window + 0x100 + rng.below(0x1000));
    draft.put(
      effectiveAddress(
        { base: EBX, index: -1, scale: 0, disp: gpr[EAX]! & 0xff, addrSize: cell.addrSize } as MemOperand,
        gpr,
      ),
      1,
      rng.u32(),
    );
    return;
  }
  if (cell.form.rep === undefined) return;
  const edge = rng.oneIn(8) ? PAGE - 8 : 0x200;
  point(ESI, window + edge + rng.below(16));
  point(
    EDI,
    rng.oneIn(6)
      ? gpr[ESI]! + rng.below(5)
      : window + PAGE + (rng.oneIn(10) && !narrow ? PAGE - 6 : 0x100) + rng.below(4),
  );
  gpr[ECX] = narrow ? ((gpr[ECX]! & keep) | rng.below(7)) >>> 0 : rng.below(7);
  const alike = rng.oneIn(2);
  for (const start of [gpr[ESI]! & ~keep, gpr[EDI]! & ~keep]) {
    for (let at = start - 24; at < start + 28; at++) {
      if (isMapped(at >>> 0) && !memory.has(at))
        memory.set(at >>> 0, alike ? (rng.oneIn(12) ? 1 : 0) : rng.pick(STRING_BYTES));
    }
  }
  if (alike) gpr[EAX] = 0;
}

/** What lies on the stack for instructions that pop. */
function fillStack(draft: Draft, insn: Insn): void {
  const { gpr, rng, cell } = draft;
  const bytes = insn.opSize / 8;
  const { semantics } = cell.form;
  if (rng.oneIn(30) && /^(push|pop|call|ret|enter|pusha|popa)/.test(semantics))
    gpr[ESP] = rng.pick([STACK + 2, STACK + PAGE - 2, STACK, STACK + PAGE]);
  const slots: number[] = [];
  switch (semantics) {
    case 'pop':
      slots.push(value(rng));
      break;
    case 'popa':
      for (let i = 0; i < 8; i++) slots.push(value(rng));
      break;
    case 'pop_sreg':
      slots.push(rng.pick(SELECTORS) | (rng.oneIn(2) ? 0 : 0x50000));
      break;
    case 'popf':
      slots.push(rng.u32() & POPPED_FLAGS);
      break;
    case 'ret':
      slots.push(CODE + rng.below(0x1000));
      break;
    case 'retf':
      slots.push(CODE + rng.below(0x1000), rng.pick(SELECTORS));
      break;
    case 'iret':
      slots.push(
        CODE + rng.below(0x1000),
        rng.oneIn(3) ? rng.pick(SELECTORS) : USER_CS,
        rng.u32() & POPPED_FLAGS & ~0x4000,
      );
      break;
    case 'leave':
      draft.put(gpr[EBP]!, bytes, value(rng));
      break;
    case 'enter':
      for (let i = 1; i < 4; i++) draft.put(gpr[EBP]! - i * bytes, bytes, value(rng));
      break;
  }
  slots.forEach((slot, i) => {
    draft.put(gpr[ESP]! + i * bytes, bytes, slot);
  });
}

/** Bytes an instruction reads or writes at its memory operand. */
function fillMemory(draft: Draft, insn: Insn, mem: MemOperand): void {
  const { gpr, rng, cell } = draft;
  const at = effectiveAddress(mem, gpr);
  const bytes = mem.size / 8;
  switch (cell.form.operands.find((spec) => /^[EMO]|Mw/.test(spec))) {
    case 'Mp':
      draft.put(at, bytes - 2, CODE + rng.below(0x1000));
      draft.put(at + bytes - 2, 2, rng.pick(SELECTORS));
      return;
    case 'Ma': {
      const low =
        gpr[insn.operands[0]!.kind === 'reg' ? (insn.operands[0] as { reg: Gpr }).reg : EAX]! - rng.below(3);
      draft.put(at, bytes / 2, low);
      draft.put(at + bytes / 2, bytes / 2, low + rng.below(4) - 1);
      return;
    }
    case 'Ew':
      if (/^(mov_to_sreg|lar|lsl|verr|verw|arpl)$/.test(cell.form.semantics)) {
        draft.put(at, 2, rng.pick(SELECTORS));
        return;
      }
  }
  const [, source] = insn.operands;
  if (/^bt.?$/.test(cell.form.semantics) && source?.kind === 'reg') {
    const offset = insn.opSize === 16 ? (gpr[source.reg]! << 16) >> 16 : gpr[source.reg]! | 0;
    draft.put(at + (insn.opSize === 16 ? (offset >> 4) * 2 : (offset >> 5) * 4), insn.opSize / 8, value(rng));
  } else if (cell.form.semantics === 'cmpxchg8b' && rng.oneIn(2)) {
    draft.put(at, 4, gpr[EAX]!);
    draft.put(at + 4, 4, gpr[EDX]!);
  } else {
    const same = cell.form.semantics === 'cmpxchg' && rng.oneIn(2);
    const branch = /^(call|jmp)$/.test(cell.form.semantics);
    draft.put(at, bytes, same ? gpr[EAX]! : branch ? CODE + rng.below(0x1000) : value(rng));
  }
}

/** Whether every byte the operand may touch lies in a window or where surely nothing is. */
function isSafe(insn: Insn, gpr: readonly number[]): boolean {
  for (const operand of insn.operands) {
    if (operand.kind !== 'mem' || insn.form.implicit === true) continue;
    const at = effectiveAddress(operand, gpr);
    const reach = /^bt.?$/.test(insn.form.semantics) ? 64 : 0;
    const inside = (start: number, size: number): boolean =>
      at - reach >= start && at + reach <= start + size;
    if (operand.addrSize === 16 && inside(LOW, 2 * PAGE - 16)) continue;
    if (inside(DATA, 2 * PAGE) || inside(STACK, PAGE) || inside(NOTHING, 2 * PAGE)) continue;
    return false;
  }
  return true;
}

const CL_SHIFT_LIMIT = 16;

/** SHLD and SHRD of 16 bits by more than 16: the result is undefined. */
function resultUndefined(insn: Insn, gpr: readonly number[]): boolean {
  if (insn.form.semantics !== 'shld' && insn.form.semantics !== 'shrd') return false;
  const count = insn.operands[2]!;
  const n = (count.kind === 'imm' ? count.value : gpr[ECX]!) & 31;
  return insn.opSize === 16 && n > CL_SHIFT_LIMIT;
}

function place(rng: Random, length: number, how: Case['how']): number {
  const room = length + (how === 'int3' ? 1 : 0); // the INT3 behind it must be there too
  if (rng.oneIn(10)) return CODE + PAGE - rng.below(length + 1); // across two pages
  if (rng.oneIn(40)) return CODE + 2 * PAGE - room; // the last bytes that are there
  if (rng.oneIn(60) && length > 1) return CODE + 2 * PAGE - rng.below(length - 1) - 1; // cut off: #PF of the fetch
  return CODE + 0x100;
}

/** Instructions after which the trap of TF would come too early or too late, or be seen on the stack. */
function leavesBy(insn: Insn): 'step' | 'int3' {
  const { form, rep, operands } = insn;
  if (form.rep !== undefined && rep !== 'none') return 'int3';
  if (form.semantics === 'pushf' || form.semantics === 'popf') return 'int3';
  const loadsStackSegment = operands.some((operand) => operand.kind === 'sreg' && operand.seg === 2);
  return loadsStackSegment || form.semantics === 'lss' ? 'int3' : 'step';
}

/** A random test of `cell`, or undefined when this draw cannot be run safely (draw again). */
export function makeCase(cell: Cell, rng: Random): Case | undefined {
  const draft = new Draft(cell, rng);
  const first = encode(cell.form, draft.choice);
  if (first === undefined) return undefined;
  const sketch = tryDecode(first);
  randomiseRegisters(draft, sketch);
  shapeValues(draft, sketch);
  const aimed = sketch.operands.find((operand) => operand.kind === 'mem');
  if (aimed !== undefined && cell.form.implicit !== true && aimed.size !== 0)
    draft.aim(aimed, draft.target());
  const bytes = encode(cell.form, draft.choice)!;
  const insn = tryDecode(bytes);
  if (insn.invalid === undefined && insn.form !== cell.form) return undefined;
  if (!isSafe(insn, draft.gpr) || resultUndefined(insn, draft.gpr)) return undefined;
  aimImplicit(draft);
  fillStack(draft, insn);
  if (aimed !== undefined && cell.form.implicit !== true) {
    const mem = insn.operands.find((operand) => operand.kind === 'mem');
    if (mem !== undefined) fillMemory(draft, insn, mem);
  }
  const how = leavesBy(insn);
  const eip = place(rng, insn.length, how);
  insn.bytes.forEach((byte, i) => {
    if (eip + i < CODE + 2 * PAGE) draft.memory.set(eip + i, byte);
  });
  const direction = cell.form.rep !== undefined && rng.oneIn(3) ? EFLAGS_DF : rng.oneIn(12) ? EFLAGS_DF : 0;
  const eflags = 0x202 | (rng.u32() & 0x8d5) | direction;
  const gpr = draft.gpr.map((n) => n >>> 0);
  return {
    form: cell.form,
    insn,
    name: disassemble(insn, eip),
    gpr,
    eip,
    eflags,
    how,
    memory: draft.memory,
  };
}
