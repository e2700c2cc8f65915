// Task switches. Whatever is wrong with the two TSSs is found before anything changes and belongs to the old task; what is wrong with the
// new task's LDT and segments is found after the switch and is raised in the new task, before its first instruction.
// SDM vol. 3, chapter 7 (7.3 the steps, table 7-1 the checks, 7.6 the 16-bit TSS).

import { type Builder, GP, NP, SF, type SegmentValue, TS } from '../builder.ts';
import { CS, DS, ES, FS, type Gpr, GS, type Seg, SS } from '../types.ts';
import {
  attrOf,
  baseOf,
  type Descriptor,
  dplOf,
  errorCode,
  fetchDescriptor,
  has,
  isCode,
  isConforming,
  isNull,
  isReadable,
  isWritableData,
  isZero,
  lacks,
  limitOf,
  markAccessed,
  rplOf,
  SEG_NULL_BIT,
  SEG_P_BIT,
  segmentValue,
} from './descriptor.ts';
import { flagsImage, setWholeFlags } from './flags-image.ts';
import { realSegment } from './segment-load.ts';

/** JMP leaves the old task free; CALL and interrupts keep it busy and link to it; IRET goes back along the link. */
export type SwitchKind = 'jump' | 'nested' | 'return';

export interface SwitchEvent<V> {
  /** EIP the old task goes on at. */
  readonly eip: V;
  /** Error code for the new task's stack. */
  readonly code: V | undefined;
  /** RF is set in the old task's EFLAGS. */
  readonly resume: boolean;
  /** EXT bit of error codes. */
  readonly ext: V;
}

const TYPE_LDT = 2,
  BUSY_ATTR = 2,
  BUSY_HI = 0x200,
  NT = 0x4000,
  VM = 0x20000,
  CR0_PG = 0x80000000;
/** DR7.L0-L3 and LE: what a task switch clears. */
const LOCAL_BREAKPOINTS = 0x155;
/**
 * A code segment of level 0 that cannot be used: what CS holds until the new one is checked. While SS is not there yet the level counts as
 * 3, so that a fault finds its stack in the new TSS.
 */
const NO_CODE = SEG_NULL_BIT | 0x9b,
  LEVEL_3 = 0x60;

/** Offsets of a 32-bit and a 16-bit TSS. SDM vol. 3, figures 7-2 and 7-10. */
const EIP = [0x20, 0x0e] as const,
  FLAGS = [0x24, 0x10] as const,
  GPR = [0x28, 0x12] as const,
  SELECTORS = [0x48, 0x22] as const,
  LDT = [0x60, 0x2a] as const,
  CR3 = 0x1c,
  TRAP = 0x64;
/** First byte, and number of bytes, of what a switch saves; lowest limits for saving and for loading. */
const SAVED_AT = [0x20, 0x0e] as const,
  SAVED = [0x40, 0x1c] as const,
  LIMIT_OLD = [0x5f, 0x29] as const,
  LIMIT_NEW = [0x67, 0x2b] as const;
const GPRS: readonly Gpr[] = [0, 1, 2, 3, 4, 5, 6, 7];
const SEGS: readonly Seg[] = [ES, CS, SS, DS, FS, GS];
/** Segment registers of a 16-bit TSS. */
const SEGS_16 = 4;

/** A TSS descriptor for a switch: global, of the kind and state asked for, present. */
export function fetchTss<V, W>(
  b: Builder<V, W>,
  sel: V,
  state: 'available' | 'busy',
  vector: number,
  ext: V,
): Descriptor<V> {
  const code = errorCode(b, sel, ext);
  b.faultIf(has(b, sel, 4), vector, code);
  const d = fetchDescriptor(b, sel, vector, ext);
  const attr = attrOf(b, d);
  // System types 1, 3, 9 and 11: bit 1 is the busy bit, bit 3 the size.
  const type = b.and(attr, b.const(0x17));
  b.faultIf(b.ne(type, b.const(state === 'busy' ? 3 : 1)), vector, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  return d;
}

const pick = <V, W>(b: Builder<V, W>, wide: V, [big, small]: readonly [number, number]): V =>
  b.select(wide, b.const(big), b.const(small));

/** Name of the routine: readers to whom a task switch is no part of the instruction leave it out. */
export const TASK_SWITCH = 'task switch';

/** Switches to the task of TSS descriptor `d`, whose selector was checked. */
export function switchTask<V, W>(
  b: Builder<V, W>,
  kind: SwitchKind,
  sel: V,
  d: Descriptor<V>,
  event: SwitchEvent<V>,
): void {
  b.micro(TASK_SWITCH, () => {
    const next = newTask(b, kind, d, errorCode(b, sel, event.ext));
    const oldAt = checkOld(b, kind, event.ext);
    saveOld(b, kind, event, oldAt);
    if (kind === 'nested') b.storeSystem('tss', next.base, 16, b.sys('tr'));
    if (kind !== 'return')
      b.storeSystem('descriptor', b.add(d.at, b.const(4)), 32, b.or(d.hi, b.const(BUSY_HI)));
    b.setSys('tr', sel);
    b.setSys('tr.base', next.base);
    b.setSys('tr.limit', limitOf(b, d));
    b.setSys('tr.attr', b.or(attrOf(b, d), b.const(BUSY_ATTR)));
    b.setSys('ts', b.const(1));
    b.setSys('dr7', b.and(b.sys('dr7'), b.const(~LOCAL_BREAKPOINTS)));
    loadNew(b, kind, next);
    segmentsOf(b, next, event.ext);
    if (event.code !== undefined) pushCode(b, next.wide, event.code);
    b.faultIf(b.ltU(b.segment(CS).limit, next.eip), GP, event.ext);
    b.if(next.trap, () => b.taskTrap());
  });
}

/** The new task as its TSS has it. */
interface Task<V> {
  readonly base: V;
  /** 1: a 32-bit TSS. */
  readonly wide: V;
  readonly eip: V;
  readonly flags: V;
  readonly gprs: readonly V[];
  /** In the order of SEGS. */
  readonly selectors: readonly V[];
  readonly ldt: V;
  readonly cr3: V;
  readonly trap: V;
}

/** Checks the new TSS and reads it. */
function newTask<V, W>(b: Builder<V, W>, kind: SwitchKind, d: Descriptor<V>, code: V): Task<V> {
  const wide = has(b, d.hi, 0x800),
    base = baseOf(b, d),
    supervisor = b.const(0);
  b.faultIf(b.ltU(limitOf(b, d), pick(b, wide, LIMIT_NEW)), TS, code);
  b.probeLinear(base, b.add(pick(b, wide, LIMIT_NEW), b.const(1)), 'r', supervisor);
  if (kind === 'nested') b.probeLinear(base, b.const(2), 'w', supervisor);
  const zero = b.const(0);
  const fields = Array.from({ length: 2 + GPRS.length + SEGS.length + 3 }, () => b.local(zero));
  const field = (at: number): V => b.add(base, b.const(at));
  const read = (at: number, size: 16 | 32): V => b.loadSystem('tss', field(at), size);
  const fill = (values: readonly V[]): void => {
    for (const [i, value] of values.entries()) fields[i]!.set(value);
  };
  b.if(
    wide,
    () => {
      const gprs = GPRS.map((n) => read(GPR[0] + 4 * n, 32));
      const selectors = SEGS.map((seg) => read(SELECTORS[0] + 4 * seg, 16));
      const trap = b.and(read(TRAP, 16), b.const(1));
      fill([
        read(EIP[0], 32),
        read(FLAGS[0], 32),
        ...gprs,
        ...selectors,
        read(LDT[0], 16),
        read(CR3, 32),
        trap,
      ]);
    },
    () => {
      // The upper halves of the general registers read as ones on every processor that has said.
      const gprs = GPRS.map((n) => b.or(read(GPR[1] + 2 * n, 16), b.const(0xffff0000)));
      const selectors = SEGS.map((seg) => (seg < SEGS_16 ? read(SELECTORS[1] + 2 * seg, 16) : zero));
      fill([read(EIP[1], 16), read(FLAGS[1], 16), ...gprs, ...selectors, read(LDT[1], 16), zero, zero]);
    },
  );
  const [eip, flags, ...rest] = fields.map((local) => local.get()) as [V, V, ...V[]];
  const [ldt, cr3, trap] = rest.slice(GPRS.length + SEGS.length) as [V, V, V];
  const gprs = rest.slice(0, GPRS.length),
    selectors = rest.slice(GPRS.length, GPRS.length + SEGS.length);
  b.if(b.and(wide, has(b, b.sys('cr0'), CR0_PG)), () => b.checkCr(3, cr3));
  return { base, wide, eip, flags, gprs, selectors, ldt, cr3, trap };
}

/** Checks that the old task can be saved; returns the linear address of its descriptor's upper word. */
function checkOld<V, W>(b: Builder<V, W>, kind: SwitchKind, ext: V): V {
  const wide = has(b, b.sys('tr.attr'), 8),
    tr = b.sys('tr');
  b.faultIf(b.ltU(b.sys('tr.limit'), pick(b, wide, LIMIT_OLD)), TS, errorCode(b, tr, ext));
  b.probeLinear(b.add(b.sys('tr.base'), pick(b, wide, SAVED_AT)), pick(b, wide, SAVED), 'w', b.const(0));
  const at = b.add(b.sys('gdtr.base'), b.add(b.and(tr, b.const(0xfff8)), b.const(4)));
  if (kind !== 'nested') b.probeLinear(at, b.const(4), 'w', b.const(0));
  return at;
}

/** Stores the dynamic part of the old TSS and frees its descriptor where the old task ends. */
function saveOld<V, W>(b: Builder<V, W>, kind: SwitchKind, event: SwitchEvent<V>, descriptorAt: V): void {
  const base = b.sys('tr.base');
  const whole = flagsImage(b, event.resume);
  const flags = kind === 'return' ? b.and(whole, b.const(~NT)) : whole;
  const put = (at: number, size: 16 | 32, value: V): void =>
    b.storeSystem('tss', b.add(base, b.const(at)), size, value);
  const selector = (seg: Seg): V => (seg === CS ? b.sys('cs') : seg === SS ? b.sys('ss') : b.selector(seg));
  b.if(
    has(b, b.sys('tr.attr'), 8),
    () => {
      put(EIP[0], 32, event.eip);
      put(FLAGS[0], 32, flags);
      for (const n of GPRS) put(GPR[0] + 4 * n, 32, b.reg(n, 32));
      for (const seg of SEGS) put(SELECTORS[0] + 4 * seg, 16, selector(seg));
    },
    () => {
      put(EIP[1], 16, event.eip);
      put(FLAGS[1], 16, flags);
      for (const n of GPRS) put(GPR[1] + 2 * n, 16, b.reg(n, 32));
      for (const seg of SEGS.slice(0, SEGS_16)) put(SELECTORS[1] + 2 * seg, 16, selector(seg));
    },
  );
  if (kind === 'nested') return;
  const hi = b.loadSystem('descriptor', descriptorAt, 32);
  b.storeSystem('descriptor', descriptorAt, 32, b.and(hi, b.const(~BUSY_HI)));
}

/** Takes over everything that needs no check; from here on the new task runs, with selectors whose segments are not there yet. */
function loadNew<V, W>(b: Builder<V, W>, kind: SwitchKind, next: Task<V>): void {
  const { wide, eip, gprs, selectors, ldt, cr3 } = next;
  const flags = kind === 'nested' ? b.or(next.flags, b.const(NT)) : next.flags;
  b.if(b.and(wide, has(b, b.sys('cr0'), CR0_PG)), () => b.setSys('cr3', cr3));
  setWholeFlags(b, flags);
  for (const n of GPRS) b.setReg(n, 32, gprs[n]!);
  const zero = b.const(0);
  const hollow = (seg: Seg): SegmentValue<V> => {
    const sel = selectors[SEGS.indexOf(seg)]!;
    return { sel, base: zero, limit: zero, attr: b.const(seg === CS ? NO_CODE | LEVEL_3 : SEG_NULL_BIT) };
  };
  for (const seg of SEGS) b.setSegment(seg, hollow(seg));
  b.setSys('ldtr', ldt);
  b.setSys('ldtr.base', zero);
  b.setSys('ldtr.limit', zero);
  b.setSys('ldtr.attr', b.const(SEG_NULL_BIT));
  b.setEip(eip);
  b.begin(eip);
}

/** LDTR and the segment registers of the new task, checked as table 7-1 says. */
function segmentsOf<V, W>(b: Builder<V, W>, next: Task<V>, ext: V): void {
  loadLdt(b, next.ldt, ext);
  b.if(
    has(b, next.flags, VM),
    () => {
      for (const [i, seg] of SEGS.entries()) b.setSegment(seg, realSegment(b, seg, next.selectors[i]!));
    },
    () => {
      const sel = (seg: Seg): V => next.selectors[SEGS.indexOf(seg)]!;
      const cpl = rplOf(b, sel(CS));
      loadStack(b, sel(SS), cpl, ext);
      loadCode(b, sel(CS), ext);
      for (const seg of [DS, ES, FS, GS] as const) loadData(b, seg, sel(seg), cpl, ext);
    },
  );
}

function loadLdt<V, W>(b: Builder<V, W>, sel: V, ext: V): void {
  const code = errorCode(b, sel, ext);
  b.faultIf(has(b, sel, 4), TS, code);
  b.if(isZero(b, isNull(b, sel)), () => {
    const d = fetchDescriptor(b, sel, TS, ext),
      attr = attrOf(b, d);
    b.faultIf(b.ne(b.and(attr, b.const(0x1f)), b.const(TYPE_LDT)), TS, code);
    b.faultIf(lacks(b, attr, SEG_P_BIT), TS, code);
    b.setSys('ldtr.base', baseOf(b, d));
    b.setSys('ldtr.limit', limitOf(b, d));
    b.setSys('ldtr.attr', attr);
  });
}

function loadCode<V, W>(b: Builder<V, W>, sel: V, ext: V): void {
  const code = errorCode(b, sel, ext);
  b.faultIf(isNull(b, sel), TS, code);
  const d = fetchDescriptor(b, sel, TS, ext);
  const attr = attrOf(b, d),
    dpl = dplOf(b, d),
    rpl = rplOf(b, sel);
  const level = b.select(isConforming(b, attr), b.leU(dpl, rpl), b.eq(dpl, rpl));
  b.faultIf(isZero(b, b.and(isCode(b, attr), level)), TS, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  markAccessed(b, d);
  b.setSegment(CS, segmentValue(b, sel, d));
}

function loadStack<V, W>(b: Builder<V, W>, sel: V, cpl: V, ext: V): void {
  const code = errorCode(b, sel, ext);
  b.faultIf(isNull(b, sel), TS, code);
  const d = fetchDescriptor(b, sel, TS, ext),
    attr = attrOf(b, d);
  b.faultIf(isZero(b, isWritableData(b, attr)), TS, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), SF, code);
  b.faultIf(isZero(b, b.and(b.eq(rplOf(b, sel), cpl), b.eq(dplOf(b, d), cpl))), TS, code);
  markAccessed(b, d);
  b.setSegment(SS, segmentValue(b, sel, d));
  const { sel: cs, base, limit } = b.segment(CS);
  b.setSegment(CS, { sel: cs, base, limit, attr: b.or(b.shl(cpl, b.const(5)), b.const(NO_CODE)) });
}

function loadData<V, W>(b: Builder<V, W>, seg: Seg, sel: V, cpl: V, ext: V): void {
  b.if(isZero(b, isNull(b, sel)), () => {
    const code = errorCode(b, sel, ext);
    const d = fetchDescriptor(b, sel, TS, ext);
    const attr = attrOf(b, d),
      dpl = dplOf(b, d);
    const allowed = b.and(b.leU(cpl, dpl), b.leU(rplOf(b, sel), dpl));
    const usable = b.and(isReadable(b, attr), b.or(isConforming(b, attr), allowed));
    b.faultIf(isZero(b, usable), TS, code);
    b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
    markAccessed(b, d);
    b.setSegment(seg, segmentValue(b, sel, d));
  });
}

/** The error code of the exception that led here, on the new task's stack. */
function pushCode<V, W>(b: Builder<V, W>, wide: V, code: V): void {
  b.if(
    wide,
    () => b.push(code, 32),
    () => b.push(code, 16),
  );
}

/** IRET with NT set: back to the task that the current TSS links to. */
export function returnFromTask<V, W>(b: Builder<V, W>): void {
  const zero = b.const(0);
  const sel = b.loadSystem('tss', b.sys('tr.base'), 16);
  const d = fetchTss(b, sel, 'busy', TS, zero);
  switchTask(b, 'return', sel, d, { eip: b.nextEip(), code: undefined, resume: false, ext: zero });
}
