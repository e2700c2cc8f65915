// What the unit tests of grants stand on, besides events-testing.ts: a guest with a real address space, and short ways to map and look.

import { PAGE_SIZE } from '../memory/map.ts';
import { GNTTABOP } from './abi/grant.ts';
import { type EventBench, type Guest, hc } from './events-testing.ts';
import { ACTIVE, activeAt, sharedAt } from './grant-entries.ts';
import { doGrantTableOp } from './grant-table.ts';
import { allocDomainFrame } from './page-alloc.ts';
import { getPage, takeType } from './page-info.ts';
import { PAGE, PGC_count_mask, PGT_count_mask, PGT_l3_page_table, pageAt, XVCPU, xv } from './state.ts';

export const TABLES_AT = 0x40000000; // linear addresses of the mapper's one page table: 512 slots
export const NX = 0x80000000;

export interface Mapper extends Guest {
  readonly l1: number;
  slot(i: number): { lo: number; hi: number };
  va(i: number): number;
}
/** A guest with a valid address space: L3 -> four L2 -> one L1 behind L2 number 1. */
export function mapper(b: EventBench): Mapper {
  const g = b.guest(),
    { x } = b;
  const frame = (): number => allocDomainFrame(x, g.d);
  const l3 = frame(),
    l1 = frame(),
    l2 = [frame(), frame(), frame(), frame()];
  for (const [i, mfn] of l2.entries()) x.frames.write64(l3 * PAGE_SIZE + 8 * i, mfn * PAGE_SIZE + 1, 0);
  x.frames.write64(l2[1]! * PAGE_SIZE, l1 * PAGE_SIZE + 7, 0);
  if (!getPage(x, l3, g.d)) throw new Error('no reference');
  if (takeType(x, l3, PGT_l3_page_table, g.d) !== 0) throw new Error('no address space');
  x.m.w32(xv(g.v) + XVCPU.guestCr3Mfn, l3);
  return {
    ...g,
    l1,
    slot: (i) => ({
      lo: x.frames.read32(l1 * PAGE_SIZE + 8 * i),
      hi: x.frames.read32(l1 * PAGE_SIZE + 8 * i + 4),
    }),
    va: (i) => TABLES_AT + i * PAGE_SIZE,
  };
}
export const grant = (
  b: EventBench,
  g: Guest,
  ref: number,
  flags: number,
  domid: number,
  mfn: number,
): void => {
  const at = sharedAt(b.x, g.d, ref);
  b.x.frames.write16(at + 2, domid);
  b.x.frames.write32(at + 4, mfn);
  b.x.frames.write16(at, flags);
};
export const flagsOf = (b: EventBench, g: Guest, ref: number): number =>
  b.x.frames.read16(sharedAt(b.x, g.d, ref));
export const pinOf = (b: EventBench, g: Guest, ref: number): number =>
  b.x.frames.read32(activeAt(b.x, g.d, ref) + ACTIVE.pin);
export const refs = (b: EventBench, mfn: number): [number, number] => [
  b.x.m.r32(pageAt(mfn) + PAGE.count) & PGC_count_mask,
  b.x.m.r32(pageAt(mfn) + PAGE.type) & PGT_count_mask,
];
export const op = (b: EventBench, g: Guest, cmd: number, count: number, ...words: number[]): number =>
  doGrantTableOp(b.x, g.v, hc(cmd, g.arg(...words), count));
export const word = (b: EventBench, g: Guest, at: number): number =>
  b.x.frames.read32(g.page * PAGE_SIZE + at);
export const s16 = (b: EventBench, g: Guest, at: number): number =>
  (b.x.frames.read16(g.page * PAGE_SIZE + at) << 16) >> 16;

export interface MapResult {
  status: number;
  handle: number;
  bus: number;
}
export function map(
  b: EventBench,
  g: Guest,
  addr: number,
  flags: number,
  ref: number,
  domid: number,
): MapResult {
  mustBe0(op(b, g, GNTTABOP.map_grant_ref, 1, addr, 0, flags, ref, domid, 0xffffffff, 0, 0));
  return { status: s16(b, g, 18), handle: word(b, g, 20), bus: word(b, g, 24) };
}
export function unmap(b: EventBench, g: Guest, addr: number, handle: number, bus = 0): number {
  mustBe0(op(b, g, GNTTABOP.unmap_grant_ref, 1, addr, 0, bus, 0, handle, 0));
  return s16(b, g, 20);
}
function mustBe0(result: number): void {
  if (result !== 0) throw new Error(`grant_table_op answered ${result}`);
}
