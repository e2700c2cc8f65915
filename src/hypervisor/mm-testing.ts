// What tests of the memory management stand on: a guest whose calls are made by name, and a recomputation of every count from the roots
// alone, written without a line of page-info. No part of the machine.

import { VCPU, VCPU_MODE } from '../cpu/vcpu.ts';
import { CTL } from '../memory/frames.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { PAGE_SIZE, RAM_BASE } from '../memory/map.ts';
import { copyFromGuest, copyToGuest, fields } from './guest-access.ts';
import type { HypercallArgs, HypercallHandler } from './hypercall-types.ts';
import { doMemoryOp } from './memory-op.ts';
import { doMmuextOp, doMmuUpdate, doUpdateVaMapping } from './mmu-ops.ts';
import { DOMAIN, domains, PAGE, pageAt, vcpuSlots, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { type Bench, bench, domainOf, kernel, refusals } from './testing.ts';
import type { Xen } from './xen.ts';

export const P = 1,
  RW = 2,
  US = 4,
  PWT = 8,
  PCD = 16,
  A = 32,
  D = 64,
  PSE = 128,
  G = 256;
export const NX = 0x80000000;

/** The guest has unmapped its own scratch page: it cannot make calls that need it any more. */
export class Deaf extends Error {}

export interface MmGuest {
  readonly x: Xen;
  readonly d: number;
  readonly v: number;
  readonly domid: number;
  /** A mapped page for arguments, and the first pfn that the builder has not mapped. */
  readonly scratch: number;
  readonly sparePfn: number;
  mfn(pfn: number): number;
  call(handler: HypercallHandler, ...args: number[]): number;
  put(at: number, words: readonly number[]): void;
  word(at: number): number;
  /** mmu_update of [machine address | command, low word, high word]; result and requests done. */
  update(
    requests: readonly (readonly [number, number, number])[],
    foreign?: number,
  ): [rc: number, done: number];
  /** mmuext_op of [cmd, arg1, arg2]. */
  ext(ops: readonly (readonly [number, number, number])[], foreign?: number): [rc: number, done: number];
  va(vaddr: number, lo: number, hi?: number, flags?: number): number;
  /** memory_op of an xen_memory_reservation; result and the list afterwards. */
  reserve(
    cmd: number,
    list: readonly number[],
    order?: number,
    domid?: number,
  ): [done: number, list: number[]];
  count(mfn: number): number;
  type(mfn: number): string;
  uses(mfn: number): number;
}

const TYPES = ['none', 'l1', 'l2', 'l3', 'l4', 'seg_desc', 'shared', 'writable'];
const DOMID_SELF = 0x7ff0,
  FREE = 0x7ff4;

/** A guest of `memoryMiB` whose kernel lies at 0, so that only L3 slot 0 maps it. */
export function mmGuest(b: Bench, memoryMiB = 8, privileged = false): MmGuest {
  const { x } = b;
  const { m } = x;
  const image = kernel([0x90], { virtBase: 0 });
  const { d, v, domid } = domainOf(b, [], { image, memoryMiB, privileged });
  const scratch = 0x3f0000;
  const args = (list: readonly number[]): HypercallArgs =>
    [0, 1, 2, 3, 4, 5].map((i) => (list[i] ?? 0) >>> 0) as unknown as HypercallArgs;
  const g: MmGuest = {
    x,
    d,
    v,
    domid,
    scratch,
    sparePfn: 1024,
    mfn: (pfn) => x.frames.read32(m.r32(d + DOMAIN.p2mMaddr) + 4 * pfn),
    call: (handler, ...list) => handler(x, v, args(list)),
    put: (at, words) => {
      if (!copyToGuest(x, v, at, new Uint8Array(new Uint32Array(words).buffer)))
        throw new Deaf(`nothing writable at 0x${at.toString(16)}`);
    },
    word: (at) => {
      const bytes = copyFromGuest(x, v, at, 4);
      if (!bytes) throw new Deaf(`nothing readable at 0x${at.toString(16)}`);
      return fields(bytes).getUint32(0, true);
    },
    update: (requests, foreign = DOMID_SELF) => {
      g.put(
        scratch,
        requests.flatMap(([ptr, lo, hi]) => [ptr, 0, lo, hi]),
      );
      g.put(scratch - 16, [99]);
      return [g.call(doMmuUpdate, scratch, requests.length, scratch - 16, foreign), g.word(scratch - 16)];
    },
    ext: (ops, foreign = DOMID_SELF) => {
      g.put(
        scratch,
        ops.flatMap((o) => [...o]),
      );
      g.put(scratch - 16, [99]);
      const rc = g.call(doMmuextOp, scratch, ops.length, scratch - 16, foreign);
      const done = copyFromGuest(x, v, scratch - 16, 4);
      return [rc, done ? fields(done).getUint32(0, true) : -1];
    },
    va: (vaddr, lo, hi = 0, flags = 0) => g.call(doUpdateVaMapping, vaddr, lo, hi, flags),
    reserve: (cmd, list, order = 0, domid = DOMID_SELF) => {
      g.put(scratch, [scratch + 64, list.length, order, 0, domid]);
      g.put(scratch + 64, list);
      const done = g.call(doMemoryOp, cmd, scratch);
      return [done, list.map((_, i) => g.word(scratch + 64 + 4 * i))];
    },
    count: (mfn) => m.r32(pageAt(mfn) + PAGE.count) & 0x03ffffff,
    type: (mfn) => TYPES[(m.r32(pageAt(mfn) + PAGE.type) >>> 28) & 7]!,
    uses: (mfn) => m.r32(pageAt(mfn) + PAGE.type) & 0xffff,
  };
  return g;
}

const [L1, L2, L3, SEG, WRITABLE] = [1, 2, 3, 5, 7];
/** What every frame should hold, by the roots: references, and uses by type, eight a frame. */
interface Tally {
  readonly general: Uint32Array;
  readonly typed: Uint32Array;
  readonly xenL2: Uint8Array;
  /** Tables found so far, by level. */
  readonly tables: readonly number[][];
}

function refer(t: Tally, mfn: number, type = 0): void {
  t.general[mfn]!++;
  if (type === 0) return;
  if (t.typed[mfn * 8 + type]!++ === 0 && type <= L3) t.tables[type]!.push(mfn);
}

/** Recomputes owners, types and counts from scratch; every difference is a sentence. Nothing to say is an empty list. */
export function recount(x: Xen): string[] {
  const n = x.m.nrFrames;
  const t: Tally = {
    general: new Uint32Array(n),
    typed: new Uint32Array(n * 8),
    xenL2: new Uint8Array(n),
    tables: [[], [], [], []],
  };
  roots(x, t);
  // L3s first: whether an L2 is of Xen's flavour is known only from slot 3 above it.
  for (const level of [L3, L2, L1]) {
    for (const mfn of t.tables[level]!) {
      const slots = level === L3 ? 4 : t.xenL2[mfn] === 1 ? 428 : 512;
      for (let i = 0; i < slots; i++) {
        const lo = x.frames.read32(mfn * PAGE_SIZE + 8 * i);
        if ((lo & P) === 0) continue;
        if (level === L3 && i === 3) t.xenL2[lo >>> 12] = 1;
        refer(t, lo >>> 12, level > L1 ? level - 1 : (lo & RW) !== 0 ? WRITABLE : 0);
      }
    }
  }
  return [...compare(x, t), ...bookkeeping(x)];
}

function roots(x: Xen, t: Tally): void {
  const { m, frames } = x;
  for (const v of vcpuSlots()) {
    if (m.r32(v + VCPU.used) === 0 || m.r32(v + VCPU.mode) !== VCPU_MODE.pv) continue;
    if (m.r32(v + VCPU.cr3) !== 0) refer(t, m.r32(v + VCPU.cr3) >>> 12, L3);
    const gdt = Math.ceil(m.r32(xv(v) + XVCPU.gdtEnts) / 512);
    for (let i = 0; i < gdt; i++) refer(t, m.r32(xv(v) + XVCPU.gdtFrames + 4 * i), SEG);
    for (let i = 16; i < 32; i++) {
      const mfn = m.r32(v + VCPU.window + 4 * i);
      if (mfn !== INVALID_MFN) refer(t, mfn, SEG);
    }
    const info = m.r32(xv(v) + XVCPU.vcpuInfoMfn);
    if (info !== INVALID_MFN) refer(t, info, WRITABLE);
  }
  for (let mfn = 1; mfn < m.nrFrames; mfn++) {
    const type = m.r32(pageAt(mfn) + PAGE.type);
    if ((type & 0x08000000) !== 0) refer(t, mfn, (type >>> 28) & 7);
  }
  for (const d of domains(m)) {
    t.typed[m.r32(d + DOMAIN.sharedInfoMfn) * 8 + WRITABLE!]!++;
    for (let f = 0; f < m.r32(d + DOMAIN.nrGrantFrames); f++)
      t.typed[m.r32(d + DOMAIN.grantFrames + 4 * f) * 8 + WRITABLE!]!++;
    for (let f = 0; f < 2 * m.r32(d + DOMAIN.nrGrantFrames); f++) {
      const table = m.r32(d + DOMAIN.grantActive + 4 * f) * PAGE_SIZE;
      for (let at = table; at < table + PAGE_SIZE; at += 16) {
        const pin = frames.read32(at);
        if (pin === 0) continue;
        for (let shift = 0; shift < 32; shift += 8)
          for (let n = (pin >>> shift) & 255; n > 0; n--)
            refer(t, frames.read32(at + 4), shift % 16 === 0 ? WRITABLE : 0);
      }
    }
  }
}

function compare(x: Xen, t: Tally): string[] {
  const out: string[] = [];
  for (let mfn = 1; mfn < x.m.nrFrames; mfn++) {
    const page = pageAt(mfn);
    const count = x.m.r32(page + PAGE.count),
      type = x.m.r32(page + PAGE.type);
    const say = (text: string): void => {
      out.push(`frame ${mfn} of ${x.m.r16(page + PAGE.owner)}: ${text}`);
    };
    const general = t.general[mfn]! + (count >>> 31);
    if ((count & 0x7fffffff) !== general) say(`count ${count & 0x7fffffff}, found ${general}`);
    let kind = 0;
    for (let k = L1; k <= WRITABLE; k++) {
      if (t.typed[mfn * 8 + k] === 0) continue;
      if (kind !== 0) say(`is ${TYPES[kind]} and ${TYPES[k]} at once`);
      kind = k;
    }
    const uses = kind === 0 ? 0 : t.typed[mfn * 8 + kind]!;
    if ((type & 0xffff) !== uses) say(`${type & 0xffff} uses, found ${uses} as ${TYPES[kind]}`);
    if (uses === 0) continue;
    if (((type >>> 28) & 7) !== kind) say(`type ${TYPES[(type >>> 28) & 7]}, found ${TYPES[kind]}`);
    if ((type & 0x04000000) === 0 && kind !== WRITABLE) say(`${TYPES[kind]} in use without validation`);
    if (((type & 0x02000000) !== 0) !== (t.xenL2[mfn] === 1)) say('flavour of L2 is wrong');
  }
  return out;
}

/** The free list holds exactly the free frames, and every domain is charged for exactly the frames it owns. */
function bookkeeping(x: Xen): string[] {
  const { m } = x;
  const out: string[] = [];
  const owned = new Uint32Array(0x8000),
    listed = new Uint8Array(m.nrFrames);
  for (let mfn = 1; mfn < m.nrFrames; mfn++) {
    const owner = m.r16(pageAt(mfn) + PAGE.owner);
    owned[owner]!++;
    if (owner === FREE && (m.r32(pageAt(mfn) + PAGE.count) !== 0 || m.r32(pageAt(mfn) + PAGE.type) !== 0))
      out.push(`frame ${mfn} is free but not forgotten`);
  }
  let free = 0;
  for (let mfn = m.r32(XEN_AT + XEN.freeList); mfn !== INVALID_MFN; mfn = m.r32(pageAt(mfn) + PAGE.link)) {
    if (listed[mfn] !== 0) return [...out, `the free list comes back to frame ${mfn}`];
    listed[mfn] = 1;
    free++;
  }
  const counted = m.r32(XEN_AT + XEN.freeFrames);
  if (free !== owned[FREE] || free !== counted)
    out.push(`${free} frames listed free, ${counted} counted, ${owned[FREE]} owned by nobody`);
  for (const d of domains(m)) {
    const domid = m.r32(d + DOMAIN.domid),
      charged = m.r32(d + DOMAIN.totPages);
    if (owned[domid] !== charged)
      out.push(`domain ${domid} is charged for ${charged} frames and owns ${owned[domid]}`);
  }
  return out;
}

/** Free frames that are not all zero. */
export function dirtyFreeFrames(x: Xen): number[] {
  const { m } = x;
  const out: number[] = [];
  for (let mfn = 1; mfn < m.nrFrames; mfn++) {
    if (m.r16(pageAt(mfn) + PAGE.owner) !== FREE) continue;
    const first = (RAM_BASE + mfn * PAGE_SIZE) >>> 2;
    let bits = 0;
    for (let i = 0; i < PAGE_SIZE / 4; i++) bits |= m.u32[first + i]!;
    if (bits !== 0) out.push(mfn);
  }
  return out;
}

export const OK = [0, 1] as const;
export const pte = (mfn: number, low: number): number => ((mfn * 4096) | low) >>> 0;
export const VA = 0x380000;

/** A guest, n spare frames, and the rule that refused last. */
export function start(n = 4): { b: Bench; g: MmGuest; f: number[]; why: () => string | undefined } {
  const b = bench();
  const g = mmGuest(b);
  const f = Array.from({ length: n }, (_, i) => g.mfn(g.sparePfn + i));
  return { b, g, f, why: () => refusals(b.records()).at(-1) };
}
export const bootL3 = (g: MmGuest): number => g.x.m.r32(g.v + VCPU.cr3) >>> 12;
export const bootTable = (g: MmGuest, l3Slot: number): number =>
  g.x.frames.read32(bootL3(g) * 4096 + 8 * l3Slot) >>> 12;
export const bootL1 = (g: MmGuest): number => g.x.frames.read32(bootTable(g, 0) * 4096) >>> 12;
export const bump = (g: MmGuest): number => g.x.frames.ctl(CTL.tlbEpoch);

/** Writes the words of a table that nobody uses yet: through mmu_update, as a guest does. */
export function fill(
  g: MmGuest,
  mfn: number,
  entries: readonly (readonly [slot: number, lo: number, hi?: number])[],
): void {
  const [rc, done] = g.update(entries.map(([s, lo, hi]) => [mfn * 4096 + 8 * s, lo, hi ?? 0]));
  if (rc !== 0 || done !== entries.length) throw new Error(`frame ${mfn} cannot be filled: ${rc}`);
}
/** An L3 of f[0] whose slot 3 is f[1] and whose slot 0 is the boot L2, so that one can run on it. */
export function makeL3(g: MmGuest, l3: number, l2: number): void {
  fill(g, l3, [
    [0, pte(bootTable(g, 0), P)],
    [3, pte(l2, P)],
  ]);
}
