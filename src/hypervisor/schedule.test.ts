import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VCPU } from '../cpu/vcpu.ts';
import { HEADER, PAGE_SIZE } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { DOMAIN_OP, SWITCH } from '../trace/records.ts';
import { ERRNO } from './abi/errno.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { allocUnbound, bindVirq, setPending } from './event-channels.ts';
import { acts, type EventBench, eventBench, type Guest, hc } from './events-testing.ts';
import { VCPU_INFO, vcpuInfo } from './evtchn-ports.ts';
import { doMulticall } from './multicall.ts';
import { runstateInfo } from './runstate.ts';
import { SCHEDOP } from './sched-op.ts';
import {
  crashDomain,
  doSchedOp,
  doSchedOpCompat,
  nextDeadline,
  onDeadline,
  schedule,
  shutdownDomain,
} from './schedule.ts';
import { DOMAIN, DOMAIN_STATE, RUNSTATE, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { earliestTimer } from './timer-deadline.ts';
import { doSetTimerOp, TIMER_KIND } from './timers.ts';

const op = (b: EventBench, g: Guest, cmd: number, ...words: number[]): number =>
  doSchedOp(b.x, g.v, hc(cmd, words.length > 0 ? g.arg(...words) : 0));
const run = (b: EventBench, g: Guest): number => b.x.m.r32(xv(g.v) + XVCPU.run);
const switches = (b: EventBench): number[][] =>
  b
    .records()
    .filter((r) => r.type === 'switch')
    .map((r) => [r.aux, r.p[0]!, r.p[2]!]);
const IDLE = 0x7fff;
/** Brings T to the next deadline and handles it. */
function advance(b: EventBench): number {
  const T = nextDeadline(b.x);
  b.at(Math.max(T, b.x.T));
  onDeadline(b.x);
  return T;
}

describe('the run queue', () => {
  it('is round robin: who yields joins at the tail; asking twice changes nothing', () => {
    const b = eventBench(),
      [a, c, e] = [b.guest(), b.guest(), b.guest()],
      { x } = b;
    expect([schedule(x), schedule(x), schedule(x)]).toEqual([a.v, a.v, a.v]);
    const order = [];
    for (let i = 0; i < 6; i++) {
      op(b, [a, c, e].find((g) => g.v === x.current)!, SCHEDOP.yield);
      order.push(schedule(x));
    }
    expect(order).toEqual([c.v, e.v, a.v, c.v, e.v, a.v]);
    expect(switches(b)[1]).toEqual([SWITCH.yield, a.domid, c.domid]);
  });

  it('alone, a vCPU that yields goes on without a switch', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    schedule(x);
    b.records();
    op(b, g, SCHEDOP.yield);
    expect(schedule(x)).toBe(g.v);
    expect(switches(b)).toEqual([]);
    expect(run(b, g)).toBe(RUNSTATE.running);
  });

  it('a slice ends only while somebody waits', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    schedule(x);
    expect(nextDeadline(x)).toBe(1000);
    advance(b);
    b.records();
    expect(schedule(x)).toBe(c.v);
    expect(switches(b)).toEqual([[SWITCH.slice, a.domid, c.domid]]);
    op(b, c, SCHEDOP.block);
    expect(schedule(x)).toBe(a.v);
    expect(nextDeadline(x)).toBe(1_000_000); // only the periodic tick is left
  });

  it('hands an idle pCPU over when an event wakes a sleeper, and says what woke it', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const port = allocUnbound(x, g.d, 0);
    schedule(x);
    op(b, g, SCHEDOP.block);
    b.records();
    expect([schedule(x), schedule(x), x.current]).toEqual([0, 0, 0]);
    expect(switches(b)).toEqual([[SWITCH.block, g.domid, IDLE]]);
    setPending(x, g.d, port);
    expect(schedule(x)).toBe(g.v);
    const records = b.records();
    const event = records.find((r) => r.type === 'event')!,
      change = records.find((r) => r.type === 'switch')!;
    expect([change.aux, change.p[0], change.p[2], change.cause]).toEqual([
      SWITCH.wake,
      IDLE,
      g.domid,
      event.seq,
    ]);
  });
});

describe('block and poll', () => {
  it('block opens the mask and does not sleep when an event is waiting', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    schedule(x);
    setPending(x, g.d, allocUnbound(x, g.d, 0));
    expect(op(b, g, SCHEDOP.block)).toBe(0);
    expect(run(b, g)).toBe(RUNSTATE.running);
    expect(x.frames.read8(vcpuInfo(x, g.v) + VCPU_INFO.upcallMask)).toBe(0);
  });

  it('poll sleeps until one of its ports is pending, masked or not, and lets others be', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const ports = [1, 2, 3].map(() => allocUnbound(x, g.d, 0));
    x.frames.write32(x.m.r32(g.d + DOMAIN.sharedInfoMfn) * PAGE_SIZE + 0x880, 0xffffffff);
    schedule(x);
    const list = g.page * PAGE_SIZE + 64;
    x.frames.write32(list, ports[0]!);
    x.frames.write32(list + 4, ports[2]!);
    expect(op(b, g, SCHEDOP.poll, list, 2, 0, 0)).toBe(0);
    expect(run(b, g)).toBe(RUNSTATE.blocked);
    setPending(x, g.d, ports[1]!);
    expect(run(b, g)).toBe(RUNSTATE.blocked);
    setPending(x, g.d, ports[2]!);
    expect(run(b, g)).toBe(RUNSTATE.runnable);
    schedule(x);
    expect(op(b, g, SCHEDOP.poll, list, 2, 0, 0)).toBe(0);
    expect(run(b, g)).toBe(RUNSTATE.running);
  });

  it('poll without ports wakes at any event, masked or not', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const port = allocUnbound(x, g.d, 0);
    x.frames.write32(x.m.r32(g.d + DOMAIN.sharedInfoMfn) * PAGE_SIZE + 0x880, 0xffffffff);
    schedule(x);
    expect(op(b, g, SCHEDOP.poll, 0, 0, 0, 0)).toBe(0);
    expect(run(b, g)).toBe(RUNSTATE.blocked);
    setPending(x, g.d, port);
    expect(run(b, g)).toBe(RUNSTATE.runnable);
  });

  it('a poll that is over is forgotten: its masked port does not wake a vCPU that blocks', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const port = allocUnbound(x, g.d, 0);
    x.frames.write32(x.m.r32(g.d + DOMAIN.sharedInfoMfn) * PAGE_SIZE + 0x880, 0xffffffff);
    schedule(x);
    const list = g.page * PAGE_SIZE + 64;
    x.frames.write32(list, port);
    op(b, g, SCHEDOP.poll, list, 1, 100, 0);
    advance(b);
    schedule(x);
    op(b, g, SCHEDOP.block);
    setPending(x, g.d, port);
    expect(run(b, g)).toBe(RUNSTATE.blocked);
  });

  it('a multicall whose element sleeps goes on when the vCPU is awake: poll and yield in one list end, deadlines and all', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    schedule(x);
    const at = g.arg(0);
    const [SCHED_OP, rest] = [29, [0, 0, 0, 0]];
    g.arg(
      SCHED_OP,
      0,
      SCHEDOP.poll,
      at + 64,
      ...rest,
      SCHED_OP,
      0,
      SCHEDOP.yield,
      0,
      ...rest,
      0,
      0,
      100_000,
      0,
    );
    const eip = x.m.r32(g.v + VCPU.eip);
    expect(doMulticall(x, g.v, hc(at, 2))).toBe(13);
    expect([run(b, g), x.m.r32(xv(g.v) + XVCPU.polling)]).toEqual([RUNSTATE.blocked, 1]);
    const [ebx, ecx] = [x.m.r32(g.v + VCPU.gpr + 12), x.m.r32(g.v + VCPU.gpr + 4)];
    expect([ebx, ecx, x.m.r32(g.v + VCPU.eip)]).toEqual([at + 32, 1, (eip - 2) >>> 0]);
    const T = advance(b);
    expect([run(b, g), x.m.r32(xv(g.v) + XVCPU.polling)]).toEqual([RUNSTATE.runnable, 0]);
    schedule(x);
    expect(doMulticall(x, g.v, hc(ebx, ecx))).toBe(0);
    schedule(x);
    expect(nextDeadline(x)).toBeGreaterThan(T);
  });

  it('a poll ends at its timeout, on the first tick at or after it', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    schedule(x);
    expect(op(b, g, SCHEDOP.poll, 0, 0, 12_345, 0)).toBe(0);
    expect(schedule(x)).toBe(0);
    b.records();
    expect(advance(b)).toBe(1235);
    expect(
      b
        .records()
        .filter((r) => r.type === 'timer')
        .map((r) => r.aux),
    ).toEqual([TIMER_KIND.poll]);
    expect([run(b, g), nextDeadline(x)]).toEqual([RUNSTATE.runnable, Infinity]);
  });

  it('a timeout in the past or negative is over at once', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    for (const [lo, hi] of [
      [10, 0],
      [0, 0x80000000],
    ]) {
      b.at(500);
      schedule(x);
      op(b, g, SCHEDOP.poll, 0, 0, lo!, hi!);
      expect(nextDeadline(x)).toBe(500);
      onDeadline(x);
      expect(run(b, g)).toBe(RUNSTATE.runnable);
    }
  });

  it('poll checks in order: structure, count, list, deliverable upcall, ports', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    allocUnbound(x, g.d, 0);
    schedule(x);
    const list = g.other * PAGE_SIZE;
    x.frames.write32(list, 4000);
    expect(doSchedOp(x, g.v, hc(SCHEDOP.poll, 0xfffffff8))).toBe(-ERRNO.EFAULT);
    expect(op(b, g, SCHEDOP.poll, 0xfffffff0, 129, 0, 0)).toBe(-ERRNO.EINVAL);
    expect(op(b, g, SCHEDOP.poll, 0xf5800000, 1, 0, 0)).toBe(-ERRNO.EFAULT);
    expect(op(b, g, SCHEDOP.poll, list, 1, 0, 0)).toBe(-ERRNO.EINVAL);
    b.unreadable.add(g.other);
    expect(op(b, g, SCHEDOP.poll, list, 1, 0, 0)).toBe(-ERRNO.EFAULT);
    expect(b.refused()).toEqual([
      'sched.argument-readable',
      'sched.poll-count',
      'sched.poll-list-readable',
      'event.port-exists',
      'sched.poll-list-readable',
    ]);
    setPending(x, g.d, 1);
    x.frames.write8(vcpuInfo(x, g.v) + VCPU_INFO.upcallMask, 0);
    expect(op(b, g, SCHEDOP.poll, list, 1, 0, 0)).toBe(0);
    expect(run(b, g)).toBe(RUNSTATE.running);
  });
});

describe('shutdown', () => {
  it('stops the vCPUs, records the first code, tells the listener', () => {
    const b = eventBench(),
      dom0 = b.guest({ domid: 0, privileged: true }),
      g = b.guest(),
      { x } = b;
    const port = bindVirq(x, dom0.d, 3, 0);
    b.records();
    expect(op(b, g, SCHEDOP.shutdown_code, 1)).toBe(0);
    expect(op(b, g, SCHEDOP.shutdown, 0x100)).toBe(0);
    expect([x.m.r32(g.d + DOMAIN.state), x.m.r32(g.d + DOMAIN.shutdownCode), run(b, g)]).toEqual([
      DOMAIN_STATE.shutDown,
      1,
      RUNSTATE.offline,
    ]);
    const records = b.records();
    expect(records.filter((r) => r.type === 'domain').map((r) => [r.aux, r.p[0], r.p[1]])).toEqual([
      [DOMAIN_OP.shutdown, g.domid, 1],
    ]);
    expect(records.filter((r) => r.type === 'event').map((r) => r.p[1])).toEqual([port]);
    shutdownDomain(x, g.d, 3);
    expect([x.m.r32(g.d + DOMAIN.state), b.records()]).toEqual([DOMAIN_STATE.shutDown, []]);
  });

  it('code 3 and crashDomain leave a crashed domain that is never scheduled again', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      { x } = b;
    schedule(x);
    doSchedOpCompat(x, a.v, hc(SCHEDOP.shutdown, 3));
    expect([x.m.r32(a.d + DOMAIN.state), schedule(x)]).toEqual([DOMAIN_STATE.crashed, c.v]);
    crashDomain(x, c.v, 'event.port-exists');
    expect([x.m.r32(c.d + DOMAIN.state), schedule(x), x.m.r32(XEN_AT + XEN.runQueueLength)]).toEqual([
      DOMAIN_STATE.crashed,
      0,
      0,
    ]);
    setPending(x, c.d, allocUnbound(x, c.d, 0));
    expect([schedule(x), nextDeadline(x)]).toEqual([0, Infinity]);
  });

  it('refuses in order: unreadable reason; remote: no domain, no privilege', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      p = b.guest({ privileged: true }),
      { x } = b;
    expect(doSchedOp(x, a.v, hc(SCHEDOP.shutdown, 4))).toBe(-ERRNO.EFAULT);
    for (const cmd of [SCHEDOP.remote_shutdown, SCHEDOP.watchdog, SCHEDOP.shutdown_code])
      expect(doSchedOp(x, a.v, hc(cmd, 4))).toBe(-ERRNO.EFAULT);
    expect(op(b, a, SCHEDOP.remote_shutdown, 99, 0)).toBe(-ERRNO.ESRCH);
    expect(op(b, a, SCHEDOP.remote_shutdown, DOMID_SELF, 0)).toBe(-ERRNO.ESRCH);
    expect(op(b, a, SCHEDOP.remote_shutdown, c.domid, 0)).toBe(-ERRNO.EPERM);
    expect(op(b, p, SCHEDOP.remote_shutdown, c.domid, 1)).toBe(0);
    expect(x.m.r32(c.d + DOMAIN.shutdownCode)).toBe(1);
    expect([op(b, a, 8), doSchedOpCompat(x, a.v, hc(3))]).toEqual([-ERRNO.ENOSYS, -ERRNO.ENOSYS]);
    expect([
      op(b, a, SCHEDOP.pin_override, 0),
      op(b, p, SCHEDOP.pin_override, 1),
      op(b, p, SCHEDOP.pin_override, 0),
    ]).toEqual([-1, -22, 0]);
  });
});

describe('watchdogs', () => {
  it('two a domain; expiry shuts it down with code 4', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    expect([
      op(b, g, SCHEDOP.watchdog, 0, 2),
      op(b, g, SCHEDOP.watchdog, 0, 1),
      op(b, g, SCHEDOP.watchdog, 0, 1),
    ]).toEqual([1, 2, -ERRNO.ENOSPC]);
    expect([
      op(b, g, SCHEDOP.watchdog, 3, 1),
      op(b, g, SCHEDOP.watchdog, 2, 0),
      op(b, g, SCHEDOP.watchdog, 2, 1),
    ]).toEqual([-22, 0, -22]);
    expect(op(b, g, SCHEDOP.watchdog, 1, 5)).toBe(0);
    expect(b.refused()).toEqual(['sched.watchdog-left', 'sched.watchdog-in-use', 'sched.watchdog-in-use']);
    expect(advance(b)).toBe(500_000_000);
    expect([x.m.r32(g.d + DOMAIN.state), x.m.r32(g.d + DOMAIN.shutdownCode), nextDeadline(x)]).toEqual([
      DOMAIN_STATE.shutDown,
      4,
      Infinity,
    ]);
  });
});

describe('timers', () => {
  const timerEvents = (b: EventBench): number[] =>
    b
      .records()
      .filter((r) => r.type === 'timer')
      .map((r) => r.aux);
  it("set_timer_op fires VIRQ_TIMER at its tick; its record is the event's cause", () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    bindVirq(x, g.d, 0, 0);
    schedule(x);
    doSetTimerOp(x, g.v, hc(50_001, 0));
    op(b, g, SCHEDOP.block);
    schedule(x);
    b.records();
    expect(advance(b)).toBe(5001);
    const records = b.records();
    const timer = records.find((r) => r.type === 'timer')!,
      event = records.find((r) => r.type === 'event')!;
    expect([timer.aux, timer.p[0], event.cause]).toEqual([TIMER_KIND.singleshot, 5001, timer.seq]);
    expect(run(b, g)).toBe(RUNSTATE.runnable);
  });

  it('the past fires at once, 0 stops, negative and absurd times fire in 100 ms', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    x.m.w64(xv(g.v) + XVCPU.periodic, 0);
    schedule(x);
    b.at(100);
    const deadline = (lo: number, hi: number): number => {
      doSetTimerOp(x, g.v, hc(lo, hi));
      return nextDeadline(x);
    };
    expect(deadline(1, 0)).toBe(100);
    expect(deadline(0, 0)).toBe(Infinity);
    expect(deadline(0, 0x80000000)).toBe(100 + 10_000_000);
    expect(deadline(0, 1 << 19)).toBe(100 + 10_000_000);
    expect(deadline(0, 1 << 17)).toBe(Math.ceil(2 ** 49 / 10));
  });

  it('the periodic tick reaches a vCPU only while it runs; missed ticks are one', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    bindVirq(x, g.d, 0, 0);
    const other = allocUnbound(x, g.d, 0);
    schedule(x);
    b.records();
    expect(advance(b)).toBe(1_000_000);
    expect(timerEvents(b)).toEqual([TIMER_KIND.periodic]);
    x.frames.write8(vcpuInfo(x, g.v), 0);
    x.frames.write32(vcpuInfo(x, g.v) + 4, 0);
    op(b, g, SCHEDOP.block);
    schedule(x);
    expect(nextDeadline(x)).toBe(Infinity);
    b.at(7_500_000);
    setPending(x, g.d, other);
    b.records();
    schedule(x);
    expect(timerEvents(b)).toEqual([TIMER_KIND.periodic]);
    expect(nextDeadline(x)).toBe(8_500_000);
  });
});

describe('the earliest timer', () => {
  const step = fc.record({
    who: fc.integer({ min: 0, max: 2 }),
    op: fc.integer({ min: 0, max: 7 }),
    ns: fc.integer({ min: 0, max: 2_000_000 }),
  });
  it('is the one a look at all of them finds, after any sequence of operations', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const b = eventBench(),
          guests = [b.guest(), b.guest(), b.guest()],
          { x } = b;
        const ports = guests.map((g) => allocUnbound(x, g.d, 0));
        for (const s of steps) {
          const g = guests[s.who]!;
          schedule(x);
          if (x.m.r32(g.d + DOMAIN.state) === DOMAIN_STATE.running) {
            if (s.op <= 1) doSetTimerOp(x, g.v, hc(s.op === 0 ? x.T * 10 + s.ns : 0, 0));
            if (s.op === 2 && x.current === g.v) op(b, g, SCHEDOP.poll, 0, 0, x.T * 10 + s.ns, 0);
            if (s.op === 3) op(b, g, SCHEDOP.watchdog, s.ns % 4, s.ns % 3);
            if (s.op === 4) setPending(x, g.d, ports[s.who]!);
            if (s.op === 5 && s.ns < 100_000) shutdownDomain(x, g.d, 0);
          }
          if (s.op >= 6) {
            b.at(x.T + Math.floor(s.ns / 10));
            if (x.T >= nextDeadline(x)) onDeadline(x);
            expect(nextDeadline(x)).toBeGreaterThan(s.op === 7 ? 0 : x.T);
          }
          b.records();
          const kept = x.m.r64(XEN_AT + XEN.timerDeadline);
          expect(kept === 0 ? Infinity : kept).toBe(earliestTimer(x));
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('run-state accounting', () => {
  it('adds up to the time since creation, whatever happens', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ dt: fc.integer({ min: 0, max: 5000 }), act: fc.integer({ min: 0, max: 4 }) }), {
          maxLength: 60,
        }),
        (steps) => {
          const b = eventBench(),
            guests = [b.guest(), b.guest(), b.guest()],
            { x } = b;
          const ports = guests.map((g) => allocUnbound(x, g.d, 0));
          for (const s of steps) {
            b.at(x.T + s.dt);
            if (x.T >= nextDeadline(x)) onDeadline(x);
            const current = guests.find((g) => g.v === schedule(x));
            if (current && s.act === 0) op(b, current, SCHEDOP.yield);
            if (current && s.act === 1) op(b, current, SCHEDOP.block);
            if (s.act >= 2) setPending(x, guests[s.act - 2]!.d, ports[s.act - 2]!);
            b.records();
            const queue = Array.from({ length: x.m.r32(XEN_AT + XEN.runQueueLength) }, (_, i) =>
              x.m.r32(XEN_AT + XEN.runQueue + 4 * i),
            );
            for (const g of guests) {
              const view = new DataView(runstateInfo(x, g.v).buffer);
              let sum = 0;
              for (let i = 0; i < 4; i++) sum += Number(view.getBigUint64(12 + 8 * i, true));
              expect(sum).toBe(x.T * 10);
              expect(queue.filter((v) => v === g.v).length).toBe(run(b, g) === RUNSTATE.runnable ? 1 : 0);
              if (run(b, g) === RUNSTATE.running) expect(x.current).toBe(g.v);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a switched-in vCPU', () => {
  it('finds its time current and a fresh slice', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    b.at(123);
    schedule(x);
    const time = new DataView(x.frames.copyOut(vcpuInfo(x, g.v) + VCPU_INFO.time, 32).buffer);
    expect(time.getUint32(0, true) % 2).toBe(0);
    expect(Number(time.getBigUint64(8, true))).toBe(123);
    expect(Number(time.getBigUint64(16, true))).toBe(1230);
    expect(x.m.r64(HEADER + MACHINE.sliceEnd)).toBe(1123);
    expect(x.m.r32(HEADER + MACHINE.deliver)).toBe(1);
    expect(acts(b.records())).toEqual([]);
  });
});
