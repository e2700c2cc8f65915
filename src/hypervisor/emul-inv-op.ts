// #UD: the forced-emulation prefix ("ud2; xen") in front of CPUID asks for the hypervisor's CPUID wherever it stands. Any other instruction
// behind the prefix, and every other #UD, is the guest's own.

import type { Translation } from '../cpu/engine.ts';
import { VCPU } from '../cpu/vcpu.ts';
import { OUT, PH } from '../trace/records.ts';
import { bounceException } from './bounce.ts';
import { carryOut, type Emulation, privopRecord } from './emul-priv-op.ts';
import { fetchInstruction } from './instruction.ts';
import type { Xen } from './xen.ts';

const PREFIX = [0x0f, 0x0b, 0x78, 0x65, 0x6e] as const,
  CPUID = [0x0f, 0xa2] as const;
const VECTOR_PF = 14;

/** Bytes at a linear address, read as Xen reads them: as data, with its own rights. `fault` is the first one that is not mapped. */
function bytesAt(
  x: Xen,
  v: number,
  at: number,
  length: number,
): { bytes: number[]; fault: number | undefined } {
  const t: Translation = { ok: false, maddr: 0, code: 0 };
  const bytes: number[] = [];
  for (let i = 0; i < length; i++) {
    const vaddr = (at + i) >>> 0;
    if (!x.mmu.translate(v, vaddr, 'r', false, t)) return { bytes, fault: vaddr };
    bytes.push(x.frames.read8(t.maddr));
  }
  return { bytes, fault: undefined };
}

/**
 * Looks at the bytes that raised #UD. Xen copies five bytes before it compares, and two more behind the prefix: if one of them cannot be
 * read, the guest gets a page fault, whatever the others are.
 */
export function emulateForcedPrefix(x: Xen, v: number): Emulation {
  const eip = x.m.r32(v + VCPU.eip);
  const fault = (cr2: number): Emulation => {
    bounceException(x, v, VECTOR_PF, 0, cr2);
    return 'faulted';
  };
  const prefix = bytesAt(x, v, eip, PREFIX.length);
  if (prefix.fault !== undefined) return fault(prefix.fault);
  if (prefix.bytes.some((byte, i) => byte !== PREFIX[i])) return 'none';
  const behind = bytesAt(x, v, (eip + PREFIX.length) >>> 0, CPUID.length);
  if (behind.fault !== undefined) return fault(behind.fault);
  privopRecord(x, v, PH.decode, OUT.none, [...PREFIX, ...behind.bytes], PREFIX.length + behind.bytes.length);
  const [first, second] = behind.bytes as [number, number];
  const insn = first === CPUID[0] && second === CPUID[1] ? fetchInstruction(x, v, PREFIX.length) : undefined;
  if (!insn) {
    x.check('forced.cpuid-only', false, first, second);
    return 'none';
  }
  x.m.w32(v + VCPU.eip, (eip + PREFIX.length) >>> 0);
  const result = carryOut(x, v, insn);
  if (result === 'none') x.m.w32(v + VCPU.eip, eip);
  return result;
}
