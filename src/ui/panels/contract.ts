// What a panel is. A panel lives in panels/<name>/index.tsx and default-exports a component of PanelProps; its styles are
// style.module.css beside it, its own texts a defineText() in text.ts. It reads the machine only through
//   useLab(selector)          what the session published (store/lab.ts): cursor, domains, counts …
//   useModel(name, args)      the model of lab/inspect/<name> at the cursor, asked again whenever the machine moved
//   useTracePage(query, …)    a slice of history
// and acts only through session() and the actions of shell/actions.ts. Values that stand elsewhere too are <Value kind value domid>,
// inside one <Values label> group, and light up together (store/highlight.ts). A panel with nothing to show says what would fill it.

import type { ComponentType } from 'react';

export interface PanelProps {
  /** What the panel is about, where one panel can stand several times: a domid as text for consoles. */
  readonly arg: string | undefined;
}
export type PanelComponent = ComponentType<PanelProps>;

/** 'console:1' is the panel console with the argument '1'. */
export function parseKey(key: string): { readonly id: string; readonly arg: string | undefined } {
  const at = key.indexOf(':');
  return at < 0 ? { id: key, arg: undefined } : { id: key.slice(0, at), arg: key.slice(at + 1) };
}
