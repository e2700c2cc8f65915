// The browser's storage, which may be denied, full, or hold what another build wrote. Whatever cannot be kept there lives as long as the page,
// and the person is told once.

import { createJSONStorage, type StateStorage } from 'zustand/middleware';

const memory = new Map<string, string>();
let lost = false;
let tell: (() => void) | undefined;

/** Calls back once as soon as something could not be kept. */
export function onNotKept(listener: () => void): void {
  tell = listener;
  if (lost) listener();
}
function notKept(): void {
  if (!lost) tell?.();
  lost = true;
}
const place = (session: boolean): Storage => (session ? sessionStorage : localStorage);

export function kept(name: string, session = false): string | undefined {
  if (memory.has(name)) return memory.get(name);
  try {
    return place(session).getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}
export function keep(name: string, value: string, session = false): void {
  try {
    place(session).setItem(name, value);
    memory.delete(name);
  } catch {
    memory.set(name, value);
    notKept();
  }
}
export function forget(name: string, session = false): void {
  memory.delete(name);
  try {
    place(session).removeItem(name);
  } catch {
    // nothing was kept there
  }
}

const storage: StateStorage = {
  getItem: (name) => kept(name) ?? null,
  setItem: (name, value) => keep(name, value),
  removeItem: (name) => forget(name),
};
/** For the stores that survive a reload. */
export const keeper = <T>() => createJSONStorage<T>(() => storage);

type Fields<T> = { readonly [K in keyof T]?: (value: unknown) => boolean };
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** An object whose values all pass. */
export const recordOf =
  (test: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    isObject(value) && Object.values(value).every(test);
export const listOf =
  (test: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(test);

/** Takes over the fields that are what they should be; a store's `merge`. */
export const takeOver =
  <T extends object>(fields: Fields<T>) =>
  (found: unknown, now: T): T => {
    if (!isObject(found)) return now;
    const good = Object.entries(found).filter(([k, v]) => fields[k as keyof T]?.(v));
    return { ...now, ...Object.fromEntries(good) };
  };
