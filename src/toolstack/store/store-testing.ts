// What the tests of the store stand on: an arena without a machine, and requests as a guest writes them. No part of the machine.

import { Arena } from '../../memory/arena.ts';
import { Frames } from '../../memory/frames.ts';
import { Memory } from '../../memory/memory.ts';
import { bytesOf, StoreError, textOf, type XS } from './protocol.ts';
import { answer } from './requests.ts';
import { Store, TOOLSTACK, type Who } from './store.ts';

export const guest = (domid: number): Who => ({ domid, privileged: false });

export interface StoreBench {
  readonly arena: Arena;
  readonly store: Store;
  /** The answer's payload, or the name of the error; NUL shows as |. */
  ask(who: Who, type: (typeof XS)[keyof typeof XS] | number, payload: string, txId?: number): string;
  /** Watch events since the last look: domid path token. */
  events(): string[];
}

/** A store with homes for domains 1 and 2: readable by their domain, `data` its own. At most `limit` frames. */
export function storeBench(limit = 6000): StoreBench {
  const frames = new Frames(new Memory(new ArrayBuffer(48 << 20)));
  let taken = 0;
  Arena.create(frames, 1);
  const arena = new Arena(frames, 1, () => (taken < limit ? 2 + taken++ : 0xffffffff));
  Store.create(arena);
  const store = new Store(arena);
  for (const domid of [1, 2]) {
    const home = `/local/domain/${domid}`;
    store.put(home, '', [
      { letter: 'n', domid: 0 },
      { letter: 'r', domid },
    ]);
    store.put(`${home}/name`, `guest${domid}`);
    store.put(`${home}/data`, '', [{ letter: 'n', domid }]);
  }
  const daemon = {
    introduced: (domid: number) => domid < 3,
    introduce: () => {},
    release: () => {},
  };
  return {
    arena,
    store,
    ask(who, type, payload, txId = 0) {
      try {
        const message = { type, reqId: 0, txId, payload: bytesOf(payload.replaceAll('|', '\0')) };
        return textOf(answer(store, who, message, daemon)).replaceAll('\0', '|');
      } catch (error) {
        if (error instanceof StoreError) return error.errno;
        throw error;
      }
    },
    events: () => store.fired.splice(0).map((e) => `${e.domid} ${e.path} ${e.token}`),
  };
}

/** Bytes of all objects that the live roots reach, each counted once: what `arena.used` must be. */
export function recount({ arena, store }: StoreBench): number {
  const seen = new Set<number>();
  const work = [store.root, ...store.snapshots()];
  for (let h = work.pop(); h !== undefined; h = work.pop()) {
    if (seen.has(h)) continue;
    seen.add(h);
    work.push(...store.tree.load(h).children.values());
  }
  let used = store.listsCost();
  for (const h of seen) used += Arena.cost(8 + arena.r32(h + 4));
  return used;
}
export { TOOLSTACK };
