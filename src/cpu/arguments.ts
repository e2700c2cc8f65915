// Operands of a decoded instruction as the reference engine sees them. One class with a kind, so that every call site stays monomorphic;
// the effective address is computed once, before the description runs.

import type { Access, Arg } from '../isa/builder.ts';
import type { Gpr, Operand, Seg } from '../isa/types.ts';
import type { SystemAccess } from './reference-system.ts';

const REG32 = 0,
  REG16 = 1,
  REG8 = 2,
  CONSTANT = 3,
  MEMORY = 4,
  NONE = 5;

export class Argument implements Arg<number> {
  readonly operand: Operand;
  readonly size: number;
  private readonly e: SystemAccess;
  private readonly kind: number;
  private readonly reg: Gpr;
  private readonly value: number;
  private readonly seg: Seg;
  private readonly base: number;
  private readonly index: number;
  private readonly scale: number;
  private readonly narrow: boolean;
  private readonly forWrite: boolean;
  private offset = 0;

  constructor(e: SystemAccess, operand: Operand, access: Access) {
    this.e = e;
    this.operand = operand;
    this.forWrite = access === 'rw';
    this.size = 'size' in operand ? operand.size : operand.kind === 'sreg' ? 16 : 32;
    this.kind = kindOf(operand);
    this.reg = operand.kind === 'reg' ? operand.reg : 0;
    this.value = operand.kind === 'imm' || operand.kind === 'rel' ? operand.value : 0;
    const mem = operand.kind === 'mem' ? operand : undefined;
    this.seg = mem?.seg ?? 0;
    this.base = mem?.base ?? -1;
    this.index = mem?.index ?? -1;
    this.scale = mem?.scale ?? 0;
    this.narrow = mem?.addrSize === 16;
    if (mem !== undefined) this.value = mem.disp;
  }

  /** Computes the effective address from the registers as they are now. */
  prepare(): void {
    let at = this.value;
    if (this.base >= 0) at += this.e.reg(this.base as Gpr, 32);
    if (this.index >= 0) at += this.e.reg(this.index as Gpr, 32) << this.scale;
    this.offset = this.narrow ? at & 0xffff : at | 0;
  }

  get(): number {
    switch (this.kind) {
      case REG32:
        return this.e.reg(this.reg, 32);
      case REG16:
        return this.e.reg(this.reg, 16);
      case REG8:
        return this.e.reg(this.reg, 8);
      case CONSTANT:
        return this.value;
      case MEMORY:
        return this.forWrite
          ? this.e.loadForWrite(this.seg, this.offset, this.size)
          : this.e.load(this.seg, this.offset, this.size);
      default:
        throw new Error(`operand has no value: ${this.operand.kind}`);
    }
  }

  set(value: number): void {
    switch (this.kind) {
      case REG32:
        this.e.setReg(this.reg, 32, value);
        break;
      case REG16:
        this.e.setReg(this.reg, 16, value);
        break;
      case REG8:
        this.e.setReg(this.reg, 8, value);
        break;
      case MEMORY:
        this.e.store(this.seg, this.offset, this.size, value);
        break;
      default:
        throw new Error(`operand cannot be written: ${this.operand.kind}`);
    }
  }

  ea(): number {
    return this.offset;
  }
}

function kindOf(operand: Operand): number {
  switch (operand.kind) {
    case 'reg':
      return operand.size === 32 ? REG32 : operand.size === 16 ? REG16 : REG8;
    case 'imm':
    case 'rel':
      return CONSTANT;
    case 'mem':
      return MEMORY;
    default:
      return NONE;
  }
}
