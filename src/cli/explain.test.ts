// `ringside explain` and `ringside isa` as a person calls them: what is printed, and what is refused.

import { describe, expect, test } from 'vitest';
import { CLASSES } from '../isa/classify.ts';
import { TABLE } from '../isa/table.ts';
import { run as runExplain } from './explain.ts';
import { run as runIsa } from './isa.ts';

async function call(run: typeof runExplain, ...argv: string[]) {
  let out = '',
    err = '';
  const code = await run(
    argv,
    (text) => (out += text),
    (text) => (err += text),
  );
  return { code, out, err };
}

describe('explain', () => {
  test('the example of the manual page', async () => {
    const { code, out, err } = await call(runExplain, '0f 01 0d 00 10 00 00');
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(out).toContain('sidt [0x1000]');
    expect(out).toContain('sensitive-unprivileged (silent');
    expect(out).toContain('word ds:[0x1000] ← IDTR.limit');
    expect(out).toContain('CPL 3 silent');
  });
  test('several instructions, each at its address', async () => {
    const { out } = await call(runExplain, '90 fa', '--eip', '0x1000');
    expect(out).toContain('00001000  90  nop');
    expect(out).toContain('00001001  fa  cli');
  });
  test('the ways of writing bytes', async () => {
    const outs = await Promise.all(
      [['0f0106'], ['0x0f, 0x01, 0x06'], ['0f', '01', '06'], ['0F 01 06']].map(([...args]) =>
        call(runExplain, ...args!),
      ),
    );
    for (const { out } of outs) expect(out).toBe(outs[0]!.out);
  });
  test('Korean, 16-bit code and JSON', async () => {
    expect((await call(runExplain, 'fa', '--lang', 'ko')).out).toContain('거부된다');
    expect((await call(runExplain, 'b8 34 12', '--16')).out).toContain('mov ax, 0x1234');
    const answer = JSON.parse((await call(runExplain, '9d', '--json')).out) as Record<string, unknown>;
    expect(answer['class']).toBe('sensitive-unprivileged');
    expect(answer['outcomes']).toEqual({ cpl0: 'right', cpl1: 'silent', cpl3: 'silent', vm86: 'traps' });
  });
  test('bytes that are no instruction say why', async () => {
    const { code, out } = await call(runExplain, 'd8 c0');
    expect(code).toBe(0);
    expect(out).toContain('x87');
    expect(out).toContain('#UD');
  });
  test.each([
    [['zz'], 'not bytes'],
    [[], 'bytes are needed'],
    [['0f 01 0d 00'], 'cut short'],
    [['90', '--eip', 'x'], '--eip'],
    [['90', '--lang', 'fr'], '--lang'],
    [['90', '--nonsense'], 'nonsense'],
  ])('refuses %j', async (argv, why) => {
    const { code, out, err } = await call(runExplain, ...argv);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(why);
    expect(err).toContain('usage:');
  });
});

describe('isa', () => {
  test('--json lists every form with class, effects and reason', async () => {
    const { code, out } = await call(runIsa, '--json');
    const rows = JSON.parse(out) as {
      opcode: string;
      class: string;
      reason: string;
      outcomes: object;
      effects: unknown[];
    }[];
    expect(code).toBe(0);
    expect(rows.map((row) => row.opcode)).toEqual(TABLE.slice(1).map((form) => form.opcode));
    for (const row of rows) {
      expect(CLASSES).toContain(row.class);
      expect(row.reason).not.toBe('');
      for (const outcome of Object.values(row.outcomes))
        expect(['traps', 'silent', 'right']).toContain(outcome);
      expect(Array.isArray(row.effects)).toBe(true);
    }
  });
  test('text ends with the counts, and --class chooses', async () => {
    const { out } = await call(runIsa, '--class', 'mode-conditional');
    expect(out).toContain('rdtsc');
    expect(out).not.toContain('popf');
    expect(out.trimEnd().split('\n').at(-1)).toMatch(/^\d+ forms: /);
  });
  test('an unknown class is refused', async () => {
    const { code, err } = await call(runIsa, '--class', 'harmless');
    expect(code).toBe(2);
    expect(err).toContain('harmless');
  });
});
