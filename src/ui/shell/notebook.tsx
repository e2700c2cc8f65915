// The notebook: predictions, wrong ones first, each with the moment that answered it and a line of one's own; and the mysteries that wait.

import { translate } from '../../lab/i18n/text.ts';
import { useLang, useT } from '../i18n/index.ts';
import { resume } from '../panels/guide/tour.ts';
import {
  type Entry,
  forgetEntry,
  inOrder,
  toMarkdown,
  useNotebook,
  writeLine,
} from '../panels/guide/notebook.ts';
import { SHELL } from '../i18n/index.ts';
import { useUi } from '../store/ui.ts';
import { Dialog } from '../widgets/dialog.tsx';
import { Icon } from '../widgets/icon.tsx';
import { Inline } from '../widgets/markdown.tsx';
import { openLab } from './actions.ts';
import { visit } from './start.ts';
import style from './notebook.module.css';
import { LABS, labOf } from './labs.ts';

const close = (): void => useUi.getState().set({ dialog: undefined });

function Row({ id, entry }: { readonly id: string; readonly entry: Entry }) {
  const t = useT();
  const lang = useLang();
  const foreseen = entry.first.right;
  return (
    <li className={style.entry} data-right={foreseen}>
      <p className={style.question}>
        <Icon name={foreseen ? 'check' : entry.first.chosen === '?' ? 'help' : 'cross'} />
        <strong>
          <Inline text={entry.question} />
        </strong>
      </p>
      <p className="small quiet">
        {labOf(entry.lab).title[lang]} ·{' '}
        {t(foreseen ? 'nb_right' : entry.first.chosen === '?' ? 'nb_unknown' : 'nb_wrong')}
        {entry.tries > 1 && ` · ${t('nb_tries', { n: entry.tries })}`}
      </p>
      <p>
        {t('nb_said')}: {entry.chosen === '?' ? t('dontKnow') : <Inline text={entry.chosenText} />} ·{' '}
        {t('nb_trace')}: <Inline text={entry.answerText} />
      </p>
      <div className={style.tools}>
        <input
          className="field"
          aria-label={t('nb_line')}
          placeholder={t('nb_line')}
          value={entry.line}
          maxLength={200}
          onChange={(e) => writeLine(id, e.target.value)}
        />
        {entry.link !== undefined && (
          <button
            type="button"
            className="button edged"
            onClick={() => {
              close();
              void visit(entry.link!, entry.evidence);
            }}
          >
            {t('nb_there')}
          </button>
        )}
        <button
          type="button"
          className="button square"
          aria-label={t('remove')}
          onClick={() => forgetEntry(id)}
        >
          <Icon name="close" />
        </button>
      </div>
    </li>
  );
}

/** Mysteries wait here unsolved: the page never says who was to blame. */
function Mysteries() {
  const t = useT();
  const lang = useLang();
  const left = useNotebook((s) => s.left);
  const waiting = LABS.filter((l) => left[l.tour ?? '']);
  return waiting.map((l) => {
    const place = left[l.tour!]!;
    return (
      <li key={l.id} className={style.entry}>
        <p className={style.question}>
          <Icon name="help" />
          <strong>{l.title[lang]}</strong>
        </p>
        <p>{t('stoppedAt', { message: place.message, suspect: place.suspect ?? '–' })}</p>
        <div className={style.tools}>
          <button
            type="button"
            className="button edged"
            onClick={() => {
              close();
              void openLab(l.id).then(() => resume(l.tour));
            }}
          >
            {t('resume')}
          </button>
        </div>
      </li>
    );
  });
}

function save(text: string): void {
  const a = document.createElement('a');
  a.href = URL.createObjectURL(new Blob([text], { type: 'text/markdown' }));
  a.download = 'ringside-notebook.md';
  a.click();
  URL.revokeObjectURL(a.href);
}

export function Notebook() {
  const t = useT();
  const lang = useLang();
  const notebook = useNotebook();
  const rows = inOrder(notebook.entries);
  const empty = rows.length === 0 && Object.keys(notebook.left).length === 0;
  const words = {
    title: t('notebook'),
    said: t('nb_said'),
    trace: t('nb_trace'),
    moment: t('nb_moment'),
    mystery: (message: string, suspect: string) => translate(SHELL, lang, 'stoppedAt', { message, suspect }),
  };
  return (
    <Dialog title={t('notebook')} onClose={close} wide>
      {empty ? (
        <p className="quiet">{t('nb_empty')}</p>
      ) : (
        <>
          <p className="small quiet">
            {t('nb_score', { right: rows.filter(([, e]) => e.first.right).length, of: rows.length })}
          </p>
          <ul className={style.entries}>
            {rows.map(([id, entry]) => (
              <Row key={id} id={id} entry={entry} />
            ))}
            <Mysteries />
          </ul>
          <button
            type="button"
            className="button edged"
            onClick={() => save(toMarkdown(notebook, words, location.origin + location.pathname))}
          >
            <Icon name="drop" /> {t('nb_export')}
          </button>
        </>
      )}
    </Dialog>
  );
}
