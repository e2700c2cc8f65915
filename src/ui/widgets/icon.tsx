// Our own 16-pixel icons: one stroke width, round ends, currentColor. An icon never stands alone: its control has a name.

const PATHS = {
  run: 'M5 3.5v9l7-4.5z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  forward: 'M3.5 4v8l5-4zM12 4v8',
  back: 'M12.5 4v8l-5-4zM4 4v8',
  toStart: 'M4 4v8M13 4v8L8.5 8zM8.5 4v8L4 8z',
  toEnd: 'M12 4v8M3 4v8l4.5-4zM7.5 4v8L12 8z',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  add: 'M8 3v10M3 8h10',
  close: 'M4 4l8 8M12 4l-8 8',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 1 0 0-5.6M8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M3.4 12.6l1.1-1.1M11.5 4.5l1.1-1.1',
  moon: 'M12.8 9.6A5.4 5.4 0 0 1 6.4 3.2a5.4 5.4 0 1 0 6.4 6.4z',
  link: 'M6.7 9.3l2.6-2.6M7.3 4.7l1.2-1.2a2.8 2.8 0 0 1 4 4l-1.2 1.2M8.7 11.3l-1.2 1.2a2.8 2.8 0 0 1-4-4l1.2-1.2',
  help: 'M6 6a2 2 0 1 1 2.8 1.8c-.5.3-.8.7-.8 1.4M8 11.8h.01M8 1.6a6.4 6.4 0 1 0 0 12.8a6.4 6.4 0 1 0 0-12.8',
  layout: 'M2.5 3.5h11v9h-11zM7.5 3.5v9M7.5 8h6',
  down: 'M4.5 6.5L8 10l3.5-3.5',
  check: 'M3.5 8.5l3 3l6-7',
  cross: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  drop: 'M8 2.5v7M5 7l3 3l3-3M3 12.5h10',
  breakpoint: 'M8 4.2a3.8 3.8 0 1 0 0 7.6a3.8 3.8 0 1 0 0-7.6',
  source: 'M5.5 4.5L2 8l3.5 3.5M10.5 4.5L14 8l-3.5 3.5',
} as const;
export type IconName = keyof typeof PATHS;
const FILLED: ReadonlySet<string> = new Set(['run', 'forward', 'back', 'toStart', 'toEnd']);

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg
      width="16"
      height="16"
      viewBox="0 0 16 16"
      aria-hidden="true"
      focusable="false"
      style={{ flex: '0 0 16px' }}
    >
      <path
        d={PATHS[name]}
        fill={FILLED.has(name) ? 'currentColor' : 'none'}
        stroke="currentColor"
        strokeWidth={name === 'more' ? 2.4 : 1.6}
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
