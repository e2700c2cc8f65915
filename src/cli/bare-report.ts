// What a person needs when a bare machine's processor has shut down: the registers, the tables it looked into, the last records.

import { SEGREG, VCPU } from '../cpu/vcpu.ts';
import { describeRecord } from '../lab/describe.ts';
import type { LabMachine } from '../lab/inputs.ts';
import type { Timeline } from '../lab/timeline.ts';
import { BSP } from '../machine/devices/board.ts';
import { HEADER } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { RT } from '../trace/records.ts';

const hex = (n: number, digits = 8): string => (n >>> 0).toString(16).padStart(digits, '0');
const GPR = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const RECORDS = 12;

const NAMES: Readonly<Record<number, string>> = {
  0: '#DE',
  6: '#UD',
  7: '#NM',
  8: '#DF',
  10: '#TS',
  11: '#NP',
  12: '#SS',
  13: '#GP',
  14: '#PF',
  17: '#AC',
};
const DOUBLE_FAULT = 8;
const name = (vector: number): string => NAMES[vector] ?? `vector ${vector}`;
/** The vectors of a shutdown (STOP.tripleFault). SDM vol. 3, 6.15, interrupt 8. */
function faults(code: number): string {
  const [first, second, third, last] = [0, 8, 16, 24].map((shift) => (code >>> shift) & 0xff) as [
    number,
    number,
    number,
    number,
  ];
  const path = [...(first === second ? [] : [first]), second, third, DOUBLE_FAULT, last].map(name);
  return `${path.join(', ')}, each in place of the one before, whose handler could not be reached`;
}

/** The text for stderr. */
export function bareReport(timeline: Timeline<LabMachine>, reason: string): string {
  const { machine, history } = timeline;
  const { m } = machine;
  const r = (field: number): number => m.r32(BSP + field);
  const seg = (name: string, at: number): string =>
    `  ${name}=${hex(r(at + SEGREG.sel), 4)} base ${hex(r(at + SEGREG.base))} limit ${hex(r(at + SEGREG.limit))} attributes ${hex(r(at + SEGREG.attr), 5)}`;
  const gpr = GPR.map((n, i) => `${n}=${hex(r(VCPU.gpr + 4 * i))}`);
  const lines = [
    reason === 'triple-fault'
      ? `triple fault: ${faults(m.r32(HEADER + MACHINE.stopCode))}, at ${hex(r(VCPU.seg + SEGREG.$size), 4)}:${hex(r(VCPU.eip))}`
      : `the machine ended: ${reason}`,
    `  ${gpr.slice(0, 4).join(' ')}`,
    `  ${gpr.slice(4).join(' ')}`,
    `  eip=${hex(r(VCPU.eip))} eflags=${hex(r(VCPU.eflags))}`,
    `  cr0=${hex(r(VCPU.cr0))} cr2=${hex(r(VCPU.cr2))} cr3=${hex(r(VCPU.cr3))} cr4=${hex(r(VCPU.cr4))}`,
    ...SEGMENTS.map((n, i) => seg(n, VCPU.seg + i * SEGREG.$size)),
    seg('ldtr', VCPU.ldtr),
    seg('tr', VCPU.tr),
    `  gdtr base ${hex(r(VCPU.gdtrBase))} limit ${hex(r(VCPU.gdtrLimit), 4)}  idtr base ${hex(r(VCPU.idtrBase))} limit ${hex(r(VCPU.idtrLimit), 4)}`,
    'last records:',
  ];
  const last: string[] = [];
  for (let seq = history.last; seq >= history.first && seq > 0 && last.length < RECORDS; seq--) {
    const record = history.get(seq);
    if (record === undefined) continue;
    const text = describeRecord(record, 'en')
      .map((p) => p.text)
      .join('');
    last.unshift(`  ${record.T} ${record.type === 'panic' ? panicText(record.data) : text}`);
    if (history.typeOf(seq) === RT.panic) break;
  }
  return [...lines, ...last].map((l) => `${l}\n`).join('');
}
const panicText = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString('latin1');
