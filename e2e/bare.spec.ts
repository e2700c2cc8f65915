// The bare machine on the page: images for no hypervisor, dropped; firmware that others wrote draws on its screen and reads its keyboard.

import { existsSync, readFileSync } from 'node:fs';
import { expect, type Page, test } from '@playwright/test';
import { dropFile } from './support/drop.ts';
import { Lab } from './support/lab.ts';

/** COM1 is the console of nobody's domain. */
const COM1 = 0x7fff;
const GRUB_ROM = '/usr/share/qemu/grub.bin';
const guest = (name: string): Buffer =>
  readFileSync(new URL(`../public/guests/bare/${name}`, import.meta.url));

async function dropAndRun(page: Page, name: string, bytes: Buffer): Promise<Lab> {
  const lab = await Lab.open(page, 'hello');
  await dropFile(page, name, bytes);
  await expect(lab.region('vga')).toBeVisible();
  await lab.ready();
  await page.keyboard.press('r');
  return lab;
}

for (const name of ['modes.elf', 'modes.rom']) {
  test(`${name} goes through the modes of the processor and passes`, async ({ page }) => {
    const lab = await dropAndRun(page, name, guest(name));
    await lab.expectScreen(COM1, /PASS/);
  });
}

test('a ROM survives a reload', async ({ page }) => {
  const lab = await dropAndRun(page, 'modes.rom', guest('modes.rom'));
  await lab.expectScreen(COM1, /PASS/);
  await page.reload();
  await lab.ready();
  await expect(lab.region('vga')).toBeVisible();
  expect((await lab.state()).cursor.T).toBe(0);
  await page.keyboard.press('r');
  await lab.expectScreen(COM1, /PASS/);
});

test('firmware draws on the screen, and waits for its keyboard', async ({ page }) => {
  test.skip(!existsSync(GRUB_ROM) && !process.env['RINGSIDE_NO_SKIP'], 'needs grub-firmware-qemu');
  const lab = await dropAndRun(page, 'grub.bin', readFileSync(GRUB_ROM));
  const screen = lab.region('vga');
  await expect(screen).toContainText('Press any key to continue', { timeout: 60_000 });
  await screen.getByRole('application').focus();
  await page.keyboard.press('Enter');
  await expect(screen).toContainText('Failed to boot both default and fallback entries', { timeout: 60_000 });
});
