// Where the page finds images: shipped ones are fetched, dropped ones live in IndexedDB and survive a reload. Keyed by SHA-256.

import { elfSymbols } from '../toolstack/elf-symbols.ts';
import type { DomainSpec, ImageMap } from './types.ts';

export interface LoadedImage {
  readonly sha256: string;
  readonly bytes: Uint8Array;
  readonly map: ImageMap | undefined;
}

export async function sha256Of(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes.slice());
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, '0')).join('');
}

const DB = 'ringside',
  STORE = 'images';
function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const open = indexedDB.open(DB, 1);
    open.onupgradeneeded = () => open.result.createObjectStore(STORE);
    open.onsuccess = () => resolve(open.result);
    open.onerror = () => reject(open.error ?? new Error('no IndexedDB'));
  });
}
function request<T>(make: (store: IDBObjectStore) => IDBRequest<T>, mode: IDBTransactionMode): Promise<T> {
  return database().then(
    (db) =>
      new Promise((resolve, reject) => {
        const r = make(db.transaction(STORE, mode).objectStore(STORE));
        r.onsuccess = () => resolve(r.result);
        r.onerror = () => reject(r.error ?? new Error('IndexedDB failed'));
      }),
  );
}

interface Stored {
  readonly name: string;
  readonly bytes: Uint8Array;
}
/** Keeps a dropped file. Where the browser has no storage it lives as long as the page. */
const memory = new Map<string, Stored>();
export async function keepImage(name: string, bytes: Uint8Array): Promise<string> {
  const sha256 = await sha256Of(bytes);
  memory.set(sha256, { name, bytes });
  await request((s) => s.put({ name, bytes }, sha256), 'readwrite').catch(() => undefined);
  return sha256;
}

/** Symbols of an ELF that brought no map of its own. */
function ownMap(name: string, sha256: string, bytes: Uint8Array): ImageMap | undefined {
  try {
    return { name, sha256, symbols: elfSymbols(bytes), files: [], lines: [], sources: {} };
  } catch {
    return undefined;
  }
}

/** Finds the image of a domain; throws an error that names it when it is not here. */
export async function findImage(
  spec: Pick<DomainSpec, 'name' | 'image' | 'path'>,
  sha256 = spec.image,
): Promise<LoadedImage> {
  const kept =
    memory.get(sha256) ??
    (await request<Stored | undefined>((s) => s.get(sha256), 'readonly').catch(() => undefined));
  if (kept) return { sha256, bytes: kept.bytes, map: ownMap(kept.name, sha256, kept.bytes) };
  if (spec.path !== undefined) {
    const response = await fetch(spec.path);
    if (response.ok) {
      const bytes = new Uint8Array(await response.arrayBuffer());
      const found = await sha256Of(bytes);
      if (found !== sha256)
        throw new Error(
          `“${spec.name}” has changed since this link was made: the image ${spec.path} has SHA-256 ${found.slice(0, 12)}…, the link expects ${sha256.slice(0, 12)}…. Open the lab at its start.`,
        );
      const map = await fetch(spec.path.replace(/\.elf$/, '.map.json'))
        .then((r) => (r.ok ? (r.json() as Promise<ImageMap>) : undefined))
        .catch(() => undefined);
      return { sha256, bytes, map };
    }
  }
  throw new Error(
    `The image of “${spec.name}” (SHA-256 ${sha256.slice(0, 12)}…) is not on this computer. Drop the file on the page, then open the link again.`,
  );
}
