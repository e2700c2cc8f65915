// The plate: rings 3, 1 and 0 as places, the path of the trap, and the token that is control. Drawn in real pixels; the list beside it says
// the same in words, so the picture itself is silent to a screen reader.

import type { CpuModel } from '../../../lab/inspect/cpu.ts';
import type { TraceRecord } from '../../../trace/records.ts';
import { type ShellKey, type Translate, useT } from '../../i18n/index.ts';
import { useBare, useLab, useModel } from '../../store/lab.ts';
import { useSettings } from '../../store/settings.ts';
import type { TrapView } from '../../store/trap.ts';
import { type Owner, ownerOf, XEN_OWNER } from '../../text/owner.ts';
import { useSize } from '../../widgets/use-size.ts';
import style from './style.module.css';
import { verdict } from './words.ts';

const BAND = 58,
  GAP = 10,
  TOP = 6,
  SERVICE = 92;
const RINGS = [3, 1, 0] as const;
const yOf = (ring: number): number => TOP + (ring === 3 ? 0 : ring === 0 ? 2 : 1) * (BAND + GAP);
const HEIGHT = yOf(0) + BAND + 30;

interface Spot {
  readonly x: number;
  readonly y: number;
  readonly record: TraceRecord | undefined;
  readonly label: string;
  readonly done: boolean;
  readonly inXen: boolean;
  /** Happened meanwhile, outside the six phases. */
  readonly aside?: boolean;
}
interface Plate {
  readonly width: number;
  /** Room for the names of the rings, left of the places. */
  readonly label: number;
  readonly columns: readonly Owner[];
  column(domid: number): { readonly x: number; readonly w: number };
}

/** Places side by side; the service domain, which has no kernel to show, gets a narrow one at the end. */
function plateOf(width: number, label: number, columns: readonly Owner[]): Plate {
  const service = columns.some((c) => c.slot === 0) ? SERVICE + 12 : 0;
  const guests = columns.filter((c) => c.slot !== 0);
  const inner = width - label - 2 - service;
  const w = (inner - (guests.length - 1) * 12) / Math.max(1, guests.length);
  return {
    width,
    label,
    columns,
    column: (domid) => {
      const i = guests.findIndex((c) => c.domid === domid);
      if (i < 0 && columns.some((c) => c.domid === domid)) return { x: width - SERVICE - 2, w: SERVICE };
      return { x: label + Math.max(0, i) * (w + 12), w };
    },
  };
}

/** The stations of a trap, left to right: out of a ring, through Xen, back into a ring. */
function spotsOf(trap: TrapView, plate: Plate, t: Translate<ShellKey>): readonly Spot[] {
  const { records, at } = trap;
  const first = records[0]!;
  const home = plate.column(first.domid);
  const mid = (ring: number): number => yOf(ring) + BAND / 2 + 8;
  const label = (r: TraceRecord): string =>
    t((r.phase === 'none' ? 'aside' : `phase_${r.phase}`) as ShellKey);
  if (first.type === 'silent')
    return [{ x: home.x + 26, y: mid(first.cpl), record: first, label: '', done: at >= 0, inXen: false }];
  if (first.type === 'ringchange')
    return [
      {
        x: home.x + home.w * 0.35,
        y: mid(first.p[0]!),
        record: undefined,
        label: '',
        done: true,
        inXen: false,
      },
      {
        x: home.x + home.w * 0.6,
        y: mid(first.p[1]!),
        record: first,
        label: '',
        done: at >= 0,
        inXen: false,
      },
    ];
  const spots: Spot[] = [];
  if (first.type === 'trap')
    spots.push({ x: home.x + 26, y: mid(first.cpl), record: undefined, label: '', done: true, inXen: false });
  const left = plate.label + 26,
    right = plate.width - 30;
  const gap = records.length > 1 ? Math.min(84, (right - left) / (records.length - 1)) : 0;
  let x = left;
  records.forEach((r, i) => {
    const leaves = (r.type === 'trap' && r.phase === 'return') || r.type === 'bounce' || r.type === 'upcall';
    const ring = leaves ? (r.type === 'trap' ? r.cpl : r.p[3]! & 3) : 0;
    const col = plate.column(r.domid);
    const px = leaves ? Math.max(col.x + 26, Math.min(col.x + col.w - 26, x)) : x;
    spots.push({
      x: px,
      y: mid(leaves ? ring : 0),
      record: r,
      label: leaves ? '' : label(r),
      done: i <= at,
      inXen: !leaves,
      aside: r.phase === 'none',
    });
    x += gap;
  });
  return spots;
}

const path = (spots: readonly Spot[]): string =>
  spots
    .map((s, i) => {
      const b = spots[i - 1];
      if (!b) return `M${s.x} ${s.y}`;
      return b.y === s.y
        ? `L${s.x} ${s.y}`
        : `C${b.x} ${(b.y + s.y) / 2} ${s.x} ${(b.y + s.y) / 2} ${s.x} ${s.y}`;
    })
    .join('');

/** Room that a letter and a name take, roughly; where there is less the letter must do. */
const nameWidth = (o: Owner): number => 32 + 8 * o.name.length;

function Places({
  plate,
  here,
  owner,
}: {
  readonly plate: Plate;
  readonly here: number | undefined;
  readonly owner: number;
}) {
  const t = useT();
  const bare = useBare();
  const kernels = plate.columns.filter((c) => c.slot !== 0);
  // Without a hypervisor the kernel has ring 0, and nobody is in ring 1.
  const inRing = (ring: number): readonly Owner[] =>
    ring === 3 ? kernels : ring === 1 ? (bare ? [] : plate.columns) : bare ? kernels : [XEN_OWNER];
  return (
    <>
      {RINGS.map((ring) => (
        <g key={ring}>
          <text x={0} y={yOf(ring) + 24} className={style.ringName}>
            {t(`ring${ring}` as ShellKey)}
          </text>
          <text x={0} y={yOf(ring) + 43} className={style.ringWho}>
            {t(bare && ring !== 3 ? (ring === 0 ? 'ring1who' : 'ringEmpty') : (`ring${ring}who` as ShellKey))}
          </text>
          {inRing(ring).map((o) => {
            const xen = o.slot === 'xen';
            const box = xen ? { x: plate.label, w: plate.width - plate.label - 2 } : plate.column(o.domid);
            return (
              <g key={o.domid} style={{ color: o.colour }}>
                <rect
                  x={box.x}
                  y={yOf(ring)}
                  width={box.w}
                  height={BAND}
                  rx={4}
                  className={style.place}
                  strokeDasharray={o.dash}
                  data-here={(here === ring && (xen || o.domid === owner)) || undefined}
                />
                {ring !== 3 && (
                  <text
                    x={box.x + (xen ? box.w - 10 : 10)}
                    y={yOf(ring) + 20}
                    textAnchor={xen ? 'end' : 'start'}
                    className={style.placeName}
                  >
                    {xen ? 'Xen' : box.w < nameWidth(o) ? o.letter : `${o.letter}  ${o.name}`}
                  </text>
                )}
              </g>
            );
          })}
        </g>
      ))}
    </>
  );
}

function Station({
  s,
  current,
  crowded,
}: {
  readonly s: Spot;
  readonly current: boolean;
  readonly crowded: boolean;
}) {
  const v = s.record && s.done ? verdict(s.record) : undefined;
  return (
    <g data-done={s.done || undefined}>
      <circle
        cx={s.x}
        cy={s.y}
        r={s.aside ? 3 : 5.5}
        className={s.done ? style.stationDone : style.station}
      />
      {v === 'passed' && <path d={`M${s.x - 4} ${s.y - 15}l3 3l6 -7`} className={style.tick} />}
      {v === 'refused' && <path d={`M${s.x - 4} ${s.y - 19}l8 8m0 -8l-8 8`} className={style.tick} />}
      {s.label !== '' && (current || (!crowded && s.aside !== true)) && (
        <text
          x={s.x}
          y={yOf(0) + BAND + 20}
          textAnchor="middle"
          className={current ? style.stationNow : s.done ? style.stationName : style.stationLater}
        >
          {s.label}
        </text>
      )}
    </g>
  );
}

function Lie({ r, x, y }: { readonly r: TraceRecord; readonly x: number; readonly y: number }) {
  const t = useT();
  const bits = r.p[3]!;
  const one = bits !== 0 && (bits & (bits - 1)) === 0;
  const show = (n: number): string => (one ? String(n & bits ? 1 : 0) : `0x${n.toString(16)}`);
  const text = t('lie', { asked: show(r.p[0]!), got: show(r.p[1]!) });
  // Hangul is as wide as it is high, Latin about half.
  const w = [...text].reduce((sum, c) => sum + (c > '\u1100' ? 13 : 6.9), 24);
  return (
    <g>
      <rect x={x + 18} y={y - 15} width={w} height={30} className={style.lie} />
      <rect x={x + 21} y={y - 12} width={w - 6} height={24} className={style.lieLine} />
      <text x={x + 18 + w / 2} y={y + 4.5} textAnchor="middle" className={style.lieText}>
        {text}
      </text>
    </g>
  );
}

export function Picture({ trap }: { readonly trap: TrapView | undefined }) {
  const t = useT();
  const [ref, { width }] = useSize<HTMLDivElement>();
  const domains = useLab((s) => s.domains);
  const running = useLab((s) => s.running);
  const T = useLab((s) => s.cursor.T);
  const bare = useBare();
  // A machine that is off is in nobody's control.
  const off = useLab(
    (s) =>
      s.phase === 'paused' && s.stop.kind === 'end' && s.stop.reason !== 'idle' && s.stop.reason !== 'limit',
  );
  const label = useSettings((s) => (s.theme === 'presenter' ? 116 : 92));
  const shown = domains.filter(
    (d) => d.kind === 'pv' || d.domid === running || trap?.records.some((r) => r.domid === d.domid),
  );
  const plate = plateOf(
    width,
    label,
    (shown.length > 0 ? shown : [{ domid: 1 }]).map((d) => ownerOf(d.domid, domains)),
  );
  const spots = trap && trap.records.length > 0 ? spotsOf(trap, plate, t) : [];
  const done = spots.filter((s) => s.done);
  const last = done.at(-1);
  const inside = last !== undefined && (trap!.within || trap!.selected || last.record?.type === 'silent');
  const first = (plate.columns.find((c) => c.slot !== 0) ?? plate.columns[0])!;
  const home = running ?? (T === 0 || bare ? first.domid : undefined);
  const resting = home === undefined ? { x: label } : plate.column(home);
  // Between two instructions the processor itself says in which ring it is.
  const cpu = useModel<CpuModel | null>(home === undefined ? undefined : 'cpu', { domid: home }).model;
  const rest = {
    x: resting.x + 26,
    y: yOf(home === undefined ? 0 : (cpu?.cpl ?? (bare ? 0 : 1))) + BAND / 2 + 8,
    inXen: home === undefined,
    record: undefined,
  };
  const token = inside || (last && !last.inXen && last.record?.domid === running) ? last! : rest;
  const owner = token.inXen ? XEN_OWNER : ownerOf(token.record?.domid ?? home ?? first.domid, domains);
  const crowded = spots.length > 1 && (width - label - 56) / (spots.length - 1) < 50;
  const ring = RINGS.find((r) => token.y > yOf(r) && token.y < yOf(r) + BAND);
  // Only while the machine stands at the instruction that was told nothing: one step on it is history.
  const lie = last?.record?.type === 'silent' && (trap?.selected || T <= last.record.T) ? last : undefined;
  return (
    <div ref={ref} className={style.picture} aria-hidden="true">
      {width > 0 && (
        <svg aria-hidden="true" width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`}>
          <Places plate={plate} here={off ? undefined : ring} owner={owner.domid} />
          {spots.length > 1 && <path d={path(spots)} className={style.pathLater} />}
          {done.length > 1 && <path d={path(done)} className={style.path} />}
          {spots
            .filter((s) => s.record)
            .map((s) => (
              <Station key={s.record!.seq} s={s} current={s === last && inside} crowded={crowded} />
            ))}
          {lie && <Lie r={lie.record!} x={lie.x} y={lie.y} />}
          {!off && (
            <g
              className={style.token}
              style={{ transform: `translate(${token.x}px, ${token.y}px)`, color: owner.colour }}
            >
              <circle r={11} fill="currentColor" />
              <text y={4.5} textAnchor="middle" className={style.tokenLetter}>
                {owner.letter}
              </text>
            </g>
          )}
        </svg>
      )}
    </div>
  );
}
