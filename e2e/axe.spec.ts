// No accessibility violation that a machine can find: every opening and a moment inside a trap, light and dark, full size and 200 % zoom.

import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { Lab, THEMES } from './support/lab.ts';

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
      for (const opening of ['hello', 'rings', 'ping']) {
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
