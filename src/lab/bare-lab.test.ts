// The bare machine in the lab: booted by run control, its screen as a model of memory and registers, its keyboard's codes.

import { describe, expect, it } from 'vitest';
import { assembleLines } from '../cpu/testing.ts';
import { Frames } from '../memory/frames.ts';
import { allocate } from '../memory/memory.ts';
import { type BareMachine, createBare } from '../machine/bare.ts';
import { BareBus } from '../machine/bus.ts';
import { loadImage, saveImage } from '../machine/image.ts';
import { Controller } from './controller.ts';
import { cpu } from './inspect/cpu.ts';
import { type VgaModel, vga } from './inspect/vga.ts';
import type { View } from './inspect/view.ts';
import { scanCodes } from './scan-codes.ts';
import { type LabConfig, type LabState, MACHINE_VERSION } from './types.ts';

const machine = (): BareMachine => createBare(allocate(32, false), { memoryMiB: 4, epochSec: 0 });
/** What an inspector sees of a saved machine. */
function cold(from: BareMachine): View {
  const m = allocate(32, false);
  const frames = new Frames(m);
  loadImage(frames, saveImage(from.frames, null));
  return {
    m,
    frames,
    mmu: from.mmu,
    history: { length: 0, at: () => undefined as never, bySeq: () => undefined },
    imageMap: () => undefined,
  };
}
const line = (model: VgaModel, row: number): string =>
  model.rows[row]!.map((r) => r.text)
    .join('')
    .trimEnd();

describe('the screen of a bare machine', () => {
  it('shows the text, its colours and the cursor where the registers say', () => {
    const k = machine();
    const bus = new BareBus(k.chipset);
    const put = (at: number, text: string, attribute: number): void =>
      [...text].forEach((ch, i) => {
        k.frames.write16(0xb8000 + (at + i) * 2, ch.charCodeAt(0) | (attribute << 8));
      });
    put(0, 'hello', 0x1e);
    put(80, 'world', 0x07);
    const set = (r: number, v: number): void => {
      bus.portOut(0x3d4, 8, r);
      bus.portOut(0x3d5, 8, v);
    };
    set(15, 85);
    const model = vga(cold(k))!;
    expect([model.columns, model.rows.length, line(model, 0), line(model, 1)]).toEqual([
      80,
      25,
      'hello',
      'world',
    ]);
    expect(model.rows[0]![0]).toEqual({ text: 'hello', ink: 14, paper: 1 });
    expect(model.cursor).toEqual({ row: 1, column: 5 });
    k.frames.write8(0xb8000, 0x80);
    expect(line(vga(cold(k))!, 0)).toBe('Çello');
    set(13, 80); // scrolled by one line
    expect(line(vga(cold(k))!, 0)).toBe('world');
    set(10, 0x20);
    expect(vga(cold(k))!.cursor).toBeUndefined();
  });

  it('tells the level of the processor in each mode', () => {
    const k = machine();
    expect(cpu(cold(k))).toMatchObject({ name: 'machine', cpl: 0, eip: 0xfff0, upcallMask: undefined });
  });
});

describe('keys by their places', () => {
  it('make and break, with E0 for the grey ones', () => {
    expect([scanCodes('KeyA', true), scanCodes('KeyA', false)]).toEqual([[0x1c], [0xf0, 0x1c]]);
    expect([scanCodes('ArrowUp', true), scanCodes('ArrowUp', false)]).toEqual([
      [0xe0, 0x75],
      [0xe0, 0xf0, 0x75],
    ]);
    expect(scanCodes('BrowserBack', true)).toBeUndefined();
  });
});

describe('run control of a bare machine', () => {
  it('boots a multiboot image, shows what it writes, steps back before it', async () => {
    const code = assembleLines(
      ['mov dword [0xb8000], 0x07410748', 'mov edx, 0x3f8', 'mov al, 0x68', 'out dx, al', 'hlt'],
      0x100020,
    );
    const image = new Uint8Array(0x100);
    const view = new DataView(image.buffer);
    [0x1badb002, 0x10001, -(0x1badb002 + 0x10001), 0x100000, 0x100000, 0, 0, 0x100020].forEach((w, i) => {
      view.setUint32(4 * i, w, true);
    });
    image.set(code, 0x20);
    let state: LabState | undefined;
    const c = new Controller({
      now: () => 0,
      breathe: () => Promise.resolve(),
      images: () => image,
      imageMap: () => undefined,
      shared: false,
      publish: (s) => {
        state = s;
      },
    });
    const config: LabConfig = {
      version: MACHINE_VERSION,
      memoryMiB: 32,
      sliceTicks: 1000,
      epochSec: 0,
      domains: [],
      bare: { name: 'k', image: '00', memoryMiB: 4, cmdline: '' },
    };
    await c.boot(config);
    expect(state!.domains).toMatchObject([{ name: 'machine', letter: 'M', memoryMiB: 4 }]);
    await c.run();
    expect(state!.ended).toMatchObject({ reason: 'halted' });
    const screen = (): string => line(c.look.inspect('vga', undefined) as VgaModel, 0);
    expect([screen(), c.look.consoleText(0x7fff).text]).toEqual(['HA', 'h']);
    await c.goto({ T: 0, seq: 0, within: false });
    expect([screen(), c.look.consoleText(0x7fff).text]).toEqual(['', '']);
    await c.step('instruction', 1);
    expect(screen()).toBe('HA');
  });
});
