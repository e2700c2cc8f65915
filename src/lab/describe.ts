// Records as sentences for whoever has no page: the command line, the trap log's text filter. The words are narrate/'s, once for all.

import type { TraceRecord } from '../trace/records.ts';
import type { Lang } from './i18n/text.ts';
import { type Part, sentenceParts } from './narrate/sentences.ts';

export type { Part } from './narrate/sentences.ts';

/** The sentence of one record, values apart from words. Domains go by their numbers. */
export const describeRecord = (r: TraceRecord, language: Lang): Part[] =>
  sentenceParts(r, { lang: language, domains: [] });

/** Bytes as text, one character a byte. */
export const text = (data: Uint8Array | undefined): string =>
  data ? String.fromCharCode(...data.subarray(0, 4096)) : '';
