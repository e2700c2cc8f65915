// What a hypercall handler looks like. The table (hypercalls.ts) maps Xen's numbers to these.

import type { Xen } from './xen.ts';

/** Arguments EBX, ECX, EDX, ESI, EDI, EBP as u32. */
export type HypercallArgs = readonly [number, number, number, number, number, number];
/** Returns EAX: 0, a positive result, or -ERRNO. v is the calling vCPU. */
export type HypercallHandler = (x: Xen, v: number, args: HypercallArgs) => number;
