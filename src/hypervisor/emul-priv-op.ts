// Privileged instructions of a deprivileged kernel. Ring 1 gets #GP(0) for them; Xen carries out the few it knows through the same
// description the engine runs, with itself as the system. Everything else stays the guest's #GP.

import { BREAK_IO, enabledOf, meeting } from '../cpu/debug.ts';
import { REFUSED, type SystemEnv } from '../cpu/engine.ts';
import { SEGREG, VCPU } from '../cpu/vcpu.ts';
import type { Insn } from '../isa/types.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import { xenLeaf } from './cpuid.ts';
import { bounceException } from './bounce.ts';
import { getDebugreg, setDebugreg, setVirtualTs } from './cpu-ops.ts';
import { codeBytes, fetchInstruction } from './instruction.ts';
import { type IoFault, ioplAllows, portPermitted, readPort, writePort } from './io-ports.ts';
import { readMsr, writeMsr } from './msr.ts';
import { installBasePtr, unfoldCr3 } from './pagetables.ts';
import { inKernel, SEG, segAt } from './selectors.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

/** Entries of the description Xen emulates, and what each needs: the guest's kernel, the virtual IOPL, a port, or nothing. */
const EMULATED: Readonly<Record<string, 'kernel' | 'iopl' | 'port' | 'tsc' | 'any'>> = {
  clts: 'kernel',
  wbinvd: 'kernel',
  mov_from_cr: 'kernel',
  mov_to_cr: 'kernel',
  mov_from_dr: 'kernel',
  mov_to_dr: 'kernel',
  rdmsr: 'kernel',
  wrmsr: 'kernel',
  xsetbv: 'kernel',
  rdtsc: 'tsc',
  rdtscp: 'tsc',
  cpuid: 'any',
  cli: 'iopl',
  sti: 'iopl',
  in: 'port',
  out: 'port',
  ins: 'port',
  outs: 'port',
};

const CR0_TS = 8,
  CR4_TSD = 4,
  CR4_DE = 8;
/** TSD and DE; OSXSAVE would be the guest's too if CPUID announced XSAVE. */
const CR4_GUEST = 0x4 | 0x8,
  CR4_VISIBLE = 0x20 | 0x40 | 0x200 | 0x400;
const VECTOR_PF = 14;

/** emulated: EIP is past it; breakpoint: and it met one for ports. faulted: an exception has been delivered. none: the #GP is the guest's own. */
export type Emulation = 'emulated' | 'breakpoint' | 'faulted' | 'none';

const pack = (bytes: ArrayLike<number>, at: number): number =>
  ((bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)) >>>
  0;

/** The records of an instruction under examination; bytes are packed four to a word. */
export function privopRecord(
  x: Xen,
  v: number,
  phase: number,
  outcome: number,
  bytes: ArrayLike<number>,
  length: number,
  result = 0,
  value = 0,
): void {
  x.trace.emit(RT.privop, phase, outcome, x.subject(v), length, [
    pack(bytes, 0),
    pack(bytes, 4),
    pack(bytes, 8),
    result >>> 0,
    value >>> 0,
  ]);
}

/** Visible CR0: the real one with the virtual TS. */
const readCr0 = (x: Xen, v: number): number =>
  ((x.m.r32(v + VCPU.cr0) & ~CR0_TS) | (x.m.r32(xv(v) + XVCPU.vCr0Ts) !== 0 ? CR0_TS : 0)) >>> 0;

function readSys(x: Xen, v: number, name: string): number | typeof REFUSED {
  if (name === 'cr0') return readCr0(x, v);
  if (name === 'ts') return x.m.r32(xv(v) + XVCPU.vCr0Ts);
  if (name === 'cr2') return x.m.r32(xv(v) + XVCPU.vCr2);
  if (name === 'cr3') {
    const mfn = x.m.r32(xv(v) + XVCPU.guestCr3Mfn);
    return ((mfn << 12) | (mfn >>> 20)) >>> 0;
  }
  if (name === 'cr4') return x.m.r32(xv(v) + XVCPU.vCr4);
  const dr = /^dr([0-7])$/.exec(name);
  if (dr) return getDebugreg(x, v, Number(dr[1])) ?? REFUSED;
  if (name === 'if') return 1;
  if (name === 'tsc') return x.T + x.m.r64(v + VCPU.tscOffset);
  const msr = /^msr:(?:0x)?([0-9a-f]+)$/.exec(name);
  if (msr) return readMsr(x, v, Number.parseInt(msr[1]!, 16)) ?? REFUSED;
  return REFUSED;
}

/** Only TS may change by a write to CR0. */
function writeCr0(x: Xen, v: number, value: number): undefined | typeof REFUSED {
  const changed = ((value ^ readCr0(x, v)) & ~CR0_TS) >>> 0;
  if (!x.check('priv.cr0-only-ts', changed === 0, value, changed)) return REFUSED;
  setVirtualTs(x, v, (value & CR0_TS) !== 0);
  return undefined;
}

/** The same as MMUEXT_NEW_BASEPTR. */
const writeCr3 = (x: Xen, v: number, value: number): undefined | typeof REFUSED =>
  installBasePtr(x, v, unfoldCr3(value)) === 0 ? undefined : REFUSED;

function writeSys(x: Xen, v: number, name: string, value: number): undefined | typeof REFUSED {
  if (name === 'cr0') return writeCr0(x, v, value);
  if (name === 'ts') return void setVirtualTs(x, v, value !== 0);
  if (name === 'cr2') {
    x.m.w32(xv(v) + XVCPU.vCr2, value);
    x.frames.write32(x.m.r32(xv(v) + XVCPU.vcpuInfoMaddr) + 8, value);
    return undefined;
  }
  if (name === 'cr3') return writeCr3(x, v, value);
  if (name === 'cr4') {
    const cr4 = (value & CR4_GUEST) | CR4_VISIBLE;
    x.m.w32(xv(v) + XVCPU.vCr4, cr4);
    x.m.w32(v + VCPU.cr4, cr4);
    return undefined;
  }
  const dr = /^dr([0-7])$/.exec(name);
  if (dr) return setDebugreg(x, v, Number(dr[1]), value) === 0 ? undefined : REFUSED;
  if (name === 'if') return undefined; // CLI and STI pass the IOPL check and then do nothing
  const msr = /^msr:(?:0x)?([0-9a-f]+)$/.exec(name);
  if (msr) return writeMsr(x, v, Number.parseInt(msr[1]!, 16), value) ? undefined : REFUSED;
  return REFUSED;
}

/** What must be true before the instruction is carried out at all; each refusal has its rule. */
function admitted(x: Xen, v: number, insn: Insn): boolean {
  const need = Object.hasOwn(EMULATED, insn.form.semantics) ? EMULATED[insn.form.semantics] : undefined;
  const value = pack(insn.bytes, 0);
  if (!x.check('priv.known', need !== undefined, value)) return false;
  if (need === 'kernel')
    return x.check('priv.kernel-only', inKernel(x, v), x.m.r32(segAt(v, SEG.cs) + SEGREG.sel) & 3);
  if (need === 'tsc')
    return x.check('priv.tsd', inKernel(x, v) || (x.m.r32(xv(v) + XVCPU.vCr4) & CR4_TSD) === 0);
  if (need === 'iopl')
    return x.check('priv.iopl', ioplAllows(x, v), x.m.r32(xv(v) + XVCPU.iopl), inKernel(x, v) ? 1 : 3);
  return true;
}

/** What an emulated instruction has met: the value it moved, and breakpoints for ports. */
interface Seen {
  value: number;
  breakpoints: number;
}

/** Breakpoints that wait for a port of the range. Real ones do not see an access that Xen makes in the guest's place. */
function portBreakpoints(x: Xen, v: number, port: number, size: number): number {
  if ((x.m.r32(xv(v) + XVCPU.vCr4) & CR4_DE) === 0) return 0;
  const dr7 = x.m.r32(v + VCPU.dr + 28);
  return meeting(dr7, enabledOf(dr7, 1 << BREAK_IO), (n) => x.m.r32(v + VCPU.dr + 4 * n), port, size / 8);
}

/** The environment of one emulated instruction. `fault` receives a page fault of the I/O bitmap. */
function environment(x: Xen, v: number, fault: IoFault, seen: Seen): SystemEnv {
  return {
    allows: () => true,
    cpuid: xenLeaf,
    readSys: (name) => {
      const value = readSys(x, v, name);
      if (typeof value === 'number') seen.value = value;
      return value;
    },
    writeSys: (name, value) => {
      seen.value = value;
      return writeSys(x, v, name, value);
    },
    portIn: (port, size) => {
      if (!portPermitted(x, v, port, size, fault)) return REFUSED;
      seen.breakpoints |= portBreakpoints(x, v, port, size);
      seen.value = readPort(x, v, port, size);
      return seen.value;
    },
    portOut: (port, size, value) => {
      if (!portPermitted(x, v, port, size, fault)) return REFUSED;
      seen.breakpoints |= portBreakpoints(x, v, port, size);
      seen.value = value;
      writePort(x, v, port, size, value);
      return undefined;
    },
  };
}

/** Looks at the instruction that raised #GP(0) and carries it out if it is one of Xen's. */
export function emulatePrivileged(x: Xen, v: number): Emulation {
  const insn = fetchInstruction(x, v);
  if (!insn) {
    const { bytes, fault } = codeBytes(x, v, 15);
    privopRecord(x, v, PH.decode, OUT.none, bytes, bytes.length);
    if (fault !== undefined && !x.check('priv.bytes-readable', false, fault)) {
      bounceException(x, v, VECTOR_PF, 0, fault);
      return 'faulted';
    }
    return 'none';
  }
  privopRecord(x, v, PH.decode, OUT.none, insn.bytes, insn.length);
  if (!admitted(x, v, insn)) {
    privopRecord(x, v, PH.answer, OUT.refused, insn.bytes, insn.length);
    return 'none';
  }
  return carryOut(x, v, insn);
}

/** Runs an admitted instruction through the description and answers for it. Also used behind the forced-emulation prefix. */
export function carryOut(x: Xen, v: number, insn: Insn): Emulation {
  const fault: IoFault = { cr2: undefined },
    seen: Seen = { value: 0, breakpoints: 0 };
  const result = x.engine.emulate(v, environment(x, v, fault, seen));
  const outcome = result.kind === 'done' ? OUT.emulated : OUT.refused;
  privopRecord(x, v, PH.answer, outcome, insn.bytes, insn.length, result.kind === 'done' ? 1 : 0, seen.value);
  if (result.kind === 'done') {
    if (seen.breakpoints === 0) return 'emulated';
    x.m.w32(v + VCPU.dr + 24, x.m.r32(v + VCPU.dr + 24) | seen.breakpoints);
    return 'breakpoint';
  }
  if (result.kind === 'fault') {
    bounceException(x, v, result.vector, result.code ?? 0, result.cr2);
    return 'faulted';
  }
  if (fault.cr2 !== undefined) {
    bounceException(x, v, VECTOR_PF, 0, fault.cr2);
    return 'faulted';
  }
  return 'none';
}
