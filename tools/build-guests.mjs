// Builds every guest image with its map of symbols and source lines.
//
//   node tools/build-guests.mjs            writes public/guests
//   node tools/build-guests.mjs --check    rebuilds elsewhere and compares, byte for byte
//
// A map is {name, sha256, entry, compiler, symbols: [[addr, name, size]], files: [path],
// lines: [[addr, fileIndex, line]], sources: {path: text}}; lines are in order of address, each
// holds up to the next, and line 0 means "no source from here on". Paths are relative to the
// repository. The check compares only if the compiler is the recorded one: another gcc makes other,
// equally good bytes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildBare } from '../src/guests/bare/build.mjs';
import { entryPoint, readSections, readSymbols } from '../src/guests/build/elf.mjs';
import { readLineTable } from '../src/guests/build/line-table.mjs';
import { manifest } from '../src/guests/build/manifest.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const published = 'public/guests';
process.chdir(root); // sources are named as seen from here, so no path of this machine gets into the output

const cFlags = [
  ...['-m32', '-std=c99', '-pedantic', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-pic'],
  ...['-fno-stack-protector', '-fcf-protection=none', '-fno-asynchronous-unwind-tables', '-fno-ident'],
  ...[
    '-fno-omit-frame-pointer',
    '-fno-inline-functions-called-once',
    '-O1',
    '-g',
    '-gdwarf-4',
    '-march=i686',
    '-mno-sse',
    '-mgeneral-regs-only',
  ],
  ...['-mpreferred-stack-boundary=2', `-ffile-prefix-map=${root}=.`],
];
const ldFlags = [
  ...[
    '-m',
    'elf_i386',
    '-nostdlib',
    '-static',
    '-e',
    '_start',
    '-Ttext-segment=0xC0000000',
    '--build-id=none',
  ],
  ...['-z', 'noexecstack', '-z', 'noseparate-code', '-z', 'max-page-size=4096'],
];

const run = (tool, ...args) =>
  execFileSync(tool, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const firstLine = (text) => text.split('\n', 1)[0];

/** Each tool with its version, or undefined with a message if one is missing. */
function compilerVersion(workspace) {
  try {
    const probe = join(workspace, 'probe.c');
    writeFileSync(probe, 'int probe;\n');
    execFileSync('gcc', ['-m32', '-ffreestanding', '-c', '-o', join(workspace, 'probe.o'), probe], {
      stdio: 'ignore',
    });
    const nasm = run('nasm', '--version').replace(/ compiled on.*/s, '');
    return [run('gcc', '--version'), nasm, run('ld', '--version')].map(firstLine).join(' · ');
  } catch (error) {
    console.error(`guests: not built, needs gcc -m32, ld, objcopy and nasm (${firstLine(error.message)})`);
    return undefined;
  }
}

/** Source path to object file, each compiled once. */
function makeCompiler(workspace, include) {
  const objects = new Map();
  return (source) => {
    let object = objects.get(source);
    if (!object) {
      object = join(workspace, `${source.replaceAll('/', '-')}.o`);
      if (source.endsWith('.asm'))
        run('nasm', '-f', 'elf32', '-g', '-F', 'dwarf', `-I${include}/`, '-o', object, source);
      else run('gcc', ...cFlags, `-I${include}`, '-c', '-o', object, source);
      objects.set(source, object);
    }
    return object;
  };
}

/** Links `guest`; returns the path of the image with its debug information. */
function link(guest, plan, workspace, compile) {
  const linked = join(workspace, `${guest.name}.linked`);
  if (guest.script) {
    const place = join(workspace, guest.name);
    mkdirSync(place);
    for (const file of guest.bundle) copyFileSync(file, join(place, basename(file)));
    execFileSync('sh', [basename(guest.script)], { cwd: place, stdio: ['ignore', 'ignore', 'inherit'] });
    copyFileSync(join(place, guest.product), linked);
    return linked;
  }
  const objects = guest.sources.map(compile);
  const start = guest.own || guest.ownStart ? [] : [compile(plan.libraryStart)];
  run('ld', ...ldFlags, '-o', linked, ...start, ...objects, ...(guest.own ? [] : [plan.archive]));
  return linked;
}

/** A path of the line table as seen from the repository. A script's sources were named from their own folder. */
function sourcePath(guest, file) {
  const path = normalize(guest.script ? join(dirname(guest.script), basename(file)) : file);
  if (!existsSync(path))
    throw new Error(`${guest.name}: the line table names ${file}, which is not in the repository`);
  return path;
}

function makeMap(guest, linked, image, compiler) {
  const file = readFileSync(linked);
  const sections = readSections(file);
  const rows = readLineTable(sections.find((section) => section.name === '.debug_line').bytes);
  const files = [...new Set(rows.flatMap((row) => (row.file ? [sourcePath(guest, row.file)] : [])))].sort();

  // Several rows may speak of one address: the last one holds, and an end never hides a beginning.
  const byAddress = new Map();
  for (const row of rows) if (row.file || !byAddress.has(row.address)) byAddress.set(row.address, row);
  const lines = [];
  for (const [address, row] of [...byAddress].sort(([a], [b]) => a - b)) {
    const [index, line] = row.file ? [files.indexOf(sourcePath(guest, row.file)), row.line] : [0, 0];
    const last = lines.at(-1);
    if (last?.[1] !== index || last?.[2] !== line) lines.push([address, index, line]);
  }
  return {
    name: guest.name,
    sha256: createHash('sha256').update(image).digest('hex'),
    entry: entryPoint(file),
    compiler,
    symbols: readSymbols(sections),
    files,
    lines,
    sources: Object.fromEntries(files.map((path) => [path, readFileSync(path, 'utf8')])),
  };
}

/** Top-level keys on lines of their own: compact, and still readable in a diff. */
const mapText = (map) =>
  `{\n${Object.entries(map)
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
    .join(',\n')}\n}\n`;

function indexEntry(guest) {
  const { name, title, verdict, summary, memory, cmdline } = guest;
  const files = guest.bundle?.map((path) => `${name}/${basename(path)}`);
  return {
    ...{ name, title, verdict, summary, memory, cmdline },
    ...{ image: `${name}/${name}.elf`, map: `${name}/${name}.map.json`, with: guest.with, bundle: files },
  };
}

/** Everything that belongs under public/guests, as path → bytes. */
function buildAll(workspace, compiler) {
  const plan = manifest();
  const compile = makeCompiler(workspace, `${plan.here}/include`);
  plan.archive = join(workspace, 'libguest.a');
  run('ar', 'rcsD', plan.archive, ...plan.library.map(compile));

  const output = new Map();
  for (const guest of [...plan.labs, ...plan.tests]) {
    const linked = link(guest, plan, workspace, compile);
    const stripped = join(workspace, `${guest.name}.elf`);
    run(
      'objcopy',
      '--strip-debug',
      '--remove-section=.comment',
      '--wildcard',
      '--strip-symbol=..@*',
      linked,
      stripped,
    );
    const image = readFileSync(stripped);
    output.set(`${guest.name}/${guest.name}.elf`, image);
    output.set(
      `${guest.name}/${guest.name}.map.json`,
      Buffer.from(mapText(makeMap(guest, linked, image, compiler))),
    );
    for (const file of guest.bundle ?? []) output.set(`${guest.name}/${basename(file)}`, readFileSync(file));
  }
  for (const [path, bytes] of buildBare(workspace, run)) output.set(path, bytes);
  const index = {
    compiler,
    labs: plan.labs.map(indexEntry),
    machines: plan.machines,
    tests: plan.tests.map(indexEntry),
  };
  output.set('index.json', Buffer.from(`${JSON.stringify(index, null, 1)}\n`));
  return output;
}

const listFiles = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.path, entry.name).slice(folder.length + 1))
    : [];

function publish(output) {
  for (const stale of listFiles(published)) if (!output.has(stale)) rmSync(join(published, stale));
  for (const [path, bytes] of output) {
    const target = join(published, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, bytes);
  }
  const images = [...output].filter(([path]) => path.endsWith('.elf'));
  const size = images.reduce((sum, [, bytes]) => sum + bytes.length, 0);
  console.log(`guests: ${images.length} images, ${Math.round(size / 1024)} KiB, in ${published}`);
}

/** Returns the number of differences. */
function compare(output) {
  const paths = new Set([...output.keys(), ...listFiles(published)]);
  const different = [...paths].filter((path) => {
    const committed = join(published, path);
    return !output.has(path) || !existsSync(committed) || !readFileSync(committed).equals(output.get(path));
  });
  for (const path of different) console.error(`guests: ${path} differs from what its sources give`);
  if (different.length === 0) console.log(`guests: ${output.size} files are what their sources give`);
  return different.length;
}

function main() {
  const check = process.argv.includes('--check');
  const workspace = mkdtempSync(join(tmpdir(), 'guests-'));
  try {
    const compiler = compilerVersion(workspace);
    if (!compiler) return check ? 0 : 1;
    if (!check) return publish(buildAll(workspace, compiler)) ?? 0;
    const recorded = JSON.parse(readFileSync(join(published, 'index.json'), 'utf8')).compiler;
    const output = buildAll(workspace, compiler);
    if (recorded === compiler) return compare(output) === 0 ? 0 : 1;
    console.log(`guests: they build; bytes not compared, recorded with ${recorded}, here is ${compiler}`);
    return 0;
  } finally {
    rmSync(workspace, { recursive: true });
  }
}

process.exitCode = main();
