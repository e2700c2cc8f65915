// Multiboot images, good and hostile: every complaint names the field, nothing else is ever thrown.

import { describe, expect, it } from 'vitest';
import { ImageError } from '../hypervisor/image.ts';
import { createBare } from '../machine/bare.ts';
import { allocate } from '../memory/memory.ts';
import { loadMultiboot, parseMultiboot } from './multiboot.ts';

const MAGIC = 0x1badb002;

/** A raw image with the address fields: header at 16, loaded at 1 MiB. */
function raw(change: Partial<Record<number, number>> = {}, size = 0x200, flags = 0x10001): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const words = [MAGIC, flags, -(MAGIC + flags), 0x100010, 0x100000, 0x100000 + size, 0x100400, 0x100040];
  for (const [i, w] of words.entries()) view.setUint32(16 + 4 * i, change[i] ?? w, true);
  return bytes;
}

/** An ELF with one segment at vaddr C0100000h, paddr 100000h, the header at its beginning. */
function elf(): Uint8Array {
  const bytes = new Uint8Array(0x200);
  const v = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const put16 = (at: number, x: number): void => v.setUint16(at, x, true),
    put = (at: number, x: number): void => v.setUint32(at, x, true);
  put16(16, 2);
  put16(18, 3);
  put(20, 1);
  put(24, 0xc0100020);
  put(28, 52);
  put16(40, 52);
  put16(42, 32);
  put16(44, 1);
  for (const [i, x] of [1, 0x100, 0xc0100000, 0x100000, 0x80, 0x1000, 7, 0x1000].entries())
    put(52 + 4 * i, x);
  for (const [i, x] of [MAGIC, 3, -(MAGIC + 3)].entries()) put(0x100 + 4 * i, x);
  return bytes;
}
const machine = () => createBare(allocate(32, false), { memoryMiB: 2, epochSec: 0 });
const load = (image: Uint8Array, module?: Uint8Array) => {
  const m = machine();
  loadMultiboot(m, {
    image,
    name: 'k',
    cmdline: '',
    ...(module ? { module: { bytes: module, name: 'm' } } : {}),
  });
  return m;
};

describe('a multiboot image', () => {
  it('is loaded by the addresses of its header or by its ELF segments', () => {
    expect(parseMultiboot(raw())).toMatchObject({
      entry: 0x100040,
      segments: [{ paddr: 0x100000, memSize: 0x400 }],
    });
    expect(parseMultiboot(elf())).toMatchObject({
      entry: 0x100020,
      segments: [{ paddr: 0x100000, memSize: 0x1000 }],
    });
    expect(load(elf()).frames.read32(0x100000)).toBe(MAGIC);
  });

  it.each([
    ['no header', () => parseMultiboot(new Uint8Array(9000)), /no multiboot header.*--rom/],
    ['an empty file', () => parseMultiboot(new Uint8Array(0)), /no multiboot header/],
    ['a wrong checksum', () => parseMultiboot(raw({ 2: 0 })), /no multiboot header/],
    ['unknown required flags', () => parseMultiboot(raw({}, 0x200, 0x10011)), /flags.*0x10011/],
    ['a load_addr above the header', () => parseMultiboot(raw({ 4: 0x200000 })), /load_addr/],
    ['a load_addr before the file', () => parseMultiboot(raw({ 4: 0x1000 })), /load_addr/],
    ['a load_end_addr behind the file', () => parseMultiboot(raw({ 5: 0x900000 })), /load_end_addr/],
    ['a load_end_addr before load_addr', () => parseMultiboot(raw({ 5: 0x10 })), /load_end_addr/],
    ['a bss_end_addr inside the file', () => parseMultiboot(raw({ 6: 0x100010 })), /bss_end_addr/],
    ['an entry_addr elsewhere', () => parseMultiboot(raw({ 7: 0 })), /entry_addr/],
    ['a bss that RAM cannot hold', () => load(raw({ 6: 0x300000 })), /does not fit.*--memory/],
    ['a module that RAM cannot hold', () => load(elf(), new Uint8Array(2 << 20)), /module.*does not fit/],
  ])('is refused by name: %s', (_, act, message) => {
    expect(act).toThrow(ImageError);
    expect(act).toThrow(message);
  });

  it('is refused as an ImageError wherever it is cut or changed', () => {
    for (const whole of [raw(), elf()]) {
      const tries = Array.from({ length: whole.length }, (_, n) => whole.slice(0, n));
      for (let i = 0; i < 0x120; i++)
        for (const value of [0, 0x7f, 0xff]) {
          const copy = whole.slice();
          copy[i] = value;
          tries.push(copy);
        }
      const m = machine();
      for (const image of tries) {
        try {
          loadMultiboot(m, { image, name: '', cmdline: '' });
        } catch (error) {
          if (!(error instanceof ImageError)) throw error;
        }
      }
    }
  });

  it('gets its module on a page behind it, with its range and name', () => {
    const module = Uint8Array.from([9, 8, 7]);
    const m = load(elf(), module);
    const ebx = [...Array(0x9f).keys()].map((p) => p * 4096).findLast((p) => m.frames.read32(p) === 0x24d)!;
    const list = m.frames.read32(ebx + 24);
    expect([m.frames.read32(ebx + 20), m.frames.read32(list), m.frames.read32(list + 4)]).toEqual([
      1, 0x101000, 0x101003,
    ]);
    expect([...m.frames.copyOut(0x101000, 3)]).toEqual([9, 8, 7]);
    expect(m.frames.read8(m.frames.read32(list + 8))).toBe(0x6d);
  });
});
