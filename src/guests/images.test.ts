// The committed images: what their sources give, with maps that agree with other people's tools.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { need } from '../../tools/need.ts';

interface GuestMap {
  name: string;
  sha256: string;
  entry: number;
  symbols: [number, string, number][];
  files: string[];
  lines: [number, number, number][];
  sources: Record<string, string>;
}

interface IndexEntry {
  name: string;
  image: string;
  map: string;
  bundle?: string[];
}

const folder = 'public/guests';
const index = JSON.parse(readFileSync(`${folder}/index.json`, 'utf8')) as {
  labs: IndexEntry[];
  tests: IndexEntry[];
};
const guests = [...index.labs, ...index.tests];
const readMap = (guest: IndexEntry) => JSON.parse(readFileSync(`${folder}/${guest.map}`, 'utf8')) as GuestMap;

describe('guest images', () => {
  it('hello is at most 40 lines of source', () => {
    const lines = readFileSync('src/guests/labs/hello/hello.asm', 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(40);
  });

  it('every image is the one its map speaks of, and every listed file exists', () => {
    for (const guest of guests) {
      const image = readFileSync(`${folder}/${guest.image}`);
      const map = readMap(guest);
      expect(map.sha256, guest.name).toBe(createHash('sha256').update(image).digest('hex'));
      expect(image.readUInt32LE(24), guest.name).toBe(map.entry);
      for (const file of guest.bundle ?? []) expect(existsSync(`${folder}/${file}`), file).toBe(true);
    }
  });

  it('every test source has its image', () => {
    const sources = readdirSync('src/guests/tests').filter(
      (file) => file.endsWith('.c') && file !== 'harness.c',
    );
    expect(index.tests.map((test) => test.name)).toEqual(
      sources.sort().map((file) => `test-${file.slice(0, -2)}`),
    );
  });

  it('maps name only files of the repository, with their text', () => {
    for (const guest of guests) {
      const map = readMap(guest);
      for (const file of map.files) expect(map.sources[file], file).toBe(readFileSync(file, 'utf8'));
      for (const [, file, line] of map.lines) {
        const length = map.sources[map.files[file]!]!.split('\n').length;
        expect(line).toBeLessThanOrEqual(length);
      }
    }
  });

  it('the places that lessons name are in the map of rings, at the instruction itself', () => {
    const map = readMap(index.labs.find((lab) => lab.name === 'rings')!);
    const mnemonics: Record<string, string> = {
      ...{
        at_cli: 'cli',
        at_mov_cr3: 'mov',
        at_hypercall: 'int',
        at_popf: 'popf',
        at_sidt: 'sidt',
        at_sgdt: 'sgdt',
      },
      ...{ at_pushf: 'pushf', at_lar: 'lar', at_mov_cs: 'mov', door_int80: 'int', door_int82_ring1: 'int' },
      ...{ door_int82_ring3: 'int', at_mmu_update: 'int' },
    };
    for (const [label, mnemonic] of Object.entries(mnemonics)) {
      const symbol = map.symbols.find(([, name]) => name === label);
      expect(symbol, label).toBeDefined();
      const row = map.lines.findLast(([address]) => address <= symbol![0])!;
      const line = map.sources[map.files[row[1]]!]!.split('\n')[row[2] - 1]!;
      expect(line.trim().split(/\s+/)[0], label).toBe(mnemonic);
    }
  });
});

need(
  'gcc-m32',
  'nasm',
  'objcopy',
)('guest builds', () => {
  let workspace = '';
  beforeAll(() => {
    workspace = mkdtempSync(join(tmpdir(), 'guest-test-'));
  });
  afterAll(() => rmSync(workspace, { recursive: true }));

  it('the committed images are what the sources give', () => {
    const check = spawnSync('node', ['tools/build-guests.mjs', '--check'], { encoding: 'utf8' });
    expect(check.stderr).toBe('');
    expect(check.status).toBe(0);
  });

  it('our reader of line tables agrees with objdump', async () => {
    const { readLineTable } = (await import('./build/line-table.mjs' as string)) as {
      readLineTable(bytes: Buffer): { address: number; file?: string; line: number }[];
    };
    const { readSections } = (await import('./build/elf.mjs' as string)) as {
      readSections(file: Buffer): { name: string; bytes: Buffer }[];
    };
    const source = 'src/guests/lib/format.c';
    const object = join(workspace, 'format.o');
    const flags = [
      '-m32',
      '-ffreestanding',
      '-fno-pic',
      '-O1',
      '-gdwarf-4',
      '-nostdlib',
      '-static',
      '-Wl,-r',
    ];
    execFileSync('gcc', [...flags, '-Isrc/guests/include', '-o', object, source]);
    execFileSync('ld', [
      '-m',
      'elf_i386',
      '--unresolved-symbols=ignore-all',
      '-e',
      '0',
      '-o',
      `${object}.linked`,
      object,
    ]);
    const section = readSections(readFileSync(`${object}.linked`)).find(
      ({ name }) => name === '.debug_line',
    )!;
    const ours = readLineTable(section.bytes).filter((row) => row.file);
    const listing = execFileSync('objdump', ['-W', '--dwarf=decodedline', `${object}.linked`], {
      encoding: 'utf8',
    });
    const theirs = [...listing.matchAll(/^\S+\s+(\d+)\s+0x([0-9a-f]+)/gm)].map((row) => [
      parseInt(row[2]!, 16),
      Number(row[1]),
    ]);
    expect(ours.length).toBeGreaterThan(100);
    expect(ours.map((row) => [row.address, row.line])).toEqual(theirs);
  });

  it('the library formats, divides and multiplies as the host does', () => {
    const library = join(workspace, 'library');
    execFileSync('nasm', ['-f', 'elf32', '-o', `${library}.o`, 'src/guests/lib/cpu.asm']);
    const program = `
      #include <stdio.h>
      #include <stdint.h>
      #include <string.h>
      #include <inttypes.h>
      size_t format(char *to, size_t size, const char *text, ...);
      uint64_t multiply_shift32(uint64_t a, uint32_t b);
      uint32_t divide(uint64_t *n, uint32_t divisor);
      uint16_t atomic_compare_exchange16(volatile uint16_t *, uint16_t, uint16_t);
      void atomic_set_bit(volatile uint32_t *, uint32_t);
      int test_bit(const volatile uint32_t *, uint32_t);
      static int bad;
      #define SAME(f, ...) do { char a[80], b[80]; int n = snprintf(a, 80, f, __VA_ARGS__), m = (int)format(b, 80, f, __VA_ARGS__); \\
        if (n != m || strcmp(a, b)) { bad++; printf("%s: \\"%s\\" \\"%s\\"\\n", f, a, b); } } while (0)
      int main(void) {
        uint64_t x = 88172645463325252ull;
        for (int i = 0; i < 20000; i++) {
          x ^= x << 13; x ^= x >> 7; x ^= x << 17;
          uint32_t d = (uint32_t)(x >> 20) | 1;
          uint64_t n = x, q = x / d;
          if (divide(&n, d) != x % d || n != q) bad++;
          if (multiply_shift32(x, d) != (x >> 32) * d + (((x & 0xFFFFFFFFu) * d) >> 32)) bad++;
          SAME("%llu %llx %u %d %08x %5u|%s|%c", (unsigned long long)x, (unsigned long long)x, d, (int)d, d, d & 255, "text", 'c');
          SAME("%lld", (long long)x);
        }
        uint16_t w = 5; uint32_t bits[4] = {0};
        if (atomic_compare_exchange16(&w, 4, 9) != 5 || w != 5) bad++;
        if (atomic_compare_exchange16(&w, 5, 9) != 5 || w != 9) bad++;
        atomic_set_bit(bits, 77);
        if (bits[2] != 1u << 13 || !test_bit(bits, 77) || test_bit(bits, 76)) bad++;
        char cut[4]; if (format(cut, 4, "%s", "abcdef") != 6 || strcmp(cut, "abc")) bad++;
        printf("%d\\n", bad);
        return bad != 0;
      }`;
    const arguments_ = [
      '-m32',
      '-O1',
      '-fno-pic',
      '-no-pie',
      '-w',
      '-Wl,-z,noexecstack',
      '-Isrc/guests/include',
      '-o',
      library,
      '-x',
      'c',
      '-',
    ];
    const build = spawnSync('gcc', [...arguments_, 'src/guests/lib/format.c', '-x', 'none', `${library}.o`], {
      input: program,
      encoding: 'utf8',
    });
    expect(build.stderr).toBe('');
    const run = spawnSync(library, { encoding: 'utf8' });
    expect(run.stdout).toBe('0\n');
  });
});
