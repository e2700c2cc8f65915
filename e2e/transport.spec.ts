// Run control by hand: speed, breakpoints of every kind, steps of one domain, keys faster than the machine, and a journey given up.

import { expect, type Page, test } from '@playwright/test';
import { Lab } from './support/lab.ts';
import { symbolOf } from './support/tour.ts';

const CONSOLE_IO = 18;

async function addBreakpoint(
  lab: Lab,
  what: 'address' | 'vector' | 'hypercall' | 'refused' | 'silent',
  value?: string,
  domain?: string,
): Promise<void> {
  const { page } = lab;
  await page.keyboard.press('b');
  const dialog = page.getByRole('dialog', { name: lab.t('breakpoints') });
  await dialog.getByLabel(lab.t('bp_what')).selectOption(what);
  if (value !== undefined) await dialog.getByRole('textbox').fill(value);
  if (domain !== undefined) await dialog.getByLabel(lab.t('bp_domain')).selectOption({ label: domain });
  await dialog.getByRole('button', { name: lab.t('add') }).click();
  await expect(dialog.getByRole('checkbox')).toBeChecked();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
}
const run = (lab: Lab): Promise<void> => lab.moves(() => lab.page.keyboard.press('r'));
async function expectStopped(lab: Lab): Promise<void> {
  expect((await lab.state()).stop.kind).toBe('breakpoint');
}

test('a breakpoint at an address stops before that instruction', async ({ page }) => {
  const lab = await Lab.open(page, 'rings');
  await lab.guided();
  const popf = symbolOf('rings', 'at_popf');
  await addBreakpoint(lab, 'address', `0x${popf.toString(16)}`);
  await run(lab);
  await expectStopped(lab);
  await expect(lab.region('code').locator('[aria-current="step"]')).toContainText('popf');
  expect((await lab.records({ types: ['silent'] })).some((r) => r.eip === popf)).toBe(false);
});

test('a breakpoint on a trap stops inside it', async ({ page }) => {
  const lab = await Lab.open(page, 'rings');
  await lab.guided();
  await addBreakpoint(lab, 'vector', '13');
  await run(lab);
  await expectStopped(lab);
  expect(await lab.recordAtCursor()).toMatchObject({ type: 'trap', phase: 'enter', aux: 13 });
});

test('a breakpoint on a hypercall by its name stops at each one', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await addBreakpoint(lab, 'hypercall', 'console_io');
  const seen: number[] = [];
  for (let i = 0; i < 3; i++) {
    await run(lab);
    await expectStopped(lab);
    const r = await lab.recordAtCursor();
    expect(r).toMatchObject({ type: 'hypercall', phase: 'decode', aux: CONSOLE_IO });
    seen.push(r.seq);
  }
  expect(new Set(seen).size).toBe(3);
});

test('a breakpoint of one domain lets the other pass', async ({ page }) => {
  const lab = await Lab.open(page, 'ping');
  await lab.guided();
  await addBreakpoint(lab, 'hypercall', 'event_channel_op', 'pong');
  await run(lab);
  await expectStopped(lab);
  const r = await lab.recordAtCursor();
  expect(r).toMatchObject({ type: 'hypercall', domid: 2 });
  const before = await lab.records({ types: ['hypercall'] });
  expect(before.some((x) => x.domid === 1 && x.aux === r.aux && x.seq < r.seq)).toBe(true);
});

test('with Shift a step is one of this domain', async ({ page }) => {
  const lab = await Lab.open(page, 'ping');
  await lab.guided();
  await lab.moves(() => page.keyboard.press('Enter'));
  // To a record behind which another domain has its turn.
  const rows = await lab.records();
  const i = rows.findIndex((r, n) => r.domid === 1 && n > 60 && rows[n + 1]!.domid === 2);
  const later = rows.slice(i + 1).find((r) => r.domid === 1)!;
  const grid = lab.page.getByRole('slider', { name: lab.t('scrub') });
  await lab.moves(() => grid.fill(String(i)));
  expect((await lab.state()).cursor.seq).toBe(rows[i]!.seq);
  const domain = (await lab.state()).running;
  await page.keyboard.press('Escape');
  await grid.blur();
  await lab.moves(() => page.keyboard.press('Shift+Period'));
  const there = await lab.recordAtCursor();
  expect(there.domid).toBe(domain);
  if (domain === 1) expect(there.seq).toBe(later.seq);
  const now = (await lab.state()).running;
  await lab.moves(() => page.keyboard.press('Shift+Comma'));
  expect((await lab.recordAtCursor()).domid).toBe(now);
  expect((await lab.state()).cursor.seq).toBeLessThan(there.seq);
});

test('keys faster than the machine are not lost', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await lab.moves(() => page.keyboard.press('Enter'));
  await lab.moves(() => page.keyboard.press('t').then(() => page.keyboard.press('Shift+T')));
  const { seq } = (await lab.state()).cursor;
  // Pressed in one go, forward and back: what is left is what was asked for.
  await page.evaluate(() => {
    for (const code of ['Comma', 'Comma', 'Comma', 'Period', 'Comma'])
      document.body.dispatchEvent(new KeyboardEvent('keydown', { code, bubbles: true, cancelable: true }));
  });
  await expect.poll(async () => (await lab.state()).cursor.seq).toBe(seq - 3);
});

test('at a limited speed the machine runs as slowly as it was told', async ({ page }) => {
  const lab = await Lab.open(page, 'ping');
  await lab.guided();
  await page.getByRole('button', { name: lab.t('moreSteps') }).click();
  const speed = page.getByRole('combobox', { name: lab.t('speed') });
  await speed.selectOption('1000');
  expect((await lab.state()).ticksPerSecond).toBe(1000);
  await page.keyboard.press('Escape');
  const began = Date.now();
  await page
    .getByRole('toolbar')
    .getByRole('button', { name: lab.t('run') })
    .click();
  await expect.poll(async () => (await lab.state()).instructions, { timeout: 30_000 }).toBeGreaterThan(500);
  await page
    .getByRole('toolbar')
    .getByRole('button', { name: lab.t('pause') })
    .click();
  await lab.ready();
  const { instructions } = await lab.state();
  // Never faster than asked for; slower is the computer's own business. At full speed all is over after some milliseconds.
  expect(instructions).toBeLessThan(1000 * ((Date.now() - began) / 1000) + 1000);
  expect((await lab.state()).ended).toBeUndefined();
});

/** A machine that works for minutes, on its way to where nobody will wait for it. */
async function farAway(page: Page): Promise<Lab> {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await lab.bootGuest('test-storm', 'count=4000000');
  await lab.ready();
  await page.evaluate(() => {
    const moment = { T: 1e12, seq: 0, within: false };
    void window.machineTap!.ask({ op: 'goto', moment, before: false });
  });
  await expect(page.getByTestId('progress')).toBeVisible();
  return lab;
}
async function expectGivenUp(lab: Lab): Promise<void> {
  await lab.ready();
  await expect(lab.page.getByTestId('progress')).toHaveCount(0);
  const { cursor } = await lab.state();
  expect(cursor.T).toBeGreaterThan(0);
  expect(cursor.T).toBeLessThan(1e12);
  await lab.moves(() => lab.page.keyboard.press('i')); // and the machine goes on from there
}
test('a long journey shows its progress and is given up by Esc', async ({ page }) => {
  const lab = await farAway(page);
  await expect(page.getByRole('progressbar', { name: lab.t('seeking') })).toBeVisible();
  await page.keyboard.press('Escape');
  await expectGivenUp(lab);
});
test('or by its button', async ({ page }) => {
  const lab = await farAway(page);
  await page.getByTestId('progress').getByRole('button').click();
  await expectGivenUp(lab);
});
