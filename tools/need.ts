// Tests against programs we did not write skip by name where the program is missing, and fail where a full run was
// promised (RINGSIDE_NO_SKIP).

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';

const found = new Map<string, boolean>();

/** Whether `program` (a name searched in PATH, or an absolute file) can be used; 'gcc-m32' asks for a compiler whose 32-bit programs run. */
export function has(program: string): boolean {
  let known = found.get(program);
  if (known === undefined) {
    known = look(program);
    found.set(program, known);
  }
  return known;
}

function look(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program);
  if (program === 'gcc-m32') return compilesAndRuns32();
  return spawnSync('sh', ['-c', 'command -v "$0"', program]).status === 0;
}

function compilesAndRuns32(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-need-'));
  try {
    const program = join(folder, 'a');
    const source = '#include <stdio.h>\nint main(void) { return 42; }\n';
    const compiled = spawnSync('gcc', ['-m32', '-static', '-x', 'c', '-', '-o', program], { input: source });
    return compiled.status === 0 && spawnSync(program).status === 42;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * `need('nasm')('what is proved', () => { … })` is `describe` when every program is there. Otherwise the group is skipped with the
 * missing names in its title; with RINGSIDE_NO_SKIP set it runs all the same, and fails.
 */
export function need(...programs: string[]): (title: string, body: () => void) => void {
  const missing = programs.filter((program) => !has(program));
  if (missing.length === 0 || process.env['RINGSIDE_NO_SKIP']) return describe;
  return (title, body) => describe.skip(`${title} (needs ${missing.join(', ')})`, () => body());
}
