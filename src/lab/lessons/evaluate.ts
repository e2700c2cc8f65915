// Runs a query over the trace and the state of the session. Nothing here knows an answer: everything is read from records.

import { errnoName } from '../../hypervisor/abi/errno.ts';
import { RECORD_TYPES, TRAP_KINDS, type TraceRecord } from '../../trace/records.ts';
import { hypercallName } from '../narrate/names.ts';
import { groupOutcome } from '../narrate/outcome.ts';
import { ruleName } from '../narrate/sentences.ts';
import type { LabState, Moment, TracePage, TraceQuery } from '../types.ts';
import { type Filter, parseQuery, type Query } from './query.ts';

export interface SymbolPlace {
  readonly domid: number | undefined;
  readonly address: number;
  readonly size: number;
}
/** What a tour may ask. The page gives the session; a test gives records. */
export interface LessonHost {
  state(): LabState;
  trace(query: TraceQuery, from: number, count: number): Promise<TracePage>;
  group(seq: number): Promise<readonly TraceRecord[]>;
  /** Looks a symbol up in the maps of the images on stage. */
  symbol(name: string): Promise<SymbolPlace | undefined>;
  consoleText(domid: number): Promise<{ readonly text: string; readonly laterLines: number }>;
  /** Names of the page's own, such as how many predictions were right. */
  own?(name: string): Value;
}
export interface Place {
  readonly place: 'moment' | 'address';
  readonly moment?: Moment;
  /** The boundary between two instructions just before that moment. */
  readonly before?: boolean;
  readonly address?: number;
  readonly size?: number;
  readonly domid?: number | undefined;
}
export type Value = number | string | boolean | TraceRecord | readonly TraceRecord[] | Place | undefined;

const isRecord = (v: Value): v is TraceRecord => typeof v === 'object' && v !== null && 'seq' in v;
const PAGE = 256;
const FIELDS = new Map<string, readonly string[]>(RECORD_TYPES.map((t) => [t[0], t[3] as readonly string[]]));

/** A field of a record by the name the record table gives it. */
export function field(r: TraceRecord, name: string): string | number | undefined {
  switch (name) {
    case 'kind':
      return TRAP_KINDS[r.p[2]!];
    case 'name':
      return r.type === 'hypercall' ? hypercallName(r.aux) : ruleName(r);
    case 'vector':
    case 'port':
    case 'rule':
    case 'number':
    case 'channel':
    case 'reason':
      return r.aux;
    case 'type':
      return r.type;
    case 'phase':
      return r.phase;
    case 'outcome':
      return r.outcome;
    case 'ring':
    case 'cpl':
      return r.cpl;
    case 'domain':
    case 'domid':
      return r.domid;
    case 'text':
      return r.data ? new TextDecoder().decode(r.data.slice()) : '';
    default: {
      const i = FIELDS.get(r.type)?.indexOf(name) ?? -1;
      return i < 0 ? undefined : r.p[i];
    }
  }
}

async function matcher(filters: readonly Filter[], host: LessonHost): Promise<(r: TraceRecord) => boolean> {
  const tests: ((r: TraceRecord) => boolean)[] = [];
  for (const f of filters) {
    if (f.field === 'at') {
      const s = await host.symbol(f.value);
      tests.push(
        (r) =>
          (s !== undefined && r.eip >= s.address && r.eip <= s.address + Math.max(s.size, 2)) !== f.negate,
      );
      continue;
    }
    tests.push((r) => {
      const v = field(r, f.field);
      const same = typeof v === 'number' ? v === Number(f.value) : String(v) === f.value;
      return same !== f.negate;
    });
  }
  return (r) => tests.every((t) => t(r));
}

/** All records a selector means, as far as they are needed: `want` of them from the front, or from the back. */
async function select(
  q: Extract<Query, { kind: 'select' }>,
  host: LessonHost,
  all: boolean,
): Promise<TraceRecord[]> {
  const test = await matcher(q.filters, host);
  const query: TraceQuery = q.type === 'any' ? {} : { types: [q.type] };
  const out: TraceRecord[] = [];
  const index = q.index ?? 0;
  const want = all ? Number.POSITIVE_INFINITY : index < 0 ? -index : index + 1;
  const first = await host.trace(query, 0, PAGE);
  if (index >= 0 || all) {
    for (let from = 0; from < first.total && out.length < want; from += PAGE) {
      const page = from === 0 ? first : await host.trace(query, from, PAGE);
      out.push(...page.rows.filter(test));
    }
    return out;
  }
  for (let to = first.total; to > 0 && out.length < want; to -= PAGE) {
    const from = Math.max(0, to - PAGE);
    const page = await host.trace(query, from, to - from);
    out.unshift(...page.rows.filter(test));
  }
  return out;
}

/** Who did what this record says: xen for its own console, the service domain for a console ring, the kernel, or the processor alone. */
export function who(r: TraceRecord): string {
  if (r.type === 'console') return r.aux === 0 ? 'xen' : 'dom0';
  if (r.type === 'ringchange' || r.type === 'silent') return 'cpu';
  if (r.type === 'trap' && r.phase === 'enter') return 'guest';
  return 'xen';
}
/** Who has control after this record. */
export const runs = (r: TraceRecord): string =>
  r.type === 'trap'
    ? r.phase === 'return'
      ? 'guest'
      : 'xen'
    : r.type === 'ringchange' || r.type === 'bounce' || r.type === 'upcall' || r.type === 'silent'
      ? 'guest'
      : 'xen';

async function outcomeOf(r: TraceRecord, host: LessonHost): Promise<string> {
  if (r.type === 'silent' || r.type === 'ringchange') return groupOutcome([r]);
  const group = await host.group(r.type === 'trap' && r.phase === 'enter' ? r.seq : r.cause || r.seq);
  return groupOutcome(group.length > 0 ? group : [r]);
}

const truth = (v: Value): boolean => (Array.isArray(v) ? v.length > 0 : Boolean(v));
const momentAt = (r: TraceRecord): Place => ({
  place: 'moment',
  moment: { T: r.T, seq: r.seq, within: true },
});
const momentBefore = (r: TraceRecord): Place => ({ ...momentAt(r), before: true });

function named(name: string, host: LessonHost): Value {
  const s = host.state();
  switch (name) {
    case 'instructions':
      return s.instructions;
    case 'traps':
      return s.counts.traps;
    case 'hypercalls':
      return s.counts.hypercalls;
    case 'silents':
      return s.counts.silent;
    case 'refusals':
      return s.counts.refused;
    case 'ended':
      return (
        s.stop.kind === 'end' || (s.ended !== undefined && s.cursor.T >= s.end.T && s.cursor.seq >= s.end.seq)
      );
    case 'edits':
      return s.branches.length > 0 ? s.branches.length - 1 : 0;
    case 'paused':
      return s.phase === 'paused';
    case 'T':
      return s.cursor.T;
    case 'start':
      return { place: 'moment', moment: { T: 0, seq: 0, within: false } };
    case 'end':
      return { place: 'moment', moment: s.end };
    case 'true':
      return true;
    case 'false':
      return false;
    default: {
      const own = host.own?.(name);
      if (own === undefined) throw new Error(`“${name}” is nothing a tour can ask for`);
      return own;
    }
  }
}

async function call(name: string, args: readonly Query[], host: LessonHost): Promise<Value> {
  const arg = args[0];
  if (name === 'symbol') {
    const s = await host.symbol(arg?.kind === 'name' ? arg.name : String(arg && (await evaluate(arg, host))));
    return s && { place: 'address', address: s.address, size: s.size, domid: s.domid };
  }
  if (name === 'count' && arg) {
    const q: Query =
      arg.kind === 'name' ? { kind: 'select', type: arg.name, filters: [], index: undefined } : arg;
    return q.kind === 'select' ? (await select(q, host, true)).length : 0;
  }
  if (name === 'lines')
    return (await host.consoleText(Number(arg ? await evaluate(arg, host) : 1))).text.split('\n').length - 1;
  // The number in the last line a domain printed: which message it had come to.
  if (name === 'message') {
    const { text } = await host.consoleText(Number(arg ? await evaluate(arg, host) : 1));
    return Number(/(\d+)\D*$/.exec(text)?.[1] ?? 0);
  }
  if (name === 'stopped') return host.state().stop.kind === String(arg?.kind === 'name' ? arg.name : '');
  const v = arg ? await evaluate(arg, host) : undefined;
  // Who moved the bytes of a message: Xen if any record says that it copied, nobody otherwise.
  if (name === 'carrier') return truth(v) ? 'xen' : 'nobody';
  if (name === 'errno')
    return errnoName(Number(v)) && Number(v) >>> 31 ? `-${errnoName(Number(v))}` : String(Number(v) | 0);
  if (name === 'hex') return `0x${(Number(v) >>> 0).toString(16)}`;
  if (name === 'bit') return (Number(v) >>> Number(args[1] ? await evaluate(args[1], host) : 0)) & 1;
  if (!isRecord(v)) return name === 'happened' ? false : undefined;
  switch (name) {
    case 'who':
      return who(v);
    case 'runs':
      return runs(v);
    case 'outcome':
      return outcomeOf(v, host);
    case 'happened':
      return v.seq <= host.state().cursor.seq;
    case 'before':
      return momentBefore(v);
    case 'at':
      return momentAt(v);
    case 'after':
      return momentAt((await host.group(v.seq)).at(-1) ?? v);
    case 'ring':
      return v.cpl;
    case 'time':
    case 'tick':
      return v.T;
    case 'seq':
      return v.seq;
    default:
      return field(v, name);
  }
}

function binary(op: string, left: Value, right: Value): Value {
  switch (op) {
    case '==':
      return String(left) === String(right);
    case '!=':
      return String(left) !== String(right);
    case '<':
      return Number(left) < Number(right);
    case '<=':
      return Number(left) <= Number(right);
    case '>':
      return Number(left) > Number(right);
    case '>=':
      return Number(left) >= Number(right);
    case '+':
      return Number(left) + Number(right);
    default:
      return Number(left) - Number(right);
  }
}

/** Evaluates a parsed query. Throws an Error that names what it does not know. */
export async function evaluate(q: Query, host: LessonHost): Promise<Value> {
  switch (q.kind) {
    case 'literal':
      return q.value;
    case 'name':
      return named(q.name, host);
    case 'not':
      return !truth(await evaluate(q.of, host));
    case 'select': {
      const found = await select(q, host, q.index === undefined);
      return q.index === undefined ? found : found.at(q.index);
    }
    case 'call':
      return call(q.name, q.args, host);
    case 'binary': {
      const left = await evaluate(q.left, host);
      if (q.op === 'and') return truth(left) && truth(await evaluate(q.right, host));
      if (q.op === 'or') return truth(left) || truth(await evaluate(q.right, host));
      return binary(q.op, left, await evaluate(q.right, host));
    }
  }
}

export const ask = (source: string, host: LessonHost): Promise<Value> => evaluate(parseQuery(source), host);
export const holds = async (source: string, host: LessonHost): Promise<boolean> =>
  truth(await ask(source, host));
/** The record an expression names, undefined if there is none (yet). */
export async function recordOf(source: string, host: LessonHost): Promise<TraceRecord | undefined> {
  const v = await ask(source, host);
  return isRecord(v) ? v : undefined;
}

/** Fills {{expression}} in a tour's text with what the machine says. */
export async function interpolate(text: string, host: LessonHost): Promise<string> {
  let out = '';
  let last = 0;
  for (const m of text.matchAll(/\{\{([^}]+)\}\}/g)) {
    const v = await ask(m[1]!, host);
    out +=
      text.slice(last, m.index) +
      (typeof v === 'number' ? v.toLocaleString('en-US') : typeof v === 'object' ? '…' : String(v ?? '…'));
    last = m.index + m[0].length;
  }
  return out + text.slice(last);
}
