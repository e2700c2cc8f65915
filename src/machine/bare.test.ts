// The bare machine as a whole: a multiboot kernel with timer interrupts and a ROM from its reset vector; the same hashes however it is
// run; how it ends; who may wake it.

import { describe, expect, it } from 'vitest';
import { NO_FRAME } from '../cpu/bus.ts';
import { assembleLines } from '../cpu/testing.ts';
import { VCPU } from '../cpu/vcpu.ts';
import { Timeline } from '../lab/timeline.ts';
import type { InputAct } from '../lab/types.ts';
import { HEADER } from '../memory/map.ts';
import { allocate } from '../memory/memory.ts';
import { PAGE_SIZE } from '../memory/map.ts';
import { loadMultiboot } from '../toolstack/multiboot.ts';
import { MACHINE } from '../trace/recorder.ts';
import { attachBare, type BareMachine, type BareSettings, createBare } from './bare.ts';
import { BareBus } from './bus.ts';
import { BSP } from './devices/board.ts';
import { loadImage, saveImage } from './image.ts';
import { stateHash } from './state-hash.ts';
import { stopReason } from './stop.ts';

const BASE = 0x100000,
  GDT = BASE + 0x1000,
  IDT = BASE + 0x2000,
  HANDLERS = BASE + 0x800,
  TICKS = BASE + 0x3000;
const EXIT = 0xf4;

/** A multiboot image loaded by its header's addresses: code at the front, handlers behind, GDT and IDT with gates for 20h-2fh. */
function kernel(code: readonly string[], handlers: readonly string[] = ['iret']): Uint8Array {
  const image = new Uint8Array(0x3100);
  const view = new DataView(image.buffer);
  const flags = 0x10003,
    magic = 0x1badb002;
  const header = [magic, flags, -(magic + flags), BASE, BASE, 0, 0, BASE + 0x20];
  for (const [i, word] of header.entries()) view.setUint32(4 * i, word, true);
  image.set(
    assembleLines(
      [
        `mov esp, ${BASE + 0x10000}`,
        `lgdt [${GDT + 0x40}]`,
        `lidt [${GDT + 0x48}]`,
        'mov eax, 0x10',
        ...['ds', 'es', 'ss'].map((s) => `mov ${s}, ax`),
        ...code,
      ],
      BASE + 0x20,
    ),
    0x20,
  );
  image.set(assembleLines(handlers, HANDLERS), HANDLERS - BASE);
  view.setUint32(GDT - BASE + 8, 0x0000ffff, true);
  view.setUint32(GDT - BASE + 12, 0x00cf9b00, true);
  view.setUint32(GDT - BASE + 16, 0x0000ffff, true);
  view.setUint32(GDT - BASE + 20, 0x00cf9300, true);
  view.setUint16(GDT - BASE + 0x40, 23, true);
  view.setUint32(GDT - BASE + 0x42, GDT, true);
  view.setUint16(GDT - BASE + 0x48, 0x17f, true);
  view.setUint32(GDT - BASE + 0x4a, IDT, true);
  for (let v = 0x20; v < 0x30; v++) {
    view.setUint32(IDT - BASE + v * 8, 0x80000 | (HANDLERS & 0xffff), true);
    view.setUint32(IDT - BASE + v * 8 + 4, (HANDLERS & 0xffff0000) | 0x8e00, true);
  }
  return image;
}

const out = (port: number, ...values: number[]): string[] =>
  values.flatMap((v) => [`mov al, ${v}`, `out ${port}, al`]);
const PICS = [
  ...out(0x20, 0x11),
  ...out(0x21, 0x20, 4, 1),
  ...out(0xa0, 0x11),
  ...out(0xa1, 0x28, 2, 1, 0xff),
];
const say = (text: string): string[] => [
  'mov edx, 0x3f8',
  ...[...text].flatMap((ch) => [`mov al, ${ch.charCodeAt(0)}`, 'out dx, al']),
];

/** Five timer interrupts a millisecond apart, a dot for each, then the exit port. */
const TIMER = kernel(
  [
    ...PICS,
    ...out(0x21, 0xfe),
    ...out(0x43, 0x34),
    ...out(0x40, 0xa9, 4),
    'sti',
    'wait: hlt',
    `cmp dword [${TICKS}], 5`,
    'jb wait',
    ...say('done\n'),
    'mov eax, 42',
    `out ${EXIT}, eax`,
    'stop: jmp stop',
  ],
  [
    'push eax',
    'push edx',
    `inc dword [${TICKS}]`,
    ...say('.'),
    ...out(0x20, 0x20),
    'pop edx',
    'pop eax',
    'iret',
  ],
);

interface Run {
  readonly machine: BareMachine;
  readonly timeline: Timeline<BareMachine>;
  console(): string;
}
function over(machine: BareMachine): Run {
  const timeline = new Timeline(machine, () => undefined);
  let text = '';
  timeline.onRecord = (seq) => {
    const r = timeline.history.get(seq)!;
    if (r.type === 'console') text += String.fromCharCode(...(r.data ?? []));
  };
  timeline.begin();
  return { machine, timeline, console: () => text };
}
function boot(image: Uint8Array | undefined, settings: Partial<BareSettings> = {}): Run {
  const machine = createBare(allocate(32, false), {
    memoryMiB: 4,
    epochSec: 1_790_000_000,
    exitPort: EXIT,
    ...settings,
  });
  if (image) loadMultiboot(machine, { image, name: 'kernel', cmdline: 'one two' });
  return over(machine);
}
const type = (run: Run, act: InputAct): void => run.timeline.log.append(act);
const close = (run: Run): void => type(run, { kind: 'closeInput' });
const hashes = ({ machine }: Run): [string, string] => [machine.trace.hash, stateHash(machine.m)];
const code = ({ machine }: Run): number => machine.m.r32(HEADER + MACHINE.stopCode);

describe('a ROM', () => {
  it('is refused when it is empty or larger than what is mapped', () => {
    const create = (bytes: number) => () =>
      createBare(allocate(64, false), { memoryMiB: 8, epochSec: 0, rom: new Uint8Array(bytes) });
    expect(create(0)).toThrow('the ROM is empty');
    expect(create((16 << 20) + 1)).toThrow('at most 16 MiB');
  });
});

describe('a bare machine with a multiboot kernel', () => {
  const whole = boot(TIMER);
  close(whole);
  const result = whole.timeline.run({});

  it('takes timer interrupts out of HLT and ends by the exit port', () => {
    expect(result.kind).toBe('ended');
    expect([stopReason(whole.machine.m), code(whole), whole.console()]).toEqual(['exit', 42, '.....done\n']);
    expect(whole.timeline.T).toBeGreaterThan(5 * 99_900);
    expect(whole.timeline.ticks).toBeLessThan(1000);
    const types = Array.from(
      { length: whole.timeline.history.last },
      (_, i) => whole.timeline.history.get(i + 1)!.type,
    );
    expect(types.filter((t) => t === 'interrupt')).toHaveLength(5);
    expect(types.filter((t) => t === 'halt')).toHaveLength(5);
    expect(types[types.length - 1]).toBe('reset');
  });

  it.each([1, 7, 1000])('gives the same hashes with host slices of %i', (hostSlice) => {
    const run = boot(TIMER);
    close(run);
    run.timeline.run({ hostSlice });
    expect(hashes(run)).toEqual(hashes(whole));
  });

  it('goes on from nothing but its bytes, at every hundredth tick', () => {
    for (let at = 1; at < whole.timeline.ticks; at += 97) {
      const run = boot(TIMER);
      close(run);
      run.timeline.run({ untilTicks: at, hostSlice: 13 });
      const bytes = saveImage(run.machine.frames, null);
      const cold = attachBare(allocate(32, false));
      loadImage(cold.frames, bytes);
      const rest = over(cold);
      rest.timeline.run({});
      expect(hashes(rest)).toEqual(hashes(whole));
    }
  });

  it('goes back to any moment', () => {
    const run = boot(TIMER);
    close(run);
    const seen: [number, number, string][] = [];
    for (let at = 50; at < whole.timeline.ticks; at += 50) {
      run.timeline.run({ untilTicks: at });
      seen.push([run.timeline.T, run.timeline.seq, stateHash(run.machine.m)]);
    }
    for (const [T, seq, hash] of [...seen].reverse()) {
      run.timeline.goto({ T, seq, within: false });
      expect(stateHash(run.machine.m)).toBe(hash);
    }
    expect(run.timeline.history.divergedAt).toBe(0);
  });
});

describe('a bare machine', () => {
  it('begins at its ROM’s reset vector as table 9-1 says, and writes the copy below 1 MiB, never the ROM', () => {
    const rom = new Uint8Array(0x10000);
    rom[0] = 0x58;
    rom.set([0xea, 0x00, 0xe0, 0x00, 0xf0], 0xfff0); // jmp F000:E000
    rom.set(
      // mov dx,3f8h; mov al,'R'; out dx,al; mov ax,F000h; mov ds,ax; mov byte [0],55h; mov al,[0]; out dx,al; mov al,5; out F4h,al; hlt
      [
        0xba,
        0xf8,
        0x03,
        0xb0,
        0x52,
        0xee,
        0xb8,
        0x00,
        0xf0,
        0x8e,
        0xd8,
        0xc6,
        0x06,
        0,
        0,
        0x55,
        0xa0,
        0,
        0,
        0xee,
        0xb0,
        0x05,
        0xe6,
        EXIT,
        0xf4,
      ],
      0xe000,
    );
    const run = boot(undefined, { rom });
    const { m } = run.machine;
    const r = (field: number): number => m.r32(BSP + field);
    expect([r(VCPU.eip), r(VCPU.seg + 16), r(VCPU.seg + 20), r(VCPU.cr0), r(VCPU.eflags)]).toEqual([
      0xfff0, 0xf000, 0xffff0000, 0x60000010, 2,
    ]);
    expect(r(VCPU.gpr + 8) >>> 8).toBeGreaterThan(0);
    run.timeline.run({});
    expect([run.console(), stopReason(m), code(run)]).toEqual(['RU', 'exit', 5]);
    const bus = new BareBus(run.machine.chipset);
    expect(run.machine.frames.read8(bus.frameOf(0xffff0, false) * PAGE_SIZE)).toBe(0x58);
    expect(bus.frameOf(0xffff0, true)).toBe(NO_FRAME);
  });

  it('hands over the multiboot registers and information', () => {
    const { machine } = boot(TIMER);
    const r = (field: number): number => machine.m.r32(BSP + field);
    const ebx = r(VCPU.gpr + 12);
    const word = (n: number): number => machine.frames.read32(ebx + 4 * n);
    const text = (at: number): string => {
      let s = '';
      for (let ch = machine.frames.read8(at); ch !== 0; ch = machine.frames.read8(++at))
        s += String.fromCharCode(ch);
      return s;
    };
    expect([r(VCPU.gpr), r(VCPU.cr0) & 0x80000001, r(VCPU.eflags)]).toEqual([0x2badb002, 1, 2]);
    expect([r(VCPU.idtrBase), r(VCPU.idtrLimit)]).toEqual([0, 0x3ff]);
    expect([word(0), word(1), word(2), text(word(4))]).toEqual([0x245, 639, 3072, 'kernel one two']);
    const entries = Array.from({ length: word(11) / 24 }, (_, i) => {
      const e = word(12) + 24 * i;
      return [e, e + 4, e + 12, e + 20].map((a) => machine.frames.read32(a));
    });
    expect(entries).toContainEqual([20, 0x100000, 0x300000, 1]);
    expect(text(word(16))).not.toBe('');
  });

  it('interrupts a program that never halts, in one-shot and in periodic modes', () => {
    for (const control of [0x30, 0x34, 0x36]) {
      const run = boot(
        kernel(
          [
            ...PICS,
            ...out(0x21, 0xfe),
            ...out(0x43, control),
            ...out(0x40, 0xa9, 4),
            'sti',
            'again: add esi, 1',
            'jnc again',
          ],
          [...say('!'), `out ${EXIT}, al`],
        ),
      );
      run.timeline.run({ untilTicks: 1_000_000 });
      expect([control, run.console(), stopReason(run.machine.m)]).toEqual([control, '!', 'exit']);
      expect(run.timeline.T).toBeLessThan(102_000);
    }
  });

  it('lets IA32_MISC_ENABLE limit CPUID and take execute-disable away (SDM vol. 4, table 2-2)', () => {
    const run = boot(
      kernel(
        [
          // a gate for #GP like those for 20h on
          `mov eax, dword [${IDT + 0x100}]`,
          `mov dword [${IDT + 13 * 8}], eax`,
          `mov eax, dword [${IDT + 0x104}]`,
          `mov dword [${IDT + 13 * 8 + 4}], eax`,
          'mov ecx, 0x1a0',
          'rdmsr',
          'or eax, 0x400000',
          'or edx, 4',
          'wrmsr',
          'xor eax, eax',
          'cpuid',
          'mov esi, eax',
          'mov eax, 0x80000001',
          'cpuid',
          'mov edi, edx',
          'mov ecx, 0xc0000080',
          'mov eax, 0x800',
          'xor edx, edx',
          'wrmsr',
          `out ${EXIT}, al`,
        ],
        [...say('#'), `out ${EXIT}, al`],
      ),
    );
    run.timeline.run({});
    const r = (n: number): number => run.machine.m.r32(BSP + VCPU.gpr + 4 * n);
    expect([run.console(), r(6), r(7) & 0x100000]).toEqual(['#', 2, 0]);
  });

  it('has halted when nothing can wake it', () => {
    for (const lines of [
      ['cli', 'hlt'],
      ['sti', 'hlt'],
      // the timer runs, but its input is masked; its input is in service; interrupts are off
      [...PICS, ...out(0x21, 0xff), ...out(0x43, 0x34), ...out(0x40, 0, 1), 'sti', 'hlt'],
      [...PICS, ...out(0x43, 0x34), ...out(0x40, 0, 1), 'hlt'],
    ]) {
      const run = boot(kernel(lines));
      expect(run.timeline.run({}).kind).toBe('ended');
      expect(stopReason(run.machine.m)).toBe('halted');
    }
  });

  it('waits for the keyboard and for COM1 while input may come, and takes both', () => {
    const run = boot(
      kernel(
        [
          ...PICS,
          ...out(0x21, 0xed),
          ...out(0x64, 0x60),
          ...out(0x60, 0x45),
          'mov edx, 0x3f9',
          'mov al, 1',
          'out dx, al',
          'mov edx, 0x3fc',
          'mov al, 8',
          'out dx, al',
          'sti',
          'more: hlt',
          'jmp more',
        ],
        // COM1 first: what it received goes back out; else the keyboard's byte does, plus one
        [
          'push eax',
          'push edx',
          'mov edx, 0x3fd',
          'in al, dx',
          'mov edx, 0x3f8',
          'test al, 1',
          'jz keys',
          'in al, dx',
          'jmp send',
          'keys: in al, 0x60',
          'inc al',
          'send: out dx, al',
          ...out(0x20, 0x20),
          'pop edx',
          'pop eax',
          'iret',
        ],
      ),
    );
    expect(run.timeline.run({}).kind).toBe('waiting');
    type(run, { kind: 'console', domid: 0, bytes: [0x48, 0x69] });
    expect(run.timeline.run({}).kind).toBe('waiting');
    expect(run.console()).toBe('Hi');
    type(run, { kind: 'keys', codes: [0x29, 0xf0, 0x29] });
    expect(run.timeline.run({}).kind).toBe('waiting');
    expect(run.console()).toBe(`Hi${String.fromCharCode(0x3a, 0xba)}`);
    close(run);
    run.timeline.run({});
    expect(stopReason(run.machine.m)).toBe('halted');
  });

  it('ends with a triple fault when the double fault has no handler', () => {
    const run = boot(kernel(['ud2']));
    run.timeline.run({});
    expect(stopReason(run.machine.m)).toBe('triple-fault');
    expect(run.timeline.history.get(run.timeline.seq)).toMatchObject({ type: 'reset', aux: 3 });
    expect(code(run)).toBe(0x0d0d0d06); // #UD; #GP instead of its handler and instead of that; #GP instead of that of the double fault
  });

  it('takes an NMI that it sends to itself though interrupts are off, and not a second one before IRET', () => {
    const nmi = 'mov dword [0xfee00300], 0x44400';
    const run = boot(
      kernel(
        [
          // a gate for vector 2 like those for 20h on
          `mov eax, dword [${IDT + 0x100}]`,
          `mov dword [${IDT + 0x10}], eax`,
          `mov eax, dword [${IDT + 0x104}]`,
          `mov dword [${IDT + 0x14}], eax`,
          nmi,
          ...say('!'),
          `out ${EXIT}, al`,
        ],
        [
          `inc dword [${TICKS}]`,
          `cmp dword [${TICKS}], 1`,
          'jne second',
          ...say('('),
          nmi,
          ...say(')'),
          'iret',
          'second: ',
          ...say('2'),
          'iret',
        ],
      ),
    );
    run.timeline.run({});
    expect(run.console()).toBe('()2!');
  });

  it('refuses RAM or ROM that it has no room for', () => {
    expect(() => boot(undefined, { memoryMiB: 64 })).toThrow(/1 to \d+ MiB/);
    expect(() => boot(undefined, { memoryMiB: 1, rom: new Uint8Array((16 << 20) + 1) })).toThrow(RangeError);
  });
});
