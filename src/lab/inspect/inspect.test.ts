// Panels are functions of the machine: the same inspectors on saved images with different values, one of them a guest of others; one bit
// flipped in the image shows in the model.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { need } from '../../../tools/need.ts';
import { DOMAIN, findDomain, RUNSTATE, XVCPU, xv } from '../../hypervisor/state.ts';
import { loadImage, saveImage } from '../../machine/image.ts';
import { allocate } from '../../memory/memory.ts';
import { attachMachine, type XenMachine } from '../../toolstack/assemble.ts';
import { labOf, pingPong, start } from '../testing.ts';
import { code } from './code.ts';
import { cpu } from './cpu.ts';
import { events } from './events.ts';
import { frame, pageWalk } from './frame.ts';
import { grants } from './grants.ts';
import { memory } from './memory.ts';
import { rings } from './rings.ts';
import type { View } from './view.ts';
import { xenstore } from './xenstore.ts';

/** A cold machine: nothing but the bytes of the memory, in a plain buffer. */
function cold(machine: XenMachine): View {
  const fresh = attachMachine(allocate(64, false));
  loadImage(fresh.frames, saveImage(machine.frames, null));
  return {
    m: fresh.m,
    frames: fresh.frames,
    mmu: fresh.mmu,
    history: {
      length: 0,
      at: () => {
        throw new Error('empty');
      },
      bySeq: () => undefined,
    },
    imageMap: () => undefined,
  };
}
const talking = (): View => {
  const { machine, timeline } = start(pingPong(20));
  timeline.run({});
  const middle = Math.floor(timeline.ticks * 0.6);
  timeline.goto({ T: middle, seq: 0, within: false });
  return cold(machine);
};

describe('inspectors on a saved image of ping and pong', () => {
  const view = talking();

  it('read the ring that the grant shows, and follow a flipped index', () => {
    const ring = rings(view).find((r) => r.kind === 'granted');
    expect(ring).toBeDefined();
    expect(ring!.sane).toBe(true);
    expect(ring!.indices.map((i) => i.name)).toEqual(['req_prod', 'req_event', 'rsp_prod', 'rsp_event']);
    const reqProd = ring!.indices[0]!.value;
    expect(reqProd).toBeGreaterThan(0);
    view.frames.write32(ring!.mfn * 4096, reqProd ^ 0x100);
    expect(rings(view).find((r) => r.kind === 'granted')!.indices[0]!.value).toBe(reqProd ^ 0x100);
    expect(rings(view).find((r) => r.kind === 'granted')!.sane).toBe(false);
    view.frames.write32(ring!.mfn * 4096, reqProd);
  });

  it('call a ring asleep only when a message waits and neither side could wake', () => {
    const asleep = (): boolean => rings(view).find((r) => r.kind === 'granted')!.asleep;
    const ring = rings(view).find((r) => r.kind === 'granted')!;
    const at = ring.mfn * 4096;
    const rspProd = view.frames.read32(at + 8);
    const states = [1, 2].map((domid) => {
      const place = xv(view.m.r32(findDomain(view.m, domid) + DOMAIN.vcpus)) + XVCPU.run;
      return { place, was: view.m.r32(place) };
    });
    const put = (...runs: readonly number[]): void =>
      states.forEach((s, i) => {
        view.m.w32(s.place, runs[i]!);
      });
    view.frames.write32(at + 8, ring.indices[0]!.value - 1); // one request unanswered
    put(RUNSTATE.blocked, RUNSTATE.blocked);
    expect(asleep()).toBe(true);
    put(RUNSTATE.blocked, RUNSTATE.runnable);
    expect(asleep()).toBe(false);
    put(RUNSTATE.blocked, RUNSTATE.blocked);
    view.frames.write32(at + 8, ring.indices[0]!.value); // everything answered
    expect(asleep()).toBe(false);
    view.frames.write32(at + 8, rspProd);
    put(...states.map((s) => s.was));
  });

  it('walk the address of the next instruction when none is given', () => {
    const model = pageWalk(view, { domid: 1 })!;
    expect(model.vaddr).toBe(cpu(view, { domid: 1 })!.eip);
  });

  it('show a grant entry bit by bit', () => {
    const model = grants(view, { domid: 1 });
    const lent = model.entries.find((e) => e.ref >= 8);
    expect(lent).toMatchObject({ type: 'permit_access', inUse: true, readonly: false, domid: 2 });
    const at = model.frames[0]! * 4096 + 8 * lent!.ref;
    view.frames.write16(at, lent!.flags ^ 4);
    expect(grants(view, { domid: 1 }).entries.find((e) => e.ref === lent!.ref)!.readonly).toBe(true);
    view.frames.write16(at, lent!.flags);
  });

  it('walk a page and see a cleared present bit', () => {
    const { eip } = cpu(view, { domid: 1 })!;
    const model = pageWalk(view, { domid: 1, vaddr: eip })!;
    expect(model.levels.map((l) => l.level)).toEqual([3, 2, 1]);
    expect(model.frames.map((f) => f.type)).toEqual(['l3', 'l2', 'l1', expect.any(String)]);
    expect(model.frames.every((f) => f.owner === 1)).toBe(true);
    expect(memory(view, { space: 'machine', address: model.maddr!, length: 4 })!.bytes).toEqual(
      memory(view, { space: 'virtual', domid: 1, address: eip, length: 4 })!.bytes,
    );
    const l1 = model.levels[2]!;
    view.frames.write32(l1.entryMaddr, l1.lo ^ 1);
    expect(pageWalk(view, { domid: 1, vaddr: eip })!.maddr).toBeUndefined();
    expect(code(view, { domid: 1 })!.problem).toContain('No page is mapped');
    view.frames.write32(l1.entryMaddr, l1.lo);
  });

  it('agree with one another about a frame', () => {
    const lent = grants(view, { domid: 1 }).entries.find((e) => e.ref >= 8)!;
    const f = frame(view, { mfn: lent.frame })!;
    expect(f).toMatchObject({ owner: 1, type: 'writable' });
    expect(f.p2m).toBe(f.mfn);
  });

  it('list ports and nodes of both domains', () => {
    const ports = events(view);
    const ping = ports.find((d) => d.domid === 1)!.ports,
      pong = ports.find((d) => d.domid === 2)!.ports;
    const pair = ping.find((p) => p.state === 'interdomain' && p.remoteDomid === 2)!;
    expect(pong.find((p) => p.port === pair.remotePort)).toMatchObject({
      state: 'interdomain',
      remoteDomid: 1,
      remotePort: pair.port,
    });
    const paths = xenstore(view).nodes.map((n) => n.path);
    expect(paths).toContain('/local/domain/1/data/ping/ring-ref');
    expect(xenstore(view).nodes.find((n) => n.path === '/local/domain/2/name')?.value).toBe('pong');
  });
});

need('grub-mkimage')('inspectors on a kernel of others', () => {
  it('show where GRUB stands', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringside-grub-'));
    const config = join(folder, 'load.cfg'),
      image = join(folder, 'grub.elf');
    writeFileSync(config, 'echo hello from grub\nsleep 1\nhalt\n');
    const made = spawnSync(
      'grub-mkimage',
      ['-O', 'i386-xen', '-o', image, '-p', '/', '-c', config, 'echo', 'sleep', 'halt', 'normal'],
      { encoding: 'utf8' },
    );
    expect(made.stderr).toBe('');
    const { machine, timeline } = start(labOf([image], 30_000, 128, 32));
    timeline.run({ untilTicks: 3_000_000 });
    const view = cold2(machine);
    const model = cpu(view, { domid: 1 })!;
    expect(model.name).toBe('grub.elf');
    expect(model.cpl).toBe(1);
    expect(code(view, { domid: 1 })!.rows.some((r) => r.current)).toBe(true);
    expect(pageWalk(view, { domid: 1, vaddr: 0 })!.frames[0]!.type).toBe('l3');
  });
});

function cold2(machine: XenMachine): View {
  const fresh = attachMachine(allocate(128, false));
  loadImage(fresh.frames, saveImage(machine.frames, null));
  return {
    m: fresh.m,
    frames: fresh.frames,
    mmu: fresh.mmu,
    history: {
      length: 0,
      at: () => {
        throw new Error('empty');
      },
      bySeq: () => undefined,
    },
    imageMap: () => undefined,
  };
}
