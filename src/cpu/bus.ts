// What a processor of the bare machine sees beyond its registers: which physical pages are memory, what answers at the others and at the
// ports, and who interrupts. A paravirtualised vCPU has no bus: its physical world is Xen's.
//
// The bus of devices lives in machine/; the processor only asks. Every call may change devices, never the vCPU: what a device wants of the
// processor it says through VCPU.intr (VCPU_INTR bits), which engines look at between two instructions. Devices read the time: an engine
// brings T in STATE up to the instruction under way before it calls.

/** No memory behind a physical page: accesses go to readMmio and writeMmio. */
export const NO_FRAME = -1;

export interface Bus {
  /**
   * Machine frame behind the physical page `pfn` (physical address >>> 12) for reading and fetching, or for writing; NO_FRAME where
   * there is none (a device, read-only memory when writing, nothing at all). The answer may change only when the bus bumps tlbEpoch.
   */
  frameOf(pfn: number, write: boolean): number;
  /**
   * How many physical pages, counted from 0 below 1 MiB and in all, certainly are machine frames of the same number for reading and
   * for writing. The answer may change only when the bus bumps tlbEpoch. Without it every page is asked for.
   */
  plainFrames?(): readonly [low: number, all: number];
  /** A naturally aligned access of 8, 16 or 32 bits to what is no memory. Unmapped addresses read all-ones, writes to them vanish. */
  readMmio(paddr: number, size: 8 | 16 | 32): number;
  writeMmio(paddr: number, size: 8 | 16 | 32, value: number): void;
  /** Unmapped ports read all-ones. */
  portIn(port: number, size: 8 | 16 | 32): number;
  portOut(port: number, size: 8 | 16 | 32, value: number): void;
  /** RDMSR/WRMSR of a register that belongs to a device (IA32_APIC_BASE); undefined: no such register, #GP(0). */
  readMsr(index: number): readonly [lo: number, hi: number] | undefined;
  writeMsr(index: number, lo: number, hi: number): boolean;
}
