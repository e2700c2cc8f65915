// Opens what the address asks for: #hello, #rings, #ping, #silence, #own, or #m=<a moment>. Nothing asked for: hello.

import { wireTours } from '../panels/guide/tour.ts';
import { connect } from '../store/lab.ts';
import { openLab, reopenOwn } from './actions.ts';
import { LABS } from './labs.ts';

async function route(): Promise<void> {
  const hash = location.hash.slice(1);
  if (hash === 'own' && (await reopenOwn())) return;
  await openLab(LABS.some((l) => l.id === hash) ? hash : 'hello');
}

export async function start(): Promise<void> {
  wireTours();
  if (import.meta.env.DEV && new URLSearchParams(location.search).has('fake')) {
    const { fakeSession } = await import('../dev/fake-session.ts');
    connect(fakeSession());
  }
  await route();
  window.addEventListener('hashchange', () => void route());
}
