// The small language of tours: queries over the trace.
//
//   console[0]                              the first record of a type; [-1] the last
//   trap(kind=hypercall, at=door)[0]        filters: any field of a record, `at` = a symbol its EIP lies in, `name` of a hypercall or rule
//   any(at=at_cli)[0]                       every type
//   who(console[0])  outcome(trap[0])  count(silent)  text(console[0])  got(silent[0])  happened(trap[0])
//   instructions  traps  hypercalls  silents  refusals  ended  edits  T        what the session says
//   == != < <= > >=  and or not  + -  ( )  'text'  0x12
//
// parseQuery makes a tree; evaluate.ts runs it.

export type Query =
  | { readonly kind: 'literal'; readonly value: number | string }
  | { readonly kind: 'name'; readonly name: string }
  | {
      readonly kind: 'select';
      readonly type: string;
      readonly filters: readonly Filter[];
      readonly index: number | undefined;
    }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Query[] }
  | { readonly kind: 'binary'; readonly op: string; readonly left: Query; readonly right: Query }
  | { readonly kind: 'not'; readonly of: Query };
export interface Filter {
  readonly field: string;
  readonly negate: boolean;
  readonly value: string;
}

/** Names that are functions; anything else with parentheses selects records. */
export const FUNCTIONS = [
  'who',
  'runs',
  'outcome',
  'count',
  'text',
  'happened',
  'before',
  'at',
  'after',
  'symbol',
  'asked',
  'got',
  'native',
  'result',
  'ring',
  'time',
  'tick',
  'lines',
  'bit',
  'domain',
  'seq',
  'errno',
  'stopped',
  'carrier',
  'message',
  'hex',
  'errorCode',
] as const;
const IS_FUNCTION: ReadonlySet<string> = new Set(FUNCTIONS);

const TOKEN = /\s*(?:(0x[0-9a-fA-F]+|\d+)|('[^']*')|([A-Za-z_][\w.]*)|(==|!=|<=|>=|[<>()[\],=+-]))/y;

class Parser {
  private readonly tokens: string[] = [];
  private at = 0;
  constructor(source: string) {
    TOKEN.lastIndex = 0;
    let end = 0;
    for (let m = TOKEN.exec(source); m; m = TOKEN.exec(source)) {
      this.tokens.push(m[1] ?? m[2] ?? m[3] ?? m[4]!);
      end = TOKEN.lastIndex;
    }
    if (source.slice(end).trim() !== '') throw new Error(`I cannot read “${source.slice(end).trim()}”`);
  }
  private peek(): string | undefined {
    return this.tokens[this.at];
  }
  private eat(token: string): boolean {
    if (this.tokens[this.at] !== token) return false;
    this.at++;
    return true;
  }
  private need(token: string): void {
    if (!this.eat(token))
      throw new Error(`“${token}” expected${this.peek() ? ` before “${this.peek()}”` : ' at the end'}`);
  }
  whole(): Query {
    const q = this.or();
    if (this.peek() !== undefined) throw new Error(`“${this.peek()}” is too much`);
    return q;
  }
  private or(): Query {
    let left = this.and();
    while (this.eat('or')) left = { kind: 'binary', op: 'or', left, right: this.and() };
    return left;
  }
  private and(): Query {
    let left = this.comparison();
    while (this.eat('and')) left = { kind: 'binary', op: 'and', left, right: this.comparison() };
    return left;
  }
  private comparison(): Query {
    if (this.eat('not')) return { kind: 'not', of: this.comparison() };
    const left = this.sum();
    const op = this.peek();
    if (op === undefined || !['==', '!=', '<', '<=', '>', '>='].includes(op)) return left;
    this.at++;
    return { kind: 'binary', op, left, right: this.sum() };
  }
  private sum(): Query {
    let left = this.primary();
    for (let op = this.peek(); op === '+' || op === '-'; op = this.peek()) {
      this.at++;
      left = { kind: 'binary', op, left, right: this.primary() };
    }
    return left;
  }
  private primary(): Query {
    const t = this.peek();
    if (t === undefined) throw new Error('something is missing at the end');
    this.at++;
    if (t === '(') {
      const q = this.or();
      this.need(')');
      return q;
    }
    if (t.startsWith("'")) return { kind: 'literal', value: t.slice(1, -1) };
    if (/^\d/.test(t)) return { kind: 'literal', value: Number(t) };
    if (!/^[A-Za-z_]/.test(t)) throw new Error(`“${t}” makes no sense here`);
    if (IS_FUNCTION.has(t) && this.peek() === '(') return this.call(t);
    const filters = this.peek() === '(' ? this.filters() : [];
    if (filters.length === 0 && this.peek() !== '[') return { kind: 'name', name: t };
    return { kind: 'select', type: t, filters, index: this.index() };
  }
  private call(name: string): Query {
    const args: Query[] = [];
    this.need('(');
    if (!this.eat(')')) {
      do args.push(this.or());
      while (this.eat(','));
      this.need(')');
    }
    return { kind: 'call', name, args };
  }
  private filters(): Filter[] {
    const out: Filter[] = [];
    this.need('(');
    while (!this.eat(')')) {
      const field = this.peek();
      if (field === undefined) throw new Error('“)” expected at the end');
      this.at++;
      const negate = this.eat('!=');
      if (!negate) this.need('=');
      const value = this.peek();
      if (value === undefined) throw new Error(`${field} = what?`);
      this.at++;
      out.push({ field, negate, value: value.startsWith("'") ? value.slice(1, -1) : value });
      if (this.peek() !== ')') this.need(',');
    }
    return out;
  }
  private index(): number | undefined {
    if (!this.eat('[')) return undefined;
    const sign = this.eat('-') ? -1 : 1;
    const n = Number(this.peek());
    if (!Number.isInteger(n)) throw new Error('an index is a whole number');
    this.at++;
    this.need(']');
    return sign * n;
  }
}

/** Parses one expression; throws an Error that says what is wrong. */
export const parseQuery = (source: string): Query => new Parser(source).whole();
