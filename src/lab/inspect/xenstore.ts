// The tree of XenStore with permissions and watches, read from the daemon's own memory.

import { XEN, XEN_AT } from '../../hypervisor/state.ts';
import { INVALID_MFN } from '../../memory/addresses.ts';
import { Arena } from '../../memory/arena.ts';
import { textOf } from '../../toolstack/store/protocol.ts';
import { Store, type Watch } from '../../toolstack/store/store.ts';
import { permText } from '../../toolstack/store/tree.ts';
import type { View } from './view.ts';

export interface StoreNode {
  readonly path: string;
  readonly depth: number;
  readonly name: string;
  readonly value: string;
  readonly perms: string;
  readonly children: number;
}
export interface StoreModel {
  readonly nodes: readonly StoreNode[];
  readonly watches: readonly Watch[];
}
/** Nodes read at most. */
const MAX_NODES = 5000;

export function xenstore(view: View): StoreModel {
  const root = view.m.r32(XEN_AT + XEN.storeRoot);
  if (root === 0) return { nodes: [], watches: [] };
  const store = new Store(new Arena(view.frames, root, () => INVALID_MFN));
  const nodes: StoreNode[] = [];
  const visit = (handle: number, path: string, name: string, depth: number): void => {
    if (nodes.length >= MAX_NODES) return;
    const node = store.tree.load(handle);
    nodes.push({
      path: path || '/',
      depth,
      name: name || '/',
      value: textOf(node.value),
      perms: node.perms.map(permText).join(','),
      children: node.children.size,
    });
    for (const [child, h] of [...node.children].sort((a, b) => (a[0] < b[0] ? -1 : 1)))
      visit(h, `${path}/${child}`, child, depth + 1);
  };
  visit(store.root, '', '', 0);
  return { nodes, watches: store.watches.entries().map((w) => w.value) };
}
