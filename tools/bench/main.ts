// `npm run bench`: what the machine costs, and how fast it is beside a peer. Nothing asserts a time; a wrong checksum fails.
//
//   npm run bench                                    both
//   npm run bench -- machine                         the machine alone: engine, trace, snapshots, going back
//   npm run bench -- peer [--rounds N] [--engines reference,interpreter,v86] [--workloads sieve,…] [--json FILE]

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ENGINES } from '../../src/cpu/engine.ts';
import { reportMachine } from './machine.ts';
import { compare, report } from './peer/compare.ts';
import { PEERS, type Peer } from './peer/run.ts';
import { WORKLOADS } from './peer/workloads.ts';

const ROUNDS = 5;
const text = { type: 'string' } as const;
/** Says what is wrong with the command line and ends with exit code 2. */
function refuse(error: unknown): never {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(2);
}
function read() {
  try {
    const options = { rounds: text, engines: text, workloads: text, json: text };
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    return refuse(error);
  }
}
const { values, positionals } = read();

/** The members of `all` that a comma-separated list names; all of them without a list. */
function chosen<T>(list: string | undefined, all: readonly T[], name: (item: T) => string): T[] {
  return (list?.split(',') ?? all.map(name)).map((wanted) => {
    const found = all.find((item) => name(item) === wanted);
    return found ?? refuse(`there is ${all.map(name).join(', ')}, but no ${wanted}`);
  });
}

function roundsOf(given: string | undefined): number {
  const rounds = Number(given ?? ROUNDS);
  return Number.isInteger(rounds) && rounds > 0 ? rounds : refuse(`'${given}' is no number of rounds`);
}

const groups = chosen(
  positionals.length > 0 ? positionals.join(',') : undefined,
  ['machine', 'peer'],
  (g) => g,
);
if (groups.includes('machine')) console.log(reportMachine());
if (groups.includes('peer')) {
  const built = PEERS.filter((peer) => peer === 'v86' || (ENGINES as readonly string[]).includes(peer));
  const comparison = await compare({
    rounds: roundsOf(values.rounds),
    peers: chosen<Peer>(values.engines, built, (peer) => peer),
    workloads: chosen(values.workloads, WORKLOADS, (workload) => workload.name),
    progress: (line) => process.stderr.write(line),
  });
  if (groups.length > 1) console.log();
  console.log(report(comparison));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(comparison, null, 1)}\n`);
  if (comparison.problems.length > 0) process.exitCode = 1;
}
