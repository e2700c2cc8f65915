// Explanation: pseudo-code of one instruction, taken from its description and from nothing else. Values that are read before they
// are overwritten get names (temporaries.ts), so that what is written here can be followed line by line; with a machine at
// hand each line carries the value it has now, and branches that will not be taken are marked.

import type { Semantic } from './builder.ts';
import { FLAG_BIT, semantics } from './builder.ts';
import { CurrentValues, type MachineView } from './current-values.ts';
import type { Known } from './evaluate.ts';
import { type Language, type LineKind, lineText, summaryText, systemWord } from './explain-text.ts';
import {
  ExpressionWriter,
  memoryText,
  numberText,
  offsetText,
  registerName,
  segmentName,
  sizeName,
  sysName,
} from './expression.ts';
import { record } from './symbolic.ts';
import { temporariesOf } from './temporaries.ts';
import { type Argument, type Statement, statements, type Value, valuesOf } from './tree.ts';
import type { Insn } from './types.ts';

export type { MachineView } from './current-values.ts';
export type { Language } from './explain-text.ts';

/** One line: a kind and symbolic arguments, from which renderLine makes text in a language. */
export interface ExplainLine {
  readonly kind: LineKind;
  readonly depth: number;
  readonly args: readonly string[];
  /** The line in the language asked for, without indentation. */
  readonly text: string;
  /** What the assigned value, target or address is now; for a condition 'yes' or 'no'. Absent when it is not known. */
  readonly value?: string;
  /** false: on the machine given this line will not be reached. */
  readonly taken?: boolean;
}

export interface Explanation {
  readonly lines: readonly ExplainLine[];
  readonly summary: string;
}

const VECTORS = ['DE', 'DB', 'NMI', 'BP', 'OF', 'BR', 'UD', 'NM', 'DF', '9', 'TS', 'NP', 'SS', 'GP', 'PF'];

/** An exception as the manual writes it: #GP(0), #TS(selector). */
function faultName(vector: number, code: string | undefined): string {
  const name = `#${VECTORS[vector] ?? vector}`;
  return code === undefined ? name : `${name}(${code})`;
}

const YES_NO: Readonly<Record<Language, readonly [no: string, yes: string]>> = {
  en: ['no', 'yes'],
  ko: ['아니요', '예'],
};

/** Whether a line is reached: certainly, certainly not, or nobody knows. */
type Reached = true | false | undefined;

class Writer {
  readonly lines: ExplainLine[] = [];
  private readonly insn: Insn;
  private readonly language: Language;
  private readonly named: ReadonlySet<Value>;
  private readonly roles: ReadonlyMap<Value, string>;
  private readonly names = new Map<Value, string>();
  private readonly text = new ExpressionWriter(this.names);
  private readonly now: CurrentValues;
  private readonly hasView: boolean;
  private readonly taken = new Map<string, number>();
  private readonly localNames = new Map<number, string>();
  private depth = 0;
  private reached: Reached = true;

  constructor(
    insn: Insn,
    eip: number,
    tree: readonly Statement[],
    view: MachineView | undefined,
    language: Language,
  ) {
    this.insn = insn;
    this.language = language;
    this.now = new CurrentValues(insn, eip, view);
    this.hasView = view !== undefined;
    this.named = temporariesOf(tree, isShort);
    this.roles = rolesOf(tree);
  }

  // ---- lines ------------------------------------------------------------------------------------------

  line(kind: LineKind, args: readonly string[], value?: Known | string): void {
    const shown = typeof value === 'string' ? value : value === undefined ? undefined : numberText(value);
    this.lines.push({
      kind,
      depth: this.depth,
      args,
      text: lineText(kind, args, this.language),
      ...(shown !== undefined && this.hasView && this.reached !== false ? { value: shown } : {}),
      ...(this.reached === false ? { taken: false } : {}),
    });
  }

  show(arg: Argument): string {
    return this.text.text(arg);
  }

  value(arg: Argument): Known {
    return this.now.of(arg);
  }

  // ---- statements -------------------------------------------------------------------------------------

  /** Writes a list; returns true when it surely ends the instruction. */
  list(list: readonly Statement[]): boolean {
    for (const statement of list) {
      this.statement(statement);
      if (statement.kind === 'fault' || statement.kind === 'missing') {
        if (this.reached === true) this.reached = false;
        return true;
      }
    }
    return false;
  }

  private statement(statement: Statement): void {
    switch (statement.kind) {
      case 'define':
        return this.define(statement.value);
      case 'do':
        return this.act(statement);
      case 'if':
        return this.branch(statement);
      case 'loop':
        return this.loop(statement);
      case 'repeat':
        return this.repeat(statement);
      case 'check':
        this.list(statement.body);
        return;
      case 'routine':
        this.line('routine', [statement.name.replaceAll('_', ' ')]);
        return this.indented(() => this.list(statement.body));
      case 'fault':
        return this.line('fault', [this.fault(statement)]);
      case 'missing':
        return this.line('missing', [statement.what]);
    }
  }

  private indented(body: () => void): void {
    this.depth++;
    body();
    this.depth--;
  }

  private fault({ vector, code }: Statement & { kind: 'fault' }): string {
    return faultName(vector, code === undefined ? undefined : this.show(code));
  }

  private define(value: Value): void {
    this.now.define(value);
    if (value.op === 'local') {
      this.names.set(value, this.local(value.args[0] as number));
      return;
    }
    if (!this.named.has(value)) return;
    const text = this.text.definition(value);
    const name = this.fresh(nameFor(value, this.roles.get(value)));
    this.names.set(value, name);
    if (value.op === 'pop') this.line('pop', [name, String(value.args[0])], this.value(value));
    else this.line('name', [name, text], this.value(value));
  }

  local(n: number): string {
    const name = this.localNames.get(n) ?? this.fresh('variable');
    this.localNames.set(n, name);
    return name;
  }

  private fresh(base: string): string {
    const count = (this.taken.get(base) ?? 0) + 1;
    this.taken.set(base, count);
    return count === 1 ? base : `${base}${count}`;
  }

  private act(statement: Statement & { kind: 'do' }): void {
    const write = ACTS[statement.op];
    if (write === undefined)
      this.line('other', [`${statement.op}(${statement.args.map((a) => this.show(a)).join(', ')})`]);
    else write(this, statement.args);
    if (this.reached === true) this.now.act(statement);
    else if (this.reached === undefined) this.now.forget(statement.writes);
  }

  private branch({ condition, whenTrue, otherwise }: Statement & { kind: 'if' }): void {
    const known = this.value(condition);
    const before = this.reached;
    const holds = known === undefined ? undefined : known !== 0;
    const arm = (expected: boolean): Reached =>
      before === false || (holds !== undefined && holds !== expected)
        ? false
        : holds === undefined
          ? undefined
          : before;
    const answer = holds === undefined ? undefined : YES_NO[this.language][holds ? 1 : 0];
    const last = whenTrue[whenTrue.length - 1];
    const onlyFault =
      otherwise.length === 0 &&
      last?.kind === 'fault' &&
      whenTrue.every((s) => s === last || isQuiet(s, this.named));
    let ended = false;
    if (onlyFault) {
      for (const s of whenTrue) if (s.kind === 'define') this.now.define(s.value);
      this.line('fault-if', [this.text.condition(condition), this.fault(last)], answer);
      ended = holds === true;
    } else if (whenTrue.length > 0) {
      this.line('if', [this.text.condition(condition)], answer);
      ended = this.arm(whenTrue, arm(true)) && holds === true;
      if (otherwise.length > 0) {
        this.reached = before;
        this.line('else', []);
        if (this.arm(otherwise, arm(false)) && holds === false) ended = true;
      }
    } else {
      this.line(
        'if',
        [this.text.condition(condition, false)],
        holds === undefined ? undefined : YES_NO[this.language][holds ? 0 : 1],
      );
      ended = this.arm(otherwise, arm(false)) && holds === false;
    }
    this.reached = ended && before === true ? false : before;
  }

  private arm(list: readonly Statement[], reached: Reached): boolean {
    this.reached = reached;
    let ended = false;
    this.indented(() => {
      ended = this.list(list);
    });
    return ended;
  }

  private loop({ head, condition, body }: Statement & { kind: 'loop' }): void {
    this.forgetWrites([...head, ...body]);
    const before = this.reached;
    this.list(head);
    this.line('while', [this.text.condition(condition)]);
    this.arm(body, before === false ? false : undefined);
    this.reached = before;
  }

  private repeat({ body }: Statement & { kind: 'repeat' }): void {
    const { form, rep, addrSize } = this.insn;
    const count = registerName(1, addrSize);
    const left = this.now.reg(1, addrSize);
    if (form.rep === 'repcc') this.line('repeat-until', [count, rep === 'repne' ? 'ZF = 1' : 'ZF = 0'], left);
    else this.line('repeat', [count], left);
    const before = this.reached;
    // The first turn has current values; there is none when the count is zero.
    this.arm(body, before === false || left === 0 ? false : left === undefined ? undefined : before);
    this.reached = before;
    this.forgetWrites(body);
  }

  private forgetWrites(list: readonly Statement[]): void {
    for (const s of statements(list)) if (s.kind === 'do') this.now.forget(s.writes);
  }
}

/** Values as short as a name: they may be written twice. */
function isShort(value: Value): boolean {
  if (
    ['const', 'reg', 'flag', 'sys', 'local', 'eip', 'nextEip', 'sp', 'selector', 'segment'].includes(value.op)
  )
    return true;
  return (
    (value.op === 'zx' || value.op === 'eq' || value.op === 'ne') &&
    valuesOf(value.args).every((v) => isShort(v))
  );
}

/** Produces no line of its own. */
function isQuiet(statement: Statement, named: ReadonlySet<Value>): boolean {
  return statement.kind === 'define' && !named.has(statement.value);
}

/** What a value is used as: the name of a temporary that has no better one. */
function rolesOf(tree: readonly Statement[]): ReadonlyMap<Value, string> {
  const roles = new Map<Value, string>();
  const note = (arg: Argument | undefined, role: string) => {
    if (typeof arg === 'object' && !roles.has(arg)) roles.set(arg, role);
  };
  for (const s of statements(tree)) {
    if (s.kind === 'define') {
      const { op, args } = s.value;
      if (op === 'load' || op === 'loadW' || op === 'loadSystem') note(args[1], 'address');
      if (op === 'loadLinear') note(args[0], 'address');
      if (op.startsWith('sh') || op === 'sar') note(args[1], 'count');
    } else if (s.kind === 'do') {
      if (['store', 'storeW', 'storeSystem', 'probe'].includes(s.op)) note(s.args[1], 'address');
      if (s.op === 'setSegment')
        for (const [i, role] of ['selector', 'base', 'limit', 'attributes'].entries())
          note(s.args[i + 1], role);
      if (s.op === 'jump' || s.op === 'setEip') note(s.args[0], 'target');
      for (const arg of s.args) note(arg, 'result');
    } else if (s.kind === 'if') note(s.condition, 'holds');
    else if (s.kind === 'fault') note(s.code, 'error_code');
  }
  return roles;
}

/** Operations whose result has a name of its own. */
const RESULT_NAMES: Readonly<Record<string, string>> = {
  load: 'value',
  loadW: 'value',
  loadLinear: 'value',
  peek: 'value',
  pop: 'popped',
  selector: 'selector',
  select: 'choice',
  selectW: 'choice',
  in: 'input',
  mulU: 'product',
  mulS: 'product',
  divU: 'quotient',
  remU: 'remainder',
  double: 'wide',
  eq: 'holds',
  ne: 'holds',
  ltU: 'holds',
  leU: 'holds',
  ltS: 'holds',
  leS: 'holds',
};
const TABLE_NAMES: Readonly<Record<string, string>> = { descriptor: 'descriptor', idt: 'gate', tss: 'field' };

/** A part of a descriptor's upper word (SDM vol. 3, figure 3-8) by the shift that takes it out: its DPL, or type and flags. */
function descriptorPart(value: Value): string | undefined {
  const [first] = valuesOf(value.args);
  if (value.op === 'or' && first !== undefined && isDescriptorBits(first, 8)) return 'attributes';
  return isDescriptorBits(value, 13) ? 'dpl' : undefined;
}

/** (descriptor >> shift) & mask. */
function isDescriptorBits(value: Value, shift: number): boolean {
  const [shifted] = valuesOf(value.args);
  if (value.op !== 'and' || shifted?.op !== 'shr') return false;
  const [word, by] = valuesOf(shifted.args);
  return word?.op === 'loadSystem' && word.args[0] === 'descriptor' && by?.args[0] === shift;
}

/** A name that says what a temporary holds. */
function nameFor(value: Value, role: string | undefined): string {
  const [first, second] = value.args;
  switch (value.op) {
    case 'reg':
      return `old_${registerName(first as number, second as number)}`;
    case 'flag':
      return `old_${(first as string).toUpperCase()}`;
    case 'sys':
      return `old_${sysName(first as string).replace('.', '_')}`;
    case 'sp':
      return 'old_SP';
    case 'loadSystem':
      return TABLE_NAMES[first as string] ?? 'field';
    default:
      return descriptorPart(value) ?? RESULT_NAMES[value.op] ?? role ?? 'temporary';
  }
}

type Args = readonly Argument[];
type WriteAct = (w: Writer, args: Args) => void;

function flagsLine(w: Writer, [kind, a, c, r, size]: Args): void {
  const family =
    kind === 'inc' ? 'add' : kind === 'dec' ? 'sub' : (kind as 'add' | 'sub' | 'logic' | 'result');
  const affected =
    kind === 'result' ? 'PF ZF SF' : `${kind === 'inc' || kind === 'dec' ? '' : 'CF '}PF AF ZF SF OF`;
  const sign = family === 'sub' ? '-' : '+';
  w.line(`flags-${family}`, [affected, `${w.show(a!)} ${sign} ${w.show(c!)}`, w.show(r!), String(size)]);
}

const memory = (w: Writer, seg: Argument, at: Argument, size: number): string =>
  memoryText(size, seg as number, w.show(at));
const stack = (offset: Argument, size: Argument): string =>
  `${sizeName(size as number)} ss:[SP${offsetText(offset as number)}]`;
const assign = (w: Writer, target: string, value: Argument): void =>
  w.line('assign', [target, w.show(value)], w.value(value));
const flagNames = (mask: number): string =>
  Object.entries(FLAG_BIT)
    .filter(([, bit]) => (mask >>> bit) & 1)
    .map(([name]) => name.toUpperCase())
    .join(' ');

/** How each act of the builder is written. */
const ACTS: Readonly<Record<string, WriteAct>> = {
  setReg: (w, [n, size, value]) => {
    const known = w.value(value!);
    const kept = typeof known === 'number' && size !== 32 ? known & ((1 << (size as number)) - 1) : known;
    w.line('assign', [registerName(n as number, size as number), w.show(value!)], kept);
  },
  setFlag: (w, [name, value]) => assign(w, (name as string).toUpperCase(), value!),
  flags: flagsLine,
  setEflags: (w, [mask, value]) =>
    w.line('flags-image', [flagNames(mask as number), w.show(value!)], w.value(value!)),
  setLocal: (w, [n, value]) => assign(w, w.local(n as number), value!),
  store: (w, [seg, at, size, value]) => assign(w, memory(w, seg!, at!, size as number), value!),
  storeW: (w, [seg, at, value]) => assign(w, memory(w, seg!, at!, 64), value!),
  storeLinear: (w, [at, size, value]) =>
    assign(w, `${sizeName(size as number)} linear[${w.show(at!)}]`, value!),
  storeSystem: (w, [table, at, size, value]) =>
    assign(w, `${sizeName(size as number)} ${table}[${w.show(at!)}]`, value!),
  probe: (w, [seg, at, length, access]) =>
    w.line(access === 'w' ? 'check-write' : 'check-read', [
      `${segmentName(seg as number)}:[${w.show(at!)}]`,
      String(length),
    ]),
  probeLinear: (w, [at, length, access]) =>
    w.line(access === 'w' ? 'check-write' : 'check-read', [`linear[${w.show(at!)}]`, w.show(length!)]),
  probeStack: (w, [offset, length, access]) =>
    w.line(access === 'w' ? 'check-write' : 'check-read', [
      `ss:[SP${offsetText(offset as number)}]`,
      String(length),
    ]),
  push: (w, [value, size]) => w.line('push', [w.show(value!), String(size)], w.value(value!)),
  popped: () => {},
  poke: (w, [offset, size, value]) => assign(w, stack(offset!, size!), value!),
  moveSp: (w, [delta]) => w.line('assign', ['SP', `SP + ${w.show(delta!)}`.replace('+ -', '- ')]),
  setSp: (w, [value]) => assign(w, 'SP', value!),
  setSys: (w, [name, value]) => assign(w, sysName(name as string), value!),
  writeMsr: (w, [index, value]) => assign(w, `MSR[${w.show(index!)}]`, value!),
  checkCr: (w, [n, value]) => w.line('check-control', [String(n), w.show(value!)]),
  checkDr: (w, [n]) => w.line('check-debug', [String(n)]),
  out: (w, [port, size, value]) => assign(w, `port${size}[${w.show(port!)}]`, value!),
  invalidate: (w, [at]) => w.line('invalidate', [w.show(at!)], w.value(at!)),
  halt: (w) => w.line('halt', []),
  shadow: (w) => w.line('shadow', []),
  holdTraps: (w) => w.line('hold-traps', []),
  endNmi: (w) => w.line('end-nmi', []),
  begin: (w, [eip]) => w.line('begin', [w.show(eip!)], w.value(eip!)),
  taskTrap: (w) => w.line('task-trap', []),
  jump: (w, [target]) => w.line('jump', [w.show(target!)], w.value(target!)),
  setEip: (w, [value]) => assign(w, 'EIP', value!),
  setSegment: (w, [seg, ...parts]) =>
    w.line(
      'segment',
      [segmentName(seg as number).toUpperCase(), ...parts.map((part) => w.show(part))],
      w.value(parts[0]!),
    ),
  enterGate: (w, [, vector, cs, eip, ss, esp]) =>
    w.line(
      'gate',
      [vector!, cs!, eip!, ss!, esp!].map((part) => w.show(part)),
      w.value(eip!),
    ),
};

// ---- The summary ---------------------------------------------------------------------------------------

interface Touched {
  readonly reads: Set<string>;
  readonly writes: Set<string>;
  readonly faults: Set<string>;
  transfers: boolean;
}

function placeName(place: string, language: Language): string | undefined {
  const [kind, name] = place.split(':');
  switch (kind) {
    case 'reg':
      return registerName(Number(name), 32);
    case 'flag':
      return name === undefined ? summaryText('flags', [], language) : name.toUpperCase();
    case 'seg':
      return segmentName(Number(name));
    case 'sys':
      return systemWord(name!, language) ?? sysName(name!);
    case 'mem':
      return summaryText('memory', [], language);
    default:
      return undefined;
  }
}

function touchedBy(tree: readonly Statement[], language: Language): Touched {
  const touched: Touched = { reads: new Set(), writes: new Set(), faults: new Set(), transfers: false };
  const add = (set: Set<string>, places: readonly string[]) => {
    for (const place of places) {
      const name = placeName(place, language);
      if (name !== undefined) set.add(name);
      if (place === 'eip') touched.transfers = true;
    }
  };
  for (const s of statements(tree)) {
    if (s.kind === 'define') add(touched.reads, s.value.reads);
    else if (s.kind === 'do') add(touched.writes, s.writes);
    else if (s.kind === 'repeat') touched.writes.add('ecx');
    else if (s.kind === 'fault') touched.faults.add(faultName(s.vector, undefined));
  }
  return touched;
}

function summaryOf(tree: readonly Statement[], language: Language): string {
  const { reads, writes, faults, transfers } = touchedBy(tree, language);
  const list = (names: Set<string>) => [...names].join(', ');
  const sentences: string[] = [];
  if (tree.some((s) => s.kind === 'fault')) return summaryText('always', [list(faults)], language);
  if (reads.size > 0) sentences.push(summaryText('reads', [list(reads)], language));
  if (writes.size > 0) sentences.push(summaryText('writes', [list(writes)], language));
  if (transfers) sentences.push(summaryText('transfer', [], language));
  if (faults.size > 0) sentences.push(summaryText('raises', [list(faults)], language));
  return sentences.length > 0 ? sentences.join(' ') : summaryText('none', [], language);
}

/** The text of a line in another language. */
export function renderLine(line: ExplainLine, language: Language): string {
  return lineText(line.kind, line.args, language);
}

/**
 * Pseudo-code of `insn` as it stands at `eip`. With `view`, the machine before the instruction, lines carry their current values.
 * Throws NotDescribedError for a form that nothing describes. `entries` stands for the description; tests give a changed one.
 */
export function explain(
  insn: Insn,
  eip: number,
  view?: MachineView,
  language: Language = 'en',
  entries: ReadonlyMap<string, Semantic> = semantics,
): Explanation {
  const tree = record(insn, entries);
  const writer = new Writer(insn, eip, tree, view, language);
  writer.list(tree);
  if (writer.lines.length === 0) writer.line('nothing', []);
  return { lines: writer.lines, summary: summaryOf(tree, language) };
}
