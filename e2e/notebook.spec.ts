// What a person predicted stays theirs: kept over a reload, wrong ones first, each with its moment; and a mystery that waits unsolved.

import { expect, type Locator, test } from '@playwright/test';
import { Lab } from './support/lab.ts';
import { tourOf } from './support/tour.ts';

const notebook = async (lab: Lab): Promise<Locator> => {
  await lab.page.keyboard.press('n');
  const dialog = lab.page.getByRole('dialog', { name: lab.t('notebook') });
  await expect(dialog).toBeVisible();
  return dialog;
};

test('a prediction is kept, asked before, and leads back to its moment', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  const empty = await notebook(lab);
  await expect(empty).toContainText(lab.t('nb_empty'));
  await page.keyboard.press('Escape');
  const { ask, choices } = tourOf('hello', 'en').stops[1]!;
  const said = choices.find((c) => c.id === 'guest')!.text;
  const truth = choices.find((c) => c.id === 'xen')!.text;
  await lab.moves(() => page.keyboard.press('Enter'));
  await expect(lab.guide).toContainText(ask!);
  await page.keyboard.press('1');
  await expect(lab.guide.getByRole('status')).toContainText(truth);

  await page.reload();
  await lab.ready();
  await lab.guided();
  let book = await notebook(lab);
  await expect(book).toContainText(ask!);
  await expect(book).toContainText(`${lab.t('nb_said')}: ${said}`);
  await expect(book).toContainText(truth);
  await expect(book).toContainText(lab.t('nb_wrong'));
  await book.getByRole('textbox', { name: lab.t('nb_line') }).fill('Nobody but Xen owns the screen.');
  await page.keyboard.press('Escape');

  // Asked again, the Guide remembers; the first answer stays the prediction.
  await lab.moves(() => page.keyboard.press('Enter'));
  await expect(page.getByTestId('asked-before')).toContainText(said);
  await page.keyboard.press('2');
  await expect(lab.guide.getByRole('status')).toContainText(truth);
  book = await notebook(lab);
  await expect(book).toContainText(lab.t('nb_wrong'));
  await expect(book).toContainText(lab.t('nb_tries').replace('{n}', '2'));
  await expect(book.getByRole('textbox')).toHaveValue('Nobody but Xen owns the screen.');

  // As Markdown, with the moment.
  const download = page.waitForEvent('download');
  await book.getByRole('button', { name: lab.t('nb_export') }).click();
  const text = await (await (await download).createReadStream()).toArray();
  const markdown = Buffer.concat(text).toString('utf8');
  expect(markdown).toContain(ask!);
  expect(markdown).toMatch(/#m=[\w-]+/);
  expect(markdown).toContain('Nobody but Xen owns the screen.');

  // The record that proves it is where the button leads.
  const first = (await lab.records({ types: ['console'] }))[0]!;
  await lab.moves(() => book.getByRole('button', { name: lab.t('nb_there') }).click());
  await expect.poll(async () => (await lab.state()).cursor.seq).toBe(first.seq);
});

test('the silence stays unsolved and is remembered with its suspect', async ({ page }) => {
  const lab = await Lab.open(page, 'silence');
  await lab.guided();
  await lab.moves(() => page.keyboard.press('Enter'), 60_000);
  await lab.expectHeading(tourOf('silence', 'en').stops[1]!.heading);
  const here = await lab.state();
  expect(here.ended ?? here.stop).toMatchObject({ kind: 'end', reason: 'idle' });
  await lab.guide.getByRole('textbox', { name: lab.t('suspect') }).fill('pong, rsp_event');
  await expect(lab.guide).not.toContainText(/solved|correct|right!/i);

  await page.reload();
  await lab.ready();
  await expect(lab.guide).toContainText('pong, rsp_event');
  const book = await notebook(lab);
  await expect(book).toContainText('pong, rsp_event');
  await lab.moves(() => book.getByRole('button', { name: lab.t('resume') }).click(), 60_000);
  await expect.poll(async () => (await lab.state()).cursor, { timeout: 30_000 }).toEqual(here.cursor);
  await lab.expectHeading(tourOf('silence', 'en').stops[1]!.heading);
});
