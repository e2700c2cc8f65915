// A guest that means harm: random hypercalls with random arguments from ring 1, random stores to page tables, random words in the pages it
// shares with others. What it picks is biased to what nearly makes sense, because nonsense is refused at the first check. Seeded: a number
// stands for the whole run.

import { VCPU } from '../cpu/vcpu.ts';
import { chance } from '../lab/testing.ts';
import { runMachine } from '../machine/run.ts';
import { STOP } from '../machine/stop.ts';
import { HEADER, PAGE_SIZE } from '../memory/map.ts';
import { allocate } from '../memory/memory.ts';
import { createMachine, type XenMachine } from '../toolstack/assemble.ts';
import { introduceDomain, openStore, releaseDomain } from '../toolstack/xenstored.ts';
import { MACHINE } from '../trace/recorder.ts';
import { PH, RT } from '../trace/records.ts';
import { DOMID_SERVICE } from './abi/domid.ts';
import { errnoName } from './abi/errno.ts';
import { auditMachine } from './audit.ts';
import { buildDomain } from './build.ts';
import { destroyDomain, unpauseDomain } from './domain.ts';
import { copyFromGuest, copyToGuest, fields } from './guest-access.ts';
import { callOf, handlers, type Call, CODE, STACK, type Wish, wishes } from './hostile-calls-testing.ts';
import { escaped, WILD, wildCode, wildFrame } from './hostile-code-testing.ts';
import { hypercallName } from './hypercalls.ts';
import { ACT } from './rules.ts';
import { wake } from './run-queue.ts';
import { FLAT_RING1_CS, FLAT_RING1_DS, loadFlat, SEG } from './selectors.ts';
import { DOMAIN, DOMAIN_STATE, findDomain, XEN, XEN_AT } from './state.ts';
import { kernel } from './testing.ts';

/** INT 0x82 · MOV [EDI], EAX · XCHG [EDI], EAX · LOCK CMPXCHG8B [EDI] · MOV [EDI], AX · LOCK OR [EDI], EAX, sixteen bytes apart. */
const INSTRUCTIONS = [
  [0xcd, 0x82],
  [0x89, 0x07],
  [0x87, 0x07],
  [0xf0, 0x0f, 0xc7, 0x0f],
  [0x66, 0x89, 0x07],
  [0xf0, 0x09, 0x07],
];
/** Behind them, where its handlers begin: JMP to itself. */
const IMAGE = [
  ...INSTRUCTIONS.flatMap((bytes) => [...bytes, ...Array<number>(16 - bytes.length).fill(0x90)]),
  0xeb,
  0xfe,
];
/** 16 MiB of machine memory: room for two guests, some slack, and for running out. */
const MACHINE_MIB = 32,
  GUEST_MIB = 5;
/** Calls after which a guest that still lives is replaced: what it has broken of itself must not silence it for the rest of the run. */
const LIFE = 20_000,
  PATIENCE = 50;
/** Calls after which the guest gives itself handlers again: without them it dies of its first fault. */
const REARM = 16;
const IRET = 23;
/** Its answer is whatever the guest has stored. */
const VALUE = 'get_debugreg';
/** Which word of a grant_table_op is the number of elements. */
const COUNT = 3;
const TOOLSTACK = { domid: 0, privileged: true };
const GPR = (n: number): number => VCPU.gpr + 4 * n;

export interface Report {
  calls: number;
  /** Calls in multicalls included. */
  answers: number;
  refused: number;
  stores: number;
  /** Of these, stores to live page tables that Xen carried out. */
  tableStores: number;
  /** Times that a guest ran code of its own, and the ticks of the machine meanwhile. */
  wild: number;
  wildTicks: number;
  domains: number;
  crashes: number;
  audits: number;
  auditMs: number;
  longestMs: number;
  longest: string;
  /** Refusals without a rule, findings of the audit, exceptions: empty when all is well. */
  readonly problems: string[];
  readonly byName: Map<string, { served: number; refused: number }>;
}

interface Guest {
  readonly d: number;
  readonly v: number;
  readonly wish: Wish;
  calls: number;
  deaf: number;
}

export class Hostile {
  readonly machine: XenMachine;
  readonly report: Report = {
    calls: 0,
    answers: 0,
    refused: 0,
    stores: 0,
    tableStores: 0,
    wild: 0,
    wildTicks: 0,
    domains: 0,
    crashes: 0,
    audits: 0,
    auditMs: 0,
    longestMs: 0,
    longest: '',
    problems: [],
    byName: new Map(),
  };
  /** Frames that were free without a guest. */
  readonly free: number;
  private readonly random: (n: number) => number;
  /** Numbers of domains that are, or that were a moment ago. */
  private readonly domids: number[] = [DOMID_SERVICE];
  private readonly guests = new Map<number, Guest>();
  /** For each hypercall that has not answered yet: has a rule refused? */
  private readonly open: boolean[] = [];
  private refusedNow = false;

  constructor(seed: number) {
    this.random = chance(seed);
    this.machine = createMachine(allocate(MACHINE_MIB, false), { sliceTicks: 200, epochSec: 1_790_000_000 });
    this.machine.trace.onFull = () => this.collect();
    this.populate();
    for (const d of [...this.guests.keys()]) this.destroy(d);
    this.free = this.unused();
    this.populate();
  }

  /** Makes `calls` more hypercalls, audited every thousand; stops early at the first problem. */
  run(calls: number): void {
    const { report } = this;
    for (const end = report.calls + calls; report.calls < end && report.problems.length === 0; ) {
      const before = report.calls;
      this.step();
      if (report.calls !== before && report.calls % 1000 === 0) this.audit();
    }
  }

  /** Runs `rounds` times what a hostile guest has written for itself, in whatever context; some calls in between, an audit now and then. */
  wander(rounds: number): void {
    const { report } = this;
    for (let round = 1; round <= rounds && report.problems.length === 0; round++) {
      for (let i = 0; i < 4; i++) this.step();
      const armed = this.nextGuest();
      if (armed) this.call(armed, handlers(this.random(3)));
      this.letLoose(this.nextGuest());
      if (round % 25 === 0) this.audit();
    }
  }

  /** Lets the machine run until a guest is about to. */
  private nextGuest(): Guest | undefined {
    const { x, m, supervisor } = this.machine;
    for (let patience = 1000; patience > 0; patience--) {
      this.replace();
      const v = supervisor.schedule();
      const g = this.guests.get(v === 0 ? 0 : x.domainOf(v));
      if (g && m.r32(HEADER + MACHINE.deliver) === 0) return g;
      if (g) {
        m.w32(HEADER + MACHINE.deliver, 0);
        supervisor.deliver(v);
      } else if (this.advance() === 'waiting') for (const other of this.guests.values()) wake(x, other.v);
    }
    this.complain('no guest ever runs again');
    return undefined;
  }

  private letLoose(g: Guest | undefined): void {
    if (!g) return;
    const { x, m } = this.machine;
    const w = g.wish;
    const words = (at: number, list: readonly number[]): boolean =>
      copyToGuest(x, g.v, at, new Uint8Array(Uint32Array.from(list).buffer));
    const frame = STACK - 512;
    if (!copyToGuest(x, g.v, WILD, Uint8Array.from(wildCode(w))) || !words(frame, wildFrame(w))) {
      g.deaf++;
      return;
    }
    this.ready(g.v, CODE);
    m.w32(g.v + GPR(0), IRET);
    m.w32(g.v + GPR(4), frame);
    for (const n of [1, 2, 3, 5, 6, 7])
      m.w32(g.v + GPR(n), w.pick(w.small(), w.pointer(), w.mfn(), w.word()));
    for (let left = 1 + this.random(96); left > 0; left--) {
      this.advance();
      this.report.wildTicks++;
      if (m.r32(g.d + DOMAIN.state) > DOMAIN_STATE.running) break;
      const why = escaped(x, g.v);
      if (why !== undefined) return this.complain(why);
    }
    this.report.wild++;
  }

  audit(): void {
    const from = performance.now();
    for (const text of auditMachine(this.machine.m)) this.complain(`audit: ${text}`);
    this.report.auditMs += performance.now() - from;
    this.report.audits++;
  }

  /** Ends every guest; all that was theirs must be free again. */
  finish(): void {
    for (const d of [...this.guests.keys()]) this.destroy(d);
    for (let i = 0; i < 1000; i++) this.advance();
    this.audit();
    const free = this.unused();
    if (free !== this.free) this.complain(`${this.free - free} frames are lost`);
  }

  /** Free frames, and those of XenStore: its memory grows and is used again, but never shrinks. */
  private unused(): number {
    const { m, frames } = this.machine;
    return m.r32(XEN_AT + XEN.freeFrames) + frames.read32(m.r32(XEN_AT + XEN.storeRoot) * PAGE_SIZE + 4);
  }

  private complain(text: string): void {
    this.report.problems.push(`call ${this.report.calls}: ${text}`);
  }

  private populate(): void {
    const { x, m } = this.machine;
    while (this.guests.size < 2) {
      // Numbers of the dead are given out again, as after thirty thousand domains: nothing of theirs may come with them.
      if (this.random(2) === 0) m.w32(XEN_AT + XEN.nextDomid, 1);
      const domid = buildDomain(x, {
        name: 'hostile',
        image: kernel(IMAGE),
        memoryMiB: GUEST_MIB,
        cmdline: '',
      });
      const d = findDomain(m, domid);
      if (this.report.domains % 4 === 0) introduceDomain(x, d); // the store is another's affair, and slow
      unpauseDomain(x, d);
      this.domids.push(domid);
      const wish = wishes({ x, random: this.random, d, domid, others: this.domids });
      this.guests.set(d, { d, v: m.r32(d + DOMAIN.vcpus), wish, calls: 0, deaf: 0 });
      this.report.domains++;
    }
  }

  private destroy(d: number): void {
    const { x, m } = this.machine;
    const domid = m.r32(d + DOMAIN.domid);
    this.guests.delete(d);
    if (this.domids.length > 3) this.domids.splice(1, 1);
    destroyDomain(x, d);
    releaseDomain(x, domid);
    const store = openStore(x),
      home = `/local/domain/${domid}`;
    const vm = store.text(`${home}/vm`);
    for (const path of [home, vm ?? home]) if (store.exists(path)) store.remove(TOOLSTACK, 0, path);
  }

  /** Replaces guests that are done for. */
  private replace(): void {
    const { m } = this.machine;
    for (const g of [...this.guests.values()]) {
      const state = m.r32(g.d + DOMAIN.state);
      if (state === DOMAIN_STATE.crashed) this.report.crashes++;
      if (state <= DOMAIN_STATE.running && g.calls < LIFE && g.deaf < PATIENCE) continue;
      this.destroy(g.d);
    }
    if (this.guests.size === 2) return;
    m.w32(HEADER + MACHINE.stopReason, STOP.none);
    this.populate();
  }

  private step(): void {
    const { machine, random } = this;
    const { x, m, supervisor } = machine;
    this.replace();
    const v = supervisor.schedule();
    const g = this.guests.get(v === 0 ? 0 : x.domainOf(v));
    if (!g) {
      if (this.advance() === 'waiting') for (const other of this.guests.values()) wake(x, other.v);
      return;
    }
    if (m.r32(HEADER + MACHINE.deliver) !== 0) {
      m.w32(HEADER + MACHINE.deliver, 0);
      supervisor.deliver(v);
      if (supervisor.schedule() !== v) return;
    }
    if (random(8) === 0) this.scribble(g);
    else this.call(g);
  }

  /** One tick of the whole machine. */
  private advance(): string {
    const { m } = this.machine;
    const ticks = m.r64(HEADER + MACHINE.ticks);
    const result = runMachine(this.machine, {
      untilT: Number.POSITIVE_INFINITY,
      untilSeq: 0,
      untilTicks: ticks + 1,
      hostSlice: 1,
      host: 0,
      hosts: 1,
      pause: () => false,
    });
    this.collect();
    if (m.r32(HEADER + MACHINE.stopReason) === STOP.panic) this.complain('an exception of ours');
    return result.kind;
  }

  /** One hypercall. */
  private call(g: Guest, c: Call = g.calls % REARM === 0 ? handlers(g.calls / REARM) : callOf(g.wish)): void {
    const { x, m } = this.machine;
    let heard = true;
    for (const { at, words } of c.memory)
      heard = copyToGuest(x, g.v, at, new Uint8Array(Uint32Array.from(words).buffer)) && heard;
    if (!heard) g.deaf++;
    this.ready(g.v, CODE);
    c.args.forEach((value, i) => {
      m.w32(g.v + GPR([0, 3, 1, 2, 6, 7, 5][i]!), value >>> 0);
    });
    this.refusedNow = false;
    const answers = this.report.answers;
    const from = performance.now();
    this.advance();
    const took = performance.now() - from;
    if (took > this.report.longestMs) {
      this.report.longestMs = took;
      this.report.longest = `${hypercallName(c.args[0])} ${c.args
        .slice(1)
        .map((a) => (a >>> 0).toString(16))
        .join(' ')}`;
    }
    if (this.report.answers === answers) {
      g.deaf++;
      return;
    }
    this.report.calls++;
    g.calls++;
    if (m.r32(g.d + DOMAIN.state) <= DOMAIN_STATE.running) this.judge(g, c);
  }

  /**
   * Answers that are no negative number but refuse all the same. Of calls with more elements only the last status is Xen's for certain: the list
   * may lie in the guest's own grant table, which a later element changes.
   */
  private judge(g: Guest, c: Call): void {
    if (this.refusedNow || c.status === undefined || c.args[COUNT] !== 1) return;
    const { x } = this.machine;
    const bytes = copyFromGuest(x, g.v, c.status.at, 2);
    const status = bytes ? fields(bytes).getInt16(0, true) : 0;
    if (status < 0 && status !== c.status.before)
      this.complain(`${hypercallName(c.args[0])} ${c.args[1]} gives status ${status} without a rule`);
  }

  /** A store to memory, mostly to page tables: the writable-page-table emulation, or a fault. */
  private scribble(g: Guest): void {
    const { m } = this.machine;
    const w = g.wish;
    this.ready(g.v, CODE + 16 * (1 + this.random(INSTRUCTIONS.length - 1)));
    m.w32(g.v + GPR(7), w.storeAddress());
    const [lo, hi] = w.entry();
    for (const [n, value] of [
      [0, lo],
      [3, lo],
      [1, hi],
      [2, hi],
    ] as const)
      m.w32(g.v + GPR(n), value >>> 0);
    this.advance();
    this.report.stores++;
  }

  /** The vCPU is in its kernel, about to run the instruction at `eip`. */
  private ready(v: number, eip: number): void {
    const { x, m } = this.machine;
    loadFlat(x, v, SEG.cs, FLAT_RING1_CS);
    for (const seg of [SEG.ss, SEG.ds, SEG.es]) loadFlat(x, v, seg, FLAT_RING1_DS);
    m.w32(v + VCPU.eip, eip);
    m.w32(v + GPR(4), STACK);
    m.w32(v + VCPU.eflags, 0x202);
    m.w32(v + VCPU.shadow, 0);
  }

  /** Reads the records: every refusal must have been preceded by the rule that decided it. */
  private collect(): void {
    const { report, open } = this;
    this.machine.trace.drain((u, at, data) => {
      const type = u[at + 4]! & 0xff,
        phase = (u[at + 4]! >>> 8) & 0xff;
      if (type === RT.panic && data) this.complain(String.fromCharCode(...data));
      if (type === RT.act && u[at + 6]! >>> 16 === ACT['ptwr.written']) report.tableStores++;
      if (type === RT.check && u[at + 8] === 0) {
        open.fill(true);
        this.refusedNow = true;
      } else if (type === RT.hypercall && phase === PH.decode) open.push(false);
      else if (type === RT.hypercall && phase === PH.answer) {
        const named = open.pop();
        const result = u[at + 13]! | 0;
        const number = u[at + 6]! >>> 16;
        const name = number < 64 ? hypercallName(number) : 'unknown';
        const refused = result < 0 && errnoName(result) !== undefined;
        report.answers++;
        if (refused) report.refused++;
        const entry = report.byName.get(name) ?? { served: 0, refused: 0 };
        entry[refused ? 'refused' : 'served']++;
        report.byName.set(name, entry);
        if (refused && !named && name !== VALUE) {
          const args = [...u.subarray(at + 8, at + 13)].map((a) => a.toString(16)).join(' ');
          this.complain(`${name}(${args}) answers ${errnoName(result)} without a rule`);
        }
      }
    });
  }
}
