// The bytes at CS:EIP of a vCPU, read once through its code segment and page tables, and what they decode to. Decides and names things
// only; carrying an instruction out is the engine's, by the same description.

import { SEG_DB, SEGREG, VCPU } from '../cpu/vcpu.ts';
import type { Translation } from '../cpu/engine.ts';
import { decode, MAX_LENGTH } from '../isa/decode.ts';
import type { Insn } from '../isa/types.ts';
import { SEG, segAt, selectorOf } from './selectors.ts';
import type { Xen } from './xen.ts';

/** Up to `length` bytes at EIP + offset: fewer when the segment or the mapping ends; `fault` is the linear address that is not mapped. */
export function codeBytes(
  x: Xen,
  v: number,
  length: number,
  offset = 0,
): { readonly bytes: Uint8Array; readonly fault: number | undefined } {
  const cs = segAt(v, SEG.cs);
  const base = x.m.r32(cs + SEGREG.base),
    limit = x.m.r32(cs + SEGREG.limit);
  const eip = (x.m.r32(v + VCPU.eip) + offset) >>> 0;
  const user = (selectorOf(x, v, SEG.cs) & 3) === 3;
  const t: Translation = { ok: false, maddr: 0, code: 0 };
  const out = new Uint8Array(length);
  let page = -1,
    maddr = 0;
  for (let i = 0; i < length; i++) {
    if (eip + i > limit) return { bytes: out.subarray(0, i), fault: undefined };
    const vaddr = (base + eip + i) >>> 0;
    if (vaddr >>> 12 !== page) {
      if (!x.mmu.translate(v, vaddr, 'x', user, t)) return { bytes: out.subarray(0, i), fault: vaddr };
      page = vaddr >>> 12;
      maddr = t.maddr - (vaddr & 0xfff);
    }
    out[i] = x.frames.read8(maddr + (vaddr & 0xfff));
  }
  return { bytes: out, fault: undefined };
}

class OutOfBytes extends Error {}

/** Decodes the instruction at EIP (+ offset); undefined when its bytes cannot all be read or are no instruction. */
export function fetchInstruction(x: Xen, v: number, offset = 0): Insn | undefined {
  const { bytes } = codeBytes(x, v, MAX_LENGTH, offset);
  const wide = (x.m.r32(segAt(v, SEG.cs) + SEGREG.attr) & SEG_DB) !== 0;
  try {
    const insn = decode((i) => {
      if (i >= bytes.length) throw new OutOfBytes();
      return bytes[i]!;
    }, wide);
    return insn.invalid === undefined ? insn : undefined;
  } catch (error) {
    if (error instanceof OutOfBytes) return undefined;
    throw error;
  }
}
