// What a lab shows before anything was done: few controls, few words, one black button. Counted on the page as a person sees it.

import { expect, type Page } from '@playwright/test';
import type { Lab } from './lab.ts';

export interface Opening {
  readonly panels: readonly string[];
  readonly controls: readonly string[];
  readonly words: readonly string[];
  readonly primaries: number;
}

/** Counts what is visible. Code rows are the machine's, not ours: neither their text nor their addresses count. */
export const countOpening = (page: Page): Promise<Opening> =>
  page.evaluate(() => {
    const visible = (e: Element): boolean => {
      const box = e.getBoundingClientRect();
      const clip = getComputedStyle(e);
      return box.width > 1 && box.height > 1 && clip.visibility !== 'hidden' && clip.opacity !== '0';
    };
    const code = (e: Element): boolean => e.closest('[data-listing]') !== null;
    const main = document.querySelector('main')!;
    const controls = [
      ...document.querySelectorAll(
        'button, a[href], input, select, textarea, summary, [contenteditable="true"], [role="slider"]',
      ),
    ].filter((e) => visible(e) && !code(e) && !(e as HTMLButtonElement).disabled);
    const words: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let n = walker.nextNode(); n; n = walker.nextNode()) {
      const e = n.parentElement!;
      if (/^(SCRIPT|STYLE|NOSCRIPT|OPTION)$/.test(e.tagName) || !visible(e) || code(e)) continue;
      if (e.closest('.visually-hidden')) continue;
      words.push(...(n.textContent ?? '').split(/\s+/).filter((w) => /[\p{L}\p{N}]/u.test(w)));
    }
    return {
      panels: [...main.querySelectorAll('[data-region]')].map((r) => r.getAttribute('data-region')!),
      controls: controls.map((e) => e.getAttribute('aria-label') ?? e.textContent ?? ''),
      words,
      primaries: [...document.querySelectorAll('.button.primary')].filter(visible).length,
    };
  });

/** The law of openings: paused at the start, at most three panels beside the Guide, 12 controls, 90 words, one primary button. */
export async function expectOpening(lab: Lab): Promise<Opening> {
  await expect(lab.primary).toBeVisible();
  await expect(lab.page.getByText(lab.t('nothingYet'))).toBeVisible();
  const state = await lab.state();
  expect(state.phase).toBe('paused');
  expect(state.instructions).toBe(0);
  expect(state.cursor.T).toBe(0);
  const opening = await countOpening(lab.page);
  expect(opening.panels.filter((p) => p !== 'guide').length).toBeLessThanOrEqual(3);
  expect(opening.panels).toContain('guide');
  expect(opening.primaries).toBe(1);
  expect(opening.controls.length, opening.controls.join(' | ')).toBeLessThanOrEqual(12);
  expect(opening.controls.length).toBeGreaterThan(0);
  expect(opening.words.length, opening.words.join(' ')).toBeLessThanOrEqual(90);
  expect(opening.words.length).toBeGreaterThan(0);
  return opening;
}
