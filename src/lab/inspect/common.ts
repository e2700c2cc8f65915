// What several inspectors share: finding a domain's vCPU, names, symbols.

import { EFLAGS_VM, SEGREG, VCPU } from '../../cpu/vcpu.ts';
import { DOMAIN, DOMAIN_KIND, findDomain, domains } from '../../hypervisor/state.ts';
import { MODE_BARE } from '../../machine/bare.ts';
import { BARE_DOMID, BSP } from '../../machine/devices/board.ts';
import { HEADER } from '../../memory/map.ts';
import { MACHINE } from '../../trace/recorder.ts';
import type { ImageMap } from '../types.ts';
import type { View } from './view.ts';

/** The vCPU record of a domain's first vCPU; of the running or first guest when no domid is given; 0 if there is none. */
export function vcpuOf(view: View, domid: number | undefined): number {
  const { m } = view;
  if (m.r32(HEADER + MACHINE.mode) === MODE_BARE) return BSP;
  if (domid !== undefined) {
    const d = findDomain(m, domid);
    return d === 0 ? 0 : m.r32(d + DOMAIN.vcpus);
  }
  const current = m.r32(HEADER + MACHINE.current);
  if (current !== 0 && m.r32(m.r32(current + VCPU.domain) + DOMAIN.kind) === DOMAIN_KIND.pv) return current;
  for (const d of domains(m)) if (m.r32(d + DOMAIN.kind) === DOMAIN_KIND.pv) return m.r32(d + DOMAIN.vcpus);
  return 0;
}
export const domainOfVcpu = (view: View, v: number): number => view.m.r32(v + VCPU.domain);
export const domidOfVcpu = (view: View, v: number): number =>
  domainOfVcpu(view, v) === 0 ? BARE_DOMID : view.m.r32(domainOfVcpu(view, v) + DOMAIN.domid);

export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
}
export const domainName = (view: View, d: number): string =>
  d === 0 ? 'machine' : cString(view.m.copyOut(d + DOMAIN.name, 32));

/** The privilege level a vCPU runs at: 0 in real-address mode, 3 in virtual-8086 mode. */
export function levelOf({ m }: View, v: number): number {
  if ((m.r32(v + VCPU.cr0) & 1) === 0) return 0;
  if ((m.r32(v + VCPU.eflags) & EFLAGS_VM) !== 0) return 3;
  return m.r32(v + VCPU.seg + SEGREG.$size) & 3;
}

/** Symbols and lines of the image a domain runs. */
export function mapOf(view: View, d: number): ImageMap | undefined {
  if (d === 0) return undefined; // a bare machine
  return view.imageMap(
    Array.from(view.m.copyOut(d + DOMAIN.imageHash, 32), (b) => b.toString(16).padStart(2, '0')).join(''),
  );
}
/** Index of the last element of a sorted list whose key is <= value, -1 for none. */
export function lastAtMost<T>(list: readonly T[], key: (item: T) => number, value: number): number {
  let lo = 0,
    hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (key(list[mid]!) <= value) lo = mid + 1;
    else hi = mid;
  }
  return lo - 1;
}
/** 'main+0x12' for an address, undefined when no symbol is near. */
export function symbolAt(map: ImageMap | undefined, address: number): string | undefined {
  if (!map) return undefined;
  const i = lastAtMost(map.symbols, (s) => s[0], address);
  const s = map.symbols[i];
  if (!s || address - s[0] >= Math.max(s[2], 0x1000)) return undefined;
  return address === s[0] ? s[1] : `${s[1]}+0x${(address - s[0]).toString(16)}`;
}
export interface SourceLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}
/** The source line that an address was made from. */
export function lineAt(map: ImageMap | undefined, address: number): SourceLine | undefined {
  if (!map) return undefined;
  const entry = map.lines[lastAtMost(map.lines, (l) => l[0], address)];
  const file = entry ? map.files[entry[1]] : undefined;
  if (!entry || entry[2] === 0 || file === undefined || address - entry[0] > 64) return undefined;
  return { file, line: entry[2], text: map.sources[file]?.split('\n')[entry[2] - 1] ?? '' };
}
