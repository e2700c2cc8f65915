// A fresh process of proof.test.ts, its engine the first argument: visits the moments on stdin in their order and counts those whose hashes are not the recorded ones.

import { readFileSync } from 'node:fs';
import { ENGINES } from '../cpu/engine.ts';
import { stateHash } from '../machine/state-hash.ts';
import { pingPong, start } from './testing.ts';
import type { Moment } from './types.ts';

const marks = JSON.parse(readFileSync(0, 'utf8')) as { moment: Moment; state: string; trace: string }[];
const engine = ENGINES.find((name) => name === process.argv[2]);
if (engine === undefined) throw new Error(`no engine '${process.argv[2]}'`);
const { machine, timeline } = start(pingPong(), { engine });
let differ = 0;
for (const mark of marks) {
  timeline.goto(mark.moment);
  const same =
    JSON.stringify(timeline.moment) === JSON.stringify(mark.moment) &&
    stateHash(machine.m) === mark.state &&
    machine.trace.hash === mark.trace;
  if (!same) differ++;
}
if (timeline.history.divergedAt !== 0) differ++;
console.log(`${marks.length} visited, ${differ} differ`);
