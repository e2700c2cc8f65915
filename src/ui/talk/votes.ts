// What a talk keeps on this computer: its beat, the hands that went up, and a talk that somebody wrote and dropped on the page.

import { create } from 'zustand';
import { persist } from 'zustand/middleware';
import { isObject, keeper, listOf, recordOf, takeOver } from '../store/keep.ts';
import type { Prediction } from '../panels/guide/notebook.ts';
import { useTour } from '../panels/guide/tour.ts';

export interface Beat {
  readonly tour: string;
  readonly lab: string;
  readonly stop: number;
  readonly stage: 'before' | 'after';
  readonly current: Prediction | undefined;
  readonly link: string;
}
export interface Talk {
  readonly beat: Beat | undefined;
  /** Answers called out, in order, by tour and stop. */
  readonly votes: Readonly<Record<string, readonly string[]>>;
  /** A talk somebody wrote and dropped on the page: stands in for the tour of its lab. */
  readonly file: { readonly name: string; readonly lab: string; readonly text: string } | undefined;
}
export const useTalk = create<Talk>()(
  persist((): Talk => ({ beat: undefined, votes: {}, file: undefined }), {
    name: 'ringside.talk',
    version: 1,
    storage: keeper(),
    merge: takeOver<Talk>({
      beat: isObject,
      votes: recordOf(listOf((v) => typeof v === 'string')),
      file: isObject,
    }),
  }),
);
export const voteKey = (): string => `${useTour.getState().tour?.id}/${useTour.getState().stop}`;
const NONE: readonly string[] = [];
export const votesHere = (t: Talk): readonly string[] => t.votes[voteKey()] ?? NONE;
