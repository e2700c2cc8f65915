// Run, pause and step, both ways. Three buttons at first; the others wait behind one.

import type { StepKind } from '../../../lab/types.ts';
import { type ShellKey, useT } from '../../i18n/index.ts';
import { goto, runOrPause, step } from '../../shell/actions.ts';
import { session, startMoment, useLab } from '../../store/lab.ts';
import { type Axis, useSettings } from '../../store/settings.ts';
import { useUi } from '../../store/ui.ts';
import { Icon } from '../../widgets/icon.tsx';
import { Key } from '../../widgets/key.tsx';
import style from './style.module.css';

const MORE: readonly (readonly [kind: StepKind, key: string])[] = [
  ['instruction', 'I'],
  ['over', 'O'],
  ['trap', 'T'],
  ['domainTrap', 'D'],
];
const SPEEDS = [0, 1_000_000, 100_000, 10_000, 1000, 100] as const;

export function Transport() {
  const t = useT();
  const phase = useLab((s) => s.phase);
  const atStart = useLab((s) => s.cursor.T === 0 && !s.cursor.within && s.stop.kind !== 'end');
  const ended = useLab((s) => s.ended !== undefined && s.cursor.T === s.end.T && s.cursor.seq === s.end.seq);
  const more = useUi((s) => s.moreTransport);
  const running = phase === 'running';
  const dead = phase !== 'paused' && !running;
  return (
    <div className={style.transport} role="toolbar" aria-label={t('transport')}>
      <button
        type="button"
        className={atStart ? `button ${style.noPast}` : 'button'}
        disabled={dead || atStart}
        aria-keyshortcuts=","
        onClick={(e) => void step('phase', -1, e.shiftKey)}
      >
        <Icon name="back" /> {t('back')} <Key name="," />
      </button>
      <button
        type="button"
        className="button"
        disabled={dead || (ended && !running)}
        aria-keyshortcuts="F8"
        onClick={() => void runOrPause()}
      >
        <Icon name={running ? 'pause' : 'run'} /> {t(running ? 'pause' : 'run')} <kbd className="key">R</kbd>
      </button>
      <button
        type="button"
        className="button"
        disabled={dead || ended}
        aria-keyshortcuts="."
        onClick={(e) => void step('phase', 1, e.shiftKey)}
      >
        <Icon name="forward" /> {t('step')} <Key name="." />
      </button>
      <button
        type="button"
        className="button square"
        aria-label={t('moreSteps')}
        aria-expanded={more}
        onClick={() => useUi.getState().set({ moreTransport: !more })}
      >
        <Icon name="more" />
      </button>
    </div>
  );
}

/** The other steps, speed, axis and breakpoints: a row of its own when opened. */
export function MoreTransport() {
  const t = useT();
  const open = useUi((s) => s.moreTransport);
  const selected = useUi((s) => s.selected);
  const whole = useUi((s) => s.wholeHistory);
  const end = useLab((s) => s.end);
  const speed = useLab((s) => s.ticksPerSecond);
  const { axis, set } = useSettings();
  if (!open) return null;
  const toCursor = async (): Promise<void> => {
    const page = selected === undefined ? [] : await session().group(selected);
    if (page[0]) await goto({ T: page[0].T, seq: page[0].seq, within: true });
  };
  return (
    <div className={style.more}>
      {MORE.map(([kind, key]) => (
        <span key={kind} className={style.pair}>
          <button
            type="button"
            className="button square edged"
            aria-label={t(`back_${kind}` as ShellKey)}
            onClick={(e) => void step(kind, -1, e.shiftKey || kind === 'domainTrap')}
          >
            <Icon name="back" />
          </button>
          <span className="small">
            {t(`step_${kind}` as ShellKey)} <kbd className="key">{key}</kbd>
          </span>
          <button
            type="button"
            className="button square edged"
            aria-label={t(`forward_${kind}` as ShellKey)}
            onClick={(e) => void step(kind, 1, e.shiftKey || kind === 'domainTrap')}
          >
            <Icon name="forward" />
          </button>
        </span>
      ))}
      <button type="button" className="button edged" onClick={() => void goto(startMoment())}>
        <Icon name="toStart" /> {t('toStart')}
      </button>
      <button type="button" className="button edged" onClick={() => void goto(end)}>
        <Icon name="toEnd" /> {t('toEnd')}
      </button>
      <button
        type="button"
        className="button edged"
        disabled={selected === undefined}
        onClick={() => void toCursor()}
      >
        {t('toSelected')}
      </button>
      <button
        type="button"
        className="button edged"
        onClick={() => useUi.getState().set({ dialog: 'breakpoints' })}
      >
        <Icon name="breakpoint" /> {t('breakpoints')} <kbd className="key">B</kbd>
      </button>
      <button
        type="button"
        className="button edged"
        aria-pressed={whole}
        onClick={() => useUi.getState().set({ wholeHistory: !whole })}
      >
        {t('wholeHistory')}
      </button>
      <label className="small">
        {t('axis')}{' '}
        <select className="field" value={axis} onChange={(e) => set({ axis: e.target.value as Axis })}>
          <option value="steps">{t('axis_steps')}</option>
          <option value="ticks">{t('axis_ticks')}</option>
        </select>
      </label>
      <label className="small">
        {t('speed')}{' '}
        <select
          className="field"
          value={SPEEDS.find((x) => x === speed) ?? 0}
          onChange={(e) => session().setSpeed(Number(e.target.value))}
        >
          {SPEEDS.map((s) => (
            <option key={s} value={s}>
              {s === 0 ? t('speed_full') : t('ticksPerSecond', { n: s })}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
