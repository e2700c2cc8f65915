// Builds the interpreter's modules (src/cpu/generated, not committed): `npm ci` runs it, and so does whoever has changed the description.
// With --check it only says whether what is there was built from the present sources.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { interpreterModule } from '../src/cpu/interpreter-module.ts';

const ROOT = new URL('../', import.meta.url);
const OUT = new URL('src/cpu/generated/', ROOT);
const STAMP = new URL('stamp.txt', OUT);

/** Everything that the modules are made from. */
function sourcesHash(): string {
  const files: string[] = [];
  for (const folder of ['src/isa', 'src/isa/semantics', 'src/isa/microcode', 'src/cpu', 'src/memory'])
    for (const name of readdirSync(new URL(folder, ROOT)).sort())
      if (name.endsWith('.ts') && !name.endsWith('.test.ts') && isSource(folder, name))
        files.push(`${folder}/${name}`);
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(new URL(file, ROOT)));
  return hash.digest('hex');
}
/** Of the processor and the memory only what fixes addresses or emits code. */
function isSource(folder: string, name: string): boolean {
  if (folder === 'src/cpu')
    return /^(interpreter-(module|builder|shapes|layout|frequent|bulk|flags|names|system|settle|store|walk|catalog)|vcpu|tlb|table-frames|paging)\.ts$/.test(
      name,
    );
  return folder !== 'src/memory' || name === 'map.ts' || name === 'layout.ts' || name === 'frames.ts';
}

const hash = sourcesHash();
const upToDate = existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash;
if (process.argv.includes('--check')) {
  if (!upToDate) {
    process.stderr.write('The interpreter was built from other sources: run `npm run engine`.\n');
    process.exit(1);
  }
} else if (!upToDate || process.argv.includes('--force')) {
  mkdirSync(OUT, { recursive: true });
  for (const kind of ['shared', 'fixed'] as const) {
    const made = interpreterModule(kind);
    writeFileSync(new URL(`interpreter-${kind}.wasm`, OUT), made.bytes);
    if (kind === 'shared') {
      process.stdout.write(
        `interpreter: ${made.inlined} cases, ${made.functions} shapes, ${made.bytes.length} bytes, ${made.refused.size} shapes left to the reference\n`,
      );
      if (process.argv.includes('--refused'))
        for (const [key, why] of made.refused) process.stdout.write(`  ${key}: ${why}\n`);
    }
  }
  writeFileSync(STAMP, hash);
}
