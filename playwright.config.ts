// Browser tests use a system Chromium where there is one, otherwise Playwright's own.
import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';

const system = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) =>
  existsSync(p),
);

/** Another port where somebody else already uses this one. */
const address = `http://127.0.0.1:${process.env['RINGSIDE_PORT'] ?? '4173'}`;

export default defineConfig({
  testDir: 'e2e',
  timeout: 120_000,
  workers: 2,
  fullyParallel: true,
  retries: process.env['CI'] ? 2 : 0,
  reporter: [['list']],
  use: {
    baseURL: address,
    viewport: { width: 1280, height: 720 },
    launchOptions: {
      ...(system ? { executablePath: system } : {}),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  webServer: {
    command: `npm run -s engine && npm run -s build && npx vite preview --host 127.0.0.1 --strictPort --port ${new URL(address).port}`,
    url: address,
    timeout: 120_000,
    reuseExistingServer: true,
  },
});
