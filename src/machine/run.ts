// The loop of the pCPU. Everything it decides is decided from STATE, so that any host may take over between two iterations and
// host slices of any length give the same machine. Order inside an iteration: limit, input, end, scheduler, idle, delivery, run, exit, deadline.

import type { Engine } from '../cpu/engine.ts';
import { EXIT } from '../cpu/vcpu.ts';
import { CTL } from '../memory/frames.ts';
import { acquire, release } from '../memory/lock.ts';
import { CONTROL, HEADER, vcpuIndex } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { MACHINE, NOBODY, PhaseStop, type Recorder } from '../trace/recorder.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { STOP, stopMachine } from './stop.ts';

/** What sits above the processors: Xen, or the chipset of a bare machine. */
export interface Supervisor {
  /** The vCPU that is to run now, 0 = none. Without effect when nothing has changed since the last call. */
  schedule(): number;
  /** T of the earliest timer or slice end, Infinity for none. */
  nextDeadline(): number;
  /** Called when T has reached nextDeadline(). */
  onDeadline(): void;
  /** An engine left vCPU v with an EXIT other than budget. */
  onExit(v: number, exit: number): void;
  /** Evaluates and delivers pending events of v before it runs. */
  deliver(v: number): void;
  /** True if v is no x86 but a service of ours; then runService does one unit of work. */
  isService(v: number): boolean;
  runService(v: number): void;
  /** Ends the machine (stopMachine) if no guest is left that could run. */
  settle(): void;
}

/** Where acts from outside come from. */
export interface InputSource {
  /** T and seq at which the next known act is due, undefined if none is known. */
  next(): { readonly T: number; readonly seq: number } | undefined;
  /** Applies the act that is due. */
  apply(): void;
}
export const NO_INPUT: InputSource = { next: () => undefined, apply: () => {} };

export interface MachineParts {
  readonly m: Memory;
  readonly trace: Recorder;
  readonly engine: Engine;
  readonly supervisor: Supervisor;
}

export interface RunLimits {
  /** Stop between ticks as soon as T >= untilT and seq >= untilSeq. */
  readonly untilT: number;
  readonly untilSeq: number;
  /** Stop as soon as the tick counter (idle skips excluded) has reached this. */
  readonly untilTicks: number;
  /** Ticks an engine runs before it looks up. */
  readonly hostSlice: number;
  /** Which host this is, of how many. */
  readonly host: number;
  readonly hosts: number;
  /** Asked between two slices: true returns 'paused'. */
  readonly pause: () => boolean;
}

/**
 * reached: a limit of RunLimits. waiting: nothing can run until input comes. ended: see stopReason. handoff: host `to` must go on.
 * paused: the pause function said so. phase: the recorder stopped inside a trap.
 */
export type RunResult =
  | { readonly kind: 'reached' | 'waiting' | 'ended' | 'paused' }
  | { readonly kind: 'handoff'; readonly to: number }
  | { readonly kind: 'phase'; readonly seq: number };

const T_AT = HEADER + MACHINE.T,
  TICKS_AT = HEADER + MACHINE.ticks,
  DELIVER = HEADER + MACHINE.deliver;

/** Runs until one of the results. */
export function runMachine(
  machine: MachineParts,
  limits: RunLimits,
  input: InputSource = NO_INPUT,
): RunResult {
  try {
    for (;;) {
      const result = iterate(machine, limits, input);
      if (result) return result;
    }
  } catch (error) {
    release(machine.m);
    if (error instanceof PhaseStop) return { kind: 'phase', seq: error.seq };
    panic(machine, error);
    return { kind: 'ended' };
  }
}

function iterate(machine: MachineParts, limits: RunLimits, input: InputSource): RunResult | undefined {
  const { m, trace, supervisor } = machine;
  const T = m.r64(T_AT);
  if (T >= limits.untilT && trace.seq >= limits.untilSeq) return { kind: 'reached' };
  const due = input.next();
  if (due && T >= due.T && trace.seq >= due.seq) {
    locked(m, () => input.apply());
    m.w32(DELIVER, 1);
    return undefined;
  }
  if (m.r32(HEADER + MACHINE.stopReason) !== STOP.none) return { kind: 'ended' };
  const ticks = m.r64(TICKS_AT);
  if (ticks >= limits.untilTicks) return { kind: 'reached' };
  if (limits.pause()) return { kind: 'paused' };

  const v = locked(m, () => supervisor.schedule());
  const deadline = supervisor.nextDeadline();
  if (v === 0) return limits.host === 0 ? idle(machine, T, deadline, due?.T) : { kind: 'handoff', to: 0 };
  if (limits.hosts > 1) {
    const to = vcpuIndex(v) % limits.hosts;
    if (to !== limits.host) return { kind: 'handoff', to };
  }
  if (m.r32(DELIVER) !== 0) {
    m.w32(DELIVER, 0);
    locked(m, () => supervisor.deliver(v));
    // A delivery is a tick: limits, input and deadlines are looked at again.
    if (supervisor.schedule() !== v || m.r64(T_AT) !== T) return undefined;
  }
  if (supervisor.isService(v)) {
    const before = m.r64(TICKS_AT);
    locked(m, () => supervisor.runService(v));
    countHostTicks(m, limits.host, before);
    m.w32(DELIVER, 1);
  } else {
    runEngine(
      machine,
      limits,
      v,
      Math.min(deadline, limits.untilT > T ? limits.untilT : Infinity, due && due.T > T ? due.T : Infinity) -
        T,
      limits.untilTicks - m.r64(TICKS_AT),
    );
  }
  if (m.r64(T_AT) >= supervisor.nextDeadline()) {
    locked(m, () => supervisor.onDeadline());
    m.w32(DELIVER, 1);
  }
  return undefined;
}

function runEngine(
  machine: MachineParts,
  limits: RunLimits,
  v: number,
  toEvent: number,
  toTicks: number,
): void {
  const { m, engine, supervisor } = machine;
  const budget = Math.min(toEvent, toTicks, limits.hostSlice);
  if (budget < 1) return; // a deadline is due already
  const before = m.r64(TICKS_AT);
  const exit = engine.run(v, budget);
  countHostTicks(m, limits.host, before);
  if (exit === EXIT.budget || exit === EXIT.stop) return;
  locked(m, () => {
    supervisor.onExit(v, exit);
    supervisor.settle();
  });
  m.w32(DELIVER, 1);
}

/** Who did the work: proof that layouts of hosts differ where hashes do not. */
function countHostTicks(m: Memory, host: number, before: number): void {
  const own = CONTROL + CTL.hostTicks + 8 * host;
  m.w64(own, m.r64(own) + m.r64(TICKS_AT) - before);
}

/** Nothing is runnable: T jumps to the next deadline or known input; with neither, the machine waits or ends. */
function idle(
  machine: MachineParts,
  T: number,
  deadline: number,
  inputT: number | undefined,
): RunResult | undefined {
  const { m, trace, supervisor } = machine;
  if (m.r32(HEADER + MACHINE.stopReason) !== STOP.none) return { kind: 'ended' };
  const target = Math.min(deadline, inputT ?? Infinity);
  if (target === Infinity) {
    if (m.r32(HEADER + MACHINE.inputClosed) === 0) return { kind: 'waiting' };
    stopMachine(m, STOP.idle);
    return { kind: 'ended' };
  }
  if (target > T) {
    const skip = target - T;
    trace.cause = 0;
    trace.emit(RT.idle, PH.none, OUT.none, NOBODY, 0, [skip >>> 0, Math.floor(skip / 4294967296)]);
    m.w64(T_AT, target);
  }
  if (target >= deadline) {
    locked(m, () => supervisor.onDeadline());
    m.w32(DELIVER, 1);
  }
  return undefined;
}

function locked<R>(m: Memory, body: () => R): R {
  acquire(m);
  const result = body();
  release(m);
  return result;
}

/** An exception inside hypervisor or service code: a record, a message, the machine stopped. */
function panic({ m, trace }: MachineParts, error: unknown): void {
  const text = error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error);
  stopMachine(m, STOP.panic);
  const bytes = new Uint8Array(Math.min(text.length, 2000));
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  try {
    trace.emit(RT.panic, PH.none, OUT.none, NOBODY, 0, [], bytes);
  } catch {
    // The recorder stopped at this very record: the machine has ended either way.
  }
}
