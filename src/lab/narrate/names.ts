// Numbers that records carry, by the names the field gives them (public/xen.h, SDM volume 3 table 6-1).

/** __HYPERVISOR_* numbers. */
export const HYPERCALL_NAMES: Readonly<Record<number, string>> = {
  0: 'set_trap_table',
  1: 'mmu_update',
  2: 'set_gdt',
  3: 'stack_switch',
  4: 'set_callbacks',
  5: 'fpu_taskswitch',
  6: 'sched_op_compat',
  7: 'platform_op',
  8: 'set_debugreg',
  9: 'get_debugreg',
  10: 'update_descriptor',
  12: 'memory_op',
  13: 'multicall',
  14: 'update_va_mapping',
  15: 'set_timer_op',
  16: 'event_channel_op_compat',
  17: 'xen_version',
  18: 'console_io',
  19: 'physdev_op_compat',
  20: 'grant_table_op',
  21: 'vm_assist',
  22: 'update_va_mapping_otherdomain',
  23: 'iret',
  24: 'vcpu_op',
  26: 'mmuext_op',
  27: 'xsm_op',
  28: 'nmi_op',
  29: 'sched_op',
  30: 'callback_op',
  31: 'xenoprof_op',
  32: 'event_channel_op',
  33: 'physdev_op',
  34: 'hvm_op',
  35: 'sysctl',
  36: 'domctl',
  37: 'kexec_op',
  38: 'tmem_op',
  39: 'argo_op',
  40: 'xenpmu_op',
  41: 'dm_op',
  42: 'hypfs_op',
};
export const hypercallName = (n: number): string => HYPERCALL_NAMES[n] ?? `hypercall ${n}`;
/** The number of a hypercall by name, for lessons and breakpoints. */
export const hypercallNumber = (name: string): number | undefined => {
  const hit = Object.entries(HYPERCALL_NAMES).find(([, v]) => v === name);
  return hit ? Number(hit[0]) : undefined;
};

/** How many arguments are worth showing. */
export const HYPERCALL_ARGS: Readonly<Record<number, number>> = {
  0: 1,
  1: 4,
  2: 2,
  3: 2,
  4: 4,
  5: 1,
  6: 2,
  8: 2,
  9: 1,
  10: 4,
  12: 2,
  13: 2,
  14: 4,
  15: 2,
  16: 1,
  17: 2,
  18: 3,
  20: 3,
  21: 2,
  23: 0,
  24: 3,
  26: 4,
  28: 2,
  29: 2,
  30: 2,
  32: 2,
  33: 2,
  35: 1,
  36: 1,
};

export const VECTOR_NAMES: Readonly<Record<number, string>> = {
  0: '#DE',
  1: '#DB',
  2: 'NMI',
  3: '#BP',
  4: '#OF',
  5: '#BR',
  6: '#UD',
  7: '#NM',
  8: '#DF',
  10: '#TS',
  11: '#NP',
  12: '#SS',
  13: '#GP',
  14: '#PF',
  16: '#MF',
  17: '#AC',
  18: '#MC',
  19: '#XM',
};
export const vectorName = (v: number): string =>
  VECTOR_NAMES[v] ?? `int 0x${v.toString(16).padStart(2, '0')}`;

export const CONSOLEIO = ['write', 'read'] as const;
export const SCHEDOP: Readonly<Record<number, string>> = {
  0: 'yield',
  1: 'block',
  2: 'shutdown',
  3: 'poll',
  4: 'remote_shutdown',
  5: 'shutdown_code',
  6: 'watchdog',
};
