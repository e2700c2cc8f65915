// `ringside isa`: every form of the opcode table with the class that its description gives it, its effects and the reason.

import { parseArgs } from 'node:util';
import { type Classification, CLASSES, classify } from '../isa/classify.ts';
import '../isa/semantics/index.ts';
import { TABLE } from '../isa/table.ts';
import type { Form } from '../isa/types.ts';

const USAGE = `usage: ringside isa [--json] [--class CLASS]
CLASS is one of ${CLASSES.join(', ')}
`;
const BAD_USAGE = 2;

interface Row extends Classification {
  readonly opcode: string;
  readonly mnemonic: string;
  readonly operands: string;
}

function rowOf(form: Form): Row | undefined {
  const about = classify(form);
  return (
    about && { opcode: form.opcode, mnemonic: form.mnemonic, operands: form.operands.join(', '), ...about }
  );
}

/** All forms, in the order of the opcode maps. */
export function rows(): Row[] {
  return TABLE.map(rowOf).filter((row) => row !== undefined);
}

function textOf(row: Row): string {
  const { opcode, mnemonic, operands, effects } = row;
  const head = `${opcode.padEnd(13)} ${`${mnemonic} ${operands}`.trimEnd().padEnd(22)} ${row.class.padEnd(23)}${row.silent ? 'silent ' : '       '}`;
  const lines = effects.map(
    ({ access, name, when }) => `              ${access} ${name}${when && `  when ${when}`}\n`,
  );
  return `${head}${row.reason}\n${lines.join('')}`;
}

function counts(all: readonly Row[]): string {
  const parts = CLASSES.map((name) => `${all.filter((row) => row.class === name).length} ${name}`);
  return `${all.length} forms: ${parts.join(', ')}\n`;
}

/** Runs the command; exit code 0, or 2 when the arguments are wrong. */
export async function run(
  argv: string[],
  out: (text: string) => void,
  err: (text: string) => void,
): Promise<number> {
  let wanted: string | undefined, json: boolean;
  try {
    const options = { json: { type: 'boolean' }, class: { type: 'string' } } as const;
    const { values } = parseArgs({ args: argv, options, strict: true });
    wanted = values.class;
    json = values.json === true;
    if (wanted !== undefined && !(CLASSES as readonly string[]).includes(wanted))
      throw new TypeError(`there is no class “${wanted}”`);
  } catch (error) {
    err(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return BAD_USAGE;
  }
  const all = rows().filter((row) => wanted === undefined || row.class === wanted);
  if (json) out(`${JSON.stringify(all, undefined, 2)}\n`);
  else {
    for (const row of all) out(textOf(row));
    out(counts(all));
  }
  return 0;
}
