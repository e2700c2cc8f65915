// Grant tables: what each domain offers, and what is mapped of it right now.

import { DOMAIN, findDomain } from '../../hypervisor/state.ts';
import { PAGE_SIZE } from '../../memory/map.ts';
import type { View } from './view.ts';

export interface GrantEntry {
  readonly ref: number;
  readonly flags: number;
  readonly type: 'invalid' | 'permit_access' | 'accept_transfer' | 'transitive';
  readonly readonly: boolean;
  /** Xen's own marks: mapped or copied for reading or writing. */
  readonly reading: boolean;
  readonly writing: boolean;
  readonly inUse: boolean;
  readonly domid: number;
  readonly frame: number;
}
export interface GrantsModel {
  readonly domid: number;
  readonly frames: readonly number[];
  readonly entries: readonly GrantEntry[];
}

const TYPES = ['invalid', 'permit_access', 'accept_transfer', 'transitive'] as const;
const GTF_readonly = 4,
  GTF_reading = 8,
  GTF_writing = 16;
const ENTRIES = PAGE_SIZE / 8;

/** Entries in use (flags not zero), lowest reference first. */
export function grants(view: View, args: { domid: number }): GrantsModel {
  const { m, frames } = view;
  const d = findDomain(m, args.domid);
  const list: number[] = [],
    entries: GrantEntry[] = [];
  const nr = d === 0 ? 0 : Math.min(64, m.r32(d + DOMAIN.nrGrantFrames));
  for (let i = 0; i < nr; i++) {
    const mfn = m.r32(d + DOMAIN.grantFrames + 4 * i);
    if (!frames.exists(mfn)) continue;
    list.push(mfn);
    for (let e = 0; e < ENTRIES; e++) {
      const at = mfn * PAGE_SIZE + 8 * e;
      const flags = frames.read16(at);
      if (flags === 0) continue;
      entries.push({
        ref: i * ENTRIES + e,
        flags,
        type: TYPES[flags & 3]!,
        readonly: (flags & GTF_readonly) !== 0,
        reading: (flags & GTF_reading) !== 0,
        writing: (flags & GTF_writing) !== 0,
        inUse: (flags & (GTF_reading | GTF_writing)) !== 0,
        domid: frames.read16(at + 2),
        frame: frames.read32(at + 4),
      });
    }
  }
  return { domid: args.domid, frames: list, entries };
}
