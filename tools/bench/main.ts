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
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: text, engines: text, workloads: text, json: text },
});

/** The members of `all` that a comma-separated list names; all of them without a list. Throws for a name that is none. */
function chosen<T>(list: string | undefined, all: readonly T[], name: (item: T) => string): T[] {
  return (list?.split(',') ?? all.map(name)).map((wanted) => {
    const found = all.find((item) => name(item) === wanted);
    if (found === undefined) throw new Error(`there is ${all.map(name).join(', ')}, but no ${wanted}`);
    return found;
  });
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
    rounds: Number(values.rounds ?? ROUNDS),
    peers: chosen<Peer>(values.engines, built, (peer) => peer),
    workloads: chosen(values.workloads, WORKLOADS, (workload) => workload.name),
    progress: (line) => process.stderr.write(line),
  });
  if (groups.length > 1) console.log();
  console.log(report(comparison));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(comparison, null, 1)}\n`);
  if (comparison.problems.length > 0) process.exitCode = 1;
}
