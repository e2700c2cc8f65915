// The hypervisor as an object: references to the one memory and to the engines, never state. Every function of hypervisor/ takes it first.

import type { Engine, Mmu } from '../cpu/engine.ts';
import { SEGREG, VCPU } from '../cpu/vcpu.ts';
import type { Frames } from '../memory/frames.ts';
import { HEADER, vcpuIndex } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { MACHINE, NOBODY, type Recorder, type Subject } from '../trace/recorder.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { ACT, type ActName, RULE, type RuleName } from './rules.ts';
import { DOMAIN } from './state.ts';

export class Xen {
  readonly m: Memory;
  readonly frames: Frames;
  readonly trace: Recorder;
  readonly engine: Engine;
  readonly mmu: Mmu;

  constructor(frames: Frames, trace: Recorder, engine: Engine, mmu: Mmu) {
    this.m = frames.m;
    this.frames = frames;
    this.trace = trace;
    this.engine = engine;
    this.mmu = mmu;
  }

  get T(): number {
    return this.m.r64(HEADER + MACHINE.T);
  }
  /** The vCPU on the pCPU, 0 when none. */
  get current(): number {
    return this.m.r32(HEADER + MACHINE.current);
  }

  /** Counts ticks that no engine counted: a delivered exception or upcall, an emulated instruction, work of the service domain. */
  tick(n: number): void {
    const { m } = this;
    m.w64(HEADER + MACHINE.T, m.r64(HEADER + MACHINE.T) + n);
    m.w64(HEADER + MACHINE.ticks, m.r64(HEADER + MACHINE.ticks) + n);
  }

  domainOf(v: number): number {
    return this.m.r32(v + VCPU.domain);
  }
  domidOf(v: number): number {
    return this.m.r32(this.m.r32(v + VCPU.domain) + DOMAIN.domid);
  }

  /** Who a record is about: the vCPU at v, or nobody. */
  subject(v: number = this.current): Subject {
    if (!v) return NOBODY;
    const cs = this.m.r32(v + VCPU.seg + SEGREG.$size + SEGREG.sel);
    return { domid: this.domidOf(v), vcpu: vcpuIndex(v), cpl: cs & 3, cs, eip: this.m.r32(v + VCPU.eip) };
  }

  /**
   * Decides: writes a check record of the rule with its values and returns `ok`. Every refusal of the hypervisor goes through here.
   */
  check(rule: RuleName, ok: boolean, ...values: readonly number[]): boolean {
    this.trace.emit(RT.check, PH.check, ok ? OUT.none : OUT.refused, this.subject(), RULE[rule], [
      ok ? 1 : 0,
      ...values,
    ]);
    return ok;
  }
  /** Something was done: an act record. */
  act(name: ActName, values: readonly number[] = [], data?: Uint8Array): number {
    return this.trace.emit(RT.act, PH.act, OUT.none, this.subject(), ACT[name], values, data);
  }
}
