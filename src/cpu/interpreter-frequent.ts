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

function pairs(): [string, string][] {
  const list: [string, string][] = [];
  const all = [2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15],
    zero = [4, 5, 8, 9];
  const with_ = (first: string, conditions: readonly number[]): void => {
    for (const cc of conditions) list.push([first, `jcc${cc} o32 j`]);
  };
  with_('cmp o32 r32 r32', all);
  with_('cmp o32 r32 i32', all);
  with_('cmp o32 r32 m32b', all);
  with_('cmp o32 m32b i32', all);
  with_('cmp o32 r8 i8', [2, 3, 4, 5, 6, 7]);
  with_('cmp o32 m8b i8', [4, 5]);
  with_('cmp o32 m8x i8', [4, 5]);
  with_('test o32 r32 r32', [4, 5, 8, 9, 14, 15]);
  with_('test o32 r8 r8', zero);
  with_('test o32 r8 i8', [4, 5]);
  with_('dec o32 r32', [4, 5, 9]);
  with_('inc o32 r32', [4, 5]);
  with_('sub o32 r32 i32', [2, 3, 4, 5]);
  with_('add o32 r32 i32', [4, 5]);
  with_('and o32 r32 i32', [4, 5]);
  return list;
}
/** Pairs of shapes that run as one case. Each instruction keeps its own record, so a jump to the second finds it. */
export const PAIRS: readonly (readonly [string, string])[] = pairs();
