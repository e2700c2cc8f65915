// The interpreter's WebAssembly module, made from the description by tools/build-engine.ts when the project is installed.
//
// One function runs the guest: a loop over br_table with the frequent shapes inlined as its cases; every other shape is a function of
// its own, called through the table. Measured on Node 20 (V8 11.3), 3 GHz: 1.5 ns a record for br_table with 300 cases, 2.5 ns with
// 1000, 5.7 ns for return_call_indirect from handler to handler; tail calls set up and check a frame for every instruction, and a
// very large loop is compiled worse. There is hence no build with tail calls to fall back from.
// No case contains a call, so that rec, left, fr and fx stay in registers around the loop.

import { deliver } from '../isa/microcode/interrupt.ts';
import type { WasmValue } from '../isa/wasm.ts';
import { FunctionBody, I32, I64, type ValueType, WasmModule } from '../isa/wasm-emit.ts';
import { allShapes, type Shape } from './interpreter-catalog.ts';
import { type Ends, InterpreterBuilder } from './interpreter-builder.ts';
import { FR, FX, HANDLER_PARAMS, LEFT_TICKS, NotCoveredError, REC, V } from './interpreter-flags.ts';
import { hasDeadCase, isFrequent, LONGEST_SEQUENCE, SEQUENCES } from './interpreter-frequent.ts';
import { CODE_TLB_ENTRIES, FAST, FAULT_RECORD, LEFT, RECORD, RECORDS } from './interpreter-layout.ts';
import {
  bareKey,
  BEHIND,
  CROSS,
  FAULT,
  FAULT_CODE,
  GOTO,
  type HandlerTable,
  sequenceKey,
  STEP,
  TABLE_SECTION,
} from './interpreter-names.ts';
import { armFunction, behindFunction } from './interpreter-store.ts';
import { walkFunction } from './interpreter-walk.ts';
import { noteSegmentFunction, settleFunction } from './interpreter-settle.ts';
import { SYSTEM_SEMANTICS, SystemBuilder, type SystemFunctions } from './interpreter-system.ts';

// ---- Function bodies -----------------------------------------------------------------------------------

/** A body whose locals are used again by the next handler: the fewer the loop has, the better it is compiled. */
class PooledBody extends FunctionBody {
  private readonly pool = new Map<ValueType, number[]>([
    [I32, []],
    [I64, []],
  ]);
  private readonly used = new Map<ValueType, number>();
  override local(type: ValueType): number {
    const pool = this.pool.get(type)!;
    const n = this.used.get(type) ?? 0;
    this.used.set(type, n + 1);
    if (n === pool.length) pool.push(super.local(type));
    return pool[n]!;
  }
  reset(): void {
    this.used.clear();
  }
}

function emitSequence(f: FunctionBody, ends: Ends, shapes: readonly Shape[], dead = false): void {
  let before: InterpreterBuilder | undefined;
  shapes.forEach((shape, i) => {
    const at = i * RECORD.$size;
    const b = new InterpreterBuilder(shape.insn, f, ends, at, shape.mode, before?.lastFlags);
    const args = b.args(shape.entry.access);
    shape.entry.run(b, ...args);
    b.deadFlags = dead && i === shapes.length - 1;
    b.finish(i === shapes.length - 1);
    before = b;
  });
}

/** How a handler ends that is a function of its own: everything goes through the FAST words; the result says where to go on. */
const OUT = 0,
  LOOKUP = 1;
function functionEnds(f: FunctionBody): Ends {
  const save = (): void => {
    for (const [address, local] of [
      [FAST.left, LEFT_TICKS],
      [FAST.fr, FR],
      [FAST.fx, FX],
    ] as const)
      f.const32(0).get(local).memory('i32.store', 2, address);
  };
  const leave = (offset: number, reason: number = LEFT.step): void => {
    save();
    f.const32(0).const32(reason).memory('i32.store', 2, FAST.reason);
    f.const32(0).get(REC).const32(offset).op('i32.add').memory('i32.store', 2, FAST.rec);
    f.const32(OUT).op('return');
  };
  const starts = (record: () => void): void => {
    f.get(LEFT_TICKS);
    record();
    f.memory('i32.load', 2, RECORD.rest).op('i32.sub').set(LEFT_TICKS);
  };
  return {
    leave: (offset) => leave(offset),
    leaveIf: (offset) => {
      f.begin('if');
      leave(offset);
      f.end();
    },
    fault: (offset) => leave(offset, LEFT.fault),
    system: (eip) => {
      f.const32(0).get(eip).memory('i32.store', 2, FAST.target);
      leave(0, LEFT.system);
    },
    missIf: (offset, lin, write) => {
      f.begin('if');
      f.const32(0).get(lin).memory('i32.store', 2, FAST.target);
      leave(offset, write ? LEFT.missWrite : LEFT.missRead);
      f.end();
    },
    next: (offset, begins) => {
      const to = (): void => {
        f.get(REC).const32(offset).op('i32.add');
      };
      if (begins) starts(to);
      save();
      to();
      f.op('return');
    },
    follow: (offset) => {
      const record = f.local(I32);
      f.get(REC)
        .memory('i32.load', 2, offset + RECORD.link)
        .set(record);
      f.get(record).op('i32.eqz').begin('if');
      save();
      f.const32(0);
      f.get(REC)
        .memory('i32.load', 2, offset + RECORD.target)
        .memory('i32.store', 2, FAST.target);
      f.const32(LOOKUP).op('return').end();
      starts(() => f.get(record));
      save();
      f.get(record).op('return');
    },
    lookup: (eip) => {
      save();
      f.const32(0).get(eip).memory('i32.store', 2, FAST.target);
      f.const32(LOOKUP).op('return');
    },
  };
}

/** The function of a shape that touches the system. */
function systemFunction(
  shape: Shape,
  functions: SystemFunctions,
): { readonly body: FunctionBody; readonly endsRun: boolean } {
  const body = new FunctionBody(HANDLER_PARAMS, [I32]);
  const b = new SystemBuilder(shape.insn, body, functionEnds(body), shape.mode, functions);
  b.prepareEip();
  shape.entry.run(b, ...b.args(shape.entry.access));
  b.finish(true);
  body.op('unreachable');
  return { body, endsRun: b.endsRun };
}

/** The function that delivers a fault: no instruction, but the description's own way into a handler. */
function faultFunction(withCode: boolean, shape: Shape, functions: SystemFunctions): FunctionBody {
  const body = new FunctionBody(HANDLER_PARAMS, [I32]);
  const b = new SystemBuilder(shape.insn, body, functionEnds(body), 'flat', functions);
  b.prepareEip();
  const word = (address: number): WasmValue => b.fastWord(address);
  const code = withCode ? word(FAST.code) : undefined;
  deliver(b, { vector: word(FAST.vector), kind: 'exception', code, eip: b.eip(), resume: true });
  // The tick retires no instruction.
  body.const32(0).const32(0).memory('i32.load', 2, FAST.again).const32(1).op('i32.add');
  body.memory('i32.store', 2, FAST.again);
  b.finish(true);
  body.op('unreachable');
  return body;
}

function handlerFunction(shape: Shape): FunctionBody {
  const body = new FunctionBody(HANDLER_PARAMS, [I32]);
  emitSequence(body, functionEnds(body), [shape]);
  body.op('unreachable');
  return body;
}

// ---- The loop ------------------------------------------------------------------------------------------

interface Labels {
  readonly exit: number;
  readonly loop: number;
  readonly lookup: number;
  readonly missRead: number;
  readonly missWrite: number;
  readonly fault: number;
  readonly guarded: number;
  readonly unread: number;
  readonly begin: number;
  readonly follow: number;
}

function inlineEnds(f: FunctionBody, labels: Labels, target: number): Ends {
  const move = (offset: number): void => {
    if (offset !== 0) f.get(REC).const32(offset).op('i32.add').set(REC);
  };
  return {
    leave: (offset) => {
      move(offset);
      f.branch('br', labels.exit);
    },
    leaveIf: (offset) => {
      if (offset === 0) {
        f.branch('br_if', labels.exit);
        return;
      }
      f.begin('if');
      move(offset);
      f.branch('br', labels.exit).end();
    },
    missIf: (offset, lin, write) => {
      f.begin('if');
      move(offset);
      f.get(lin).set(target);
      f.branch('br', write ? labels.guarded : labels.unread).end();
    },
    next: (offset, starts) => {
      move(offset);
      f.branch('br', starts ? labels.begin : labels.loop);
    },
    follow: (offset) => {
      move(offset);
      f.branch('br', labels.follow);
    },
    fault: (offset) => {
      move(offset);
      f.branch('br', labels.fault);
    },
    system: () => {
      throw new Error('system instructions are functions of their own');
    },
    lookup: (eip) => {
      f.get(eip).set(target).branch('br', labels.lookup);
    },
  };
}

/** Finds the record of EIP `target` through the code TLB, and goes on there; falls through when it is not known. */
function emitLookup(f: PooledBody, labels: Labels, target: number): void {
  const lin = f.local(I32),
    entry = f.local(I32),
    index = f.local(I32);
  const unknown = f.begin('block');
  f.get(target).const32(0).memory('i32.load', 2, FAST.csBase).op('i32.add').set(lin);
  f.get(lin)
    .const32(9)
    .op('i32.shr_u')
    .const32((CODE_TLB_ENTRIES - 1) * 8)
    .op('i32.and');
  f.const32(0).memory('i32.load', 2, FAST.codeTable).op('i32.add').set(entry);
  f.get(entry).memory('i32.load', 2, 0).get(lin).const32(-4096).op('i32.and');
  f.op('i32.ne').branch('br_if', unknown);
  f.get(entry)
    .memory('i32.load', 2, 4)
    .get(lin)
    .const32(4095)
    .op('i32.and')
    .const32(1)
    .op('i32.shl')
    .op('i32.add')
    .memory('i32.load16_u', 1, 0)
    .set(index);
  f.get(index).op('i32.eqz').branch('br_if', unknown);
  f.get(index).const32(RECORD.$size).op('i32.mul').const32(RECORDS).op('i32.add').set(REC);
  f.get(LEFT_TICKS).get(REC).memory('i32.load', 2, RECORD.rest).op('i32.sub').set(LEFT_TICKS);
  f.get(LEFT_TICKS).const32(0).op('i32.lt_s').branch('br_if', labels.exit);
  f.branch('br', labels.loop);
  f.end();
}

/**
 * Goes where the jump at REC leads; falls through to the record, where a run begins. One place for all jumps: V8 gives a function of
 * more than some thousand values to a register allocator that is much worse (cases × values each), so that what every case does alike is
 * better done once.
 */
function emitFollow(f: PooledBody, labels: Labels, target: number): void {
  const to = f.local(I32);
  f.get(REC).memory('i32.load', 2, RECORD.link).set(to);
  f.get(to).op('i32.eqz').begin('if');
  f.get(REC).memory('i32.load', 2, RECORD.target).set(target);
  f.branch('br', labels.lookup).end();
  f.get(to).set(REC);
}

/** Calls the handler that is a function, and goes where it says. */
function emitCold(
  f: PooledBody,
  labels: Labels,
  { target, reason }: { readonly target: number; readonly reason: number },
  inlined: number,
  type: number,
): void {
  for (const local of [REC, LEFT_TICKS, FR, FX, V]) f.get(local);
  const to = f.local(I32);
  f.get(REC)
    .memory('i32.load16_u', 1, RECORD.handler)
    .const32(inlined)
    .op('i32.sub')
    .callIndirect(type)
    .set(to);
  for (const [address, local] of [
    [FAST.left, LEFT_TICKS],
    [FAST.fr, FR],
    [FAST.fx, FX],
  ] as const)
    f.const32(0).memory('i32.load', 2, address).set(local);
  f.get(to).const32(LOOKUP).op('i32.gt_u').begin('if');
  f.get(to).set(REC);
  f.get(LEFT_TICKS).const32(0).op('i32.lt_s').branch('br_if', labels.exit);
  f.branch('br', labels.loop).end();
  f.const32(0).memory('i32.load', 2, FAST.target).set(target);
  f.get(to).op('i32.eqz').begin('if');
  f.const32(0).memory('i32.load', 2, FAST.rec).set(REC);
  f.const32(0).memory('i32.load', 2, FAST.reason).set(reason);
  f.get(reason).const32(LEFT.fault).op('i32.eq').branch('br_if', labels.fault);
  f.get(reason).const32(LEFT.missWrite).op('i32.eq').branch('br_if', labels.guarded);
  f.get(reason).const32(LEFT.missRead).op('i32.eq').branch('br_if', labels.unread);
  f.branch('br', labels.exit).end();
}

/**
 * The instruction at REC would raise the fault in FAST.vector. On the bare machine the record of faults delivers it, with the
 * instruction's tick; a fault on the way of that is left to the engine, like every fault of a paravirtualised guest.
 */
function emitFault(
  f: PooledBody,
  labels: Labels,
  reason: number,
  handlers: { readonly withCode: number; readonly without: number },
): void {
  f.const32(LEFT.fault).set(reason);
  f.get(REC).const32(FAULT_RECORD).op('i32.eq');
  f.const32(0).memory('i32.load', 2, FAST.bigOnBare).op('i32.eqz').op('i32.or').branch('br_if', labels.exit);
  f.get(LEFT_TICKS).get(REC).memory('i32.load', 2, RECORD.rest).op('i32.add').const32(1).op('i32.sub');
  f.set(LEFT_TICKS);
  const put = (field: number, value: () => void): void => {
    f.const32(0);
    value();
    f.memory('i32.store', 2, FAULT_RECORD + field);
  };
  put(RECORD.handler, () => {
    f.const32(handlers.withCode).const32(handlers.without);
    f.const32(0).memory('i32.load', 2, FAST.hasCode).op('select');
  });
  put(RECORD.rest, () => f.const32(1));
  put(RECORD.eip, () => f.get(REC).memory('i32.load', 2, RECORD.eip));
  f.const32(0).set(reason);
  f.const32(FAULT_RECORD).set(REC).branch('br', labels.loop);
}

function emitSpecial(
  f: PooledBody,
  labels: Labels,
  ends: Ends,
  key: string,
  { behind }: LoopFunctions,
): void {
  if (key === STEP) ends.leave(0);
  else if (key === BEHIND) f.call(behind).branch('br_if', labels.exit).branch('br', labels.loop);
  else if (key === CROSS) {
    const eip = f.local(I32);
    f.get(REC).memory('i32.load', 2, RECORD.target).set(eip);
    ends.lookup(eip);
  } else ends.follow(0);
}

/** Functions that the loop calls: see interpreter-walk.ts and interpreter-store.ts. */
interface LoopFunctions {
  readonly walk: number;
  readonly arm: number;
  readonly behind: number;
}
type Case = { readonly key: string; readonly shapes: readonly Shape[]; readonly dead: boolean };

/** The function that runs: (record, ticks left, fr, fx, vCPU) → everything in the FAST words. */
function loopFunction(
  cases: readonly Case[],
  type: number,
  faultHandlers: { readonly withCode: number; readonly without: number },
  functions: LoopFunctions,
): FunctionBody {
  const f = new PooledBody(HANDLER_PARAMS, []);
  const target = f.local(I32),
    reason = f.local(I32);
  const reset = (): void => {
    f.reset();
    f.local(I32);
    f.local(I32);
  };
  const exit = f.begin('block');
  const missWrite = f.begin('block');
  const missRead = f.begin('block');
  const loop = f.begin('loop');
  const fault = f.begin('block');
  const guarded = f.begin('block');
  const unread = f.begin('block');
  const lookup = f.begin('block');
  const begin = f.begin('block');
  const follow = f.begin('block');
  const labels = { exit, loop, lookup, missRead, missWrite, fault, guarded, unread, begin, follow };
  const ends = inlineEnds(f, labels, target);
  const cold = f.begin('block');
  const blocks: number[] = [];
  for (let i = cases.length - 1; i >= 0; i--) blocks[i] = f.begin('block');
  f.get(REC).memory('i32.load16_u', 1, RECORD.handler).branchTable(blocks, cold);
  for (const { key, shapes, dead } of cases) {
    f.end();
    reset();
    if (shapes.length === 0) emitSpecial(f, labels, ends, key, functions);
    else emitSequence(f, ends, shapes, dead);
  }
  f.end();
  reset();
  emitCold(f, labels, { target, reason }, cases.length, type);
  f.branch('br', lookup).end(); // follow
  emitFollow(f, labels, target);
  f.end(); // begin
  f.get(LEFT_TICKS).get(REC).memory('i32.load', 2, RECORD.rest).op('i32.sub').set(LEFT_TICKS);
  f.get(LEFT_TICKS).const32(0).op('i32.lt_s').branch('br_if', exit).branch('br', loop);
  f.end(); // lookup
  reset();
  emitLookup(f, labels, target);
  f.const32(LEFT.lookup).set(reason);
  f.branch('br', exit).end(); // unread
  const walk = (write: boolean): void => {
    f.const32(0).set(reason);
    for (const local of [REC, LEFT_TICKS, target, V]) f.get(local);
    f.const32(write ? 1 : 0)
      .call(functions.walk)
      .branch('br_if', loop);
  };
  walk(false);
  f.branch('br', missRead).end(); // guarded
  f.const32(0).set(reason);
  f.get(REC)
    .get(target)
    .const32(cases.findIndex(({ key }) => key === BEHIND));
  f.call(functions.arm).branch('br_if', loop);
  walk(true);
  f.branch('br', missWrite).end(); // fault
  emitFault(f, labels, reason, faultHandlers);
  f.end(); // loop
  f.end().const32(LEFT.missRead).set(reason).branch('br', exit);
  f.end().const32(LEFT.missWrite).set(reason);
  f.end();
  // What was taken for the rest of the run is given back, unless the run was finished.
  f.get(reason).const32(1).op('i32.and').op('i32.eqz').begin('if');
  f.get(LEFT_TICKS).get(REC).memory('i32.load', 2, RECORD.rest).op('i32.add').set(LEFT_TICKS);
  f.end();
  for (const [address, local] of [
    [FAST.rec, REC],
    [FAST.left, LEFT_TICKS],
    [FAST.fr, FR],
    [FAST.fx, FX],
    [FAST.reason, reason],
    [FAST.target, target],
  ] as const)
    f.const32(0).get(local).memory('i32.store', 2, address);
  return f;
}

// ---- The module ----------------------------------------------------------------------------------------

export interface InterpreterModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Shapes that the description or the builder refused, with the reason. */
  readonly refused: ReadonlyMap<string, string>;
  readonly inlined: number;
  readonly functions: number;
}

/** The case of a sequence, and where its last instruction writes flags the one that leaves them alone. */
function sequenceCases(keys: readonly string[], shapeOf: (key: string) => Shape | undefined): Case[] {
  const shapes = keys.map(shapeOf);
  if (!shapes.every((shape) => shape !== undefined) || keys.length > LONGEST_SEQUENCE)
    throw new Error(`no such sequence: ${keys.join(', ')}`);
  const { entry, insn } = shapes[0]!;
  // A store to a watched frame needs the record behind it to be dispatched; see RECORD_STORES.
  if (entry.access[0] !== 'r' && insn.operands[0]!.kind === 'mem')
    throw new Error(`the first of a sequence stores: ${keys[0]}`);
  const cases = [{ key: sequenceKey(keys, false), shapes, dead: false }];
  if (hasDeadCase(keys.at(-1)!)) cases.push({ key: sequenceKey(keys, true), shapes, dead: true });
  return cases;
}

/** What became of the shapes. */
interface Handlers {
  readonly plain: ReadonlyMap<string, { readonly shape: Shape; readonly body: FunctionBody }>;
  readonly system: readonly {
    readonly key: string;
    readonly body: FunctionBody;
    readonly endsRun: boolean;
  }[];
  /** Keys whose function would be the same as that of another key. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly refused: ReadonlyMap<string, string>;
}

/** Runs every description through the builders. */
function makeHandlers(functions: SystemFunctions): Handlers {
  const plain = new Map<string, { readonly shape: Shape; readonly body: FunctionBody }>();
  const system: { readonly key: string; readonly body: FunctionBody; readonly endsRun: boolean }[] = [];
  const aliases = new Map<string, string>(),
    refused = new Map<string, string>(),
    keyOfCode = new Map<string, string>();
  /** True the first time there is such code; else the key becomes an alias. Flat shapes stand for themselves: sequences name them. */
  const isNew = (key: string, { mode }: Shape, { code, locals }: FunctionBody): boolean => {
    const text = `${locals.join()} ${code.join()}`;
    const known = keyOfCode.get(text);
    if (known === undefined) keyOfCode.set(text, key);
    else if (mode !== 'flat') aliases.set(key, known);
    return known === undefined || mode === 'flat';
  };
  for (const shape of allShapes()) {
    try {
      const body = handlerFunction(shape);
      if (isNew(shape.key, shape, body)) plain.set(shape.key, { shape, body });
    } catch (error) {
      if (!(error instanceof NotCoveredError)) throw error;
      if (!SYSTEM_SEMANTICS.has(shape.insn.form.semantics)) {
        refused.set(shape.key, error.message);
        continue;
      }
      try {
        const key = bareKey(shape.key),
          made = systemFunction(shape, functions);
        if (isNew(key, shape, made.body)) system.push({ key, ...made });
      } catch (again) {
        if (!(again instanceof NotCoveredError)) throw again;
        refused.set(shape.key, again.message);
      }
    }
  }
  return { plain, system, aliases, refused };
}

/** The cases of the loop: those that stand for no instruction, the frequent shapes, and sequences of them. */
function loopCases(plain: Handlers['plain']): Case[] {
  const cases: Case[] = [STEP, GOTO, CROSS, BEHIND].map((key) => ({ key, shapes: [], dead: false }));
  for (const { shape } of plain.values()) {
    if (!isFrequent(shape.key)) continue;
    cases.push({ key: shape.key, shapes: [shape], dead: false });
    if (hasDeadCase(shape.key))
      cases.push({ key: sequenceKey([shape.key], true), shapes: [shape], dead: true });
  }
  for (const keys of SEQUENCES) cases.push(...sequenceCases(keys, (key) => plain.get(key)?.shape));
  return cases;
}

/** Makes the module for a shared or an ordinary memory. */
export function interpreterModule(kind: 'shared' | 'fixed'): InterpreterModule {
  const module = new WasmModule();
  module.importMemory('ringside', 'memory', 1, kind);
  const ports = {
    portIn: module.importFunction('ringside', 'portIn', [I32, I32, I32, I32], [I32]),
    portOut: module.importFunction('ringside', 'portOut', [I32, I32, I32, I32, I32], []),
  };
  const functions: SystemFunctions = {
    ...ports,
    noteSegment: module.define(noteSegmentFunction()),
    settle: module.define(settleFunction()),
  };
  const loopFunctions = {
    walk: module.define(walkFunction()),
    arm: module.define(armFunction()),
    behind: module.define(behindFunction()),
  };
  const { plain, system, aliases, refused } = makeHandlers(functions);
  const cases = loopCases(plain);
  const handlers: Record<string, number> = {};
  cases.forEach(({ key }, i) => {
    handlers[key] = i;
  });
  const type = module.type(HANDLER_PARAMS, [I32]);
  const define = (key: string, body: FunctionBody): number =>
    (handlers[key] = cases.length + module.addToTable(module.define(body)));
  for (const [key, { body }] of plain) if (!(key in handlers)) define(key, body);
  const one = plain.get('nop o32')!.shape;
  const without = define(FAULT, faultFunction(false, one, functions)),
    withCode = define(FAULT_CODE, faultFunction(true, one, functions));
  const ending: number[] = [];
  for (const { key, body, endsRun } of system) {
    const handler = define(key, body);
    if (endsRun) ending.push(handler);
  }
  for (const [key, known] of aliases) handlers[key] = handlers[known]!;
  module.define(loopFunction(cases, type, { withCode, without }, loopFunctions), 'run');
  module.addCustom(TABLE_SECTION, [
    ...new TextEncoder().encode(JSON.stringify({ handlers, ending } satisfies HandlerTable)),
  ]);
  return { bytes: module.encode(), refused, inlined: cases.length, functions: plain.size };
}
