// The trap that the page is about: the one a person selected, else the one the cursor stands in or passed last.

import type { Session } from '../../lab/types.ts';
import type { TraceRecord } from '../../trace/records.ts';
import { labState, startMoment, useAsked } from './lab.ts';
import { useUi } from './ui.ts';

export interface TrapView {
  /** All known records of the trap, in order; those beyond the cursor have not happened (again) yet. */
  readonly records: readonly TraceRecord[];
  /** Index of the last one that has happened, -1 for none. */
  readonly at: number;
  /** The machine stands inside it. */
  readonly within: boolean;
  readonly selected: boolean;
}

async function ask(s: Session, selected: number | undefined): Promise<TrapView | undefined> {
  if (selected !== undefined) {
    const records = await s.group(selected);
    return records.length > 0
      ? { records, at: records.length - 1, within: false, selected: true }
      : undefined;
  }
  const { cursor } = labState();
  if (cursor.T === 0 && !cursor.within && cursor.seq <= startMoment().seq) return undefined; // what built the domains is no trap
  const records = await s.group(cursor.seq);
  if (records.length === 0) return undefined;
  let at = -1;
  records.forEach((r, i) => {
    if (r.seq <= cursor.seq) at = i;
  });
  return { records, at, within: cursor.within, selected: false };
}

export function useTrap(): TrapView | undefined {
  const selected = useUi((s) => s.selected);
  return useAsked(`trap ${selected ?? ''}`, (s) => ask(s, selected)).model;
}
