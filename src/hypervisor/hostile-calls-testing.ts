// What a hostile guest asks for: arguments of every hypercall, chosen so that about half get past the first check.

import { VCPU } from '../cpu/vcpu.ts';
import { HYPERCALLS } from './hypercalls.ts';
import { DOMAIN, PAGE, pageAt } from './state.ts';
import type { Xen } from './xen.ts';

export const CODE = 0xc0000000,
  SCRATCH = 0xc0300000,
  STACK = 0xc0308000;
/** Pages that the guest plays with: mapped by its boot tables, holding nothing it needs. */
const TOYS = 0xc0310000,
  TOY_PFN = 0x310,
  NR_TOYS = 16;
const SELF = 0x7ff0;
const NUMBERS = Object.keys(HYPERCALLS).map(Number);

/** Words the guest writes to its own memory before the call. */
export interface Write {
  readonly at: number;
  readonly words: readonly number[];
}
export interface Call {
  /** EAX, EBX, ECX, EDX, ESI, EDI, EBP. */
  readonly args: readonly number[];
  readonly memory: readonly Write[];
  /** Where an element's own status will be, and what stands there before. */
  readonly status?: { readonly at: number; readonly before: number };
}

/** What the random guest knows of its world. */
export interface World {
  readonly x: Xen;
  readonly random: (n: number) => number;
  readonly d: number;
  readonly domid: number;
  readonly others: readonly number[];
}
export interface Wish extends World {
  pick<T>(...list: readonly T[]): T;
  chance(oneIn: number): boolean;
  word(): number;
  small(): number;
  mfn(): number;
  table(): number;
  entry(): readonly [lo: number, hi: number];
  va(): number;
  pointer(): number;
  domain(): number;
  port(): number;
  storeAddress(): number;
}

export function wishes(world: World): Wish {
  const { x, random, d, domid, others } = world;
  const { m, frames } = x;
  const word = (): number => (random(0x10000) * 0x10000 + random(0x10000)) >>> 0;
  const pick = <T>(...list: readonly T[]): T => list[random(list.length)]!;
  const chance = (oneIn: number): boolean => random(oneIn) === 0;
  const p2m = (pfn: number): number => frames.read32(m.r32(d + DOMAIN.p2mMaddr) + 4 * pfn);
  /** A frame that satisfies `wanted`, or any. */
  const search = (candidate: () => number, wanted: (page: number) => boolean): number => {
    let mfn = 0;
    for (let n = 0; n < 8; n++) {
      mfn = candidate();
      if (mfn < m.nrFrames && wanted(pageAt(mfn))) return mfn;
    }
    return mfn;
  };
  const isTable = (page: number): boolean => {
    const level = (m.r32(page + PAGE.type) >>> 28) & 7;
    return level >= 1 && level <= 3;
  };
  // The builder's tables lie in the first pages.
  const table = (): number =>
    search(() => p2m(chance(3) ? TOY_PFN + random(NR_TOYS) : 4 + random(20)), isTable);
  const mfn = (): number => {
    const n = random(32);
    if (n < 14) return p2m(TOY_PFN + random(NR_TOYS));
    if (n < 20) return p2m(1024 + random(256));
    if (n < 23) return p2m(random(1280));
    if (n < 27) return table();
    if (n < 29)
      return search(
        () => random(m.nrFrames),
        (page) => m.r16(page + PAGE.owner) !== domid,
      );
    return pick(
      0,
      1,
      m.r32(d + DOMAIN.sharedInfoMfn),
      m.r32(d + DOMAIN.grantFrames),
      m.nrFrames - 1,
      m.nrFrames,
      0xfffff,
      0x100000,
      0xffffffff,
      word(),
    );
  };
  const va = (): number =>
    chance(4)
      ? pick(
          CODE,
          SCRATCH,
          0xc03ff000,
          0xc0000ff8,
          0xbffff000,
          0xf57ff000,
          0xf5800000,
          0xffc00000,
          0,
          0xfffff000,
          word(),
        )
      : TOYS + 0x1000 * random(NR_TOYS);
  const pointer = (): number =>
    chance(10) ? (va() + pick(0, 4, 0xffc, 0xfff, random(4096))) >>> 0 : SCRATCH + 64 * random(16);
  const flags = (): number =>
    pick(1, 3, 7, 0x63, 0x67, 0x61, 5, 0, 2, 0x103, 0x81, 0x11, 0xe67, random(4096));
  const wish: Wish = {
    ...world,
    pick,
    chance,
    word,
    small: () => pick(0, 1, 2, 3, random(32), random(256)),
    mfn,
    table,
    entry: () => [
      ((mfn() << 12) | flags()) >>> 0,
      chance(6) ? pick(0x80000000, 1, 0xfffff, 0x7ff00000, word()) : 0,
    ],
    va,
    pointer,
    domain: () =>
      chance(3) ? SELF : pick(domid, ...others, 0, SELF, 0x7ff1, 0x7ff2, 0x7ff4, random(16), random(0x10000)),
    port: () => (chance(8) ? pick(1023, 1024, 4096, word()) : random(40)),
    storeAddress: () => {
      if (chance(3)) return (va() + 4 * random(1024)) >>> 0;
      // The kernel sees its own boot tables read-only where the builder put them.
      const cr3 = m.r32(m.r32(d + DOMAIN.vcpus) + VCPU.cr3) >>> 12;
      for (let pfn = 0; pfn < 64; pfn++)
        if (p2m(pfn) === cr3)
          return CODE + 4096 * (pfn + random(5)) + 4 * random(1024) + (chance(16) ? random(4) : 0);
      return word();
    },
  };
  return wish;
}

type Maker = (w: Wish, at: number) => Call;
const call = (
  number: number,
  args: readonly number[],
  words: readonly number[] = [],
  at = SCRATCH,
  status?: Call['status'],
): Call => ({
  args: [number, ...args],
  memory: words.length === 0 ? [] : [{ at, words }],
  ...(status ? { status } : {}),
});
const list = <T>(n: number, one: () => readonly T[]): T[] => Array.from({ length: n }, one).flat();
/** Where the list is: nearly always where it was written. */
const there = (w: Wish, at: number): number => (w.chance(20) ? w.pointer() : at);

function mmuUpdate(w: Wish, at: number): Call {
  const n = w.pick(1, 1, 2, 4);
  const words = list(n, () => {
    const [lo, hi] = w.entry();
    const slot = w.pick(0, 1, 2, 3, 427, 428, 511, w.random(512));
    const target = w.chance(2) ? w.table() : w.mfn();
    const command = w.pick(0, 0, 0, 0, 2, 2, 1, w.random(8));
    return [
      (target * 4096 + slot * 8 + command) >>> 0,
      w.chance(30) ? w.word() : 0,
      ...(command === 1 ? [w.random(2048), 0] : w.chance(4) ? [0, 0] : [lo, hi]),
    ];
  });
  const foreign = w.chance(6) ? w.domain() | (w.chance(2) ? w.domain() << 16 : 0) : SELF;
  return call(
    1,
    [there(w, at), w.chance(30) ? w.word() : n, w.pick(0, w.pointer()), foreign >>> 0],
    words,
    at,
  );
}
function mmuextOp(w: Wish, at: number): Call {
  const n = w.pick(1, 1, 2, 3);
  const words = list(n, () => {
    const cmd = w.pick(0, 0, 1, 2, 4, 4, 5, 13, 16, 17, w.random(22), w.word());
    const arg1 = cmd === 13 || cmd === 7 || cmd === 9 ? w.va() : w.mfn();
    return [
      cmd,
      cmd === 5 && w.chance(2) ? w.table() : arg1,
      cmd === 13 ? w.pick(0, 1, 512, 8192, 8193) : w.chance(2) ? w.mfn() : w.pointer(),
    ];
  });
  return call(
    26,
    [there(w, at), w.chance(30) ? w.word() : n, w.pick(0, w.pointer()), w.chance(8) ? w.domain() : SELF],
    words,
    at,
  );
}
function memoryOp(w: Wish, at: number): Call {
  const cmd = w.pick(0, 1, 1, 6, 6, 11, w.random(32), w.random(32) | (w.random(16) << 6));
  const extents = at + 256;
  const n = w.pick(0, 1, 1, 2, 5);
  const order = w.chance(4) ? w.pick(1, 2, 9, 10, w.word()) : 0;
  const domid = w.chance(10) ? w.domain() : SELF;
  const reservation = [
    w.chance(20) ? w.pointer() : extents,
    w.chance(30) ? w.word() : n,
    order,
    w.small(),
    domid,
  ];
  const out = [w.chance(20) ? w.pointer() : extents + 64, w.chance(10) ? w.small() : n, order, 0, domid];
  const bytes = cmd === 11 ? [...reservation, ...out, w.chance(10) ? w.small() : 0] : reservation;
  const numbers = list(24, () => [cmd === 6 ? w.random(2048) : w.mfn()]);
  return {
    args: [12, cmd, there(w, at)],
    memory: [
      { at, words: bytes },
      { at: extents, words: numbers },
    ],
  };
}
function grantOp(w: Wish, at: number): Call {
  const cmd = w.pick(0, 0, 0, 1, 1, 5, 4, 7, 11, w.random(13), w.word());
  const ref = (): number => w.pick(w.random(16), w.random(16), 511, 512, w.word());
  const host = (): readonly [number, number] =>
    w.chance(3) ? [(w.table() * 4096 + 8 * w.random(512)) >>> 0, 0] : [w.va(), w.chance(20) ? w.word() : 0];
  const handle = (): number => w.pick(w.random(8), w.random(8), 256, w.word());
  const side = (): readonly number[] => [
    w.chance(2) ? ref() : w.mfn(),
    (w.domain() & 0xffff) | (w.random(w.pick(64, 4096)) << 16),
  ];
  const elements: Readonly<Record<number, () => readonly [words: readonly number[], statusAt: number]>> = {
    0: () => [
      [...host(), w.pick(1, 2, 3, 2, 6, 0x12, 0x16, 10, w.random(0x10000)), ref(), w.domain(), 0, 0, 0],
      18,
    ],
    1: () => [[...host(), ...(w.chance(2) ? [0, 0] : [(w.mfn() << 12) >>> 0, 0]), handle(), 0], 20],
    4: () => [[w.mfn(), w.domain(), ref(), 0], 12],
    5: () => [[...side(), ...side(), w.random(w.pick(64, 4200)) | (w.random(4) << 16), 0], 20],
    7: () => [[...host(), w.va(), 0, handle(), 0], 20],
    11: () => [[ref(), ref(), 0], 8],
  };
  const element = elements[cmd];
  if (element) {
    const [words, statusAt] = element();
    return call(20, [cmd, at, w.chance(20) ? w.small() : 1], words, at, { at: at + statusAt, before: 0 });
  }
  return call(
    20,
    [cmd, there(w, at), w.chance(6) ? w.small() : 1],
    [w.domain(), w.pick(1, 2, 64, 65, w.word()), w.word(), at + 64, w.word()],
    at,
  );
}
/** An offer in the guest's grant table, if that is mapped where it maps it now and then; otherwise just words. */
function eventOp(w: Wish, at: number): Call {
  const cmd = w.pick(0, 1, 3, 4, 4, 6, 7, 8, 9, w.random(14), w.word());
  const words: Readonly<Record<number, () => readonly number[]>> = {
    0: () => [w.domain(), w.port(), 0],
    1: () => [w.random(26), w.chance(8) ? w.small() : 0, 0],
    5: () => [w.domain(), w.port(), 0, 0, 0, 0],
    6: () => [((w.chance(8) ? w.domain() : SELF) | (w.domain() << 16)) >>> 0, 0],
    8: () => [w.port(), w.small()],
    10: () => [w.chance(20) ? SELF : w.word()],
  };
  return call(
    32,
    [cmd, there(w, at)],
    words[cmd]?.() ?? [w.port(), w.small(), w.word(), w.word(), w.word(), w.word()],
    at,
  );
}
function schedOp(w: Wish, at: number): Call {
  const cmd = w.pick(0, 1, 3, 3, w.chance(50) ? 2 : 0, 4, 5, 6, w.random(10));
  const words =
    cmd === 3
      ? [at + 64, w.pick(0, 1, 2, 128, 129, w.word()), w.random(1000), 0]
      : [w.pick(w.domain(), w.small()), w.small(), 0, 0];
  return {
    args: [29, cmd, there(w, at)],
    memory: [
      { at, words },
      { at: at + 64, words: list(4, () => [w.port()]) },
    ],
  };
}
function vcpuOp(w: Wish, at: number): Call {
  const cmd = w.pick(3, 4, 5, 6, 8, 9, 10, 13, w.chance(30) ? 2 : 3, w.random(16));
  const words =
    cmd === 10
      ? [w.mfn(), 0, w.pick(0, 64, 4032, 4036, w.word()), 0]
      : cmd === 5 || cmd === 13
        ? [w.pointer(), 0]
        : [w.word() >>> w.random(20), w.chance(3) ? w.small() : 0, w.random(2), 0];
  return call(24, [cmd, w.chance(10) ? w.small() : 0, there(w, at)], words, at);
}
function multicall(w: Wish, at: number): Call {
  if (at !== SCRATCH) return call(13, [at, 1]);
  const n = w.pick(1, 2, 4);
  const inner = Array.from({ length: n }, (_, i) => callOf(w, SCRATCH + 0x1000 * (1 + i)));
  const words = inner.flatMap((c) => [
    c.args[0]!,
    0,
    ...Array.from({ length: 6 }, (_, i) => (c.args[1 + i] ?? 0) >>> 0),
  ]);
  return {
    args: [13, there(w, at), w.chance(30) ? w.word() : n],
    memory: [...inner.flatMap((c) => c.memory), { at, words }],
  };
}

const MAKERS: Readonly<Record<number, Maker>> = {
  0: (w, at) =>
    call(
      0,
      [there(w, at)],
      [
        ...list(w.random(3), () => [
          w.random(256) | (w.random(8) << 8) | (0xe019 << 16),
          w.pick(CODE, w.word()),
        ]),
        0,
        0,
      ],
      at,
    ),
  1: mmuUpdate,
  2: (w, at) =>
    call(
      2,
      [there(w, at), w.pick(0, 1, 512, 513, 1024, 7168, 7169, w.word())],
      list(14, () => [w.mfn()]),
      at,
    ),
  3: (w) => call(3, [w.pick(0xe021, 0xe023, w.random(0x10000)), w.pick(STACK, w.word())]),
  4: (w) =>
    call(4, [
      w.pick(0xe019, w.random(0x10000)),
      w.pick(CODE, w.word()),
      w.pick(0xe019, w.random(0x10000)),
      w.pick(CODE, w.word()),
    ]),
  8: (w) => call(8, [w.random(10), w.pick(0, 0x401, 0xffffffff, w.word())]),
  9: (w) => call(9, [w.random(10)]),
  10: (w) =>
    call(10, [
      (w.mfn() * 4096 + 8 * w.random(512) + (w.chance(10) ? w.random(8) : 0)) >>> 0,
      w.chance(20) ? w.word() : 0,
      w.word(),
      w.pick(0x00cf9a00, 0x00cffa00, 0x00008e00, 0x0000ec00, 0, w.word()),
    ]),
  12: memoryOp,
  13: multicall,
  14: (w) => call(14, [w.va(), ...w.entry(), w.pick(0, 1, 2, w.pointer())]),
  15: (w) => call(15, [w.word() >>> w.random(24), w.chance(4) ? w.small() : 0]),
  20: grantOp,
  21: (w) => call(21, [w.random(3), w.random(8)]),
  22: (w) => call(22, [w.va(), ...w.entry(), w.random(4), w.domain()]),
  24: vcpuOp,
  26: mmuextOp,
  29: schedOp,
  30: (w, at) =>
    call(
      30,
      [w.random(3), there(w, at)],
      [w.random(6) | (w.random(2) << 16), w.pick(0xe019, w.random(0x10000)), w.pick(CODE, w.word()), 0],
      at,
    ),
  32: eventOp,
};
/** These make up half of what is called: here is the most to break. */
const FAVOURITES = [1, 1, 1, 14, 14, 26, 26, 12, 20, 20, 32, 2, 10, 13];

const IRET = 23;
/** Sub-command 2 of these ends the guest: rarer than chance has it, or most of the run is building new ones. */
const SCHEDULING = [6, 24, 29],
  LETHAL = 2;
const FLAT_CS = 0xe019;
/** By turns a handler for every exception, one for upcalls, writable page tables: what a guest asks for first if it means to live. */
export function handlers(turn: number): Call {
  const table = Array.from({ length: 32 }, (_, vector) => [vector | (FLAT_CS << 16), CODE + 0x60]).flat();
  if (turn % 3 === 0) return call(0, [SCRATCH], [...table, 0, 0]);
  return turn % 3 === 1 ? call(4, [FLAT_CS, CODE + 0x60, FLAT_CS, CODE + 0x60]) : call(21, [0, 2]);
}

/** A hypercall with its arguments; lists lie at `at`. */
export function callOf(w: Wish, at = SCRATCH): Call {
  const number = w.chance(2) ? w.pick(...FAVOURITES) : w.chance(40) ? w.random(80) : w.pick(...NUMBERS);
  if (number === IRET && !w.chance(8)) return callOf(w, at);
  const make = MAKERS[number];
  if (make && !w.chance(20)) return make(w, at);
  const value = (): number => w.pick(w.small(), w.pointer(), w.pointer(), w.domain(), w.mfn(), w.word());
  const first = w.small();
  if (first === LETHAL && SCHEDULING.includes(number) && !w.chance(8)) return callOf(w, at);
  return call(
    number,
    [first, value(), value(), value(), value(), value()],
    list(16, () => [w.chance(2) ? w.small() : value()]),
    at,
  );
}
