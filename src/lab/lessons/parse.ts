// Reads a tour. Anything it does not know is an error with its line: a teacher sees a typing mistake at once.

import { parseQuery } from './query.ts';
import type { Choice, Stop, Tour } from './types.ts';

export class TourError extends Error {
  readonly line: number;
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.line = line;
  }
}

const KEYS = new Set([
  'button',
  'do',
  'enter',
  'until',
  'ask',
  'answer',
  'evidence',
  'layout',
  'edit',
  'also',
]);
const EXPRESSIONS = new Set(['until', 'answer', 'evidence', 'edit']);

interface Section {
  readonly heading: string;
  readonly line: number;
  readonly lines: string[];
}

/** 'control | code + console' → columns of panel keys. */
export const parseLayout = (text: string): readonly (readonly string[])[] =>
  text
    .split('|')
    .map((c) =>
      c
        .split('+')
        .map((p) => p.trim())
        .filter(Boolean),
    )
    .filter((c) => c.length > 0);

function front(lines: readonly string[]): {
  readonly meta: Readonly<Record<string, string>>;
  readonly rest: number;
} {
  const meta: Record<string, string> = {};
  if (lines[0]?.trim() !== '---') return { meta, rest: 0 };
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!.trim();
    if (line === '---') return { meta, rest: i + 1 };
    const m = /^(\w+):\s*(.*)$/.exec(line);
    if (m) meta[m[1]!] = m[2]!;
    else if (line !== '') throw new TourError(i + 1, `“${line}” is no “key: value”`);
  }
  throw new TourError(lines.length, 'the front matter never ends: “---” is missing');
}

function property(key: string, value: string, line: number, props: Record<string, string>): void {
  if (!KEYS.has(key))
    throw new TourError(line, `“${key}” is no property of a stop; known: ${[...KEYS].join(', ')}`);
  if (EXPRESSIONS.has(key)) {
    try {
      parseQuery(value);
    } catch (e) {
      throw new TourError(line, `${key}: ${(e as Error).message}`);
    }
  }
  props[key] = key === 'also' && props[key] ? `${props[key]}\n${value}` : value;
}

function stop(s: Section): Stop {
  const props: Record<string, string> = {};
  const choices: Choice[] = [];
  let i = 0;
  for (; i < s.lines.length && s.lines[i]!.trim() !== ''; i++) {
    const line = s.lines[i]!.trim(),
      number = s.line + i + 1;
    const choice = /^- (\w+):\s*(.+)$/.exec(line);
    if (choice) {
      choices.push({ id: choice[1]!, text: choice[2]! });
      continue;
    }
    const m = /^(\w+):\s*(.*)$/.exec(line);
    if (!m) throw new TourError(number, 'properties of a stop end with a blank line');
    property(m[1]!, m[2]!, number, props);
  }
  const body = s.lines.slice(i);
  const cut = body.findIndex((l) => l.trim() === '---');
  const text = (from: number, to: number): string => body.slice(from, to).join('\n').trim();
  if (props['ask'] && (choices.length < 2 || !props['answer']))
    throw new TourError(s.line, 'a question needs two choices and an answer');
  return {
    heading: s.heading,
    before: text(0, cut < 0 ? body.length : cut),
    after: cut < 0 ? '' : text(cut + 1, body.length),
    button: props['button'],
    action: props['do'],
    enter: props['enter'],
    until: props['until'],
    ask: props['ask'],
    choices,
    answer: props['answer'],
    evidence: props['evidence'],
    edit: props['edit'],
    layout: props['layout'] ? parseLayout(props['layout']) : undefined,
    also: (props['also']?.split('\n') ?? []).map((a) => {
      const at = a.indexOf('=');
      return { text: a.slice(0, at).trim(), action: a.slice(at + 1).trim() };
    }),
  };
}

/** Parses the Markdown of a tour. Throws TourError. */
export function parseTour(id: string, source: string): Tour {
  const lines = source.split(/\r?\n/);
  const { meta, rest } = front(lines);
  const sections: Section[] = [];
  for (let i = rest; i < lines.length; i++) {
    const heading = /^## (.+)$/.exec(lines[i]!);
    if (heading) sections.push({ heading: heading[1]!.trim(), line: i + 1, lines: [] });
    else if (sections.length > 0) sections[sections.length - 1]!.lines.push(lines[i]!);
    else if (lines[i]!.trim() !== '') throw new TourError(i + 1, 'text before the first “## ” heading');
  }
  if (sections.length === 0) throw new TourError(lines.length, 'a tour needs at least one “## ” section');
  if (!meta['lab']) throw new TourError(1, 'the front matter must name a lab');
  return {
    id,
    lab: meta['lab'],
    title: meta['title'] ?? id,
    next: meta['next'],
    mystery: meta['mystery'] === 'yes',
    stops: sections.map(stop),
  };
}
