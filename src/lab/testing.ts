// Machines for tests: shipped guests in a small memory, a Timeline over them, random moments with a seed.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { engineChoice } from '../cli/engine-code.ts';
import { DEFAULT_ENGINE, type EngineName } from '../cpu/engine.ts';
import { allocate } from '../memory/memory.ts';
import { createMachine, type XenMachine } from '../toolstack/assemble.ts';
import { startAll } from './inputs.ts';
import { Timeline, type TimelineOptions } from './timeline.ts';
import { type LabConfig, MACHINE_VERSION } from './types.ts';

const ROOT = new URL('../../', import.meta.url);
const files = new Map<string, Uint8Array>();

/** Reads public/guests/<name>/<name>.elf (or a path) and remembers it by hash. */
export function loadGuest(name: string): string {
  const url = name.includes('/')
    ? new URL(name, 'file:///')
    : new URL(`public/guests/${name}/${name}.elf`, ROOT);
  const bytes = new Uint8Array(readFileSync(url));
  const sha = createHash('sha256').update(bytes).digest('hex');
  files.set(sha, bytes);
  return sha;
}
export const images = (sha256: string): Uint8Array | undefined => files.get(sha256);

/** A configuration of shipped guests: 'ping' or ['pong', 'peer=1']. */
export function labOf(
  guests: readonly (string | readonly [name: string, cmdline: string])[],
  sliceTicks = 30_000,
  memoryMiB = 64,
  guestMiB = 8,
): LabConfig {
  return {
    version: MACHINE_VERSION,
    memoryMiB,
    sliceTicks,
    epochSec: 1_790_000_000,
    domains: guests.map((g) => {
      const [name, cmdline] = typeof g === 'string' ? [g, ''] : g;
      return { name: name.split('/').pop() ?? name, image: loadGuest(name), memoryMiB: guestMiB, cmdline };
    }),
  };
}

/** The two kernels of *Two kernels, one page*. */
export const pingPong = (count = 6): LabConfig =>
  labOf([
    ['ping', `count=${count}`],
    ['pong', 'peer=1'],
  ]);

/** Builds the machine of a configuration and a Timeline at its start. */
export function start(
  config: LabConfig,
  options: TimelineOptions & { readonly engine?: EngineName } = {},
): { machine: XenMachine; timeline: Timeline } {
  const { sliceTicks, epochSec } = config;
  const machine = createMachine(
    allocate(config.memoryMiB, false),
    { sliceTicks, epochSec },
    engineChoice(options.engine ?? DEFAULT_ENGINE, false),
  );
  startAll(machine, config, images);
  const timeline = new Timeline(machine, images, options);
  timeline.log.append({ kind: 'closeInput' });
  timeline.begin();
  return { machine, timeline };
}

/** Console text of a domain, both channels. */
export function consoleOf(timeline: Timeline, domid: number): string {
  const { history } = timeline;
  let out = '';
  for (let seq = history.first; seq <= history.last; seq++) {
    const r = history.get(seq);
    if (r?.type === 'console' && r.domid === domid && r.data) out += String.fromCharCode(...r.data);
  }
  return out;
}

/** Numbers in [0, n) from a seed: xorshift, the same on every computer. */
export function chance(seed: number): (n: number) => number {
  let s = seed | 0 || 1;
  return (n) => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return (s >>> 0) % n;
  };
}
