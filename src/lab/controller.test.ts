// Run control as a person uses it, on the real machine: steps of every kind both ways, edits and branches, breakpoints, links.

import { describe, expect, it } from 'vitest';
import { engineChoice } from '../cli/engine-code.ts';
import { Controller } from './controller.ts';
import { decodeLink } from './link.ts';
import { images, labOf, pingPong } from './testing.ts';
import type { LabConfig, LabState } from './types.ts';

async function open(
  config: LabConfig,
): Promise<{ c: Controller; state: () => LabState; published: LabState[] }> {
  let last: LabState | undefined;
  const published: LabState[] = [];
  const c = new Controller({
    now: () => performance.now(),
    breathe: () => new Promise((r) => setImmediate(r)),
    images,
    imageMap: () => undefined,
    shared: false,
    engine: () => Promise.resolve(engineChoice('interpreter', false)),
    publish: (s) => {
      last = s;
      published.push(s);
    },
  });
  await c.boot(config);
  return { c, state: () => last!, published };
}
const traps = { groups: true, types: ['trap'] } as const;

describe('run control on hello', () => {
  it('runs to the end, goes back to the first trap and un-prints', async () => {
    const { c, state } = await open(labOf(['hello']));
    expect(state().phase).toBe('paused');
    await c.run();
    expect(state().ended).toMatchObject({ kind: 'end', reason: 'poweroff' });
    expect(c.look.consoleText(1).text).toContain('Goodbye.');
    const first = c.look.trace(traps, 0, 1).rows[0]!;
    await c.goto({ T: first.T, seq: first.seq, within: true });
    expect(c.look.consoleText(1)).toEqual({ text: '', laterLines: 3 });
    expect(state().cursor).toEqual({ T: first.T, seq: first.seq, within: true });
  });

  it('steps through the phases of a trap and back, the letters appearing with their record', async () => {
    const { c, state } = await open(labOf(['hello']));
    await c.step('trap', 1);
    const phases: string[] = [];
    for (let i = 0; i < 6; i++) {
      const here = c.look.group(state().cursor.seq).find((r) => r.seq === state().cursor.seq)!;
      phases.push(here.phase);
      expect(c.look.consoleText(1).text === '').toBe(!phases.includes('act'));
      if (i < 5) await c.step('phase', 1);
    }
    expect(phases).toEqual(['enter', 'decode', 'check', 'act', 'answer', 'return']);
    const hash = c.stateHash();
    for (let i = 0; i < 5; i++) await c.step('phase', -1);
    expect(c.look.consoleText(1).text).toBe('');
    for (let i = 0; i < 5; i++) await c.step('phase', 1);
    expect(c.stateHash()).toBe(hash);
  });

  it('steps instructions both ways to the same states', async () => {
    const { c } = await open(labOf(['hello']));
    const hashes = [c.stateHash()];
    for (let i = 0; i < 20; i++) {
      await c.step('instruction', 1);
      hashes.push(c.stateHash());
    }
    for (let i = 19; i >= 0; i--) {
      await c.step('instruction', -1);
      expect(c.stateHash()).toBe(hashes[i]);
    }
  });

  it('goes to the place before a trap in one move: nobody sees it stand anywhere else', async () => {
    const { c, state, published } = await open(labOf(['hello']));
    await c.run();
    const first = c.look.trace(traps, 0, 1).rows[0]!;
    published.length = 0;
    await c.goto({ T: first.T, seq: first.seq, within: true }, true);
    const places = new Set(
      published.filter((s) => s.phase === 'paused').map((s) => JSON.stringify(s.cursor)),
    );
    expect([...places]).toEqual([JSON.stringify(state().cursor)]);
    expect(state().cursor.within).toBe(false);
    await c.step('phase', 1);
    expect(state().cursor).toEqual({ T: first.T, seq: first.seq, within: true });
  });

  it('leaves a breakpoint inside a trap and comes to the next', async () => {
    const { c, state } = await open(labOf(['hello']));
    c.setBreakpoints([{ id: 7, enabled: true, hypercall: 18 }]);
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) {
      await c.run();
      expect(state().stop).toEqual({ kind: 'breakpoint', id: 7 });
      seen.push(state().cursor.seq);
    }
    expect(new Set(seen).size).toBe(3);
    await c.run();
    expect(state().ended).toMatchObject({ reason: 'poweroff' });
  });

  it('gives up a long journey when asked to, and stands still somewhere on the way', async () => {
    const { c, state, published } = await open(labOf([['test-storm', 'count=4000000']]));
    const far = c.goto({ T: 1e12, seq: 0, within: false });
    await new Promise((r) => setTimeout(r, 400));
    expect(state().phase).toBe('seeking');
    c.cancel();
    await far;
    expect(state().phase).toBe('paused');
    expect(state().cursor.T).toBeGreaterThan(0);
    expect(state().cursor.T).toBeLessThan(1e12);
    expect(published.some((s) => s.progress !== undefined)).toBe(true);
  });

  it('keeps the old future when the past is edited, and the link carries the edit', async () => {
    const { c, state } = await open(labOf(['hello']));
    await c.run();
    const end = state().end;
    await c.step('trap', -1);
    while (state().cursor.T > 90) await c.step('trap', -1);
    const buffer = c.look.inspect('memory', {
      space: 'virtual',
      domid: 1,
      address: 0xc0001174,
      length: 16,
    }) as { rows: number[]; bytes: number[] };
    expect(String.fromCharCode(...buffer.bytes.slice(0, 4))).toBe('I am');
    await c.edit({
      kind: 'editMemory',
      maddr: buffer.rows[0]!,
      bytes: [0x57, 0x65],
      what: 'the first letters',
    });
    expect(state().branches.length).toBe(2);
    await c.run();
    expect(c.look.consoleText(1).text).toMatch(/^We/);
    const link = await decodeLink(await c.link());
    expect(link.log.some((e) => e.kind === 'editMemory')).toBe(true);
    const again = await open(labOf(['hello']));
    await again.c.boot(link.config, link.log, link.moment);
    expect(again.c.look.consoleText(1).text).toMatch(/^We/);
    expect(again.c.stateHash()).toBe(link.hash);
    await c.switchBranch(1);
    await c.goto(end);
    expect(c.look.consoleText(1).text).toMatch(/^I am/);
  });

  it('an edit is undone by stepping back', async () => {
    const { c, state } = await open(labOf(['hello']));
    await c.step('instruction', 1);
    const before = c.stateHash();
    await c.edit({ kind: 'editRegister', vcpu: 1, register: 'ebx', value: 0x1234 });
    expect(c.stateHash()).not.toBe(before);
    await c.step('instruction', -1);
    await c.goto({ T: 1, seq: state().cursor.seq, within: false });
    expect(c.stateHash()).toBe(before);
  });
});

describe('run control on ping and pong', () => {
  it('stops at breakpoints by hypercall and by address', async () => {
    const { c, state } = await open(pingPong());
    c.setBreakpoints([{ id: 1, enabled: true, hypercall: 20 }]);
    await c.run();
    expect(state().stop).toEqual({ kind: 'breakpoint', id: 1 });
    const eip = (c.look.inspect('cpu', { domid: 1 }) as { eip: number }).eip;
    c.setBreakpoints([{ id: 2, enabled: true, address: eip, domid: 1 }]);
    await c.goto({ T: 0, seq: 0, within: false });
    await c.run();
    expect(state().stop).toEqual({ kind: 'breakpoint', id: 2 });
    expect((c.look.inspect('cpu', { domid: 1 }) as { eip: number }).eip).toBe(eip);
  });

  it('steps to the next and previous trap of one domain', async () => {
    const { c, state } = await open(pingPong());
    for (let i = 0; i < 5; i++) await c.step('domainTrap', 1, 2);
    const fifth = state().cursor;
    const record = c.look.group(fifth.seq).find((r) => r.seq === fifth.seq)!;
    expect(record.domid).toBe(2);
    await c.step('domainTrap', 1, 2);
    await c.step('domainTrap', -1, 2);
    expect(state().cursor).toEqual(fifth);
  });
});
