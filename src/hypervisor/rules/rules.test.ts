import { describe, expect, it } from 'vitest';
import { ACTS_BUILD, RULES_BUILD } from './build.ts';
import { ACTS_EVENTS, RULES_EVENTS } from './events.ts';
import { ACTS_MM, RULES_MM } from './mm.ts';
import { ACTS_STORE, RULES_STORE } from './store.ts';
import { ACTS_TRAPS, RULES_TRAPS } from './traps.ts';
import type { Sentence } from './types.ts';

const KINDS = 'mfn pfn vaddr maddr domid port gref dec hex pte ptype errno sel bool level'.split(' ');
const all: readonly Sentence[] = [
  ...RULES_BUILD,
  ...RULES_EVENTS,
  ...RULES_MM,
  ...RULES_STORE,
  ...RULES_TRAPS,
  ...ACTS_BUILD,
  ...ACTS_EVENTS,
  ...ACTS_MM,
  ...ACTS_STORE,
  ...ACTS_TRAPS,
];
const placeholders = (text: string): string[] =>
  [...new Set([...text.matchAll(/\{(\w+):(\w+)\}/g)].map((m) => m[0]))].sort();

describe.each(all.map((row) => [row[0], row] as const))('%s', (_name, [name, en, ko]) => {
  it('says the same values in both languages, with kinds that exist', () => {
    expect(name).toMatch(/^[a-z0-9]+\.[a-z0-9-]+$/);
    expect(placeholders(ko)).toEqual(placeholders(en));
    for (const p of placeholders(en)) {
      const [, n, kind] = /\{(\w+):(\w+)\}/.exec(p)!;
      expect(Number(n)).toBeLessThan(6);
      expect(KINDS).toContain(kind);
    }
    expect(en).toMatch(/[.!]$/);
    expect(ko).toMatch(/[.!]$/);
    expect(ko).toMatch(/[가-힣]/);
  });
});
