// Puts the machine together over one memory: recorder, engine, Xen, service domain. The objects hold references, never state, so the same call serves a new
// machine, a restored one and every further host.

import type { Engine, EngineChoice, Mmu } from '../cpu/engine.ts';
import { createEngine } from '../cpu/engines.ts';
import { VCPU, VCPU_MODE } from '../cpu/vcpu.ts';
import { deliverPending } from '../hypervisor/bounce.ts';
import { initXen } from '../hypervisor/init.ts';
import { nextDeadline, onDeadline, schedule } from '../hypervisor/schedule.ts';
import { DOMAIN, DOMAIN_KIND, DOMAIN_STATE, domains } from '../hypervisor/state.ts';
import { onExit } from '../hypervisor/supervisor.ts';
import { Xen } from '../hypervisor/xen.ts';
import type { MachineParts, Supervisor } from '../machine/run.ts';
import { STOP, stopMachine } from '../machine/stop.ts';
import { Frames } from '../memory/frames.ts';
import { HEADER } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { MACHINE, Recorder } from '../trace/recorder.ts';
import { NOBODY } from '../trace/recorder.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { createServiceDomain, type Daemons, runService, serviceBusy } from './service.ts';
import { serviceConsole } from './xenconsoled.ts';
import { releaseDomain, serviceStore, sweepDomains } from './xenstored.ts';

export interface XenMachine extends MachineParts {
  readonly frames: Frames;
  readonly engine: Engine;
  readonly mmu: Mmu;
  readonly x: Xen;
}

export interface XenSettings {
  /** Length of a scheduler slice in ticks. */
  readonly sliceTicks: number;
  /** Wall clock at T = 0, Unix seconds. */
  readonly epochSec: number;
}

const DAEMONS: Daemons = {
  console: serviceConsole,
  store: serviceStore,
  stopped: (x, d) => releaseDomain(x, x.m.r32(d + DOMAIN.domid)),
  vanished: sweepDomains,
};

/** Attaches to whatever is in `m`; writes nothing. The interpreter where its code is given, the reference engine where nothing is. */
export function attachMachine(m: Memory, choice: EngineChoice = 'reference'): XenMachine {
  const frames = new Frames(m);
  const trace = new Recorder(m);
  const { engine, mmu } = createEngine(choice, { m, frames, trace });
  const x = new Xen(frames, trace, engine, mmu);
  frames.onWatch = (maddr, size, value) => {
    trace.emit(RT.ringindex, PH.none, OUT.none, x.subject(), size, [maddr, value]);
  };
  return { m, frames, trace, engine, mmu, x, supervisor: supervise(x) };
}

/** A new machine in a memory that is all zero: Xen's own tables and the service domain, no guest yet. */
export function createMachine(
  m: Memory,
  settings: XenSettings,
  choice: EngineChoice = 'reference',
): XenMachine {
  const machine = attachMachine(m, choice);
  machine.frames.markAllClean();
  machine.trace.reset();
  m.w32(HEADER + MACHINE.sliceLength, settings.sliceTicks);
  m.w32(HEADER + MACHINE.epochSec, settings.epochSec);
  m.w32(HEADER + MACHINE.mode, 1);
  initXen(machine.x);
  createServiceDomain(machine.x);
  return machine;
}

function supervise(x: Xen): Supervisor {
  return {
    schedule: () => schedule(x),
    nextDeadline: () => nextDeadline(x),
    onDeadline: () => {
      onDeadline(x);
      settle(x);
    },
    onExit: (v, exit) => onExit(x, v, exit),
    deliver: (v) => deliverPending(x, v),
    isService: (v) => x.m.r32(v + VCPU.mode) === VCPU_MODE.service,
    runService: (v) => {
      runService(x, v, DAEMONS);
      settle(x);
    },
    settle: () => settle(x),
  };
}

/**
 * When the last guest has stopped and the service domain has nothing left to do for it, the machine has stopped: a crash outweighs a
 * reboot, a reboot a power-off.
 */
function settle(x: Xen): void {
  if (serviceBusy(x)) return;
  const { m } = x;
  let guests = 0,
    crashed = false,
    reason: number = STOP.poweroff,
    code = 0;
  for (const d of domains(m)) {
    if (m.r32(d + DOMAIN.kind) !== DOMAIN_KIND.pv) continue;
    const state = m.r32(d + DOMAIN.state);
    if (state <= DOMAIN_STATE.shuttingDown) return;
    guests++;
    code = m.r32(d + DOMAIN.shutdownCode);
    if (state === DOMAIN_STATE.crashed || code === 3) crashed = true;
    else if (code === 1) reason = STOP.reboot;
    else if (code === 2) reason = STOP.suspend;
  }
  if (guests === 0) return;
  x.trace.cause = 0;
  x.trace.emit(RT.domain, PH.none, OUT.none, NOBODY, 1, [0, code]);
  stopMachine(m, crashed ? STOP.crash : reason, code);
}
