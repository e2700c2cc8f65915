// A Linux program runs on the bare machine under the shim and says byte for byte what it says on the host; shim/shim.c has the specification.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { need } from '../../../tools/need.ts';
import { ENGINES } from '../../cpu/engine.ts';
import { runBare } from './testing.ts';

const source = fileURLToPath(new URL('shim/program.c', import.meta.url));

need('gcc-m32')('a program of the host under the shim', () => {
  let workspace = '';
  let file = new Uint8Array(0);
  let host = { text: '', status: -1 };
  beforeAll(() => {
    workspace = mkdtempSync(join(tmpdir(), 'shim-test-'));
    const program = join(workspace, 'program');
    execFileSync('gcc', ['-m32', '-static', '-O2', '-o', program, source]);
    file = new Uint8Array(readFileSync(program));
    const run = spawnSync(program, { encoding: 'latin1' });
    host = { text: run.stdout, status: run.status ?? -1 };
  });
  afterAll(() => rmSync(workspace, { recursive: true }));

  it.each(ENGINES)('prints the same and ends the same on the %s engine', (engine) => {
    const end = runBare({ engine, kernel: 'shim.elf', module: file });
    expect(host.text).toMatch(/done\n$/);
    expect(end.text).toBe(host.text);
    expect(end.status).toBe(host.status);
  });

  it('has its faults reported', () => {
    const broken = file.slice();
    const view = new DataView(broken.buffer);
    const entry = view.getUint32(24, true);
    for (let i = 0, at = view.getUint32(28, true); i < view.getUint16(44, true); i++, at += 32) {
      const [offset, vaddr, size] = [4, 8, 16].map((field) => view.getUint32(at + field, true));
      if (view.getUint32(at, true) === 1 && entry >= vaddr! && entry < vaddr! + size!)
        broken.set([0x0f, 0x0b], offset! + entry - vaddr!); // UD2
    }
    const end = runBare({ engine: 'interpreter', kernel: 'shim.elf', module: broken });
    const at = entry.toString(16).padStart(8, '0');
    expect(end.text).toBe(`shim: exception 6, error code 00000000, CR2 00000000\nshim: EIP ${at}\n`);
    expect(end.status).toBe(125);
  });
});

describe('the shim', () => {
  it('names a missing program', () => {
    const end = runBare({ engine: 'interpreter', kernel: 'shim.elf' });
    expect(end).toMatchObject({ text: 'shim: no program: give it as a module\n', status: 126 });
  });
  it('names a file that is no program', () => {
    const end = runBare({
      engine: 'interpreter',
      kernel: 'shim.elf',
      module: new Uint8Array(100).fill(0x41),
    });
    expect(end.text).toBe('shim: not a static program for the i386, its first word is 41414141\n');
    expect(end.status).toBe(125);
  });
});
