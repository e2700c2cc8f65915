// Firmware and boot loaders of others on the bare machine, as Debian packages them: each comes to its own prompt or message, and both engines
// agree on the hashes. Packages: seabios, bochsbios, grub-firmware-qemu, grub-coreboot-bin.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { need } from '../../tools/need.ts';
import { ENGINES, type EngineName } from '../cpu/engine.ts';
import { Timeline } from '../lab/timeline.ts';
import { type BareSettings, createBare } from '../machine/bare.ts';
import { stateHash } from '../machine/state-hash.ts';
import { stopReason } from '../machine/stop.ts';
import { allocate } from '../memory/memory.ts';
import { loadMultiboot } from '../toolstack/multiboot.ts';
import { engineChoice } from './engine-code.ts';

const GRUB_ROM = '/usr/share/qemu/grub.bin',
  SEABIOS = '/usr/share/seabios/bios.bin',
  BOCHS = '/usr/share/bochs/BIOS-bochs-latest',
  COREBOOT = '/usr/lib/grub/i386-coreboot/kernel.img';
const MEMORY_MIB = 32;
/** Where the firmware writes what it has to say besides COM1. */
const DEBUG_PORT = 0x402;
const VGA_TEXT = 0xb8000,
  VGA_CELLS = 80 * 25;

interface Seen {
  /** What came out of COM1 and the debug port. */
  readonly console: string;
  readonly vga: string;
  readonly stop: string;
  readonly hashes: readonly [trace: string, state: string];
}

function boot(
  engine: EngineName,
  ticks: number,
  settings: Partial<BareSettings>,
  image?: Uint8Array<ArrayBuffer>,
): Seen {
  const machine = createBare(
    allocate(64, false),
    { memoryMiB: MEMORY_MIB, epochSec: 1_790_000_000, debugPort: DEBUG_PORT, ...settings },
    engineChoice(engine, false),
  );
  if (image !== undefined) loadMultiboot(machine, { image, name: 'image', cmdline: '' });
  const timeline = new Timeline(machine, () => undefined);
  const chunks: Uint8Array[] = [];
  timeline.onRecord = (seq) => {
    const record = timeline.history.get(seq)!;
    if (record.type === 'console' && record.data !== undefined) chunks.push(record.data);
  };
  timeline.begin();
  timeline.log.append({ kind: 'closeInput' });
  timeline.run({ untilTicks: ticks });
  const cells = Array.from({ length: VGA_CELLS }, (_, i) => machine.frames.read8(VGA_TEXT + 2 * i));
  return {
    console: Buffer.concat(chunks).toString('latin1'),
    vga: String.fromCharCode(...cells),
    stop: stopReason(machine.m),
    hashes: [machine.trace.hash, stateHash(machine.m)],
  };
}
/** The same on every engine; what the first one saw. */
function onEach(ticks: number, settings: Partial<BareSettings>, image?: Uint8Array<ArrayBuffer>): Seen {
  const [first, ...others] = ENGINES.map((engine) => boot(engine, ticks, settings, image));
  for (const other of others) expect(other).toEqual(first);
  return first!;
}
const rom = (path: string): Uint8Array => new Uint8Array(readFileSync(path));

need(SEABIOS)('SeaBIOS', () => {
  it('finds its machine, finds nothing to boot, and resets it', () => {
    const { console, stop } = onEach(8_000_000, { rom: rom(SEABIOS) });
    expect(console).toContain('SeaBIOS (version');
    expect(console).toContain('Found QEMU fw_cfg');
    expect(console).toContain(
      `0000000000100000 - ${(MEMORY_MIB << 20).toString(16).padStart(16, '0')} = 1 RAM`,
    );
    expect(console).toContain('Found 1 cpu(s) max supported 1 cpu(s)');
    expect(console).toContain('PS2 keyboard initialized');
    expect(console).toContain('All threads complete.');
    expect(console).toContain('No bootable device.');
    expect(stop).toBe('reboot');
  });
});

need(BOCHS)('the BIOS of Bochs', () => {
  it('comes to the end of its boot sequence', () => {
    const { console, stop } = onEach(3_000_000, { rom: rom(BOCHS) });
    expect(console).toContain('ram_end=32MB');
    expect(console).toContain('Found 1 cpu(s)');
    expect(console).toContain('No bootable device.');
    expect(stop).toBe('halted');
  });
});

need(GRUB_ROM)('GRUB as firmware', () => {
  it('shows its menu', () => {
    const { vga, stop } = onEach(30_000_000, { rom: rom(GRUB_ROM) });
    expect(vga).toContain('GNU GRUB  version');
    expect(vga).toContain('*Search & load /boot/multiboot.img');
    expect(vga).toContain("Press enter to boot the selected OS, `e' to edit the commands");
    expect(stop).toBe('none');
  });
});

/** A ROM that holds nothing but a coreboot table with two ranges of RAM: tag 1, entries of start, size and type. */
function corebootTable(): Uint8Array {
  const bytes = new Uint8Array(0x10000).fill(0xf4),
    view = new DataView(bytes.buffer);
  bytes.set(Buffer.from('LBIO'));
  [24, 0, 48, 0, 1].forEach((word, i) => {
    view.setUint32(4 + 4 * i, word, true);
  });
  const ranges = [
    [0, 0xa0000],
    [0x100000, (MEMORY_MIB - 1) << 20],
  ] as const;
  view.setUint32(24, 1, true);
  view.setUint32(28, 48, true);
  ranges.forEach(([start, size], i) => {
    const at = 32 + 20 * i;
    view.setBigUint64(at, BigInt(start), true);
    view.setBigUint64(at + 8, BigInt(size), true);
    view.setUint32(at + 16, 1, true);
  });
  return bytes;
}

const TESTS = ['strtoull_test', 'setjmp_test'];

need('grub-mkimage', COREBOOT)('GRUB for coreboot', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-coreboot-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('passes tests of its own and computes a checksum', () => {
    const config = join(folder, 'load.cfg'),
      disk = join(folder, 'disk.tar'),
      target = join(folder, 'grub.elf');
    const words = Array.from({ length: 2_000 }, (_, i) => String(i * i)).join('\n');
    writeFileSync(join(folder, 'words.txt'), words);
    spawnSync('tar', ['-C', folder, '-cf', disk, 'words.txt']);
    writeFileSync(
      config,
      [
        'serial --unit=0 --speed=115200',
        'terminal_output serial',
        'all_functional_test',
        'sha256sum (memdisk)/words.txt',
        'echo end of the list',
        '',
      ].join('\n'),
    );
    const modules = [
      'echo',
      'serial',
      'terminal',
      'functional_test',
      'memdisk',
      'tar',
      'hashsum',
      'gcry_sha256',
    ];
    const made = spawnSync(
      'grub-mkimage',
      ['-O', 'i386-coreboot', '-o', target, '-p', '/', '-m', disk, '-c', config, ...modules, ...TESTS],
      { encoding: 'utf8' },
    );
    expect([made.status, made.stderr]).toEqual([0, '']);
    const { console } = onEach(40_000_000, { rom: corebootTable() }, new Uint8Array(readFileSync(target)));
    for (const test of TESTS) expect(console).toContain(`${test}: PASS`);
    expect(console).toContain('ALL TESTS PASSED');
    expect(console.replace(/\s/g, '')).toContain(createHash('sha256').update(words).digest('hex'));
    expect(console).toContain('end of the list');
  });
});
