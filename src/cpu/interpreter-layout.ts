// Where the interpreter keeps what it needs in CACHE: a block of words the generated code and its JavaScript share, the pages of
// decoded instructions, and the records. All of it may be dropped at any moment: it is made again from the machine.
//
//   +0       FAST block           words at fixed addresses, so that generated code names them as constants
//   +4 KiB   code TLBs            256 entries {linear page, map of its records}: where jumps between pages find their target;
//                                 one each for checked and flat segments and for small mode, at levels 0-2 and at level 3
//   +20 KiB  pages                one header for each code page
//   +32 KiB  maps                 for each page 4096 u16: number of the record of the instruction at that offset, 0 = not decoded
//   behind   copies               the bytes each page was decoded from
//   behind   records              one for each instruction, those of a straight run one behind the other

import { layout } from '../memory/layout.ts';
import { CACHE_AREAS, cacheArea } from '../memory/map.ts';

export const AREA = cacheArea('decoded');
const AREA_SIZE = CACHE_AREAS.find((a) => a[0] === 'decoded')![2];

/** One decoded instruction. Addresses are offsets in the one memory. */
export const RECORD = layout('RECORD', {
  handler: 'u16', // number of the handler
  length: 'u16', // bytes of the instruction, 0 where the record stands for none
  rest: 'u32', // ticks from here to the end of the straight run, this instruction included
  eip: 'u32',
  a: 'u32', // address of the first register operand
  b: 'u32', // of the second
  imm: 'u32', // immediate; of calls: EIP behind the instruction
  base: 'u32', // address of the base register, or of a zero
  index: 'u32', // of the index register, or of a zero
  disp: 'u32',
  link: 'u32', // record a jump leads to, 0 = not known yet; third register operand
  target: 'u32', // EIP a jump leads to
  scale: 'u16', // shift of the index; RECORD_STORES
  seg: 'u16', // offset in the FAST block of the segment of a checked access
});
if (RECORD.$size !== 48) throw new Error('a record has 48 bytes');

/** A segment of checked accesses: base, one more than the last offset for reading and for writing (0: none allowed), 1 if no check is needed. */
export const FAST_SEG = layout('FAST_SEG', { base: 'u32', readEnd: 'u32', writeEnd: 'u32', flat: 'u32' });

/** Words shared by generated code and JavaScript. */
const FAST_LAYOUT = layout('FAST', {
  zero: 'u32', // always 0: the base or index that an address does not have
  readTable: 'u32', // address of the TLB for reading at the present privilege
  writeTable: 'u32',
  left: 'u32', // how the last stretch ended
  fr: 'u32',
  fx: 'u32',
  rec: 'u32',
  reason: 'u32', // LEFT
  target: 'u32', // EIP wanted when reason is lookup, linear address when it is a miss
  again: 'u32', // ticks that retired no instruction
  ready: 'u32', // 0 in a fresh CACHE
  records: 'u32', // records handed out
  pages: 'u32', // pages handed out
  // What the code TLB was filled under.
  v: 'u32',
  cacheEpoch: 'u32',
  tlbEpoch: 'u32',
  codeEpoch: 'u32',
  cr0: 'u32',
  cr3: 'u32',
  cr4: 'u32',
  mode: 'u32', // -1: cpl, the tables and the code TLB have been chosen by generated code
  codeTable: 'u32', // address of the code TLB in use
  opened: 'u32', // code TLBs (bits) that may hold anything
  // For instructions that touch the system.
  cpl: 'u32',
  systemRead: 'u32', // TLBs of levels 0-2 and of level 3
  systemWrite: 'u32',
  userRead: 'u32',
  userWrite: 'u32',
  missLevel: 'u32', // whose TLB has no entry: MISS_LEVEL
  vector: 'u32', // the fault to be delivered
  code: 'u32',
  hasCode: 'u32',
  attention: 'u32', // 1: a device wants the engine to look
  shadow: 'u32', // 1: the instruction behind this one is in an interrupt shadow
  moved: 'u32', // 1: what the engine keeps of the processor may have changed since it was last looked at
  // A store to a watched frame under way (interpreter-store.ts).
  guarded: 'u32', // address of the TLB entry that it opened, 0 = none
  guardedRec: 'u32', // the record behind it
  guardedHandler: 'u32', // whose handler this is
  guardedPage: 'u32', // linear page whose translation it changes
  tlbSeen: 'u32', // address of what the vCPU's TLBs were filled under
  // Walks of generated code (interpreter-walk.ts): machine frames that are physical pages of the same number, below 1 MiB and in all.
  lowFrames: 'u32',
  frames: 'u32',
  walkRec: 'u32', // record and ticks left of the last walk, and how many there were for the two
  walkLeft: 'u32',
  walks: 'u32',
  csBase: 'u32', // base of CS: EIPs are offsets, the code TLB knows linear addresses
  csLimit: 'u32',
  bigOnBare: 'u32', // 1: 32-bit code of the bare machine, where generated code delivers faults through the guest's own IDT
  seg: ['u32', 24], // ES CS SS DS FS GS, FAST_SEG each
});
type FastName = Exclude<keyof typeof FAST_LAYOUT, `$${string}`>;
/** Addresses of the FAST words. */
export const FAST = Object.fromEntries(
  Object.entries(FAST_LAYOUT)
    .filter(([name]) => !name.startsWith('$'))
    .map(([name, at]) => [name, AREA + (at as number)]),
) as Record<FastName, number>;

/**
 * Why generated code came back; in each case no part of the instruction at FAST.rec (or at EIP FAST.target) has been done.
 * step: the reference engine is to do it, or the ticks are used up. lookup: it is not decoded. system: what the
 * engine keeps of the processor may have changed, FAST.target is where it goes on. Odd: the run was finished. fault: it would raise the fault in FAST.vector.
 * Misses: the TLB has no entry for FAST.target.
 */
export const LEFT = { step: 0, lookup: 1, missRead: 2, missWrite: 4, system: 5, fault: 6 } as const;

/** Whose TLB: that of the present privilege, of levels 0-2, of level 3. */
export const MISS_LEVEL = { present: 0, system: 1, user: 2 } as const;

export const CODE_TLB = AREA + 4096;
export const CODE_TLB_ENTRIES = 256;
export const CODE_TLB_SIZE = CODE_TLB_ENTRIES * 8;
/** Number of a code TLB: the sum of these, for flat segments, level 3 and small mode. */
export const CODE_FLAT = 1,
  CODE_USER = 2,
  CODE_SMALL = 4,
  CODE_TLBS = 8;

/** A page of decoded code: valid while the frame has this version and is watched (FRAME_CODE). */
export const CODE_PAGE = layout('CODE_PAGE', {
  // The key: what the records of the page are for.
  mfn: 'u32',
  lin: 'u32',
  v: 'u32',
  mode: 'u32',
  csBase: 'u32',
  csLimit: 'u32',
  version: 'u32',
  changes: 'u32', // how often its code was found changed
  next: 'u32', // next page of the same hash, 0 = none
});
export const PAGES = CODE_TLB + CODE_TLBS * CODE_TLB_SIZE;
export const MAX_PAGES = 256;
export const PAGE_HASH = PAGES + MAX_PAGES * CODE_PAGE.$size;
export const PAGE_HASH_ENTRIES = 512;
export const MAPS = AREA + 32768;
export const MAP_SIZE = 8192;
export const COPIES = MAPS + MAX_PAGES * MAP_SIZE;
export const RECORDS = COPIES + MAX_PAGES * 4096;
/** Record 0 belongs to no page: it delivers faults. */
export const FAULT_RECORD = RECORDS;
export const MAX_RECORDS = Math.min(65535, Math.floor((AREA + AREA_SIZE - RECORDS) / RECORD.$size));
if (PAGE_HASH + 4 * PAGE_HASH_ENTRIES > MAPS) throw new Error('the page headers reach into the maps');
