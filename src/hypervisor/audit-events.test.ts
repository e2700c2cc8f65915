import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../memory/map.ts';
import { auditEvents } from './audit-events.ts';
import { GNTMAP_host_map, GTF_permit_access } from './abi/grant.ts';
import { allocUnbound, bindInterdomain, bindVirq } from './event-channels.ts';
import { type EventBench, eventBench, hc } from './events-testing.ts';
import { PORT, portAt, setPort } from './evtchn-ports.ts';
import { grant, map, mapper } from './grants-testing.ts';
import { handleAt, MAPTRACK } from './maptrack.ts';
import { schedule } from './schedule.ts';
import { DOMAIN, RUNSTATE, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { doSetTimerOp } from './timers.ts';

/** Two domains with a channel, a VIRQ, a mapping and a timer; one on the pCPU, one waiting. */
function world() {
  const b = eventBench(),
    a = b.guest(),
    c = mapper(b);
  const { x } = b;
  const offered = allocUnbound(x, a.d, c.domid),
    port = bindInterdomain(x, c.d, a.domid, offered),
    virq = bindVirq(x, c.d, 0, 0);
  grant(b, a, 9, GTF_permit_access, c.domid, a.other);
  const { handle } = map(b, c, c.va(0), GNTMAP_host_map, 9, a.domid);
  doSetTimerOp(x, c.v, hc(50_000, 0));
  schedule(x);
  return { b, a, c, x, m: x.m, offered, port, virq, handle };
}
const audit = (b: EventBench): string[] => auditEvents(b.x.m, b.x.frames);

describe('the audit of events, handles and queues', () => {
  it('is silent when all is well', () => {
    expect(audit(world().b)).toEqual([]);
  });
  type World = ReturnType<typeof world>;
  const wrongs: readonly (readonly [name: string, RegExp, (w: World) => void])[] = [
    ['a channel with one end', /does not lead back/, (w) => setPort(w.x, w.a.d, w.offered, PORT.state, 2)],
    ['a channel to nobody', /does not lead back/, (w) => setPort(w.x, w.c.d, w.port, PORT.remoteDomid, 77)],
    ['a port that was not wiped', /free port 40/, (w) => setPort(w.x, w.c.d, 40, PORT.remotePort, 3)],
    ['port 0 given out', /port 0 has state 2/, (w) => setPort(w.x, w.c.d, 0, PORT.state, 2)],
    ['a state that does not exist', /no state that exists/, (w) => setPort(w.x, w.c.d, 40, PORT.state, 9)],
    ['a vCPU that does not exist', /tells vCPU 3/, (w) => setPort(w.x, w.c.d, w.port, PORT.vcpu, 3)],
    ['a hint too high', /below the hint/, (w) => w.m.w32(w.c.d + DOMAIN.firstPortHint, 100)],
    ['a VIRQ without a port', /VIRQ 5 of vCPU 0/, (w) => w.m.w32(xv(w.c.v) + XVCPU.virqPorts + 20, w.virq)],
    ['a VIRQ port unknown', /known to no vCPU/, (w) => w.m.w32(xv(w.c.v) + XVCPU.virqPorts, 0)],
    [
      'a handle in use that is free',
      /in use and free/,
      (w) => w.m.w32(w.c.d + DOMAIN.maptrackFree, w.handle + 1),
    ],
    [
      'handles in a circle',
      /free handles comes to/,
      (w) => w.x.frames.write32(handleAt(w.x, w.c.d, 5) + MAPTRACK.ref, 3),
    ],
    ['handles lost', /neither in use nor free/, (w) => w.m.w32(w.c.d + DOMAIN.maptrackFree, 0)],
    ['a frame not charged', /frames of Xen serve it/, (w) => w.m.w32(w.c.d + DOMAIN.xenFrames, 3)],
    ['a vCPU queued twice', /twice/, (w) => queueAgain(w)],
    ['a vCPU forgotten', /not queued/, (w) => w.m.w32(XEN_AT + XEN.runQueueLength, 0)],
    ['a second that runs', /runs without/, (w) => w.m.w32(xv(w.c.v) + XVCPU.run, RUNSTATE.running)],
    ['a timer overlooked', /earliest timer/, (w) => w.m.w64(XEN_AT + XEN.timerDeadline, 0)],
  ];
  it.each(wrongs)('hears %s', (_name, sentence, wrong) => {
    const w = world();
    expect(portAt(w.x, w.c.d, w.port)).toBeGreaterThan(PAGE_SIZE);
    wrong(w);
    expect(audit(w.b).join('\n')).toMatch(sentence);
  });
});

function queueAgain(w: ReturnType<typeof world>): void {
  const n = w.m.r32(XEN_AT + XEN.runQueueLength);
  w.m.w32(XEN_AT + XEN.runQueue + 4 * n, w.m.r32(XEN_AT + XEN.runQueue));
  w.m.w32(XEN_AT + XEN.runQueueLength, n + 1);
}
