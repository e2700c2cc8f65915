// A guest that writes anything at all into the pages it shares with the daemons: requests with random types, paths, transactions and lengths,
// in pieces, random indices, random bytes. Its neighbour is served all the while. HOSTILE_VISITS and HOSTILE_SEED make other runs.

import { expect, it } from 'vitest';
import { DOMID_SERVICE } from '../hypervisor/abi/domid.ts';
import { auditMachine } from '../hypervisor/audit.ts';
import { allocUnbound, bindInterdomain, sendPort } from '../hypervisor/event-channels.ts';
import { type EventBench, eventBench, type Guest, mustFind } from '../hypervisor/events-testing.ts';
import { allocDomainFrame } from '../hypervisor/page-alloc.ts';
import { DOMAIN, XEN, XEN_AT } from '../hypervisor/state.ts';
import { chance } from '../lab/testing.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { createServiceDomain, type Daemons, runService, serviceBusy } from './service.ts';
import { bytesOf, encodeMessage, RING, XS } from './store/protocol.ts';
import { queueConsoleInput, serviceConsole, XENCONS } from './xenconsoled.ts';
import { introduceDomain, releaseDomain, serviceStore, sweepDomains } from './xenstored.ts';

const VISITS = Number(process.env['HOSTILE_VISITS'] ?? 3000),
  SEED = Number(process.env['HOSTILE_SEED'] ?? 20260722);
const DAEMONS: Daemons = {
  console: serviceConsole,
  store: serviceStore,
  stopped: (x, d) => releaseDomain(x, x.m.r32(d + DOMAIN.domid)),
  vanished: sweepDomains,
};
const STORE_INDICES = [RING.reqCons, RING.reqProd, RING.rspCons, RING.rspProd, RING.connection, RING.error];
const CONSOLE_INDICES = [XENCONS.outCons, XENCONS.outProd, XENCONS.inCons, XENCONS.inProd];

interface Member extends Guest {
  /** Machine addresses of its two pages. */
  readonly store: number;
  readonly console: number;
}

class Rings {
  readonly b: EventBench = eventBench();
  readonly random = chance(SEED);
  readonly bad: Member;
  readonly good: Member;
  /** Bytes of a request that are still to be written. */
  private pending: number[] = [];
  /** Connections that were ended. */
  ends = 0;

  constructor() {
    createServiceDomain(this.b.x);
    this.bad = this.join();
    this.good = this.join();
    this.b.records();
  }
  private join(): Member {
    const { x } = this.b;
    const g = this.b.guest();
    const share = (frame: number, local: number, remote: number): number => {
      const mfn = allocDomainFrame(x, g.d);
      const port = allocUnbound(x, g.d, DOMID_SERVICE);
      x.m.w32(g.d + frame, mfn);
      x.m.w32(g.d + local, port);
      x.m.w32(g.d + remote, bindInterdomain(x, mustFind(x, DOMID_SERVICE), g.domid, port));
      return mfn * PAGE_SIZE;
    };
    const store = share(DOMAIN.storeMfn, DOMAIN.storePort, DOMAIN.storeRemotePort),
      console = share(DOMAIN.consoleMfn, DOMAIN.consolePort, DOMAIN.consoleRemotePort);
    introduceDomain(x, g.d);
    return { ...g, store, console };
  }
  private pick<T>(...list: readonly T[]): T {
    return list[this.random(list.length)]!;
  }
  private word(): number {
    return (this.random(0x10000) * 0x10000 + this.random(0x10000)) >>> 0;
  }

  /** Rings the bell of one of the daemons and lets them work until they sleep. */
  kick(g: Member, port: number = DOMAIN.storePort): void {
    const { x } = this.b;
    sendPort(x, g.d, x.m.r32(g.d + port));
    const v = x.m.r32(XEN_AT + XEN.serviceVcpu);
    let n = 0;
    for (; n < 300 && serviceBusy(x); n++) runService(x, v, DAEMONS);
    expect(n).toBeLessThan(300);
  }
  write(g: Member, bytes: ArrayLike<number>): void {
    const { frames } = this.b.x;
    const prod = frames.read32(g.store + RING.reqProd);
    for (let i = 0; i < bytes.length; i++) frames.write8(g.store + RING.req + ((prod + i) & 1023), bytes[i]!);
    frames.write32(g.store + RING.reqProd, (prod + bytes.length) >>> 0);
  }
  drink(g: Member): string {
    const frames = this.b.x.frames;
    const cons = frames.read32(g.store + RING.rspCons),
      n = (frames.read32(g.store + RING.rspProd) - cons) >>> 0;
    let text = '';
    for (let i = 0; i < Math.min(n, 1024); i++)
      text += String.fromCharCode(frames.read8(g.store + RING.rsp + ((cons + i) & 1023)));
    frames.write32(g.store + RING.rspCons, (cons + n) >>> 0);
    return text;
  }
  /** One request and its answer's payload. */
  ask(g: Member, type: number, payload: string): string {
    this.write(g, encodeMessage({ type, reqId: 1, txId: 0, payload: bytesOf(payload) }));
    this.kick(g);
    return this.drink(g).slice(16);
  }

  private path(): string {
    const { random, good } = this;
    return this.pick(
      '',
      '/',
      '//',
      'data',
      'data/',
      `data/${'x'.repeat(random(40))}`,
      `data/${random(50)}/${random(50)}`,
      'domid',
      '@releaseDomain',
      `/local/domain/${good.domid}/data`,
      `/local/domain/${random(4)}/${this.pick('name', 'data/x', 'memory/target')}`,
      'a'.repeat(random(4000)),
      'data/\u0001',
      '../..',
    );
  }
  private request(): Uint8Array {
    const { random, bad } = this;
    const part = (): string =>
      this.pick(
        this.path(),
        this.path(),
        'T',
        'F',
        String(random(20)),
        'n1',
        `b${bad.domid}`,
        'r2',
        'y'.repeat(random(3000)),
      );
    const text = Array.from({ length: random(5) }, () => `${part()}\0`).join('');
    const payload = bytesOf(text.slice(0, this.pick(4096, 4096, random(4096))));
    const type = this.pick(...Object.values(XS), random(40), this.word());
    const txId = this.pick(0, 0, random(6), this.word());
    const bytes = encodeMessage({ type, reqId: this.word(), txId, payload });
    if (random(40) === 0)
      new DataView(bytes.buffer).setUint32(12, this.pick(4096, 4097, 0xffffffff, this.word()), true);
    return bytes;
  }
  private corrupt(): void {
    const [page, index] =
      this.random(2) === 0
        ? [this.bad.store, this.pick(...STORE_INDICES)]
        : [this.bad.console, this.pick(...CONSOLE_INDICES, XENCONS.connection)];
    this.b.x.frames.write32(page + index, this.pick(0, 1, 1023, 1025, 2049, this.word()));
  }

  /** The guest does something, and the daemons answer. */
  visit(): void {
    const { random, bad } = this;
    const { x } = this.b;
    const kind = random(64);
    if (kind === 0) this.corrupt();
    else if (kind === 1) x.frames.write32(bad.store + RING.connection, 1);
    else if (kind < 6) {
      const prod = x.frames.read32(bad.console + XENCONS.outProd);
      x.frames.write32(bad.console + XENCONS.outProd, (prod + random(2048)) >>> 0);
    } else if (kind === 6)
      queueConsoleInput(
        x,
        bad.d,
        Uint8Array.from({ length: random(300) }, () => random(256)),
        random(2) === 0,
      );
    else {
      if (this.pending.length === 0) this.pending = [...this.request()];
      this.write(bad, this.pending.splice(0, this.pick(1, 15, 16, 17, random(1025), 1024)));
    }
    if (random(3) !== 0) this.drink(bad);
    this.kick(bad, this.pick(DOMAIN.storePort, DOMAIN.consolePort));
    this.restore();
  }
  /** Gives a guest that has lost a ring another one. */
  private restore(): void {
    const { bad } = this;
    const { m, frames } = this.b.x;
    if (frames.read32(bad.store + RING.error) === 0 && m.r32(bad.d + DOMAIN.consoleBroken) === 0) return;
    this.ends++;
    this.pending = [];
    if (this.random(4) === 0) frames.zeroFrame(bad.store / PAGE_SIZE);
    frames.write32(bad.store + RING.connection, 1);
    m.w32(bad.d + DOMAIN.consoleBroken, 0);
    for (const index of CONSOLE_INDICES) frames.write32(bad.console + index, 0);
  }
}

it(`${VISITS} visits to rings full of nonsense: no exception, no hang, a neighbour that is served and keeps its share`, () => {
  const r = new Rings();
  const { x } = r.b;
  let panics = 0;
  for (let i = 1; i <= VISITS; i++) {
    r.visit();
    if (i % 100 === 0) expect(r.ask(r.good, XS.READ, 'domid\0')).toBe(String(r.good.domid));
    if (i % 500 !== 0) continue;
    expect(auditMachine(x.m)).toEqual([]);
    panics += r.b.records().filter((record) => record.type === 'panic').length;
  }
  expect([panics, r.ends > VISITS / 200]).toEqual([0, true]);
  for (let n = 0; n < 500; n++) expect(r.ask(r.good, XS.WRITE, `data/n${n}\0v`)).toBe('OK\0');
}, 600_000);
