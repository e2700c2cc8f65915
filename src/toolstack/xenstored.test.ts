import { describe, expect, it } from 'vitest';
import { DOMID_SERVICE } from '../hypervisor/abi/domid.ts';
import { destroyDomain } from '../hypervisor/domain.ts';
import { allocUnbound, bindInterdomain, sendPort } from '../hypervisor/event-channels.ts';
import { type EventBench, eventBench, type Guest, mustFind } from '../hypervisor/events-testing.ts';
import { getPage, takeType } from '../hypervisor/page-info.ts';
import { shutdownDomain } from '../hypervisor/schedule.ts';
import { DOMAIN, PGT_l1_page_table, XEN, XEN_AT } from '../hypervisor/state.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { createServiceDomain, type Daemons, runService, serviceBusy } from './service.ts';
import { bytesOf, encodeMessage, RING, XS } from './store/protocol.ts';
import { introduceDomain, openStore, releaseDomain, serviceStore, sweepDomains } from './xenstored.ts';

const DAEMONS: Daemons = {
  console: () => 0,
  store: serviceStore,
  stopped: (x, d) => releaseDomain(x, x.m.r32(d + DOMAIN.domid)),
  vanished: sweepDomains,
};
/** Guests whose second frame is the store page, introduced. */
function setup(n = 1): { b: EventBench; guests: Guest[]; join: (domid?: number) => Guest } {
  const b = eventBench(),
    { x } = b;
  createServiceDomain(x);
  const join = (domid?: number): Guest => {
    const g = b.guest(domid === undefined ? {} : { domid });
    const port = allocUnbound(x, g.d, DOMID_SERVICE);
    x.m.w32(g.d + DOMAIN.storeMfn, g.other);
    x.m.w32(g.d + DOMAIN.storePort, port);
    x.m.w32(g.d + DOMAIN.storeRemotePort, bindInterdomain(x, mustFind(x, DOMID_SERVICE), g.domid, port));
    x.m.w8(g.d + DOMAIN.handle, g.domid);
    introduceDomain(x, g.d);
    return g;
  };
  const guests = Array.from({ length: n }, () => join());
  b.records();
  return { b, guests, join };
}
const at = (g: Guest, field: number): number => g.other * PAGE_SIZE + field;
const word = (b: EventBench, g: Guest, field: number): number => b.x.frames.read32(at(g, field));
function put(b: EventBench, g: Guest, bytes: Uint8Array): void {
  const prod = word(b, g, RING.reqProd);
  bytes.forEach((byte, i) => {
    b.x.frames.write8(at(g, RING.req + ((prod + i) & 1023)), byte);
  });
  b.x.frames.write32(at(g, RING.reqProd), (prod + bytes.length) >>> 0);
}
function run(b: EventBench): void {
  const v = b.x.m.r32(XEN_AT + XEN.serviceVcpu);
  for (let visits = 0; serviceBusy(b.x); visits++) {
    if (visits > 1000) throw new Error('the service domain never sleeps');
    runService(b.x, v, DAEMONS);
  }
}
function kick(b: EventBench, g: Guest): void {
  sendPort(b.x, g.d, b.x.m.r32(g.d + DOMAIN.storePort));
  run(b);
}
/** All answers in the ring, taken out; raw. */
function take(b: EventBench, g: Guest): string {
  const cons = word(b, g, RING.rspCons),
    n = (word(b, g, RING.rspProd) - cons) >>> 0;
  let text = '';
  for (let i = 0; i < n; i++)
    text += String.fromCharCode(b.x.frames.read8(at(g, RING.rsp + ((cons + i) & 1023))));
  b.x.frames.write32(at(g, RING.rspCons), (cons + n) >>> 0);
  return text;
}
const request = (type: number, payload: string, txId = 0): Uint8Array =>
  encodeMessage({ type, reqId: 7, txId, payload: bytesOf(payload.replaceAll('|', '\0')) });
/** One request and its answer's payload, taken in as many pieces as it needs. */
function ask(b: EventBench, g: Guest, type: number, payload: string, txId = 0): string {
  const bytes = request(type, payload, txId);
  let text = '';
  for (let done = 0; done < bytes.length; done += 1000) {
    put(b, g, bytes.subarray(done, done + 1000));
    kick(b, g);
  }
  for (let more = take(b, g); more !== ''; more = take(b, g)) {
    text += more;
    kick(b, g);
  }
  return text.slice(16).replaceAll('\0', '|');
}

describe('rings', () => {
  it('take a header in pieces, byte by byte, across the edge of the ring', () => {
    const { b, guests } = setup();
    const [g] = guests as [Guest];
    for (const index of [RING.reqCons, RING.reqProd, RING.rspCons, RING.rspProd])
      b.x.frames.write32(at(g, index), 0xfffffff8);
    for (const byte of request(XS.READ, 'domid|')) {
      put(b, g, Uint8Array.of(byte));
      kick(b, g);
    }
    expect(take(b, g).slice(16)).toBe('1');
  });
  it('carry messages longer than themselves', () => {
    const { b, guests } = setup();
    const [g] = guests as [Guest];
    const value = 'abcdefg'.repeat(290);
    expect(ask(b, g, XS.WRITE, `data/v|${value}`)).toBe('OK|');
    expect(ask(b, g, XS.READ, 'data/v|')).toBe(value);
  });
  it.each([
    ['indices that lie', RING.reqProd, 1025, 'store.ring-indices', 2],
    ['a payload of 4097 bytes', 0, 4097, 'store.payload-size', 3],
  ])('%s end the connection and nobody else’s', (_what, field, value, rule, error) => {
    const { b, guests } = setup(2);
    const [g, other] = guests as [Guest, Guest];
    if (field !== 0) b.x.frames.write32(at(g, field), value);
    else {
      const head = request(XS.READ, '|');
      new DataView(head.buffer).setUint32(12, value, true);
      put(b, g, head);
    }
    kick(b, g);
    expect(b.refused()).toEqual([rule]);
    expect(word(b, g, RING.error)).toBe(error);
    put(b, g, request(XS.READ, 'domid|'));
    kick(b, g);
    expect(ask(b, other, XS.READ, 'domid|')).toBe('2');
    b.x.frames.write32(at(g, RING.connection), 1);
    kick(b, g);
    expect([RING.reqProd, RING.rspProd, RING.error, RING.connection].map((f) => word(b, g, f))).toEqual([
      0, 0, 0, 0,
    ]);
    expect(ask(b, g, XS.READ, 'domid|')).toBe('1');
  });
  it('hold the bytes of answers and nothing of the daemon’s', () => {
    const { b, guests } = setup();
    const [g] = guests as [Guest];
    let bytes = 0;
    for (const [type, payload] of [
      [XS.READ, 'domid|'],
      [XS.READ, 'none|'],
      [XS.WRITE, 'data/x|1'],
      [XS.TRANSACTION_START, '|'],
      [99, 'x|'],
    ] as const) {
      put(b, g, request(type, payload));
      kick(b, g);
      const from = bytes;
      bytes = word(b, g, RING.rspProd);
      const head = new DataView(b.x.frames.copyOut(at(g, RING.rsp + from), 16).buffer);
      expect([head.getUint32(4, true), head.getUint32(8, true), head.getUint32(12, true)]).toEqual([
        7,
        0,
        bytes - from - 16,
      ]);
    }
    for (let i = bytes; i < RING.size; i++) expect(b.x.frames.read8(at(g, RING.rsp + i))).toBe(0);
    for (let i = 2080; i < PAGE_SIZE; i++) expect(b.x.frames.read8(at(g, i))).toBe(0);
  });
  it('wait for a guest that does not read, and cut it off when events pile up', () => {
    const { b, guests } = setup();
    const [g] = guests as [Guest];
    for (let i = 0; i < 40; i++) {
      const room = 1024 - (word(b, g, RING.reqProd) - word(b, g, RING.reqCons));
      const bytes = request(XS.DIRECTORY, '/local/domain/1|');
      if (bytes.length <= room) put(b, g, bytes);
      kick(b, g);
    }
    expect((word(b, g, RING.rspProd) - word(b, g, RING.rspCons)) >>> 0).toBe(1024);
    expect(b.refused()).toEqual([]);
    const store = openStore(b.x);
    for (let i = 0; i < 20; i++)
      store.watch({ domid: 1, privileged: false }, 'data', `${i}${'t'.repeat(2000)}`, -1);
    const write = setupWriter(b);
    for (let i = 0; i < 3; i++) write(i);
    expect(word(b, g, RING.error)).toBe(1);
    expect(b.refused()).toContain('store.backlog');
  });
  it('reconnect in the middle of a message and of a transaction', () => {
    const { b, guests } = setup();
    const [g] = guests as [Guest];
    const tx = Number.parseInt(ask(b, g, XS.TRANSACTION_START, '|'), 10);
    ask(b, g, XS.WRITE, 'data/t|x', tx);
    put(b, g, request(XS.READ, 'domid|').subarray(0, 18));
    kick(b, g);
    b.x.frames.write32(at(g, RING.connection), 1);
    kick(b, g);
    expect(ask(b, g, XS.READ, 'domid|')).toBe('1');
    expect(ask(b, g, XS.TRANSACTION_END, 'T|', tx)).toBe('ENOENT|');
    expect(openStore(b.x).snapshots()).toEqual([]);
  });
  it('a page that has become a page table costs its guest the connection', () => {
    const { b, guests } = setup();
    const [g] = guests as [Guest];
    b.x.frames.zeroFrame(g.other);
    expect(getPage(b.x, g.other, g.d) && takeType(b.x, g.other, PGT_l1_page_table, g.d) === 0).toBe(true);
    kick(b, g);
    expect(b.refused()).toContain('store.page');
    expect(word(b, g, RING.rspProd)).toBe(0);
  });
});

/** The toolstack writes domain 1's `data` and another guest's visit carries the events. */
function setupWriter(b: EventBench): (i: number) => void {
  const g = b.guest({ domid: 9 });
  b.x.m.w32(g.d + DOMAIN.storeMfn, g.other);
  introduceDomain(b.x, g.d);
  openStore(b.x).setPerms({ domid: 0, privileged: true }, 0, '/local/domain/1/data', [
    { letter: 'b', domid: 1 },
  ]);
  return (i) => {
    put(b, g, request(XS.WRITE, `/local/domain/1/data|${i}`));
    serviceStore(b.x, g.d);
    take(b, g);
  };
}

describe('the end of a domain', () => {
  it.each(['shut down', 'destroyed'])('%s: connection, watches, transactions, directories go', (how) => {
    const { b, guests } = setup(2);
    const [g, other] = guests as [Guest, Guest];
    const store = openStore(b.x);
    store.watch({ domid: 0, privileged: true }, '@releaseDomain', 'gone', -1);
    ask(b, g, XS.WATCH, 'data|t|');
    ask(b, g, XS.TRANSACTION_START, '|');
    ask(b, other, XS.SET_PERMS, 'data|n2|b1|');
    b.records();
    if (how === 'destroyed') destroyDomain(b.x, g.d);
    else shutdownDomain(b.x, g.d, 0);
    run(b);
    expect(b.records().filter((r) => r.type === 'watch').length).toBe(1);
    expect(store.watches.entries().filter((w) => w.value.domid === 1)).toEqual([]);
    expect(store.snapshots()).toEqual([]);
    expect(store.exists('/local/domain/1')).toBe(false);
    expect(store.exists('/local/domain/0/backend/console/1')).toBe(false);
    expect(ask(b, other, XS.GET_PERMS, 'data|')).toBe('n2|');
    expect(ask(b, other, XS.IS_DOMAIN_INTRODUCED, '1|')).toBe('F|');
  });
  it('a later domain of the same number inherits nothing', () => {
    const { b, guests, join } = setup(2);
    const [g, other] = guests as [Guest, Guest];
    ask(b, other, XS.SET_PERMS, 'data|n2|r1|');
    ask(b, g, XS.WRITE, 'data/secret|x');
    destroyDomain(b.x, g.d);
    const next = join(1); // before the service domain has heard of the end
    expect(ask(b, next, XS.READ, 'data/secret|')).toBe('ENOENT|');
    expect(ask(b, next, XS.READ, '/local/domain/2/data|')).toBe('EACCES|');
  });
});

describe('a home', () => {
  it('is read-only but for its own nodes, and control/shutdown can be answered', () => {
    const { b, guests } = setup();
    const [g] = guests as [Guest];
    expect(ask(b, g, XS.GET_PERMS, '/local/domain/1|')).toBe('n0|r1|');
    expect(ask(b, g, XS.GET_PERMS, 'control/shutdown|')).toBe('n1|');
    for (const path of ['name', 'vm', 'memory/target', 'device', 'console/tty', 'control', 'store/port'])
      expect(ask(b, g, XS.WRITE, `${path}|x`)).toBe('EACCES|');
    const backend = ask(b, g, XS.READ, 'console/backend|');
    expect(ask(b, g, XS.READ, `${backend}/frontend|`)).toBe('/local/domain/1/console');
    openStore(b.x).put('/local/domain/1/control/shutdown', 'poweroff');
    expect(ask(b, g, XS.READ, 'control/shutdown|')).toBe('poweroff');
    expect(ask(b, g, XS.WRITE, 'control/shutdown|')).toBe('OK|');
    expect(ask(b, g, XS.DIRECTORY, '/libxl|')).toBe('EACCES|');
  });
});
