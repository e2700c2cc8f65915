// A talk is a tour on a projector: each stop is a beat. Where a beat was entered is remembered, so that Esc leads back from any wandering and a
// reload loses nothing; hands that go up are counted. Only with the projector's theme; otherwise nothing here happens.

import { parseTour } from '../../lab/lessons/parse.ts';
import { openLink } from '../../lab/session.ts';
import type { Moment } from '../../lab/types.ts';
import {
  currentStop,
  goStop,
  loadTour,
  predict,
  pressPrimary,
  questionOpen,
  setTourFile,
  showStop,
  useTour,
} from '../panels/guide/tour.ts';
import { bootFile, goto, openLab } from '../shell/actions.ts';
import { labState, session } from '../store/lab.ts';
import { useSettings } from '../store/settings.ts';
import { useUi } from '../store/ui.ts';
import { type Beat, useTalk, voteKey, votesHere } from './votes.ts';

export const presenting = (): boolean => useSettings.getState().theme === 'presenter';
/** Into the projector's theme and out of it. */
export function present(): void {
  useSettings.getState().set({ theme: presenting() ? 'light' : 'presenter' });
  if (!presenting()) return;
  useTalk.setState({ votes: {} }); // another room
  void remember();
}

// ---- where a beat was entered ----

/** Places of this visit, by stop: exact, and reached without building the machine again. */
let places = new Map<
  number,
  { readonly branch: number; readonly moment: Moment; readonly stage: Beat['stage'] }
>();
let placesOf = '';

async function remember(): Promise<void> {
  const { tour, stop, stage, current } = useTour.getState();
  const { phase, branch, cursor } = labState();
  if (!presenting() || !tour || phase !== 'paused') return;
  const { lab } = useUi.getState();
  if (placesOf !== `${lab}/${tour.id}`) {
    places = new Map();
    placesOf = `${lab}/${tour.id}`;
  }
  places.set(stop, { branch, moment: cursor, stage });
  const link = await session().link();
  useTalk.setState({ beat: { tour: tour.id, lab, stop, stage, current, link } });
}

/** True when the page does not show what the beat began with. */
export function wandered(): boolean {
  const { beat } = useTalk.getState();
  const { tour, stop } = useTour.getState();
  const place = places.get(stop);
  if (!beat || !tour || !place) return false;
  const { cursor, branch } = labState();
  return (
    useUi.getState().lab !== beat.lab ||
    branch !== place.branch ||
    cursor.T !== place.moment.T ||
    cursor.seq !== place.moment.seq ||
    cursor.within !== place.moment.within
  );
}
export async function backToBeat(): Promise<void> {
  const { beat } = useTalk.getState();
  if (!beat) return;
  const { tour, stop } = useTour.getState();
  const place = places.get(beat.stop);
  useUi.getState().set({ dialog: undefined, selected: undefined, moreTransport: false });
  if (!place || tour?.id !== beat.tour || stop !== beat.stop || useUi.getState().lab !== beat.lab)
    return restore(beat);
  if (labState().branch !== place.branch) await session().switchBranch(place.branch);
  await goto(place.moment);
}
async function restore(beat: Beat): Promise<void> {
  useUi.getState().set({ lab: beat.lab, opening: { moment: true }, selected: undefined });
  try {
    await openLink(session(), beat.link);
    await loadTour(beat.tour, { stop: beat.stop, stage: beat.stage, current: beat.current });
  } catch {
    await openLab(beat.lab); // made by another version of the machine: the talk begins again
  }
  useUi.getState().set({ opening: undefined });
}
/** After a reload: the beat that stood on the screen, unless the address asks for something else. */
export async function resumeTalk(hash: string): Promise<boolean> {
  const { beat } = useTalk.getState();
  if (!presenting() || !beat || (hash !== '' && hash !== beat.lab)) return false;
  await restore(beat);
  await remember();
  return true;
}

// ---- from beat to beat ----

/** On: does what the stop's button would do once, and never more than a beat at a time. A question waits for its own key. */
export function nextBeat(): void {
  const s = currentStop();
  const { stop, tour, busy } = useTour.getState();
  if (!s || !tour || busy || questionOpen()) return;
  if (s.edit || s.action?.startsWith('step')) goStop(Math.min(stop + 1, tour.stops.length - 1));
  else if (stop < tour.stops.length - 1 || s.action) pressPrimary();
}
/** Back to where the beat before was entered. */
export async function previousBeat(): Promise<void> {
  const { stop } = useTour.getState();
  if (stop === 0) return;
  const place = places.get(stop - 1);
  if (!place) return goStop(stop - 1);
  if (labState().branch !== place.branch) await session().switchBranch(place.branch);
  await goto(place.moment);
  await showStop(stop - 1);
}

// ---- hands ----

/** One more hand for an answer: its index, -1 for “don't know”. */
export function vote(index: number): void {
  const choices = currentStop()?.choices ?? [];
  const id = index < 0 || index === choices.length ? '?' : choices[index]?.id;
  const { votes } = useTalk.getState();
  if (id !== undefined)
    useTalk.setState({ votes: { ...votes, [voteKey()]: [...(votes[voteKey()] ?? []), id] } });
}
export function takeVoteBack(): void {
  const { votes } = useTalk.getState();
  useTalk.setState({ votes: { ...votes, [voteKey()]: (votes[voteKey()] ?? []).slice(0, -1) } });
}
/** Asks the trace. What most hands said stands as the room's prediction; it does not go into anybody's notebook. */
export function reveal(): Promise<void> {
  const votes = votesHere(useTalk.getState());
  const count = (id: string): number => votes.filter((v) => v === id).length;
  const most = [...new Set(votes)].sort((a, b) => count(b) - count(a))[0];
  return predict(most ?? '?', false);
}

// ---- files ----

/** Opens a talk somebody wrote. Throws TourError with its line. */
async function openTalk(name: string, text: string): Promise<void> {
  const { lab } = parseTour('file', text);
  useTalk.setState({ file: { name, lab, text }, beat: undefined });
  await openLab(lab);
}
/** What a dropped file is: a talk (Markdown) or a kernel. */
export async function takeFile(file: File): Promise<void> {
  if (!/\.(md|markdown)$/i.test(file.name)) return bootFile(file);
  try {
    await openTalk(file.name, await file.text());
    useUi.getState().set({ badImage: undefined });
  } catch (e) {
    const error = e instanceof Error ? e.message : String(e);
    useUi.getState().set({ badImage: { name: file.name, error, talk: true } });
  }
}
export function leaveTalkFile(): void {
  useTalk.setState({ file: undefined });
}

let wired = false;
/** Follows the tour: where it has come to when its own work is done is the beat. */
export function wireTalk(): void {
  if (wired) return;
  wired = true;
  setTourFile(() => useTalk.getState().file);
  // A beat begins where its stop was entered or its answer revealed. A condition that comes true while somebody wanders moves no beat.
  let begun = false;
  useTour.subscribe((now, before) => {
    if (now.stop !== before.stop || now.tour !== before.tour || now.current !== before.current) begun = true;
    if (!begun || now.busy) return;
    begun = false;
    void remember();
  });
}
