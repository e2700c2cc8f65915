// Where a step over is to stop: behind a call, an INT or a repeated string instruction; everything else is a plain step.

import { SEG_DB, SEGREG, VCPU } from '../cpu/vcpu.ts';
import { copyFromGuest } from '../hypervisor/guest-access.ts';
import { decode } from '../isa/decode.ts';
import type { XenMachine } from '../toolstack/assemble.ts';

/** EIP behind the instruction at CS:EIP if it transfers control and comes back, otherwise undefined. */
export function nextInstruction(machine: XenMachine, v: number): number | undefined {
  const { m, x } = machine;
  const eip = m.r32(v + VCPU.eip);
  const cs = v + VCPU.seg + SEGREG.$size;
  const start = (m.r32(cs + SEGREG.base) + eip) >>> 0;
  const bytes =
    copyFromGuest(x, v, start, Math.min(15, 4096 - (start & 4095))) ?? copyFromGuest(x, v, start, 1);
  if (!bytes) return undefined;
  let short = false;
  const insn = decode(
    (i) => {
      if (i >= bytes.length) short = true;
      return bytes[i] ?? 0;
    },
    (m.r32(cs + SEGREG.attr) & SEG_DB) !== 0,
  );
  if (short || insn.invalid) return undefined;
  const returns =
    insn.form.semantics.startsWith('call') ||
    insn.form.semantics.startsWith('int') ||
    (insn.form.rep !== undefined && insn.rep !== 'none');
  return returns ? (eip + insn.length) >>> 0 : undefined;
}
