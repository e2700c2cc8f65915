// What a hostile guest runs: instructions that go through Xen, or that would like to go past it, in a context that an iret frame has asked for.
// Selectors, stacks and flags are drawn from what is nearly right.

import { SEGREG, VCPU } from '../cpu/vcpu.ts';
import { CODE, STACK, type Wish } from './hostile-calls-testing.ts';
import { SEG, segAt, XEN_CS, XEN_DS } from './selectors.ts';
import { XVCPU, xv } from './state.ts';
import type { Xen } from './xen.ts';

/** The page that the code is written to, and how much of it. */
export const WILD = CODE + 0x1000;
const SNIPPETS = 24;
const FLAT_CODE = [0xe019, 0xe02b],
  FLAT_DATA = [0xe021, 0xe033];

/** Each runs as it stands; what an operand is made of follows as letters: s selector, a address, b byte, w word. */
const TEMPLATES: readonly (readonly (number | 's' | 'a' | 'b' | 'w')[])[] = [
  [0xcd, 0x82],
  [0xcd, 0x80],
  [0xcd, 'b'],
  [0xcc],
  [0xce],
  [0xcf],
  [0xcb],
  [0x9d],
  [0x9c],
  [0xfa],
  [0xfb],
  [0xf4],
  [0x17],
  [0x1f],
  [0x07],
  [0x66, 0xb8, 's', 0x8e, 0xd0],
  [0x66, 0xb8, 's', 0x8e, 0xd8],
  [0x66, 0xb8, 's', 0x8e, 0xe0],
  [0x66, 0xb8, 's', 0x8e, 0xe8],
  [0xea, 'a', 's'],
  [0x9a, 'a', 's'],
  [0x68, 'w', 0x68, 's', 0, 0, 0x68, 'a', 0xcf],
  [0x68, 's', 0, 0, 0x68, 'a', 0xcb],
  [0xbc, 'a'],
  [0x89, 0x04, 0x24],
  [0xb8, 'w'],
  [0xb8, 'b', 0, 0, 0],
  [0xbb, 'a'],
  [0xb9, 'b', 0, 0, 0],
  [0xba, 'w'],
  [0xbf, 'a'],
  [0xbe, 'a'],
  [0xf3, 0xa4],
  [0xf3, 0x6e],
  [0x6c],
  [0xe4, 'b'],
  [0xe6, 'b'],
  [0xed],
  [0xef],
  [0x0f, 0x20, 0xc0],
  [0x0f, 0x20, 0xd8],
  [0x0f, 0x22, 0xc0],
  [0x0f, 0x22, 0xd8],
  [0x0f, 0x22, 0xe0],
  [0x0f, 0x23, 0xc0],
  [0x0f, 0x23, 0xf0],
  [0x0f, 0x23, 0xf8],
  [0x0f, 0x21, 0xf8],
  [0x0f, 0x06],
  [0x0f, 0x30],
  [0x0f, 0x32],
  [0x0f, 0x01, 0x17],
  [0x0f, 0x01, 0x1f],
  [0x0f, 0x01, 0x3f],
  [0x0f, 0x00, 0xd0],
  [0x0f, 0x00, 0xd8],
  [0x0f, 0x34],
  [0x0f, 0x35],
  [0x0f, 0x05],
  [0x0f, 0xa2],
  [0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2],
  [0x0f, 0x0b, 0x78, 0x65, 0x6e, 0xb0],
  [0x0f, 0x0b],
  [0x0f, 0x02, 0xc8],
  [0x0f, 0x03, 0xc8],
  [0x0f, 0x00, 0xe0],
  [0x89, 0x07],
  [0xf0, 0x0f, 0xc7, 0x0f],
  [0xff, 'b', 'w'],
  [0xc8, 'b', 'b', 31],
  [0x61],
  [0xeb, 'b'],
  ['b', 'b', 'b', 'b'],
  ['w', 'w'],
];

function selector(w: Wish): number {
  return w.pick(
    ...FLAT_CODE,
    ...FLAT_DATA,
    w.pick(0, 1, 2, 3, 4, 7, 0xe008, 0xe010, 0xe018, 0xe040, 0xe050, 0xe060, 0xdff8, 0xeff8, 0xfff8),
    w.random(64),
    w.random(64) | 4,
    w.random(0x10000),
  );
}
const address = (w: Wish): number =>
  w.pick(
    WILD + w.random(256),
    CODE + 16 * w.random(8),
    STACK - 4 * w.random(64),
    w.va(),
    w.pick(0, 1, 0xfff, 0xffffffff, 0xf57fffff, 0xf5800000, 0xffbfc000, 0xffc00000, w.word()),
  );

/** Bytes of a run. */
export function wildCode(w: Wish): number[] {
  const out: number[] = [];
  const word = (value: number, bytes: number): void => {
    for (let i = 0; i < bytes; i++) out.push((value >>> (8 * i)) & 0xff);
  };
  for (let n = 0; n < SNIPPETS; n++)
    for (const item of w.pick(...TEMPLATES)) {
      if (item === 's') word(selector(w), 2);
      else if (item === 'a') word(address(w), 4);
      else if (item === 'b') word(w.random(256), 1);
      else if (item === 'w') word(w.chance(2) ? w.small() : w.word(), 4);
      else out.push(item);
    }
  return out;
}

/** {EAX, EIP, CS, EFLAGS, ESP, SS}: mostly a kernel's or a user's, flat; flags with everything that a frame should not be able to set. */
export function wildFrame(w: Wish): number[] {
  const user = w.random(2);
  // Xen's own code and stack, which are in every GDT.
  const inner = w.chance(32);
  const flags = w.pick(
    0x202,
    0x2,
    0x302,
    0x4202,
    0x43202,
    w.chance(8) ? 0x20202 : 0x202,
    w.word() & ~0x20000,
  );
  return [
    w.small(),
    WILD + (w.chance(4) ? w.random(64) : 0),
    inner ? XEN_CS : w.chance(6) ? selector(w) | (w.chance(8) ? 0 : 1) : FLAT_CODE[user]!,
    flags,
    w.chance(4) ? address(w) : STACK - 256,
    inner ? XEN_DS : w.chance(6) ? selector(w) : FLAT_DATA[user]!,
  ];
}

/** What must be true of a vCPU of a guest whatever it has run: a sentence, or undefined. */
export function escaped(x: Xen, v: number): string | undefined {
  const { m } = x;
  const field = (which: number, at: number): number => m.r32(segAt(v, which) + at);
  const eflags = m.r32(v + VCPU.eflags);
  const cpl = field(SEG.cs, SEGREG.sel) & 3;
  if (cpl === 0) return 'it runs at CPL 0';
  if ((field(SEG.ss, SEGREG.sel) & 3) !== cpl) return `its stack is of ring ${field(SEG.ss, SEGREG.sel) & 3}`;
  for (const which of [SEG.cs, SEG.ss])
    if (((field(which, SEGREG.attr) >>> 5) & 3) === 0) return `segment register ${which} is of ring 0`;
  if ((eflags & 0x200) === 0) return 'interrupts are off';
  if ((eflags & 0x3000) !== 0) return 'its IOPL is not 0';
  if ((eflags & 0x20000) !== 0) return 'it runs in virtual-8086 mode';
  if (m.r32(v + VCPU.cr3) !== m.r32(xv(v) + XVCPU.guestCr3Mfn) * 4096) return 'CR3 is not what Xen holds';
  if ((m.r32(v + VCPU.cr0) & 0x80010001) >>> 0 !== 0x80010001) return 'paging or write protection is off';
  return (m.r32(v + VCPU.dr + 28) & 0x2000) !== 0 ? 'DR7.GD is set' : undefined;
}
