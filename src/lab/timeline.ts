// Time travel over one machine: run forward, go to any moment. `goto` is nearest snapshot plus replay; there is no other way back.
// Knows no clock and no worker: the controller (page) and the command line drive it slice by slice.

import { HEADER } from '../memory/map.ts';
import { CTL } from '../memory/frames.ts';
import { CONTROL } from '../memory/map.ts';
import { type RunLimits, type RunResult, runMachine } from '../machine/run.ts';
import { Snapshots, type Snapshot } from '../machine/snapshot.ts';
import type { XenMachine } from '../toolstack/assemble.ts';
import { MACHINE } from '../trace/recorder.ts';
import { History } from './history.ts';
import { InputLog, type Images, type LabMachine } from './inputs.ts';
import type { Moment } from './types.ts';

/** Ticks between snapshots at first; doubled whenever there are too many. */
const FIRST_INTERVAL = 200_000;
const MAX_SNAPSHOTS = 160;
const NEVER = Number.MAX_SAFE_INTEGER;
/** Ticks before the cursor within which stepping back likes to find a snapshot. */
const NEAR = 1000;

/** Runs the loop; replaced when several hosts share the machine. */
export type Runner = (limits: Partial<RunLimits>) => RunResult;

export interface TimelineOptions {
  readonly hostSlice?: number;
  readonly runner?: Runner;
}

/** Over the machine of Xen unless it says otherwise. */
export class Timeline<M extends LabMachine = XenMachine> {
  readonly machine: M;
  readonly snapshots: Snapshots;
  history = new History();
  log: InputLog;
  /** Oldest first; every one is on the path of the present branch. */
  kept: Snapshot[] = [];
  /** The machine stands inside a trap, right after the record `within`; 0 = between ticks. */
  within = 0;
  private interval = FIRST_INTERVAL;
  private readonly hostSlice: number;
  /** Runs the loop; lab/host-loop.ts replaces it when several hosts share the machine. */
  runner: Runner;
  /** Called for every record that is new to the history. */
  onRecord: (seq: number) => void = () => {};
  /** Called for every record collected, known or new. */
  onSeen: (seq: number) => void = () => {};

  constructor(machine: M, images: Images, options: TimelineOptions = {}) {
    this.machine = machine;
    this.snapshots = new Snapshots(machine.frames);
    this.log = new InputLog(machine, images);
    this.hostSlice = options.hostSlice ?? 100_000;
    this.runner = options.runner ?? ((limits) => runMachine(machine, this.limits(limits), this.log));
    machine.trace.onFull = () => this.collect();
  }

  limits(partial: Partial<RunLimits>): RunLimits {
    return {
      untilT: NEVER,
      untilSeq: 0,
      untilTicks: NEVER,
      hostSlice: this.hostSlice,
      host: 0,
      hosts: 1,
      pause: () => false,
      ...partial,
    };
  }

  /** The first snapshot: call when the domains are built. */
  begin(): void {
    this.collect();
    this.kept = [this.snapshots.take()];
  }

  get T(): number {
    return this.machine.m.r64(HEADER + MACHINE.T);
  }
  get ticks(): number {
    return this.machine.m.r64(HEADER + MACHINE.ticks);
  }
  get seq(): number {
    return this.machine.trace.seq;
  }
  get moment(): Moment {
    return { T: this.T, seq: this.seq, within: this.within !== 0 };
  }

  collect(): void {
    this.machine.trace.drain((words, at, data) => {
      const seq = words[at + 2]!;
      const kind = this.history.add(words, at, data);
      if (kind === 'new') this.onRecord(seq);
      if (kind !== 'verbose') this.onSeen(seq);
    });
  }

  /** Runs forward from between two ticks. Snapshots are taken on the way. */
  run(limits: Partial<RunLimits>): RunResult {
    this.leaveTrap();
    for (;;) {
      const next = this.nextSnapshotAt();
      const bound = Math.min(limits.untilTicks ?? NEVER, next);
      const result = this.runner({ ...limits, untilTicks: bound });
      this.collect();
      if (result.kind === 'phase') this.within = result.seq;
      if (result.kind !== 'reached') return result;
      if (this.ticks >= next && this.ticks < (limits.untilTicks ?? NEVER)) {
        this.keep();
        const past = this.T >= (limits.untilT ?? NEVER) && this.seq >= (limits.untilSeq ?? 0);
        if (!past) continue;
      }
      return result;
    }
  }

  /** Runs until the record `seq` has been written and stops right there, inside the trap. */
  runToRecord(seq: number, pause: () => boolean = () => false): RunResult {
    this.leaveTrap();
    this.keepHere();
    this.stopAt(seq);
    try {
      return this.run({ pause });
    } finally {
      this.stopAt(0);
    }
  }

  private stopAt(seq: number): void {
    const { m } = this.machine;
    m.w32(CONTROL + CTL.stopSeq, seq);
    m.w32(CONTROL + CTL.stopSeqOn, seq === 0 ? 0 : 1);
  }

  /** A machine inside a trap cannot simply go on: it goes back to the tick boundary before it. */
  leaveTrap(): void {
    if (this.within === 0) return;
    const seq = this.within;
    this.restore(this.nearest((s) => s.seq < seq));
  }

  private nextSnapshotAt(): number {
    const last = this.kept[this.kept.length - 1];
    return last && this.ticks < last.ticks + this.interval && this.ticks >= last.ticks
      ? last.ticks + this.interval
      : NEVER;
  }

  /** Keeps a snapshot of this tick boundary unless there is one already. */
  keepHere(): void {
    const last = this.kept[this.kept.length - 1];
    if (last && last.ticks === this.ticks && last.seq === this.seq) return;
    if (last && (this.seq < last.seq || this.ticks < last.ticks)) {
      // We are in the past: insert where it belongs.
      const at = this.kept.findIndex((s) => s.ticks > this.ticks || s.seq > this.seq);
      const before = this.kept[at - 1];
      if (before && before.ticks === this.ticks && before.seq === this.seq) return;
      this.kept.splice(at, 0, this.snapshots.take());
      return;
    }
    this.kept.push(this.snapshots.take());
  }
  private keep(): void {
    this.keepHere();
    if (this.kept.length <= MAX_SNAPSHOTS) return;
    this.interval *= 2;
    this.kept = this.kept.filter((_, i) => i === 0 || i % 2 === 1 || i === this.kept.length - 1);
  }

  private nearest(ok: (s: Snapshot) => boolean): Snapshot {
    for (let i = this.kept.length - 1; i >= 0; i--) if (ok(this.kept[i]!)) return this.kept[i]!;
    return this.kept[0]!;
  }

  restore(snapshot: Snapshot): void {
    const { m } = this.machine;
    this.snapshots.restore(snapshot);
    // Uncollected records of the abandoned run are not part of what we return to.
    m.w32(CONTROL + CTL.traceTail, m.r32(CONTROL + CTL.traceHead));
    this.within = 0;
    this.log.rewindTo(this.seq);
  }

  /** Goes to a moment of the known history, or forward to one not yet known, without a pause. */
  goto(target: Moment): RunResult {
    const trip = this.travel(target, () => false);
    for (;;) {
      const stage = trip.next();
      if (stage.done) return stage.value;
    }
  }

  /**
   * The same in stages: whenever `pause` says so the machine stands still between two ticks and the generator yields. Whoever does not ask
   * for the next stage leaves the machine where it has got to.
   */
  *travel(target: Moment, pause: () => boolean): Generator<void, RunResult> {
    if (!target.within) {
      const near = this.nearest((s) => s.seq <= target.seq && s.T <= target.T);
      const ahead =
        this.within === 0 &&
        this.T <= target.T &&
        this.seq <= target.seq &&
        this.seq >= near.seq &&
        this.T >= near.T;
      if (!ahead) this.restore(near);
      if (this.T === target.T && this.seq >= target.seq) return { kind: 'reached' };
      return yield* this.inStages(() => this.run({ untilT: target.T, untilSeq: target.seq, pause }));
    }
    if (this.within === target.seq) return { kind: 'phase', seq: target.seq };
    const near = this.nearest((s) => s.seq < target.seq && s.T <= target.T);
    if (this.within !== 0 || this.seq >= target.seq || this.seq < near.seq) this.restore(near);
    // A snapshot just before a moment that is far from the last one: whoever goes there is likely to look around.
    if (target.T - this.T >= NEAR) {
      yield* this.inStages(() => this.run({ untilT: target.T - 1, pause }));
      if (this.seq < target.seq && this.T < target.T) this.keepHere();
      else this.restore(near); // an idle skip or a long step led past it
    }
    return yield* this.inStages(() => this.runToRecord(target.seq, pause));
  }
  private *inStages(go: () => RunResult): Generator<void, RunResult> {
    for (;;) {
      const result = go();
      if (result.kind !== 'paused') return result;
      yield;
    }
  }

  /** One tick back: the last place between ticks before the present moment. Returns false at the beginning. */
  back(): boolean {
    const here = { T: this.T, seq: this.within || this.seq, ticks: this.ticks, within: this.within };
    const start = this.nearest((s) =>
      here.within
        ? s.seq < here.within
        : s.ticks < here.ticks || (s.ticks === here.ticks && s.seq < here.seq),
    );
    const isHere = (s: { ticks: number; seq: number }): boolean =>
      here.within
        ? s.seq >= here.within
        : s.ticks > here.ticks || (s.ticks === here.ticks && s.seq >= here.seq);
    if (isHere(start)) return false;
    this.restore(start);
    // Nearly always the last step was one tick: go right there, leaving a snapshot behind for the steps that follow.
    if (here.ticks - this.ticks > NEAR) {
      this.run({ untilTicks: here.ticks - NEAR / 2 });
      if (!isHere({ ticks: this.ticks, seq: this.seq })) this.keepHere();
    }
    if (!here.within) {
      this.run({ untilTicks: here.ticks - 1 });
      if (!isHere({ ticks: this.ticks, seq: this.seq })) return true;
    }
    // It was a longer one (the service domain, an idle skip), or we stand inside a trap: boundary by boundary from the last snapshot before.
    this.restore(this.nearest((s) => !isHere(s)));
    let last: Moment = this.moment;
    for (;;) {
      const before = { ticks: this.ticks, seq: this.seq };
      const result = this.run({ untilTicks: this.ticks + 1 });
      const stuck = this.ticks === before.ticks && this.seq === before.seq;
      if (result.kind !== 'reached' || stuck || isHere({ ticks: this.ticks, seq: this.seq })) break;
      last = this.moment;
    }
    this.goto(last);
    return true;
  }
}
