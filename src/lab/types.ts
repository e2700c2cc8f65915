// The words that session, workers, links and the page share. One machine configuration and one input log are a whole history.

import type { TraceRecord } from '../trace/records.ts';

/** Bumped whenever the same configuration and log would give another trace. Links carry it. */
export const MACHINE_VERSION = 1;

export interface DomainSpec {
  readonly name: string;
  /** SHA-256 of the image, lower-case hexadecimal. */
  readonly image: string;
  /** Where the page finds it: a shipped image's path under guests/, or undefined for a dropped file. */
  readonly path?: string;
  readonly memoryMiB: number;
  readonly cmdline: string;
  readonly ramdisk?: string;
  readonly privileged?: boolean;
}

/** A kernel for Xen; a multiboot image or a ROM for the bare machine. */
export type ImageKind = 'pv' | 'multiboot' | 'rom';

/** A bare machine: it starts at its multiboot image, or without one at the reset vector of its ROM. */
export interface BareSpec {
  readonly name: string;
  /** SHA-256 of the multiboot image, of the module and of the ROM. */
  readonly image?: string;
  readonly ramdisk?: string;
  readonly rom?: string;
  readonly memoryMiB: number;
  readonly cmdline: string;
  /** Ports with a meaning for tests: bytes to the console, bytes that are named, the exit code. */
  readonly debugPort?: number;
  readonly postPort?: number;
  readonly exitPort?: number;
}

/** Everything that decides what the machine will do, apart from the input log. */
export interface LabConfig {
  readonly version: number;
  /** Size of the one memory in MiB. */
  readonly memoryMiB: number;
  readonly sliceTicks: number;
  readonly epochSec: number;
  readonly domains: readonly DomainSpec[];
  /** The bare machine in place of Xen and its domains. */
  readonly bare?: BareSpec;
}

/** One act from outside, stamped with the place in the stream where it happened. */
export type InputEntry = { readonly T: number; readonly seq: number } & InputAct;
export type InputAct =
  /** `hold`: kept until the domain first waits for something. */
  | {
      readonly kind: 'console';
      readonly domid: number;
      readonly bytes: readonly number[];
      readonly hold?: true;
    }
  /** Scan codes (set 2) of the bare machine's keyboard. */
  | { readonly kind: 'keys'; readonly codes: readonly number[] }
  | {
      readonly kind: 'editMemory';
      readonly maddr: number;
      readonly bytes: readonly number[];
      readonly what: string;
    }
  | {
      readonly kind: 'editRegister';
      readonly vcpu: number;
      readonly register: string;
      readonly value: number;
    }
  | { readonly kind: 'createDomain'; readonly domain: DomainSpec }
  | { readonly kind: 'closeInput' };

/**
 * A place in the history. seq = 0 or the last record that has happened; `within` true means the machine stands inside a trap,
 * right after that record (a phase); false means between two ticks.
 */
export interface Moment {
  readonly T: number;
  readonly seq: number;
  readonly within: boolean;
}

export type Direction = 1 | -1;
/** What one step is. 'over' runs to the instruction after the current one in the same domain. */
export type StepKind = 'instruction' | 'over' | 'phase' | 'trap' | 'domainTrap';

export interface Breakpoint {
  readonly id: number;
  readonly enabled: boolean;
  readonly domid?: number;
  readonly address?: number;
  readonly vector?: number;
  readonly hypercall?: number;
  readonly outcome?: 'silent' | 'refused';
}

export type StopReason =
  | { readonly kind: 'start' }
  | { readonly kind: 'user' }
  | { readonly kind: 'step' }
  | { readonly kind: 'breakpoint'; readonly id: number }
  | {
      readonly kind: 'end';
      readonly reason:
        | 'poweroff'
        | 'reboot'
        | 'crash'
        | 'idle'
        | 'halted'
        | 'panic'
        | 'limit'
        | 'exit'
        | 'triple-fault';
      readonly text: string;
    }
  | { readonly kind: 'diverged'; readonly T: number }
  | { readonly kind: 'error'; readonly text: string };

export interface DomainSummary {
  readonly domid: number;
  readonly name: string;
  readonly kind: 'pv' | 'service';
  readonly state: string;
  readonly vcpuState: string;
  readonly memoryMiB: number;
  readonly image: string;
  readonly shutdownCode: number | undefined;
  /** 'A', 'B' … the letter that goes with the domain's colour. */
  readonly letter: string;
}

export interface Branch {
  readonly id: number;
  readonly name: string;
  /** Where it leaves its parent. */
  readonly from: Moment | undefined;
  readonly parent: number | undefined;
  readonly end: Moment;
}

/** What the page renders from: published by the session after every stop and at most 30 times a second while running. */
export interface LabState {
  readonly phase: 'empty' | 'loading' | 'paused' | 'running' | 'seeking' | 'error';
  readonly config: LabConfig | undefined;
  readonly cursor: Moment;
  /** The furthest moment known on this branch: stepping back does not forget the future. */
  readonly end: Moment;
  readonly ended: StopReason | undefined;
  readonly stop: StopReason;
  readonly domains: readonly DomainSummary[];
  /** domid of the vCPU on the pCPU at the cursor, undefined when idle. */
  readonly running: number | undefined;
  readonly branch: number;
  readonly branches: readonly Branch[];
  readonly breakpoints: readonly Breakpoint[];
  /** Progress of a seek, 0 … 1. */
  readonly progress: number | undefined;
  readonly ticksPerSecond: number;
  readonly instructions: number;
  readonly counts: {
    readonly traps: number;
    readonly hypercalls: number;
    readonly silent: number;
    readonly refused: number;
  };
  readonly isolated: boolean;
  readonly error: string | undefined;
  /** Grows with every publication: cheap dependency for hooks. */
  readonly revision: number;
}

/** A slice of history for the trap log and the timeline. */
export interface TraceQuery {
  readonly domid?: number;
  readonly types?: readonly string[];
  readonly outcome?: string;
  readonly text?: string;
  /** One row for each trap (its enter record) instead of one for each record. */
  readonly groups?: boolean;
}
/** A record as a row of the log. */
export interface TraceRow extends TraceRecord {
  /** Number of the hypercall that a trap's enter record began. */
  readonly call?: number;
}
export interface TracePage {
  readonly total: number;
  readonly from: number;
  readonly rows: readonly TraceRow[];
  /** Index of the last row that has happened at the cursor, -1 for none. */
  readonly cursorRow: number;
}

/** What the page may ask of the machine. Implemented by lab/session.ts over a worker. */
export interface Session {
  getState(): LabState;
  subscribe(listener: () => void): () => void;
  /** Boots a configuration at its first instruction, paused. Images are found by hash among shipped and dropped ones. */
  boot(config: LabConfig, log?: readonly InputEntry[], goto?: Moment): Promise<void>;
  run(until?: Moment): void;
  pause(): Promise<void>;
  step(kind: StepKind, direction: Direction, domid?: number): Promise<void>;
  /** With `before`: to the last place between two instructions before the moment. */
  goto(moment: Moment, before?: boolean): Promise<void>;
  cancel(): void;
  /** Host-side pace: ticks a second, 0 = as fast as possible. */
  setSpeed(ticksPerSecond: number): void;
  input(domid: number, bytes: Uint8Array): Promise<void>;
  edit(act: InputAct): Promise<void>;
  switchBranch(id: number): Promise<void>;
  setBreakpoints(list: readonly Breakpoint[]): void;
  /** Runs an inspector of lab/inspect by name on the machine at the cursor. */
  inspect<T>(name: string, args?: unknown): Promise<T>;
  trace(query: TraceQuery, from: number, count: number): Promise<TracePage>;
  /** All records of one trap, by the seq of its enter record. */
  group(seq: number): Promise<readonly TraceRecord[]>;
  /** Next or previous record that matches, from the cursor. */
  find(query: TraceQuery, direction: Direction): Promise<TraceRecord | undefined>;
  /** Console text of a domain up to the cursor and how many lines come later. channel: both consoles merged in order. */
  consoleText(domid: number): Promise<{ readonly text: string; readonly laterLines: number }>;
  /**
   * Stores a file that was dropped; returns its hash and what it is (a file that could be several is the first of them), or an error that
   * names what is wrong with it.
   */
  addImage(
    name: string,
    bytes: Uint8Array,
  ): Promise<{ readonly sha256: string; readonly kind: ImageKind } | { readonly error: string }>;
  link(): Promise<string>;
  dispose(): void;
}

/** Symbols and lines of an image, from <name>.map.json beside a shipped image or from the ELF's own symbol table. */
export interface ImageMap {
  readonly name: string;
  readonly sha256: string;
  readonly symbols: readonly (readonly [address: number, name: string, size: number])[];
  readonly files: readonly string[];
  readonly lines: readonly (readonly [address: number, file: number, line: number])[];
  readonly sources: Readonly<Record<string, string>>;
}
