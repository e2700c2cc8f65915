// The four ways a privileged moment ends, told apart by word and shape: a filled disc, a ring with a dot, a cross, a double box.
// A fifth, direct, is the processor alone: an open ring.

import type { Outcome } from '../../trace/records.ts';
import { useT } from '../i18n/index.ts';

const SHAPES: Readonly<Record<Exclude<Outcome, 'none'>, React.ReactNode>> = {
  served: <circle cx="8" cy="8" r="5" fill="currentColor" />,
  emulated: (
    <>
      <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <circle cx="8" cy="8" r="2" fill="currentColor" />
    </>
  ),
  refused: (
    <path d="M3.5 3.5l9 9M12.5 3.5l-9 9" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
  ),
  silent: (
    <>
      <rect
        x="2"
        y="2"
        width="12"
        height="12"
        fill="var(--silent-fill)"
        stroke="var(--silent-line)"
        strokeWidth="1.4"
      />
      <rect
        x="4.7"
        y="4.7"
        width="6.6"
        height="6.6"
        fill="none"
        stroke="var(--silent-line)"
        strokeWidth="1.4"
      />
    </>
  ),
  direct: (
    <circle cx="8" cy="8" r="4.6" fill="none" stroke="currentColor" strokeWidth="1.6" strokeDasharray="3 2" />
  ),
};

export const OutcomeShape = ({ outcome }: { readonly outcome: Exclude<Outcome, 'none'> }) => (
  <svg
    width="16"
    height="16"
    viewBox="0 0 16 16"
    aria-hidden="true"
    style={{ flex: '0 0 16px', verticalAlign: '-3px' }}
  >
    {SHAPES[outcome]}
  </svg>
);

export function OutcomeMark({ outcome }: { readonly outcome: Outcome }) {
  const t = useT();
  if (outcome === 'none') return null;
  return (
    <span className="nowrap">
      <OutcomeShape outcome={outcome} /> {t(`outcome_${outcome}`)}
    </span>
  );
}
