// What went wrong, who, where, and the way out. Nothing disappears by itself.

import { useEffect, useState } from 'react';
import { localise } from '../../lab/i18n/messages.ts';
import { useLang, useT } from '../i18n/index.ts';
import { whoIs } from '../../lab/narrate/who.ts';
import { session, useAsked, useLab } from '../store/lab.ts';
import { useUi } from '../store/ui.ts';
import { Sentence } from '../widgets/sentence.tsx';
import { forgetChange, openLab, step } from './actions.ts';
import { visit } from './start.ts';
import style from './app.module.css';

/** Who crashed, in which ring, by which trap, and the way back to just before. */
function Crash({ text }: { readonly text: string }) {
  const t = useT();
  const { model: last } = useAsked('last trap', (s) => s.find({ types: ['trap'] }, -1));
  const domains = useLab((s) => s.domains);
  return (
    <div className={style.trouble} role="alert">
      <p>
        {text}{' '}
        {last && (
          <>
            <strong>
              {t('crashedIn', { who: whoIs(last.domid, domains).name, ring: String(last.cpl) })}
            </strong>{' '}
            <Sentence record={last} />
          </>
        )}{' '}
        {t('crashNext')}
      </p>
      <button type="button" className="button edged" onClick={() => void step('trap', -1)}>
        {t('oneStepBefore')}
      </button>
    </div>
  );
}

/** Journeys shorter than this show nothing: a bar that flashes up tells nobody anything. */
const LONG_MS = 300;
function useLong(on: boolean): boolean {
  const [long, setLong] = useState(false);
  useEffect(() => {
    if (!on) return setLong(false);
    const timer = setTimeout(() => setLong(true), LONG_MS);
    return () => clearTimeout(timer);
  }, [on]);
  return on && long;
}
function Progress({ value }: { readonly value: number }) {
  const t = useT();
  return (
    <div className={style.trouble} data-testid="progress">
      <p>{t('seeking')}</p>
      <progress value={value} max={1} aria-label={t('seeking')} />
      <button type="button" className="button edged" onClick={() => session().cancel()}>
        {t('cancel')} <kbd className="key">Esc</kbd>
      </button>
    </div>
  );
}

export function Trouble() {
  const t = useT();
  const lang = useLang();
  const phase = useLab((s) => s.phase);
  const error = useLab((s) => s.error);
  const stop = useLab((s) => s.stop);
  const progress = useLab((s) => s.progress);
  const long = useLong(phase === 'seeking');
  const { badImage, badLink, changed, compatible, set } = useUi();
  if (badImage)
    return (
      <div className={style.trouble} role="alert">
        <p>
          <strong>{badImage.name}</strong>: {localise(badImage.error, lang)}{' '}
          {badImage.talk !== true && t('takes')}
        </p>
        {badImage.talk !== true && (
          <>
            <a className="button edged" href="guests/starter/kernel.c" download>
              {t('starterSource')}
            </a>
            <a className="button edged" href="guests/starter/starter.elf" download>
              {t('starterElf')}
            </a>
          </>
        )}
        <button type="button" className="button" onClick={() => set({ badImage: undefined })}>
          {t('close')}
        </button>
      </div>
    );
  if (badLink)
    return (
      <div className={style.trouble} role="alert">
        <p>{localise(badLink, lang)}</p>
        <button
          type="button"
          className="button edged"
          onClick={() => {
            set({ badLink: undefined });
            void openLab('hello');
          }}
        >
          {t('openAtStart')}
        </button>
      </div>
    );
  if (long) return <Progress value={progress ?? 0} />;
  if (phase === 'error' || stop.kind === 'error' || stop.kind === 'diverged')
    return (
      <div className={style.trouble} role="alert">
        <p>
          {(error === undefined ? undefined : localise(error, lang)) ??
            (stop.kind === 'diverged'
              ? t('diverged', { T: stop.T })
              : stop.kind === 'error'
                ? stop.text
                : '')}
        </p>
        <button type="button" className="button edged" onClick={() => void openLab('hello')}>
          {t('openAtStart')}
        </button>
      </div>
    );
  if (stop.kind === 'end' && stop.reason === 'triple-fault') return <Crash text={t('tripleFault')} />;
  if (stop.kind === 'end' && (stop.reason === 'crash' || stop.reason === 'panic'))
    return <Crash text={stop.text} />;
  if (changed)
    return (
      <div className={style.trouble} role="status">
        <p>{t('changedBefore')}</p>
        <button type="button" className="button edged" onClick={() => void visit(changed, undefined)}>
          {t('changedBack')}
        </button>
        <button type="button" className="button" onClick={forgetChange}>
          {t('close')}
        </button>
      </div>
    );
  if (compatible)
    return (
      <div className={style.trouble}>
        <p>
          {t('notIsolatedWhy')} {t('notIsolatedDo')}
        </p>
        <button type="button" className="button" onClick={() => set({ compatible: false })}>
          {t('close')}
        </button>
      </div>
    );
  return null;
}
