// xenstored: the half of the service domain that speaks XenStore over each domain's ring. Everything it remembers lies in an arena of
// Xen's frames whose root is XEN.storeRoot.

import { DOMID_SERVICE } from '../hypervisor/abi/domid.ts';
import { sendPort } from '../hypervisor/event-channels.ts';
import { allocXenFrame } from '../hypervisor/page-alloc.ts';
import { getPageAndType, putPageAndType } from '../hypervisor/page-info.ts';
import { DOMAIN, findDomain, PGT_writable_page, XEN, XEN_AT } from '../hypervisor/state.ts';
import type { Xen } from '../hypervisor/xen.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { Arena } from '../memory/arena.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { List } from './store/lists.ts';
import {
  bytesOf,
  encodeMessage,
  errnoNumber,
  type Message,
  RING,
  StoreError,
  textOf,
  XS,
  XS_HEADER,
  XS_PAYLOAD_MAX,
  XENSTORE_FEATURES,
  RING_ERROR,
} from './store/protocol.ts';
import { answer, type Daemon } from './store/requests.ts';
import { SLOT_CONNECTIONS, Store, type Who } from './store/store.ts';
import { createHome, homesOf } from './store/home.ts';

interface Connection {
  readonly domid: number;
  /** Bytes of a request that has not come in whole, one character a byte. */
  readonly input: string;
  /** Bytes of answers that did not fit the ring yet. */
  readonly output: string;
  readonly closed: boolean;
}
/** Answers and events that wait at most; a guest that lets more pile up is cut off. */
const MAX_BACKLOG = 64 * 1024;
/** Requests taken in one go, so that a chatty guest does not keep the processor. */
const MAX_BATCH = 16;
const TICKS_PER_MESSAGE = 200,
  BYTES_PER_TICK = 16;

/** The store's memory; made at first use. */
function arenaOf(x: Xen): Arena {
  const alloc = (): number => allocXenFrame(x, 0);
  let root = x.m.r32(XEN_AT + XEN.storeRoot);
  if (root === 0) {
    root = alloc();
    if (root === INVALID_MFN) throw new Error('no frame for XenStore');
    x.m.w32(XEN_AT + XEN.storeRoot, root);
    Arena.create(x.frames, root);
    Store.create(new Arena(x.frames, root, alloc));
  }
  return new Arena(x.frames, root, alloc);
}
/** The store itself: for the toolstack and for readers. */
export const openStore = (x: Xen): Store => new Store(arenaOf(x));

class Xenstored {
  readonly x: Xen;
  readonly store: Store;
  readonly connections: List<Connection>;
  private readonly daemon: Daemon;

  constructor(x: Xen) {
    const arena = arenaOf(x);
    this.x = x;
    this.store = new Store(arena);
    this.connections = new List(arena, SLOT_CONNECTIONS);
    this.daemon = {
      introduced: (domid) => this.connection(domid) !== undefined,
      introduce: (domid) => {
        const d = findDomain(x.m, domid);
        if (d !== 0 && !this.connection(domid)) this.introduce(d);
      },
      release: (domid) => this.release(domid),
    };
  }

  connection(domid: number): { readonly handle: number; readonly value: Connection } | undefined {
    return this.connections.entries().find((c) => c.value.domid === domid);
  }
  /** Changes what is remembered of a connection. Without memory for it, the connection is lost: nobody else's. */
  private update(domid: number, change: Partial<Connection>): void {
    const c = this.connection(domid);
    if (!c) return;
    try {
      this.connections.replace(c.handle, { ...c.value, ...change });
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.x.check('store.memory', false, domid);
      this.connections.remove(c.handle);
      this.store.forget(domid);
    }
  }
  private waiting(domid: number): boolean {
    return (this.connection(domid)?.value.output ?? '') !== '';
  }

  // ---- the ring ----

  /**
   * Works on the ring of domain d while holding a writable reference to its page, which is the guest's own memory. A page that cannot be
   * held costs the guest its connection.
   */
  private withRing(d: number, domid: number, work: (ring: number) => number): number {
    const mfn = this.x.m.r32(d + DOMAIN.storeMfn);
    if (mfn === 0) return 0;
    if (!getPageAndType(this.x, mfn, d, PGT_writable_page)) {
      if (this.connection(domid)?.value.closed === false) {
        this.x.check('store.page', false, domid, mfn);
        this.drop(domid);
      }
      return 0;
    }
    const result = work(mfn * PAGE_SIZE);
    putPageAndType(this.x, mfn);
    return result;
  }

  /** Bytes between the indices at `consAt` and `prodAt`; undefined, and the connection closed, when they are impossible. */
  private used(ring: number, domid: number, consAt: number, prodAt: number): number | undefined {
    const { frames } = this.x;
    const used = (frames.read32(ring + prodAt) - frames.read32(ring + consAt)) >>> 0;
    if (used <= RING.size) return used;
    this.x.check('store.ring-indices', false, domid, used);
    this.close(ring, domid, RING_ERROR.index);
    return undefined;
  }

  /** Takes what the guest has written. */
  private receive(ring: number, domid: number): string {
    const { frames } = this.x;
    const used = this.used(ring, domid, RING.reqCons, RING.reqProd);
    if (!used) return '';
    const cons = frames.read32(ring + RING.reqCons);
    let out = '';
    for (let i = 0; i < used; i++)
      out += String.fromCharCode(frames.read8(ring + RING.req + ((cons + i) & (RING.size - 1))));
    frames.write32(ring + RING.reqCons, (cons + used) >>> 0);
    return out;
  }
  /** Puts as much of what waits into the ring as fits; true if anything moved. */
  private transmit(ring: number, domid: number): boolean {
    const { frames } = this.x;
    const output = this.connection(domid)?.value.output ?? '';
    if (output === '') return false;
    const used = this.used(ring, domid, RING.rspCons, RING.rspProd);
    if (used === undefined) return false;
    const prod = frames.read32(ring + RING.rspProd);
    const n = Math.min(output.length, RING.size - used);
    if (n === 0) return false;
    for (let i = 0; i < n; i++)
      frames.write8(ring + RING.rsp + ((prod + i) & (RING.size - 1)), output.charCodeAt(i));
    frames.write32(ring + RING.rspProd, (prod + n) >>> 0);
    this.update(domid, { output: output.slice(n) });
    return true;
  }

  /** Ends a connection until the guest asks for another. */
  private close(ring: number, domid: number, error: number): void {
    this.x.frames.write32(ring + RING.error, error);
    this.drop(domid);
  }
  private drop(domid: number): void {
    this.store.forget(domid);
    this.update(domid, { closed: true, input: '', output: '' });
  }

  /** One visit: a reconnection, requests, answers. Returns the ticks it took. */
  serve(d: number): number {
    const domid = this.x.m.r32(d + DOMAIN.domid);
    if (!this.connection(domid)) return 0;
    const ticks = this.withRing(d, domid, (ring) => this.visit(d, domid, ring));
    this.flushOthers(domid);
    return ticks;
  }
  /** While answers wait for room nothing more is taken, so a guest that never reads waits by itself. */
  private visit(d: number, domid: number, ring: number): number {
    if (this.x.frames.read32(ring + RING.connection) === 1) return this.reconnect(d, domid, ring);
    if (this.connection(domid)?.value.closed) return 0;
    let moved = this.transmit(ring, domid);
    const fresh = this.waiting(domid) ? '' : this.receive(ring, domid);
    let input = (this.connection(domid)?.value.input ?? '') + fresh;
    let ticks = 0;
    for (let handled = 0; handled < MAX_BATCH && this.open(domid) && !this.waiting(domid); handled++) {
      const message = this.parse(input);
      if (message === 'partial') break;
      ticks += TICKS_PER_MESSAGE;
      if (message === 'toolong') {
        this.refuseLength(ring, domid, input);
        break;
      }
      input = input.slice(XS_HEADER + message.payload.length);
      ticks += Math.ceil(message.payload.length / BYTES_PER_TICK);
      this.handle(d, domid, message);
      moved = this.transmit(ring, domid) || moved;
    }
    if (!this.open(domid)) return Math.max(ticks, TICKS_PER_MESSAGE);
    if (this.connection(domid)?.value.input !== input) this.update(domid, { input });
    if (moved || fresh !== '') notify(this.x, d);
    return ticks;
  }
  private open(domid: number): boolean {
    return this.connection(domid)?.value.closed === false;
  }
  private refuseLength(ring: number, domid: number, input: string): void {
    const length = new DataView(bytesOf(input.slice(0, XS_HEADER)).buffer).getUint32(12, true);
    this.x.check('store.payload-size', false, domid, length);
    this.close(ring, domid, RING_ERROR.protocol);
  }

  private parse(input: string): Message | 'partial' | 'toolong' {
    if (input.length < XS_HEADER) return 'partial';
    const head = new DataView(bytesOf(input.slice(0, XS_HEADER)).buffer);
    const length = head.getUint32(12, true);
    if (length > XS_PAYLOAD_MAX) return 'toolong';
    if (input.length < XS_HEADER + length) return 'partial';
    return {
      type: head.getUint32(0, true),
      reqId: head.getUint32(4, true),
      txId: head.getUint32(8, true),
      payload: bytesOf(input.slice(XS_HEADER, XS_HEADER + length)),
    };
  }

  private handle(d: number, domid: number, m: Message): void {
    const { x, store } = this;
    const who: Who = { domid, privileged: x.m.r32(d + DOMAIN.privileged) !== 0 };
    const subject = { domid, vcpu: 0, cpl: 0, cs: 0, eip: 0 };
    const enter = x.trace.emit(
      RT.store,
      PH.enter,
      OUT.none,
      subject,
      m.type,
      [m.type, m.reqId, m.txId, 0],
      m.payload,
    );
    const before = x.trace.cause;
    x.trace.cause = enter;
    let reply: Message;
    let errno = 0;
    try {
      reply = { ...m, payload: answer(store, who, m, this.daemon) };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      errno = errnoNumber(error);
      x.check('store.request', false, -errno >>> 0, domid);
      reply = { ...m, type: XS.ERROR, payload: bytesOf(`${error.errno}\0`) };
    }
    x.trace.emit(
      RT.store,
      PH.answer,
      errno ? OUT.refused : OUT.served,
      subject,
      m.type,
      [reply.type, m.reqId, m.txId, errno],
      reply.payload,
    );
    this.send(domid, reply);
    this.deliverEvents();
    x.trace.cause = before;
  }

  private deliverEvents(): void {
    for (const e of this.store.fired.splice(0)) {
      const payload = bytesOf(`${e.path}\0${e.token}\0`);
      this.x.trace.emit(
        RT.watch,
        PH.none,
        OUT.none,
        { domid: e.domid, vcpu: 0, cpl: 0, cs: 0, eip: 0 },
        0,
        [e.domid],
        payload,
      );
      this.send(e.domid, { type: XS.WATCH_EVENT, reqId: 0, txId: 0, payload });
    }
  }
  private send(domid: number, m: Message): void {
    const c = this.connection(domid);
    if (!c || c.value.closed) return;
    const output = c.value.output + textOf(encodeMessage(m));
    if (output.length <= MAX_BACKLOG) return this.update(domid, { output });
    this.x.check('store.backlog', false, domid, output.length);
    const d = findDomain(this.x.m, domid);
    this.withRing(d, domid, (ring) => {
      this.close(ring, domid, RING_ERROR.communication);
      return 0;
    });
  }

  /** Moves waiting answers into the rings of the others and notifies whoever got some. */
  private flushOthers(except: number): void {
    for (const { value } of this.connections.entries()) {
      const d = value.domid === except || value.output === '' ? 0 : findDomain(this.x.m, value.domid);
      if (d === 0) continue;
      this.withRing(d, value.domid, (ring) => {
        if (this.transmit(ring, value.domid)) notify(this.x, d);
        return 0;
      });
    }
  }

  private reconnect(d: number, domid: number, ring: number): number {
    const { frames } = this.x;
    this.store.forget(domid);
    this.update(domid, { closed: false, input: '', output: '' });
    for (const at of [RING.reqCons, RING.reqProd, RING.rspCons, RING.rspProd, RING.error, RING.connection])
      frames.write32(ring + at, 0);
    frames.write32(ring + RING.features, XENSTORE_FEATURES);
    notify(this.x, d);
    return TICKS_PER_MESSAGE;
  }

  // ---- domains come and go ----

  introduce(d: number): void {
    const { x, store } = this;
    const domid = x.m.r32(d + DOMAIN.domid);
    store.purge(domid, homesOf(store, domid));
    this.connections.add({ domid, input: '', output: '', closed: false });
    createHome(x, store, d, domid);
    this.withRing(d, domid, (ring) => {
      x.frames.write32(ring + RING.features, XENSTORE_FEATURES);
      return 0;
    });
    x.act('store.introduce', [domid, x.m.r32(d + DOMAIN.storeMfn), x.m.r32(d + DOMAIN.storePort)]);
    this.tell('@introduceDomain');
  }
  /** The end of a domain: connection, watches, transactions, directories and every right that names it. */
  release(domid: number): void {
    const { store } = this;
    const c = this.connection(domid);
    if (c) this.connections.remove(c.handle);
    try {
      store.purge(domid, homesOf(store, domid));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.x.check('store.memory', false, domid); // done again before a domain of this number is introduced
    }
    if (c) this.x.act('store.release', [domid]);
    if (c) this.tell('@releaseDomain');
    else this.deliverEvents();
    this.flushOthers(-1);
  }
  /** Connections whose domain is no more. */
  sweep(): void {
    for (const { value } of this.connections.entries())
      if (findDomain(this.x.m, value.domid) === 0) this.release(value.domid);
  }
  private tell(path: '@introduceDomain' | '@releaseDomain'): void {
    this.store.fireSpecial(path);
    this.deliverEvents();
    this.flushOthers(-1);
  }
}

/** Tells the guest that its ring has moved. */
function notify(x: Xen, d: number): void {
  const service = findDomain(x.m, DOMID_SERVICE);
  const port = x.m.r32(d + DOMAIN.storeRemotePort);
  if (service !== 0 && port !== 0) sendPort(x, service, port);
}
/** Serves what domain d has written; returns the ticks consumed. */
export const serviceStore = (x: Xen, d: number): number => new Xenstored(x).serve(d);
/** Makes a new domain known: its directory, its connection, @introduceDomain. Whatever is left of an earlier domain of its number goes. */
export function introduceDomain(x: Xen, d: number): void {
  const stored = new Xenstored(x);
  const domid = x.m.r32(d + DOMAIN.domid);
  if (stored.connection(domid)) stored.release(domid);
  stored.introduce(d);
}
/** Forgets a domain that has ended; nothing happens when it is forgotten already. */
export const releaseDomain = (x: Xen, domid: number): void => {
  const stored = new Xenstored(x);
  if (stored.connection(domid)) stored.release(domid);
};
/** Forgets the domains that have been destroyed. */
export const sweepDomains = (x: Xen): void => new Xenstored(x).sweep();
