// Every mutation there is, in one list.

import { HYPERVISOR_MUTATIONS } from './mutate-hypervisor.ts';
import { ISOLATION_MUTATIONS } from './mutate-isolation.ts';
import { X86_MUTATIONS } from './mutate-x86.ts';
import type { Mutation } from './mutation.ts';

export const MUTATIONS: readonly Mutation[] = [
  ...HYPERVISOR_MUTATIONS,
  ...ISOLATION_MUTATIONS,
  ...X86_MUTATIONS,
];
