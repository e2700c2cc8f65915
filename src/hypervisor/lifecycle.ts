// How domains stop: shut down, crashed, timed out. The first recorded code wins; the toolstack hears of it through VIRQ_DOM_EXC.

import { NOBODY } from '../trace/recorder.ts';
import { DOMAIN_OP, OUT, PH, RT, SWITCH } from '../trace/records.ts';
import { DOMID_SERVICE } from './abi/domid.ts';
import { raiseVirq } from './event-channels.ts';
import { RULE, type RuleName } from './rules.ts';
import { takeOffline } from './run-queue.ts';
import { DOMAIN, DOMAIN_STATE, findDomain } from './state.ts';
import type { Xen } from './xen.ts';
import { VIRQ_DOM_EXC } from './virqs.ts';

/** SHUTDOWN_* of public/sched.h. */
export const SHUTDOWN = { poweroff: 0, reboot: 1, suspend: 2, crash: 3, watchdog: 4, soft_reset: 5 } as const;
export const SHUTDOWNS = ['poweroff', 'reboot', 'suspend', 'crash', 'watchdog', 'soft_reset'] as const;

/** SCHEDOP_shutdown_code: remembers why, unless a reason is known already. */
export function recordShutdownCode(x: Xen, d: number, code: number): void {
  if (x.m.r32(d + DOMAIN.shutdownRecorded) !== 0) return;
  x.m.w32(d + DOMAIN.shutdownRecorded, 1);
  x.m.w32(d + DOMAIN.shutdownCode, code & 0xff);
}

/** Stops all vCPUs of a domain that has not stopped yet. `code` counts unless an earlier one was recorded. */
export function shutdownDomain(x: Xen, d: number, code: number): void {
  stop(x, d, code, 0);
}

/**
 * Ends the domain of v because of its own doing. `rule` is the rule that was broken; its check record has been written by whoever found out.
 */
export function crashDomain(x: Xen, v: number, rule: RuleName): void {
  stop(x, x.domainOf(v), SHUTDOWN.crash, RULE[rule]);
}

function stop(x: Xen, d: number, asked: number, rule: number): void {
  const { m } = x;
  recordShutdownCode(x, d, asked);
  const state = m.r32(d + DOMAIN.state);
  if (state !== DOMAIN_STATE.running && state !== DOMAIN_STATE.paused) return;
  const code = m.r32(d + DOMAIN.shutdownCode);
  const crashed = code === SHUTDOWN.crash;
  m.w32(d + DOMAIN.state, crashed ? DOMAIN_STATE.crashed : DOMAIN_STATE.shutDown);
  for (let id = 0; id < 4; id++) {
    const v = m.r32(d + DOMAIN.vcpus + 4 * id);
    if (v !== 0) takeOffline(x, v, crashed ? SWITCH.crash : SWITCH.shutdown);
  }
  const who = x.current === 0 ? NOBODY : x.subject();
  x.trace.emit(RT.domain, PH.none, OUT.none, who, crashed ? DOMAIN_OP.crash : DOMAIN_OP.shutdown, [
    m.r32(d + DOMAIN.domid),
    code,
    rule,
  ]);
  tellToolstack(x, d);
}

/** VIRQ_DOM_EXC to whoever looks after domains: domain d has stopped or is gone. */
export function tellToolstack(x: Xen, d: number): void {
  for (const domid of [0, DOMID_SERVICE]) {
    const listener = findDomain(x.m, domid);
    if (listener !== 0 && listener !== d) raiseVirq(x, x.m.r32(listener + DOMAIN.vcpus), VIRQ_DOM_EXC);
  }
}
