import { describe, expect, it } from 'vitest';
import { cpu } from '../lab/inspect/cpu.ts';
import { labOf, start } from '../lab/testing.ts';
import { xenLeaf } from './cpuid.ts';
import { TSC_SHIFT, TSC_TO_SYSTEM_MUL } from './time.ts';
import { copyToGuest } from './guest-access.ts';
import { vcpuAt } from '../memory/map.ts';
import { VCPU } from '../cpu/vcpu.ts';

describe("Xen's leaves of CPUID", () => {
  it('spell the signature, the version and the clock', () => {
    const [last, ...words] = xenLeaf(0x40000000, 0)!;
    expect(String.fromCharCode(...new Uint8Array(new Uint32Array(words).buffer))).toBe('XenVMMXenVMM');
    expect(last).toBeGreaterThanOrEqual(0x40000002);
    expect(xenLeaf(0x40000001, 0)![0]).toBe((4 << 16) | 17);
    expect(xenLeaf(0x40000002, 0)!.slice(0, 3)).toEqual([1, 0x40000000, 1]);
    const [, , mul, shift] = xenLeaf(0x40000003, 1)!;
    expect([mul, shift]).toEqual([TSC_TO_SYSTEM_MUL, TSC_SHIFT]);
    // 100,000 kHz: a tick is 10 ns.
    expect(xenLeaf(0x40000003, 0)![2]).toBe(100_000);
    expect(xenLeaf(1, 0)).toBeUndefined();
  });

  it('stand behind the forced-emulation prefix', () => {
    const { machine, timeline } = start(labOf(['hello']));
    timeline.run({ untilTicks: 1 });
    const { eip, vcpu } = cpu(
      {
        m: machine.m,
        frames: machine.frames,
        mmu: machine.mmu,
        history: { length: 0, at: () => undefined as never, bySeq: () => undefined },
        imageMap: () => undefined,
      },
      { domid: 1 },
    )!;
    const at = vcpuAt(vcpu);
    expect(copyToGuest(machine.x, at, eip, new Uint8Array([0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2]))).toBe(
      true,
    );
    machine.m.w32(at + VCPU.gpr, 0x40000000);
    timeline.run({ untilTicks: timeline.ticks + 1 });
    expect(machine.m.r32(at + VCPU.gpr + 12)).toBe(0x566e6558);
    expect(machine.m.r32(at + VCPU.eip)).toBe(eip + 7);
  });
});
