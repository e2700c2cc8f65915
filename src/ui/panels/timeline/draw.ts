// Draws the tracks: a line where a domain has the processor, a bar on Xen's track for every trap, marks that tell outcomes by shape.
// Density instead of marks when they would overlap. Plain canvas: a few thousand marks must not cost a frame.

import type { TraceRecord } from '../../../trace/records.ts';

export interface Track {
  readonly domid: number;
  readonly letter: string;
  readonly colour: string;
  readonly dash: readonly number[];
}
export interface Scene {
  readonly width: number;
  readonly tracks: readonly Track[];
  /** The hypervisor has a track of its own, the last; a bare machine has none. */
  readonly xen: boolean;
  /** Height of the tracks' letters in CSS pixels. */
  readonly letter: number;
  /** Consecutive records of the window, or a sample of them when it is too wide. */
  readonly rows: readonly TraceRecord[];
  /** Records that are marked one by one: silent, refused, direct. */
  readonly marks: readonly TraceRecord[];
  readonly sampled: boolean;
  readonly xOf: (r: TraceRecord) => number;
  readonly cursorX: number;
  /** Index of the last row that has happened, and its seq. */
  readonly cursorRow: number;
  readonly cursorSeq: number;
  readonly ink: string;
  readonly quiet: string;
  readonly paper: string;
  readonly silentFill: string;
  readonly silentLine: string;
}
export const TRACK = 20,
  TOP = 4,
  LEFT = 28;
export const heightOf = (tracks: number): number => TOP * 2 + tracks * TRACK;

const trackY = (i: number): number => TOP + i * TRACK + TRACK / 2;
/** Where traps and density are drawn. */
const lastY = (s: Scene): number => trackY(s.tracks.length - (s.xen ? 0 : 1));

/** Segments of who has the processor: [track index, from row, to row]. */
export function segments(
  rows: readonly TraceRecord[],
  tracks: readonly Track[],
): (readonly [number, number, number])[] {
  const out: [number, number, number][] = [];
  rows.forEach((r, i) => {
    const owner = r.type === 'switch' ? r.p[2]! : r.domid;
    const track = tracks.findIndex((t) => t.domid === owner);
    const last = out.at(-1);
    if (last && last[0] === track) last[2] = i;
    else out.push([track, last ? last[2] : i, i]);
  });
  return out;
}

function silent(g: CanvasRenderingContext2D, s: Scene, x: number, y: number): void {
  g.fillStyle = s.silentFill;
  g.strokeStyle = s.silentLine;
  g.lineWidth = 1.4;
  g.fillRect(x - 6, y - 6, 12, 12);
  g.strokeRect(x - 6, y - 6, 12, 12);
  g.strokeRect(x - 3.2, y - 3.2, 6.4, 6.4);
}
function cross(g: CanvasRenderingContext2D, x: number, y: number): void {
  g.lineWidth = 2;
  g.beginPath();
  g.moveTo(x - 4, y - 4);
  g.lineTo(x + 4, y + 4);
  g.moveTo(x + 4, y - 4);
  g.lineTo(x - 4, y + 4);
  g.stroke();
}

function lines(g: CanvasRenderingContext2D, s: Scene): void {
  const at = (i: number): number => s.xOf(s.rows[i]!);
  for (const [track, from, to] of segments(s.rows, s.tracks)) {
    const t = s.tracks[track];
    if (!t) continue;
    g.strokeStyle = t.colour;
    g.lineWidth = 2;
    g.setLineDash([...t.dash]);
    for (const [a, b, alpha] of [
      [from, Math.min(to, s.cursorRow), 1],
      [Math.max(from, s.cursorRow), to, 0.4],
    ] as const) {
      if (b < a) continue;
      g.globalAlpha = alpha;
      g.beginPath();
      g.moveTo(at(a), trackY(track));
      g.lineTo(Math.max(at(b), at(a) + 1), trackY(track));
      g.stroke();
    }
  }
  g.setLineDash([]);
}

/** A trap as a bar on Xen's track, from enter to its last record of the window. */
function traps(g: CanvasRenderingContext2D, s: Scene): void {
  const y = lastY(s);
  let open = -1;
  s.rows.forEach((r, i) => {
    if (r.type === 'trap' && r.phase === 'enter') open = i;
    if (r.type === 'switch' || r.type === 'silent' || r.type === 'ringchange') open = -1;
    const inside = (r.type === 'trap' && r.phase === 'enter') || open >= 0;
    if (!inside) return;
    const x = s.xOf(r);
    g.globalAlpha = i <= s.cursorRow ? 1 : 0.4;
    if (r.type === 'trap' && r.phase === 'enter') {
      g.fillStyle = s.ink;
      g.fillRect(x - 1, y - 7, 2, 14);
      const track = s.tracks.findIndex((t) => t.domid === r.domid);
      g.strokeStyle = s.quiet;
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(x, trackY(Math.max(0, track)));
      g.lineTo(x, y);
      g.stroke();
    } else if (open >= 0) {
      const from = s.xOf(s.rows[i - 1]!);
      g.fillStyle = s.ink;
      g.fillRect(from, y - 4, Math.max(1, x - from), 8);
    }
    if (r.type === 'trap' && r.phase === 'return') open = -1;
  });
}

/** Records that stand out at any width. */
export const isMark = (r: TraceRecord): boolean =>
  r.type === 'silent' ||
  r.type === 'ringchange' ||
  (r.outcome === 'refused' && (r.phase === 'answer' || r.type === 'bounce'));

/** Zoomed out: how many records fell into each tick, as bars on Xen's track (square root, so that quiet stretches show). */
function density(g: CanvasRenderingContext2D, s: Scene): void {
  const y = lastY(s);
  const rate = s.rows.map((r, i) =>
    i === 0 ? 0 : Math.sqrt((r.seq - s.rows[i - 1]!.seq) / Math.max(1, r.T - s.rows[i - 1]!.T)),
  );
  const most = Math.max(...rate, Number.MIN_VALUE);
  g.fillStyle = s.ink;
  for (let i = 1; i < s.rows.length; i++) {
    const x = s.xOf(s.rows[i - 1]!),
      h = Math.max(1, (rate[i]! / most) * 16);
    g.globalAlpha = i <= s.cursorRow ? 1 : 0.4;
    g.fillRect(x, y + 8 - h, Math.max(1, s.xOf(s.rows[i]!) - x), h);
  }
}

function marks(g: CanvasRenderingContext2D, s: Scene): void {
  for (const r of s.marks) {
    const x = s.xOf(r);
    const track = Math.max(
      0,
      s.tracks.findIndex((t) => t.domid === r.domid),
    );
    g.globalAlpha = r.seq <= s.cursorSeq ? 1 : 0.4;
    g.strokeStyle = s.tracks[track]?.colour ?? s.ink;
    if (r.type === 'silent') silent(g, s, x, trackY(track));
    else if (r.type === 'ringchange') {
      g.lineWidth = 1.6;
      g.fillStyle = s.paper;
      g.beginPath();
      g.arc(x, trackY(track), 5, 0, 7);
      g.fill();
      g.stroke();
    } else cross(g, x, trackY(track));
  }
}

export function draw(g: CanvasRenderingContext2D, s: Scene, height: number): void {
  g.clearRect(0, 0, s.width, height);
  g.globalAlpha = 1;
  g.font = `600 ${s.letter}px "Plex Sans", sans-serif`;
  g.textBaseline = 'middle';
  s.tracks.forEach((t, i) => {
    g.fillStyle = t.colour;
    g.fillText(t.letter, 8, trackY(i));
  });
  g.fillStyle = s.ink;
  if (s.xen) g.fillText('X', 8, lastY(s));
  g.strokeStyle = s.quiet;
  g.globalAlpha = 0.35;
  g.lineWidth = 1;
  for (let i = 0; i < s.tracks.length + (s.xen ? 1 : 0); i++) {
    g.beginPath();
    g.moveTo(LEFT, trackY(i) + 0.5);
    g.lineTo(s.width - 8, trackY(i) + 0.5);
    g.stroke();
  }
  lines(g, s);
  if (s.sampled) density(g, s);
  else traps(g, s);
  marks(g, s);
  g.globalAlpha = 1;
  g.strokeStyle = s.ink;
  g.lineWidth = 2;
  g.beginPath();
  g.moveTo(s.cursorX, 0);
  g.lineTo(s.cursorX, height);
  g.stroke();
}
