import { expect, it } from 'vitest';
import { VCPU } from '../cpu/vcpu.ts';
import { doMemoryOp, XENMEM } from './memory-op.ts';
import { mmGuest, P, RW } from './mm-testing.ts';
import { bench } from './testing.ts';

const SELF = 0x7ff0,
  LIST = 0x380000,
  PAGES = 17,
  EXTENTS = PAGES * 1024;

it('decrease_reservation of a long list that aliases one page is continued where it stopped', () => {
  const b = bench();
  const g = mmGuest(b);
  const { m } = b.x;
  // A frame that is given back but still mapped can be given back again and again, without effect and without end.
  const frame = g.mfn(g.sparePfn),
    page = g.mfn(g.sparePfn + 1);
  expect(g.va(0x3a0000, frame * 4096 + P)).toBe(0);
  for (let i = 0; i < PAGES; i++) expect(g.va(LIST + 4096 * i, page * 4096 + P + RW)).toBe(0);
  g.put(LIST, Array<number>(1024).fill(frame));
  g.put(g.scratch, [LIST, EXTENTS, 0, 0, SELF]);
  expect(g.call(doMemoryOp, XENMEM.decrease_reservation, g.scratch)).toBe(12);
  const again = m.r32(g.v + VCPU.gpr + 12);
  expect(again & 63).toBe(XENMEM.decrease_reservation);
  expect(again >>> 6).toBeGreaterThan(10_000);
  expect(again >>> 6).toBeLessThan(EXTENTS);
  expect(g.call(doMemoryOp, again, g.scratch)).toBe(EXTENTS);
});
