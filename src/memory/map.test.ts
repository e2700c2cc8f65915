import { describe, expect, it } from 'vitest';
import { layout } from './layout.ts';
import { CTL, FRAME_CLEAN, FRAME_CODE, FRAME_TABLE, FRAME_WATCHED, Frames } from './frames.ts';
import { CACHE_AREAS, CACHE_SIZE, CONTROL, PAGE_SIZE, RAM_BASE, STATE_AREAS, STATE_SIZE } from './map.ts';
import { Memory } from './memory.ts';

const ordered = (areas: readonly (readonly [string, number, number])[], size: number): void => {
  const sorted = [...areas].sort((a, b) => a[1] - b[1]);
  sorted.forEach(([name, at, bytes], i) => {
    const end = sorted[i + 1]?.[1] ?? size;
    expect(at + bytes, `${name} runs into ${sorted[i + 1]?.[0] ?? 'the end'}`).toBeLessThanOrEqual(end);
    expect(at % PAGE_SIZE).toBe(0);
  });
};

describe('the map', () => {
  it('has areas that do not overlap and fill no more than their region', () => {
    ordered(STATE_AREAS, STATE_SIZE);
    ordered(CACHE_AREAS, CACHE_SIZE);
    expect(CTL.$size).toBeLessThanOrEqual(4096);
  });
  it('lays fields out as the System V i386 rules say: u64 aligns to 4', () => {
    const l = layout('L', { a: 'u8', b: 'u16', c: 'u64', d: ['u8', 3], e: 'u32' });
    expect([l.a, l.b, l.c, l.d, l.e, l.$size]).toEqual([0, 2, 4, 12, 16, 20]);
  });
  it('refuses a memory without room for frames', () => {
    expect(() => new Memory(new ArrayBuffer(RAM_BASE))).toThrow(RangeError);
  });
});

describe('frames', () => {
  const make = (): Frames => new Frames(new Memory(new ArrayBuffer(RAM_BASE + (4 << 20))));

  it('a write to decoded code moves the version, to a table the TLB epoch, to a clean frame its flag', () => {
    const f = make();
    for (const [flag, moved] of [
      [FRAME_CODE, () => f.version(3)],
      [FRAME_TABLE, () => f.ctl(CTL.tlbEpoch)],
    ] as const) {
      f.setFlag(3, flag);
      const before = moved();
      f.write8(3 * PAGE_SIZE + 5, 1);
      expect(moved()).toBe(before + 1);
      f.write8(3 * PAGE_SIZE + 5, 2);
      expect(moved()).toBe(before + 1);
    }
    f.markAllClean();
    expect(f.isDirty(3)).toBe(false);
    f.write64(3 * PAGE_SIZE, 1, 2);
    expect(f.isDirty(3)).toBe(true);
    expect(f.isDirty(4)).toBe(false);
  });
  it('setting a flag forbids write entries at once, and setting it again costs nothing', () => {
    const f = make();
    const epoch = (): number => f.m.r32(CONTROL + CTL.writeEpoch);
    const before = epoch();
    f.setFlag(1, FRAME_CODE);
    expect(epoch()).toBe(before + 1);
    f.setFlag(1, FRAME_CODE);
    expect(epoch()).toBe(before + 1);
  });
  it('every store into a watched frame is told, and the watch stays', () => {
    const f = make();
    const seen: number[] = [];
    f.onWatch = (maddr, size, value) => seen.push(maddr, size, value);
    f.setFlag(2, FRAME_WATCHED);
    f.write32(2 * PAGE_SIZE + 8, 7);
    f.write16(2 * PAGE_SIZE + 2, 9);
    expect(seen).toEqual([2 * PAGE_SIZE + 8, 4, 7, 2 * PAGE_SIZE + 2, 2, 9]);
    expect(f.flags(2) & FRAME_WATCHED).toBe(FRAME_WATCHED);
  });
  it('copies across frames ask each frame', () => {
    const f = make();
    f.markAllClean();
    f.copyIn(2 * PAGE_SIZE - 3, new Uint8Array([1, 2, 3, 4, 5]));
    expect([f.isDirty(1), f.isDirty(2), f.isDirty(3)]).toEqual([true, true, false]);
    expect([...f.copyOut(2 * PAGE_SIZE - 3, 5)]).toEqual([1, 2, 3, 4, 5]);
    expect(f.flags(5)).toBe(FRAME_CLEAN);
  });
});
