// How a trap ended, read from its records: the answer decides; a frame on the guest's own stack means the fault was handed to it.

import type { Outcome, TraceRecord } from '../../trace/records.ts';

/** The outcome of one trap's records, 'none' while it is not decided. */
export function groupOutcome(records: readonly TraceRecord[]): Outcome {
  let found: Outcome = 'none';
  for (const r of records) {
    if (r.type === 'silent') return 'silent';
    if (r.type === 'ringchange') return 'direct';
    if (r.phase === 'answer' && r.outcome !== 'none') return r.outcome;
    if (r.type === 'bounce') found = 'refused';
    else if (r.outcome !== 'none' && found === 'none' && r.type !== 'check') found = r.outcome;
  }
  return found;
}
