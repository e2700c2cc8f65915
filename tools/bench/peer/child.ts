// One run of one workload in one emulator, in a process of its own: nothing that another run compiled, collected or warmed is in it.
// The job comes as JSON in the first argument, the run goes to the parent as a message.

import type { Job, Run } from './run.ts';

async function perform(job: Job): Promise<Run> {
  if (job.peer === 'v86') return (await import('./v86.ts')).runV86(job);
  return (await import('./ringside.ts')).runRingside(job);
}

perform(JSON.parse(process.argv[2] ?? '{}') as Job).then(
  (run) => process.send?.({ run }, () => process.exit(0)),
  (error) =>
    process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }, () =>
      process.exit(1),
    ),
);
