import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VCPU } from '../cpu/vcpu.ts';
import { doSetGdt, doUpdateDescriptor, mapLdtPage } from './descriptors.ts';
import { destroyDomain } from './domain.ts';
import { errnoName } from './abi/errno.ts';
import { doMemoryOp } from './memory-op.ts';
import {
  A,
  D,
  Deaf,
  dirtyFreeFrames,
  G,
  type MmGuest,
  mmGuest,
  NX,
  P,
  PCD,
  PSE,
  recount,
  RW,
  US,
} from './mm-testing.ts';
import { DOMAIN, PAGE, pageAt, XEN, XEN_AT } from './state.ts';
import { bench } from './testing.ts';

const POOL = 10;
/** Frames that the random guest plays with: its own spare ones, then some that it must never get. */
function pool(g: MmGuest, stranger: MmGuest): number[] {
  const own = Array.from({ length: POOL }, (_, i) => g.mfn(g.sparePfn + i));
  const bootL3 = g.x.m.r32(g.v + VCPU.cr3) >>> 12;
  const bootL2 = g.x.frames.read32(bootL3 * 4096) >>> 12;
  const bootL1 = g.x.frames.read32(bootL2 * 4096) >>> 12;
  const shared = g.x.m.r32(g.d + DOMAIN.sharedInfoMfn);
  const xens = g.x.m.r32(g.x.m.r32(g.d + DOMAIN.vcpus) + VCPU.window + 4 * 33);
  return [...own, bootL3, bootL2, bootL1, shared, stranger.mfn(2000), xens, 0, 1_000_000];
}

const frame = fc.oneof({ weight: 4, arbitrary: fc.nat(POOL - 1) }, fc.nat(POOL + 7));
const flags = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(P, P | RW, P | RW | US, P | A | D, P | RW | G, 0, RW) },
  fc.constantFrom(P | PSE, P | PCD, P | RW | PSE),
);
const slot = fc.constantFrom(0, 1, 2, 3, 4, 427, 428, 511);
const level = fc.constantFrom(1, 2, 3);

type Step = (g: MmGuest, f: number[]) => number;
/** A page-table entry: frames beyond 4 GiB cannot be named here. */
const entry = (mfn: number, low: number): number => ((mfn * 4096) | low) >>> 0;

type Named = readonly [name: string, step: Step];
const named = (name: string, step: Step): Named => [name, step];
const steps: fc.Arbitrary<Named> = fc.oneof(
  fc
    .tuple(fc.nat(7), frame, flags, fc.constantFrom(0, NX, 1, 0x000fffff))
    .map(([n, i, low, hi]) =>
      named(`map va ${n} frame ${i} flags ${low.toString(16)} ${hi.toString(16)}`, (g, f) =>
        g.va(0x380000 + n * 4096, entry(f[i]!, low), hi, n % 3),
      ),
    ),
  fc
    .tuple(frame, slot, frame, flags, fc.constantFrom(0, 2, 3, 1, 5))
    .map(([t, s, i, low, cmd]) =>
      named(
        `write frame ${t} slot ${s} with frame ${i} flags ${low.toString(16)} command ${cmd}`,
        (g, f) => g.update([[(f[t]! * 4096 + 8 * s + cmd) >>> 0, entry(f[i]!, low), 0]])[0],
      ),
    ),
  fc
    .tuple(frame, fc.array(fc.tuple(slot, frame), { maxLength: 4 }), level, fc.boolean())
    .map(([t, list, l, good]) =>
      named(
        `fill frame ${t} as level ${l}${good ? '' : ' with RW'}: ${list.map(([s, i]) => `${s}=${i}`).join(' ')}`,
        (g, f) =>
          g.update(
            list.map(([s, i]) => [
              f[t]! * 4096 + 8 * s,
              entry(f[i]!, l === 3 ? P : good ? P | US : P | RW),
              0,
            ]),
          )[0],
      ),
    ),
  fc.tuple(frame, frame, frame).map(([t, l2, x3]) =>
    named(`make frame ${t} an L3 of boot L2, ${l2} and ${x3}`, (g, f) => {
      g.update([[f[t]! * 4096, entry(f[POOL + 1]!, P), 0]]);
      g.update([[f[t]! * 4096 + 8, entry(f[l2]!, P), 0]]);
      return g.update([[f[t]! * 4096 + 24, entry(f[x3]!, P), 0]])[0];
    }),
  ),
  fc
    .tuple(frame, level)
    .map(([i, l]) => named(`pin frame ${i} at ${l}`, (g, f) => g.ext([[l - 1, f[i]!, 0]])[0])),
  frame.map((i) => named(`unpin frame ${i}`, (g, f) => g.ext([[4, f[i]!, 0]])[0])),
  frame.map((i) => named(`run on frame ${i}`, (g, f) => g.ext([[5, f[i]!, 0]])[0])),
  fc.array(frame, { minLength: 0, maxLength: 3 }).map((list) =>
    named(`GDT of ${list.join(' ')}`, (g, f) => {
      g.put(g.scratch, list.map((i) => f[i]!).concat(0));
      return g.call(doSetGdt, g.scratch, list.length * 512);
    }),
  ),
  fc.tuple(fc.nat(7), fc.constantFrom(0, 512, 1024, 9000)).map(([n, entries]) =>
    named(`LDT at va ${n} of ${entries}`, (g) => {
      const rc = g.ext([[13, 0x380000 + n * 4096, entries]])[0];
      mapLdtPage(g.x, g.v, 0);
      mapLdtPage(g.x, g.v, 1);
      mapLdtPage(g.x, g.v, 0);
      return rc;
    }),
  ),
  fc
    .tuple(frame, fc.nat(511), fc.constantFrom(0x00cf9a00, 0x00cffa00, 0x00008e00, 0x0000ec00, 0x00009a00, 0))
    .map(([i, n, hi]) =>
      named(`descriptor ${n} of frame ${i} = ${hi.toString(16)}`, (g, f) =>
        g.call(doUpdateDescriptor, (f[i]! * 4096 + 8 * n) >>> 0, 0, 0x0000ffff, hi),
      ),
    ),
  fc
    .tuple(fc.array(frame, { minLength: 1, maxLength: 3 }), fc.constantFrom(0, 0, 0, 1))
    .map(([list, order]) =>
      named(
        `decrease by ${list.join(' ')} order ${order}`,
        (g, f) =>
          g.reserve(
            1,
            list.map((i) => f[i]!),
            order,
          )[0],
      ),
    ),
  fc.tuple(fc.nat(POOL - 1), fc.constantFrom(0, 0, 1, 2), fc.boolean()).map(([i, order, populate]) =>
    named(`${populate ? 'populate' : 'increase'} into ${i} order ${order}`, (g, f) => {
      const [done, list] = g.reserve(populate ? 6 : 0, [g.sparePfn + i], order);
      if (done === 1) f[i] = list[0]!;
      return done;
    }),
  ),
  fc.tuple(frame, fc.nat(POOL - 1), fc.constantFrom(0, 0, 1)).map(([i, k, order]) =>
    named(`exchange frame ${i} order ${order}`, (g, f) => {
      const { scratch: s } = g;
      g.put(s, [s + 64, 1 << order, 0, 0, 0x7ff0, s + 80, 1, order, 0, 0x7ff0, 0]);
      g.put(s + 64, [f[i]!, f[(i + 1) % POOL]!]);
      g.put(s + 80, [g.sparePfn + k]);
      const rc = g.call(doMemoryOp, 11, s);
      if (rc === 0) f[i] = g.word(s + 80);
      return rc;
    }),
  ),
  fc
    .tuple(frame, frame, fc.boolean())
    .map(([i, k, clear]) =>
      named(
        clear ? `clear frame ${i}` : `copy frame ${k} to ${i}`,
        (g, f) => g.ext([[clear ? 16 : 17, f[i]!, f[k]!]])[0],
      ),
    ),
);

/** One step; undefined when the guest has just made itself unable to speak. */
function perform(step: Step, g: MmGuest, f: number[]): number | undefined {
  try {
    return step(g, f);
  } catch (error) {
    if (error instanceof Deaf) return undefined;
    throw error;
  }
}

describe('whatever a guest asks for', () => {
  it('counts and types are those of a recomputation from the roots, and nothing survives its end', () => {
    const seen = { ok: 0, refused: 0, deaf: 0, runs: 0 };
    fc.assert(
      fc.property(fc.array(steps, { minLength: 10, maxLength: 60 }), (list) => {
        const b = bench();
        const stranger = mmGuest(b),
          g = mmGuest(b);
        const f = pool(g, stranger);
        const before = b.x.m.r32(XEN_AT + XEN.freeFrames);
        const strangers = b.x.m.r32(pageAt(f[POOL + 4]!) + PAGE.count);
        const log: string[] = [];
        for (const [name, step] of list) {
          const rc = perform(step, g, f);
          log.push(`${name} -> ${rc}`);
          if (rc === undefined) seen.deaf++;
          else if (rc < 0 && errnoName(rc) === undefined)
            throw new Error(`${rc} is no errno\n${log.join('\n')}`);
          else if (rc < 0) seen.refused++;
          else seen.ok++;
          const problems = recount(b.x);
          if (problems.length > 0) throw new Error(`${problems.join('\n')}\nafter\n${log.join('\n')}`);
          b.records();
          if (rc === undefined) break;
        }
        seen.runs++;
        expect(b.x.m.r32(pageAt(f[POOL + 4]!) + PAGE.count)).toBe(strangers);
        const had = b.x.m.r32(g.d + DOMAIN.totPages) + b.x.m.r32(g.d + DOMAIN.xenFrames);
        const free = b.x.m.r32(XEN_AT + XEN.freeFrames);
        destroyDomain(b.x, g.d);
        expect(recount(b.x)).toEqual([]);
        expect(b.x.m.r32(XEN_AT + XEN.freeFrames)).toBe(free + had);
        expect(free).toBeLessThanOrEqual(before + POOL);
        expect(dirtyFreeFrames(b.x)).toEqual([]);
      }),
      { numRuns: 100, seed: 20260722, endOnFailure: true },
    );
    expect(seen.runs).toBe(100);
    expect(seen.deaf).toBeLessThan(100);
    expect(seen.ok).toBeGreaterThan(300);
    expect(seen.refused).toBeGreaterThan(300);
  }, 600_000);

  it('is told by the recomputation when a count is off by one', () => {
    const b = bench();
    const g = mmGuest(b);
    expect(recount(b.x)).toEqual([]);
    const at = pageAt(g.mfn(0));
    for (const field of [PAGE.count, PAGE.type]) {
      b.x.m.w32(at + field, b.x.m.r32(at + field) + 1);
      expect(recount(b.x)).toHaveLength(1);
      b.x.m.w32(at + field, b.x.m.r32(at + field) - 1);
    }
    expect(recount(b.x)).toEqual([]);
  });
});
