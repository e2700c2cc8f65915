// Texts of the page. The shell's are en.ts and ko.ts; a panel keeps its own beside itself:
// `const TEXT = defineText({ en: {…}, ko: {…} })`, then `const t = useText(TEXT)`.

import { useCallback } from 'react';
import { type Lang, type Text, translate, type Values } from '../../lab/i18n/text.ts';
import { useSettings } from '../store/settings.ts';
import { en } from './en.ts';
import { ko } from './ko.ts';

export { defineText, fill, formatNumber, type Lang, translate } from '../../lab/i18n/text.ts';
export type Translate<K extends string> = (key: K, values?: Values) => string;
export type ShellKey = keyof typeof en;
export const SHELL: Text<ShellKey> = { en, ko };

export const useLang = (): Lang => useSettings((s) => s.lang);

/** The translator of a dictionary in the language of the page. */
export function useText<K extends string>(text: Text<K>): Translate<K> {
  const lang = useLang();
  return useCallback((key: K, values: Values = {}) => translate(text, lang, key, values), [text, lang]);
}
/** The shell's own texts. */
export const useT = (): Translate<ShellKey> => useText(SHELL);
