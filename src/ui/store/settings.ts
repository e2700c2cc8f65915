// What a person chose about the page itself. Survives a reload; no part of the machine and never in a link.

import { create } from 'zustand';
import { persist } from 'zustand/middleware';
import { keeper, listOf, recordOf, takeOver } from './keep.ts';

export type Theme = 'light' | 'dark' | 'presenter';
export type Axis = 'steps' | 'ticks';

interface Settings {
  readonly lang: 'en' | 'ko';
  readonly theme: Theme;
  /** Single-letter shortcuts (WCAG 2.1.4): may be switched off; function keys and buttons stay. */
  readonly letterKeys: boolean;
  readonly axis: Axis;
  /** Panels chosen for a lab instead of its opening: columns of panel keys. */
  readonly layouts: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** Sizes by group id, percent by panel id. */
  readonly sizes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly guideOpen: boolean;
  set(values: Partial<Omit<Settings, 'set'>>): void;
}

const isText = (v: unknown): boolean => typeof v === 'string';
const isFlag = (v: unknown): boolean => typeof v === 'boolean';
const SOUND = {
  lang: (v: unknown) => v === 'en' || v === 'ko',
  theme: (v: unknown) => v === 'light' || v === 'dark' || v === 'presenter',
  letterKeys: isFlag,
  axis: (v: unknown) => v === 'steps' || v === 'ticks',
  layouts: recordOf(listOf(listOf(isText))),
  sizes: recordOf(recordOf((v) => typeof v === 'number')),
  guideOpen: isFlag,
};

const preferred = (): 'en' | 'ko' => (globalThis.navigator?.language?.startsWith('ko') ? 'ko' : 'en');

export const useSettings = create<Settings>()(
  persist(
    (set) => ({
      lang: preferred(),
      theme: 'light',
      letterKeys: true,
      axis: 'steps',
      layouts: {},
      sizes: {},
      guideOpen: true,
      set: (values) => set(values),
    }),
    { name: 'ringside.settings', version: 1, storage: keeper(), merge: takeOver<Settings>(SOUND) },
  ),
);
