// A further host in the browser: attaches to the shared memory and runs the vCPUs that are its own until it is told to quit.

import { Memory } from '../memory/memory.ts';
import { attachMachine } from '../toolstack/assemble.ts';
import { hostLoop } from './host-loop.ts';
import type { HostStart } from './messages.ts';

const scope = self as unknown as {
  postMessage(message: 'ready'): void;
  onmessage: ((event: MessageEvent<HostStart>) => void) | null;
};

scope.onmessage = ({ data }) => {
  const machine = attachMachine(new Memory(data.memory), data.engine);
  scope.postMessage('ready');
  hostLoop(machine, data.host);
};
