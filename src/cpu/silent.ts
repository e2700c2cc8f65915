// Silent moments: above CPL 0 a sensitive instruction answers otherwise than ring 0 of the guest's own machine would have been answered,
// and nothing traps. Found without a list of instructions: a description that touches sys without asking for a privilege is run twice,
// first with the guest's beliefs in place of the system and every store held back, then for real; a difference is a record.
// What transfers control (far branches, gates) is left out: its checks depend on the level it starts from. Of a transfer that also sets
// flags (IRET) only these are compared, against a run in which IOPL would let it.

import type { Semantic, SysName, SystemTable } from '../isa/builder.ts';
import { TASK_SWITCH } from '../isa/microcode/task.ts';
import { CS, type Insn, type Seg, SS } from '../isa/types.ts';
import { OUT, PH, RT } from '../trace/records.ts';
import type { Operation } from './operation.ts';
import { DebugAccess } from './reference-debug.ts';
import { FAULT } from './reference-memory.ts';
import { BELIEF, EFLAGS_IF, EFLAGS_IOPL, VCPU } from './vcpu.ts';

/** Operations that show a description to be sensitive, and those that take it out of the comparison. */
const TOUCH: ReadonlySet<string> = new Set(['sys', 'setSys', 'loadSystem', 'storeSystem']);
const EXCLUDE: ReadonlySet<string> = new Set([
  'requireCpl',
  'requireIopl',
  'requireIo',
  'enterGate',
  'repeat',
]);
const TRANSFER = 'setEip';

/** What of an instruction is compared: nothing, every answer, or the flags it sets. */
export const SENSITIVE = { no: 0, answers: 1, flags: 2 } as const;
export type Sensitivity = (typeof SENSITIVE)[keyof typeof SENSITIVE];

/** Sensitivity by entry and, where there is one, segment register: a fact about the description, found once. */
const KNOWN = new Map<string, Sensitivity>();

/** Runs a description on values without meaning, through every branch, and notes which operations it uses. */
function operationsOf(entry: Semantic, insn: Insn): ReadonlySet<string> {
  const used = new Set<string>();
  const token: unknown = new Proxy(() => token, { get: () => token, apply: () => token });
  const builder = new Proxy({} as Record<string, unknown>, {
    get: (_target, name: string) => {
      if (name === 'insn') return insn;
      if (name === 'opSize' || name === 'addrSize') return insn[name];
      return (...args: readonly unknown[]) => {
        // A paravirtualised guest has no task to switch to: only the checks before it are its instruction.
        if (name === 'micro' && args[0] === TASK_SWITCH) return token;
        used.add(name);
        for (const arg of args) if (typeof arg === 'function' && arg !== token) arg();
        if (name === 'segment') return { sel: token, base: token, limit: token, attr: token };
        if (name === 'cpuid') return [token, token, token, token];
        return token;
      };
    },
  });
  const args = insn.operands.map((operand) => {
    const size = 'size' in operand ? operand.size : 32;
    return { operand, size, get: () => token, set: () => {}, ea: () => token };
  });
  entry.run(builder as never, ...(args as never[]));
  return used;
}

/** Whether, and in what, an instruction may answer silently otherwise above CPL 0. */
export function sensitivity(entry: Semantic, insn: Insn): Sensitivity {
  const sreg = insn.operands.find((operand) => operand.kind === 'sreg');
  const key = sreg?.kind === 'sreg' ? `${entry.name} ${sreg.seg}` : entry.name;
  let known = KNOWN.get(key);
  if (known === undefined) {
    const used = operationsOf(entry, insn);
    const names = [...used];
    known = SENSITIVE.no;
    if (names.some((name) => TOUCH.has(name)) && !names.some((name) => EXCLUDE.has(name))) {
      if (!used.has(TRANSFER)) known = SENSITIVE.answers;
      else if (used.has('setSys')) known = SENSITIVE.flags;
    }
    KNOWN.set(key, known);
  }
  return known;
}

const REGISTERS = 8;
/** DPL and S in the high word of a descriptor. */
const DPL_AND_S = 0x7000,
  DPL_1 = 0x2000,
  DPL_1_SEGMENT = 0x3000,
  RIGHTS = 0xff00;
const BELIEFS: Readonly<Partial<Record<SysName, number>>> = {
  if: BELIEF.eflagsIf,
  iopl: BELIEF.iopl,
  'idtr.base': BELIEF.idtrBase,
  'gdtr.base': BELIEF.gdtrBase,
  ldtr: BELIEF.ldtr,
  tr: BELIEF.tr,
};

interface Store {
  readonly lin: number;
  readonly size: number;
  readonly value: number;
}

/** What ring 0 of the guest's own machine would have got, held until the instruction has really run. */
interface Native {
  readonly registers: Int32Array;
  readonly flags: number;
  readonly stores: readonly Store[];
  readonly sysWrites: readonly { readonly name: SysName; readonly value: number }[];
}

interface Difference {
  readonly asked: number;
  readonly got: number;
  readonly native: number;
}

/**
 * Ring 1 stands for ring 0 of the guest's own machine, where the same segment would have DPL 0: a register that has received the rights
 * of such a segment would have shown them so. Its selector would have RPL 0 there too, so the checks are left as they are.
 */
function ownRights(registers: Int32Array, before: Int32Array, rights: number): void {
  for (let n = 0; n < REGISTERS; n++) {
    if (registers[n] !== before[n] && (registers[n]! & RIGHTS) === rights)
      registers[n] = registers[n]! & ~DPL_1;
  }
}

export abstract class WatchedAccess extends DebugAccess {
  /** Set while a comparison waits for the real run. */
  protected native: Native | undefined = undefined;
  private nativeEip = 0;
  /** Access rights of the ring-1 segment whose descriptor was looked at last, 0 for none. */
  private rights = 0;

  abstract execute(op: Operation): void;

  private believed(name: SysName): number | undefined {
    if (name === 'cpl') return 0;
    if (name === 'cs' || name === 'ss') return this.i32[this.segAt + (name === 'cs' ? CS : SS) * 4]! & 0xfffc;
    if (name === 'cr0') return this.m.r32(this.v + VCPU.beliefs + 4 * BELIEF.cr0) || undefined;
    const index = BELIEFS[name];
    return index === undefined ? undefined : this.i32[(this.v + VCPU.beliefs + 4 * index) >>> 2]!;
  }

  /** The table is where the processor has it, whatever the guest believes of GDTR. */
  override loadSystem(table: SystemTable, addr: number, size: number): number {
    if (this.overlay === undefined || table !== 'descriptor') return super.loadSystem(table, addr, size);
    const offset = (addr - this.sys('gdtr.base')) >>> 0;
    const real =
      offset <= this.m.r32(this.v + VCPU.gdtrLimit) ? this.m.r32(this.v + VCPU.gdtrBase) + offset : addr;
    const value = super.loadSystem(table, real | 0, size);
    if ((addr & 4) !== 0 && (value & DPL_AND_S) === DPL_1_SEGMENT) this.rights = value & RIGHTS;
    return value;
  }

  /** Runs the description with the guest's beliefs; everything it did is undone. */
  protected compareBefore(op: Operation): void {
    const stores: Store[] = [];
    const sysWrites: { name: SysName; value: number }[] = [];
    const saved = this.i32.slice(this.gprAt, (this.v + VCPU.ldtr) >>> 2);
    const { shadowed } = this;
    const flagsOnly = op.sensitive === SENSITIVE.flags;
    this.overlay = (name) => (flagsOnly ? (name === 'iopl' ? 3 : undefined) : this.believed(name));
    this.sysWrites = sysWrites;
    this.storeHook = (lin, size, value) => {
      stores.push({ lin, size, value });
      return true;
    };
    this.nativeEip = this.ip;
    this.rights = 0;
    try {
      this.execute(op);
      const registers = this.i32.slice(this.gprAt, this.gprAt + REGISTERS);
      if (this.rights !== 0) ownRights(registers, saved, this.rights);
      this.native = { registers, flags: this.i32[this.flagsAt]!, stores, sysWrites };
    } catch (thrown) {
      if (thrown !== FAULT) throw thrown;
      this.native = undefined; // ring 0 would have trapped: nothing to compare
    } finally {
      this.overlay = undefined;
      this.sysWrites = undefined;
      this.storeHook = undefined;
      this.shadowed = shadowed;
      this.i32.set(saved, this.gprAt);
      for (let seg = 0; seg < 6; seg++) this.noteSegment(seg as Seg);
      this.setCpl(this.currentCpl());
    }
  }

  /** Compares the answers once the instruction has retired, and writes the record. */
  protected compareAfter(op: Operation): void {
    const native = this.native!;
    this.native = undefined;
    const answers = op.sensitive === SENSITIVE.answers ? this.answerDifference(native) : undefined;
    const found = this.flagDifference(native) ?? answers;
    if (found === undefined) return;
    const { insn } = op;
    const word = (at: number): number => {
      let value = 0;
      for (let i = 0; i < 4; i++) value |= (insn.bytes[at + i] ?? 0) << (8 * i);
      return value >>> 0;
    };
    this.syncTime();
    const mask = (found.got ^ found.native) >>> 0;
    this.trace.emit(
      RT.silent,
      PH.none,
      OUT.silent,
      { ...this.subject(), eip: this.nativeEip >>> 0 },
      insn.form.id,
      [found.asked >>> 0, found.got >>> 0, found.native >>> 0, mask, word(0), word(4), insn.length],
    );
  }

  /** IF and IOPL that were asked for and did not come. */
  private flagDifference({ sysWrites }: Native): Difference | undefined {
    const got = this.i32[this.flagsAt]!;
    let native = got;
    for (const { name, value } of sysWrites) {
      if (name === 'if') native = (native & ~EFLAGS_IF) | ((value & 1) << 9);
      if (name === 'iopl') native = (native & ~EFLAGS_IOPL) | ((value & 3) << 12);
    }
    return native === got ? undefined : { asked: native, got, native };
  }

  /** The first register, stored value or flag that differs. */
  private answerDifference({ registers, flags, stores }: Native): Difference | undefined {
    for (let n = 0; n < REGISTERS; n++) {
      const got = this.i32[this.gprAt + n]!;
      if (got !== registers[n]) return { asked: 0, got, native: registers[n]! };
    }
    for (const { lin, size, value } of stores) {
      const got = this.readLin(lin | 0, size),
        native = this.zx(value, size);
      if (got !== native) return { asked: 0, got, native };
    }
    const now = this.i32[this.flagsAt]!;
    return now === flags ? undefined : { asked: 0, got: now, native: flags };
  }
}
