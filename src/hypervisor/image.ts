// A guest kernel as the domain builder wants it: parsed and checked by toolstack/elf.ts, loaded by build.ts.

export interface ImageSegment {
  /** Virtual address at which the segment is to appear. */
  readonly vaddr: number;
  readonly bytes: Uint8Array;
  /** Size in memory, >= bytes.length; the rest is zero. */
  readonly memSize: number;
}
export interface KernelImage {
  readonly segments: readonly ImageSegment[];
  readonly entry: number;
  readonly virtBase: number;
  /** Virtual range of the kernel: [start, end). */
  readonly start: number;
  readonly end: number;
  /** Virtual address of the hypercall transfer page, undefined when the image asks for none. */
  readonly hypercallPage: number | undefined;
  /** plain: PAE with L3 tables below 4 GiB only, unless the kernel asks for more by vm_assist. */
  readonly pae: 'no' | 'plain' | 'yes' | 'bimodal';
  readonly features: readonly string[];
  readonly requiredFeatures: readonly string[];
  /** XENFEAT_* bits of submap 0 the kernel says it can live with (note SUPPORTED_FEATURES). */
  readonly supportedFeatures: number;
  readonly guestOs: string;
  readonly loader: string;
  readonly xenVersion: string;
  readonly hvStartLow: number | undefined;
  /** The kernel takes an initrd that is not mapped: start_info then names its first page frame. */
  readonly modStartPfn: boolean;
  readonly suspendCancel: boolean;
  /** Where the parameters were found, for the person who asks. */
  readonly source: 'PT_NOTE' | 'SHT_NOTE' | '__xen_guest';
}
/** Why an image cannot boot: names the thing, the place, what was expected and found, and the remedy. */
export interface ImageProblem {
  readonly what: string;
  readonly offset?: number;
  readonly expected?: string;
  readonly found?: string;
  readonly remedy: string;
}
export class ImageError extends Error {
  readonly problem: ImageProblem;
  constructor(problem: ImageProblem) {
    const at = problem.offset === undefined ? '' : ` at offset 0x${problem.offset.toString(16)}`;
    const exp =
      problem.expected === undefined
        ? ''
        : `: expected ${problem.expected}, found ${problem.found ?? 'something else'}`;
    super(`${problem.what}${at}${exp}. ${problem.remedy}`);
    this.problem = problem;
  }
}

/** What a domain is to be. */
export interface DomainConfig {
  readonly name: string;
  readonly image: KernelImage;
  readonly memoryMiB: number;
  readonly cmdline: string;
  readonly ramdisk?: Uint8Array;
  readonly privileged?: boolean;
  /** SHA-256 of the image, 32 bytes: readers find symbols by it. */
  readonly imageHash?: Uint8Array;
}
