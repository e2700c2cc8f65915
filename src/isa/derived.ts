// Builder operations that are only combinations of others: the checks of privilege and mode, condition codes. Written once over the
// primitives, so that every reader built on this class sees the same reads of CPL, IOPL and CR4 and the same conditions.

import type { Builder, FlagName, SysName } from './builder.ts';
import { GP, UD } from './builder.ts';
import { SS } from './types.ts';

/** Bits of control registers that the checks look at (SDM vol. 3, 2.5). */
export const CR0_PE = 0x1,
  CR4_TSD = 0x4,
  CR4_UMIP = 0x800;

type Primitives<V, W> = Pick<
  Builder<V, W>,
  | 'const'
  | 'add'
  | 'and'
  | 'or'
  | 'ne'
  | 'eq'
  | 'ltU'
  | 'if'
  | 'fault'
  | 'flag'
  | 'sys'
  | 'load'
  | 'store'
  | 'probe'
  | 'sp'
  | 'setSp'
>;

/** The derived half of a Builder; the other half is the reader's. */
export abstract class DerivedBuilder<V, W> implements Primitives<V, W> {
  abstract const(n: number): V;
  abstract add(a: V, c: V): V;
  abstract and(a: V, c: V): V;
  abstract or(a: V, c: V): V;
  abstract ne(a: V, c: V): V;
  abstract eq(a: V, c: V): V;
  abstract ltU(a: V, c: V): V;
  abstract if(c: V, then: () => void, otherwise?: () => void): void;
  abstract fault(vector: number, code?: V): void;
  abstract flag(name: FlagName): V;
  abstract sys(name: SysName): V;
  abstract load(seg: 0 | 1 | 2 | 3 | 4 | 5, offset: V, size: number): V;
  abstract store(seg: 0 | 1 | 2 | 3 | 4 | 5, offset: V, size: number, value: V): void;
  abstract probe(seg: 0 | 1 | 2 | 3 | 4 | 5, offset: V, length: number, access: 'r' | 'w'): void;
  abstract sp(): V;
  abstract setSp(value: V): void;
  /** 1 when the I/O permission bitmap of the TSS refuses `size` bits at `port`. */
  protected abstract ioRefused(port: V, size: number): V;
  /** Runs `body` as a check: what it reads decides whether the instruction is allowed and is no effect of it. */
  protected abstract check(body: () => void): void;

  faultIf(c: V, vector: number, code?: V): void {
    this.if(c, () => this.fault(vector, code));
  }

  requireCpl(n: 0): void {
    this.check(() => this.faultIf(this.ltU(this.const(n), this.sys('cpl')), GP, this.const(0)));
  }

  requireIopl(): void {
    this.check(() => this.faultIf(this.ltU(this.sys('iopl'), this.sys('cpl')), GP, this.const(0)));
  }

  requireIo(port: V, size: number): void {
    this.check(() => {
      const above = this.ltU(this.sys('iopl'), this.sys('cpl'));
      this.if(this.or(above, this.sys('vm')), () =>
        this.faultIf(this.ioRefused(port, size), GP, this.const(0)),
      );
    });
  }

  umip(): void {
    this.mode(CR4_UMIP);
  }

  tsd(): void {
    this.mode(CR4_TSD);
  }

  protectedMode(): void {
    this.check(() => this.faultIf(this.eq(this.isProtected(), this.const(0)), UD));
  }

  vm86Iopl(): void {
    this.check(() => {
      const low = this.ltU(this.sys('iopl'), this.const(3));
      this.faultIf(this.and(this.sys('vm'), low), GP, this.const(0));
    });
  }

  isProtected(): V {
    let answer = this.const(0);
    this.check(() => {
      const pe = this.ne(this.and(this.sys('cr0'), this.const(CR0_PE)), this.const(0));
      answer = this.and(pe, this.eq(this.sys('vm'), this.const(0)));
    });
    return answer;
  }

  cond(cc: number): V {
    const holds = this.condition(cc >> 1);
    return (cc & 1) === 0 ? holds : this.eq(holds, this.const(0));
  }

  push(value: V, size: 16 | 32): void {
    const top = this.below(-size / 8);
    this.store(SS, top, size, value);
    this.setSp(top);
  }

  pop(size: 16 | 32): V {
    const value = this.load(SS, this.sp(), size);
    this.moveSp(this.const(size / 8));
    return value;
  }

  peek(offset: number, size: 16 | 32): V {
    return this.load(SS, this.below(offset), size);
  }

  poke(offset: number, size: 16 | 32, value: V): void {
    this.store(SS, this.below(offset), size, value);
  }

  probeStack(offset: number, length: number, access: 'r' | 'w'): void {
    this.probe(SS, this.below(offset), length, access);
  }

  moveSp(delta: V): void {
    this.setSp(this.add(this.sp(), delta));
  }

  /** SP or ESP plus a constant, wrapped at the stack's size. */
  protected below(offset: number): V {
    return this.wrapSp(this.add(this.sp(), this.const(offset)));
  }

  /** Cuts a stack offset to 16 bits where SS.B says so. */
  protected abstract wrapSp(offset: V): V;

  private mode(bit: number): void {
    this.check(() => {
      const set = this.ne(this.and(this.sys('cr4'), this.const(bit)), this.const(0));
      const above = this.ltU(this.const(0), this.sys('cpl'));
      this.faultIf(this.and(set, above), GP, this.const(0));
    });
  }

  /** The even condition codes: O B E BE S P L LE (SDM vol. 2, appendix B, tttn). */
  private condition(tttn: number): V {
    const less = () => this.ne(this.flag('sf'), this.flag('of'));
    switch (tttn) {
      case 0:
        return this.flag('of');
      case 1:
        return this.flag('cf');
      case 2:
        return this.flag('zf');
      case 3:
        return this.or(this.flag('cf'), this.flag('zf'));
      case 4:
        return this.flag('sf');
      case 5:
        return this.flag('pf');
      case 6:
        return less();
      default:
        return this.or(this.flag('zf'), less());
    }
  }
}
