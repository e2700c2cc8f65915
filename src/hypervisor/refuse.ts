// A refusal in one expression: the rule's record and the negative error.

import type { RuleName } from './rules.ts';
import type { Xen } from './xen.ts';

/** Records that `rule` refused, and returns -errno (or any other status a caller wants to answer with, given negative). */
export function refuse(x: Xen, errno: number, rule: RuleName, ...values: readonly number[]): number {
  x.check(rule, false, ...values);
  return -errno;
}
