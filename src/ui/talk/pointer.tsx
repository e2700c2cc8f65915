// A pointer a room can see: a ring round the place, or a light with the rest in the dark. It follows the mouse, and the focus where keys are used.

import { useEffect, useRef } from 'react';
import { useT } from '../i18n/index.ts';
import { useSettings } from '../store/settings.ts';
import { useUi } from '../store/ui.ts';
import style from './style.module.css';

const NEXT = { off: 'dot', dot: 'spotlight', spotlight: 'off' } as const;
/** Off, dot, spotlight, off. */
export function nextPointer(): void {
  const { pointer, set } = useUi.getState();
  set({ pointer: NEXT[pointer] });
}

// Where the mouse was last, so that the pointer appears where somebody already points.
let last = { x: -1, y: -1 };
export function wirePointer(): () => void {
  const seen = (e: PointerEvent): void => {
    last = { x: e.clientX, y: e.clientY };
  };
  window.addEventListener('pointermove', seen, { passive: true });
  return () => window.removeEventListener('pointermove', seen);
}

export function Pointer() {
  const pointer = useUi((s) => s.pointer);
  const on = useSettings((s) => s.theme === 'presenter') && pointer !== 'off';
  const ref = useRef<HTMLDivElement>(null);
  const dialog = useUi((s) => s.dialog);
  useEffect(wirePointer, []);
  // The browser's top layer, again above each dialog that opens.
  useEffect(() => {
    ref.current?.showPopover();
    return () => ref.current?.hidePopover();
  }, [pointer, on, dialog]);
  useEffect(() => {
    if (!on) return;
    const to = (x: number, y: number): void => {
      last = { x, y };
      ref.current?.style.setProperty('transform', `translate(${x}px, ${y}px)`);
    };
    const move = (e: PointerEvent): void => to(e.clientX, e.clientY);
    const focus = (e: FocusEvent): void => {
      if (!(e.target instanceof Element) || !e.target.matches(':focus-visible')) return;
      const box = e.target.getBoundingClientRect();
      to(box.x + box.width / 2, box.y + box.height / 2);
    };
    to(last.x < 0 ? innerWidth / 2 : last.x, last.y < 0 ? innerHeight / 2 : last.y);
    window.addEventListener('pointermove', move, { passive: true });
    window.addEventListener('focusin', focus);
    return () => {
      window.removeEventListener('pointermove', move);
      window.removeEventListener('focusin', focus);
    };
  }, [on]);
  if (!on) return null;
  return (
    <div
      ref={ref}
      popover="manual"
      className={style[pointer]}
      aria-hidden="true"
      data-testid={`pointer-${pointer}`}
    />
  );
}

export function PointerButton() {
  const t = useT();
  const pointer = useUi((s) => s.pointer);
  return (
    <button type="button" className="button" aria-pressed={pointer !== 'off'} onClick={nextPointer}>
      {t('pointer')} <kbd className="key">X</kbd>
    </button>
  );
}
