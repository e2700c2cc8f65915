import { describe, expect, it } from 'vitest';
import { EXIT, SEGREG, VCPU, WINDOW_LDT } from '../cpu/vcpu.ts';
import { TRAP_KIND, type TraceRecord } from '../trace/records.ts';
import { bounceException, deliverPending, ESP, setUpcallMask, upcallMask } from './bounce.ts';
import { copyFromGuest, copyToGuest, fields } from './guest-access.ts';
import { HYPERCALLS } from './hypercalls.ts';
import {
  FLAT_RING1_CS,
  FLAT_RING1_DS,
  FLAT_RING3_CS,
  FLAT_RING3_DS,
  loadFlat,
  SEG,
  segAt,
  selectorOf,
} from './selectors.ts';
import { DOMAIN, DOMAIN_STATE, XVCPU, xv } from './state.ts';
import { onExit } from './supervisor.ts';
import { type Bench, bench, domainOf, refusals } from './testing.ts';
import { setTrapSlot } from './traps.ts';

const BASE = 0xc0000000,
  HANDLER = BASE + 0x800,
  DATA = BASE + 0x1000,
  KSTACK = BASE + 0x3000,
  USTACK = BASE + 0x2800;
const EBX = 12,
  ECX = 4,
  EDX = 8,
  ESI = 24;

interface Guest extends Bench {
  readonly d: number;
  readonly v: number;
  trap(vector: number, kind?: number, code?: number, cr2?: number): TraceRecord[];
  call(number: number, ...args: number[]): number;
  read(at: number, words: number): number[];
  write(at: number, ...words: number[]): void;
  reg(offset: number, value?: number): number;
}

function guest(code: readonly number[] = [0x90]): Guest {
  const b = bench();
  const { d, v } = domainOf(b, code);
  const { m } = b.x;
  m.w32(xv(v) + XVCPU.kernelSp, KSTACK);
  m.w32(v + ESP, KSTACK - 0x100);
  const g: Guest = Object.assign(b, {
    d,
    v,
    trap(vector: number, kind: number = TRAP_KIND.exception, exitCode = 0, cr2 = 0) {
      m.w32(v + VCPU.exitVector, vector);
      m.w32(v + VCPU.exitCode, exitCode);
      m.w32(v + VCPU.exitCr2, cr2);
      m.w32(v + VCPU.exitKind, kind);
      m.w32(v + VCPU.exitEip, m.r32(v + VCPU.eip));
      onExit(b.x, v, EXIT.trap);
      deliverPending(b.x, v);
      return b.records();
    },
    call(number: number, ...args: number[]) {
      const registers = [EBX, ECX, EDX, ESI, 28, 20];
      m.w32(v + VCPU.gpr, number);
      args.forEach((a, i) => {
        m.w32(v + VCPU.gpr + registers[i]!, a);
      });
      m.w32(v + VCPU.eip, BASE + 2);
      g.trap(0x82, TRAP_KIND.int);
      return m.r32(v + VCPU.gpr) | 0;
    },
    read(at: number, words: number) {
      const f = fields(copyFromGuest(b.x, v, at, words * 4)!);
      return Array.from({ length: words }, (_, i) => f.getUint32(i * 4, true));
    },
    write(at: number, ...words: number[]) {
      const bytes = new Uint8Array(words.length * 4);
      words.forEach((w, i) => {
        fields(bytes).setUint32(i * 4, w >>> 0, true);
      });
      expect(copyToGuest(b.x, v, at, bytes)).toBe(true);
    },
    reg(offset: number, value?: number) {
      if (value !== undefined) m.w32(v + offset, value);
      return m.r32(v + offset);
    },
  });
  return g;
}
function toRing3(g: Guest): void {
  loadFlat(g.x, g.v, SEG.cs, FLAT_RING3_CS);
  loadFlat(g.x, g.v, SEG.ss, FLAT_RING3_DS);
  g.reg(ESP, USTACK);
}
/** Sets U in the L1 entry of the code page. */
function openToRing3(g: Guest): void {
  const l3 = g.reg(VCPU.cr3),
    l2 = g.frames.read32(l3 + 8 * 3) & 0xfffff000,
    l1 = g.frames.read32(l2) & 0xfffff000;
  g.frames.write32(l1, g.frames.read32(l1) | 4);
}
const state = (g: Guest): number => g.x.m.r32(g.d + DOMAIN.state);

describe('bounce frames', () => {
  it('land on the stack in use when ring 1 is interrupted', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 6, 4, 0xe018, HANDLER); // ring 0 asked for: raised to ring 1
    setUpcallMask(g.x, g.v, 0);
    g.reg(VCPU.eip, BASE + 0x10);
    g.reg(VCPU.eflags, 0x346);
    const T = g.x.T;
    const records = g.trap(6);
    expect(g.reg(ESP)).toBe(KSTACK - 0x100 - 12);
    expect(g.read(g.reg(ESP), 3)).toEqual([BASE + 0x10, FLAT_RING1_CS, 0x10346]);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
    expect(g.reg(VCPU.eflags)).toBe(0x246);
    expect(upcallMask(g.x, g.v)).toBe(1);
    expect(g.x.T - T).toBe(1);
    expect(records.map((r) => `${r.type}.${r.phase}`)).toEqual(
      ['trap.enter', 'check.check', 'bounce.act', 'trap.return'].filter((n) => n !== 'check.check'),
    );
    expect(records[1]!.cause).toBe(records[0]!.seq);
  });
  it('carry the byte behind the mask too, and only set bit 0 of the mask', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 6, 4, FLAT_RING1_CS, HANDLER);
    const info = g.x.m.r32(xv(g.v) + XVCPU.vcpuInfoMaddr);
    g.frames.write8(info + 1, 0x82);
    g.frames.write8(info + 2, 0x77);
    g.trap(6);
    expect(g.read(g.reg(ESP), 2)[1]).toBe(0x77820000 + FLAT_RING1_CS);
    expect(upcallMask(g.x, g.v)).toBe(0x83);
  });
  it('carry the old mask beside CS and leave the mask alone when the gate does not ask', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 6, 0, FLAT_RING1_CS, HANDLER);
    setUpcallMask(g.x, g.v, 1);
    g.trap(6);
    expect(g.read(g.reg(ESP), 3).slice(1)).toEqual([FLAT_RING1_CS | 0x10000, 0x10002]);
    expect(upcallMask(g.x, g.v)).toBe(1);
  });
  it('land on the kernel stack with ESP and SS when ring 3 is interrupted, and carry an error code where there is one', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 14, 4, FLAT_RING1_CS, HANDLER);
    toRing3(g);
    g.trap(14, TRAP_KIND.exception, 2, 0x1234);
    expect(g.reg(ESP)).toBe(KSTACK - 24);
    expect(g.read(g.reg(ESP), 6)).toEqual([6, BASE, FLAT_RING3_CS | 0x10000, 0x10002, USTACK, FLAT_RING3_DS]);
    expect(selectorOf(g.x, g.v, SEG.cs)).toBe(FLAT_RING1_CS);
    expect(selectorOf(g.x, g.v, SEG.ss)).toBe(FLAT_RING1_DS);
    expect(g.frames.read32(g.x.m.r32(xv(g.v) + XVCPU.vcpuInfoMaddr) + 8)).toBe(0x1234);
  });
  it('of #PF from ring 1 have U clear whatever the CPU said', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 14, 0, FLAT_RING1_CS, HANDLER);
    g.trap(14, TRAP_KIND.exception, 4, 8);
    expect(g.read(g.reg(ESP), 1)).toEqual([0]);
  });
  it('that straddle into an unwritable page crash the domain and change nothing', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 6, 0, FLAT_RING1_CS, HANDLER);
    g.reg(ESP, 0xf5800004);
    const records = g.trap(6);
    expect(state(g)).toBe(DOMAIN_STATE.crashed);
    expect(refusals(records)).toEqual(['bounce.stack-unwritable']);
    expect(g.reg(VCPU.eip)).toBe(BASE);
    expect(records.at(-1)!.type).not.toBe('trap');
  });
  it('without a handler crash the domain', () => {
    const g = guest();
    expect(refusals(g.trap(0))).toEqual(['bounce.no-handler']);
    expect(state(g)).toBe(DOMAIN_STATE.crashed);
  });
  it("of a handler behind a bad selector become #GP in that handler's context, and end in a crash", () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 6, 0, 0x9, HANDLER);
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER + 4);
    g.trap(6);
    expect(g.read(g.reg(ESP), 3)).toEqual([8, HANDLER, 0x10009]);
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 4);
    setTrapSlot(g.x, g.v, 13, 0, 0x9, HANDLER);
    expect(refusals(g.trap(6)).at(-1)).toBe('bounce.handler-unreachable');
    expect(state(g)).toBe(DOMAIN_STATE.crashed);
  });
  it('clear TS before #NM is delivered', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 7, 0, FLAT_RING1_CS, HANDLER);
    g.call(5, 1);
    expect(g.reg(VCPU.cr0) & 8).toBe(8);
    g.trap(7);
    expect(g.reg(VCPU.cr0) & 8).toBe(0);
  });
});

describe('every return to the guest', () => {
  /** A guest GDT page with these descriptors. */
  const gdt = (g: Guest, ...entries: readonly (readonly [sel: number, lo: number, hi: number])[]): number => {
    const mfn = g.x.m.r32(g.d + DOMAIN.consoleMfn);
    g.x.m.w32(g.v + VCPU.window, mfn);
    for (const [sel, lo, hi] of entries) g.frames.write64(mfn * 4096 + (sel & 0xff8), lo, hi);
    return mfn * 4096;
  };
  const CODE = [0x0000ffff, 0x00cfba00] as const,
    DATA_SEGMENT = [0x0000ffff, 0x00cfb200] as const;
  it('loads CS and SS from the tables as they are now, and marks them accessed', () => {
    const g = guest();
    const at = gdt(g, [0x9, ...CODE], [0x11, ...DATA_SEGMENT]);
    g.x.m.w32(segAt(g.v, SEG.cs) + SEGREG.sel, 0x9);
    g.x.m.w32(segAt(g.v, SEG.ss) + SEGREG.sel, 0x11);
    g.call(17, 0);
    expect(g.reg(VCPU.gpr) >>> 16).toBe(4);
    expect([g.frames.read32(at + 12), g.frames.read32(at + 20)]).toEqual([0x00cfbb00, 0x00cfb300]);
    g.frames.write64(at + 16, 0x1000ffff, 0x00cfb300 | 0x34); // another base
    g.call(17, 0);
    expect(g.x.m.r32(segAt(g.v, SEG.ss) + SEGREG.base)).toBe(0x00341000);
  });
  it('raises what the CPU refuses in the context returned to: the error code is the selector', () => {
    const g = guest();
    const at = gdt(g, [0x9, ...CODE]);
    const visit = () => {
      g.reg(VCPU.gpr, 17);
      return g.trap(0x82, TRAP_KIND.int);
    };
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER);
    setTrapSlot(g.x, g.v, 11, 0, FLAT_RING1_CS, HANDLER + 8);
    g.x.m.w32(segAt(g.v, SEG.cs) + SEGREG.sel, 0x9);
    g.frames.write64(at + 8, 0, 0);
    expect(refusals(visit())).toContain('return.loadable');
    expect(g.read(g.reg(ESP), 3)).toEqual([8, BASE, 0x10009]);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
    g.x.m.w32(segAt(g.v, SEG.cs) + SEGREG.sel, 0x9);
    g.frames.write64(at + 8, CODE[0], CODE[1] & ~0x8000);
    visit();
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 8); // #NP
    g.x.m.w32(segAt(g.v, SEG.cs) + SEGREG.sel, 0x9);
    g.frames.write64(at + 8, 0x0000ffff, 0x0040ba00); // 64 KiB: EIP lies outside
    visit();
    expect([g.reg(VCPU.eip), g.read(g.reg(ESP), 1)]).toEqual([HANDLER, [0]]);
  });
  it("is a page fault at the guest's own LDT when only the page with the descriptor is missing", () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 14, 0, FLAT_RING1_CS, HANDLER);
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER + 8);
    g.write(DATA, 13, 0, 0x5000, 4); // MMUEXT_SET_LDT: nothing is mapped there
    expect(g.call(26, DATA, 1, 0, 0x7ff0)).toBe(-22);
    g.write(DATA, 13, 0x5000, 4);
    expect(g.call(26, DATA, 1, 0, 0x7ff0)).toBe(0);
    for (const [sel, handler, frame] of [
      [0xd, HANDLER, [0, BASE]], // entry 1
      [0x25, HANDLER + 8, [0x24, BASE]], // beyond the limit
    ] as const) {
      g.reg(VCPU.eip, BASE);
      g.reg(VCPU.gpr, 17);
      g.x.m.w32(segAt(g.v, SEG.cs) + SEGREG.sel, sel);
      g.trap(0x82, TRAP_KIND.int);
      expect([g.reg(VCPU.eip), g.read(g.reg(ESP), 2)]).toEqual([handler, frame]);
    }
    expect(g.x.m.r32(xv(g.v) + XVCPU.vCr2)).toBe(0x5008);
  });
  it('crashes the domain when the stack its frame is to lie on has no descriptor', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 6, 0, FLAT_RING1_CS, HANDLER);
    g.x.m.w32(segAt(g.v, SEG.ss) + SEGREG.sel, 0x11);
    expect(refusals(g.trap(6))).toEqual(['bounce.stack-selector']);
    expect(state(g)).toBe(DOMAIN_STATE.crashed);
  });
});

describe('SYSENTER', () => {
  const from3 = (): Guest => {
    const g = guest([0x0f, 0x34]);
    openToRing3(g);
    toRing3(g);
    g.reg(VCPU.eip, BASE);
    g.reg(VCPU.eflags, 0x4203);
    setUpcallMask(g.x, g.v, 0);
    return g;
  };
  const FRAME = [0, 3, 0x4203, 0, FLAT_RING3_DS];
  it('enters the registered callback with the frame Xen makes of it', () => {
    const g = from3();
    g.write(DATA, 5 | (1 << 16), 0xe018, HANDLER + 0x40);
    const at = g.reg(VCPU.eip);
    loadFlat(g.x, g.v, SEG.cs, FLAT_RING1_CS);
    loadFlat(g.x, g.v, SEG.ss, FLAT_RING1_DS);
    expect(g.call(30, 0, DATA)).toBe(0);
    toRing3(g);
    g.reg(VCPU.eip, at);
    const T = g.x.T;
    g.trap(13);
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 0x40);
    expect(g.reg(ESP)).toBe(KSTACK - 20);
    expect(g.read(KSTACK - 20, 5)).toEqual(FRAME);
    expect(upcallMask(g.x, g.v)).toBe(1);
    expect([selectorOf(g.x, g.v, SEG.cs), g.reg(VCPU.eflags)]).toEqual([FLAT_RING1_CS, 0x203]);
    expect(g.x.T - T).toBe(2); // the instruction and the delivery
  });
  it('without a callback is #GP(0) in the same context', () => {
    const g = from3();
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER);
    expect(refusals(g.trap(13))).toEqual(['sysenter.registered']);
    expect(g.read(KSTACK - 24, 6)).toEqual([0, ...FRAME]);
    expect(upcallMask(g.x, g.v)).toBe(0);
  });
});

describe('event upcalls', () => {
  const pending = (g: Guest) => g.frames.write8(g.x.m.r32(xv(g.v) + XVCPU.vcpuInfoMaddr), 1);
  it('come when an event is pending and the mask is 0, on top of an exception frame', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 6, 0, FLAT_RING1_CS, HANDLER);
    g.call(4, FLAT_RING1_CS, HANDLER + 0x40, FLAT_RING1_CS, HANDLER + 0x80);
    pending(g);
    g.reg(VCPU.eip, BASE);
    g.trap(6);
    expect(g.reg(VCPU.eip)).toBe(HANDLER); // masked at boot
    setUpcallMask(g.x, g.v, 0);
    const records = g.trap(6);
    expect(records.map((r) => r.type)).toEqual(['trap', 'bounce', 'trap', 'upcall']);
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 0x40);
    expect(g.read(g.reg(ESP), 3)).toEqual([HANDLER, FLAT_RING1_CS, 0x202]);
    expect(upcallMask(g.x, g.v)).toBe(1);
  });
  it('wait for the instruction after MOV SS, which runs first', () => {
    const g = guest();
    g.call(4, FLAT_RING1_CS, HANDLER, 0, 0);
    pending(g);
    setUpcallMask(g.x, g.v, 0);
    g.reg(VCPU.shadow, 1);
    g.run = (v) => {
      g.x.m.w32(v + VCPU.eip, g.reg(VCPU.eip) + 5);
      g.x.m.w32(v + VCPU.shadow, 0);
      return EXIT.budget;
    };
    const eip = g.reg(VCPU.eip);
    deliverPending(g.x, g.v);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
    expect(g.read(g.reg(ESP), 1)).toEqual([eip + 5]);
  });
  it('without a callback crash the domain', () => {
    const g = guest();
    pending(g);
    setUpcallMask(g.x, g.v, 0);
    deliverPending(g.x, g.v);
    expect(state(g)).toBe(DOMAIN_STATE.crashed);
  });
});

describe('INT n', () => {
  const int21 = [0xcd, 0x21];
  it('needs a slot whose DPL reaches the ring', () => {
    const g = guest(int21);
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER);
    expect(refusals(g.trap(13, TRAP_KIND.exception, 0x10a))).toEqual(['int.slot-dpl']);
    expect(g.read(g.reg(ESP), 2)).toEqual([0x10a, BASE]);
    setTrapSlot(g.x, g.v, 0x21, 1 | 4, FLAT_RING1_CS, HANDLER + 8);
    g.reg(VCPU.eip, BASE);
    const T = g.x.T;
    g.trap(13, TRAP_KIND.exception, 0x10a);
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 8);
    expect(g.read(g.reg(ESP), 1)).toEqual([BASE + 2]);
    expect(g.x.T - T).toBe(2); // the instruction and the delivery
    toRing3(g);
    g.reg(VCPU.eip, BASE);
    g.trap(13, TRAP_KIND.exception, 0x10a);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
  });
  it('has no error code, even through a slot of an exception that has one', () => {
    const g = guest([0xcd, 13]);
    setTrapSlot(g.x, g.v, 13, 1, FLAT_RING1_CS, HANDLER);
    g.trap(13, TRAP_KIND.exception, 13 * 8 + 2);
    expect(g.read(g.reg(ESP), 1)).toEqual([BASE + 2]);
  });
  it('0x80 has a gate of its own only when slot, DPL and mask allow it', () => {
    const g = guest();
    const gate = (): [number, number] => {
      const at = g.x.m.r32(xv(g.v) + XVCPU.idtMfn) * 4096 + 0x80 * 8;
      return [g.frames.read32(at), g.frames.read32(at + 4)];
    };
    const table = (flags: number) => {
      g.write(DATA, 0x80 | (flags << 8) | (FLAT_RING1_CS << 16), HANDLER, 0, 0);
      expect(g.call(0, DATA)).toBe(0);
    };
    expect(gate()[1] & 0xff00).toBe(0x8e00);
    table(3);
    expect(gate()).toEqual([
      ((FLAT_RING1_CS << 16) | (HANDLER & 0xffff)) >>> 0,
      ((HANDLER & 0xffff0000) | 0xef00) >>> 0,
    ]);
    table(7);
    expect(gate()[1] & 0xff00).toBe(0x8e00);
    table(1);
    expect(gate()[1] & 0xff00).toBe(0x8e00);
    table(3);
    g.call(0, 0);
    expect(gate()[1] & 0xff00).toBe(0x8e00);
    g.call(3, 0xe020, KSTACK - 64); // ring 0 raised to ring 1
    const tss = g.x.m.r32(xv(g.v) + XVCPU.tssMfn) * 4096;
    expect([g.frames.read32(tss + 12), g.frames.read32(tss + 16)]).toEqual([KSTACK - 64, FLAT_RING1_DS]);
  });
});

describe('iret', () => {
  const frame = (g: Guest, ...words: number[]) => {
    g.reg(ESP, KSTACK - 0x200);
    g.write(KSTACK - 0x200, ...words);
    return g.call(23);
  };
  it('to ring 1 goes on behind the frame; EAX and the mask come from it', () => {
    const g = guest();
    frame(g, 0x600d, HANDLER, FLAT_RING1_CS | 0x550000, 0x3202);
    expect(g.reg(VCPU.gpr)).toBe(0x600d);
    expect([g.reg(VCPU.eip), g.reg(ESP), g.reg(VCPU.eflags)]).toEqual([HANDLER, KSTACK - 0x1f0, 0x202]);
    expect(upcallMask(g.x, g.v)).toBe(0);
    frame(g, 0, HANDLER, FLAT_RING1_CS, 2);
    expect(upcallMask(g.x, g.v)).toBe(1);
  });
  it('to ring 3 takes the stack from the frame and nulls data segments of ring 1', () => {
    const g = guest();
    loadFlat(g.x, g.v, SEG.fs, FLAT_RING3_DS);
    frame(g, 1, BASE + 0x30, FLAT_RING3_CS, 0x202, USTACK, FLAT_RING3_DS);
    expect([g.reg(ESP), selectorOf(g.x, g.v, SEG.ss), selectorOf(g.x, g.v, SEG.cs)]).toEqual([
      USTACK,
      FLAT_RING3_DS,
      FLAT_RING3_CS,
    ]);
    expect([selectorOf(g.x, g.v, SEG.ds), selectorOf(g.x, g.v, SEG.fs)]).toEqual([0, FLAT_RING3_DS]);
  });
  it('to a bad selector is #GP in the context returned to', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 13, 4, FLAT_RING1_CS, HANDLER);
    frame(g, 7, BASE + 0x30, FLAT_RING3_CS, 0x202, USTACK, FLAT_RING1_DS);
    expect(g.read(g.reg(ESP), 6)).toEqual([
      FLAT_RING1_DS & ~3,
      BASE + 0x30,
      FLAT_RING3_CS,
      0x202,
      USTACK,
      FLAT_RING1_DS,
    ]);
    expect(g.reg(ESP)).toBe(KSTACK - 24);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
    expect(g.reg(VCPU.gpr)).toBe(7);
  });
  it('with VM set is #GP with a frame as if virtual-8086 mode had raised it', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 13, 4, FLAT_RING1_CS, HANDLER);
    const words = [0x11, 0x22, 0x20202, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    frame(g, 5, ...words);
    expect(g.reg(ESP)).toBe(KSTACK - 40);
    expect(g.read(KSTACK - 40, 10)).toEqual([0, ...words]);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
    expect(upcallMask(g.x, g.v)).toBe(1);
  });
  it('to ring 0 or without a frame crashes', () => {
    const g = guest();
    frame(g, 0, HANDLER, 0xe008, 2);
    expect(state(g)).toBe(DOMAIN_STATE.crashed);
    const h = guest();
    h.reg(ESP, 0x1000);
    h.call(23);
    expect(state(h)).toBe(DOMAIN_STATE.crashed);
  });
});

describe('privileged instructions', () => {
  const gp = (g: Guest) => {
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER);
    g.reg(VCPU.eip, BASE);
    return g.trap(13);
  };
  it('on the list are carried out by the engine and retire', () => {
    const g = guest([0x0f, 0x06]); // clts
    g.emulate = (v) => {
      g.x.m.w32(v + VCPU.eip, BASE + 2);
      return 'done';
    };
    const T = g.x.T;
    const records = gp(g);
    expect(records.map((r) => `${r.type}.${r.phase}.${r.outcome}`)).toEqual([
      'trap.enter.none',
      'privop.decode.none',
      'check.check.none',
      'check.check.none',
      'privop.answer.emulated',
      'trap.return.none',
    ]);
    expect(g.x.T - T).toBe(1);
    expect(g.reg(VCPU.eip)).toBe(BASE + 2);
    g.reg(VCPU.eflags, 0x102);
    setTrapSlot(g.x, g.v, 1, 0, FLAT_RING1_CS, HANDLER + 16);
    gp(g);
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 16); // single step
    expect(g.reg(VCPU.dr + 24) & 0x4000).toBe(0x4000);
  });
  it('CLI is refused at virtual IOPL 0, bounced to the guest, and ignored at IOPL 1', () => {
    const g = guest([0xfa]);
    g.emulate = (v) => {
      g.x.m.w32(v + VCPU.eip, BASE + 1);
      return 'done';
    };
    expect(refusals(gp(g))).toEqual(['priv.iopl']);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
    g.write(DATA, 1);
    expect(g.call(33, 6, DATA)).toBe(0);
    expect(refusals(gp(g))).toEqual([]);
    expect(g.reg(VCPU.eip)).toBe(BASE + 1);
  });
  it("not on the list are the guest's own, as are all of them in ring 3", () => {
    const g = guest([0xf4]); // hlt
    expect(refusals(gp(g))).toEqual(['priv.known']);
    expect(g.env).toBeUndefined();
    const h = guest([0x0f, 0x06]);
    openToRing3(h);
    toRing3(h);
    expect(refusals(gp(h))).toEqual(['priv.kernel-only']);
  });
  it("see Xen's control registers, debug registers and ports", () => {
    const g = guest([0x0f, 0x20, 0xd8]);
    gp(g);
    const env = g.env!;
    expect(env.readSys('cr3')).toBe(g.reg(VCPU.cr3));
    expect(env.writeSys('cr0', (env.readSys('cr0') as number) | 8)).toBeUndefined();
    expect(g.reg(VCPU.cr0) & 8).toBe(8);
    expect(typeof env.writeSys('cr0', 0)).toBe('symbol');
    env.writeSys('cr4', 0xffffffff);
    expect(env.readSys('cr4')).toBe(0x66c);
    expect(env.writeSys('dr0', 0x1234)).toBeUndefined();
    expect(env.readSys('dr0')).toBe(0x1234);
    expect(typeof env.portIn(0x60, 8)).toBe('symbol');
    g.write(DATA, 3);
    g.call(33, 6, DATA);
    expect(env.portIn(0x60, 8)).toBe(0xff);
    expect(env.portIn(0x60, 32)).toBe(0xffffffff);
    env.portOut(0x70, 8, 0xff);
    expect(env.portIn(0x70, 8)).toBe(0x7f);
    expect(env.portIn(0x70, 16)).toBe(0xff7f);
    expect(env.portIn(0x6f, 32)).toBe(0xffff7fff);
    env.portOut(0x6f, 16, 0x3500);
    expect(env.portIn(0x70, 8)).toBe(0x35);
    for (const port of [0x42, 0x43, 0x61]) {
      env.portOut(port, 8, 0);
      expect(env.portIn(port, 8)).toBe(0xff); // no virtual PIT
    }
    env.portOut(0xcf8, 32, 0x80001234);
    expect(env.portIn(0xcf8, 32)).toBe(0x80001234);
  });
  it('behind the forced-emulation prefix: CPUID only', () => {
    const g = guest([0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2]);
    setTrapSlot(g.x, g.v, 6, 0, FLAT_RING1_CS, HANDLER);
    let at = 0;
    g.emulate = (v) => {
      at = g.reg(VCPU.eip);
      g.x.m.w32(v + VCPU.eip, at + 2);
      return 'done';
    };
    g.trap(6);
    expect(at).toBe(BASE + 5);
    expect(g.reg(VCPU.eip)).toBe(BASE + 7);
    const h = guest([0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x89, 0xc0]);
    setTrapSlot(h.x, h.v, 6, 0, FLAT_RING1_CS, HANDLER);
    expect(refusals(h.trap(6))).toEqual(['forced.cpuid-only']);
    expect(h.read(h.reg(ESP), 1)).toEqual([BASE]);
  });
  it('that cannot be read are a page fault', () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 14, 0, FLAT_RING1_CS, HANDLER);
    g.reg(VCPU.eip, 0x1000);
    g.trap(13);
    expect(g.read(g.reg(ESP), 2)).toEqual([0, 0x1000]);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
  });
  it("a fault in an unmapped LDT page is shown at the guest's own address", () => {
    const g = guest();
    setTrapSlot(g.x, g.v, 14, 0, FLAT_RING1_CS, HANDLER);
    g.x.m.w32(xv(g.v) + XVCPU.ldtBase, 0x5000);
    g.trap(14, TRAP_KIND.exception, 0, WINDOW_LDT + 0x18);
    expect(g.x.m.r32(xv(g.v) + XVCPU.vCr2)).toBe(0x5018);
  });
});

describe('call gates', () => {
  /** Puts descriptors into guest GDT page 0 and returns the frame that holds it. */
  const gdt = (g: Guest, ...entries: readonly (readonly [sel: number, lo: number, hi: number])[]) => {
    const mfn = g.x.m.r32(g.d + DOMAIN.consoleMfn);
    g.x.m.w32(g.v + VCPU.window, mfn);
    for (const [sel, lo, hi] of entries) g.frames.write64(mfn * 4096 + (sel & 0xff8), lo, hi);
  };
  const gate = (sel: number, dpl: number, words = 0): readonly [number, number, number] => [
    sel,
    ((((FLAT_RING1_CS & 0xfffc) | dpl) << 16) | (HANDLER & 0xffff)) >>> 0,
    ((HANDLER & 0xffff0000) | 0x8c00 | words) >>> 0,
  ];
  it('lead from ring 3 to the kernel stack, with parameters', () => {
    const g = guest([0x9a, 0, 0, 0, 0, 0x13, 0]);
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER + 8);
    openToRing3(g);
    toRing3(g);
    gdt(g, gate(0x10, 3, 2));
    g.write(USTACK, 0xaaaa, 0xbbbb);
    g.trap(13, TRAP_KIND.exception, 0x10);
    expect(g.reg(VCPU.eip)).toBe(HANDLER);
    expect(g.reg(ESP)).toBe(KSTACK - 24);
    expect(g.read(KSTACK - 24, 6)).toEqual([BASE + 7, FLAT_RING3_CS, 0xaaaa, 0xbbbb, USTACK, FLAT_RING3_DS]);
    expect(selectorOf(g.x, g.v, SEG.cs)).toBe(FLAT_RING1_CS);
  });
  it('lead from ring 1 to ring 1 on the same stack, by call and by jump', () => {
    const g = guest([0x9a, 0, 0, 0, 0, 0x11, 0]);
    gdt(g, gate(0x10, 1));
    g.trap(13, TRAP_KIND.exception, 0x10);
    expect(g.read(g.reg(ESP), 2)).toEqual([BASE + 7, FLAT_RING1_CS]);
    const h = guest([0xff, 0x2d, 0x00, 0x10, 0x00, 0xc0]); // jmp far [DATA]
    gdt(h, gate(0x10, 1));
    h.write(DATA, 0, 0x11);
    const esp = h.reg(ESP);
    h.trap(13, TRAP_KIND.exception, 0x10);
    expect([h.reg(VCPU.eip), h.reg(ESP)]).toEqual([HANDLER, esp]);
  });
  it('are refused at the call when the target or the stack does not reach that far', () => {
    const g = guest([0x9a, 0, 0, 0, 0, 0x13, 0]);
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER + 8);
    setTrapSlot(g.x, g.v, 12, 0, FLAT_RING1_CS, HANDLER + 12);
    openToRing3(g);
    toRing3(g);
    const small = [0x18, 0x00000fff, 0x0040ba00] as const;
    gdt(g, [0x10, 0x001b0000 | (HANDLER & 0xffff), (HANDLER & 0xffff0000) | 0x8c00], small);
    g.trap(13, TRAP_KIND.exception, 0x10);
    expect(g.read(g.reg(ESP), 2)).toEqual([0, BASE]);
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 8);
    // A kernel stack whose segment begins only above it.
    toRing3(g);
    g.reg(VCPU.eip, BASE);
    gdt(g, gate(0x10, 3, 2), [0x20, 0x0000ffff, 0x00cdb700]);
    g.x.m.w32(xv(g.v) + XVCPU.kernelSs, 0x21);
    g.trap(13, TRAP_KIND.exception, 0x10);
    expect(g.read(KSTACK - 24, 2)).toEqual([0x20, BASE]); // #SS; the limit does not count for its frame
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 12);
  });
  it('whose DPL is too low stay #GP', () => {
    const g = guest([0x9a, 0, 0, 0, 0, 0x13, 0]);
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER + 8);
    openToRing3(g);
    toRing3(g);
    gdt(g, gate(0x10, 1));
    expect(refusals(g.trap(13, TRAP_KIND.exception, 0x10))).toEqual(['gate.usable']);
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 8);
    expect(g.read(g.reg(ESP), 1)).toEqual([0x10]);
  });
});

describe('callbacks and the failsafe', () => {
  it('are registered by type', () => {
    const g = guest();
    const register = (type: number, flags = 0) => {
      g.write(DATA, type | (flags << 16), 0xe018, HANDLER);
      return g.call(30, 0, DATA);
    };
    expect([0, 1, 4, 5, 7].map((t) => register(t, 1))).toEqual([0, 0, 0, 0, 0]);
    expect([2, 3, 6, 99].map((t) => register(t))).toEqual([-38, -38, -38, -38]);
    expect(g.call(30, 0, 0)).toBe(-14);
    expect(g.call(30, 9, DATA)).toBe(-22);
    g.write(DATA, 0);
    expect(g.call(30, 1, DATA)).toBe(-22);
    g.write(DATA, 4);
    expect(g.call(30, 1, DATA)).toBe(0);
    expect(g.x.m.r32(xv(g.v) + XVCPU.eventCs)).toBe(FLAT_RING1_CS);
  });
  it('take over when a segment register cannot be reloaded after another vCPU ran', () => {
    const g = guest();
    g.call(4, FLAT_RING1_CS, HANDLER, FLAT_RING1_CS, HANDLER + 0x20);
    deliverPending(g.x, g.v);
    const fs = segAt(g.v, SEG.fs);
    g.x.m.w32(fs + SEGREG.sel, 0x11); // its descriptor is no longer there
    deliverPending(g.x, g.v);
    expect(selectorOf(g.x, g.v, SEG.fs)).toBe(0x11);
    const other = domainOf(g, [0x90]);
    deliverPending(g.x, other.v);
    const [eip, esp] = [g.reg(VCPU.eip), g.reg(ESP)];
    deliverPending(g.x, g.v);
    expect(g.reg(VCPU.eip)).toBe(HANDLER + 0x20);
    expect(g.reg(ESP)).toBe(esp - 28);
    expect(g.read(g.reg(ESP), 7)).toEqual([
      FLAT_RING1_DS,
      FLAT_RING1_DS,
      0x11,
      FLAT_RING1_DS,
      eip,
      FLAT_RING1_CS | 0x10000,
      2,
    ]);
  });
});

describe('DR7', () => {
  it('takes I/O breakpoints with CR4.DE only, enabled or not, once any breakpoint is enabled', () => {
    const g = guest([0x0f, 0x20, 0xe0]);
    expect(g.call(8, 7, 0x00200000)).toBe(0); // nothing is enabled
    expect(g.call(8, 7, 0x00200001)).toBe(-1); // 0 is, 1 waits for ports
    expect(g.call(9, 7)).toBe(0x00200400);
    g.reg(VCPU.eip, BASE);
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER);
    g.trap(13);
    g.env!.writeSys('cr4', 8);
    expect(g.call(8, 7, 0x00200001)).toBe(0);
  });
});

describe('NMI', () => {
  const nmi = (g: Guest) => {
    g.x.m.w32(xv(g.v) + XVCPU.nmiPending, 1);
    deliverPending(g.x, g.v);
  };
  it('masks events only if its slot says so, and is lost without a handler', () => {
    const g = guest();
    nmi(g);
    expect(refusals(g.records())).toEqual(['nmi.handler']);
    expect(g.x.m.r32(xv(g.v) + XVCPU.nmiPending)).toBe(0);
    setTrapSlot(g.x, g.v, 2, 0, FLAT_RING1_CS, HANDLER);
    setUpcallMask(g.x, g.v, 0);
    nmi(g);
    expect([g.reg(VCPU.eip), upcallMask(g.x, g.v)]).toEqual([HANDLER, 0]);
    g.x.m.w32(xv(g.v) + XVCPU.nmiMasked, 0);
    setTrapSlot(g.x, g.v, 2, 4, FLAT_RING1_CS, HANDLER);
    nmi(g);
    expect(upcallMask(g.x, g.v)).toBe(1);
  });
});

describe('reading an MSR before there is a handler for #GP', () => {
  it('gives 0 for what the processor has and Xen keeps', () => {
    const g = guest([0x0f, 0x32]);
    g.trap(13);
    const env = g.env!;
    expect(env.readSys('msr:0x174')).toBe(0);
    expect(typeof env.readSys('msr:0x12345')).toBe('symbol');
    expect(env.readSys('msr:0xce')).toBe(0); // CPUID faulting is not on offer
    expect(typeof env.writeSys('msr:0xce', 0)).toBe('symbol');
    expect([env.readSys('msr:0x140'), env.writeSys('msr:0x140', 0)]).toEqual([0, undefined]);
    expect(typeof env.writeSys('msr:0x140', 1)).toBe('symbol');
    expect(env.readSys('msr:0x1a0')).toBe(0x801801);
    setTrapSlot(g.x, g.v, 13, 0, FLAT_RING1_CS, HANDLER);
    expect(typeof env.readSys('msr:0x174')).toBe('symbol');
  });
});

describe('any argument', () => {
  it('ends in a result, a bounce or a crash, never in an exception of ours', () => {
    let seed = 7;
    const next = (n: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 4294967296) * n);
    };
    const interesting = [
      0,
      1,
      2,
      3,
      7,
      8,
      0x7ff0,
      0x7fffffff,
      0x80000000,
      0xffffffff,
      DATA,
      DATA + 0xffc,
      BASE,
      KSTACK,
      0xf5800000,
      0xfffffff8,
      0x1000,
    ];
    const numbers = Object.keys(HYPERCALLS).map(Number);
    let g = guest();
    for (let round = 0; round < 4000; round++) {
      const words = Array.from({ length: 16 }, () =>
        next(2) ? interesting[next(interesting.length)]! : next(40),
      );
      const list = new Uint8Array(Uint32Array.from(words).buffer);
      if (state(g) !== DOMAIN_STATE.running || !copyToGuest(g.x, g.v, DATA, list)) g = guest(); // it may have unmapped itself
      const args = Array.from({ length: 6 }, () =>
        next(3) ? interesting[next(interesting.length)]! : next(64),
      );
      const number = numbers[next(numbers.length)]!;
      if (number === 29 && args[0]! === 1) continue;
      g.reg(ESP, KSTACK - 0x200);
      if (selectorOf(g.x, g.v, SEG.cs) !== FLAT_RING1_CS) loadFlat(g.x, g.v, SEG.cs, FLAT_RING1_CS);
      if (selectorOf(g.x, g.v, SEG.ss) !== FLAT_RING1_DS) loadFlat(g.x, g.v, SEG.ss, FLAT_RING1_DS);
      expect(() => g.call(number, ...args), `hypercall ${number} (${args.join(', ')})`).not.toThrow();
    }
  });
  it('is refused by bounceException of a nonsense vector no differently', () => {
    const g = guest();
    bounceException(g.x, g.v, 200);
    expect(state(g)).toBe(DOMAIN_STATE.crashed);
  });
});
