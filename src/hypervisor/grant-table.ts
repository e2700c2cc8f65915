// grant_table_op as a Xen built for version 1 answers it (public/grant_table.h): the table of operations, the table's size, versions.
// Trouble with one element is its status; only unreadable memory and impossible calls are errors of the hypercall.

import { VCPU } from '../cpu/vcpu.ts';
import { ERRNO } from './abi/errno.ts';
import { DOMID_SELF } from './abi/domid.ts';
import { GNTST, GNTTABOP, type GrantStatus, GTF_permit_access } from './abi/grant.ts';
import { continueHypercall, exhausted, spend, startWork } from './continuation.ts';
import { visibleDomid } from './domain.ts';
import { anyDomain } from './event-channels.ts';
import { copyGrant } from './grant-copy.ts';
import {
  ACTIVE,
  activeAt,
  freeTable,
  growTable,
  MAX_GRANT_FRAMES,
  nrEntries,
  sharedAt,
} from './grant-entries.ts';
import { mapGrantRef, orphanMappings, releaseMappings, unmapAndReplace, unmapGrantRef } from './grant-map.ts';
import { transferGrant } from './grant-transfer.ts';
import { copyFromGuest, copyToGuest, fields, nestedHandleOk } from './guest-access.ts';
import type { HypercallArgs } from './hypercall-types.ts';
import { freeMaptrack } from './maptrack.ts';
import { refuse } from './refuse.ts';
import { DOMAIN } from './state.ts';
import type { Xen } from './xen.ts';

const HYPERCALL_NUMBER = 20;
const CMD_MASK = 0xfff;
/** Elements after which events and deadlines get their turn. */
const BATCH = 256;
/** Units of work of one element: it may copy a page. */
const ELEMENT_WORK = 64;
const ECX = VCPU.gpr + 4,
  EDX = VCPU.gpr + 8;

interface ArrayOperation {
  readonly size: number;
  /** Where the status goes; 'all': the whole element is written back. */
  readonly statusAt: number;
  readonly all?: boolean;
  readonly run: (x: Xen, v: number, a: DataView) => GrantStatus;
}
const ARRAYS: Readonly<Record<number, ArrayOperation>> = {
  [GNTTABOP.map_grant_ref]: { size: 32, statusAt: 18, all: true, run: mapGrantRef },
  [GNTTABOP.unmap_grant_ref]: { size: 24, statusAt: 20, run: unmapGrantRef },
  [GNTTABOP.transfer]: { size: 16, statusAt: 12, run: transferGrant },
  [GNTTABOP.copy]: { size: 24, statusAt: 20, run: copyGrant },
  [GNTTABOP.unmap_and_replace]: { size: 24, statusAt: 20, run: unmapAndReplace },
  [GNTTABOP.swap_grant_ref]: { size: 12, statusAt: 8, run: swapGrantRefs },
};
const SINGLE: Readonly<Record<number, (x: Xen, v: number, at: number, count: number) => number>> = {
  [GNTTABOP.setup_table]: setupTable,
  [GNTTABOP.query_size]: querySize,
  [GNTTABOP.set_version]: setVersion,
  [GNTTABOP.get_status_frames]: getStatusFrames,
  [GNTTABOP.get_version]: getVersion,
};

/** grant_table_op (20): (cmd, uop*, count). */
export function doGrantTableOp(x: Xen, v: number, args: HypercallArgs): number {
  const [cmd, at, count] = args;
  const op = cmd & CMD_MASK;
  if (!x.check('grant.count', count < 0x80000000, count)) return -ERRNO.EINVAL;
  if (cmd > CMD_MASK && op !== GNTTABOP.cache_flush)
    return refuse(x, ERRNO.EINVAL, 'grant.no-progress-bits', cmd);
  if (op === GNTTABOP.cache_flush) return refuse(x, ERRNO.ENOSYS, 'grant.caches-coherent');
  const array = ARRAYS[op];
  if (array) return each(x, v, at, count, array);
  const single = SINGLE[op];
  if (single) return single(x, v, at, count);
  return refuse(x, ERRNO.ENOSYS, 'grant.operation-known', op);
}

const unreadable = (x: Xen, at: number, size: number): number =>
  refuse(x, ERRNO.EFAULT, 'grant.argument-readable', at, size);
const unwritable = (x: Xen, at: number, size: number): number =>
  refuse(x, ERRNO.EFAULT, 'grant.argument-writable', at, size);

/** The array operations: element after element; a long array goes on after the guest has had a chance to take an event. */
function each(x: Xen, v: number, start: number, count: number, op: ArrayOperation): number {
  startWork(x, v);
  for (let i = 0, at = start; i < count; i++, at += op.size) {
    if (i === BATCH || (i > 0 && exhausted(x))) {
      x.m.w32(v + ECX, at >>> 0);
      x.m.w32(v + EDX, count - i);
      return continueHypercall(x, v, HYPERCALL_NUMBER);
    }
    spend(x, ELEMENT_WORK);
    const bytes = copyFromGuest(x, v, at, op.size);
    if (!bytes) return unreadable(x, at, op.size);
    const a = fields(bytes);
    a.setInt16(op.statusAt, op.run(x, v, a), true);
    const written = op.all
      ? copyToGuest(x, v, at, bytes)
      : copyToGuest(x, v, at + op.statusAt, bytes.subarray(op.statusAt, op.statusAt + 2));
    if (!written) return unwritable(x, at, op.size);
  }
  return 0;
}

/** The domain of a "target" operation, or the status that refuses it. */
function target(x: Xen, v: number, domid: number): { readonly d: number; readonly status: GrantStatus } {
  const d = anyDomain(x, v, domid);
  if (d === 0) {
    x.check('grant.domain-exists', false, domid);
    return { d, status: GNTST.bad_domain };
  }
  const allowed = d === x.domainOf(v) || x.m.r32(x.domainOf(v) + DOMAIN.privileged) !== 0;
  return x.check('grant.own-table', allowed, domid, x.domidOf(v))
    ? { d, status: GNTST.okay }
    : { d: 0, status: GNTST.permission_denied };
}

/** {dom u16, nr_frames u32 +4, status s16 +8, frame_list* +12}. C64 refuses a list that reaches the hypervisor before it does anything; none at all is nothing to translate. */
function setupTable(x: Xen, v: number, at: number, count: number): number {
  if (count === 0) return 0;
  if (!x.check('grant.single', count === 1, count)) return -ERRNO.EINVAL;
  const bytes = copyFromGuest(x, v, at, 16);
  if (!bytes) return unreadable(x, at, 16);
  const a = fields(bytes);
  const nr = a.getUint32(4, true),
    list = a.getUint32(12, true);
  if (!nestedHandleOk(list, nr * 4)) return unwritable(x, list, nr * 4);
  const { d, status } = target(x, v, a.getUint16(0, true));
  let result: GrantStatus = status;
  if (status === GNTST.okay) {
    if (!x.check('grant.table-limit', nr <= MAX_GRANT_FRAMES, nr, MAX_GRANT_FRAMES))
      result = GNTST.general_error;
    else if (!growTable(x, d, nr)) {
      x.check('grant.table-memory', false, nr);
      result = GNTST.general_error;
    }
  }
  if (result === GNTST.okay) {
    const frames = new Uint8Array(nr * 4);
    for (let i = 0; i < nr; i++)
      fields(frames).setUint32(i * 4, x.m.r32(d + DOMAIN.grantFrames + 4 * i), true);
    if (!x.check('grant.list-writable', copyToGuest(x, v, list, frames), list, nr * 4))
      return writeStatus(x, v, at + 8, GNTST.bad_virt_addr);
    x.act('grant.table-shown', [
      x.m.r32(d + DOMAIN.domid),
      nr,
      nr === 0 ? 0 : x.m.r32(d + DOMAIN.grantFrames),
    ]);
  }
  return writeStatus(x, v, at + 8, result);
}

function writeStatus(x: Xen, v: number, at: number, status: GrantStatus): number {
  const out = new Uint8Array(2);
  fields(out).setInt16(0, status, true);
  return copyToGuest(x, v, at, out) ? 0 : unwritable(x, at, 2);
}

/** {dom u16, nr_frames u32 +4, max_nr_frames u32 +8, status s16 +12}. */
function querySize(x: Xen, v: number, at: number, count: number): number {
  if (!x.check('grant.single', count === 1, count)) return -ERRNO.EINVAL;
  const bytes = copyFromGuest(x, v, at, 16);
  if (!bytes) return unreadable(x, at, 16);
  const a = fields(bytes);
  const { d, status } = target(x, v, a.getUint16(0, true));
  if (status === GNTST.okay) {
    a.setUint32(4, x.m.r32(d + DOMAIN.nrGrantFrames), true);
    a.setUint32(8, MAX_GRANT_FRAMES, true);
  }
  a.setInt16(12, status, true);
  return copyToGuest(x, v, at, bytes) ? 0 : unwritable(x, at, 16);
}

/** {version u32}: 1 is what there is, 2 is unknown to this Xen. The version in force is written back in any case. */
function setVersion(x: Xen, v: number, at: number): number {
  const bytes = copyFromGuest(x, v, at, 4);
  if (!bytes) return unreadable(x, at, 4);
  const asked = fields(bytes).getUint32(0, true);
  let result = 0;
  if (!x.check('grant.version-exists', asked === 1 || asked === 2, asked)) result = -ERRNO.EINVAL;
  else if (!x.check('grant.version-1-only', asked === 1, asked)) result = -ERRNO.ENOSYS;
  fields(bytes).setUint32(0, 1, true);
  return copyToGuest(x, v, at, bytes) ? result : unwritable(x, at, 4);
}

/** {dom u16, version u32 +4}. */
function getVersion(x: Xen, v: number, at: number): number {
  const bytes = copyFromGuest(x, v, at, 8);
  if (!bytes) return unreadable(x, at, 8);
  const { status } = target(x, v, fields(bytes).getUint16(0, true));
  if (status === GNTST.bad_domain) return -ERRNO.ESRCH;
  if (status === GNTST.permission_denied) return -ERRNO.EPERM;
  fields(bytes).setUint32(4, 1, true);
  return copyToGuest(x, v, at, bytes) ? 0 : unwritable(x, at, 8);
}

/** {nr_frames u32, dom u16 +4, status s16 +6, frame_list* +8}: version 1 has no status frames. */
function getStatusFrames(x: Xen, v: number, at: number, count: number): number {
  if (count === 0) return 0;
  if (!x.check('grant.single', count === 1, count)) return -ERRNO.EINVAL;
  const bytes = copyFromGuest(x, v, at, 12);
  if (!bytes) return unreadable(x, at, 12);
  const a = fields(bytes);
  const { status } = target(x, v, a.getUint16(4, true));
  let result: GrantStatus = status;
  if (
    status === GNTST.okay &&
    !x.check('grant.status-frames', a.getUint32(0, true) === 0, a.getUint32(0, true))
  )
    result = GNTST.general_error;
  return writeStatus(x, v, at + 6, result);
}

/** {ref_a u32, ref_b u32 +4}: exchanges two entries that nobody uses. */
function swapGrantRefs(x: Xen, v: number, a: DataView): GrantStatus {
  const d = x.domainOf(v),
    { frames } = x;
  const refs = [a.getUint32(0, true), a.getUint32(4, true)] as const;
  for (const ref of refs) {
    if (
      !x.check(
        'grant.reference-exists',
        ref < nrEntries(x, d),
        ref,
        nrEntries(x, d),
        x.m.r32(d + DOMAIN.domid),
      )
    )
      return GNTST.bad_gntref;
  }
  if (refs[0] === refs[1]) return GNTST.okay;
  for (const ref of refs) {
    if (!x.check('grant.swap-unused', frames.read32(activeAt(x, d, ref) + ACTIVE.pin) === 0, ref))
      return GNTST.eagain;
  }
  const [at, bt] = [sharedAt(x, d, refs[0]), sharedAt(x, d, refs[1])];
  const old = frames.copyOut(at, 8);
  frames.copyIn(at, frames.copyOut(bt, 8));
  frames.copyIn(bt, old);
  x.act('grant.swapped', [...refs]);
  return GNTST.okay;
}

/** A new domain's table: one frame. False when Xen has no memory for it. */
export const initGrantTable = (x: Xen, d: number): boolean => growTable(x, d, 1);

/** Fills in a reserved entry for the toolstack: access to `mfn` for `domid`, under the number guests know it by. The table must exist. */
export function seedGrant(x: Xen, d: number, ref: number, domid: number, mfn: number): void {
  const at = sharedAt(x, d, ref);
  x.frames.write16(at + 2, visibleDomid(x, domid === DOMID_SELF ? x.m.r32(d + DOMAIN.domid) : domid));
  x.frames.write32(at + 4, mfn);
  x.frames.write16(at, GTF_permit_access);
}

/**
 * A dying domain: lets go of what it has mapped, cuts others' mappings of its frames loose from its table, and gives the table back. Frames
 * that its page tables still show are freed with those.
 */
export function destroyGrants(x: Xen, d: number): void {
  releaseMappings(x, d);
  orphanMappings(x, d);
  freeMaptrack(x, d);
  freeTable(x, d);
}
