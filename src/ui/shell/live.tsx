// What a screen reader hears: once a step, never while the machine runs.

import { useEffect, useState } from 'react';
import { sentence } from '../../lab/narrate/sentences.ts';
import { useLang, useT } from '../i18n/index.ts';
import { stepWords } from '../panels/control/words.ts';
import { useLab } from '../store/lab.ts';
import { useTrap } from '../store/trap.ts';

export function LiveRegion() {
  const t = useT();
  const lang = useLang();
  const phase = useLab((s) => s.phase);
  const domains = useLab((s) => s.domains);
  const cursor = useLab((s) => s.cursor);
  const trap = useTrap();
  const [spoken, setSpoken] = useState('');
  const r = trap && trap.at >= 0 ? trap.records[trap.at] : undefined;
  const text =
    phase !== 'paused' || (cursor.T === 0 && !cursor.within)
      ? ''
      : r && (trap?.within || trap?.selected)
        ? `${stepWords(r, t)}. ${sentence(r, { lang, domains })}`
        : t('between', { T: cursor.T });
  useEffect(() => {
    if (text === '') return;
    const timer = setTimeout(() => setSpoken(text), 120);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <p className="visually-hidden" aria-live="polite" data-testid="spoken">
      {spoken}
    </p>
  );
}
