// Texts in two languages, typed: both have the same keys, and a missing one does not compile. No React here: the command line, the lessons
// engine and the page use the same.

import { josa } from './josa.ts';

export const LANGS = ['en', 'ko'] as const;
export type Lang = (typeof LANGS)[number];
export type Values = Readonly<Record<string, string | number>>;
export interface Text<K extends string> {
  readonly en: Readonly<Record<K, string>>;
  readonly ko: Readonly<Record<K, string>>;
}

export const defineText = <K extends string>(text: Text<K>): Text<K> => text;

/** Thousands separated, the same in both languages. */
export const formatNumber = (n: number): string => n.toLocaleString('en-US');

/** Fills {name} placeholders; in Korean resolves the particles that follow them. */
export function fill(template: string, values: Values, lang: Lang): string {
  const s = template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const v = values[name];
    return v === undefined ? whole : typeof v === 'number' ? formatNumber(v) : v;
  });
  return lang === 'ko' ? josa(s) : s;
}

export const translate = <K extends string>(text: Text<K>, lang: Lang, key: K, values: Values = {}): string =>
  fill(text[lang][key], values, lang);
