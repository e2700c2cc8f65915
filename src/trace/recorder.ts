// Writes records. The ring in CACHE is transport only: a collector drains it and a full ring waits for it in host time.
// Sequence number, current cause, running hash and counters live in STATE; the recorder itself holds nothing.

import { cacheArea, cacheAreaSize, CONTROL, COUNTERS, HEADER } from '../memory/map.ts';
import { CTL } from '../memory/frames.ts';
import { layout } from '../memory/layout.ts';
import type { Memory } from '../memory/memory.ts';
import { digest, mix, seedLanes } from './hash.ts';
import { RECORD_TYPES, RECORD_WORDS, RT } from './records.ts';

/** The machine header at the start of STATE: what belongs to no vCPU and no domain. One pCPU. */
export const MACHINE = layout('MACHINE', {
  magic: 'u32',
  version: 'u32',
  T: 'u64', // ticks + idle skips
  ticks: 'u64', // ticks without idle skips
  seq: 'u32', // last sequence number given
  cause: 'u32', // seq that new records name as their cause
  lanes: ['u32', 4], // running trace hash
  current: 'u32', // vCPU record on the pCPU, 0 = none
  sliceEnd: 'u64', // T at which the running vCPU's slice ends
  instructions: 'u64', // retired instructions (statistics)
  stopReason: 'u32', // STOP_REASONS: why the machine will never run again, 0 = it may
  stopCode: 'u32',
  inputClosed: 'u32',
  sliceLength: 'u32', // ticks: the scheduler's round-robin slice
  epochSec: 'u32', // wall clock at T = 0, Unix seconds
  lastSwitch: 'u32', // reason of the switch under way
  mode: 'u32', // 1 Xen, 2 bare machine
  deliver: 'u32', // 1: something happened since deliverability of events was last evaluated
});
export const MACHINE_MAGIC = 0x52494e47;

/** Counters in STATE, u32 each: by record type (64), by trap vector (256), by hypercall number (64). */
export const COUNT_TYPE = COUNTERS >>> 2;
export const COUNT_VECTOR = COUNT_TYPE + 64;
export const COUNT_HYPERCALL = COUNT_VECTOR + 256;

const RING = cacheArea('traceRing') >>> 2;
const RING_RECORDS = cacheAreaSize('traceRing') / 64;
const SIDE = cacheArea('traceSide');
const SIDE_SIZE = cacheAreaSize('traceSide');
const HASHED = RECORD_TYPES.map((t) => t[1] as number);
const HEAD = (CONTROL + CTL.traceHead) >>> 2,
  TAIL = (CONTROL + CTL.traceTail) >>> 2,
  SIDE_HEAD = (CONTROL + CTL.sideHead) >>> 2;
const STOP_ON = (CONTROL + CTL.stopSeqOn) >>> 2,
  STOP_SEQ = (CONTROL + CTL.stopSeq) >>> 2;
const T_LO = (HEADER + MACHINE.T) >>> 2,
  SEQ = (HEADER + MACHINE.seq) >>> 2,
  CAUSE = (HEADER + MACHINE.cause) >>> 2,
  LANES = (HEADER + MACHINE.lanes) >>> 2;

/** Thrown right after the record that run control asked to stop at: the machine then stands inside a trap, its state as far as that phase got. */
export class PhaseStop extends Error {
  readonly seq: number;
  constructor(seq: number) {
    super(`stopped after record ${seq}`);
    this.seq = seq;
  }
}

/** Who a record is about. */
export interface Subject {
  readonly domid: number;
  readonly vcpu: number;
  readonly cpl: number;
  readonly cs: number;
  readonly eip: number;
}
export const NOBODY: Subject = { domid: 0x7fff, vcpu: 0, cpl: 0, cs: 0, eip: 0 };

const nobodyReads = (): never => {
  throw new Error('the trace ring is full and nobody drains it');
};

export class Recorder {
  readonly m: Memory;
  /** Called when the ring is full: must collect, or wait until somebody has. Host-side, no part of the machine. */
  onFull: () => void;

  constructor(m: Memory, onFull: () => void = nobodyReads) {
    this.m = m;
    this.onFull = onFull;
  }

  /** Prepares STATE for a new machine. */
  reset(): void {
    this.m.w32(HEADER + MACHINE.magic, MACHINE_MAGIC);
    seedLanes(this.m.u32, LANES);
  }

  /**
   * Writes one record and returns its seq (0 for a verbose record). `data` goes to the side ring; types with side data
   * have p6 = length and p7 = place filled in here.
   */
  emit(
    type: number,
    phase: number,
    outcome: number,
    who: Subject,
    aux: number,
    p: readonly number[],
    data?: Uint8Array,
  ): number {
    const u = this.m.u32;
    const hashed = HASHED[type] === 1;
    while ((u[HEAD]! - u[TAIL]!) >>> 0 >= RING_RECORDS - 1) this.onFull();
    const at = RING + (u[HEAD]! & (RING_RECORDS - 1)) * RECORD_WORDS;
    if (hashed) u[SEQ] = u[SEQ]! + 1;
    const seq = u[SEQ]!;
    u[at] = u[T_LO]!;
    u[at + 1] = u[T_LO + 1]!;
    u[at + 2] = seq;
    u[at + 3] = u[CAUSE]!;
    u[at + 4] = type | (phase << 8) | (outcome << 16) | (who.cpl << 24);
    u[at + 5] = (who.domid & 0xffff) | (who.vcpu << 16);
    u[at + 6] = (who.cs & 0xffff) | (aux << 16);
    u[at + 7] = who.eip;
    for (let i = 0; i < 8; i++) u[at + 8 + i] = p[i] ?? 0;
    if (data) this.side(at, data, hashed);
    if (hashed) {
      const side = u[at + 15]!;
      if (data) u[at + 15] = 0; // the place in the side ring is transport, not truth
      mix(u, LANES, u, at, RECORD_WORDS);
      if (data) u[at + 15] = side;
    }
    u[COUNT_TYPE + type] = u[COUNT_TYPE + type]! + 1;
    u[HEAD] = u[HEAD]! + 1;
    if (u[STOP_ON] === 1 && hashed && seq === u[STOP_SEQ]) throw new PhaseStop(seq);
    return hashed ? seq : 0;
  }

  private side(at: number, data: Uint8Array, hashed: boolean): void {
    const { u32: u, u8 } = this.m;
    const n = Math.min(data.length, 65536);
    const start = u[SIDE_HEAD]!;
    for (let i = 0; i < n; i++) u8[SIDE + ((start + i) & (SIDE_SIZE - 1))] = data[i]!;
    u[SIDE_HEAD] = start + n;
    u[at + 14] = n;
    u[at + 15] = n === 0 ? 0 : start; // nothing to find: no place either, so that replays compare equal
    if (!hashed) return;
    const words = new Uint32Array(Math.ceil(n / 16) * 4);
    new Uint8Array(words.buffer).set(data.subarray(0, n));
    mix(u, LANES, words, 0, words.length);
  }

  get seq(): number {
    return this.m.u32[SEQ]!;
  }
  get T(): number {
    return this.m.r64(HEADER + MACHINE.T);
  }
  /** The seq that following records name as their cause. */
  get cause(): number {
    return this.m.u32[CAUSE]!;
  }
  set cause(seq: number) {
    this.m.u32[CAUSE] = seq;
  }
  get hash(): string {
    return digest(this.m.u32, LANES);
  }

  /**
   * Hands every uncollected record to `take(words, wordOffset, sideBytes)` and frees the ring. The arguments are valid during the call only.
   */
  drain(take: (words: Uint32Array, at: number, data: Uint8Array | undefined) => void): number {
    const u = this.m.u32;
    let n = 0;
    while (u[TAIL] !== u[HEAD]) {
      const at = RING + (u[TAIL]! & (RING_RECORDS - 1)) * RECORD_WORDS;
      let data: Uint8Array | undefined;
      if (SIDE_TYPES[u[at + 4]! & 0xff] && u[at + 14]! > 0) data = this.sideBytes(u[at + 15]!, u[at + 14]!);
      take(u, at, data);
      u[TAIL] = u[TAIL]! + 1;
      n++;
    }
    return n;
  }
  private sideBytes(start: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = this.m.u8[SIDE + ((start + i) & (SIDE_SIZE - 1))]!;
    return out;
  }
}

const SIDE_TYPES = RECORD_TYPES.map((t) => (t[3] as readonly string[])[7] === 'side');
export const isTrap = (type: number): boolean => type === RT.trap;
