// Mutation: delete a check of the hypervisor, or change a description, and something must speak. `mutate WORD…` runs the mutations whose
// name contains one of the words; `mutate x86` those of the processor.

import { MUTATIONS } from './mutations.ts';
import { runMutations } from './mutation.ts';

process.exitCode = await runMutations(MUTATIONS, process.argv.slice(2));
