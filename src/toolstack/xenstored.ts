// xenstored: the half of the service domain that speaks XenStore over each domain's ring. Everything it remembers lies in an arena of
// Xen's frames whose root is XEN.storeRoot.

import { DOMID_SERVICE } from '../hypervisor/abi/domid.ts';
import { sendPort } from '../hypervisor/event-channels.ts';
import { allocXenFrame } from '../hypervisor/page-alloc.ts';
import { DOMAIN, findDomain, XEN, XEN_AT } from '../hypervisor/state.ts';
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
} from './store/protocol.ts';
import { answer, type Daemon } from './store/requests.ts';
import { SLOT_CONNECTIONS, Store, type Who } from './store/store.ts';
import type { Perm } from './store/tree.ts';

interface Connection {
  readonly domid: number;
  /** Bytes of a request that has not come in whole, one character a byte. */
  readonly input: string;
  /** Bytes of answers that did not fit the ring yet. */
  readonly output: string;
  readonly closed: boolean;
}
/** Answers that wait at most; a guest that lets more pile up is cut off. */
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
        if (d !== 0) this.introduce(d);
      },
      release: (domid) => this.release(domid),
    };
  }

  connection(domid: number): { readonly handle: number; readonly value: Connection } | undefined {
    return this.connections.entries().find((c) => c.value.domid === domid);
  }
  private update(domid: number, change: Partial<Connection>): void {
    const c = this.connection(domid);
    if (c) this.connections.replace(c.handle, { ...c.value, ...change });
  }

  // ---- the ring ----

  private ring(d: number): number {
    return this.x.m.r32(d + DOMAIN.storeMfn) * PAGE_SIZE;
  }

  /** Takes what the guest has written; undefined when the indices are impossible. */
  private receive(d: number): string | undefined {
    const { frames } = this.x;
    const ring = this.ring(d);
    const cons = frames.read32(ring + RING.reqCons),
      prod = frames.read32(ring + RING.reqProd);
    const used = (prod - cons) >>> 0;
    if (used > RING.size) {
      this.x.check('store.ring-indices', false, this.x.m.r32(d + DOMAIN.domid), used);
      return undefined;
    }
    let out = '';
    for (let i = 0; i < used; i++)
      out += String.fromCharCode(frames.read8(ring + RING.req + ((cons + i) & (RING.size - 1))));
    if (used > 0) frames.write32(ring + RING.reqCons, prod);
    return out;
  }
  /** Puts as much of `output` into the ring as fits; returns the rest, undefined when the indices are impossible. */
  private transmit(d: number, output: string): string | undefined {
    const { frames } = this.x;
    const ring = this.ring(d);
    const cons = frames.read32(ring + RING.rspCons),
      prod = frames.read32(ring + RING.rspProd);
    const used = (prod - cons) >>> 0;
    if (used > RING.size) {
      this.x.check('store.ring-indices', false, this.x.m.r32(d + DOMAIN.domid), used);
      return undefined;
    }
    const n = Math.min(output.length, RING.size - used);
    for (let i = 0; i < n; i++)
      frames.write8(ring + RING.rsp + ((prod + i) & (RING.size - 1)), output.charCodeAt(i));
    if (n > 0) frames.write32(ring + RING.rspProd, (prod + n) >>> 0);
    return output.slice(n);
  }

  private close(d: number, domid: number, error: number): void {
    this.x.frames.write32(this.ring(d) + RING.error, error);
    this.store.forget(domid);
    this.update(domid, { closed: true, input: '', output: '' });
  }

  /** One visit: a reconnection, requests, answers. Returns the ticks it took. */
  serve(d: number): number {
    const { x } = this;
    const domid = x.m.r32(d + DOMAIN.domid);
    const c = this.connection(domid);
    if (!c || x.m.r32(d + DOMAIN.storeMfn) === 0) return 0;
    if (x.frames.read32(this.ring(d) + RING.connection) === 1) return this.reconnect(d, domid);
    if (c.value.closed) return 0;
    const fresh = this.receive(d);
    if (fresh === undefined) {
      this.close(d, domid, 2);
      return TICKS_PER_MESSAGE;
    }
    let input = c.value.input + fresh;
    let ticks = 0,
      handled = 0;
    for (; handled < MAX_BATCH; handled++) {
      const message = this.parse(input);
      if (message === 'partial') break;
      if (message === 'toolong') {
        x.check(
          'store.payload-size',
          false,
          domid,
          new DataView(bytesOf(input.slice(0, XS_HEADER)).buffer).getUint32(12, true),
        );
        this.close(d, domid, 3);
        return ticks + TICKS_PER_MESSAGE;
      }
      input = input.slice(XS_HEADER + message.payload.length);
      ticks += TICKS_PER_MESSAGE + Math.ceil(message.payload.length / BYTES_PER_TICK);
      this.handle(d, domid, message);
    }
    this.update(domid, { input });
    this.flush(domid, fresh.length > 0);
    this.flushOthers(domid);
    return ticks;
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
    if (c && !c.value.closed)
      this.connections.replace(c.handle, { ...c.value, output: c.value.output + textOf(encodeMessage(m)) });
  }

  /** Moves waiting answers into the ring and notifies the guest if anything moved. */
  private flush(domid: number, consumed: boolean): void {
    const d = findDomain(this.x.m, domid);
    const c = this.connection(domid);
    if (!d || !c || c.value.closed) return;
    const rest = c.value.output === '' ? '' : this.transmit(d, c.value.output);
    if (rest === undefined) return this.close(d, domid, 2);
    if (rest.length > MAX_BACKLOG) {
      this.x.check('store.backlog', false, domid, rest.length);
      return this.close(d, domid, 1);
    }
    const moved = rest.length !== c.value.output.length;
    if (moved) this.connections.replace(c.handle, { ...c.value, output: rest });
    if (moved || consumed) notify(this.x, d);
  }
  private flushOthers(except: number): void {
    for (const { value } of this.connections.entries())
      if (value.domid !== except && value.output !== '') this.flush(value.domid, false);
  }

  private reconnect(d: number, domid: number): number {
    const { frames } = this.x;
    const ring = this.ring(d);
    this.store.forget(domid);
    this.update(domid, { closed: false, input: '', output: '' });
    for (const at of [RING.reqCons, RING.reqProd, RING.rspCons, RING.rspProd, RING.error, RING.connection])
      frames.write32(ring + at, 0);
    notify(this.x, d);
    return TICKS_PER_MESSAGE;
  }

  // ---- domains come and go ----

  introduce(d: number): void {
    const { x, store } = this;
    const domid = x.m.r32(d + DOMAIN.domid);
    if (this.connection(domid)) return;
    this.connections.add({ domid, input: '', output: '', closed: false });
    createHome(x, store, d, domid);
    x.act('store.introduce', [domid, x.m.r32(d + DOMAIN.storeMfn), x.m.r32(d + DOMAIN.storePort)]);
    store.fireSpecial('@introduceDomain');
    this.deliverEvents();
    this.flushOthers(-1);
  }
  release(domid: number): void {
    const c = this.connection(domid);
    if (!c) return;
    this.connections.remove(c.handle);
    this.store.forget(domid);
    this.x.act('store.release', [domid]);
    this.store.fireSpecial('@releaseDomain');
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
const nameOf = (x: Xen, d: number): string => textOf(x.m.copyOut(d + DOMAIN.name, 32)).replace(/\0.*$/, '');

/** The directory that a toolstack makes for a new domain (§9.3). */
function createHome(x: Xen, store: Store, d: number, domid: number): void {
  const { m } = x;
  const home = `/local/domain/${domid}`;
  const hidden: readonly Perm[] = [
    { letter: 'n', domid: 0 },
    { letter: 'r', domid },
  ];
  const own: readonly Perm[] = [{ letter: 'n', domid }];
  const kib = m.r32(d + DOMAIN.totPages) * 4;
  const uuid = Array.from(m.copyOut(d + DOMAIN.handle, 16), (b) => b.toString(16).padStart(2, '0'))
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  store.put(home, '', hidden);
  const readOnly: readonly (readonly [string, string])[] = [
    ['vm', `/vm/${uuid}`],
    ['name', nameOf(x, d)],
    ['domid', String(domid)],
    ['cpu/0/availability', 'online'],
    ['memory/static-max', String(kib)],
    ['memory/target', String(kib)],
    ['memory/videoram', '0'],
    ['device', ''],
    ['control/platform-feature-multiprocessor-suspend', '1'],
    ['control/platform-feature-xs_reset_watches', '1'],
    ['store/port', String(m.r32(d + DOMAIN.storePort))],
    ['store/ring-ref', String(m.r32(d + DOMAIN.storeMfn))],
    ['console/backend', `/local/domain/0/backend/console/${domid}/0`],
    ['console/backend-id', '0'],
    ['console/limit', '1048576'],
    ['console/type', 'xenconsoled'],
    ['console/output', 'pty'],
    ['console/tty', ''],
    ['console/ring-ref', String(m.r32(d + DOMAIN.consoleMfn))],
    ['console/port', String(m.r32(d + DOMAIN.consolePort))],
  ];
  for (const [path, value] of readOnly) store.put(`${home}/${path}`, value);
  for (const path of [
    'data',
    'drivers',
    'feature',
    'attr',
    'error',
    'control/shutdown',
    'control/feature-poweroff',
    'control/feature-reboot',
    'control/feature-suspend',
    'control/sysrq',
    'device/suspend/event-channel',
  ]) {
    store.put(`${home}/${path}`, '', own);
  }
  store.put(`/vm/${uuid}/name`, nameOf(x, d));
  store.put(`/vm/${uuid}/uuid`, uuid);
}

/** Serves what domain d has written; returns the ticks consumed. */
export const serviceStore = (x: Xen, d: number): number => new Xenstored(x).serve(d);
/** Makes a domain known: its directory, its connection, @introduceDomain. */
export const introduceDomain = (x: Xen, d: number): void => new Xenstored(x).introduce(d);
/** Forgets a domain that has ended. */
export const releaseDomain = (x: Xen, domid: number): void => new Xenstored(x).release(domid);
