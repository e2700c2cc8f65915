// The browser's own modal dialog: it traps the focus, closes by Esc, and gives the focus back.

import { type ReactNode, useEffect, useRef } from 'react';
import { useT } from '../i18n/index.ts';
import style from './dialog.module.css';
import { Icon } from './icon.tsx';

export function Dialog({
  title,
  onClose,
  children,
  wide,
}: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly wide?: boolean;
}) {
  const t = useT();
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const d = ref.current!;
    const from = document.activeElement;
    d.showModal();
    return () => {
      d.close();
      if (from instanceof HTMLElement) from.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same
    <dialog
      ref={ref}
      className={wide ? `${style.dialog} ${style.wide}` : style.dialog}
      aria-label={title}
      onCancel={onClose}
      onClick={(e) => e.target === ref.current && onClose()}
    >
      <div className={style.inside}>
        <header className={style.head}>
          <h2>{title}</h2>
          <button type="button" className="button square" aria-label={t('close')} onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
