// No accessibility violation that a machine can find: every opening and a moment inside a trap, light and dark, full size and 200 % zoom.

import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { Lab, LANGS, THEMES } from './support/lab.ts';

const SIZES = [
  { name: '1280×720', options: { viewport: { width: 1280, height: 720 } } },
  { name: '200 %', options: { viewport: { width: 640, height: 360 }, deviceScaleFactor: 2 } },
] as const;

async function expectClean(lab: Lab): Promise<void> {
  const { violations, passes } = await new AxeBuilder({ page: lab.page }).analyze();
  expect(passes.length).toBeGreaterThan(10); // it did look
  const told = violations.flatMap((v) =>
    v.nodes.map((n) => `${v.id}: ${n.target.join(' ')} — ${n.failureSummary}`),
  );
  expect(told).toEqual([]);
}

for (const { name, options } of SIZES) {
  for (const theme of THEMES) {
    test.describe(`axe finds nothing, ${name}, ${theme}`, () => {
      test.use(options);
      for (const opening of ['hello', 'rings', 'ping', 'silence']) {
        test(`opening ${opening}`, async ({ page }) => {
          const lab = await Lab.open(page, opening, { theme });
          await lab.guided();
          await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
          await expectClean(lab);
        });
      }
      test('inside a trap of hello', async ({ page }) => {
        const lab = await Lab.open(page, 'hello', { theme });
        await lab.guided();
        do await lab.moves(() => page.keyboard.press('.'));
        while ((await lab.recordAtCursor()).phase !== 'check');
        await expect(lab.steps).toBeVisible();
        await expectClean(lab);
      });
      test('after a prediction in rings', async ({ page }) => {
        const lab = await Lab.open(page, 'rings', { theme });
        await lab.guided();
        await lab.moves(() => lab.primary.click());
        await lab.guide.getByRole('radio').first().click();
        await expect(lab.guide.getByRole('status')).toBeVisible();
        await expectClean(lab);
      });
    });
  }
}

test.describe('axe finds nothing elsewhere', () => {
  for (const lang of LANGS) {
    test(`in the dialogs, ${lang}`, async ({ page }) => {
      const lab = await Lab.open(page, 'hello', { lang });
      await lab.guided();
      await lab.moves(() => page.keyboard.press('Enter'));
      await expect(lab.guide.getByRole('radio').first()).toBeVisible();
      await page.keyboard.press('1');
      await expect(lab.guide.getByRole('status')).toBeVisible();
      for (const key of ['v', 'b', 'n', 'q', 'Shift+Slash']) {
        await page.keyboard.press(key);
        await expect(page.getByRole('dialog')).toBeVisible();
        await expectClean(lab);
        await page.keyboard.press('Escape');
        await expect(page.getByRole('dialog')).toHaveCount(0);
      }
    });
    test(`on the projector, ${lang}`, async ({ page }) => {
      const lab = await Lab.open(page, 'hello', { lang });
      await lab.guided();
      await page.keyboard.press('p');
      await expectClean(lab);
      await lab.moves(() => page.keyboard.press('PageDown'));
      await expect(page.locator('[data-region="question"]')).toBeVisible();
      await expectClean(lab);
      await page.keyboard.press('Enter');
      await expect(lab.region('control')).toBeVisible();
      await expectClean(lab);
    });
    test(`at the three doors, ${lang}`, async ({ page }) => {
      const lab = await Lab.open(page, 'rings', { lang });
      await lab.guided();
      await lab.moves(() => page.keyboard.press('r'));
      await lab
        .region('control')
        .getByRole('button', { name: lab.t('doors') })
        .click();
      await expect(page.getByTestId('doors')).toBeVisible();
      await expectClean(lab);
    });
  }
});
