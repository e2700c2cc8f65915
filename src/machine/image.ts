// A machine in a file: the pages of STATE and RAM that are not all zero, behind a description in JSON. Nothing else is needed to go on.

import { CTL, type Frames } from '../memory/frames.ts';
import { CONTROL, PAGE_SIZE, RAM_BASE, STATE_BASE, STATE_SIZE } from '../memory/map.ts';
import { FRAME_CLEAN } from '../memory/frames.ts';

const MAGIC = 'RINGSIDE';
const FORMAT = 1;
const STATE_TAG = 0x80000000;

export class ImageFileError extends Error {}

/** Bytes of a saved machine. `about` is any JSON value: configuration, log, moment. */
export function saveImage(frames: Frames, about: unknown): Uint8Array {
  const { m } = frames;
  const json = new TextEncoder().encode(JSON.stringify(about));
  const pages: [tag: number, at: number][] = [];
  const wanted = (tag: number, at: number): void => {
    const from = at >>> 2;
    for (let i = 0; i < PAGE_SIZE / 4; i++) {
      if (m.u32[from + i] !== 0) {
        pages.push([tag, at]);
        return;
      }
    }
  };
  for (let i = 0; i < STATE_SIZE / PAGE_SIZE; i++) wanted(STATE_TAG | i, STATE_BASE + i * PAGE_SIZE);
  for (let mfn = 0; mfn < m.nrFrames; mfn++) wanted(mfn, RAM_BASE + mfn * PAGE_SIZE);
  const head = 24 + Math.ceil(json.length / 4) * 4;
  const out = new Uint8Array(head + pages.length * (PAGE_SIZE + 4));
  const view = new DataView(out.buffer);
  for (let i = 0; i < 8; i++) out[i] = MAGIC.charCodeAt(i);
  view.setUint32(8, FORMAT, true);
  view.setUint32(12, json.length, true);
  view.setUint32(16, pages.length, true);
  view.setUint32(20, m.buffer.byteLength / 65536, true);
  out.set(json, 24);
  pages.forEach(([tag, at], i) => {
    const to = head + i * (PAGE_SIZE + 4);
    view.setUint32(to, tag, true);
    out.set(m.u8.subarray(at, at + PAGE_SIZE), to + 4);
  });
  return out;
}

export interface ImageHead {
  readonly about: unknown;
  /** Size of the one memory in MiB. */
  readonly memoryMiB: number;
}

/** Reads the head of a saved machine; throws ImageFileError naming what is wrong. */
export function readImageHead(file: Uint8Array): ImageHead {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 24 || String.fromCharCode(...file.subarray(0, 8)) !== MAGIC)
    throw new ImageFileError('not a saved Ringside machine: the first eight bytes are not “RINGSIDE”');
  if (view.getUint32(8, true) !== FORMAT)
    throw new ImageFileError(
      `saved by another version: format ${view.getUint32(8, true)}, this one reads ${FORMAT}`,
    );
  const length = view.getUint32(12, true),
    pages = view.getUint32(16, true);
  const need = 24 + Math.ceil(length / 4) * 4 + pages * (PAGE_SIZE + 4);
  if (file.length !== need)
    throw new ImageFileError(
      `the file is ${file.length} bytes long where its head says ${need}: it was cut or padded`,
    );
  const text = new TextDecoder().decode(file.slice(24, 24 + length));
  try {
    return { about: JSON.parse(text), memoryMiB: view.getUint32(20, true) / 16 };
  } catch {
    throw new ImageFileError('the description in the saved machine is not JSON');
  }
}

/** Loads the pages into a memory that is all zero. */
export function loadImage(frames: Frames, file: Uint8Array): void {
  const { m } = frames;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const pages = view.getUint32(16, true);
  const head = 24 + Math.ceil(view.getUint32(12, true) / 4) * 4;
  frames.markAllClean();
  for (let i = 0; i < pages; i++) {
    const at = head + i * (PAGE_SIZE + 4);
    const tag = view.getUint32(at, true);
    const bytes = file.subarray(at + 4, at + 4 + PAGE_SIZE);
    if (tag & STATE_TAG) {
      const page = tag & ~STATE_TAG;
      if (page >= STATE_SIZE / PAGE_SIZE) throw new ImageFileError(`page ${page} lies outside STATE`);
      m.u8.set(bytes, STATE_BASE + page * PAGE_SIZE);
    } else {
      if (tag >= m.nrFrames)
        throw new ImageFileError(`frame ${tag} lies outside the machine's ${m.nrFrames} frames`);
      frames.restoreFrame(tag, bytes);
      frames.clearFlag(tag, FRAME_CLEAN);
    }
  }
  frames.dropCaches();
  m.w32(CONTROL + CTL.traceTail, m.r32(CONTROL + CTL.traceHead));
}
