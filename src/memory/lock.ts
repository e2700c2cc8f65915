// The one lock of hypervisor and service code. With one pCPU the holder of the baton owns it already, so taking it never waits;
// it exists so that several pCPUs stay possible, and so that taking it twice is an error that is seen.

import { CTL } from './frames.ts';
import { CONTROL } from './map.ts';
import type { Memory } from './memory.ts';

const LOCK = (CONTROL + CTL.lock) >>> 2;

/** Takes the lock. Throws if it is held: with one pCPU that is a bug of ours. */
export function acquire(m: Memory): void {
  if (Atomics.compareExchange(m.i32, LOCK, 0, 1) !== 0) throw new Error('hypervisor lock taken twice');
}
export function release(m: Memory): void {
  Atomics.store(m.i32, LOCK, 0);
}
