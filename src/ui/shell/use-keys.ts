// One listener for the page: keys become actions (keys.ts), actions become calls (actions.ts).

import { useEffect } from 'react';
import { answerByKey, pressPrimary, questionOpen } from '../panels/guide/tour.ts';
import { useHighlight } from '../store/highlight.ts';
import { labState, session } from '../store/lab.ts';
import { useSettings } from '../store/settings.ts';
import { useUi } from '../store/ui.ts';
import {
  backToBeat,
  nextBeat,
  present,
  presenting,
  previousBeat,
  reveal,
  takeVoteBack,
  vote,
  wandered,
} from '../talk/talk.ts';
import { nextPointer } from '../talk/pointer.tsx';
import { copyLink, resetLayout, runOrPause, step } from './actions.ts';
import { type Action, actionFor, isControl, isTyping } from './keys.ts';

/** Moves the focus to the next region; regions are what carries data-region, in document order. */
function cycle(direction: 1 | -1): void {
  const regions = [...document.querySelectorAll<HTMLElement>('[data-region]')];
  if (regions.length === 0) return;
  const here = regions.findIndex((r) => r.contains(document.activeElement));
  const next =
    here < 0
      ? direction > 0
        ? 0
        : regions.length - 1
      : (here + direction + regions.length) % regions.length;
  regions[next]!.focus();
}
function letGo(): void {
  const { selected, set, moreTransport } = useUi.getState();
  useHighlight.getState().setPinned(undefined);
  if (labState().phase === 'seeking') return session().cancel();
  if (isTyping(document.activeElement) && document.activeElement instanceof HTMLElement) {
    const region = document.activeElement.closest<HTMLElement>('[data-region]');
    document.activeElement.blur();
    region?.focus();
  } else if (moreTransport) set({ moreTransport: false });
  else if (selected !== undefined) set({ selected: undefined });
  else if (presenting()) {
    if (wandered()) void backToBeat();
    else present();
  }
}

/** A number answers for oneself, or counts a hand of the room. */
const answer = (index: number): void => (presenting() ? vote(index) : answerByKey(index));

const DO: Readonly<Record<Action, () => void>> = {
  'phase+': () => void step('phase', 1),
  'phase-': () => void step('phase', -1),
  'phaseDomain+': () => void step('phase', 1, true),
  'phaseDomain-': () => void step('phase', -1, true),
  'insn+': () => void step('instruction', 1),
  'insn-': () => void step('instruction', -1),
  'over+': () => void step('over', 1),
  'over-': () => void step('over', -1),
  'trap+': () => void step('trap', 1),
  'trap-': () => void step('trap', -1),
  'domainTrap+': () => void step('domainTrap', 1, true),
  'domainTrap-': () => void step('domainTrap', -1, true),
  run: () => void runOrPause(),
  primary: () => (presenting() && questionOpen() ? void reveal() : pressPrimary()),
  views: () => useUi.getState().set({ dialog: 'views' }),
  help: () => useUi.getState().set({ dialog: 'keys' }),
  guide: () => useSettings.getState().set({ guideOpen: !useSettings.getState().guideOpen }),
  link: () => void copyLink(),
  breakpoints: () => useUi.getState().set({ dialog: 'breakpoints' }),
  reset: resetLayout,
  'region+': () => cycle(1),
  'region-': () => cycle(-1),
  escape: letGo,
  choice1: () => answer(0),
  choice2: () => answer(1),
  choice3: () => answer(2),
  choice4: () => answer(3),
  dontKnow: () => answer(-1),
  present,
  moment: () => useUi.getState().set({ dialog: 'moment' }),
  shelf: () => useUi.getState().set({ dialog: 'shelf' }),
  pointer: nextPointer,
  notebook: () => useUi.getState().set({ dialog: 'notebook' }),
  'beat+': nextBeat,
  'beat-': () => void previousBeat(),
  blank: () => useUi.getState().set({ blank: true }),
  backToBeat: () => void backToBeat(),
  takeVoteBack,
};

export function useKeys(): void {
  useEffect(() => {
    const onKey = (e: KeyboardEvent): void => {
      if (e.defaultPrevented) return;
      if (useUi.getState().blank) {
        e.preventDefault();
        return useUi.getState().set({ blank: false });
      }
      const action = actionFor(e, {
        typing: isTyping(e.target),
        onControl: isControl(e.target),
        dialog: useUi.getState().dialog !== undefined,
        letters: useSettings.getState().letterKeys,
        question: questionOpen(),
        presenting: presenting(),
      });
      if (!action) return;
      e.preventDefault();
      DO[action]();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}
