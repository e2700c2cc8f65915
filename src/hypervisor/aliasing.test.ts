// A guest that uses one frame for two things at once, and one that takes everything there is. After each step the independent audit is asked.

import { describe, expect, it } from 'vitest';
import { VCPU } from '../cpu/vcpu.ts';
import { ERRNO } from './abi/errno.ts';
import { GNTST, GNTTABOP } from './abi/grant.ts';
import { auditMachine } from './audit.ts';
import { doSetGdt, doUpdateDescriptor, mapLdtPage } from './descriptors.ts';
import { destroyDomain } from './domain.ts';
import { doEventChannelOp } from './event-channels.ts';
import { sharedAt } from './grant-entries.ts';
import { doGrantTableOp } from './grant-table.ts';
import { doMemoryOp } from './memory-op.ts';
import { bootL1, bootL3, makeL3, type MmGuest, P, pte, RW, start, VA } from './mm-testing.ts';
import { doMulticall } from './multicall.ts';
import { DOMAIN, PAGE, pageAt, XEN, XEN_AT } from './state.ts';

const { EINVAL, EFAULT, EBUSY, ENOMEM } = ERRNO;
const PIN_L1 = 0,
  UNPIN = 4,
  NEW_BASEPTR = 5,
  SET_LDT = 13,
  CLEAR_PAGE = 16,
  COPY_PAGE = 17;
const LIST = 0x390000;

const quiet = (g: MmGuest): void => expect(auditMachine(g.x.m)).toEqual([]);
const pin = (g: MmGuest, mfn: number): number => g.ext([[PIN_L1, mfn, 0]])[0];
const unpin = (g: MmGuest, mfn: number): number => g.ext([[UNPIN, mfn, 0]])[0];
const words = (g: MmGuest, mfn: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => g.x.frames.read32(mfn * 4096 + 4 * i));

/** An entry of the guest's own grant table, for itself. */
function offer(g: MmGuest, ref: number, mfn: number): void {
  const at = sharedAt(g.x, g.d, ref);
  g.x.frames.write16(at + 2, g.domid);
  g.x.frames.write32(at + 4, mfn);
  g.x.frames.write16(at, 1);
}
/** One element of a grant operation; its status stands at `statusAt`. */
function grantOp(g: MmGuest, cmd: number, element: readonly number[], statusAt: number): number {
  g.put(g.scratch, element);
  expect(g.call(doGrantTableOp, cmd, g.scratch, 1)).toBe(0);
  return (g.word(g.scratch + (statusAt & ~3)) << (statusAt & 2 ? 0 : 16)) >> 16;
}
const map = (g: MmGuest, at: number, flags: number, ref: number): number =>
  grantOp(g, GNTTABOP.map_grant_ref, [at, 0, flags, ref, g.domid, 0, 0, 0], 18);
const unmap = (g: MmGuest, at: number, handle: number): number =>
  grantOp(g, GNTTABOP.unmap_grant_ref, [at, 0, 0, 0, handle, 0], 20);
/** Copies 8 bytes from frame to frame, both the guest's own. */
const copy = (g: MmGuest, from: number, to: number): number =>
  grantOp(g, GNTTABOP.copy, [from, 0x7ff0, to, 0x7ff0, 8, 0], 20);

describe('one frame, two uses', () => {
  it('the list of a multicall is no page table while its results can be written, and gets none once it is', () => {
    const { g, f } = start();
    const [list] = f as [number];
    expect(g.va(LIST, pte(list, P | RW))).toBe(0);
    g.put(g.scratch, [PIN_L1, list, 0]);
    const entries = [
      [26, 0, g.scratch, 1, 0, 0x7ff0, 0, 0],
      [14, 0, LIST, pte(list, P), 0, 0, 0, 0],
      [26, 0, g.scratch, 1, 0, 0x7ff0, 0, 0],
    ].flat();
    g.put(LIST, entries);
    // The second element makes the list read-only: its own result cannot be written any more, and the third is not made.
    expect(g.call(doMulticall, LIST, 3)).toBe(-EFAULT);
    expect([g.word(LIST + 4) | 0, g.word(LIST + 36), g.word(LIST + 68)]).toEqual([-EINVAL, 0, 0]);
    quiet(g);
    // No word of it is a present entry, so now it can be a table. The same list again: read, but not written to.
    expect(pin(g, list)).toBe(0);
    g.put(g.scratch, [PIN_L1, list, 0]);
    const before = words(g, list, 24);
    expect(g.call(doMulticall, LIST, 3)).toBe(-EFAULT);
    expect(words(g, list, 24)).toEqual(before);
    expect(g.type(list)).toBe('l1');
    expect(unpin(g, list)).toBe(0);
    quiet(g);
  });

  it('a frame of the GDT is neither table nor written to, whatever the way; nor is a table a frame of the GDT', () => {
    const { g, f } = start();
    const [gdt, other] = f as [number, number];
    g.put(g.scratch, [gdt]);
    expect(g.call(doSetGdt, g.scratch, 512)).toBe(0);
    quiet(g);
    expect(pin(g, gdt)).toBe(-EINVAL);
    expect(g.va(VA, pte(gdt, P | RW))).toBe(-EBUSY);
    expect(g.va(VA, pte(gdt, P))).toBe(0);
    expect(g.update([[gdt * 4096, 0x1234, 0]])).toEqual([-EINVAL, 0]);
    expect(g.ext([[CLEAR_PAGE, gdt, 0]])[0]).toBe(-EINVAL);
    expect(g.ext([[COPY_PAGE, gdt, other]])[0]).toBe(-EINVAL);
    expect(copy(g, other, gdt)).toBe(GNTST.general_error);
    offer(g, 9, gdt);
    expect(map(g, VA + 4096, 2, 9)).toBe(GNTST.general_error);
    expect(words(g, gdt, 2)).toEqual([0, 0]);
    quiet(g);
    expect(g.call(doUpdateDescriptor, gdt * 4096 + 8, 0, 0x0000ffff, 0x00cffa00)).toBe(0);
    g.put(g.scratch, [0]);
    expect(g.call(doSetGdt, g.scratch, 0)).toBe(0);
    expect(g.update([[gdt * 4096 + 8, 0, 0]])[0]).toBe(0);
    expect(pin(g, gdt)).toBe(0);
    quiet(g);
    expect(g.call(doUpdateDescriptor, gdt * 4096 + 8, 0, 0x0000ffff, 0x00cffa00)).toBe(-EINVAL);
    g.put(g.scratch, [other, gdt]);
    expect(g.call(doSetGdt, g.scratch, 1024)).toBe(-EINVAL);
    expect([g.uses(other), g.type(gdt)]).toEqual([0, 'l1']);
    quiet(g);
  });

  it('a page of the LDT stays one until the LDT is dropped, though its address shows something else by then', () => {
    const { g, f } = start();
    const [ldt, table] = f as [number, number];
    expect(g.va(VA, pte(ldt, P))).toBe(0);
    expect(g.ext([[SET_LDT, VA, 512]])[0]).toBe(0);
    expect(pin(g, ldt)).toBe(0); // nobody has used it yet
    expect(mapLdtPage(g.x, g.v, 0)).toBe(false);
    expect(unpin(g, ldt)).toBe(0);
    expect(mapLdtPage(g.x, g.v, 0)).toBe(true);
    quiet(g);
    expect(pin(g, ldt)).toBe(-EINVAL);
    expect(g.va(VA, pte(table, P))).toBe(0);
    expect([pin(g, ldt), pin(g, table)]).toEqual([-EINVAL, 0]);
    expect(g.type(ldt)).toBe('seg_desc');
    quiet(g);
    expect(g.ext([[NEW_BASEPTR, bootL3(g), 0]])[0]).toBe(0);
    expect(g.x.m.r32(g.v + VCPU.window + 4 * 16)).toBe(0xffffffff);
    expect(pin(g, ldt)).toBe(0);
    expect(mapLdtPage(g.x, g.v, 0)).toBe(false);
    quiet(g);
  });

  it('a grant of a page table to oneself shows it and does not write it, even from one of its own slots', () => {
    const { g, f } = start();
    const l1 = bootL1(g);
    offer(g, 8, l1);
    expect(map(g, VA, 2, 8)).toBe(GNTST.general_error);
    const slot = l1 * 4096 + 8 * 0x190;
    expect(map(g, slot, 2 | 0x10, 8)).toBe(GNTST.general_error);
    expect(map(g, slot, 2 | 4 | 0x10, 8)).toBe(GNTST.okay);
    const handle = g.word(g.scratch + 20);
    quiet(g);
    expect(g.x.frames.read32(slot) & (P | RW)).toBe(P);
    expect(copy(g, f[0]!, l1)).toBe(GNTST.general_error);
    expect(unmap(g, slot, handle)).toBe(GNTST.okay);
    // What is mapped for writing through a grant is no table until it is unmapped.
    offer(g, 9, f[0]!);
    expect(map(g, VA, 2, 9)).toBe(GNTST.okay);
    const second = g.word(g.scratch + 20);
    expect(pin(g, f[0]!)).toBe(-EINVAL);
    expect(g.va(VA, 0)).toBe(0); // its entry is gone, the grant is not
    expect(pin(g, f[0]!)).toBe(-EINVAL);
    expect(unmap(g, VA, second)).toBe(GNTST.general_error);
    quiet(g);
    expect(unmap(g, 0, second)).toBe(GNTST.okay);
    quiet(g);
  });

  it('the tables a vCPU runs on outlive their pin and their reservation, and go with CR3', () => {
    const { g, f } = start();
    const old = bootL3(g);
    const pfn = Array.from({ length: 1024 }, (_, i) => i).find((i) => g.mfn(i) === old)!;
    expect(g.va(pfn * 4096, 0)).toBe(0);
    expect(unpin(g, old)).toBe(0);
    expect(unpin(g, old)).toBe(-EINVAL);
    expect(g.reserve(1, [old])[0]).toBe(1);
    expect(g.va(VA, pte(f[3]!, P | RW))).toBe(0);
    expect([g.type(old), g.count(old)]).toEqual(['l3', 1]);
    quiet(g);
    // It is not the domain's to give back in exchange, nor to be pinned into a second life.
    g.put(g.scratch, [g.scratch + 64, 1, 0, 0, 0x7ff0, g.scratch + 80, 1, 0, 0, 0x7ff0, 0]);
    g.put(g.scratch + 64, [old]);
    expect(g.call(doMemoryOp, 11, g.scratch)).toBe(-EINVAL);
    const free = g.x.m.r32(XEN_AT + XEN.freeFrames);
    makeL3(g, f[0]!, f[1]!);
    expect(g.ext([[NEW_BASEPTR, f[0]!, 0]])[0]).toBe(0);
    expect(g.x.m.r16(pageAt(old) + PAGE.owner)).toBe(0x7ff4);
    expect(g.x.m.r32(XEN_AT + XEN.freeFrames)).toBe(free + 1);
    expect(g.ext([[NEW_BASEPTR, old, 0]])[0]).toBe(-EINVAL);
    quiet(g);
  });
});

describe('everything there is', () => {
  it('taken by one domain: every other wish for memory is refused by name, and nothing is lost', () => {
    const { b, g, f, why } = start();
    const { m } = g.x;
    const before = m.r32(XEN_AT + XEN.freeFrames);
    m.w32(g.d + DOMAIN.maxPages, m.nrFrames);
    const frames: number[] = [];
    const list = g.scratch + 256;
    for (let got = 1; got > 0; ) {
      g.put(g.scratch, [list, 64, 0, 0, 0x7ff0]);
      g.put(list, Array<number>(64).fill(0));
      got = g.call(doMemoryOp, 0, g.scratch);
      for (let i = 0; i < got; i++) frames.push(g.word(list + 4 * i));
      if (got < 64) break;
    }
    expect(m.r32(XEN_AT + XEN.freeFrames)).toBe(0);
    expect(new Set(frames).size).toBe(before);
    expect(why()).toBe('memory.available');
    quiet(g);
    // Ports, handles, grant frames, a memory map, an exchange: each wants a frame.
    g.put(g.scratch, [0x7ff0, 0]);
    let rc = 0;
    for (let n = 0; n < 1024 && rc === 0; n++) rc = g.call(doEventChannelOp, 6, g.scratch);
    expect([rc, why()]).toEqual([-ENOMEM, 'event.table-memory']);
    offer(g, 8, f[0]!);
    expect(map(g, VA, 2, 8)).toBe(GNTST.no_space);
    expect(why()).toBe('grant.handle-left');
    expect(grantOp(g, GNTTABOP.setup_table, [0x7ff0, 4, 0, list], 8)).toBe(GNTST.general_error);
    expect(why()).toBe('grant.table-memory');
    g.put(g.scratch, [0x7ff0, 1, list]);
    expect(g.call(doMemoryOp, 13, g.scratch)).toBe(-ENOMEM);
    g.put(g.scratch, [list, 1, 0, 0, 0x7ff0, list + 16, 1, 0, 0, 0x7ff0, 0]);
    g.put(list, [frames[0]!]);
    expect(g.call(doMemoryOp, 11, g.scratch)).toBe(-ENOMEM);
    quiet(g);
    destroyDomain(g.x, g.d);
    expect(auditMachine(m)).toEqual([]);
    expect(b.x.m.r32(XEN_AT + XEN.freeFrames)).toBeGreaterThan(before);
  });
});
