// The workloads and how often each emulator does them: about a second of work after a tenth of that to get warm. What is compared is the rate.

import type { Peer } from './run.ts';

export interface Workload {
  readonly name: string;
  /** What it is about, for the table. */
  readonly about: string;
  readonly repeat: Readonly<Record<Peer, number>>;
}

const times = (v86: number, interpreter: number, reference: number): Readonly<Record<Peer, number>> => ({
  v86,
  interpreter,
  reference,
});

export const WORKLOADS: readonly Workload[] = [
  { name: 'sieve', about: 'byte stores, short loops', repeat: times(60, 16, 1) },
  { name: 'crc32', about: 'table look-ups, shifts', repeat: times(60, 14, 1) },
  { name: 'matrix', about: 'multiplications', repeat: times(60, 16, 1) },
  { name: 'sort', about: 'quicksort, heap sort', repeat: times(36, 9, 1) },
  { name: 'strings', about: 'rep movs, stos, scas, cmps', repeat: times(360, 140, 1) },
  { name: 'calls', about: 'recursion, function pointers', repeat: times(60, 40, 2) },
  { name: 'pages', about: 'remaps, invlpg, page faults', repeat: times(150, 50, 2) },
  { name: 'ports', about: 'port I/O', repeat: times(180, 60, 4) },
  { name: 'traps', about: 'system calls, faults from ring 3', repeat: times(100, 40, 4) },
];

/** The figures that the engine is to reach, as parts of v86's rate. */
export const WANTED = { mean: 0.3, each: 0.2, startMs: 60 } as const;

export const warmUp = (repeat: number): number => Math.max(1, Math.round(repeat / 10));
