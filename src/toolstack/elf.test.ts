import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { need } from '../../tools/need.ts';
import { ImageError } from '../hypervisor/image.ts';
import { parseKernel } from './elf.ts';

interface Note {
  readonly type: number;
  readonly desc: Uint8Array;
  /** Size announced in the header when it is not the true one. */
  readonly announced?: number;
}
const text = (s: string): Uint8Array => Uint8Array.from([...s, '\0'], (c) => c.charCodeAt(0));
const num = (n: number): Uint8Array => new Uint8Array(new Uint32Array([n]).buffer);
const STANDARD: readonly Note[] = [
  { type: 3, desc: num(0xc0000000) },
  { type: 4, desc: num(0xc0000000) },
  { type: 5, desc: text('xen-3.0') },
  { type: 8, desc: text('generic') },
  { type: 9, desc: text('yes') },
];

function noteBytes(notes: readonly Note[]): Uint8Array {
  const out: number[] = [];
  const u32 = (n: number) => {
    for (let i = 0; i < 4; i++) out.push((n >>> (8 * i)) & 0xff);
  };
  for (const n of notes) {
    u32(4);
    u32(n.announced ?? n.desc.length);
    u32(n.type);
    out.push(0x58, 0x65, 0x6e, 0, ...n.desc);
    while (out.length % 4 && n !== notes.at(-1)) out.push(0);
  }
  return Uint8Array.from(out);
}

interface Options {
  readonly notes?: readonly Note[];
  readonly where?: 'phdr' | 'shdr' | 'xen_guest' | 'none';
  readonly paddr?: number;
  readonly entry?: number;
  readonly legacy?: string;
  readonly noteSize?: number;
}

/** An ELF with one PT_LOAD of 16 bytes (memory size 0x2000) and its parameters at the end of the file. */
function makeElf(o: Options = {}): Uint8Array<ArrayBuffer> {
  const where = o.where ?? 'phdr';
  const params = where === 'xen_guest' ? text(o.legacy ?? '') : noteBytes(o.notes ?? STANDARD);
  const names = text('\0__xen_guest\0.note.Xen\0.shstrtab');
  const code = 256,
    strtab = 272,
    sections = 320,
    notesAt = 512;
  const file = new Uint8Array(notesAt + params.length);
  const v = new DataView(file.buffer);
  const u32 = (at: number, ...words: number[]) => {
    words.forEach((w, i) => {
      v.setUint32(at + 4 * i, w >>> 0, true);
    });
  };
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  v.setUint16(16, 2, true);
  v.setUint16(18, 3, true);
  const paddr = o.paddr ?? 0xc0100000;
  u32(20, 1, o.entry ?? paddr, 52, sections, 0);
  for (const [at, n] of [
    [40, 52],
    [42, 32],
    [44, where === 'phdr' ? 2 : 1],
    [46, 40],
    [48, where === 'none' ? 0 : 3],
    [50, 2],
  ] as const)
    v.setUint16(at, n, true);
  u32(52, 1, code, paddr, paddr, 16, 0x2000, 7, 4096);
  if (where === 'phdr') u32(84, 4, notesAt, 0, 0, o.noteSize ?? params.length, params.length, 4, 4);
  u32(sections + 40, where === 'xen_guest' ? 1 : 13, where === 'shdr' ? 7 : 1, 0, 0, notesAt, params.length);
  u32(sections + 80, 23, 3, 0, 0, strtab, names.length);
  file.fill(0x90, code, code + 16);
  file.set(names, strtab);
  file.set(params, notesAt);
  return file;
}
const problem = (bytes: Uint8Array): string => {
  try {
    parseKernel(bytes);
  } catch (error) {
    if (error instanceof ImageError) return error.message;
    throw error;
  }
  return 'accepted';
};

describe('parameters of a kernel', () => {
  it('come from PT_NOTE, SHT_NOTE or __xen_guest alike', () => {
    for (const where of ['phdr', 'shdr', 'xen_guest'] as const) {
      const legacy =
        'GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,ELF_PADDR_OFFSET=0xC0000000,HYPERCALL_PAGE=0x101,PAE=yes[extended-cr3],LOADER=generic';
      const image = parseKernel(makeElf({ where, legacy }));
      expect(image).toMatchObject({
        virtBase: 0xc0000000,
        start: 0xc0100000,
        end: 0xc0102000,
        entry: 0xc0100000,
        pae: 'yes',
      });
      expect(image.source).toBe({ phdr: 'PT_NOTE', shdr: 'SHT_NOTE', xen_guest: '__xen_guest' }[where]);
      expect(image.hypercallPage).toBe(where === 'xen_guest' ? 0xc0101000 : undefined);
      expect(image.segments).toHaveLength(1);
      expect(image.segments[0]!.bytes).toEqual(new Uint8Array(16).fill(0x90));
    }
  });
  it('allow L3 tables above 4 GiB by the note "yes", and in __xen_guest only by "yes[extended-cr3]"', () => {
    const pae = (value: string): string =>
      parseKernel(
        makeElf({
          where: 'xen_guest',
          legacy: `GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,ELF_PADDR_OFFSET=0xC0000000,PAE=${value},LOADER=generic`,
        }),
      ).pae;
    expect(['yes[extended-cr3]', 'yes', 'yes[other]'].map(pae)).toEqual(['yes', 'plain', 'plain']);
    expect(() => pae('no')).toThrow(ImageError);
  });
  it('shift addresses by VIRT_BASE - PADDR_OFFSET', () => {
    const notes = [...STANDARD.filter((n) => n.type !== 4), { type: 4, desc: num(0) }];
    expect(parseKernel(makeElf({ notes, paddr: 0x100000, entry: 0xc0100004 }))).toMatchObject({
      start: 0xc0100000,
      entry: 0xc0100004,
    });
  });
  it("may have a last note that overruns the note area and the file, as GRUB's does", () => {
    const notes = [...STANDARD.slice(0, 4), { type: 9, desc: text('yes'), announced: 12 }];
    expect(parseKernel(makeElf({ notes })).pae).toBe('yes');
    expect(parseKernel(makeElf({ notes, noteSize: 1 << 20 })).pae).toBe('yes');
  });
  it('may have numbers of 8 bytes and notes of others in between', () => {
    const notes = [
      { type: 3, desc: new Uint8Array([0, 0, 0, 0xc0, 0, 0, 0, 0]) },
      { type: 77, desc: text('odd') },
      ...STANDARD.slice(1),
    ];
    expect(parseKernel(makeElf({ notes })).virtBase).toBe(0xc0000000);
  });
  it('reads what a kernel supports, and passes over notes for save and restore', () => {
    const notes = [
      ...STANDARD,
      { type: 17, desc: num(0x8801) },
      { type: 16, desc: num(1) },
      { type: 13, desc: new Uint8Array(new Uint32Array([1, 0, 1, 0]).buffer) },
      { type: 13, desc: new Uint8Array(new Uint32Array([1, 1]).buffer) },
    ];
    expect(parseKernel(makeElf({ notes }))).toMatchObject({ supportedFeatures: 0x8801, modStartPfn: true });
    expect(parseKernel(makeElf())).toMatchObject({ supportedFeatures: 0, modStartPfn: false });
  });
  it('split FEATURES into wished and required', () => {
    const notes = [...STANDARD, { type: 10, desc: text('!writable_page_tables|pae_pgdir_above_4gb') }];
    expect(parseKernel(makeElf({ notes }))).toMatchObject({
      features: ['pae_pgdir_above_4gb'],
      requiredFeatures: ['writable_page_tables'],
    });
  });
});

describe('refusals name the thing and the remedy', () => {
  const without = (type: number) => STANDARD.filter((n) => n.type !== type);
  const withNote = (type: number, desc: Uint8Array) => [...without(type), { type, desc }];
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['empty', new Uint8Array(0), /too short/],
    [
      'text',
      text('#!/bin/sh\nthis is a script and no kernel at all, by any measure'),
      /no ELF.*7f 45 4c 46.*23 21 2f 62/,
    ],
    ['64-bit', Object.assign(makeElf(), { 4: 2 }), /64-bit.*build with -m32/],
    ['big-endian', Object.assign(makeElf(), { 5: 2 }), /little-endian/],
    ['ARM', Object.assign(makeElf(), { 18: 40 }), /another processor.*found 40/],
    ['object file', Object.assign(makeElf(), { 16: 1 }), /not linked/],
    ['no notes', makeElf({ where: 'none' }), /no Xen notes/],
    ['no PAE', makeElf({ notes: withNote(9, text('no')) }), /without PAE.*found "no"/],
    ['PAE missing', makeElf({ notes: without(9) }), /without PAE.*no such note/],
    ['other interface', makeElf({ notes: withNote(5, text('xen-2.0')) }), /interface.*"xen-2.0"/],
    ['no loader', makeElf({ notes: without(8) }), /LOADER/],
    ['PADDR_OFFSET alone', makeElf({ notes: without(3) }), /without VIRT_BASE/],
    [
      'below VIRT_BASE',
      makeElf({
        notes: [
          ...without(4).filter((n) => n.type !== 3),
          { type: 3, desc: num(0xc1000000) },
          { type: 4, desc: num(0xc1000000) },
        ],
      }),
      /begins below VIRT_BASE/,
    ],
    ['entry outside', makeElf({ entry: 0x1000 }), /entry point lies outside/],
    ['in the hypervisor', makeElf({ paddr: 0xf5800000, entry: 0xf5800000 }), /below the hypervisor/],
    ['unaligned', makeElf({ paddr: 0xc0100004 }), /begin on a page/],
    [
      'unknown feature',
      makeElf({ notes: [...STANDARD, { type: 10, desc: text('!telepathy') }] }),
      /requires the feature telepathy/,
    ],
    ['truncated segment', makeElf({ where: 'shdr' }).subarray(0, 260), /runs past the end/],
    ['truncated headers', makeElf().subarray(0, 100), /program header table runs past/],
  ];
  it.each(cases)('%s', (_name, bytes, message) => {
    expect(problem(bytes)).toMatch(message);
  });
});

/** A small generator, so that a failure can be repeated. */
function* random(seed: number): Generator<number> {
  for (let s = seed >>> 0; ; ) {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    yield s / 4294967296;
  }
}

function mutate(bytes: Uint8Array, next: () => number): Uint8Array {
  const out = Uint8Array.from(bytes);
  const flips = 1 + Math.floor(next() * 6);
  for (let i = 0; i < flips; i++) {
    const head = next() < 0.7 ? Math.min(out.length, 600) : out.length;
    const at = Math.floor(next() * head);
    if (next() < 0.3)
      for (let k = at; k < at + 4 && k < out.length; k++)
        out[k] = [0, 0xff, 0x7f, 0x80][Math.floor(next() * 4)]!;
    else out[at] = out[at]! ^ (1 << Math.floor(next() * 8));
  }
  return next() < 0.3 ? out.subarray(0, Math.floor(next() * out.length)) : out;
}

function grubImage(): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), 'ringside-grub-'));
  try {
    execFileSync(
      'grub-mkimage',
      ['-O', 'i386-xen', '-o', join(dir, 'g.img'), '-p', '', 'normal', 'echo', 'halt'],
      { stdio: 'ignore' },
    );
    return new Uint8Array(readFileSync(join(dir, 'g.img')));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

describe('damaged images', () => {
  it('give an ImageError or a valid image, never anything else, and never large', () => {
    const next = random(20_17);
    const r = (): number => next.next().value as number;
    const bases = [
      makeElf(),
      makeElf({ where: 'shdr' }),
      makeElf({ where: 'xen_guest', legacy: 'LOADER=generic,XEN_VER=xen-3.0,VIRT_BASE=0xc0000000,PAE=yes' }),
    ];
    let accepted = 0;
    for (let i = 0; i < 10_000; i++) {
      const bytes = mutate(bases[i % bases.length]!, r);
      if (problem(bytes) === 'accepted') accepted++;
    }
    expect(accepted).toBeGreaterThan(100);
    expect(accepted).toBeLessThan(9_900);
  });
});

need('grub-mkimage', '/usr/lib/grub/i386-xen')('a GRUB image', () => {
  it('is accepted', () => {
    const image = parseKernel(grubImage());
    expect(image).toMatchObject({
      virtBase: 0,
      entry: 0,
      start: 0,
      pae: 'yes',
      loader: 'generic',
      hypercallPage: undefined,
      source: 'PT_NOTE',
    });
    expect(image.segments[0]!.vaddr).toBe(0);
    expect(image.segments[0]!.memSize).toBeGreaterThan(4 << 20);
    expect(image.segments).toHaveLength(2);
  });
  it('damaged gives an ImageError or a valid image', () => {
    const next = random(4),
      whole = grubImage();
    for (let i = 0; i < 300; i++) problem(mutate(whole, () => next.next().value as number));
  });
});
