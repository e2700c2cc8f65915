import { describe, expect, it } from 'vitest';
import { layoutDomain } from './build-layout.ts';
import { ImageError, type KernelImage } from './image.ts';

const image = (virtBase: number, start: number, end: number): KernelImage => ({
  segments: [],
  entry: start,
  virtBase,
  start,
  end,
  hypercallPage: undefined,
  pae: 'yes',
  features: [],
  requiredFeatures: [],
  supportedFeatures: 0,
  guestOs: '',
  loader: 'generic',
  xenVersion: 'xen-3.0',
  hvStartLow: undefined,
  modStartPfn: false,
  suspendCancel: false,
  source: 'PT_NOTE',
});

describe('layout of a new domain', () => {
  it("is libxenguest's for Mini-OS with 128 MiB", () => {
    const l = layoutDomain(image(0, 0, 0x4c000), 32768, 0, false);
    expect(l.p2mPfn).toBe(0x4c);
    expect(l.startInfoPfn).toBe(0x6c);
    expect(l.storePfn).toBe(0x6d);
    expect(l.consolePfn).toBe(0x6e);
    expect(l.ptPfn).toBe(0x6f);
    expect([l.nrL2, l.nrL1, l.nrPtFrames]).toEqual([4, 2, 7]);
    expect(l.stackPfn).toBe(0x76);
    expect(l.virtEnd).toBe(0x400000);
  });
  it('packs everything without gaps and leaves 512 KiB after the stack, for any base and size', () => {
    for (const base of [0, 0x1000, 0x100000, 0x3ff000, 0x40000000, 0xbffff000, 0xc0000000, 0xe0001000]) {
      for (const mib of [12, 32, 100, 512]) {
        for (const size of [1, 0x1000, 0x1001, 0x3c0000, 0x3fffff]) {
          const l = layoutDomain(image(base, base, base + size), mib * 256, 3, false);
          expect(l.modulePfn).toBe(Math.ceil(size / 4096));
          expect(l.p2mPfn).toBe(l.modulePfn + 3);
          expect(l.startInfoPfn).toBe(l.p2mPfn + mib / 4);
          expect(l.stackPfn).toBe(l.ptPfn + l.nrPtFrames);
          expect(l.virtEnd % 0x400000).toBe(0);
          const after = (l.virtEnd - base) / 4096 - l.stackPfn - 1;
          expect(after).toBeGreaterThanOrEqual(128);
          expect(l.nrL1).toBe(Math.ceil(l.virtEnd / 0x200000) - Math.floor(base / 0x200000));
          expect(l.nrL2).toBe(4 - Math.floor(base / 0x40000000));
        }
      }
    }
  });
  it('has no store and console page in domain 0', () => {
    const l = layoutDomain(image(0xc0000000, 0xc0000000, 0xc0001000), 8192, 0, true);
    expect([l.storePfn, l.consolePfn]).toEqual([-1, -1]);
    expect(l.ptPfn).toBe(l.startInfoPfn + 1);
  });
  it('refuses what does not fit, with the remedy', () => {
    expect(() => layoutDomain(image(0, 0, 0x4c000), 512, 0, false)).toThrow(
      /too little memory.*at least 4 MiB, found 2 MiB/,
    );
    expect(() => layoutDomain(image(0xf5000000, 0xf5000000, 0xf5780000), 8192, 0, false)).toThrow(
      /reach into the hypervisor/,
    );
    expect(() => layoutDomain(image(0xc0000800, 0xc0001000, 0xc0002000), 8192, 0, false)).toThrow(ImageError);
  });
});
