// From a decoded operand to the Arg a description is given: register, immediate, segment register or memory with its effective
// address. Readers that have no faster way share it.

import type { Access, Arg, Builder } from './builder.ts';
import { CS, type Gpr, type Insn, type MemOperand, type Operand, type Seg, SS } from './types.ts';

/** Effective address: base + index << scale + disp, cut to the address size (SDM vol. 1, 3.7.5). */
export function effectiveAddress<V, W>(b: Builder<V, W>, mem: MemOperand): V {
  const part = (n: Gpr) => b.reg(n, mem.addrSize);
  let sum: V | undefined;
  if (mem.base >= 0) sum = part(mem.base as Gpr);
  if (mem.index >= 0) {
    const index = part(mem.index as Gpr);
    const scaled = mem.scale === 0 ? index : b.shl(index, b.const(mem.scale));
    sum = sum === undefined ? scaled : b.add(sum, scaled);
  }
  if (sum === undefined) return b.const(mem.addrSize === 16 ? mem.disp & 0xffff : mem.disp);
  if (mem.disp !== 0) sum = b.add(sum, b.const(mem.disp));
  const plain = mem.index < 0 && mem.disp === 0;
  return mem.addrSize === 16 && !plain ? b.zx(sum, 16) : sum;
}

function memoryArg<V, W>(b: Builder<V, W>, operand: MemOperand, access: Access): Arg<V> {
  let address: V | undefined;
  const ea = () => (address ??= effectiveAddress(b, operand));
  return {
    operand,
    size: operand.size,
    ea,
    get() {
      if (access === 'rw') b.probe(operand.seg, ea(), operand.size / 8, 'w');
      return b.load(operand.seg, ea(), operand.size);
    },
    set: (value) => b.store(operand.seg, ea(), operand.size, value),
  };
}

function segmentArg<V, W>(b: Builder<V, W>, operand: Operand, seg: Seg): Arg<V> {
  return {
    operand,
    size: 16,
    get: () => (seg === CS ? b.sys('cs') : seg === SS ? b.sys('ss') : b.selector(seg)),
    set: () => wrongUse('a segment register is loaded by microcode'),
    ea: () => wrongUse('a segment register has no address'),
  };
}

function wrongUse(reason: string): never {
  throw new TypeError(reason);
}

/** The argument for one operand. Throws TypeError when the description then uses it in a way the operand does not have. */
export function argOf<V, W>(b: Builder<V, W>, operand: Operand, access: Access): Arg<V> {
  const noAddress = () => wrongUse(`a ${operand.kind} operand has no address`);
  const noSet = () => wrongUse(`a ${operand.kind} operand cannot be set`);
  switch (operand.kind) {
    case 'mem':
      return memoryArg(b, operand, access);
    case 'reg': {
      const { reg, size } = operand;
      return {
        operand,
        size,
        get: () => b.reg(reg, size),
        set: (value) => b.setReg(reg, size, value),
        ea: noAddress,
      };
    }
    case 'sreg':
      return segmentArg(b, operand, operand.seg);
    case 'imm':
    case 'rel': {
      const { size, value } = operand;
      return { operand, size, get: () => b.const(value), set: noSet, ea: noAddress };
    }
    default:
      return {
        operand,
        size: 32,
        get: () => wrongUse(`a ${operand.kind} operand has no single value`),
        set: noSet,
        ea: noAddress,
      };
  }
}

/** Arguments for every operand of an instruction. */
export function argsOf<V, W>(b: Builder<V, W>, insn: Insn, access: readonly Access[]): Arg<V>[] {
  return insn.operands.map((operand, i) => argOf(b, operand, access[i] ?? 'r'));
}
