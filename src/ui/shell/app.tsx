// The whole page: header, at most three panels and the Guide, the timeline. Everything a person can do goes through actions.ts.

import { useEffect } from 'react';
import { useT } from '../i18n/index.ts';
import { Timeline } from '../panels/timeline/index.tsx';
import { useSettings } from '../store/settings.ts';
import { useUi } from '../store/ui.ts';
import { Handout } from '../talk/handout.tsx';
import { Pointer } from '../talk/pointer.tsx';
import { BigQuestion, Blank, LastKeys, TalkBar, useBigQuestion, usePresenting } from '../talk/presenter.tsx';
import style from './app.module.css';
import { Dialogs } from './dialogs.tsx';
import { DropZone } from './drop.tsx';
import { Header } from './header.tsx';
import { LiveRegion } from './live.tsx';
import { Stage } from './stage.tsx';
import { Trouble } from './trouble.tsx';
import { useKeys } from './use-keys.ts';

export function App() {
  const t = useT();
  const { lang, theme } = useSettings();
  const notice = useUi((s) => s.notice);
  const presenting = usePresenting();
  const question = useBigQuestion();
  useKeys();
  useEffect(() => {
    document.documentElement.lang = lang;
    document.documentElement.dataset['theme'] = theme;
  }, [lang, theme]);
  return (
    <DropZone>
      <div className={style.app}>
        {presenting ? <TalkBar /> : <Header />}
        <Trouble />
        <main className={style.main}>{question ? <BigQuestion /> : <Stage />}</main>
        {!question && (
          <section className={style.timeline} data-region="timeline" aria-label={t('timeline')} tabIndex={-1}>
            <Timeline />
          </section>
        )}
        <p role="status" className={notice && !presenting ? style.notice : 'visually-hidden'}>
          {notice}
        </p>
        <LiveRegion />
        <Dialogs />
        <LastKeys />
        <Pointer />
        <Blank />
      </div>
      <Handout />
    </DropZone>
  );
}
