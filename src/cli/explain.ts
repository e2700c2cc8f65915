// `ringside explain BYTES`: what the bytes are, what they do and whether they would trap, all read from the description of x86.

import { parseArgs } from 'node:util';
import { type Classification, classifyInsn } from '../isa/classify.ts';
import { reasonText } from '../isa/classify-text.ts';
import { decode, MAX_LENGTH } from '../isa/decode.ts';
import { disassemble } from '../isa/disassemble.ts';
import { explain, type Language } from '../isa/explain.ts';
import '../isa/semantics/index.ts';
import type { Insn } from '../isa/types.ts';

const USAGE = `usage: ringside explain "BYTES" [--eip ADDRESS] [--16] [--lang en|ko] [--json]
BYTES are hexadecimal, one instruction or several, such as "0f 01 0d 00 10 00 00"; --16 decodes 16-bit code
`;
const BAD_USAGE = 2;

interface Request {
  readonly bytes: readonly number[];
  readonly eip: number;
  readonly csD: boolean;
  readonly language: Language;
  readonly json: boolean;
}

/** Bytes of a text such as "0f 01 0d", "0f010d" or "0x0f, 0x01"; undefined when something else stands there. */
function bytesOf(text: string): number[] | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const digits = words.map((word) => word.replace(/^0x/i, ''));
  if (digits.some((word) => !/^([0-9a-f]{1,2}|([0-9a-f]{2})+)$/i.test(word))) return undefined;
  return digits.flatMap((word) => (word.match(/.{1,2}/g) ?? []).map((byte) => Number.parseInt(byte, 16)));
}

/** Reads the command line; a text says what is wrong with it. */
function requestOf(argv: string[]): Request | string {
  let parsed: ReturnType<typeof parse>;
  function parse() {
    const text = { type: 'string' } as const,
      flag = { type: 'boolean' } as const;
    const options = { eip: text, '16': flag, lang: text, json: flag };
    return parseArgs({ args: argv, options, allowPositionals: true, strict: true });
  }
  try {
    parsed = parse();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const { values, positionals } = parsed;
  const bytes = bytesOf(positionals.join(' '));
  if (bytes === undefined) return `these are not bytes in hexadecimal: “${positionals.join(' ')}”`;
  if (bytes.length === 0) return 'bytes are needed';
  const eip = values.eip === undefined ? 0 : Number(values.eip);
  if (!Number.isInteger(eip) || eip < 0 || eip > 0xffffffff)
    return `--eip takes an address, not “${values.eip}”`;
  const language = values.lang ?? 'en';
  if (language !== 'en' && language !== 'ko') return `--lang knows en and ko, not “${language}”`;
  return { bytes, eip, csD: values['16'] !== true, language, json: values.json === true };
}

const count = (n: number): string =>
  n === 1 ? 'the one byte that is there' : `the ${n} bytes that are there`;

/** The instructions in `bytes`; a cut one at the end is an error in words. */
function insnsOf({ bytes, csD }: Request): Insn[] | string {
  const insns: Insn[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at;
    let end = start;
    const insn = decode((i) => {
      end = Math.max(end, start + i + 1);
      return bytes[start + i] ?? 0;
    }, csD);
    if (end > bytes.length && insn.length < MAX_LENGTH)
      return `the instruction at byte ${start} is cut short: it needs more than ${count(bytes.length - start)}`;
    insns.push(insn);
    // Where the next instruction begins is not known behind bytes that are none.
    if (insn.invalid !== undefined) break;
    at += insn.length;
  }
  return insns;
}

const hex = (bytes: readonly number[]): string =>
  bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** The four situations as they are called. */
const SITUATIONS = [
  ['cpl0', 'CPL 0'],
  ['cpl1', 'CPL 1'],
  ['cpl3', 'CPL 3'],
  ['vm86', 'virtual-8086'],
] as const;

function classText(c: Classification): string {
  const notes = [
    ...(c.silent ? ['silent'] : []),
    ...c.modes.map((mode) => `depends on ${mode.toUpperCase()}`),
  ];
  return c.class + (notes.length > 0 ? ` (${notes.join(', ')})` : '');
}

function instructionText(insn: Insn, eip: number, language: Language): string {
  const about = classifyInsn(insn);
  const { lines, summary } = explain(insn, eip, undefined, language);
  const effects = about.effects.map(
    ({ access, name, when }) => `            ${access} ${name}${when === '' ? '' : `  when ${when}`}\n`,
  );
  const levels = SITUATIONS.map(([key, name]) => `${name} ${about.outcomes[key]}`);
  return [
    `${eip.toString(16).padStart(8, '0')}  ${hex(insn.bytes)}  ${disassemble(insn, eip)}\n`,
    `  class     ${classText(about)}\n`,
    `  reason    ${reasonText(about, language)}\n`,
    `  outcome   ${levels.join(' · ')}\n`,
    ...(effects.length > 0 ? ['  effects\n', ...effects] : []),
    '  does\n',
    ...lines.map(({ depth, text }) => `    ${'  '.repeat(depth)}${text}\n`),
    `  ${summary}\n`,
  ].join('');
}

function asJson(insn: Insn, eip: number, language: Language): unknown {
  const about = classifyInsn(insn);
  const { lines, summary } = explain(insn, eip, undefined, language);
  return {
    eip,
    bytes: hex(insn.bytes),
    text: disassemble(insn, eip),
    ...(insn.invalid === undefined ? {} : { invalid: insn.invalid }),
    ...about,
    reason: reasonText(about, language),
    lines,
    summary,
  };
}

/** Runs the command; exit code 0, or 2 when the arguments are wrong. */
export async function run(
  argv: string[],
  out: (text: string) => void,
  err: (text: string) => void,
): Promise<number> {
  const request = requestOf(argv);
  const insns = typeof request === 'string' ? request : insnsOf(request);
  if (typeof request === 'string' || typeof insns === 'string') {
    err(`${String(insns)}\n${USAGE}`);
    return BAD_USAGE;
  }
  let eip = request.eip;
  const answers: unknown[] = [];
  insns.forEach((insn, i) => {
    if (request.json) answers.push(asJson(insn, eip, request.language));
    else out((i > 0 ? '\n' : '') + instructionText(insn, eip, request.language));
    eip = (eip + insn.length) >>> 0;
  });
  if (request.json) out(`${JSON.stringify(answers.length === 1 ? answers[0] : answers, undefined, 2)}\n`);
  return 0;
}
