// Who is in control: the signature view. Picture, the same as an ordered list, the frame, the arguments, and the line of our source that
// decided. Everything is one trap's records.

import rules from 'virtual:rule-lines';
import { hex, hex32 } from '../../../lab/narrate/format.ts';
import { groupOutcome } from '../../../lab/narrate/outcome.ts';
import { ruleName } from '../../../lab/narrate/sentences.ts';
import { TRAP_KINDS, type TraceRecord } from '../../../trace/records.ts';
import { useT } from '../../i18n/index.ts';
import { useBare, useLab } from '../../store/lab.ts';
import { type TrapView, useTrap } from '../../store/trap.ts';
import { useUi } from '../../store/ui.ts';
import { Icon } from '../../widgets/icon.tsx';
import { OutcomeMark } from '../../widgets/outcome.tsx';
import { Sentence } from '../../widgets/sentence.tsx';
import { Value, Values } from '../../widgets/value.tsx';
import type { PanelProps } from '../contract.ts';
import { Doors, useKnocked } from './doors.tsx';
import { Picture } from './picture.tsx';
import style from './style.module.css';
import { stepWords, verdict } from './words.ts';

/** A software interrupt pushes the address behind itself (SDM vol. 3, 6.12.1), a fault its own. */
const LENGTH: Readonly<Record<(typeof TRAP_KINDS)[number], number>> = {
  exception: 0,
  int: 2,
  int3: 1,
  into: 1,
  hypercall: 2,
  deadline: 0,
};

/** The five words the processor pushes when it changes rings, and the error code under them. */
function Frame({ r }: { readonly r: TraceRecord }) {
  const t = useT();
  const kind = TRAP_KINDS[r.p[2]!];
  const eip = (r.eip + LENGTH[kind!]) >>> 0;
  const words = [
    ['SS', hex(r.p[4]!)],
    ['ESP', hex32(r.p[3]!)],
    ['EFLAGS', hex32(r.p[5]!)],
    ['CS', hex(r.cs)],
    ['EIP', hex32(eip)],
    ...(kind === 'exception' && [8, 10, 11, 12, 13, 14, 17].includes(r.aux)
      ? [['', hex(r.p[0]!)] as const]
      : []),
  ] as const;
  return (
    <div className={style.frame}>
      <h3>{t('frame')}</h3>
      <table>
        <tbody>
          {words.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name || t('errorCode')}</th>
              <td className="mono">
                {name === 'EIP' || name === 'ESP' ? (
                  <Value kind="vaddr" value={name === 'EIP' ? eip : r.p[3]!} domid={r.domid}>
                    {value}
                  </Value>
                ) : (
                  value
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const ARGUMENTS = ['EBX', 'ECX', 'EDX', 'ESI', 'EDI'] as const;
/** The registers in which a hypercall says what it wants. */
function Registers({ r }: { readonly r: TraceRecord }) {
  const t = useT();
  return (
    <div className={style.frame}>
      <h3>{t('registers')}</h3>
      <table>
        <tbody>
          <tr>
            <th scope="row">EAX</th>
            <td className="mono">{r.aux}</td>
          </tr>
          {ARGUMENTS.map((name, i) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                <Value kind="vaddr" value={r.p[i]!} domid={r.domid}>
                  {hex32(r.p[i]!)}
                </Value>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The line of ours that decided, found by the build. */
function Source({ r }: { readonly r: TraceRecord }) {
  const t = useT();
  const name = ruleName(r);
  const places = name ? rules[name] : undefined;
  if (!places || places.length === 0) return null;
  const { file, line, text } = places[0]!;
  return (
    <figure className={style.source}>
      <figcaption className="small quiet">{t('xenIsTypeScript')}</figcaption>
      <pre>
        <code>{text}</code>
      </pre>
      <p className="small mono quiet">
        {file}:{line}
        {places.length > 1 ? ` · ${t('otherPlaces', { n: places.length - 1 })}` : ''}
      </p>
    </figure>
  );
}

/** The current step is shown whole, its line of source included. */
const inSight = (step: HTMLLIElement | null): void => step?.scrollIntoView({ block: 'nearest' });

function Steps({ trap }: { readonly trap: TrapView }) {
  const t = useT();
  return (
    <ol className={style.steps} data-testid="steps">
      {trap.records.map((r, i) => {
        const v = i <= trap.at ? verdict(r) : undefined;
        const now = i === trap.at && (trap.within || trap.selected || trap.records.length === 1);
        return (
          <li
            key={r.seq}
            ref={now ? inSight : undefined}
            data-later={i > trap.at || undefined}
            aria-current={now ? 'step' : undefined}
          >
            <span className={style.word}>
              {v && <Icon name={v === 'passed' ? 'check' : 'cross'} />}
              {stepWords(r, t, i <= trap.at)}
            </span>
            <span className={style.sentence}>{i <= trap.at && <Sentence record={r} />}</span>
            {now && <Source r={r} />}
          </li>
        );
      })}
    </ol>
  );
}

export default function Control(_: PanelProps) {
  const t = useT();
  const trap = useTrap();
  const running = useLab((s) => s.phase === 'running');
  const counts = useLab((s) => s.counts);
  const bare = useBare();
  const knocked = useKnocked();
  const doors = useUi((s) => s.doors) && knocked;
  const happened = trap ? trap.records.slice(0, trap.at + 1) : [];
  const enter = happened.find((r) => r.type === 'trap' && r.phase === 'enter');
  const call = happened.find((r) => r.type === 'hypercall');
  return (
    <div className={style.control}>
      {knocked && (
        <button
          type="button"
          className="button edged small"
          aria-pressed={doors}
          onClick={() => useUi.getState().set({ doors: !doors })}
        >
          {t('doors')}
        </button>
      )}
      {doors && !running ? (
        <Doors />
      ) : (
        <div className={style.stage}>
          <Picture trap={running ? undefined : trap} />
        </div>
      )}
      {running ? (
        <p className={style.counters}>
          {bare ? t('bareInterrupts', { n: counts.traps }) : t('runningCounts', { ...counts })}
        </p>
      ) : trap && trap.at >= 0 ? (
        <>
          <p className={style.outcome}>
            <OutcomeMark outcome={groupOutcome(happened)} />
          </p>
          <Steps trap={trap} />
          {enter && (
            <Values label={t('frame')} className={style.tables}>
              <Frame r={enter} />
              {call && <Registers r={call} />}
            </Values>
          )}
        </>
      ) : (
        <p className={style.none}>{t('noTrapHere')}</p>
      )}
    </div>
  );
}
