// The sentence of a rule with its values filled in, as plain text.

import { ruleSentence } from '../../hypervisor/rules.ts';
import type { Lang } from '../i18n/text.ts';
import { renderSentence } from './sentences.ts';

/** `values` are those behind the outcome: placeholder 0 is the first of them. */
export function fill(rule: number, values: readonly number[], lang: Lang): string {
  const s = ruleSentence(rule);
  return s ? renderSentence(s, values, { lang, domains: [] }) : `rule ${rule}`;
}
