// The inspectors by name: what session.inspect may call. Each is a pure function of a View.

import { code } from './code.ts';
import { cpu } from './cpu.ts';
import { events } from './events.ts';
import { frame, pageWalk } from './frame.ts';
import { grants } from './grants.ts';
import { memory } from './memory.ts';
import { rings } from './rings.ts';
import { vga } from './vga.ts';
import type { View } from './view.ts';
import { xenstore } from './xenstore.ts';

export type Inspector = (view: View, args: never) => unknown;

export const INSPECTORS = {
  code,
  cpu,
  events,
  frame,
  grants,
  memory,
  pageWalk,
  rings,
  vga,
  xenstore,
} as const satisfies Readonly<Record<string, Inspector>>;
export type InspectorName = keyof typeof INSPECTORS;
