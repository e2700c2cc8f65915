// A host in a worker thread of Node: attaches to the memory it is given and waits for the baton.

import { parentPort, workerData } from 'node:worker_threads';
import type { EngineName } from '../cpu/engine.ts';
import { hostLoop } from '../lab/host-loop.ts';
import { attachBare, MODE_BARE } from '../machine/bare.ts';
import { HEADER } from '../memory/map.ts';
import { Memory } from '../memory/memory.ts';
import { engineChoice } from './engine-code.ts';
import { attachMachine } from '../toolstack/assemble.ts';
import { MACHINE } from '../trace/recorder.ts';

const { memory, host, engine } = workerData as {
  memory: WebAssembly.Memory;
  host: number;
  engine: EngineName;
};
const m = new Memory(memory);
const choice = engineChoice(engine, true);
const machine = m.r32(HEADER + MACHINE.mode) === MODE_BARE ? attachBare(m, choice) : attachMachine(m, choice);
parentPort?.postMessage('ready');
hostLoop(machine, host);
