// The tree that the symbolic builder records from an entry of the description: every value that was made, every act in
// program order, both arms of every condition. Readers that only look (explain, classify) and the WebAssembly
// writer walk it. A value is opaque: JavaScript that tries to compute or decide with it throws.

/** Where a value comes from or an act goes to, as text: 'reg:0', 'flag:c', 'mem', 'sys:cr0', 'seg:3', 'local:2', 'eip'. */
export type Place = string;

/** One value of the description. `size` is its width in bits; 1 for a condition. */
export class Value {
  readonly id: number;
  readonly op: string;
  readonly size: number;
  readonly args: readonly Argument[];
  /** Places whose content this value is, or depends on directly; empty for pure operations. */
  readonly reads: readonly Place[];

  constructor(id: number, op: string, size: number, args: readonly Argument[], reads: readonly Place[]) {
    this.id = id;
    this.op = op;
    this.size = size;
    this.args = args;
    this.reads = reads;
  }

  /** Opaque: the machine decides, not the JavaScript that describes it. */
  valueOf(): never {
    throw new OpaqueValueError(this.op);
  }
  toString(): never {
    throw new OpaqueValueError(this.op);
  }
  toJSON(): never {
    throw new OpaqueValueError(this.op);
  }
  [Symbol.toPrimitive](): never {
    throw new OpaqueValueError(this.op);
  }
}

export type Argument = Value | number | string;

/** The description used the value of `op` as a JavaScript number, text or condition. */
export class OpaqueValueError extends TypeError {
  constructor(op: string) {
    super(`the value of ${op} is not known when x86 is described: use the builder's operations`);
  }
}

/** An act: what the description does, in order. */
export type Statement =
  /** A value comes to be here. */
  | { readonly kind: 'define'; readonly value: Value }
  /** A write or another effect: `op` names it, `writes` says which places change. */
  | {
      readonly kind: 'do';
      readonly op: string;
      readonly args: readonly Argument[];
      readonly writes: readonly Place[];
    }
  | {
      readonly kind: 'if';
      readonly condition: Value;
      readonly whenTrue: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  /** While `condition`, which `head` computes anew each turn, is not zero: `body`. */
  | {
      readonly kind: 'loop';
      readonly id: number;
      readonly head: readonly Statement[];
      readonly condition: Value;
      readonly body: readonly Statement[];
    }
  /** One turn of a string instruction under its prefix. */
  | { readonly kind: 'repeat'; readonly body: readonly Statement[] }
  /** Ends the instruction with an exception; nothing after it happens. */
  | { readonly kind: 'fault'; readonly vector: number; readonly code: Value | undefined }
  /** A corner of the architecture that is not described: ends the instruction. */
  | { readonly kind: 'missing'; readonly what: string }
  /** A check of privilege or mode: what it reads is no effect of the instruction. */
  | { readonly kind: 'check'; readonly body: readonly Statement[] }
  /** A routine of the microcode, named. */
  | { readonly kind: 'routine'; readonly name: string; readonly body: readonly Statement[] };

/** Values among the arguments. */
export function valuesOf(args: readonly (Argument | undefined)[]): Value[] {
  return args.filter((arg): arg is Value => arg instanceof Value);
}

/** The statement lists nested in one. */
export function bodiesOf(statement: Statement): readonly (readonly Statement[])[] {
  switch (statement.kind) {
    case 'if':
      return [statement.whenTrue, statement.otherwise];
    case 'loop':
      return [statement.head, statement.body];
    case 'check':
    case 'repeat':
    case 'routine':
      return [statement.body];
    default:
      return [];
  }
}

/** The values a statement itself consumes; nested statements not included. */
export function usedBy(statement: Statement): Value[] {
  switch (statement.kind) {
    case 'define':
      return valuesOf(statement.value.args);
    case 'do':
      return valuesOf(statement.args);
    case 'if':
    case 'loop':
      return [statement.condition];
    case 'fault':
      return valuesOf([statement.code]);
    default:
      return [];
  }
}

/** Every statement, parents before children, in program order. */
export function* statements(body: readonly Statement[]): Generator<Statement> {
  for (const statement of body) {
    yield statement;
    for (const inner of bodiesOf(statement)) yield* statements(inner);
  }
}
