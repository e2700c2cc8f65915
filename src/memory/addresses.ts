// Branded numbers: a machine address is not a memory offset, a frame number is not an address. The brands exist for the compiler only.

declare const brand: unique symbol;
type Brand<K extends string> = number & { readonly [brand]?: K };

/** Machine address: byte address in RAM as guests and page tables see it. */
export type Maddr = Brand<'maddr'>;
/** Machine frame number: maddr >>> 12. */
export type Mfn = Brand<'mfn'>;
/** Pseudo-physical frame number of a domain. */
export type Pfn = Brand<'pfn'>;
/** Linear (virtual) address, u32. */
export type Vaddr = Brand<'vaddr'>;
/** Offset of a record in STATE. */
export type VcpuRef = Brand<'vcpu'>;
export type DomainRef = Brand<'domain'>;

export const INVALID_MFN = 0xffffffff;
