// For drawing only, in development, behind ?fake: a session that replays a list of records.

import { ACT, RULE } from '../../hypervisor/rules.ts';
import type {
  Direction,
  LabConfig,
  LabState,
  Moment,
  Session,
  StepKind,
  TracePage,
  TraceQuery,
} from '../../lab/types.ts';
import type { TraceRecord } from '../../trace/records.ts';

const NOW: Moment = { T: 0, seq: 0, within: false };
const rule = Object.values(RULE)[0] ?? 1,
  act = Object.values(ACT)[0] ?? 1;

function records(lab: string): TraceRecord[] {
  const out: TraceRecord[] = [];
  let T = 10;
  const add = (
    type: TraceRecord['type'],
    phase: TraceRecord['phase'],
    over: Partial<TraceRecord> = {},
  ): number => {
    const seq = out.length + 1;
    out.push({
      T,
      seq,
      cause: 0,
      type,
      phase,
      outcome: 'none',
      cpl: 1,
      domid: 1,
      vcpu: 0,
      cs: 0xe019,
      aux: 0,
      eip: 0xc0000030,
      p: [0, 0, 0, 0, 0, 0, 0, 0],
      ...over,
    });
    return seq;
  };
  const print = (text: string, domid = 1): void => {
    T += 120;
    const data = new TextEncoder().encode(text);
    const cause = add('trap', 'enter', { domid, aux: 0x82, p: [0, 0, 4, 0xc0002ff8, 0xe021, 0x202] });
    add('hypercall', 'decode', { domid, cause, aux: 18, p: [0, data.length, 0xc0001274, 0, 0, 0, 0] });
    add('check', 'check', { domid, cause, aux: rule, p: [1, 0xc0001274, data.length, 0] });
    add('console', 'act', { domid, cause, aux: 0, data, p: [0, 0, 0, 0, 0, 0, data.length, 0] });
    add('hypercall', 'answer', { domid, cause, aux: 18, outcome: 'served', p: [0, 0, 0, 0, 0, 0, 0, 0] });
    add('trap', 'return', { domid, cause, aux: 0x82 });
    T++;
  };
  if (lab === 'rings') {
    T += 30;
    const cause = add('trap', 'enter', { aux: 13, p: [0, 0, 0, 0xc0002ff8, 0xe021, 0x202] });
    add('privop', 'decode', { cause, aux: 1, p: [0xfa] });
    add('check', 'check', { cause, aux: rule, outcome: 'refused', p: [0, 0, 1] });
    add('bounce', 'act', {
      cause,
      aux: 13,
      outcome: 'refused',
      p: [0, 0xc0002fe0, 4, 0xe019, 0xc0000100, 0],
    });
    add('trap', 'return', { cause, aux: 13 });
    T += 20;
    add('silent', 'none', { outcome: 'silent', p: [0, 0x200, 0, 0x200, 0x9d, 0, 1] });
    T += 30;
    add('ringchange', 'none', {
      outcome: 'direct',
      aux: 0x80,
      cpl: 3,
      p: [3, 1, 0xe019, 0xc0000200, 0xc0003000],
    });
  }
  print('I am a kernel in ring 1.\n');
  print('Xen left me a note: xen-3.0-x86_32p\n');
  if (lab === 'ping') for (let i = 0; i < 40; i++) print(`message ${i}\n`, 1 + (i & 1));
  print('Goodbye.\n');
  const cause = add('trap', 'enter', { aux: 0x82, p: [0, 0, 4, 0xc0002ff8, 0xe021, 0x202] });
  add('hypercall', 'decode', { cause, aux: 29, p: [2, 0xc00012a0] });
  add('act', 'act', { cause, aux: act });
  add('domain', 'act', { cause, aux: 1, p: [1] });
  return out;
}

export function fakeSession(): Session {
  const listeners = new Set<() => void>();
  let all: TraceRecord[] = [];
  let state: LabState = {
    phase: 'empty',
    config: undefined,
    cursor: NOW,
    end: NOW,
    ended: undefined,
    stop: { kind: 'start' },
    domains: [],
    running: undefined,
    branch: 0,
    branches: [],
    breakpoints: [],
    progress: undefined,
    ticksPerSecond: 0,
    instructions: 0,
    counts: { traps: 0, hypercalls: 0, silent: 0, refused: 0 },
    isolated: true,
    error: undefined,
    revision: 0,
  };
  const publish = (s: Partial<LabState>): void => {
    state = { ...state, ...s, revision: state.revision + 1 };
    for (const l of listeners) l();
  };
  const put = (seq: number, within = true): void => {
    const r = all[seq - 1];
    const cursor = r
      ? { T: r.T, seq, within: within && !(r.type === 'trap' && r.phase === 'return') && r.phase !== 'none' }
      : NOW;
    const last = all.at(-1)!;
    const known = Math.max(state.end.seq, seq);
    const passed = all.slice(0, known);
    const ended =
      known === last.seq ? ({ kind: 'end', reason: 'poweroff', text: 'powered off' } as const) : undefined;
    publish({
      phase: 'paused',
      cursor,
      end: { T: all[known - 1]?.T ?? 0, seq: known, within: false },
      ended,
      stop: seq === last.seq ? ended! : { kind: 'step' },
      instructions: cursor.T,
      counts: {
        traps: passed.filter((x) => x.phase === 'enter').length,
        hypercalls: passed.filter((x) => x.type === 'hypercall' && x.phase === 'decode').length,
        silent: passed.filter((x) => x.type === 'silent').length,
        refused: passed.filter((x) => x.type === 'check' && x.p[0] === 0).length,
      },
    });
  };
  const match =
    (q: TraceQuery) =>
    (r: TraceRecord): boolean =>
      (q.domid === undefined || r.domid === q.domid) &&
      (!q.types || q.types.includes(r.type)) &&
      (!q.outcome || r.outcome === q.outcome) &&
      (!q.groups || r.phase === 'enter' || r.type === 'silent' || r.type === 'ringchange');
  const known = (): TraceRecord[] => all.slice(0, state.end.seq);
  return {
    getState: () => state,
    subscribe: (l) => {
      listeners.add(l);
      return () => listeners.delete(l);
    },
    async boot(config: LabConfig) {
      const lab = config.domains[0]?.name ?? 'hello';
      all = records(lab);
      const domains = config.domains.map((d, i) => ({
        domid: i + 1,
        name: d.name,
        kind: 'pv' as const,
        state: 'running',
        vcpuState: 'running',
        memoryMiB: d.memoryMiB,
        image: d.image,
        shutdownCode: undefined,
        letter: String.fromCharCode(65 + i),
      }));
      publish({
        phase: 'paused',
        config,
        cursor: NOW,
        end: NOW,
        ended: undefined,
        stop: { kind: 'start' },
        domains,
        running: 1,
        instructions: 0,
        counts: { traps: 0, hypercalls: 0, silent: 0, refused: 0 },
      });
    },
    run: () => {
      publish({ phase: 'running' });
      setTimeout(() => put(all.length), 300);
    },
    async pause() {},
    async step(kind: StepKind, d: Direction) {
      let seq = state.cursor.seq + d;
      if (kind === 'trap') while (all[seq - 1] && all[seq - 1]!.phase !== 'enter') seq += d;
      put(Math.max(0, Math.min(all.length, seq)));
    },
    async goto(m) {
      put(m.seq, m.within);
    },
    cancel() {},
    setSpeed: (ticksPerSecond) => publish({ ticksPerSecond }),
    async input() {},
    async edit() {},
    async switchBranch() {},
    setBreakpoints: (breakpoints) => publish({ breakpoints }),
    async inspect() {
      throw new Error('no machine');
    },
    async trace(q, from, count): Promise<TracePage> {
      const rows = known().filter(match(q));
      let cursorRow = -1;
      rows.forEach((r, i) => {
        if (r.seq <= state.cursor.seq) cursorRow = i;
      });
      return { total: rows.length, from, rows: rows.slice(from, from + count), cursorRow };
    },
    async group(seq) {
      return known().filter((r) => r.seq === seq || r.cause === seq);
    },
    async find(q, d) {
      const rows = known().filter(match(q));
      return d < 0
        ? rows.filter((r) => r.seq <= state.cursor.seq).at(-1)
        : rows.find((r) => r.seq > state.cursor.seq);
    },
    async consoleText(domid) {
      const text = (rs: TraceRecord[]): string =>
        rs
          .filter((r) => r.type === 'console' && r.domid === domid)
          .map((r) => new TextDecoder().decode(r.data))
          .join('');
      const now = text(all.slice(0, state.cursor.seq)),
        full = text(known());
      return { text: now, laterLines: full.slice(now.length).split('\n').length - 1 };
    },
    async addImage() {
      return {
        error: '64-bit ELF at offset 4: expected class 1, found 2. Ringside runs 32-bit: build with -m32',
      };
    },
    async link() {
      return 'fake';
    },
    dispose() {},
  };
}
