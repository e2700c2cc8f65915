// What is open on the page right now. Gone with the page.

import { create } from 'zustand';

export type Dialog = 'views' | 'keys' | 'labs' | 'breakpoints' | 'notebook' | 'moment' | 'shelf' | undefined;
export type Step = 'instruction' | 'over' | 'phase' | 'trap' | 'domainTrap';

interface UiStore {
  /** Which lab is on stage: an id of labs.ts, or 'own' for a dropped image. */
  readonly lab: string;
  /** A lab or somebody's moment is on its way to the stage: the Guide waits instead of showing what was there before. */
  readonly opening: { readonly moment: boolean } | undefined;
  readonly dialog: Dialog;
  /** A one-line message near the header: 'Link copied'. Spoken once. */
  readonly notice: string;
  /** The record a person selected in the log or on the timeline: what Explain and the control picture show instead of the cursor's. */
  readonly selected: number | undefined;
  /** Panel key whose console takes the keys, undefined = the lab. */
  readonly keysGoTo: string | undefined;
  readonly moreTransport: boolean;
  /** The timeline shows everything, not the part around the cursor. */
  readonly wholeHistory: boolean;
  /** What was wrong with the last dropped file. */
  readonly badImage: { readonly name: string; readonly error: string; readonly talk?: boolean } | undefined;
  /** Who is in control shows the three doors instead of one trap. */
  readonly doors: boolean;
  /** What follows the mouse on a projector. */
  readonly pointer: 'off' | 'dot' | 'spotlight';
  /** The projector shows nothing. */
  readonly blank: boolean;
  /** The link of a change that a reload would have lost. */
  readonly changed: string | undefined;
  /** What was wrong with the link that was opened. */
  readonly badLink: string | undefined;
  /** No shared memory here: the machine runs in one thread. */
  readonly compatible: boolean;
  /** Grows when the layout is reset: panel groups begin again. */
  readonly layoutEpoch: number;
  set(values: Partial<Omit<UiStore, 'set'>>): void;
}
export const useUi = create<UiStore>()((set) => ({
  lab: 'hello',
  opening: undefined,
  dialog: undefined,
  notice: '',
  selected: undefined,
  keysGoTo: undefined,
  moreTransport: false,
  wholeHistory: false,
  badImage: undefined,
  badLink: undefined,
  changed: undefined,
  blank: false,
  pointer: 'off',
  doors: false,
  compatible: false,
  layoutEpoch: 0,
  set: (values) => set(values),
}));

let timer: ReturnType<typeof setTimeout> | undefined;
/** Says something once, for six seconds. */
export function notify(notice: string): void {
  clearTimeout(timer);
  useUi.getState().set({ notice });
  timer = setTimeout(() => useUi.getState().set({ notice: '' }), 6000);
}
