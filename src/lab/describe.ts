// Records as sentences: a list of parts, so that the page can link values and the command line can print them. Everything comes from the
// record; the words of rules and actions are the hypervisor's own (hypervisor/rules.ts).

import { errnoName } from '../hypervisor/abi/errno.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import { actSentence, ruleSentence } from '../hypervisor/rules.ts';
import { DOMAIN_OPS, INPUT_KINDS, SWITCH_REASONS, TRAP_KINDS, type TraceRecord } from '../trace/records.ts';

export type Language = 'en' | 'ko';
/** A piece of a sentence. `kind` is set for values that can light up elsewhere: mfn, vaddr, maddr, port, gref, domid … */
export interface Part {
  readonly text: string;
  readonly kind?: string;
  readonly value?: number;
}

const VECTORS: Readonly<Record<number, string>> = {
  0: '#DE',
  1: '#DB',
  2: 'NMI',
  3: '#BP',
  4: '#OF',
  5: '#BR',
  6: '#UD',
  7: '#NM',
  8: '#DF',
  10: '#TS',
  11: '#NP',
  12: '#SS',
  13: '#GP',
  14: '#PF',
  16: '#MF',
  17: '#AC',
  18: '#MC',
  19: '#XM',
};
/** '#GP', or the number of a vector without a name. */
export const vectorName = (vector: number): string => VECTORS[vector] ?? `0x${vector.toString(16)}`;

const hex = (n: number, digits = 0): string => '0x' + (n >>> 0).toString(16).padStart(digits, '0');

/** A value as its kind is written. */
export function formatValue(kind: string, value: number): string {
  switch (kind) {
    case 'dec':
      return String(value | 0);
    case 'bool':
      return value ? '1' : '0';
    case 'domid':
      return value === 0x7ff2 ? 'Xen' : value === 0x7ff4 ? '–' : value === 0x7fef ? 'service' : `d${value}`;
    case 'errno':
      return errnoName(value) ? `-${errnoName(value)}` : String(value | 0);
    case 'ptype':
      return (
        ['none', 'l1', 'l2', 'l3', 'l4', 'seg_desc', 'shared', 'writable'][(value >>> 28) & 7] ?? hex(value)
      );
    case 'vaddr':
    case 'maddr':
      return hex(value, 8);
    case 'port':
    case 'gref':
    case 'level':
      return String(value >>> 0);
    default:
      return hex(value);
  }
}

/** Fills the {n:kind} places of a sentence. */
export function fill(template: string, values: readonly number[]): Part[] {
  const out: Part[] = [];
  let at = 0;
  for (const match of template.matchAll(/\{(\d+):(\w+)\}/g)) {
    if (match.index > at) out.push({ text: template.slice(at, match.index) });
    const value = values[Number(match[1])] ?? 0;
    out.push({ text: formatValue(match[2]!, value), kind: match[2]!, value });
    at = match.index + match[0].length;
  }
  if (at < template.length) out.push({ text: template.slice(at) });
  return out;
}

type Words = readonly [en: string, ko: string];
const say = (language: Language, words: Words, values: readonly number[] = []): Part[] =>
  fill(words[language === 'ko' ? 1 : 0], values);

/** The sentence of one record. */
export function describeRecord(r: TraceRecord, language: Language): Part[] {
  const w = (en: string, ko: string, ...values: number[]): Part[] => say(language, [en, ko], values);
  switch (r.type) {
    case 'check': {
      const s = ruleSentence(r.aux);
      return s
        ? fill(language === 'ko' ? s[2] : s[1], r.p.slice(1))
        : w('Rule {0:dec}', '규칙 {0:dec}', r.aux);
    }
    case 'act': {
      const s = actSentence(r.aux);
      return s ? fill(language === 'ko' ? s[2] : s[1], r.p) : w('Action {0:dec}', '동작 {0:dec}', r.aux);
    }
    case 'trap': {
      const what =
        r.p[2] === 0
          ? vectorName(r.aux)
          : r.p[2] === 4
            ? 'INT 0x82'
            : `${TRAP_KINDS[r.p[2] ?? 0]?.toUpperCase()} ${hex(r.aux)}`;
      if (r.phase === 'return')
        return w(
          `Control returns to ring ${r.cpl} at {0:vaddr}.`,
          `제어가 링 ${r.cpl}의 {0:vaddr}(으)로 돌아갑니다.`,
          r.eip,
        );
      return w(
        `${what} in ring ${r.cpl} at {0:vaddr} enters Xen.`,
        `링 ${r.cpl}의 {0:vaddr}에서 ${what} 때문에 Xen으로 들어갑니다.`,
        r.eip,
      );
    }
    case 'hypercall': {
      const name = hypercallName(r.aux);
      if (r.phase === 'answer')
        return w(
          `${name} answers {0:${(r.p[5] ?? 0) >>> 0 > 0xfffff000 ? 'errno' : 'hex'}}.`,
          `${name}의 답: {0:${(r.p[5] ?? 0) >>> 0 > 0xfffff000 ? 'errno' : 'hex'}}`,
          r.p[5] ?? 0,
        );
      return w(
        `The hypercall is ${name} ({0:hex}, {1:hex}, {2:hex}).`,
        `하이퍼콜은 ${name} ({0:hex}, {1:hex}, {2:hex})입니다.`,
        ...r.p,
      );
    }
    case 'privop':
      return r.phase === 'answer'
        ? w(
            r.outcome === 'emulated'
              ? 'Xen emulated the instruction.'
              : 'Xen did not emulate the instruction.',
            r.outcome === 'emulated'
              ? 'Xen이 명령을 에뮬레이션했습니다.'
              : 'Xen이 명령을 에뮬레이션하지 않았습니다.',
          )
        : w('Xen fetches the instruction at {0:vaddr}.', 'Xen이 {0:vaddr}의 명령을 가져옵니다.', r.eip);
    case 'bounce':
      return w(
        `${vectorName(r.aux)} is handed to the kernel: {2:dec} words at {1:vaddr}, handler {4:vaddr}.`,
        `${vectorName(r.aux)}을(를) 커널에 넘깁니다: {1:vaddr}에 {2:dec}워드, 처리기 {4:vaddr}.`,
        ...r.p,
      );
    case 'upcall':
      return w(
        'An event upcall: {2:dec} words at {1:vaddr}, handler {4:vaddr}.',
        '이벤트 업콜: {1:vaddr}에 {2:dec}워드, 처리기 {4:vaddr}.',
        ...r.p,
      );
    case 'ringchange':
      return w(
        `INT ${hex(r.aux)}: the processor itself went from ring {0:dec} to ring {1:dec}. Xen did not run.`,
        `INT ${hex(r.aux)}: 프로세서가 직접 링 {0:dec}에서 링 {1:dec}(으)로 옮겼습니다. Xen은 실행되지 않았습니다.`,
        ...r.p,
      );
    case 'silent':
      return w(
        'Nothing trapped. Asked {0:hex}, got {1:hex}; ring 0 would have {2:hex}.',
        '아무 트랩도 없었습니다. 요청 {0:hex}, 결과 {1:hex}; 링 0이라면 {2:hex}.',
        ...r.p,
      );
    case 'switch':
      return w(
        `The processor goes from {0:domid} to {2:domid} (${SWITCH_REASONS[r.aux] ?? r.aux}).`,
        `프로세서가 {0:domid}에서 {2:domid}(으)로 넘어갑니다 (${SWITCH_REASONS[r.aux] ?? r.aux}).`,
        ...r.p,
      );
    case 'idle':
      return w(
        'Nobody wants to run: time jumps {0:dec} ticks.',
        '실행할 도메인이 없어 시간이 {0:dec}틱 건너뜁니다.',
        ...r.p,
      );
    case 'timer':
      return w('A timer is due.', '타이머가 만료되었습니다.');
    case 'event':
      return w(
        `Event: port {4:port} of {3:domid} sets port {1:port} of {0:domid} pending.`,
        '이벤트: {3:domid}의 포트 {4:port}이(가) {0:domid}의 포트 {1:port}을(를) 보류로 표시합니다.',
        r.p[0] ?? 0,
        r.p[1] ?? 0,
        r.p[2] ?? 0,
        r.p[3] ?? 0,
        r.aux,
      );
    case 'console':
      return w(`Console: ${JSON.stringify(text(r.data))}`, `콘솔: ${JSON.stringify(text(r.data))}`);
    case 'store':
      return w(
        `XenStore ${r.phase === 'enter' ? 'request' : 'answer'}: ${JSON.stringify(text(r.data))}`,
        `XenStore ${r.phase === 'enter' ? '요청' : '응답'}: ${JSON.stringify(text(r.data))}`,
      );
    case 'watch':
      return w(
        `A watch fires: ${JSON.stringify(text(r.data))}`,
        `감시가 알립니다: ${JSON.stringify(text(r.data))}`,
      );
    case 'domain':
      return w(
        `Domain {0:domid}: ${DOMAIN_OPS[r.aux] ?? r.aux}.`,
        `도메인 {0:domid}: ${DOMAIN_OPS[r.aux] ?? r.aux}.`,
        ...r.p,
      );
    case 'input':
      return w(`From outside: ${INPUT_KINDS[r.aux] ?? r.aux}.`, `바깥에서: ${INPUT_KINDS[r.aux] ?? r.aux}.`);
    case 'panic':
      return w(`Hypervisor panic: ${text(r.data)}`, `하이퍼바이저 패닉: ${text(r.data)}`);
    case 'ud':
      return w('These bytes are no instruction of ours.', '이 바이트는 우리가 아는 명령이 아닙니다.');
    default:
      return [{ text: r.type }];
  }
}

/** Bytes as text, one character a byte. */
export const text = (data: Uint8Array | undefined): string =>
  data ? String.fromCharCode(...data.subarray(0, 4096)) : '';
