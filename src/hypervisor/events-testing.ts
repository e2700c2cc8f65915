// What the unit tests of event channels, grants, scheduling and time stand on: domains without a kernel, whose linear addresses are the
// machine addresses of their own frames; above them the M2P, read-only. No part of the machine.

import type { Engine, Mmu, Translation } from '../cpu/engine.ts';
import { VCPU } from '../cpu/vcpu.ts';
import { Frames } from '../memory/frames.ts';
import { HEADER, PAGE_SIZE } from '../memory/map.ts';
import { Memory } from '../memory/memory.ts';
import { MACHINE, Recorder } from '../trace/recorder.ts';
import { decodeRecord, type TraceRecord } from '../trace/records.ts';
import { createDomainRecord, unpauseDomain } from './domain.ts';
import { HYPERVISOR_VIRT_START } from './guest-access.ts';
import { initXen } from './init.ts';
import { allocDomainFrame } from './page-alloc.ts';
import { actSentence, ruleSentence } from './rules.ts';
import { DOMAIN, findDomain, PAGE, pageAt, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { Xen } from './xen.ts';

export interface Guest {
  readonly d: number;
  readonly v: number;
  readonly domid: number;
  /** Two frames of its own. */
  readonly page: number;
  readonly other: number;
  /** Address of a structure in `page`, filled with these little-endian u32 words. */
  arg(...words: number[]): number;
}
export interface EventBench {
  readonly x: Xen;
  /** Pages (address >>> 12) that refuse reads, and pages that refuse writes. */
  readonly unreadable: Set<number>;
  readonly readonly: Set<number>;
  guest(options?: { domid?: number; privileged?: boolean; paused?: boolean; xenFramesLimit?: number }): Guest;
  records(): TraceRecord[];
  /** Names of the rules that refused since the last look. */
  refused(): string[];
  at(T: number): void;
}

/** A machine of 48 MiB with Xen started and no domain; slices of 1000 ticks, epoch 1,700,000,000. */
export function eventBench(): EventBench {
  const m = new Memory(new ArrayBuffer(48 << 20));
  const frames = new Frames(m),
    trace = new Recorder(m);
  const unreadable = new Set<number>(),
    readonly = new Set<number>();
  const mmu: Mmu = {
    translate(v: number, vaddr: number, access: 'r' | 'w' | 'x', _user: boolean, out: Translation): boolean {
      if (vaddr >= HYPERVISOR_VIRT_START && vaddr < HYPERVISOR_VIRT_START + PAGE_SIZE) {
        out.ok = access === 'r';
        out.maddr = m.r32(XEN_AT + XEN.m2pMfn) * PAGE_SIZE + vaddr - HYPERVISOR_VIRT_START;
        return out.ok;
      }
      const mfn = vaddr >>> 12;
      const own =
        mfn < m.nrFrames && m.r16(pageAt(mfn) + PAGE.owner) === m.r32(m.r32(v + VCPU.domain) + DOMAIN.domid);
      out.ok = own && !unreadable.has(mfn) && !(access === 'w' && readonly.has(mfn));
      out.maddr = vaddr;
      out.code = 0;
      return out.ok;
    },
  };
  const engine: Engine = {
    name: 'reference',
    run: () => 0,
    interrupt: () => {
      throw new Error('no engine here');
    },
    emulate: () => {
      throw new Error('no engine here');
    },
    dropCaches: () => {},
  };
  trace.reset();
  const x = new Xen(frames, trace, engine, mmu);
  m.w32(HEADER + MACHINE.mode, 1);
  m.w32(HEADER + MACHINE.sliceLength, 1000);
  m.w32(HEADER + MACHINE.epochSec, 1_700_000_000);
  initXen(x);
  let next = 1;
  const records = (): TraceRecord[] => {
    const out: TraceRecord[] = [];
    trace.drain((words, at, data) => {
      out.push(decodeRecord(words, at, data));
    });
    return out;
  };
  return {
    x,
    unreadable,
    readonly,
    records,
    refused: () => refusals(records()),
    at: (T) => m.w64(HEADER + MACHINE.T, T),
    guest(options = {}) {
      const domid = options.domid ?? next++;
      const d = createDomainRecord(x, {
        name: `d${domid}`,
        kind: 'pv',
        domid,
        privileged: options.privileged ?? false,
        maxPages: 64,
      });
      if (options.xenFramesLimit !== undefined) m.w32(d + DOMAIN.xenFramesLimit, options.xenFramesLimit);
      const v = m.r32(d + DOMAIN.vcpus);
      m.w32(xv(v) + XVCPU.initialised, 1);
      m.w32(xv(v) + XVCPU.up, 1);
      const page = allocDomainFrame(x, d),
        other = allocDomainFrame(x, d);
      if (!options.paused) unpauseDomain(x, d);
      records();
      return {
        d,
        v,
        domid,
        page,
        other,
        arg(...words) {
          for (const [i, w] of words.entries()) frames.write32(page * PAGE_SIZE + 4 * i, w >>> 0);
          return page * PAGE_SIZE;
        },
      };
    },
  };
}

export const refusals = (records: readonly TraceRecord[]): string[] =>
  records
    .filter((r) => r.type === 'check' && r.p[0] === 0)
    .map((r) => ruleSentence(r.aux)?.[0] ?? `rule ${r.aux}`);
export const acts = (records: readonly TraceRecord[]): string[] =>
  records.filter((r) => r.type === 'act').map((r) => actSentence(r.aux)?.[0] ?? `act ${r.aux}`);
/** Arguments of a hypercall. */
export const hc = (...a: number[]): readonly [number, number, number, number, number, number] => [
  a[0] ?? 0,
  a[1] ?? 0,
  a[2] ?? 0,
  a[3] ?? 0,
  a[4] ?? 0,
  a[5] ?? 0,
];
/** The domain record of a domid that must exist. */
export function mustFind(x: Xen, domid: number): number {
  const d = findDomain(x.m, domid);
  if (d === 0) throw new Error(`no domain ${domid}`);
  return d;
}
