// Several hosts, one pCPU: the baton. Host 0 holds the input log and collects the trace; every other host runs the vCPUs that are its own
// and passes the baton on. The order of everything is the scheduler's, so the number of hosts changes no hash.

import { type MachineParts, type RunLimits, type RunResult, runMachine } from '../machine/run.ts';
import { CTL } from '../memory/frames.ts';
import { CONTROL } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import type { LabMachine } from './inputs.ts';
import type { Timeline } from './timeline.ts';

const word = (field: number): number => (CONTROL + field) >>> 2;
const BATON = word(CTL.baton),
  WANTED = word(CTL.wantRead);
const REPLY = { handoff: 0, phase: 1, other: 2 } as const;
/** Ring fill at which a host comes home to have it drained. */
const HALF_RING = 32768;
/** While away, host 0 looks up after this many milliseconds at the latest. */
const AWAY_MS = 1;

function pass(m: Memory, to: number): void {
  Atomics.store(m.i32, BATON, to);
  Atomics.notify(m.i32, BATON);
}

/** Runs host `self` (>= 1) until told to quit. Blocks its thread. */
export function hostLoop(machine: MachineParts, self: number): void {
  const { m } = machine;
  machine.trace.onFull = () => Atomics.wait(m.i32, word(CTL.traceTail), m.i32[word(CTL.traceTail)]!, 1);
  for (;;) {
    for (let held = Atomics.load(m.i32, BATON); held !== self; held = Atomics.load(m.i32, BATON)) {
      if (m.r32(CONTROL + CTL.quit) !== 0) return;
      Atomics.wait(m.i32, BATON, held, 500);
    }
    if (m.r32(CONTROL + CTL.quit) !== 0) return;
    const result = runMachine(machine, {
      untilT: m.r64(CONTROL + CTL.untilT),
      untilSeq: m.r32(CONTROL + CTL.untilSeq),
      untilTicks: m.r64(CONTROL + CTL.untilTicks),
      hostSlice: m.r32(CONTROL + CTL.limitSlice),
      host: self,
      hosts: m.r32(CONTROL + CTL.hosts),
      pause: () =>
        (m.u32[word(CTL.traceHead)]! - m.u32[word(CTL.traceTail)]!) >>> 0 > HALF_RING ||
        Atomics.load(m.i32, WANTED) !== 0,
    });
    if (result.kind === 'handoff' && result.to !== 0 && Atomics.load(m.i32, WANTED) === 0) {
      pass(m, result.to);
      continue;
    }
    m.w32(
      CONTROL + CTL.reply,
      result.kind === 'phase' ? REPLY.phase : result.kind === 'handoff' ? REPLY.handoff : REPLY.other,
    );
    m.w32(CONTROL + CTL.replySeq, result.kind === 'phase' ? result.seq : 0);
    pass(m, 0);
  }
}

/** Makes `timeline` run its machine with `hosts` hosts, the others already waiting in hostLoop. */
export function coordinate(timeline: Timeline<LabMachine>, hosts: number): void {
  const { machine } = timeline;
  const { m } = machine;
  m.w32(CONTROL + CTL.hosts, hosts);
  timeline.runner = (partial) => {
    const limits: RunLimits = { ...timeline.limits(partial), hosts };
    // Looking after every tick (an address breakpoint, a step over) is host 0's work alone: a hand-off would cost more than the tick.
    if (limits.hostSlice === 1) return runMachine(machine, { ...limits, hosts: 1 }, timeline.log);
    for (;;) {
      const result = runMachine(machine, limits, timeline.log);
      if (result.kind !== 'handoff') return result;
      const home = away(timeline, limits, result.to);
      if (home) return home;
    }
  };
}

/** Gives the baton to host `to` and waits until it is back. A result is what ends the run; undefined means host 0 goes on. */
function away(timeline: Timeline<LabMachine>, limits: RunLimits, to: number): RunResult | undefined {
  const { m } = timeline.machine;
  const due = timeline.log.next();
  const inputFirst =
    due !== undefined && (due.T < limits.untilT || (due.T === limits.untilT && due.seq <= limits.untilSeq));
  m.w64(CONTROL + CTL.untilT, inputFirst ? due.T : limits.untilT);
  m.w32(CONTROL + CTL.untilSeq, inputFirst ? due.seq : limits.untilSeq);
  m.w64(CONTROL + CTL.untilTicks, limits.untilTicks);
  m.w32(CONTROL + CTL.limitSlice, limits.hostSlice);
  pass(m, to);
  for (let held = Atomics.load(m.i32, BATON); held !== 0; held = Atomics.load(m.i32, BATON)) {
    Atomics.wait(m.i32, BATON, held, AWAY_MS);
    timeline.collect();
    if (limits.pause()) Atomics.store(m.i32, WANTED, 1); // whoever holds it comes home instead of passing it on
  }
  Atomics.store(m.i32, WANTED, 0);
  if (m.r32(CONTROL + CTL.reply) === REPLY.phase)
    return { kind: 'phase', seq: m.r32(CONTROL + CTL.replySeq) };
  return undefined;
}
