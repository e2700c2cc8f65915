// Silent moments: a sensitive instruction above CPL 0 answers otherwise than ring 0 of the guest's own machine would have been answered,
// and nothing traps. (Filled in with the comparison below.)

import type { Operation } from './operation.ts';
import type { ReferenceEngine } from './reference.ts';

export const isSensitive = (_name: string): boolean => false;

export class Comparison {
  pending = false;
  readonly e: ReferenceEngine;
  constructor(e: ReferenceEngine) {
    this.e = e;
  }
  before(_op: Operation): void {}
  after(_op: Operation): void {}
  cancel(): void {
    this.pending = false;
  }
}
