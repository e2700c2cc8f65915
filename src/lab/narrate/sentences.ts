// One true sentence about a record, from the record and nothing else. Checks and acts speak with the sentences of hypervisor/rules; the
// other types with the ones below.

import { DOMID_IDLE } from '../../hypervisor/abi/domid.ts';
import { errnoName } from '../../hypervisor/abi/errno.ts';
import { actSentence, ruleSentence } from '../../hypervisor/rules.ts';
import type { Sentence } from '../../hypervisor/rules/types.ts';
import { PGT_NAMES } from '../../hypervisor/state.ts';
import type { DomainSummary } from '../types.ts';
import {
  DOMAIN_OP,
  DOMAIN_OPS,
  INPUT_KINDS,
  INTERRUPT_SOURCES,
  RESET_REASONS,
  SWITCH_REASONS,
  TRAP_KINDS,
  type TraceRecord,
} from '../../trace/records.ts';
import { type Lang, translate } from '../i18n/text.ts';
import { josa } from '../i18n/josa.ts';
import { instructionText } from './disassembly.ts';
import { bytesOf, hex, printable, signed } from './format.ts';
import { hypercallArgs, hypercallName, vectorName } from './names.ts';
import { whoIs } from './who.ts';
import { RECORD_TEXT, type RecordTextKey } from './record-text.ts';

export interface SpeechContext {
  readonly lang: Lang;
  readonly domains: readonly DomainSummary[];
}

const utf8 = new TextDecoder();
const nameOf = (domid: number, c: SpeechContext): string => whoIs(domid, c.domains).name;

/** A piece of a sentence. `kind` is set for values that can light up elsewhere: mfn, vaddr, maddr, port, gref. */
export interface Part {
  readonly text: string;
  readonly kind?: string;
  readonly value?: number;
}
const LINKED: ReadonlySet<string> = new Set(['mfn', 'pfn', 'vaddr', 'maddr', 'port', 'gref']);
// A value inside a sentence travels as <kind:number|text> between private-use characters, so that particles and word order see plain text.
const OPEN = '\uE000',
  BAR = '\uE001',
  CLOSE = '\uE002';
const mark = (kind: string, value: number, text: string): string =>
  LINKED.has(kind) ? `${OPEN}${kind}:${value}${BAR}${text}${CLOSE}` : text;
const MARKED = /\uE000(\w+):(\d+)\uE001([^\uE002]*)\uE002/g;
const plain = (s: string): string => s.replace(MARKED, '$3');

function split(s: string): Part[] {
  const out: Part[] = [];
  let at = 0;
  for (const m of s.matchAll(MARKED)) {
    if (m.index > at) out.push({ text: s.slice(at, m.index) });
    out.push({ text: m[3]!, kind: m[1]!, value: Number(m[2]) });
    at = m.index + m[0].length;
  }
  if (at < s.length) out.push({ text: s.slice(at) });
  return out;
}

const vaddr = (n: number): string => mark('vaddr', n, `0x${(n >>> 0).toString(16).padStart(8, '0')}`);

/** A value of a check or act record, shown as its kind says. */
export function showValue(v: number, kind: string, c: SpeechContext): string {
  switch (kind) {
    case 'mfn':
    case 'pfn':
    case 'hex':
    case 'pte':
    case 'sel':
      return hex(v);
    case 'vaddr':
    case 'maddr':
      return `0x${(v >>> 0).toString(16).padStart(8, '0')}`;
    case 'domid':
      return nameOf(v, c);
    case 'ptype':
      return PGT_NAMES[(v >>> 28) & 7] ?? hex(v);
    case 'errno':
      return v === 0 ? '0' : errnoName(v) ? `-${errnoName(v)}` : String(signed(v));
    case 'bool':
      return translate(RECORD_TEXT, c.lang, v ? 'yes' : 'no');
    case 'level':
      return `L${v}`;
    default:
      return String(signed(v));
  }
}

function marked(s: Sentence, values: readonly number[], c: SpeechContext, data?: Uint8Array): string {
  const template = c.lang === 'ko' ? s[2] : s[1];
  const filled = template
    .replace(/\{(\d):(\w+)\}/g, (_, i: string, kind: string) =>
      mark(kind, values[Number(i)] ?? 0, showValue(values[Number(i)] ?? 0, kind, c)),
    )
    .replace(/\{text\}/g, () => (data ? printable(data, 80) : ''));
  return c.lang === 'ko' ? josa(filled) : filled;
}

/** Fills {n:kind} in a rule's or act's sentence with the values of a record. {text} is the record's side data. */
export const renderSentence = (
  s: Sentence,
  values: readonly number[],
  c: SpeechContext,
  data?: Uint8Array,
): string => plain(marked(s, values, c, data));

/** The name of the rule a check record decided by, or of the act: what code says. */
export const ruleName = (r: TraceRecord): string | undefined =>
  r.type === 'check' ? ruleSentence(r.aux)?.[0] : r.type === 'act' ? actSentence(r.aux)?.[0] : undefined;

/** 'console_io(cmd 0, count 25, buffer 0xc0001234)' */
export function hypercallText(r: TraceRecord): string {
  const args = hypercallArgs(r.aux).map((name, i) => {
    const v = r.p[i] ?? 0;
    return name.endsWith('*') ? `${name.slice(0, -1)} ${vaddr(v)}` : `${name} ${v < 4096 ? v : hex(v)}`;
  });
  return `${hypercallName(r.aux)}(${args.join(', ')})`;
}
export const answerText = (v: number): string =>
  errnoName(v) && signed(v) < 0 ? `-${errnoName(v)} (${signed(v)})` : String(signed(v));

type Say = (
  r: TraceRecord,
  c: SpeechContext,
  t: (key: RecordTextKey, values?: Readonly<Record<string, string | number>>) => string,
) => string;

const trap: Say = (r, c, t) => {
  const v = {
    who: nameOf(r.domid, c),
    ring: String(r.cpl),
    at: vaddr(r.eip),
    name: vectorName(r.aux),
    code: hex(r.p[0]!),
    cr2: vaddr(r.p[1]!),
  };
  if (r.phase === 'return') return t('trapReturn', v);
  const kind = TRAP_KINDS[r.p[2]!];
  if (kind === 'hypercall') return t('trapHypercall', v);
  if (kind === 'deadline') return t('trapDeadline', v);
  if (kind === 'int' || kind === 'int3' || kind === 'into') return t('trapInt', v);
  return t(r.aux === 14 ? 'trapPageFault' : 'trapException', v);
};
const hypercall: Say = (r, _c, t) =>
  r.phase === 'answer'
    ? t('hypercallAnswer', { answer: answerText(r.p[5]!), name: hypercallName(r.aux) })
    : t('hypercallDecode', { call: hypercallText(r), number: String(r.aux) });
const privop: Say = (r, _c, t) => {
  const code = instructionText(bytesOf(r.p.slice(0, 3), r.aux), r.eip);
  if (r.phase !== 'answer') return t('privopDecode', { code });
  return t(r.outcome === 'refused' ? 'privopRefused' : 'privopEmulated', { code, value: hex(r.p[4]!) });
};
const check: Say = (r, c, t) => {
  const s = ruleSentence(r.aux);
  return s ? marked(s, r.p.slice(1), c) : t('unnamedRule', { number: String(r.aux) });
};
const act: Say = (r, c, t) => {
  const s = actSentence(r.aux);
  return s ? marked(s, r.p, c, r.data) : t('unnamedAct', { number: String(r.aux) });
};
const frame =
  (key: 'bounce' | 'upcall'): Say =>
  (r, c, t) =>
    t(key, {
      name: vectorName(r.aux),
      who: nameOf(r.domid, c),
      words: String(r.p[2]!),
      sp: vaddr(r.p[1]!),
      ring: String(r.p[3]! & 3),
      to: vaddr(r.p[4]!),
    });
const silent: Say = (r, _c, t) =>
  t('silent', {
    code: instructionText(bytesOf(r.p.slice(4, 6), r.p[6]!), r.eip),
    asked: hex(r.p[0]!),
    got: hex(r.p[1]!),
    native: hex(r.p[2]!),
  });
const text = (r: TraceRecord): string => (r.data ? printable(r.data, 60) : '');
const hexBytes = (bytes: ArrayLike<number>): string =>
  Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ');
const CONSOLE_KEYS = ['consoleXen', 'consolePv', 'consoleCom1', 'consoleDebug', 'consolePost'] as const;

const SAY: Readonly<Partial<Record<TraceRecord['type'], Say>>> = {
  trap,
  hypercall,
  privop,
  check,
  act,
  silent,
  bounce: frame('bounce'),
  upcall: frame('upcall'),
  ringchange: (r, _c, t) =>
    t('ringchange', {
      name: vectorName(r.aux),
      from: String(r.p[0]!),
      to: String(r.p[1]!),
      at: vaddr(r.p[3]!),
    }),
  switch: (r, c, t) =>
    t('switch', {
      from: nameOf(r.p[0]!, c),
      to: nameOf(r.p[2]!, c),
      reason: t(`switch_${SWITCH_REASONS[r.aux] ?? 'none'}`),
    }),
  idle: (r, _c, t) => t('idle', { ticks: r.p[0]! + r.p[1]! * 4294967296 }),
  timer: (_r, _c, t) => t('timer'),
  event: (r, c, t) =>
    t('event', {
      port: mark('port', r.aux, String(r.aux)),
      to: nameOf(r.p[0]!, c),
      toPort: mark('port', r.p[1]!, String(r.p[1]!)),
      result: t(`event_${r.p[2]! & 3}` as 'event_0'),
    }),
  console: (r, c, t) =>
    t(CONSOLE_KEYS[r.aux] ?? 'consolePv', {
      who: nameOf(r.domid, c),
      text: text(r),
      bytes: hexBytes(r.data ?? []),
    }),
  store: (r, c, t) =>
    t(r.phase === 'answer' ? 'storeOut' : 'storeIn', { who: nameOf(r.domid, c), text: text(r) }),
  watch: (r, c, t) => t('watch', { who: nameOf(r.domid, c), text: text(r) }),
  domain: (r, c, t) =>
    r.domid === DOMID_IDLE && r.aux === DOMAIN_OP.shutdown
      ? t('machineStops')
      : t(`domain_${DOMAIN_OPS[r.aux] ?? 'created'}`, { who: nameOf(r.p[0] ?? r.domid, c) }),
  input: (r, _c, t) => t('input', { kind: t(`input_${INPUT_KINDS[r.aux] ?? 'console'}`) }),
  panic: (r, _c, t) => t('panic', { text: r.data ? utf8.decode(r.data.slice()) : '' }),
  ud: (r, _c, t) =>
    t('ud', {
      bytes: hexBytes(bytesOf(r.p.slice(0, 3), r.aux)),
    }),
  interrupt: (r, _c, t) => {
    const source = INTERRUPT_SOURCES[r.p[0]!];
    const v = { vector: hex(r.aux), irq: String(r.p[1]!) };
    if (source === 'nmi') return t('interruptNmi');
    if (source === 'apic') return t('interruptApic', v);
    return t(signed(r.p[1]!) < 0 ? 'interruptSpurious' : 'interruptPic', v);
  },
  halt: (r, _c, t) => t(r.p[0] ? 'haltOn' : 'haltOff', { at: vaddr(r.eip) }),
  reset: (r, _c, t) =>
    t(`reset_${RESET_REASONS[r.aux] ?? 'keyboard'}`, { at: vaddr(r.eip), code: String(r.p[0]!) }),
};

function say(r: TraceRecord, c: SpeechContext): string {
  const t = (key: RecordTextKey, values: Readonly<Record<string, string | number>> = {}): string =>
    translate(RECORD_TEXT, c.lang, key, values);
  return SAY[r.type]?.(r, c, t) ?? r.type;
}

/** The sentence of a record. */
export const sentence = (r: TraceRecord, c: SpeechContext): string => plain(say(r, c));
/** The same in pieces, values apart from words. */
export const sentenceParts = (r: TraceRecord, c: SpeechContext): Part[] => split(say(r, c));

/** The one or two words of a log row: what happened. */
export function headline(r: TraceRecord, c: SpeechContext): string {
  switch (r.type) {
    case 'trap':
      return TRAP_KINDS[r.p[2]!] === 'hypercall'
        ? 'int 0x82'
        : TRAP_KINDS[r.p[2]!] === 'deadline'
          ? translate(RECORD_TEXT, c.lang, 'deadline')
          : vectorName(r.aux);
    case 'hypercall':
      return hypercallName(r.aux);
    case 'privop':
      return instructionText(bytesOf(r.p.slice(0, 3), r.aux), r.eip);
    case 'silent':
      return instructionText(bytesOf(r.p.slice(4, 6), r.p[6]!), r.eip);
    case 'check':
    case 'act':
      return ruleName(r) ?? r.type;
    case 'bounce':
    case 'ringchange':
      return vectorName(r.aux);
    default:
      return r.type;
  }
}

/** Where control was and where it went: rings and owners, for from → to. */
export function fromTo(r: TraceRecord, c: SpeechContext): readonly [string, string] {
  const here = `${whoIs(r.domid, c.domains).letter}·${r.cpl}`;
  switch (r.type) {
    case 'trap':
      return r.phase === 'return' ? ['X·0', here] : [here, 'X·0'];
    case 'bounce':
    case 'upcall':
      return ['X·0', `${whoIs(r.domid, c.domains).letter}·${r.p[3]! & 3}`];
    case 'ringchange':
      return [
        `${whoIs(r.domid, c.domains).letter}·${r.p[0]!}`,
        `${whoIs(r.domid, c.domains).letter}·${r.p[1]!}`,
      ];
    case 'silent':
      return [here, here];
    case 'switch':
      return [whoIs(r.p[0]!, c.domains).letter, whoIs(r.p[2]!, c.domains).letter];
    default:
      return ['X·0', 'X·0'];
  }
}
