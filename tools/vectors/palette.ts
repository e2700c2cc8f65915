// The little world in which native.c runs an instruction: pages, the host's flat segments, and a local descriptor table with one
// segment of every kind that Linux lets a program make. Numbers here, in native.c and in the vectors must agree.

export const PAGE = 4096;
export const DATA = 0x10000000,
  CODE = 0x20000000,
  STACK = 0x30000000,
  NOTHING = 0x40000000,
  FIXED = 0x50000000,
  LOW = 0x1000;

/** Pages that native.c maps, in its order; LOW only where the host allows it. FIXED can be read and nothing else. */
export const WINDOWS = [
  { start: LOW, size: 2 * PAGE, access: 'rwx' },
  { start: DATA, size: 2 * PAGE, access: 'rwx' },
  { start: CODE, size: 2 * PAGE, access: 'rwx' },
  { start: STACK, size: PAGE, access: 'rwx' },
  { start: FIXED, size: PAGE, access: 'r' },
] as const;

/** Where the runner itself, its stack and the vDSO lie: a test that reaches there tells nothing and may break it. */
const PRIVATE: readonly (readonly [start: number, end: number])[] = [
  [0x08000000, 0x0a000000],
  [0xf0000000, 0x100000000],
];

/** Whether any byte within `reach` of a linear address belongs to the runner. */
export function isPrivate(linear: number, reach: number): boolean {
  return PRIVATE.some(([start, end]) => linear + reach >= start && linear - reach < end);
}

/** Whether a linear address lies in a window that can be written. */
export function isWritable(linear: number): boolean {
  return WINDOWS.some(
    ({ start, size, access }) => access !== 'r' && linear >= start && linear < start + size,
  );
}

/** Selectors of the host's flat ring-3 segments; cpu-test sets up the same. */
export const USER_CS = 0x23,
  USER_DS = 0x2b;

export interface Segment {
  readonly selector: number;
  readonly base: number;
  /** In units of the descriptor: bytes, or pages when `access` has the granularity bit. */
  readonly limit: number;
  /** Second word of the descriptor without base and limit. */
  readonly access: number;
  /** A range of linear addresses that can be reached through the segment. */
  readonly spot: readonly [start: number, size: number];
}

const CODE16 = 0xfb00,
  CODE32 = 0x40fb00,
  EXECUTE_ONLY32 = 0x40f900,
  DATA16 = 0xf300,
  DATA32 = 0x40f300,
  READ_ONLY32 = 0x40f100,
  DOWN16 = 0xf700,
  DOWN32_PAGES = 0xc0f700,
  DATA32_PAGES = 0xc0f300,
  ABSENT_DATA32 = 0x407300,
  ABSENT_CODE32 = 0x407b00;

// biome-ignore format: one segment a line
export const LDT: readonly Segment[] = [
  { selector: 0x07, base: CODE,            limit: 0x1fff,  access: CODE16,         spot: [CODE, 2 * PAGE] },
  { selector: 0x0f, base: STACK,           limit: 0x0fff,  access: DATA16,         spot: [STACK, PAGE] },
  { selector: 0x17, base: DATA,            limit: 0x1fff,  access: DATA32,         spot: [DATA, 2 * PAGE] },
  { selector: 0x1f, base: DATA,            limit: 0x07ff,  access: DOWN16,         spot: [DATA + 0x800, 0x1800] },
  { selector: 0x27, base: DATA + 2 * PAGE, limit: 0xffffe, access: DOWN32_PAGES,   spot: [DATA + PAGE, PAGE] },
  { selector: 0x2f, base: DATA,            limit: 0x1fff,  access: READ_ONLY32,    spot: [DATA, 2 * PAGE] },
  { selector: 0x37, base: DATA,            limit: 0x1fff,  access: ABSENT_DATA32,  spot: [DATA, 2 * PAGE] },
  { selector: 0x3f, base: CODE,            limit: 0x1fff,  access: CODE32,         spot: [CODE, 2 * PAGE] },
  { selector: 0x47, base: CODE,            limit: 0x1fff,  access: EXECUTE_ONLY32, spot: [CODE, 2 * PAGE] },
  { selector: 0x4f, base: CODE,            limit: 0x1fff,  access: ABSENT_CODE32,  spot: [CODE, 2 * PAGE] },
  { selector: 0x57, base: STACK,           limit: 0x0fff,  access: DATA32,         spot: [STACK, PAGE] },
  { selector: 0x5f, base: STACK,           limit: 0x07ff,  access: DOWN16,         spot: [STACK + 0x800, 0x800] },
  { selector: 0x67, base: CODE,            limit: 0x010f,  access: CODE16,         spot: [CODE, 0x110] },
  { selector: 0x6f, base: 0,               limit: 0xffff,  access: DATA16,         spot: [LOW, 2 * PAGE] },
  { selector: 0x77, base: DATA + 0x123,    limit: 0xfffff, access: DATA32_PAGES,   spot: [DATA, 2 * PAGE] },
];

const FLAT: Segment = {
  selector: USER_DS,
  base: 0,
  limit: 0xfffff,
  access: 0xc0f300,
  spot: [DATA, 2 * PAGE],
};

/** The segment behind a selector of the palette; the flat one for any other. */
export function segmentOf(selector: number): Segment {
  return (selector & 4) === 0 ? FLAT : (LDT[selector >> 3] ?? FLAT);
}

/** Whether code runs with 32-bit defaults in this segment. */
export const isWide = (selector: number): boolean =>
  (selector & 4) === 0 || (segmentOf(selector).access & 0x400000) !== 0;

/** The descriptor of a segment as two words, as the manual draws it. SDM vol. 3, figure 3-8. */
export function descriptorWords({ base, limit, access }: Segment): [low: number, high: number] {
  const low = ((base & 0xffff) << 16) | (limit & 0xffff);
  const high = (base & 0xff000000) | (access & ~0xf0000) | (limit & 0xf0000) | ((base >>> 16) & 0xff);
  return [low >>> 0, high >>> 0];
}

/** What a test may load: flat segments, null, other rings, beyond the table, and in the world with an LDT all of that too. */
const FLAT_SELECTORS = [
  USER_CS,
  USER_DS,
  USER_CS,
  USER_DS,
  0x20,
  0x28,
  0x2a,
  0,
  3,
  7,
  0x08,
  0x10,
  0xfff8,
  0xffff,
];
const LDT_SELECTORS = [...LDT.map(({ selector }) => selector), 0x04, 0x15, 0x3c, 0x3e, 0x7f, 0x87, 0x407];
export const selectorsFor = (world: World): readonly number[] =>
  world === 'flat' ? FLAT_SELECTORS : [...FLAT_SELECTORS, ...LDT_SELECTORS, ...LDT_SELECTORS];

/** 'flat': the host's segments and an empty LDT; 'ldt': any segment register may hold one of the palette. */
export type World = 'flat' | 'ldt';

/** Selectors that can be in a register before the instruction, by register: ES CS SS DS FS GS. */
export const INITIAL: Readonly<Record<World, readonly (readonly number[])[]>> = {
  flat: [[USER_DS], [USER_CS], [USER_DS], [USER_DS], [0], [0]],
  ldt: [
    [USER_DS, 0x17, 0x1f, 0x27, 0x6f, 0x77],
    [USER_CS, 0x07, 0x07, 0x07, 0x3f, 0x47, 0x67],
    [USER_DS, 0x0f, 0x57, 0x5f],
    [USER_DS, 0x17, 0x1f, 0x27, 0x2f, 0x07, 0x6f, 0x77, 0],
    [0, USER_DS, 0x17, 0x3f, 0x1f],
    [0, USER_DS, 0x17, 0x27, 0x2f],
  ],
};

/** GDT entries of the host that a program can see and cpu-test does not have: its 64-bit code, thread-local storage, the CPU's number. */
export const HOST_ONLY_SELECTORS = [0x30, 0x60, 0x68, 0x70, 0x78] as const;
