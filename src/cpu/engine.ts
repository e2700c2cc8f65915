// What the rest of the machine sees of a processor: run a vCPU for so many ticks, emulate one instruction on behalf of the
// hypervisor, translate an address. Engines hold only caches; everything they did is in STATE and RAM when they return.

import type { Frames } from '../memory/frames.ts';
import type { Memory } from '../memory/memory.ts';
import type { Recorder } from '../trace/recorder.ts';
import type { Bus } from './bus.ts';
import type { ExitReason } from './vcpu.ts';

export const ENGINES = ['reference', 'interpreter'] as const;
export type EngineName = (typeof ENGINES)[number];
/** What runs where nobody has asked for another. */
export const DEFAULT_ENGINE: EngineName = 'interpreter';
/** An engine by name, with the compiled module if it needs one (see Platform.code): with a module the default engine if no other is named. */
export type EngineChoice = EngineName | { readonly name?: EngineName; readonly code: WebAssembly.Module };

export interface Platform {
  readonly m: Memory;
  readonly frames: Frames;
  readonly trace: Recorder;
  /** Devices of the bare machine; a machine of Xen has none. */
  readonly bus?: Bus;
  /** The interpreter's compiled module (tools/build-engine.ts), for a shared or an ordinary memory as the machine's is. */
  readonly code?: WebAssembly.Module | undefined;
}

export interface Engine {
  readonly name: EngineName;
  /**
   * Runs the vCPU whose record is at `v` for at most `budget` ticks (>= 1), advancing MACHINE.T, ticks and instructions in STATE.
   * Returns an EXIT; details are in the record. PV: every delivery into ring 0 is an EXIT.trap; for INT n, INT3 and INTO through a
   * gate that allows them EIP is already past the instruction and its tick is counted, for faults EIP is at the instruction and no
   * tick is counted. The five (or six) words the CPU pushes on ring 0's stack are written to the window's stack page.
   */
  run(v: number, budget: number): ExitReason;
  /**
   * Emulates the one instruction at CS:EIP in `env`: bytes are fetched once; privileged state, ports and the final store go to env.
   * On success EIP is past it (no tick is counted here). 'unhandled': env refused or the instruction is not emulatable; nothing changed.
   */
  emulate(v: number, env: SystemEnv): EmulateResult;
  /**
   * Bare machine: delivers an external interrupt or an NMI through the IDT between two instructions, as one tick; faults on the way are
   * delivered in its place. The caller has looked at IF, the shadow and NMI blocking. Returns EXIT.budget or EXIT.shutdown.
   */
  interrupt(v: number, vector: number, kind: 'external' | 'nmi'): ExitReason;
  /** Drops everything cached. Must never change what the machine does. */
  dropCaches(): void;
}

export type EmulateResult =
  | { readonly kind: 'done'; readonly mnemonic: string; readonly bytes: Uint8Array }
  | { readonly kind: 'unhandled'; readonly mnemonic: string; readonly bytes: Uint8Array }
  | {
      readonly kind: 'fault';
      readonly vector: number;
      readonly code: number | undefined;
      readonly cr2: number;
      readonly bytes: Uint8Array;
    };

/** The environment in which the hypervisor runs one guest instruction through the description. Returning REFUSED gives up. */
export const REFUSED = Symbol('refused');
export interface SystemEnv {
  /** May this mnemonic be emulated at all? Asked once after decoding, before anything happens. */
  allows(mnemonic: string, cpl: number): boolean;
  /** Names as in the description: 'cr0', 'cr3', 'dr7', 'msr:0x10', 'if', 'ts', 'tsc' … */
  readSys(name: string): number | typeof REFUSED;
  writeSys(name: string, value: number): undefined | typeof REFUSED;
  portIn(port: number, size: 8 | 16 | 32): number | typeof REFUSED;
  portOut(port: number, size: 8 | 16 | 32, value: number): undefined | typeof REFUSED;
  /** Another answer of CPUID than the vCPU's policy gives; undefined: the policy's. */
  cpuid?(leaf: number, subleaf: number): readonly [number, number, number, number] | undefined;
  /** The final store to memory, when env wants to see it (page-table writes): true when taken, false for the ordinary way. Probes for writing then only read. */
  store?(vaddr: number, size: 8 | 16 | 32 | 64, lo: number, hi: number): boolean | typeof REFUSED;
}

/** Result of a translation. When ok is false, code is the #PF error code. */
export interface Translation {
  ok: boolean;
  maddr: number;
  code: number;
}

export interface Mmu {
  /**
   * Translates `vaddr` in the address space of `v` for an access ('r' 'w' 'x') by a user (CPL 3) or supervisor, sets accessed and dirty bits as
   * hardware does, CR0.WP acting as 1 on PV. Fills `out` and returns out.ok.
   */
  translate(v: number, vaddr: number, access: 'r' | 'w' | 'x', user: boolean, out: Translation): boolean;
}
