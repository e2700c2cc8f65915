// The views that exist: a definition whose folder is here. A row without a folder is not offered.

import { type LazyExoticComponent, lazy } from 'react';
import type { PanelComponent } from './contract.ts';
import { type PanelDefinition, PANELS } from './definitions.ts';

const modules = import.meta.glob<{ readonly default: PanelComponent }>('./*/index.tsx');
const components = new Map<string, LazyExoticComponent<PanelComponent>>();

/** The views that exist. */
export const available = (): readonly PanelDefinition[] =>
  PANELS.filter((p) => modules[`./${p.id}/index.tsx`] !== undefined);
/** Those that the machine on stage has something to show for. */
export const fitting = (bare: boolean): readonly PanelDefinition[] =>
  available().filter((p) => p.only === undefined || p.only === (bare ? 'bare' : 'xen'));
export const panel = (id: string): PanelDefinition | undefined => PANELS.find((p) => p.id === id);
export function panelComponent(id: string): LazyExoticComponent<PanelComponent> | undefined {
  const load = modules[`./${id}/index.tsx`];
  if (!load) return undefined;
  let c = components.get(id);
  if (!c) {
    c = lazy(load);
    components.set(id, c);
  }
  return c;
}
