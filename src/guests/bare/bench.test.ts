// The workloads of the bench compute what they should: what the host's processor computes from the same sources, and what v86 computes
// where the host cannot run them.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { need } from '../../../tools/need.ts';
import { perform } from '../../../tools/bench/peer/compare.ts';
import { WORKLOADS } from '../../../tools/bench/peer/workloads.ts';
import { runBare } from './testing.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const image = (name: string): string =>
  fileURLToPath(new URL(`../../../public/guests/bare/bench-${name}.elf`, import.meta.url));
/** These use ring 0: no program of the host can. */
const RING0 = ['pages', 'ports', 'traps'];

/** One iteration on the interpreter. */
function checksum(name: string): string {
  const { text, status } = runBare({
    engine: 'interpreter',
    kernel: `bench-${name}.elf`,
    cmdline: 'repeat=0',
  });
  expect(status, text).toBe(0);
  const [begin, end] = text.split('\n');
  expect(begin).toBe(`BEGIN ${name} 0`);
  return /^END ([0-9a-f]{8})$/.exec(end ?? '')?.[1] ?? text;
}

need('gcc-m32', 'nasm')('workloads on the host', () => {
  let workspace = '';
  beforeAll(() => {
    workspace = mkdtempSync(join(tmpdir(), 'bench-test-'));
  });
  afterAll(() => rmSync(workspace, { recursive: true }));

  it.each(WORKLOADS.map((w) => w.name).filter((name) => !RING0.includes(name)))('%s', (name) => {
    const main = join(workspace, 'main.c'),
      program = join(workspace, name);
    writeFileSync(
      main,
      `#include <stdio.h>\n#include "bench.h"\nint main(void) { bench_prepare(); printf("%08x", bench_iteration()); }\n`,
    );
    const sources = [main, join(here, 'bench', `${name}.c`)];
    if (existsSync(join(here, 'bench', `${name}.asm`))) {
      const object = join(workspace, `${name}.o`);
      execFileSync('nasm', ['-f', 'elf32', '-o', object, join(here, 'bench', `${name}.asm`)]);
      sources.push(object);
    }
    execFileSync('gcc', ['-m32', '-O1', `-I${join(here, 'bench')}`, '-o', program, ...sources]);
    expect(checksum(name)).toBe(execFileSync(program, { encoding: 'utf8' }));
  });
});

describe('workloads on v86', () => {
  it.each(RING0)('%s', async (name) => {
    const run = await perform({ peer: 'v86', image: image(name), repeat: 0, warm: 0 });
    expect(checksum(name)).toBe(run.checksum);
  });
});
