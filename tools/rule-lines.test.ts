import { describe, expect, it } from 'vitest';
import { ACT, RULE } from '../src/hypervisor/rules.ts';
import { scanRules, scanSource } from './rule-lines.ts';

describe('rule lines', () => {
  it('finds checks and acts with their lines, also when the name stands on the next line', () => {
    const source = [
      'const a = 1;',
      "if (!x.check('iopl', iopl >= cpl, iopl)) return refuse();",
      '',
      'x.act(',
      "  'console.print',",
      '  [n]);',
    ].join('\n');
    expect(scanSource('a.ts', source)).toEqual([
      ['iopl', { file: 'a.ts', line: 2, text: "if (!x.check('iopl', iopl >= cpl, iopl)) return refuse();" }],
      ['console.print', { file: 'a.ts', line: 4, text: 'x.act(' }],
    ]);
  });
  it('does not count calls in comments', () => {
    expect(
      scanSource('a.ts', "// x.check('gone', true)\n/* act('gone') */\nx.check('here', true);").map(
        (f) => f[0],
      ),
    ).toEqual(['here']);
  });
  it('every name that our source decides by is a rule or an act', () => {
    const known = new Set([...Object.keys(RULE), ...Object.keys(ACT)]);
    const unknown = Object.entries(scanRules(process.cwd())).filter(([name]) => !known.has(name));
    expect(unknown).toEqual([]);
  });
});
