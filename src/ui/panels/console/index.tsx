// The console of a domain. It follows the cursor: stepping back un-prints, and a line says how much of the known future is still to come.

import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { useEffect, useRef, useState } from 'react';
import { Markdown } from '../../widgets/markdown.tsx';
import { useT } from '../../i18n/index.ts';
import { session, useAsked, useLab } from '../../store/lab.ts';
import { useSettings } from '../../store/settings.ts';
import { useUi } from '../../store/ui.ts';
import type { PanelProps } from '../contract.ts';
import style from './style.module.css';

const token = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const theme = () => ({
  background: token('--paper'),
  foreground: token('--ink'),
  cursor: token('--ink'),
  cursorAccent: token('--paper'),
  selectionBackground: token('--select'),
  scrollbarSliderBackground: token('--hair'),
  scrollbarSliderHoverBackground: token('--edge'),
  scrollbarSliderActiveBackground: token('--ink-2'),
});

function Screen({
  domid,
  text,
  label,
}: {
  readonly domid: number;
  readonly text: string;
  readonly label: string;
}) {
  const t = useT();
  const box = useRef<HTMLDivElement>(null);
  const term = useRef<Terminal>(null);
  const shown = useRef('');
  const chosen = useSettings((s) => s.theme);
  const [ime, setIme] = useState(false);
  useEffect(() => {
    const x = new Terminal({
      convertEol: true,
      fontFamily: '"Plex Mono", "Plex Sans", monospace',
      fontSize: chosen === 'presenter' ? 18 : 14,
      lineHeight: 1.35,
      theme: theme(),
      scrollback: 5000,
      cursorBlink: false,
      cursorInactiveStyle: 'none',
    });
    const fit = new FitAddon();
    x.loadAddon(fit);
    x.open(box.current!);
    const area = x.textarea;
    area?.setAttribute('aria-label', label);
    const focus = (): void => useUi.getState().set({ keysGoTo: String(domid) });
    const blur = (): void => useUi.getState().set({ keysGoTo: undefined });
    const compose = (): void => setIme(true);
    area?.addEventListener('focus', focus);
    area?.addEventListener('blur', blur);
    area?.addEventListener('compositionstart', compose);
    const keys = x.onData((d) => void session().input(domid, new TextEncoder().encode(d)));
    // Esc and F6 belong to the page: they are the way out.
    x.attachCustomKeyEventHandler((e) => e.code !== 'Escape' && e.code !== 'F6');
    const refit = (): void => {
      if (box.current && box.current.clientHeight > 20) fit.fit();
    };
    const watch = new ResizeObserver(refit);
    watch.observe(box.current!);
    void document.fonts.ready.then(refit);
    term.current = x;
    shown.current = '';
    return () => {
      watch.disconnect();
      keys.dispose();
      blur();
      x.dispose();
      term.current = null;
    };
  }, [domid, label, chosen]);
  useEffect(() => {
    const x = term.current;
    if (!x) return;
    if (text.startsWith(shown.current)) x.write(text.slice(shown.current.length));
    else {
      x.reset();
      x.write(text);
    }
    shown.current = text;
  }, [text, chosen, domid, label]);
  return (
    <>
      <div ref={box} className={style.screen} />
      {ime && <p className={style.later}>{t('imeHint')}</p>}
    </>
  );
}

export default function Console({ arg }: PanelProps) {
  const t = useT();
  const domains = useLab((s) => s.domains);
  const domain =
    arg === undefined ? domains.find((d) => d.kind === 'pv') : domains.find((d) => d.domid === Number(arg));
  const domid = domain?.domid;
  const { model } = useAsked(domid === undefined ? undefined : `console ${domid}`, (s) =>
    s.consoleText(domid!),
  );
  const running = useLab((s) => s.phase === 'running');
  const over = useLab((s) => s.ended !== undefined && s.cursor.seq === s.end.seq);
  const text = model?.text ?? '';
  const later = model?.laterLines ?? 0;
  return (
    <div className={style.console} data-testid={`console-${domid ?? ''}`}>
      {text === '' ? (
        <div className={style.empty}>
          <Markdown text={t(over ? 'consoleSilent' : running ? 'consoleQuiet' : 'consoleEmpty')} />
        </div>
      ) : (
        <Screen domid={domid!} text={text} label={t('consoleOf', { who: domain?.name ?? '' })} />
      )}
      {text !== '' && (
        <pre className="visually-hidden" data-testid="console-text">
          {text}
        </pre>
      )}
      {later > 0 && (
        <p className={style.later} data-testid="later">
          {t(later === 1 ? 'laterLine' : 'laterLines', { n: later })}
        </p>
      )}
    </div>
  );
}
