// The history of one branch: every hashed record, keyed by seq, with its side bytes. It belongs to the lab, not to the machine:
// bounded, refilled by replay, and compared with what a replay produces.

import { decodeRecord, RECORD_WORDS, RT, type TraceRecord } from '../trace/records.ts';

const CHUNK = 4096; // records
/** Records kept at most; older ones are dropped, the oldest kept seq moves. */
export const HISTORY_LIMIT = 1 << 20;

export class History {
  private chunks: (Uint32Array | undefined)[] = [];
  private data = new Map<number, Uint8Array>();
  /** seq of the newest record kept, 0 = none. */
  last = 0;
  /** seq of the oldest record kept. */
  first = 1;
  /** First seq at which a replay differed, 0 = never. */
  divergedAt = 0;

  /** Takes a record from the recorder's drain. A record that is already known is compared, not stored. */
  add(
    words: Uint32Array,
    at: number,
    data: Uint8Array | undefined,
  ): 'new' | 'same' | 'different' | 'verbose' {
    const type = words[at + 4]! & 0xff;
    if (type === RT.ringindex) return 'verbose';
    const seq = words[at + 2]!;
    if (seq <= this.last)
      return seq < this.first || this.matches(words, at, seq) ? 'same' : this.diverge(seq);
    if (seq !== this.last + 1) {
      if (this.last === 0)
        this.first = seq; // a machine restored from a file: history begins here
      else return this.diverge(seq);
    }
    const chunk = (seq / CHUNK) | 0;
    let store = this.chunks[chunk];
    if (!store) {
      store = this.chunks[chunk] = new Uint32Array(CHUNK * RECORD_WORDS);
      this.forget(chunk);
    }
    const to = (seq % CHUNK) * RECORD_WORDS;
    for (let i = 0; i < RECORD_WORDS; i++) store[to + i] = words[at + i]!;
    if (data) this.data.set(seq, data);
    this.last = seq;
    return 'new';
  }

  private forget(newest: number): void {
    const oldest = newest - HISTORY_LIMIT / CHUNK;
    if (oldest < 0 || !this.chunks[oldest]) return;
    this.chunks[oldest] = undefined;
    this.first = (oldest + 1) * CHUNK;
    for (const seq of this.data.keys()) {
      if (seq >= this.first) break;
      this.data.delete(seq);
    }
  }
  private diverge(seq: number): 'different' {
    if (this.divergedAt === 0) this.divergedAt = seq;
    return 'different';
  }
  private matches(words: Uint32Array, at: number, seq: number): boolean {
    const store = this.chunks[(seq / CHUNK) | 0];
    if (!store) return true;
    const to = (seq % CHUNK) * RECORD_WORDS;
    const side = this.data.has(seq) ? 15 : 16;
    for (let i = 0; i < side; i++) if (store[to + i] !== words[at + i]) return false;
    return true;
  }

  has(seq: number): boolean {
    return seq >= this.first && seq <= this.last && seq > 0;
  }
  /** The record with this seq, undefined when it is not kept. */
  get(seq: number): TraceRecord | undefined {
    if (!this.has(seq)) return undefined;
    return decodeRecord(this.chunks[(seq / CHUNK) | 0]!, (seq % CHUNK) * RECORD_WORDS, this.data.get(seq));
  }
  /** Raw word i of a record: for filters over many records. The record must be kept. */
  word(seq: number, i: number): number {
    return this.chunks[(seq / CHUNK) | 0]![(seq % CHUNK) * RECORD_WORDS + i]!;
  }
  typeOf(seq: number): number {
    return this.word(seq, 4) & 0xff;
  }
  phaseOf(seq: number): number {
    return (this.word(seq, 4) >>> 8) & 0xff;
  }
  outcomeOf(seq: number): number {
    return (this.word(seq, 4) >>> 16) & 0xff;
  }
  domidOf(seq: number): number {
    return this.word(seq, 5) & 0xffff;
  }
  TOf(seq: number): number {
    return this.word(seq, 0) + this.word(seq, 1) * 4294967296;
  }

  /** A copy that shares nothing mutable, up to and including `seq`: the start of a new branch. */
  fork(seq: number): History {
    const copy = new History();
    copy.first = this.first;
    copy.last = Math.min(seq, this.last);
    const lastChunk = (copy.last / CHUNK) | 0;
    for (let i = 0; i <= lastChunk; i++) copy.chunks[i] = this.chunks[i]?.slice();
    for (const [s, d] of this.data) if (s <= copy.last) copy.data.set(s, d);
    return copy;
  }
}
