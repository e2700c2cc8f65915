// A kernel of others, made while the test runs: GRUB for Xen's PV guests, by the distribution's own grub-mkimage.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** False where the tool or its i386-xen platform is missing. */
export const hasGrub = (): boolean =>
  existsSync('/usr/lib/grub/i386-xen') && spawnSync('sh', ['-c', 'command -v grub-mkimage']).status === 0;

/** An image with these modules; a script makes it run by itself, without one it opens its shell. */
export function grubImage(modules: readonly string[], script?: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-e2e-grub-'));
  try {
    const image = join(folder, 'grub.elf');
    const config = join(folder, 'load.cfg');
    if (script !== undefined) writeFileSync(config, script);
    execFileSync('grub-mkimage', [
      ...['-O', 'i386-xen', '-o', image, '-p', '(memdisk)'],
      ...(script === undefined ? [] : ['-c', config]),
      ...modules,
    ]);
    return readFileSync(image);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
