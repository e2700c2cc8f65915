// Pages of a query, fetched as they come into view and forgotten when the machine moved on another branch of history.

import { useCallback, useEffect, useRef, useState } from 'react';
import type { TraceQuery, TraceRow } from '../../../lab/types.ts';
import { session, useLab } from '../../store/lab.ts';

const PAGE = 128;
const KEPT = 40;

interface Pages {
  readonly total: number;
  readonly cursorRow: number;
  row(index: number): TraceRow | undefined;
  /** Tells which rows are on screen. */
  want(first: number, last: number): void;
}

export function usePages(query: TraceQuery): Pages {
  const revision = useLab((s) => s.revision);
  const branch = useLab((s) => s.branch);
  const config = useLab((s) => s.config);
  const [, redraw] = useState(0);
  const box = useRef({
    pages: new Map<number, readonly TraceRow[]>(),
    full: new Set<number>(),
    total: 0,
    cursorRow: -1,
    first: 0,
    last: 0,
    busy: false,
    again: false,
    query,
  });
  const b = box.current;
  b.query = query;

  const load = useCallback(async (): Promise<void> => {
    if (b.busy) {
      b.again = true;
      return;
    }
    b.busy = true;
    do {
      b.again = false;
      const asked = b.query;
      for (let p = Math.floor(b.first / PAGE); p <= Math.floor(b.last / PAGE); p++) {
        if (b.full.has(p) && p * PAGE + PAGE < b.total && p > Math.floor(b.first / PAGE)) continue;
        const page = await session()
          .trace(asked, p * PAGE, PAGE)
          .catch(() => undefined);
        if (!page || asked !== b.query) break;
        b.total = page.total;
        b.cursorRow = page.cursorRow;
        b.pages.set(p, page.rows);
        if (page.rows.length === PAGE) b.full.add(p);
        if (b.pages.size > KEPT) {
          const far = [...b.pages.keys()].sort((x, y) => Math.abs(y - p) - Math.abs(x - p))[0]!;
          b.pages.delete(far);
          b.full.delete(far);
        }
      }
      redraw((n) => n + 1);
    } while (b.again);
    b.busy = false;
  }, [b]);

  useEffect(() => {
    b.pages.clear();
    b.full.clear();
    b.total = 0;
    b.cursorRow = -1;
    void load();
  }, [query, branch, config, load, b]);
  useEffect(() => void load(), [revision, load]);
  const want = useCallback(
    (first: number, last: number): void => {
      const news =
        Math.floor(first / PAGE) !== Math.floor(b.first / PAGE) ||
        Math.floor(last / PAGE) !== Math.floor(b.last / PAGE);
      b.first = first;
      b.last = last;
      if (news) void load();
    },
    [b, load],
  );
  const row = useCallback(
    (index: number): TraceRow | undefined => b.pages.get(Math.floor(index / PAGE))?.[index % PAGE],
    [b],
  );
  return { total: b.total, cursorRow: b.cursorRow, row, want };
}
