// The page's end of the session: one store that panels select from, and a hook that asks an inspector and asks again when the machine moved.

import { useEffect, useRef, useState } from 'react';
import { create } from 'zustand';
import type { LabState, Moment, Session, TracePage, TraceQuery } from '../../lab/types.ts';

interface LabStore {
  readonly session: Session | undefined;
  readonly state: LabState;
  /** Where the machine stood when its domains were built: what came before is no part of the show. */
  readonly start: Moment;
}

const NOWHERE = { T: 0, seq: 0, within: false } as const;
const EMPTY: LabState = {
  phase: 'empty',
  config: undefined,
  cursor: NOWHERE,
  end: NOWHERE,
  ended: undefined,
  stop: { kind: 'start' },
  domains: [],
  running: undefined,
  branch: 0,
  branches: [],
  breakpoints: [],
  progress: undefined,
  ticksPerSecond: 0,
  instructions: 0,
  counts: { traps: 0, hypercalls: 0, silent: 0, refused: 0 },
  isolated: true,
  error: undefined,
  revision: 0,
};

const useLabStore = create<LabStore>()(() => ({ session: undefined, state: EMPTY, start: NOWHERE }));

/** Messages bring copies: parts that say the same as before stay the same objects, so that nothing is drawn again for nothing. */
function steady(now: LabState, before: LabState): LabState {
  const out: Record<string, unknown> = { ...now };
  for (const [key, value] of Object.entries(before))
    if (typeof value === 'object' && value !== null && JSON.stringify(value) === JSON.stringify(out[key]))
      out[key] = value;
  return out as unknown as LabState;
}

/** Connects the page to a session; returns the way to disconnect. */
export function connect(session: Session): () => void {
  const publish = (): void => {
    const state = steady(session.getState(), useLabStore.getState().state);
    const atStart = state.phase === 'paused' && state.stop.kind === 'start';
    useLabStore.setState({ session, state, ...(atStart ? { start: state.cursor } : {}) });
  };
  publish();
  return session.subscribe(publish);
}

/** A part of what the session published. Select primitives or stable objects. */
export const useLab = <T>(select: (state: LabState) => T): T => useLabStore((s) => select(s.state));
/** The machine on stage has no hypervisor. */
export const useBare = (): boolean => useLab((s) => s.config?.bare !== undefined);
/** Something has happened: time passed, or the first instruction itself was the last. */
export const hasMoved = (s: LabState): boolean => s.end.T > 0 || s.end.within || s.ended !== undefined;
/** The moment before the first instruction. */
export const useStart = (): Moment => useLabStore((s) => s.start);
export const startMoment = (): Moment => useLabStore.getState().start;
export const labState = (): LabState => useLabStore.getState().state;
/** The session, from event handlers. Throws before the page is connected. */
export function session(): Session {
  const s = useLabStore.getState().session;
  if (!s) throw new Error('The page has no session yet.');
  return s;
}
export const onLab = (listener: (state: LabState, before: LabState) => void): (() => void) =>
  useLabStore.subscribe((now, before) => listener(now.state, before.state));

/** Waits until the machine stands still (or there is none). */
const still = (s: LabState): boolean => s.phase === 'paused' || s.phase === 'error' || s.phase === 'empty';
export function settled(): Promise<LabState> {
  if (still(labState())) return Promise.resolve(labState());
  return new Promise((resolve) => {
    const off = onLab((s) => {
      if (!still(s)) return;
      off();
      resolve(s);
    });
  });
}

/** Starts something that runs and waits until it has run: the machine leaves its place, then stands still again. */
export function running(start: () => void): Promise<LabState> {
  return new Promise((resolve) => {
    let left = false;
    const off = onLab((s) => {
      if (!still(s)) left = true;
      else if (left || s.phase === 'error') {
        off();
        resolve(s);
      }
    });
    start();
  });
}

export interface Model<T> {
  readonly model: T | undefined;
  readonly error: string | undefined;
}

/**
 * Runs `ask` now and again whenever the machine moved (or `key` changed): never more than one request under way, the newest wins,
 * and the last answer stays on screen until the next arrives.
 */
export function useAsked<T>(key: string | undefined, ask: (session: Session) => Promise<T>): Model<T> {
  const revision = useLab((s) => s.revision);
  const has = useLabStore((s) => s.session !== undefined);
  const [answer, setAnswer] = useState<Model<T> & { readonly key?: string | undefined }>({
    model: undefined,
    error: undefined,
  });
  const asking = useRef({ busy: false, again: false, alive: true, key, ask });
  asking.current.key = key;
  asking.current.ask = ask;

  useEffect(() => {
    const a = asking.current;
    a.alive = true;
    return () => {
      a.alive = false;
    };
  }, []);
  useEffect(() => {
    const a = asking.current;
    if (!has || key === undefined) return;
    const go = async (): Promise<void> => {
      if (a.busy) {
        a.again = true;
        return;
      }
      a.busy = true;
      const asked = a.key;
      try {
        const model = await a.ask(session());
        if (a.alive && asked === a.key) setAnswer({ model, error: undefined, key: asked });
      } catch (e) {
        if (a.alive && asked === a.key)
          setAnswer({ model: undefined, error: e instanceof Error ? e.message : String(e), key: asked });
      }
      a.busy = false;
      if (!a.again || !a.alive) return;
      a.again = false;
      await go();
    };
    void go();
  }, [revision, key, has]);
  return answer.key === key ? answer : { model: undefined, error: undefined };
}

/** The model of an inspector (lab/inspect/<name>) at the cursor. Pass undefined as name to ask nothing. */
export function useModel<T>(name: string | undefined, args?: unknown): Model<T> {
  const key = name === undefined ? undefined : `${name} ${JSON.stringify(args ?? null)}`;
  return useAsked<T>(key, (s) => s.inspect<T>(name!, args));
}

/** A page of history around the cursor, asked again whenever the machine moved. */
export const useTracePage = (query: TraceQuery, from: number, count: number): Model<TracePage> =>
  useAsked(`${JSON.stringify(query)} ${from} ${count}`, (s) => s.trace(query, from, count));
