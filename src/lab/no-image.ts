// Files that cannot be images at all: nothing in them, or text. The loaders would complain of a missing ELF header, which tells the author of
// a source file nothing.

import type { ImageProblem } from '../hypervisor/image.ts';

/** Bytes looked at: an image shows itself as one long before. */
const REACH = 4096;
/** UTF-8 without control characters but tabs and ends of lines; undefined for anything else. */
function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.some((b) => b === 127 || (b < 32 && b !== 9 && b !== 10 && b !== 13))) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }); // the last letter may be cut
  } catch {
    return undefined;
  }
}

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
  const text = textOf(head);
  if (text === undefined) return undefined;
  return {
    what: 'The file is text',
    expected: 'machine code',
    found: `"${text.slice(0, 16).replace(/\s+/g, ' ').replaceAll('. ', ' ').trim()}"`,
    remedy: 'Build a kernel from it and drop that: build.sh of the starter shows how.',
  };
}
