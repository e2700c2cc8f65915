// Whole machines with kernels of ours and of others: from the ELF file to the last word on the console.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { need } from '../../tools/need.ts';
import { buildDomain } from '../hypervisor/build.ts';
import { unpauseDomain } from '../hypervisor/domain.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import { ruleSentence } from '../hypervisor/rules.ts';
import { findDomain } from '../hypervisor/state.ts';
import { runMachine } from '../machine/run.ts';
import { stopReason } from '../machine/stop.ts';
import { HEADER } from '../memory/map.ts';
import { engineChoice } from '../cli/engine-code.ts';
import { DEFAULT_ENGINE } from '../cpu/engine.ts';
import { allocate } from '../memory/memory.ts';
import { MACHINE } from '../trace/recorder.ts';
import { decodeRecord, type TraceRecord } from '../trace/records.ts';
import { createMachine, type XenMachine } from './assemble.ts';
import { parseKernel } from './elf.ts';
import { queueConsoleInput } from './xenconsoled.ts';
import { introduceDomain } from './xenstored.ts';

/** A machine of 64 MiB with one kernel that has not run yet. */
class Boot {
  readonly machine: XenMachine;
  readonly d: number;
  readonly records: TraceRecord[] = [];

  constructor(bytes: Uint8Array, memoryMiB: number) {
    const m = allocate(80, false);
    this.machine = createMachine(
      m,
      { sliceTicks: 30_000, epochSec: 1_790_000_000 },
      engineChoice(DEFAULT_ENGINE, false),
    );
    const { trace, x } = this.machine;
    trace.onFull = () => this.collect();
    const domid = buildDomain(x, { name: 'guest', image: parseKernel(bytes), memoryMiB, cmdline: '' });
    this.d = findDomain(m, domid);
    introduceDomain(x, this.d);
    unpauseDomain(x, this.d);
  }
  private collect(): void {
    this.machine.trace.drain((words, at, data) => {
      this.records.push(decodeRecord(words, at, data));
    });
  }
  /** Runs until the machine stops, or for so many ticks. */
  run(ticks: number): string {
    const { m } = this.machine;
    const untilTicks = m.r64(HEADER + MACHINE.ticks) + ticks;
    const limits = {
      untilT: Number.MAX_SAFE_INTEGER,
      untilSeq: 0,
      untilTicks,
      hostSlice: 1_000_000,
      host: 0,
      hosts: 1,
      pause: () => false,
    };
    const { kind } = runMachine(this.machine, limits);
    this.collect();
    return kind === 'ended' ? stopReason(m) : kind;
  }
  type(text: string): void {
    queueConsoleInput(
      this.machine.x,
      this.d,
      Uint8Array.from(text, (c) => c.charCodeAt(0)),
    );
  }
  get text(): string {
    const parts = this.records
      .filter((r) => r.type === 'console')
      .map((r) => String.fromCharCode(...(r.data ?? [])));
    return parts.join('');
  }
  /** Names of the rules that refused; XenStore says no to a guest who looks for a device that is not there. */
  get refused(): string[] {
    const checks = this.records.filter((r) => r.type === 'check' && r.p[0] === 0);
    return checks
      .map((r) => ruleSentence(r.aux)?.[0] ?? `${r.aux}`)
      .filter((name) => !name.startsWith('store.'));
  }
  get calls(): string[] {
    const decoded = this.records.filter((r) => r.type === 'hypercall' && r.phase === 'decode');
    return [...new Set(decoded.map((r) => hypercallName(r.aux)))];
  }
}

describe('a machine boots', () => {
  it('hello, which says its three lines and powers off', () => {
    const file = new URL('../../public/guests/hello/hello.elf', import.meta.url);
    const guest = new Boot(new Uint8Array(readFileSync(file)), 8);
    expect(guest.run(1_000_000)).toBe('poweroff');
    expect(guest.text).toBe('I am a kernel in ring 1.\nXen left me a note: xen-3.0-x86_32p\nGoodbye.\n');
    expect(guest.refused).toEqual([]);
    expect(guest.calls).toEqual(['console_io', 'sched_op']);
  });
});

function grubImage(): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), 'ringside-grub-'));
  try {
    const modules = ['normal', 'echo', 'halt', 'reboot'];
    execFileSync(
      'grub-mkimage',
      ['-O', 'i386-xen', '-o', join(dir, 'g.img'), '-p', '(memdisk)', ...modules],
      { stdio: 'ignore' },
    );
    return new Uint8Array(readFileSync(join(dir, 'g.img')));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
need('grub-mkimage', '/usr/lib/grub/i386-xen')('a boot loader of others', () => {
  it('GRUB reaches its prompt, takes a command and halts', () => {
    const guest = new Boot(grubImage(), 32);
    expect(guest.run(6_000_000)).toBe('reached');
    expect(guest.refused).toEqual([]);
    expect(guest.calls).toEqual(
      expect.arrayContaining(['vm_assist', 'grant_table_op', 'mmu_update', 'update_va_mapping', 'mmuext_op']),
    );
    expect(guest.text).toContain('Welcome to GRUB!');
    expect(guest.text).toContain('grub>');
    guest.type('echo forty-two\r');
    expect(guest.run(3_000_000)).toBe('reached');
    expect(guest.text).toContain('forty-two'); // the echo of keys has cursor movements in between
    guest.type('halt\r');
    expect(guest.run(3_000_000)).toBe('poweroff');
    expect(guest.refused).toEqual([]);
  });
});
