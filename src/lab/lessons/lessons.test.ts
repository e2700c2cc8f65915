import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { TraceRecord } from '../../trace/records.ts';
import type { LabState, TraceQuery } from '../types.ts';
import { ask, holds, interpolate, type LessonHost } from './evaluate.ts';
import { parseLayout, parseTour, TourError } from './parse.ts';
import { parseQuery } from './query.ts';
import type { Stop } from './types.ts';

const record = (seq: number, over: Partial<TraceRecord>): TraceRecord => ({
  T: seq * 10,
  seq,
  cause: 0,
  type: 'trap',
  phase: 'enter',
  outcome: 'none',
  cpl: 1,
  domid: 1,
  vcpu: 0,
  cs: 0xe019,
  aux: 0,
  eip: 0x1000,
  p: [0, 0, 0, 0, 0, 0, 0, 0],
  ...over,
});
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A print by hypercall, a refused instruction, and a lie. */
const printed = (channel: number): TraceRecord[] => [
  record(1, { aux: 0x82, p: [0, 0, 4, 0, 0, 0, 0, 0], eip: 0x2002 }),
  record(2, { type: 'hypercall', phase: 'decode', aux: 18, cause: 1 }),
  record(3, { type: 'console', phase: 'act', aux: channel, cause: 1, data: bytes('hi\n') }),
  record(4, {
    type: 'hypercall',
    phase: 'answer',
    outcome: 'served',
    aux: 18,
    cause: 1,
    p: [0, 0, 0, 0, 0, 0, 0, 0],
  }),
  record(5, { phase: 'return', aux: 0x82, cause: 1 }),
  record(6, { aux: 13, eip: 0x3000 }),
  record(7, { type: 'check', phase: 'check', outcome: 'refused', cause: 6 }),
  record(8, { type: 'bounce', phase: 'act', aux: 13, outcome: 'refused', cause: 6 }),
  record(9, { phase: 'return', aux: 13, cause: 6 }),
  record(10, {
    type: 'silent',
    phase: 'none',
    outcome: 'silent',
    eip: 0x4000,
    p: [0, 0x200, 0, 0x200, 0x9d, 0, 1, 0],
  }),
];
const HEAD: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 6, 7: 6, 8: 6, 9: 6 };

function host(all: readonly TraceRecord[], cursor = all.length): LessonHost {
  const state = {
    cursor: { T: cursor * 10, seq: cursor, within: true },
    end: { T: all.length * 10, seq: all.length, within: false },
    instructions: 1234,
    counts: { traps: 2, hypercalls: 1, silent: 1, refused: 1 },
    branches: [],
    stop: { kind: 'step' },
  } as unknown as LabState;
  return {
    state: () => state,
    async trace(query: TraceQuery, from: number, count: number) {
      const rows = all.filter((r) => !query.types || query.types.includes(r.type));
      return { total: rows.length, from, rows: rows.slice(from, from + count), cursorRow: rows.length - 1 };
    },
    group: async (seq) => all.filter((r) => HEAD[r.seq] !== undefined && HEAD[r.seq] === HEAD[seq]),
    symbol: async (name) => (name === 'door' ? { domid: 1, address: 0x3000, size: 1 } : undefined),
    consoleText: async () => ({ text: 'one\ntwo\n', laterLines: 0 }),
    own: (name) => (name === 'asked' ? 3 : undefined),
  };
}

describe('queries', () => {
  it('the printer is read from the record, so another record is another answer', async () => {
    expect(await ask('who(console[0])', host(printed(0)))).toBe('xen');
    expect(await ask('who(console[0])', host(printed(1)))).toBe('dom0');
  });
  it('an outcome is that of the whole trap', async () => {
    const h = host(printed(0));
    expect(await ask('outcome(trap(kind=hypercall)[0])', h)).toBe('served');
    expect(await ask('outcome(trap(at=door)[0])', h)).toBe('refused');
    expect(await ask('outcome(silent[0])', h)).toBe('silent');
  });
  it('counts, fields, bits, indices from the end', async () => {
    const h = host(printed(0));
    expect(await ask('count(trap)', h)).toBe(4);
    expect(await ask('count(trap(phase=enter))', h)).toBe(2);
    expect(await ask('count(trap(phase!=enter))', h)).toBe(2);
    expect(await ask('seq(trap[-1])', h)).toBe(9);
    expect(await ask('bit(got(silent[0]), 9) - bit(asked(silent[0]), 9)', h)).toBe(1);
    expect(await ask('text(console[0])', h)).toBe('hi\n');
    expect(await ask('lines(1)', h)).toBe(2);
    expect(await ask('hypercall(name=console_io)[7]', h)).toBeUndefined();
  });
  it('happened looks at the cursor, not at the known future', async () => {
    expect(await holds('happened(silent[0])', host(printed(0), 9))).toBe(false);
    expect(await holds('happened(silent[0])', host(printed(0), 10))).toBe(true);
    expect(await holds('happened(upcall[0])', host(printed(0)))).toBe(false);
  });
  it('compares and joins', async () => {
    const h = host(printed(0));
    expect(await holds('traps == 2 and not refusals > 1', h)).toBe(true);
    expect(await holds('traps < 2 or silents >= 1', h)).toBe(true);
    expect(await holds("text(console[0]) == 'no'", h)).toBe(false);
  });
  it('says what it cannot read', async () => {
    expect(() => parseQuery('who(console[0]')).toThrow('“)” expected at the end');
    expect(() => parseQuery('who(console[0])) ')).toThrow('“)” is too much');
    expect(() => parseQuery('a ? b')).toThrow('“? b”');
    await expect(ask('nonsense', host([]))).rejects.toThrow('“nonsense” is nothing a tour can ask for');
  });
  it('fills text from the machine only', async () => {
    expect(
      await interpolate('{{instructions}} ran, {{count(console)}} print, {{asked}} asked', host(printed(0))),
    ).toBe('1,234 ran, 1 print, 3 asked');
    await expect(interpolate('{{answer}}', host([]))).rejects.toThrow('answer');
  });
});

describe('tours', () => {
  const source =
    '---\nlab: hello\ntitle: T\n---\n\n## One\nbutton: Go\ndo: run\nuntil: ended\n\nText.\n\n## Two\nask: Who?\n- xen: Xen\n- guest: kernel\nanswer: who(console[0])\n\nBefore.\n---\nAfter.\n';
  it('reads sections, properties, choices, before and after', () => {
    const tour = parseTour('x', source);
    expect(tour).toMatchObject({ lab: 'hello', title: 'T', mystery: false });
    expect(tour.stops.map((s) => [s.heading, s.before, s.after])).toEqual([
      ['One', 'Text.', ''],
      ['Two', 'Before.', 'After.'],
    ]);
    expect(tour.stops[1]).toMatchObject({
      ask: 'Who?',
      choices: [
        { id: 'xen', text: 'Xen' },
        { id: 'guest', text: 'kernel' },
      ],
    });
  });
  it.each([
    ['an unknown property', source.replace('button:', 'buton:'), 7, 'buton'],
    ['a broken query', source.replace('who(console[0])', 'who(console[0]'), 17, 'answer'],
    ['a question without answer', source.replace('answer: who(console[0])\n', ''), 13, 'answer'],
    ['front matter without end', '---\nlab: hello\n', 3, '---'],
  ])('names the line of %s', (_, text, line, words) => {
    try {
      parseTour('x', text);
      expect.unreachable();
    } catch (e) {
      expect(e).toBeInstanceOf(TourError);
      expect((e as TourError).line).toBe(line);
      expect((e as TourError).message).toContain(words);
    }
  });
  it('reads layouts', () =>
    expect(parseLayout('control | code + console:1')).toEqual([['control'], ['code', 'console:1']]));

  const dir = 'public/tours';
  const files = readdirSync(dir).filter((f) => f.endsWith('.en.md'));
  it('ships four', () => expect(files.length).toBeGreaterThanOrEqual(4));
  it.each(files)('%s reads, and its Korean twin does and asks the same', (file) => {
    const en = parseTour('t', readFileSync(`${dir}/${file}`, 'utf8'));
    const ko = parseTour('t', readFileSync(`${dir}/${file.replace('.en.', '.ko.')}`, 'utf8'));
    const bones = (s: Stop) => [
      s.action,
      s.enter,
      s.until,
      s.answer,
      s.evidence,
      s.edit,
      s.choices.map((c) => c.id),
      s.also.map((a) => a.action),
    ];
    expect(ko.stops.map(bones)).toEqual(en.stops.map(bones));
    expect([ko.lab, ko.next, ko.mystery]).toEqual([en.lab, en.next, en.mystery]);
    for (const s of [...en.stops, ...ko.stops])
      for (const m of `${s.before}\n${s.after}`.matchAll(/\{\{([^}]+)\}\}/g))
        expect(() => parseQuery(m[1]!)).not.toThrow();
  });
});
