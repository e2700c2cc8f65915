// Console input on its way to a domain: frames of Xen chained from its record, oldest first. xenconsoled moves it into the console ring,
// CONSOLEIO_read hands it to a privileged domain. Input may be held until the domain first waits for something: a kernel that is
// still clearing its rings would lose what comes earlier.

import { INVALID_MFN } from '../memory/addresses.ts';
import { layout } from '../memory/layout.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_SERVICE } from './abi/domid.ts';
import { raiseVirq, setPending } from './event-channels.ts';
import { allocXenFrame, freeXenFrame } from './page-alloc.ts';
import { DOMAIN, findDomain } from './state.ts';
import { VIRQ_CONSOLE } from './virqs.ts';
import type { Xen } from './xen.ts';

/** A frame of waiting input. */
export const INPUT_FRAME = layout('INPUT_FRAME', {
  next: 'u32',
  start: 'u32',
  end: 'u32',
  pad: 'u32',
  data: ['u8', PAGE_SIZE - 16],
});
const INPUT_CAPACITY = PAGE_SIZE - INPUT_FRAME.data;

/** Appends input for domain d; returns how many bytes found room: fewer than given only when Xen has no frame left. */
export function queueInput(x: Xen, d: number, bytes: Uint8Array): number {
  const { frames } = x;
  let done = 0;
  while (done < bytes.length) {
    const at = tailWithRoom(x, d);
    if (at === 0) break;
    const end = frames.read32(at + INPUT_FRAME.end);
    const n = Math.min(bytes.length - done, INPUT_CAPACITY - end);
    frames.copyIn(at + INPUT_FRAME.data + end, bytes.subarray(done, done + n));
    frames.write32(at + INPUT_FRAME.end, end + n);
    done += n;
  }
  return done;
}

/** Tells whoever passes input on that there is some: the service domain, or the privileged domain itself (VIRQ_CONSOLE). */
export function announceInput(x: Xen, d: number): void {
  if (waitingInput(x, d) === 0) return;
  const service = findDomain(x.m, DOMID_SERVICE),
    port = x.m.r32(d + DOMAIN.consoleRemotePort),
    first = x.m.r32(d + DOMAIN.vcpus);
  if (service !== 0 && port !== 0) setPending(x, service, port);
  if (x.m.r32(d + DOMAIN.privileged) !== 0 && first !== 0) raiseVirq(x, first, VIRQ_CONSOLE);
}

/** The domain waits: input that was held for that moment comes now. */
export function releaseInput(x: Xen, d: number): void {
  if (x.m.r32(d + DOMAIN.consoleHeld) === 0) return;
  x.m.w32(d + DOMAIN.consoleHeld, 0);
  announceInput(x, d);
}

/** Machine address of the last frame of the queue if bytes fit into it, else of a new one; 0 when Xen has none left. */
function tailWithRoom(x: Xen, d: number): number {
  const { frames } = x;
  let last = 0;
  for (let mfn = x.m.r32(d + DOMAIN.consoleInputMfn); mfn !== 0; mfn = frames.read32(last + INPUT_FRAME.next))
    last = mfn * PAGE_SIZE;
  if (last !== 0 && frames.read32(last + INPUT_FRAME.end) < INPUT_CAPACITY) return last;
  const mfn = allocXenFrame(x, 0);
  if (mfn === INVALID_MFN) return 0;
  if (last === 0) x.m.w32(d + DOMAIN.consoleInputMfn, mfn);
  else frames.write32(last + INPUT_FRAME.next, mfn);
  return mfn * PAGE_SIZE;
}

/** The first bytes that wait, at most `limit`; they go on waiting. */
export function peekInput(x: Xen, d: number, limit: number): Uint8Array {
  const { frames } = x;
  const out = new Uint8Array(Math.min(limit, waitingInput(x, d)));
  let mfn = x.m.r32(d + DOMAIN.consoleInputMfn);
  for (let done = 0; done < out.length; mfn = frames.read32(mfn * PAGE_SIZE + INPUT_FRAME.next)) {
    const at = mfn * PAGE_SIZE,
      start = frames.read32(at + INPUT_FRAME.start);
    const n = Math.min(out.length - done, frames.read32(at + INPUT_FRAME.end) - start);
    out.set(frames.copyOut(at + INPUT_FRAME.data + start, n), done);
    done += n;
  }
  return out;
}

/** Takes at most `limit` bytes from the front of the queue and frees frames that have become empty. */
export function takeInput(x: Xen, d: number, limit: number): Uint8Array {
  const { frames, m } = x;
  const out = peekInput(x, d, limit);
  for (let done = 0; done < out.length; ) {
    const mfn = m.r32(d + DOMAIN.consoleInputMfn),
      at = mfn * PAGE_SIZE;
    const start = frames.read32(at + INPUT_FRAME.start),
      end = frames.read32(at + INPUT_FRAME.end);
    const n = Math.min(out.length - done, end - start);
    done += n;
    frames.write32(at + INPUT_FRAME.start, start + n);
    if (start + n === end) {
      m.w32(d + DOMAIN.consoleInputMfn, frames.read32(at + INPUT_FRAME.next));
      freeXenFrame(x, mfn, 0);
    }
  }
  return out;
}

/** Bytes that wait. */
export function waitingInput(x: Xen, d: number): number {
  let n = 0;
  for (
    let mfn = x.m.r32(d + DOMAIN.consoleInputMfn);
    mfn !== 0;
    mfn = x.frames.read32(mfn * PAGE_SIZE + INPUT_FRAME.next)
  ) {
    n +=
      x.frames.read32(mfn * PAGE_SIZE + INPUT_FRAME.end) -
      x.frames.read32(mfn * PAGE_SIZE + INPUT_FRAME.start);
  }
  return n;
}

/** Forgets input that waits for domain d: its console is broken or the domain is about to go. */
export function dropConsoleInput(x: Xen, d: number): void {
  for (let mfn = x.m.r32(d + DOMAIN.consoleInputMfn); mfn !== 0; ) {
    const next = x.frames.read32(mfn * PAGE_SIZE + INPUT_FRAME.next);
    freeXenFrame(x, mfn, 0);
    mfn = next;
  }
  x.m.w32(d + DOMAIN.consoleInputMfn, 0);
}
