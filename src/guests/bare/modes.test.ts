// The program that goes through all modes of the processor, as a kernel and as a ROM; its specification is at the head of modes/body.asm.

import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../cpu/engine.ts';
import { runBare } from './testing.ts';

const STAGES = ['real mode', 'protected mode', 'paging', 'virtual-8086 mode', 'task switch', 'PASS modes'];

describe.each(ENGINES)('modes on the %s engine', (engine) => {
  it.each([{ kernel: 'modes.elf' }, { rom: 'modes.rom' }])('passes from %o', (image) => {
    const end = runBare({ engine, ...image, maxTicks: 10_000_000 });
    expect(end.text).toBe(`${STAGES.join('\n')}\n`);
    expect(end.status).toBe(0);
  });
});

describe('modes', () => {
  it('takes the same number of ticks on every engine', () => {
    const ticks = ENGINES.map((engine) => runBare({ engine, rom: 'modes.rom', maxTicks: 10_000_000 }).ticks);
    expect(new Set(ticks).size).toBe(1);
  });
});
