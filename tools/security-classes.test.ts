import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from './mutations.ts';
import { SECURITY_CLASSES } from './security-classes.ts';

const SRC = new URL('../src/', import.meta.url).pathname;
/** A test file without comments and without groups that may be skipped. */
const source = (file: string): string =>
  readFileSync(SRC + file, 'utf8')
    .replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    .replace(/^describe\.(?:skip|todo|skipIf|runIf)[\s\S]*?^\}\);/gm, '');
/** Titles of the tests of a file that are run. */
function titles(file: string): string[] {
  const call = /(?<![\w.])(?:it|test)(?:\.each\((?:[^()]|\([^()]*\))*\))?\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g;
  return [...source(file).matchAll(call)].map((m) => m[2]!.replaceAll('\\', ''));
}

describe('the security classes', () => {
  it('are 52, each once', () => {
    expect(SECURITY_CLASSES.map((c) => c.number)).toEqual(Array.from({ length: 52 }, (_, i) => i + 1));
    for (const c of SECURITY_CLASSES) expect([c.number, c.tests.length > 0]).toEqual([c.number, true]);
  });
  it.each(SECURITY_CLASSES.map((c) => [c.number, c.name, c] as const))(
    '%i, %s: its tests are there and run',
    (_number, _name, c) => {
      for (const [file, title] of c.tests)
        expect([file, titles(file).filter((t) => t === title)]).toEqual([file, [title]]);
      if (c.guest) expect(existsSync(`${SRC}../public/guests/${c.guest}/${c.guest}.elf`)).toBe(true);
    },
  );
  it('are answered by files in which no single test is left out', () => {
    for (const file of new Set(SECURITY_CLASSES.flatMap((c) => c.tests.map(([f]) => f))))
      expect([file, /\.(skip|todo|only|skipIf|runIf)\b/.exec(source(file))?.[0]]).toEqual([file, undefined]);
  });
  it('are made on purpose by mutations that exist, each heard by a test that answers for the class', () => {
    for (const c of SECURITY_CLASSES)
      for (const name of c.mutations ?? []) {
        const found = MUTATIONS.filter((m) => m.name === name);
        expect([name, found.length]).toEqual([name, 1]);
        const { tests = [], title } = found[0]!;
        const heard = c.tests.some(
          ([file, t]) => tests.some((path) => `src/${file}`.startsWith(path)) && (title ?? t) === t,
        );
        expect([c.number, name, heard]).toEqual([c.number, name, true]);
      }
  });
});
