// Run control: what a person asks for (run, step, go, edit) done with a Timeline, in slices short enough to listen in between.
// Lives in the machine worker; tests drive it in Node.

import { VCPU } from '../cpu/vcpu.ts';
import { stateHash } from '../machine/state-hash.ts';
import { stopReason } from '../machine/stop.ts';
import type { RunResult } from '../machine/run.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import { HEADER } from '../memory/map.ts';
import type { EngineChoice } from '../cpu/engine.ts';
import { allocate, type Memory } from '../memory/memory.ts';
import { createMachine } from '../toolstack/assemble.ts';
import { COUNT_TYPE, COUNT_VECTOR, MACHINE } from '../trace/recorder.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { text } from './describe.ts';
import type { History } from './history.ts';
import { startBare } from './bare-start.ts';
import { type Images, isXen, type LabMachine, startAll } from './inputs.ts';
import { encodeLink } from './link.ts';
import { Look } from './look.ts';
import { nextInstruction } from './step-over.ts';
import { isTrapRow, matchesBreakpoint } from './stops.ts';
import { currentDomid, domainSummaries } from './summaries.ts';
import { Timeline } from './timeline.ts';
import {
  type Branch,
  type Breakpoint,
  type Direction,
  type ImageMap,
  type InputAct,
  type InputEntry,
  type LabConfig,
  type LabState,
  MACHINE_VERSION,
  type Moment,
  type StepKind,
  type StopReason,
} from './types.ts';

const START: Moment = { T: 0, seq: 0, within: false };
const EMPTY: LabState = {
  phase: 'empty',
  config: undefined,
  cursor: START,
  end: START,
  ended: undefined,
  stop: { kind: 'start' },
  domains: [],
  running: undefined,
  branch: 0,
  branches: [],
  breakpoints: [],
  progress: undefined,
  ticksPerSecond: 0,
  instructions: 0,
  counts: { traps: 0, hypercalls: 0, silent: 0, refused: 0 },
  isolated: false,
  error: undefined,
  revision: 0,
};
/** Milliseconds the machine runs between two looks at the mailbox. */
const SLICE_MS = 8;
/** Milliseconds between two publications while running. */
const PUBLISH_MS = 66;
/** A step over gives up after this many ticks. */
const OVER_LIMIT = 20_000_000;

/** What the controller needs of its platform. */
export interface Host {
  now(): number;
  /** Lets messages in. */
  breathe(): Promise<void>;
  readonly images: Images;
  readonly imageMap: (sha256: string) => ImageMap | undefined;
  readonly shared: boolean;
  publish(state: LabState): void;
  /** Called with a new machine before it runs: further hosts attach here. `guests` is the number of guest domains. */
  attach?(timeline: Timeline<LabMachine>, guests: number): Promise<void>;
  /** The engine of new machines; without it the reference engine. */
  engine?(): Promise<EngineChoice>;
}

interface BranchData extends Branch {
  readonly history: History;
  readonly entries: readonly InputEntry[];
  readonly kept: Snapshot[];
}

export class Controller {
  private readonly host: Host;
  private timeline: Timeline<LabMachine> | undefined;
  private config: LabConfig | undefined;
  private state: LabState = EMPTY;
  private breakpoints: readonly Breakpoint[] = [];
  private branches: BranchData[] = [];
  private branch = 0;
  private stopAsked = false;
  private speed = 0;
  private end: Moment = START;
  private ended: StopReason | undefined;
  private silent = 0;
  private refused = 0;
  private lastPublish = 0;

  constructor(host: Host) {
    this.host = host;
  }

  // ---- life ----

  async boot(config: LabConfig, log: readonly InputEntry[] = [], target?: Moment): Promise<void> {
    this.publish({ ...EMPTY, phase: 'loading', isolated: this.host.shared, config });
    const engine = await this.host.engine?.();
    const m = allocate(config.memoryMiB, this.host.shared);
    const machine = this.build(m, config, engine);
    const timeline = new Timeline(machine, this.host.images, { hostSlice: 20_000 });
    await this.host.attach?.(timeline, config.domains.length);
    this.timeline = timeline;
    this.config = config;
    this.adopt(timeline);
    timeline.log.entries = [...log];
    timeline.begin();
    this.branch = 1;
    this.end = timeline.moment;
    this.ended = undefined;
    this.branches = [];
    this.look.forget();
    this.settled({ kind: 'start' });
    if (target) await this.goto(target);
  }

  private build(m: Memory, config: LabConfig, engine: EngineChoice | undefined): LabMachine {
    const { sliceTicks, epochSec, bare } = config;
    if (bare) return startBare(m, bare, epochSec, this.host.images, engine);
    const machine = createMachine(m, { sliceTicks, epochSec }, engine);
    startAll(machine, config, this.host.images);
    return machine;
  }

  private adopt(timeline: Timeline<LabMachine>): void {
    this.silent = this.refused = 0;
    timeline.onRecord = (seq) => {
      const outcome = timeline.history.outcomeOf(seq);
      if (outcome === OUT.silent) this.silent++;
      else if (outcome === OUT.refused && timeline.history.phaseOf(seq) === PH.answer) this.refused++;
    };
  }

  private get tl(): Timeline<LabMachine> {
    if (!this.timeline) throw new Error('no machine is loaded yet');
    return this.timeline;
  }

  // ---- publication ----

  private publish(patch: Partial<LabState>): void {
    this.state = { ...this.state, ...patch, revision: this.state.revision + 1 };
    this.lastPublish = this.host.now();
    this.host.publish(this.state);
  }

  private settled(stop: StopReason, phase: LabState['phase'] = 'paused'): void {
    const { tl } = this;
    const { m } = tl.machine;
    if (tl.history.divergedAt !== 0) stop = { kind: 'diverged', T: tl.history.TOf(tl.history.divergedAt) };
    const cursor = tl.moment;
    if (cursor.seq > this.end.seq || (cursor.seq === this.end.seq && cursor.T > this.end.T))
      this.end = cursor;
    this.publish({
      phase,
      config: this.config,
      cursor,
      end: this.end,
      ended: this.ended,
      stop,
      domains: domainSummaries(tl.machine.m),
      running: this.currentDomid(),
      branch: this.branch,
      branches: this.listBranches(),
      breakpoints: this.breakpoints,
      progress: undefined,
      ticksPerSecond: this.speed,
      instructions: m.r64(HEADER + MACHINE.instructions),
      error: undefined,
      counts: {
        traps: m.u32.subarray(COUNT_VECTOR, COUNT_VECTOR + 256).reduce((sum, n) => sum + n, 0),
        hypercalls: (m.u32[COUNT_TYPE + RT.hypercall]! + 1) >>> 1,
        silent: this.silent,
        refused: this.refused,
      },
    });
  }

  private currentDomid(): number | undefined {
    return currentDomid(this.tl.machine.m);
  }

  // ---- running ----

  /** Runs in slices until `done` says so, the machine stops by itself or a person asks. */
  private async drive(
    limits: { untilT?: number; untilSeq?: number; untilTicks?: number; hostSlice?: number },
    done: () => boolean,
    phase: 'running' | 'seeking',
  ): Promise<RunResult> {
    const { tl, host } = this;
    this.stopAsked = false;
    const from = tl.T;
    let seen = tl.seq;
    for (;;) {
      const start = host.now();
      const startTicks = tl.ticks;
      const pace =
        this.speed > 0 && phase === 'running'
          ? Math.max(1, Math.floor((this.speed * SLICE_MS) / 1000))
          : Infinity;
      let hit = false;
      const result = tl.run({
        ...limits,
        untilTicks: Math.min(limits.untilTicks ?? Number.MAX_SAFE_INTEGER, startTicks + pace),
        pause: () => {
          if (tl.seq !== seen) {
            seen = tl.seq;
            tl.collect();
          }
          hit = done();
          return hit || this.stopAsked || host.now() - start > SLICE_MS;
        },
      });
      if (
        result.kind === 'phase' ||
        result.kind === 'ended' ||
        result.kind === 'waiting' ||
        hit ||
        this.stopAsked ||
        tl.history.divergedAt
      )
        return result;
      if (
        result.kind === 'reached' &&
        (tl.ticks >= (limits.untilTicks ?? Infinity) ||
          (tl.T >= (limits.untilT ?? Infinity) && tl.seq >= (limits.untilSeq ?? 0)))
      )
        return result;
      if (host.now() - this.lastPublish > PUBLISH_MS) {
        this.settled({ kind: 'user' }, phase);
        if (phase === 'seeking' && limits.untilT !== undefined)
          this.publish({ progress: share(tl.T, from, limits.untilT) });
      }
      const spent = host.now() - start;
      if (pace !== Infinity && spent < SLICE_MS) await sleep(SLICE_MS - spent);
      else await host.breathe();
    }
  }

  private finish(result: RunResult, otherwise: StopReason): void {
    const { tl } = this;
    if (result.kind === 'ended') {
      const reason = stopReason(tl.machine.m);
      this.ended = {
        kind: 'end',
        reason: reason === 'none' || reason === 'suspend' ? 'poweroff' : reason,
        text: reason === 'panic' ? this.panicText() : '',
      };
      this.settled(this.ended);
    } else if (result.kind === 'waiting') this.settled({ kind: 'end', reason: 'idle', text: '' });
    else this.settled(this.stopAsked ? { kind: 'user' } : otherwise);
  }
  private panicText(): string {
    const { history } = this.tl;
    for (let s = history.last; s >= history.first && s > 0; s--)
      if (history.typeOf(s) === RT.panic) return text(history.get(s)?.data);
    return '';
  }

  async run(until?: Moment): Promise<void> {
    const { tl } = this;
    const from = this.cursorSeq; // what was already seen stops nobody again, the record we stand at included
    tl.leaveTrap();
    this.publish({ phase: 'running' });
    const startTicks = tl.ticks;
    let hitSeq = 0,
      hitId = 0;
    const active = this.breakpoints.filter((b) => b.enabled);
    const byRecord = active.filter((b) => b.address === undefined);
    const byAddress = active.filter((b) => b.address !== undefined);
    tl.onSeen = (seq) => {
      if (hitSeq !== 0 || seq <= from) return;
      const b = byRecord.find((p) => matchesBreakpoint(tl.history, seq, p));
      if (b) [hitSeq, hitId] = [seq, b.id];
    };
    const atAddress = (): boolean => {
      if (byAddress.length === 0 || tl.ticks === startTicks) return false;
      const { m } = tl.machine;
      const v = m.r32(HEADER + MACHINE.current);
      const b = v
        ? byAddress.find(
            (p) =>
              p.address === m.r32(v + VCPU.eip) && (p.domid === undefined || p.domid === this.currentDomid()),
          )
        : undefined;
      if (b) hitId = b.id;
      return b !== undefined;
    };
    const result = await this.drive(
      {
        ...(until ? { untilT: until.T, untilSeq: until.seq } : {}),
        ...(byAddress.length > 0 ? { hostSlice: 1 } : {}),
      },
      () => hitSeq !== 0 || atAddress(),
      'running',
    );
    tl.onSeen = () => {};
    if (hitSeq !== 0) {
      const stop = tl.goto({ T: tl.history.TOf(hitSeq), seq: hitSeq, within: true });
      this.finish(stop, { kind: 'breakpoint', id: hitId });
    } else this.finish(result, hitId !== 0 ? { kind: 'breakpoint', id: hitId } : { kind: 'step' });
  }

  pause(): void {
    this.stopAsked = true;
  }
  cancel(): void {
    this.stopAsked = true;
  }
  setSpeed(ticksPerSecond: number): void {
    this.speed = ticksPerSecond;
    this.publish({ ticksPerSecond });
  }

  /**
   * Goes to a moment; with `before`, to the last place between two ticks before it. One move as everybody outside sees it: the machine is
   * not published on the way, except as progress of a journey that takes long.
   */
  async goto(moment: Moment, before = false): Promise<void> {
    const { tl, host } = this;
    this.stopAsked = false;
    let sliceEnd = host.now() + SLICE_MS;
    const trip = tl.travel(moment, () => host.now() > sliceEnd);
    let from: number | undefined;
    for (;;) {
      const stage = trip.next();
      if (stage.done) {
        if (before && stage.value.kind === 'phase') tl.back();
        return this.finish(stage.value, { kind: 'step' });
      }
      if (this.stopAsked) return this.settled({ kind: 'user' });
      from ??= tl.T;
      if (this.state.phase !== 'seeking' || host.now() - this.lastPublish > PUBLISH_MS)
        this.publish({ phase: 'seeking', progress: share(tl.T, from, moment.T) });
      await host.breathe();
      sliceEnd = host.now() + SLICE_MS;
    }
  }

  // ---- stepping ----

  async step(kind: StepKind, direction: Direction, domid?: number): Promise<void> {
    if (direction === 1) await this.stepForward(kind, domid);
    else await this.stepBack(kind, domid);
  }

  private get cursorSeq(): number {
    return this.tl.within || this.tl.seq;
  }

  private async stepForward(kind: StepKind, domid: number | undefined): Promise<void> {
    const { tl } = this;
    if (kind === 'instruction' && domid === undefined) {
      tl.leaveTrap();
      const result = await this.drive({ untilTicks: tl.ticks + 1 }, () => false, 'running');
      return this.finish(result, { kind: 'step' });
    }
    if (kind === 'instruction' || kind === 'over') return this.stepOver(kind, domid ?? this.currentDomid());
    this.stopAsked = false;
    if (kind === 'phase' && domid === undefined) {
      const result = tl.runToRecord(this.cursorSeq + 1, () => this.stopAsked);
      return this.finish(result, { kind: 'step' });
    }
    const own = kind === 'domainTrap' ? (domid ?? this.currentDomid()) : domid;
    const from = this.cursorSeq;
    const wanted = (seq: number): boolean =>
      (kind === 'phase' || isTrapRow(tl.history, seq)) &&
      (own === undefined || tl.history.domidOf(seq) === own);
    for (let seq = from + 1; seq <= tl.history.last; seq++) {
      if (tl.history.has(seq) && wanted(seq)) return this.goto({ T: tl.history.TOf(seq), seq, within: true });
    }
    let hit = 0;
    tl.onSeen = (seq) => {
      if (hit === 0 && seq > from && wanted(seq)) hit = seq;
    };
    tl.leaveTrap();
    const result = await this.drive({}, () => hit !== 0, 'running');
    tl.onSeen = () => {};
    if (hit !== 0) return this.goto({ T: tl.history.TOf(hit), seq: hit, within: true });
    return this.finish(result, { kind: 'step' });
  }

  private async stepOver(kind: 'instruction' | 'over', domid: number | undefined): Promise<void> {
    const { tl } = this;
    const { m } = tl.machine;
    tl.leaveTrap();
    const start = tl.ticks;
    const mine = (): number => {
      const v = m.r32(HEADER + MACHINE.current);
      return v && (domid === undefined || this.currentDomid() === domid) ? v : 0;
    };
    const v = mine();
    const target = kind === 'over' && v && isXen(tl.machine) ? nextInstruction(tl.machine, v) : undefined;
    const sp = v ? m.r32(v + VCPU.gpr + 16) : 0;
    if (target === undefined && v && kind === 'over') {
      const result = await this.drive({ untilTicks: start + 1 }, () => false, 'running');
      return this.finish(result, { kind: 'step' });
    }
    const result = await this.drive(
      { hostSlice: 1, untilTicks: start + OVER_LIMIT },
      () => {
        const now = mine();
        if (!now || tl.ticks === start) return false;
        return target === undefined || (m.r32(now + VCPU.eip) === target && m.r32(now + VCPU.gpr + 16) >= sp);
      },
      'running',
    );
    return this.finish(result, { kind: 'step' });
  }

  private async stepBack(kind: StepKind, domid: number | undefined): Promise<void> {
    const { tl } = this;
    if (kind === 'instruction' || kind === 'over') {
      let moved = tl.back();
      if (domid !== undefined) {
        const { history } = tl;
        for (let guard = 0; moved && this.currentDomid() !== domid && guard < 64; guard++) {
          // Jump over the stretch in which others ran: to the switch record that took the processor away from this domain.
          let seq = tl.seq;
          while (
            seq > history.first &&
            !(history.typeOf(seq) === RT.switch && history.word(seq, 8) === domid)
          )
            seq--;
          if (seq <= history.first) break;
          tl.goto({ T: history.TOf(seq), seq: seq - 1, within: false });
          moved = this.currentDomid() === domid || tl.back();
        }
      }
      return this.settled({ kind: 'step' });
    }
    const own = kind === 'domainTrap' ? (domid ?? this.currentDomid()) : domid;
    const from = tl.within ? tl.within - 1 : tl.seq;
    const oldest = tl.kept[0]?.seq ?? 0;
    for (let seq = from; seq > oldest && tl.history.has(seq); seq--) {
      if (own !== undefined && tl.history.domidOf(seq) !== own) continue;
      if (kind === 'phase' || isTrapRow(tl.history, seq))
        return this.goto({ T: tl.history.TOf(seq), seq, within: true });
    }
    tl.restore(tl.kept[0]!);
    this.settled({ kind: 'start' });
  }

  // ---- acts from outside ----

  async edit(act: InputAct): Promise<void> {
    const { tl } = this;
    tl.leaveTrap();
    if (tl.seq < this.end.seq || tl.T < this.end.T || tl.log.next() !== undefined) this.forkHere();
    tl.log.append(act);
    tl.collect();
    this.end = tl.moment;
    this.ended = undefined;
    this.settled({ kind: 'step' });
  }

  async input(domid: number, bytes: Uint8Array): Promise<void> {
    await this.edit({ kind: 'console', domid, bytes: [...bytes] });
  }

  /** Leaves the known future on a branch of its own and goes on with a copy that ends here. */
  private forkHere(): void {
    const { tl } = this;
    const here = tl.moment;
    this.store();
    tl.history = tl.history.fork(tl.seq);
    tl.log.entries = tl.log.entries.slice(0, tl.log.position);
    tl.kept = tl.kept.filter((s) => s.seq < here.seq || (s.seq === here.seq && s.ticks <= tl.ticks));
    this.look.forget();
    const id = Math.max(this.branch, ...this.branches.map((b) => b.id)) + 1;
    this.fromOf.set(id, { parent: this.branch, from: here });
    this.branch = id;
    this.ended = undefined;
  }
  private fromOf = new Map<number, { parent: number; from: Moment }>();

  private store(): void {
    const { tl } = this;
    const known = this.fromOf.get(this.branch);
    const data: BranchData = {
      id: this.branch,
      name: `#${this.branch}`,
      from: known?.from,
      parent: known?.parent,
      end: this.end,
      history: tl.history,
      entries: [...tl.log.entries],
      kept: [...tl.kept],
    };
    this.branches = [...this.branches.filter((b) => b.id !== this.branch), data];
  }
  private listBranches(): Branch[] {
    const known = this.fromOf.get(this.branch);
    const own: Branch = {
      id: this.branch,
      name: `#${this.branch}`,
      from: known?.from,
      parent: known?.parent,
      end: this.end,
    };
    return [
      ...this.branches
        .filter((b) => b.id !== this.branch)
        .map(({ id, name, from, parent, end }) => ({ id, name, from, parent, end })),
      own,
    ].sort((a, b) => a.id - b.id);
  }

  async switchBranch(id: number): Promise<void> {
    const target = this.branches.find((b) => b.id === id);
    if (!target || id === this.branch) return;
    const { tl } = this;
    tl.leaveTrap();
    this.store();
    tl.history = target.history;
    tl.log.entries = [...target.entries];
    tl.kept = [...target.kept];
    this.look.forget();
    this.branch = id;
    this.end = target.end;
    this.ended = undefined;
    tl.restore(tl.kept[0]!);
    await this.goto(target.from ?? target.end);
  }

  setBreakpoints(list: readonly Breakpoint[]): void {
    this.breakpoints = list;
    this.publish({ breakpoints: list });
  }

  // ---- looking ----

  /** What inspectors, the trap log and consoles show at the cursor. */
  readonly look = new Look(
    () => this.tl,
    () => this.cursorSeq,
    (sha256) => this.host.imageMap(sha256),
  );

  async link(): Promise<string> {
    const { tl } = this;
    if (!this.config) throw new Error('no machine is loaded yet');
    const entries = tl.log.entries.slice(0, tl.log.position);
    return encodeLink({
      v: MACHINE_VERSION,
      config: this.config,
      log: entries,
      moment: tl.moment,
      hash: stateHash(tl.machine.m),
    });
  }
  /** The state hash at the cursor: links are checked against it. */
  stateHash(): string {
    return stateHash(this.tl.machine.m);
  }
}

/** How much of the way is behind, 0 … 1. */
const share = (T: number, from: number, to: number): number =>
  Math.min(1, (T - from) / Math.max(1, to - from));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
