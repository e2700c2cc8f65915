// "Xen, here, is written in TypeScript; this is the line." A Vite plugin that finds, for every rule and act of the hypervisor, the line of
// our source that decides by it, and hands the table to the page as `virtual:rule-lines`. Nothing is copied by hand, so nothing goes stale.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

export interface RuleLine {
  /** Path from the repository's root, with forward slashes. */
  readonly file: string;
  readonly line: number;
  /** The statement's first line, trimmed. */
  readonly text: string;
}
/** By name of the rule or act; several lines when several places decide by the same rule. */
export type RuleLines = Readonly<Record<string, readonly RuleLine[]>>;

const CALL = /\b(?:check|act|refuse|allow)\(\s*(?:[A-Za-z_$][\w$.]*\s*,\s*)?'([\w.-]+)'/g;

/** The calls of one source text. Comments that quote a call do not count. */
export function scanSource(file: string, source: string): [name: string, line: RuleLine][] {
  const found: [string, RuleLine][] = [];
  const lines = source.split('\n');
  const blank = source
    .replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, ' '))
    .replace(/(^|[^:'"])\/\/.*$/gm, (c, before: string) => before + ' '.repeat(c.length - before.length));
  for (const m of blank.matchAll(CALL)) {
    const line = blank.slice(0, m.index).split('\n').length;
    found.push([m[1]!, { file, line, text: lines[line - 1]!.trim() }]);
  }
  return found;
}

function* sources(dir: string): Generator<string> {
  for (const entry of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts')) yield path;
  }
}

/** Scans the folders whose code decides for Xen. */
export function scanRules(
  root: string,
  folders: readonly string[] = ['src/hypervisor', 'src/toolstack'],
): RuleLines {
  const out: Record<string, RuleLine[]> = {};
  for (const folder of folders) {
    for (const path of sources(join(root, folder))) {
      const file = relative(root, path).split(sep).join('/');
      for (const [name, line] of scanSource(file, readFileSync(path, 'utf8'))) (out[name] ??= []).push(line);
    }
  }
  return out;
}

const ID = 'virtual:rule-lines';
/** The plugin, without Vite's types: shape and names are Rollup's. */
export function ruleLines() {
  let root = '.';
  return {
    name: 'ringside-rule-lines',
    configResolved(config: { readonly root: string }) {
      root = config.root;
    },
    resolveId: (id: string): string | undefined => (id === ID ? `\0${ID}` : undefined),
    load(id: string): string | undefined {
      return id === `\0${ID}` ? `export default ${JSON.stringify(scanRules(root))};` : undefined;
    },
  };
}
