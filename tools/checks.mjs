// The checks that the laws ask for, each a few lines: layers, core without platform, no mutable state outside the one memory, RAM written
// in two ways only, no mnemonics outside the description, file sizes, messages spoken in two places only. Prints every violation.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseSync } from 'vite';

const ROOT = new URL('..', import.meta.url).pathname;
const problems = [];
const complain = (file, line, text) => problems.push(`${file}${line ? `:${line}` : ''}: ${text}`);

function* walk(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* walk(path);
    else if (/\.tsx?$/.test(name)) yield path;
  }
}

// ---- layers: who may import whom, as DESIGN's house says ----
const LAYERS = {
  memory: [],
  trace: ['memory'],
  isa: ['memory'],
  cpu: ['memory', 'trace', 'isa'],
  machine: ['memory', 'trace', 'isa', 'cpu'],
  hypervisor: ['memory', 'trace', 'isa', 'cpu', 'machine'],
  toolstack: ['memory', 'trace', 'isa', 'cpu', 'machine', 'hypervisor'],
  lab: ['memory', 'trace', 'isa', 'cpu', 'machine', 'hypervisor', 'toolstack'],
  ui: ['memory', 'trace', 'isa', 'cpu', 'machine', 'hypervisor', 'toolstack', 'lab'],
  cli: ['memory', 'trace', 'isa', 'cpu', 'machine', 'hypervisor', 'toolstack', 'lab'],
};
const CORE = ['memory', 'trace', 'isa', 'cpu', 'machine', 'hypervisor', 'toolstack'];
/** Words that mean a platform, a clock or chance. */
const PLATFORM =
  /(?<![./-])\b(document|window|navigator|localStorage|performance|process|Buffer)\b\s*\.(?!t)|\b(setTimeout|setInterval|requestAnimationFrame|require)\(|\bDate\b\s*[.(]|\bMath\.random\b|\bglobalThis\b|\bimport\(|from 'node:|from 'react|from 'zustand/;
const MESSAGES = /\bpostMessage\s*\(|\.onmessage\b/;
const SPEAKERS = [
  'src/lab/session.ts',
  'src/lab/machine.worker.ts',
  'src/lab/host.worker.ts',
  'src/cli/host-thread.ts',
  'src/cli/hosts.ts',
];

const isTest = (file) => /\.test\.tsx?$|\/testing\.ts$|\/testing\/|-testing\.ts$|\.fixture\.ts$/.test(file);
const files = [...walk(join(ROOT, 'src'))].map((path) => ({
  path,
  file: relative(ROOT, path),
  text: readFileSync(path, 'utf8'),
}));

/** Text with comments and string contents blanked, line structure kept. */
function code(text) {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, (m) =>
    m.startsWith('/') ? m.replace(/[^\n]/g, ' ') : m[0] + ' '.repeat(m.length - 2) + m[0],
  );
}
function lines(text, pattern, report) {
  text.split('\n').forEach((line, i) => {
    if (pattern.test(line)) report(i + 1, line.trim());
  });
}

for (const { file, path, text } of files) {
  const layer = file.split('/')[1];
  const allowed = LAYERS[layer];
  if (!allowed) continue;
  const { module } = parseSync(path, text);
  const targets = [
    ...module.staticImports.map((i) => i.moduleRequest.value),
    ...module.staticExports.flatMap((e) => e.entries.map((x) => x.moduleRequest?.value).filter(Boolean)),
  ];
  for (const target of new Set(targets)) {
    if (!target.startsWith('.')) continue;
    const to = relative(join(ROOT, 'src'), join(path, '..', target)).split('/')[0];
    if (to === layer || to === '..' || isTest(file)) continue;
    if (LAYERS[to] && !allowed.includes(to)) complain(file, 0, `${layer} may not import ${to} (${target})`);
  }
  const plain = code(text);
  if (CORE.includes(layer) && !isTest(file))
    lines(
      text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (m) => m.replace(/[^\n]/g, ' ')),
      PLATFORM,
      (n, l) => complain(file, n, `core knows no platform, clock or chance: ${l}`),
    );
  if (['machine', 'hypervisor', 'toolstack'].includes(layer) && !isTest(file))
    lines(plain, /^(export )?(let|var) /, (n, l) => complain(file, n, `mutable module-level state: ${l}`));
  if (
    !isTest(file) &&
    layer !== 'memory' &&
    !file.startsWith('src/cpu/reference') &&
    !file.startsWith('src/cpu/interpreter') &&
    !file.startsWith('src/cpu/lockstep') &&
    !file.startsWith('src/cpu/mmu') &&
    !file.startsWith('src/cpu/tlb') &&
    !file.startsWith('src/cpu/walker') &&
    file !== 'src/machine/state-hash.ts' &&
    file !== 'src/machine/image.ts'
  ) {
    lines(plain, /\bRAM_BASE\b|\bhostOffset\(/, (n, l) =>
      complain(file, n, `RAM is reached through Frames only: ${l}`),
    );
  }
  if (!isTest(file) && !SPEAKERS.includes(file))
    lines(plain, MESSAGES, (n, l) =>
      complain(file, n, `only session and worker entries speak postMessage: ${l}`),
    );
  if (
    !isTest(file) &&
    file !== 'src/lab/narrate/names.ts' &&
    file !== 'src/cpu/interpreter-frequent.ts' &&
    ['cpu', 'machine', 'toolstack', 'lab'].includes(layer)
  ) {
    lines(
      text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ''),
      /'(adc|sbb|movzx|popf|sidt|lgdt|iret|pushf|lar|lsl)'/,
      (n, l) => complain(file, n, `a mnemonic outside the description: ${l}`),
    );
  }
  const count = text.split('\n').length;
  if (count > (isTest(file) ? 1000 : 620) && !/table|generated|fixture/.test(file))
    complain(file, 0, `${count} lines; a file fits in the head (about 600)`);
}

// ---- what must never be in the tree ----
const FORBIDDEN = [/\/t[m]p\//, /\/w[o]rk\//, /\/r[o]ot\//];
for (const { file, text } of files) {
  for (const pattern of FORBIDDEN)
    lines(text, pattern, (n, l) => {
      if (!isTest(file)) complain(file, n, `path of a machine: ${l}`);
    });
}

if (problems.length > 0) {
  console.log(problems.join('\n'));
  console.log(`checks: ${problems.length} problems`);
  process.exit(1);
}
console.log(`checks: ${files.length} files, no problem`);
