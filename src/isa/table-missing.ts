// Why bytes outside the table are refused: a reason for every opcode that is not a row, so that #UD always has
// a name. Ranges of the one-byte map are written 'd8-df', of the two-byte map '0f 10-17'; the first match wins.
// 'coprocessor' marks those that CR0.EM and CR0.TS make #NM.

export const MISSING_ROWS: readonly (readonly [range: string, reason: string, kind?: 'coprocessor'])[] = [
  ['c4-c5', 'VEX prefix: AVX is not implemented'],
  ['62-62', 'EVEX prefix: AVX-512 is not implemented'],
  ['d8-df', 'x87 floating point is not implemented', 'coprocessor'],
  ['0f 04-04', 'reserved opcode'],
  ['0f 05-05', 'SYSCALL is not implemented in 32-bit mode'],
  ['0f 07-07', 'SYSRET is not implemented in 32-bit mode'],
  ['0f 0e-0f', '3DNow! is not implemented'],
  ['0f 10-17', 'SSE is not implemented'],
  ['0f 24-27', 'reserved opcode (test registers of the 386 and 486)'],
  ['0f 28-2f', 'SSE is not implemented'],
  ['0f 37-37', 'GETSEC (SMX) is not implemented'],
  ['0f 38-3a', 'three-byte opcodes (SSSE3, SSE4) are not implemented'],
  ['0f 50-7f', 'MMX and SSE are not implemented'],
  ['0f aa-aa', 'RSM outside system management mode'],
  ['0f ae-ae', 'FXSAVE, XSAVE and SSE control are not implemented'],
  ['0f b8-b8', 'POPCNT is not implemented'],
  ['0f c2-c6', 'SSE is not implemented'],
  ['0f c7-c7', 'only CMPXCHG8B with a memory operand is implemented in group 9'],
  ['0f d0-fe', 'MMX and SSE are not implemented'],
];
