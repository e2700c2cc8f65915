// What unit tests of the hypervisor stand on: a small machine without an engine, whose Mmu walks the guest's real page tables, and a
// one-page kernel. No part of the machine.

import { type Engine, REFUSED, type Mmu, type SystemEnv, type Translation } from '../cpu/engine.ts';
import { VCPU } from '../cpu/vcpu.ts';
import { Frames } from '../memory/frames.ts';
import { HEADER } from '../memory/map.ts';
import { Memory } from '../memory/memory.ts';
import { MACHINE, Recorder } from '../trace/recorder.ts';
import { decodeRecord, type TraceRecord } from '../trace/records.ts';
import { buildDomain } from './build.ts';
import { unpauseDomain } from './domain.ts';
import type { DomainConfig, KernelImage } from './image.ts';
import { initXen } from './init.ts';
import { ruleSentence } from './rules.ts';
import { DOMAIN, findDomain } from './state.ts';
import { Xen } from './xen.ts';

/** PAE walk: present bits, US and RW of L2 and L1; WP = 1; NX ignored. */
export function walkingMmu(frames: Frames): Mmu {
  return {
    translate(v: number, vaddr: number, access: 'r' | 'w' | 'x', user: boolean, out: Translation): boolean {
      const cr3 = frames.m.r32(v + VCPU.cr3);
      let entry = frames.read32((cr3 & 0xfffff000) + 8 * (vaddr >>> 30)),
        rights = 6;
      for (const shift of [21, 12]) {
        if ((entry & 1) === 0) break;
        entry = frames.read32((((entry & 0xfffff000) >>> 0) + 8 * ((vaddr >>> shift) & 511)) >>> 0);
        rights &= entry;
      }
      const present = (entry & 1) !== 0;
      out.ok = present && !(user && (rights & 4) === 0) && !(access === 'w' && (rights & 2) === 0);
      out.maddr = ((entry & 0xfffff000) | (vaddr & 0xfff)) >>> 0;
      out.code = (present ? 1 : 0) | (access === 'w' ? 2 : 0) | (user ? 4 : 0);
      return out.ok;
    },
  };
}

export interface Bench {
  readonly x: Xen;
  readonly frames: Frames;
  /** Environment of the last emulation the hypervisor asked for. */
  env: SystemEnv | undefined;
  /** What the stub engine does when asked to emulate. */
  emulate: (v: number, env: SystemEnv) => 'done' | 'unhandled';
  /** What the stub engine does when asked to run. */
  run: (v: number) => number;
  /** Records since the last call. */
  records(): TraceRecord[];
}

/** A machine of 48 MiB with Xen started and no domain. */
export function bench(): Bench {
  const m = new Memory(new ArrayBuffer(48 << 20));
  const frames = new Frames(m),
    trace = new Recorder(m);
  const b: { -readonly [K in keyof Bench]: Bench[K] } = {
    x: undefined as unknown as Xen,
    frames,
    env: undefined,
    emulate: () => 'unhandled',
    run: () => 0,
    records: () => [],
  };
  const engine: Engine = {
    name: 'reference',
    run: (v) => b.run(v),
    interrupt: () => {
      throw new Error('no bare machine here');
    },
    emulate: (v, env) => {
      b.env = env;
      return { kind: b.emulate(v, env), mnemonic: '', bytes: new Uint8Array(0) };
    },
    dropCaches: () => {},
  };
  trace.reset();
  b.x = new Xen(frames, trace, engine, walkingMmu(frames));
  m.w32(HEADER + MACHINE.mode, 1);
  initXen(b.x);
  b.records = () => {
    const out: TraceRecord[] = [];
    trace.drain((words, at, data) => {
      out.push(decodeRecord(words, at, data));
    });
    return out;
  };
  return b;
}
export { REFUSED };

/** A kernel of one page at 0xC0000000 that begins with `code`. */
export function kernel(code: readonly number[], more: Partial<KernelImage> = {}): KernelImage {
  const virtBase = more.virtBase ?? 0xc0000000;
  return {
    segments: [{ vaddr: virtBase, bytes: Uint8Array.from(code), memSize: 0x4000 }],
    entry: virtBase,
    virtBase,
    start: virtBase,
    end: virtBase + 0x4000,
    hypercallPage: undefined,
    pae: 'yes',
    features: [],
    requiredFeatures: [],
    supportedFeatures: 0,
    guestOs: '',
    loader: 'generic',
    xenVersion: 'xen-3.0',
    hvStartLow: undefined,
    modStartPfn: false,
    suspendCancel: false,
    source: 'PT_NOTE',
    ...more,
  };
}

/** Builds a running domain whose vCPU is on the pCPU. */
export function domainOf(
  b: Bench,
  code: readonly number[] = [0x90],
  more: Partial<DomainConfig> = {},
): { d: number; v: number; domid: number } {
  const { m } = b.x;
  const domid = buildDomain(b.x, { name: 'test', image: kernel(code), memoryMiB: 6, cmdline: '', ...more });
  const d = findDomain(m, domid),
    v = m.r32(d + DOMAIN.vcpus);
  unpauseDomain(b.x, d);
  m.w32(HEADER + MACHINE.current, v);
  b.records();
  return { d, v, domid };
}

/** Names of the rules that refused, in order. */
export const refusals = (records: readonly TraceRecord[]): string[] =>
  records
    .filter((r) => r.type === 'check' && r.p[0] === 0)
    .map((r) => ruleSentence(r.aux)?.[0] ?? `rule ${r.aux}`);
