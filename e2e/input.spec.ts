// Keys that are letters elsewhere: a Hangul layout, an input method that composes, a console that takes them all.

import { type CDPSession, expect, test } from '@playwright/test';
import { Lab } from './support/lab.ts';

/** A key as a Hangul layout sends it: the place of T, the letter ㅅ. */
async function hangulKey(cdp: CDPSession, code: string, key: string, virtual: number): Promise<void> {
  const event = { code, key, windowsVirtualKeyCode: virtual };
  await cdp.send('Input.dispatchKeyEvent', { type: 'keyDown', text: key, ...event });
  await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
}

test('a Hangul layout steps by the place of the key', async ({ page, context }) => {
  const lab = await Lab.open(page, 'hello', { lang: 'ko' });
  await lab.guided();
  const cdp = await context.newCDPSession(page);
  await lab.moves(() => hangulKey(cdp, 'KeyT', 'ㅅ', 84));
  expect(await lab.recordAtCursor()).toMatchObject({ type: 'trap', phase: 'enter' });
  await hangulKey(cdp, 'KeyV', 'ㅍ', 86);
  await expect(page.getByRole('dialog', { name: lab.t('addView') })).toBeVisible();
});

test('a console receives what an input method composes, and no shortcut steals a stroke', async ({
  page,
  context,
}) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await lab.bootGuest('test-console-ring', '');
  await lab.ready();
  await lab.moves(() => page.keyboard.press('r'));
  const area = lab.console(1).getByRole('textbox');
  await area.focus();
  await expect(page.getByTestId('keys-chip')).toBeVisible();
  const before = await lab.state();
  const typed = async (): Promise<string> => {
    const inputs = (await lab.records({ types: ['input'] })).filter((r) => r.aux === 0);
    const bytes = inputs.flatMap((r) => Object.values(r.data ?? {}) as number[]);
    return new TextDecoder().decode(Uint8Array.from(bytes));
  };
  const cdp = await context.newCDPSession(page);
  for (const text of ['ㅎ', '하', '한'])
    await cdp.send('Input.imeSetComposition', {
      text,
      selectionStart: text.length,
      selectionEnd: text.length,
    });
  // Nothing has arrived while the syllable is open, and the keys of it were nobody's command.
  expect(await typed()).toBe('');
  expect((await lab.state()).cursor).toEqual(before.cursor);
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await cdp.send('Input.insertText', { text: '한' });
  await expect.poll(typed).toBe('한');
  await expect(lab.console(1)).toContainText(lab.t('imeHint').slice(0, 12));
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('keys-chip')).toHaveCount(0);
});

test('a key that an input method is using is no command', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  const { cursor } = await lab.state();
  await page.evaluate(() => {
    for (const code of ['KeyT', 'Period', 'KeyV', 'Enter'])
      document.body.dispatchEvent(
        new KeyboardEvent('keydown', { code, isComposing: true, bubbles: true, cancelable: true }),
      );
  });
  await expect(page.getByRole('dialog')).toHaveCount(0);
  expect((await lab.state()).cursor).toEqual(cursor);
  await lab.moves(() => page.keyboard.press('t')); // the same key, not composing
});

test('letters can be switched off; function keys stay', async ({ page }) => {
  const lab = await Lab.open(page, 'hello');
  await lab.guided();
  await page.keyboard.press('Shift+Slash');
  await page.getByRole('checkbox', { name: lab.t('letterKeys') }).uncheck();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('keys-chip')).toHaveText(lab.t('lettersOff'));
  const { cursor } = await lab.state();
  await page.keyboard.press('t');
  await lab.moves(() => page.keyboard.press('F10'));
  expect((await lab.state()).cursor.T).toBe(cursor.T + 1);
});
