// The hard properties of the machine (DESIGN "Proof"): the same hashes whatever runs it, going back, cold restore, dropped caches. The
// reference engine writes down the moments; every engine has to meet them.

import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { engineChoice } from '../cli/engine-code.ts';
import { ENGINES } from '../cpu/engine.ts';
import { loadImage, saveImage } from '../machine/image.ts';
import { stateHash } from '../machine/state-hash.ts';
import { allocate } from '../memory/memory.ts';
import { attachMachine, type XenMachine } from '../toolstack/assemble.ts';
import { code } from './inspect/code.ts';
import { cpu } from './inspect/cpu.ts';
import { events } from './inspect/events.ts';
import { pageWalk } from './inspect/frame.ts';
import { grants } from './inspect/grants.ts';
import { memory } from './inspect/memory.ts';
import { rings } from './inspect/rings.ts';
import type { View } from './inspect/view.ts';
import { xenstore } from './inspect/xenstore.ts';
import { chance, consoleOf, images, pingPong, start } from './testing.ts';
import { Timeline } from './timeline.ts';
import type { Moment } from './types.ts';

/** Of each kind: between two ticks, and inside a trap. */
const MOMENTS = 200;
interface Mark {
  readonly moment: Moment;
  readonly state: string;
  readonly trace: string;
}

/** Runs ping and pong, stopping at random moments (every other one inside a trap), and writes down both hashes at each. */
function record(): { marks: Mark[]; end: Mark; text: string } {
  const { machine, timeline } = start(pingPong(), { engine: 'reference' });
  const all = start(pingPong(), { engine: 'reference' });
  all.timeline.run({});
  const firstSeq = timeline.seq + 1;
  const lastTick = all.timeline.ticks,
    lastSeq = all.timeline.seq;
  const pick = chance(2026);
  const stops = Array.from({ length: 2 * MOMENTS }, (_, i) =>
    i % 2 === 0 ? { ticks: 1 + pick(lastTick - 1) } : { seq: firstSeq + pick(lastSeq - firstSeq) },
  );
  const marks: Mark[] = [];
  const at = (): Mark => ({
    moment: timeline.moment,
    state: stateHash(machine.m),
    trace: machine.trace.hash,
  });
  for (const s of stops.filter((x) => x.ticks !== undefined).sort((a, b) => a.ticks! - b.ticks!)) {
    timeline.run({ untilTicks: s.ticks! });
    marks.push(at());
  }
  timeline.restore(timeline.kept[0]!);
  for (const s of stops.filter((x) => x.seq !== undefined).sort((a, b) => a.seq! - b.seq!)) {
    if (timeline.within === s.seq) continue;
    expect(timeline.runToRecord(s.seq!)).toEqual({ kind: 'phase', seq: s.seq });
    marks.push(at());
  }
  timeline.run({});
  return { marks, end: at(), text: consoleOf(timeline, 1) };
}

let forward: ReturnType<typeof record>;
beforeAll(() => {
  forward = record();
});

describe.each(ENGINES)('ping and pong on the %s', (engine) => {
  it('hold their conversation', () => {
    expect(forward.text).toContain('pong 6');
    expect(forward.marks.length).toBeGreaterThan(MOMENTS * 0.9);
  });

  it.each([1, 7, 1000, 1_000_000])('give the same hashes with host slices of %i', (hostSlice) => {
    const { machine, timeline } = start(pingPong(), { hostSlice, engine });
    timeline.run({});
    expect(machine.trace.hash).toBe(forward.end.trace);
    expect(stateHash(machine.m)).toBe(forward.end.state);
  });

  it('give the same hashes with caches dropped at random moments', () => {
    const { machine, timeline } = start(pingPong(), { engine });
    const pick = chance(7);
    for (;;) {
      if (timeline.run({ untilTicks: timeline.ticks + 1 + pick(5000) }).kind !== 'reached') break;
      machine.frames.dropCaches();
      machine.engine.dropCaches();
    }
    expect(machine.trace.hash).toBe(forward.end.trace);
    expect(stateHash(machine.m)).toBe(forward.end.state);
  });

  it('are the same at every moment visited in random order, in a fresh process', () => {
    const pick = chance(99);
    const order = forward.marks.map((m) => [pick(1e9), m] as const).sort((a, b) => a[0] - b[0]);
    const child = spawnSync(process.execPath, ['--import', 'tsx', 'src/lab/proof-visit-testing.ts', engine], {
      encoding: 'utf8',
      input: JSON.stringify(order.map(([, mark]) => mark)),
    });
    expect(child.stderr.trim()).toBe('');
    expect(child.stdout.trim()).toBe(`${forward.marks.length} visited, 0 differ`);
  });

  it('step back tick by tick through everything they did', () => {
    const { machine, timeline } = start(pingPong(2), { engine });
    timeline.run({ untilTicks: 20_000 });
    const known: { moment: Moment; state: string }[] = [];
    for (let i = 0; i < 60; i++) {
      known.push({ moment: timeline.moment, state: stateHash(machine.m) });
      timeline.run({ untilTicks: timeline.ticks + 1 });
    }
    for (const k of known.reverse()) {
      expect(timeline.back()).toBe(true);
      expect(timeline.moment).toEqual(k.moment);
      expect(stateHash(machine.m)).toBe(k.state);
    }
  });

  it('go on from nothing but the bytes of the memory, and look the same to every panel', () => {
    const { machine, timeline } = start(pingPong(), { engine });
    const between = [...forward.marks.filter((m) => !m.moment.within), forward.end];
    expect(between.length).toBeGreaterThan(MOMENTS * 0.9);
    between.slice(0, -1).forEach((mark, i) => {
      timeline.goto(mark.moment);
      const file = saveImage(machine.frames, { log: timeline.log.entries });
      const cold = attachMachine(allocate(64, false), engineChoice(engine, false));
      loadImage(cold.frames, file);
      expect(look(cold)).toEqual(look(machine));
      const again = new Timeline(cold, images);
      again.log.entries = [...timeline.log.entries];
      again.log.rewindTo(cold.trace.seq);
      again.begin();
      // To the next mark, and every tenth time to the very end.
      const target = i % 10 === 0 ? forward.end : between[i + 1]!;
      if (target === forward.end) again.run({});
      else again.goto(target.moment);
      expect(cold.trace.hash).toBe(target.trace);
      expect(stateHash(cold.m)).toBe(target.state);
    });
  });
});

/** What every panel would show of both domains. */
function look(machine: XenMachine): unknown {
  const view: View = {
    m: machine.m,
    frames: machine.frames,
    mmu: machine.mmu,
    history: { length: 0, at: () => undefined as never, bySeq: () => undefined },
    imageMap: () => undefined,
  };
  const of = (domid: number): unknown => {
    const eip = cpu(view, { domid })?.eip ?? 0;
    return [
      cpu(view, { domid }),
      code(view, { domid, count: 8 }),
      pageWalk(view, { domid, vaddr: eip }),
      grants(view, { domid }),
      memory(view, { space: 'virtual', domid, address: eip, length: 64 }),
    ];
  };
  return [of(1), of(2), rings(view), events(view), xenstore(view)];
}

describe('the command line', () => {
  const boot = (...args: string[]) => {
    const guests = [
      'public/guests/ping/ping.elf',
      '--cmdline',
      'count=6',
      '--domain',
      'public/guests/pong/pong.elf,cmdline=peer=1',
    ];
    const r = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'src/cli/main.ts', 'boot', ...guests, '--json', ...args],
      { encoding: 'utf8' },
    );
    const last = JSON.parse(r.stderr.trim().split('\n').pop() ?? '{}') as {
      traceHash: string;
      stateHash: string;
      hostTicks?: number[];
    };
    return { hashes: [last.traceHash, last.stateHash], code: r.status, hostTicks: last.hostTicks ?? [] };
  };
  it('gives the same hashes with one, two and three hosts, in fresh processes', () => {
    const one = boot('--engine', 'reference');
    expect(one.code).toBe(0);
    for (const args of [
      ['--hosts', '2', '--host-slice', '1000'],
      ['--hosts', '2', '--engine', 'reference'],
      ['--hosts', '3'],
    ]) {
      const more = boot(...args);
      expect(more.hashes).toEqual(one.hashes);
      expect(more.hostTicks.every((t) => t > 0)).toBe(true);
    }
    expect(boot().hashes).toEqual(one.hashes);
  });
});
