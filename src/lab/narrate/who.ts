// What a domain is called, and the letter that goes with its colour.

import { DOMID_SERVICE } from '../../hypervisor/abi/domid.ts';
import type { DomainSummary } from '../types.ts';

export interface Who {
  readonly domid: number;
  readonly letter: string;
  readonly name: string;
  /** 'xen', or which of four colours: 0 for domain 0 and the service domain, 1 … 3 for domUs, then from 1 again. */
  readonly slot: 'xen' | 0 | 1 | 2 | 3;
}
export const XEN_WHO: Who = { domid: -1, letter: 'X', name: 'Xen', slot: 'xen' };

export function whoIs(domid: number, domains: readonly DomainSummary[]): Who {
  const d = domains.find((x) => x.domid === domid);
  if (!d && domid >= 0x7ff0) return XEN_WHO;
  const slot = domid === 0 || domid === DOMID_SERVICE ? 0 : ((1 + ((domid - 1) % 3)) as 1 | 2 | 3);
  return {
    domid,
    slot,
    name: d?.name ?? (domid === DOMID_SERVICE ? 'service' : `dom${domid}`),
    letter: d?.letter ?? (slot === 0 ? 'S' : String.fromCharCode(64 + domid)),
  };
}
