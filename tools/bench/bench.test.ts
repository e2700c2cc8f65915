// What the bench makes of its measurements: no time is asserted anywhere, so the arithmetic is.

import { describe, expect, it } from 'vitest';
import { type Comparison, ratios, report } from './peer/compare.ts';
import { SerialReader } from './peer/run.ts';
import { geometricMean, median, spread } from './statistics.ts';

const cell = (rates: number[]) => ({
  rates,
  runs: rates.map((rate) => ({ iterations: 10, checksum: '0', ms: 10_000 / rate, startMs: 12, ticks: 1e6 })),
});
const comparison = (interpreter: number[], v86: number[]): Comparison => ({
  machine: 'a computer',
  rounds: interpreter.length,
  cells: { sieve: { interpreter: cell(interpreter), v86: cell(v86) } },
  problems: [],
});

describe('the bench', () => {
  it('takes medians, spreads and geometric means', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(spread([10, 10, 10, 10, 10])).toBe(0);
    expect(spread([8, 9, 10, 11, 12])).toBeCloseTo(0.1);
    expect(geometricMean([0.1, 10])).toBeCloseTo(1);
  });

  it('compares what ran next to each other', () => {
    // The second round was disturbed as a whole: its ratio is as good as any.
    expect(ratios(comparison([40, 10, 41], [100, 25, 100]), 'interpreter')).toEqual([
      { name: 'sieve', ratio: 0.4 },
    ]);
  });

  it('says plainly what was missed and what was reached', () => {
    const good = report(comparison([40, 40], [100, 100]));
    expect(good).toContain('reached  geometric mean 0.40, wanted 0.3');
    expect(good).not.toContain('MISSED');
    const bad = report(comparison([10, 10], [100, 100]));
    expect(bad).toContain('MISSED   geometric mean 0.10, wanted 0.3');
    expect(bad).toContain('except sieve 0.10');
  });

  it('reports whatever ran, and what failed', () => {
    const cells = comparison([40], [100]).cells['sieve']!;
    const of = (row: object): Comparison => ({
      machine: 'a computer',
      rounds: 1,
      cells: { sieve: row },
      problems: ['sieve: no result'],
    });
    expect(report(of({ interpreter: cells.interpreter }))).toMatch(/sieve.* 40.0 .*–/);
    expect(report(of({ v86: cells.v86 }))).toContain('100 ±0 %');
    expect(report(of({ reference: cells.interpreter, v86: cells.v86 }))).toContain('reference: 0.40 of v86');
    expect(report({ ...of({}), cells: {} })).toContain('WRONG sieve: no result');
  });
  it('reads the serial line and refuses iterations that differ', () => {
    const reader = new SerialReader();
    const feed = (text: string) => [...text].map((c) => reader.byte(c.charCodeAt(0))).at(-1);
    expect(feed('SeaBIOS (x)\r\nBEGIN sieve 60\n')).toMatchObject({ kind: 'begin', iterations: 60 });
    expect(feed('END 0123abcd\n')).toMatchObject({ kind: 'end', checksum: '0123abcd' });
    expect(() => feed('DIFFERS 00000001 00000002\n')).toThrow('iterations of one run differ');
  });
});
