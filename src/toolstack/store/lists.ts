// Linked lists of small records in an arena: each object is {next u32, length u32, JSON text one byte a character}.

import { Arena } from '../../memory/arena.ts';
import { bytesOf, fail, textOf } from './protocol.ts';

const HEAD = 8;

export class List<T> {
  private readonly arena: Arena;
  private readonly slot: number;

  /** `slot` is the arena's user word that holds the head of the list. */
  constructor(arena: Arena, slot: number) {
    this.arena = arena;
    this.slot = slot;
  }

  /** All entries, oldest first, with their handles. */
  entries(): { readonly handle: number; readonly value: T }[] {
    const out: { handle: number; value: T }[] = [];
    for (let h = this.arena.user(this.slot); h !== 0; h = this.arena.r32(h))
      out.push({ handle: h, value: this.read(h) });
    return out;
  }
  private read(h: number): T {
    return JSON.parse(textOf(this.arena.read(h + HEAD, this.arena.r32(h + 4)))) as T;
  }

  /** Bytes of the arena that the entries take. */
  cost(): number {
    let n = 0;
    for (let h = this.arena.user(this.slot); h !== 0; h = this.arena.r32(h))
      n += Arena.cost(HEAD + this.arena.r32(h + 4));
    return n;
  }

  add(value: T): void {
    const bytes = encode(value);
    const h = this.arena.alloc(HEAD + bytes.length);
    if (h === 0) fail('ENOSPC');
    this.arena.w32(h, 0);
    this.arena.w32(h + 4, bytes.length);
    this.arena.write(h + HEAD, bytes);
    const last = this.before(0);
    if (last === 0) this.arena.setUser(this.slot, h);
    else this.arena.w32(last, h);
  }
  remove(handle: number): void {
    const before = this.before(handle);
    const next = this.arena.r32(handle);
    if (before === 0) this.arena.setUser(this.slot, next);
    else this.arena.w32(before, next);
    this.arena.free(handle, HEAD + this.arena.r32(handle + 4));
  }
  removeWhere(test: (value: T) => boolean): void {
    for (const { handle, value } of this.entries()) if (test(value)) this.remove(handle);
  }
  /** Gives an entry another value in the same place. On ENOSPC the old value stays. */
  replace(handle: number, value: T): void {
    const { arena } = this;
    const bytes = encode(value);
    const size = HEAD + arena.r32(handle + 4);
    let to = handle;
    if (Arena.cost(size) !== Arena.cost(HEAD + bytes.length)) {
      to = arena.alloc(HEAD + bytes.length);
      if (to === 0) fail('ENOSPC');
      arena.w32(to, arena.r32(handle));
      const before = this.before(handle);
      if (before === 0) arena.setUser(this.slot, to);
      else arena.w32(before, to);
      arena.free(handle, size);
    }
    arena.w32(to + 4, bytes.length);
    arena.write(to + HEAD, bytes);
  }
  /** The entry whose successor is `handle` (0: the last one), 0 when it is the first. */
  private before(handle: number): number {
    let before = 0;
    for (let at = this.arena.user(this.slot); at !== handle && at !== 0; at = this.arena.r32(at)) before = at;
    return before;
  }
}

/** JSON in which every character fits a byte. */
function encode(value: unknown): Uint8Array {
  return bytesOf(
    JSON.stringify(value).replace(
      /[^\0-\xff]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );
}
