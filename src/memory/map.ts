// The map of the one memory. Everything that is the machine lies in STATE, DISK and RAM; CACHE may be dropped at any moment.
//
//   0            2 MiB                 16 MiB                                        total
//   +------------+---------------------+---------------------------------------------+
//   |   STATE    |        CACHE        |                    RAM                      |   (DISK: empty until there are disks)
//   +------------+---------------------+---------------------------------------------+
//   always copied  never snapshotted,    machine frames 0 … nrFrames-1
//   whole          hashed or migrated    maddr + RAM_BASE = offset in the memory
//
// A machine address is never a memory offset: frames.ts alone adds RAM_BASE.

const MiB = 1 << 20;
const KiB = 1 << 10;

export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;

export const MAX_FRAMES = 65536;
export const MAX_VCPUS = 32;
export const MAX_DOMAINS = 24;

export const STATE_BASE = 0;
export const STATE_SIZE = 2 * MiB;
export const CACHE_BASE = STATE_BASE + STATE_SIZE;
export const CACHE_SIZE = 14 * MiB;
export const DISK_BASE = CACHE_BASE + CACHE_SIZE;
export const DISK_SIZE = 0;
export const RAM_BASE = DISK_BASE + DISK_SIZE;

/** Areas of STATE: [name, offset, bytes]. Checked not to overlap by map.test.ts. */
export const STATE_AREAS = [
  ['header', 0, 4 * KiB], //             machine.ts: MACHINE record (T, running hash, counters, pCPU 0)
  ['counters', 4 * KiB, 4 * KiB], //     trace: counts by record type, vector, hypercall
  ['xen', 8 * KiB, 56 * KiB], //         hypervisor globals: run queue, wall clock, service domain roots, xenheap
  ['domains', 64 * KiB, MAX_DOMAINS * 8 * KiB], // one DOMAIN record each
  ['vcpus', 256 * KiB, MAX_VCPUS * 8 * KiB], // arch record (cpu) at +0, Xen's part at +2 KiB
  ['devices', 512 * KiB, 256 * KiB], //  device registers of the bare machine
  ['pages', 1 * MiB, MAX_FRAMES * 16], // struct page_info of every frame
] as const;

/** Areas of CACHE: [name, offset from CACHE_BASE, bytes]. */
export const CACHE_AREAS = [
  ['control', 0, 4 * KiB], //            baton, wantRead, stop requests, epochs
  ['frameFlags', 64 * KiB, MAX_FRAMES], // u8: code, table, clean, watched
  ['frameVersion', 128 * KiB, MAX_FRAMES * 4], // u32: bumped when code in the frame changes
  ['tlb', 512 * KiB, MAX_VCPUS * 64 * KiB],
  ['tableFrames', 2560 * KiB, MAX_FRAMES * 4], // u32: what the page table in a frame translates (cpu/table-frames.ts)
  ['traceSide', 3 * MiB, 1 * MiB], //    long data of records, a ring of bytes
  ['traceRing', 4 * MiB, 4 * MiB], //    65536 records of 64 bytes
  ['codeLines', 13 * MiB + 512 * KiB, MAX_FRAMES * 8], // 64 bits: lines of the frame that hold decoded instructions
  ['decoded', 8 * MiB, 5632 * KiB], //   decoded operations (the interpreter's)
] as const;

type Name<T extends readonly (readonly [string, number, number])[]> = T[number][0];
const find = <T extends readonly (readonly [string, number, number])[]>(areas: T, name: Name<T>) =>
  areas.find((a) => a[0] === name) as readonly [string, number, number];

/** Offset in the memory of a named area of STATE. */
export const stateArea = (name: Name<typeof STATE_AREAS>): number => STATE_BASE + find(STATE_AREAS, name)[1];
/** Offset in the memory of a named area of CACHE. */
export const cacheArea = (name: Name<typeof CACHE_AREAS>): number => CACHE_BASE + find(CACHE_AREAS, name)[1];
/** Size in bytes of a named area. */
export const stateAreaSize = (name: Name<typeof STATE_AREAS>): number => find(STATE_AREAS, name)[2];
export const cacheAreaSize = (name: Name<typeof CACHE_AREAS>): number => find(CACHE_AREAS, name)[2];

export const HEADER = stateArea('header');
export const COUNTERS = stateArea('counters');
export const CONTROL = cacheArea('control');
export const VCPU_SIZE = 8 * KiB;
export const DOMAIN_SIZE = 8 * KiB;
/** Where Xen's part begins inside a vCPU slot. */
export const XVCPU_OFFSET = 2 * KiB;
const VCPUS = stateArea('vcpus'),
  DOMAINS = stateArea('domains');
/** Offset of the record of vCPU slot `i` (0 … MAX_VCPUS-1). */
export const vcpuAt = (i: number): number => VCPUS + i * VCPU_SIZE;
/** Slot number of a vCPU record offset. */
export const vcpuIndex = (v: number): number => ((v - VCPUS) / VCPU_SIZE) | 0;
/** Offset of the record of domain slot `i`. */
export const domainAt = (i: number): number => DOMAINS + i * DOMAIN_SIZE;
export const domainIndex = (d: number): number => ((d - DOMAINS) / DOMAIN_SIZE) | 0;
