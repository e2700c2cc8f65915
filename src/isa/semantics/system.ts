// System instructions: control, debug and model-specific registers, descriptor-table registers, interrupt flag, ports, time, identity.

import { type Arg, type Builder, define, GP, NM, NP, UD } from '../builder.ts';
import {
  attrOf,
  baseOf,
  errorCode,
  fetchDescriptor,
  has,
  isNull,
  isZero,
  lacks,
  limitOf,
  SEG_NULL_BIT,
  SEG_P_BIT,
} from '../microcode/descriptor.ts';
import { CS, type MemOperand, SS } from '../types.ts';

const EAX = 0,
  ECX = 1,
  EDX = 2,
  EBX = 3;

// ---- Interrupt flag, halt, ports -----------------------------------------------------------------------

define('cli', '', (b) => {
  b.requireIopl();
  b.setSys('if', b.const(0));
});

define('sti', '', (b) => {
  b.requireIopl();
  b.if(isZero(b, b.sys('if')), () => b.shadow());
  b.setSys('if', b.const(1));
});

define('hlt', '', (b) => {
  b.requireCpl(0);
  b.halt();
});

define('in', 'w r', (b, dst, port) => {
  b.requireIo(port.get(), dst.size);
  dst.set(b.in(port.get(), dst.size));
});

define('out', 'r r', (b, port, src) => {
  b.requireIo(port.get(), src.size);
  b.out(port.get(), src.size, src.get());
});

// ---- Control and debug registers -----------------------------------------------------------------------

type Cr = 0 | 2 | 3 | 4;
type Dr = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;
const number = <V>(arg: Arg<V>): number =>
  arg.operand.kind === 'cr' || arg.operand.kind === 'dr' ? arg.operand.n : 0;

define('mov_from_cr', 'w r', (b, dst, src) => {
  b.requireCpl(0);
  dst.set(b.sys(`cr${number(src) as Cr}`));
});

define('mov_to_cr', 'w r', (b, dst, src) => {
  b.requireCpl(0);
  const n = number(dst) as Cr,
    value = src.get();
  if (n !== 2) b.checkCr(n, value);
  b.setSys(`cr${n}`, value);
});

define('mov_from_dr', 'w r', (b, dst, src) => {
  b.requireCpl(0);
  b.checkDr(number(src));
  dst.set(b.sys(`dr${number(src) as Dr}`));
});

define('mov_to_dr', 'w r', (b, dst, src) => {
  b.requireCpl(0);
  b.checkDr(number(dst));
  b.setSys(`dr${number(dst) as Dr}`, src.get());
});

define('clts', '', (b) => {
  b.requireCpl(0);
  b.setSys('ts', b.const(0));
});

define('smsw', 'w', (b, dst) => {
  b.umip();
  dst.set(b.sys('cr0'));
});

// PE MP EM TS from the low four bits; PE can be set but not cleared.
define('lmsw', 'r', (b, src) => {
  b.requireCpl(0);
  const old = b.sys('cr0');
  const value = b.or(b.and(old, b.const(~0xe)), b.and(src.get(), b.const(0xf)));
  b.checkCr(0, value);
  b.setSys('cr0', value);
});

// ---- Descriptor-table registers ------------------------------------------------------------------------

function storeTable<V, W>(b: Builder<V, W>, table: 'gdtr' | 'idtr', dst: Arg<V>): void {
  b.umip();
  const seg = (dst.operand as MemOperand).seg,
    at = dst.ea();
  b.probe(seg, at, 6, 'w');
  b.store(seg, at, 16, b.sys(`${table}.limit`));
  b.store(seg, b.zx(b.add(at, b.const(2)), b.addrSize), 32, b.sys(`${table}.base`));
}
define('sgdt', 'a', (b, dst) => storeTable(b, 'gdtr', dst));
define('sidt', 'a', (b, dst) => storeTable(b, 'idtr', dst));

// With a 16-bit operand size the base has 24 bits.
function loadTable<V, W>(b: Builder<V, W>, table: 'gdtr' | 'idtr', src: Arg<V>): void {
  b.requireCpl(0);
  const seg = (src.operand as MemOperand).seg,
    at = src.ea();
  b.probe(seg, at, 6, 'r');
  const limit = b.load(seg, at, 16);
  const base = b.load(seg, b.zx(b.add(at, b.const(2)), b.addrSize), 32);
  b.setSys(`${table}.limit`, limit);
  b.setSys(`${table}.base`, b.opSize === 16 ? b.and(base, b.const(0xffffff)) : base);
}
define('lgdt', 'a', (b, src) => loadTable(b, 'gdtr', src));
define('lidt', 'a', (b, src) => loadTable(b, 'idtr', src));

define('sldt', 'w', (b, dst) => {
  b.protectedMode();
  b.umip();
  dst.set(b.sys('ldtr'));
});
define('str', 'w', (b, dst) => {
  b.protectedMode();
  b.umip();
  dst.set(b.sys('tr'));
});

const TYPE_LDT = 2,
  TYPE_TSS_16 = 1,
  TYPE_TSS_32 = 9;
const BUSY = 0x200;

define('lldt', 'r', (b, src) => {
  b.protectedMode();
  b.requireCpl(0);
  const sel = src.get(),
    zero = b.const(0);
  b.if(
    isNull(b, sel),
    () => {
      b.setSys('ldtr', sel);
      b.setSys('ldtr.attr', b.const(SEG_NULL_BIT));
    },
    () => {
      const code = errorCode(b, sel, zero);
      b.faultIf(has(b, sel, 4), GP, code);
      const d = fetchDescriptor(b, sel, GP, zero),
        attr = attrOf(b, d);
      b.faultIf(b.ne(b.and(attr, b.const(0x1f)), b.const(TYPE_LDT)), GP, code);
      b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
      b.setSys('ldtr', sel);
      b.setSys('ldtr.base', baseOf(b, d));
      b.setSys('ldtr.limit', limitOf(b, d));
      b.setSys('ldtr.attr', attr);
    },
  );
});

define('ltr', 'r', (b, src) => {
  b.protectedMode();
  b.requireCpl(0);
  const sel = src.get(),
    zero = b.const(0),
    code = errorCode(b, sel, zero);
  b.faultIf(isNull(b, sel), GP, zero);
  b.faultIf(has(b, sel, 4), GP, code);
  const d = fetchDescriptor(b, sel, GP, zero),
    attr = attrOf(b, d),
    type = b.and(attr, b.const(0x1f));
  const available = b.or(b.eq(type, b.const(TYPE_TSS_16)), b.eq(type, b.const(TYPE_TSS_32)));
  b.faultIf(isZero(b, available), GP, code);
  b.faultIf(lacks(b, attr, SEG_P_BIT), NP, code);
  b.storeSystem('descriptor', b.add(d.at, b.const(4)), 32, b.or(d.hi, b.const(BUSY)));
  b.setSys('tr', sel);
  b.setSys('tr.base', baseOf(b, d));
  b.setSys('tr.limit', limitOf(b, d));
  b.setSys('tr.attr', b.or(attr, b.const(BUSY >> 8)));
});

// ---- Caches and translations ---------------------------------------------------------------------------

define('invlpg', 'a', (b, at) => {
  b.requireCpl(0);
  b.invalidate(b.add(b.segment((at.operand as MemOperand).seg).base, at.ea()));
});
define('wbinvd', '', (b) => b.requireCpl(0));
define('invd', '', (b) => b.requireCpl(0));
// Checked like a load of one byte, except that code which may only be executed may be named too (SDM vol. 2, CLFLUSH).
define('clflush', 'a', (b, at) => {
  const { seg } = at.operand as MemOperand,
    offset = at.ea();
  if (seg !== CS) {
    b.probe(seg, offset, 1, 'r');
    return;
  }
  const { base, limit } = b.segment(CS);
  b.faultIf(b.ltU(limit, offset), GP, b.const(0));
  b.probeLinear(b.add(base, offset), b.const(1), 'r', b.sys('cpl'));
});

// ---- Identity, time, model-specific registers ----------------------------------------------------------

define('cpuid', '', (b) => {
  const [eax, ebx, ecx, edx] = b.cpuid(b.reg(EAX, 32), b.reg(ECX, 32));
  b.setReg(EAX, 32, eax);
  b.setReg(EBX, 32, ebx);
  b.setReg(ECX, 32, ecx);
  b.setReg(EDX, 32, edx);
});

define('rdtsc', '', (b) => {
  b.tsd();
  const tsc = b.tsc();
  b.setReg(EAX, 32, b.lo(tsc));
  b.setReg(EDX, 32, b.hi(tsc));
});

define('rdmsr', '', (b) => {
  b.requireCpl(0);
  const value = b.readMsr(b.reg(ECX, 32));
  b.setReg(EAX, 32, b.lo(value));
  b.setReg(EDX, 32, b.hi(value));
});

define('wrmsr', '', (b) => {
  b.requireCpl(0);
  b.writeMsr(b.reg(ECX, 32), b.double(b.reg(EAX, 32), b.reg(EDX, 32)));
});

/** CR0.MP and CR0.TS together make WAIT trap. */
define('fwait', '', (b) => b.faultIf(has(b, b.sys('cr0'), 0xa), NM));

// There is no floating-point unit, and a program may ask: it initialises, stores the status over a known word and looks. Nobody answers, as on an
// Intel386 without its coprocessor: initialising changes nothing, what is stored is the bus floating high. Intel387 DX manual, "Recognition".
const noUnit = <V, W>(b: Builder<V, W>): void => {
  const cr0 = b.sys('cr0');
  b.faultIf(has(b, cr0, 4), NM);
  b.faultIf(has(b, cr0, 8), NM);
};
define('fninit', '', (b) => noUnit(b));
define('fnstsw', 'w', (b, dst) => {
  noUnit(b);
  dst.set(b.const(0xffff));
});

// What CPUID does not announce is not there: no RDTSCP, no XSAVE, no virtual machine to call, no performance counters.
define('rdtscp', '', (b) => b.fault(UD));
define('xgetbv', '', (b) => b.fault(UD));
define('xsetbv', '', (b) => b.fault(UD));
define('vmcall', '', (b) => b.fault(UD));
define('vmmcall', '', (b) => b.fault(UD));
define('rdpmc', '', (b) => b.fault(GP, b.const(0)));

// ---- Fast system calls ---------------------------------------------------------------------------------

const SYSENTER_CS = 0x174,
  SYSENTER_ESP = 0x175,
  SYSENTER_EIP = 0x176;
const FLAT_CODE = 0xc9b,
  FLAT_DATA = 0xc93;

/** Loads CS and SS flat for privilege level `level`. */
function flatSegments<V, W>(b: Builder<V, W>, cs: V, ss: V, level: 0 | 3): void {
  const dpl = level << 5,
    rpl = b.const(level),
    limit = b.const(-1),
    base = b.const(0);
  const selector = (sel: V): V => b.or(b.and(sel, b.const(0xfffc)), rpl);
  b.setSegment(CS, { sel: selector(cs), base, limit, attr: b.const(FLAT_CODE | dpl) });
  b.setSegment(SS, { sel: selector(ss), base, limit, attr: b.const(FLAT_DATA | dpl) });
}

define('sysenter', '', (b) => {
  const zero = b.const(0);
  b.faultIf(lacks(b, b.sys('cr0'), 1), GP, zero);
  const cs = b.lo(b.readMsr(b.const(SYSENTER_CS)));
  b.faultIf(isNull(b, cs), GP, zero);
  const esp = b.lo(b.readMsr(b.const(SYSENTER_ESP))),
    eip = b.lo(b.readMsr(b.const(SYSENTER_EIP)));
  b.setSys('vm', zero);
  b.setSys('if', zero);
  flatSegments(b, cs, b.add(cs, b.const(8)), 0);
  b.setReg(4, 32, esp);
  b.setEip(eip);
});

define('sysexit', '', (b) => {
  const zero = b.const(0);
  b.faultIf(lacks(b, b.sys('cr0'), 1), GP, zero);
  b.requireCpl(0);
  const cs = b.lo(b.readMsr(b.const(SYSENTER_CS)));
  b.faultIf(isNull(b, cs), GP, zero);
  const esp = b.reg(ECX, 32),
    eip = b.reg(EDX, 32);
  flatSegments(b, b.add(cs, b.const(16)), b.add(cs, b.const(24)), 3);
  b.setReg(4, 32, esp);
  b.setEip(eip);
});
