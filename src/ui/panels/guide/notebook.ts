// What a person predicted, kept on this computer: the question, what was chosen, what the trace answered, the moment that proves it, and a
// line of one's own. A mystery keeps where it was left and who is suspected. Never in a link, never sent anywhere.

import { create } from 'zustand';
import { persist } from 'zustand/middleware';
import type { Moment } from '../../../lab/types.ts';
import { isObject, keeper, recordOf, takeOver } from '../../store/keep.ts';

export interface Prediction {
  readonly question: string;
  /** What was chosen: a choice's id, '?' for “don't know”; and how it read. */
  readonly chosen: string;
  readonly chosenText: string;
  /** What the trace said. */
  readonly answer: string;
  readonly answerText: string;
  readonly right: boolean;
}
export interface Entry extends Prediction {
  readonly tour: string;
  readonly stop: number;
  readonly lab: string;
  /** The machine at the answer, and the record that proves it. */
  readonly link: string | undefined;
  readonly evidence: Moment | undefined;
  /** How often the question was answered; the first answer is the one that counts. */
  readonly tries: number;
  readonly first: { readonly chosen: string; readonly right: boolean };
  readonly line: string;
}
export interface Left {
  readonly moment: Moment;
  readonly message: string;
  readonly stop: number;
  readonly suspect?: string;
}
interface Notebook {
  /** By tour and stop: 'hello/1'. */
  readonly entries: Readonly<Record<string, Entry>>;
  /** Mysteries by tour: where they were left. */
  readonly left: Readonly<Record<string, Left>>;
}

export const useNotebook = create<Notebook>()(
  persist((): Notebook => ({ entries: {}, left: {} }), {
    name: 'ringside.notebook',
    version: 1,
    storage: keeper(),
    merge: takeOver<Notebook>({
      entries: recordOf((v) => isObject(v) && isObject(v['first']) && typeof v['question'] === 'string'),
      left: recordOf((v) => isObject(v) && isObject(v['moment'])),
    }),
  }),
);

export const entryKey = (tour: string, stop: number): string => `${tour}/${stop}`;

/** Keeps an answer. The first one stays the prediction; later ones only count as tries. */
export function keepEntry(entry: Omit<Entry, 'tries' | 'first' | 'line'>): void {
  const { entries } = useNotebook.getState();
  const key = entryKey(entry.tour, entry.stop);
  const before = entries[key];
  const kept: Entry = {
    ...entry,
    tries: (before?.tries ?? 0) + 1,
    first: before?.first ?? { chosen: entry.chosen, right: entry.right },
    line: before?.line ?? '',
  };
  useNotebook.setState({ entries: { ...entries, [key]: kept } });
}
/** Adds to a kept answer the machine it was given on and the record that proves it. */
export function proveEntry(key: string, link: string, evidence: Moment | undefined): void {
  const { entries } = useNotebook.getState();
  const entry = entries[key];
  if (entry) useNotebook.setState({ entries: { ...entries, [key]: { ...entry, link, evidence } } });
}
export function writeLine(key: string, line: string): void {
  const { entries } = useNotebook.getState();
  const entry = entries[key];
  if (entry) useNotebook.setState({ entries: { ...entries, [key]: { ...entry, line } } });
}
export function forgetEntry(key: string): void {
  const { [key]: _gone, ...entries } = useNotebook.getState().entries;
  useNotebook.setState({ entries });
}
export function keepLeft(tour: string, place: Left): void {
  const { left } = useNotebook.getState();
  const suspect = left[tour]?.suspect;
  useNotebook.setState({ left: { ...left, [tour]: { ...place, ...(suspect ? { suspect } : {}) } } });
}
export function suspect(tour: string, name: string): void {
  const { left } = useNotebook.getState();
  const place = left[tour];
  if (place) useNotebook.setState({ left: { ...left, [tour]: { ...place, suspect: name } } });
}

/** Entries as they are worth reading again: wrong ones first, then “don't know”, then what was foreseen. */
export function inOrder(entries: Readonly<Record<string, Entry>>): readonly (readonly [string, Entry])[] {
  const rank = (e: Entry): number => (e.first.right ? 2 : e.first.chosen === '?' ? 1 : 0);
  return Object.entries(entries).sort(([a, x], [b, y]) => rank(x) - rank(y) || a.localeCompare(b));
}

/** Markdown that means the same on any computer: each entry brings its moment along. */
export function toMarkdown(
  notebook: Notebook,
  words: {
    readonly title: string;
    readonly said: string;
    readonly trace: string;
    readonly moment: string;
    readonly mystery: (message: string, suspect: string) => string;
  },
  address: string,
): string {
  const lines = [`# ${words.title}`, ''];
  for (const [, e] of inOrder(notebook.entries)) {
    lines.push(`## ${e.first.right ? '✓' : '✗'} ${e.question}`, '');
    lines.push(`- ${words.said}: ${e.chosenText}`, `- ${words.trace}: ${e.answerText}`);
    if (e.link !== undefined) lines.push(`- [${words.moment}](${address}#m=${e.link})`);
    if (e.line !== '') lines.push('', e.line);
    lines.push('');
  }
  for (const place of Object.values(notebook.left))
    lines.push(words.mystery(place.message, place.suspect ?? '–'), '');
  return lines.join('\n');
}
