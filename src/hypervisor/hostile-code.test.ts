import { expect, it } from 'vitest';
import { Hostile } from './hostile-testing.ts';

/** HOSTILE_ROUNDS=100000 for a long run, HOSTILE_SEED=7 for another one. */
const ROUNDS = Number(process.env['HOSTILE_ROUNDS'] ?? 1500),
  SEED = Number(process.env['HOSTILE_SEED'] ?? 20261123);

it(`code of a guest's own, ${ROUNDS} times in a context of its own, between random calls: it stays outside ring 0, its tables and its flags are Xen's, the audit is silent`, () => {
  const h = new Hostile(SEED);
  h.wander(ROUNDS);
  if (h.report.problems.length === 0) h.finish();
  const { byName: _, problems, ...figures } = h.report;
  console.log(figures);
  expect(problems).toEqual([]);
  expect(figures.wild).toBeGreaterThan(ROUNDS / 2);
  expect(figures.wildTicks).toBeGreaterThan(ROUNDS * 8);
  expect(figures.audits).toBeGreaterThanOrEqual(ROUNDS / 25);
}, 1_200_000);
