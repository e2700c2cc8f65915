// What the hypervisor remembers, all of it in STATE: page_info, domains, Xen's part of each vCPU, and its globals.
// Things that grow with a guest's wishes live in frames owned by DOMID_XEN and are only pointed to from here.

import { layout } from '../memory/layout.ts';
import { domainAt, MAX_DOMAINS, MAX_VCPUS, stateArea, XVCPU_OFFSET, vcpuAt } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';

/** struct page_info, 16 bytes a frame. */
export const PAGE = layout('PAGE', {
  count: 'u32', // PGC_allocated | general reference count
  type: 'u32', // PGT_* type | flags | type reference count
  owner: 'u16', // domid; DOMID_INVALID = free
  flags: 'u16', // PAGE_XENHEAP …
  link: 'u32', // next frame in the owner's or the free list, INVALID_MFN at the end
});
export const PGC_allocated = 0x80000000,
  PGC_count_mask = 0x03ffffff;
/** Set on frames of Xen that a guest may map (shared_info, grant table): they carry no reservation of the guest. */
export const PAGE_XENHEAP = 1;

export const PGT_none = 0,
  PGT_l1_page_table = 1 << 28,
  PGT_l2_page_table = 2 << 28,
  PGT_l3_page_table = 3 << 28,
  PGT_seg_desc_page = 5 << 28,
  PGT_writable_page = 7 << 28,
  PGT_type_mask = 0x70000000,
  PGT_pinned = 1 << 27,
  PGT_validated = 1 << 26,
  PGT_pae_xen_l2 = 1 << 25,
  PGT_count_mask = 0x0000ffff;
export const PGT_NAMES = ['none', 'l1', 'l2', 'l3', 'l4', 'seg_desc', 'shared', 'writable'] as const;

const PAGES = stateArea('pages');
/** Offset of the page_info of a frame. */
export const pageAt = (mfn: number): number => PAGES + mfn * 16;

export const DOMAIN = layout('DOMAIN', {
  used: 'u32',
  domid: 'u32',
  kind: 'u32', // DOMAIN_KIND
  state: 'u32', // DOMAIN_STATE
  privileged: 'u32',
  shutdownCode: 'u32',
  vcpus: ['u32', 4], // VCPU record offsets, 0 = none
  maxPages: 'u32',
  totPages: 'u32',
  pageList: 'u32', // first frame of the reservation
  xenFrames: 'u32', // DOMID_XEN frames charged to this domain
  xenFramesLimit: 'u32',
  sharedInfoMfn: 'u32',
  vmAssist: 'u32', // bitmap of VMASST types
  evtchnFrames: ['u32', 8], // 128 ports of 32 bytes each
  nrPorts: 'u32', // size of the port table
  grantFrames: ['u32', 64], // shared v1 entries, 512 a frame
  grantActive: ['u32', 128], // active entries, 256 a frame, so two frames for each shared one
  nrGrantFrames: 'u32',
  maptrackFrames: ['u32', 64],
  nrMaptrackFrames: 'u32',
  maptrackFree: 'u32', // first free handle + 1, 0 = none
  consoleMfn: 'u32',
  consolePort: 'u32',
  consoleRemotePort: 'u32',
  storeMfn: 'u32',
  storePort: 'u32',
  storeRemotePort: 'u32',
  consoleLineLength: 'u32',
  consoleLine: ['u8', 128], // console_io line buffer
  name: ['u8', 32],
  handle: ['u8', 16],
  imageHash: ['u8', 32],
  virtBase: 'u32', // VIRT_BASE of the image, for readers
  nrPages: 'u32', // at build
  p2mMaddr: 'u32', // machine address of the P2M list as built (first frame), for readers
  hypercallPage: 'u32', // virtual address, 0 = none
  startInfoMaddr: 'u32',
  memoryMapPages: 'u32',
  watchdog: ['u64', 2],
  firstPortHint: 'u32',
  ioportMin: 'u32',
  ioportMax: 'u32',
  configLatch: 'u32',
  cmosIndex: 'u32', // 0xCF8 and 0x70
  shutdownRecorded: 'u32', // 1: shutdownCode holds a code, and the first one stays
  consoleBroken: 'u32', // 1: xenconsoled gave this console ring up
  consoleInputMfn: 'u32', // Xen frame with console input that waits for room in the ring, 0 = none
  consoleHeld: 'u32', // 1: that input is kept until the domain first waits
  memoryMapEntries: 'u32', // E820 entries set for this domain, 0 = the builder's one
  memoryMapFrames: ['u32', 5], // Xen frames they lie in, 0 = none
  extra: ['u32', 57],
});
export const DOMAIN_KIND = { none: 0, pv: 1, service: 2, xen: 3 } as const;
export const DOMAIN_STATE = {
  free: 0,
  paused: 1,
  running: 2,
  shuttingDown: 3,
  shutDown: 4,
  crashed: 5,
  dead: 6,
} as const;
export const DOMAIN_STATES = [
  'free',
  'paused',
  'running',
  'shutting down',
  'shut down',
  'crashed',
  'dead',
] as const;

/** Xen's part of a vCPU slot; offsets are relative to the slot: use xv(v) + XVCPU.field. */
export const XVCPU = layout('XVCPU', {
  run: 'u32', // RUNSTATE
  enteredAt: 'u64', // T of the last run-state change
  spent: ['u64', 4], // ticks in each run state
  traps: ['u8', 2048], // struct trap_info [256]: vector, flags, cs, address — as the guest gave them
  kernelSs: 'u32',
  kernelSp: 'u32',
  eventCs: 'u32',
  eventEip: 'u32',
  failsafeCs: 'u32',
  failsafeEip: 'u32',
  failsafeMasks: 'u32',
  sysenterCs: 'u32',
  sysenterEip: 'u32',
  sysenterMasks: 'u32',
  syscall32Cs: 'u32',
  syscall32Eip: 'u32',
  syscall32Masks: 'u32',
  nmiAddress: 'u32',
  nmiPending: 'u32',
  nmiMasked: 'u32',
  iopl: 'u32', // virtual IOPL 0…3
  iobmp: 'u32',
  iobmpPorts: 'u32',
  vCr0Ts: 'u32',
  vCr2: 'u32',
  vCr4: 'u32',
  gdtFrames: ['u32', 16],
  gdtEnts: 'u32',
  ldtBase: 'u32',
  ldtEnts: 'u32',
  guestCr3Mfn: 'u32', // frame that holds the l3 reference of this vCPU
  vcpuInfoMaddr: 'u32', // machine address of struct vcpu_info
  vcpuInfoMfn: 'u32', // frame registered by register_vcpu_info, INVALID_MFN when in shared_info
  singleshot: 'u64', // T of the one-shot timer, 0 = off
  periodic: 'u64', // period in ticks, 0 = off
  periodicNext: 'u64',
  polling: 'u32',
  pollDeadline: 'u64',
  pollPorts: ['u32', 32], // bitmap of polled ports
  virqPorts: ['u32', 24],
  runstateArea: 'u32',
  timeArea: 'u32',
  timeVersion: 'u32',
  pendingCause: 'u32', // seq of the event record that made the next upcall due
  queued: 'u32', // in the run queue
  xenStackMfn: 'u32',
  idtMfn: 'u32',
  tssMfn: 'u32',
  initialised: 'u32',
  up: 'u32',
  lastTrapSeq: 'u32', // enter record of the trap being handled
  int80Direct: 'u32',
  inMulticall: 'u32', // MULTICALL_STATE (continuation.ts)
  extra: ['u32', 31],
});
export const RUNSTATE = { running: 0, runnable: 1, blocked: 2, offline: 3 } as const;
export const RUNSTATES = ['running', 'runnable', 'blocked', 'offline'] as const;
/** Offset of Xen's part of the vCPU whose record is at v. */
export const xv = (v: number): number => v + XVCPU_OFFSET;

/** Hypervisor globals. */
export const XEN = layout('XEN', {
  freeList: 'u32',
  freeFrames: 'u32',
  runQueueLength: 'u32',
  runQueue: ['u32', MAX_VCPUS],
  nextDomid: 'u32',
  m2pMfn: 'u32',
  m2pFrames: 'u32', // consecutive frames of the M2P
  m2pL1Mfn: 'u32', // L1 that maps it in every pae_xen_l2
  flatGdtMfn: 'u32', // the reserved GDT page (page 14)
  zeroMfn: 'u32',
  serviceVcpu: 'u32',
  storeRoot: 'u32', // toolstack: arena root frame of xenstored
  consoleRoot: 'u32', // toolstack: xenconsoled
  timerDeadline: 'u64', // T of the earliest one-shot timer, poll timeout or watchdog, 0 = none (deadlines.ts)
  serviceNextPort: 'u32', // toolstack: where the service domain looks for the next pending port, so that none starves
  loadedVcpu: 'u32', // the vCPU whose segment registers were loaded last
  work: 'u32', // units of work since the call that runs, or its latest continuation, began (continuation.ts)
  extra: ['u32', 62],
});
export const XEN_AT = stateArea('xen');

/** Walks the domain slots in use. */
export function* domains(m: Memory): Generator<number> {
  for (let i = 0; i < MAX_DOMAINS; i++) if (m.r32(domainAt(i) + DOMAIN.used)) yield domainAt(i);
}
/** The DOMAIN record of a domid, 0 if there is none. */
export function findDomain(m: Memory, domid: number): number {
  for (let i = 0; i < MAX_DOMAINS; i++) {
    const d = domainAt(i);
    if (m.r32(d + DOMAIN.used) && m.r32(d + DOMAIN.domid) === domid) return d;
  }
  return 0;
}
export function* vcpuSlots(): Generator<number> {
  for (let i = 0; i < MAX_VCPUS; i++) yield vcpuAt(i);
}
