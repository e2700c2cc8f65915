// The classes of instructions, derived: which read or write what belongs to the system, under which conditions, and which are
// refused at which level. Nothing here knows a mnemonic: the description is run symbolically and its paths are followed
// with what is assumed of CPL, IOPL and the mode bits. Popek and Goldberg (1974); Robin and Irvine (2000).

import type { Semantic } from './builder.ts';
import { semantics } from './builder.ts';
import { CR0_PE, CR4_TSD, CR4_UMIP } from './derived.ts';
import { evaluate, type Known } from './evaluate.ts';
import { conditionText } from './expression.ts';
import { reasonText } from './classify-text.ts';
import { sampleInsns } from './samples.ts';
import { record } from './symbolic.ts';
import { type Place, type Statement, statements, usedBy, Value, valuesOf } from './tree.ts';
import type { Form, Insn } from './types.ts';

export const CLASSES = [
  'privileged',
  'iopl-privileged',
  'sensitive-unprivileged',
  'mode-conditional',
  'innocuous',
] as const;
export type InstructionClass = (typeof CLASSES)[number];

/** Mode bits that decide whether an instruction is allowed. */
export type ModeBit = 'umip' | 'tsd' | 'vm86' | 'ts';

/** What is assumed of the machine. Absent bits are clear; without `ioAllowed` the I/O permission bitmap allows nothing. */
export interface Circumstances {
  readonly iopl?: number;
  readonly umip?: boolean;
  readonly tsd?: boolean;
  readonly vm86?: boolean;
  /** CR0.TS, with CR0.MP as an operating system sets it. */
  readonly ts?: boolean;
  readonly ioAllowed?: boolean;
}

/** What an instruction does at a level: it is refused, it quietly meets the real machine, or it does what it says. */
export type Outcome = 'traps' | 'silent' | 'right';

export interface Effect {
  readonly access: 'read' | 'write';
  /** The system's register or table: 'if', 'cr0', 'gdtr.base', 'descriptor', 'msr', 'port' … */
  readonly name: string;
  /** The conditions on privilege and mode under which it happens, as pseudo-code. Empty: always. */
  readonly when: string;
}

export interface Classification {
  readonly class: InstructionClass;
  /** Runs above CPL 0 without a trap although it touches the system. */
  readonly silent: boolean;
  /** Mode bits that make it trap where it otherwise would not. */
  readonly modes: readonly ModeBit[];
  readonly outcomes: Outcomes;
  readonly effects: readonly Effect[];
  /** It raises an exception at CPL 0 too, whatever its operands are. */
  readonly alwaysFaults: boolean;
  /** The I/O permission bitmap can allow what IOPL refuses. */
  readonly ioBitmap: boolean;
  /** One English sentence; classify-text.ts makes it and knows other languages. */
  readonly reason: string;
}

/** A system place reached on some path, with that path's conditions. */
interface Reached {
  readonly access: 'read' | 'write';
  readonly name: string;
  readonly path: readonly Condition[];
}
interface Condition {
  readonly value: Value;
  readonly holds: boolean;
}

/** How a list of statements ends: on every path with a fault, or at least one path goes on. */
type Ending = 'faults' | 'ends' | 'goes on';

/** Control bits that are assumed, as (mask, value): other bits of the register are unknown. */
interface KnownBits {
  readonly mask: number;
  readonly value: number;
}

const CR0_MP = 0x2,
  CR0_TS = 0x8;
const CR4_VME = 0x1,
  CR4_PVI = 0x2,
  CR4_PCE = 0x100,
  CR4_OSXSAVE = 0x40000;

/** In virtual-8086 mode a selector is a paragraph number, and loading one leaves level and mode alone. */
const NOT_SYSTEM_IN_VM86 = new Set(['cs', 'ss', 'cpl', 'vm']);
/** Of the system, but the same at every level: the theorem of Popek and Goldberg is about everything but time. */
const SAME_AT_EVERY_LEVEL = new Set(['tsc']);

class Walk {
  readonly reached: Reached[] = [];
  private readonly tree: readonly Statement[];
  private readonly levels: ReadonlyMap<string, number>;
  private readonly bits: ReadonlyMap<string, KnownBits>;
  private readonly ioRefused: number | undefined;
  private readonly vm86: boolean;
  private readonly known = new Map<Value, Known>();
  private readonly overwritten = new Set<string>();
  private path: Condition[] = [];
  private checking = 0;
  /** Reads of control registers that decide about a fault and nothing else: checks of a mode. */
  private readonly modeChecks: ReadonlySet<Value>;

  /** Without circumstances nothing is assumed: all paths are followed. */
  constructor(tree: readonly Statement[], cpl?: number, circumstances: Circumstances = {}) {
    this.modeChecks = modeChecksOf(tree);
    this.tree = tree;
    const {
      iopl = 0,
      umip = false,
      tsd = false,
      vm86 = false,
      ts = false,
      ioAllowed = false,
    } = circumstances;
    this.vm86 = vm86;
    if (cpl === undefined) {
      this.levels = new Map();
      this.bits = new Map();
      this.ioRefused = undefined;
      return;
    }
    const cr4 = (umip ? CR4_UMIP : 0) | (tsd ? CR4_TSD : 0);
    const mask = CR4_UMIP | CR4_TSD | CR4_VME | CR4_PVI | CR4_PCE | CR4_OSXSAVE;
    this.levels = new Map([
      ['cpl', cpl],
      ['iopl', iopl],
      ['vm', vm86 ? 1 : 0],
    ]);
    this.bits = new Map([
      ['cr0', { mask: CR0_PE | CR0_MP | CR0_TS, value: CR0_PE | CR0_MP | (ts ? CR0_TS : 0) }],
      ['cr4', { mask, value: cr4 }],
    ]);
    this.ioRefused = ioAllowed ? 0 : 1;
  }

  run(): Ending {
    return this.list(this.tree);
  }

  private list(list: readonly Statement[]): Ending {
    for (const statement of list) {
      const ending = this.statement(statement);
      if (ending !== 'goes on') return ending;
    }
    return 'goes on';
  }

  private statement(statement: Statement): Ending {
    switch (statement.kind) {
      case 'define':
        this.define(statement.value);
        return 'goes on';
      case 'do':
        for (const place of statement.writes) this.touch('write', place);
        return 'goes on';
      case 'if':
        return this.branch(statement);
      case 'loop':
        this.list(statement.head);
        this.list(statement.body);
        return 'goes on';
      case 'fault':
        return 'faults';
      case 'missing':
        return 'ends';
      case 'check': {
        this.checking++;
        const ending = this.list(statement.body);
        this.checking--;
        return ending;
      }
      case 'repeat':
      case 'routine':
        return this.list(statement.body);
    }
  }

  private branch({ condition, whenTrue, otherwise }: Statement & { kind: 'if' }): Ending {
    const known = this.known.get(condition);
    if (known !== undefined) return this.list(known !== 0 ? whenTrue : otherwise);
    const yes = this.arm({ value: condition, holds: true }, whenTrue);
    const no = this.arm({ value: condition, holds: false }, otherwise);
    if (yes !== 'goes on' && no !== 'goes on') return yes === 'faults' && no === 'faults' ? 'faults' : 'ends';
    // What follows runs only where the ended arm was not taken.
    if (yes !== 'goes on') this.path.push({ value: condition, holds: false });
    else if (no !== 'goes on') this.path.push({ value: condition, holds: true });
    return 'goes on';
  }

  private arm(condition: Condition, list: readonly Statement[]): Ending {
    this.path.push(condition);
    const depth = this.path.length;
    const ending = this.list(list);
    this.path.length = depth - 1;
    return ending;
  }

  private define(value: Value): void {
    if (!this.modeChecks.has(value)) for (const place of value.reads) this.touch('read', place);
    this.known.set(value, this.learn(value));
  }

  private learn(value: Value): Known {
    if (value.op === 'ioRefused') return this.ioRefused;
    if (value.op === 'sys') {
      const name = value.args[0] as string;
      return this.overwritten.has(name) ? undefined : this.levels.get(name);
    }
    if (value.op === 'and') {
      const known = this.knownBits(value);
      if (known !== undefined) return known;
    }
    const args = value.args.map((arg) => (arg instanceof Value ? this.known.get(arg) : (arg as number)));
    return evaluate(value, args);
  }

  /** CR4 & constant, where every bit of the constant is assumed. */
  private knownBits(value: Value): Known {
    const [a, c] = valuesOf(value.args);
    if (a?.op !== 'sys' || c?.op !== 'const') return undefined;
    const bits = this.bits.get(a.args[0] as string);
    const wanted = c.args[0] as number;
    return bits !== undefined && (wanted & ~bits.mask) === 0 ? (bits.value & wanted) >>> 0 : undefined;
  }

  private touch(access: 'read' | 'write', place: Place): void {
    if (!place.startsWith('sys:')) return;
    const name = place.slice('sys:'.length);
    if (access === 'write') this.overwritten.add(name);
    if (this.checking > 0 || (this.vm86 && NOT_SYSTEM_IN_VM86.has(name))) return;
    this.reached.push({ access, name, path: [...this.path] });
  }
}

/**
 * The reads of CR0 and CR4 in a tree that only check a mode: every use ends in a condition that leads to a fault or nowhere,
 * or looks at no more than CR0.PE.
 */
function modeChecksOf(tree: readonly Statement[]): ReadonlySet<Value> {
  const used = new Set<Value>();
  const mark = (value: Value) => {
    if (used.has(value)) return;
    used.add(value);
    const [, mask] = value.args;
    if (value.op === 'and' && mask instanceof Value && mask.op === 'const' && mask.args[0] === CR0_PE) return;
    for (const arg of valuesOf(value.args)) mark(arg);
  };
  const reads: Value[] = [];
  for (const s of statements(tree)) {
    if (s.kind === 'define') {
      const name = s.value.op === 'sys' ? s.value.args[0] : '';
      if (name === 'cr0' || name === 'cr4') reads.push(s.value);
    } else if (s.kind === 'if') {
      const onlyFault = s.otherwise.length === 0 && s.whenTrue[s.whenTrue.length - 1]?.kind === 'fault';
      if (!onlyFault) mark(s.condition);
    } else for (const value of usedBy(s)) mark(value);
  }
  return new Set(reads.filter((value) => !used.has(value)));
}

/** Whether a condition speaks of privilege and mode alone: only such are told as the condition of an effect. */
function isAboutPrivilege(value: Value): boolean {
  if (value.op === 'sys') return ['cpl', 'iopl', 'vm', 'cr0', 'cr4'].includes(value.args[0] as string);
  if (value.op === 'const' || value.op === 'ioRefused') return true;
  const parts = valuesOf(value.args);
  return parts.length > 0 && value.reads.length === 0 && parts.every(isAboutPrivilege);
}

/** A condition as text, and its opposite. */
interface Literal {
  readonly text: string;
  readonly opposite: string;
}
type Conjunction = readonly Literal[];

const literal = ({ value, holds }: Condition): Literal => ({
  text: conditionText(value, holds),
  opposite: conditionText(value, !holds),
});
const without = (a: Conjunction, b: Conjunction): Conjunction =>
  a.filter((x) => !b.some((y) => y.text === x.text));

/** Two alternatives as one when the second follows from the first or they differ in one condition that holds here and fails there. */
function merged(a: Conjunction, b: Conjunction): Conjunction | undefined {
  const onlyA = without(a, b),
    onlyB = without(b, a);
  if (onlyA.length === 0) return a;
  if (onlyB.length === 0) return b;
  const opposites = onlyA.length === 1 && onlyB.length === 1 && onlyA[0]!.text === onlyB[0]!.opposite;
  return opposites ? without(a, onlyA) : undefined;
}

/** Alternatives as text, as few as they can be written with. */
function alternatives(all: readonly Conjunction[]): string {
  const few: Conjunction[] = [];
  for (let next of all) {
    for (let i = 0; i < few.length; ) {
      const both = merged(few[i]!, next);
      if (both === undefined) i++;
      else {
        few.splice(i, 1);
        next = both;
        i = 0;
      }
    }
    few.push(next);
  }
  if (few.some((one) => one.length === 0)) return '';
  const join = (one: Conjunction) =>
    one.map(({ text }) => (one.length > 1 && text.includes(' or ') ? `(${text})` : text)).join(' and ');
  return few.map((one) => (few.length > 1 && one.length > 1 ? `(${join(one)})` : join(one))).join(' or ');
}

/** The effects of a tree on all its paths, each place once, in program order. */
export function effectsOf(tree: readonly Statement[]): Effect[] {
  const walk = new Walk(tree);
  walk.run();
  const effects = new Map<string, { access: 'read' | 'write'; name: string; when: Conjunction[] }>();
  for (const { access, name, path } of walk.reached) {
    const when: Literal[] = [];
    for (const condition of path.filter((c) => isAboutPrivilege(c.value)).map(literal))
      if (!when.some((known) => known.text === condition.text)) when.push(condition);
    const key = `${access} ${name}`;
    const effect = effects.get(key) ?? { access, name, when: [] };
    effect.when.push(when);
    effects.set(key, effect);
  }
  return [...effects.values()].map(({ access, name, when }) => ({ access, name, when: alternatives(when) }));
}

/** Names of the system's places that a tree may read and write at a level: what an engine may be seen to touch there. */
export function touchedAt(
  tree: readonly Statement[],
  cpl: number,
  circumstances: Circumstances = {},
): { readonly reads: ReadonlySet<string>; readonly writes: ReadonlySet<string> } {
  const walk = new Walk(tree, circumstances.vm86 === true ? 3 : cpl, circumstances);
  walk.run();
  const names = (access: 'read' | 'write') =>
    new Set(walk.reached.filter((reached) => reached.access === access).map(({ name }) => name));
  return { reads: names('read'), writes: names('write') };
}

function always(tree: readonly Statement[], cpl: number, circumstances: Circumstances): boolean {
  return new Walk(tree, cpl, circumstances).run() === 'faults';
}

/** Outcome of an instruction's tree at a level. */
export function outcomeOf(
  tree: readonly Statement[],
  cpl: number,
  circumstances: Circumstances = {},
): Outcome {
  const walk = new Walk(tree, circumstances.vm86 === true ? 3 : cpl, circumstances);
  if (walk.run() === 'faults') return 'traps';
  if (cpl === 0 && circumstances.vm86 !== true) return 'right';
  return walk.reached.some(({ name }) => !SAME_AT_EVERY_LEVEL.has(name)) ? 'silent' : 'right';
}

/** Outcome of one instruction at CPL `cpl`: see Outcome. In virtual-8086 mode the level is 3 whatever `cpl` says. */
export function trapsAt(
  insn: Insn,
  cpl: number,
  circumstances: Circumstances = {},
  entries: ReadonlyMap<string, Semantic> = semantics,
): Outcome {
  return outcomeOf(record(insn, entries), cpl, circumstances);
}

/** Outcomes in the four situations of the classic table: IOPL 0, mode bits clear. */
export interface Outcomes {
  readonly cpl0: Outcome;
  readonly cpl1: Outcome;
  readonly cpl3: Outcome;
  readonly vm86: Outcome;
}

function outcomesOf(tree: readonly Statement[]): Outcomes {
  const vm86 = outcomeOf(tree, 3, { vm86: true });
  return { cpl0: outcomeOf(tree, 0), cpl1: outcomeOf(tree, 1), cpl3: outcomeOf(tree, 3), vm86 };
}

const MODES: readonly (readonly [ModeBit, Circumstances])[] = [
  ['umip', { umip: true }],
  ['tsd', { tsd: true }],
  ['vm86', { vm86: true }],
  ['ts', { ts: true }],
];

function classOf(tree: readonly Statement[], modes: readonly ModeBit[]): InstructionClass {
  if (always(tree, 0, {})) return 'innocuous';
  if (always(tree, 3, { iopl: 3 })) return 'privileged';
  if (always(tree, 3, {})) return 'iopl-privileged';
  if (outcomeOf(tree, 3) === 'silent') return 'sensitive-unprivileged';
  return modes.length > 0 ? 'mode-conditional' : 'innocuous';
}

/** Class, effects and reason of one recorded instruction. */
export function classifyTree(
  tree: readonly Statement[],
  effects: readonly Effect[] = effectsOf(tree),
): Classification {
  const alwaysFaults = always(tree, 0, {});
  const plain = outcomeOf(tree, 3);
  const modes = MODES.filter(([, set]) => plain !== 'traps' && outcomeOf(tree, 3, set) === 'traps').map(
    ([mode]) => mode,
  );
  const kind = classOf(tree, modes);
  const facts = {
    class: kind,
    silent: kind === 'sensitive-unprivileged',
    modes,
    outcomes: outcomesOf(tree),
    effects,
    alwaysFaults,
    ioBitmap: kind === 'iopl-privileged' && !always(tree, 3, { ioAllowed: true }),
  };
  return { ...facts, reason: reasonText(facts, 'en') };
}

/** Class, effects and reason of one instruction. Throws NotDescribedError. */
export function classifyInsn(insn: Insn, entries: ReadonlyMap<string, Semantic> = semantics): Classification {
  return classifyTree(record(insn, entries));
}

/**
 * The class of a form: of those of its instructions (a segment register moved from may be CS or DS) the one that matters most to a
 * hypervisor, with the effects of all that share it. undefined for the form that stands for undefined opcodes.
 */
export function classify(
  form: Form,
  entries: ReadonlyMap<string, Semantic> = semantics,
): Classification | undefined {
  let worst: { readonly tree: readonly Statement[]; readonly found: Classification } | undefined;
  const effects = new Map<InstructionClass, Map<string, Effect>>();
  for (const insn of sampleInsns(form)) {
    const tree = record(insn, entries);
    const found = classifyTree(tree);
    const shared = effects.get(found.class) ?? new Map<string, Effect>();
    effects.set(found.class, shared);
    for (const effect of found.effects) {
      const key = `${effect.access} ${effect.name}`;
      if (!shared.has(key)) shared.set(key, effect);
    }
    if (worst === undefined || rank(found) < rank(worst.found)) worst = { tree, found };
  }
  return worst && classifyTree(worst.tree, [...effects.get(worst.found.class)!.values()]);
}

const rank = (c: Classification): number => CLASSES.indexOf(c.class);
