// Mutation: delete a reference-count or type check, or change a description, and something must speak: a conformance guest says FAIL, the audit
// finds a difference, or a named unit test fails. Works on a copy of the sources; the tree itself is never touched.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Mutation {
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
}

const INFO = 'src/hypervisor/page-info.ts',
  OPS = 'src/hypervisor/mmu-ops.ts',
  TABLES = 'src/hypervisor/pagetables.ts',
  DESC = 'src/hypervisor/descriptor-check.ts',
  DESCS = 'src/hypervisor/descriptors.ts',
  MEMORY = 'src/hypervisor/memory-op.ts';
const PT = ['test-page-tables'],
  DT = ['test-descriptors'];
/** The unit tests of the memory management, for what no guest notices. */
const MM = ['src/hypervisor/mm-'];

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'superpages are accepted in L2',
    file: INFO,
    find: "ok(x, 'pde.superpage', (lo & PTE_PSE) === 0",
    replace: "ok(x, 'pde.superpage', true",
    guests: PT,
    tests: MM,
  },
  {
    name: 'cache attributes are accepted in L1',
    file: INFO,
    find: "ok(x, 'pte.flags', (lo & (PTE_PWT | PTE_PCD | PTE_PSE)) === 0",
    replace: "ok(x, 'pte.flags', true",
    guests: PT,
    tests: MM,
  },
  {
    name: 'addresses beyond the machine are accepted',
    file: INFO,
    find: "ok(x, 'pte.reserved-bits', (hi & RESERVED_HI) === 0",
    replace: "ok(x, 'pte.reserved-bits', true",
    guests: PT,
    tests: MM,
  },
  {
    name: 'frames of others may be mapped',
    file: INFO,
    find: 'count >= MAX_COUNT || !ownedBy(x, mfn, d)',
    replace: 'count >= MAX_COUNT',
    guests: PT,
    tests: MM,
  },
  {
    name: 'a writable mapping takes no type',
    file: INFO,
    find: 'takeType(x, mfn, PGT_writable_page, fd) === 0, mfn, typeOf(x, mfn), lo)',
    replace: 'true, mfn, 0, lo)',
    guests: PT,
    tests: MM,
  },
  {
    name: 'an L1 entry gives no reference back',
    file: INFO,
    find: 'if ((lo & PTE_RW) !== 0) putPageType(x, frameOf(lo));\n  putPage(x, frameOf(lo));',
    replace: '',
    guests: PT,
    tests: MM,
  },
  {
    name: 'a writable L1 entry keeps its type reference',
    file: INFO,
    find: 'if ((lo & PTE_RW) !== 0) putPageType(x, frameOf(lo));',
    replace: '',
    guests: PT,
    tests: MM,
  },
  {
    name: 'types are not exclusive',
    file: INFO,
    find: 'if (!same) return -ERRNO.EINVAL;',
    replace: '',
    guests: PT,
    tests: MM,
  },
  {
    name: 'tables are not validated',
    file: INFO,
    find: 'const rc = validate(x, mfn, type, d, xenL2);',
    replace: 'const rc = 0 * validate.length;',
    guests: PT,
    tests: MM,
  },
  {
    name: 'tables are not devalidated',
    file: INFO,
    find: 'if ((type & PGT_validated) !== 0) devalidate(x, mfn, type);',
    replace: 'void devalidate;',
    guests: PT,
    tests: MM,
  },
  {
    name: 'a failed validation undoes nothing',
    file: INFO,
    find: 'for (let k = i - 1; k >= 0; k--)',
    replace: 'for (let k = -1; k >= 0; k--)',
    guests: PT,
    tests: MM,
  },
  {
    name: 'an L3 without slot 3 is accepted',
    file: INFO,
    find: "type === PGT_l3_page_table && !ok(x, 'pdpte.slot3-present'",
    replace: "false && !ok(x, 'pdpte.slot3-present'",
    guests: PT,
    tests: MM,
  },
  {
    name: 'RW counts as a free flag (XSA-182)',
    file: OPS,
    find: 'const FREE_LO = PTE_US |',
    replace: 'const FREE_LO = 2 | PTE_US |',
    guests: PT,
    tests: MM,
  },
  {
    name: 'a live L3 may lose slot 3',
    file: OPS,
    find: "!x.check('pdpte.slot', slot < 3, slot)",
    replace: "!x.check('pdpte.slot', true, slot)",
    guests: PT,
    tests: MM,
  },
  {
    name: "Xen's slots may be written",
    file: OPS,
    find: "!x.check('pde.xen-slot', slot < FIRST_XEN_L2_SLOT, slot)",
    replace: "!x.check('pde.xen-slot', true, slot)",
    guests: PT,
    tests: MM,
  },
  {
    name: 'an update forgets the old entry',
    file: OPS,
    find: 'putFromEntry(x, kind, oldLo, oldHi);',
    replace: 'void putFromEntry;',
    guests: PT,
    tests: MM,
  },
  {
    name: 'a table is written like plain memory',
    file: OPS,
    find: 'if (liveTable(type)) rc =',
    replace: 'if (liveTable(0)) rc =',
    guests: PT,
    tests: MM,
  },
  {
    name: 'a table may be pinned twice',
    file: TABLES,
    find: "x.check('pin.once', (x.m.r32(at) & PGT_pinned) === 0, mfn)",
    replace: "x.check('pin.once', true, mfn)",
    guests: PT,
    tests: MM,
  },
  {
    name: 'unpinning keeps the references',
    file: TABLES,
    find: "m.w32(at, (m.r32(at) & ~PGT_pinned) >>> 0);\n    putPageAndType(x, mfn);\n    x.act('page.unpin'",
    replace: "m.w32(at, (m.r32(at) & ~PGT_pinned) >>> 0);\n    x.act('page.unpin'",
    guests: PT,
    tests: MM,
  },
  {
    name: 'a new CR3 keeps the old tables',
    file: TABLES,
    find: 'if (old !== INVALID_MFN) putPageAndType(x, old);',
    replace: '',
    guests: PT,
    tests: MM,
  },
  {
    name: 'ring 0 descriptors are accepted',
    file: DESC,
    find: '(hi & DPL) === 0 ? hi | 0x2000 : hi',
    replace: 'hi',
    guests: DT,
    tests: MM,
  },
  {
    name: 'interrupt gates are accepted',
    file: DESC,
    find: 'if ((hi & TYPE) !== 0x0c00 || (hi & 0xe0) !== 0) return undefined;',
    replace: '',
    guests: DT,
    tests: MM,
  },
  {
    name: 'an old GDT keeps its frames',
    file: DESCS,
    find: 'putPageAndType(x, m.r32(p + XVCPU.gdtFrames + 4 * i));',
    replace: '',
    guests: DT,
    tests: MM,
  },
  {
    name: 'given-back frames stay reserved',
    file: MEMORY,
    find: 'return releaseReservation(x, d, mfn);',
    replace: 'return releaseReservation.length > 0 && mfn > 0 && d > 0;',
    guests: ['test-memory-op'],
    tests: MM,
  },
  {
    name: 'frames that Xen shares may become tables',
    file: 'src/hypervisor/page-alloc.ts',
    find: 'x.m.w32(page + PAGE.type, (PGT_writable_page | 1) >>> 0);',
    replace: 'void PGT_writable_page;',
    tests: ['src/hypervisor/page-info.test.ts'],
  },
  {
    name: 'ADC subtracts',
    file: 'src/isa/semantics/arithmetic.ts',
    find: "r = b.add(b.add(a, c), b.flag('cf'));",
    replace: "r = b.sub(b.sub(a, c), b.flag('cf'));",
    tests: ['src/cpu/vectors.test.ts', 'src/isa/explain.test.ts'],
    all: true,
  },
];

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
  for (const test of mutation.all
    ? (mutation.tests ?? [])
    : [mutation.tests ?? []].filter((t) => t.length > 0)) {
    const { code, out } = await run(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--maxWorkers=1', '--bail=1', ...[test].flat()],
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

/** `mutate WORD…` runs those whose name contains one of the words. */
async function main(words: readonly string[]): Promise<number> {
  const chosen = MUTATIONS.filter((m) => words.length === 0 || words.some((word) => m.name.includes(word)));
  const waiting = [...chosen].sort((a, b) => (b.all ? 1 : 0) - (a.all ? 1 : 0));
  const unnoticed: Mutation[] = [];
  await Promise.all(Array.from({ length: WORKERS }, () => worker(waiting, unnoticed)));
  console.log(`${chosen.length - unnoticed.length} passed, ${unnoticed.length} failed`);
  return unnoticed.length === 0 ? 0 : 1;
}

/** Replaces `find` whatever its line breaks: the formatter may have folded it. */
function substitute(text: string, find: string, replace: string): string {
  const pattern = find
    .trim()
    .split(/\s+/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('\\s*');
  return text.replace(new RegExp(pattern), () => replace);
}

process.exitCode = await main(process.argv.slice(2));
