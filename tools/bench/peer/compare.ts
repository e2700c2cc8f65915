// `npm run bench -- peer`: the same images in every emulator, in rounds that take turns, so that what happens to the computer happens to all.
// The checksums must be equal in every run of every emulator: the bench is a test of correctness too.

import { fork } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { geometricMean, median, spread, table } from '../statistics.ts';
import { type Job, PEERS, type Peer, type Run } from './run.ts';
import { v86Bios } from './v86.ts';
import { WANTED, WORKLOADS, type Workload, warmUp } from './workloads.ts';

export interface CompareOptions {
  readonly rounds: number;
  readonly peers: readonly Peer[];
  readonly workloads: readonly Workload[];
  /** Where a line goes for every run, while it goes on. */
  readonly progress: (text: string) => void;
}

/** A workload in an emulator: rates in iterations a second, one a round. */
export interface Cell {
  readonly rates: number[];
  readonly runs: Run[];
}
export interface Comparison {
  readonly machine: string;
  readonly rounds: number;
  /** By workload and emulator. */
  readonly cells: Readonly<Record<string, Partial<Record<Peer, Cell>>>>;
  /** Runs that failed and checksums that differ. */
  readonly problems: readonly string[];
}

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
const PATIENCE_MS = 180_000;
const imageOf = (name: string): string =>
  fileURLToPath(new URL(`../../../public/guests/bare/bench-${name}.elf`, import.meta.url));

/** Does one job in a process of its own. Throws with what the process said if it failed or took too long. */
export function perform(job: Job): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, [JSON.stringify(job)], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let said = '';
    child.stderr?.on('data', (text) => {
      said += String(text);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    child.on('message', (message: { run?: Run; error?: string }) => {
      if (message.run) resolve(message.run);
      else reject(new Error(message.error));
    });
    child.on('close', () => {
      clearTimeout(timer);
      reject(
        new Error(said.trim().split('\n').slice(-3).join(' ') || `no result after ${PATIENCE_MS / 1000} s`),
      );
    });
  });
}

/** Runs everything. */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const cells: Record<string, Partial<Record<Peer, Cell>>> = {};
  const checksums: Record<string, { readonly sum: string; readonly peer: Peer }> = {};
  const problems = new Set<string>();
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, repeat } of options.workloads) {
      for (const peer of options.peers) {
        const job = { peer, image: imageOf(name), repeat: repeat[peer], warm: warmUp(repeat[peer]) };
        try {
          const run = await perform(job);
          const row = (cells[name] ??= {});
          const cell = (row[peer] ??= { rates: [], runs: [] });
          cell.runs.push(run);
          cell.rates.push((run.iterations * 1000) / run.ms);
          const first = (checksums[name] ??= { sum: run.checksum, peer });
          if (run.checksum !== first.sum)
            problems.add(`${name}: ${peer} computes ${run.checksum}, ${first.peer} ${first.sum}`);
          options.progress(`${round + 1}/${options.rounds} ${name} ${peer}: ${run.ms.toFixed(0)} ms\n`);
        } catch (error) {
          problems.add(`${name}: ${peer}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }
  }
  const processors = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'processor'}`;
  const machine = `${processors}, Node ${process.version}; v86 with ${v86Bios()}`;
  return { machine, rounds: options.rounds, cells, problems: [...problems] };
}

/**
 * An engine's rate as a part of v86's, by workload: the median of the rounds' ratios, for both ran next to each other in a round and what
 * slowed one down slowed the other. Only where both ran in every round.
 */
export function ratios(comparison: Comparison, peer: Peer): { name: string; ratio: number }[] {
  return Object.entries(comparison.cells).flatMap(([name, row]) => {
    const own = row[peer]?.rates ?? [],
      theirs = row.v86?.rates ?? [];
    if (own.length === 0 || own.length !== theirs.length) return [];
    return [{ name, ratio: median(own.map((rate, round) => rate / theirs[round]!)) }];
  });
}

const short = (n: number): string => (n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2));
const percent = (n: number): string => `±${(n * 100).toFixed(0)} %`;

/** Millions of ticks a second, where the emulator counts them. */
function speed(cell: Cell | undefined): number {
  const runs = (cell?.runs ?? []).filter((run) => run.ticks !== undefined);
  return runs.length === 0 ? Number.NaN : median(runs.map((run) => run.ticks! / 1000 / run.ms));
}

function rateText(cell: Cell | undefined): string {
  return cell ? `${short(median(cell.rates))} ${percent(spread(cell.rates))}` : '–';
}

/** The comparison as text: a table, the means, what was wanted and whether it was reached. */
export function report(comparison: Comparison): string {
  const ran = PEERS.filter((peer) => Object.values(comparison.cells).some((row) => row[peer]));
  const ours: Peer[] = ran.filter((peer) => peer !== 'v86');
  const ratioOf = new Map(ours.map((peer) => [peer, ratios(comparison, peer)]));
  const part = (peer: Peer, name: string): string => {
    const found = ratioOf.get(peer)?.find((r) => r.name === name);
    return found ? short(found.ratio) : '–';
  };
  const rows = Object.entries(comparison.cells).map(([name, row]) => [
    `${name}: ${WORKLOADS.find((w) => w.name === name)?.about ?? ''}`,
    ...ran.map((peer) => rateText(row[peer])),
    ...ours.map((peer) => part(peer, name)),
    ...ours.map((peer) => (row[peer] ? short(speed(row[peer])) : '–')),
  ]);
  const head = [
    'iterations/s',
    ...ran,
    ...ours.map((p) => `${p} : v86`),
    ...ours.map((p) => `${p}, M ticks/s`),
  ];
  const lines = [table([head, ...rows]), '', `${comparison.machine}; ${comparison.rounds} rounds, medians`];
  const runs = (peer: Peer): Run[] => Object.values(comparison.cells).flatMap((row) => row[peer]?.runs ?? []);
  for (const peer of ran)
    if (runs(peer).length > 0)
      lines.push(`${peer}: ready to run after ${short(median(runs(peer).map((run) => run.startMs)))} ms`);
  for (const peer of ours) {
    const own = ratioOf.get(peer) ?? [];
    if (own.length > 0)
      lines.push(`${peer}: ${short(geometricMean(own.map((r) => r.ratio)))} of v86 in the geometric mean`);
  }
  lines.push(...verdicts(comparison), ...comparison.problems.map((problem) => `WRONG ${problem}`));
  if (comparison.problems.length === 0) lines.push('checksums: equal in every run of every emulator');
  return lines.join('\n');
}

/** What was wanted of the interpreter, a line each. */
function verdicts(comparison: Comparison): string[] {
  const own = ratios(comparison, 'interpreter');
  if (own.length === 0) return [];
  const mean = geometricMean(own.map((r) => r.ratio));
  const low = own.filter((r) => r.ratio < WANTED.each).map((r) => `${r.name} ${short(r.ratio)}`);
  const starts = Object.values(comparison.cells).flatMap((row) => row.interpreter?.runs ?? []);
  const startMs = median(starts.map((run) => run.startMs));
  const say = (reached: boolean, text: string): string => `${reached ? 'reached' : 'MISSED '}  ${text}`;
  return [
    say(mean >= WANTED.mean, `geometric mean ${short(mean)}, wanted ${WANTED.mean}`),
    say(
      low.length === 0,
      `every workload at ${WANTED.each} or more${low.length > 0 ? `, except ${low.join(', ')}` : ''}`,
    ),
    say(
      startMs < WANTED.startMs,
      `engine ready after ${short(startMs)} ms, wanted less than ${WANTED.startMs}`,
    ),
  ];
}
