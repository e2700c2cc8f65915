// The virtual interrupts of public/xen.h and to whom each belongs.

export const NR_VIRQS = 24;
export const VIRQ_TIMER = 0,
  VIRQ_DEBUG = 1,
  VIRQ_CONSOLE = 2,
  VIRQ_DOM_EXC = 3;

/** [number, name, scope]: per-vCPU ones may be bound on each vCPU, the others on vCPU 0 only (and moved afterwards). */
export const VIRQS = [
  [0, 'TIMER', 'vcpu'],
  [1, 'DEBUG', 'vcpu'],
  [2, 'CONSOLE', 'global'],
  [3, 'DOM_EXC', 'global'],
  [4, 'TBUF', 'global'],
  [6, 'DEBUGGER', 'global'],
  [7, 'XENOPROF', 'vcpu'],
  [8, 'CON_RING', 'global'],
  [9, 'PCPU_STATE', 'global'],
  [10, 'MEM_EVENT', 'global'],
  [11, 'ARGO', 'domain'],
  [12, 'ENOMEM', 'global'],
  [13, 'XENPMU', 'vcpu'],
] as const;

/** True if each vCPU has its own binding. Numbers without a name count as global, as in Xen. */
export const isPerVcpu = (virq: number): boolean =>
  VIRQS.some(([n, , scope]) => n === virq && scope === 'vcpu');
/** 'VIRQ_TIMER'; a bare number for one without a name. */
export const virqName = (virq: number): string => {
  const row = VIRQS.find(([n]) => n === virq);
  return row ? `VIRQ_${row[1]}` : `VIRQ ${virq}`;
};
