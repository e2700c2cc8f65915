// The reference engine's debug exceptions: what arms them, and the conditions an instruction has met so far. Instruction breakpoints and
// guarded registers are faults before the instruction, everything else is a trap behind it. SDM vol. 3, 17.2-17.3.
//
// A paravirtualised guest has them too: Xen keeps its debug registers in the same place and has checked what they hold (no general detect).

import {
  BREAK_ACCESS,
  BREAK_EXECUTE,
  BREAK_IO,
  BREAK_WRITE,
  DR6_B,
  DR6_BD,
  DR6_BT,
  DR7_ENABLED,
  DR7_GD,
  enabledOf,
  meeting,
} from './debug.ts';
import type { GateEntry } from '../isa/builder.ts';
import { CR4_DE } from './paging.ts';
import { SystemAccess } from './reference-system.ts';
import { EFLAGS_RF, VCPU } from './vcpu.ts';

const VECTOR_DB = 1,
  VECTOR_UD = 6;
/** Reasons to look closer at every instruction: breakpoints are enabled, one waits behind MOV SS, a task asked for a trap. */
const BREAKPOINTS = 1,
  WAITING = 2,
  TASK = 4;
/** In VCPU.pendingDebug beside the breakpoints met: the instruction is the one behind MOV SS or POP SS. */
const HELD = 0x80000000;

const oneOf = (...kinds: readonly number[]): number => kinds.reduce((set, kind) => set | (1 << kind), 0);

export abstract class DebugAccess extends SystemAccess {
  protected armed = 0;
  /** Breakpoints the instruction under way has met. */
  protected hits = 0;
  /** It was MOV SS or POP SS. */
  protected held = false;
  /** The #DB under way is for access to a guarded register. */
  protected guarded = false;
  private portsWatched = 0;
  private readonly addressOf = (n: number): number => this.m.r32(this.v + VCPU.dr + 4 * n);

  /** Brings up to date what is armed; after anything that touches DR7, CR4 or the pending conditions. */
  protected override noteDebug(): void {
    this.armed = 0;
    this.watching = 0;
    this.portsWatched = 0;
    const dr7 = this.dr7();
    if ((dr7 & DR7_ENABLED) !== 0) {
      this.armed = BREAKPOINTS;
      this.watching = enabledOf(dr7, oneOf(BREAK_WRITE, BREAK_ACCESS));
      if ((this.m.r32(this.v + VCPU.cr4) & CR4_DE) !== 0) this.portsWatched = enabledOf(dr7, oneOf(BREAK_IO));
    }
    if (this.m.r32(this.v + VCPU.pendingDebug) !== 0) this.armed |= WAITING;
  }
  private dr7(): number {
    return this.m.r32(this.v + VCPU.dr + 28);
  }

  /** An instruction breakpoint at the linear address of the next instruction is a fault before it, unless RF or MOV SS hold it back. */
  protected checkCode(lin: number): void {
    if ((this.armed & BREAKPOINTS) === 0 || (this.i32[this.flagsAt]! & EFLAGS_RF) !== 0) return;
    if ((this.m.r32(this.v + VCPU.pendingDebug) & HELD) !== 0) return;
    const dr7 = this.dr7();
    const met = meeting(dr7, enabledOf(dr7, oneOf(BREAK_EXECUTE)), this.addressOf, lin, 1);
    if (met !== 0) this.raiseDebug(met);
  }
  protected override noteData(lin: number, length: number, write: boolean): void {
    const dr7 = this.dr7();
    const kinds = write ? oneOf(BREAK_WRITE, BREAK_ACCESS) : oneOf(BREAK_ACCESS);
    this.hits |= meeting(dr7, enabledOf(dr7, kinds), this.addressOf, lin, length);
  }
  private notePort(port: number, size: number): void {
    if (this.portsWatched !== 0)
      this.hits |= meeting(this.dr7(), this.portsWatched, this.addressOf, port & 0xffff, size >> 3);
  }
  override in(port: number, size: number): number {
    this.notePort(port, size);
    return super.in(port, size);
  }
  override out(port: number, size: number, value: number): void {
    this.notePort(port, size);
    super.out(port, size, value);
  }

  /** DR6 says why; the handler may use the debug registers. */
  protected tellDebug(bits: number): void {
    const { m, v } = this;
    const dr6 = m.r32(v + VCPU.dr + 24);
    m.w32(v + VCPU.dr + 24, this.pv ? dr6 | bits : (dr6 & ~DR6_B) | bits);
    if (this.pv) return; // Xen merges, and its guests cannot set GD
    m.w32(v + VCPU.dr + 28, this.dr7() & ~DR7_GD);
    this.noteDebug();
  }
  private raiseDebug(bits: number): never {
    this.guarded = bits === DR6_BD;
    this.tellDebug(bits);
    this.raise(VECTOR_DB, undefined);
  }

  override checkDr(n: number): void {
    if (this.env !== undefined) return;
    if ((n === 4 || n === 5) && (this.m.r32(this.v + VCPU.cr4) & CR4_DE) !== 0)
      this.raise(VECTOR_UD, undefined);
    if (!this.pv && (this.dr7() & DR7_GD) !== 0) this.raiseDebug(DR6_BD);
  }
  override holdTraps(): void {
    this.held = true;
  }
  override taskTrap(): void {
    this.armed |= TASK;
    this.held = false; // of a MOV SS that ran unarmed, long ago
  }

  /** INT1 and a guarded register are #DB themselves: what waited behind MOV SS is told with them. */
  override enterGate(entry: GateEntry<number>): void {
    if (this.armed !== 0 && entry.kind === 'exception' && entry.vector === VECTOR_DB) {
      const bits = this.takeWaiting();
      if (bits !== 0) this.tellDebug(bits);
    }
    super.enterGate(entry);
  }

  /** The trap a task asked for by its TSS, once. */
  protected takeTaskTrap(): number {
    if ((this.armed & TASK) === 0) return 0;
    this.noteDebug();
    return DR6_BT;
  }
  /** Breakpoints that were met at MOV SS and waited, once. */
  protected takeWaiting(): number {
    if ((this.armed & WAITING) === 0) return 0;
    const bits = this.m.r32(this.v + VCPU.pendingDebug) & DR6_B;
    this.m.w32(this.v + VCPU.pendingDebug, 0);
    this.noteDebug();
    return bits;
  }
  /** Lets them wait until the instruction behind MOV SS has run. */
  protected letWait(bits: number): void {
    if ((this.armed & BREAKPOINTS) === 0) return;
    this.m.w32(this.v + VCPU.pendingDebug, (HELD | bits) >>> 0);
    this.noteDebug();
  }
}
