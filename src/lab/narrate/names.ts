// Numbers that records carry, by the names the field gives them (public/xen.h, SDM volume 3 table 6-1).

/** __HYPERVISOR_* numbers: name, and the names of the arguments (a star marks an address). A test holds them to the hypervisor's own table. */
export const HYPERCALL_NAMES: Readonly<Record<number, readonly [name: string, args: string]>> = {
  0: ['set_trap_table', 'traps*'],
  1: ['mmu_update', 'reqs* count done* foreigndom'],
  2: ['set_gdt', 'frames* entries'],
  3: ['stack_switch', 'ss esp'],
  4: ['set_callbacks', 'event_cs event_eip failsafe_cs failsafe_eip'],
  5: ['fpu_taskswitch', 'set'],
  6: ['sched_op_compat', 'cmd arg'],
  7: ['platform_op', 'op*'],
  8: ['set_debugreg', 'reg value'],
  9: ['get_debugreg', 'reg'],
  10: ['update_descriptor', 'ma_lo ma_hi desc_lo desc_hi'],
  12: ['memory_op', 'cmd arg*'],
  13: ['multicall', 'calls* count'],
  14: ['update_va_mapping', 'va val_lo val_hi flags'],
  15: ['set_timer_op', 'timeout_lo timeout_hi'],
  16: ['event_channel_op_compat', 'op*'],
  17: ['xen_version', 'cmd arg*'],
  18: ['console_io', 'cmd count buffer*'],
  19: ['physdev_op_compat', 'op*'],
  20: ['grant_table_op', 'cmd uop* count'],
  21: ['vm_assist', 'cmd type'],
  22: ['update_va_mapping_otherdomain', 'va val_lo val_hi flags domid'],
  23: ['iret', ''],
  24: ['vcpu_op', 'cmd vcpuid arg*'],
  25: ['set_segment_base', 'which base'],
  26: ['mmuext_op', 'ops* count done* foreigndom'],
  27: ['xsm_op', 'op*'],
  28: ['nmi_op', 'cmd arg*'],
  29: ['sched_op', 'cmd arg*'],
  30: ['callback_op', 'cmd arg*'],
  31: ['xenoprof_op', 'cmd arg*'],
  32: ['event_channel_op', 'cmd arg*'],
  33: ['physdev_op', 'cmd arg*'],
  34: ['hvm_op', 'cmd arg*'],
  35: ['sysctl', 'op*'],
  36: ['domctl', 'op*'],
  37: ['kexec_op', 'cmd arg*'],
  38: ['tmem_op', 'op*'],
  39: ['argo_op', 'cmd arg1* arg2* arg3 arg4'],
  40: ['xenpmu_op', 'cmd arg*'],
  41: ['dm_op', 'domid nr bufs*'],
  42: ['hypfs_op', 'cmd arg1* arg2 arg3* arg4'],
  48: ['mca', 'mc*'],
};
export const hypercallName = (n: number): string => HYPERCALL_NAMES[n]?.[0] ?? `hypercall ${n}`;
/** Names of a hypercall's arguments. */
export const hypercallArgs = (n: number): readonly string[] =>
  HYPERCALL_NAMES[n]?.[1].split(' ').filter(Boolean) ?? [];
/** The number of a hypercall by name, for lessons and breakpoints. */
export const hypercallNumber = (name: string): number | undefined => {
  const hit = Object.entries(HYPERCALL_NAMES).find(([, v]) => v[0] === name);
  return hit ? Number(hit[0]) : undefined;
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
