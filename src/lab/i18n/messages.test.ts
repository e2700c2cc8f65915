import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../hypervisor/image.ts';
import { parseKernel } from '../../toolstack/elf.ts';
import { decodeLink } from '../link.ts';
import { knownParts, koreanImageMessage } from './image-messages.ts';
import { noImage } from '../no-image.ts';
import { localise } from './messages.ts';

const hangul = /[가-힣]/;
const messageOf = (bytes: Uint8Array): string => {
  try {
    parseKernel(bytes);
  } catch (error) {
    if (error instanceof ImageError) return error.message;
  }
  return '';
};

describe('errors in Korean', () => {
  it('are those that links really give', async () => {
    const error = await decodeLink('abc').catch((e: Error) => e.message);
    expect(localise(error as string, 'ko')).toMatch(hangul);
    expect(localise(error as string, 'en')).toBe(error);
  });
  it('are those that images really give, with their values', () => {
    expect(localise(messageOf(new Uint8Array(10)), 'ko')).toMatch(hangul);
    const text = localise(messageOf(new Uint8Array(100).fill(7)), 'ko');
    expect(text).toMatch(hangul);
    expect(text).toContain('7f 45 4c 46');
    const wide = new Uint8Array(100);
    wide.set([0x7f, 0x45, 0x4c, 0x46, 2]);
    expect(localise(messageOf(wide), 'ko')).toContain('-m32');
  });
  it('are those of files that are no image at all: empty, or text', () => {
    const message = (text: string): string => {
      const problem = noImage(new TextEncoder().encode(text));
      return problem ? new ImageError(problem).message : '';
    };
    expect(message('hi')).toBe(
      'The file is text: expected machine code, found "hi". Build a kernel from it and drop that: build.sh of the starter shows how.',
    );
    expect(localise(message('#include <xen.h>\n'), 'ko')).toMatch(
      /^텍스트 파일입니다.*"#include <xen\.h>".*build\.sh/,
    );
    expect(localise(message(''), 'ko')).toMatch(/^빈 파일입니다/);
    expect(message('커널'.repeat(3000))).toContain('text');
    expect(noImage(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46))).toBeUndefined();
    expect(noImage(Uint8Array.of(0xeb, 0xfe, 0x90, 0x90))).toBeUndefined();
  });
  it('know every problem and every remedy that the sources name', () => {
    const sources = [
      'toolstack/elf.ts',
      'toolstack/elf-reader.ts',
      'hypervisor/build-layout.ts',
      'hypervisor/build.ts',
    ]
      .map((f) => readFileSync(new URL(`../../${f}`, import.meta.url), 'utf8'))
      .join('\n');
    const problems = [...sources.matchAll(/\bwhat: (['`])(.+?)\1,/g)].map((m) => m[2]!);
    // A remedy is a literal, or a choice between two.
    const remedies = [...sources.matchAll(/remedy:([^;]*?)\n? *\}\)/gs)].flatMap((m) =>
      [...m[1]!.matchAll(/'((?:[^'\\]|\\.)+)'/g)].map((x) => x[1]!),
    );
    expect(problems.length).toBeGreaterThan(28);
    expect(remedies.length).toBeGreaterThan(28);
    const fill = (s: string): string =>
      s.replace(/\$\{what\}/, 'program header table').replace(/\$\{[^}]+\}/g, '3');
    for (const p of problems)
      expect(
        knownParts.what.some(([e]) => e.test(fill(p))),
        p,
      ).toBe(true);
    for (const r of remedies)
      expect(
        knownParts.remedy.some(([e]) => e.test(r)),
        r,
      ).toBe(true);
  });
  it('are Korean throughout: no English words but names', () => {
    const message =
      'The kernel has no Xen notes: expected a PT_NOTE segment or SHT_NOTE section with notes named "Xen", or a section __xen_guest, found none. Add the notes XEN_VERSION "xen-3.0", LOADER "generic", PAE_MODE "yes" and VIRT_BASE, and keep the section when linking or stripping.';
    const text = koreanImageMessage(message)!;
    expect(text).not.toMatch(/\b(the|expected|found|none|with|section|segment)\b/i);
    expect(localise(message, 'ko')).not.toContain('(으)');
  });
  it('leave alone what they do not know', () => {
    expect(localise('something else', 'ko')).toBe('something else');
  });
});
