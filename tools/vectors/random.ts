// A small seeded generator (mulberry32): the same seed gives the same vectors everywhere.

export interface Random {
  /** An unsigned 32-bit number. */
  u32(): number;
  /** An integer in [0, n). */
  below(n: number): number;
  /** True once in n times on average. */
  oneIn(n: number): boolean;
  pick<T>(from: readonly T[]): T;
}

export function random(seed: number): Random {
  let state = seed | 0;
  const u32 = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n: number): number => u32() % n;
  return { u32, below, oneIn: (n) => below(n) === 0, pick: (from) => from[below(from.length)]! };
}
