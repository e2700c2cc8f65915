// Where everything lies in a new PV domain: the order libxenguest uses, as page frame numbers counted from VIRT_BASE. Pure arithmetic.

import { HYPERVISOR_VIRT_START } from './guest-access.ts';
import { ImageError, type KernelImage } from './image.ts';

export interface DomainLayout {
  readonly virtBase: number;
  readonly nrPages: number;
  readonly kernelPfn: number;
  readonly kernelPages: number;
  /** First pfn of the initrd and its pages, 0 pages for none. An unmapped one lies behind the mapped region. */
  readonly modulePfn: number;
  readonly moduleMapped: boolean;
  readonly modulePages: number;
  readonly p2mPfn: number;
  readonly p2mPages: number;
  readonly startInfoPfn: number;
  /** -1 in domain 0, which has neither. */
  readonly storePfn: number;
  readonly consolePfn: number;
  readonly ptPfn: number;
  readonly nrPtFrames: number;
  readonly nrL2: number;
  readonly nrL1: number;
  readonly stackPfn: number;
  /** End of the mapped region, exclusive, a multiple of 4 MiB. */
  readonly virtEnd: number;
}

const PAGE = 4096,
  FOUR_MIB = 0x40_0000,
  TWO_MIB = 0x20_0000,
  GIB = 0x4000_0000;
/** 512 KiB of free pages follow the stack, plus the stack itself. */
const SLACK_PAGES = 129;

const pages = (bytes: number): number => Math.ceil(bytes / PAGE);

/** Tables for [virtBase, virtEnd): L2s for every slot of the L3 from the first used one to slot 3, an L1 for every 2 MiB. */
function tables(virtBase: number, virtEnd: number): { l2: number; l1: number } {
  const l1 = Math.ceil(virtEnd / TWO_MIB) - Math.floor(virtBase / TWO_MIB);
  return { l2: 4 - Math.floor(virtBase / GIB), l1 };
}

/**
 * @param modulePages pages of the initrd, 0 for none.
 * @throws ImageError when the region does not fit below the hypervisor or into the domain's memory.
 */
export function layoutDomain(
  image: KernelImage,
  nrPages: number,
  modulePages: number,
  domain0: boolean,
): DomainLayout {
  const { virtBase } = image;
  if (virtBase % PAGE !== 0) {
    throw new ImageError({
      what: 'VIRT_BASE is not the start of a page',
      expected: 'a multiple of 0x1000',
      found: `0x${virtBase.toString(16)}`,
      remedy: 'Correct the note VIRT_BASE (3).',
    });
  }
  const kernelPfn = Math.floor((image.start - virtBase) / PAGE);
  const kernelEnd = pages(image.end - virtBase);
  const mapped = !image.modStartPfn || modulePages === 0;
  const p2mPfn = kernelEnd + (mapped ? modulePages : 0);
  const p2mPages = pages(nrPages * 4);
  const startInfoPfn = p2mPfn + p2mPages;
  const special = domain0 ? 0 : 2;
  const ptPfn = startInfoPfn + 1 + special;
  const allocEnd = virtBase + ptPfn * PAGE;
  let extra = SLACK_PAGES,
    virtEnd = 0,
    l1 = 0,
    l2 = 0;
  for (;;) {
    virtEnd = Math.floor((allocEnd + extra * PAGE) / FOUR_MIB) * FOUR_MIB + FOUR_MIB;
    ({ l1, l2 } = tables(virtBase, virtEnd));
    extra = 1 + l1 + l2 + SLACK_PAGES;
    if (allocEnd + extra * PAGE <= virtEnd || virtEnd > HYPERVISOR_VIRT_START) break;
  }
  if (virtEnd > HYPERVISOR_VIRT_START) {
    throw new ImageError({
      what: 'The kernel and its tables reach into the hypervisor',
      expected: `an end of at most 0x${HYPERVISOR_VIRT_START.toString(16)}`,
      found: `0x${virtEnd.toString(16)}`,
      remedy: 'Choose a lower VIRT_BASE, or less memory.',
    });
  }
  const mappedPages = (virtEnd - virtBase) / PAGE;
  const needed = mappedPages + (mapped ? 0 : modulePages);
  if (needed > nrPages) {
    throw new ImageError({
      what: 'The domain has too little memory for this kernel',
      expected: `at least ${Math.ceil(needed / 256)} MiB`,
      found: `${Math.floor(nrPages / 256)} MiB`,
      remedy: 'Give the domain more memory.',
    });
  }
  return {
    virtBase,
    nrPages,
    kernelPfn,
    kernelPages: kernelEnd - kernelPfn,
    modulePfn: mapped ? kernelEnd : mappedPages,
    moduleMapped: mapped,
    modulePages,
    p2mPfn,
    p2mPages,
    startInfoPfn,
    storePfn: domain0 ? -1 : startInfoPfn + 1,
    consolePfn: domain0 ? -1 : startInfoPfn + 2,
    ptPfn,
    nrPtFrames: 1 + l2 + l1,
    nrL2: l2,
    nrL1: l1,
    stackPfn: ptPfn + 1 + l2 + l1,
    virtEnd,
  };
}
