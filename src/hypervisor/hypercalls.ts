// The hypercall table, Xen's numbers to handlers (public/xen.h), and the way every call takes: registers in, a decode record, the handler,
// an answer record, EAX out. An unknown number is -ENOSYS and its arguments are not looked at.

import { VCPU } from '../cpu/vcpu.ts';
import { COUNT_HYPERCALL } from '../trace/recorder.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { ERRNO, errnoName } from './abi/errno.ts';
import { doCallbackOp, doNmiOp, doSetCallbacks } from './callback.ts';
import { doConsoleIo } from './console-io.ts';
import {
  doAbsent,
  doDomctl,
  doPlatformOp,
  doPrivilegedOnly,
  doSysctl,
  doUnsupported,
} from './control-ops.ts';
import { doFpuTaskswitch, doGetDebugreg, doSetDebugreg } from './cpu-ops.ts';
import { doSetGdt, doUpdateDescriptor } from './descriptors.ts';
import { doEventChannelOp, doEventChannelOpCompat } from './event-channels.ts';
import { doGrantTableOp } from './grant-table.ts';
import type { HypercallArgs, HypercallHandler } from './hypercall-types.ts';
import { doDmOp, doHvmOp } from './hvm-op.ts';
import { doIret } from './iret.ts';
import { doMemoryOp } from './memory-op.ts';
import { doMmuextOp, doMmuUpdate, doUpdateVaMapping, doUpdateVaMappingOtherdomain } from './mmu-ops.ts';
import { doMulticall } from './multicall.ts';
import { doPhysdevOp, doPhysdevOpCompat } from './physdev.ts';
import { doSchedOp, doSchedOpCompat } from './schedule.ts';
import { doSetTimerOp } from './time.ts';
import { doSetTrapTable, doStackSwitch } from './traps.ts';
import { doVcpuOp } from './vcpu-op.ts';
import { doVmAssist } from './vm-assist.ts';
import { doXenVersion } from './xen-version.ts';
import { DOMAIN, DOMAIN_STATE } from './state.ts';
import type { Xen } from './xen.ts';

export interface Hypercall {
  readonly name: string;
  readonly handler: HypercallHandler;
  /** Names of the arguments, as the manual has them. */
  readonly args: readonly string[];
  readonly group: 'mm' | 'traps' | 'events' | 'grants' | 'sched' | 'control' | 'info';
  /** Which argument selects the operation, -1 for none. */
  readonly subop: number;
}

/** `handler` is looked up at the call: modules of the hypervisor import each other in circles, and this table must not care who came first. */
const call = (
  name: string,
  handler: () => HypercallHandler,
  args: string,
  group: Hypercall['group'],
  subop = -1,
): Hypercall => ({
  name,
  get handler() {
    return handler();
  },
  args: args === '' ? [] : args.split(' '),
  group,
  subop,
});

export const HYPERCALLS: Readonly<Record<number, Hypercall>> = {
  0: call('set_trap_table', () => doSetTrapTable, 'traps*', 'traps'),
  1: call('mmu_update', () => doMmuUpdate, 'reqs* count done* foreigndom', 'mm'),
  2: call('set_gdt', () => doSetGdt, 'frames* entries', 'mm'),
  3: call('stack_switch', () => doStackSwitch, 'ss esp', 'traps'),
  4: call('set_callbacks', () => doSetCallbacks, 'event_cs event_eip failsafe_cs failsafe_eip', 'traps'),
  5: call('fpu_taskswitch', () => doFpuTaskswitch, 'set', 'traps'),
  6: call('sched_op_compat', () => doSchedOpCompat, 'cmd arg', 'sched', 0),
  7: call('platform_op', () => doPlatformOp, 'op*', 'control'),
  8: call('set_debugreg', () => doSetDebugreg, 'reg value', 'traps'),
  9: call('get_debugreg', () => doGetDebugreg, 'reg', 'traps'),
  10: call('update_descriptor', () => doUpdateDescriptor, 'ma_lo ma_hi desc_lo desc_hi', 'mm'),
  12: call('memory_op', () => doMemoryOp, 'cmd arg*', 'mm', 0),
  13: call('multicall', () => doMulticall, 'calls* count', 'control'),
  14: call('update_va_mapping', () => doUpdateVaMapping, 'va val_lo val_hi flags', 'mm'),
  15: call('set_timer_op', () => doSetTimerOp, 'timeout_lo timeout_hi', 'sched'),
  16: call('event_channel_op_compat', () => doEventChannelOpCompat, 'op*', 'events'),
  17: call('xen_version', () => doXenVersion, 'cmd arg*', 'info', 0),
  18: call('console_io', () => doConsoleIo, 'cmd count buffer*', 'info', 0),
  19: call('physdev_op_compat', () => doPhysdevOpCompat, 'op*', 'control'),
  20: call('grant_table_op', () => doGrantTableOp, 'cmd uop* count', 'grants', 0),
  21: call('vm_assist', () => doVmAssist, 'cmd type', 'mm', 0),
  22: call(
    'update_va_mapping_otherdomain',
    () => doUpdateVaMappingOtherdomain,
    'va val_lo val_hi flags domid',
    'mm',
  ),
  23: call('iret', () => doIret, '', 'traps'),
  24: call('vcpu_op', () => doVcpuOp, 'cmd vcpuid arg*', 'sched', 0),
  25: call('set_segment_base', () => doAbsent, 'which base', 'traps', 0),
  26: call('mmuext_op', () => doMmuextOp, 'ops* count done* foreigndom', 'mm'),
  27: call('xsm_op', () => doAbsent, 'op*', 'control'),
  28: call('nmi_op', () => doNmiOp, 'cmd arg*', 'traps', 0),
  29: call('sched_op', () => doSchedOp, 'cmd arg*', 'sched', 0),
  30: call('callback_op', () => doCallbackOp, 'cmd arg*', 'traps', 0),
  31: call('xenoprof_op', () => doPrivilegedOnly, 'cmd arg*', 'control', 0),
  32: call('event_channel_op', () => doEventChannelOp, 'cmd arg*', 'events', 0),
  33: call('physdev_op', () => doPhysdevOp, 'cmd arg*', 'control', 0),
  34: call('hvm_op', () => doHvmOp, 'cmd arg*', 'control', 0),
  35: call('sysctl', () => doSysctl, 'op*', 'control'),
  36: call('domctl', () => doDomctl, 'op*', 'control'),
  37: call('kexec_op', () => doPrivilegedOnly, 'cmd arg*', 'control', 0),
  38: call('tmem_op', () => doAbsent, 'op*', 'control'),
  39: call('argo_op', () => doAbsent, 'cmd arg1* arg2* arg3 arg4', 'control', 0),
  40: call('xenpmu_op', () => doUnsupported, 'cmd arg*', 'control', 0),
  41: call('dm_op', () => doDmOp, 'domid nr bufs*', 'control'),
  42: call('hypfs_op', () => doPrivilegedOnly, 'cmd arg1* arg2 arg3* arg4', 'control', 0),
  48: call('mca', () => doPrivilegedOnly, 'mc*', 'control'),
};

/** Name of a hypercall for people; 'hypercall 77' when the number means nothing. */
export const hypercallName = (number: number): string => HYPERCALLS[number]?.name ?? `hypercall ${number}`;
const NR_HYPERCALLS = 64;
const NO_SUBOP = 0xffffffff;

/** Positions in VCPU.gpr of EBX, ECX, EDX, ESI, EDI, EBP. */
export const ARGUMENT_REGISTERS = [3, 1, 2, 6, 7, 5] as const;

/** Executes INT 0x82 of vCPU v: EIP is already past it. */
export function hypercall(x: Xen, v: number): void {
  const { m } = x;
  const number = m.r32(v + VCPU.gpr);
  const args = ARGUMENT_REGISTERS.map((r) => m.r32(v + VCPU.gpr + 4 * r)) as unknown as HypercallArgs;
  const result = perform(x, v, number, args);
  if (m.r32(v + VCPU.used) !== 0) m.w32(v + VCPU.gpr, result >>> 0);
}

/** One call, from registers or from a multicall entry, with its decode and answer records. */
export function perform(x: Xen, v: number, number: number, args: HypercallArgs): number {
  const entry = number < NR_HYPERCALLS ? HYPERCALLS[number] : undefined;
  const who = x.subject(v);
  const aux = Math.min(number, 0xffff);
  const subop = entry === undefined || entry.subop < 0 ? NO_SUBOP : args[entry.subop]!;
  if (number < NR_HYPERCALLS) x.m.u32[COUNT_HYPERCALL + number] = x.m.u32[COUNT_HYPERCALL + number]! + 1;
  x.trace.emit(RT.hypercall, PH.decode, OUT.none, who, aux, [...args.slice(0, 5), 0, subop]);
  let result: number;
  if (entry) result = entry.handler(x, v, args) | 0;
  else {
    x.check('hypercall.known', false, number);
    result = -ERRNO.ENOSYS;
  }
  const crashed = x.m.r32(x.domainOf(v) + DOMAIN.state) === DOMAIN_STATE.crashed;
  const refused = crashed || (result < 0 && errnoName(result) !== undefined);
  x.trace.emit(RT.hypercall, PH.answer, refused ? OUT.refused : OUT.served, who, aux, [
    ...args.slice(0, 5),
    result >>> 0,
    subop,
  ]);
  return result;
}
