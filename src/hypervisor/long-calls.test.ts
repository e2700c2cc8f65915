// No call keeps the pCPU for long, whatever its lists say (class 42 of the security classes). A guest of real registers makes the calls; it
// comes back to the INT 0x82 as often as Xen sends it there.

import { describe, expect, it } from 'vitest';
import { EXIT, VCPU } from '../cpu/vcpu.ts';
import { chance } from '../lab/testing.ts';
import type { Memory } from '../memory/memory.ts';
import { TRAP_KIND } from '../trace/records.ts';
import { WORK_LIMIT } from './continuation.ts';
import { bootL3, bootTable, fill, type MmGuest, mmGuest, P, pte, recount, RW, US } from './mm-testing.ts';
import { allocDomainFrame } from './page-alloc.ts';
import { DOMAIN, pageAt, XEN, XEN_AT } from './state.ts';
import { onExit } from './supervisor.ts';
import { type Bench, bench, refusals } from './testing.ts';

const SELF = 0x7ff0,
  LIST = 0x300000,
  EIP = 0x1000;
/** The dearest single request: a level-3 table with four level-2 tables of 512 level-1 tables each, dropped and another taken. */
const ONE_REQUEST = 2 * (4 + 4 * 512 + 4 * 512 * 512);

interface Run {
  readonly result: number;
  readonly traps: number;
  /** Most units of work in one trap. */
  readonly worst: number;
}
/** Executes INT 0x82 until it is over; at most `limit` times. */
function run(g: MmGuest, number: number, args: readonly number[], limit = 10_000): Run {
  const { x, v } = g;
  const { m } = x;
  m.w32(v + VCPU.gpr, number);
  [12, 4, 8, 24, 28, 20].forEach((r, i) => {
    m.w32(v + VCPU.gpr + r, (args[i] ?? 0) >>> 0);
  });
  let traps = 0,
    worst = 0;
  do {
    m.w32(v + VCPU.eip, EIP + 2);
    m.w32(v + VCPU.exitVector, 0x82);
    m.w32(v + VCPU.exitKind, TRAP_KIND.int);
    onExit(x, v, EXIT.trap);
    traps++;
    worst = Math.max(worst, m.r32(XEN_AT + XEN.work));
  } while (m.r32(v + VCPU.eip) === EIP && traps < limit);
  return { result: m.r32(v + VCPU.gpr) | 0, traps, worst };
}
/** One page of words, seen through `pages` pages from LIST on. */
function aliased(g: MmGuest, words: readonly number[], pages: number, writable = false): void {
  g.put(0x2ff000, words);
  for (let i = 0; i < pages; i++)
    expect(g.va(LIST + 4096 * i, pte(g.mfn(0x2ff), writable ? P | RW : P))).toBe(0);
}
/** A level-2 table all of whose slots lead to level-1 tables of their own, each full of entries: dear to validate. */
function dearTable(b: Bench, g: MmGuest, tables: number): number {
  const { x } = b;
  x.m.w32(g.d + DOMAIN.maxPages, 8192);
  const frame = (): number => allocDomainFrame(x, g.d);
  const shown = frame(),
    l2 = frame();
  for (let i = 0; i < tables; i++) {
    const l1 = frame();
    for (let k = 0; k < 512; k++) x.frames.write64(l1 * 4096 + 8 * k, pte(shown, P), 0);
    x.frames.write64(l2 * 4096 + 8 * i, pte(l1, P | RW | US), 0);
  }
  return l2;
}

describe('a list whose requests each validate a whole address space', () => {
  it('is done in pieces, each of a few milliseconds, and to the end', () => {
    const b = bench();
    const g = mmGuest(b);
    const l2 = dearTable(b, g, 64);
    const slot = bootL3(g) * 4096 + 8;
    aliased(g, Array.from({ length: 128 }, () => [slot, 0, pte(l2, P), 0, slot, 0, 0, 0]).flat(), 1);
    g.put(g.scratch, [0]);
    const { result, traps, worst } = run(g, 1, [LIST, 256, g.scratch, SELF]);
    expect([result, g.word(g.scratch)]).toEqual([0, 256]);
    expect(traps).toBeGreaterThan(25);
    expect(worst).toBeLessThan(WORK_LIMIT + 66 * 512);
    expect(recount(b.x)).toEqual([]);
  });

  it('inside a multicall too: the rest stands in the element, the guest’s registers are its own, its result comes last', () => {
    const b = bench();
    const g = mmGuest(b);
    const l2 = dearTable(b, g, 64);
    const slot = bootL3(g) * 4096 + 8;
    aliased(g, Array.from({ length: 128 }, () => [slot, 0, pte(l2, P), 0, slot, 0, 0, 0]).flat(), 1);
    const calls = g.scratch,
      done = g.scratch + 512;
    g.put(done, [0]);
    g.put(calls, [17, 77, 0, 0, 0, 0, 0, 0, 1, 77, LIST, 256, done, SELF, 5, 6, 17, 77, 7, 0, 0, 0, 0, 0]);
    const once = run(g, 13, [calls, 3, 0xd, 0xe, 0xf, 0xb], 1);
    expect(once.result).toBe(13);
    const gpr = (n: number): number => b.x.m.r32(g.v + VCPU.gpr + 4 * n);
    expect([gpr(3), gpr(1), gpr(2), gpr(6), gpr(7), gpr(5)]).toEqual([calls + 32, 2, 0xd, 0xe, 0xf, 0xb]);
    const left = g.word(calls + 32 + 12) - 0x80000000;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(256);
    expect([g.word(calls + 32 + 8), g.word(done)]).toEqual([LIST + 16 * (256 - left), 256 - left]);
    expect([0, 1, 2].map((i) => g.word(calls + 32 * i + 4))).toEqual([0x40011, 77, 77]);
    const { result, traps } = run(g, 13, [gpr(3), gpr(1)]);
    expect([result, g.word(done)]).toEqual([0, 256]);
    expect(traps).toBeGreaterThan(25);
    expect([0, 1, 2].map((i) => g.word(calls + 32 * i + 4))).toEqual([0x40011, 0, 4096]);
    expect(recount(b.x)).toEqual([]);
  });

  it('as many elements of one request each are a long call as well', () => {
    const b = bench();
    const g = mmGuest(b);
    const l2 = dearTable(b, g, 64);
    const pin = g.scratch,
      calls = 0x3d0000;
    g.put(pin, [1, l2, 0, 4, l2, 0]);
    g.put(calls, Array.from({ length: 100 }, () => [26, 77, pin, 2, 0, SELF, 0, 0]).flat());
    const { result, traps, worst } = run(g, 13, [calls, 100]);
    expect(result).toBe(0);
    expect(Array.from({ length: 100 }, (_, i) => g.word(calls + 32 * i + 4))).toEqual(Array(100).fill(0));
    expect(traps).toBeGreaterThan(20);
    expect(worst).toBeLessThan(WORK_LIMIT + ONE_REQUEST);
  });

  it('an element whose arguments cannot be written any more ends the multicall', () => {
    const b = bench();
    const g = mmGuest(b);
    const l2 = dearTable(b, g, 64);
    const slot = bootL3(g) * 4096 + 8,
      calls = 0x3d0000;
    const l1 = b.x.frames.read32(bootTable(g, 0) * 4096 + 8) >>> 12;
    const first = [l1 * 4096 + 8 * 0x1d0, 0, pte(g.mfn(0x3d0), P), 0];
    const dear = Array.from({ length: 100 }, () => [slot, 0, pte(l2, P), 0, slot, 0, 0, 0]).flat();
    aliased(g, [...first, ...dear], 1);
    g.put(calls, [1, 77, LIST, 201, 0, SELF, 0, 0]);
    b.records();
    expect(run(g, 13, [calls, 1]).result).toBe(-14);
    expect(refusals(b.records())).toEqual(['multicall.arguments-writable']);
    expect(recount(b.x)).toEqual([]);
  });
});

describe('a list that aliases one page', () => {
  it('of frames exchanged to and fro is done in pieces', () => {
    const b = bench();
    const g = mmGuest(b);
    const out = 0x3c0000,
      n = 24 * 1024;
    // Each exchange gives back what the one before it has got: the free list is a stack.
    const [one, two] = [g.mfn(g.sparePfn), b.x.m.r32(XEN_AT + XEN.freeList)];
    aliased(
      g,
      Array.from({ length: 1024 }, (_, i) => (i % 2 === 0 ? one : two)),
      24,
    );
    for (let i = 0; i < 24; i++) expect(g.va(out + 4096 * i, pte(g.mfn(0x2fe), P | RW))).toBe(0);
    g.put(g.scratch, [LIST, n, 0, 0, SELF, out, n, 0, 0, SELF, 0]);
    const { result, traps, worst } = run(g, 12, [11, g.scratch]);
    expect([result, g.word(g.scratch + 40)]).toEqual([0, n]);
    expect(traps).toBe(2);
    expect(worst).toBeLessThan(WORK_LIMIT + 100);
    expect(recount(b.x)).toEqual([]);
  });

  it('of trap handlers, of text, of grants: goes on later, in a multicall as elsewhere', () => {
    const b = bench();
    const g = mmGuest(b);
    const calls = g.scratch;
    aliased(g, Array.from({ length: 512 }, () => [0x20 | (0xe019 << 16), 0x1234]).flat(), 4);
    g.put(calls, [0, 77, LIST, 0, 0, 0, 0, 0]);
    expect(run(g, 13, [calls, 1], 1).result).toBe(13);
    expect(g.word(calls + 8)).toBeGreaterThan(LIST);
    expect(run(g, 13, [calls, 1])).toMatchObject({ result: 0 });
    g.put(calls, [18, 77, 0, 4 * 4096, LIST, 0, 0, 0]);
    const text = run(g, 13, [calls, 1]);
    expect([text.result, g.word(calls + 4)]).toEqual([0, 0]);
    expect(text.traps).toBe(4);
    aliased(g, [0], 4, true);
    g.put(calls, [20, 77, 5, LIST, 600, 0, 0, 0]);
    const grants = run(g, 13, [calls, 1]);
    expect([grants.result, g.word(calls + 4)]).toEqual([0, 0]);
    expect(grants.traps).toBe(3);
  });

  it('of runs to populate is done in pieces: looking for a run is dear', () => {
    const b = bench();
    const g = mmGuest(b);
    b.x.m.w32(g.d + DOMAIN.maxPages, 8192);
    aliased(g, Array(1024).fill(0), 1, true);
    g.put(g.scratch, [LIST, 200, 1, 0, SELF]);
    const { result, traps } = run(g, 12, [0, g.scratch]);
    expect(result).toBe(200);
    expect(traps).toBeGreaterThan(5);
    expect(recount(b.x)).toEqual([]);
  });
});

it('a call that is short costs next to nothing', () => {
  const b = bench();
  const g = mmGuest(b);
  fill(g, g.mfn(g.sparePfn), [[0, 1]]);
  g.put(g.scratch, [6, 0, 0]);
  expect(run(g, 26, [g.scratch, 1, 0, SELF])).toMatchObject({ result: 0, traps: 1, worst: 1 });
});

/** One random call: the words of its list at LIST, and its registers. */
type Plan = readonly [list: readonly number[], number: number, args: readonly number[]];
function plan(g: MmGuest, random: (n: number) => number): Plan {
  const pick = <T>(...list: readonly T[]): T => list[random(list.length)]!;
  const frame = (): number => g.mfn(g.sparePfn + random(12));
  const table = (): number => pick(bootL3(g), bootTable(g, 0), frame(), frame());
  const n = 1 + random(6);
  const list = <T>(one: () => readonly T[]): T[] => Array.from({ length: n }, one).flat();
  const done = g.scratch + 0x800;
  switch (random(6)) {
    case 0:
      return [
        list(() => [
          table() * 4096 + 8 * pick(2, 3, 200, 300) + pick(0, 0, 2),
          0,
          pte(frame(), pick(0, P, P | RW)),
          0,
        ]),
        1,
        [LIST, n, done, SELF],
      ];
    case 1:
      return [list(() => [pick(0, 0, 1, 2, 4, 4, 16, 17), frame(), frame()]), 26, [LIST, n, done, SELF]];
    case 2:
      return [list(() => [frame()]), 12, [1, reservation(g, LIST, n)]];
    case 3:
      return [list(() => [g.sparePfn + random(12)]), 12, [pick(0, 6), reservation(g, LIST, n, random(2))]];
    case 4:
      g.put(g.scratch, [LIST, n, 0, 0, SELF, LIST + 256, n, 0, 0, SELF, 0]);
      return [
        [...list(() => [frame()]), ...Array<number>(64 - n).fill(7), ...list(() => [g.sparePfn])],
        12,
        [11, g.scratch],
      ];
    default:
      return [list(() => [frame(), SELF, frame(), SELF, pick(16, 4096, 4097), 0]), 20, [5, LIST, n]];
  }
}
function reservation(g: MmGuest, list: number, n: number, order = 0): number {
  g.put(g.scratch, [list, n, order, 0, SELF]);
  return g.scratch;
}

it('a call that is cut after every element leaves what it leaves in one piece, alone and in a multicall', () => {
  const machines = [0, 1].map(() => {
    const b = bench();
    return { b, g: mmGuest(b), random: chance(20260725) };
  });
  const cut = machines[1]!.b.x.m;
  const read = cut.r32.bind(cut);
  cut.r32 = (at) => (at === XEN_AT + XEN.work ? WORK_LIMIT : read(at));
  const traps = [0, 0];
  for (let i = 0; i < 600; i++) {
    const seen = machines.map(({ b, g, random }, k) => {
      const [words, number, args] = plan(g, random);
      g.put(LIST, words);
      const calls = g.scratch + 0x400;
      g.put(calls, [number, 77, ...[0, 1, 2, 3, 4, 5].map((a) => args[a] ?? 0)]);
      const alone = random(2) === 0;
      const result = alone ? run(g, number, args) : run(g, 13, [calls, 1]);
      traps[k]! += result.traps;
      const { m } = b.x;
      return {
        result: alone ? result.result : g.word(calls + 4) | 0,
        done: g.word(g.scratch + 0x800),
        list: words.map((_, w) => g.word(LIST + 4 * w)),
        hash: pages(m),
      };
    });
    expect([i, seen[1]]).toEqual([i, seen[0]]);
  }
  expect(machines.map(({ b }) => recount(b.x))).toEqual([[], []]);
  expect(traps[1]!).toBeGreaterThan(traps[0]! * 1.5);
});
/** A number for counts, types, owners and links of all frames. */
function pages(m: Memory): number {
  let h = 7;
  for (let i = pageAt(0) / 4; i < pageAt(m.nrFrames) / 4; i++) h = (Math.imul(h, 31) + m.u32[i]!) | 0;
  return h;
}
