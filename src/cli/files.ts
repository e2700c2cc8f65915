// Files that the commands read and write, and what to say when that cannot be done.

import { readFileSync } from 'node:fs';

/** Sentences for the errors people meet; for the others Node's own. */
const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'a directory, not a file',
  EACCES: 'no permission for this file',
  EPERM: 'no permission for this file',
  ENOTDIR: 'no such file',
  ENOSPC: 'no space left to write to',
  ERR_FS_FILE_TOO_LARGE: 'larger than any file that can be read here',
};

/** An error about a file: of the operating system, or Node's about its size. */
const isFileError = (e: unknown): e is Error & { readonly code: string; readonly path?: string } =>
  e instanceof Error && 'code' in e && typeof e.code === 'string' && ('syscall' in e || e.code in UNREADABLE);

/** What is wrong with a file, with its path where that is known; undefined when the error is about something else. */
export function fileTrouble(error: unknown): string | undefined {
  if (!isFileError(error)) return undefined;
  return `${UNREADABLE[error.code] ?? error.message}${error.path === undefined ? '' : `: ${error.path}`}`;
}

/** The bytes of a file, or of standard input ('-'). Its error carries the path, which Node's own leave out where reading fails. */
export function fileBytes(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path === '-' ? 0 : path));
  } catch (error) {
    throw error instanceof Error
      ? Object.assign(error, { path: path === '-' ? 'standard input' : path })
      : error;
  }
}
