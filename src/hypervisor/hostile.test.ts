import { describe, expect, it } from 'vitest';
import { Hostile } from './hostile-testing.ts';

/** HOSTILE_CALLS=20000 for a short run, HOSTILE_SEED=7 for another one. */
const CALLS = Number(process.env['HOSTILE_CALLS'] ?? 1_000_000),
  SEED = Number(process.env['HOSTILE_SEED'] ?? 20260722);

describe('a guest that makes random hypercalls and page-table edits from ring 1', () => {
  it(`${CALLS} calls: no exception, no hang, a silent audit, a rule behind every refusal, no frame lost`, () => {
    const h = new Hostile(SEED);
    h.run(CALLS);
    if (h.report.problems.length === 0) h.finish();
    const { byName, problems, ...figures } = h.report;
    console.log(figures);
    expect(problems).toEqual([]);
    expect(figures.calls).toBe(CALLS);
    expect(figures.audits).toBeGreaterThanOrEqual(CALLS / 1000);
    expect(figures.longestMs).toBeLessThan(5000);
    // Both answers of what matters most: a run in which nothing succeeds proves little.
    for (const name of [
      'mmu_update',
      'update_va_mapping',
      'mmuext_op',
      'memory_op',
      'grant_table_op',
      'event_channel_op',
      'set_gdt',
      'multicall',
    ]) {
      expect(byName.get(name)?.served ?? 0, `${name} served`).toBeGreaterThan(CALLS / 500);
      expect(byName.get(name)?.refused ?? 0, `${name} refused`).toBeGreaterThan(CALLS / 500);
    }
  }, 1_200_000);
});
