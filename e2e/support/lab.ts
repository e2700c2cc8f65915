// The page as a test sees it: roles and names on one side, the machine's own records on the other. The records come from the page's own
// worker: the tap listens to the messages that the page receives and asks the same questions that its panels ask. Production knows nothing
// of it.

import { type BrowserContext, expect, type Locator, type Page } from '@playwright/test';
import type { LabState, TracePage, TraceQuery } from '../../src/lab/types.ts';
import type { TraceRecord } from '../../src/trace/records.ts';
import { en } from '../../src/ui/i18n/en.ts';
import { ko } from '../../src/ui/i18n/ko.ts';

export type Lang = 'en' | 'ko';
export type Theme = 'light' | 'dark';
export const LANGS: readonly Lang[] = ['en', 'ko'];
export const THEMES: readonly Theme[] = ['light', 'dark'];
export const LOCALE: Readonly<Record<Lang, string>> = { en: 'en-US', ko: 'ko-KR' };

interface Tap {
  state: LabState | undefined;
  ask(request: object): Promise<unknown>;
}
declare global {
  interface Window {
    machineTap?: Tap;
  }
}

/** Runs in the page before its scripts: keeps hold of the machine worker that the page starts. */
function tap(): void {
  const Native = window.Worker;
  window.Worker = class extends Native {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      if (!String(url).includes('machine.worker')) return;
      const waiting = new Map<number, (value: unknown) => void>();
      let id = 1e9; // far from the numbers that the page gives its own questions
      const self: Tap = {
        state: undefined,
        ask: (request) =>
          new Promise((resolve) => {
            waiting.set(--id, resolve);
            this.postMessage({ ...request, id });
          }),
      };
      window.machineTap = self;
      this.addEventListener('message', ({ data }) => {
        if (data.type === 'state') self.state = data.state;
        else if (waiting.has(data.id)) waiting.get(data.id)!(data.value ?? data.message);
      });
    }
  };
}

export class Lab {
  readonly page: Page;
  readonly lang: Lang;
  private constructor(page: Page, lang: Lang) {
    this.page = page;
    this.lang = lang;
  }

  /** Opens the page at a hash such as 'hello' and waits until its machine stands at the first instruction. */
  static async open(
    page: Page,
    hash: string,
    options: { readonly lang?: Lang; readonly theme?: Theme; readonly address?: string } = {},
  ): Promise<Lab> {
    const lang = options.lang ?? 'en';
    await page.addInitScript(tap);
    await page.addInitScript(
      ([l, theme]) => {
        if (localStorage.getItem('ringside.settings')) return;
        const state = { lang: l, ...(theme ? { theme } : {}) };
        localStorage.setItem('ringside.settings', JSON.stringify({ state, version: 1 }));
      },
      [lang, options.theme] as const,
    );
    const lab = new Lab(page, lang);
    await page.goto('about:blank'); // another hash alone would not load the page again
    await page.goto(options.address ?? `/#${hash}`);
    await lab.ready();
    return lab;
  }

  /** Waits until the Guide has its tour, too. */
  async guided(): Promise<void> {
    await expect(this.primary).toBeEnabled();
  }

  /** Text of the shell in the language of the page. */
  t(key: keyof typeof en): string {
    return (this.lang === 'en' ? en : ko)[key];
  }
  button(key: keyof typeof en): Locator {
    return this.page.getByRole('button', { name: this.t(key) });
  }
  region(name: string): Locator {
    return this.page.locator(`[data-region="${name}"]`);
  }
  get guide(): Locator {
    return this.page.getByRole('region', { name: this.t('guide'), exact: true });
  }
  get primary(): Locator {
    return this.guide.locator('.button.primary');
  }
  get steps(): Locator {
    return this.page.getByTestId('steps');
  }

  // ---- the machine ----

  async state(): Promise<LabState> {
    const state = await this.page.evaluate(() => window.machineTap?.state);
    if (!state) throw new Error('the machine has not said anything yet');
    return state;
  }
  private ask<T>(request: object): Promise<T> {
    return this.page.evaluate((r) => window.machineTap!.ask(r), request) as Promise<T>;
  }
  trace(query: TraceQuery = {}, from = 0, count = 4096): Promise<TracePage> {
    return this.ask({ op: 'trace', query, from, count });
  }
  async records(query: TraceQuery = {}): Promise<readonly TraceRecord[]> {
    return (await this.trace(query)).rows;
  }
  async recordAtCursor(): Promise<TraceRecord> {
    const { seq } = (await this.state()).cursor;
    const hit = (await this.records()).find((r) => r.seq === seq);
    if (!hit) throw new Error(`no record has the number ${seq}`);
    return hit;
  }
  /** Puts another shipped kernel on stage behind the page's back, for what no lab shows. */
  async bootGuest(name: string, cmdline: string): Promise<void> {
    const { config } = await this.state();
    await this.page.evaluate(
      async ([guest, words, base]) => {
        const folder = `guests/${guest}/${guest}`;
        const map = await (await fetch(`${folder}.map.json`)).json();
        const bytes = new Uint8Array(await (await fetch(`${folder}.elf`)).arrayBuffer());
        await window.machineTap!.ask({ op: 'images', images: [{ sha256: map.sha256, bytes, map }] });
        const domain = { name: guest, image: map.sha256, memoryMiB: 8, cmdline: words };
        const next = { ...base, domains: [domain] };
        await window.machineTap!.ask({ op: 'boot', config: next, log: [], goto: undefined });
      },
      [name, cmdline, config!] as const,
    );
  }
  stateHash(): Promise<string> {
    return this.ask({ op: 'stateHash' });
  }
  /** Waits until the machine stands still. */
  async ready(timeout = 30_000): Promise<void> {
    await this.page.waitForFunction(() => window.machineTap?.state?.phase === 'paused', undefined, {
      timeout,
    });
  }
  /** Does something that moves the machine, and waits until it stands still again. */
  async moves(act: () => Promise<unknown>, timeout = 30_000): Promise<void> {
    const { cursor } = await this.state();
    await act();
    await this.page.waitForFunction(
      (c) => {
        const s = window.machineTap?.state;
        if (s?.phase !== 'paused') return false;
        return s.cursor.T !== c.T || s.cursor.seq !== c.seq || s.cursor.within !== c.within;
      },
      cursor,
      { timeout },
    );
  }

  // ---- what stands on the screen ----

  console(domid: number): Locator {
    return this.page.getByTestId(`console-${domid}`);
  }
  /** What a console's screen shows: the rows of the terminal, nothing hidden. */
  async screen(domid: number): Promise<string> {
    const rows = await this.console(domid).locator('.xterm-rows > div').allInnerTexts();
    return rows
      .map((r) => r.replaceAll('\u00a0', ' ').trimEnd())
      .join('\n')
      .trimEnd();
  }
  async expectScreen(domid: number, text: string | RegExp): Promise<void> {
    const poll = expect.poll(() => this.screen(domid), { timeout: 20_000 });
    await (typeof text === 'string' ? poll.toBe(text) : poll.toMatch(text));
  }
  async expectHeading(text: string): Promise<void> {
    await expect(this.guide.getByRole('heading', { level: 2 }).first()).toHaveText(text);
  }
}

/** A fresh profile: nothing stored, its own tabs. */
export async function freshPage(
  context: BrowserContext,
): Promise<{ readonly page: Page; close(): Promise<void> }> {
  const browser = context.browser();
  if (!browser) throw new Error('no browser');
  const other = await browser.newContext({
    baseURL: `http://127.0.0.1:${process.env['RINGSIDE_PORT'] ?? '4173'}`,
    viewport: { width: 1280, height: 720 },
  });
  return { page: await other.newPage(), close: () => other.close() };
}
