// Which values of a recorded tree need a name of their own when the tree is written as text: those read before an overwrite
// and used after it (XCHG, XADD and RET read wrong otherwise), memory that is read once and used twice, and results
// used in several places. Everything else is written where it is used.

import { bodiesOf, type Place, type Statement, usedBy, type Value, valuesOf } from './tree.ts';

interface Position {
  readonly at: number;
  /** Loops around the statement, innermost last. */
  readonly loops: readonly number[];
}

interface Write extends Position {
  readonly place: Place;
}

/** Values that are as short as any name for them. */
const isPlain = (value: Value): boolean => value.op === 'const';

/** Whether writing `written` changes what reading `read` gives: places are equal or one is a prefix ('sys:msr' of 'sys:msr:10'). */
export function overlaps(read: Place, written: Place): boolean {
  return read === written || read.startsWith(`${written}:`) || written.startsWith(`${read}:`);
}

class Survey {
  readonly defined = new Map<Value, Position>();
  readonly order: Value[] = [];
  readonly uses = new Map<Value, Position[]>();
  readonly writes: Write[] = [];
  /** Position behind each loop. */
  readonly loopEnd = new Map<number, number>();
  private at = 0;

  visit(body: readonly Statement[], loops: readonly number[]): void {
    for (const statement of body) {
      if (statement.kind === 'loop') {
        this.loop(statement, loops);
        continue;
      }
      const here: Position = { at: this.at++, loops };
      if (statement.kind === 'define') {
        this.defined.set(statement.value, here);
        this.order.push(statement.value);
      } else {
        for (const value of usedBy(statement)) this.use(value, here);
      }
      if (statement.kind === 'do') for (const place of statement.writes) this.writes.push({ ...here, place });
      for (const inner of bodiesOf(statement)) this.visit(inner, loops);
    }
  }

  private loop(statement: Statement & { kind: 'loop' }, around: readonly number[]): void {
    const loops = [...around, statement.id];
    this.visit(statement.head, loops);
    this.use(statement.condition, { at: this.at++, loops });
    this.visit(statement.body, loops);
    this.loopEnd.set(statement.id, this.at);
  }

  use(value: Value, at: Position): void {
    const list = this.uses.get(value);
    if (list === undefined) this.uses.set(value, [at]);
    else list.push(at);
  }
}

function overwritten(value: Value, from: Position, to: Position, survey: Survey): boolean {
  // Used in a loop that it was read outside of: every later turn comes after the whole body.
  const around = to.loops.filter((loop) => !from.loops.includes(loop));
  const end = Math.max(to.at, ...around.map((loop) => survey.loopEnd.get(loop)!));
  return survey.writes.some(
    (write) =>
      write.at > from.at && write.at < end && value.reads.some((read) => overlaps(read, write.place)),
  );
}

/**
 * The values of `body` that must be named, in the order in which they come to be. `duplicable(value)` says that the text of
 * a value is short enough to be written twice.
 */
export function temporariesOf(body: readonly Statement[], duplicable: (value: Value) => boolean): Set<Value> {
  const survey = new Survey();
  survey.visit(body, []);
  const named = new Set<Value>();
  // Users come after what they use, so that going backwards every use is known when a value is looked at.
  for (let i = survey.order.length - 1; i >= 0; i--) {
    const value = survey.order[i]!;
    const from = survey.defined.get(value)!;
    const uses = survey.uses.get(value) ?? [];
    const mustName =
      !isPlain(value) &&
      uses.length > 0 &&
      ((uses.length > 1 && !duplicable(value)) || uses.some((use) => overwritten(value, from, use, survey)));
    if (mustName) named.add(value);
    const places = mustName ? [from] : uses;
    for (const arg of valuesOf(value.args)) for (const at of places) survey.use(arg, at);
  }
  return new Set(survey.order.filter((value) => named.has(value)));
}
