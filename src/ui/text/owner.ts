// Colour means owner and only that, always with a letter and a dash pattern. Xen is ink, a domain one of four colours.

import { type Who, whoIs, XEN_WHO } from '../../lab/narrate/who.ts';
import type { DomainSummary } from '../../lab/types.ts';

export interface Owner extends Who {
  /** A CSS colour. */
  readonly colour: string;
  /** stroke-dasharray. */
  readonly dash: string;
}
const DASHES = { xen: '', 0: '', 1: '7 3', 2: '2 3', 3: '9 3 2 3' } as const;
const dress = (w: Who): Owner => ({
  ...w,
  colour: w.slot === 'xen' ? 'var(--xen)' : `var(--dom${w.slot})`,
  dash: DASHES[w.slot],
});

export const XEN_OWNER: Owner = dress(XEN_WHO);
export const ownerOf = (domid: number, domains: readonly DomainSummary[]): Owner =>
  dress(whoIs(domid, domains));
