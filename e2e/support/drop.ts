// Drops a file on the page the way a person does: with a DataTransfer that carries it.

import type { Page } from '@playwright/test';

export async function dropFile(page: Page, name: string, bytes: Buffer): Promise<void> {
  const data = await page.evaluateHandle(
    ([fileName, base64]) => {
      const transfer = new DataTransfer();
      const raw = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      transfer.items.add(new File([raw], fileName, { type: 'application/octet-stream' }));
      return transfer;
    },
    [name, bytes.toString('base64')] as const,
  );
  const target = page.locator('main');
  for (const type of ['dragenter', 'dragover', 'drop'])
    await target.dispatchEvent(type, { dataTransfer: data });
  await data.dispose();
}
