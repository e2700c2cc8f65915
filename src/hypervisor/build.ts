// The domain builder: from a kernel image to a paused domain whose first instruction finds what a PV kernel expects (public/xen.h,
// "start-of-day memory layout"): its image, the P2M list, start_info, the store and console pages, bootstrap page tables and a stack.

import { EFLAGS_IF, VCPU } from '../cpu/vcpu.ts';
import { CPUID_POLICY } from '../cpu/cpuid.ts';
import { INVALID_MFN } from '../memory/addresses.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { DOMID_SERVICE } from './abi/domid.ts';
import { type DomainLayout, layoutDomain } from './build-layout.ts';
import { createDomainRecord, destroyDomain, nextDomid } from './domain.ts';
import { allocUnbound, bindInterdomain } from './event-channels.ts';
import { seedGrant } from './grant-table.ts';
import { hypercallStubs } from './hypercall-page.ts';
import { type DomainConfig, ImageError, type KernelImage } from './image.ts';
import { setM2p } from './m2p.ts';
import { allocDomainFrame } from './page-alloc.ts';
import { installBasePtr, pinTable } from './pagetables.ts';
import { FLAT_RING1_CS, FLAT_RING1_DS, loadFlat, SEG } from './selectors.ts';
import { DOMAIN, findDomain, XVCPU, xv } from './state.ts';
import { initVcpuWindow } from './system-window.ts';
import { clearTrapTable } from './traps.ts';
import { updateBeliefs } from './bounce.ts';
import type { Xen } from './xen.ts';

const PTE_NORMAL = 0x23,
  PTE_TABLE = 0x21,
  PDE = 0x67,
  L3E = 0x01;
const SIF_PRIVILEGED = 1,
  SIF_INITDOMAIN = 2,
  SIF_MOD_START_PFN = 8,
  SIF_VIRT_P2M_4TOOLS = 0x10;
const VMASST_PAE_EXTENDED_CR3 = 1 << 3;
const GRANT_CONSOLE = 0,
  GRANT_STORE = 1;
const CONSOLE_CONNECTION = 3088,
  CONSOLE_DISCONNECTED = 1;
/** Pages beyond its memory that a domain may still be given (libxl's slack of 1 MiB). */
const SLACK_PAGES = 256;
const PE = 1,
  MP = 2,
  ET = 0x10,
  NE = 0x20,
  WP = 0x10000,
  PG = 0x80000000;
const CR4_PAE = 0x20,
  CR4_MCE = 0x40,
  CR4_OSFXSR = 0x200,
  CR4_OSXMMEXCPT = 0x400;

/** What is known while a domain is built. mfns[pfn] is the machine frame of every page. */
interface Build {
  readonly x: Xen;
  readonly d: number;
  readonly v: number;
  readonly l: DomainLayout;
  readonly mfns: Uint32Array;
  readonly config: DomainConfig;
}
const va = (b: Build, pfn: number): number => (b.l.virtBase + pfn * PAGE_SIZE) >>> 0;
const maddr = (b: Build, pfn: number): number => b.mfns[pfn]! * PAGE_SIZE;

/** Copies bytes to a virtual address of the new domain; the range lies inside its memory. */
const put = (b: Build, vaddr: number, bytes: Uint8Array): void => putAt(b, vaddr - b.l.virtBase, bytes);

/** Copies bytes to an offset in the new domain's pseudo-physical memory. */
function putAt(b: Build, offset: number, bytes: Uint8Array): void {
  let at = offset;
  for (let done = 0; done < bytes.length; ) {
    const n = Math.min(bytes.length - done, PAGE_SIZE - (at % PAGE_SIZE));
    b.x.frames.copyIn(
      maddr(b, Math.floor(at / PAGE_SIZE)) + (at % PAGE_SIZE),
      bytes.subarray(done, done + n),
    );
    done += n;
    at += n;
  }
}

function loadImage(b: Build): void {
  for (const s of b.config.image.segments) put(b, s.vaddr, s.bytes);
  if (b.config.ramdisk) putAt(b, b.l.modulePfn * PAGE_SIZE, b.config.ramdisk);
}

function writeHypercallPage(b: Build): void {
  const page = b.config.image.hypercallPage;
  if (page === undefined) return;
  if (page >= b.l.virtEnd) {
    throw new ImageError({
      what: 'The hypercall page lies outside the initial mapping',
      expected: `below 0x${b.l.virtEnd.toString(16)}`,
      found: `0x${page.toString(16)}`,
      remedy: 'Put the page inside the kernel image and correct the note HYPERCALL_PAGE (2).',
    });
  }
  put(b, page, hypercallStubs());
  b.x.m.w32(b.d + DOMAIN.hypercallPage, page);
  b.x.act('build.hypercall-page', [page]);
}

function writeP2m(b: Build): void {
  const bytes = new Uint8Array(b.l.nrPages * 4);
  new Uint32Array(bytes.buffer).set(b.mfns.subarray(0, b.l.nrPages));
  put(b, va(b, b.l.p2mPfn), bytes);
  b.x.m.w32(b.d + DOMAIN.p2mMaddr, maddr(b, b.l.p2mPfn));
}

/** L3, then L2s, then L1s. Pages that are page tables are mapped read-only; nothing else is special. */
function writePageTables(b: Build): void {
  const { x, l } = b;
  const l3 = maddr(b, l.ptPfn);
  const firstSlot = 4 - l.nrL2;
  for (let i = 0; i < l.nrL2; i++)
    x.frames.write64(l3 + 8 * (firstSlot + i), (maddr(b, l.ptPfn + 1 + i) | L3E) >>> 0, 0);
  const firstL1 = Math.floor(l.virtBase / 0x20_0000);
  for (let i = 0; i < l.nrL1; i++) {
    const l1 = maddr(b, l.ptPfn + 1 + l.nrL2 + i);
    const index = firstL1 + i;
    const l2 = maddr(b, l.ptPfn + 1 + (index >>> 9) - firstSlot);
    x.frames.write64(l2 + 8 * (index & 511), (l1 | PDE) >>> 0, 0);
    for (let k = 0; k < 512; k++) {
      const pfn = index * 512 + k - l.virtBase / PAGE_SIZE;
      if (pfn < 0 || pfn * PAGE_SIZE >= l.virtEnd - l.virtBase) continue;
      const table = pfn >= l.ptPfn && pfn < l.ptPfn + l.nrPtFrames;
      x.frames.write64(l1 + 8 * k, (maddr(b, pfn) | (table ? PTE_TABLE : PTE_NORMAL)) >>> 0, 0);
    }
  }
}

/** SIF_* flags; those of an ordinary domain are libxenguest's. */
const startFlags = (b: Build, domain0: boolean): number =>
  (b.config.privileged ? SIF_PRIVILEGED : 0) |
  (domain0 ? SIF_INITDOMAIN : SIF_VIRT_P2M_4TOOLS) |
  (b.config.ramdisk && !b.l.moduleMapped ? SIF_MOD_START_PFN : 0);

/** struct start_info (1112 bytes): the letter every kernel is handed in ESI. */
function writeStartInfo(b: Build): void {
  const { x, d, l, config } = b;
  const bytes = new Uint8Array(PAGE_SIZE),
    f = new DataView(bytes.buffer);
  const text = (at: number, s: string, room: number) => {
    for (let i = 0; i < s.length && i < room - 1; i++) bytes[at + i] = s.charCodeAt(i);
  };
  const u32 = (at: number, value: number) => {
    f.setUint32(at, value >>> 0, true);
  };
  const domain0 = l.storePfn < 0;
  text(0, 'xen-3.0-x86_32p', 32);
  u32(32, l.nrPages);
  u32(36, x.m.r32(d + DOMAIN.sharedInfoMfn) * PAGE_SIZE);
  u32(40, startFlags(b, domain0));
  if (!domain0) {
    u32(44, b.mfns[l.storePfn]!);
    u32(48, x.m.r32(d + DOMAIN.storePort));
    u32(52, b.mfns[l.consolePfn]!);
    u32(56, x.m.r32(d + DOMAIN.consolePort));
  }
  u32(60, va(b, l.ptPfn));
  u32(64, l.nrPtFrames);
  u32(68, va(b, l.p2mPfn));
  if (config.ramdisk) {
    u32(72, l.moduleMapped ? va(b, l.modulePfn) : l.modulePfn);
    // libxenguest counts whole pages, the builder of domain 0 bytes.
    u32(76, domain0 ? config.ramdisk.length : l.modulePages * PAGE_SIZE);
  }
  text(80, config.cmdline, 1024);
  x.frames.copyIn(maddr(b, l.startInfoPfn), bytes);
  x.m.w32(d + DOMAIN.startInfoMaddr, maddr(b, l.startInfoPfn));
}

/** Store and console: their pages, ports 1 and 2, and the reserved grants for the back-end. */
function connectServices(b: Build): void {
  const { x, d, l } = b;
  const { m } = x;
  if (l.storePfn < 0) return;
  const domid = m.r32(d + DOMAIN.domid);
  const backend = findDomain(m, 0) !== 0 ? 0 : DOMID_SERVICE;
  const service = backend === 0 ? 0 : findDomain(m, DOMID_SERVICE);
  const connect = (): [number, number] => {
    const port = allocUnbound(x, d, backend);
    if (port < 0) throw noRoom('an event channel');
    const remote = service === 0 ? 0 : bindInterdomain(x, service, domid, port);
    if (remote < 0) throw noRoom('an event channel of the service domain');
    return [port, remote];
  };
  const [storePort, storeRemote] = connect();
  const [consolePort, consoleRemote] = connect();
  m.w32(d + DOMAIN.storeMfn, b.mfns[l.storePfn]!);
  m.w32(d + DOMAIN.storePort, storePort);
  m.w32(d + DOMAIN.storeRemotePort, storeRemote);
  m.w32(d + DOMAIN.consoleMfn, b.mfns[l.consolePfn]!);
  m.w32(d + DOMAIN.consolePort, consolePort);
  m.w32(d + DOMAIN.consoleRemotePort, consoleRemote);
  x.frames.write8(maddr(b, l.consolePfn) + CONSOLE_CONNECTION, CONSOLE_DISCONNECTED);
  seedGrant(x, d, GRANT_CONSOLE, backend, b.mfns[l.consolePfn]!);
  seedGrant(x, d, GRANT_STORE, backend, b.mfns[l.storePfn]!);
}

const noRoom = (what: string): ImageError =>
  new ImageError({
    what: `The machine has no room for ${what}`,
    remedy: 'Destroy a domain, or give this one less memory.',
  });

/** Gives the domain its frames: pfn 0 … nrPages-1, zeroed, in the M2P. */
function populate(x: Xen, d: number, nrPages: number): Uint32Array {
  const mfns = new Uint32Array(nrPages);
  for (let pfn = 0; pfn < nrPages; pfn++) {
    const mfn = allocDomainFrame(x, d);
    if (mfn === INVALID_MFN) {
      throw new ImageError({
        what: 'The machine has too little free memory',
        expected: `${Math.ceil(nrPages / 256)} MiB`,
        found: `${Math.floor(pfn / 256)} MiB`,
        remedy: 'Give the domain less memory, or destroy another.',
      });
    }
    setM2p(x, mfn, pfn);
    mfns[pfn] = mfn;
  }
  return mfns;
}

/** Registers of vCPU 0 at its first instruction. */
function initialRegisters(b: Build): void {
  const { x, v, l } = b;
  const { m } = x;
  const esp = va(b, l.stackPfn + 1);
  m.w32(v + VCPU.eip, b.config.image.entry);
  m.w32(v + VCPU.gpr + 4 * 6, va(b, l.startInfoPfn));
  m.w32(v + VCPU.gpr + 4 * 4, esp);
  m.w32(v + VCPU.eflags, EFLAGS_IF | 2);
  loadFlat(x, v, SEG.cs, FLAT_RING1_CS);
  for (const which of [SEG.ss, SEG.ds, SEG.es, SEG.fs, SEG.gs]) loadFlat(x, v, which, FLAT_RING1_DS);
  m.w32(xv(v) + XVCPU.kernelSs, FLAT_RING1_DS);
  m.w32(xv(v) + XVCPU.kernelSp, esp);
}

/** Processor state every PV vCPU starts with: control and debug registers, FPU, empty trap table, its system window. */
export function initVcpuState(x: Xen, v: number, d: number): boolean {
  const { m } = x;
  m.w32(v + VCPU.cr0, (PE | MP | ET | NE | WP | PG) >>> 0);
  m.w32(v + VCPU.cpuidPolicy, CPUID_POLICY.pv);
  m.w32(v + VCPU.cr4, CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT);
  m.w32(v + VCPU.dr + 4 * 6, 0xffff0ff0);
  m.w32(v + VCPU.dr + 4 * 7, 0x400);
  m.w32(xv(v) + XVCPU.vCr4, CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT);
  m.w16(v + VCPU.fpu, 0x37f);
  m.w32(v + VCPU.fpu + 24, 0x1f80);
  clearTrapTable(x, v);
  return initVcpuWindow(x, v, d);
}

function construct(x: Xen, d: number, config: DomainConfig, l: DomainLayout): void {
  const { m } = x;
  const v = m.r32(d + DOMAIN.vcpus);
  if (!initVcpuState(x, v, d)) throw noRoom('the tables of a virtual processor');
  const mfns = populate(x, d, l.nrPages);
  const b: Build = { x, d, v, l, mfns, config };
  m.w32(d + DOMAIN.virtBase, l.virtBase);
  m.w32(d + DOMAIN.nrPages, l.nrPages);
  m.w32(d + DOMAIN.memoryMapPages, l.nrPages + SLACK_PAGES);
  const extendedCr3 = config.image.pae === 'yes' || config.image.pae === 'bimodal';
  if (extendedCr3) m.w32(d + DOMAIN.vmAssist, VMASST_PAE_EXTENDED_CR3);
  loadImage(b);
  writeHypercallPage(b);
  writeP2m(b);
  connectServices(b);
  writeStartInfo(b);
  writePageTables(b);
  const l3 = mfns[l.ptPfn]!;
  const pinned = pinTable(x, d, l3, 3);
  if (pinned !== 0) throw new Error(`the builder's own page tables were refused: ${pinned}`);
  const based = installBasePtr(x, v, l3);
  if (based !== 0) throw new Error(`the builder's own page tables were not loaded: ${based}`);
  initialRegisters(b);
  m.w32(xv(v) + XVCPU.initialised, 1);
  m.w32(xv(v) + XVCPU.up, 1);
  updateBeliefs(x, v);
  x.act('build.layout', [
    l.virtBase,
    config.image.entry,
    va(b, l.startInfoPfn),
    va(b, l.ptPfn),
    l.nrPtFrames,
    l.virtEnd,
  ]);
}

/**
 * Builds a domain from a kernel and leaves it paused (unpauseDomain lets it run).
 * @returns its domid.
 * @throws ImageError when image or configuration cannot work here; nothing is left behind.
 */
export function buildDomain(x: Xen, config: DomainConfig): number {
  const image: KernelImage = config.image;
  const nrPages = Math.floor(config.memoryMiB * 256);
  const domain0 = config.privileged === true && findDomain(x.m, 0) === 0;
  const modulePages = Math.ceil((config.ramdisk?.length ?? 0) / PAGE_SIZE);
  const l = layoutDomain(image, nrPages, modulePages, domain0);
  const domid = domain0 ? 0 : nextDomid(x);
  const d = createDomainRecord(x, {
    name: config.name,
    kind: 'pv',
    domid,
    privileged: config.privileged ?? false,
    maxPages: nrPages + SLACK_PAGES,
    imageHash: config.imageHash,
  });
  if (d === 0) throw noRoom('another domain');
  try {
    construct(x, d, config, l);
  } catch (error) {
    destroyDomain(x, d);
    throw error;
  }
  return domid;
}
