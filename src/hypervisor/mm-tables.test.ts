import { describe, expect, it } from 'vitest';
import { REFUSED, type SystemEnv } from '../cpu/engine.ts';
import { VCPU } from '../cpu/vcpu.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { ERRNO } from './abi/errno.ts';
import { doSetGdt, mapLdtPage } from './descriptors.ts';
import { getM2p } from './m2p.ts';
import { destroyDomain } from './domain.ts';
import { doMemoryOp } from './memory-op.ts';
import { mmGuest, NX, P, recount, RW, OK, pte, VA, start, bootL3, bootTable, bootL1 } from './mm-testing.ts';
import { tryWritablePageTable } from './ptwr.ts';
import { DOMAIN, XEN, XEN_AT } from './state.ts';

const { EINVAL, EBUSY, EPERM, ESRCH, EFAULT, EACCES, ENOSYS, EOPNOTSUPP } = ERRNO;

describe('descriptor tables', () => {
  it('of a GDT become seg_desc while it is set, keep the old one when refused, and are let go', () => {
    const { g, f, why } = start();
    const { x, v } = g;
    const set = (list: readonly number[], entries: number): number => {
      g.put(g.scratch, [...list, 0]);
      return g.call(doSetGdt, g.scratch, entries);
    };
    expect(set([f[0]!, f[1]!], 600)).toBe(0);
    expect([g.type(f[0]!), g.uses(f[1]!), x.m.r32(v + VCPU.window + 4)]).toEqual(['seg_desc', 1, f[1]]);
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(-EBUSY);
    expect(g.va(VA, pte(f[0]!, P))).toBe(0);
    expect(set([f[2]!, bootL1(g)], 600)).toBe(-EINVAL);
    expect(why()).toBe('gdt.frame');
    expect([x.m.r32(v + VCPU.window), g.uses(f[2]!)]).toEqual([f[0], 0]);
    expect(set([], 7169)).toBe(-EINVAL);
    expect(g.call(doSetGdt, 0x500000, 1)).toBe(-EFAULT);
    expect(g.call(doSetGdt, 0x500000, 7169)).toBe(-EINVAL);
    expect(set([f[0]!], 1)).toBe(0);
    expect([g.uses(f[0]!), g.uses(f[1]!), x.m.r32(v + VCPU.window + 4)]).toEqual([
      1,
      0,
      x.m.r32(XEN_AT + XEN.zeroMfn),
    ]);
    expect(x.m.r32(v + VCPU.window + 4 * 14)).toBe(x.m.r32(XEN_AT + XEN.flatGdtMfn));
    expect(set([], 0)).toBe(0);
    expect(g.va(VA, pte(f[0]!, P | RW))).toBe(0);
    expect(recount(x)).toEqual([]);
  });

  it('of an LDT are mapped when first used, once, and dropped with the next table or CR3', () => {
    const { g, f, why } = start();
    const { x, v } = g;
    expect(g.va(VA, pte(f[0]!, P))).toBe(0);
    expect(g.ext([[13, VA, 8193]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[13, VA + 8, 1]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[13, VA, 513]])).toEqual(OK);
    expect(g.uses(f[0]!)).toBe(0);
    expect(mapLdtPage(x, v, 0)).toBe(true);
    expect([g.type(f[0]!), g.uses(f[0]!), x.m.r32(v + VCPU.window + 64)]).toEqual(['seg_desc', 1, f[0]]);
    // the guest touching the window itself must not take another reference, nor be told to try again
    expect(mapLdtPage(x, v, 0)).toBe(false);
    expect(g.uses(f[0]!)).toBe(1);
    expect(mapLdtPage(x, v, 2)).toBe(false);
    expect(g.va(VA + 4096, pte(f[1]!, P | RW))).toBe(0);
    expect(mapLdtPage(x, v, 1)).toBe(false);
    expect(why()).toBe('ldt.page');
    expect(recount(x)).toEqual([]);
    expect(g.ext([[5, bootL3(g), 0]])).toEqual(OK);
    expect(g.uses(f[0]!)).toBe(0);
    expect(mapLdtPage(x, v, 0)).toBe(true);
    expect(g.ext([[13, 0xdead, 0]])).toEqual(OK);
    expect([g.uses(f[0]!), x.m.r32(v + VCPU.window + 64)]).toEqual([0, INVALID_MFN]);
    expect(mapLdtPage(x, v, 0)).toBe(false);
    expect(recount(x)).toEqual([]);
  });
});

describe('memory_op', () => {
  it('grows and shrinks the reservation, in runs too, and keeps the M2P', () => {
    const { g } = start();
    const { x } = g;
    const total = x.m.r32(g.d + DOMAIN.totPages);
    const [done, [run]] = g.reserve(6, [9000], 3);
    expect(done).toBe(1);
    expect(run! % 8).toBe(0);
    for (let i = 0; i < 8; i++) expect(getM2p(x, run! + i)).toBe(9000 + i);
    expect(x.m.r32(g.d + DOMAIN.totPages)).toBe(total + 8);
    expect(g.reserve(1, [run!], 3)[0]).toBe(1);
    expect(g.reserve(1, [run!], 3)[0]).toBe(0);
    expect(x.m.r32(g.d + DOMAIN.totPages)).toBe(total);
    expect(recount(x)).toEqual([]);
  });

  it('answers with extents done, never an error, for commands 0, 1 and 6', () => {
    const { b, g } = start();
    const stranger = mmGuest(b);
    for (const cmd of [0, 1, 6]) {
      expect(g.call(doMemoryOp, cmd, 0x500000)).toBe(0);
      expect(g.reserve(cmd, [1], 0, 999)[0]).toBe(0);
      expect(g.reserve(cmd, [1], 0, stranger.domid)[0]).toBe(0);
    }
    expect(g.reserve(1, [g.mfn(1030), stranger.mfn(7), g.mfn(1031)])[0]).toBe(1);
    expect(recount(b.x)).toEqual([]);
  });

  it('stops at the maximum', () => {
    const { g } = start();
    const { x } = g;
    x.m.w32(g.d + DOMAIN.maxPages, x.m.r32(g.d + DOMAIN.totPages) + 2);
    expect(g.reserve(6, [3000, 3001, 3002])[0]).toBe(2);
    expect(g.reserve(0, [0])[0]).toBe(0);
  });

  it('tells numbers and refuses what a guest may not ask', () => {
    const { b, g } = start();
    const stranger = mmGuest(b);
    const { scratch: s, x } = g;
    const of = (cmd: number, domid: number): number => {
      g.put(s, [domid]);
      return g.call(doMemoryOp, cmd, s);
    };
    expect(g.call(doMemoryOp, 2, 0)).toBe(x.m.nrFrames);
    expect(of(3, 0x7ff0)).toBe(2048);
    expect(of(4, g.domid)).toBe(x.m.r32(g.d + DOMAIN.maxPages));
    expect(of(14, 0x7ff0)).toBe(0);
    expect([of(3, 999), of(4, stranger.domid)]).toEqual([-ESRCH, -EPERM]);
    expect(g.call(doMemoryOp, 3, 0x500000)).toBe(-EFAULT);
    expect(g.call(doMemoryOp, 12, s)).toBe(0);
    expect([g.word(s), g.word(s + 4), g.word(s + 8)]).toEqual([
      0xf5800000,
      0xffe00000,
      (0xa600000 >>> 2) - 1,
    ]);
    g.put(s, [8, s + 64, 0]);
    expect(g.call(doMemoryOp, 5, s)).toBe(0);
    expect([g.word(s + 8), g.word(s + 64)]).toEqual([1, x.m.r32(XEN_AT + XEN.m2pMfn)]);
    g.put(s, [4, s + 64]);
    expect(g.call(doMemoryOp, 9, s)).toBe(0);
    expect([g.word(s), g.word(s + 64), g.word(s + 80)]).toEqual([1, 0, 1]);
    expect(g.word(s + 72)).toBeGreaterThanOrEqual(8 << 20);
    for (const cmd of [7, 15]) {
      const map = (domid: number, space = 0, at = s): number => {
        g.put(s, [domid, space, 0, 0]);
        return g.call(doMemoryOp, cmd, at);
      };
      expect([map(0x7ff0), map(g.domid), map(999), map(stranger.domid), map(0x7ff0, 0, 0x500000)]).toEqual([
        -EACCES,
        -EACCES,
        -ESRCH,
        -EACCES,
        -EFAULT,
      ]);
      expect(map(999, 4)).toBe(cmd === 7 ? -ENOSYS : -ESRCH);
    }
    expect(g.call(doMemoryOp, 10, s)).toBe(-EPERM);
    g.put(s, [0x7ff0, 0]);
    expect(g.call(doMemoryOp, 26, s)).toBe(-EOPNOTSUPP);
    for (const cmd of [8, 29, 63]) expect(g.call(doMemoryOp, cmd, s)).toBe(-ENOSYS);
  });

  it('keeps a memory map that a domain sets for itself, and hands out as much of it as fits', () => {
    const { b, g } = start();
    const stranger = mmGuest(b);
    const { scratch: s, x } = g;
    const entries = Array.from({ length: 3 }, (_, i) => [i * 0x100000, i, 0x1000 * (i + 1), 0, i + 1]);
    const set = (domid: number, n: number, buffer = s + 256): number => {
      g.put(s + 256, entries.flat());
      g.put(s, [domid, n, buffer]);
      return g.call(doMemoryOp, 13, s);
    };
    const frames = x.m.r32(g.d + DOMAIN.xenFrames);
    expect(set(0x7ff0, 1025)).toBe(-EINVAL);
    expect(set(999, 1)).toBe(-ESRCH);
    expect(set(stranger.domid, 1)).toBe(-EPERM);
    expect(set(0x7ff0, 3, 0x500000)).toBe(-EFAULT);
    expect(set(0x7ff0, 3)).toBe(0);
    expect(x.m.r32(g.d + DOMAIN.xenFrames)).toBe(frames + 1);
    g.put(s, [2, s + 512]);
    g.put(s + 512 + 40, [77]);
    expect(g.call(doMemoryOp, 9, s)).toBe(0);
    expect(g.word(s)).toBe(2);
    expect(
      entries
        .slice(0, 2)
        .flat()
        .map((_, i) => g.word(s + 512 + 4 * i)),
    ).toEqual(entries.slice(0, 2).flat());
    expect(g.word(s + 512 + 40)).toBe(77);
    // a map over five frames, back and forth
    for (let i = 0; i < 1024 * 5; i++)
      x.frames.write32(g.mfn(0x300 + (i >>> 10)) * 4096 + 4 * (i & 1023), i * 7);
    g.put(s, [0x7ff0, 1024, 0x300000]);
    expect(g.call(doMemoryOp, 13, s)).toBe(0);
    g.put(s, [2000, 0x320000]);
    expect(g.call(doMemoryOp, 9, s)).toBe(0);
    expect(g.word(s)).toBe(1024);
    for (let i = 0; i < 1024 * 5; i += 61) expect(g.word(0x320000 + 4 * i)).toBe(i * 7);
    expect(x.m.r32(g.d + DOMAIN.xenFrames)).toBe(frames + 5);
    const free = x.m.r32(XEN_AT + XEN.freeFrames) + x.m.r32(g.d + DOMAIN.totPages) + frames + 5;
    destroyDomain(x, g.d);
    expect(x.m.r32(XEN_AT + XEN.freeFrames)).toBe(free);
    expect(recount(x)).toEqual([]);
  });
});

describe('writable page tables', () => {
  const P2M_WRITE = 3;
  /** The guest sees boot L1 read-only at VA; the stub processor stores there what the test says. */
  function assisted(
    store: (env: SystemEnv, at: number) => unknown,
    offset = 8 * 0x181,
  ): ReturnType<typeof start> & {
    entry: number;
    tried: () => boolean;
  } {
    const s = start();
    const { g, b } = s;
    g.x.m.w32(g.d + DOMAIN.vmAssist, 1 << 2);
    expect(g.va(VA, pte(bootL1(g), P))).toBe(0);
    b.emulate = (_v, env) => (store(env, VA + offset) === REFUSED ? 'unhandled' : 'done');
    const tried = (): boolean => tryWritablePageTable(g.x, g.v, VA + offset, P2M_WRITE);
    return { ...s, entry: bootL1(g) * 4096 + offset, tried };
  }

  it('judge the whole entry whatever the width of the store', () => {
    let value: [8 | 16 | 32 | 64, number, number] = [64, 0, 0];
    const { g, f, entry, tried, why } = assisted((env, at) => env.store!(at, ...value));
    value = [64, pte(f[0]!, P | RW), 0];
    expect(tried()).toBe(true);
    expect([g.x.frames.read32(entry), g.uses(f[0]!)]).toEqual([pte(f[0]!, P | RW), 1]);
    value = [8, P, 0];
    expect(tried()).toBe(true);
    expect(g.x.frames.read32(entry)).toBe(pte(f[0]!, P));
    value = [16, pte(f[0]!, P | RW) & 0xffff, 0];
    expect(tried()).toBe(true);
    value = [32, pte(bootL1(g), P | RW), 0];
    expect(tried()).toBe(false);
    expect(why()).toBe('pte.writable-of-typed');
    value = [64, 0, 0];
    expect(tried()).toBe(true);
    expect(g.uses(f[0]!)).toBe(0);
    expect(recount(g.x)).toEqual([]);
  });

  it('drop the present bit when the upper half comes first and makes no sense yet', () => {
    let half = 0;
    const s = assisted((env) => env.store!(VA + 8 * 0x181 + 4, 32, half, 0));
    expect(s.g.update([[s.entry, pte(s.f[0]!, P | RW), 0]])).toEqual(OK);
    half = 1;
    expect(s.tried()).toBe(true);
    expect([s.g.x.frames.read32(s.entry), s.g.x.frames.read32(s.entry + 4)]).toEqual([pte(s.f[0]!, RW), 1]);
    expect(s.g.uses(s.f[0]!)).toBe(0);
    half = NX;
    expect(s.tried()).toBe(true);
    expect(recount(s.g.x)).toEqual([]);
  });

  it('are for L1 tables of the guest, with the assist on, and aligned stores', () => {
    const s = assisted((env, at) => env.store!(at + 1, 32, 0, 0));
    expect(s.tried()).toBe(false);
    expect(s.why()).toBe('ptwr.aligned');
    s.g.x.m.w32(s.g.d + DOMAIN.vmAssist, 0);
    s.b.env = undefined;
    expect(s.tried()).toBe(false);
    expect(s.b.env).toBeUndefined();
    s.g.x.m.w32(s.g.d + DOMAIN.vmAssist, 1 << 2);
    expect(s.g.va(VA, pte(bootTable(s.g, 0), P))).toBe(0);
    expect(s.tried()).toBe(false);
    expect(s.b.env).toBeUndefined();
  });
});
