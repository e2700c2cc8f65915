// Every decision of the hypervisor has a name here. check(rule, ok, values) and act(name, values) write records with these numbers;
// what the page says about a refusal is rendered from them and from nothing else.

import { ACTS_BUILD, RULES_BUILD } from './rules/build.ts';
import { ACTS_EVENTS, RULES_EVENTS } from './rules/events.ts';
import { ACTS_MM, RULES_MM } from './rules/mm.ts';
import { ACTS_STORE, RULES_STORE } from './rules/store.ts';
import { ACTS_TRAPS, RULES_TRAPS } from './rules/traps.ts';
import type { Sentence } from './rules/types.ts';

/** Numbers are group * 1000 + position, so that a group can grow without moving the others. */
const GROUPS_RULES = [RULES_MM, RULES_TRAPS, RULES_EVENTS, RULES_BUILD, RULES_STORE] as const;
const GROUPS_ACTS = [ACTS_MM, ACTS_TRAPS, ACTS_EVENTS, ACTS_BUILD, ACTS_STORE] as const;

export type RuleName = (typeof GROUPS_RULES)[number][number][0];
export type ActName = (typeof GROUPS_ACTS)[number][number][0];

const number = (groups: readonly (readonly Sentence[])[]): Record<string, number> => {
  const out: Record<string, number> = {};
  groups.forEach((rows, g) => {
    rows.forEach((row, i) => {
      if (row[0] in out) throw new Error(`two rules are called ${row[0]}`);
      out[row[0]] = g * 1000 + i + 1;
    });
  });
  return Object.freeze(out);
};
export const RULE = number(GROUPS_RULES) as { readonly [K in RuleName]: number };
export const ACT = number(GROUPS_ACTS) as { readonly [K in ActName]: number };

const lookup = (groups: readonly (readonly Sentence[])[], n: number): Sentence | undefined =>
  groups[Math.floor(n / 1000)]?.[(n % 1000) - 1];
/** The sentence of a rule number of a check record. */
export const ruleSentence = (n: number): Sentence | undefined => lookup(GROUPS_RULES, n);
/** The sentence of an action number of an act record. */
export const actSentence = (n: number): Sentence | undefined => lookup(GROUPS_ACTS, n);
