// The expert's walk: a kernel that nobody here wrote, dropped on the page; a moment opened in another profile; and what happens when the
// image or the link is damaged.

import { readFileSync } from 'node:fs';
import { expect, type Page, test } from '@playwright/test';
import { dropFile } from './support/drop.ts';
import { grubImage, hasGrub } from './support/grub.ts';
import { freshPage, Lab } from './support/lab.ts';

const lacksGrub = !hasGrub() && !process.env['RINGSIDE_NO_SKIP'];
const HELLO = 1;

test.describe(lacksGrub ? 'GRUB (needs grub-mkimage, i386-xen)' : 'GRUB', () => {
  test.skip(lacksGrub, 'needs grub-mkimage and its i386-xen platform');

  test('prints what its script says and halts', async ({ page }) => {
    const script = 'echo hello from grub\nls\nsleep 1\nhalt\n';
    const image = grubImage(['echo', 'ls', 'sleep', 'halt', 'normal'], script);
    const lab = await Lab.open(page, 'hello');
    await dropFile(page, 'grub-script.elf', image);
    await expect(page.getByRole('heading', { level: 1 })).toContainText('grub-script');
    await lab.ready();
    expect((await lab.state()).cursor.T).toBe(0);
    await lab.moves(() => page.keyboard.press('r'), 60_000);
    await lab.expectScreen(1, /hello from grub/);
    expect((await lab.state()).ended).toMatchObject({ kind: 'end', reason: 'poweroff' });
  });

  test('opens its prompt, echoes what is typed and survives a reload', async ({ page }) => {
    const lab = await Lab.open(page, 'hello');
    await dropFile(page, 'grub-shell.elf', grubImage(['normal', 'echo', 'halt', 'reboot']));
    await expect(page.getByRole('heading', { level: 1 })).toContainText('grub-shell');
    const boot = async (): Promise<void> => {
      await lab.ready();
      await page.keyboard.press('r');
      await lab.expectScreen(1, /Welcome to GRUB|grub>/);
      await expect.poll(() => lab.screen(1), { timeout: 60_000 }).toMatch(/grub>/);
    };
    await boot();
    await lab.console(1).getByRole('textbox').focus();
    await expect(page.getByTestId('keys-chip')).toBeVisible();
    await page.keyboard.type('echo hi');
    await page.keyboard.press('Enter');
    await lab.expectScreen(1, /grub> *echo hi\s*\n+hi\n/);
    const typed = await lab.records({ types: ['input'] });
    expect(typed.length).toBeGreaterThan(0); // what was typed came through the one door
    await page.keyboard.press('Escape');
    await expect(page.getByTestId('keys-chip')).toHaveCount(0);

    await page.reload();
    await lab.ready();
    await expect(page.getByRole('heading', { level: 1 })).toContainText('grub-shell');
    await boot();
  });
});

/** The text of the link that Copy this moment makes, from the clipboard. */
async function copyMoment(lab: Lab): Promise<string> {
  await lab.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await lab.button('copyMoment').first().click();
  await expect(lab.page.getByText(lab.t('linkCopied'))).toBeVisible();
  return lab.page.evaluate(() => navigator.clipboard.readText());
}

/** What a person sees of the machine: place, registers, consoles, the trap in words. */
async function seen(page: Page): Promise<Record<string, string>> {
  const text = async (selector: string): Promise<string> =>
    (await page.locator(selector).allInnerTexts()).join('\n').replaceAll('\u00a0', ' ');
  return {
    // How much of the future is known is the profile's own: a link carries no future.
    position: (await page.getByTestId('position').innerText()).replace(/ of [\d,]+/, ''),
    control: await text('[data-testid="steps"]'),
    code: await text('[data-region="code"]'),
    consoles: await text('.xterm-rows > div'),
    ring: await text('[data-region="ring"]'),
  };
}

async function opensTheSame(page: Page, lab: Lab, address: string): Promise<void> {
  const here = await seen(page);
  const { cursor } = await lab.state();
  const hash = await lab.stateHash();
  const fresh = await freshPage(page.context());
  try {
    const other = await Lab.open(fresh.page, '', { address });
    await expect.poll(async () => (await other.state()).cursor, { timeout: 30_000 }).toEqual(cursor);
    expect(await other.stateHash()).toBe(hash);
    await expect.poll(() => seen(fresh.page), { timeout: 10_000 }).toEqual(here);
    await expect(fresh.page.getByRole('alert')).toHaveCount(0);
  } finally {
    await fresh.close();
  }
}

test('a moment of hello opens in another profile', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  for (let i = 0; i < 5; i++) await lab.moves(() => page.keyboard.press('.'));
  await expect(lab.steps).toBeVisible();
  const link = await copyMoment(lab);
  expect(link).toMatch(/#m=[\w-]+$/);
  await opensTheSame(page, lab, link);
});

test('a moment of ping and pong opens in another profile', async ({ page }) => {
  const lab = await Lab.open(page, 'ping');
  await lab.guided();
  for (let i = 0; i < 8; i++) await lab.moves(() => page.keyboard.press('t'));
  const link = await copyMoment(lab);
  await opensTheSame(page, lab, link);
});

test('a damaged link says so and loses nothing', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  for (let i = 0; i < 3; i++) await lab.moves(() => page.keyboard.press('.'));
  const link = await copyMoment(lab);
  const fresh = await freshPage(page.context());
  try {
    const damaged = `${link.slice(0, -30)}AAAA`;
    await fresh.page.goto(damaged);
    const alert = fresh.page.getByRole('alert');
    await expect(alert).toContainText('damaged');
    await alert.getByRole('button', { name: lab.t('openAtStart') }).click();
    await expect(fresh.page.getByText(lab.t('nothingYet'))).toBeVisible();
    await expect(alert).toHaveCount(0);
    await expect(fresh.page.getByRole('heading', { level: 1 })).toContainText('Who printed that?');
  } finally {
    await fresh.close();
  }
  await opensTheSame(page, lab, link); // the whole link still works
});

test('a short link to another machine says so, stays readable, and leads on', async ({ page }) => {
  const lab = await Lab.open(page, 'hello', { lang: 'ko' });
  await lab.guided();
  for (let i = 0; i < 3; i++) await lab.moves(() => page.keyboard.press('.'));
  const { cursor } = await lab.state();
  const place = `${cursor.T}.${cursor.seq}.${cursor.within ? 1 : 0}`;
  await page.evaluate((hash) => {
    location.hash = hash;
  }, `at=hello.${place}.deadbeef`);
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('deadbeef');
  await expect(alert).toContainText('링크'); // in the language of the page
  await expect.poll(async () => (await lab.state()).cursor).toEqual(cursor);
  await alert.getByRole('button', { name: lab.t('openAtStart') }).click();
  await expect(alert).toHaveCount(0);
  await lab.guided();
});

test('what is wrong with an image is said in Korean throughout', async ({ page }) => {
  await Lab.open(page, 'hello', { lang: 'ko' });
  const elf = Buffer.from(readFileSync(new URL('../public/guests/hello/hello.elf', import.meta.url)));
  elf[4] = 2; // a 64-bit class
  await dropFile(page, 'wide.elf', elf);
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('64비트 ELF 커널입니다');
  await expect(alert.locator('p')).not.toContainText(/expected|found|build|offset/i);
  await dropFile(page, 'notes.bin', Buffer.alloc(200, 7));
  await expect(alert).toContainText('ELF 실행 파일이 아닙니다');
  await dropFile(page, 'notes.txt', Buffer.alloc(200, 0x41));
  await expect(alert).toContainText('텍스트 파일입니다');
  await expect(alert.locator('p')).not.toContainText(/expected|found|link the/i);
});

test('a kernel that crashes at its first instruction has a past, too', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  const elf = Buffer.from(readFileSync(new URL('../public/guests/hello/hello.elf', import.meta.url)));
  elf.set([0x0f, 0x0b], elf.indexOf(Buffer.from([0xba, 0x74, 0x11, 0x00, 0xc0]))); // mov edx, first: now ud2
  await dropFile(page, 'crash.elf', elf);
  await expect(page.getByRole('heading', { level: 1 })).toContainText('crash');
  await lab.ready();
  await page.keyboard.press('r');
  await expect(page.getByRole('alert')).toContainText('#UD');
  await expect(page.getByText(lab.t('nothingYet'))).toHaveCount(0);
  await expect(lab.guide).not.toContainText(lab.t('ownStart'));
  await expect(lab.region('control')).not.toContainText(lab.t('noTrapHere'));
  await lab.button('oneStepBefore').click();
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('a truncated image is named and what stands on stage stays', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await lab.moves(() => page.keyboard.press('Enter'));
  await lab.expectScreen(HELLO, /Goodbye/);
  const before = await lab.stateHash();
  const whole = readFileSync(new URL('../public/guests/hello/hello.elf', import.meta.url));
  await dropFile(page, 'cut.elf', whole.subarray(0, 60));
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('cut.elf');
  await expect(alert).toContainText(/\d/); // says where
  const link = alert.getByRole('link', { name: lab.t('starterElf') });
  const answer = await page.request.get(new URL((await link.getAttribute('href'))!, page.url()).href);
  expect((await answer.body()).subarray(0, 4).toString('latin1')).toBe('\x7fELF');
  await lab.expectScreen(HELLO, /Goodbye/);
  expect(await lab.stateHash()).toBe(before);
  await alert.getByRole('button', { name: lab.t('close') }).click();
  await expect(alert).toHaveCount(0);
  await dropFile(page, 'notes.txt', Buffer.from('no kernel at all'));
  await expect(alert).toContainText('notes.txt');
});

test('the starter kernel replaces the domain on stage', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await dropFile(
    page,
    'mine.elf',
    readFileSync(new URL('../public/guests/starter/starter.elf', import.meta.url)),
  );
  await expect(page.getByRole('heading', { level: 1 })).toContainText('mine');
  await lab.ready();
  await page.keyboard.press('r');
  await expect.poll(() => lab.screen(1), { timeout: 20_000 }).not.toBe('');
});

test('an edited past is carried by the link', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await lab.moves(() => page.keyboard.press('i'));
  const code = lab.region('code');
  await code.locator('button[aria-pressed="false"]').first().click();
  const before = await lab.stateHash();
  await lab.moves(async () => {
    await code.getByRole('button', { name: /^edi: / }).click();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('0000abcd');
    await page.keyboard.press('Enter');
  });
  expect(await lab.stateHash()).not.toBe(before);
  await code.locator('button[aria-pressed="true"]').first().click(); // the other profile shows it without the editor
  await opensTheSame(page, lab, await copyMoment(lab));
});
