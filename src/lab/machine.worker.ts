// The machine worker: host 0, run control and history. Speaks the union of messages.ts and nothing else.

import { Controller } from './controller.ts';
import { IMMEDIATE, type FromWorker, type ToWorker } from './messages.ts';
import type { ImageMap } from './types.ts';

const scope = self as unknown as { postMessage(message: FromWorker): void; onmessage: ((event: MessageEvent<ToWorker>) => void) | null };
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

const controller = new Controller({
  now: () => performance.now(),
  breathe,
  images: (sha256) => images.get(sha256),
  imageMap: (sha256) => maps.get(sha256),
  shared: (self as unknown as { crossOriginIsolated?: boolean }).crossOriginIsolated === true,
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
    case 'boot': return controller.boot(message.config, message.log, message.goto);
    case 'run': return controller.run(message.until);
    case 'pause': return controller.pause();
    case 'cancel': return controller.cancel();
    case 'link': return controller.link();
    case 'stateHash': return controller.stateHash();
    case 'step': return controller.step(message.kind, message.direction, message.domid);
    case 'goto': return controller.goto(message.moment);
    case 'speed': return controller.setSpeed(message.ticksPerSecond);
    case 'input': return controller.input(message.domid, message.bytes);
    case 'edit': return controller.edit(message.act);
    case 'branch': return controller.switchBranch(message.id);
    case 'breakpoints': return controller.setBreakpoints(message.list);
    case 'inspect': return controller.inspect(message.name, message.args);
    case 'trace': return controller.trace(message.query, message.from, message.count);
    case 'group': return controller.group(message.seq);
    case 'find': return controller.find(message.query, message.direction);
    case 'console': return controller.consoleText(message.domid);
    default: throw new Error(`unknown message ${JSON.stringify(message satisfies never)}`);
  }
}

/** Requests that change the machine wait for each other; a request that comes while it runs asks it to stop first. */
let queue: Promise<unknown> = Promise.resolve();
scope.onmessage = ({ data }) => {
  const answer = (work: Promise<unknown>): Promise<void> =>
    work.then(
      (value) => send({ type: 'reply', id: data.id, value }),
      (error: unknown) => send({ type: 'error', id: data.id, message: error instanceof Error ? error.message : String(error) }),
    );
  if (IMMEDIATE.has(data.op)) {
    void answer(serve(data));
    return;
  }
  controller.pause();
  queue = queue.then(() => answer(serve(data)));
};
send({ type: 'ready' });
