// xenconsoled: the half of the service domain that carries the PV console rings (public/io/console.h). Output becomes console records;
// input waits in Xen's frames until the ring has room. The page is the guest's own memory and is trusted for nothing: every visit holds
// a writable reference while it lasts, indices are checked, and a guest that breaks its ring loses its console and nothing else.

import { DOMID_SERVICE } from '../hypervisor/abi/domid.ts';
import { sendPort, setPending } from '../hypervisor/event-channels.ts';
import { allocXenFrame, freeXenFrame } from '../hypervisor/page-alloc.ts';
import { getPageAndType, putPageAndType } from '../hypervisor/page-info.ts';
import { DOMAIN, findDomain, PGT_writable_page } from '../hypervisor/state.ts';
import type { Xen } from '../hypervisor/xen.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { layout } from '../memory/layout.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { OUT, PH, RT } from '../trace/records.ts';

/** struct xencons_interface: free-running indices, sizes are powers of two. */
export const XENCONS = {
  in: 0,
  inSize: 1024,
  out: 1024,
  outSize: 2048,
  inCons: 3072,
  inProd: 3076,
  outCons: 3080,
  outProd: 3084,
  connection: 3088,
} as const;
const CONNECTED = 0;
const TICKS_PER_MESSAGE = 200,
  BYTES_PER_TICK = 16;
const CHANNEL_PV = 1;

/** A frame of waiting input; frames are chained from DOMAIN.consoleInputMfn, oldest first. */
export const INPUT_FRAME = layout('INPUT_FRAME', {
  next: 'u32',
  start: 'u32',
  end: 'u32',
  pad: 'u32',
  data: ['u8', PAGE_SIZE - 16],
});
const INPUT_CAPACITY = PAGE_SIZE - INPUT_FRAME.data;

const cost = (bytes: number): number =>
  bytes === 0 ? 0 : TICKS_PER_MESSAGE + Math.ceil(bytes / BYTES_PER_TICK);

/** One visit to the console of domain d: connects, drains output, passes input on, notifies. Returns the ticks it took, 0 if it was idle. */
export function serviceConsole(x: Xen, d: number): number {
  const mfn = x.m.r32(d + DOMAIN.consoleMfn);
  if (mfn === 0 || x.m.r32(d + DOMAIN.consoleBroken) !== 0) return 0;
  if (!getPageAndType(x, mfn, d, PGT_writable_page))
    return giveUp(x, d, 'console.page', [x.m.r32(d + DOMAIN.domid), mfn]);
  const ticks = visit(x, d, mfn * PAGE_SIZE);
  putPageAndType(x, mfn);
  return ticks;
}

function visit(x: Xen, d: number, page: number): number {
  const { frames } = x;
  const read = (at: number): number => frames.read32(page + at);
  const outCons = read(XENCONS.outCons),
    outProd = read(XENCONS.outProd);
  const inCons = read(XENCONS.inCons),
    inProd = read(XENCONS.inProd);
  const sane = (outProd - outCons) >>> 0 <= XENCONS.outSize && (inProd - inCons) >>> 0 <= XENCONS.inSize;
  if (!sane)
    return giveUp(x, d, 'console.ring-indices', [
      x.m.r32(d + DOMAIN.domid),
      outCons,
      outProd,
      inCons,
      inProd,
    ]);
  const connect = frames.read8(page + XENCONS.connection) !== CONNECTED;
  if (connect) frames.write8(page + XENCONS.connection, CONNECTED);
  const drained = drain(x, d, page, outCons, outProd);
  const given = feed(x, d, page, inCons, inProd);
  if (connect || drained > 0 || given > 0) notify(x, d);
  return cost(drained) + cost(given);
}

/** Takes all output out of the ring and shows it. */
function drain(x: Xen, d: number, page: number, cons: number, prod: number): number {
  const n = (prod - cons) >>> 0;
  if (n === 0) return 0;
  const bytes = new Uint8Array(n);
  for (let i = 0; i < n; i++)
    bytes[i] = x.frames.read8(page + XENCONS.out + ((cons + i) & (XENCONS.outSize - 1)));
  x.frames.write32(page + XENCONS.outCons, prod);
  const who = { domid: x.m.r32(d + DOMAIN.domid), vcpu: 0, cpl: 0, cs: 0, eip: 0 };
  x.trace.emit(RT.console, PH.none, OUT.none, who, CHANNEL_PV, [n], bytes);
  return n;
}

/** Puts waiting input into the ring as far as it fits. */
function feed(x: Xen, d: number, page: number, cons: number, prod: number): number {
  const { frames } = x;
  const room = XENCONS.inSize - ((prod - cons) >>> 0);
  const bytes = takeInput(x, d, room);
  if (bytes.length === 0) return 0;
  bytes.forEach((b, i) => {
    frames.write8(page + XENCONS.in + ((prod + i) & (XENCONS.inSize - 1)), b);
  });
  frames.write32(page + XENCONS.inProd, (prod + bytes.length) >>> 0);
  return bytes.length;
}

/** The console is given up for good: nobody but this guest notices. */
function giveUp(
  x: Xen,
  d: number,
  rule: 'console.page' | 'console.ring-indices',
  values: readonly number[],
): number {
  x.check(rule, false, ...values);
  x.m.w32(d + DOMAIN.consoleBroken, 1);
  dropConsoleInput(x, d);
  return 0;
}

function notify(x: Xen, d: number): void {
  const service = findDomain(x.m, DOMID_SERVICE),
    port = x.m.r32(d + DOMAIN.consoleRemotePort);
  if (service !== 0 && port !== 0) sendPort(x, service, port);
}

/**
 * Queues input for the console of domain d and makes the service domain look at it. Returns how many bytes were taken: fewer than given
 * only when Xen has no frame left, none when the domain has no working console.
 */
export function queueConsoleInput(x: Xen, d: number, bytes: Uint8Array): number {
  if (x.m.r32(d + DOMAIN.consoleMfn) === 0 || x.m.r32(d + DOMAIN.consoleBroken) !== 0) return 0;
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
  const service = findDomain(x.m, DOMID_SERVICE),
    port = x.m.r32(d + DOMAIN.consoleRemotePort);
  if (done > 0 && service !== 0 && port !== 0) setPending(x, service, port);
  return done;
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

/** Takes at most `limit` bytes from the front of the queue and frees frames that have become empty. */
function takeInput(x: Xen, d: number, limit: number): Uint8Array {
  const { frames, m } = x;
  const out = new Uint8Array(Math.min(limit, waitingInput(x, d)));
  for (let done = 0; done < out.length; ) {
    const mfn = m.r32(d + DOMAIN.consoleInputMfn),
      at = mfn * PAGE_SIZE;
    const start = frames.read32(at + INPUT_FRAME.start),
      end = frames.read32(at + INPUT_FRAME.end);
    const n = Math.min(out.length - done, end - start);
    out.set(frames.copyOut(at + INPUT_FRAME.data + start, n), done);
    done += n;
    frames.write32(at + INPUT_FRAME.start, start + n);
    if (start + n === end) {
      m.w32(d + DOMAIN.consoleInputMfn, frames.read32(at + INPUT_FRAME.next));
      freeXenFrame(x, mfn, 0);
    }
  }
  return out;
}

/** Bytes that wait for room in the ring. */
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
