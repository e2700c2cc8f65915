// What the page lists of each domain, read from the machine.

import { VCPU } from '../cpu/vcpu.ts';
import { DOMAIN, DOMAIN_KIND, DOMAIN_STATES, domains, RUNSTATES, XVCPU, xv } from '../hypervisor/state.ts';
import { MODE_BARE } from '../machine/bare.ts';
import { AT, BARE_DOMID, BOARD, BSP } from '../machine/devices/board.ts';
import { stopReason } from '../machine/stop.ts';
import { HEADER } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { MACHINE } from '../trace/recorder.ts';
import { text } from './describe.ts';
import type { DomainSummary } from './types.ts';

/** domid of the vCPU on the pCPU, undefined when none runs. */
export function currentDomid(m: Memory): number | undefined {
  const v = m.r32(HEADER + MACHINE.current);
  return v ? m.r32(m.r32(v + VCPU.domain) + DOMAIN.domid) : undefined;
}

/** Guests and the service domain, in the order of their slots. */
export function domainSummaries(m: Memory): DomainSummary[] {
  if (m.r32(HEADER + MACHINE.mode) === MODE_BARE) return [bareSummary(m)];
  const out: DomainSummary[] = [];
  for (const d of domains(m)) {
    const kind = m.r32(d + DOMAIN.kind);
    if (kind !== DOMAIN_KIND.pv && kind !== DOMAIN_KIND.service) continue;
    const v = m.r32(d + DOMAIN.vcpus);
    out.push({
      domid: m.r32(d + DOMAIN.domid),
      name: text(m.copyOut(d + DOMAIN.name, 32)).replace(/\0.*$/, ''),
      kind: kind === DOMAIN_KIND.pv ? 'pv' : 'service',
      state: DOMAIN_STATES[m.r32(d + DOMAIN.state)] ?? '',
      vcpuState: v ? (RUNSTATES[m.r32(xv(v) + XVCPU.run)] ?? '') : '',
      memoryMiB: (m.r32(d + DOMAIN.totPages) * 4096) / 1048576,
      image: Array.from(m.copyOut(d + DOMAIN.imageHash, 32), (b) => b.toString(16).padStart(2, '0')).join(''),
      shutdownCode: m.r32(d + DOMAIN.state) >= 3 ? m.r32(d + DOMAIN.shutdownCode) : undefined,
      letter: kind === DOMAIN_KIND.pv ? String.fromCharCode(64 + m.r32(d + DOMAIN.domid)) : 'S',
    });
  }
  return out;
}

/** The bare machine stands where its one guest would: so it has a console, a badge and a row. */
function bareSummary(m: Memory): DomainSummary {
  const reason = stopReason(m);
  return {
    domid: BARE_DOMID,
    name: 'machine',
    kind: 'pv',
    state: reason === 'none' ? 'running' : reason,
    vcpuState: m.r32(BSP + VCPU.halted) !== 0 ? 'blocked' : 'running',
    memoryMiB: (m.r32(AT.board + BOARD.ramFrames) * 4096) / 1048576,
    image: '',
    shutdownCode: reason === 'none' ? undefined : m.r32(HEADER + MACHINE.stopCode),
    letter: 'M',
  };
}
