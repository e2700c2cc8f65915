// Looking without touching: inspectors, pages of the trap log, whole traps, console text, all as of the cursor.

import type { TraceRecord } from '../trace/records.ts';
import { text } from './describe.ts';
import { type Inspector, INSPECTORS } from './inspect/index.ts';
import type { LabMachine } from './inputs.ts';
import type { View } from './inspect/view.ts';
import { groupOf, groupRow, Rows } from './rows.ts';
import type { Timeline } from './timeline.ts';
import type { Direction, ImageMap, TracePage, TraceQuery, TraceRow } from './types.ts';

/** Queries whose rows are remembered. */
const MAX_QUERIES = 12;

export class Look {
  private readonly timeline: () => Timeline<LabMachine>;
  private readonly cursor: () => number;
  private readonly imageMap: (sha256: string) => ImageMap | undefined;
  private rows = new Map<string, Rows>();

  /** `cursor` is the seq of the last record that has happened. */
  constructor(
    timeline: () => Timeline<LabMachine>,
    cursor: () => number,
    imageMap: (sha256: string) => ImageMap | undefined,
  ) {
    this.timeline = timeline;
    this.cursor = cursor;
    this.imageMap = imageMap;
  }
  /** The history has been replaced. */
  forget(): void {
    this.rows.clear();
  }

  inspect(name: string, args: unknown): unknown {
    const inspector = (INSPECTORS as Readonly<Record<string, Inspector>>)[name];
    if (!inspector) throw new Error(`no inspector is called ${name}`);
    return inspector(this.view(), args as never);
  }

  view(): View {
    const tl = this.timeline();
    const { history } = tl;
    const last = Math.min(this.cursor(), history.last);
    return {
      m: tl.machine.m,
      frames: tl.machine.frames,
      mmu: tl.machine.mmu,
      history: {
        length: Math.max(0, last - history.first + 1),
        at: (i) => history.get(history.first + i)!,
        bySeq: (seq) => (seq <= last ? history.get(seq) : undefined),
      },
      imageMap: this.imageMap,
    };
  }

  private rowsOf(query: TraceQuery): Rows {
    const key = JSON.stringify(query);
    let rows = this.rows.get(key);
    if (!rows) {
      if (this.rows.size > MAX_QUERIES) this.rows.clear();
      rows = new Rows(this.timeline().history, query);
      this.rows.set(key, rows);
    }
    return rows;
  }

  trace(query: TraceQuery, from: number, count: number): TracePage {
    const { history } = this.timeline();
    const seqs = this.rowsOf(query).seqs;
    const rows: TraceRow[] = [];
    for (let i = Math.max(0, from); i < Math.min(seqs.length, from + Math.min(count, 4096)); i++) {
      const row = query.groups ? groupRow(history, seqs[i]!) : history.get(seqs[i]!);
      if (row) rows.push(row);
    }
    return { total: seqs.length, from, rows, cursorRow: lastAtMost(seqs, this.cursor()) };
  }

  group(seq: number): readonly TraceRecord[] {
    return this.timeline().history.has(seq) ? groupOf(this.timeline().history, seq) : [];
  }

  find(query: TraceQuery, direction: Direction): TraceRecord | undefined {
    const seqs = this.rowsOf(query).seqs;
    const at = lastAtMost(seqs, this.cursor());
    const index = direction === 1 ? at + 1 : seqs[at] === this.cursor() ? at - 1 : at;
    const seq = seqs[index];
    return seq === undefined ? undefined : this.timeline().history.get(seq);
  }

  consoleText(domid: number): { text: string; laterLines: number } {
    const { history } = this.timeline();
    const seqs = this.rowsOf({ domid, types: ['console'] }).seqs;
    let past = '',
      later = 0;
    for (const seq of seqs) {
      const data = text(history.get(seq)?.data);
      if (seq <= this.cursor()) past += data;
      else later += data.split('\n').length - 1;
    }
    return { text: past.slice(-200_000), laterLines: later };
  }
}

/** Index of the last element <= value, -1 when there is none. */
function lastAtMost(sorted: readonly number[], value: number): number {
  let lo = 0,
    hi = sorted.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (sorted[mid]! <= value) lo = mid + 1;
    else hi = mid;
  }
  return lo - 1;
}
