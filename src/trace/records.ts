// The record format. Every privileged moment is one 64-byte record; a trap is several, joined by `cause` and told apart by `phase`.
// Timeline, log, narration, statistics, exports, lessons and tests read this one stream.

import { layout } from '../memory/layout.ts';

export const RECORD_SIZE = 64;
export const RECORD_WORDS = 16;

/** Byte offsets inside a record. T is the machine's tick count when the record was written; seq numbers hashed records from 1. */
export const REC = layout('RECORD', {
  T: 'u64',
  seq: 'u32',
  cause: 'u32', // seq of the record that led to this one, 0 = none
  type: 'u8',
  phase: 'u8',
  outcome: 'u8',
  cpl: 'u8',
  domid: 'u16',
  vcpu: 'u16',
  cs: 'u16',
  aux: 'u16', // rule number for check, operation for act, port or vector for others: see the table
  eip: 'u32',
  p: ['u32', 8],
});

/** Phases of a trap, in order. A hypervisor that retires no x86 instructions takes these steps on screen. */
export const PHASES = ['none', 'enter', 'decode', 'check', 'act', 'answer', 'return'] as const;
export type Phase = (typeof PHASES)[number];
export const PH = { none: 0, enter: 1, decode: 2, check: 3, act: 4, answer: 5, return: 6 } as const;

/** How a privileged moment ended. */
export const OUTCOMES = ['none', 'served', 'emulated', 'refused', 'silent', 'direct'] as const;
export type Outcome = (typeof OUTCOMES)[number];
export const OUT = { none: 0, served: 1, emulated: 2, refused: 3, silent: 4, direct: 5 } as const;

/**
 * Record types: [name, hashed, meaning of aux, meaning of p0 … p7]. The position is the number in the record.
 * "side" in p7 (with its length in p6) refers to bytes in the side ring.
 */
export const RECORD_TYPES = [
  ['none', 0, '', []],
  // what a CPU or hypervisor does at a trap: one record a phase
  ['trap', 1, 'vector', ['errorCode', 'cr2', 'kind', 'esp', 'ss', 'eflags']], // enter/return; kind: TRAP_KINDS
  ['hypercall', 1, 'number', ['a1', 'a2', 'a3', 'a4', 'a5', 'result', 'subop']], // decode/answer
  ['privop', 1, 'length', ['bytes0', 'bytes1', 'bytes2', 'result', 'value']], // decode/answer of an emulated or refused instruction
  ['check', 1, 'rule', ['ok', 'v0', 'v1', 'v2', 'v3', 'v4', 'v5']],
  ['act', 1, 'operation', ['v0', 'v1', 'v2', 'v3', 'v4', 'v5', 'length', 'side']],
  ['bounce', 1, 'vector', ['errorCode', 'frameSp', 'words', 'targetCs', 'targetEip', 'savedMask']], // a frame built on the guest's stack
  ['upcall', 1, 'vector', ['pendingSel', 'frameSp', 'words', 'targetCs', 'targetEip', 'savedMask']],
  ['ringchange', 1, 'vector', ['fromCpl', 'toCpl', 'targetCs', 'targetEip', 'frameSp']], // the CPU alone moved control (direct gate)
  ['silent', 1, 'mnemonic', ['asked', 'got', 'native', 'mask', 'bytes0', 'bytes1', 'length']], // no trap, another answer than ring 0's
  ['switch', 1, 'reason', ['fromDomain', 'fromVcpu', 'toDomain', 'toVcpu']], // the pCPU changes hands; reason: SWITCH_REASONS
  ['idle', 1, '', ['skipLo', 'skipHi']], // nothing runnable: T jumps
  ['timer', 1, 'kind', ['deadlineLo', 'deadlineHi']],
  ['event', 1, 'port', ['toDomain', 'toPort', 'result', 'fromDomain']], // set_pending: result 0 already pending, 1 masked, 2 selector set, 3 upcall raised
  ['console', 1, 'channel', ['length', 'v1', 'v2', 'v3', 'v4', 'v5', 'length', 'side']], // channel 0 hypervisor console, 1 PV console; bare: 2 COM1, 3 debug port, 4 POST port
  ['store', 1, 'message', ['type', 'requestId', 'txId', 'error', 'v4', 'v5', 'length', 'side']], // a XenStore message in (enter) or out (answer)
  ['watch', 1, '', ['v0', 'v1', 'v2', 'v3', 'v4', 'v5', 'length', 'side']],
  ['domain', 1, 'operation', ['domid', 'v1', 'v2', 'v3', 'v4', 'v5', 'length', 'side']], // DOMAIN_OPS
  ['input', 1, 'kind', ['v0', 'v1', 'v2', 'v3', 'v4', 'v5', 'length', 'side']], // came through the one door; INPUT_KINDS
  ['panic', 1, '', ['v0', 'v1', 'v2', 'v3', 'v4', 'v5', 'length', 'side']],
  ['ud', 1, 'length', ['bytes0', 'bytes1', 'bytes2']], // bytes that our description does not have
  ['ringindex', 0, 'size', ['maddr', 'value']], // verbose: a store into a watched range
  // the bare machine
  ['interrupt', 1, 'vector', ['source', 'irq']], // the processor takes it; source: INTERRUPT_SOURCES, irq: input of the 8259s, 0xffffffff none
  ['halt', 1, '', ['interruptsOn']], // HLT
  ['reset', 1, 'reason', ['code']], // the machine ends; reason: RESET_REASONS
] as const;

export type RecordType = (typeof RECORD_TYPES)[number][0];
/** Record type numbers by name. */
export const RT = Object.freeze(Object.fromEntries(RECORD_TYPES.map((t, i) => [t[0], i]))) as {
  readonly [K in RecordType]: number;
};

export const TRAP_KINDS = ['exception', 'int', 'int3', 'into', 'hypercall', 'deadline'] as const;
export const TRAP_KIND = { exception: 0, int: 1, int3: 2, into: 3, hypercall: 4, deadline: 5 } as const;
export const SWITCH_REASONS = [
  'none',
  'yield',
  'block',
  'slice',
  'poll',
  'shutdown',
  'wake',
  'crash',
  'start',
] as const;
export const SWITCH = {
  none: 0,
  yield: 1,
  block: 2,
  slice: 3,
  poll: 4,
  shutdown: 5,
  wake: 6,
  crash: 7,
  start: 8,
} as const;
export const INTERRUPT_SOURCES = ['pic', 'apic', 'nmi'] as const;
export const INTERRUPT_SOURCE = { pic: 0, apic: 1, nmi: 2 } as const;
export const RESET_REASONS = ['keyboard', 'port92', 'cf9', 'tripleFault', 'exit'] as const;
export const DOMAIN_OPS = ['created', 'shutdown', 'crash', 'destroyed', 'introduced'] as const;
export const DOMAIN_OP = { created: 0, shutdown: 1, crash: 2, destroyed: 3, introduced: 4 } as const;
export const INPUT_KINDS = [
  'console',
  'editMemory',
  'editRegister',
  'createDomain',
  'destroyDomain',
  'closeInput',
  'keys',
] as const;
export const INPUT = {
  console: 0,
  editMemory: 1,
  editRegister: 2,
  createDomain: 3,
  destroyDomain: 4,
  closeInput: 5,
  keys: 6,
} as const;

/** A record decoded for people: what the trace log and lessons work with. */
export interface TraceRecord {
  readonly T: number;
  readonly seq: number;
  readonly cause: number;
  readonly type: RecordType;
  readonly phase: Phase;
  readonly outcome: Outcome;
  readonly cpl: number;
  readonly domid: number;
  readonly vcpu: number;
  readonly cs: number;
  readonly aux: number;
  readonly eip: number;
  readonly p: readonly number[];
  /** Bytes of the side ring that belong to it. */
  readonly data?: Uint8Array;
}

/** True if p6/p7 of this type hold the length and place of side-ring bytes. */
export const hasSide = (type: number): boolean =>
  (RECORD_TYPES[type]?.[3] as readonly string[] | undefined)?.[7] === 'side';

/** Decodes one record at word offset `at` of `words`. */
export function decodeRecord(words: Uint32Array, at: number, data?: Uint8Array): TraceRecord {
  const w4 = words[at + 4]!,
    w5 = words[at + 5]!,
    w6 = words[at + 6]!;
  return {
    T: words[at]! + words[at + 1]! * 4294967296,
    seq: words[at + 2]!,
    cause: words[at + 3]!,
    type: RECORD_TYPES[w4 & 0xff]?.[0] ?? 'none',
    phase: PHASES[(w4 >>> 8) & 0xff] ?? 'none',
    outcome: OUTCOMES[(w4 >>> 16) & 0xff] ?? 'none',
    cpl: w4 >>> 24,
    domid: w5 & 0xffff,
    vcpu: w5 >>> 16,
    cs: w6 & 0xffff,
    aux: w6 >>> 16,
    eip: words[at + 7]!,
    p: Array.from(words.subarray(at + 8, at + 16)),
    ...(data ? { data } : {}),
  };
}
