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

/** A ROM whose reset vector holds a jump to itself: it runs for ever and says nothing. */
function endless(): Buffer {
  const rom = Buffer.alloc(0x10000, 0xf4);
  rom.set([0xeb, 0xfe], 0xfff0);
  return rom;
}

test('where there is no hypervisor, nothing on the page shows one', async ({ page }) => {
  const lab = await dropAndRun(page, 'endless.rom', endless());
  await expect(page.getByRole('button', { name: lab.t('pause') })).toBeVisible();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('endless.rom');
  await expect(lab.console(COM1)).toHaveText(lab.t('consoleQuiet')); // it runs already: "press Run" would be a lie
  await expect(lab.guide).toContainText(/interrupts of devices/i);
  expect((await lab.region('timeline').locator('canvas').boundingBox())!.height).toBe(28); // one track, its own
  await page.keyboard.press('v');
  const views = page.getByRole('dialog', { name: lab.t('addView') });
  for (const xen of ['XenStore', 'Grants', 'Event channels', 'Shared ring'])
    await expect(views.getByRole('button', { name: xen })).toHaveCount(0);
  await views.getByRole('button', { name: 'Page walk' }).click();
  await page.keyboard.press('Escape');
  await expect(lab.region('pagewalk')).toContainText('Paging is off'); // while it runs, too
  await page.keyboard.press('v');
  await views.getByRole('button', { name: 'Who is in control' }).click();
  await page.keyboard.press('Escape');
  const control = lab.region('control');
  await expect(control).toContainText('nobody');
  await expect(control).not.toContainText(/Xen|hypercall/);
});

test('a link of a bare machine opens with its screen, not with the stage of a domain', async ({
  page,
  context,
}) => {
  const lab = await dropAndRun(page, 'modes.rom', guest('modes.rom'));
  await lab.expectScreen(COM1, /PASS/);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await lab.button('copyMoment').click();
  await expect(page.getByText(lab.t('linkCopied'))).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  await Lab.open(page, '', { address: link });
  await expect(lab.region('vga')).toBeVisible();
  await lab.expectScreen(COM1, /PASS/);
});

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
