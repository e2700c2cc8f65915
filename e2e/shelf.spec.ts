// A person's own kernels: built from the starter with its one line, dropped version after version, kept on a shelf that survives a reload.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, type Locator, test } from '@playwright/test';
import { dropFile } from './support/drop.ts';
import { Lab } from './support/lab.ts';

const STARTER = new URL('../public/guests/starter/', import.meta.url).pathname;
const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
const hasTools = (): boolean => works('nasm', '-v') && works('sh', '-c', 'echo | gcc -m32 -E -');

/** What a person does at home: change the source, run the line that came along. */
function build(change: (source: string) => string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-e2e-starter-'));
  try {
    cpSync(STARTER, folder, { recursive: true });
    const source = join(folder, 'kernel.c');
    writeFileSync(source, change(readFileSync(source, 'utf8')));
    execFileSync('sh', ['build.sh'], { cwd: folder });
    return readFileSync(join(folder, 'my-kernel.elf'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const shelf = async (lab: Lab): Promise<Locator> => {
  await lab.page.keyboard.press('k');
  const dialog = lab.page.getByRole('dialog', { name: lab.t('shelf') });
  await expect(dialog).toBeVisible();
  return dialog;
};

test('every version of a kernel built at home is kept, named, chosen, removed and put back', async ({
  page,
}) => {
  test.skip(!hasTools() && !process.env['RINGSIDE_NO_SKIP'], 'needs gcc -m32 and nasm');
  const named = (s: string): string => s.replace('nobody yet', 'Ada');
  const good = build(named);
  const bad = build((s) => named(s).replace('uint32_t version', '*(volatile int *)8 = 1; uint32_t version'));
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await expect(await shelf(lab)).toContainText(lab.t('shelf_empty'));
  await page.keyboard.press('Escape');

  await dropFile(page, 'my-kernel.elf', good);
  await expect(lab.guide).toContainText(lab.t('ownStart'));
  await lab.moves(() => page.keyboard.press('r'));
  await lab.expectScreen(1, /This is the kernel of Ada\./);
  await dropFile(page, 'my-kernel.elf', bad);
  await expect(lab.guide).toContainText(lab.t('ownStart'));
  await lab.moves(() => page.keyboard.press('r'));
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('#PF');
  await expect(alert).toContainText(lab.t('crashNext'));

  let dialog = await shelf(lab);
  const rows = dialog.getByRole('listitem');
  await expect(rows).toHaveCount(2);
  await expect(rows.nth(0)).toContainText(lab.t('shelf_onStage'));
  await expect(rows.nth(0)).toContainText(lab.t('end_crash'));
  await expect(rows.nth(1)).toContainText(lab.t('end_poweroff'));
  await rows.nth(0).getByRole('textbox').fill('writes through NULL');
  await rows
    .nth(1)
    .getByRole('button', { name: /^Remove/ })
    .click();
  const back = dialog.getByRole('button', { name: lab.t('shelf_undo') });
  await expect(back).toBeFocused();
  await back.press('Enter');
  await expect(back).toHaveCount(0);

  await page.reload();
  await lab.ready();
  dialog = await shelf(lab);
  await expect(rows).toHaveCount(2);
  await expect(rows.nth(0)).toContainText('writes through NULL');
  await rows
    .nth(1)
    .getByRole('button', { name: new RegExp(`^${lab.t('shelf_show')}`) })
    .click();
  await expect(dialog).toHaveCount(0);
  await expect(lab.guide).toContainText(lab.t('ownStart'));
  await lab.moves(() => page.keyboard.press('r'));
  await lab.expectScreen(1, /This is the kernel of Ada\./);
});

/** A multiboot image of 64 bytes that loads an interrupt table of nothing and executes UD2. */
function tripleFault(): Buffer {
  const at = 0x100000,
    magic = 0x1badb002,
    flags = 0x10000;
  const image = Buffer.alloc(64);
  [magic, flags, -(magic + flags), at, at, 0, 0, at + 0x30].forEach((v, i) => {
    image.writeUInt32LE(v >>> 0, 4 * i);
  });
  Buffer.from([0x0f, 0x01, 0x1d, 0x20, 0x00, 0x10, 0x00, 0x0f, 0x0b]).copy(image, 0x30); // LIDT [100020h]; UD2
  return image;
}

test('a triple fault and a file that is nothing are told plainly', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  const alert = page.getByRole('alert');
  await dropFile(page, 'notes.txt', Buffer.from('no kernel at all'));
  await expect(alert).toContainText('notes.txt');
  await expect(alert).toContainText(lab.t('takes'));
  await dropFile(page, 'triple.bin', tripleFault());
  await expect(alert).toHaveCount(0); // what was wrong with the file before is over
  await expect(lab.guide).toContainText(lab.t('bareStart'));
  await page.keyboard.press('r');
  await expect(alert).toContainText(lab.t('tripleFault'));
  await lab.moves(() => alert.getByRole('button', { name: lab.t('oneStepBefore') }).click());
  await expect(alert).toHaveCount(0);
});
