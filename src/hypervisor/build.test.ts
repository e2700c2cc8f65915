import { describe, expect, it } from 'vitest';
import { EFLAGS_IF, SEGREG, VCPU } from '../cpu/vcpu.ts';
import { DOMID_SERVICE } from './abi/domid.ts';
import { ESP } from './bounce.ts';
import { buildDomain } from './build.ts';
import { createDomainRecord, destroyDomain, resolveDomid, visibleDomid } from './domain.ts';
import { copyFromGuest, fields } from './guest-access.ts';
import { ImageError } from './image.ts';
import { SEG, segAt } from './selectors.ts';
import { DOMAIN, DOMAIN_STATE, findDomain, XEN, XEN_AT, XVCPU, xv } from './state.ts';
import { type Bench, bench, domainOf, kernel } from './testing.ts';

const text = (b: Uint8Array, at: number): string => {
  let out = '';
  for (let i = at; b[i] !== 0; i++) out += String.fromCharCode(b[i]!);
  return out;
};
const read = (b: Bench, v: number, at: number, n: number): Uint8Array => copyFromGuest(b.x, v, at, n)!;
const u32 = (b: Bench, v: number, at: number): number => fields(read(b, v, at, 4)).getUint32(0, true);

function service(b: Bench): number {
  const d = createDomainRecord(b.x, {
    name: 'service',
    kind: 'service',
    domid: DOMID_SERVICE,
    privileged: true,
    maxPages: 0,
  });
  b.x.m.w32(d + DOMAIN.state, DOMAIN_STATE.running);
  return d;
}

describe('a new domain', () => {
  for (const [virtBase, nrL1] of [
    [0xc0000000, 2],
    [0, 2],
    [0x3ff00000, 1],
  ] as const) {
    it(`finds everything where start_info says, at 0x${virtBase.toString(16)}`, () => {
      const b = bench();
      service(b);
      const ramdisk = Uint8Array.from({ length: 5000 }, (_, i) => i);
      const image = kernel([1, 2, 3], { virtBase, hypercallPage: virtBase + 0x2000 });
      const { d, v } = domainOf(b, [], { image, cmdline: 'root=/dev/xvda', ramdisk, memoryMiB: 8 });
      const { m } = b.x;
      const at = m.r32(v + VCPU.gpr + 24);
      const page = read(b, v, at, 1112);
      const f = (o: number) => fields(page).getUint32(o, true);
      expect(text(page, 0)).toBe('xen-3.0-x86_32p');
      expect(text(page, 80)).toBe('root=/dev/xvda');
      expect([f(32), f(40), f(76)]).toEqual([2048, 0x10, 8192]);
      expect(f(64)).toBe(1 + (4 - (virtBase >>> 30)) + nrL1);
      expect(f(36)).toBe(m.r32(d + DOMAIN.sharedInfoMfn) * 4096);
      expect([f(48), f(56)]).toEqual([1, 2]);
      expect(read(b, v, f(72), 5000)).toEqual(ramdisk);
      expect([...read(b, v, virtBase, 4)]).toEqual([1, 2, 3, 0]);
      expect([...read(b, v, virtBase + 0x2000 + 32 * 29, 9)]).toEqual([
        0xb8, 29, 0, 0, 0, 0xcd, 0x82, 0xc3, 0xcc,
      ]);
      // the P2M names the frame behind every address, the M2P the way back
      for (const va of [virtBase, at, f(60), f(72), at + 0x1000]) {
        const pfn = (va - virtBase) / 4096;
        const t = { ok: false, maddr: 0, code: 0 };
        b.x.mmu.translate(v, va, 'r', false, t);
        expect(u32(b, v, f(68) + 4 * pfn)).toBe(t.maddr >>> 12);
        expect(u32(b, v, 0xf5800000 + 4 * (t.maddr >>> 12))).toBe(pfn);
      }
      expect(u32(b, v, f(68) + 4 * ((at - virtBase) / 4096 + 1))).toBe(f(44));
      expect(u32(b, v, f(68) + 4 * ((at - virtBase) / 4096 + 2))).toBe(f(52));
      // page tables are mapped, but not writable
      const t = { ok: false, maddr: 0, code: 0 };
      expect(b.x.mmu.translate(v, f(60), 'r', false, t)).toBe(true);
      expect(m.r32(v + VCPU.cr3)).toBe(t.maddr);
      expect(b.x.mmu.translate(v, f(60) + 4096 * (f(64) - 1), 'w', false, t)).toBe(false);
      expect(b.x.mmu.translate(v, f(60) + 4096 * f(64), 'w', false, t)).toBe(true); // the stack
      expect(m.r32(v + ESP)).toBe((f(60) + 4096 * (f(64) + 1)) >>> 0);
      expect(b.x.mmu.translate(v, f(60), 'r', true, t)).toBe(false); // not for ring 3
    });
  }
  it('finds an unmapped initrd behind the mapping when its kernel takes one', () => {
    const b = bench();
    const ramdisk = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
    const { d, v } = domainOf(b, [], { image: kernel([1], { modStartPfn: true }), ramdisk, memoryMiB: 6 });
    const page = read(b, v, b.x.m.r32(v + VCPU.gpr + 24), 1112);
    const f = (o: number) => fields(page).getUint32(o, true);
    expect([f(40), f(72), f(76)]).toEqual([0x18, 1024, 8192]);
    const mfn = u32(b, v, f(68) + 4 * 1024);
    expect(b.frames.copyOut(mfn * 4096, 4096)).toEqual(ramdisk.subarray(0, 4096));
    expect(copyFromGuest(b.x, v, 0xc0400000, 1)).toBeNull();
    expect(f(68)).toBe(0xc0004000); // the P2M follows the kernel at once
    expect(b.x.m.r32(d + DOMAIN.nrPages)).toBe(1536);
    // The mapping and the initrd have to fit.
    expect(() =>
      buildDomain(b.x, {
        name: 'narrow',
        image: kernel([1], { modStartPfn: true }),
        ramdisk,
        memoryMiB: 4,
        cmdline: '',
      }),
    ).toThrow(/too little memory/);
  });
  it('has the registers, masks, grants and descriptors of a PV start', () => {
    const b = bench();
    const { d, v } = domainOf(b);
    const { m } = b.x;
    expect(m.r32(v + VCPU.eip)).toBe(0xc0000000);
    expect(m.r32(v + VCPU.eflags)).toBe(EFLAGS_IF | 2);
    expect(
      [SEG.cs, SEG.ss, SEG.ds, SEG.es, SEG.fs, SEG.gs].map((s) => m.r32(segAt(v, s) + SEGREG.sel)),
    ).toEqual([0xe019, 0xe021, 0xe021, 0xe021, 0xe021, 0xe021]);
    const shared = m.r32(d + DOMAIN.sharedInfoMfn) * 4096;
    for (let i = 0; i < 32; i++) expect(b.frames.read16(shared + 64 * i)).toBe(0x100);
    const grants = m.r32(d + DOMAIN.grantFrames) * 4096;
    expect([b.frames.read16(grants), b.frames.read32(grants + 4)]).toEqual([1, m.r32(d + DOMAIN.consoleMfn)]);
    expect([b.frames.read16(grants + 8), b.frames.read32(grants + 12)]).toEqual([
      1,
      m.r32(d + DOMAIN.storeMfn),
    ]);
    const gdt = m.r32(XEN_AT + XEN.flatGdtMfn) * 4096;
    expect([b.frames.read32(gdt + 0x18), b.frames.read32(gdt + 0x1c)]).toEqual([0x0000ffff, 0x00cfbb00]);
    expect(m.r32(v + VCPU.window + 4 * 14)).toBe(gdt / 4096);
    const idt = m.r32(xv(v) + XVCPU.idtMfn) * 4096;
    const dpl = (vector: number) => (b.frames.read32(idt + 8 * vector + 4) >>> 13) & 3;
    expect([0, 3, 4, 13, 14, 0x21, 0x80, 0x82].map(dpl)).toEqual([0, 3, 3, 0, 0, 0, 0, 1]);
    for (let i = 0; i < 256; i++) expect(b.frames.read32(idt + 8 * i) >>> 16).toBe(0xe008);
  });
  it('has the assist for L3 tables above 4 GiB if its image asks for it', () => {
    for (const [pae, assists] of [
      ['yes', 8],
      ['bimodal', 8],
      ['plain', 0],
    ] as const) {
      const b = bench();
      const { d } = domainOf(b, [], { image: kernel([], { pae }) });
      expect(b.x.m.r32(d + DOMAIN.vmAssist), pae).toBe(assists);
    }
  });

  it('has connected ports when there is a service domain, which guests know as 0', () => {
    const b = bench();
    expect(resolveDomid(b.x, 0)).toBe(0);
    const s = service(b);
    const { d } = domainOf(b);
    const { m } = b.x;
    expect([m.r32(d + DOMAIN.storePort), m.r32(d + DOMAIN.consolePort)]).toEqual([1, 2]);
    expect(m.r32(d + DOMAIN.consoleRemotePort)).toBeGreaterThan(0);
    expect(m.r32(s + DOMAIN.domid)).toBe(DOMID_SERVICE);
    expect([visibleDomid(b.x, DOMID_SERVICE), resolveDomid(b.x, 0), visibleDomid(b.x, 1)]).toEqual([
      0,
      DOMID_SERVICE,
      1,
    ]);
  });
  it('leaves nothing behind when it cannot be built or is destroyed', () => {
    const b = bench();
    const { m } = b.x;
    const state = () => [m.r32(XEN_AT + XEN.freeFrames), findDomain(m, 1)];
    const before = state();
    expect(() => buildDomain(b.x, { name: 'big', image: kernel([]), memoryMiB: 100, cmdline: '' })).toThrow(
      /too little free memory/,
    );
    expect(state()).toEqual(before);
    expect(() => buildDomain(b.x, { name: 'small', image: kernel([]), memoryMiB: 2, cmdline: '' })).toThrow(
      ImageError,
    );
    expect(() =>
      buildDomain(b.x, {
        name: 'page',
        image: kernel([], { hypercallPage: 0xd0000000 }),
        memoryMiB: 6,
        cmdline: '',
      }),
    ).toThrow(/outside the initial mapping/);
    expect(state()).toEqual(before);
    for (let i = 0; i < 3; i++) {
      const { d } = domainOf(b);
      destroyDomain(b.x, d);
    }
    expect(m.r32(XEN_AT + XEN.freeFrames)).toBe(before[0]);
  });
});
