// Three doors side by side: the same instruction, INT n, from two rings through two gates. Each small path is drawn from the records of this
// run, and stays closed until somebody has knocked there.

import { groupOutcome } from '../../../lab/narrate/outcome.ts';
import type { Session } from '../../../lab/types.ts';
import { TRAP_KINDS, type TraceRecord } from '../../../trace/records.ts';
import { type ShellKey, useT } from '../../i18n/index.ts';
import { labState, useAsked, useLab } from '../../store/lab.ts';
import { useUi } from '../../store/ui.ts';
import { ownerOf } from '../../text/owner.ts';
import { OutcomeMark } from '../../widgets/outcome.tsx';
import style from './style.module.css';

type DoorId = 'direct' | 'hypercall' | 'refused';
interface Door {
  readonly id: DoorId;
  /** The records of the first knock at this door, none when it is closed still. */
  readonly records: readonly TraceRecord[];
  /** How many of them have happened at the cursor; the rest is known future. */
  readonly done: number;
}
const SYSTEM_CALL = 0x80;
const HYPERCALL = 0x82;
const GP = 13;
/** The error code of a refused INT 0x82: the gate's place in the table, and that it was the table (SDM vol. 3, 6.13). */
const REFUSED_GATE = HYPERCALL * 8 + 2;
const PAGE = 1024;

const isDirect = (r: TraceRecord): boolean =>
  r.type === 'ringchange' && r.aux === SYSTEM_CALL && r.p[0] === 3;
const isTrap = (r: TraceRecord): boolean => r.type === 'trap' && r.phase === 'enter';
const KNOCKS: readonly (readonly [DoorId, (r: TraceRecord) => boolean])[] = [
  ['direct', isDirect],
  ['hypercall', (r) => isTrap(r) && TRAP_KINDS[r.p[2]!] === 'hypercall' && r.cpl === 1],
  ['refused', (r) => isTrap(r) && r.aux === GP && r.p[0] === REFUSED_GATE && r.cpl === 3],
];

/** A door opens when the cursor is at its knock or later; what is still to come of that trap is drawn as the future it is. */
async function ask(s: Session): Promise<readonly Door[]> {
  const now = labState().cursor.seq;
  const found = new Map<DoorId, TraceRecord>();
  const query = { types: ['trap', 'ringchange'] };
  for (let from = 0; found.size < KNOCKS.length; from += PAGE) {
    const { rows, total } = await s.trace(query, from, PAGE);
    for (const r of rows)
      for (const [id, knocks] of KNOCKS) if (r.seq <= now && !found.has(id) && knocks(r)) found.set(id, r);
    if (from + PAGE >= total || (rows.at(-1)?.seq ?? 0) > now) break;
  }
  return Promise.all(
    KNOCKS.map(async ([id]) => {
      const first = found.get(id);
      const group = first ? await s.group(first.seq) : [];
      return { id, records: group, done: group.filter((r) => r.seq <= now).length };
    }),
  );
}

const W = 150,
  ROW = 30,
  TOP = 16,
  LEFT = 22;
const yOf = (ring: number): number => TOP + (ring === 3 ? 0 : ring === 0 ? 2 : 1) * ROW;

/** The rings in which control was, in order, as the records say. */
export function stationsOf(records: readonly TraceRecord[]): readonly number[] {
  const out: number[] = [];
  const to = (ring: number): void => {
    if (out.at(-1) !== ring) out.push(ring);
  };
  for (const r of records) {
    if (r.type === 'ringchange') {
      to(r.p[0]!);
      to(r.p[1]!);
    } else if (r.type === 'trap') {
      to(r.cpl);
      if (r.phase === 'enter') to(0);
    } else if (r.type === 'bounce' || r.type === 'upcall') to(r.p[3]! & 3);
  }
  // A fault handed on returns to the handler, not to where it came from: the frame said so already.
  const handed = records.findIndex((r) => r.type === 'bounce');
  return handed < 0 ? out : out.slice(0, out.indexOf(records[handed]!.p[3]! & 3, 1) + 1);
}

function Path({ door, colour }: { readonly door: Door; readonly colour: string }) {
  const stations = stationsOf(door.records);
  const step = (W - LEFT - 24) / Math.max(1, stations.length - 1);
  const done = stationsOf(door.records.slice(0, door.done)).length;
  const at = (i: number): string => `${LEFT + 12 + i * step} ${yOf(stations[i]!)}`;
  const along = (n: number): string =>
    `M${stations
      .slice(0, n)
      .map((_, i) => at(i))
      .join('L')}`;
  return (
    <svg viewBox={`0 0 ${W} ${TOP * 2 + 2 * ROW}`} aria-hidden="true">
      {[3, 1, 0].map((ring) => (
        <g key={ring}>
          <text x={0} y={yOf(ring) + 5} className={style.doorRing}>
            {ring}
          </text>
          <line x1={LEFT} x2={W} y1={yOf(ring)} y2={yOf(ring)} className={style.doorLine} />
        </g>
      ))}
      {stations.length > 1 && <path d={along(stations.length)} className={style.pathLater} />}
      {done > 1 && <path d={along(done)} className={style.path} />}
      {stations.map((ring, i) => (
        <circle
          key={at(i)}
          cx={LEFT + 12 + i * step}
          cy={yOf(ring)}
          r={5}
          fill={i >= done ? 'var(--paper)' : ring === 0 ? 'var(--xen)' : colour}
          stroke={i >= done ? 'var(--edge)' : 'var(--paper)'}
          strokeWidth={1.5}
        />
      ))}
    </svg>
  );
}

export function Doors() {
  const t = useT();
  const domains = useLab((s) => s.domains);
  const { model } = useAsked('doors', ask);
  if (!model) return null;
  return (
    <section className={style.doors} aria-label={t('doors')} data-testid="doors">
      {model.map((door) => {
        const first = door.records[0];
        return (
          <article key={door.id} data-door={door.id} data-open={first !== undefined}>
            <h3 className="small">{t(`door_${door.id}` as ShellKey)}</h3>
            <Path door={door} colour={first ? ownerOf(first.domid, domains).colour : 'var(--edge)'} />
            {first ? (
              <>
                <p className="small">
                  <OutcomeMark outcome={groupOutcome(door.records)} />
                </p>
                <p className="small">
                  {t(`door_${door.id}Says` as ShellKey, { code: `0x${first.p[0]!.toString(16)}` })}
                </p>
                <button
                  type="button"
                  className="button edged small"
                  aria-label={`${t('door_look')}: ${t(`door_${door.id}` as ShellKey)}`}
                  onClick={() => useUi.getState().set({ selected: first.seq })}
                >
                  {t('door_look')}
                </button>
              </>
            ) : (
              <p className="small quiet">{t('door_closed')}</p>
            )}
          </article>
        );
      })}
    </section>
  );
}

/** True once somebody has gone from ring 3 to the kernel through a gate, or tried: from then on the doors are worth a look. */
export const useKnocked = (): boolean =>
  useAsked('knocked', async (s) => {
    const now = labState().cursor.seq;
    const direct = await s.trace({ types: ['ringchange'] }, 0, 1);
    return (direct.rows[0]?.seq ?? Number.POSITIVE_INFINITY) <= now;
  }).model === true;
