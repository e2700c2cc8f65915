// The bare machine's screen, and its keyboard while the screen has the focus. It follows the cursor like every panel.

import type { KeyboardEvent } from 'react';
import type { VgaModel, VgaRun } from '../../../lab/inspect/vga.ts';
import { scanCodes } from '../../../lab/scan-codes.ts';
import { defineText, useText } from '../../i18n/index.ts';
import { session, useModel } from '../../store/lab.ts';
import plate from '../../widgets/plate.module.css';
import type { PanelProps } from '../contract.ts';
import style from './style.module.css';

const TEXT = defineText({
  en: {
    none: 'This machine has no screen. A multiboot image or a ROM runs on the bare machine, which has one.',
    screen: 'Screen of the machine; what is typed here goes to its keyboard',
  },
  ko: {
    none: '이 기계에는 화면이 없습니다. 멀티부트 이미지나 ROM은 화면이 있는 맨 기계에서 돕니다.',
    screen: '기계의 화면. 여기에 치는 글쇠는 기계의 키보드로 갑니다',
  },
});

/** The sixteen colours of a VGA as its DAC has them after a mode set. */
const COLOURS = [
  '#000000',
  '#0000aa',
  '#00aa00',
  '#00aaaa',
  '#aa0000',
  '#aa00aa',
  '#aa5500',
  '#aaaaaa',
  '#555555',
  '#5555ff',
  '#55ff55',
  '#55ffff',
  '#ff5555',
  '#ff55ff',
  '#ffff55',
  '#ffffff',
] as const;

function Line({ runs }: { readonly runs: readonly VgaRun[] }) {
  return (
    <>
      {runs.map((run, i) => (
        <span key={i} style={{ color: COLOURS[run.ink], background: COLOURS[run.paper] }}>
          {run.text}
        </span>
      ))}
      {'\n'}
    </>
  );
}

export default function Vga(_: PanelProps) {
  const t = useText(TEXT);
  const { model } = useModel<VgaModel | null>('vga');
  if (!model) return <p className={plate.empty}>{t('none')}</p>;
  const key = (event: KeyboardEvent, down: boolean): void => {
    const codes = event.key === 'Tab' ? undefined : scanCodes(event.code, down); // Tab leaves the screen
    if (codes === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (down && event.repeat) return;
    const on = session().getState().phase === 'running'; // a machine that ran goes on
    void session()
      .edit({ kind: 'keys', codes })
      .then(() => (on ? session().run() : undefined));
  };
  return (
    <div className={style.frame}>
      <pre
        className={style.screen}
        role="application"
        aria-label={t('screen')}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is a keyboard
        tabIndex={0}
        onKeyDown={(e) => key(e, true)}
        onKeyUp={(e) => key(e, false)}
      >
        {model.rows.map((runs, i) => (
          <Line key={i} runs={runs} />
        ))}
        {model.cursor && (
          <span
            className={style.cursor}
            aria-hidden
            style={{ left: `${model.cursor.column}ch`, top: `${model.cursor.row * 1.2}em` }}
          />
        )}
      </pre>
    </div>
  );
}
