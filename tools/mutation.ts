// The mutation runner: each change is made in a copy of the sources, and something must speak: a conformance guest says FAIL, the audit finds a
// difference, or a named unit test fails. The tree itself is never touched.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Guests of public/guests that are run with --audit. */
  readonly guests?: readonly string[];
  /** Unit tests that are run when no guest has noticed. */
  readonly tests?: readonly string[];
  /** Each of the tests must fail, not just one. */
  readonly all?: boolean;
  /** The one test of these files, by its title, that must fail by itself. */
  readonly title?: string;
}

const ROOT = new URL('..', import.meta.url).pathname;

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    });
    let out = '';
    child.stdout.on('data', (b) => {
      out += b;
    });
    child.stderr.on('data', (b) => {
      out += b;
    });
    child.on('close', (code) => resolve({ code, out }));
  });
}

/** What spoke, or undefined for silence. */
async function verdict(mutation: Mutation, cwd: string): Promise<string | undefined> {
  for (const guest of mutation.guests ?? []) {
    const { code, out } = await run(
      process.execPath,
      [
        '--import',
        'tsx',
        'src/cli/main.ts',
        'boot',
        `public/guests/${guest}/${guest}.elf`,
        '--memory',
        '8',
        '--audit',
        '--max-ticks',
        '20000000',
      ],
      cwd,
    );
    const said = /^(FAIL.*|audit: (?!0 differences).*)$/m.exec(out)?.[1];
    if (said) return `${guest}: ${said}`;
    if (code !== 0 || !/^PASS /m.test(out)) return `${guest}: exit ${code}`;
  }
  const heard: string[] = [];
  const only =
    mutation.title === undefined ? [] : ['-t', `${escaped(mutation.title).replaceAll(/%[a-z]/g, '.*')}$`];
  for (const test of mutation.all
    ? (mutation.tests ?? [])
    : [mutation.tests ?? []].filter((t) => t.length > 0)) {
    const { code, out } = await run(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--maxWorkers=1', '--bail=1', ...only, ...[test].flat()],
      cwd,
      { NO_COLOR: '1', NODE_OPTIONS: '' },
    );
    if (code === 0) return undefined;
    heard.push(/FAIL +(.*)/.exec(out)?.[1] ?? `vitest exit ${code}`);
  }
  return heard.length > 0 ? heard.join(' and ') : undefined;
}

/** A copy of what is needed; the tree itself is never touched. */
function copyTree(): string {
  const work = mkdtempSync(join(tmpdir(), 'ringside-mutate-'));
  for (const name of ['src', 'public', 'package.json', 'tsconfig.json', 'vitest.config.ts', 'tools'])
    cpSync(join(ROOT, name), join(work, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(work, 'node_modules'));
  return work;
}

/** Takes mutations off the list until none is left. Returns those that nobody noticed. */
async function worker(waiting: Mutation[], unnoticed: Mutation[]): Promise<void> {
  const work = copyTree();
  try {
    for (let mutation = waiting.shift(); mutation; mutation = waiting.shift()) {
      const path = join(work, mutation.file);
      const text = readFileSync(path, 'utf8');
      const changed = substitute(text, mutation.find, mutation.replace);
      if (changed === text) {
        console.log(`✗ ${mutation.name}: the text to change is not in ${mutation.file}`);
        unnoticed.push(mutation);
        continue;
      }
      writeFileSync(path, changed);
      const said = await verdict(mutation, work);
      writeFileSync(path, text);
      if (said === undefined) unnoticed.push(mutation);
      console.log(`${said === undefined ? '✗' : '✓'} ${mutation.name}: ${said ?? 'nobody noticed'}`);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const WORKERS = 2;

/** Runs those whose name contains one of the words, all without words; the exit code is 0 when each was noticed. */
export async function runMutations(
  mutations: readonly Mutation[],
  words: readonly string[],
): Promise<number> {
  const chosen = mutations.filter((m) => words.length === 0 || words.some((word) => m.name.includes(word)));
  const waiting = [...chosen].sort((a, b) => (b.all ? 1 : 0) - (a.all ? 1 : 0));
  const unnoticed: Mutation[] = [];
  await Promise.all(Array.from({ length: WORKERS }, () => worker(waiting, unnoticed)));
  console.log(`${chosen.length - unnoticed.length} passed, ${unnoticed.length} failed`);
  return unnoticed.length === 0 ? 0 : 1;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Replaces `find` whatever its line breaks: the formatter may have folded it. */
function substitute(text: string, find: string, replace: string): string {
  const pattern = find.trim().split(/\s+/).map(escaped).join('\\s*');
  return text.replace(new RegExp(pattern), () => replace);
}
