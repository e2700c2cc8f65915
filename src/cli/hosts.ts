// Further hosts as worker threads: each attaches to the same memory and runs the vCPUs that are its own.

import { Worker } from 'node:worker_threads';
import { coordinate } from '../lab/host-loop.ts';
import type { LabMachine } from '../lab/inputs.ts';
import type { Timeline } from '../lab/timeline.ts';
import { CTL } from '../memory/frames.ts';
import { CONTROL } from '../memory/map.ts';
import type { EngineName } from '../cpu/engine.ts';

/** A worker thread begins without the loader of TypeScript: it registers it and goes on. */
const BOOTSTRAP = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))}).then(({ register }) => {
  register();
  return import(${JSON.stringify(new URL('./host-thread.ts', import.meta.url).href)});
});`;

export interface Hosts {
  stop(): void;
}

/** Starts hosts 1 … n-1 and makes the timeline use them. */
export async function startHosts(
  timeline: Timeline<LabMachine>,
  options: { readonly hosts: number; readonly engine: EngineName },
): Promise<Hosts> {
  if (options.hosts <= 1) return { stop: () => {} };
  const { m } = timeline.machine;
  const workers: Worker[] = [];
  for (let host = 1; host < options.hosts; host++) {
    const worker = new Worker(BOOTSTRAP, {
      eval: true,
      workerData: { memory: m.wasm, host, engine: options.engine },
    });
    await new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve());
      worker.once('error', reject);
    });
    workers.push(worker);
  }
  coordinate(timeline, options.hosts);
  return {
    stop: () => {
      m.w32(CONTROL + CTL.quit, 1);
      Atomics.notify(m.i32, (CONTROL + CTL.baton) >>> 2);
      for (const w of workers) w.unref();
    },
  };
}
