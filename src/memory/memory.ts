// The one memory and its views. A Memory holds no state of its own: any number of them may look at the same buffer.

import { MAX_FRAMES, PAGE_SIZE, RAM_BASE } from './map.ts';

if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1)
  throw new Error('Ringside needs a little-endian computer.');

export type AnyBuffer = ArrayBuffer | SharedArrayBuffer;

export class Memory {
  readonly buffer: AnyBuffer;
  /** The memory as WebAssembly sees it: what generated engines are given, and what another thread of the same machine is sent. */
  readonly wasm: WebAssembly.Memory | undefined;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly view: DataView;
  /** Machine frames that exist: 0 … nrFrames-1. */
  readonly nrFrames: number;

  constructor(source: AnyBuffer | WebAssembly.Memory) {
    this.wasm = source instanceof WebAssembly.Memory ? source : undefined;
    const buffer = source instanceof WebAssembly.Memory ? source.buffer : source;
    this.buffer = buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
    this.nrFrames = Math.min(MAX_FRAMES, Math.floor((buffer.byteLength - RAM_BASE) / PAGE_SIZE));
    if (this.nrFrames < 256)
      throw new RangeError(`memory of ${buffer.byteLength} bytes leaves no room for machine frames`);
  }

  /** STATE and CACHE only: RAM goes through Frames. Offsets must be naturally aligned for 16 and 32 bits. */
  r8(at: number): number {
    return this.u8[at]!;
  }
  r16(at: number): number {
    return this.u16[at >>> 1]!;
  }
  r32(at: number): number {
    return this.u32[at >>> 2]!;
  }
  w8(at: number, v: number): void {
    this.u8[at] = v;
  }
  w16(at: number, v: number): void {
    this.u16[at >>> 1] = v;
  }
  w32(at: number, v: number): void {
    this.u32[at >>> 2] = v;
  }
  /** u64 as a JavaScript number; exact below 2^53 (ticks, nanoseconds). */
  r64(at: number): number {
    return this.u32[at >>> 2]! + this.u32[(at >>> 2) + 1]! * 4294967296;
  }
  w64(at: number, v: number): void {
    this.u32[at >>> 2] = v >>> 0;
    this.u32[(at >>> 2) + 1] = Math.floor(v / 4294967296) >>> 0;
  }

  /** A private copy: many browser APIs refuse views of shared memory. */
  copyOut(at: number, length: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(length);
    out.set(this.u8.subarray(at, at + length));
    return out;
  }
}

/**
 * Allocates the one memory: `mib` MiB, fixed size (initial = maximum), shared where the platform allows and `shared` asks for it.
 * `create` builds the WebAssembly.Memory; it is an argument because the core has no platform of its own.
 */
export function allocate(mib: number, shared: boolean): Memory {
  const pages = mib * 16;
  const wasm = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  return new Memory(wasm);
}
