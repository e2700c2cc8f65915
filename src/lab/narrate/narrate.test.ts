import { describe, expect, it } from 'vitest';
import { HYPERCALLS } from '../../hypervisor/hypercalls.ts';
import { RULE, ruleSentence } from '../../hypervisor/rules.ts';
import { RECORD_TYPES, type TraceRecord } from '../../trace/records.ts';
import type { Lang } from '../i18n/text.ts';
import { HYPERCALL_NAMES } from './names.ts';
import { groupOutcome } from './outcome.ts';
import { renderSentence, sentence, sentenceParts } from './sentences.ts';

const record = (over: Partial<TraceRecord>): TraceRecord => ({
  T: 1,
  seq: 1,
  cause: 0,
  type: 'trap',
  phase: 'enter',
  outcome: 'none',
  cpl: 1,
  domid: 1,
  vcpu: 0,
  cs: 0,
  aux: 0,
  eip: 0xc0001234,
  p: [0, 0, 0, 0, 0, 0, 0, 0],
  ...over,
});
const context = (lang: Lang) => ({ lang, domains: [] });

describe('sentences', () => {
  it('names of hypercalls agree with the table of the hypervisor', () => {
    for (const [number, call] of Object.entries(HYPERCALLS))
      expect([number, HYPERCALL_NAMES[Number(number)]]).toEqual([number, [call.name, call.args.join(' ')]]);
  });
  it('every type of record speaks both languages and leaves no blank unfilled', () => {
    for (const [type] of RECORD_TYPES) {
      if (type === 'none' || type === 'ringindex') continue;
      for (const phase of ['enter', 'decode', 'answer', 'return'] as const) {
        for (const lang of ['en', 'ko'] as const) {
          const s = sentence(record({ type, phase, aux: 1 }), context(lang));
          expect(s).not.toMatch(/\{\w+\}|[\uE000-\uE002]|은\(는\)|이\(가\)|을\(를\)|\(으\)로/);
          expect(s.length).toBeGreaterThan(3);
        }
      }
    }
  });
  it('every rule fills its blanks, in both languages', () => {
    for (const n of Object.values(RULE))
      for (const lang of ['en', 'ko'] as const)
        expect(renderSentence(ruleSentence(n)!, [1, 2, 3, 4, 5, 6], context(lang))).not.toMatch(
          /\{\d:|[\uE000-\uE002]/,
        );
  });
  it('the value in the sentence is the value of the record, and can light up', () => {
    const r = record({ type: 'bounce', aux: 13, p: [0, 0xc0002ff0, 4, 0xe019, 0xc0000abc, 0, 0, 0] });
    const parts = sentenceParts(r, context('en'));
    expect(parts.filter((p) => p.kind === 'vaddr').map((p) => p.value)).toEqual([0xc0002ff0, 0xc0000abc]);
    expect(parts.map((p) => p.text).join('')).toBe(sentence(r, context('en')));
    expect(sentence({ ...r, p: [0, 0xc0002ff0, 5, 0xe019, 0xc0000abc] }, context('en'))).toContain('5 words');
  });
  it('an answer names its error', () => {
    expect(
      sentence(
        record({ type: 'hypercall', phase: 'answer', aux: 1, p: [0, 0, 0, 0, 0, -22 >>> 0] }),
        context('en'),
      ),
    ).toContain('-EINVAL');
  });
});

describe('outcome of a trap', () => {
  it('is decided by the answer', () =>
    expect(
      groupOutcome([
        record({}),
        record({ type: 'check', phase: 'check', outcome: 'refused' }),
        record({ type: 'hypercall', phase: 'answer', outcome: 'served' }),
      ]),
    ).toBe('served'));
  it('a frame on the guest’s stack means refused', () =>
    expect(groupOutcome([record({}), record({ type: 'bounce', phase: 'act' })])).toBe('refused'));
  it('is open until decided', () => expect(groupOutcome([record({})])).toBe('none'));
});
