// The inspectors by name: what session.inspect may call. Each is a pure function of a View.

import type { View } from './view.ts';

export type Inspector = (view: View, args: never) => unknown;

export const INSPECTORS: Readonly<Record<string, Inspector>> = {};
