// xenconsoled: the half of the service domain that carries the PV console rings (public/io/console.h). Output becomes console records;
// input waits in Xen's frames until the ring has room. The page is the guest's own memory and is trusted for nothing: every visit holds
// a writable reference while it lasts, indices are checked, and a guest that breaks its ring loses its console and nothing else.

import { DOMID_SERVICE } from '../hypervisor/abi/domid.ts';
import { sendPort } from '../hypervisor/event-channels.ts';
import { announceInput, dropConsoleInput, queueInput, takeInput } from '../hypervisor/console-input.ts';
import { getPageAndType, putPageAndType } from '../hypervisor/page-info.ts';
import { DOMAIN, findDomain, PGT_writable_page } from '../hypervisor/state.ts';
import type { Xen } from '../hypervisor/xen.ts';
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
  const held = x.m.r32(d + DOMAIN.consoleHeld) !== 0;
  const bytes = takeInput(x, d, held ? 0 : room);
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
 * Queues input for the console of domain d and makes the service domain look at it, at once or, with `hold`, when the domain first waits for
 * something. Returns how many bytes were taken: fewer than given only when Xen has no frame left, none when the domain has no working console.
 */
export function queueConsoleInput(x: Xen, d: number, bytes: Uint8Array, hold = false): number {
  const ring = x.m.r32(d + DOMAIN.consoleMfn) !== 0 && x.m.r32(d + DOMAIN.consoleBroken) === 0;
  if (!ring && x.m.r32(d + DOMAIN.privileged) === 0) return 0;
  const done = queueInput(x, d, bytes);
  if (hold) x.m.w32(d + DOMAIN.consoleHeld, 1);
  else announceInput(x, d);
  return done;
}
