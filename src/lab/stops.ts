// Records at which run control stops: traps for stepping, breakpoints by what a record says.

import { OUT, PH, RT } from '../trace/records.ts';
import type { History } from './history.ts';
import type { Breakpoint } from './types.ts';

/** Records at which "next trap" stops: the entry into Xen, a direct ring change, a silent moment, an upcall. */
export function isTrapRow(history: History, seq: number): boolean {
  const type = history.typeOf(seq);
  return (
    (type === RT.trap && history.phaseOf(seq) === PH.enter) ||
    type === RT.ringchange ||
    type === RT.silent ||
    type === RT.upcall
  );
}

export function matchesBreakpoint(history: History, seq: number, b: Breakpoint): boolean {
  if (b.domid !== undefined && history.domidOf(seq) !== b.domid) return false;
  const type = history.typeOf(seq);
  const aux = history.word(seq, 6) >>> 16;
  if (b.outcome === 'silent') return type === RT.silent;
  if (b.outcome === 'refused')
    return history.outcomeOf(seq) === OUT.refused && history.phaseOf(seq) === PH.answer;
  if (b.hypercall !== undefined)
    return type === RT.hypercall && history.phaseOf(seq) === PH.decode && aux === b.hypercall;
  if (b.vector !== undefined)
    return (
      (type === RT.trap && history.phaseOf(seq) === PH.enter && aux === b.vector) ||
      (type === RT.ringchange && aux === b.vector)
    );
  return b.domid !== undefined && isTrapRow(history, seq);
}
