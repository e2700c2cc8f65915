// XenStore's memory and its rules: tree, permissions, watches, transactions, quotas. Who speaks to it is connection.ts's business.
// A transaction is a root of its own taken at its start; it commits if nobody else has committed anything since (serialised: a conflict
// may be reported where there was none, never missed).

import type { Arena } from '../../memory/arena.ts';
import { List } from './lists.ts';
import {
  bytesOf,
  fail,
  QUOTA,
  StoreError,
  textOf,
  XS_ABS_PATH_MAX,
  XS_PAYLOAD_MAX,
  XS_REL_PATH_MAX,
} from './protocol.ts';
import { allowed, type Node, type Perm, Tree } from './tree.ts';

const SLOT = { root: 0, generation: 1, watches: 2, transactions: 3, nextTx: 4, connections: 5 } as const;
export const SLOT_CONNECTIONS = SLOT.connections;

export interface Watch {
  readonly domid: number;
  readonly path: string; // absolute, or @special
  readonly token: string;
  readonly relative: boolean;
  readonly depth: number; // -1 = any
}
interface Transaction {
  readonly domid: number;
  readonly id: number;
  readonly root: number;
  readonly start: number;
  readonly changes: readonly Change[];
}
interface Change {
  readonly path: string;
  /** A removed node fires the watches below it too. */
  readonly removed: boolean;
}
/** Who asks. Privileged: domain 0 or the toolstack. */
export interface Who {
  readonly domid: number;
  readonly privileged: boolean;
}
/** The toolstack speaks as domain 0. */
export const TOOLSTACK: Who = { domid: 0, privileged: true };
export interface WatchEvent {
  readonly domid: number;
  readonly path: string;
  readonly token: string;
}

export class Store {
  readonly tree: Tree;
  readonly watches: List<Watch>;
  private readonly transactions: List<Transaction>;
  private readonly arena: Arena;
  /** Watch events of the call under way; the caller delivers them. */
  readonly fired: WatchEvent[] = [];

  constructor(arena: Arena) {
    this.arena = arena;
    this.tree = new Tree(arena);
    this.watches = new List(arena, SLOT.watches);
    this.transactions = new List(arena, SLOT.transactions);
  }
  /** An empty tree: the root belongs to domain 0. */
  static create(arena: Arena): void {
    const tree = new Tree(arena);
    arena.setUser(
      SLOT.root,
      tree.make({ perms: [{ letter: 'n', domid: 0 }], value: new Uint8Array(0), children: new Map() }),
    );
    arena.setUser(SLOT.nextTx, 1);
  }

  get root(): number {
    return this.arena.user(SLOT.root);
  }
  private get generation(): number {
    return this.arena.user(SLOT.generation);
  }

  // ---- paths ----

  /** The absolute form of a path a domain gave; EINVAL for anything the protocol forbids. */
  absolute(who: Who, path: string): string {
    const relative = !path.startsWith('/');
    if (path === '' || path.length > (relative ? XS_REL_PATH_MAX : XS_ABS_PATH_MAX)) fail('EINVAL');
    if (!/^[A-Za-z0-9\-/_@]+$/.test(path) || path.includes('//') || (path !== '/' && path.endsWith('/')))
      fail('EINVAL');
    return relative ? `/local/domain/${who.domid}/${path}` : path;
  }
  private parts(path: string): string[] {
    return path === '/' ? [] : path.slice(1).split('/');
  }

  // ---- reading ----

  private rootOf(who: Who, txId: number): number {
    return txId === 0 ? this.root : this.transaction(who, txId).value.root;
  }
  /** ENOENT unless `who` has begun transaction `txId`. */
  transaction(who: Who, txId: number): { readonly handle: number; readonly value: Transaction } {
    return (
      this.transactions.entries().find((t) => t.value.id === txId && t.value.domid === who.domid) ??
      fail('ENOENT')
    );
  }

  /** The node at a path if `who` has the right `want`; EACCES or ENOENT as the nearest existing ancestor says. */
  private get(who: Who, root: number, path: string, want: 'r' | 'w'): Node {
    const parts = this.parts(path);
    const handle = this.tree.find(root, parts);
    if (handle !== 0) {
      const node = this.tree.load(handle);
      return allowed(node.perms, who.domid, who.privileged, want) ? node : fail('EACCES');
    }
    return allowed(this.ancestor(root, parts).perms, who.domid, who.privileged, want)
      ? fail('ENOENT')
      : fail('EACCES');
  }
  private ancestor(root: number, parts: readonly string[]): Node {
    for (let n = parts.length - 1; n > 0; n--) {
      const handle = this.tree.find(root, parts.slice(0, n));
      if (handle !== 0) return this.tree.load(handle);
    }
    return this.tree.load(root);
  }

  read(who: Who, txId: number, path: string): Uint8Array {
    return this.get(who, this.rootOf(who, txId), path, 'r').value;
  }
  directory(who: Who, txId: number, path: string): string[] {
    return [...this.get(who, this.rootOf(who, txId), path, 'r').children.keys()].sort();
  }
  perms(who: Who, txId: number, path: string): readonly Perm[] {
    return this.get(who, this.rootOf(who, txId), path, 'r').perms;
  }
  exists(path: string): boolean {
    return this.tree.find(this.root, this.parts(path)) !== 0;
  }

  // ---- changing ----

  private commitRoot(who: Who, txId: number, root: number, change: Change): void {
    if (txId !== 0) {
      this.changeTransaction(who, txId, root, change);
      return;
    }
    const old = this.root;
    this.arena.setUser(SLOT.root, root);
    this.arena.setUser(SLOT.generation, this.generation + 1);
    this.tree.unref(old);
    this.fire(change);
  }

  /** A transaction goes on with another root, which is given up if it cannot. */
  private changeTransaction(who: Who, txId: number, root: number, change: Change): void {
    const t = this.transaction(who, txId);
    const last = t.value.changes[t.value.changes.length - 1];
    const again = last?.path === change.path && last.removed === change.removed;
    const changes = again ? t.value.changes : [...t.value.changes, change];
    try {
      if (changes.length > QUOTA.changes && !who.privileged) fail('ENOSPC');
      this.transactions.replace(t.handle, { ...t.value, root, changes });
    } catch (error) {
      this.tree.unref(root);
      throw error;
    }
    this.tree.unref(t.value.root);
  }

  /** Creates missing parents, each with its parent's permissions and, for an unprivileged creator, itself as the owner. */
  write(who: Who, txId: number, path: string, value: Uint8Array | undefined): void {
    if (value && value.length > QUOTA.nodeSize && !who.privileged) fail('ENOSPC');
    const root = this.rootOf(who, txId);
    const parts = this.parts(path);
    const existing = this.tree.find(root, parts);
    if (existing !== 0) {
      const node = this.tree.load(existing);
      if (!allowed(node.perms, who.domid, who.privileged, 'w')) fail('EACCES');
      if (value === undefined) return; // MKDIR of what exists
      this.quota(who, root, 0, value.length - node.value.length);
      this.commitRoot(
        who,
        txId,
        this.tree.replace(root, parts, (old) => ({ ...old!, value })),
        { path, removed: false },
      );
      return;
    }
    const parent = this.ancestor(root, parts);
    if (!allowed(parent.perms, who.domid, who.privileged, 'w')) fail('EACCES');
    let depth = parts.length;
    while (depth > 1 && this.tree.find(root, parts.slice(0, depth - 1)) === 0) depth--;
    const names = parts.slice(depth - 1).reduce((n, part) => n + part.length, 0);
    this.quota(who, root, parts.length - depth + 1, names + (value?.length ?? 0));
    const perms = who.privileged
      ? parent.perms
      : [{ letter: parent.perms[0]!.letter, domid: who.domid }, ...parent.perms.slice(1)];
    const made = this.tree.graft(root, parts, depth, { perms, value: value ?? new Uint8Array(0) });
    this.commitRoot(who, txId, made, { path, removed: false });
  }
  private quota(who: Who, root: number, nodes: number, bytes: number): void {
    if (who.privileged || (nodes === 0 && bytes <= 0)) return;
    const owned = this.tree.owned(root, who.domid);
    if (owned.nodes + nodes > QUOTA.nodes || owned.bytes + bytes > QUOTA.bytes) fail('ENOSPC');
  }

  remove(who: Who, txId: number, path: string): void {
    const root = this.rootOf(who, txId);
    const parts = this.parts(path);
    try {
      this.get(who, root, path, 'w');
    } catch (error) {
      const missing = error instanceof StoreError && error.errno === 'ENOENT';
      if (missing && this.tree.find(root, parts.slice(0, -1)) !== 0) return;
      throw error;
    }
    if (parts.length === 0) fail('EINVAL');
    this.commitRoot(
      who,
      txId,
      this.tree.replace(root, parts, () => undefined),
      { path, removed: true },
    );
  }

  setPerms(who: Who, txId: number, path: string, perms: readonly Perm[]): void {
    if (perms.length === 0) fail('EINVAL');
    if (perms.length > QUOTA.perms && !who.privileged) fail('ENOSPC');
    const root = this.rootOf(who, txId);
    const node = this.get(who, root, path, 'w');
    if (!who.privileged && node.perms[0]?.domid !== who.domid) fail('EACCES');
    if (!who.privileged && perms[0]!.domid !== node.perms[0]?.domid) fail('EPERM');
    this.commitRoot(
      who,
      txId,
      this.tree.replace(root, this.parts(path), (old) => ({ ...old!, perms })),
      { path, removed: false },
    );
  }

  // ---- transactions ----

  begin(who: Who, txId: number): number {
    if (txId !== 0) fail('EBUSY');
    const own = this.transactions.entries().filter((t) => t.value.domid === who.domid);
    if (own.length >= QUOTA.transactions && !who.privileged) fail('ENOSPC');
    const id = this.arena.user(SLOT.nextTx);
    this.arena.setUser(SLOT.nextTx, id === 0x7fffffff ? 1 : id + 1);
    this.transactions.add({ domid: who.domid, id, root: this.root, start: this.generation, changes: [] });
    this.tree.ref(this.root);
    return id;
  }
  /** Ends a transaction; EAGAIN when somebody else committed in between. */
  finish(who: Who, txId: number, commit: boolean): void {
    if (txId === 0) fail('ENOENT');
    const { handle, value: t } = this.transaction(who, txId);
    this.transactions.remove(handle);
    if (!commit || t.changes.length === 0) {
      this.tree.unref(t.root);
      return;
    }
    if (t.start !== this.generation) {
      this.tree.unref(t.root);
      fail('EAGAIN');
    }
    const old = this.root;
    this.arena.setUser(SLOT.root, t.root);
    this.arena.setUser(SLOT.generation, this.generation + 1);
    this.tree.unref(old);
    for (const change of t.changes) this.fire(change);
  }

  /** The roots that transactions hold. */
  snapshots(): number[] {
    return this.transactions.entries().map((t) => t.value.root);
  }
  /** Bytes of the arena in watches and transactions. */
  listsCost(): number {
    return this.watches.cost() + this.transactions.cost();
  }

  // ---- watches ----

  watch(who: Who, given: string, token: string, depth: number): void {
    const special = given.startsWith('@');
    if (special && given !== '@introduceDomain' && given !== '@releaseDomain') fail('EINVAL');
    if (special && !who.privileged) fail('EACCES');
    const path = special ? given : this.absolute(who, given);
    const own = this.watches.entries().filter((w) => w.value.domid === who.domid);
    if (own.some((w) => w.value.path === path && w.value.token === token)) fail('EEXIST');
    if (own.length >= QUOTA.watches && !who.privileged) fail('ENOSPC');
    this.watches.add({ domid: who.domid, path, token, relative: !special && !given.startsWith('/'), depth });
    this.fired.push({ domid: who.domid, path: given, token });
  }
  unwatch(who: Who, given: string, token: string): void {
    const path = given.startsWith('@') ? given : this.absolute(who, given);
    const found = this.watches
      .entries()
      .find((w) => w.value.domid === who.domid && w.value.path === path && w.value.token === token);
    if (!found) fail('ENOENT');
    else this.watches.remove(found.handle);
  }
  private fire(change: Change): void {
    for (const { value: w } of this.watches.entries()) {
      if (w.path.startsWith('@')) continue;
      const below = change.path === w.path || (w.path === '/' ? true : change.path.startsWith(`${w.path}/`));
      const above = change.removed && w.path.startsWith(`${change.path}/`);
      if (!below && !above) continue;
      if (below && w.depth >= 0 && this.parts(change.path).length - this.parts(w.path).length > w.depth)
        continue;
      const path = below ? change.path : w.path;
      if (!this.mayHear(w.domid, path)) continue;
      const prefix = `/local/domain/${w.domid}/`;
      const told = w.relative && path.startsWith(prefix) ? path.slice(prefix.length) : path;
      if (told.length + w.token.length + 2 > XS_PAYLOAD_MAX) continue; // no message can hold it
      this.fired.push({ domid: w.domid, path: told, token: w.token });
    }
  }
  /** A domain hears only of nodes it may read; of a removed one, if it may read where it was. */
  private mayHear(domid: number, path: string): boolean {
    const parts = this.parts(path);
    const handle = this.tree.find(this.root, parts);
    const node = handle === 0 ? this.ancestor(this.root, parts) : this.tree.load(handle);
    return allowed(node.perms, domid, domid === 0, 'r');
  }
  fireSpecial(path: '@introduceDomain' | '@releaseDomain'): void {
    for (const { value: w } of this.watches.entries())
      if (w.path === path) this.fired.push({ domid: w.domid, path, token: w.token });
  }

  /** Drops watches and transactions of a domain: RESET_WATCHES, reconnection, the end of a domain. */
  forget(domid: number): void {
    this.watches.removeWhere((w) => w.domid === domid);
    for (const { handle, value } of this.transactions.entries()) {
      if (value.domid !== domid) continue;
      this.transactions.remove(handle);
      this.tree.unref(value.root);
    }
  }
  /**
   * Nothing is left that a later domain of this number could inherit (XSA-322, XSA-417): `homes` go, nodes that the domain owns elsewhere
   * go with all below them, its entries in other nodes' permissions go. Throws ENOSPC when there is no memory for the copies.
   */
  purge(domid: number, homes: readonly string[]): void {
    this.forget(domid);
    for (const path of homes) if (this.exists(path)) this.remove(TOOLSTACK, 0, path);
    if (domid === TOOLSTACK.domid) return; // domain 0 is the toolstack's: what it owns else is the store itself
    for (const { path, perms } of this.named(domid)) {
      if (perms[0]!.domid === domid) this.remove(TOOLSTACK, 0, path);
      else {
        const left = perms.filter((p) => p.domid !== domid);
        this.setPerms(TOOLSTACK, 0, path, left);
      }
    }
  }
  /** Nodes whose permissions name a domain, outermost first; what lies below a node that it owns is left out. */
  private named(domid: number): { readonly path: string; readonly perms: readonly Perm[] }[] {
    const found: { path: string; perms: readonly Perm[] }[] = [];
    const work: { path: string; handle: number }[] = [{ path: '', handle: this.root }];
    for (let at = work.pop(); at !== undefined; at = work.pop()) {
      const node = this.tree.load(at.handle);
      if (node.perms.some((p) => p.domid === domid)) found.push({ path: at.path || '/', perms: node.perms });
      if (node.perms[0]?.domid === domid) continue;
      for (const [name, handle] of node.children) work.push({ path: `${at.path}/${name}`, handle });
    }
    return found;
  }

  /** The toolstack's own writes. */
  put(path: string, value: string, perms?: readonly Perm[]): void {
    this.write(TOOLSTACK, 0, path, bytesOf(value));
    if (perms) this.setPerms(TOOLSTACK, 0, path, perms);
  }
  text(path: string): string | undefined {
    try {
      return textOf(this.read(TOOLSTACK, 0, path));
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
  }
}
