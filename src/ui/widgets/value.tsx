// A value that lights up everywhere it stands. Groups of values are one tab stop; arrows walk inside, Enter pins, Esc lets go.

// biome-ignore-all lint/a11y/noNoninteractiveTabindex: the group is the one tab stop of its values
// biome-ignore-all lint/a11y/noStaticElementInteractions: a value is text that lights up, not a control
// biome-ignore-all lint/a11y/useSemanticElements: a fieldset is for form fields

import type { KeyboardEvent, ReactNode } from 'react';
import { useHighlight, useLit, type ValueKind } from '../store/highlight.ts';

interface ValueProps {
  readonly kind: ValueKind;
  readonly value: number;
  readonly domid?: number | undefined;
  readonly changed?: boolean;
  readonly children: ReactNode;
}
export function Value({ kind, value, domid, changed, children }: ValueProps) {
  const lit = useLit(kind, value, domid);
  const { setHover, setPinned } = useHighlight.getState();
  const me = { kind, value, domid };
  return (
    <span
      className="mono nowrap"
      data-value={kind}
      data-lit={lit || undefined}
      data-changed={changed || undefined}
      tabIndex={-1}
      onPointerEnter={() => setHover(me)}
      onPointerLeave={() => setHover(undefined)}
      onFocus={() => setHover(me)}
      onBlur={() => setHover(undefined)}
      onKeyDown={(e) => {
        if (e.key !== 'Enter') return;
        e.stopPropagation();
        setPinned(me);
      }}
    >
      {children}
    </span>
  );
}

/** Wraps a region with values: Tab comes here once, arrows go from value to value. */
export function Values({
  label,
  className,
  children,
}: {
  readonly label: string;
  readonly className?: string | undefined;
  readonly children: ReactNode;
}) {
  const walk = (e: KeyboardEvent<HTMLDivElement>): void => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (!step) return;
    const all = [...e.currentTarget.querySelectorAll<HTMLElement>('[data-value]')];
    if (all.length === 0) return;
    const next = all.indexOf(document.activeElement as HTMLElement) + step;
    all[(next + all.length) % all.length]!.focus();
    e.preventDefault();
  };
  return (
    <div role="group" aria-label={label} tabIndex={0} className={className} onKeyDown={walk}>
      {children}
    </div>
  );
}
