// How the shelf is read: newest first, each a version of its file name, and how far it came compared with the one before.

import type { ShelfEntry } from './image-store.ts';
import type { LabState } from './types.ts';

export interface Version {
  readonly entry: ShelfEntry;
  /** 1 for the oldest file of this name. */
  readonly version: number;
  /** How many versions of this name there are. */
  readonly of: number;
  /** Bytes more than the version before, undefined for the first. */
  readonly grown: number | undefined;
}

/** Entries as versions of their names, the newest first. */
export function versions(entries: readonly ShelfEntry[]): readonly Version[] {
  const byName = new Map<string, ShelfEntry[]>();
  const old = [...entries].sort((a, b) => a.at - b.at || a.sha256.localeCompare(b.sha256));
  for (const e of old) byName.set(e.name, [...(byName.get(e.name) ?? []), e]);
  return old.reverse().map((entry) => {
    const same = byName.get(entry.name)!;
    const at = same.indexOf(entry);
    const before = same[at - 1];
    const grown = before && entry.size - before.size;
    return { entry, version: at + 1, of: same.length, grown };
  });
}

/** SHA-256 of the person's own image on stage, undefined while a shipped one stands there. */
export function ownImage({ config }: Pick<LabState, 'config'>): string | undefined {
  if (config?.bare) return config.bare.image ?? config.bare.rom;
  const own = config?.domains.find((d) => d.path === undefined);
  return own?.image;
}

/** The entry after a run that came as far as `state`; undefined when it had been further. */
export function cameTo(
  entry: ShelfEntry,
  { counts, end, ended }: Pick<LabState, 'counts' | 'end' | 'ended'>,
): ShelfEntry | undefined {
  const before = entry.furthest;
  if (end.T === 0 || (before && before.ticks >= end.T)) return undefined;
  const traps = Math.max(counts.traps, before?.traps ?? 0);
  const how = ended?.kind === 'end' ? { end: ended.reason } : {};
  return { ...entry, furthest: { traps, ticks: end.T, ...how } };
}
