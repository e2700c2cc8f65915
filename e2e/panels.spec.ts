// Panels that wait behind Add view, and what they say when there is nothing to show; edits that are undone by stepping back and travel in a link.

import { expect, type Locator, test } from '@playwright/test';
import { PANELS } from '../src/ui/panels/definitions.ts';
import { dropFile } from './support/drop.ts';
import { freshPage, Lab, LANGS } from './support/lab.ts';
import { symbolOf, tourOf } from './support/tour.ts';

/** Opens a panel by its name in the list of views; the list stays a dialog that Esc closes. */
async function addView(lab: Lab, id: string): Promise<Locator> {
  const { page } = lab;
  await page.keyboard.press('v');
  const dialog = page.getByRole('dialog', { name: lab.t('addView') });
  const title = PANELS.find((p) => p.id === id)!.title[lab.lang];
  await dialog.getByRole('button', { name: title }).first().click();
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
  return page.locator(`[data-region^="${id}"]`).first();
}

test('a page walk names every level, its frame, owner and type', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  const walk = await addView(lab, 'pagewalk');
  await expect(walk.getByRole('row')).toHaveCount(4); // a head, and three levels of PAE
  const rows = walk.locator('tbody tr');
  await expect(rows.nth(0)).toContainText('L3');
  await expect(rows.nth(2)).toContainText('L1');
  for (const [i, type] of ['l3', 'l2', 'l1'].entries())
    await expect(rows.nth(i)).toContainText(new RegExp(type, 'i'));
  // Another address of the same kernel, and one that leads nowhere.
  await walk.getByRole('textbox').fill(symbolOf('hello', 'first').toString(16));
  await expect(walk).toContainText(/P2M/);
  await walk.getByRole('textbox').fill('10');
  await expect(walk).toContainText('not present');
  await walk.getByRole('textbox').fill('xyz');
  await expect(walk.getByRole('alert')).toBeVisible();
});

test('an edit of memory is undone by stepping back, and a link carries it', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await lab.moves(() => page.keyboard.press('i'));
  await lab.moves(() => page.keyboard.press('i'));
  const here = (await lab.state()).cursor;
  const untouched = await lab.stateHash();
  const memory = await addView(lab, 'memory');
  const first = symbolOf('hello', 'first');
  await memory.getByRole('textbox', { name: /address/i }).fill(first.toString(16));
  await expect(memory).toContainText('I am a kern'.slice(0, 4));
  const byte = memory
    .getByRole('button', { name: new RegExp(`${(first >>> 0).toString(16).slice(4)}`) })
    .first();
  await lab.moves(async () => {
    await byte.click();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('4a'); // J am a kernel
    await page.keyboard.press('Enter');
  });
  const edited = await lab.stateHash();
  expect(edited).not.toBe(untouched);
  await page.keyboard.press('Escape');

  // The link is opened by somebody else: the same machine, and the letter it prints.
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await lab.button('copyMoment').first().click();
  await expect(page.getByText(lab.t('linkCopied'))).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const fresh = await freshPage(page.context());
  try {
    const other = await Lab.open(fresh.page, '', { address: link });
    await expect.poll(() => other.stateHash()).toBe(edited);
    await other.moves(() => fresh.page.keyboard.press('r'));
    await other.expectScreen(1, /^J am a kernel/);
  } finally {
    await fresh.close();
  }

  // One step back, and it never happened.
  await lab.moves(() => page.keyboard.press('Shift+I'));
  await lab.moves(() => page.keyboard.press('Shift+I').then(() => page.keyboard.press('Shift+I')));
  expect((await lab.state()).cursor.T).toBeLessThan(here.T);
  await expect(memory).toContainText('49'); // I again
  expect((await lab.state()).branches.length).toBeGreaterThan(0);
});

test('behind the last instruction stands data, not code that nobody wrote', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await lab.moves(() => page.keyboard.press('Enter'));
  const listing = lab.region('code').locator('[data-listing]');
  await expect(listing).toContainText('ret');
  const after = (await listing.innerText()).split(/\bret\b/).at(-1)!;
  expect(after).not.toMatch(/\badd byte\b|\bouts|\barpl\b|\bgs\b/);
  await expect(listing).toContainText(/times \d+ db 0|db "/);
});

test('the trap log names hypercalls, and keeps their outcome where there is little room', async ({
  page,
}) => {
  const lab = await Lab.open(page, 'ping');
  await lab.guided();
  await page.keyboard.press('v');
  const views = page.getByRole('dialog', { name: lab.t('addView') });
  await views.getByRole('button', { name: 'Trap log' }).click();
  await page.keyboard.press('Escape');
  await page.setViewportSize({ width: 1000, height: 720 });
  await lab.moves(() => page.keyboard.press('t'));
  const log = lab.region('traplog');
  const enter = (await lab.records()).find((r) => r.type === 'hypercall')!;
  expect(enter.aux).toBe(14); // update_va_mapping
  await expect(log.getByRole('row').first()).toContainText('update_va');
  const outcome = log.getByText(lab.t('outcome_served')).first();
  const box = (await outcome.boundingBox())!,
    frame = (await log.boundingBox())!;
  expect(frame.width).toBeLessThan(400);
  expect(box.x + box.width).toBeLessThanOrEqual(frame.x + frame.width);
});

test('a text file is called what it is', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await dropFile(page, 'kernel.c', Buffer.from('int main(void) { return 0; }'));
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('kernel.c');
  await expect(alert).toContainText('expected machine code, found "int main(void) {"');
  await expect(alert).toContainText('build.sh');
  await lab.ready(); // the lab on stage is still there
});

test('without a granted page the shared ring leads to where there is one', async ({ page }) => {
  const lab = await Lab.open(page, 'ping');
  await lab.guided();
  const ring = lab.region('ring');
  await lab.moves(() => ring.getByRole('button', { name: 'Go there' }).click());
  await expect(ring.getByRole('img', { name: /circle/ })).toBeVisible();
  const r = await lab.recordAtCursor();
  expect(r).toMatchObject({ type: 'hypercall', phase: 'answer', aux: 20 });
  expect(r.p[6]).toBe(0); // GNTTABOP_map_grant_ref
});

for (const lang of LANGS)
  test(`every panel says what would fill it, ${lang}`, async ({ page }) => {
    const lab = await Lab.open(page, 'hello', { lang });
    await lab.guided();
    for (const id of ['traplog', 'grants', 'events', 'xenstore', 'ring', 'memory', 'pagewalk']) {
      const panel = await addView(lab, id);
      await expect(panel).toBeVisible();
      const title = PANELS.find((p) => p.id === id)!.title[lang];
      const words = async (): Promise<string> => (await panel.innerText()).replace(title, '').trim();
      await expect.poll(words, { message: id }).toMatch(lang === 'ko' ? /[가-힣]{2}/ : /[a-z]{3}/i);
    }
  });

test('a lab that opens empties the Guide at once', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route('**/rings.elf', async (route) => {
    await held;
    await route.continue();
  });
  await page.evaluate(() => {
    location.hash = '#rings';
  });
  await expect(page.getByTestId('opening')).toBeVisible();
  await expect(lab.guide).not.toContainText(tourOf('hello', 'en').stops[0]!.heading);
  release();
  await lab.expectHeading(tourOf('rings', 'en').stops[0]!.heading);
  await expect(page.getByTestId('opening')).toHaveCount(0);
});

test('three doors side by side, each from its own records', async ({ page }) => {
  const lab = await Lab.open(page, 'rings');
  await lab.guided();
  await lab.moves(() => page.keyboard.press('r'));
  const all = await lab.records();
  await lab
    .region('control')
    .getByRole('button', { name: lab.t('doors') })
    .click();
  const doors = page.getByTestId('doors').getByRole('article');
  await expect(doors).toHaveCount(3);
  await expect(page.locator('[data-door][data-open="true"]')).toHaveCount(3);
  const direct = all.find((r) => r.type === 'ringchange' && r.aux === 0x80)!;
  const call = all.find((r) => r.type === 'trap' && r.phase === 'enter' && r.p[2] === 4 && r.cpl === 1)!;
  const refused = all.find(
    (r) => r.type === 'trap' && r.phase === 'enter' && r.aux === 13 && r.p[0] === 0x412,
  )!;
  expect(direct.p.slice(0, 2)).toEqual([3, 1]);
  expect(call.eip).toBeGreaterThan(0);
  expect(refused.eip).toBe(symbolOf('rings', 'door_int82_ring3'));
  await expect(doors.nth(0)).toContainText(lab.t('outcome_direct'));
  await expect(doors.nth(1)).toContainText(lab.t('outcome_served'));
  await expect(doors.nth(2)).toContainText(lab.t('outcome_refused'));
  await expect(doors.nth(2)).toContainText('0x412');
  await doors.nth(2).getByRole('button').click();
  await expect(lab.steps).toContainText('0x412');
  // Back at the start nobody has knocked, and the picture is the plate again.
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: lab.t('moreSteps') }).click();
  await lab.moves(() => page.getByRole('button', { name: lab.t('toStart') }).click());
  await expect(page.getByTestId('doors')).toHaveCount(0);
});
