// Makes CPU test vectors from this host's processor: random single instructions, driven by the opcode table, run natively in
// 32-bit protected mode at CPL 3 and written as JSON lines for `ringside cpu-test`.
//
//   node --import tsx tools/vectors/generate.ts --seed N --count N --out FILE[.gz] [--group NAME]
//   node --import tsx tools/vectors/generate.ts --seed 1 --committed src/cpu/vectors
//
// The second form makes the committed set, a file a group, and the report of what it covers.

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { Vector } from '../../src/cli/vector-format.ts';
import { TABLE } from '../../src/isa/table.ts';
import { type Case, makeCase } from './cases.ts';
import { type Cell, cells, weight } from './cells.ts';
import { coverageOf, coverageReport } from './coverage.ts';
import { cpuName, Native } from './native.ts';
import { type Random, random } from './random.ts';
import { randomCase } from './random-bytes.ts';
import { dependsOnHost, toVector } from './vector.ts';

/** Groups of the committed files, by semantics; whatever is in none is 'system'. */
const GROUPS: Readonly<Record<string, RegExp>> = {
  arithmetic:
    /^(add|adc|sub|sbb|cmp|inc|dec|neg|mul|imul|imul2|imul3|div|idiv|cbw|cwd|xadd|cmpxchg|cmpxchg8b)$/,
  logic: /^(and|or|xor|not|test|daa|das|aaa|aas|aam|aad|setcc|cmovcc|cmc|clc|stc|cld|std|lahf|sahf|salc)$/,
  shift: /^(shl|shr|sar|rol|ror|rcl|rcr|shld|shrd)$/,
  bits: /^(bt|bts|btr|btc|bsf|bsr|bswap|movzx|movsx|xlat|lea|arpl|bound)$/,
  move: /^(mov|xchg|push|pop|pusha|popa|pushf|popf|enter|leave|push_sreg|pop_sreg|mov_from_sreg|mov_to_sreg|l[defgs]s)$/,
  string: /^(movs|cmps|stos|lods|scas|ins|outs)$/,
  control: /^(jcc|jmp|jmpf|call|callf|ret|retf|iret|int|int1|int3|into|loop|loope|loopne|jecxz|nop)$/,
};
/** Vectors of each committed file: several rounds over the group's cells. 'bytes' are sequences that no table chose. */
const COMMITTED: Readonly<Record<string, number>> = {
  arithmetic: 13_000,
  logic: 9_000,
  shift: 9_000,
  bits: 5_000,
  move: 8_000,
  string: 5_000,
  control: 6_000,
  system: 2_000,
  bytes: 3_000,
};
const RANDOM_BYTES = 'bytes';
const groupOf = (semantics: string): string =>
  Object.entries(GROUPS).find(([, pattern]) => pattern.test(semantics))?.[0] ?? 'system';

/** A test of the cell, or undefined when none of many draws could be run safely. */
export function drawCase(cell: Cell, rng: Random): Case | undefined {
  for (let attempt = 0; attempt < 60; attempt++) {
    const one = makeCase(cell, rng);
    if (one !== undefined) return one;
  }
  return undefined;
}

/** Cases of one round over `all`, each with its cell. */
function drawRound(all: readonly Cell[], rng: Random): { cell: Cell; one: Case }[] {
  return all.flatMap((cell) =>
    Array.from({ length: weight(cell) }, () => drawCase(cell, rng)).flatMap((one) =>
      one === undefined ? [] : [{ cell, one }],
    ),
  );
}

export interface Generated {
  readonly vectors: readonly Vector[];
  readonly cells: number;
  readonly missed: readonly Cell[];
}

/** Vectors of random bytes. */
function generateBytes(native: Native, rng: Random, count: number, cpu: string): Generated {
  const vectors: Vector[] = [];
  while (vectors.length < count) {
    const drawn = Array.from({ length: 500 }, () => randomCase(rng, native.low)).flatMap((one) => one ?? []);
    native.run(drawn).forEach((answer, i) => {
      if (!dependsOnHost(drawn[i]!, answer) && vectors.length < count)
        vectors.push(toVector(drawn[i]!, answer, cpu, native.low));
    });
  }
  return { vectors, cells: 0, missed: [] };
}

/** `count` vectors of `group` (all of the table when undefined), every cell in turn. */
export function generate(seed: number, count: number, group?: string): Generated {
  const rng = random(seed);
  const native = new Native();
  try {
    const cpu = cpuName();
    if (group === RANDOM_BYTES) return generateBytes(native, rng, count, cpu);
    const all = cells(TABLE, native.low).filter(
      (cell) => group === undefined || groupOf(cell.form.semantics) === group,
    );
    if (all.length === 0) throw new Error(`no form belongs to group '${group}'`);
    const vectors: Vector[] = [];
    const seen = new Set<Cell>();
    for (let round = 0; vectors.length < count && round < 1000; round++) {
      const drawn = drawRound(all, rng);
      const answers = native.run(drawn.map(({ one }) => one));
      drawn.forEach(({ cell, one }, i) => {
        const answer = answers[i];
        if (vectors.length >= count || dependsOnHost(one, answer)) return;
        seen.add(cell);
        vectors.push(toVector(one, answer, cpu, native.low));
      });
    }
    return { vectors, cells: all.length, missed: all.filter((cell) => !seen.has(cell)) };
  } finally {
    native.dispose();
  }
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

function write(seed: number, count: number, out: string, group?: string): readonly Vector[] {
  const { vectors, cells: total, missed } = generate(seed, count, group);
  const text = vectors.map((vector) => JSON.stringify(vector)).join('\n') + '\n';
  writeFileSync(out, out.endsWith('.gz') ? gzipSync(text, { level: 9 }) : text);
  const met = `${total - missed.length} of ${total} cells (form, sizes, register or memory, segments)`;
  console.error(`${out}: ${vectors.length} vectors, ${met}`);
  for (const { form, opSize, addrSize, kind, world } of missed)
    console.error(`  none of ${form.opcode} ${form.mnemonic} ${opSize}/${addrSize} ${kind} ${world}`);
  return vectors;
}

function writeCommitted(seed: number, folder: string): void {
  const all: Vector[] = [];
  for (const [group, size] of Object.entries(COMMITTED))
    all.push(...write(seed, size, `${folder}/${group}.jsonl.gz`, group));
  writeFileSync(`${folder}/COVERAGE.md`, coverageReport(coverageOf(all)));
}

function main(): void {
  const seed = Number(option('seed') ?? 1),
    count = Number(option('count') ?? 1000);
  const out = option('out'),
    committed = option('committed');
  if (committed !== undefined) writeCommitted(seed, committed);
  else if (out !== undefined && Number.isInteger(seed) && Number.isInteger(count))
    write(seed, count, out, option('group'));
  else {
    console.error(
      'usage: generate.ts --seed N (--count N --out FILE[.gz] [--group NAME] | --committed FOLDER)',
    );
    process.exitCode = 2;
  }
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').pop() ?? '?'))
  main();
