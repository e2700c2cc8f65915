// From a test and what the processor did with it to a line of a vector file.

import type { Vector } from '../../src/cli/vector-format.ts';
import { undefinedFlags } from '../../src/isa/table.ts';
import type { Case } from './cases.ts';
import type { Answer } from './native.ts';
import { descriptorWords, LDT, PAGE, USER_CS, USER_DS, WINDOWS } from './palette.ts';

const GPR_NAMES = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
const SEG_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const STANDARD_SEG = [USER_DS, USER_CS, USER_DS, USER_DS, 0, 0];
const TRAP_STEP = 1,
  TRAP_PF = 14;
const HAS_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);
const ARITHMETIC_FLAGS = 0x8d5,
  EFLAGS_TF = 0x100;
/** Every EFLAGS bit a program sees, RF excepted: the trap itself sets it. */
const ALL_FLAGS = 0x003e7fd5;
const HOST_CODE64 = 0x33;

const PAGES = WINDOWS.flatMap(({ start, size, access }) =>
  Array.from({ length: size / PAGE }, (_, i) => [start + i * PAGE, access] as const),
);
const PAGES_WITHOUT_LOW = PAGES.filter(([address]) => address >= PAGE * 16);
const DESCRIPTORS = LDT.map((segment) => [segment.selector, ...descriptorWords(segment)] as const);

/** Vector of the exception the test ended with, undefined when the instruction completed. */
export const exceptionOf = ({ how, insn }: Case, { trap }: Answer): number | undefined =>
  trap !== TRAP_STEP || how === 'own' || insn.form.semantics === 'int1' ? trap : undefined;

/** Flags that are not compared after this outcome. */
function undefinedMask(one: Case, answer: Answer): number {
  const { insn } = one;
  // A repeated compare that stops midway: whether the flags are those of the last iteration or of before is the processor's affair.
  if (insn.form.rep === 'repcc' && insn.rep !== 'none' && answer.eip === one.eip) return ARITHMETIC_FLAGS;
  // The runner cannot tell its own TF from one that IRET has popped.
  if (insn.form.semantics === 'iret' && one.how === 'step') return EFLAGS_TF;
  if (answer.trap !== TRAP_STEP) return 0;
  return undefinedFlags(insn, one.gpr[1]! & 0xff);
}

/** Instructions that push more than once, or before their last check: what a refused one has stored below the stack pointer is nobody's promise. */
const mayLeaveTraces = (one: Case, answer: Answer): boolean =>
  answer.trap !== TRAP_STEP && /^(call|callf|enter|pusha)$/.test(one.insn.form.semantics);

/** The vector; `low` says whether the host has the window below 64 KiB. */
export function toVector(one: Case, answer: Answer, cpu: string, low: boolean): Vector {
  const exception = exceptionOf(one, answer);
  const traces = mayLeaveTraces(one, answer);
  const named = (values: readonly number[]): [string, number][] =>
    SEG_NAMES.flatMap((name, i) => (values[i] !== STANDARD_SEG[i] ? [[name, values[i]!]] : []));
  const changedSegments = SEG_NAMES.flatMap((name, i): [string, number][] =>
    answer.seg[i] !== one.seg[i] || /sreg|^l[defgs]s$/.test(one.insn.form.semantics)
      ? [[name, answer.seg[i]!]]
      : [],
  );
  const gpr = (values: readonly number[]): [string, number][] =>
    GPR_NAMES.map((name, i) => [name, values[i]!]);
  return {
    name: one.name,
    mode: 'prot32',
    initial: {
      regs: Object.fromEntries([
        ...gpr(one.gpr),
        ['eip', one.eip],
        ['eflags', one.eflags],
        ...named(one.seg),
      ]),
      mem: [...one.memory].sort(([a], [b]) => a - b),
      pages: low ? PAGES : PAGES_WITHOUT_LOW,
      ...(one.world === 'ldt' ? { descriptors: DESCRIPTORS } : {}),
    },
    final: {
      regs: Object.fromEntries([
        ...gpr(answer.gpr),
        ['eip', answer.eip],
        ['eflags', answer.eflags],
        ...changedSegments,
        ...(answer.trap === TRAP_PF ? [['cr2', answer.cr2] as [string, number]] : []),
      ]),
      mem: traces ? [] : answer.changed,
    },
    ...(traces ? {} : { exact: true }),
    flagsMask: ALL_FLAGS & ~undefinedMask(one, answer),
    ...(exception === undefined ? {} : { exception }),
    ...(exception !== undefined && HAS_ERROR_CODE.has(exception) ? { errorCode: answer.code } : {}),
    cpu,
  };
}

/** Whether the answer is the host's affair: none at all, its 64-bit mode, an interrupt of no exception, registers of a POPA that was refused midway. */
export function dependsOnHost(one: Case, answer: Answer | undefined): answer is undefined {
  if (answer === undefined || answer.trap > 31 || answer.seg[1] === HOST_CODE64) return true;
  const refused = answer.trap !== TRAP_STEP && one.insn.form.semantics === 'popa';
  return refused && answer.gpr.some((value, n) => value !== one.gpr[n]);
}
