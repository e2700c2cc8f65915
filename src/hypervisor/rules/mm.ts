// Rules (decisions with an outcome) and actions of this part of the hypervisor. Order is the number in the record: append only.
import type { Sentence } from './types.ts';

export const RULES_MM = [
] as const satisfies readonly Sentence[];

export const ACTS_MM = [
] as const satisfies readonly Sentence[];
