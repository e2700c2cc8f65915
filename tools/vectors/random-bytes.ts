// Tests that no table chose: random prefixes, opcodes and operands. What the host has and our processor has not (floating point, vectors,
// later extensions) is left out.

import { decode } from '../../src/isa/decode.ts';
import { type Case, finish, isSafe, resultUndefined } from './cases.ts';
import { EXCLUDED } from './cells.ts';
import { EBP, ESP, value } from './draft.ts';
import {
  DATA,
  FIXED,
  INITIAL,
  isWide,
  isWritable,
  LOW,
  PAGE,
  STACK,
  segmentOf,
  selectorsFor,
} from './palette.ts';
import { isForeign, PREFIXES } from './foreign.ts';
import type { Random } from './random.ts';

const MAX_BYTES = 18;

/** Bytes of about one instruction: often with prefixes, sometimes with too many. */
function drawBytes(rng: Random): number[] {
  const bytes: number[] = [];
  let prefixes = rng.oneIn(3) ? rng.below(4) : rng.oneIn(40) ? 9 + rng.below(7) : 0;
  while (prefixes-- > 0) bytes.push(rng.pick([...PREFIXES]));
  if (rng.oneIn(3)) bytes.push(0x0f);
  while (bytes.length < MAX_BYTES)
    bytes.push(rng.oneIn(4) ? rng.pick([0, 1, 4, 0x7f, 0x80, 0xff]) : rng.below(256));
  return bytes;
}

/** An address worth having in a register: in or at the edge of a window, seen through some segment. */
function pointer(rng: Random, seg: readonly number[]): number {
  const [start, size] = rng.pick([
    [DATA, 2 * PAGE],
    [DATA, 2 * PAGE],
    [STACK, PAGE],
    [FIXED, PAGE],
    [LOW, 2 * PAGE],
  ] as const);
  const at = start + (rng.oneIn(6) ? size - 4 + rng.below(8) : 0x40 + rng.below(size - 0x80));
  return (at - (rng.oneIn(3) ? segmentOf(rng.pick(seg)).base : 0)) >>> 0;
}

function fillMemory(
  rng: Random,
  gpr: readonly number[],
  seg: readonly number[],
  world: Case['world'],
): Map<number, number> {
  const memory = new Map<number, number>();
  for (const n of gpr) {
    for (const base of new Set([0, ...[2, 3].map((n) => segmentOf(seg[n]!).base)])) {
      for (let i = 0; i < 8; i += 4) {
        const at = (base + n + i) >>> 0;
        if (!isWritable(at) || !isWritable(at + 3) || memory.has(at)) continue;
        const word = rng.oneIn(3) ? rng.pick(selectorsFor(world)) : value(rng);
        for (let k = 0; k < 4; k++) memory.set(at + k, (word >>> (8 * k)) & 0xff);
      }
    }
  }
  return memory;
}

/** A test of random bytes, or undefined when this draw cannot be run safely or tells nothing. */
export function randomCase(rng: Random, low: boolean): Case | undefined {
  const world = rng.oneIn(2) ? 'ldt' : 'flat';
  const bytes = drawBytes(rng);
  if (isForeign(bytes)) return undefined;
  const seg = INITIAL[world].map((choices) => rng.pick(choices));
  const insn = decode((i) => bytes[i] ?? 0, isWide(seg[1]!));
  if (insn.form.semantics in EXCLUDED) return undefined;
  const gpr = Array.from({ length: 8 }, () =>
    rng.oneIn(2) ? pointer(rng, seg) : rng.oneIn(4) ? rng.below(300) : value(rng),
  );
  const stack = segmentOf(seg[2]!).base;
  for (const n of [ESP, EBP]) if (!rng.oneIn(10)) gpr[n] = (STACK + 0x100 + rng.below(0xe00) - stack) >>> 0;
  if (insn.form.rep !== undefined && insn.rep !== 'none' && !rng.oneIn(8))
    gpr[1] = ((insn.addrSize === 16 ? gpr[1]! & 0xffff0000 : 0) | rng.below(20)) >>> 0;
  if (!isSafe(insn, gpr, seg) || resultUndefined(insn, gpr)) return undefined;
  const memory = fillMemory(rng, gpr, seg, world);
  if (!low) for (const at of memory.keys()) if (at < PAGE * 16) memory.delete(at);
  return finish(rng, insn, { gpr, seg, world, memory }, bytes.slice(0, Math.max(insn.length, MAX_BYTES - 2)));
}
