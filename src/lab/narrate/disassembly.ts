// The text of the instruction that a record carries as bytes.

import { decode } from '../../isa/decode.ts';
import { disassemble } from '../../isa/disassemble.ts';
import { hexBytes } from './format.ts';

/** NASM syntax, or the bytes where they are no whole instruction of ours. */
export function instructionText(bytes: Uint8Array, eip: number): string {
  if (bytes.length === 0) return '?';
  const insn = decode((i) => bytes[i] ?? 0, true);
  return insn.invalid === undefined ? disassemble(insn, eip) : hexBytes(bytes);
}
