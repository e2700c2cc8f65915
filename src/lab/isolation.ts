// Shared memory needs cross-origin isolation. Where the host's headers do not give it, our service worker does, after one reload; where
// that fails too, the lab runs in one worker without sharing, and says so.

const TRIED = 'ringside.isolation-tried';
/** `ready` waits for ever where a policy lets a worker register but never start. */
const PATIENCE_MS = 4000;

export type Isolation = 'isolated' | 'reloading' | 'compatible';

/** Call once before the page builds anything. 'reloading': stop, the page is about to be loaded again. */
export async function ensureIsolation(base: string): Promise<Isolation> {
  if (crossOriginIsolated) {
    try {
      sessionStorage.removeItem(TRIED);
    } catch {
      // no storage: nothing was tried
    }
    return 'isolated';
  }
  if (!('serviceWorker' in navigator) || !isSecureContext) return 'compatible';
  try {
    if (sessionStorage.getItem(TRIED)) return 'compatible';
    sessionStorage.setItem(TRIED, '1');
    await navigator.serviceWorker.register(`${base}sw.js`, { scope: base });
    const late = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS, undefined));
    if (!(await Promise.race([navigator.serviceWorker.ready, late]))) return 'compatible';
  } catch {
    return 'compatible'; // no storage or no service worker here: private windows, embedded frames
  }
  location.reload();
  return 'reloading';
}
