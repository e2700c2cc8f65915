// Two machines with different engines, side by side: after every so many ticks everything that is the machine is compared. When something
// differs, the stretch is halved on fresh machines until one instruction is left.

import { decode } from '../isa/decode.ts';
import { disassemble } from '../isa/disassemble.ts';
import type { Frames } from '../memory/frames.ts';
import { FRAME_CLEAN } from '../memory/frames.ts';
import { HEADER, MAX_VCPUS, RAM_BASE, STATE_BASE, STATE_SIZE, VCPU_SIZE, vcpuAt } from '../memory/map.ts';
import { MACHINE } from '../trace/recorder.ts';
import { createMmu } from './mmu.ts';
import { SEG_DB, VCPU } from './vcpu.ts';

/** One of the two machines. */
export interface LockstepSide {
  readonly name: string;
  readonly frames: Frames;
  /** Runs until the tick counter has reached `ticks`; false when the machine stopped or waits before that. */
  advance(ticks: number): boolean;
}

export interface LockstepOptions {
  /** Ticks between two comparisons. */
  readonly step: number;
  readonly maxTicks: number;
}

export interface LockstepResult {
  /** Ticks that both machines ran alike. */
  readonly ticks: number;
  /** Lines that say what differs and where; empty when nothing does. */
  readonly report: readonly string[];
}

const SHOWN = 24;
const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');

/** Runs both machines that `make` builds until they stop, differ, or have run `maxTicks`. */
export function lockstep(
  make: () => readonly [LockstepSide, LockstepSide],
  { step, maxTicks }: LockstepOptions,
): LockstepResult {
  const sides = make();
  let same = 0;
  for (;;) {
    const to = Math.min(same + step, maxTicks);
    const more = advanceBoth(sides, to);
    if (differences(sides).length > 0) return narrow(make, same, to);
    same = ticksOf(sides[0]);
    if (!more || same >= maxTicks) return { ticks: same, report: [] };
    forgetWrites(sides);
  }
}

const ticksOf = ({ frames }: LockstepSide): number => frames.m.r64(HEADER + MACHINE.ticks);

function advanceBoth(sides: readonly LockstepSide[], to: number): boolean {
  let more = true;
  for (const side of sides) more = side.advance(to) && more;
  return more;
}

/** From now on only what is written has to be compared. */
function forgetWrites(sides: readonly LockstepSide[]): void {
  for (const { frames } of sides) frames.markAllClean();
}

/** Halves (same, different] to one tick. Each probe runs fresh machines, since a machine that differs cannot go back. */
function narrow(
  make: () => readonly [LockstepSide, LockstepSide],
  same: number,
  different: number,
): LockstepResult {
  let low = same,
    high = different;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const sides = make();
    if (low > 0) advanceBoth(sides, same);
    advanceBoth(sides, middle);
    if (differences(sides).length > 0) high = middle;
    else low = middle;
  }
  const standing = make();
  if (low > 0) advanceBoth(standing, low);
  const sides = make();
  if (same > 0) advanceBoth(sides, same);
  advanceBoth(sides, high);
  const found = differences(sides);
  const head = [
    `the same after ${low} ticks, not after ${high}; the tick between: ${where(standing[0])}`,
    `what: ${sides.map(({ name }) => name).join(' | ')}`,
  ];
  return { ticks: low, report: [...head, ...found.slice(0, SHOWN)] };
}

/** The instruction the running vCPU is about to execute. */
function where({ frames }: LockstepSide): string {
  const { m } = frames;
  const v = m.r32(HEADER + MACHINE.current) || vcpuAt(0);
  const eip = m.r32(v + VCPU.eip),
    cs = v + VCPU.seg + 16;
  const mmu = createMmu(frames);
  const out = { ok: false, maddr: 0, code: 0 };
  const insn = decode(
    (i) => {
      const lin = (m.r32(cs + 4) + eip + i) >>> 0;
      return mmu.translate(v, lin, 'r', false, out) && frames.exists(out.maddr >>> 12)
        ? frames.read8(out.maddr)
        : 0;
    },
    (m.r32(cs + 12) & SEG_DB) !== 0,
  );
  return `${hex(eip)}  ${disassemble(insn, eip)}`;
}

/** Everything in which two machines differ: fields of vCPUs, words of STATE, bytes of frames that either has written. */
export function differences([one, other]: readonly LockstepSide[]): string[] {
  const found: string[] = [];
  const a = one!.frames.m,
    b = other!.frames.m;
  for (let n = 0; n < MAX_VCPUS; n++) {
    const v = vcpuAt(n);
    for (const { name, offset, size } of VCPU.$fields) {
      for (let at = v + offset; at < v + offset + size; at += 4)
        if (a.r32(at) !== b.r32(at))
          found.push(`vCPU ${n} ${name}+${at - v - offset}: ${hex(a.r32(at))} | ${hex(b.r32(at))}`);
    }
  }
  for (let at = STATE_BASE; at < STATE_BASE + STATE_SIZE; at += 4) {
    if (
      at >= vcpuAt(0) &&
      at < vcpuAt(0) + MAX_VCPUS * VCPU_SIZE &&
      (at - vcpuAt(0)) % VCPU_SIZE < VCPU.$size
    )
      continue;
    if (a.i32[at >>> 2] !== b.i32[at >>> 2])
      found.push(`STATE ${hex(at)}: ${hex(a.r32(at))} | ${hex(b.r32(at))}`);
  }
  for (let mfn = 0; mfn < a.nrFrames; mfn++) {
    const clean = one!.frames.flags(mfn) & other!.frames.flags(mfn) & FRAME_CLEAN;
    if (clean !== 0) continue;
    for (let at = RAM_BASE + mfn * 4096, end = at + 4096; at < end; at += 4)
      if (a.i32[at >>> 2] !== b.i32[at >>> 2])
        found.push(`RAM ${hex(at - RAM_BASE)}: ${hex(a.r32(at))} | ${hex(b.r32(at))}`);
  }
  return found;
}
