// The symbolic builder: it runs a description once, with values that are only names of what would be computed, and records the
// tree of it (tree.ts). JavaScript that computes with such a value throws, so an entry that passes here decides nothing
// behind the builder's back. explain.ts and classify.ts read the recorded tree.

import type {
  Builder,
  Describe,
  FlagName,
  FlagsKind,
  GateEntry,
  Local,
  SegmentValue,
  Semantic,
  SysName,
  SystemTable,
} from './builder.ts';
import { GP, semantics } from './builder.ts';
import { DerivedBuilder } from './derived.ts';
import { evaluate } from './evaluate.ts';
import { argsOf } from './operands.ts';
import { type Argument, type Place, type Statement, Value } from './tree.ts';
import type { Gpr, Insn, Seg, Size } from './types.ts';

const ESP: Gpr = 4;

/** The place a general register is part of: AH is part of EAX. */
const regPlace = (n: Gpr, size: Size): Place => `reg:${size === 8 ? n & 3 : n}`;
const SEGMENT_PARTS = ['sel', 'base', 'limit', 'attr'] as const;
const ALL_FLAGS: readonly Place[] = ['flag'];
const ARITHMETIC: readonly Place[] = ['flag:cf', 'flag:pf', 'flag:af', 'flag:zf', 'flag:sf', 'flag:of'];
const FLAGS_WRITTEN: Readonly<Record<FlagsKind, readonly Place[]>> = {
  add: ARITHMETIC,
  sub: ARITHMETIC,
  inc: ARITHMETIC.slice(1),
  dec: ARITHMETIC.slice(1),
  logic: ARITHMETIC.filter((place) => place !== 'flag:af'),
  result: ['flag:pf', 'flag:zf', 'flag:sf'],
};

/** Operations that give back one operand when the other is neutral: zero, or all ones for `and`. */
const NEUTRAL = new Set(['add', 'sub', 'or', 'xor', 'and', 'shl', 'shr', 'sar']);
const COMMUTATIVE = new Set(['add', 'or', 'xor', 'and']);
/** Operations that take a plain number: a constant, or a size in bits. */
const SIZED = new Set(['const', 'zx', 'sx']);

function onlyValues(op: string, args: readonly Argument[]): void {
  if (!args.every((arg) => arg instanceof Value)) throw new TypeError(`${op} takes values of the builder`);
}

const constantOf = (value: Value): number | undefined =>
  value.op === 'const' ? (value.args[0] as number) >>> 0 : undefined;

/** Nothing describes this form. */
export class NotDescribedError extends Error {}

export class SymbolicBuilder extends DerivedBuilder<Value, Value> implements Builder<Value, Value> {
  readonly insn: Insn;
  readonly opSize: 16 | 32;
  readonly addrSize: 16 | 32;
  /** What has been recorded so far, at the outermost level once the description has run. */
  list: Statement[] = [];
  private count = 0;
  /** Pure values made so far, by what they are: one map for each list that is open. */
  private readonly scopes: Map<string, Value>[] = [new Map()];

  constructor(insn: Insn) {
    super();
    this.insn = insn;
    this.opSize = insn.opSize;
    this.addrSize = insn.addrSize;
  }

  // ---- recording --------------------------------------------------------------------------------------

  private value(op: string, size: number, args: readonly Argument[], reads: readonly Place[] = []): Value {
    for (const arg of args) {
      if (arg === undefined || (typeof arg === 'object' && !(arg instanceof Value)))
        throw new TypeError(`${op} was given something that is no value of this builder`);
    }
    if (reads.length > 0) return this.define(op, size, args, reads);
    const simpler = op === 'const' ? undefined : this.simplify(op, size, args);
    if (simpler !== undefined) return simpler;
    // The same computation again, where the first one has surely happened, is the same value.
    const key = `${op} ${size} ${args.map((arg) => (arg instanceof Value ? `v${arg.id}` : arg)).join(' ')}`;
    for (const scope of this.scopes) {
      const known = scope.get(key);
      if (known !== undefined) return known;
    }
    const value = this.define(op, size, args, reads);
    this.scopes[this.scopes.length - 1]!.set(key, value);
    return value;
  }

  private define(op: string, size: number, args: readonly Argument[], reads: readonly Place[]): Value {
    const value = new Value(this.count++, op, size, args, reads);
    this.list.push({ kind: 'define', value });
    return value;
  }

  /** Constants are computed while recording, and what adds nothing is left out: a count given as 1 needs no `1 & 0x1f`. */
  private simplify(op: string, size: number, args: readonly Argument[]): Value | undefined {
    const known = args.map((arg) => (arg instanceof Value ? constantOf(arg) : (arg as number)));
    if (!known.includes(undefined) && size === 32) {
      const result = evaluate(new Value(-1, op, size, args, []), known);
      if (typeof result === 'number') return this.const(result);
    }
    const [a, c] = args;
    if (op === 'leU' && known[0] === 0) return this.const(1);
    if (op === 'ltU' && known[1] === 0) return this.const(0);
    const neutral = op === 'and' ? 0xffffffff : 0;
    if (!(a instanceof Value) || !(c instanceof Value) || !NEUTRAL.has(op)) return undefined;
    if (known[1] === neutral) return a;
    return known[0] === neutral && COMMUTATIVE.has(op) ? c : undefined;
  }

  private word(op: string, ...args: Argument[]): Value {
    if (!SIZED.has(op)) onlyValues(op, args);
    return this.value(op, 32, args);
  }

  private double_(op: string, ...args: Argument[]): Value {
    onlyValues(op, args);
    return this.value(op, 64, args);
  }

  private act(op: string, args: readonly Argument[], writes: readonly Place[]): void {
    this.list.push({ kind: 'do', op, args, writes });
  }

  private nested(body: () => void): Statement[] {
    const outer = this.list;
    this.list = [];
    this.scopes.push(new Map());
    body();
    this.scopes.pop();
    const inner = this.list;
    this.list = outer;
    return inner;
  }

  // ---- words ------------------------------------------------------------------------------------------

  override const(n: number): Value {
    if (typeof n !== 'number') throw new TypeError('const takes a number');
    return this.word('const', n | 0);
  }
  override add = (a: Value, c: Value): Value => this.word('add', a, c);
  sub = (a: Value, c: Value): Value => this.word('sub', a, c);
  mul = (a: Value, c: Value): Value => this.word('mul', a, c);
  override and = (a: Value, c: Value): Value => this.word('and', a, c);
  override or = (a: Value, c: Value): Value => this.word('or', a, c);
  xor = (a: Value, c: Value): Value => this.word('xor', a, c);
  not = (a: Value): Value => this.word('not', a);
  shl = (a: Value, n: Value): Value => this.word('shl', a, n);
  shr = (a: Value, n: Value): Value => this.word('shr', a, n);
  sar = (a: Value, n: Value): Value => this.word('sar', a, n);
  zx = (a: Value, size: number): Value => (size === 32 ? a : this.word('zx', a, size));
  sx = (a: Value, size: number): Value => (size === 32 ? a : this.word('sx', a, size));
  ctz = (a: Value): Value => this.word('ctz', a);
  clz = (a: Value): Value => this.word('clz', a);
  override eq = (a: Value, c: Value): Value => this.word('eq', a, c);
  override ne = (a: Value, c: Value): Value => this.word('ne', a, c);
  override ltU = (a: Value, c: Value): Value => this.word('ltU', a, c);
  leU = (a: Value, c: Value): Value => this.word('leU', a, c);
  ltS = (a: Value, c: Value): Value => this.word('ltS', a, c);
  leS = (a: Value, c: Value): Value => this.word('leS', a, c);
  select = (c: Value, whenTrue: Value, whenFalse: Value): Value =>
    this.word('select', c, whenTrue, whenFalse);

  local(initial: Value): Local<Value> {
    const n = this.count++;
    const place: Place = `local:${n}`;
    const set = (value: Value) => this.act('setLocal', [n, value], [place]);
    set(initial);
    return { set, get: () => this.value('local', 32, [n], [place]) };
  }

  // ---- double words -----------------------------------------------------------------------------------

  double = (lo: Value, hi: Value): Value => this.double_('double', lo, hi);
  lo = (w: Value): Value => this.word('lo', w);
  hi = (w: Value): Value => this.word('hi', w);
  mulU = (a: Value, c: Value): Value => this.double_('mulU', a, c);
  mulS = (a: Value, c: Value): Value => this.double_('mulS', a, c);
  addW = (a: Value, c: Value): Value => this.double_('addW', a, c);
  negW = (a: Value): Value => this.double_('negW', a);
  orW = (a: Value, c: Value): Value => this.double_('orW', a, c);
  shlW = (a: Value, n: Value): Value => this.double_('shlW', a, n);
  shrW = (a: Value, n: Value): Value => this.double_('shrW', a, n);
  selectW = (c: Value, whenTrue: Value, whenFalse: Value): Value =>
    this.double_('selectW', c, whenTrue, whenFalse);
  divU = (a: Value, d: Value): Value => this.double_('divU', a, d);
  remU = (a: Value, d: Value): Value => this.word('remU', a, d);

  // ---- control ----------------------------------------------------------------------------------------

  override if(c: Value, then: () => void, otherwise?: () => void): void {
    if (!(c instanceof Value)) throw new TypeError('if takes a value');
    const known = constantOf(c);
    if (known !== undefined) {
      const arm = known !== 0 ? then : otherwise;
      if (arm !== undefined) this.list.push(...this.nested(arm));
      return;
    }
    const body = this.nested(then);
    const other = otherwise === undefined ? [] : this.nested(otherwise);
    this.list.push({ kind: 'if', condition: c, whenTrue: body, otherwise: other });
  }

  loop(cond: () => Value, body: () => void): void {
    const id = this.count++;
    let condition: Value | undefined;
    const head = this.nested(() => {
      condition = cond();
    });
    this.list.push({ kind: 'loop', id, head, condition: condition!, body: this.nested(body) });
  }

  override fault(vector: number, code?: Value): void {
    this.list.push({ kind: 'fault', vector, code });
  }

  micro(name: string, body: () => void): void {
    this.list.push({ kind: 'routine', name, body: this.nested(body) });
  }

  protected override check(body: () => void): void {
    this.list.push({ kind: 'check', body: this.nested(body) });
  }

  repeat(body: () => void): void {
    const inner = this.nested(body);
    if (this.insn.rep === 'none' || this.insn.form.rep === undefined) this.list.push(...inner);
    else this.list.push({ kind: 'repeat', body: inner });
  }

  missing(what: string): void {
    this.list.push({ kind: 'missing', what });
  }

  // ---- registers and flags ----------------------------------------------------------------------------

  reg(n: Gpr, size: Size): Value {
    return this.value('reg', 32, [n, size], [regPlace(n, size)]);
  }
  setReg(n: Gpr, size: Size, value: Value): void {
    this.act('setReg', [n, size, value], [regPlace(n, size)]);
  }
  override flag(name: FlagName): Value {
    return this.value('flag', 32, [name], [`flag:${name}`]);
  }
  setFlag(name: FlagName, value: Value): void {
    this.act('setFlag', [name, value], [`flag:${name}`]);
  }
  flags(kind: FlagsKind, a: Value, c: Value, r: Value, size: number): void {
    this.act('flags', [kind, a, c, r, size], FLAGS_WRITTEN[kind]);
  }
  eflags(): Value {
    return this.value('eflags', 32, [], ALL_FLAGS);
  }
  setEflags(mask: number, value: Value): void {
    this.act('setEflags', [mask, value], ALL_FLAGS);
  }

  // ---- memory -----------------------------------------------------------------------------------------

  override load(seg: Seg, offset: Value, size: number): Value {
    return this.value('load', 32, [seg, offset, size], ['mem']);
  }
  override store(seg: Seg, offset: Value, size: number, value: Value): void {
    this.act('store', [seg, offset, size, value], ['mem']);
  }
  loadW(seg: Seg, offset: Value): Value {
    return this.value('loadW', 64, [seg, offset], ['mem']);
  }
  storeW(seg: Seg, offset: Value, value: Value): void {
    this.act('storeW', [seg, offset, value], ['mem']);
  }
  override probe(seg: Seg, offset: Value, length: number, access: 'r' | 'w'): void {
    this.act('probe', [seg, offset, length, access], []);
  }
  loadLinear(addr: Value, size: number, cpl: Value): Value {
    return this.value('loadLinear', 32, [addr, size, cpl], ['mem']);
  }
  storeLinear(addr: Value, size: number, value: Value, cpl: Value): void {
    this.act('storeLinear', [addr, size, value, cpl], ['mem']);
  }
  probeLinear(addr: Value, length: Value, access: 'r' | 'w', cpl: Value): void {
    this.act('probeLinear', [addr, length, access, cpl], []);
  }
  loadSystem(table: SystemTable, addr: Value, size: number): Value {
    return this.value('loadSystem', 32, [table, addr, size], [`sys:${table}`]);
  }
  storeSystem(table: SystemTable, addr: Value, size: number, value: Value): void {
    this.act('storeSystem', [table, addr, size, value], [`sys:${table}`]);
  }

  // ---- the stack, shorter than its parts --------------------------------------------------------------

  override push(value: Value, size: 16 | 32): void {
    this.act('push', [value, size], ['mem', `reg:${ESP}`]);
  }
  override pop(size: 16 | 32): Value {
    const value = this.value('pop', 32, [size], ['mem', `reg:${ESP}`]);
    this.act('popped', [size], [`reg:${ESP}`]);
    return value;
  }
  override peek(offset: number, size: 16 | 32): Value {
    return this.value('peek', 32, [offset, size], ['mem', `reg:${ESP}`]);
  }
  override poke(offset: number, size: 16 | 32, value: Value): void {
    this.act('poke', [offset, size, value], ['mem']);
  }
  override probeStack(offset: number, length: number, access: 'r' | 'w'): void {
    this.act('probeStack', [offset, length, access], []);
  }
  override moveSp(delta: Value): void {
    this.act('moveSp', [delta], [`reg:${ESP}`]);
  }
  override sp(): Value {
    return this.value('sp', 32, [], [`reg:${ESP}`]);
  }
  override setSp(value: Value): void {
    this.act('setSp', [value], [`reg:${ESP}`]);
  }
  protected override wrapSp(offset: Value): Value {
    return offset;
  }

  // ---- the system -------------------------------------------------------------------------------------

  override sys(name: SysName): Value {
    return this.value('sys', 32, [name], [`sys:${name}`]);
  }
  setSys(name: SysName, value: Value): void {
    this.act('setSys', [name, value], [`sys:${name}`]);
  }
  tsc(): Value {
    return this.value('tsc', 64, [], ['sys:tsc']);
  }
  readMsr(index: Value): Value {
    return this.value('readMsr', 64, [index], ['sys:msr']);
  }
  writeMsr(index: Value, value: Value): void {
    this.act('writeMsr', [index, value], ['sys:msr']);
  }
  checkCr(n: 0 | 3 | 4, value: Value): void {
    this.act('checkCr', [n, value], []);
  }
  checkDr(n: number): void {
    this.act('checkDr', [n], []);
  }
  protected override ioRefused(port: Value, size: number): Value {
    return this.value('ioRefused', 32, [port, size], ['sys:tss']);
  }
  /** One condition instead of two, so that what follows is seen to need it. */
  override requireIo(port: Value, size: number): void {
    this.check(() => {
      const above = this.ltU(this.sys('iopl'), this.sys('cpl'));
      const asked = this.or(above, this.sys('vm'));
      this.faultIf(this.and(asked, this.ioRefused(port, size)), GP, this.const(0));
    });
  }
  in(port: Value, size: number): Value {
    return this.value('in', 32, [port, size], ['sys:port']);
  }
  out(port: Value, size: number, value: Value): void {
    this.act('out', [port, size, value], ['sys:port']);
  }
  invalidate(addr: Value): void {
    this.act('invalidate', [addr], ['sys:tlb']);
  }
  halt(): void {
    this.act('halt', [], ['sys:halt']);
  }
  shadow(): void {
    this.act('shadow', [], []);
  }
  holdTraps(): void {
    this.act('holdTraps', [], []);
  }
  endNmi(): void {
    this.act('endNmi', [], []);
  }
  begin(eip: Value): void {
    this.act('begin', [eip], []);
  }
  taskTrap(): void {
    this.act('taskTrap', [], []);
  }
  cpuid(leaf: Value, subleaf: Value): readonly [Value, Value, Value, Value] {
    const part = (n: number) => this.value('cpuid', 32, [leaf, subleaf, n], ['policy']);
    return [part(0), part(1), part(2), part(3)];
  }

  // ---- where the program goes on ----------------------------------------------------------------------

  eip(): Value {
    return this.value('eip', 32, [], []);
  }
  nextEip(): Value {
    return this.value('nextEip', 32, [], []);
  }
  jump(target: Value): void {
    this.act('jump', [target], ['eip']);
  }
  selector(seg: Seg): Value {
    return this.value('selector', 32, [seg], [`seg:${seg}`]);
  }
  segment(seg: Seg): SegmentValue<Value> {
    const [sel, base, limit, attr] = SEGMENT_PARTS.map((part) =>
      this.value('segment', 32, [seg, part], [`seg:${seg}`]),
    );
    return { sel: sel!, base: base!, limit: limit!, attr: attr! };
  }
  setSegment(seg: Seg, value: SegmentValue<Value>): void {
    const writes: Place[] = [`seg:${seg}`];
    if (seg === 1) writes.push('sys:cs', 'sys:cpl');
    if (seg === 2) writes.push('sys:ss');
    this.act('setSegment', [seg, value.sel, value.base, value.limit, value.attr], writes);
  }
  setEip(value: Value): void {
    this.act('setEip', [value], ['eip']);
  }
  enterGate(entry: GateEntry<Value>): void {
    const args = [entry.kind, entry.vector, entry.cs.sel, entry.eip, entry.ss.sel, entry.esp, entry.clearIf];
    const writes = [
      'seg:1',
      'seg:2',
      'sys:cs',
      'sys:ss',
      'sys:cpl',
      'sys:if',
      'sys:vm',
      'flag',
      'reg:4',
      'eip',
    ];
    this.act('enterGate', args, writes);
  }
}

/**
 * The tree of an instruction. `entries` stands for the description; tests give a changed one.
 * Throws NotDescribedError when nothing describes the form, OpaqueValueError when the description looks into a value.
 */
export function record(insn: Insn, entries: ReadonlyMap<string, Semantic> = semantics): readonly Statement[] {
  const entry = entries.get(insn.form.semantics);
  if (entry === undefined)
    throw new NotDescribedError(`${insn.form.mnemonic}: nothing describes “${insn.form.semantics}”`);
  const b = new SymbolicBuilder(insn);
  const run: Describe = entry.run;
  run<Value, Value>(b, ...argsOf<Value, Value>(b, insn, entry.access));
  return b.list;
}
