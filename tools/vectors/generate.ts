// Makes CPU test vectors from this host's processor: random single instructions, driven by the opcode table, run natively in
// 32-bit protected mode at CPL 3 and written as JSON lines for `ringside cpu-test`.
//
//   node --import tsx tools/vectors/generate.ts --seed N --count N --out FILE[.gz] [--group NAME]
//   node --import tsx tools/vectors/generate.ts --seed 1 --committed src/cpu/vectors
//
// The second form makes the committed set, a file a group.

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { TABLE, undefinedFlags } from '../../src/isa/table.ts';
import {
  type Case,
  type Cell,
  CODE,
  cells,
  makeCase,
  PAGE,
  USER_CS,
  USER_DS,
  WINDOWS,
  weight,
} from './cases.ts';
import { type Answer, cpuName, Native } from './native.ts';
import { random } from './random.ts';

/** Groups of the committed files, by semantics; whatever is in none is 'system'. */
const GROUPS: Readonly<Record<string, RegExp>> = {
  arithmetic:
    /^(add|adc|sub|sbb|cmp|inc|dec|neg|mul|imul|imul2|imul3|div|idiv|cbw|cwd|xadd|cmpxchg|cmpxchg8b)$/,
  logic: /^(and|or|xor|not|test|daa|das|aaa|aas|aam|aad|setcc|cmovcc|cmc|clc|stc|cld|std|lahf|sahf)$/,
  shift: /^(shl|shr|sar|rol|ror|rcl|rcr|shld|shrd)$/,
  bits: /^(bt|bts|btr|btc|bsf|bsr|bswap|movzx|movsx|xlat|lea|arpl|bound)$/,
  move: /^(mov|xchg|push|pop|pusha|popa|pushf|popf|enter|leave|push_sreg|pop_sreg|mov_from_sreg|mov_to_sreg|l[defgs]s)$/,
  string: /^(movs|cmps|stos|lods|scas|ins|outs)$/,
  control: /^(jcc|jmp|jmpf|call|callf|ret|retf|iret|int|int3|into|loop|loope|loopne|jecxz|nop)$/,
};
/** Vectors of each committed file: about ten rounds over the group's cells. */
const COMMITTED: Readonly<Record<string, number>> = {
  arithmetic: 3200,
  logic: 2400,
  shift: 2400,
  bits: 1200,
  move: 1600,
  string: 1000,
  control: 1500,
  system: 500,
};
const groupOf = (semantics: string): string =>
  Object.entries(GROUPS).find(([, pattern]) => pattern.test(semantics))?.[0] ?? 'system';

const GPR_NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
const SEG_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const INITIAL_SEG = [USER_DS, USER_CS, USER_DS, USER_DS, 0, 0];
const TRAP_STEP = 1,
  TRAP_PF = 14,
  TRAP_AC = 17;
const HAS_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);
const LOWEST_UNMAPPED = 0x1000000;
const ARITHMETIC_FLAGS = 0x8d5;
/** Every EFLAGS bit a program sees, RF excepted: the trap itself sets it. */
const ALL_FLAGS = 0x003e7fd5;

const gprRecord = (gpr: readonly number[]): Record<string, number> =>
  Object.fromEntries(GPR_NAMES.map((name, i) => [name, gpr[i]!]));

/** One byte of every window, so that a reader of the vector knows which pages are there. */
function anchors(low: boolean): (readonly [number, number])[] {
  return WINDOWS.filter(({ start }) => start !== CODE && (low || start >= PAGE * 16)).flatMap(
    ({ start, size }) => Array.from({ length: size / PAGE }, (_, i) => [start + i * PAGE, 0] as const),
  );
}

function toVector(one: Case, answer: Answer, cpu: string): Record<string, unknown> {
  const faulted = answer.trap !== TRAP_STEP;
  // A repeated compare that faults midway: whether the flags are those of the last iteration or of before is the processor's affair.
  const midway = one.form.rep === 'repcc' && one.insn.rep !== 'none' ? ARITHMETIC_FLAGS : 0;
  const undefinedMask = faulted ? midway : undefinedFlags(one.insn, one.gpr[1]! & 0xff);
  const narrow = one.insn.addrSize === 16;
  const memory = new Map<number, number>([...anchors(narrow), ...one.memory]);
  const segments = SEG_NAMES.flatMap((name, i) =>
    answer.seg[i] !== INITIAL_SEG[i] || /sreg|^l[defgs]s$/.test(one.form.semantics)
      ? [[name, answer.seg[i]!]]
      : [],
  );
  return {
    name: one.name,
    mode: 'prot32',
    initial: {
      regs: { ...gprRecord(one.gpr), eip: one.eip, eflags: one.eflags },
      mem: [...memory].sort(([a], [b]) => a - b),
    },
    final: {
      regs: {
        ...gprRecord(answer.gpr),
        eip: answer.eip,
        eflags: answer.eflags,
        ...Object.fromEntries(segments),
        ...(answer.trap === TRAP_PF ? { cr2: answer.cr2 } : {}),
      },
      mem: answer.changed,
    },
    flagsMask: ALL_FLAGS & ~undefinedMask,
    ...(faulted ? { exception: answer.trap } : {}),
    ...(faulted && HAS_ERROR_CODE.has(answer.trap) ? { errorCode: answer.code } : {}),
    cpu,
  };
}

/** Whether a reader with other memory below 16 MiB, or without alignment checks, would see something else. */
function dependsOnHost(answer: Answer): boolean {
  return answer.trap === TRAP_AC || (answer.trap === TRAP_PF && answer.cr2 < LOWEST_UNMAPPED);
}

function draw(cell: Cell, rng: ReturnType<typeof random>): Case | undefined {
  for (let attempt = 0; attempt < 40; attempt++) {
    const one = makeCase(cell, rng);
    if (one !== undefined) return one;
  }
  return undefined;
}

/** `count` vectors of `group` (all groups when undefined), every cell of the table in turn. */
export function generate(
  seed: number,
  count: number,
  group?: string,
): { lines: string[]; cells: number; missed: Cell[] } {
  const rng = random(seed);
  const native = new Native();
  try {
    const all = cells(TABLE, native.low).filter(
      (cell) => group === undefined || groupOf(cell.form.semantics) === group,
    );
    if (all.length === 0) throw new Error(`no form belongs to group '${group}'`);
    const cpu = cpuName();
    const lines: string[] = [];
    const seen = new Set<Cell>();
    for (let round = 0; lines.length < count && round < 1000; round++) {
      const drawn = all.flatMap((cell) =>
        Array.from({ length: weight(cell) }, () => ({ cell, one: draw(cell, rng) })).flatMap(({ one }) =>
          one === undefined ? [] : [{ cell, one }],
        ),
      );
      const answers = native.run(drawn.map(({ one }) => one));
      drawn.forEach(({ cell, one }, i) => {
        const answer = answers[i]!;
        if (lines.length >= count || dependsOnHost(answer)) return;
        seen.add(cell);
        lines.push(JSON.stringify(toVector(one, answer, cpu)));
      });
    }
    return { lines, cells: all.length, missed: all.filter((cell) => !seen.has(cell)) };
  } finally {
    native.dispose();
  }
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

function write(seed: number, count: number, out: string, group?: string): void {
  const { lines, cells: total, missed } = generate(seed, count, group);
  const text = lines.join('\n') + '\n';
  writeFileSync(out, out.endsWith('.gz') ? gzipSync(text, { level: 9 }) : text);
  console.error(
    `${out}: ${lines.length} vectors, ${total - missed.length} of ${total} cells (form, sizes, register or memory)`,
  );
  for (const { form, opSize, addrSize, kind } of missed) {
    console.error(`  none of ${form.opcode} ${form.mnemonic} ${opSize}/${addrSize} ${kind}`);
  }
}

function main(): void {
  const seed = Number(option('seed') ?? 1),
    count = Number(option('count') ?? 1000);
  const out = option('out'),
    committed = option('committed');
  if (committed !== undefined) {
    for (const [group, size] of Object.entries(COMMITTED))
      write(seed, size, `${committed}/${group}.jsonl.gz`, group);
  } else if (out !== undefined && Number.isInteger(seed) && Number.isInteger(count)) {
    write(seed, count, out, option('group'));
  } else {
    console.error(
      'usage: generate.ts --seed N (--count N --out FILE[.gz] [--group NAME] | --committed FOLDER)',
    );
    process.exitCode = 2;
  }
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').pop() ?? '?'))
  main();
