// The sentence of a rule with its values filled in, as plain text.

import { ruleSentence } from '../../hypervisor/rules.ts';
import { fill as fillParts } from '../describe.ts';
import type { Lang } from '../i18n/text.ts';

/** `values` are those behind the outcome: placeholder 0 is the first of them. */
export function fill(rule: number, values: readonly number[], lang: Lang): string {
  const s = ruleSentence(rule);
  return s
    ? fillParts(lang === 'ko' ? s[2] : s[1], values)
        .map((p) => p.text)
        .join('')
    : `rule ${rule}`;
}
