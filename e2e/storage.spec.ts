// A browser that keeps nothing, or hands back what another build wrote: the lab opens all the same. And what a person made survives a reload.

import { readFileSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { dropFile } from './support/drop.ts';
import { Lab } from './support/lab.ts';
import { symbolOf } from './support/tour.ts';

test('storage that is denied: everything works until the page is closed, and the page says so', async ({
  page,
}) => {
  await page.addInitScript(() => {
    const deny = (): never => {
      throw new DOMException('denied', 'SecurityError');
    };
    for (const name of ['sessionStorage', 'indexedDB']) Object.defineProperty(window, name, { get: deny });
    Storage.prototype.setItem = deny;
  });
  const lab = await Lab.open(page, 'hello');
  await expect(page.getByText(lab.t('notKept'))).toBeVisible();
  await lab.guided();
  await page.getByRole('button', { name: '한국어' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'ko');
  await dropFile(
    page,
    'starter.elf',
    readFileSync(new URL('../public/guests/starter/starter.elf', import.meta.url)),
  );
  await expect(page.getByRole('heading', { level: 1 })).toContainText('starter');
  await lab.ready();
});

for (const [name, settings] of [
  ['of no known shape', '{"state":{"lang":7,"layouts":{"hello":"zzz"},"sizes":null},"version":1}'],
  ['that is no JSON', '{{{'],
] as const)
  test(`settings ${name} are left aside`, async ({ page }) => {
    await page.addInitScript((text) => {
      localStorage.setItem('ringside.settings', text);
      localStorage.setItem('ringside.own', '{{{');
    }, settings);
    const lab = await Lab.open(page, 'own'); // and the file that stood on stage is not known either
    await lab.guided();
    await expect(lab.region('control')).toBeVisible();
  });

test('a reload does not lose what was changed: the way back is offered', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await page.keyboard.press('v');
  const views = page.getByRole('dialog', { name: lab.t('addView') });
  await views.getByRole('button', { name: 'Memory' }).click();
  await page.keyboard.press('Escape');
  const at = symbolOf('hello', 'first');
  const memory = lab.region('memory');
  await memory.getByRole('textbox').first().fill(at.toString(16));
  const byte = memory.getByRole('button', { name: new RegExp(`${at.toString(16)}: `) });
  await byte.click();
  await page.keyboard.press('Control+A');
  await page.keyboard.type('58');
  await page.keyboard.press('Enter');
  await expect(byte).toHaveText('58');
  const changed = await lab.stateHash();
  await expect.poll(() => page.evaluate(() => sessionStorage.getItem('ringside.changed'))).not.toBeNull();
  await page.reload();
  await lab.ready();
  expect(await lab.stateHash()).not.toBe(changed); // nothing is forced on anybody
  await lab.button('changedBack').click();
  await expect.poll(() => lab.stateHash()).toBe(changed);
  await expect(lab.button('changedBack')).toHaveCount(0);
});
