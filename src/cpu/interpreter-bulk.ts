// REP MOVS and REP STOS by whole stretches: as many iterations as the count, the ticks and the pages allow at once, where nothing can
// tell the difference: upwards, both pages at hand, no source that an iteration would overwrite. Whatever is left over goes through the
// description, one iteration at a time.

import { FLAG_BIT } from '../isa/builder.ts';
import { type FunctionBody, I32 } from '../isa/wasm-emit.ts';
import { FAST } from './interpreter-layout.ts';
import { TLB_ENTRIES } from './tlb.ts';
import { VCPU } from './vcpu.ts';

const EAX = VCPU.gpr,
  ECX = VCPU.gpr + 4,
  ESI = VCPU.gpr + 24,
  EDI = VCPU.gpr + 28;
const PAGE = 4096;

export interface Bulk {
  readonly f: FunctionBody;
  /** Locals of the vCPU's record and of the ticks left. */
  readonly v: number;
  readonly left: number;
  readonly kind: 'movs' | 'stos';
  /** Bytes of an element: 1, 2 or 4. */
  readonly bytes: number;
  /** Takes the tick of the next iteration, or goes out before it. */
  readonly oneMoreTick: () => void;
  /** Labels: all iterations are done; the next is to be done. */
  readonly done: number;
  readonly again: number;
}

/** Replaces the word on the stack by the smaller of it and the local, unsigned. */
function atMost(f: FunctionBody, local: number, limit: () => void): void {
  const other = f.local(I32);
  limit();
  f.set(other).get(local).get(other).get(local).get(other).op('i32.lt_u').op('select').set(local);
}

/** Memory offset behind the linear address in `lin`; branches to `slow` when the TLB does not know its page. */
function hostOf(f: FunctionBody, lin: number, write: boolean, slow: number): number {
  const entry = f.local(I32),
    host = f.local(I32);
  f.get(lin)
    .const32(9)
    .op('i32.shr_u')
    .const32((TLB_ENTRIES - 1) * 8)
    .op('i32.and');
  f.const32(0)
    .memory('i32.load', 2, write ? FAST.writeTable : FAST.readTable)
    .op('i32.add')
    .set(entry);
  f.get(lin)
    .const32(-PAGE)
    .op('i32.and')
    .get(entry)
    .memory('i32.load', 2, 0)
    .op('i32.ne')
    .branch('br_if', slow);
  f.get(entry)
    .memory('i32.load', 2, 4)
    .get(lin)
    .const32(PAGE - 1)
    .op('i32.and')
    .op('i32.or')
    .set(host);
  return host;
}

function fill(f: FunctionBody, to: number, count: number, value: number, bytes: number): void {
  const length = f.local(I32);
  f.get(count).const32(Math.log2(bytes)).op('i32.shl').set(length);
  if (bytes === 1) {
    f.get(to).get(value).get(length).memoryFill();
    return;
  }
  const end = f.local(I32);
  f.get(to).get(length).op('i32.add').set(end);
  const loop = f.begin('loop');
  f.get(to)
    .get(value)
    .memory(bytes === 4 ? 'i32.store' : 'i32.store16', 0, 0);
  f.get(to).const32(bytes).op('i32.add').set(to);
  f.get(to).get(end).op('i32.lt_u').branch('br_if', loop).end();
}

/** Emits one attempt at a stretch, at the head of the loop over iterations; falls through when there is none. */
export function emitBulk({ f, v, left, kind, bytes, oneMoreTick, done, again }: Bulk): void {
  const moves = kind === 'movs';
  const log = Math.log2(bytes);
  const [count, from, to, length, value] = [0, 0, 0, 0, 0].map(() => f.local(I32)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const slow = f.begin('block');
  f.get(v)
    .memory('i32.load', 2, VCPU.eflags)
    .const32(1 << FLAG_BIT.df)
    .op('i32.and')
    .branch('br_if', slow);
  f.get(v).memory('i32.load', 2, ECX).set(count);
  f.get(v).memory('i32.load', 2, EDI).set(to);
  if (moves) f.get(v).memory('i32.load', 2, ESI).set(from);
  atMost(f, count, () => f.get(left).const32(1).op('i32.add'));
  for (const pointer of moves ? [to, from] : [to])
    atMost(f, count, () =>
      f
        .const32(PAGE)
        .get(pointer)
        .const32(PAGE - 1)
        .op('i32.and')
        .op('i32.sub')
        .const32(log)
        .op('i32.shr_u'),
    );
  f.get(count).const32(2).op('i32.lt_u').branch('br_if', slow);
  f.get(count).const32(log).op('i32.shl').set(length);
  const target = hostOf(f, to, true, slow);
  if (moves) {
    const source = hostOf(f, from, false, slow);
    f.get(target).get(source).op('i32.sub').get(length).op('i32.lt_u').branch('br_if', slow);
    f.get(target).get(source).get(length).memoryCopy();
    f.get(v).get(from).get(length).op('i32.add').memory('i32.store', 2, ESI);
  } else {
    f.get(v).memory('i32.load', 2, EAX).set(value);
    fill(f, target, count, value, bytes);
  }
  f.get(v).get(to).get(length).op('i32.add').memory('i32.store', 2, EDI);
  f.get(v).get(v).memory('i32.load', 2, ECX).get(count).op('i32.sub').memory('i32.store', 2, ECX);
  // The tick of the last of them is the one that was taken already.
  f.get(left).get(count).const32(1).op('i32.sub').op('i32.sub').set(left);
  f.const32(0).const32(0).memory('i32.load', 2, FAST.again).get(count).const32(1).op('i32.sub').op('i32.add');
  f.memory('i32.store', 2, FAST.again);
  f.get(v).memory('i32.load', 2, ECX).op('i32.eqz').branch('br_if', done);
  oneMoreTick();
  f.branch('br', again).end();
}
