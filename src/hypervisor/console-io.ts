// console_io: the hypervisor's own console. A debug build of Xen lets every domain write there: printable characters and newlines only, and
// a line that grows too long is ended. Reading is for the privileged. What is written goes to the trace; consoles are made of those records.

import { VCPU } from '../cpu/vcpu.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { ERRNO } from './abi/errno.ts';
import { continueHypercall, spend } from './continuation.ts';
import { peekInput, releaseInput, takeInput } from './console-input.ts';
import { copyFromGuest, copyToGuest } from './guest-access.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { refuse } from './refuse.ts';
import { DOMAIN } from './state.ts';
import type { Xen } from './xen.ts';

const CONSOLEIO_write = 0,
  CONSOLEIO_read = 1;
const CONSOLE_CHANNEL_XEN = 0;
const NEWLINE = 10,
  TAB = 9;
/** Bytes copied at a time, and the longest line a domain may build up. */
const CHUNK = 127,
  LINE = 127;
/** Bytes handled before the call is continued. */
const BATCH = 4096;
const CONSOLE_IO = 18;

/**
 * What a chunk becomes: up to the first newline only printable characters; the newline is kept. Returns the bytes consumed.
 * The unfinished line is kept in the domain's record; one that would be too long is ended first.
 */
function filterChunk(x: Xen, d: number, chunk: Uint8Array, out: number[]): number {
  const { m } = x;
  let used = 0,
    length = m.r32(d + DOMAIN.consoleLineLength),
    ended = false;
  const text: number[] = [];
  while (used < chunk.length && !ended) {
    const c = chunk[used++]!;
    if (c === NEWLINE) ended = true;
    else if ((c >= 0x20 && c < 0x7f) || c === TAB) text.push(c);
  }
  if (!ended && length + text.length >= LINE) ended = true;
  for (const c of text) {
    out.push(c);
    if (length < LINE) m.w8(d + DOMAIN.consoleLine + length++, c);
  }
  if (ended) {
    out.push(NEWLINE);
    length = 0;
  }
  m.w32(d + DOMAIN.consoleLineLength, length);
  return used;
}

function emitText(x: Xen, v: number, text: readonly number[]): void {
  if (text.length === 0) return;
  x.trace.emit(
    RT.console,
    PH.act,
    OUT.served,
    x.subject(v),
    CONSOLE_CHANNEL_XEN,
    [text.length],
    Uint8Array.from(text),
  );
}

function write(x: Xen, v: number, count: number, buffer: number): number {
  const d = x.domainOf(v);
  const unfiltered = x.m.r32(d + DOMAIN.privileged) !== 0;
  const text: number[] = [];
  let done = 0,
    result = 0;
  while (done < count) {
    if (done >= BATCH) {
      x.m.w32(v + VCPU.gpr + 4, count - done);
      x.m.w32(v + VCPU.gpr + 8, (buffer + done) >>> 0);
      result = continueHypercall(x, v, CONSOLE_IO);
      break;
    }
    const chunk = copyFromGuest(x, v, (buffer + done) >>> 0, Math.min(CHUNK, count - done));
    spend(x, CHUNK);
    if (!chunk) {
      x.check('console.buffer-readable', false, (buffer + done) >>> 0, count - done);
      result = -ERRNO.EFAULT;
      break;
    }
    if (unfiltered) {
      text.push(...chunk);
      done += chunk.length;
    } else done += filterChunk(x, d, chunk, text);
    if (text.length > BATCH) emitText(x, v, text.splice(0));
  }
  emitText(x, v, text);
  return result;
}

/** Hands input that waits to the caller; the number of bytes. Reading is waiting: input held for that moment comes at once. */
function read(x: Xen, v: number, count: number, buffer: number): number {
  const d = x.domainOf(v);
  releaseInput(x, d);
  const bytes = peekInput(x, d, count);
  if (!copyToGuest(x, v, buffer, bytes)) return refuse(x, ERRNO.EFAULT, 'console.buffer-writable', buffer);
  takeInput(x, d, bytes.length);
  return bytes.length;
}

/** console_io(cmd, count, buffer*): 0 for a write, the number of bytes for a read. */
export const doConsoleIo: HypercallHandler = (x, v, [cmd, count, buffer]) => {
  const privileged = x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;
  if (!privileged && !x.check('console.privilege', cmd === CONSOLEIO_write, cmd)) return -ERRNO.EPERM;
  if (cmd === CONSOLEIO_write) return write(x, v, count, buffer);
  if (!x.check('console.command', cmd === CONSOLEIO_read, cmd)) return -ERRNO.ENOSYS;
  if (!x.check('console.read-size', count <= 0x7fffffff, count)) return -ERRNO.E2BIG;
  return read(x, v, count, buffer);
};
