// The flags of generated code: two words, fr and fx, from which each flag takes a few operations and no branch.
//   fr   result, sign-extended: ZF = fr is 0, SF = sign of fr ^ bit 0 of fx, PF = parity of (fr ^ fx >> 8) & 255
//   fx   bit 31 CF, bit 30 CF ^ OF, bit 3 AF; bit 0 and bits 8-15 only correct SF and PF where no result gives both
// so that the carries out of an addition or a subtraction, shifted to the top, are fx.

import { type FlagName, type FlagsKind, FLAG_BIT } from '../isa/builder.ts';
import type { Insn } from '../isa/types.ts';
import { type Helper, WasmBuilder, type WasmValue } from '../isa/wasm.ts';
import { type FunctionBody, I32 } from '../isa/wasm-emit.ts';
import { VCPU } from './vcpu.ts';

/** Thrown when a description asks for what generated code does not do. */
export class NotCoveredError extends Error {}

/** Locals that every handler has, inlined or a function of its own. */
export const REC = 0,
  LEFT_TICKS = 1,
  FR = 2,
  FX = 3,
  V = 4;
export const HANDLER_PARAMS = [I32, I32, I32, I32, I32] as const;

/** What the flags came from, while the values are still at hand: conditions are cheaper from them. */
export interface LastFlags {
  readonly kind: 'sub' | 'add' | 'logic' | 'result';
  readonly a: WasmValue;
  readonly c: WasmValue;
  readonly r: WasmValue;
  readonly shift: number;
}

const TOP_BITS = 0xc0000000 | 0,
  CARRY = 0x80000000 | 0,
  AF_CARRY = 8;
const CORRECTIONS = 0xff01;

/** Marks the value of a+c or a-c, so that flags knows the result took in no carry. */
interface Origin {
  readonly op: 'add' | 'sub';
  readonly a: WasmValue;
  readonly c: WasmValue;
}

export abstract class FlagsBuilder extends WasmBuilder {
  writesFlags = false;
  lastFlags: LastFlags | undefined = undefined;
  /** The description has changed something: from here on it must not be left. */
  protected committed = false;
  /** Conditions around the operation under way. */
  protected nesting = 0;
  /** fr and fx as the description makes them; FR and FX change when it is done. */
  private readonly nf: number;
  private readonly nx: number;
  private readonly origins = new Map<WasmValue, Origin>();
  private pendingCf: WasmValue | undefined = undefined;
  private pendingOf: WasmValue | undefined = undefined;

  constructor(insn: Insn, f: FunctionBody) {
    super(insn, f, {} as Readonly<Record<Helper, number>>);
    this.nf = f.local(I32);
    this.nx = f.local(I32);
    f.get(FR).set(this.nf);
    f.get(FX).set(this.nx);
  }

  // ---- arithmetic that flags wants to recognise -------------------------------------------------------

  override add(a: WasmValue, c: WasmValue): WasmValue {
    const r = super.add(a, c);
    this.origins.set(r, { op: 'add', a, c });
    return r;
  }
  override sub(a: WasmValue, c: WasmValue): WasmValue {
    const r = super.sub(a, c);
    this.origins.set(r, { op: 'sub', a, c });
    return r;
  }

  // ---- flags ------------------------------------------------------------------------------------------

  private setLocal(local: number, value: WasmValue): void {
    this.get(value).set(local);
  }
  protected result(): WasmValue {
    this.flush();
    this.f.get(this.nf);
    return this.keep();
  }
  private carries(): WasmValue {
    this.flush();
    this.f.get(this.nx);
    return this.keep();
  }
  /** OF of a word like fx, at bit 31; the other bits mean nothing. */
  private overflowAtTop(fx: WasmValue): WasmValue {
    return this.xor(fx, this.shl(fx, this.const(1)));
  }
  private signAtTop(): WasmValue {
    return this.xor(this.result(), this.shl(this.carries(), this.const(31)));
  }
  private parity(low: WasmValue): WasmValue {
    const ones = this.word('i32.popcnt', this.and(low, this.const(0xff)));
    return this.and(this.not(ones), this.const(1));
  }
  private top(value: WasmValue): WasmValue {
    return this.shr(value, this.const(31));
  }
  private systemFlag(name: FlagName): WasmValue {
    this.f.get(V).memory('i32.load', 2, VCPU.eflags);
    return this.and(this.shr(this.keep(), this.const(FLAG_BIT[name])), this.const(1));
  }
  override flag(name: FlagName): WasmValue {
    switch (name) {
      case 'cf':
        return this.top(this.carries());
      case 'of':
        return this.top(this.overflowAtTop(this.carries()));
      case 'af':
        return this.and(this.shr(this.carries(), this.const(3)), this.const(1));
      case 'zf':
        return this.eq(this.result(), this.const(0));
      case 'sf':
        return this.top(this.signAtTop());
      case 'pf':
        return this.parity(this.xor(this.result(), this.shr(this.carries(), this.const(8))));
      default:
        return this.systemFlag(name);
    }
  }
  override setFlag(name: FlagName, value: WasmValue): void {
    this.lastFlags = undefined;
    if (name === 'df') {
      this.f.get(V).memory('i32.load', 2, VCPU.eflags);
      const eflags = this.keep();
      const bit = 1 << FLAG_BIT.df;
      const changed = this.or(this.and(eflags, this.const(~bit)), this.shl(value, this.const(FLAG_BIT.df)));
      this.f.get(V);
      this.get(changed).memory('i32.store', 2, VCPU.eflags);
      this.committed = true;
      return;
    }
    this.writesFlags = true;
    if (name === 'cf') this.pendingCf = value;
    else if (name === 'of') this.pendingOf = value;
    else if (name === 'af') {
      const kept = this.and(this.carries(), this.const(~AF_CARRY));
      this.setLocal(this.nx, this.or(kept, this.shl(value, this.const(3))));
    } else this.setResultFlag(name, value);
  }
  /** One of ZF, SF, PF alone: the result becomes one that only says ZF, the corrections say the others. */
  private setResultFlag(name: FlagName, value: WasmValue): void {
    const zf = name === 'zf' ? value : this.flag('zf'),
      sf = name === 'sf' ? value : this.flag('sf'),
      pf = name === 'pf' ? value : this.flag('pf');
    const kept = this.and(this.carries(), this.const(~CORRECTIONS));
    const odd = this.shl(this.xor(pf, this.const(1)), this.const(8));
    this.setLocal(this.nx, this.or(this.or(kept, odd), sf));
    this.setLocal(this.nf, this.shl(this.xor(zf, this.const(1)), this.const(8)));
  }
  /** Works CF and OF that were set alone into fx. */
  protected flush(): void {
    const { pendingCf, pendingOf, nx } = this;
    if (pendingCf === undefined && pendingOf === undefined) return;
    this.pendingCf = undefined;
    this.pendingOf = undefined;
    this.f.get(nx);
    const fx = this.keep();
    const shifted = (value: WasmValue) => this.shl(value, this.const(31));
    const cf = pendingCf === undefined ? this.and(fx, this.const(CARRY)) : shifted(pendingCf);
    const of =
      pendingOf === undefined ? this.and(this.overflowAtTop(fx), this.const(CARRY)) : shifted(pendingOf);
    const both = this.or(cf, this.shr(this.xor(cf, of), this.const(1)));
    this.setLocal(nx, this.or(this.and(fx, this.const(~TOP_BITS)), both));
  }
  override flags(kind: FlagsKind, a: WasmValue, c: WasmValue, r: WasmValue, size: number): void {
    this.writesFlags = true;
    const shift = 32 - size;
    const origin = this.origins.get(r);
    const plain = origin !== undefined && origin.op === kind && origin.a === a && origin.c === c;
    if (kind === 'result') {
      this.setLocal(this.nx, this.and(this.carries(), this.const(~CORRECTIONS)));
    } else if (kind === 'logic') this.setLocal(this.nx, this.const(0));
    else {
      const adds = kind === 'add' || kind === 'inc';
      const notA = adds ? a : this.not(a);
      const either = adds ? this.and(this.or(a, c), this.not(r)) : this.and(this.or(notA, c), r);
      const out = this.or(this.and(notA, c), either);
      const af = this.and(out, this.const(AF_CARRY));
      const up = shift === 0 ? out : this.shl(out, this.const(shift));
      if (kind === 'add' || kind === 'sub') {
        this.setLocal(
          this.nx,
          shift === 0
            ? this.and(out, this.const(TOP_BITS | AF_CARRY))
            : this.or(this.and(up, this.const(TOP_BITS)), af),
        );
      } else {
        const cf = this.and(this.carries(), this.const(CARRY));
        const second = this.and(
          this.shr(this.xor(cf, this.overflowAtTop(up)), this.const(1)),
          this.const(0x40000000),
        );
        this.setLocal(this.nx, this.or(this.or(cf, second), af));
      }
    }
    this.pendingCf = undefined;
    this.pendingOf = undefined;
    this.setLocal(this.nf, this.sx(r, size));
    const known = plain && (kind === 'sub' || kind === 'add') ? kind : kind === 'logic' ? kind : 'result';
    this.lastFlags = this.nesting === 0 ? { kind: known, a, c, r, shift } : undefined;
  }
  override cond(cc: number): WasmValue {
    const direct = this.directCondition(cc >> 1);
    const holds = direct ?? this.storedCondition(cc >> 1);
    return (cc & 1) === 0 ? holds : this.word('i32.eqz', holds);
  }
  /** The condition from the operands of the last flags, where that is simpler. */
  private directCondition(tttn: number): WasmValue | undefined {
    if (this.lastFlags === undefined) return undefined;
    const { kind, shift, a, c, r } = this.lastFlags;
    const up = (value: WasmValue) => (shift === 0 ? value : this.shl(value, this.const(shift)));
    const zero = this.const(0);
    if (tttn === 2) return this.word('i32.eqz', up(r));
    if (tttn === 4) return this.ltS(up(r), zero);
    if (tttn === 5) return this.parity(r);
    if (kind === 'logic') {
      if (tttn <= 1) return zero;
      return tttn === 3
        ? this.word('i32.eqz', up(r))
        : (tttn === 6 ? this.ltS : this.leS).call(this, up(r), zero);
    }
    if (kind === 'add' && tttn === 1) return this.ltU(up(r), up(a));
    if (kind !== 'sub' || tttn === 0) return undefined;
    const compare = { 1: this.ltU, 3: this.leU, 6: this.ltS, 7: this.leS }[tttn as 1 | 3 | 6 | 7];
    return compare.call(this, up(a), up(c));
  }
  private storedCondition(tttn: number): WasmValue {
    const zero = this.const(0);
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
      default: {
        const less = this.ltS(this.xor(this.signAtTop(), this.overflowAtTop(this.carries())), zero);
        return tttn === 6 ? less : this.or(less, this.flag('zf'));
      }
    }
  }

  protected commitFlags(): void {
    this.f.get(this.nf).set(FR).get(this.nx).set(FX);
  }
}
