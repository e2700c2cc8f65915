// What is built. Labs are listed; every tests/<name>.c is a test of its own.
import { readdirSync, readFileSync } from 'node:fs';

const here = 'src/guests';

/** Every guest of the library begins with this; the rest comes out of an archive, as far as it is needed. */
const libraryStart = `${here}/lib/start.asm`;

/**
 * sources: what is compiled; own: links nothing else; ownStart: brings its entry point along; script: built by its own one-liner.
 * memory in MiB. `with`: the domains that belong to the same machine, in boot order.
 */
const labs = [
  {
    name: 'hello',
    title: { en: 'Who printed that?', ko: '누가 출력했을까요?' },
    memory: 8,
    cmdline: '',
    own: true,
    sources: [`${here}/labs/hello/hello.asm`],
  },
  {
    name: 'rings',
    title: { en: 'What traps, what lies?', ko: '무엇이 트랩을 일으키고, 무엇이 거짓을 말할까요?' },
    memory: 8,
    cmdline: '',
    sources: ['kernel.c', 'probes.asm', 'traps.asm', 'application.asm'].map(
      (file) => `${here}/labs/rings/${file}`,
    ),
  },
  {
    name: 'ping',
    title: { en: 'Two kernels, one page', ko: '커널 둘, 페이지 하나' },
    memory: 8,
    cmdline: 'count=20',
    with: ['ping', 'pong'],
    sources: [`${here}/labs/ping/kernel.c`],
  },
  {
    name: 'pong',
    title: { en: 'Two kernels, one page', ko: '커널 둘, 페이지 하나' },
    memory: 8,
    cmdline: 'peer=1',
    with: ['ping', 'pong'],
    sources: [`${here}/labs/pong/kernel.c`],
  },
  {
    name: 'starter',
    title: { en: 'Your own kernel', ko: '나만의 커널' },
    memory: 8,
    cmdline: '',
    script: `${here}/labs/starter/build.sh`,
    product: 'my-kernel.elf',
    sources: [`${here}/labs/starter/kernel.c`, `${here}/labs/starter/start.asm`],
    bundle: ['README.txt', 'build.sh', 'kernel.c', 'start.asm'].map((file) => `${here}/labs/starter/${file}`),
  },
];

/**
 * Machines that need more than one domain: guests in boot order, domain 1 first. schedSlice is in
 * ticks; absent means the default.
 */
const machines = [
  {
    name: 'two-kernels',
    title: { en: 'Two kernels, one page', ko: '커널 둘, 페이지 하나' },
    domains: [
      { guest: 'ping', cmdline: 'count=20' },
      { guest: 'pong', cmdline: 'peer=1' },
    ],
  },
  {
    name: 'silence',
    title: { en: 'The silence', ko: '침묵' },
    schedSlice: 30000,
    domains: [
      { guest: 'ping', cmdline: 'no-recheck' },
      { guest: 'pong', cmdline: 'peer=1 no-recheck' },
    ],
  },
];

/** The first paragraph of a test's header comment says what it is about. */
function summary(text) {
  const comment = /^\/\*([\s\S]*?)\*\//.exec(text)?.[1] ?? '';
  return comment
    .replaceAll(/^ \* ?/gm, '')
    .trim()
    .split('\n\n')[0]
    .replaceAll(/\s+/g, ' ');
}

function tests() {
  const files = readdirSync(`${here}/tests`).sort();
  return files
    .filter((file) => file.endsWith('.c') && file !== 'harness.c')
    .map((file) => {
      const verdict = file.slice(0, -2);
      const text = readFileSync(`${here}/tests/${file}`, 'utf8');
      const sources = [file, `${verdict}.asm`, 'harness.c', 'harness.asm'].filter((source) =>
        files.includes(source),
      );
      const ownStart = sources.some((source) =>
        /^global _start\b/m.test(readFileSync(`${here}/tests/${source}`, 'utf8')),
      );
      return {
        name: `test-${verdict}`,
        verdict,
        summary: summary(text),
        memory: 16,
        cmdline: '',
        ownStart,
        sources: sources.map((source) => `${here}/tests/${source}`),
      };
    });
}

function library() {
  return readdirSync(`${here}/lib`)
    .filter((file) => /\.(c|asm)$/.test(file))
    .map((file) => `${here}/lib/${file}`)
    .filter((file) => file !== libraryStart)
    .sort();
}

export const manifest = () => ({ here, libraryStart, library: library(), labs, machines, tests: tests() });
