// What only a projector shows: a question that fills the screen and counts hands, the blank screen, the last five keys, and the bar of beats.

import { useEffect, useState } from 'react';
import { useLang, useT } from '../i18n/index.ts';
import { useTour } from '../panels/guide/tour.ts';
import { labOf } from '../shell/labs.ts';
import { useSettings } from '../store/settings.ts';
import { useUi } from '../store/ui.ts';
import { Icon } from '../widgets/icon.tsx';
import { Inline, Markdown } from '../widgets/markdown.tsx';
import { PointerButton } from './pointer.tsx';
import { backToBeat, nextBeat, present, previousBeat, reveal, vote } from './talk.ts';
import { useTalk, votesHere } from './votes.ts';
import style from './style.module.css';

export const usePresenting = (): boolean => useSettings((s) => s.theme === 'presenter');
/** A question waits, and a room is to answer it. */
export const useBigQuestion = (): boolean => {
  const asks = useTour((s) => s.stage === 'before' && s.tour?.stops[s.stop]?.ask !== undefined);
  const guide = useSettings((s) => s.guideOpen);
  return usePresenting() && asks && guide;
};

export function BigQuestion() {
  const t = useT();
  const stop = useTour((s) => s.tour?.stops[s.stop]);
  const before = useTour((s) => s.before);
  const busy = useTour((s) => s.busy);
  const votes = useTalk(votesHere);
  if (!stop?.ask) return null;
  const choices = [...stop.choices, { id: '?', text: t('dontKnow') }];
  return (
    <section className={style.question} data-region="question" aria-label={t('guide')} tabIndex={-1}>
      <Markdown text={before} />
      <h2>
        <Inline text={stop.ask} />
      </h2>
      <ol>
        {choices.map((c, i) => {
          const count = votes.filter((v) => v === c.id).length;
          return (
            <li key={c.id}>
              <button
                type="button"
                className={style.choice}
                aria-label={t('talk_vote', { answer: c.text, n: count })}
                onClick={() => vote(c.id === '?' ? -1 : i)}
              >
                <kbd className="key">{c.id === '?' ? '?' : i + 1}</kbd>
                <span>
                  <Inline text={c.text} />
                </span>
                <span className={style.count} data-testid={`votes-${c.id}`}>
                  {count > 0 ? count : ''}
                </span>
              </button>
            </li>
          );
        })}
      </ol>
      <p className={style.foot}>
        <button type="button" className="button primary" disabled={busy} onClick={() => void reveal()}>
          {t('talk_reveal')} <kbd className="key">Enter</kbd>
        </button>
        <span className="quiet">{t('talk_hands')}</span>
      </p>
    </section>
  );
}

/** Nothing on the wall: the room looks at the person who speaks. */
export function Blank() {
  const t = useT();
  const blank = useUi((s) => s.blank);
  const presenting = usePresenting();
  if (!blank || !presenting) return null;
  return (
    <button
      type="button"
      className={style.blank}
      aria-label={t('talk_unblank')}
      data-testid="blank"
      onClick={() => useUi.getState().set({ blank: false })}
    />
  );
}

const SHOWN = 5;
const NAMES: Readonly<Record<string, string>> = {
  Period: '.',
  Comma: ',',
  Slash: '?',
  Space: '␣',
  ArrowRight: '→',
  ArrowLeft: '←',
  ArrowUp: '↑',
  ArrowDown: '↓',
  Escape: 'Esc',
  Backspace: '⌫',
};
const named = (e: KeyboardEvent): string | undefined => {
  if (['Shift', 'Control', 'Alt', 'Meta'].includes(e.key) || e.isComposing) return undefined;
  const name = NAMES[e.code] ?? e.code.replace(/^(Key|Digit|Numpad)/, '');
  return e.shiftKey ? `⇧${name}` : name;
};
/** The last five keys, so that somebody who looked away can follow. Silent to a screen reader: it is the person's own typing. */
export function LastKeys() {
  const presenting = usePresenting();
  const [keys, setKeys] = useState<readonly (readonly [n: number, name: string])[]>([]);
  useEffect(() => {
    if (!presenting) return setKeys([]);
    let n = 0;
    const seen = (e: KeyboardEvent): void => {
      const name = named(e);
      if (name !== undefined) setKeys((k) => [...k, [n++, name] as const].slice(-SHOWN));
    };
    window.addEventListener('keydown', seen, true);
    return () => window.removeEventListener('keydown', seen, true);
  }, [presenting]);
  if (keys.length === 0) return null;
  return (
    <div className={style.keys} aria-hidden="true" data-testid="last-keys">
      {keys.map(([n, name]) => (
        <kbd key={n} className="key">
          {name}
        </kbd>
      ))}
    </div>
  );
}

/** Instead of the page's header: where the talk is, and a button for every key a clicker has. */
export function TalkBar() {
  const t = useT();
  const lang = useLang();
  const lab = useUi((s) => s.lab);
  const tour = useTour((s) => s.tour);
  const stop = useTour((s) => s.stop);
  const { set } = useUi.getState();
  return (
    <header className={style.bar} data-region="header" tabIndex={-1}>
      <h1>
        <button
          type="button"
          className={`button ${style.title}`}
          aria-haspopup="dialog"
          onClick={() => set({ dialog: 'labs' })}
        >
          {tour?.title ?? labOf(lab).title[lang]} <Icon name="down" />
          <span className="visually-hidden">{t('otherLabs')}</span>
        </button>
      </h1>
      {tour && (
        <>
          <button
            type="button"
            className="button square"
            aria-label={t('key_beat-')}
            disabled={stop === 0}
            onClick={() => void previousBeat()}
          >
            <Icon name="back" />
          </button>
          <span className={style.beat} data-testid="beat">
            {t('stopOf', { n: stop + 1, of: tour.stops.length })}
          </span>
          <button type="button" className="button square" aria-label={t('key_beat+')} onClick={nextBeat}>
            <Icon name="forward" />
          </button>
        </>
      )}
      <span className={style.spring} />
      <PointerButton />
      <button type="button" className="button" onClick={() => void backToBeat()}>
        {t('talk_back')} <kbd className="key">F5</kbd>
      </button>
      <button
        type="button"
        className="button"
        aria-haspopup="dialog"
        onClick={() => set({ dialog: 'moment' })}
      >
        <Icon name="link" /> QR <kbd className="key">Q</kbd>
      </button>
      <button type="button" className="button" onClick={present}>
        {t('talk_leave')} <kbd className="key">P</kbd>
      </button>
      <button
        type="button"
        className="button square"
        aria-label={t('help')}
        aria-haspopup="dialog"
        aria-keyshortcuts="?"
        onClick={() => set({ dialog: 'keys' })}
      >
        <Icon name="help" />
      </button>
    </header>
  );
}
