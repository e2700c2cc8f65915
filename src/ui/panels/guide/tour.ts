// The tour on the page: which stop, what was predicted, what the trace answered. Texts come from public/tours/<id>.<lang>.md, answers from
// the lessons engine. Progress is remembered; a mystery also remembers where it was left.

import { create } from 'zustand';
import {
  ask,
  holds,
  interpolate,
  type LessonHost,
  type Place,
  recordOf,
  type Value,
} from '../../../lab/lessons/evaluate.ts';
import { josa } from '../../../lab/i18n/josa.ts';
import { localise } from '../../../lab/i18n/messages.ts';
import { openLink } from '../../../lab/session.ts';
import { parseTour } from '../../../lab/lessons/parse.ts';
import type { Stop, Tour } from '../../../lab/lessons/types.ts';
import type { ImageMap } from '../../../lab/types.ts';
import {
  copyLink,
  goto,
  guideWork,
  openLab,
  runToAddress,
  setColumns,
  stepNow,
} from '../../shell/actions.ts';
import { labOf, shippedGuests } from '../../shell/labs.ts';
import { entryKey, keepEntry, keepLeft, type Prediction, proveEntry, useNotebook } from './notebook.ts';
import { labState, onLab, running, session } from '../../store/lab.ts';
import { useSettings } from '../../store/settings.ts';
import { notify, useUi } from '../../store/ui.ts';

interface TourStore {
  readonly tour: Tour | undefined;
  readonly error: string | undefined;
  readonly stop: number;
  /** before: read and predict; after: the answer is known or the condition came true. */
  readonly stage: 'before' | 'after';
  readonly before: string;
  readonly after: string;
  readonly busy: boolean;
  readonly place: Place | undefined;
  /** The answer to the question on stage, once it is known. */
  readonly current: Prediction | undefined;
}

export const useTour = create<TourStore>()(
  (): TourStore => ({
    tour: undefined,
    error: undefined,
    stop: 0,
    stage: 'before',
    before: '',
    after: '',
    busy: false,
    place: undefined,
    current: undefined,
  }),
);
const set = (values: Partial<TourStore>): void => {
  useTour.setState(values);
};
const get = useTour.getState;

const maps = new Map<string, Promise<ImageMap | undefined>>();
/** Symbols of a shipped image, by its hash. */
async function mapOf(name: string, sha256: string): Promise<ImageMap | undefined> {
  const known = maps.get(sha256);
  if (known) return known;
  const load = (async () => {
    const guest = (await shippedGuests()).find((g) => g.name === name);
    if (!guest) return undefined;
    const map = (await (await fetch(`guests/${guest.map}`)).json()) as ImageMap;
    return map.sha256 === sha256 ? map : undefined;
  })();
  maps.set(sha256, load);
  return load;
}
async function symbol(
  name: string,
): Promise<{ domid: number | undefined; address: number; size: number } | undefined> {
  const { config, domains } = labState();
  for (const spec of config?.domains ?? []) {
    const hit = (await mapOf(spec.name, spec.image))?.symbols.find((s) => s[1] === name);
    if (hit)
      return { domid: domains.find((d) => d.name === spec.name)?.domid, address: hit[0], size: hit[2] };
  }
  return undefined;
}
/** The sources of the first shipped image on stage. */
export async function sourcesOnStage(): Promise<Readonly<Record<string, string>> | undefined> {
  const spec = labState().config?.domains[0];
  return spec && (await mapOf(spec.name, spec.image))?.sources;
}

/** The session as a tour sees it. */
export const host: LessonHost = {
  state: labState,
  trace: (q, from, count) => session().trace(q, from, count),
  group: (seq) => session().group(seq),
  consoleText: (domid) => session().consoleText(domid),
  symbol,
  own: (name): Value => {
    const mine = Object.values(useNotebook.getState().entries).filter((e) => e.tour === get().tour?.id);
    if (name === 'asked') return mine.length;
    if (name === 'right') return mine.filter((e) => e.first.right).length;
    return undefined;
  },
};

export const currentStop = (): Stop | undefined => get().tour?.stops[get().stop];
export const questionOpen = (): boolean => {
  const s = currentStop();
  return s?.ask !== undefined && get().stage === 'before' && useSettings.getState().guideOpen;
};

async function guarded(work: () => Promise<void>): Promise<void> {
  set({ busy: true });
  const done = work().catch((e: unknown) =>
    notify(localise(e instanceof Error ? e.message : String(e), useSettings.getState().lang)),
  );
  guideWork(done);
  await done;
  set({ busy: false });
}

async function fill(): Promise<void> {
  const s = currentStop();
  if (!s) return;
  const n = get().stop;
  const say = async (text: string): Promise<string> => {
    const filled = await interpolate(text, host);
    return useSettings.getState().lang === 'ko' ? josa(filled) : filled;
  };
  const before = await say(s.before);
  const after = get().stage === 'after' ? await say(s.after) : '';
  if (get().stop === n) set({ before, after });
}

async function enter(stop: number): Promise<void> {
  const tour = get().tour;
  if (!tour) return;
  const s = tour.stops[stop];
  if (!s) return;
  set({ stop, stage: 'before', before: '', after: '', place: undefined, current: undefined });
  if (s.layout) setColumns(s.layout);
  if (s.enter) await act(s.enter);
  if (s.edit) {
    const place = await ask(s.edit, host);
    if (typeof place === 'object' && place !== null && 'place' in place) set({ place });
  }
  await fill();
  remember();
}

/** What buttons of a tour do: run · runto PLACE · goto PLACE · step KIND · next · lab ID · moment LINK ·
 * link · source · notebook · doors */
export async function act(action: string): Promise<void> {
  const [verb, ...rest] = action.split(' ');
  const argument = rest.join(' ');
  switch (verb) {
    case 'run':
      await running(() => session().run());
      break;
    case 'runto':
    case 'goto': {
      const p = await ask(argument, host);
      if (typeof p !== 'object' || p === null || !('place' in p))
        throw new Error(`${action}: there is no such place yet`);
      if (p.place === 'address') await runToAddress(p.address!, p.domid);
      else if (p.moment) await goto(p.moment, p.before);
      break;
    }
    case 'step':
      await stepNow((argument || 'phase') as 'phase', 1);
      break;
    case 'next':
      await enter(get().stop + 1);
      break;
    case 'lab':
      await openLab(argument);
      break;
    case 'moment':
      await showMoment(argument);
      break;
    case 'link':
      await copyLink();
      break;
    case 'doors':
      useUi.getState().set({ doors: true });
      break;
    case 'notebook':
      useUi.getState().set({ dialog: 'notebook' });
      break;
    case 'source':
      await takeSource();
      break;
    case '':
    case undefined:
      break;
    default:
      throw new Error(`“${verb}” is nothing a tour can do`);
  }
}

/** A beat may bring its own moment: the machine of a link, on the stage of this tour. */
async function showMoment(link: string): Promise<void> {
  const { lab, set: setUi } = useUi.getState();
  setUi({ selected: undefined });
  quiet = true;
  try {
    await openLink(session(), link.replace(/^.*#?m=/, ''));
  } finally {
    quiet = false;
    setUi({ lab });
  }
}
let quiet = false;

async function takeSource(): Promise<void> {
  const sources = await sourcesOnStage();
  if (!sources) return;
  for (const [path, text] of Object.entries(sources)) {
    const a = document.createElement('a');
    a.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    a.download = path.split('/').at(-1) ?? 'source.txt';
    a.click();
    URL.revokeObjectURL(a.href);
  }
}

/** Looks whether the stop's condition came true; called whenever the machine stands still. */
async function poll(): Promise<void> {
  const s = currentStop();
  if (!s || get().busy || get().stage === 'after') return;
  const n = get().stop;
  if (s.until && !s.ask && (await holds(s.until, host)) && get().stop === n && get().stage === 'before') {
    if (s.after === '') await enter(n + 1);
    else {
      set({ stage: 'after' });
      await fill();
    }
    return;
  }
  if (/\{\{/.test(s.before)) await fill();
}

/** The primary button: the stop's own action, or on to the next stop. */
export function pressPrimary(): void {
  const s = currentStop();
  if (!s || get().busy || questionOpen()) return;
  void guarded(async () => {
    const n = get().stop;
    if (get().stage === 'before' && s.action && !s.ask) {
      await act(s.action);
      if (!s.until && get().stop === n) await enter(n + 1);
    } else if (get().stage === 'after' && s.ask && s.action) {
      if (!s.until) await act(s.action); // with a condition it was done to find the answer
      await enter(n + 1);
    } else if (!s.until || get().stage === 'after') await enter(n + 1);
  }).then(poll);
}

/**
 * A prediction. The answer is asked of the trace, whatever was chosen. What a person predicts goes into the notebook; what a class calls out
 * in a talk does not.
 */
export async function predict(chosen: string, keep = true): Promise<void> {
  const s = currentStop();
  const { tour, stage, stop } = get();
  if (!tour || !s?.ask || !s.answer || stage === 'after') return;
  await guarded(async () => {
    if (s.until && s.action) await act(s.action); // the answer is not known yet: let it happen
    const answer = String((await ask(s.answer!, host)) ?? '');
    const read = (id: string): string => s.choices.find((c) => c.id === id)?.text ?? id;
    const p: Prediction = {
      question: s.ask!,
      chosen,
      chosenText: read(chosen),
      answer,
      answerText: read(answer),
      right: chosen === answer,
    };
    // Kept before it is shown: what proves it takes a while, and the page may close meanwhile.
    if (keep) keepEntry({ ...p, tour: tour.id, stop, lab: tour.lab, link: undefined, evidence: undefined });
    set({ current: p, stage: 'after' });
    const proof = s.evidence ? await recordOf(s.evidence, host) : undefined;
    if (keep) {
      const evidence = proof && { T: proof.T, seq: proof.seq, within: true };
      proveEntry(entryKey(tour.id, stop), await session().link(), evidence);
    }
    await fill();
    if (proof)
      useUi.getState().set({ selected: proof.type === 'trap' || !proof.cause ? proof.seq : proof.cause });
  });
}
export function answerByKey(index: number): void {
  const s = currentStop();
  if (!s?.ask) return;
  const c = index < 0 || index >= s.choices.length ? '?' : s.choices[index]!.id;
  if (index <= s.choices.length) void predict(c);
}
/** Skips to a stop without doing what the ones between would have done. */
export const goStop = (stop: number): void => void guarded(() => enter(Math.max(0, stop)));

/** A mystery keeps the place it was left at. */
export function remember(): void {
  const { tour } = get();
  const state = labState();
  if (!tour?.mystery || state.cursor.T === 0) return;
  void (async () => {
    const message = await ask('message(1)', host);
    keepLeft(tour.id, { moment: state.cursor, message: String(message), stop: get().stop });
  })();
}
/** Back to where a mystery was left; waits for its tour when the lab has only just been opened. */
export async function resume(id?: string): Promise<void> {
  if (id !== undefined && get().tour?.id !== id)
    await new Promise<void>((done) => {
      const off = useTour.subscribe((s) => {
        if (s.tour?.id !== id || s.busy) return;
        off();
        done();
      });
    });
  const { tour } = get();
  const l = tour && useNotebook.getState().left[tour.id];
  if (!l) return;
  await guarded(async () => {
    await running(() => session().run(l.moment));
    set({ stop: l.stop, stage: 'before', before: '', after: '' });
    await fill();
  });
}

/** Shows a stop as it stood, without entering it again. */
export async function showStop(
  stop: number,
  stage: TourStore['stage'] = 'before',
  current: Prediction | undefined = undefined,
): Promise<void> {
  set({ stop, stage, before: '', after: '', place: undefined, current });
  await fill();
}

/** A talk that stands in for a lab's tour; set by ui/talk. */
export interface TourFile {
  readonly lab: string;
  readonly text: string;
}
let fileOf: () => TourFile | undefined = () => undefined;
export const setTourFile = (file: () => TourFile | undefined): void => {
  fileOf = file;
};
async function sourceOf(id: string): Promise<readonly [id: string, text: string]> {
  const file = fileOf();
  if (file && file.lab === useUi.getState().lab) return ['file', file.text];
  const path = `tours/${id}.${useSettings.getState().lang}.md`;
  const r = await fetch(path);
  if (!r.ok) throw new Error(`${path}: ${r.status}`);
  return [id, await r.text()];
}

let started = 0;
/** Takes the tour away at once: what it says belongs to the lab that leaves the stage. */
function emptyGuide(): void {
  started++;
  set({
    tour: undefined,
    error: undefined,
    stop: 0,
    stage: 'before',
    before: '',
    after: '',
    place: undefined,
  });
}
/** Puts the tour of a lab into the Guide, at its first stop, in the language of the page. */
export async function loadTour(
  id: string | undefined,
  at?: {
    readonly stop: number;
    readonly stage: TourStore['stage'];
    readonly current: Prediction | undefined;
  },
): Promise<void> {
  const mine = ++started;
  if (!id) {
    set({ tour: undefined, error: undefined });
    return;
  }
  try {
    const tour = parseTour(...(await sourceOf(id)));
    if (mine !== started) return;
    set({ tour, error: undefined });
    if (at) await showStop(at.stop, at.stage, at.current);
    else await guarded(() => enter(0));
  } catch (e) {
    if (mine === started) set({ tour: undefined, error: e instanceof Error ? e.message : String(e) });
  }
}

let wired = false;
/** Follows the stage: a new lab brings its tour, another language its text, a machine that stands still may end a stop. */
export function wireTours(): void {
  if (wired) return;
  wired = true;
  useUi.subscribe((now, before) => {
    if (now.opening === undefined || now.opening === before.opening) return;
    emptyGuide();
    useUi.getState().set({ doors: false });
  });
  onLab((s, before) => {
    if (s.phase === 'error') useUi.getState().set({ opening: undefined });
    if (s.phase === 'paused' && before.phase === 'loading') {
      if (quiet) return;
      const { lab, opening } = useUi.getState();
      if (opening?.moment) return; // whoever opened it knows what to show
      void loadTour(labOf(lab).tour).finally(() => {
        if (opening?.moment === false && useUi.getState().opening === opening)
          useUi.getState().set({ opening: undefined });
      });
    } else if (s.phase === 'paused' && s.revision !== before.revision) {
      void poll();
      remember();
    }
  });
  useSettings.subscribe((now, before) => {
    const { tour, stop, stage, current } = get();
    if (now.lang !== before.lang && tour) void loadTour(tour.id, { stop, stage, current });
  });
}
