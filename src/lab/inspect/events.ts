// Event channels of every domain: what each port is bound to, and its bits.

import { PORT, PORT_STATES, PORTS_PER_FRAME } from '../../hypervisor/evtchn-ports.ts';
import { DOMAIN, domains } from '../../hypervisor/state.ts';
import { PAGE_SIZE } from '../../memory/map.ts';
import { domainName } from './common.ts';
import type { View } from './view.ts';

export interface PortModel {
  readonly port: number;
  readonly state: string;
  readonly remoteDomid: number | undefined;
  readonly remotePort: number | undefined;
  readonly virq: number | undefined;
  readonly pending: boolean;
  readonly masked: boolean;
}
export interface DomainPorts {
  readonly domid: number;
  readonly name: string;
  readonly ports: readonly PortModel[];
}

const SHARED_PENDING = 0x800,
  SHARED_MASK = 0x880;

/** Ports that are not free. */
export function events(view: View): DomainPorts[] {
  const { m, frames } = view;
  const out: DomainPorts[] = [];
  for (const d of domains(m)) {
    const shared = m.r32(d + DOMAIN.sharedInfoMfn);
    const ports: PortModel[] = [];
    const bit = (array: number, port: number): boolean =>
      shared !== 0 &&
      ((frames.read32(shared * PAGE_SIZE + array + 4 * (port >>> 5)) >>> (port & 31)) & 1) === 1;
    for (let port = 1; port < Math.min(1024, m.r32(d + DOMAIN.nrPorts)); port++) {
      const mfn = m.r32(d + DOMAIN.evtchnFrames + 4 * Math.floor(port / PORTS_PER_FRAME));
      if (!frames.exists(mfn)) break;
      const at = mfn * PAGE_SIZE + (port % PORTS_PER_FRAME) * PORT.$size;
      const state = PORT_STATES[frames.read32(at + PORT.state)] ?? 'free';
      if (state === 'free' || state === 'reserved') continue;
      ports.push({
        port,
        state,
        pending: bit(SHARED_PENDING, port),
        masked: bit(SHARED_MASK, port),
        remoteDomid:
          state === 'unbound' || state === 'interdomain' ? frames.read32(at + PORT.remoteDomid) : undefined,
        remotePort: state === 'interdomain' ? frames.read32(at + PORT.remotePort) : undefined,
        virq: state === 'virq' ? frames.read32(at + PORT.virq) : undefined,
      });
    }
    out.push({ domid: m.r32(d + DOMAIN.domid), name: domainName(view, d), ports });
  }
  return out;
}
