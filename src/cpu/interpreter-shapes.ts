// Shapes: what the interpreter's handlers are made for. All instructions of one shape run through one handler, which takes registers,
// immediates and addresses from the record. A shape is named by text that build (tools/build-engine.ts) and decoding compute alike.
//
//   add o32 r32 m32b       add a register and memory at base + displacement, segments flat
//   jcc4 o32 j             JE
//   movs o32 rep s32 s32   REP MOVSD (addresses in ESI and EDI)
//   ~push o32 r32          PUSH where segments are checked at each access
//   mov o32 m32xc r32      MOV to memory with an index, through a segment that is checked (FS: or any one that is not flat)
//   ^mov o16 r16 m16wc a16 MOV from memory at a 16-bit address, in 16-bit code with a 16-bit stack
//   ^stos o16 rep s16 a16  REP STOSW (address in DI, count in CX)

import { cc } from '../isa/table.ts';
import { DS, ES, type Insn, type MemOperand, SS } from '../isa/types.ts';

const CONDITIONAL: ReadonlySet<string> = new Set(['jcc', 'setcc', 'cmovcc']);
export const STRINGS: ReadonlySet<string> = new Set(['movs', 'cmps', 'stos', 'lods', 'scas']);
/** Near transfers: they end a straight run. */
export const TRANSFERS: ReadonlySet<string> = new Set('jmp jcc call ret loop loope loopne jecxz'.split(' '));
/** Whatever never goes on behind itself: nothing behind it is decoded along with it. */
export const BARRIERS: ReadonlySet<string> = new Set(
  'jmp call ret jmpf callf retf int int3 into iret hlt ud sysenter sysexit'.split(' '),
);
const ESP = 4,
  ESI = 6;

/**
 * What handlers may take for granted. flat: 32-bit code and stack, DS, ES and SS flat. checked: the same, but segments are checked at each
 * access. small: 16-bit code and a 16-bit stack, segments checked, that of code too.
 */
export type Mode = 'flat' | 'checked' | 'small';
export const MODES: readonly Mode[] = ['flat', 'checked', 'small'];
const PREFIX: Readonly<Record<Mode, string>> = { flat: '', checked: '~', small: '^' };

/** Segments that flat mode takes for granted. */
const isFlat = (seg: number): boolean => seg === DS || seg === ES || seg === SS;

function stringOperand({ seg, base, size }: MemOperand, flat: boolean): string | undefined {
  const usual = base === ESI ? DS : ES;
  return (flat ? isFlat(seg) : seg === usual) ? ` s${size}` : undefined;
}

function memoryOperand(mem: MemOperand, semantics: string, flat: boolean): string | undefined {
  if (STRINGS.has(semantics)) return stringOperand(mem, flat);
  const form = mem.addrSize === 16 ? 'w' : mem.index < 0 ? 'b' : 'x';
  if (semantics === 'pop' && mem.base === ESP) return undefined; // its address counts from the new ESP
  if (semantics === 'clflush') return undefined; // no operand of a size, and yet its address is checked
  const checked = mem.size !== 0 && !(flat && isFlat(mem.seg));
  return ` m${mem.size}${form}${checked ? 'c' : ''}`;
}

/** Name of the shape of an instruction, undefined for those that the interpreter leaves to the reference engine. */
export function shapeKey(insn: Insn, mode: Mode): string | undefined {
  const { form, opSize, addrSize, operands } = insn;
  if (insn.invalid !== undefined || (addrSize === 16 && mode !== 'small')) return undefined;
  let key = PREFIX[mode] + form.semantics;
  if (CONDITIONAL.has(form.semantics)) key += cc(insn);
  key += opSize === 16 && form.semantics !== 'nop' ? ' o16' : ' o32';
  if (form.rep !== undefined && insn.rep !== 'none') key += form.rep === 'rep' ? ' rep' : ` ${insn.rep}`;
  for (const operand of operands) {
    if (operand.kind === 'reg') key += ` r${operand.size}`;
    else if (operand.kind === 'imm') key += ` i${operand.size}`;
    else if (operand.kind === 'rel') key += ' j';
    else if (operand.kind === 'sreg') key += ` s${operand.seg}`;
    else if (operand.kind === 'cr') key += ` c${operand.n}`;
    else if (operand.kind === 'mem') {
      const text = memoryOperand(operand, form.semantics, mode === 'flat');
      if (text === undefined) return undefined;
      key += text;
    } else return undefined;
  }
  return addrSize === 16 ? `${key} a16` : key;
}
