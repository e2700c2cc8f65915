// Mutations of the processor: behaviour of ring 0 that no host shows a test. Each changes one rule of the description or of the reference
// engine, and a test written from the manual must fail.

import type { Mutation } from './mutation.ts';

const TASK = 'src/isa/microcode/task.ts';
const FAR = 'src/isa/microcode/far.ts';
const INNER = 'src/isa/microcode/inner-stack.ts';
const INTERRUPT = 'src/isa/microcode/interrupt.ts';
const IRET = 'src/isa/microcode/iret.ts';
const SEGMENTS = 'src/isa/semantics/segments.ts';
const ENGINE = 'src/cpu/reference.ts';
const SYSTEM = 'src/cpu/reference-system.ts';
const MEMORY = 'src/cpu/reference-memory.ts';
const DEBUG = 'src/cpu/reference-debug.ts';
const WALKER = 'src/cpu/walker.ts';
const TASKS = ['src/cpu/tasks.test.ts'];
const GATES = ['src/cpu/gates.test.ts'];
const BREAKPOINTS = ['src/cpu/debug.test.ts'];
const CONTROL = ['src/cpu/system.test.ts'];
const MODES = ['src/cpu/modes.test.ts'];
const BUS = ['src/cpu/bus.test.ts'];

type Row = readonly [name: string, file: string, find: string, replace: string, tests: readonly string[]];

const ROWS: readonly Row[] = [
  ['a task switch leaves CR0.TS clear', TASK, "b.setSys('ts', b.const(1));", '', TASKS],
  [
    'a nested task has no link',
    TASK,
    "if (kind === 'nested') b.storeSystem('tss', next.base, 16, b.sys('tr'));",
    '',
    TASKS,
  ],
  [
    'JMP leaves the old task busy',
    TASK,
    "b.storeSystem('descriptor', descriptorAt, 32, b.and(hi, b.const(~BUSY_HI)));",
    'void hi;',
    TASKS,
  ],
  [
    'a busy task may be entered',
    TASK,
    "b.ne(type, b.const(state === 'busy' ? 3 : 1))",
    "b.ne(b.or(type, b.const(2)), b.const(state === 'busy' ? 3 : 3))",
    TASKS,
  ],
  [
    'a nested task has NT clear',
    TASK,
    "kind === 'nested' ? b.or(next.flags, b.const(NT)) : next.flags",
    'next.flags',
    TASKS,
  ],
  [
    'local breakpoints survive a task switch',
    TASK,
    "b.and(b.sys('dr7'), b.const(~LOCAL_BREAKPOINTS))",
    "b.sys('dr7')",
    TASKS,
  ],
  [
    'a short TSS is accepted',
    TASK,
    'b.faultIf(b.ltU(limitOf(b, d), pick(b, wide, LIMIT_NEW)), TS, code);',
    '',
    TASKS,
  ],
  ["faults of the new task are the old one's", TASK, 'b.begin(eip);', '', TASKS],
  ['the T flag is not looked at', TASK, 'b.if(next.trap, () => b.taskTrap());', '', TASKS],
  [
    "a task's error code is not pushed",
    TASK,
    'if (event.code !== undefined) pushCode(b, next.wide, event.code);',
    'void pushCode;',
    TASKS,
  ],
  [
    'a call gate copies no parameters',
    FAR,
    'put(b.mul(b.add(i, b.const(2)), b.const(bytes)), b.load(SS, from(i), size))',
    'void b.load(SS, from(i), size)',
    GATES,
  ],
  [
    "a gate's DPL is not asked",
    FAR,
    "b.faultIf(isZero(b, b.and(b.leU(b.sys('cpl'), dpl), b.leU(rplOf(b, sel), dpl))), GP, code);",
    '',
    GATES,
  ],
  ['RETF may lead inward', FAR, "b.faultIf(b.ltU(rpl, b.sys('cpl')), GP, code);", '', GATES],
  [
    'a return outward keeps data segments',
    FAR,
    'dropInnerSegments(b, rpl);',
    'void dropInnerSegments;',
    GATES,
  ],
  [
    'a new stack needs no room',
    INNER,
    'b.faultIf(isZero(b, b.select(has(b, ss.attr, SEG_TYPE_EXPAND_DOWN), down, up)), SF, code);',
    'void [SF, code, down, up];',
    GATES,
  ],
  [
    'INT asks no DPL',
    INTERRUPT,
    "if (software) b.faultIf(b.ltU(b.and(b.shr(hi, b.const(13)), b.const(3)), b.sys('cpl')), GP, code);",
    '',
    GATES,
  ],
  [
    'error codes have no EXT bit',
    INTERRUPT,
    'ext = b.const(software ? 0 : 1)',
    'ext = b.const(software ? 0 : 0)',
    GATES,
  ],
  [
    'leaving virtual-8086 mode keeps the data segments',
    INTERRUPT,
    'if (vm86) for (const seg of [ES, DS, FS, GS] as const) b.setSegment(seg, nullSegment(b, b.const(0)));',
    'void nullSegment;',
    MODES,
  ],
  [
    'IRET gives IF to every level',
    IRET,
    "b.if(b.leU(cpl, iopl), () => b.setSys('if',",
    "b.if(b.leU(b.const(0), iopl), () => b.setSys('if',",
    GATES,
  ],
  ['IRET leaves NMIs blocked', IRET, 'b.endNmi();', '', BUS],
  [
    'MOV SS holds no traps',
    SEGMENTS,
    `if (segOf(dst) !== SS) return;
  b.shadow();
  b.holdTraps();`,
    `if (segOf(dst) !== SS) return;
  b.shadow();`,
    BREAKPOINTS,
  ],
  [
    'reading meets breakpoints for writing',
    DEBUG,
    'const kinds = write ? oneOf(BREAK_WRITE, BREAK_ACCESS) : oneOf(BREAK_ACCESS);',
    'const kinds = oneOf(BREAK_WRITE, BREAK_ACCESS, write ? BREAK_WRITE : BREAK_ACCESS);',
    BREAKPOINTS,
  ],
  [
    'RF holds no breakpoint back',
    DEBUG,
    '|| (this.i32[this.flagsAt]! & EFLAGS_RF) !== 0',
    '|| EFLAGS_RF === 0',
    BREAKPOINTS,
  ],
  [
    'DR7.GD guards nothing',
    DEBUG,
    'if (!this.pv && (this.dr7() & DR7_GD) !== 0) this.raiseDebug(DR6_BD);',
    'void DR6_BD;',
    BREAKPOINTS,
  ],
  [
    'INT n is single-stepped',
    ENGINE,
    '(traced & EFLAGS_TF) !== 0 && !this.gated',
    '(traced & EFLAGS_TF) !== 0',
    BREAKPOINTS,
  ],
  [
    'a page fault never doubles',
    ENGINE,
    'severity !== BENIGN && second !== BENIGN',
    'severity === CONTRIBUTORY && second !== BENIGN',
    GATES,
  ],
  ['a triple fault only halts', ENGINE, 'this.exit = EXIT.shutdown;', 'this.exit = EXIT.halt;', GATES],
  [
    'interrupts from outside count as contributory',
    ENGINE,
    'let severity = external ? BENIGN : severityOf(this.faultVector)',
    'let severity = external && BENIGN === 1 ? BENIGN : severityOf(this.faultVector)',
    BUS,
  ],
  [
    'interrupts come behind MOV SS',
    ENGINE,
    'if (this.shadowed !== 0 || this.pv) return false;',
    'if (this.pv) return false;',
    BUS,
  ],
  [
    'CR4 takes reserved bits',
    SYSTEM,
    'bad = (value & ~CR4_ALLOWED) !== 0;',
    'bad = (value & ~CR4_ALLOWED) === 1;',
    CONTROL,
  ],
  [
    'PDPTEs take reserved bits',
    SYSTEM,
    '(lo & PDPTE_RESERVED_LO) !== 0',
    '(lo & PDPTE_RESERVED_LO) === 1',
    CONTROL,
  ],
  [
    'real-address mode clears NT at an interrupt',
    SYSTEM,
    '(real ? EFLAGS_AC : EFLAGS_NT | EFLAGS_VM)',
    '(real ? EFLAGS_AC | EFLAGS_NT : EFLAGS_NT | EFLAGS_VM)',
    CONTROL,
  ],
  [
    'UMIP is not asked',
    SYSTEM,
    '(this.m.r32(this.v + VCPU.cr4) & CR4_UMIP) !== 0 &&',
    '(this.m.r32(this.v + VCPU.cr4) & CR4_UMIP) === 1 &&',
    CONTROL,
  ],
  [
    'the I/O bitmap covers one byte of a word',
    SYSTEM,
    '(bits & ((1 << (size >> 3)) - 1)) !== 0',
    '(bits & 1) !== 0',
    MODES,
  ],
  [
    'the level is the RPL that CS shows',
    MEMORY,
    '(attr & CONFORMING) === CONFORMING ?',
    '(attr & 0) === 0 ?',
    CONTROL,
  ],
  [
    'nothing checks alignment',
    MEMORY,
    'if ((lin & (bytes - 1)) !== 0 && this.user) this.checkAlignment();',
    'void this.checkAlignment;',
    CONTROL,
  ],
  [
    '4-MiB entries take reserved bits',
    WALKER,
    '(pde & PSE36_RESERVED) !== 0',
    '(pde & PSE36_RESERVED) === 1',
    CONTROL,
  ],
];

/** All of them; their names begin with 'x86: '. */
export const X86_MUTATIONS: readonly Mutation[] = ROWS.map(([name, file, find, replace, tests]) => ({
  name: `x86: ${name}`,
  file,
  find,
  replace,
  tests,
}));
