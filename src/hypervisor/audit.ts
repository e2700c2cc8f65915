// The independent checker. It recomputes from scratch, out of CR3s, pins, page tables, descriptor tables, grants and registered pages, what
// owner, type and counts every frame should have, and compares. It shares no code with page-info: a bug there must not hide itself here.

import {
  DOMAIN,
  DOMAIN_KIND,
  domains,
  PAGE,
  pageAt,
  PGT_NAMES,
  PGT_pinned,
  vcpuSlots,
  XVCPU,
  xv,
} from './state.ts';
import { auditEvents } from './audit-events.ts';
import { Frames } from '../memory/frames.ts';
import type { Memory } from '../memory/memory.ts';
import { VCPU, VCPU_MODE } from '../cpu/vcpu.ts';

const ALLOCATED = 0x80000000,
  COUNT = 0x03ffffff,
  TYPE_COUNT = 0xffff,
  VALIDATED = 1 << 26,
  XEN_L2 = 1 << 25,
  OWNER_FREE = 0x7ff4,
  OWNER_XEN = 0x7ff2,
  XENHEAP = 1;
const L1 = 1,
  L2 = 2,
  L3 = 3,
  SEG = 5,
  WRITABLE = 7;
const PRESENT = 1,
  WRITE = 2,
  LARGE = 0x80;
const FIRST_XEN_SLOT = 428,
  GDT_PAGE = 512,
  LDT_SLOT = 16,
  LDT_PAGES = 16,
  ACTIVE_BYTES = 16,
  ACTIVE_A_FRAME = 256,
  HANDLE_BYTES = 16,
  NONE = 0xffffffff,
  NOBODY = 0x7ff4;
const MAP_READONLY = 4;
/** [use in a handle's flags, unit of its pin count]: device, host. */
const WRITING = [
    [1, 1 << 16],
    [2, 1],
  ] as const,
  READING = [
    [1, 1 << 24],
    [2, 1 << 8],
  ] as const;

/** What the walk has found for each frame. */
interface Tally {
  readonly count: Uint32Array;
  /** Uses by type, 8 a frame. */
  readonly types: Uint32Array;
  readonly walked: Uint8Array;
  readonly problems: string[];
}

/** Differences between what is recorded and what is there, as sentences; empty when all is well. */
export function auditMachine(m: Memory): string[] {
  const frames = new Frames(m);
  const t: Tally = {
    count: new Uint32Array(m.nrFrames),
    types: new Uint32Array(m.nrFrames * 8),
    walked: new Uint8Array(m.nrFrames),
    problems: [],
  };
  roots(m, t, frames);
  descriptorTables(m, t);
  grants(m, frames, t);
  for (let mfn = 1; mfn < m.nrFrames; mfn++) compare(m, mfn, t);
  reservations(m, t);
  return [...t.problems, ...auditEvents(m, frames)];
}

const use = (t: Tally, mfn: number, type: number): void => {
  if (mfn >= t.count.length) {
    t.problems.push(`a reference points to frame 0x${mfn.toString(16)}, which does not exist`);
    return;
  }
  t.count[mfn]!++;
  if (type !== 0) t.types[mfn * 8 + type]!++;
};

/** CR3s and pins, and everything below them. */
function roots(m: Memory, t: Tally, frames: Frames): void {
  for (const v of vcpuSlots()) {
    if (m.r32(v + VCPU.used) === 0 || m.r32(v + VCPU.mode) !== VCPU_MODE.pv) continue;
    if (m.r32(v + VCPU.cr3) !== 0) {
      const mfn = m.r32(v + VCPU.cr3) >>> 12;
      use(t, mfn, L3);
      table(m, frames, mfn, L3, false, t);
    }
    const info = m.r32(xv(v) + XVCPU.vcpuInfoMfn);
    if (info !== NONE) use(t, info, WRITABLE);
  }
  for (let mfn = 1; mfn < m.nrFrames; mfn++) {
    const type = m.r32(pageAt(mfn) + PAGE.type);
    if ((type & PGT_pinned) === 0) continue;
    const level = (type >>> 28) & 7;
    use(t, mfn, level);
    table(m, frames, mfn, level, (type & XEN_L2) !== 0, t);
  }
}

/** The references that the entries of a live table hold, once for each table. */
function table(m: Memory, frames: Frames, mfn: number, level: number, xenL2: boolean, t: Tally): void {
  if (mfn >= m.nrFrames || t.walked[mfn] !== 0) {
    if (mfn < m.nrFrames && t.walked[mfn] !== level)
      t.problems.push(
        `frame 0x${mfn.toString(16)} is reached as a table of level ${level} and of level ${t.walked[mfn]}`,
      );
    return;
  }
  t.walked[mfn] = level;
  const entries = level === L3 ? 4 : level === L2 && xenL2 ? FIRST_XEN_SLOT : 512;
  for (let i = 0; i < entries; i++) {
    const at = mfn * 4096 + 8 * i;
    const lo = frames.read32(at),
      hi = frames.read32(at + 4);
    if ((lo & PRESENT) === 0) continue;
    if ((hi & 0xfffff) !== 0)
      t.problems.push(`entry ${i} of table 0x${mfn.toString(16)} names an address beyond the machine`);
    if (level === L2 && (lo & LARGE) !== 0)
      t.problems.push(`entry ${i} of level-2 table 0x${mfn.toString(16)} is a superpage`);
    const target = lo >>> 12;
    if (level === L1) {
      use(t, target, (lo & WRITE) !== 0 ? WRITABLE : 0);
      continue;
    }
    use(t, target, level - 1);
    table(m, frames, target, level - 1, level === L3 && i === 3, t);
  }
}

function descriptorTables(m: Memory, t: Tally): void {
  for (const v of vcpuSlots()) {
    if (m.r32(v + VCPU.used) === 0 || m.r32(v + VCPU.mode) !== VCPU_MODE.pv) continue;
    const pages = Math.ceil(m.r32(xv(v) + XVCPU.gdtEnts) / GDT_PAGE);
    for (let i = 0; i < pages; i++) use(t, m.r32(xv(v) + XVCPU.gdtFrames + 4 * i), SEG);
    for (let i = 0; i < LDT_PAGES; i++) {
      const mfn = m.r32(v + VCPU.window + 4 * (LDT_SLOT + i));
      if (mfn !== NONE) use(t, mfn, SEG);
    }
  }
}

/**
 * A grant in use holds references besides those of the page-table entry that shows it: one for each use that its handle still has, with the
 * writable type when it may write. The granter's active entries must tell the same story from the other side.
 */
function grants(m: Memory, frames: Frames, t: Tally): void {
  const pins = new Map<string, number>();
  for (const d of domains(m)) {
    for (const mfn of sharedFrames(m, d)) t.types[mfn * 8 + WRITABLE]!++;
    const nr = m.r32(d + DOMAIN.nrMaptrackFrames);
    for (let f = 0; f < nr; f++) {
      const base = m.r32(d + DOMAIN.maptrackFrames + 4 * f) * 4096;
      for (let at = base; at < base + 4096; at += HANDLE_BYTES) {
        const flags = frames.read16(at + 6),
          readonly = (flags & MAP_READONLY) !== 0;
        const key = `${frames.read16(at + 4)} ${frames.read32(at)} ${m.r32(d + DOMAIN.domid)} ${frames.read32(at + 8)}`;
        for (const [bit, unit] of readonly ? READING : WRITING) {
          if ((flags & bit) === 0) continue;
          use(t, frames.read32(at + 8), readonly ? 0 : WRITABLE);
          if (frames.read16(at + 4) !== NOBODY) pins.set(key, (pins.get(key) ?? 0) + unit);
        }
      }
    }
  }
  for (const d of domains(m)) activeEntries(m, frames, d, pins, t);
  for (const [key, pin] of pins)
    t.problems.push(
      `mappings of a grant (granter, reference, user, frame: ${key}) amount to 0x${pin.toString(16)}, but no entry says so`,
    );
}

/** What Xen writes to and a domain may map: writable for as long as the domain lives, by a type reference without a general one. */
function sharedFrames(m: Memory, d: number): number[] {
  const out = [m.r32(d + DOMAIN.sharedInfoMfn)];
  for (let i = 0; i < m.r32(d + DOMAIN.nrGrantFrames); i++) out.push(m.r32(d + DOMAIN.grantFrames + 4 * i));
  return out;
}

function activeEntries(m: Memory, frames: Frames, d: number, pins: Map<string, number>, t: Tally): void {
  const nr = m.r32(d + DOMAIN.nrGrantFrames) * 2;
  for (let ref = 0; ref < nr * ACTIVE_A_FRAME; ref++) {
    const at =
      m.r32(d + DOMAIN.grantActive + 4 * Math.floor(ref / ACTIVE_A_FRAME)) * 4096 +
      (ref % ACTIVE_A_FRAME) * ACTIVE_BYTES;
    const pin = frames.read32(at);
    if (pin === 0) continue;
    const key = `${m.r32(d + DOMAIN.domid)} ${ref} ${frames.read32(at + 8)} ${frames.read32(at + 4)}`;
    if (pins.get(key) !== pin)
      t.problems.push(
        `a grant (granter, reference, user, frame: ${key}) is pinned 0x${pin.toString(16)}, mappings amount to 0x${(pins.get(key) ?? 0).toString(16)}`,
      );
    pins.delete(key);
  }
}

function compare(m: Memory, mfn: number, t: Tally): void {
  const page = pageAt(mfn);
  const owner = m.r16(page + PAGE.owner),
    count = m.r32(page + PAGE.count),
    type = m.r32(page + PAGE.type);
  const say = (text: string): void => {
    t.problems.push(`frame 0x${mfn.toString(16)} (owner 0x${owner.toString(16)}): ${text}`);
  };
  const found = t.count[mfn]!;
  if (owner === OWNER_FREE) {
    if (count !== 0 || found !== 0)
      say(`is free, but has ${count & COUNT} references recorded and ${found} found`);
    return;
  }
  const shared = owner === OWNER_XEN && (m.r16(page + PAGE.flags) & XENHEAP) === 0;
  const expected = found + ((count & ALLOCATED) !== 0 ? 1 : 0);
  if ((count & COUNT) !== expected) say(`has ${count & COUNT} references recorded, ${expected} found`);
  if (shared && found !== 0) say(`belongs to Xen alone, but ${found} references of guests point to it`);
  const kinds: number[] = [];
  for (let k = 1; k < 8; k++) if (t.types[mfn * 8 + k] !== 0) kinds.push(k);
  if (kinds.length > 1) say(`is used as ${kinds.map((k) => PGT_NAMES[k]).join(' and ')} at once`);
  const kind = kinds[0] ?? 0;
  const uses = kind === 0 ? 0 : t.types[mfn * 8 + kind]!;
  if ((type & TYPE_COUNT) !== uses)
    say(
      `has ${type & TYPE_COUNT} uses as ${PGT_NAMES[(type >>> 28) & 7]} recorded, ${uses} as ${PGT_NAMES[kind]} found`,
    );
  else if (uses !== 0 && ((type >>> 28) & 7) !== kind)
    say(`is recorded as ${PGT_NAMES[(type >>> 28) & 7]}, used as ${PGT_NAMES[kind]}`);
  if (kind >= L1 && kind <= SEG && (type & VALIDATED) === 0)
    say('is in use as a table but was never validated');
}

/** Every domain's page count is the number of frames it owns: those it has given back but still maps are charged to it too. */
function reservations(m: Memory, t: Tally): void {
  for (const d of domains(m)) {
    if (m.r32(d + DOMAIN.kind) !== DOMAIN_KIND.pv) continue;
    const domid = m.r32(d + DOMAIN.domid);
    let pages = 0;
    for (let mfn = 1; mfn < m.nrFrames; mfn++) if (m.r16(pageAt(mfn) + PAGE.owner) === domid) pages++;
    if (pages !== m.r32(d + DOMAIN.totPages))
      t.problems.push(`domain ${domid} is recorded with ${m.r32(d + DOMAIN.totPages)} pages, ${pages} found`);
  }
}
