// Opens what the address asks for: #hello, #rings, #ping, #silence, #own, or #m=<a moment>. Nothing asked for: hello.

import { ensureIsolation } from '../../lab/isolation.ts';
import { decodeLink } from '../../lab/link.ts';
import { createSession, openDecoded } from '../../lab/session.ts';
import type { Moment } from '../../lab/types.ts';
import { wireTours } from '../panels/guide/tour.ts';
import { connect, labState, session } from '../store/lab.ts';
import { onNotKept } from '../store/keep.ts';
import { notify, useUi } from '../store/ui.ts';
import { resumeTalk, wireTalk } from '../talk/talk.ts';
import { changedBefore, goto, openLab, reopenOwn, say } from './actions.ts';
import { wireShelf } from './shelf.tsx';
import { readShort } from './short-link.ts';
import { BARE, LABS } from './labs.ts';

/** The lab whose kernels a configuration names, so that a link brings its stage along. */
function labOfConfig(): string {
  const config = labState().config;
  if (config?.bare) return BARE.id;
  const names = config?.domains.map((d) => d.name).join(' ') ?? '';
  const silent = config?.domains.some((d) => d.cmdline.includes('no-recheck')) === true;
  const hit = LABS.find(
    (l) =>
      l.guests.map((g) => g.name).join(' ') === names &&
      l.guests.some((g) => g.cmdline?.includes('no-recheck')) === silent,
  );
  return hit?.id ?? 'own';
}

/** Puts a moment on stage: from a whole link, or from the short form of a shipped lab (#at=…). */
export async function openMoment(text: string, short = false): Promise<void> {
  const { set } = useUi.getState();
  try {
    // A link that cannot be read changes nothing: what stands on stage stays.
    const link = short ? await readShort(text) : await decodeLink(text);
    set({
      lab: 'own',
      opening: { moment: true },
      selected: undefined,
      badLink: undefined,
      changed: undefined,
    });
    const warning = await openDecoded(session(), link);
    set({ lab: labOfConfig(), opening: undefined, badLink: warning });
  } catch (e) {
    set({ opening: undefined, badLink: e instanceof Error ? e.message : String(e) });
  }
}

/** A moment somebody kept, and the record in it that proves something. */
export async function visit(link: string, evidence: Moment | undefined): Promise<void> {
  history.replaceState(null, '', `#m=${link}`);
  await openMoment(link);
  if (evidence && useUi.getState().badLink === undefined) await goto(evidence);
}

async function route(): Promise<void> {
  const hash = location.hash.slice(1);
  if (hash.startsWith('m=')) return openMoment(hash.slice(2));
  if (hash.startsWith('at=')) return openMoment(hash.slice(3), true);
  if (await resumeTalk(hash)) return;
  if (hash === 'own' && (await reopenOwn())) return;
  await openLab(LABS.some((l) => l.id === hash) ? hash : 'hello');
}

/** What a reload interrupted is offered, not forced on anybody. */
function offerChange(): void {
  const { lab, set } = useUi.getState();
  if (!/^#[am]t?=/.test(location.hash)) set({ changed: changedBefore(lab) });
}

export async function start(): Promise<void> {
  const isolation = await ensureIsolation(import.meta.env.BASE_URL);
  if (isolation === 'reloading') return;
  useUi.getState().set({ compatible: isolation === 'compatible' });
  onNotKept(() => notify(say('notKept')));
  wireTours();
  wireTalk();
  wireShelf();
  connect(createSession());
  window.addEventListener('hashchange', () => void route());
  await route();
  offerChange();
}
