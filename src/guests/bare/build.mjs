// The images of the bare machine: what they are made of, and how. Multiboot kernels are linked at 1 MiB, ROMs are flat.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const here = 'src/guests/bare';

/** Workloads of the bench: bench/<name>.c, and bench/<name>.asm where C has no words for it. */
export const WORKLOADS = ['sieve', 'crc32', 'matrix', 'sort', 'strings', 'calls', 'pages', 'ports', 'traps'];

const cFlags = [
  ...[
    '-m32',
    '-std=c99',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-ffreestanding',
    '-fno-pic',
    '-fno-stack-protector',
  ],
  ...[
    '-fcf-protection=none',
    '-fno-asynchronous-unwind-tables',
    '-fno-ident',
    '-O2',
    '-march=i686',
    '-mno-sse',
  ],
  // A loop that copies stays the loop it was written as.
  ...['-mgeneral-regs-only', '-mpreferred-stack-boundary=2', '-fno-tree-loop-distribute-patterns'],
];
const ldFlags = [
  ...['-m', 'elf_i386', '-nostdlib', '-static', '-e', '_start', '-Ttext-segment=0x100000', '--build-id=none'],
  ...['-z', 'noexecstack', '-z', 'noseparate-code', '-z', 'max-page-size=4096', '--strip-debug'],
];

/** Every image as path under public/guests → bytes. `run(tool, ...args)` runs a compiler; objects go to `workspace`. */
export function buildBare(workspace, run) {
  const objects = new Map();
  const compile = (source) => {
    let object = objects.get(source);
    if (!object) {
      object = join(workspace, `${source.replaceAll('/', '-')}.o`);
      if (source.endsWith('.asm')) run('nasm', '-f', 'elf32', `-I${workspace}/`, '-o', object, source);
      else run('gcc', ...cFlags, `-ffile-prefix-map=${process.cwd()}=.`, '-c', '-o', object, source);
      objects.set(source, object);
    }
    return object;
  };
  const library = ['start.asm', 'machine.asm', 'bare.c'].map((file) => `${here}/lib/${file}`);
  const kernel = (name, sources) => {
    const linked = join(workspace, `bare-${name}.elf`);
    run('ld', ...ldFlags, '-o', linked, ...sources.map(compile));
    run('objcopy', '--strip-debug', '--remove-section=.comment', '--wildcard', '--strip-symbol=..@*', linked);
    return readFileSync(linked);
  };

  const flat = (name, source) => {
    run('nasm', '-f', 'bin', `-I${workspace}/`, '-o', join(workspace, name), source);
    return readFileSync(join(workspace, name));
  };

  const output = new Map();
  flat('modes-body.bin', `${here}/modes/body.asm`); // what the two include
  output.set('bare/modes.elf', kernel('modes', [`${here}/modes/kernel.asm`]));
  output.set('bare/modes.rom', flat('modes.rom', `${here}/modes/rom.asm`));
  const shim = ['shim.c', 'pages.c', 'elf.c', 'calls.c', 'entry.asm'].map((file) => `${here}/shim/${file}`);
  output.set('bare/shim.elf', kernel('shim', [...library, ...shim]));
  for (const name of WORKLOADS) {
    const own = [`${here}/bench/${name}.c`, `${here}/bench/${name}.asm`].filter((path) => existsSync(path));
    output.set(
      `bare/bench-${name}.elf`,
      kernel(`bench-${name}`, [...library, `${here}/bench/bench.c`, ...own]),
    );
  }
  return output;
}
