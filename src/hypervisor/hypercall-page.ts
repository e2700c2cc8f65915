// The hypercall transfer page: a stub of 32 bytes for every call, int3 in between. Written by the builder, or on request by MSR.

import { PAGE_SIZE } from '../memory/map.ts';
import { getPageAndType, putPageAndType } from './page-info.ts';
import { PGT_writable_page } from './state.ts';
import type { Xen } from './xen.ts';

const STUB_SIZE = 32,
  STUBS = 128,
  IRET = 23,
  INT3 = 0xcc;

/** The page's bytes. Stub 23 (iret) is jumped to with a frame on the stack and never returns. */
export function hypercallStubs(): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE).fill(INT3);
  for (let n = 0; n < STUBS; n++) {
    const stub = n === IRET ? [0x50, 0xb8, n, 0, 0, 0, 0xcd, 0x82] : [0xb8, n, 0, 0, 0, 0xcd, 0x82, 0xc3];
    page.set(stub, n * STUB_SIZE);
  }
  return page;
}

/** Writes the page into a frame of domain d that may be writable; false when it may not. */
export function fillHypercallPage(x: Xen, d: number, mfn: number): boolean {
  if (!x.frames.exists(mfn) || !getPageAndType(x, mfn, d, PGT_writable_page)) return false;
  x.frames.copyIn(mfn * PAGE_SIZE, hypercallStubs());
  putPageAndType(x, mfn);
  return true;
}
