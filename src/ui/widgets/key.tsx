// A key as it is called where the page stands: on a projector "." blanks the screen, so the arrows step.

import { useSettings } from '../store/settings.ts';

const ON_PROJECTOR: Readonly<Record<string, string>> = { '.': '→', ',': '←' };
export function Key({ name }: { readonly name: string }) {
  const projector = useSettings((s) => s.theme === 'presenter');
  return <kbd className="key">{(projector && ON_PROJECTOR[name]) || name}</kbd>;
}
