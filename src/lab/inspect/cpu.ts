// Registers of a vCPU, as the processor holds them and as Xen shows them to the guest.

import {
  EFLAGS_AC,
  EFLAGS_AF,
  EFLAGS_CF,
  EFLAGS_DF,
  EFLAGS_ID,
  EFLAGS_IF,
  EFLAGS_NT,
  EFLAGS_OF,
  EFLAGS_PF,
  EFLAGS_RF,
  EFLAGS_SF,
  EFLAGS_TF,
  EFLAGS_VM,
  EFLAGS_ZF,
  SEGREG,
  VCPU,
} from '../../cpu/vcpu.ts';
import { DOMAIN, RUNSTATE, RUNSTATES, XVCPU, xv } from '../../hypervisor/state.ts';
import { vcpuIndex } from '../../memory/map.ts';
import { domainName, domainOfVcpu, domidOfVcpu, symbolAt, mapOf, vcpuOf, levelOf } from './common.ts';
import type { View } from './view.ts';

export interface CpuModel {
  readonly domid: number;
  readonly name: string;
  readonly vcpu: number;
  readonly cpl: number;
  readonly run: string;
  readonly eip: number;
  readonly symbol: string | undefined;
  readonly gpr: readonly { readonly name: string; readonly value: number }[];
  readonly eflags: number;
  readonly flags: readonly {
    readonly name: string;
    readonly bit: number;
    readonly value: number;
    readonly editable: boolean;
  }[];
  readonly iopl: number;
  readonly segments: readonly {
    readonly name: string;
    readonly selector: number;
    readonly base: number;
    readonly limit: number;
    readonly dpl: number;
    readonly attr: number;
  }[];
  readonly control: readonly { readonly name: string; readonly value: number }[];
  /** What the guest's kernel should use instead of IF: its event mask byte; undefined before the page exists. */
  readonly upcallMask: number | undefined;
  readonly upcallPending: number | undefined;
  readonly virtualIopl: number;
}

const GPR = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
/** [name, bit, may a person flip it]. IF belongs to Xen. */
const FLAGS: readonly (readonly [string, number, boolean])[] = [
  ['CF', EFLAGS_CF, true],
  ['PF', EFLAGS_PF, true],
  ['AF', EFLAGS_AF, true],
  ['ZF', EFLAGS_ZF, true],
  ['SF', EFLAGS_SF, true],
  ['TF', EFLAGS_TF, true],
  ['IF', EFLAGS_IF, false],
  ['DF', EFLAGS_DF, true],
  ['OF', EFLAGS_OF, true],
  ['NT', EFLAGS_NT, false],
  ['RF', EFLAGS_RF, false],
  ['VM', EFLAGS_VM, false],
  ['AC', EFLAGS_AC, true],
  ['ID', EFLAGS_ID, true],
];

const bareRun = ({ m }: View, v: number): string =>
  RUNSTATES[m.r32(v + VCPU.halted) !== 0 ? RUNSTATE.blocked : RUNSTATE.running];

export function cpu(view: View, args: { domid?: number } = {}): CpuModel | null {
  const v = vcpuOf(view, args.domid);
  if (v === 0) return null;
  const { m, frames } = view;
  const d = domainOfVcpu(view, v);
  const eflags = m.r32(v + VCPU.eflags),
    eip = m.r32(v + VCPU.eip);
  const info = m.r32(xv(v) + XVCPU.vcpuInfoMaddr);
  const mapped = d !== 0 && m.r32(d + DOMAIN.sharedInfoMfn) !== 0;
  return {
    domid: domidOfVcpu(view, v),
    name: domainName(view, d),
    vcpu: vcpuIndex(v),
    cpl: levelOf(view, v),
    run: d === 0 ? bareRun(view, v) : (RUNSTATES[m.r32(xv(v) + XVCPU.run)] ?? ''),
    eip,
    symbol: symbolAt(mapOf(view, d), eip),
    gpr: GPR.map((name, i) => ({ name, value: m.r32(v + VCPU.gpr + 4 * i) })),
    eflags,
    flags: FLAGS.map(([name, bit, editable]) => ({ name, bit, value: eflags & bit ? 1 : 0, editable })),
    iopl: (eflags >>> 12) & 3,
    segments: SEGMENTS.map((name, i) => {
      const at = v + VCPU.seg + i * SEGREG.$size;
      const attr = m.r32(at + SEGREG.attr);
      return {
        name,
        selector: m.r32(at + SEGREG.sel),
        base: m.r32(at + SEGREG.base),
        limit: m.r32(at + SEGREG.limit),
        dpl: (attr >>> 5) & 3,
        attr,
      };
    }),
    control: [
      ['cr0', VCPU.cr0],
      ['cr2', VCPU.cr2],
      ['cr3', VCPU.cr3],
      ['cr4', VCPU.cr4],
    ].map(([name, at]) => ({ name: name as string, value: m.r32(v + (at as number)) })),
    upcallMask: mapped ? frames.read8(info + 1) : undefined,
    upcallPending: mapped ? frames.read8(info) : undefined,
    virtualIopl: m.r32(xv(v) + XVCPU.iopl),
  };
}
