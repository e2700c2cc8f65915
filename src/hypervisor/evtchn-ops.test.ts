import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { ERRNO } from './abi/errno.ts';
import { bindVirq } from './event-channels.ts';
import { type EventBench, eventBench, type Guest, hc } from './events-testing.ts';
import { EVTCHNOP, doEventChannelOp, doEventChannelOpCompat } from './evtchn-ops.ts';
import { PORTS_PER_FRAME } from './evtchn-ports.ts';
import { DOMAIN, PAGE, pageAt } from './state.ts';

const call = (b: EventBench, g: Guest, cmd: number, ...words: number[]): number =>
  doEventChannelOp(b.x, g.v, hc(cmd, g.arg(...words)));
const word = (b: EventBench, g: Guest, at: number): number => b.x.frames.read32(g.page * PAGE_SIZE + at);

describe('event_channel_op', () => {
  it('alloc_unbound and bind_interdomain write their ports back', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest();
    expect(call(b, a, EVTCHNOP.alloc_unbound, DOMID_SELF | (c.domid << 16), 0xdead)).toBe(0);
    expect(word(b, a, 4)).toBe(1);
    expect(call(b, c, EVTCHNOP.bind_interdomain, a.domid, 1, 0xdead)).toBe(0);
    expect(word(b, c, 8)).toBe(1);
  });

  it('leaves the structure alone on failure', () => {
    const b = eventBench(),
      g = b.guest();
    expect(call(b, g, EVTCHNOP.bind_interdomain, 99, 1, 0xdead)).toBe(-ERRNO.ESRCH);
    expect(word(b, g, 8)).toBe(0xdead);
  });

  it('alloc_unbound for another domain needs privilege; no such domain comes first', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      p = b.guest({ privileged: true });
    expect(call(b, a, EVTCHNOP.alloc_unbound, 99)).toBe(-ERRNO.ESRCH);
    expect(call(b, a, EVTCHNOP.alloc_unbound, c.domid)).toBe(-ERRNO.EPERM);
    expect(call(b, a, EVTCHNOP.alloc_unbound, a.domid | (DOMID_SELF << 16))).toBe(0);
    expect(call(b, p, EVTCHNOP.alloc_unbound, c.domid | (p.domid << 16))).toBe(0);
    expect(b.refused()).toEqual(['event.domain-exists', 'event.own-domain']);
  });

  it('status tells every state; inside the table free is 0, beyond it -EINVAL', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest();
    call(b, a, EVTCHNOP.alloc_unbound, DOMID_SELF | (c.domid << 16));
    call(b, c, EVTCHNOP.bind_interdomain, a.domid, 1);
    call(b, a, EVTCHNOP.alloc_unbound, DOMID_SELF | (c.domid << 16));
    bindVirq(b.x, a.d, 3, 0);
    call(b, a, EVTCHNOP.bind_ipi, 0);
    const status = (port: number): number[] => {
      expect(call(b, a, EVTCHNOP.status, DOMID_SELF, port, 9, 9, 9, 9)).toBe(0);
      return [word(b, a, 8), word(b, a, 12), word(b, a, 16), word(b, a, 20)];
    };
    expect(status(1)).toEqual([2, 0, c.domid, 1]);
    expect(status(2)).toEqual([1, 0, c.domid, 9]);
    expect(status(3)).toEqual([4, 0, 3, 9]);
    expect(status(4)).toEqual([5, 0, 9, 9]);
    expect(status(0)).toEqual([0, 0, 9, 9]);
    expect(status(PORTS_PER_FRAME - 1)).toEqual([0, 0, 9, 9]);
    expect(call(b, a, EVTCHNOP.status, DOMID_SELF, PORTS_PER_FRAME)).toBe(-ERRNO.EINVAL);
    expect(call(b, a, EVTCHNOP.status, c.domid, 1)).toBe(-ERRNO.EPERM);
    expect(call(b, a, EVTCHNOP.status, 99, 1)).toBe(-ERRNO.ESRCH);
  });

  it('-EFAULT for a structure that cannot be read, before anything else; and for an answer that cannot be written', () => {
    const b = eventBench(),
      g = b.guest();
    b.readonly.add(g.page);
    expect(call(b, g, EVTCHNOP.alloc_unbound, DOMID_SELF)).toBe(-ERRNO.EFAULT);
    b.unreadable.add(g.page);
    for (let cmd = 0; cmd <= EVTCHNOP.reset_cont; cmd++) expect(call(b, g, cmd, 0xffff)).toBe(-ERRNO.EFAULT);
    expect(new Set(b.refused())).toEqual(new Set(['event.argument-writable', 'event.argument-readable']));
  });

  it('has no FIFO and no other operations', () => {
    const b = eventBench(),
      g = b.guest(),
      stranger = b.guest();
    const control = (frame: number, offset = 0, vcpu = 0, high = 0): number =>
      call(b, g, EVTCHNOP.init_control, frame, high, offset, vcpu, 0, 0);
    // Found in Xen's order: the vCPU, the place, the frame; only then that there is no such interface (XSA-188).
    expect(control(0xfffffffe, 5, 1, 0xffffffff)).toBe(-ERRNO.ENOENT);
    expect([control(0xfffffffe, 4028), control(0xfffffffe, 4)]).toEqual([-ERRNO.EINVAL, -ERRNO.EINVAL]);
    expect(b.refused()).toEqual(['event.vcpu-exists', 'event.control-fits', 'event.control-fits']);
    expect([
      control(0xfffffffe, 0, 0, 0xffffffff),
      control(g.other, 0, 0, 1),
      control(stranger.page),
      control(b.x.m.nrFrames),
    ]).toEqual([-ERRNO.EINVAL, -ERRNO.EINVAL, -ERRNO.EINVAL, -ERRNO.EINVAL]);
    expect(new Set(b.refused())).toEqual(new Set(['event.control-frame']));
    expect(control(g.other, 4096 - 72)).toBe(-ERRNO.ENOSYS);
    const page = pageAt(g.other);
    expect([b.x.m.r32(page + PAGE.count), b.x.m.r32(page + PAGE.type) & 0xffff]).toEqual([0x80000001, 0]);
    expect(call(b, g, EVTCHNOP.expand_array, g.other, 0)).toBe(-ERRNO.EOPNOTSUPP);
    call(b, g, EVTCHNOP.alloc_unbound, DOMID_SELF);
    expect(call(b, g, EVTCHNOP.set_priority, PORTS_PER_FRAME, 0)).toBe(-ERRNO.EINVAL);
    expect(call(b, g, EVTCHNOP.set_priority, 1, 99)).toBe(-ERRNO.ENOSYS);
    expect([15, 99].map((cmd) => call(b, g, cmd))).toEqual([-ERRNO.ENOSYS, -ERRNO.ENOSYS]);
    expect(b.refused()).toEqual([
      'event.two-level-only',
      'event.two-level-only',
      'event.port-exists',
      'event.two-level-only',
      'event.operation-known',
      'event.operation-known',
    ]);
  });

  it('has no reset to go on with', () => {
    const b = eventBench(),
      g = b.guest(),
      other = b.guest();
    expect([
      call(b, g, EVTCHNOP.reset_cont, 99),
      call(b, g, EVTCHNOP.reset_cont, other.domid),
      call(b, g, EVTCHNOP.reset_cont, DOMID_SELF),
    ]).toEqual([-ERRNO.ESRCH, -ERRNO.EPERM, -ERRNO.EBUSY]);
  });

  it('unmask and close check the port; bind_pirq gives nothing away; reset of others needs privilege and a paused domain', () => {
    const b = eventBench(),
      a = b.guest(),
      c = b.guest(),
      p = b.guest({ privileged: true });
    expect(call(b, a, EVTCHNOP.unmask, 1)).toBe(-ERRNO.EINVAL);
    expect([call(b, a, EVTCHNOP.bind_pirq, 300), call(b, a, EVTCHNOP.bind_pirq, 4)]).toEqual([
      -ERRNO.EINVAL,
      -ERRNO.EPERM,
    ]);
    expect([
      call(b, a, EVTCHNOP.reset, 99),
      call(b, a, EVTCHNOP.reset, c.domid),
      call(b, p, EVTCHNOP.reset, c.domid),
    ]).toEqual([-3, -1, -22]);
    call(b, a, EVTCHNOP.alloc_unbound, DOMID_SELF);
    expect(call(b, a, EVTCHNOP.unmask, 1)).toBe(0);
    // Ports in the table that nobody has bound stay masked.
    const masks = b.x.m.r32(a.d + DOMAIN.sharedInfoMfn) * PAGE_SIZE + 0x880;
    b.x.frames.write32(masks, 0xff);
    expect([0, 1, 2].map((port) => call(b, a, EVTCHNOP.unmask, port))).toEqual([0, 0, 0]);
    expect(b.x.frames.read32(masks)).toBe(0xfd);
    expect(call(b, a, EVTCHNOP.reset, DOMID_SELF)).toBe(0);
    expect(call(b, a, EVTCHNOP.close, 1)).toBe(-ERRNO.EINVAL);
  });
});

describe('event_channel_op_compat', () => {
  it('takes command and union from one structure', () => {
    const b = eventBench(),
      g = b.guest();
    expect(
      doEventChannelOpCompat(b.x, g.v, hc(g.arg(EVTCHNOP.alloc_unbound, DOMID_SELF | (5 << 16), 0))),
    ).toBe(0);
    expect(word(b, g, 8)).toBe(1);
    expect(doEventChannelOpCompat(b.x, g.v, hc(g.arg(EVTCHNOP.reset, DOMID_SELF)))).toBe(-ERRNO.ENOSYS);
    expect(doEventChannelOpCompat(b.x, g.v, hc(0xfffffff0))).toBe(-ERRNO.EFAULT);
  });
});
