import { describe, expect, it } from 'vitest';
import { EXIT, VCPU } from '../cpu/vcpu.ts';
import { HEADER } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { OUT, TRAP_KIND } from '../trace/records.ts';
import { queueInput } from './console-input.ts';
import { copyFromGuest, copyToGuest, fields } from './guest-access.ts';
import { HYPERCALLS } from './hypercalls.ts';
import { ruleSentence } from './rules.ts';
import { ACTS_TRAPS, RULES_TRAPS } from './rules/traps.ts';
import { DOMAIN } from './state.ts';
import { onExit } from './supervisor.ts';
import { bench, domainOf, refusals } from './testing.ts';

const DATA = 0xc0001000;

function caller() {
  const b = bench();
  const { d, v, domid } = domainOf(b);
  const { m } = b.x;
  const call = (number: number, ...args: number[]): number => {
    m.w32(v + VCPU.gpr, number);
    [12, 4, 8, 24, 28, 20].forEach((r, i) => {
      m.w32(v + VCPU.gpr + r, args[i] ?? 0);
    });
    m.w32(v + VCPU.eip, 0xc0000002);
    m.w32(v + VCPU.exitVector, 0x82);
    m.w32(v + VCPU.exitKind, TRAP_KIND.int);
    onExit(b.x, v, EXIT.trap);
    return m.r32(v + VCPU.gpr) | 0;
  };
  const write = (at: number, bytes: ArrayLike<number>) => copyToGuest(b.x, v, at, Uint8Array.from(bytes));
  const words = (at: number, ...w: number[]) => write(at, new Uint8Array(Uint32Array.from(w).buffer));
  const read = (at: number, n: number) => copyFromGuest(b.x, v, at, n)!;
  const console = (): string =>
    b
      .records()
      .filter((r) => r.type === 'console')
      .map((r) => String.fromCharCode(...r.data!))
      .join('|');
  return { b, d, v, domid, m, call, write, words, read, console };
}
const ascii = (s: string): number[] => [...s].map((c) => c.charCodeAt(0));

describe('the way of a hypercall', () => {
  it('is enter, decode, answer, return, joined by cause', () => {
    const g = caller();
    expect(g.call(17, 0, 0)).toBe(0x40011);
    const r = g.b.records();
    expect(r.map((e) => `${e.type}.${e.phase}`)).toEqual([
      'trap.enter',
      'hypercall.decode',
      'hypercall.answer',
      'trap.return',
    ]);
    expect(r.slice(1).every((e) => e.cause === r[0]!.seq)).toBe(true);
    expect(r[0]!.p[2]).toBe(TRAP_KIND.hypercall);
    expect([r[2]!.aux, r[2]!.p[5], r[2]!.outcome]).toEqual([17, 0x40011, 'served']);
    expect(g.b.x.trace.cause).toBe(0);
  });
  it('with an unknown number is -ENOSYS and names the rule', () => {
    const g = caller();
    for (const n of [11, 25, 38, 43, 55, 63, 64, 0x7fffffff, 0xffffffff]) {
      expect(g.call(n, 1, 2, 3)).toBe(-38);
      const r = g.b.records();
      expect(refusals(r)).toHaveLength(1);
      expect(r.at(-2)!.outcome).toBe('refused');
    }
  });
  it('has every number of the interface', () => {
    const numbers = Object.keys(HYPERCALLS).map(Number);
    expect(numbers).toEqual(
      expect.arrayContaining([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 28, 29, 30,
        32, 33, 35, 36,
      ]),
    );
    expect(HYPERCALLS[29]!.name).toBe('sched_op');
  });
});

describe('console_io', () => {
  it('shows printable characters and newlines', () => {
    const g = caller();
    const text = 'Hello\x07,\tworld\x1b[0m\n\x00next';
    g.write(DATA, ascii(text));
    expect(g.call(18, 0, text.length, DATA)).toBe(0);
    expect(g.console()).toBe('Hello,\tworld[0m\nnext');
    expect(g.m.r32(g.d + DOMAIN.consoleLineLength)).toBe(4);
  });
  it('ends a line that grows too long', () => {
    const g = caller();
    g.write(DATA, ascii('x'.repeat(100)));
    for (let i = 0; i < 3; i++) g.call(18, 0, 100, DATA);
    expect(
      g
        .console()
        .replaceAll('|', '')
        .split('\n')
        .map((l) => l.length),
    ).toEqual([200, 100]);
  });
  it('refuses what an ordinary domain may not', () => {
    const g = caller();
    expect(g.call(18, 1, 10, DATA)).toBe(-1);
    expect(g.call(18, 7, 10, DATA)).toBe(-1);
    expect(g.call(18, 0, 10, 0)).toBe(-14);
    g.m.w32(g.d + DOMAIN.privileged, 1);
    expect(g.call(18, 1, 10, DATA)).toBe(0);
    expect(g.call(18, 1, 0x80000000, DATA)).toBe(-7);
    expect(g.call(18, 7, 10, DATA)).toBe(-38);
  });
  it('hands waiting input to a privileged reader, nothing of it lost where it cannot be written', () => {
    const g = caller();
    g.m.w32(g.d + DOMAIN.privileged, 1);
    queueInput(g.b.x, g.d, Uint8Array.from(ascii('typed')));
    g.m.w32(g.d + DOMAIN.consoleHeld, 1);
    expect(g.call(18, 1, 10, 0)).toBe(-14);
    expect(g.call(18, 1, 3, DATA)).toBe(3);
    expect(g.call(18, 1, 10, DATA + 3)).toBe(2);
    expect(String.fromCharCode(...g.read(DATA, 5))).toBe('typed');
    expect(g.m.r32(g.d + DOMAIN.consoleHeld)).toBe(0);
    expect(g.call(18, 1, 10, DATA)).toBe(0);
  });
  it('continues a long write by going back to the instruction', () => {
    const g = caller();
    g.write(DATA, ascii('a'.repeat(4096)));
    const total = 6000;
    expect(g.call(18, 0, total, DATA)).toBe(18);
    expect(g.m.r32(g.v + VCPU.eip)).toBe(0xc0000000);
    const left = g.m.r32(g.v + VCPU.gpr + 4),
      at = g.m.r32(g.v + VCPU.gpr + 8);
    expect(at - DATA).toBe(total - left);
    expect(g.call(18, 0, left, at)).toBe(0);
    expect(g.console().replace(/[^a]/g, '').length + 0).toBe(4096);
  });
});

describe('multicall', () => {
  const entry = (op: number, ...args: number[]) => [
    op,
    77,
    ...Array.from({ length: 6 }, (_, i) => args[i] ?? 0),
  ];
  it('runs all entries, writes results, refuses itself inside', () => {
    const g = caller();
    g.words(DATA, ...entry(17, 0), ...entry(63), ...entry(13, DATA, 1), ...entry(17, 7));
    expect(g.call(13, DATA, 4)).toBe(0);
    expect([0, 1, 2, 3].map((i) => fields(g.read(DATA + 32 * i + 4, 4)).getInt32(0, true))).toEqual([
      0x40011, -38, -22, 4096,
    ]);
    expect(g.call(13, DATA, 0)).toBe(0);
    expect(g.call(13, 0, 1)).toBe(-14);
  });
  it('stops at iret, whose EAX is the answer', () => {
    const g = caller();
    g.m.w32(g.v + VCPU.gpr + 16, 0xc0002000);
    g.words(0xc0002000, 0x1234, 0xc0000080, 0xe019, 0x202);
    g.words(DATA, ...entry(23), ...entry(17, 0));
    expect(g.call(13, DATA, 2)).toBe(0x1234);
    expect([0, 1].map((i) => fields(g.read(DATA + 32 * i + 4, 4)).getInt32(0, true))).toEqual([0x1234, 77]);
    expect(g.m.r32(g.v + VCPU.eip)).toBe(0xc0000080);
  });
  it('of many entries is continued', () => {
    const g = caller();
    const list: number[] = [];
    for (let i = 0; i < 300; i++) list.push(...entry(17, 0));
    g.words(DATA, ...list);
    expect(g.call(13, DATA, 300)).toBe(13);
    expect([g.m.r32(g.v + VCPU.gpr + 12), g.m.r32(g.v + VCPU.gpr + 4)]).toEqual([DATA + 256 * 32, 44]);
    expect(g.call(13, DATA + 256 * 32, 44)).toBe(0);
    expect(fields(g.read(DATA + 299 * 32 + 4, 4)).getInt32(0, true)).toBe(0x40011);
  });
});

describe('xen_version', () => {
  it('zeroes buffers before it writes into them', () => {
    const g = caller();
    for (const [cmd, size] of [
      [1, 16],
      [2, 144],
      [3, 1024],
      [4, 64],
      [9, 1024],
    ] as const) {
      g.write(DATA, new Uint8Array(size + 1).fill(0x55));
      expect(g.call(17, cmd, DATA)).toBe(0);
      const bytes = g.read(DATA, size + 1);
      const end = cmd === 2 ? 143 : bytes.indexOf(0);
      expect(bytes.subarray(end, size).every((c) => c === 0)).toBe(true);
      expect(bytes[size]).toBe(0x55);
    }
  });
  it('answers by command', () => {
    const g = caller();
    expect([
      g.call(17, 7, 0),
      g.call(17, 7, 1),
      g.call(17, 10, 0),
      g.call(17, 99, 0),
      g.call(17, 1, 0),
      g.call(17, 10, DATA),
    ]).toEqual([4096, -22, -1, -38, -14, -1]);
    g.words(DATA, 0, 0);
    expect(g.call(17, 6, DATA)).toBe(0);
    expect(fields(g.read(DATA, 8)).getUint32(4, true)).toBe(
      (1 << 4) | (1 << 5) | (1 << 6) | (1 << 7) | (1 << 13) | (1 << 17),
    );
    g.call(21, 1, 3);
    g.call(17, 6, DATA);
    expect(fields(g.read(DATA, 8)).getUint32(4, true) & 0x10).toBe(0);
    expect([11, 12, 13, 14].map((cmd) => g.call(17, cmd, 0))).toEqual([-38, -38, -38, -38]);
  });
});

describe("refusals in Xen's order", () => {
  it('domctl, sysctl, platform_op', () => {
    const g = caller();
    for (const [n, version] of [
      [36, 0x15],
      [35, 0x15],
      [7, 0x03000000],
    ] as const) {
      g.words(DATA, 4, version, g.domid, 0);
      expect(g.call(n, DATA)).toBe(-1);
      g.words(DATA, 4, version - 1, g.domid, 0);
      expect(g.call(n, DATA)).toBe(-13);
      expect(g.call(n, 0)).toBe(-14);
    }
    // Only then the domain, before the privilege; some commands are about no domain.
    const domctl = (cmd: number, domid: number): number => {
      g.words(DATA, cmd, 0x15, domid, 0);
      return g.call(36, DATA);
    };
    expect([4, 37, 45, 56].map((cmd) => domctl(cmd, 99))).toEqual([-3, -3, -3, -3]);
    expect([1, 5, 1000].map((cmd) => domctl(cmd, 99))).toEqual([-1, -1, -1]);
    expect([4, 37, 45, 56].map((cmd) => domctl(cmd, 0x7ff4))).toEqual([-3, -3, -1, -1]);
    expect([4, 37, 47, 45].map((cmd) => domctl(cmd, 0x7ff1))).toEqual([-3, -1, -1, -3]);
    expect(domctl(4, 0x7ff0)).toBe(-3);
    g.m.w32(g.d + DOMAIN.privileged, 1);
    g.words(DATA, 4, 0x15, 99, 0);
    expect(g.call(36, DATA)).toBe(-3);
    g.words(DATA, 3, 0x15);
    expect(g.call(35, DATA)).toBe(0);
  });
  it('vm_assist, physdev_op, debug registers', () => {
    const g = caller();
    expect([
      g.call(21, 0, 6),
      g.call(21, 9, 6),
      g.call(21, 9, 2),
      g.call(21, 0, 2),
      g.call(21, 1, 2),
    ]).toEqual([-22, -22, -38, 0, 0]);
    g.words(DATA, 4);
    expect([g.call(33, 6, DATA), g.call(33, 6, 0), g.call(33, 99, DATA), g.call(33, 21, DATA)]).toEqual([
      -22, -14, -38, -1,
    ]);
    expect([
      g.call(8, 0, 0x1234),
      g.call(9, 0),
      g.call(8, 9, 0),
      g.call(9, 9),
      g.call(8, 7, 0x2000),
      g.call(8, 7, 0x00020001),
    ]).toEqual([0, 0x1234, -19, -19, -1, -1]);
    expect([g.call(8, 6, 0xffffffff), g.call(9, 6), g.call(9, 4)]).toEqual([
      0,
      0xffffefff | 0,
      0xffffefff | 0,
    ]);
    expect([g.call(8, 7, 1), g.call(9, 7)]).toEqual([0, 0x401]);
  });
  it('physdev_op: the structure, what it says, the privilege', () => {
    const g = caller();
    const other = domainOf(g.b, [0x90], { memoryMiB: 4 }).domid;
    g.m.w32(HEADER + MACHINE.current, g.v);
    const op = (cmd: number, ...words: number[]): number => {
      g.words(DATA, ...words, ...Array<number>(9 - words.length).fill(0));
      return g.call(33, cmd, DATA);
    };
    for (const cmd of [5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 19, 20, 21, 25, 26, 27, 30, 31])
      expect(g.call(33, cmd, 0), `command ${cmd}`).toBe(-14);
    for (const cmd of [24, 29]) expect(g.call(33, cmd, 0), `command ${cmd}`).toBe(-1);
    for (const cmd of [0, 3, 11, 22, 32, 99]) expect(g.call(33, cmd, 0), `command ${cmd}`).toBe(-38);
    expect(g.call(33, 4, 0)).toBe(0);
    expect([op(5, 256), op(5, 255, 99)]).toEqual([-22, 0]);
    expect(fields(g.read(DATA, 8)).getUint32(4, true)).toBe(1);
    expect([op(7, 0xf57fe004, 8), op(7, 0xf57fe000, 65536), op(7, 0, 65537)]).toEqual([-22, 0, -22]);
    expect(op(12, 3)).toBe(-22);
    for (const cmd of [13, 14])
      expect([op(cmd, 99), op(cmd, 0x7ff0), op(cmd, g.domid), op(cmd, other)]).toEqual([-3, -1, -1, -1]);
    expect([op(20, 0, 2, 0), op(20, 0, 0, 2), op(20, 0, 1, 1)]).toEqual([-22, -22, -1]);
    expect([op(21, 24), op(21, 23)]).toEqual([-22, -1]);
    expect([op(19, 0), op(27, 0)]).toEqual([-19, -19]);
    for (const cmd of [8, 9, 10, 15, 16, 25, 26, 30, 31]) expect(op(cmd, 0), `command ${cmd}`).toBe(-1);
    // The old call knows the old commands, and wants its whole structure.
    const old = (...words: number[]): number => {
      g.words(DATA, ...words, 0, 0, 0);
      return g.call(19, DATA);
    };
    expect([old(4), old(5, 3), old(6, 1), old(7, 0, 8), old(8), old(10)]).toEqual([0, 0, 0, 0, -1, -1]);
    expect([old(3), old(11), old(12), g.call(19, 0xc03ffff8)]).toEqual([-38, -38, -38, -14]);
  });
  it('hvm_op and dm_op of a PV domain', () => {
    const g = caller();
    const other = domainOf(g.b, [0x90], { memoryMiB: 4 }).domid;
    g.m.w32(HEADER + MACHINE.current, g.v);
    const hvm = (cmd: number, ...words: number[]): number => {
      g.words(DATA, ...words, ...Array<number>(8 - words.length).fill(0));
      return g.call(34, cmd, DATA);
    };
    for (const cmd of [0, 1, 9, 10, 11, 15]) expect(g.call(34, cmd, 0), `command ${cmd}`).toBe(-14);
    for (const cmd of [2, 3, 6, 7, 8, 12, 14, 16, 22, 26, 99]) expect(g.call(34, cmd, 0)).toBe(-38);
    for (const cmd of [0, 1])
      expect([hvm(cmd, 99, 39), hvm(cmd, 99, 38), hvm(cmd, other, 1)]).toEqual([-22, -3, -22]);
    expect([g.call(34, 5, 0), g.call(34, 23, 0), g.call(34, 25, 0)]).toEqual([-22, -22, -95]);
    expect([hvm(15, 99), hvm(15, other), hvm(15, 0x7ff0)]).toEqual([-3, -1, -22]);
    expect([hvm(9, 99), hvm(9, other)]).toEqual([-3, -22]);
    expect([hvm(11, 0x1000), hvm(11, 29 << 16), hvm(11, 0xfff | (28 << 16))]).toEqual([-22, -22, 0]);
    expect([hvm(24), g.call(34, 24, 0)]).toEqual([-22, 0]);
    g.m.w64(HEADER + MACHINE.T, 1234);
    expect(hvm(10)).toBe(0);
    expect(fields(g.read(DATA, 8)).getUint32(0, true)).toBe(12340);
    expect([g.call(41, 99, 3, 0), g.call(41, 99, 1, 0), g.call(41, 99, 1, DATA)]).toEqual([-7, -14, -3]);
    expect([g.call(41, 0x7ff0, 0, 0), g.call(41, g.domid, 0, 0), g.call(41, other, 2, DATA)]).toEqual([
      -3, -1, 0,
    ]);
  });
  it('each have a sentence in English and Korean whose placeholders exist', () => {
    for (const [name, en, ko] of [...RULES_TRAPS, ...ACTS_TRAPS]) {
      const used = (s: string) => [...s.matchAll(/\{(\d):(\w+)\}/g)].map((m) => m[0]).sort();
      expect(used(ko), name).toEqual(expect.arrayContaining([...new Set(used(en))]));
      expect(en.endsWith('.') && ko.endsWith('.'), name).toBe(true);
      expect(/[가-힣]/.test(ko), name).toBe(true);
    }
    expect(ruleSentence(0)).toBeUndefined();
    expect(OUT.refused).toBe(3);
  });
});
