// Everything that crosses between page and machine worker, as one union each way. An unknown message throws on either side.

import type { EngineChoice } from '../cpu/engine.ts';
import type {
  Breakpoint,
  Direction,
  ImageMap,
  InputAct,
  InputEntry,
  LabConfig,
  LabState,
  Moment,
  StepKind,
  TraceQuery,
} from './types.ts';

export type Request =
  | {
      readonly op: 'images';
      readonly images: readonly {
        readonly sha256: string;
        readonly bytes: Uint8Array;
        readonly map: ImageMap | undefined;
      }[];
    }
  | {
      readonly op: 'boot';
      readonly config: LabConfig;
      readonly log: readonly InputEntry[];
      readonly goto: Moment | undefined;
    }
  | { readonly op: 'run'; readonly until: Moment | undefined }
  | { readonly op: 'pause' | 'cancel' | 'link' | 'stateHash' }
  | {
      readonly op: 'step';
      readonly kind: StepKind;
      readonly direction: Direction;
      readonly domid: number | undefined;
    }
  | { readonly op: 'goto'; readonly moment: Moment; readonly before: boolean }
  | { readonly op: 'speed'; readonly ticksPerSecond: number }
  | { readonly op: 'input'; readonly domid: number; readonly bytes: Uint8Array }
  | { readonly op: 'edit'; readonly act: InputAct }
  | { readonly op: 'branch'; readonly branch: number }
  | { readonly op: 'breakpoints'; readonly list: readonly Breakpoint[] }
  | { readonly op: 'inspect'; readonly name: string; readonly args: unknown }
  | { readonly op: 'trace'; readonly query: TraceQuery; readonly from: number; readonly count: number }
  | { readonly op: 'group'; readonly seq: number }
  | { readonly op: 'find'; readonly query: TraceQuery; readonly direction: Direction }
  | { readonly op: 'console'; readonly domid: number };

export type ToWorker = Request & { readonly id: number };
export type FromWorker =
  | { readonly type: 'state'; readonly state: LabState }
  | { readonly type: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly message: string }
  | { readonly type: 'ready' };

/** Requests answered at once, even while the machine runs; the others wait for each other. */
export const IMMEDIATE: ReadonlySet<Request['op']> = new Set([
  'images',
  'pause',
  'cancel',
  'speed',
  'breakpoints',
  'inspect',
  'trace',
  'group',
  'find',
  'console',
]);

/** To a further host: the memory, its number, and what runs there. */
export interface HostStart {
  readonly memory: WebAssembly.Memory;
  readonly host: number;
  readonly engine: EngineChoice;
}
