// The one door. Acts from outside are applied here and nowhere else; each leaves an 'input' record, so that the stream tells of it.

import { VCPU } from '../cpu/vcpu.ts';
import { buildDomain } from '../hypervisor/build.ts';
import { unpauseDomain } from '../hypervisor/domain.ts';
import { findDomain } from '../hypervisor/state.ts';
import type { InputSource } from '../machine/run.ts';
import { acquire, release } from '../memory/lock.ts';
import { HEADER, PAGE_SIZE, vcpuAt } from '../memory/map.ts';
import { type BareMachine, pressKeys, typeAtCom1 } from '../machine/bare.ts';
import type { XenMachine } from '../toolstack/assemble.ts';
import { parseKernel } from '../toolstack/elf.ts';
import { queueConsoleInput } from '../toolstack/xenconsoled.ts';
import { introduceDomain } from '../toolstack/xenstored.ts';
import { MACHINE, NOBODY } from '../trace/recorder.ts';
import { INPUT, OUT, PH, RT } from '../trace/records.ts';
import type { DomainSpec, InputAct, InputEntry, LabConfig } from './types.ts';

/** What a lab can hold: Xen with its domains, or the bare machine. */
export type LabMachine = XenMachine | BareMachine;
export const isXen = (machine: LabMachine): machine is XenMachine => 'x' in machine;

/** Bytes of images by SHA-256. */
export type Images = (sha256: string) => Uint8Array | undefined;

export class MissingImage extends Error {
  readonly sha256: string;
  constructor(spec: Pick<DomainSpec, 'name' | 'image'>) {
    super(
      `The image of “${spec.name}” (SHA-256 ${spec.image.slice(0, 12)}…) is not here. Drop the file on the page and open the link again.`,
    );
    this.sha256 = spec.image;
  }
}

/** Builds one domain, introduces it to XenStore and lets it run. Returns its domid; throws ImageError or MissingImage. */
export function startDomain(machine: XenMachine, spec: DomainSpec, images: Images): number {
  const bytes = images(spec.image);
  if (!bytes) throw new MissingImage(spec);
  const ramdisk = spec.ramdisk === undefined ? undefined : images(spec.ramdisk);
  if (spec.ramdisk !== undefined && !ramdisk) throw new MissingImage({ ...spec, image: spec.ramdisk });
  const domid = buildDomain(machine.x, {
    name: spec.name,
    image: parseKernel(bytes),
    memoryMiB: spec.memoryMiB,
    cmdline: spec.cmdline,
    imageHash: Uint8Array.from(spec.image.match(/../g) ?? [], (h) => Number.parseInt(h, 16)),
    ...(ramdisk ? { ramdisk } : {}),
    ...(spec.privileged ? { privileged: true } : {}),
  });
  introduceDomain(machine.x, findDomain(machine.m, domid));
  unpauseDomain(machine.x, findDomain(machine.m, domid));
  return domid;
}

/** Builds every domain of a configuration at T = 0. */
export function startAll(machine: XenMachine, config: LabConfig, images: Images): void {
  for (const spec of config.domains) startDomain(machine, spec, images);
}

const REGISTERS: Readonly<Record<string, number>> = {
  eax: VCPU.gpr,
  ecx: VCPU.gpr + 4,
  edx: VCPU.gpr + 8,
  ebx: VCPU.gpr + 12,
  esp: VCPU.gpr + 16,
  ebp: VCPU.gpr + 20,
  esi: VCPU.gpr + 24,
  edi: VCPU.gpr + 28,
  eip: VCPU.eip,
  eflags: VCPU.eflags,
};
/** EFLAGS bits a person may change: arithmetic flags, TF, DF, AC, ID. IF, IOPL and VM belong to Xen. */
const EDITABLE_FLAGS = 0x0024_0dd5;

/** Applies one act. Whatever is wrong with it (a domain long gone, an address past the end) makes it a recorded no-op, never an exception. */
export function applyAct(machine: LabMachine, act: InputAct, images: Images): void {
  const { m, trace, frames } = machine;
  const note = (values: number[], data: Uint8Array): void => {
    trace.cause = 0;
    trace.cause = trace.emit(RT.input, PH.none, OUT.none, NOBODY, INPUT[act.kind], values, data);
  };
  switch (act.kind) {
    case 'console': {
      const bytes = Uint8Array.from(act.bytes);
      note([act.domid], bytes);
      if (!isXen(machine)) {
        typeAtCom1(machine.chipset, bytes);
        break;
      }
      const d = findDomain(m, act.domid);
      if (d) queueConsoleInput(machine.x, d, bytes, act.hold);
      break;
    }
    case 'keys': {
      const codes = Uint8Array.from(act.codes);
      note([], codes);
      if (!isXen(machine)) pressKeys(machine.chipset, codes);
      break;
    }
    case 'editMemory': {
      const bytes = Uint8Array.from(act.bytes);
      note([act.maddr >>> 0], bytes);
      if (act.maddr >= 0 && act.maddr + bytes.length <= m.nrFrames * PAGE_SIZE)
        frames.copyIn(act.maddr, bytes);
      break;
    }
    case 'editRegister': {
      const v = vcpuAt(act.vcpu);
      const at = REGISTERS[act.register];
      note([act.vcpu, act.value >>> 0], new TextEncoder().encode(act.register));
      if (at === undefined || !m.r32(v + VCPU.used)) break;
      if (act.register === 'eflags')
        m.w32(v + at, (m.r32(v + at) & ~EDITABLE_FLAGS) | (act.value & EDITABLE_FLAGS));
      else m.w32(v + at, act.value);
      break;
    }
    case 'createDomain':
      note([], new TextEncoder().encode(act.domain.name));
      if (isXen(machine)) startDomain(machine, act.domain, images);
      break;
    case 'closeInput':
      note([], new Uint8Array(0));
      m.w32(HEADER + MACHINE.inputClosed, 1);
      break;
  }
  trace.cause = 0;
}

/** A log that is replayed and grows at its end while the machine runs live. */
export class InputLog implements InputSource {
  readonly machine: LabMachine;
  readonly images: Images;
  entries: InputEntry[];
  /** Index of the next entry to apply; host-side: recomputed from (T, seq) after a restore. */
  position = 0;

  constructor(machine: LabMachine, images: Images, entries: readonly InputEntry[] = []) {
    this.machine = machine;
    this.images = images;
    this.entries = [...entries];
  }
  next(): InputEntry | undefined {
    return this.entries[this.position];
  }
  apply(): void {
    const entry = this.entries[this.position++];
    if (entry) applyAct(this.machine, entry, this.images);
  }
  /** After memory was restored to (T, seq): the entries whose records are within are behind us. */
  rewindTo(seq: number): void {
    this.position = 0;
    while (this.position < this.entries.length && this.entries[this.position]!.seq < seq) this.position++;
  }
  /**
   * An act at the present moment, between two ticks: stamped, appended and applied at once. Entries not yet applied belong to an
   * abandoned future; the caller has kept them on their own branch.
   */
  append(act: InputAct): void {
    const { m, trace } = this.machine;
    this.entries.length = this.position;
    this.entries.push({ ...act, T: m.r64(HEADER + MACHINE.T), seq: trace.seq });
    acquire(m);
    try {
      this.apply();
    } finally {
      release(m);
    }
    m.w32(HEADER + MACHINE.deliver, 1);
  }
}
