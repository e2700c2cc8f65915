// Twenty minutes with a projector: beats by a clicker's keys, hands that are counted, a blank screen, and always a way back.

import { expect, type Page, test } from '@playwright/test';
import { dropFile } from './support/drop.ts';
import { freshPage, Lab } from './support/lab.ts';
import { tourOf } from './support/tour.ts';

const stops = tourOf('hello', 'en').stops;
const beat = (page: Page) => page.getByTestId('beat');

async function begin(page: Page, hash = 'hello'): Promise<Lab> {
  const lab = await Lab.open(page, hash);
  await lab.guided();
  await page.keyboard.press('p');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'presenter');
  await expect(beat(page)).toHaveText(/^1 \//);
  return lab;
}

test('a talk goes from beat to beat, counts hands, and a question hides what would tell', async ({
  page,
}) => {
  const lab = await begin(page);
  await lab.moves(() => page.keyboard.press('PageDown'));
  await expect(beat(page)).toHaveText(/^2 \//);
  const question = page.locator('[data-region="question"]');
  await expect(question).toContainText(stops[1]!.ask!);
  for (const region of ['console:1', 'control', 'code', 'timeline'])
    await expect(lab.region(region)).toHaveCount(0);
  await page.keyboard.press('PageDown'); // a clicker cannot give the answer away
  await expect(question).toBeVisible();
  for (const key of ['1', '2', '2', '3', 'Backspace']) await page.keyboard.press(key);
  await expect(page.getByTestId('votes-guest')).toHaveText('1');
  await expect(page.getByTestId('votes-xen')).toHaveText('2');
  await expect(page.getByTestId('votes-dom0')).toHaveText('');
  await expect(page.getByTestId('last-keys')).toContainText('⌫');
  await expect(page.getByTestId('last-keys').locator('kbd')).toHaveCount(5);
  await page.keyboard.press('Enter');
  await expect(lab.guide.getByRole('status')).toContainText(
    stops[1]!.choices.find((c) => c.id === 'xen')!.text,
  );
  await expect(lab.region('console:1')).toBeVisible();
  // The room's answer is nobody's prediction.
  await page.keyboard.press('n');
  await expect(page.getByRole('dialog')).toContainText(lab.t('nb_empty'));
  await page.keyboard.press('Escape');

  await lab.moves(() => page.keyboard.press('PageDown'));
  await expect(beat(page)).toHaveText(/^3 \//);
  const here = (await lab.state()).cursor;
  // Wandering: phases by the arrows, a trap; Esc leads back to the beat.
  await lab.moves(() => page.keyboard.press('ArrowRight'));
  await lab.moves(() => page.keyboard.press('t'));
  expect((await lab.state()).cursor).not.toEqual(here);
  await lab.moves(() => page.keyboard.press('Escape'));
  expect((await lab.state()).cursor).toEqual(here);
  await expect(beat(page)).toHaveText(/^3 \//);
  // F5 does the same, and never reloads the page in the middle of a talk.
  await page.evaluate(() => {
    document.title = 'still here';
  });
  await lab.moves(() => page.keyboard.press('ArrowRight'));
  await lab.moves(() => page.keyboard.press('F5'));
  expect((await lab.state()).cursor).toEqual(here);
  expect(await page.title()).toBe('still here');
  // A reload that does happen loses nothing.
  await page.reload();
  await expect(beat(page)).toHaveText(/^3 \//);
  await expect.poll(async () => (await lab.state()).cursor).toEqual(here);
  await lab.expectHeading(stops[2]!.heading);
  // One beat back is the question again; at a beat Esc leaves the projector.
  await page.keyboard.press('PageUp');
  await expect(beat(page)).toHaveText(/^2 \//);
});

test('the screen goes blank and comes back by any key', async ({ page }) => {
  const lab = await begin(page);
  const { cursor } = await lab.state();
  await page.keyboard.press('.');
  await expect(page.getByTestId('blank')).toBeVisible();
  await page.keyboard.press('PageDown'); // wakes the screen, and nothing else
  await expect(page.getByTestId('blank')).toHaveCount(0);
  expect((await lab.state()).cursor).toEqual(cursor);
  await page.keyboard.press('b');
  await expect(page.getByTestId('blank')).toBeVisible();
  await page.getByTestId('blank').click();
  await expect(page.getByTestId('blank')).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'light');
});

test('the moment is a QR code whose short link opens the same machine', async ({ page }) => {
  const lab = await begin(page);
  for (let i = 0; i < 3; i++) await lab.moves(() => page.keyboard.press('ArrowRight'));
  await page.keyboard.press('q');
  await expect(page.getByTestId('qr')).toBeVisible();
  const link = await page.getByTestId('moment-link').innerText();
  expect(link).toMatch(/#at=hello\.\d+\.\d+\.1\.[0-9a-f]{8}$/);
  const hash = await lab.stateHash();
  const fresh = await freshPage(page.context());
  try {
    const other = await Lab.open(fresh.page, '', { address: link });
    await expect.poll(() => other.stateHash()).toBe(hash);
    await expect(fresh.page.getByRole('alert')).toHaveCount(0);
    await expect(fresh.page.getByRole('heading', { level: 1 })).toContainText('Who printed that?');
  } finally {
    await fresh.close();
  }
});

test('a short link carries what was typed into the machine', async ({ page }) => {
  const lab = await begin(page);
  await lab.moves(() => page.keyboard.press('i')); // an edit is made between two instructions
  await lab.region('code').getByRole('button', { name: 'Change' }).click();
  await lab.region('code').getByRole('button', { name: /^eax/ }).click();
  const eax = lab.region('code').getByRole('textbox', { name: 'eax' });
  await eax.fill('1234');
  await lab.moves(() => eax.press('Enter'));
  await page.keyboard.press('q');
  const link = await page.getByTestId('moment-link').innerText();
  expect(link).toMatch(/#at=hello\.[\w.]+\.r,[\w,~-]+$/);
  const hash = await lab.stateHash();
  const fresh = await freshPage(page.context());
  try {
    const other = await Lab.open(fresh.page, '', { address: link });
    await expect.poll(() => other.stateHash()).toBe(hash);
    await expect(fresh.page.getByRole('alert')).toHaveCount(0);
  } finally {
    await fresh.close();
  }
});

test('the pointer is a dot, then a light, then gone, and follows the mouse', async ({ page }) => {
  await begin(page);
  await page.mouse.move(300, 200);
  await page.keyboard.press('x');
  const dot = page.getByTestId('pointer-dot');
  const middle = async (): Promise<readonly number[]> => {
    const box = (await dot.boundingBox())!;
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  await expect.poll(middle).toEqual([300, 200]);
  await page.mouse.move(640, 360);
  await expect.poll(middle).toEqual([640, 360]);
  await page.keyboard.press('x');
  await expect(page.getByTestId('pointer-spotlight')).toBeVisible();
  await page.mouse.click(640, 360); // it stands in nobody's way
  await page.keyboard.press('x');
  await expect(page.getByTestId('pointer-spotlight')).toHaveCount(0);
});

test('a teacher’s own talk is dropped on the page, mistakes named by their line', async ({ page }) => {
  const lab = await begin(page);
  const talk = (body: string): Buffer => Buffer.from(`---\nlab: rings\ntitle: My talk\n---\n${body}`);
  await dropFile(page, 'bad.md', talk('## One\nbutten: Go\n\nText.\n'));
  await expect(page.getByRole('alert')).toContainText('line 6');
  await dropFile(
    page,
    'mine.md',
    talk(
      '## Before cli\nenter: runto symbol(at_cli)\n\nLook at the next instruction.\n\n## The end\n\n{{traps}} traps.\n',
    ),
  );
  await lab.expectHeading('Before cli');
  await expect(beat(page)).toHaveText('1 / 2');
  await expect(page.getByRole('heading', { level: 1 })).toContainText('My talk');
  await expect(lab.region('code').locator('[aria-current="step"]')).toContainText('cli');
  await page.keyboard.press('PageDown');
  await lab.expectHeading('The end');
  await page.emulateMedia({ media: 'print' });
  const handout = page.locator('[data-handout]');
  await expect(handout).toBeVisible();
  await expect(handout).toContainText('Look at the next instruction.');
  await expect(lab.guide).not.toBeVisible();
});
