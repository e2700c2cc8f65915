// The shipped tours as data, read by the lab's own parser, so that tests follow a reworded sentence and fail on a changed meaning.

import { readFileSync } from 'node:fs';
import { parseTour } from '../../src/lab/lessons/parse.ts';
import type { Tour } from '../../src/lab/lessons/types.ts';
import type { Lang } from './lab.ts';

export const tourOf = (id: string, lang: Lang): Tour =>
  parseTour(id, readFileSync(new URL(`../../public/tours/${id}.${lang}.md`, import.meta.url), 'utf8'));

interface MapFile {
  readonly symbols: readonly (readonly [address: number, name: string, size: number])[];
}
/** Address of a symbol in a shipped kernel. */
export function symbolOf(guest: string, name: string): number {
  const text = readFileSync(
    new URL(`../../public/guests/${guest}/${guest}.map.json`, import.meta.url),
    'utf8',
  );
  const hit = (JSON.parse(text) as MapFile).symbols.find((s) => s[1] === name);
  if (!hit) throw new Error(`${guest} has no symbol ${name}`);
  return hit[0];
}
