import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { Frames } from './frames.ts';
import { PAGE_SIZE } from './map.ts';
import { Memory } from './memory.ts';

/** An arena that may take `limit` frames, never two neighbours: what crosses a frame must be found again. */
function make(limit = 1000): { arena: Arena; again: () => Arena; taken: () => number } {
  const frames = new Frames(new Memory(new ArrayBuffer(48 << 20)));
  let taken = 0;
  const alloc = (): number => (taken < limit ? 3 + 2 * taken++ : 0xffffffff);
  Arena.create(frames, 1);
  const again = (): Arena => new Arena(frames, 1, alloc);
  return { arena: again(), again, taken: () => taken };
}
const filled = (n: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: n }, (_, i) => seed + i * 7);

describe('Arena', () => {
  it('keeps objects that cross frames, and is found again from its root', () => {
    const { arena, again, taken } = make();
    const handles = [10, 5000, 3, 4090, 70_000].map((n, i) => [arena.put(filled(n, i)), n, i] as const);
    for (const [h, n, i] of handles) expect(again().get(h)).toEqual(filled(n, i));
    expect(taken()).toBeGreaterThan(20);
    expect(handles.every(([h]) => h > 0 && h % 4 === 0)).toBe(true);
  });
  it('gives freed memory out again before it grows', () => {
    const { arena, taken } = make();
    const first = arena.alloc(3000);
    const frames = taken();
    arena.free(first, 3000);
    expect(arena.used).toBe(0);
    expect(arena.alloc(2100)).toBe(first);
    expect(taken()).toBe(frames);
    expect(arena.used).toBe(Arena.cost(2100));
  });
  it('says 0 when no frame is left, and goes on with what is freed', () => {
    const { arena } = make(3); // a table and two frames
    const held: number[] = [];
    for (let h = arena.alloc(1000); h !== 0; h = arena.alloc(1000)) held.push(h);
    expect(held.length).toBe(7); // 16 bytes are never given out
    const used = arena.used;
    expect(arena.alloc(1000)).toBe(0);
    expect(arena.put(new Uint8Array(900))).toBe(0);
    expect(arena.used).toBe(used);
    arena.free(held[3]!, 1000);
    expect(arena.alloc(1000)).toBe(held[3]);
  });
  it('refuses objects of more than 512 KiB and has room for one that large', () => {
    const { arena } = make();
    expect(arena.alloc(512 * 1024 + 1)).toBe(0);
    const h = arena.put(filled(512 * 1024 - 4, 9));
    expect(arena.get(h)).toEqual(filled(512 * 1024 - 4, 9));
  });
  it('keeps every object whole whatever comes and goes', () => {
    const step = fc.record({ free: fc.boolean(), pick: fc.nat(), size: fc.integer({ min: 1, max: 9000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { arena } = make(400);
        const live: { h: number; bytes: Uint8Array }[] = [];
        for (const { free, pick, size } of steps) {
          if (free && live.length > 0) arena.drop(live.splice(pick % live.length, 1)[0]!.h);
          else {
            const bytes = filled(size, pick & 255);
            const h = arena.put(bytes);
            if (h !== 0) live.push({ h, bytes });
          }
        }
        for (const { h, bytes } of live) expect(arena.get(h)).toEqual(bytes);
        expect(arena.used).toBe(live.reduce((n, o) => n + Arena.cost(o.bytes.length + 4), 0));
      }),
      { numRuns: 40, seed: 1 },
    );
  });
  it('holds 32 words for its owner that alloc leaves alone', () => {
    const { arena } = make();
    for (let i = 0; i < 32; i++) arena.setUser(i, 0x1000 + i);
    arena.alloc(20 * PAGE_SIZE);
    for (let i = 0; i < 32; i++) expect(arena.user(i)).toBe(0x1000 + i);
  });
});
