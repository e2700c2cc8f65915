// The labs: which kernels stand on stage and which panels are open when the curtain rises. Titles are questions.

import type { DomainSpec, ImageKind, LabConfig } from '../../lab/types.ts';
import { MACHINE_VERSION } from '../../lab/types.ts';

export type Columns = readonly (readonly string[])[];
export interface Lab {
  readonly id: string;
  readonly title: { readonly en: string; readonly ko: string };
  readonly tour: string | undefined;
  readonly guests: readonly { readonly name: string; readonly cmdline?: string }[];
  readonly opening: Columns;
  readonly sliceTicks?: number;
}

export const LABS: readonly Lab[] = [
  {
    id: 'hello',
    title: { en: 'Who printed that?', ko: '누가 출력했을까요?' },
    tour: 'hello',
    guests: [{ name: 'hello' }],
    opening: [['control'], ['code', 'console:1']],
  },
  {
    id: 'rings',
    title: { en: 'What traps, what lies?', ko: '무엇이 트랩을 일으키고, 무엇이 거짓을 말할까요?' },
    tour: 'rings',
    guests: [{ name: 'rings' }],
    opening: [['control'], ['code', 'traplog']],
  },
  {
    id: 'ping',
    title: { en: 'Two kernels, one page', ko: '커널 둘, 페이지 하나' },
    tour: 'ping',
    guests: [{ name: 'ping' }, { name: 'pong' }],
    opening: [['console:1'], ['ring'], ['console:2']],
  },
  {
    id: 'silence',
    title: { en: 'The silence', ko: '침묵' },
    tour: 'silence',
    guests: [
      { name: 'ping', cmdline: 'no-recheck' },
      { name: 'pong', cmdline: 'peer=1 no-recheck' },
    ],
    opening: [['console:1'], ['ring'], ['console:2']],
  },
];
/** A person's own ELF stands on the stage of hello. */
export const OWN: Lab = {
  id: 'own',
  title: { en: 'Your own kernel', ko: '나만의 커널' },
  tour: undefined,
  guests: [],
  opening: [['control'], ['code', 'console:1']],
};
/** A multiboot image or a ROM on the bare machine: its screen, and COM1 as the console of nobody's domain. */
export const BARE: Lab = {
  id: 'bare',
  title: { en: 'Your own machine', ko: '나만의 기계' },
  tour: undefined,
  guests: [],
  opening: [['vga'], ['code', 'console:32767']],
};
export const labOf = (id: string): Lab => [...LABS, BARE].find((l) => l.id === id) ?? OWN;

/** Sizes and times every lab starts with. The epoch is a choice, so that a link means the same tomorrow. */
const MACHINE = {
  version: MACHINE_VERSION,
  memoryMiB: 64,
  sliceTicks: 100_000,
  epochSec: 1_767_225_600,
} as const;

interface ShippedGuest {
  readonly name: string;
  readonly memory: number;
  readonly cmdline: string;
  readonly image: string;
  readonly map: string;
}
async function getJson<T>(path: string): Promise<T> {
  const r = await fetch(path);
  if (!r.ok) throw new Error(`${path}: ${r.status}`);
  return (await r.json()) as T;
}
let shipped: Promise<readonly ShippedGuest[]> | undefined;
export const shippedGuests = (): Promise<readonly ShippedGuest[]> =>
  (shipped ??= getJson<{ readonly labs: readonly ShippedGuest[] }>('guests/index.json').then((x) => x.labs));

/** The configuration of a lab, hashes from the maps beside the images. */
export async function configOf(lab: Lab): Promise<LabConfig> {
  const all = await shippedGuests();
  const domains = await Promise.all(
    lab.guests.map(async (g): Promise<DomainSpec> => {
      const s = all.find((x) => x.name === g.name);
      if (!s) throw new Error(`guests/index.json has no ${g.name}`);
      const map = await getJson<{ readonly sha256: string }>(`guests/${s.map}`);
      return {
        name: s.name,
        image: map.sha256,
        path: `guests/${s.image}`,
        memoryMiB: s.memory,
        cmdline: g.cmdline ?? s.cmdline,
      };
    }),
  );
  return { ...MACHINE, ...(lab.sliceTicks ? { sliceTicks: lab.sliceTicks } : {}), domains };
}
/** Where the firmware of virtual machines writes what it has to say. */
const FIRMWARE_PORT = 0x402;

/** What a dropped file becomes: one domain, or the bare machine with 64 MiB of RAM. Firmware finds the shadow RAM it copies itself into. */
export function configOfFile(name: string, sha256: string, kind: ImageKind): LabConfig {
  if (kind === 'pv') {
    const short = name.replace(/\.[^.]*$/, '').slice(0, 24) || 'own';
    return { ...MACHINE, domains: [{ name: short, image: sha256, memoryMiB: 32, cmdline: '' }] };
  }
  const what = kind === 'rom' ? { rom: sha256, debugPort: FIRMWARE_PORT } : { image: sha256 };
  return { ...MACHINE, memoryMiB: 96, domains: [], bare: { name, ...what, memoryMiB: 64, cmdline: '' } };
}
