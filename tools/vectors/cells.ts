// What there is to cover: one cell for every form, operand size, address size, register or memory operand, size of code and kind of segments,
// with the forms of which no vector can be made and why.

import { shapeOf } from '../../src/isa/encodings.ts';
import type { Form } from '../../src/isa/types.ts';
import type { World } from './palette.ts';

export type OperandClass = 'register' | 'memory' | 'plain';

/** One kind of test. */
export interface Cell {
  readonly form: Form;
  readonly opSize: 16 | 32;
  readonly addrSize: 16 | 32;
  readonly kind: OperandClass;
  readonly world: World;
}

/** Forms no vector is made of, by semantics, and why. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  rdtsc: 'the answer is time',
  rdtscp: 'the answer is time',
  rdpmc: 'depends on CR4.PCE of the host',
  cpuid: 'the answer is the host',
  xgetbv: 'the answer is the host',
  xsetbv: 'depends on CR4.OSXSAVE of the host',
  sgdt: 'the answer is the host, or UMIP',
  sidt: 'the answer is the host, or UMIP',
  sldt: 'the answer is the host, or UMIP',
  str: 'the answer is the host, or UMIP',
  smsw: 'the answer is the host, or UMIP',
  sysenter: 'enters the host kernel',
  syscall: 'enters the host kernel',
  sysret: 'depends on the vendor outside 64-bit mode',
  vmcall: 'enters the host hypervisor',
  vmmcall: 'enters the host hypervisor',
  fninit: 'the host has a floating-point unit',
  fnstsw: 'the host has a floating-point unit',
  rsm: 'depends on system management mode',
};

/** Why no vector is made of this form; undefined when some are. */
export const excluded = (form: Form): string | undefined => EXCLUDED[form.semantics];

/** Every cell of the table; those with 16-bit addresses and flat segments only where the host lets low memory be mapped. */
export function cells(table: readonly Form[], low: boolean): Cell[] {
  const found: Cell[] = [];
  for (const form of table) {
    if (form.opcode === '' || excluded(form) !== undefined) continue;
    for (const world of ['flat', 'ldt'] as const) found.push(...cellsOf(form, world, low || world === 'ldt'));
  }
  return found;
}

function cellsOf(form: Form, world: World, narrow: boolean): Cell[] {
  const shape = shapeOf(form);
  const kinds: OperandClass[] =
    shape.hasModrm && (shape.register || shape.memory)
      ? [...(shape.register ? (['register'] as const) : []), ...(shape.memory ? (['memory'] as const) : [])]
      : ['plain'];
  const counts = /^(loop|loope|loopne|jecxz)$/.test(form.semantics);
  const found: Cell[] = [];
  for (const opSize of shape.opSizes) {
    if (opSize === 16 && form.semantics === 'bswap') continue; // undefined by the manual
    for (const addrSize of shape.addrSizes) {
      if (addrSize === 16 && !counts && !(narrow && shape.hasMemoryOperand)) continue;
      for (const kind of kinds) {
        if (addrSize === 16 && kind === 'register') continue;
        found.push({ form, opSize, addrSize, kind, world });
      }
    }
  }
  return found;
}

const MANY_OUTCOMES =
  /^(iret|retf|ret|popf|pop_sreg|mov_to_sreg|l[defgs]s|callf|jmpf|div|idiv|enter|leave|bound|cmpxchg8b|movs|cmps|scas|stos|lods|daa|das|aaa|aas|aam|aad|lar|lsl|verr|verw|arpl)$/;
const SHIFTS = /^(shl|shr|sar|rol|ror|rcl|rcr|shld|shrd)$/;

/** How many draws a cell gets in every round: more where one form has many outcomes. */
export function weight({ form }: Cell): number {
  if (MANY_OUTCOMES.test(form.semantics)) return 4;
  return SHIFTS.test(form.semantics) ? 2 : 1;
}
