// What buttons, keys and tours do. One place, so that all three mean the same.

import type { Direction, InputAct, LabConfig, Moment, StepKind } from '../../lab/types.ts';
import { localise } from '../../lab/i18n/messages.ts';
import { translate } from '../../lab/i18n/text.ts';
import { SHELL, type ShellKey } from '../i18n/index.ts';
import { labState, running, session, settled } from '../store/lab.ts';
import { forget, keep, kept } from '../store/keep.ts';
import { useSettings } from '../store/settings.ts';
import { notify, useUi } from '../store/ui.ts';
import { BARE, configOf, configOfFile, type Lab, labOf, OWN } from './labs.ts';

export const say = (key: ShellKey, values: Readonly<Record<string, string | number>> = {}): string =>
  translate(SHELL, useSettings.getState().lang, key, values);
const busy = (): boolean => ['loading', 'seeking', 'empty', 'error'].includes(labState().phase);

/** An error that a person should read, not one of ours. */
async function attempt(work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (e) {
    notify(localise(e instanceof Error ? e.message : String(e), useSettings.getState().lang));
  }
}

// Steps wait for each other and for what the Guide has under way, so that a key pressed while the machine is still on its way is not lost.
// A key held down does not run ahead of the machine: more than a few waiting steps are dropped, and so is everything behind a long journey.
const MOST_WAITING = 8;
const PATIENCE_MS = 300;
let line: Promise<void> = Promise.resolve();
let waiting = 0;
let guide: Promise<void> = Promise.resolve();
/** Work of the Guide that moves the machine several times; steps of a person come after it. */
export function guideWork(work: Promise<void>): void {
  guide = work;
}
const patience = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));

/** One step now: for the Guide, whose own work others wait for. */
export async function stepNow(kind: StepKind, direction: Direction, sameDomain = false): Promise<void> {
  if (labState().phase === 'seeking') await Promise.race([settled(), patience()]);
  if (busy()) return;
  const s = labState();
  useUi.getState().set({ selected: undefined });
  if (s.phase === 'running') await session().pause();
  await attempt(() => session().step(kind, direction, sameDomain ? s.running : undefined));
}
/** One step by key or button. */
export function step(kind: StepKind, direction: Direction, sameDomain = false): Promise<void> {
  if (waiting >= MOST_WAITING) return line;
  waiting++;
  line = Promise.all([line, guide]).then(async () => {
    await stepNow(kind, direction, sameDomain);
    waiting--;
  });
  return line;
}
export async function runOrPause(): Promise<void> {
  const s = labState();
  if (s.phase === 'running') await session().pause();
  else if (!busy()) {
    useUi.getState().set({ selected: undefined });
    session().run();
  }
}
export async function goto(moment: Moment, before = false): Promise<void> {
  if (labState().phase === 'running') await session().pause();
  useUi.getState().set({ selected: undefined });
  await attempt(() => session().goto(moment, before));
}
/** Runs until the instruction at an address is next, whatever breakpoints a person has. */
export async function runToAddress(address: number, domid: number | undefined): Promise<void> {
  const mine = labState().breakpoints;
  const id = 1 + Math.max(0, ...mine.map((b) => b.id));
  session().setBreakpoints([
    ...mine.map((b) => ({ ...b, enabled: false })),
    { id, enabled: true, address, ...(domid === undefined ? {} : { domid }) },
  ]);
  await running(() => session().run());
  session().setBreakpoints(mine);
}

/** Numbers of public/xen.h and public/grant_table.h that say “a page was mapped”. */
const GRANT_TABLE_OP = 20,
  GNTTABOP_MAP = 0;
const PAGE = 4096;
/** To the first moment at which one domain has mapped a page of another; runs there if nobody has come that far yet. */
export async function goToFirstGrant(): Promise<void> {
  const known = async (): Promise<Moment | undefined> => {
    for (let from = 0; ; from += PAGE) {
      const { rows, total } = await session().trace({ types: ['hypercall'] }, from, PAGE);
      const hit = rows.find(
        (r) => r.aux === GRANT_TABLE_OP && r.phase === 'answer' && r.p[6] === GNTTABOP_MAP,
      );
      if (hit) return { T: hit.T, seq: hit.seq, within: true };
      if (from + PAGE >= total) return undefined;
    }
  };
  const found = await known();
  if (found) return goto(found);
  const mine = labState().breakpoints;
  const id = 1 + Math.max(0, ...mine.map((b) => b.id));
  session().setBreakpoints([
    ...mine.map((b) => ({ ...b, enabled: false })),
    { id, enabled: true, hypercall: GRANT_TABLE_OP },
  ]);
  if (busy()) return;
  for (let moment = await known(); ; moment = await known()) {
    if (moment) {
      session().setBreakpoints(mine);
      return goto(moment);
    }
    const { stop } = await running(() => session().run());
    if (stop.kind !== 'breakpoint') break;
  }
  session().setBreakpoints(mine);
}

const bareLink = (link: string): string => link.replace(/^.*#(m=)?|^m=/, '');
/** The address of this moment, for another browser or another day. */
export async function linkHere(): Promise<string> {
  const link = await session().link();
  return /^https?:/.test(link) ? link : `${location.origin}${location.pathname}#m=${bareLink(link)}`;
}
/** Copies the address of this moment, the whole one unless a shorter one is given. */
export const copyLink = (short = ''): Promise<void> =>
  attempt(async () => {
    const url = short === '' ? await linkHere() : short;
    try {
      await navigator.clipboard.writeText(url);
      notify(say('linkCopied'));
    } catch {
      history.replaceState(null, '', url.slice(url.indexOf('#')));
      notify(say('linkInBar'));
    }
  });

/** Puts a lab on stage, paused at its first instruction. */
export async function openLab(id: string): Promise<void> {
  const lab = labOf(id);
  useUi.getState().set({
    lab: lab.id,
    opening: { moment: false },
    selected: undefined,
    dialog: undefined,
    keysGoTo: undefined,
    badImage: undefined,
    changed: undefined,
  });
  if (location.hash !== `#${lab.id}`) history.replaceState(null, '', `#${lab.id}`);
  await attempt(async () => {
    if (labState().phase === 'running') await session().pause();
    await session().boot(await configOf(lab));
  });
}
const OWN_KEY = 'ringside.own';
async function bootOwn(config: LabConfig): Promise<void> {
  useUi.getState().set({
    lab: (config.bare ? BARE : OWN).id,
    badImage: undefined,
    badLink: undefined,
    opening: { moment: false },
    selected: undefined,
    dialog: undefined,
  });
  history.replaceState(null, '', '#own');
  keep(OWN_KEY, JSON.stringify(config));
  await attempt(() => session().boot(config));
}
/** Boots what was dropped; what is wrong with it is said, and what stood on stage stays. */
export const bootFile = (file: File): Promise<void> =>
  attempt(async () => {
    const answer = await session().addImage(file.name, new Uint8Array(await file.arrayBuffer()));
    if ('error' in answer) useUi.getState().set({ badImage: { name: file.name, error: answer.error } });
    else await bootOwn(configOfFile(file.name, answer.sha256, answer.kind));
  });
/** The last dropped image, after a reload. */
export async function reopenOwn(): Promise<boolean> {
  let config: LabConfig;
  try {
    config = JSON.parse(kept(OWN_KEY) ?? '') as LabConfig;
    if (!Array.isArray(config.domains)) return false;
  } catch {
    return false;
  }
  await bootOwn(config);
  return true;
}

// A change of the machine is in no file: the moment it was made at is kept for this tab, so that a reload does not lose it.
const CHANGED = 'ringside.changed';
interface Changed {
  readonly lab: string;
  readonly link: string;
}
/** An edit of the past: a logged input, like everything from outside. */
export async function changeMachine(act: InputAct): Promise<void> {
  await session().edit(act);
  const link = bareLink(await session().link());
  keep(CHANGED, JSON.stringify({ lab: useUi.getState().lab, link } satisfies Changed), true);
}
/** The link of what was changed in this lab before the page was loaded again. */
export function changedBefore(lab: string): string | undefined {
  try {
    const found = JSON.parse(kept(CHANGED, true) ?? '') as Changed;
    return found.lab === lab && typeof found.link === 'string' ? found.link : undefined;
  } catch {
    return undefined;
  }
}
export function forgetChange(): void {
  forget(CHANGED, true);
  useUi.getState().set({ changed: undefined });
}

/** The panels on stage: what the person chose, or the lab's opening. */
export const columnsOf = (
  lab: Lab,
  layouts: Readonly<Record<string, readonly (readonly string[])[]>>,
): readonly (readonly string[])[] => layouts[lab.id] ?? lab.opening;
export function setColumns(columns: readonly (readonly string[])[]): void {
  const { lab } = useUi.getState();
  useSettings.getState().set({ layouts: { ...useSettings.getState().layouts, [lab]: columns } });
}
export function resetLayout(): void {
  const { lab } = useUi.getState();
  const { layouts, sizes, set } = useSettings.getState();
  const { [lab]: _gone, ...others } = layouts;
  set({
    layouts: others,
    guideOpen: true,
    sizes: Object.fromEntries(Object.entries(sizes).filter(([k]) => !k.startsWith(`${lab}/`))),
  });
  useUi.getState().set({ layoutEpoch: useUi.getState().layoutEpoch + 1 });
}
