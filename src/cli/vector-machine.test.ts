// The test machine itself, under a processor of four instructions that is written here: NOP, MOV EAX imm32, REP STOSB (an iteration a
// tick) and UD2, which goes through the interrupt table, the TSS and the page tables as the manual says.

import { describe, expect, it } from 'vitest';
import type { Engine, Platform } from '../cpu/engine.ts';
import { EXIT, SEGREG, VCPU } from '../cpu/vcpu.ts';
import type { Vector } from './vector-format.ts';
import { VectorMachine } from './vector-machine.ts';

const EAX = 0,
  ECX = 1,
  ESP = 4,
  EDI = 7,
  CS = 1,
  SS = 2;

class TinyEngine implements Engine {
  readonly name = 'reference';
  readonly platform: Platform;
  constructor(platform: Platform) {
    this.platform = platform;
  }
  emulate(): never {
    throw new Error('not here');
  }
  interrupt(): never {
    throw new Error('not here');
  }
  dropCaches(): void {}

  /** The walk of PAE paging, 4 KiB and 2 MiB pages; throws where nothing is present. */
  translate(v: number, linear: number): number {
    const { m, frames, bus } = this.platform;
    const machine = (physical: number): number => bus!.frameOf(physical >>> 12, false) * 4096;
    const pdpte = m.r32(v + VCPU.pdpte + (linear >>> 30) * 8);
    const pde = frames.read32(machine(pdpte) + ((linear >>> 21) & 511) * 8);
    if ((pdpte & pde & 1) === 0) throw new Error(`not present: ${linear.toString(16)}`);
    if (pde & 0x80) return (pde & ~0x1fffff) + (linear & 0x1fffff);
    const pte = frames.read32(machine(pde) + ((linear >>> 12) & 511) * 8);
    if ((pte & 1) === 0) throw new Error(`not present: ${linear.toString(16)}`);
    return machine(pte) + (linear & 0xfff);
  }

  run(v: number): number {
    const { m, frames } = this.platform;
    const gpr = (n: number): number => v + VCPU.gpr + n * 4;
    const eip = m.r32(v + VCPU.eip);
    const fetch = (i: number): number => frames.read8(this.translate(v, eip + i));
    const advance = (n: number): number => {
      m.w32(v + VCPU.eip, eip + n);
      return EXIT.budget;
    };
    switch (fetch(0)) {
      case 0x90:
        return advance(1);
      case 0xb8:
        m.w32(gpr(EAX), fetch(1) | (fetch(2) << 8) | (fetch(3) << 16) | (fetch(4) << 24));
        return advance(5);
      case 0xf3:
        frames.write8(this.translate(v, m.r32(gpr(EDI))), m.r32(gpr(EAX)));
        m.w32(gpr(EDI), m.r32(gpr(EDI)) + 1);
        m.w32(gpr(ECX), m.r32(gpr(ECX)) - 1);
        return m.r32(gpr(ECX)) === 0 ? advance(2) : EXIT.budget;
      default:
        this.deliver(v, 6);
        return EXIT.budget;
    }
  }

  deliver(v: number, vector: number): void {
    const { m, frames } = this.platform;
    const read = (linear: number): number => frames.read32(this.translate(v, linear));
    const gate = m.r32(v + VCPU.idtrBase) + vector * 8;
    const tss = m.r32(v + VCPU.tr + SEGREG.base);
    const seg = (n: number): number => v + VCPU.seg + n * SEGREG.$size + SEGREG.sel;
    let esp = read(tss + 4);
    for (const word of [
      m.r32(seg(SS)),
      m.r32(v + VCPU.gpr + ESP * 4),
      m.r32(v + VCPU.eflags),
      m.r32(seg(CS)),
      m.r32(v + VCPU.eip),
    ]) {
      esp -= 4;
      frames.write32(this.translate(v, esp), word);
    }
    m.w32(v + VCPU.gpr + ESP * 4, esp);
    m.w32(seg(SS), read(tss + 8));
    m.w32(seg(CS), read(gate) >>> 16);
    m.w32(v + VCPU.eip, ((read(gate + 4) & 0xffff0000) | (read(gate) & 0xffff)) >>> 0);
  }
}

const machine = new VectorMachine((platform) => new TinyEngine(platform));
const CODE = 0x20000000;
const vector = (
  bytes: number[],
  regs: Record<string, number>,
  final: Vector['final'],
  rest: Partial<Vector> = {},
): Vector => ({
  name: 'test',
  mode: 'prot32',
  initial: {
    regs: { eip: CODE, eflags: 0x202, ...regs },
    mem: bytes.map((byte, i) => [CODE + i, byte] as const),
  },
  final,
  ...rest,
});

describe('an instruction', () => {
  it('is compared register by register', () => {
    const good = vector(
      [0xb8, 1, 2, 3, 0x84],
      { ecx: 7 },
      { regs: { eax: 0x84030201, ecx: 7, eip: CODE + 5, cs: 0x23, ss: 0x2b, fs: 0 } },
    );
    expect(machine.run(good)).toEqual([]);
    const bad = { ...good, final: { regs: { eax: 1, eip: CODE + 5 } } };
    expect(machine.run(bad)).toEqual([{ what: 'eax', expected: '0x00000001', got: '0x84030201' }]);
    expect(machine.text(good)).toBe('b8 01 02 03 84  mov eax, 0x84030201');
  });

  it('may lie across two pages far apart in memory', () => {
    const at = CODE + 0xffd;
    const mem = [0xb8, 1, 2, 3, 4].map((byte, i) => [at + i, byte] as const);
    const one = vector([], {}, { regs: { eax: 0x04030201, eip: at + 5 } });
    expect(machine.run({ ...one, initial: { regs: { eip: at, eflags: 2 }, mem } })).toEqual([]);
  });

  it('that repeats runs to its end, and all it wrote is gone for the next one', () => {
    const regs = { eax: 0xab, ecx: 3, edi: 0x5000 };
    const final = {
      regs: { ecx: 0, edi: 0x5003, eip: CODE + 2 },
      mem: [
        [0x5000, 0xab],
        [0x5002, 0xab],
        [0x5003, 0],
      ] as const,
    };
    expect(machine.run(vector([0xf3, 0xaa], regs, final))).toEqual([]);
    expect(machine.run(vector([0x90], {}, { mem: [[0x5000, 0xab]] }))).toEqual([
      { what: '[0x00005000]', expected: '0xab', got: '0x00' },
    ]);
  });

  it('sees flags through the mask only', () => {
    const one = vector([0x90], { eflags: 0x246 }, { regs: { eflags: 0x202 } }, { flagsMask: 0x200 });
    expect(machine.run(one)).toEqual([]);
    const { flagsMask: _, ...strict } = one;
    expect(machine.run(strict)).toEqual([
      { what: 'eflags', expected: '0x00000202 (PF=0 ZF=0)', got: '0x00000246 (PF=1 ZF=1)' },
    ]);
  });
});

describe('an exception', () => {
  const regs = { esp: 0x8000, eax: 5 };
  it('is caught, and the interrupted state is what is compared', () => {
    const final = { regs: { eip: CODE, esp: 0x8000, eax: 5, cs: 0x23, ss: 0x2b, eflags: 0x202 } };
    expect(machine.run(vector([0x0f, 0x0b], regs, final, { exception: 6 }))).toEqual([]);
  });
  it('of another kind, or none, is a difference', () => {
    const first = (one: Vector): unknown => machine.run(one)[0];
    expect(first(vector([0x0f, 0x0b], regs, {}, { exception: 13 }))).toEqual({
      what: 'exception',
      expected: 'vector 13',
      got: 'vector 6',
    });
    expect(first(vector([0x0f, 0x0b], regs, {}))).toEqual({
      what: 'exception',
      expected: 'none',
      got: 'vector 6',
    });
    expect(first(vector([0x90], regs, {}, { exception: 6 }))).toEqual({
      what: 'exception',
      expected: 'vector 6',
      got: 'none',
    });
  });
});

describe('a vector that asks for the impossible', () => {
  it('is refused by name', () => {
    expect(() => machine.run(vector([0x90], { rax: 1 }, {}))).toThrow("unknown register 'rax'");
    expect(() => machine.run(vector([0x90], {}, { regs: { xmm0: 1 } }))).toThrow("unknown register 'xmm0'");
  });
});
