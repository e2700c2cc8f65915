// Shared rings: pages two domains may both touch, read as rings. Every domain has a console and a XenStore ring; a granted page in use is
// read with the header of public/io/ring.h.

import { DOMAIN, DOMAIN_KIND, domains, findDomain, RUNSTATE, XVCPU, xv } from '../../hypervisor/state.ts';
import { PAGE_SIZE } from '../../memory/map.ts';
import { domainName } from './common.ts';
import { type GrantEntry, grants } from './grants.ts';
import type { View } from './view.ts';

export interface RingIndex {
  readonly name: string;
  readonly value: number;
  /** 'prod' and 'cons' move entries, 'event' asks to be told. */
  readonly role: 'prod' | 'cons' | 'event';
  readonly side: 'front' | 'back';
}
export interface RingSlot {
  readonly index: number;
  readonly state: 'free' | 'request' | 'response';
  readonly bytes: readonly number[];
  readonly text: string;
}
export interface RingModel {
  readonly id: string;
  readonly kind: 'console-in' | 'console-out' | 'store-req' | 'store-rsp' | 'granted';
  readonly front: number;
  readonly frontName: string;
  readonly back: number | undefined;
  readonly mfn: number;
  readonly gref: number | undefined;
  /** Entries (bytes for console and XenStore). */
  readonly size: number;
  readonly entrySize: number;
  readonly indices: readonly RingIndex[];
  readonly used: number;
  /** False when the indices are impossible: somebody scribbled. */
  readonly sane: boolean;
  readonly slots: readonly RingSlot[];
  /** True when a message waits, both sides' vCPUs are blocked and no bell of theirs rings: the silence. */
  readonly asleep: boolean;
}

/** Entry sizes tried for a granted page: bytes of an entry. The labs' messages have 64. */
const DEFAULT_ENTRY = 64;
/** The texts among the bytes: runs of letters long enough not to be numbers that happen to look like one. */
const printable = (bytes: readonly number[]): string =>
  (String.fromCharCode(...bytes).match(/[\x20-\x7e]{3,}/g) ?? []).join(' ');

function byteRing(
  view: View,
  kind: RingModel['kind'],
  d: number,
  mfn: number,
  at: number,
  size: number,
  consAt: number,
  prodAt: number,
  guestProduces: boolean,
): RingModel {
  const { m, frames } = view;
  const base = mfn * PAGE_SIZE;
  const cons = frames.read32(base + consAt),
    prod = frames.read32(base + prodAt);
  const used = (prod - cons) >>> 0;
  const sane = used <= size;
  const bytes: number[] = [];
  for (let i = 0; i < Math.min(used, size); i++)
    bytes.push(frames.read8(base + at + ((cons + i) & (size - 1))));
  const domid = m.r32(d + DOMAIN.domid);
  return {
    id: `${kind}:${domid}`,
    kind,
    front: domid,
    frontName: domainName(view, d),
    back: undefined,
    mfn,
    gref: undefined,
    size,
    entrySize: 1,
    used,
    sane,
    asleep: false,
    indices: [
      { name: 'prod', value: prod, role: 'prod', side: guestProduces ? 'front' : 'back' },
      { name: 'cons', value: cons, role: 'cons', side: guestProduces ? 'back' : 'front' },
    ],
    slots: used === 0 ? [] : [{ index: cons, state: 'request', bytes, text: printable(bytes) }],
  };
}

/** A domain whose vCPU is blocked: an event that is pending would have woken it. */
function sleeps({ m }: View, d: number): boolean {
  const v = d === 0 ? 0 : m.r32(d + DOMAIN.vcpus);
  return v !== 0 && m.r32(xv(v) + XVCPU.run) === RUNSTATE.blocked;
}

/** A granted page read as struct ring: req_prod +0, req_event +4, rsp_prod +8, rsp_event +12, entries from +64. */
function grantedRing(view: View, d: number, g: GrantEntry, entrySize: number): RingModel {
  const { m, frames } = view;
  const base = g.frame * PAGE_SIZE;
  let size = 1;
  while (size * 2 * entrySize <= PAGE_SIZE - 64) size *= 2;
  const [reqProd, reqEvent, rspProd, rspEvent] = [0, 4, 8, 12].map((o) => frames.read32(base + o)) as [
    number,
    number,
    number,
    number,
  ];
  const used = (reqProd - rspProd) >>> 0;
  const sane = used <= size;
  const domid = m.r32(d + DOMAIN.domid);
  const slots: RingSlot[] = [];
  for (let i = 0; i < size; i++) {
    const index = (((rspProd - (rspProd & (size - 1))) >>> 0) + i) >>> 0;
    const bytes = [...frames.copyOut(base + 64 + i * entrySize, entrySize)];
    const ahead = (i - (rspProd & (size - 1)) + size) % size;
    slots.push({
      index,
      state: sane && ahead < used ? 'request' : bytes.some((b) => b !== 0) ? 'response' : 'free',
      bytes,
      text: printable(bytes),
    });
  }
  return {
    id: `grant:${domid}:${g.ref}`,
    kind: 'granted',
    front: domid,
    frontName: domainName(view, d),
    back: g.domid,
    mfn: g.frame,
    gref: g.ref,
    size,
    entrySize,
    used,
    sane,
    slots,
    asleep: sane && used > 0 && sleeps(view, d) && sleeps(view, findDomain(m, g.domid)),
    indices: [
      { name: 'req_prod', value: reqProd, role: 'prod', side: 'front' },
      { name: 'req_event', value: reqEvent, role: 'event', side: 'back' },
      { name: 'rsp_prod', value: rspProd, role: 'prod', side: 'back' },
      { name: 'rsp_event', value: rspEvent, role: 'event', side: 'front' },
    ],
  };
}

/** Granted rings first, then the service rings of every guest. */
export function rings(view: View, args: { entrySize?: number } = {}): RingModel[] {
  const { m } = view;
  const granted: RingModel[] = [],
    service: RingModel[] = [];
  for (const d of domains(m)) {
    if (m.r32(d + DOMAIN.kind) !== DOMAIN_KIND.pv) continue;
    for (const g of grants(view, { domid: m.r32(d + DOMAIN.domid) }).entries) {
      if (g.ref >= 8 && g.inUse) granted.push(grantedRing(view, d, g, args.entrySize ?? DEFAULT_ENTRY));
    }
    const console = m.r32(d + DOMAIN.consoleMfn),
      store = m.r32(d + DOMAIN.storeMfn);
    if (console !== 0) {
      service.push(
        byteRing(view, 'console-out', d, console, 1024, 2048, 3080, 3084, true),
        byteRing(view, 'console-in', d, console, 0, 1024, 3072, 3076, false),
      );
    }
    if (store !== 0) {
      service.push(
        byteRing(view, 'store-req', d, store, 0, 1024, 2048, 2052, true),
        byteRing(view, 'store-rsp', d, store, 1024, 1024, 2056, 2060, false),
      );
    }
  }
  return [...granted, ...service];
}
