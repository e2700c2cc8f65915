// One line: the question of this lab, and the few things that are always at hand.

import { useLang, useT } from '../i18n/index.ts';
import { useLab } from '../store/lab.ts';
import { useSettings } from '../store/settings.ts';
import { useUi } from '../store/ui.ts';
import { whoIs } from '../../lab/narrate/who.ts';
import { Icon } from '../widgets/icon.tsx';
import { copyLink, resetLayout } from './actions.ts';
import style from './app.module.css';
import { labOf } from './labs.ts';

export function Header() {
  const t = useT();
  const lang = useLang();
  const { theme, set } = useSettings();
  const { lab, keysGoTo, set: setUi } = useUi();
  const domains = useLab((s) => s.domains);
  const own = useLab((s) => s.config?.bare?.name ?? s.config?.domains[0]?.name);
  const title = lab === 'own' || lab === 'bare' ? (own ?? labOf(lab).title[lang]) : labOf(lab).title[lang];
  const letters = useSettings((s) => s.letterKeys);
  return (
    <header className={style.header} data-region="header" tabIndex={-1}>
      <span className={style.brand}>Ringside</span>
      <h1>
        <button
          type="button"
          className={`button ${style.title}`}
          aria-haspopup="dialog"
          onClick={() => setUi({ dialog: 'labs' })}
        >
          {title} <Icon name="down" />
          <span className="visually-hidden">{t('otherLabs')}</span>
        </button>
      </h1>
      <span className={style.spring} />
      {(keysGoTo !== undefined || !letters) && (
        <span className={style.chip} data-testid="keys-chip">
          {keysGoTo !== undefined
            ? t('keysTo', { where: t('consoleOf', { who: whoIs(Number(keysGoTo), domains).name }) })
            : t('lettersOff')}
        </span>
      )}
      <button
        type="button"
        className="button"
        aria-haspopup="dialog"
        aria-keyshortcuts="V"
        onClick={() => setUi({ dialog: 'views' })}
      >
        <Icon name="add" /> {t('addView')} <kbd className="key">V</kbd>
      </button>
      <button type="button" className="button" onClick={resetLayout}>
        <Icon name="layout" /> {t('resetLayout')}
      </button>
      <button type="button" className="button" aria-keyshortcuts="L" onClick={() => void copyLink()}>
        <Icon name="link" /> {t('copyMoment')}
      </button>
      <button
        type="button"
        className="button"
        lang={lang === 'en' ? 'ko' : 'en'}
        onClick={() => set({ lang: lang === 'en' ? 'ko' : 'en' })}
      >
        {lang === 'en' ? '한국어' : 'English'}
      </button>
      <button
        type="button"
        className="button square"
        aria-label={theme === 'dark' ? t('toLight') : t('toDark')}
        onClick={() => set({ theme: theme === 'dark' ? 'light' : 'dark' })}
      >
        <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
      </button>
      <button
        type="button"
        className="button square"
        aria-label={t('help')}
        aria-haspopup="dialog"
        aria-keyshortcuts="?"
        onClick={() => setUi({ dialog: 'keys' })}
      >
        <Icon name="help" />
      </button>
    </header>
  );
}
