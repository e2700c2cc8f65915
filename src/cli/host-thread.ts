// A host in a worker thread of Node: attaches to the memory it is given and waits for the baton.

import { parentPort, workerData } from 'node:worker_threads';
import type { EngineName } from '../cpu/engine.ts';
import { hostLoop } from '../lab/host-loop.ts';
import { Memory } from '../memory/memory.ts';
import { attachMachine } from '../toolstack/assemble.ts';

const { buffer, host, engine } = workerData as {
  buffer: SharedArrayBuffer;
  host: number;
  engine: EngineName;
};
const machine = attachMachine(new Memory(buffer), engine);
parentPort?.postMessage('ready');
hostLoop(machine, host, () => performance.now());
