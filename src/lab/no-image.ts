// Files that cannot be images at all: nothing in them, or text. The loaders would complain of a missing ELF header, which tells the author of
// a source file nothing.

import type { ImageProblem } from '../hypervisor/image.ts';

/** Bytes looked at: an image shows itself as one long before. */
const REACH = 4096;
const isText = (b: number): boolean => b === 9 || b === 10 || b === 13 || (b >= 32 && b !== 127);

/** What is wrong with a file that is empty or text; undefined where it may be an image. */
export function noImage(bytes: Uint8Array): ImageProblem | undefined {
  if (bytes.length === 0)
    return {
      what: 'The file is empty',
      expected: 'a kernel',
      found: '0 bytes',
      remedy: 'Check that the whole file was transferred.',
    };
  const head = bytes.subarray(0, REACH);
  if (!head.every(isText)) return undefined;
  const text = new TextDecoder()
    .decode(head.subarray(0, 16))
    .replace(/\s+/g, ' ')
    .replaceAll('. ', ' ')
    .trim();
  return {
    what: 'The file is text',
    expected: 'machine code',
    found: `"${text}"`,
    remedy: 'Build a kernel from it and drop that: build.sh of the starter shows how.',
  };
}
