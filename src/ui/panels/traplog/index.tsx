// Every privileged moment as a row: who, what, from where to where, how it ended. Only the rows on screen exist; they are fetched in pages,
// so half a million rows cost what fifty do.

// biome-ignore-all lint/a11y/useSemanticElements: rows are virtual, a table cannot hold them
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid holds the focus and names the active row
// biome-ignore-all lint/a11y/useKeyWithClickEvents: Enter in the grid does the same

import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, memo, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { hypercallName } from '../../../lab/narrate/names.ts';
import { fromTo, headline } from '../../../lab/narrate/sentences.ts';
import type { TraceQuery, TraceRow } from '../../../lab/types.ts';
import { OUTCOMES, type Outcome, type TraceRecord } from '../../../trace/records.ts';
import { formatNumber, type ShellKey, useLang, useT } from '../../i18n/index.ts';
import { goto } from '../../shell/actions.ts';
import { hasMoved, labState, session, useBare, useLab, useStart } from '../../store/lab.ts';
import { useSettings } from '../../store/settings.ts';
import { useUi } from '../../store/ui.ts';
import { ownerOf } from '../../text/owner.ts';
import { Badge } from '../../widgets/badge.tsx';
import { OutcomeMark } from '../../widgets/outcome.tsx';
import type { PanelProps } from '../contract.ts';
import { usePages } from './pages.ts';
import style from './style.module.css';

const ROW = 28;
/** Where control goes, as record types. */
const WAYS: Readonly<Record<string, readonly string[] | undefined>> = {
  any: ['trap'],
  moments: undefined,

  toGuest: ['bounce', 'upcall'],
  direct: ['ringchange'],
  stays: ['silent'],
  domains: ['switch'],
  checks: ['check'],
  all: [],
};
interface Filter {
  readonly who: string;
  readonly way: string;
  readonly outcome: string;
  readonly text: string;
}
const ALL: Filter = { who: '', way: 'any', outcome: '', text: '' };
/** Without a hypervisor nothing is handed to Xen: every record stands in the log. */
const BARE_ALL: Filter = { ...ALL, way: 'all' };
function queryOf(f: Filter): TraceQuery {
  const types = WAYS[f.way];
  return {
    ...(types === undefined
      ? { groups: true }
      : types.length > 0
        ? { types, groups: types.includes('trap') }
        : {}),
    ...(f.who === '' ? {} : { domid: Number(f.who) }),
    ...(f.outcome === '' ? {} : { outcome: f.outcome }),
    ...(f.text === '' ? {} : { text: f.text }),
  };
}

function Filters({ filter, set }: { readonly filter: Filter; readonly set: (f: Filter) => void }) {
  const t = useT();
  const bare = useBare();
  const domains = useLab((s) => s.domains);
  return (
    <div className={style.filters}>
      <label>
        {t('f_who')}
        <select
          className="field"
          value={filter.who}
          onChange={(e) => set({ ...filter, who: e.target.value })}
        >
          <option value="">{t('anyDomain')}</option>
          {domains.map((d) => (
            <option key={d.domid} value={d.domid}>
              {d.name}
            </option>
          ))}
        </select>
      </label>
      {!bare && (
        <label>
          {t('f_way')}
          <select
            className="field"
            value={filter.way}
            onChange={(e) => set({ ...filter, way: e.target.value })}
          >
            {Object.keys(WAYS).map((w) => (
              <option key={w} value={w}>
                {t(`way_${w}` as ShellKey)}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        {t('f_outcome')}
        <select
          className="field"
          value={filter.outcome}
          onChange={(e) => set({ ...filter, outcome: e.target.value })}
        >
          <option value="">{t('anyOutcome')}</option>
          {OUTCOMES.slice(1).map((o) => (
            <option key={o} value={o}>
              {t(`outcome_${o}` as ShellKey)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t('f_text')}
        <input
          className="field"
          value={filter.text}
          onChange={(e) => set({ ...filter, text: e.target.value })}
        />
      </label>
    </div>
  );
}

/** Drawn again only when its own record or marks change: scrolling costs the rows that come in. */
const Row = memo(function Row({
  r,
  top,
  index,
  later,
  selected,
  cursor,
  onPick,
}: {
  readonly r: TraceRow | undefined;
  readonly top: number;
  readonly index: number;
  readonly later: boolean;
  readonly selected: boolean;
  readonly cursor: boolean;
  readonly onPick: (r: TraceRecord, index: number) => void;
}) {
  const lang = useLang();
  const domains = useLab((s) => s.domains);
  // Steps are counted from the first instruction, as the timeline counts them.
  const built = useStart().seq;
  const ctx = { lang, domains };
  if (!r) return <div className={style.row} style={{ transform: `translateY(${top}px)` }} />;
  const [from, to] = fromTo(r, ctx);
  return (
    <div
      id={`trap-${index}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      className={style.row}
      style={{ transform: `translateY(${top}px)` }}
      data-later={later || undefined}
      data-cursor={cursor || undefined}
      onClick={() => onPick(r, index)}
      onDoubleClick={() => void goto({ T: r.T, seq: r.seq, within: true })}
    >
      <span role="gridcell" className={style.number}>
        {r.seq > built ? formatNumber(r.seq - built) : '–'}
      </span>
      <span role="gridcell">
        <Badge owner={ownerOf(r.domid, domains)} size={18} />
      </span>
      <span role="gridcell" className={`mono ${style.what}`} title={headline(r, ctx)}>
        {r.call === undefined ? headline(r, ctx) : hypercallName(r.call)}
      </span>
      <span role="gridcell" className={`mono nowrap ${style.way}`}>
        {from === to ? from : `${from} → ${to}`}
      </span>
      <span role="gridcell">
        <OutcomeMark outcome={r.outcome as Outcome} />
      </span>
    </div>
  );
});

const pick = (r: TraceRecord): void =>
  useUi.getState().set({ selected: r.type === 'trap' || !r.cause ? r.seq : r.cause });

export default function TrapLog(_: PanelProps) {
  const t = useT();
  const bare = useBare();
  const [chosen, setFilter] = useState<Filter>();
  const filter = chosen ?? (bare ? BARE_ALL : ALL);
  const [open, setOpen] = useState(false);
  const query = useMemo(() => queryOf(filter), [filter]);
  const { total, cursorRow, row, want } = usePages(query);
  const scroller = useRef<HTMLDivElement>(null);
  const presenting = useSettings((s) => s.theme === 'presenter');
  const [active, setActive] = useState(-1);
  const selected = useUi((s) => s.selected);
  const any = useLab(hasMoved);
  const list = useVirtualizer({
    count: total,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 8,
    useFlushSync: false,
  });
  const items = list.getVirtualItems();
  const first = items[0]?.index ?? 0,
    last = items.at(-1)?.index ?? 0;
  useEffect(() => want(first, last), [first, last, want]);
  useEffect(() => {
    if (cursorRow >= 0 && labState().phase === 'paused') list.scrollToIndex(cursorRow, { align: 'auto' });
  }, [cursorRow, total]);
  const onPick = useCallback((r: TraceRecord, index: number): void => {
    setActive(index);
    pick(r);
  }, []);
  const move = (e: KeyboardEvent): void => {
    if (presenting && e.key.startsWith('Page')) return; // a clicker's keys are beats
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -total, End: total }[e.key];
    const here = active < 0 ? cursorRow : active;
    if (by !== undefined) {
      const next = Math.max(0, Math.min(total - 1, here + by));
      setActive(next);
      list.scrollToIndex(next);
      const r = row(next);
      if (r) pick(r);
      else
        void session()
          .trace(query, next, 1)
          .then((p) => p.rows[0] && pick(p.rows[0]));
      e.preventDefault();
    } else if (e.key === 'Enter') {
      const r = row(here);
      if (r) void goto({ T: r.T, seq: r.seq, within: true });
      e.preventDefault();
    }
  };
  if (!any) return <p className={style.empty}>{t('noTrapYet')}</p>;
  return (
    <div className={style.log}>
      <div className={style.tools}>
        <button type="button" className="button edged" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t('filter')}
        </button>
        <span className="small quiet" data-testid="trap-total">
          {t('rows', { n: total })}
        </span>
      </div>
      {open && <Filters filter={filter} set={setFilter} />}
      <div className={style.head} aria-hidden="true">
        <span>{t('f_step')}</span>
        <span>{t('f_who')}</span>
        <span>{t('f_what')}</span>
        <span className={style.way}>{t('f_way')}</span>
        <span>{t('f_outcome')}</span>
      </div>
      {total === 0 && <p className={style.empty}>{t('noRow')}</p>}
      <div
        ref={scroller}
        className={style.scroll}
        role="grid"
        aria-label={t('trapLog')}
        aria-rowcount={total + 1}
        tabIndex={0}
        onKeyDown={move}
        {...(active >= 0 ? { 'aria-activedescendant': `trap-${active}` } : {})}
      >
        <div role="rowgroup" style={{ height: list.getTotalSize(), position: 'relative' }}>
          {items.map((v) => {
            const r = row(v.index);
            return (
              <Row
                key={v.key}
                r={r}
                index={v.index}
                top={v.start}
                later={v.index > cursorRow}
                cursor={v.index === cursorRow}
                selected={
                  r !== undefined && selected !== undefined && (r.seq === selected || r.cause === selected)
                }
                onPick={onPick}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}
