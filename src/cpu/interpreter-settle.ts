// What generated code keeps of the processor beside STATE, brought up to date by generated code itself: segments of checked accesses, the
// level, the tables that go with it. Two functions of the module that system instructions call behind what they did, so that a
// system call and its return need no way out to the engine. The engine looks again when it next has a look at all (FAST.moved).

import { CS, DS, ES, SS } from '../isa/types.ts';
import { FunctionBody, I32 } from '../isa/wasm-emit.ts';
import { CODE_FLAT, CODE_TLB, CODE_TLB_SIZE, CODE_USER, FAST, FAST_SEG } from './interpreter-layout.ts';
import { EFLAGS_AC, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM, SEG_DB, SEG_NULL, SEGREG, VCPU } from './vcpu.ts';

const V = 0,
  SEG = 1;
const CODE = 0x18,
  DOWN = 4,
  WRITABLE = 2, // of data; of code: readable
  CONFORMING = 0x1c,
  CR0_PE = 1;
/** With one of these set single instructions are watched, or checked in ways generated code does not know. */
const WATCHING = EFLAGS_TF | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC;
const EITHER = FAST_SEG.readEnd,
  WRITE = FAST_SEG.writeEnd;

/** (vCPU, number of a segment register) →: its FAST words from its record in STATE. The meaning is that of the engine's accessEnd. */
export function noteSegmentFunction(): FunctionBody {
  const f = new FunctionBody([I32, I32], []);
  const from = f.local(I32),
    to = f.local(I32),
    attr = f.local(I32),
    end = f.local(I32);
  f.get(SEG).const32(SEGREG.$size).op('i32.mul').get(V).op('i32.add').set(from);
  f.get(SEG).const32(FAST_SEG.$size).op('i32.mul').set(to);
  const put = (field: number, value: () => void): void => {
    f.get(to);
    value();
    f.memory('i32.store', 2, FAST.seg + field);
  };
  put(FAST_SEG.base, () => f.get(from).memory('i32.load', 2, VCPU.seg + SEGREG.base));
  f.get(from)
    .memory('i32.load', 2, VCPU.seg + SEGREG.attr)
    .set(attr);
  f.get(from)
    .memory('i32.load', 2, VCPU.seg + SEGREG.limit)
    .set(end);
  // One more than the limit; 4 GiB stays all ones.
  f.get(end).get(end).const32(-1).op('i32.ne').op('i32.add').set(end);
  const has = (bits: number): FunctionBody => f.get(attr).const32(bits).op('i32.and');
  has(SEG_NULL).begin('if');
  f.const32(0).set(end).end();
  has(CODE).const32(CODE).op('i32.eq').begin('if');
  put(EITHER, () => {
    f.get(end).const32(0);
    has(WRITABLE).op('select');
  });
  put(WRITE, () => f.const32(0));
  f.otherwise();
  has(DOWN).begin('if');
  f.const32(0).set(end).end();
  put(EITHER, () => f.get(end));
  put(WRITE, () => {
    f.get(end).const32(0);
    has(WRITABLE).op('select');
  });
  f.end();
  put(FAST_SEG.flat, () => {
    const all = (field: number): FunctionBody =>
      f
        .get(to)
        .memory('i32.load', 2, FAST.seg + field)
        .const32(-1)
        .op('i32.eq');
    all(EITHER);
    all(WRITE).op('i32.and');
    f.get(to)
      .memory('i32.load', 2, FAST.seg + FAST_SEG.base)
      .op('i32.eqz')
      .op('i32.and');
  });
  return f;
}

/**
 * (vCPU) → 1 when generated code may go on, whatever level and segments it has come to; 0 when the engine is to look first: then nothing
 * but FAST.moved has been changed.
 */
export function settleFunction(): FunctionBody {
  const f = new FunctionBody([I32], [I32]);
  const attr = f.local(I32),
    level = f.local(I32),
    user = f.local(I32);
  const state = (offset: number): FunctionBody => f.get(V).memory('i32.load', 2, offset);
  const segment = (seg: number, field: number): FunctionBody => state(VCPU.seg + seg * SEGREG.$size + field);
  const fast = (address: number): FunctionBody => f.const32(0).memory('i32.load', 2, address);
  const put = (address: number, value: () => void): void => {
    f.const32(0);
    value();
    f.memory('i32.store', 2, address);
  };
  put(FAST.moved, () => f.const32(1));
  const stay = f.begin('block');
  const leaveIf = (): FunctionBody => f.branch('br_if', stay);
  state(VCPU.eflags).const32(WATCHING).op('i32.and');
  state(VCPU.intr).op('i32.or');
  fast(FAST.shadow).op('i32.or');
  fast(FAST.bigOnBare).op('i32.eqz').op('i32.or');
  segment(CS, SEGREG.base).op('i32.or');
  segment(CS, SEGREG.limit).const32(-1).op('i32.xor').op('i32.or');
  leaveIf();
  segment(CS, SEGREG.attr).set(attr);
  f.get(attr);
  segment(SS, SEGREG.attr).op('i32.and');
  f.const32(SEG_DB).op('i32.and').op('i32.eqz');
  state(VCPU.cr0).const32(CR0_PE).op('i32.and').op('i32.eqz').op('i32.or');
  leaveIf();
  // The level is the DPL of CS; of a conforming segment the selector knows it.
  segment(CS, 0).const32(3).op('i32.and');
  f.get(attr).const32(5).op('i32.shr_u').const32(3).op('i32.and');
  f.get(attr).const32(CONFORMING).op('i32.and').const32(CONFORMING).op('i32.eq').op('select').set(level);
  f.get(level).const32(3).op('i32.eq').set(user);
  put(FAST.cpl, () => f.get(level));
  const choose = (table: number, ofUser: number, ofSystem: number): void =>
    put(table, () => {
      fast(ofUser);
      fast(ofSystem).get(user).op('select');
    });
  choose(FAST.readTable, FAST.userRead, FAST.systemRead);
  choose(FAST.writeTable, FAST.userWrite, FAST.systemWrite);
  put(FAST.codeTable, () => {
    const flat = (seg: number): FunctionBody => fast(FAST.seg + seg * FAST_SEG.$size + FAST_SEG.flat);
    f.const32(CODE_TLB);
    flat(DS);
    flat(ES).op('i32.and');
    flat(SS).op('i32.and');
    f.const32(CODE_FLAT * CODE_TLB_SIZE).op('i32.mul');
    f.get(user)
      .const32(CODE_USER * CODE_TLB_SIZE)
      .op('i32.mul')
      .op('i32.add')
      .op('i32.add');
  });
  f.const32(1).op('return').end();
  f.const32(0);
  return f;
}
