// Every guest of src/guests/tests runs on the machine with each engine, audited; its last console line is the verdict, and both engines
// come to the same hashes.

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { auditMachine } from '../hypervisor/audit.ts';
import { ENGINES, type EngineName } from '../cpu/engine.ts';
import { stateHash } from '../machine/state-hash.ts';
import { stopReason } from '../machine/stop.ts';
import { consoleOf, labOf, start } from '../lab/testing.ts';

const names = readdirSync(new URL('../../public/guests/', import.meta.url)).filter((n) =>
  n.startsWith('test-'),
);

describe('conformance guests', () => {
  it.each(names)('%s', (name) => {
    const [one, ...others] = ENGINES.map((engine) => verdict(name, engine));
    for (const other of others) expect(other).toEqual(one);
  });
});

/** Runs a guest to its end, checks what it said, and returns the hashes it came to. */
function verdict(name: string, engine: EngineName): readonly [trace: string, state: string] {
  const { machine, timeline } = start(labOf([name]), { engine });
  for (let i = 0; i < 400; i++) {
    const result = timeline.run({ untilTicks: timeline.ticks + 100_000 });
    if (i % 8 === 0) expect(auditMachine(machine.m)).toEqual([]);
    if (result.kind !== 'reached') break;
  }
  const text = consoleOf(timeline, 1);
  const last = text.trim().split('\n').pop() ?? '';
  expect(last, text).toBe(`PASS ${name.replace('test-', '')}`);
  expect(stopReason(machine.m)).toBe('poweroff');
  expect(auditMachine(machine.m)).toEqual([]);
  return [machine.trace.hash, stateHash(machine.m)];
}
