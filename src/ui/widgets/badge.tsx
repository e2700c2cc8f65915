// Whose it is: the letter in a ring of the owner's colour and dash pattern.

import type { Owner } from '../text/owner.ts';

export function Badge({ owner, size = 20 }: { readonly owner: Owner; readonly size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      role="img"
      aria-label={owner.name}
      style={{ color: owner.colour, flex: `0 0 ${size}px`, verticalAlign: '-4px' }}
    >
      <circle
        cx="10"
        cy="10"
        r="8.5"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeDasharray={owner.dash}
      />
      <text
        x="10"
        y="14"
        textAnchor="middle"
        fontSize="11"
        fontWeight="600"
        fill="currentColor"
        fontFamily="var(--sans)"
      >
        {owner.letter}
      </text>
    </svg>
  );
}
