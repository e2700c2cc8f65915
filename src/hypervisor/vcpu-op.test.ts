import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../memory/map.ts';
import { ERRNO } from './abi/errno.ts';
import { bindVirq, eventDeliverable, setPending } from './event-channels.ts';
import { type EventBench, eventBench, type Guest, hc } from './events-testing.ts';
import { VCPU_INFO, vcpuInfo } from './evtchn-ports.ts';
import { nextDeadline, schedule } from './schedule.ts';
import {
  DOMAIN,
  DOMAIN_STATE,
  PAGE,
  pageAt,
  PGT_count_mask,
  PGT_l1_page_table,
  PGT_validated,
  XVCPU,
  xv,
} from './state.ts';
import { TSC_SHIFT, TSC_TO_SYSTEM_MUL, updateWallclock } from './time.ts';
import { doVcpuOp, releaseVcpuInfo, VCPUOPS } from './vcpu-op.ts';

const OP = Object.fromEntries(VCPUOPS.map((name, i) => [name, i])) as Record<
  (typeof VCPUOPS)[number],
  number
>;
const call = (b: EventBench, g: Guest, name: (typeof VCPUOPS)[number], ...words: number[]): number =>
  doVcpuOp(b.x, g.v, hc(OP[name], 0, words.length > 0 ? g.arg(...words) : 0));

describe('vcpu_op', () => {
  it('a vCPU that does not exist is -ENOENT whatever the command; an unknown command is -ENOSYS', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    expect([
      doVcpuOp(x, g.v, hc(3, 1)),
      doVcpuOp(x, g.v, hc(99, 1)),
      doVcpuOp(x, g.v, hc(0, 0xffffffff)),
      doVcpuOp(x, g.v, hc(14, 0)),
    ]).toEqual([-2, -2, -2, -38]);
  });

  it('is up, initialised, and goes down with its domain', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    expect([call(b, g, 'is_up'), call(b, g, 'up'), call(b, g, 'get_physid')]).toEqual([1, 0, -ERRNO.EINVAL]);
    expect(call(b, g, 'initialise', 0)).toBe(-ERRNO.EEXIST);
    expect(doVcpuOp(x, g.v, hc(OP.initialise, 0, 0xfffff000))).toBe(-ERRNO.EFAULT);
    expect(call(b, g, 'down')).toBe(0);
    expect([x.m.r32(g.d + DOMAIN.state), x.m.r32(g.d + DOMAIN.shutdownCode)]).toEqual([
      DOMAIN_STATE.shutDown,
      0,
    ]);
  });

  it('tells and keeps up to date where its time went', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    b.at(100);
    schedule(x);
    b.at(150);
    const at = g.page * PAGE_SIZE + 64;
    expect(doVcpuOp(x, g.v, hc(OP.get_runstate_info, 0, at))).toBe(0);
    const view = new DataView(x.frames.copyOut(at, 44).buffer);
    expect(view.getInt32(0, true)).toBe(0);
    expect([4, 12, 20, 28, 36].map((o) => Number(view.getBigUint64(o, true)))).toEqual([
      1000, 500, 1000, 0, 0,
    ]);
    expect(call(b, g, 'register_runstate_memory_area', at, 0)).toBe(0);
    x.frames.write32(at, 99);
    b.at(200);
    doVcpuOp(x, g.v, hc(OP.register_runstate_memory_area, 0, g.arg(at, 0)));
    expect(x.frames.read32(at)).toBe(0);
    expect(doVcpuOp(x, g.v, hc(OP.register_runstate_memory_area, 0, g.arg(0xf57ffff0, 0)))).toBe(
      -ERRNO.EFAULT,
    );
    expect(b.refused()).toEqual(['vcpu.area-in-guest']);
  });

  it('periodic timer: 1 ms or more, stop stops it', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    schedule(x);
    expect([
      call(b, g, 'set_periodic_timer', 999_999, 0),
      call(b, g, 'set_periodic_timer', 0, 0x40000000),
    ]).toEqual([-22, -22]);
    expect(call(b, g, 'set_periodic_timer', 2_000_000, 0)).toBe(0);
    expect(nextDeadline(x)).toBe(200_000);
    expect(call(b, g, 'stop_periodic_timer')).toBe(0);
    expect(nextDeadline(x)).toBe(Infinity);
  });

  it('one-shot timer: "future" and past is -ETIME, without it fires at once', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    schedule(x);
    call(b, g, 'stop_periodic_timer');
    b.at(1000);
    expect(call(b, g, 'set_singleshot_timer', 9_999, 0, 1)).toBe(-ERRNO.ETIME);
    expect(nextDeadline(x)).toBe(Infinity);
    expect(call(b, g, 'set_singleshot_timer', 9_999, 0, 0)).toBe(0);
    expect(nextDeadline(x)).toBe(1000);
    expect(call(b, g, 'set_singleshot_timer', 20_000, 0, 1)).toBe(0);
    expect(nextDeadline(x)).toBe(2000);
    expect(call(b, g, 'stop_singleshot_timer')).toBe(0);
    expect(nextDeadline(x)).toBe(Infinity);
  });

  it('register_vcpu_info moves it once, keeps its contents and marks everything pending', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    x.frames.write32(vcpuInfo(x, g.v) + VCPU_INFO.cr2, 0x1234);
    expect(call(b, g, 'register_vcpu_info', g.other, 0, PAGE_SIZE - 60)).toBe(-ERRNO.EINVAL);
    expect(call(b, g, 'register_vcpu_info', g.other, 0, 130)).toBe(-ERRNO.EINVAL);
    expect(call(b, g, 'register_vcpu_info', 0xffffff, 0, 0)).toBe(-ERRNO.EINVAL);
    expect(call(b, g, 'register_vcpu_info', g.other, 1, 0)).toBe(-ERRNO.EINVAL);
    const page = pageAt(g.other);
    const type = x.m.r32(page + PAGE.type);
    x.m.w32(page + PAGE.type, PGT_l1_page_table | PGT_validated | 1);
    expect(call(b, g, 'register_vcpu_info', g.other, 0, 128)).toBe(-ERRNO.EINVAL);
    x.m.w32(page + PAGE.type, type);
    expect(call(b, g, 'register_vcpu_info', g.other, 0, 128)).toBe(0);
    const to = g.other * PAGE_SIZE + 128;
    expect(vcpuInfo(x, g.v)).toBe(to);
    expect([
      x.frames.read8(to),
      x.frames.read8(to + 1),
      x.frames.read32(to + 4),
      x.frames.read32(to + 8),
    ]).toEqual([1, 1, 0xffffffff, 0x1234]);
    expect(x.m.r32(page + PAGE.type) & PGT_count_mask).toBe((type & PGT_count_mask) + 1);
    x.frames.write8(to + 1, 0);
    expect(eventDeliverable(x, g.v)).toBe(true);
    expect(call(b, g, 'register_vcpu_info', g.other, 0, 256)).toBe(-ERRNO.EINVAL);
    expect(b.refused()).toEqual([
      'vcpu.info-fits',
      'vcpu.info-fits',
      'vcpu.info-frame',
      'vcpu.info-frame',
      'vcpu.info-frame',
      'vcpu.info-once',
    ]);
    x.frames.write8(to, 0);
    x.frames.write32(to + 4, 0);
    setPending(x, g.d, bindVirq(x, g.d, 1, 0));
    expect([x.frames.read8(to), x.frames.read32(to + 4)]).toEqual([1, 1]);
  });

  it('a vCPU that goes lets go of its vcpu_info, once', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const state = (): number[] => [
      x.m.r32(pageAt(g.other) + PAGE.count),
      x.m.r32(pageAt(g.other) + PAGE.type) & PGT_count_mask,
    ];
    const before = state();
    expect(call(b, g, 'register_vcpu_info', g.other, 0, 0)).toBe(0);
    expect(state()).toEqual([before[0]! + 1, before[1]! + 1]);
    releaseVcpuInfo(x, g.v);
    releaseVcpuInfo(x, g.v);
    expect(state()).toEqual(before);
  });

  it('send_nmi takes no argument and leaves an NMI pending', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    expect([call(b, g, 'send_nmi', 1), call(b, g, 'send_nmi')]).toEqual([-ERRNO.EINVAL, 0]);
    expect(x.m.r32(xv(g.v) + XVCPU.nmiPending)).toBe(1);
  });
});

describe('time', () => {
  it('the published multiplier turns ticks into nanoseconds exactly', () => {
    expect(TSC_TO_SYSTEM_MUL >>> 31).toBe(1);
    for (const delta of [0n, 1n, 7n, 123_456_789n, 2n ** 50n]) {
      expect(((delta << BigInt(TSC_SHIFT)) * BigInt(TSC_TO_SYSTEM_MUL)) >> 32n).toBe(delta * 10n);
    }
    expect(Number((((10n ** 9n) << 32n) / BigInt(TSC_TO_SYSTEM_MUL)) >> BigInt(TSC_SHIFT))).toBe(100_000_000);
  });

  it('a second copy of the time goes where the guest asked; versions are even and grow', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const at = g.other * PAGE_SIZE;
    b.at(77);
    expect(call(b, g, 'register_vcpu_time_memory_area', at, 0)).toBe(0);
    const first = x.frames.read32(at);
    expect([first % 2, x.frames.read32(at + 8), x.frames.read32(at + 16)]).toEqual([0, 77, 770]);
    b.at(80);
    schedule(x);
    expect([x.frames.read32(at), x.frames.read32(at + 8)]).toEqual([first + 2, 80]);
    expect([...x.frames.copyOut(at, 32)]).toEqual([
      ...x.frames.copyOut(vcpuInfo(x, g.v) + VCPU_INFO.time, 32),
    ]);
  });

  it('the wall clock is the epoch of the machine, under an even version', () => {
    const b = eventBench(),
      g = b.guest(),
      { x } = b;
    const at = x.m.r32(g.d + DOMAIN.sharedInfoMfn) * PAGE_SIZE + 0x900;
    const before = x.frames.read32(at);
    updateWallclock(x, g.d);
    expect([
      before % 2,
      x.frames.read32(at),
      x.frames.read32(at + 4),
      x.frames.read32(at + 8),
      x.frames.read32(at + 0x24),
    ]).toEqual([0, before + 2, 1_700_000_000, 0, 0]);
  });
});
