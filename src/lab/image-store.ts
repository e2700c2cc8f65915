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

interface Stored {
  readonly name: string;
  readonly bytes: Uint8Array;
}
/** What the shelf says of a kept file without opening it. */
export interface ShelfEntry {
  readonly sha256: string;
  readonly name: string;
  readonly size: number;
  /** When it was dropped first, milliseconds since 1970; 0 where nobody wrote it down. */
  readonly at: number;
  /** A name of the person's own. */
  readonly label: string;
  /** How far it ever came: traps taken, ticks lived, and how it ended. */
  readonly furthest?: { readonly traps: number; readonly ticks: number; readonly end?: string };
}

const DB = 'ringside',
  VERSION = 2,
  IMAGES = 'images',
  SHELF = 'shelf';
type StoreName = typeof IMAGES | typeof SHELF;

/** Files kept before there was a shelf stand on it without their date. */
function upgrade(open: IDBOpenDBRequest, from: number): void {
  if (from < 1) open.result.createObjectStore(IMAGES);
  if (from >= 2) return;
  const shelf = open.result.createObjectStore(SHELF, { keyPath: 'sha256' });
  const walk = open.transaction?.objectStore(IMAGES).openCursor();
  if (!walk) return;
  walk.onsuccess = () => {
    const at = walk.result;
    if (!at) return;
    const { name, bytes } = at.value as Stored;
    shelf.put({ sha256: String(at.key), name, size: bytes.length, at: 0, label: '' } satisfies ShelfEntry);
    at.continue();
  };
}
let opened: Promise<IDBDatabase> | undefined;
function database(): Promise<IDBDatabase> {
  opened ??= new Promise<IDBDatabase>((resolve, reject) => {
    const open = indexedDB.open(DB, VERSION);
    open.onupgradeneeded = (event) => upgrade(open, event.oldVersion);
    open.onblocked = () => reject(new Error('another tab holds an older shelf'));
    open.onerror = () => reject(open.error ?? new Error('no IndexedDB'));
    open.onsuccess = () => {
      const db = open.result;
      const forget = (): void => {
        opened = undefined;
      };
      db.onclose = forget;
      db.onversionchange = () => {
        db.close(); // a newer page wants to rebuild it
        forget();
      };
      resolve(db);
    };
  }).catch((error: unknown) => {
    opened = undefined;
    throw error;
  });
  return opened;
}
function request<T>(
  name: StoreName,
  make: (store: IDBObjectStore) => IDBRequest<T>,
  mode: IDBTransactionMode,
): Promise<T> {
  return database().then(
    (db) =>
      new Promise((resolve, reject) => {
        const r = make(db.transaction(name, mode).objectStore(name));
        r.onsuccess = () => resolve(r.result);
        r.onerror = () => reject(r.error ?? new Error('IndexedDB failed'));
      }),
  );
}

// Where the browser has no storage, files and their places on the shelf live as long as the page.
const memory = new Map<string, Stored>();
const entries = new Map<string, ShelfEntry>();

async function putEntry(entry: ShelfEntry): Promise<void> {
  entries.set(entry.sha256, entry);
  await request(SHELF, (s) => s.put(entry), 'readwrite').catch(() => undefined);
}
async function entryOf(sha256: string): Promise<ShelfEntry | undefined> {
  return (
    (await request<ShelfEntry | undefined>(SHELF, (s) => s.get(sha256), 'readonly').catch(() => undefined)) ??
    entries.get(sha256)
  );
}
/** Keeps a dropped file and gives it a place on the shelf; the same bytes dropped again keep the place they have. Resolves to the SHA-256. */
export async function keepImage(name: string, bytes: Uint8Array): Promise<string> {
  const sha256 = await sha256Of(bytes);
  memory.set(sha256, { name, bytes });
  await request(IMAGES, (s) => s.put({ name, bytes }, sha256), 'readwrite').catch(() => undefined);
  if (!(await entryOf(sha256)))
    await putEntry({ sha256, name, size: bytes.length, at: Date.now(), label: '' });
  return sha256;
}
const stored = async (sha256: string): Promise<Stored | undefined> =>
  memory.get(sha256) ??
  (await request<Stored | undefined>(IMAGES, (s) => s.get(sha256), 'readonly').catch(() => undefined));

/** Everything on the shelf, in no order. */
export async function shelfEntries(): Promise<readonly ShelfEntry[]> {
  const kept = await request<ShelfEntry[]>(SHELF, (s) => s.getAll(), 'readonly').catch(() => undefined);
  return kept ?? [...entries.values()];
}
/** Changes what the shelf says of a file, one change after the other; nothing happens when it is not there. */
export function changeEntry(
  sha256: string,
  change: (entry: ShelfEntry) => ShelfEntry | undefined,
): Promise<void> {
  changes = changes.then(async () => {
    const entry = await entryOf(sha256);
    const next = entry && change(entry);
    if (next) await putEntry(next);
  });
  return changes;
}
let changes: Promise<void> = Promise.resolve();
/** The file itself, as it was dropped. */
export async function keptFile(sha256: string): Promise<File | undefined> {
  const kept = await stored(sha256);
  return kept && new File([kept.bytes.slice()], kept.name);
}
/** Takes a file off the shelf; what is returned puts it back as it stood. */
export async function takeOff(sha256: string): Promise<() => Promise<void>> {
  const [entry, kept] = await Promise.all([entryOf(sha256), stored(sha256)]);
  entries.delete(sha256);
  memory.delete(sha256);
  await request(SHELF, (s) => s.delete(sha256), 'readwrite').catch(() => undefined);
  await request(IMAGES, (s) => s.delete(sha256), 'readwrite').catch(() => undefined);
  return async () => {
    if (!entry || !kept) return;
    memory.set(sha256, kept);
    await request(IMAGES, (s) => s.put(kept, sha256), 'readwrite').catch(() => undefined);
    await putEntry(entry);
  };
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
  const kept = await stored(sha256);
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
