// A record's sentence with its values alive: what is said here lights up where it stands.

import { sentenceParts } from '../../lab/narrate/sentences.ts';
import type { TraceRecord } from '../../trace/records.ts';
import { useLang } from '../i18n/index.ts';
import type { ValueKind } from '../store/highlight.ts';
import { useLab } from '../store/lab.ts';
import { Value } from './value.tsx';

export function Sentence({ record }: { readonly record: TraceRecord }) {
  const lang = useLang();
  const domains = useLab((s) => s.domains);
  return sentenceParts(record, { lang, domains }).map((p, i) =>
    p.kind === undefined ? (
      p.text
    ) : (
      <Value key={i} kind={p.kind as ValueKind} value={p.value!} domid={record.domid}>
        {p.text}
      </Value>
    ),
  );
}
