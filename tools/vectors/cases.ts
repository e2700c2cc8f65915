// One random test of one form: an encoding, registers and memory such that every access of the instruction falls into the
// windows of native.c, or into a region where nothing is mapped on purpose.

import { disassemble } from '../../src/isa/disassemble.ts';
import { CS, DS, ES, type Gpr, type Insn, type MemOperand, type Seg } from '../../src/isa/types.ts';
import type { Cell } from './cells.ts';
import {
  anySelector,
  Draft,
  EAX,
  EBP,
  EBX,
  ECX,
  EDI,
  EDX,
  ESI,
  ESP,
  effectiveAddress,
  value,
} from './draft.ts';
import { isForeign } from './foreign.ts';
import {
  CODE,
  isPrivate,
  isWritable,
  PAGE,
  type Segment,
  segmentOf,
  USER_CS,
  type World,
} from './palette.ts';
import type { Random } from './random.ts';

const EFLAGS_TF = 0x100,
  EFLAGS_DF = 0x400,
  EFLAGS_NT = 0x4000,
  EFLAGS_AC = 0x40000,
  EFLAGS_ID = 0x200000;
const INT3 = 0xcc;
/** Bytes that are no instruction are surely refused as such up to this length. */
const SHORT = 6;

export interface Case {
  readonly insn: Insn;
  readonly name: string;
  readonly world: World;
  readonly gpr: readonly number[];
  /** ES CS SS DS FS GS. */
  readonly seg: readonly number[];
  readonly eip: number;
  readonly eflags: number;
  /** How the runner regains control: the trap flag, an INT3 behind the instruction, or the test's own TF, which is part of the test. */
  readonly how: 'step' | 'int3' | 'own';
  readonly memory: ReadonlyMap<number, number>;
}

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
  salc: [EAX],
  xlat: [EAX],
  loop: [ECX],
  loope: [ECX],
  loopne: [ECX],
  jecxz: [ECX],
};
/** EFLAGS bits a popped image may carry: no VM, RF, VIF or VIP; TF would be seen one instruction later. */
const POPPED_FLAGS = 0x00247ed5;
const COUNTS = [0, 1, 2, 0x10000, 0x10001, 0xffff, 0xffffffff];

function randomiseRegisters(draft: Draft, insn: Insn): void {
  const { gpr, rng, cell } = draft;
  for (const n of IMPLIED[cell.form.semantics] ?? []) gpr[n] = value(rng);
  for (const operand of insn.operands) {
    if (operand.kind === 'reg') {
      const n = operand.size === 8 ? operand.reg & 3 : operand.reg;
      if (n === ESP) gpr[n] = draft.onStack(4 * rng.below(0x300) + 0x100 + (rng.oneIn(8) ? 1 : 0));
      else gpr[n] = value(rng);
    } else if (operand.kind === 'mem' && cell.form.implicit !== true && operand.index >= 0) {
      gpr[operand.index] = rng.oneIn(2) ? rng.below(64) : value(rng);
    }
  }
  if (/^(loop|loope|loopne|jecxz)$/.test(cell.form.semantics)) gpr[ECX] = rng.pick(COUNTS);
}

/** Selectors, quotients and equal operands: values that random numbers would hardly ever hit. */
function shapeValues(draft: Draft, insn: Insn): void {
  const { gpr, rng, cell } = draft;
  const { semantics } = cell.form;
  const source = insn.operands[insn.operands.length - 1];
  if (/^(mov_to_sreg|lar|lsl|verr|verw)$/.test(semantics)) {
    if (source?.kind === 'reg') gpr[source.reg] = anySelector(draft) | (rng.u32() & 0xffff0000);
  } else if (semantics === 'arpl') {
    for (const operand of insn.operands) if (operand.kind === 'reg') gpr[operand.reg] = value(rng);
  } else if (/^i?div$/.test(semantics)) {
    if (!rng.oneIn(4)) gpr[EDX] = semantics === 'div' ? rng.below(3) : (gpr[EAX]! >> 31) >>> 0;
    if (source?.kind === 'reg' && source.size === 8) gpr[EAX] = rng.below(0x400);
  } else if (/^bt[src]?$/.test(semantics)) {
    if (source?.kind === 'reg' && cell.kind === 'memory') gpr[source.reg] = (rng.below(512) - 256) >>> 0;
  } else if (/^(shl|shr|sar|rol|ror|rcl|rcr|shld|shrd)$/.test(semantics)) {
    if (source?.kind === 'reg')
      gpr[ECX] = ((gpr[ECX]! & 0xffffff00) | (rng.oneIn(4) ? rng.below(256) : rng.below(34))) >>> 0;
  } else if (semantics === 'enter') {
    gpr[EBP] = draft.onStack(0xc00 + (rng.oneIn(4) ? rng.below(64) : 0));
  }
}

const STRING_BYTES = [0, 1, 0x7f, 0x80, 0xff];

/** Pointers and counts of string instructions and XLAT. */
function aimImplicit(draft: Draft, insn: Insn): void {
  const { gpr, rng, cell, memory } = draft;
  const source = (insn.segOverride >= 0 ? insn.segOverride : DS) as Seg;
  const narrow = cell.addrSize === 16;
  if (cell.form.semantics === 'xlat') {
    const [start, size] = draft.spot(source);
    draft.point(EBX, source, start + rng.below(size - 0x100));
    const offset = gpr[EBX]! + (gpr[EAX]! & 0xff);
    draft.put((draft.base(source) + (narrow ? offset & 0xffff : offset)) >>> 0, 1, rng.u32());
    return;
  }
  if (cell.form.rep === undefined) return;
  const [from, fromSize] = draft.spot(source),
    [to, toSize] = draft.spot(ES);
  const nearEnd = (size: number): number => (rng.oneIn(8) ? size - 8 : 0x40);
  const src = from + nearEnd(rng.oneIn(2) ? Math.min(fromSize, PAGE) : fromSize) + rng.below(16);
  const dst = rng.oneIn(6)
    ? src + rng.below(5)
    : to + nearEnd(toSize) + (toSize >> 1) * (rng.u32() & 1) + rng.below(4);
  draft.point(ESI, source, src);
  draft.point(EDI, ES, dst);
  const count = rng.oneIn(60) ? 0x1000 + rng.below(0x4000) : rng.below(9);
  gpr[ECX] = narrow ? ((gpr[ECX]! & 0xffff0000) | count) >>> 0 : count;
  const alike = rng.oneIn(2);
  for (const start of [src, dst]) {
    for (let at = start - 24; at < start + 28; at++) {
      if (isWritable(at >>> 0) && !memory.has(at))
        memory.set(at >>> 0, alike ? (rng.oneIn(12) ? 1 : 0) : rng.pick(STRING_BYTES));
    }
  }
  if (alike) gpr[EAX] = 0;
}

/** What the instruction finds on the stack, slot by slot. */
function stackSlots(draft: Draft): number[] {
  const { rng } = draft;
  switch (draft.cell.form.semantics) {
    case 'pop':
      return [value(rng)];
    case 'popa':
      return Array.from({ length: 8 }, () => value(rng));
    case 'pop_sreg':
      return [anySelector(draft) | (rng.oneIn(2) ? 0 : 0x50000)];
    case 'popf':
      return [rng.u32() & POPPED_FLAGS];
    case 'ret':
      return [draft.codeOffset()];
    case 'retf':
      return [draft.codeOffset(), anySelector(draft)];
    case 'iret':
      return [draft.codeOffset(), rng.oneIn(3) ? anySelector(draft) : USER_CS, rng.u32() & POPPED_FLAGS];
    default:
      return [];
  }
}

/** What lies on the stack for instructions that pop. */
function fillStack(draft: Draft, insn: Insn): void {
  const { gpr, rng, cell } = draft;
  const bytes = insn.opSize / 8;
  const { semantics } = cell.form;
  if (rng.oneIn(20) && /^(push|pop|call|ret|enter|leave|iret|int)/.test(semantics))
    gpr[ESP] = draft.onStack(rng.pick([0, 1, 2, 3, 4, 6, PAGE - 6, PAGE - 4, PAGE - 2, PAGE - 1, PAGE]));
  stackSlots(draft).forEach((slot, i) => {
    draft.put(draft.stackAt(i * bytes), bytes, slot);
  });
  const frame = draft.stackAt(gpr[EBP]! - gpr[ESP]!);
  if (semantics === 'leave') draft.put(frame, bytes, value(rng));
  if (semantics === 'enter') for (let i = 1; i < 4; i++) draft.put(frame - i * bytes, bytes, value(rng));
}

/** Bytes an instruction reads or writes at its memory operand. */
function fillMemory(draft: Draft, insn: Insn, mem: MemOperand): void {
  const { gpr, rng, cell } = draft;
  const at = (draft.base(mem.seg) + effectiveAddress(mem, gpr)) >>> 0;
  const bytes = mem.size / 8;
  const { semantics } = cell.form;
  const [target, source] = insn.operands;
  if (cell.form.operands.includes('Mp')) {
    draft.put(at, bytes - 2, draft.codeOffset());
    draft.put(at + bytes - 2, 2, anySelector(draft));
  } else if (cell.form.operands.includes('Ma')) {
    const low = gpr[target?.kind === 'reg' ? (target as { reg: Gpr }).reg : EAX]! - rng.below(3);
    draft.put(at, bytes / 2, low);
    draft.put(at + bytes / 2, bytes / 2, low + rng.below(4) - 1);
  } else if (/^(mov_to_sreg|lar|lsl|verr|verw)$/.test(semantics)) {
    draft.put(at, 2, anySelector(draft));
  } else if (/^bt[src]?$/.test(semantics) && source?.kind === 'reg') {
    const offset = insn.opSize === 16 ? (gpr[source.reg]! << 16) >> 16 : gpr[source.reg]! | 0;
    draft.put(at + (insn.opSize === 16 ? (offset >> 4) * 2 : (offset >> 5) * 4), insn.opSize / 8, value(rng));
  } else if (semantics === 'cmpxchg8b' && rng.oneIn(2)) {
    draft.put(at, 4, gpr[EAX]!);
    draft.put(at + 4, 4, gpr[EDX]!);
  } else {
    const same = semantics === 'cmpxchg' && rng.oneIn(2);
    const branch = /^(call|jmp)$/.test(semantics);
    draft.put(at, bytes, same ? gpr[EAX]! : branch ? draft.codeOffset() : value(rng));
  }
}

/** Bytes around an operand that an instruction may touch too: XLAT adds AL. */
const REACH = 512,
  LAST_OFFSET = 0xffffffc0,
  LAST_REPEATED = 0xfff00000,
  FIRST_REPEATED = 0x1000,
  WHOLE = 0xfffff,
  DOWN = 0x400;

/** Around the end of a segment of 4 GiB processors do as they like (SDM vol. 3, 5.3); a repeated string comes there from both sides. */
function leavesEnd(insn: Insn, { limit, access }: Segment, offset: number): boolean {
  if ((access & DOWN) !== 0) return false;
  const repeated = insn.form.rep !== undefined && insn.rep !== 'none';
  if (offset > (repeated ? LAST_REPEATED : LAST_OFFSET)) return true;
  return repeated && insn.addrSize === 32 && limit === WHOLE && offset < FIRST_REPEATED;
}

/** Whether nothing the operands name can lie in the runner's own memory. */
export function isSafe(insn: Insn, gpr: readonly number[], seg: readonly number[]): boolean {
  for (const operand of insn.operands) {
    if (operand.kind !== 'mem') continue;
    if (insn.form.semantics === 'lea') continue;
    const offset = effectiveAddress(operand, gpr);
    if (leavesEnd(insn, segmentOf(seg[operand.seg]!), offset)) return false;
    const linear = (segmentOf(seg[operand.seg]!).base + offset) >>> 0;
    if (isPrivate(linear, /^bt[src]?$/.test(insn.form.semantics) ? bitReach(insn, gpr) : REACH)) return false;
  }
  const stack = (segmentOf(seg[2]!).base + gpr[ESP]!) >>> 0;
  const frame = (segmentOf(seg[2]!).base + gpr[EBP]!) >>> 0;
  if (/^(enter|leave)$/.test(insn.form.semantics) && isPrivate(frame, 0x10000)) return false;
  return !isPrivate(stack, 0x10000);
}

/** How far from its operand a bit test with a register may reach, in bytes. */
function bitReach(insn: Insn, gpr: readonly number[]): number {
  const source = insn.operands[1];
  if (source?.kind !== 'reg') return REACH;
  const offset = insn.opSize === 16 ? (gpr[source.reg]! << 16) >> 16 : gpr[source.reg]! | 0;
  return Math.abs(offset >> 3) + REACH;
}

const CL_SHIFT_LIMIT = 16;

/** SHLD and SHRD of 16 bits by more than 16, BSWAP of 16 bits: the result is undefined. */
export function resultUndefined(insn: Insn, gpr: readonly number[]): boolean {
  const { semantics } = insn.form;
  if (semantics === 'bswap') return insn.opSize === 16;
  if (semantics !== 'shld' && semantics !== 'shrd') return false;
  const count = insn.operands[2]!;
  const n = (count.kind === 'imm' ? count.value : gpr[ECX]!) & 31;
  return insn.opSize === 16 && n > CL_SHIFT_LIMIT;
}

/** A linear address for the instruction, sometimes at the edge of a page or of the segment's limit. */
export function place(rng: Random, length: number, how: Case['how'], cs: number): number {
  const { base, limit, spot } = segmentOf(cs);
  const room = length + (how === 'int3' ? 1 : 0); // the INT3 behind it must be there too
  const [start, size] = base === 0 ? [CODE, 2 * PAGE] : spot;
  if (base !== 0 && how !== 'int3' && rng.oneIn(12)) return base + limit + 1 - rng.below(length + 2); // across the limit
  if (rng.oneIn(40)) return start + size - room; // the last bytes that are there
  if (size < PAGE) return start + rng.below(size - room);
  if (rng.oneIn(10)) return start + PAGE - rng.below(length + 1); // across two pages
  if (rng.oneIn(60) && length > 1) return start + size - rng.below(length - 1) - 1; // cut off: #PF of the fetch
  return start + 0x100;
}

/** Instructions after which the trap of TF would come too early or too late, or be seen on the stack. */
export function leavesBy(insn: Insn): 'step' | 'int3' {
  const { form, rep, operands } = insn;
  if (form.rep !== undefined && rep !== 'none') return 'int3';
  if (form.semantics === 'pushf' || form.semantics === 'popf') return 'int3';
  const loadsStackSegment = operands.some((operand) => operand.kind === 'sreg' && operand.seg === 2);
  return form.semantics === 'lss' || (loadsStackSegment && form.semantics !== 'mov_from_sreg')
    ? 'int3'
    : 'step';
}

/** Whether the instruction may be traced by a TF of its own, which then is part of the test. */
function mayTrace(insn: Insn): boolean {
  return leavesBy(insn) === 'step' || insn.form.rep !== undefined;
}

/** Flags before the instruction: arithmetic ones at random, the others now and then. */
export function initialFlags(rng: Random, insn: Insn): number {
  let eflags = 0x202 | (rng.u32() & 0x8d5);
  if (insn.form.rep !== undefined ? rng.oneIn(3) : rng.oneIn(12)) eflags |= EFLAGS_DF;
  if (rng.oneIn(16) && insn.form.semantics !== 'iret') eflags |= EFLAGS_NT;
  if (rng.oneIn(16)) eflags |= EFLAGS_ID;
  // Which half of a pair of operands is looked at first, and for what, differs between processors: no alignment checks there.
  // ENTER's last check, of a slot it does not fill, is one of ours for paging alone; CALL stores before it looks at its target, or after; bit tests, PUSHA and their like are probed as a whole.
  const pair =
    insn.form.operands.some((spec) => spec === 'Mp' || spec === 'Ma') ||
    /^(enter|callf?|pusha|popa|cmpxchg8b|bt[src])$/.test(insn.form.semantics);
  if (rng.oneIn(16) && !pair) eflags |= EFLAGS_AC;
  return eflags;
}

/** Finishes a test: chooses how it ends and writes its bytes to memory; undefined when it would not come back. */
export function finish(
  rng: Random,
  insn: Insn,
  draft: Pick<Case, 'gpr' | 'seg' | 'world'> & { memory: Map<number, number> },
  bytes: readonly number[] = insn.bytes,
): Case | undefined {
  const { gpr, seg, world, memory } = draft;
  // Nor does anybody promise whether the limit of 15 bytes counts what would have followed.
  if (insn.invalid !== undefined && insn.tooLong !== true && insn.length > SHORT) return undefined;
  const cs = seg[CS]!;
  const how = mayTrace(insn) && rng.oneIn(20) ? 'own' : leavesBy(insn);
  // How many bytes the processor takes of what is no instruction is its own affair: such bytes stay away from edges.
  const linear = insn.invalid === undefined ? place(rng, insn.length, how, cs) : segmentOf(cs).spot[0] + 0x40;
  const eip = linear - segmentOf(cs).base;
  bytes.forEach((byte, i) => {
    if (isWritable(linear + i)) memory.set(linear + i, byte);
  });
  if (how === 'int3') {
    if (!isWritable(linear + insn.length)) return undefined;
    memory.set(linear + insn.length, INT3);
  }
  const eflags = initialFlags(rng, insn) | (how === 'own' ? EFLAGS_TF : 0);
  return {
    insn,
    name: disassemble(insn, eip),
    world,
    gpr: gpr.map((n) => n >>> 0),
    seg,
    eip,
    eflags,
    how,
    memory,
  };
}

/** A random test of `cell`, or undefined when this draw cannot be run safely (draw again). */
export function makeCase(cell: Cell, rng: Random): Case | undefined {
  const draft = new Draft(cell, rng);
  const first = draft.encode();
  if (first === undefined) return undefined;
  const sketch = draft.decode(first);
  randomiseRegisters(draft, sketch);
  shapeValues(draft, sketch);
  const explicit = (insn: Insn): MemOperand | undefined =>
    cell.form.implicit === true ? undefined : insn.operands.find((operand) => operand.kind === 'mem');
  const aimed = explicit(sketch);
  if (aimed !== undefined && aimed.size !== 0) draft.aim(aimed, draft.target(aimed.seg));
  const insn = draft.decode(draft.encode()!);
  if (insn.invalid === undefined && insn.form !== cell.form) return undefined;
  if (isForeign(insn.bytes)) return undefined;
  aimImplicit(draft, insn);
  fillStack(draft, insn);
  const mem = explicit(insn);
  if (aimed !== undefined && mem !== undefined) fillMemory(draft, insn, mem);
  if (!isSafe(insn, draft.gpr, draft.seg) || resultUndefined(insn, draft.gpr)) return undefined;
  return finish(rng, insn, { gpr: draft.gpr, seg: draft.seg, world: cell.world, memory: draft.memory });
}
