// The machine worker: host 0, run control and history. Speaks the union of messages.ts and nothing else.

import { Controller } from './controller.ts';
import type { EngineChoice } from '../cpu/engine.ts';
import { CTL } from '../memory/frames.ts';
import { CONTROL } from '../memory/map.ts';
import type { Memory } from '../memory/memory.ts';
import { coordinate } from './host-loop.ts';
import { fetchEngine } from './engine-code.ts';
import { type FromWorker, type HostStart, IMMEDIATE, type ToWorker } from './messages.ts';
import type { LabMachine } from './inputs.ts';
import type { Timeline } from './timeline.ts';
import type { ImageMap } from './types.ts';

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};
const send = (message: FromWorker): void => scope.postMessage(message);

const images = new Map<string, Uint8Array>();
const maps = new Map<string, ImageMap>();

// A message to ourselves is the shortest way round the event loop: timers would add milliseconds.
const channel = new MessageChannel();
let wake: (() => void) | undefined;
channel.port1.onmessage = () => wake?.();
const breathe = (): Promise<void> =>
  new Promise((resolve) => {
    wake = resolve;
    channel.port2.postMessage(0);
  });

const shared = (self as unknown as { crossOriginIsolated?: boolean }).crossOriginIsolated === true;

let compiled: Promise<EngineChoice> | undefined;
const engine = (): Promise<EngineChoice> => (compiled ??= fetchEngine(shared));

// A worker for each guest domain. The hosts of the machine before are told to quit when a new one is attached.
let hosts: Worker[] = [];
let oldMemory: Memory | undefined;
async function attach(timeline: Timeline<LabMachine>, guests: number): Promise<void> {
  if (!shared) return;
  const { m } = timeline.machine;
  if (oldMemory) {
    oldMemory.w32(CONTROL + CTL.quit, 1);
    Atomics.notify(oldMemory.i32, (CONTROL + CTL.baton) >>> 2);
    for (const worker of hosts) worker.terminate();
  }
  oldMemory = m;
  hosts = [];
  for (let host = 1; host <= guests; host++) {
    const worker = new Worker(new URL('./host.worker.ts', import.meta.url), { type: 'module' });
    const start: HostStart = { memory: m.wasm!, host, engine: await engine() };
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new Error(`host ${host} failed to start: ${event.message}`));
      worker.postMessage(start);
    });
    hosts.push(worker);
  }
  coordinate(timeline, guests + 1);
}

const controller = new Controller({
  attach,
  engine,
  now: () => performance.now(),
  breathe,
  images: (sha256) => images.get(sha256),
  imageMap: (sha256) => maps.get(sha256),
  shared,
  publish: (state) => send({ type: 'state', state }),
});

async function serve(message: ToWorker): Promise<unknown> {
  switch (message.op) {
    case 'images':
      for (const image of message.images) {
        images.set(image.sha256, image.bytes);
        if (image.map) maps.set(image.sha256, image.map);
      }
      return undefined;
    case 'boot':
      return controller.boot(message.config, message.log, message.goto);
    case 'run':
      return controller.run(message.until);
    case 'pause':
      return controller.pause();
    case 'cancel':
      return controller.cancel();
    case 'link':
      return controller.link();
    case 'stateHash':
      return controller.stateHash();
    case 'step':
      return controller.step(message.kind, message.direction, message.domid);
    case 'goto':
      return controller.goto(message.moment, message.before);
    case 'speed':
      return controller.setSpeed(message.ticksPerSecond);
    case 'input':
      return controller.input(message.domid, message.bytes);
    case 'edit':
      return controller.edit(message.act);
    case 'branch':
      return controller.switchBranch(message.branch);
    case 'breakpoints':
      return controller.setBreakpoints(message.list);
    case 'inspect':
      return controller.look.inspect(message.name, message.args);
    case 'trace':
      return controller.look.trace(message.query, message.from, message.count);
    case 'group':
      return controller.look.group(message.seq);
    case 'find':
      return controller.look.find(message.query, message.direction);
    case 'console':
      return controller.look.consoleText(message.domid);
    default:
      throw new Error(`unknown message ${JSON.stringify(message satisfies never)}`);
  }
}

/** Requests that change the machine wait for each other; a request that comes while it runs asks it to stop first. */
let queue: Promise<unknown> = Promise.resolve();
scope.onmessage = ({ data }) => {
  const answer = (work: Promise<unknown>): Promise<void> =>
    work.then(
      (value) => send({ type: 'reply', id: data.id, value }),
      (error: unknown) =>
        send({ type: 'error', id: data.id, message: error instanceof Error ? error.message : String(error) }),
    );
  if (IMMEDIATE.has(data.op)) {
    void answer(serve(data));
    return;
  }
  controller.pause();
  queue = queue.then(() => answer(serve(data)));
};
send({ type: 'ready' });
