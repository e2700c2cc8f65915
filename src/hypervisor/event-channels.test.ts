import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../memory/map.ts';
import { ERRNO } from './abi/errno.ts';
import {
  allocUnbound,
  bindInterdomain,
  bindIpi,
  bindVcpu,
  bindVirq,
  closeAllPorts,
  closePort,
  EVENT_RESULT,
  eventDeliverable,
  raiseVirq,
  resetPorts,
  sendPort,
  setPending,
  unmaskPort,
} from './event-channels.ts';
import { acts, type EventBench, eventBench, type Guest } from './events-testing.ts';
import {
  getPort,
  isPending,
  MAX_PORTS,
  PORT,
  PORT_STATE,
  PORTS_PER_FRAME,
  portState,
  VCPU_INFO,
  vcpuInfo,
} from './evtchn-ports.ts';
import { DOMAIN, RUNSTATE, XVCPU, xv } from './state.ts';

const PENDING = 0x800,
  MASK = 0x880;
const shared = (b: EventBench, g: Guest): number => b.x.m.r32(g.d + DOMAIN.sharedInfoMfn) * PAGE_SIZE;
const setMask = (b: EventBench, g: Guest, port: number): void =>
  b.x.frames.write32(shared(b, g) + MASK + 4 * (port >>> 5), 1 << (port & 31));
const unmaskUpcalls = (b: EventBench, g: Guest): void =>
  b.x.frames.write8(vcpuInfo(b.x, g.v) + VCPU_INFO.upcallMask, 0);
const eventResults = (b: EventBench): number[] =>
  b
    .records()
    .filter((r) => r.type === 'event')
    .map((r) => r.p[2]!);

describe('ports', () => {
  it('gives out the lowest free number and never port 0', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    expect([allocUnbound(x, g.d, 0), allocUnbound(x, g.d, 0), allocUnbound(x, g.d, 0)]).toEqual([1, 2, 3]);
    expect(portState(x, g.d, 0)).toBe(PORT_STATE.reserved);
    closePort(x, g.d, 2);
    expect(allocUnbound(x, g.d, 9)).toBe(2);
    expect(allocUnbound(x, g.d, 9)).toBe(4);
  });

  it('ends at 1023 ports with -ENOSPC and a table of exactly eight frames', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const before = x.m.r32(g.d + DOMAIN.xenFrames);
    for (let port = 1; port < MAX_PORTS; port++) expect(allocUnbound(x, g.d, 0)).toBe(port);
    expect(allocUnbound(x, g.d, 0)).toBe(-ERRNO.ENOSPC);
    expect(b.refused()).toEqual(['event.port-left']);
    expect(x.m.r32(g.d + DOMAIN.xenFrames) - before).toBe(MAX_PORTS / PORTS_PER_FRAME);
    closeAllPorts(x, g.d);
    expect(x.m.r32(g.d + DOMAIN.xenFrames)).toBe(before);
  });

  it('answers -ENOMEM when Xen may use no more frames for the domain', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    x.m.w32(g.d + DOMAIN.xenFramesLimit, x.m.r32(g.d + DOMAIN.xenFrames));
    expect(allocUnbound(x, g.d, 0)).toBe(-ERRNO.ENOMEM);
    expect(b.refused()).toContain('event.table-memory');
    expect(x.m.r32(g.d + DOMAIN.nrPorts)).toBe(0);
  });
});

describe('interdomain channels', () => {
  it('connect two domains and set the new end pending', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    const pa = allocUnbound(x, a.d, c.domid);
    allocUnbound(x, c.d, 5);
    const pc = bindInterdomain(x, c.d, a.domid, pa);
    expect(pc).toBe(2);
    for (const [g, port, h, remote] of [
      [a, pa, c, pc],
      [c, pc, a, pa],
    ] as const) {
      expect(portState(x, g.d, port)).toBe(PORT_STATE.interdomain);
      expect(getPort(x, g.d, port, PORT.remoteDomid)).toBe(h.domid);
      expect(getPort(x, g.d, port, PORT.remotePort)).toBe(remote);
    }
    expect([isPending(x, c.d, pc), isPending(x, a.d, pa)]).toEqual([true, false]);
  });

  it('refuse a domain that is not there, a port beyond the table, one offered to another, one in use', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      e = b.guest(),
      { x } = b;
    expect(bindInterdomain(x, c.d, 77, 1)).toBe(-ERRNO.ESRCH);
    expect(bindInterdomain(x, c.d, a.domid, 1)).toBe(-ERRNO.EINVAL);
    const port = allocUnbound(x, a.d, c.domid);
    expect(bindInterdomain(x, e.d, a.domid, port)).toBe(-ERRNO.EINVAL);
    expect(bindInterdomain(x, c.d, a.domid, PORTS_PER_FRAME)).toBe(-ERRNO.EINVAL);
    expect(bindInterdomain(x, c.d, a.domid, port)).toBe(1);
    expect(bindInterdomain(x, c.d, a.domid, port)).toBe(-ERRNO.EINVAL);
    expect(b.refused()).toEqual([
      'event.domain-exists',
      'event.port-exists',
      'event.offered-to-caller',
      'event.port-exists',
      'event.offered-to-caller',
    ]);
  });

  it('loop back inside one domain', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const one = allocUnbound(x, g.d, g.domid),
      two = bindInterdomain(x, g.d, g.domid, one);
    expect(sendPort(x, g.d, two)).toBe(0);
    expect(isPending(x, g.d, one)).toBe(true);
    expect(closePort(x, g.d, one)).toBe(0);
    expect(portState(x, g.d, two)).toBe(PORT_STATE.unbound);
  });

  it('closed: the peer becomes unbound for the closer, silently; pending is cleared, the mask stays, notify_vcpu is 0', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    const pa = allocUnbound(x, a.d, c.domid),
      pc = bindInterdomain(x, c.d, a.domid, pa);
    setMask(b, c, pc);
    b.records();
    expect(closePort(x, c.d, pc)).toBe(0);
    expect(eventResults(b)).toEqual([]);
    expect([portState(x, a.d, pa), getPort(x, a.d, pa, PORT.remoteDomid)]).toEqual([
      PORT_STATE.unbound,
      c.domid,
    ]);
    expect(isPending(x, c.d, pc)).toBe(false);
    expect(x.frames.read32(shared(b, c) + MASK)).toBe(1 << pc);
    expect(getPort(x, c.d, pc, PORT.vcpu)).toBe(0);
    expect(bindInterdomain(x, c.d, a.domid, pa)).toBe(pc);
  });

  it('send: unbound is dropped, free and VIRQ ports are -EINVAL, reserved port 0 too', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const unbound = allocUnbound(x, g.d, 7),
      virq = bindVirq(x, g.d, 0, 0);
    b.records();
    expect([
      sendPort(x, g.d, unbound),
      sendPort(x, g.d, virq),
      sendPort(x, g.d, 9),
      sendPort(x, g.d, 0),
      sendPort(x, g.d, 5000),
    ]).toEqual([0, -22, -22, -22, -22]);
    expect(isPending(x, g.d, unbound)).toBe(false);
  });

  it('close refuses free, reserved and impossible ports', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const open = allocUnbound(x, g.d, 7);
    // Numbers beyond the table that are the open port's to whoever looks at some of their bits only.
    const aliases = [7, 8, 10, 16, 24, 31].map((bit) => open + 2 ** bit);
    for (const port of [0, 2, 127, 128, 0xffffffff, ...aliases]) {
      expect([port, closePort(x, g.d, port), sendPort(x, g.d, port)]).toEqual([
        port,
        -ERRNO.EINVAL,
        -ERRNO.EINVAL,
      ]);
      expect(bindVcpu(x, g.d, port, 0)).toBe(-ERRNO.EINVAL);
    }
    expect([portState(x, g.d, open), closePort(x, g.d, open)]).toEqual([PORT_STATE.unbound, 0]);
    expect(new Set(b.refused())).toEqual(new Set(['event.port-in-use', 'event.sendable', 'event.movable']));
  });
});

describe('set_pending', () => {
  it('raises the upcall once, then only the selector, then nothing', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const p1 = allocUnbound(x, g.d, 0);
    for (let i = 0; i < 40; i++) allocUnbound(x, g.d, 0);
    b.records();
    setPending(x, g.d, p1);
    setPending(x, g.d, 2);
    setPending(x, g.d, 40);
    setPending(x, g.d, p1);
    expect(eventResults(b)).toEqual([
      EVENT_RESULT.upcall,
      EVENT_RESULT.selector,
      EVENT_RESULT.selector,
      EVENT_RESULT.alreadyPending,
    ]);
    const info = vcpuInfo(x, g.v);
    expect(x.frames.read8(info)).toBe(1);
    expect(x.frames.read32(info + 4)).toBe(3);
    expect([x.frames.read32(shared(b, g) + PENDING), x.frames.read32(shared(b, g) + PENDING + 4)]).toEqual([
      6,
      1 << 8,
    ]);
  });

  it('a masked port becomes pending and goes no further; unmask makes up for it', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const port = allocUnbound(x, g.d, 0);
    setMask(b, g, port);
    b.records();
    setPending(x, g.d, port);
    expect(eventResults(b)).toEqual([EVENT_RESULT.masked]);
    expect([x.frames.read8(vcpuInfo(x, g.v)), x.frames.read32(vcpuInfo(x, g.v) + 4)]).toEqual([0, 0]);
    unmaskPort(x, g.d, port);
    expect(eventResults(b)).toEqual([EVENT_RESULT.upcall]);
    expect(x.frames.read32(shared(b, g) + MASK)).toBe(0);
    unmaskPort(x, g.d, port);
    expect(eventResults(b)).toEqual([]);
  });

  it('remembers the record that made the upcall due, and wakes a sleeper', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const port = allocUnbound(x, g.d, 0);
    x.m.w32(xv(g.v) + XVCPU.run, RUNSTATE.blocked);
    setPending(x, g.d, port);
    const event = b.records().find((r) => r.type === 'event')!;
    expect(x.m.r32(xv(g.v) + XVCPU.pendingCause)).toBe(event.seq);
    expect(x.m.r32(xv(g.v) + XVCPU.run)).toBe(RUNSTATE.runnable);
  });

  it('is deliverable only while the event mask is open', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    setPending(x, g.d, allocUnbound(x, g.d, 0));
    expect(eventDeliverable(x, g.v)).toBe(false);
    unmaskUpcalls(b, g);
    expect(eventDeliverable(x, g.v)).toBe(true);
  });
});

describe('VIRQs, IPIs and bind_vcpu', () => {
  it("checks a VIRQ in Xen's order", () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    expect([
      bindVirq(x, g.d, 24, 9),
      bindVirq(x, g.d, 3, 1),
      bindVirq(x, g.d, 5, 1),
      bindVirq(x, g.d, 0, 1),
    ]).toEqual([-22, -22, -22, -2]);
    expect(bindVirq(x, g.d, 0, 0)).toBe(1);
    expect(bindVirq(x, g.d, 0, 0)).toBe(-ERRNO.EEXIST);
    expect(b.refused()).toEqual([
      'event.virq-exists',
      'event.global-virq-on-vcpu0',
      'event.global-virq-on-vcpu0',
      'event.vcpu-exists',
      'event.virq-unbound',
    ]);
  });

  it('a raised VIRQ arrives at its port until that is closed', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    raiseVirq(x, g.v, 0);
    const port = bindVirq(x, g.d, 0, 0);
    raiseVirq(x, g.v, 0);
    expect(isPending(x, g.d, port)).toBe(true);
    closePort(x, g.d, port);
    raiseVirq(x, g.v, 0);
    expect(isPending(x, g.d, port)).toBe(false);
    expect(bindVirq(x, g.d, 0, 0)).toBe(port);
  });

  it('an IPI signals its own domain; neither it nor a per-vCPU VIRQ can be moved', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    expect(bindIpi(x, g.d, 1)).toBe(-ERRNO.ENOENT);
    const ipi = bindIpi(x, g.d, 0),
      timer = bindVirq(x, g.d, 0, 0),
      global = bindVirq(x, g.d, 3, 0),
      unbound = allocUnbound(x, g.d, 0);
    sendPort(x, g.d, ipi);
    expect(isPending(x, g.d, ipi)).toBe(true);
    expect([
      bindVcpu(x, g.d, 99, 3),
      bindVcpu(x, g.d, ipi, 0),
      bindVcpu(x, g.d, timer, 0),
      bindVcpu(x, g.d, 99, 0),
    ]).toEqual([-2, -22, -22, -22]);
    expect([bindVcpu(x, g.d, global, 0), bindVcpu(x, g.d, unbound, 0)]).toEqual([0, 0]);
  });

  it('reset closes everything and keeps the table', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    const pa = allocUnbound(x, a.d, c.domid);
    bindInterdomain(x, c.d, a.domid, pa);
    bindVirq(x, a.d, 0, 0);
    resetPorts(x, a.d);
    for (let port = 1; port < PORTS_PER_FRAME; port++) expect(portState(x, a.d, port)).toBe(PORT_STATE.free);
    expect(portState(x, c.d, 1)).toBe(PORT_STATE.unbound);
    expect([x.m.r32(a.d + DOMAIN.nrPorts), bindVirq(x, a.d, 0, 0)]).toEqual([PORTS_PER_FRAME, 1]);
    expect(acts(b.records())).toContain('event.virq-bound');
  });
});

describe('a port that was valid', () => {
  it('is looked at anew each time: after a close or a reset nothing leads to it (XSA-338, XSA-343)', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    const pa = allocUnbound(x, a.d, c.domid),
      pc = bindInterdomain(x, c.d, a.domid, pa);
    const virq = bindVirq(x, a.d, 0, 0);
    expect([sendPort(x, c.d, pc), isPending(x, a.d, pa)]).toEqual([0, true]);
    resetPorts(x, a.d);
    expect([
      sendPort(x, a.d, pa),
      sendPort(x, a.d, virq),
      closePort(x, a.d, pa),
      bindVcpu(x, a.d, pa, 0),
    ]).toEqual(Array(4).fill(-ERRNO.EINVAL));
    raiseVirq(x, a.v, 0);
    expect([sendPort(x, c.d, pc), isPending(x, a.d, pa), isPending(x, a.d, virq)]).toEqual([0, false, false]);
    // The same numbers lead elsewhere now: nothing of the old channel comes with them.
    expect([allocUnbound(x, a.d, c.domid), bindIpi(x, a.d, 0)]).toEqual([pa, virq]);
    expect([sendPort(x, c.d, pc), isPending(x, a.d, pa), isPending(x, a.d, virq)]).toEqual([0, false, false]);
    expect(bindInterdomain(x, c.d, a.domid, virq)).toBe(-ERRNO.EINVAL);
  });
});

/** What must hold of the port tables of some domains at any time. */
function invariants(b: EventBench, guests: readonly Guest[]): void {
  const { x } = b;
  const byDomid = new Map(guests.map((g) => [g.domid, g]));
  for (const g of guests) {
    const virqs = new Map<number, number>();
    for (let port = 1; port < x.m.r32(g.d + DOMAIN.nrPorts); port++) {
      const state = portState(x, g.d, port);
      if (state === PORT_STATE.interdomain) {
        const peer = byDomid.get(getPort(x, g.d, port, PORT.remoteDomid))!;
        const remote = getPort(x, g.d, port, PORT.remotePort);
        expect(portState(x, peer.d, remote)).toBe(PORT_STATE.interdomain);
        expect([
          getPort(x, peer.d, remote, PORT.remoteDomid),
          getPort(x, peer.d, remote, PORT.remotePort),
        ]).toEqual([g.domid, port]);
      }
      if (state === PORT_STATE.virq) virqs.set(getPort(x, g.d, port, PORT.virq), port);
      if (state === PORT_STATE.free) expect(isPending(x, g.d, port)).toBe(false);
    }
    for (let virq = 0; virq < 24; virq++)
      expect(x.m.r32(xv(g.v) + XVCPU.virqPorts + 4 * virq)).toBe(virqs.get(virq) ?? 0);
    const info = vcpuInfo(x, g.v),
      sel = x.frames.read32(info + 4);
    for (let word = 0; word < 32; word++) {
      const deliverable =
        x.frames.read32(shared(b, g) + PENDING + 4 * word) & ~x.frames.read32(shared(b, g) + MASK + 4 * word);
      if (deliverable !== 0) expect([(sel >>> word) & 1, x.frames.read8(info)]).toEqual([1, 1]);
    }
  }
}

describe('any sequence of operations on two domains', () => {
  const port = fc.integer({ min: 0, max: 12 });
  const step = fc.record({
    who: fc.integer({ min: 0, max: 1 }),
    op: fc.integer({ min: 0, max: 8 }),
    port,
    n: fc.integer({ min: 0, max: 24 }),
    remote: fc.integer({ min: 1, max: 3 }),
  });
  it('keeps pairs symmetric, VIRQ slots exact, free ports quiet, and never loses an unmasked event', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const b = eventBench(),
          guests = [b.guest(), b.guest()],
          { x } = b;
        for (const s of steps) {
          const { d } = guests[s.who]!;
          switch (s.op) {
            case 0:
              allocUnbound(x, d, s.remote);
              break;
            case 1:
              bindInterdomain(x, d, s.remote, s.port);
              break;
            case 2:
              bindVirq(x, d, s.n, 0);
              break;
            case 3:
              bindIpi(x, d, 0);
              break;
            case 4:
            case 5:
              closePort(x, d, s.port);
              break;
            case 6:
              sendPort(x, d, s.port);
              break;
            case 7:
              raiseVirq(x, guests[s.who]!.v, s.n % 24);
              break;
            case 8:
              if (s.n === 0) resetPorts(x, d);
              break;
          }
          b.records();
        }
        invariants(b, guests);
      }),
      { numRuns: 150 },
    );
  });
});
