// One timeline for the whole machine; everything else is a projection of its cursor. The axis counts trace steps unless ticks are chosen.

import { useEffect, useMemo, useRef } from 'react';
import type { TracePage } from '../../../lab/types.ts';
import type { TraceRecord } from '../../../trace/records.ts';
import { formatNumber, useT } from '../../i18n/index.ts';
import { goto } from '../../shell/actions.ts';
import {
  hasMoved,
  labState,
  session,
  startMoment,
  useAsked,
  useBare,
  useLab,
  useStart,
} from '../../store/lab.ts';
import { useSettings } from '../../store/settings.ts';
import { useUi } from '../../store/ui.ts';
import { ownerOf } from '../../text/owner.ts';
import { useSize } from '../../widgets/use-size.ts';
import { MoreTransport, Transport } from '../transport/index.tsx';
import { draw, heightOf, isMark, LEFT, type Track } from './draw.ts';
import style from './style.module.css';

/** Records drawn one by one at most. A longer history shows the part around the cursor, or the whole as a sample. */
const WINDOW = 1200;
const SAMPLES = 300;
const MARKS = 400;

interface Span extends TracePage {
  readonly sampled: boolean;
  readonly marks: readonly TraceRecord[];
}
const NOTHING: Span = { total: 0, from: 0, rows: [], cursorRow: -1, sampled: false, marks: [] };

/** Rows of the records that built the domains, before the first instruction: not drawn, not counted. */
const built = (): number => startMoment().seq;

async function near(total: number, cursorRow: number): Promise<Span> {
  const from = Math.floor(Math.max(built(), Math.min(total - WINDOW, cursorRow - WINDOW / 2)));
  const page = await session().trace({}, from, WINDOW);
  return { ...page, sampled: false, marks: page.rows.filter(isMark) };
}
/** The whole history: evenly spaced records say who ran and how densely, marks are exact while there are few. */
async function whole(total: number): Promise<Span> {
  const at = Array.from({ length: SAMPLES }, (_, i) =>
    Math.round(built() + (i * (total - 1 - built())) / (SAMPLES - 1)),
  );
  const pages = await Promise.all(at.map((i) => session().trace({}, i, 1)));
  const silent = await session().trace({ types: ['silent', 'ringchange', 'bounce'] }, 0, MARKS);
  return {
    total,
    from: 0,
    rows: pages.flatMap((p) => p.rows),
    cursorRow: pages[0]!.cursorRow,
    sampled: true,
    marks: silent.rows.filter(isMark),
  };
}
async function ask(all: boolean): Promise<Span> {
  const { total, cursorRow } = await session().trace({}, 0, 1);
  return all && total > WINDOW ? whole(total) : near(total, cursorRow);
}

/** Moves the cursor to the record in row i (-1: the start). Only the newest wish counts. */
let wish = -2,
  moving = false;
async function scrub(row: number): Promise<void> {
  wish = row;
  if (moving) return;
  moving = true;
  while (wish !== -2) {
    const i = wish;
    wish = -2;
    const r = i < 0 ? undefined : (await session().trace({}, i, 1)).rows[0];
    if (i < 0) await goto(startMoment());
    else if (r) await goto({ T: r.T, seq: r.seq, within: true });
  }
  moving = false;
}

const PV_TRACKS = 4;
function useTracks(rows: readonly TraceRecord[]): readonly Track[] {
  const domains = useLab((s) => s.domains);
  const theme = useSettings((s) => s.theme);
  return useMemo(() => {
    const css = getComputedStyle(document.documentElement);
    const shown = domains.filter(
      (d) =>
        d.kind === 'pv' ||
        rows.some((r) => r.domid === d.domid || (r.type === 'switch' && r.p[2] === d.domid)),
    );
    return shown.slice(0, PV_TRACKS).map((d) => {
      const o = ownerOf(d.domid, domains);
      return {
        domid: d.domid,
        letter: o.letter,
        colour: css.getPropertyValue(o.colour.slice(4, -1)).trim(),
        dash: o.dash === '' ? [] : o.dash.split(' ').map(Number),
      };
    });
  }, [domains, theme, rows]);
}

function Tracks({ page }: { readonly page: Span }) {
  const rows = page.rows;
  const tracks = useTracks(rows);
  const axis = useSettings((s) => s.axis);
  const theme = useSettings((s) => s.theme);
  const cursor = useLab((s) => s.cursor);
  const [box, { width }] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const xen = !useBare();
  const height = heightOf(tracks.length + (xen ? 1 : 0));
  const inner = width - LEFT - 16;
  const first = rows[0],
    last = rows.at(-1);
  const span = Math.max(1, (last?.T ?? 1) - (first?.T ?? 0)),
    steps = (last?.seq ?? 1) - (first?.seq ?? 1) + 1;
  const bySeq = (seq: number): number => LEFT + ((seq - (first?.seq ?? 1) + 0.5) / steps) * inner;
  const byT = (T: number): number => LEFT + (Math.min(span, Math.max(0, T - (first?.T ?? 0))) / span) * inner;
  const xOf = (r: TraceRecord): number => (axis === 'ticks' ? byT(r.T) : bySeq(r.seq));
  const cursorX =
    axis === 'ticks'
      ? byT(cursor.T)
      : (cursor.T === 0 && !cursor.within && cursor.seq <= built()) || !first
        ? LEFT
        : bySeq(cursor.seq + (cursor.within ? 0 : 0.5));
  const cursorRow = page.sampled
    ? rows.findLastIndex((r) => r.seq <= cursor.seq)
    : page.cursorRow - page.from;
  useEffect(() => {
    const c = canvas.current;
    const g = c?.getContext('2d');
    if (!c || !g || width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    c.width = width * ratio;
    c.height = height * ratio;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    const css = getComputedStyle(document.documentElement);
    const token = (name: string): string => css.getPropertyValue(name).trim();
    draw(
      g,
      {
        width,
        tracks,
        xen,
        letter: theme === 'presenter' ? 18 : 12,
        rows,
        marks: page.marks,
        sampled: page.sampled,
        cursorSeq: cursor.seq,
        xOf,
        cursorX,
        cursorRow,
        ink: token('--ink'),
        quiet: token('--edge'),
        paper: token('--paper'),
        silentFill: token('--silent-fill'),
        silentLine: token('--silent-line'),
      },
      height,
    );
  });
  const pick = (clientX: number): void => {
    const x = clientX - (canvas.current?.getBoundingClientRect().left ?? 0);
    let best = -1,
      distance = x - LEFT + 4;
    rows.forEach((r, i) => {
      const d = Math.abs(xOf(r) - x);
      if (d < distance) {
        distance = d;
        best = i;
      }
    });
    void scrub(best < 0 ? -1 : page.sampled ? rows[best]!.seq - first!.seq : page.from + best);
  };
  return (
    <div ref={box} className={style.tracks} data-theme={theme}>
      <canvas
        ref={canvas}
        style={{ width, height }}
        onPointerDown={(e) => {
          e.currentTarget.setPointerCapture(e.pointerId);
          pick(e.clientX);
        }}
        onPointerMove={(e) => e.buttons === 1 && pick(e.clientX)}
      />
    </div>
  );
}

function Status({ page }: { readonly page: TracePage }) {
  const t = useT();
  const cursor = useLab((s) => s.cursor);
  const phase = useLab((s) => s.phase);
  const counts = useLab((s) => s.counts);
  const stop = useLab((s) => s.stop);
  const bare = useBare();
  const branches = useLab((s) => s.branches);
  const branch = useLab((s) => s.branch);
  const before = useStart().seq;
  const total = page.total - before;
  const moved = useLab(hasMoved);
  return (
    <>
      <p className={style.status}>
        {phase === 'running' && <strong>{t('running')} </strong>}
        <span data-testid="position">
          {!moved
            ? t('nothingYet')
            : total > 0
              ? t('position', { step: page.cursorRow + 1 - before, total, T: cursor.T })
              : t('positionTick', { T: cursor.T })}
        </span>
        {stop.kind === 'end' && phase === 'paused' && <strong> · {t(`end_${stop.reason}`)}</strong>}
      </p>
      <span className={style.spring} />
      {branches.length > 1 && (
        <label className="small nowrap">
          {t('branch')}{' '}
          <select
            className="field"
            value={branch}
            onChange={(e) => void session().switchBranch(Number(e.target.value))}
          >
            {branches.map((b) => (
              <option key={b.id} value={b.id}>
                {b.name}
              </option>
            ))}
          </select>
        </label>
      )}
      {counts.traps + counts.silent > 0 && (
        <p className={style.counts}>
          {bare
            ? t('bareInterrupts', { n: counts.traps })
            : t('counts', { traps: counts.traps, silent: counts.silent })}
        </p>
      )}
    </>
  );
}

export function Timeline() {
  const t = useT();
  const started = useLab((s) => s.config !== undefined && s.phase !== 'loading');
  const all = useUi((s) => s.wholeHistory);
  const { model } = useAsked(started ? `timeline ${all}` : undefined, () => ask(all));
  const page = model ?? NOTHING;
  const row = page.cursorRow;
  const before = useStart().seq;
  const moved = useLab(hasMoved);
  return (
    <div className={style.timeline}>
      <div className={style.bar}>
        <Transport />
        <Status page={page} />
      </div>
      <MoreTransport />
      <Tracks page={moved ? page : NOTHING} />
      <div className={style.scrubRow}>
        {moved && page.total > before && (
          <input
            className={style.scrub}
            type="range"
            aria-label={t('scrub')}
            aria-valuetext={t('position', {
              step: row + 1 - before,
              total: page.total - before,
              T: formatNumber(labState().cursor.T),
            })}
            min={before - 1}
            max={page.total - 1}
            value={row}
            onChange={(e) => void scrub(Number(e.target.value))}
          />
        )}
      </div>
    </div>
  );
}
