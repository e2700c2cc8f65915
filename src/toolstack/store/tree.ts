// The tree of XenStore. Nodes are immutable objects in the arena with a reference count: a write copies the path from the root, so a
// transaction is nothing but a root of its own, and leaving it costs nothing.

import type { Arena } from '../../memory/arena.ts';
import { bytesOf, fail, textOf } from './protocol.ts';

export interface Perm {
  /** 'n' none, 'r' read, 'w' write, 'b' both. */
  readonly letter: 'n' | 'r' | 'w' | 'b';
  readonly domid: number;
}
export interface Node {
  readonly perms: readonly Perm[];
  readonly value: Uint8Array;
  readonly children: ReadonlyMap<string, number>; // name → handle
}

/** Object: refs u32, size u32, then the text form below. */
const HEAD = 8;
const LETTERS = 'nrwb';

function encode(node: Node): Uint8Array {
  const names = [...node.children.keys()].map(bytesOf);
  const size = 12 + 4 * node.perms.length + node.value.length + names.reduce((n, b) => n + 6 + b.length, 0);
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setUint32(0, node.perms.length, true);
  view.setUint32(4, node.value.length, true);
  view.setUint32(8, node.children.size, true);
  let at = 12;
  for (const p of node.perms) {
    view.setUint16(at, p.domid, true);
    out[at + 2] = LETTERS.indexOf(p.letter);
    at += 4;
  }
  out.set(node.value, at);
  at += node.value.length;
  let i = 0;
  for (const handle of node.children.values()) {
    const name = names[i++]!;
    view.setUint32(at, handle, true);
    view.setUint16(at + 4, name.length, true);
    out.set(name, at + 6);
    at += 6 + name.length;
  }
  return out;
}

function decodeNode(bytes: Uint8Array): Node {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nperms = view.getUint32(0, true),
    nvalue = view.getUint32(4, true),
    nchildren = view.getUint32(8, true);
  let at = 12;
  const perms: Perm[] = [];
  for (let i = 0; i < nperms; i++, at += 4)
    perms.push({ domid: view.getUint16(at, true), letter: LETTERS[bytes[at + 2]!] as Perm['letter'] });
  const value = bytes.slice(at, at + nvalue);
  at += nvalue;
  const children = new Map<string, number>();
  for (let i = 0; i < nchildren; i++) {
    const length = view.getUint16(at + 4, true);
    children.set(textOf(bytes.subarray(at + 6, at + 6 + length)), view.getUint32(at, true));
    at += 6 + length;
  }
  return { perms, value, children };
}

export class Tree {
  readonly arena: Arena;

  constructor(arena: Arena) {
    this.arena = arena;
  }

  load(handle: number): Node {
    return decodeNode(this.arena.read(handle + HEAD, this.arena.r32(handle + 4)));
  }

  /** A new object with one reference; takes a reference on every child. Fails with ENOSPC when the arena is full. */
  make(node: Node): number {
    const bytes = encode(node);
    const handle = this.arena.alloc(HEAD + bytes.length);
    if (handle === 0) fail('ENOSPC');
    this.arena.w32(handle, 1);
    this.arena.w32(handle + 4, bytes.length);
    this.arena.write(handle + HEAD, bytes);
    for (const child of node.children.values()) this.ref(child);
    return handle;
  }
  ref(handle: number): void {
    this.arena.w32(handle, this.arena.r32(handle) + 1);
  }
  unref(handle: number): void {
    const work = [handle];
    for (let h = work.pop(); h !== undefined; h = work.pop()) {
      const refs = this.arena.r32(h) - 1;
      if (refs > 0) {
        this.arena.w32(h, refs);
        continue;
      }
      work.push(...this.load(h).children.values());
      this.arena.free(h, HEAD + this.arena.r32(h + 4));
    }
  }

  /** Handle of the node at a path below `root`, 0 if there is none. Parts is the path without the leading empty part. */
  find(root: number, parts: readonly string[]): number {
    let at = root;
    for (const part of parts) {
      at = this.load(at).children.get(part) ?? 0;
      if (at === 0) return 0;
    }
    return at;
  }

  /** A root in which the node at `parts` is replaced by what `change` makes of it (undefined: removed). Every ancestor must exist. */
  replace(
    root: number,
    parts: readonly string[],
    change: (old: Node | undefined) => Node | undefined,
  ): number {
    const step = (handle: number, depth: number): number => {
      const node = handle === 0 ? undefined : this.load(handle);
      if (depth === parts.length) {
        const made = change(node);
        return made ? this.make(made) : 0;
      }
      if (!node) return fail('ENOENT');
      const name = parts[depth]!;
      const child = step(node.children.get(name) ?? 0, depth + 1);
      const children = new Map(node.children);
      if (child === 0) children.delete(name);
      else children.set(name, child);
      try {
        return this.make({ ...node, children });
      } finally {
        if (child !== 0) this.unref(child); // the new parent holds it now
      }
    };
    return step(root, 0);
  }

  /**
   * A root with new nodes at parts[0 … depth-1], parts[0 … depth], … down to all of `parts`: the last holds the value, those above it
   * nothing. The parent of the first must exist, the first must not.
   */
  graft(root: number, parts: readonly string[], depth: number, leaf: Omit<Node, 'children'>): number {
    const empty = { perms: leaf.perms, value: new Uint8Array(0) };
    let below = 0;
    try {
      for (let n = parts.length; n > depth; n--) {
        const last = n === parts.length;
        const made = this.make({
          ...(last ? leaf : empty),
          children: new Map(last ? [] : [[parts[n]!, below]]),
        });
        if (below !== 0) this.unref(below);
        below = made;
      }
      const top: Node =
        below === 0
          ? { ...leaf, children: new Map() }
          : { ...empty, children: new Map([[parts[depth]!, below]]) };
      return this.replace(root, parts.slice(0, depth), () => top);
    } finally {
      if (below !== 0) this.unref(below);
    }
  }

  /** Nodes below (and with) a handle that `domid` owns: what its quota counts. */
  owned(handle: number, domid: number): { nodes: number; bytes: number } {
    let nodes = 0,
      bytes = 0;
    const work: { name: string; handle: number }[] = [{ name: '', handle }];
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      const node = this.load(at.handle);
      if (node.perms[0]?.domid === domid) {
        nodes++;
        bytes += at.name.length + node.value.length;
      }
      for (const [name, child] of node.children) work.push({ name, handle: child });
    }
    return { nodes, bytes };
  }
}

/** May `domid` read or write a node with these permissions? Domain 0 (privileged) may do everything. */
export function allowed(
  perms: readonly Perm[],
  domid: number,
  privileged: boolean,
  want: 'r' | 'w',
): boolean {
  if (privileged || perms[0]?.domid === domid) return true;
  const own = perms.slice(1).find((p) => p.domid === domid) ?? perms[0];
  return own !== undefined && (own.letter === 'b' || own.letter === want);
}

export const permText = (p: Perm): string => `${p.letter}${p.domid}`;
export function parsePerm(text: string): Perm {
  const match = /^([nrwb])(\d{1,5})$/.exec(text);
  if (!match || Number(match[2]) > 0x7fff) return fail('EINVAL');
  return { letter: match[1] as Perm['letter'], domid: Number(match[2]) };
}
