// #UD: the forced-emulation prefix ("ud2; xen") in front of CPUID asks for the hypervisor's CPUID wherever it stands. Any other instruction
// behind the prefix, and every other #UD, is the guest's own.

import { VCPU } from '../cpu/vcpu.ts';
import { OUT, PH } from '../trace/records.ts';
import { bounceException } from './bounce.ts';
import { carryOut, type Emulation, privopRecord } from './emul-priv-op.ts';
import { codeBytes, fetchInstruction } from './instruction.ts';
import type { Xen } from './xen.ts';

const PREFIX = [0x0f, 0x0b, 0x78, 0x65, 0x6e] as const;
const CPUID = 'cpuid';
const VECTOR_PF = 14;

/** Looks at the bytes that raised #UD. */
export function emulateForcedPrefix(x: Xen, v: number): Emulation {
  const { bytes, fault } = codeBytes(x, v, PREFIX.length);
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== PREFIX[i]) return 'none';
  if (bytes.length < PREFIX.length) {
    if (fault === undefined) return 'none';
    bounceException(x, v, VECTOR_PF, 0, fault);
    return 'faulted';
  }
  const insn = fetchInstruction(x, v, PREFIX.length);
  if (!insn || insn.form.semantics !== CPUID) {
    const behind = codeBytes(x, v, 2, PREFIX.length);
    if (behind.fault !== undefined) {
      bounceException(x, v, VECTOR_PF, 0, behind.fault);
      return 'faulted';
    }
    privopRecord(x, v, PH.decode, OUT.none, [...PREFIX, ...behind.bytes], PREFIX.length);
    x.check('forced.cpuid-only', false, behind.bytes[0] ?? 0, behind.bytes[1] ?? 0);
    return 'none';
  }
  privopRecord(x, v, PH.decode, OUT.none, [...PREFIX, ...insn.bytes], PREFIX.length + insn.length);
  const eip = x.m.r32(v + VCPU.eip);
  x.m.w32(v + VCPU.eip, (eip + PREFIX.length) >>> 0);
  const result = carryOut(x, v, insn);
  if (result === 'none') x.m.w32(v + VCPU.eip, eip);
  return result;
}
