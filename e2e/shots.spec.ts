// Pictures of every opening in both languages and themes, for people to look at, and the one that stands in the README.

import { mkdirSync, statSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { Lab, LANGS, THEMES } from './support/lab.ts';

const FOLDER = new URL('../screenshots/', import.meta.url).pathname;
const README = new URL('../docs/screenshot.png', import.meta.url).pathname;

async function settled(lab: Lab): Promise<void> {
  await lab.guided();
  await lab.page.evaluate(() => document.fonts.ready);
  await lab.page.evaluate(() =>
    Promise.all(document.getAnimations().map((a) => a.finished.catch(() => undefined))),
  );
}
const small = (file: string): number => statSync(file).size;

for (const lang of LANGS) {
  for (const theme of THEMES) {
    test(`pictures of the openings, ${lang}, ${theme}`, async ({ page }) => {
      mkdirSync(FOLDER, { recursive: true });
      for (const opening of ['hello', 'rings', 'ping', 'silence']) {
        const lab = await Lab.open(page, opening, { lang, theme });
        await settled(lab);
        const path = `${FOLDER}${opening}-${lang}-${theme}.png`;
        await page.screenshot({ path });
        expect(small(path)).toBeGreaterThan(10_000);
      }
    });
  }
}

test('the picture of the README: inside the first trap, at the check', async ({ page }) => {
  const lab = await Lab.open(page, 'hello', { theme: 'light' });
  await lab.guided();
  await lab.moves(() => page.keyboard.press('Enter'));
  await lab.expectScreen(1, /Goodbye/);
  await lab.guide.getByRole('radio').nth(1).click();
  await lab.moves(() => lab.primary.click());
  do await lab.moves(() => page.keyboard.press('.'));
  while ((await lab.recordAtCursor()).phase !== 'check');
  await expect(lab.steps.locator('[aria-current="step"]')).toContainText(lab.t('phase_check'));
  await settled(lab);
  const path = process.env['RINGSIDE_README_PICTURE'] ? README : `${FOLDER}readme.png`;
  mkdirSync(new URL('../docs/', import.meta.url), { recursive: true });
  await page.screenshot({ path });
  expect(small(path)).toBeLessThan(300_000);
});
