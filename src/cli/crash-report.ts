// What a person needs after a crash: who, in which ring, the registers, the last traps and a backtrace by symbol.

import { SEGREG, VCPU } from '../cpu/vcpu.ts';
import { copyFromGuest } from '../hypervisor/guest-access.ts';
import { DOMAIN, DOMAIN_KIND, DOMAIN_STATE, domains } from '../hypervisor/state.ts';
import type { Timeline } from '../lab/timeline.ts';
import { elfSymbols } from '../toolstack/elf-symbols.ts';
import { RT } from '../trace/records.ts';
import { describeRecord } from '../lab/describe.ts';

type Symbols = readonly (readonly [address: number, name: string, size: number])[];

const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
const GPR = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;

/** 'main+0x12', or nothing when no symbol is near. */
export function symbolize(symbols: Symbols, address: number): string {
  let best: Symbols[number] | undefined;
  for (const s of symbols) if (s[0] <= address && (!best || s[0] >= best[0])) best = s;
  if (!best || address - best[0] > 0x10000) return '';
  return address === best[0] ? best[1] : `${best[1]}+0x${(address - best[0]).toString(16)}`;
}

/** The text for stderr. */
export function crashReport(timeline: Timeline, image: (sha256: string) => Uint8Array | undefined): string {
  const { machine, history } = timeline;
  const { m } = machine;
  const lines: string[] = [];
  for (let seq = history.last; seq >= history.first && seq > 0 && lines.length === 0; seq--) {
    if (history.typeOf(seq) === RT.panic)
      lines.push(`hypervisor panic: ${Buffer.from(history.get(seq)?.data ?? []).toString('latin1')}`);
    if (history.last - seq > 50) break;
  }
  for (const d of domains(m)) {
    if (
      m.r32(d + DOMAIN.kind) !== DOMAIN_KIND.pv ||
      (m.r32(d + DOMAIN.state) !== DOMAIN_STATE.crashed && m.r32(d + DOMAIN.shutdownCode) !== 3)
    )
      continue;
    const v = m.r32(d + DOMAIN.vcpus);
    const symbols = symbolsOf(m.copyOut(d + DOMAIN.imageHash, 32), image);
    lines.push(
      ...registers(timeline, d, v, symbols),
      'backtrace:',
      ...backtrace(timeline, v, symbols),
      'last traps:',
    );
    lines.push(...lastTraps(timeline, m.r32(d + DOMAIN.domid)));
  }
  return lines.map((l) => `${l}\n`).join('');
}

function symbolsOf(hash: Uint8Array, image: (sha256: string) => Uint8Array | undefined): Symbols {
  const bytes = image(Buffer.from(hash).toString('hex'));
  if (!bytes) return [];
  try {
    return elfSymbols(bytes);
  } catch {
    return []; // a broken symbol table must not hide the crash
  }
}

function registers(timeline: Timeline, d: number, v: number, symbols: Symbols): string[] {
  const { m } = timeline.machine;
  const name = Buffer.from(m.copyOut(d + DOMAIN.name, 32))
    .toString('latin1')
    .replace(/\0.*$/, '');
  const sel = (i: number): string =>
    m
      .r32(v + VCPU.seg + i * SEGREG.$size)
      .toString(16)
      .padStart(4, '0');
  const cs = m.r32(v + VCPU.seg + SEGREG.$size);
  const eip = m.r32(v + VCPU.eip);
  const gpr = GPR.map((n, i) => `${n}=${hex(m.r32(v + VCPU.gpr + 4 * i))}`);
  return [
    `domain ${m.r32(d + DOMAIN.domid)} (${name}) crashed in ring ${cs & 3} at ${hex(eip)} ${symbolize(symbols, eip)}`.trimEnd(),
    `  ${gpr.slice(0, 4).join(' ')}`,
    `  ${gpr.slice(4).join(' ')}`,
    `  eip=${hex(eip)} eflags=${hex(m.r32(v + VCPU.eflags))} cr2=${hex(m.r32(v + VCPU.cr2))} cr3=${hex(m.r32(v + VCPU.cr3))}`,
    `  es=${sel(0)} cs=${sel(1)} ss=${sel(2)} ds=${sel(3)} fs=${sel(4)} gs=${sel(5)}`,
  ];
}

/** Follows EBP; at most 16 frames, each must lie above the one before. */
function backtrace(timeline: Timeline, v: number, symbols: Symbols): string[] {
  const { m, x } = timeline.machine;
  const out: string[] = [];
  let at = m.r32(v + VCPU.eip),
    ebp = m.r32(v + VCPU.gpr + 20);
  for (let i = 0; i < 16; i++) {
    // A return address may be the first of the next function: the call before it is what is meant.
    out.push(`  #${i} ${hex(at)} ${symbolize(symbols, i === 0 ? at : at - 1)}`.trimEnd());
    const frame = ebp === 0 ? undefined : copyFromGuest(x, v, ebp, 8);
    if (!frame) break;
    const view = new DataView(frame.buffer);
    const next = view.getUint32(0, true);
    at = view.getUint32(4, true);
    if (at === 0 || (next !== 0 && next <= ebp)) break; // the outermost frame has no caller's EBP
    ebp = next;
  }
  return out;
}

function lastTraps(timeline: Timeline, domid: number): string[] {
  const { history } = timeline;
  const out: string[] = [];
  for (let seq = history.last; seq >= history.first && seq > 0 && out.length < 12; seq--) {
    if (history.domidOf(seq) !== domid) continue;
    const r = history.get(seq);
    if (r)
      out.unshift(
        `  ${r.T} ${describeRecord(r, 'en')
          .map((p) => p.text)
          .join('')}`,
      );
  }
  return out;
}
