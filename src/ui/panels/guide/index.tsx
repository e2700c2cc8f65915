// The Guide: a stop of the tour, a prediction, and Explain for the moment on stage, in one column.

import { useEffect, useState } from 'react';
import { localise } from '../../../lab/i18n/messages.ts';
import { useLang, useT } from '../../i18n/index.ts';
import { changeMachine, openLab } from '../../shell/actions.ts';
import { session, useLab, useModel } from '../../store/lab.ts';
import { useSettings } from '../../store/settings.ts';
import { useTrap } from '../../store/trap.ts';
import { useUi } from '../../store/ui.ts';
import { Icon } from '../../widgets/icon.tsx';
import { Inline, Markdown } from '../../widgets/markdown.tsx';
import type { MemoryModel } from '../../../lab/inspect/memory.ts';
import { Sentence } from '../../widgets/sentence.tsx';
import { OutcomeMark } from '../../widgets/outcome.tsx';
import { groupOutcome } from '../../../lab/narrate/outcome.ts';
import { stepWords } from '../control/words.ts';
import { useTalk, votesHere } from '../../talk/votes.ts';
import { entryKey, suspect, useNotebook } from './notebook.ts';
import style from './style.module.css';
import { act, goStop, predict, pressPrimary, resume, useTour } from './tour.ts';

function Question() {
  const t = useT();
  const tour = useTour((s) => s.tour);
  const stop = useTour((s) => s.tour?.stops[s.stop]);
  const n = useTour((s) => s.stop);
  const stage = useTour((s) => s.stage);
  const prediction = useTour((s) => (s.stage === 'after' ? s.current : undefined));
  const before = useNotebook((s) => (tour ? s.entries[entryKey(tour.id, n)] : undefined));
  // Hands that a room raised stand beside the answers once the trace has spoken.
  const hands = useTalk(votesHere);
  if (!tour || !stop?.ask) return null;
  const choices = [...stop.choices, { id: '?', text: t('dontKnow') }];
  const answer = prediction && stop.choices.find((c) => c.id === prediction.answer);
  return (
    <fieldset className={style.question} disabled={stage === 'after'}>
      <legend>
        <Inline text={stop.ask} />
      </legend>
      {choices.map((c, i) => (
        <label key={c.id} data-answer={(prediction && c.id === prediction.answer) || undefined}>
          <input
            type="radio"
            name={`${tour.id}/${n}`}
            value={c.id}
            checked={prediction?.chosen === c.id}
            aria-keyshortcuts={c.id === '?' ? '?' : String(i + 1)}
            onChange={() => void predict(c.id)}
          />
          <span>
            <Inline text={c.text} />
          </span>
          {hands.length > 0 ? (
            <strong>{hands.filter((v) => v === c.id).length}</strong>
          ) : (
            <kbd className="key">{c.id === '?' ? '?' : i + 1}</kbd>
          )}
        </label>
      ))}
      {!prediction && before && (
        <p className="small quiet" data-testid="asked-before">
          {t('askedBefore', { chosen: before.chosen === '?' ? t('dontKnow') : before.chosenText })}
        </p>
      )}
      {prediction && (
        <p className={style.verdict} role="status">
          <Icon name={prediction.right ? 'check' : prediction.chosen === '?' ? 'help' : 'cross'} />
          <span>
            {t(
              prediction.right
                ? 'predictedRight'
                : prediction.chosen === '?'
                  ? 'predictedNone'
                  : 'predictedWrong',
              { answer: answer?.text ?? prediction.answer },
            )}
          </span>
        </p>
      )}
    </fieldset>
  );
}

/** Bytes of `first` in hello: the text and the room after it. */
const ROOM = 49;
/** The bytes of a symbol, open for typing. The edit is an input of the machine: it is undone by stepping back, and a link carries it. */
function Editor() {
  const t = useT();
  const place = useTour((s) => s.place);
  const asked = place?.address === undefined ? undefined : 'memory';
  const { model } = useModel<MemoryModel | null>(asked, {
    space: 'virtual',
    domid: place?.domid,
    address: place?.address,
    length: Math.min(place?.size ?? ROOM, ROOM),
  });
  const all = model?.bytes.map((b) => b ?? 0) ?? [];
  const end = all.indexOf(0);
  const maddr = model?.rows[0];
  const now = model
    ? new TextDecoder().decode(Uint8Array.from(model.bytes.slice(0, end < 0 ? undefined : end))).trimEnd()
    : '';
  const [text, setText] = useState<string>();
  if (maddr === undefined) return null;
  const value = text ?? now;
  const bytes = new TextEncoder().encode(`${value}\n`);
  const room = all.length;
  const save = async (): Promise<void> => {
    const padded = new Uint8Array(room);
    padded.set(bytes.subarray(0, room - 1));
    await changeMachine({ kind: 'editMemory', maddr, bytes: [...padded], what: 'first' });
    setText(undefined);
    session().run();
  };
  return (
    <form
      className={style.editor}
      onSubmit={(e) => {
        e.preventDefault();
        void save();
      }}
    >
      <label>
        {t('bytesAt', { at: `0x${(place?.address ?? 0).toString(16)}` })}
        <input
          // biome-ignore lint/a11y/noAutofocus: the stop opens these bytes for typing, and nothing else
          autoFocus
          className="field mono"
          value={value}
          maxLength={room - 2}
          onChange={(e) => setText(e.target.value)}
          spellCheck={false}
          autoComplete="off"
        />
      </label>
      <p className="small quiet">{t('roomLeft', { n: Math.max(0, room - 1 - bytes.length) })}</p>
      <button type="submit" className="button primary" disabled={bytes.length > room - 1}>
        {t('changeAndRun')}
      </button>
    </form>
  );
}

/** Whom the reader blames so far: kept with the place the mystery was left at. Nothing here says whether it is right. */
function Suspect({ tour, name }: { readonly tour: string; readonly name: string }) {
  const t = useT();
  return (
    <label className={style.suspect}>
      {t('suspect')}
      <input
        className="field"
        value={name}
        maxLength={80}
        placeholder={t('suspectHint')}
        onChange={(e) => suspect(tour, e.target.value)}
      />
    </label>
  );
}

function Tour() {
  const t = useT();
  const lang = useLang();
  const { tour, error, stop: n, stage, before, after, busy } = useTour();
  const left = useNotebook((s) => (tour?.mystery ? s.left[tour.id] : undefined));
  const stop = tour?.stops[n];
  const running = useLab((s) => s.phase === 'running' || s.phase === 'seeking' || s.phase === 'loading');
  const cursor = useLab((s) => s.cursor.T);
  if (error) return <p role="alert">{localise(error, lang)}</p>;
  if (!tour || !stop) return null;
  const last = n === tour.stops.length - 1;
  const waits = stage === 'before' && (stop.ask !== undefined || (stop.until !== undefined && !stop.action));
  const label = stage === 'before' ? stop.button : stop.ask && stop.button ? stop.button : undefined;
  const remembered = cursor === 0 ? left : undefined;
  return (
    <div className={style.tour}>
      {n > 0 && <p className="small quiet">{t('stopOf', { n: n + 1, of: tour.stops.length })}</p>}
      <h2>{stop.heading}</h2>
      {remembered && (
        <div className={style.remembered}>
          <p>{t('stoppedAt', { message: remembered.message, suspect: remembered.suspect ?? '–' })}</p>
          <button type="button" className="button edged" onClick={() => void resume()}>
            {t('resume')}
          </button>
        </div>
      )}
      {(stage === 'before' || stop.ask !== undefined) && <Markdown text={before} />}
      <Question />
      {stop.edit && stage === 'before' && <Editor />}
      {stage === 'after' && <Markdown text={after} />}
      {tour.mystery && last && <Suspect tour={tour.id} name={left?.suspect ?? ''} />}
      <div className={style.buttons}>
        {!waits &&
          !(stop.edit && stage === 'before') &&
          !(last && stage === 'after' && !label) &&
          !(last && !stop.action) && (
            <button
              type="button"
              className="button primary"
              disabled={busy || running}
              onClick={pressPrimary}
            >
              {label ?? t('next')}
            </button>
          )}
        {stop.also.map((a) => (
          <button key={a.text} type="button" className="button edged" onClick={() => void act(a.action)}>
            {a.text}
          </button>
        ))}
        {n > 0 && !last && (
          <button type="button" className="button quiet" onClick={() => goStop(n + 1)}>
            {t('skip')}
          </button>
        )}
      </div>
    </div>
  );
}

/** The moment on stage, from its records only. */
function Explain() {
  const t = useT();
  const running = useLab((s) => s.phase === 'running');
  const question = useTour((s) => s.stage === 'before' && s.tour?.stops[s.stop]?.ask !== undefined);
  const trap = useTrap();
  if (running || question || !trap || trap.at < 0) return null;
  const r = trap.records[trap.at]!;
  const happened = trap.records.slice(0, trap.at + 1);
  return (
    <div className={style.explain}>
      <h2>{t(trap.selected ? 'explainSelected' : trap.within ? 'explainHere' : 'explainLast')}</h2>
      <p className="small quiet">{stepWords(r, t)}</p>
      <p>
        <Sentence record={r} />
      </p>
      <p>
        <OutcomeMark outcome={groupOutcome(happened)} />
      </p>
    </div>
  );
}

/** While a lab is on its way: where its first words will stand. */
function Opening() {
  const t = useT();
  return (
    <div className={style.tour} aria-busy="true" data-testid="opening">
      <p className="quiet" role="status">
        {t('openingLab')}
      </p>
      <span className={style.bar} style={{ width: '80%' }} />
      <span className={style.bar} style={{ width: '95%' }} />
      <span className={style.bar} style={{ width: '60%' }} />
    </div>
  );
}

function FreeText() {
  const t = useT();
  const tour = useTour((s) => s.tour !== undefined || s.error !== undefined);
  const ready = useLab((s) => s.phase === 'paused');
  const lab = useUi((s) => s.lab);
  const counts = useLab((s) => s.counts);
  const fresh = useLab((s) => s.cursor.T === 0 && s.stop.kind !== 'end');
  const own = lab === 'own' || lab === 'bare';
  if (!own && !tour && ready)
    return (
      <div className={style.tour}>
        <h2>{t('momentTitle')}</h2>
        <div className={style.buttons}>
          <button type="button" className="button edged" onClick={() => void openLab(lab)}>
            {t('startTour')}
          </button>
        </div>
      </div>
    );
  if (!own) return null;
  const bare = lab === 'bare';
  return (
    <div className={style.tour}>
      <h2>{t(bare ? 'bareTitle' : 'ownTitle')}</h2>
      <p>
        {fresh
          ? t(bare ? 'bareStart' : 'ownStart')
          : bare
            ? t('bareCounts', { traps: counts.traps })
            : t('ownCounts', { ...counts })}
      </p>
      <div className={style.buttons}>
        <button
          type="button"
          className="button edged"
          onClick={() => useUi.getState().set({ dialog: 'shelf' })}
        >
          {t('shelf')} <kbd className="key">K</kbd>
        </button>
      </div>
    </div>
  );
}

export function Guide() {
  const guideOpen = useSettings((s) => s.guideOpen);
  const stop = useTour((s) => `${s.tour?.id}/${s.stop}`);
  useEffect(() => {
    document.querySelector('[data-region="guide"] [data-scroll]')?.scrollTo(0, 0);
  }, [stop]);
  const opening = useUi((s) => s.opening !== undefined);
  if (!guideOpen) return null;
  return (
    <div className={style.guide} data-scroll>
      {opening ? (
        <Opening />
      ) : (
        <>
          <Tour />
          <FreeText />
          <Explain />
        </>
      )}
    </div>
  );
}
