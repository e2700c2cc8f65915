// vm_assist: conveniences a guest may switch on. A 32-bit PV guest knows types 0 to 5.

import { ERRNO } from './abi/errno.ts';
import type { HypercallHandler } from './hypercall-types.ts';
import { DOMAIN } from './state.ts';

export const VMASST = {
  segments4gb: 0,
  segments4gbNotify: 1,
  writablePagetables: 2,
  paeExtendedCr3: 3,
  architecturalIopl: 4,
  runstateUpdateFlag: 5,
} as const;
const VMASST_CMD_enable = 0,
  VMASST_CMD_disable = 1;
const TYPES = 6;

/** vm_assist(cmd, type): the type is checked before the command. */
export const doVmAssist: HypercallHandler = (x, v, [cmd, type]) => {
  const at = x.domainOf(v) + DOMAIN.vmAssist;
  if (!x.check('assist.type', type < TYPES, type)) return -ERRNO.EINVAL;
  if (!x.check('assist.command', cmd === VMASST_CMD_enable || cmd === VMASST_CMD_disable, cmd))
    return -ERRNO.ENOSYS;
  const old = x.m.r32(at);
  x.m.w32(at, cmd === VMASST_CMD_enable ? old | (1 << type) : old & ~(1 << type));
  x.act(cmd === VMASST_CMD_enable ? 'assist.enable' : 'assist.disable', [type]);
  return 0;
};
