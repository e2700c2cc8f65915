// Two ways to use the page: keys alone and the mouse alone. The letters of a name are typed in both; everything else is not.

import { expect, type Locator, type Page } from '@playwright/test';
import type { Lab } from './lab.ts';

export type HandName = 'keyboard' | 'mouse';
export const HANDS: readonly HandName[] = ['keyboard', 'mouse'];

export interface Hand {
  /** Presses the black button of the Guide. */
  primary(): Promise<void>;
  /** Answers a prediction with its n-th choice, counted from 0. */
  choose(n: number): Promise<void>;
  stepOn(): Promise<void>;
  stepBack(): Promise<void>;
  /** Types over the text in the Guide's field and sends it. */
  rewrite(text: string): Promise<void>;
  run(): Promise<void>;
  /** Picks an option of a select, by its position. */
  pick(select: Locator, index: number): Promise<void>;
}

/** Goes on with Tab until the focus is where it should be. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let i = 0; i < 60; i++) {
    if (await target.evaluate((e) => e === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('the Tab key does not lead there');
}
/** Goes on with F6 until the focus is in the region. */
async function cycleTo(page: Page, region: Locator): Promise<void> {
  for (let i = 0; i < 12; i++) {
    if (await region.evaluate((e) => e.contains(document.activeElement))) return;
    await page.keyboard.press('F6');
  }
  throw new Error('F6 does not lead there');
}

function keyboard(lab: Lab): Hand {
  const { page } = lab;
  const press = (key: string): Promise<void> => page.keyboard.press(key);
  return {
    primary: async () => {
      await expect(lab.primary).toBeEnabled();
      await press('Enter');
    },
    choose: async (n) => {
      await expect(lab.guide.getByRole('radio').first()).toBeEnabled();
      await press(String(n + 1));
    },
    stepOn: () => press('.'),
    stepBack: () => press(','),
    run: () => press('r'),
    rewrite: async (text) => {
      await cycleTo(page, lab.guide);
      await tabTo(page, lab.guide.getByRole('textbox'));
      await press('Control+A');
      await page.keyboard.type(text);
      await press('Enter');
    },
    pick: async (select, index) => {
      await cycleTo(page, lab.region('timeline'));
      await tabTo(page, select);
      await press('Home');
      for (let i = 0; i < index; i++) await press('ArrowDown');
      await press('Escape');
    },
  };
}

function mouse(lab: Lab): Hand {
  const { page } = lab;
  const transport = page.getByRole('toolbar', { name: lab.t('transport') });
  const click = (key: 'step' | 'back' | 'run'): Promise<void> =>
    transport.getByRole('button', { name: new RegExp(`^${lab.t(key)}`) }).click();
  return {
    primary: () => lab.primary.click(),
    choose: (n) =>
      lab.guide
        .locator('label', { has: page.getByRole('radio') })
        .nth(n)
        .click(),
    stepOn: () => click('step'),
    stepBack: () => click('back'),
    run: () => click('run'),
    rewrite: async (text) => {
      await lab.guide.getByRole('textbox').click({ clickCount: 3 });
      await page.keyboard.type(text);
      await lab.primary.click();
    },
    pick: async (select, index) => {
      await select.selectOption({ index });
    },
  };
}

export const handOf = (name: HandName, lab: Lab): Hand => (name === 'keyboard' ? keyboard(lab) : mouse(lab));
