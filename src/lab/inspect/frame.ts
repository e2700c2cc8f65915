// What Xen knows of a machine frame, and a page walk with it: owner, type, counts, both directions of the P2M.

import { DOMID_INVALID } from '../../hypervisor/abi/domid.ts';
import {
  DOMAIN,
  findDomain,
  PAGE,
  pageAt,
  PAGE_XENHEAP,
  PGC_allocated,
  PGC_count_mask,
  PGT_count_mask,
  PGT_NAMES,
  PGT_pinned,
  PGT_validated,
  XEN,
  XEN_AT,
} from '../../hypervisor/state.ts';
import { SEGREG, VCPU } from '../../cpu/vcpu.ts';
import { PAGE_SIZE } from '../../memory/map.ts';
import { domidOfVcpu, vcpuOf } from './common.ts';
import type { View } from './view.ts';
import { type Walk, walk } from './walk.ts';

export interface FrameModel {
  readonly mfn: number;
  /** domid, undefined for a free frame. */
  readonly owner: number | undefined;
  readonly type: string;
  readonly typeCount: number;
  readonly count: number;
  readonly allocated: boolean;
  readonly pinned: boolean;
  readonly validated: boolean;
  readonly xenheap: boolean;
  /** M2P: the owner's pseudo-physical number, undefined when none. */
  readonly pfn: number | undefined;
  /** What the owner's own P2M list, as built, says for that pfn. */
  readonly p2m: number | undefined;
}

export function frame(view: View, args: { mfn: number }): FrameModel | null {
  const { m, frames } = view;
  const mfn = args.mfn >>> 0;
  if (!frames.exists(mfn)) return null;
  const page = pageAt(mfn);
  const count = m.r32(page + PAGE.count),
    type = m.r32(page + PAGE.type),
    owner = m.r16(page + PAGE.owner);
  const m2p = m.r32(XEN_AT + XEN.m2pMfn);
  const pfn = m2p === 0 ? 0xffffffff : frames.read32(m2p * PAGE_SIZE + 4 * mfn);
  const d = findDomain(m, owner);
  const list = d === 0 ? 0 : m.r32(d + DOMAIN.p2mMaddr);
  const known = pfn < 0x100000 && list !== 0 && pfn < m.r32(d + DOMAIN.nrPages);
  return {
    mfn,
    owner: owner === DOMID_INVALID ? undefined : owner,
    type: PGT_NAMES[(type >>> 28) & 7] ?? 'none',
    typeCount: type & PGT_count_mask,
    count: count & PGC_count_mask,
    allocated: (count & PGC_allocated) !== 0,
    pinned: (type & PGT_pinned) !== 0,
    validated: (type & PGT_validated) !== 0,
    xenheap: (m.r16(page + PAGE.flags) & PAGE_XENHEAP) !== 0,
    pfn: pfn < 0x100000 ? pfn : undefined,
    p2m: known ? frames.read32(list + 4 * pfn) : undefined,
  };
}

export interface PageWalkModel extends Walk {
  readonly domid: number;
  readonly vaddr: number;
  /** Frames of the tables and of the page itself, in the order of the walk. */
  readonly frames: readonly FrameModel[];
  /** The newest refusal of Xen that concerns a frame of this walk: rule number and record. */
  readonly refusal:
    | { readonly seq: number; readonly rule: number; readonly values: readonly number[] }
    | undefined;
}

/** How many records back a refusal is looked for. */
const REFUSAL_REACH = 2000;

/** Linear address of the next instruction. */
const nextInstruction = ({ m }: View, v: number): number =>
  (m.r32(v + VCPU.seg + SEGREG.$size + SEGREG.base) + m.r32(v + VCPU.eip)) >>> 0;

/** The walk of an address, of the next instruction's when none is given. */
export function pageWalk(view: View, args: { domid?: number; vaddr?: number }): PageWalkModel | null {
  const v = vcpuOf(view, args.domid);
  if (v === 0) return null;
  const vaddr = (args.vaddr ?? nextInstruction(view, v)) >>> 0;
  const result = walk(view, v, vaddr);
  const list = result.levels.map((l) => frame(view, { mfn: l.tableMfn }));
  if (result.maddr !== undefined) list.push(frame(view, { mfn: Math.floor(result.maddr / PAGE_SIZE) }));
  const known = list.filter((f) => f !== null);
  return {
    ...result,
    domid: domidOfVcpu(view, v),
    vaddr,
    frames: known,
    refusal: refusalFor(view, new Set(known.map((f) => f.mfn))),
  };
}

function refusalFor(view: View, mfns: ReadonlySet<number>): PageWalkModel['refusal'] {
  const { history } = view;
  for (let i = history.length - 1; i >= 0 && i >= history.length - REFUSAL_REACH; i--) {
    const r = history.at(i);
    if (r.type === 'check' && r.p[0] === 0 && r.p.slice(1).some((value) => mfns.has(value)))
      return { seq: r.seq, rule: r.aux, values: r.p.slice(1) };
  }
  return undefined;
}
