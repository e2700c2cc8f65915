// The static build on a host that cannot set headers: with our service worker it is isolated after one reload at most; without one it runs in
// compatible mode, and the machine prints the same. And a trap log of half a million rows that is still light to scroll.

import { expect, type Page, test } from '@playwright/test';
import { Lab } from './support/lab.ts';
import { type PlainServer, servePlain } from './support/plain-server.ts';

const FOLDER = process.env['RINGSIDE_DIST'] ?? new URL('../dist/', import.meta.url).pathname;
const THREE = 'I am a kernel in ring 1.\nXen left me a note: xen-3.0-x86_32p\nGoodbye.';

let server: PlainServer;
test.beforeAll(async () => {
  server = await servePlain(FOLDER);
});
test.afterAll(() => server.close());

/** Counts the documents that the main frame loads. */
function countLoads(page: Page): () => number {
  let loads = 0;
  page.on('domcontentloaded', (p) => {
    if (p.url() !== 'about:blank') loads++;
  });
  return () => loads;
}
async function runsHello(lab: Lab): Promise<void> {
  await lab.guided();
  await lab.moves(() => lab.page.keyboard.press('Enter'));
  await lab.expectScreen(1, THREE);
}

test('a host without headers: isolated after one reload, and the machine has its hosts', async ({ page }) => {
  const head = await page.request.get(server.address);
  expect(head.headers()['cross-origin-opener-policy']).toBeUndefined();
  expect(head.headers()['cross-origin-embedder-policy']).toBeUndefined();
  const loads = countLoads(page);
  const workers: string[] = [];
  page.on('worker', (w) => workers.push(w.url()));
  const lab = await Lab.open(page, 'hello', { address: `${server.address}#hello` });
  await runsHello(lab);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  expect(loads()).toBe(2);
  expect((await lab.state()).isolated).toBe(true);
  expect(workers.some((url) => url.includes('machine.worker'))).toBe(true);

  // The next visit is isolated at once.
  await page.goto(`${server.address}#rings`);
  await page.reload();
  await lab.ready();
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  expect(loads()).toBeLessThanOrEqual(4);
});

test.describe('without service workers', () => {
  test.use({ serviceWorkers: 'block' });
  test('one worker, nothing shared, the same three lines, and the page says why', async ({ page }) => {
    const loads = countLoads(page);
    const lab = await Lab.open(page, 'hello', { address: `${server.address}#hello` });
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    expect(await page.evaluate(() => 'SharedArrayBuffer' in window)).toBe(false);
    await expect(page.getByText(lab.t('notIsolatedWhy'))).toBeVisible();
    await runsHello(lab);
    expect((await lab.state()).isolated).toBe(false);
    expect(page.workers().map((w) => new URL(w.url()).pathname)).toHaveLength(1);
    expect(loads()).toBeLessThanOrEqual(2);
  });
  test('the compatible machine ends in the same state', async ({ page, browser }) => {
    const lab = await Lab.open(page, 'hello', { address: `${server.address}#hello` });
    await runsHello(lab);
    const alone = await lab.stateHash();
    const context = await browser.newContext();
    const isolated = await Lab.open(await context.newPage(), 'hello', {
      address: `${test.info().project.use.baseURL}/#hello`,
    });
    await runsHello(isolated);
    expect(await isolated.page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await isolated.stateHash()).toBe(alone);
    await context.close();
  });
});

const ROWS = 500_000;
/** Frame lengths in milliseconds while the log scrolls a screenful a frame, with jumps in between. */
const scrollFrames = (page: Page, frames: number): Promise<readonly number[]> =>
  page.evaluate(async (n) => {
    const box = document.querySelector<HTMLElement>('[data-region="traplog"] [role="grid"]')!;
    const next = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
    const lengths: number[] = [];
    let before = await next();
    for (let i = 0; i < n; i++) {
      const far = i % 30 === 29;
      box.scrollTop = far ? ((i * 7919) % n) * (box.scrollHeight / n) : box.scrollTop + 200;
      const now = await next();
      lengths.push(now - before);
      before = now;
    }
    return lengths;
  }, frames);

test('half a million rows of trap log scroll', async ({ page }) => {
  test.setTimeout(150_000);
  const lab = await Lab.open(page, 'rings');
  await lab.guided();
  await lab.bootGuest('test-storm', 'count=1000000');
  await page.keyboard.press('r');
  await page.waitForFunction((n) => (window.machineTap?.state?.cursor.seq ?? 0) > n, ROWS + 1000, {
    timeout: 120_000,
    polling: 250,
  });
  if ((await lab.state()).phase === 'running') await page.keyboard.press('r');
  await lab.ready();
  const log = lab.region('traplog');
  await log.getByRole('button', { name: lab.t('filter') }).click();
  await log.getByLabel(lab.t('f_way')).selectOption('all');
  await expect
    .poll(async () => Number(await log.getByRole('grid').getAttribute('aria-rowcount')))
    .toBeGreaterThan(ROWS);
  const lengths = await scrollFrames(page, 240);
  await expect(log.getByRole('row').first()).toContainText(/\d/);
  expect(await log.getByRole('row').count()).toBeLessThan(100); // only what is on screen exists
  const sorted = lengths.toSorted((a, b) => a - b);
  const at = (p: number): string => sorted[Math.floor(p * (sorted.length - 1))]!.toFixed(1);
  const long = lengths.filter((l) => l > 50).length;
  console.log(
    `scrolling ${ROWS} rows: frame median ${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms, ${long} of ${lengths.length} over 50 ms, the first at frame ${lengths.findIndex((l) => l > 50)}`,
  );
});
