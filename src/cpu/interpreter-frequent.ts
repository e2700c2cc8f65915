// Which shapes are cases of the interpreter's loop, and which pairs of shapes have a case of their own. By what compilers write most; the
// list was tuned with tools/bench. A shape that is not listed works the same, through a function call.

const SIZES = ['o32 r32', 'o32 r8'] as const;
const ALU = ['add', 'or', 'and', 'sub', 'xor', 'cmp', 'test', 'mov'] as const;
const CONDITIONS = Array.from({ length: 16 }, (_, n) => n);

function frequent(): Set<string> {
  const keys = new Set<string>();
  const add = (...list: readonly string[]): void => {
    for (const key of list) keys.add(key);
  };
  for (const op of ALU) {
    for (const size of [32, 8]) {
      const r = `r${size}`,
        i = `i${size}`;
      add(`${op} o32 ${r} ${r}`, `${op} o32 ${r} ${i}`);
      for (const address of ['b', 'x']) {
        const m = `m${size}${address}`;
        if (op !== 'test') add(`${op} o32 ${r} ${m}`);
        add(`${op} o32 ${m} ${r}`);
        if (address === 'b' || op === 'mov' || op === 'cmp') add(`${op} o32 ${m} ${i}`);
      }
    }
  }
  for (const size of SIZES) add(`inc ${size}`, `dec ${size}`, `neg ${size}`, `not ${size}`);
  add('inc o32 m32b', 'dec o32 m32b');
  for (const op of ['shl', 'shr', 'sar']) add(`${op} o32 r32 i8`, `${op} o32 r32 r8`);
  add('adc o32 r32 r32', 'sbb o32 r32 r32', 'rol o32 r32 i8', 'ror o32 r32 i8');
  for (const op of ['movzx', 'movsx']) {
    add(`${op} o32 r32 r8`, `${op} o32 r32 r16`);
    for (const m of ['m8b', 'm8x', 'm16b', 'm16x']) add(`${op} o32 r32 ${m}`);
  }
  add('mov o16 m16b r16', 'mov o16 m16x r16', 'mov o16 r16 m16b', 'mov o16 r16 m16x');
  add('lea o32 r32 m0b', 'lea o32 r32 m0x', 'xchg o32 r32 r32', 'nop o32');
  add('imul2 o32 r32 r32', 'imul2 o32 r32 m32b', 'imul2 o32 r32 m32x', 'imul3 o32 r32 r32 i32');
  add('mul o32 r32', 'div o32 r32', 'idiv o32 r32', 'cwd o32 r32 r32', 'cbw o32 r32');
  add('push o32 r32', 'push o32 i32', 'push o32 m32b', 'pop o32 r32', 'leave o32');
  add('call o32 j', 'call o32 r32', 'call o32 m32b', 'call o32 m32x', 'ret o32');
  add('jmp o32 j', 'jmp o32 r32', 'jmp o32 m32b', 'jmp o32 m32x', 'loop o32 j');
  for (const cc of CONDITIONS) add(`jcc${cc} o32 j`);
  for (const cc of [2, 3, 4, 5, 6, 7, 12, 13, 14, 15]) add(`setcc${cc} o32 r8`);
  return keys;
}

const FREQUENT = frequent();
export const isFrequent = (key: string): boolean => FREQUENT.has(key);

const REGISTER = 'o32 r32 r32',
  CONSTANT = 'o32 r32 i32',
  SHIFT = 'o32 r32 i8';

/** Sets of shapes by two lists: each of the first followed by each of the second. */
const each = (firsts: readonly string[], seconds: readonly string[]): string[][] =>
  firsts.flatMap((first) => seconds.map((second) => [first, second]));

function compares(): string[][] {
  const list: string[][] = [];
  const all = [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15],
    zero = [4, 5, 8, 9];
  const jump = (cc: number): string => `jcc${cc} o32 j`;
  const with_ = (first: string, conditions: readonly number[]): void => {
    list.push(...each([first], conditions.map(jump)));
  };
  with_(`cmp ${REGISTER}`, all);
  with_(`cmp ${CONSTANT}`, all);
  with_('cmp o32 r32 m32b', all);
  with_('cmp o32 m32b i32', all);
  with_('cmp o32 r8 i8', [2, 3, 4, 5, 6, 7]);
  with_('cmp o32 m8b i8', [4, 5]);
  with_('cmp o32 m8x i8', [4, 5]);
  with_(`test ${REGISTER}`, [4, 5, 8, 9, 14, 15]);
  with_('test o32 r8 r8', zero);
  with_('test o32 r8 i8', [4, 5]);
  with_('dec o32 r32', [4, 5, 9]);
  with_('inc o32 r32', [4, 5]);
  with_(`sub ${CONSTANT}`, [2, 3, 4, 5]);
  with_(`add ${CONSTANT}`, [4, 5]);
  with_(`and ${CONSTANT}`, [4, 5]);
  // The ends of loops.
  for (const step of ['inc o32 r32', `add ${CONSTANT}`, `add ${REGISTER}`])
    for (const test of [`cmp ${REGISTER}`, `cmp ${CONSTANT}`])
      for (const cc of [2, 5, 6, 12, 14]) list.push([step, test, jump(cc)]);
  return list;
}
/** What compilers put one behind the other where nothing jumps; the first of a sequence may load but not store. */
function straight(): string[][] {
  const move = `mov ${REGISTER}`,
    load = 'mov o32 r32 m32b',
    loadIndexed = 'mov o32 r32 m32x',
    store = 'mov o32 m32b r32';
  const shifts = ['shl', 'shr'].map((op) => `${op} ${SHIFT}`);
  return [
    ...each([move], [...shifts, move, load, `and ${CONSTANT}`]),
    ...each([`xor ${REGISTER}`], [move]),
    ...each(shifts, [`xor ${REGISTER}`, `add ${REGISTER}`]),
    ...each([load], [load, `add ${CONSTANT}`]),
    ...each([loadIndexed], [store]),
    ...each([`add ${CONSTANT}`], [`add ${CONSTANT}`]),
    ...each(['pop o32 r32'], ['pop o32 r32', 'ret o32']),
  ];
}
/** Sequences of shapes that run as one case. Each instruction keeps its own record, so a jump into the midst finds it. */
export const SEQUENCES: readonly (readonly string[])[] = [...compares(), ...straight()];
/** No sequence is longer. */
export const LONGEST_SEQUENCE = 3;

const REGISTER_RESULT: ReadonlySet<string> = new Set(
  'add and sub xor inc dec shl shr imul2 imul3'.split(' '),
);
/** Whether a frequent shape also has a case that leaves the flags alone, for where they are dead. */
export const hasDeadCase = (key: string): boolean => {
  const [op, , first, second] = key.split(' ');
  return REGISTER_RESULT.has(op!) && first === 'r32' && second !== 'm32x';
};
