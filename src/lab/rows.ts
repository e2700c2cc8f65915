// The trace log's rows: which records match a query, kept as growing lists of seqs, so that half a million rows cost one pass.

import { OUT, OUTCOMES, PH, RECORD_TYPES, RT, type TraceRecord } from '../trace/records.ts';
import { describeRecord } from './describe.ts';
import type { History } from './history.ts';
import { handedOn } from './narrate/outcome.ts';
import type { TraceQuery, TraceRow } from './types.ts';

/** Types that stand as a row of their own when rows are whole traps. */
const STANDALONE = new Set<number>([
  RT.ringchange,
  RT.silent,
  RT.upcall,
  RT.switch,
  RT.idle,
  RT.event,
  RT.domain,
  RT.input,
  RT.panic,
  RT.watch,
  RT.ud,
]);
/** A trap's records follow its enter record within this many. */
const GROUP_REACH = 4096;

export class Rows {
  private readonly history: History;
  private readonly query: TraceQuery;
  private readonly types: Set<number> | undefined;
  private list: number[] = [];
  private seen = 0;

  constructor(history: History, query: TraceQuery) {
    this.history = history;
    this.query = query;
    this.types = query.types
      ? new Set(query.types.map((t) => RECORD_TYPES.findIndex((r) => r[0] === t)))
      : undefined;
  }

  /** seqs of matching records, oldest first. */
  get seqs(): readonly number[] {
    const { history } = this;
    for (let seq = Math.max(this.seen + 1, history.first); seq <= history.last; seq++)
      if (this.matches(seq)) this.list.push(seq);
    this.seen = history.last;
    if (this.list.length > 0 && this.list[0]! < history.first)
      this.list = this.list.filter((s) => s >= history.first);
    return this.list;
  }

  matches(seq: number): boolean {
    const { history, query } = this;
    const type = history.typeOf(seq);
    if (this.types && !this.types.has(type)) return false;
    if (query.domid !== undefined && history.domidOf(seq) !== query.domid) return false;
    if (query.groups && !(type === RT.trap ? history.phaseOf(seq) === PH.enter : STANDALONE.has(type)))
      return false;
    if (query.outcome !== undefined && OUTCOMES[groupOutcome(history, seq)] !== query.outcome) return false;
    if (query.text) {
      const record = history.get(seq);
      const words = record
        ? `${record.type} ${describeRecord(record, 'en')
            .map((p) => p.text)
            .join('')}`
        : '';
      if (!words.toLowerCase().includes(query.text.toLowerCase())) return false;
    }
    return true;
  }
}

/** The outcome of a whole trap: that of its answer, for other records their own. */
export function groupOutcome(history: History, seq: number): number {
  if (history.typeOf(seq) !== RT.trap || history.phaseOf(seq) !== PH.enter) return history.outcomeOf(seq);
  let outcome = 0;
  for (let s = seq + 1; s <= history.last && s <= seq + GROUP_REACH; s++) {
    if (history.typeOf(s) === RT.trap) {
      if (history.phaseOf(s) === PH.return && outcome === 0) outcome = history.outcomeOf(s);
      break;
    }
    if (history.phaseOf(s) === PH.answer && history.outcomeOf(s) !== 0) outcome = history.outcomeOf(s);
    else if (history.typeOf(s) === RT.bounce && outcome === 0)
      outcome = OUT[handedOn(history.get(seq), history.get(s)!)];
  }
  return outcome;
}

/** The record that says which hypercall a trap is follows its enter record at once. */
function callOf(history: History, enter: TraceRecord): number | undefined {
  if (enter.type !== 'trap' || enter.phase !== 'enter' || !history.has(enter.seq + 1)) return undefined;
  return history.typeOf(enter.seq + 1) === RT.hypercall ? history.get(enter.seq + 1)?.aux : undefined;
}

/** A trap's enter record with what became of it, as the log shows it. */
export function groupRow(history: History, seq: number): TraceRow | undefined {
  const record = history.get(seq);
  if (!record) return undefined;
  const call = callOf(history, record);
  return {
    ...record,
    outcome: OUTCOMES[groupOutcome(history, seq)] ?? 'none',
    ...(call === undefined ? {} : { call }),
  };
}

/** All records of the trap that record `seq` belongs to, from its enter record to its return. */
export function groupOf(history: History, seq: number): TraceRecord[] {
  let start = 0;
  for (let s = seq; s >= history.first && s > 0 && s > seq - GROUP_REACH; s--) {
    const type = history.typeOf(s);
    if (type === RT.trap && history.phaseOf(s) === PH.enter) {
      start = s;
      break;
    }
    // The trap before has returned, or another vCPU has taken over: this record stands alone.
    if (s !== seq && (type === RT.trap || type === RT.switch)) break;
  }
  if (start === 0) {
    const alone = history.get(seq);
    return alone ? [alone] : [];
  }
  const out: TraceRecord[] = [];
  for (let s = start; s <= history.last && s < start + GROUP_REACH; s++) {
    const record = history.get(s);
    if (!record || (s > start && record.type === 'trap' && record.phase === 'enter')) break;
    out.push(record);
    if (record.type === 'switch' || (record.type === 'trap' && record.phase === 'return')) break;
  }
  return out;
}
