// The lockstep runner finds the very instruction in which two machines part, and finds nothing on the shipped guests.

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { labOf, start } from '../lab/testing.ts';
import { ENGINES, type EngineName } from './engine.ts';
import { lockstep, type LockstepSide } from './lockstep.ts';
import { type TestMachine, testMachine } from './testing.ts';
import { EXIT } from './vcpu.ts';

const LOOP = ['mov ecx, 1000', 'again: add eax, ecx', 'mov [0x18000], eax', 'loop again', 'hlt'];

/** A test machine as a side; `spoil` is called once `at` ticks have run. */
function side(engine: EngineName, at = Infinity, spoil: (t: TestMachine) => void = () => {}): LockstepSide {
  const t = testMachine({ engine });
  t.program(...LOOP);
  let spoilt = false;
  const to = (ticks: number): boolean => t.run(ticks - t.ticks()) === EXIT.budget;
  return {
    name: engine,
    frames: t.frames,
    advance: (ticks) => {
      if (!spoilt && ticks >= at) {
        if (t.ticks() < at) to(at);
        spoil(t);
        spoilt = true;
      }
      return ticks > t.ticks() ? to(ticks) : true;
    },
  };
}

describe('lockstep', () => {
  it('ends without a report when both do the same', () => {
    const result = lockstep(() => [side('reference'), side('interpreter')], {
      step: 250,
      maxTicks: 1_000_000,
    });
    expect(result.report).toEqual([]);
    expect(result.ticks).toBeGreaterThan(2700);
  });
  it('stops after maxTicks', () => {
    const result = lockstep(() => [side('reference'), side('interpreter')], { step: 250, maxTicks: 600 });
    expect(result).toEqual({ ticks: 600, report: [] });
  });
  it('names the tick, the instruction and the register', () => {
    const spoilt = () => side('interpreter', 1234, (t) => t.setReg('edx', 7));
    const { ticks, report } = lockstep(() => [side('reference'), spoilt()], { step: 500, maxTicks: 10_000 });
    expect(ticks).toBe(1233);
    expect(report[0]).toMatch(/1233 ticks.*1234.*(add|mov|loop)/);
    expect(report).toContain('vCPU 0 gpr+8: 00000000 | 00000007');
  });
  it('sees memory that differs', () => {
    const spoilt = () => side('interpreter', 700, (t) => t.frames.write32(0x19000, 5));
    const { ticks, report } = lockstep(() => [side('reference'), spoilt()], { step: 500, maxTicks: 10_000 });
    expect(ticks).toBe(699);
    expect(report).toContain('RAM 00019000: 00000000 | 00000005');
  });
});

describe('the shipped guests', () => {
  const guests = readdirSync(new URL('../../public/guests', import.meta.url)).filter(
    (name) => /^(hello|rings|test-.*)$/.test(name) && name !== 'test-storm',
  );
  for (const guest of guests) {
    it(`${guest} runs alike on both engines`, () => {
      const config = labOf([guest]);
      const machine = (engine: EngineName): LockstepSide => {
        const { machine: made, timeline } = start(config, { engine });
        return {
          name: engine,
          frames: made.frames,
          advance: (ticks) => timeline.run({ untilTicks: ticks }).kind === 'reached',
        };
      };
      const [first, second] = ENGINES;
      const result = lockstep(() => [machine(first), machine(second)], { step: 20_000, maxTicks: 400_000 });
      expect(result.report).toEqual([]);
      expect(result.ticks).toBeGreaterThan(200);
    });
  }
});
