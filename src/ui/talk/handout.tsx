// The tour on paper: headings, texts and questions without their answers, with room to write a prediction. Only the printer sees it.

import { useT } from '../i18n/index.ts';
import { useTour } from '../panels/guide/tour.ts';
import { Inline, Markdown } from '../widgets/markdown.tsx';
import style from './style.module.css';

/** What the machine would fill in is a gap on paper. */
const gaps = (text: string): string => text.replace(/\{\{[^}]*\}\}/g, '____');

export function Handout() {
  const t = useT();
  const tour = useTour((s) => s.tour);
  if (!tour) return null;
  return (
    <div className={style.handout} data-handout aria-hidden="true">
      <h1>{tour.title}</h1>
      {tour.stops.map((s) => (
        <section key={s.heading}>
          <h2>{s.heading}</h2>
          <Markdown text={gaps(s.before)} />
          {s.ask && (
            <>
              <p>
                <strong>
                  <Inline text={s.ask} />
                </strong>
              </p>
              <ul>
                {s.choices.map((c) => (
                  <li key={c.id}>
                    ☐ <Inline text={c.text} />
                  </li>
                ))}
              </ul>
              <p>{t('handoutMine')}</p>
              <div className={style.mine} />
            </>
          )}
        </section>
      ))}
    </div>
  );
}
