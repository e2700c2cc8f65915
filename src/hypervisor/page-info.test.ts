import { describe, expect, it } from 'vitest';
import { ERRNO } from './abi/errno.ts';
import { auditMachine } from './audit.ts';
import { doSetGdt } from './descriptors.ts';
import { destroyDomain } from './domain.ts';
import { mmGuest, P, RW } from './mm-testing.ts';
import { DOMAIN, PAGE, pageAt } from './state.ts';
import { bench, refusals } from './testing.ts';

describe('frames that Xen shares with a domain', () => {
  it('may be mapped and written, but never become a page table or a descriptor table: Xen writes to them whatever they are', () => {
    const b = bench();
    const g = mmGuest(b);
    const { x } = b;
    for (const mfn of [x.m.r32(g.d + DOMAIN.sharedInfoMfn), x.m.r32(g.d + DOMAIN.grantFrames)]) {
      x.frames.zeroFrame(mfn);
      b.records();
      expect(g.ext([[0, mfn, 0]])[0]).toBe(-ERRNO.EINVAL);
      expect(refusals(b.records())).toContain('pin.type');
      g.put(g.scratch, [mfn]);
      expect(g.call(doSetGdt, g.scratch, 512)).toBe(-ERRNO.EINVAL);
      expect(g.va(0x380000, mfn * 4096 + P + RW)).toBe(0);
      expect([g.type(mfn), g.uses(mfn)]).toEqual(['writable', 2]);
      expect(g.va(0x380000, 0)).toBe(0);
      expect([g.type(mfn), g.uses(mfn)]).toEqual(['writable', 1]);
      expect(auditMachine(x.m)).toEqual([]);
    }
    const shared = x.m.r32(g.d + DOMAIN.sharedInfoMfn);
    destroyDomain(x, g.d);
    expect([x.m.r32(pageAt(shared) + PAGE.count), x.m.r32(pageAt(shared) + PAGE.type)]).toEqual([0, 0]);
    expect(auditMachine(x.m)).toEqual([]);
  });
});
