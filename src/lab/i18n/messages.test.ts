import { describe, expect, it } from 'vitest';
import { ImageError } from '../../hypervisor/image.ts';
import { parseKernel } from '../../toolstack/elf.ts';
import { decodeLink } from '../link.ts';
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
  it('leave alone what they do not know', () => {
    expect(localise('something else', 'ko')).toBe('something else');
  });
});
