// The control picture in words: 'step 3/6: check — passed'.

import { PHASES, type TraceRecord } from '../../../trace/records.ts';
import type { ShellKey, Translate } from '../../i18n/index.ts';

/** Which of the six phases a record is, 0 when it is outside a trap. */
export const phaseNumber = (r: TraceRecord): number => PHASES.indexOf(r.phase);
export const verdict = (r: TraceRecord): 'passed' | 'refused' | undefined =>
  r.type !== 'check' ? undefined : r.p[0] ? 'passed' : 'refused';

export function stepWords(r: TraceRecord, t: Translate<ShellKey>, happened = true): string {
  const n = r.type === 'ringchange' ? 0 : phaseNumber(r);
  const v = happened ? verdict(r) : undefined;
  const name = t(
    n === 0
      ? r.type === 'silent'
        ? 'outcome_silent'
        : r.type === 'ringchange'
          ? 'outcome_direct'
          : 'aside'
      : (`phase_${r.phase}` as ShellKey),
  );
  const base = n === 0 ? name : t('stepOf', { n, of: 6, name });
  return v ? `${base} — ${t(v === 'passed' ? 'check_passed' : 'check_refused')}` : base;
}
