import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOMID_SERVICE } from '../hypervisor/abi/domid.ts';
import { allocUnbound, bindInterdomain, closePort, sendPort } from '../hypervisor/event-channels.ts';
import { destroyDomain } from '../hypervisor/domain.ts';
import { type EventBench, eventBench, type Guest, mustFind } from '../hypervisor/events-testing.ts';
import { isPending } from '../hypervisor/evtchn-ports.ts';
import { getPage, takeType } from '../hypervisor/page-info.ts';
import { schedule, shutdownDomain } from '../hypervisor/schedule.ts';
import {
  DOMAIN,
  PAGE,
  PGT_count_mask,
  PGT_l1_page_table,
  pageAt,
  RUNSTATE,
  XEN,
  XEN_AT,
  XVCPU,
  xv,
} from '../hypervisor/state.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import type { TraceRecord } from '../trace/records.ts';
import { createServiceDomain, type Daemons, runService, serviceBusy } from './service.ts';
import { releaseInput, waitingInput } from '../hypervisor/console-input.ts';
import { queueConsoleInput, serviceConsole, XENCONS } from './xenconsoled.ts';

interface Setup {
  readonly b: EventBench;
  readonly service: number;
  readonly guests: readonly Guest[];
}
/** Guests whose second frame is a console page, connected to the service domain as the builder does it. */
function setup(n = 1): Setup {
  const b = eventBench(),
    { x } = b;
  createServiceDomain(x);
  const service = mustFind(x, DOMID_SERVICE);
  const guests = Array.from({ length: n }, () => b.guest());
  for (const g of guests) {
    const port = allocUnbound(x, g.d, DOMID_SERVICE);
    x.m.w32(g.d + DOMAIN.consoleMfn, g.other);
    x.m.w32(g.d + DOMAIN.consolePort, port);
    x.m.w32(g.d + DOMAIN.consoleRemotePort, bindInterdomain(x, service, g.domid, port));
    x.frames.write8(g.other * PAGE_SIZE + XENCONS.connection, 1);
  }
  b.records();
  return { b, service, guests };
}
const at = (g: Guest, field: number): number => g.other * PAGE_SIZE + field;
function print(b: EventBench, g: Guest, text: string): void {
  const { frames } = b.x;
  const prod = frames.read32(at(g, XENCONS.outProd));
  for (let i = 0; i < text.length; i++)
    frames.write8(at(g, XENCONS.out + ((prod + i) & 2047)), text.charCodeAt(i));
  frames.write32(at(g, XENCONS.outProd), (prod + text.length) >>> 0);
}
/** What the guest finds in its in ring, taken out. */
function take(b: EventBench, g: Guest, limit = Infinity): string {
  const { frames } = b.x;
  const cons = frames.read32(at(g, XENCONS.inCons)),
    n = Math.min(limit, (frames.read32(at(g, XENCONS.inProd)) - cons) >>> 0);
  let text = '';
  for (let i = 0; i < n; i++)
    text += String.fromCharCode(frames.read8(at(g, XENCONS.in + ((cons + i) & 1023))));
  frames.write32(at(g, XENCONS.inCons), (cons + n) >>> 0);
  return text;
}
const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const shown = (records: readonly TraceRecord[], domid?: number): string =>
  records
    .filter((r) => r.type === 'console' && (domid === undefined || r.domid === domid))
    .map((r) => String.fromCharCode(...(r.data ?? [])))
    .join('');
const DAEMONS: Daemons = { console: serviceConsole, store: () => 0 };
/** Runs the service domain until it sleeps; the number of visits. */
function drainService({ b }: Setup): number {
  const { x } = b;
  const v = x.m.r32(XEN_AT + XEN.serviceVcpu);
  let visits = 0;
  for (; serviceBusy(x); visits++) {
    if (visits > 1000) throw new Error('the service domain never sleeps');
    runService(x, v, DAEMONS);
  }
  return visits;
}

describe('serviceConsole', () => {
  it('connects, drains, notifies, and costs 200 ticks and one for 16 bytes', () => {
    const s = setup(),
      [g] = s.guests as [Guest],
      { x } = s.b;
    const page = pageAt(g.other);
    const held = [x.m.r32(page + PAGE.count), x.m.r32(page + PAGE.type) & PGT_count_mask];
    expect(serviceConsole(x, g.d)).toBe(0);
    expect([x.m.r32(page + PAGE.count), x.m.r32(page + PAGE.type) & PGT_count_mask]).toEqual(held);
    expect(x.frames.read8(at(g, XENCONS.connection))).toBe(0);
    print(s.b, g, 'x'.repeat(33));
    expect(serviceConsole(x, g.d)).toBe(203);
    const records = s.b.records();
    expect(shown(records, g.domid)).toBe('x'.repeat(33));
    expect(records.find((r) => r.type === 'console')!.aux).toBe(1);
    expect(x.frames.read32(at(g, XENCONS.outCons))).toBe(33);
    expect(isPending(x, g.d, x.m.r32(g.d + DOMAIN.consolePort))).toBe(true);
    expect(serviceConsole(x, g.d)).toBe(0);
  });

  it('follows the indices around the ring and around 2^32', () => {
    const s = setup(),
      [g] = s.guests as [Guest],
      { frames } = s.b.x;
    for (const field of [XENCONS.outCons, XENCONS.outProd]) frames.write32(at(g, field), 0xffffff00);
    const text = Array.from({ length: 2048 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('');
    print(s.b, g, text);
    serviceConsole(s.b.x, g.d);
    expect(shown(s.b.records())).toBe(text);
    expect(frames.read32(at(g, XENCONS.outCons))).toBe(0x700);
  });

  it.each([
    ['out', XENCONS.outProd, 2049],
    ['out', XENCONS.outCons, 1],
    ['in', XENCONS.inProd, 1025],
    ['in', XENCONS.inCons, 5],
  ])("gives a broken %s ring up, and only that guest's", (_name, field, value) => {
    const s = setup(2),
      [bad, good] = s.guests as [Guest, Guest],
      { x } = s.b;
    queueConsoleInput(x, bad.d, bytes('lost'));
    const free = x.m.r32(XEN_AT + XEN.freeFrames);
    x.frames.write32(at(bad, field), value);
    s.b.records();
    expect(serviceConsole(x, bad.d)).toBe(0);
    expect(s.b.refused()).toEqual(['console.ring-indices']);
    expect([
      x.m.r32(bad.d + DOMAIN.consoleBroken),
      queueConsoleInput(x, bad.d, bytes('no')),
      serviceConsole(x, bad.d),
    ]).toEqual([1, 0, 0]);
    expect(x.m.r32(XEN_AT + XEN.freeFrames)).toBe(free + 1);
    print(s.b, good, 'still here');
    serviceConsole(x, good.d);
    expect(shown(s.b.records())).toBe('still here');
  });

  it("never touches a page that has become a page table or somebody else's", () => {
    const s = setup(2),
      [a, c] = s.guests as [Guest, Guest],
      { x } = s.b;
    x.frames.zeroFrame(a.other);
    expect([getPage(x, a.other, a.d), takeType(x, a.other, PGT_l1_page_table, a.d)]).toEqual([true, 0]);
    x.m.w16(pageAt(c.other) + PAGE.owner, a.domid);
    const before = [...x.frames.copyOut(a.other * PAGE_SIZE, PAGE_SIZE)];
    s.b.records();
    for (const g of [a, c]) expect(serviceConsole(x, g.d)).toBe(0);
    expect(s.b.refused()).toEqual(['console.page', 'console.page']);
    expect([...x.frames.copyOut(a.other * PAGE_SIZE, PAGE_SIZE)]).toEqual(before);
    expect(x.frames.read8(at(c, XENCONS.connection))).toBe(1);
  });

  it('keeps input that is held until the guest first waits', () => {
    const s = setup(),
      [g] = s.guests as [Guest],
      { x } = s.b;
    expect(queueConsoleInput(x, g.d, bytes('early'), true)).toBe(5);
    print(s.b, g, 'hello');
    sendPort(x, g.d, x.m.r32(g.d + DOMAIN.consolePort));
    drainService(s);
    expect(shown(s.b.records(), g.domid)).toBe('hello');
    expect(take(s.b, g)).toBe('');
    releaseInput(x, g.d);
    drainService(s);
    expect(take(s.b, g)).toBe('early');
    queueConsoleInput(x, g.d, bytes('later'));
    drainService(s);
    expect(take(s.b, g)).toBe('later');
  });

  it('passes any input on, whole and in order, however little room there is', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({
            minLength: 1,
            maxLength: 3000,
            size: 'max',
            unit: fc.constantFrom('a', 'b', '\n', '7'),
          }),
          {
            maxLength: 5,
          },
        ),
        fc.integer({ min: 1, max: 900 }),
        (parts, step) => {
          const s = setup(),
            [g] = s.guests as [Guest],
            { x } = s.b;
          const free = x.m.r32(XEN_AT + XEN.freeFrames);
          for (const p of parts) expect(queueConsoleInput(x, g.d, bytes(p))).toBe(p.length);
          let got = '';
          for (let i = 0; i < 20_000 && got.length < parts.join('').length; i++) {
            serviceConsole(x, g.d);
            got += take(s.b, g, step);
            s.b.records();
          }
          expect(got).toBe(parts.join(''));
          expect([waitingInput(x, g.d), x.m.r32(g.d + DOMAIN.consoleInputMfn)]).toEqual([0, 0]);
          expect(x.m.r32(XEN_AT + XEN.freeFrames)).toBe(free);
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe('the service domain', () => {
  it('sleeps from the beginning', () => {
    const b = eventBench();
    createServiceDomain(b.x);
    const v = b.x.m.r32(XEN_AT + XEN.serviceVcpu);
    expect([b.x.m.r32(xv(v) + XVCPU.run), schedule(b.x)]).toEqual([RUNSTATE.blocked, 0]);
  });

  it('sleeps, wakes for a port, serves it and sleeps again; what it does is caused by the signal', () => {
    const s = setup(),
      [g] = s.guests as [Guest],
      { x } = s.b;
    drainService(s);
    s.b.records();
    print(s.b, g, 'hello');
    sendPort(x, g.d, x.m.r32(g.d + DOMAIN.consolePort));
    const event = s.b.records().find((r) => r.type === 'event')!;
    const T = x.T;
    drainService(s);
    const out = s.b.records().find((r) => r.type === 'console')!;
    expect([out.cause, x.T - T]).toEqual([event.seq, 201]);
    expect(serviceBusy(x)).toBe(false);
  });

  it('takes one port at a time and no guest starves another', () => {
    const s = setup(3),
      { x } = s.b;
    drainService(s);
    s.b.records();
    const v = x.m.r32(XEN_AT + XEN.serviceVcpu);
    const order: number[] = [];
    const signal = (g: Guest): void => {
      print(s.b, g, 'z');
      sendPort(x, g.d, x.m.r32(g.d + DOMAIN.consolePort));
    };
    for (const g of s.guests) signal(g);
    for (let i = 0; i < 6; i++) {
      runService(x, v, DAEMONS);
      for (const r of s.b.records()) if (r.type === 'console') order.push(r.domid);
      signal(s.guests[0]!);
    }
    expect(order.slice(0, 3).sort()).toEqual(s.guests.map((g) => g.domid));
  });

  it('runs when the guest yields: a port pending makes it runnable', () => {
    const s = setup(),
      [g] = s.guests as [Guest],
      { x } = s.b;
    drainService(s);
    expect(schedule(x)).toBe(g.v);
    sendPort(x, g.d, x.m.r32(g.d + DOMAIN.consolePort));
    expect(serviceBusy(x)).toBe(true);
    expect(schedule(x)).toBe(g.v);
  });

  it('shows the last words of a guest that stops without a signal, and tells the store daemon', () => {
    const s = setup(),
      [g] = s.guests as [Guest],
      { x } = s.b;
    drainService(s);
    s.b.records();
    print(s.b, g, 'bye');
    shutdownDomain(x, g.d, 0);
    const stopped: number[] = [];
    const v = x.m.r32(XEN_AT + XEN.serviceVcpu);
    while (serviceBusy(x)) runService(x, v, { ...DAEMONS, stopped: (_x, d) => stopped.push(d) });
    expect([shown(s.b.records()), stopped]).toEqual(['bye', [g.d]]);
  });

  it('a closed channel, a missing guest: nothing happens', () => {
    const s = setup(),
      [g] = s.guests as [Guest],
      { x } = s.b;
    drainService(s);
    sendPort(x, g.d, x.m.r32(g.d + DOMAIN.consolePort));
    closePort(x, g.d, x.m.r32(g.d + DOMAIN.consolePort));
    expect(drainService(s)).toBeGreaterThan(0);
    expect(serviceBusy(x)).toBe(false);
  });

  it('lets go of its ports when a domain is destroyed, so that thousands may come and go', () => {
    const s = setup(),
      { x } = s.b;
    const service = s.service;
    for (let i = 0; i < 40; i++) {
      const g = s.b.guest();
      for (let n = 0; n < 40; n++) {
        const port = bindInterdomain(x, service, g.domid, allocUnbound(x, g.d, DOMID_SERVICE));
        expect(port).toBeGreaterThan(0);
      }
      destroyDomain(x, g.d);
      drainService(s);
      s.b.records();
    }
    expect(x.m.r32(service + DOMAIN.nrPorts)).toBe(128);
  });

  it('a destroyed domain leaves the run queue and the pCPU', () => {
    const s = setup(2),
      [a, c] = s.guests as [Guest, Guest],
      { x } = s.b;
    drainService(s);
    expect(schedule(x)).not.toBe(0);
    destroyDomain(x, a.d);
    destroyDomain(x, c.d);
    drainService(s);
    expect([schedule(x), x.m.r32(XEN_AT + XEN.runQueueLength)]).toEqual([0, 0]);
  });

  it('a daemon that is not done is asked again', () => {
    const s = setup(),
      [g] = s.guests as [Guest],
      { x } = s.b;
    let left = 3;
    const v = x.m.r32(XEN_AT + XEN.serviceVcpu);
    const daemons: Daemons = { console: () => (left-- > 0 ? 10 : 0), store: () => 0 };
    const T = x.T;
    sendPort(x, g.d, x.m.r32(g.d + DOMAIN.consolePort));
    while (serviceBusy(x)) runService(x, v, daemons);
    expect([left, x.T - T]).toEqual([-1, 30]);
  });
});
