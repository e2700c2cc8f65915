// The peer that we did not write: v86, headless, from the package of the same name. It starts through SeaBIOS where Debian's package is
// installed, and straight into the kernel otherwise; what is timed is the same.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { V86, type V86Options } from 'v86';
import { type Job, type Run, Stopwatch } from './run.ts';

const BIOS = '/usr/share/seabios/bios.bin';
const VGA_BIOS = '/usr/share/seabios/vgabios-stdvga.bin';
const MIB = 1 << 20;

/** Which BIOS v86 starts with, for the description of the machine. */
export const v86Bios = (): string =>
  existsSync(BIOS) && existsSync(VGA_BIOS) ? 'SeaBIOS' : 'no BIOS (seabios is not installed)';

function buffer(path: string): { buffer: ArrayBuffer } {
  const bytes = readFileSync(path);
  return { buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer };
}

/** Runs a multiboot image, or a ROM in place of the BIOS; every byte of COM1 goes to `onByte`. Returns when v86 is ready to run. */
export async function startV86(
  image: { readonly multiboot: string; readonly cmdline: string } | { readonly rom: string },
  onByte: (byte: number) => void,
): Promise<V86> {
  const build = dirname(createRequire(import.meta.url).resolve('v86'));
  const options: V86Options = {
    wasm_path: join(build, 'v86.wasm'),
    memory_size: 64 * MIB,
    vga_memory_size: 2 * MIB,
    disable_speaker: true,
    autostart: false,
    fastboot: true,
  };
  if ('rom' in image) options.bios = buffer(image.rom);
  else {
    options.multiboot = buffer(image.multiboot);
    options.cmdline = image.cmdline;
    if (existsSync(BIOS) && existsSync(VGA_BIOS)) {
      options.bios = buffer(BIOS);
      options.vga_bios = buffer(VGA_BIOS);
    }
  }
  const emulator = new V86(options);
  emulator.add_listener('serial0-output-byte', onByte);
  await new Promise<void>((resolve) => emulator.add_listener('emulator-ready', () => resolve()));
  return emulator;
}

export async function runV86(job: Job): Promise<Run> {
  // Its answer to the exit port is to throw this word; by then the run is over.
  process.on('uncaughtException', (thrown: unknown) => {
    if (thrown !== 'HALT') throw thrown;
  });
  const started = performance.now();
  let watch: Stopwatch | undefined;
  let emulator: V86 | undefined;
  return new Promise((resolve, reject) => {
    const onByte = (byte: number): void => {
      try {
        const run = watch?.byte(byte);
        if (!run) return;
        void emulator?.stop();
        resolve(run);
      } catch (error) {
        reject(error);
      }
    };
    const cmdline = `repeat=${job.repeat} warm=${job.warm}`;
    startV86({ multiboot: job.image, cmdline }, onByte).then((ready) => {
      emulator = ready;
      watch = new Stopwatch(performance.now() - started);
      void emulator.run();
    }, reject);
  });
}
