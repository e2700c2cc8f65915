// Linked lists of small records in an arena: each object is {next u32, length u32, JSON text one byte a character}.

import type { Arena } from '../../memory/arena.ts';
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

  add(value: T): void {
    const bytes = encode(value);
    const h = this.arena.alloc(HEAD + bytes.length);
    if (h === 0) fail('ENOSPC');
    this.arena.w32(h, 0);
    this.arena.w32(h + 4, bytes.length);
    this.arena.write(h + HEAD, bytes);
    let last = 0;
    for (let at = this.arena.user(this.slot); at !== 0; at = this.arena.r32(at)) last = at;
    if (last === 0) this.arena.setUser(this.slot, h);
    else this.arena.w32(last, h);
  }
  remove(handle: number): void {
    let before = 0;
    for (let at = this.arena.user(this.slot); at !== 0; before = at, at = this.arena.r32(at)) {
      if (at !== handle) continue;
      const next = this.arena.r32(at);
      if (before === 0) this.arena.setUser(this.slot, next);
      else this.arena.w32(before, next);
      this.arena.free(at, HEAD + this.arena.r32(at + 4));
      return;
    }
  }
  removeWhere(test: (value: T) => boolean): void {
    for (const { handle, value } of this.entries()) if (test(value)) this.remove(handle);
  }
  /** Replaces an entry in place of order: the new text goes to the end of the list. */
  replace(handle: number, value: T): void {
    this.remove(handle);
    this.add(value);
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
