// A value that can be typed over while the machine is paused. Enter commits, Escape gives up; a text that is no number stays and says so.

import { type KeyboardEvent, useState } from 'react';
import style from './plate.module.css';

interface Props {
  readonly label: string;
  readonly text: string;
  /** Reads the text; undefined is an error. */
  readonly parse: (text: string) => number | undefined;
  readonly disabled: boolean;
  readonly onCommit: (value: number) => void;
}
export function Editable({ label, text, parse, disabled, onCommit }: Props) {
  const [draft, setDraft] = useState<string>();
  const [wrong, setWrong] = useState(false);
  const close = (): void => {
    setDraft(undefined);
    setWrong(false);
  };
  const keys = (e: KeyboardEvent<HTMLInputElement>): void => {
    e.stopPropagation();
    if (e.key === 'Escape') close();
    if (e.key !== 'Enter') return;
    const value = parse(draft ?? '');
    if (value === undefined) setWrong(true);
    else {
      close();
      onCommit(value);
    }
  };
  if (draft === undefined) {
    return (
      <button
        type="button"
        className={style.cell}
        aria-label={`${label}: ${text}`}
        disabled={disabled}
        onClick={() => setDraft(text)}
      >
        {text}
      </button>
    );
  }
  return (
    <input
      // biome-ignore lint/a11y/noAutofocus: the field replaces the button that was just pressed
      autoFocus
      className={style.edit}
      aria-label={label}
      aria-invalid={wrong}
      value={draft}
      onChange={(e) => setDraft(e.target.value)}
      onKeyDown={keys}
      onBlur={close}
    />
  );
}
