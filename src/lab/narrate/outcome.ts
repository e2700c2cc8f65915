// How a trap ended, read from its records: the answer decides; a frame on the guest's own stack means the fault was handed to it.

import { type Outcome, TRAP_KINDS, type TraceRecord } from '../../trace/records.ts';

/**
 * What a frame on the guest's stack says about the trap that led to it: an exception that is handed on as itself was refused; anything else
 * (INT n through the guest's own table) was done in the guest's place.
 */
export function handedOn(enter: TraceRecord | undefined, bounce: TraceRecord): Outcome {
  const exception = enter?.type === 'trap' && TRAP_KINDS[enter.p[2]!] === 'exception';
  return exception && enter.aux === bounce.aux ? 'refused' : 'emulated';
}

/** The outcome of one trap's records, 'none' while it is not decided. */
export function groupOutcome(records: readonly TraceRecord[]): Outcome {
  let found: Outcome = 'none';
  for (const r of records) {
    if (r.type === 'silent') return 'silent';
    if (r.type === 'ringchange') return 'direct';
    if (r.phase === 'answer' && r.outcome !== 'none') return r.outcome;
    if (r.type === 'bounce') found = handedOn(records[0], r);
    else if (r.outcome !== 'none' && found === 'none' && r.type !== 'check') found = r.outcome;
  }
  return found;
}
